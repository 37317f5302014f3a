package p2pnet

// #include <p2pnet.h>
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

// inbox has what came in on a connection and was not read yet, as events of the library's. They count in the
// connection's OptRecvBuffer until they are freed: the library slows the peer, and nothing here needs a limit.
//
// It refers to nothing else, so that the garbage collector may finalize it at any time: events may be freed after their
// net.
type inbox struct {
	mu     sync.Mutex
	events []*C.p2p_event
	offset int           // bytes of the first event that Read has taken
	err    error         // why nothing more comes; nil while something may
	closed bool          // the program wants nothing more
	signal chan struct{} // holds one element if a reader should look
}

func newInbox() *inbox {
	in := &inbox{signal: make(chan struct{}, 1)}
	runtime.SetFinalizer(in, (*inbox).free)
	return in
}

// free gives all events back.
func (in *inbox) free() {
	in.mu.Lock()
	events := in.events
	in.events, in.offset = nil, 0
	in.mu.Unlock()
	for _, ev := range events {
		C.p2p_event_free(ev)
	}
}

// push takes an event over.
func (in *inbox) push(ev *C.p2p_event) {
	in.mu.Lock()
	closed := in.closed
	if !closed {
		in.events = append(in.events, ev)
	}
	in.mu.Unlock()
	if closed {
		C.p2p_event_free(ev)
		return
	}
	in.wake()
}

// end says that nothing more comes. What is here can still be read.
func (in *inbox) end(err error) {
	in.mu.Lock()
	if in.err == nil {
		in.err = err
	}
	in.mu.Unlock()
	in.wake()
}

// close says that the program wants nothing more.
func (in *inbox) close(err error) {
	in.mu.Lock()
	in.err, in.closed = err, true
	in.mu.Unlock()
	in.free()
	in.wake()
}

// wake lets one reader look; it passes that on if there is more than it takes.
func (in *inbox) wake() {
	select {
	case in.signal <- struct{}{}:
	default:
	}
}

// look calls use with the first event's kind and what is left of its bytes. use says how many of them it took, and
// whether the event is done with. With nothing here it returns false, and the error if nothing will come.
func (in *inbox) look(use func(kind Kind, data []byte) (taken int, done bool)) (found bool, err error) {
	in.mu.Lock()
	if len(in.events) == 0 {
		err := in.err
		in.mu.Unlock()
		if err != nil {
			in.wake()
		}
		return false, err
	}
	ev := in.events[0]
	var data []byte
	if ev.len > 0 {
		data = unsafe.Slice((*byte)(unsafe.Pointer(ev.data)), int(ev.len))[in.offset:]
	}
	taken, done := use(Kind(ev.kind), data)
	in.offset += taken
	if done {
		in.events[0] = nil
		in.events, in.offset = in.events[1:], 0
		if len(in.events) == 0 {
			in.events = nil
		}
	}
	more := len(in.events) > 0 || in.err != nil
	in.mu.Unlock()
	if more {
		in.wake()
	}
	if done {
		C.p2p_event_free(ev)
	}
	return true, nil
}

// size is how many events wait.
func (in *inbox) size() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.events)
}
