package p2pnet

import (
	"sync"
	"time"
)

// deadline is a time until which calls may wait; setting it reaches those that wait already.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	passed  chan struct{} // closed when the time has come; nil if none is set
	changed chan struct{} // closed when another one is set
}

func (d *deadline) channels() (passed, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return d.passed, d.changed
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop() // if it runs at this moment, it closes a channel that nobody has any more
	}
	if d.changed != nil {
		close(d.changed)
	}
	d.timer, d.passed, d.changed = nil, nil, make(chan struct{})
	if t.IsZero() {
		return
	}
	passed := make(chan struct{})
	d.passed = passed
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(passed) })
	} else {
		close(passed)
	}
}
