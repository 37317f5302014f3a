package p2pnet

// #include <p2pnet.h>
// /* Takes up to max events at once: a call from Go to C costs more than taking one. Their number; 0 when there is none
//  * and the descriptor will become readable with the next one; -1 when none will ever come. */
// static int32_t p2pgo_take(p2p_net *net, const p2p_event **out, int32_t max)
// {
//     int32_t n = 0;
//     for (;;) {
//         int32_t one = n < max ? p2p_next_event(net, &out[n]) : 0;
//         if (one == 1)
//             n++;
//         else if (n > 0)
//             return n;
//         else if (one < 0)
//             return -1;
//         else {
//             /* What came in may hold no event, and the descriptor then stays readable: nobody would tell us again. */
//             int32_t more = p2p_wait(net, 0);
//             if (more <= 0)
//                 return more < 0 ? -1 : 0;
//         }
//     }
// }
import "C"

import (
	"io"
	"syscall"
)

const (
	takeAtOnce = 64
	// noticeRoom is how many notices wait for the program; further ones push the oldest out.
	noticeRoom = 256
	// messageRoom is the same for messages of the DHT, which anybody may send, and for those to be carried.
	messageRoom = 1024
	// closedBacklog is how many connections that have ended wait for Accept; the oldest go first. What is open is
	// limited by the net's options.
	closedBacklog = 64
)

// run is the goroutine of a net: it takes the library's events to whom they are for, and frees the net in the end. It
// waits in Go's poller, and is the only one that takes events.
func (c *core) run() {
	if waiting, err := c.ready.SyscallConn(); err == nil {
		events := make([]*C.p2p_event, takeAtOnce)
		// Called at once, and again each time the descriptor has become readable; it ends by returning true, or by the
		// deadline that close sets.
		_ = waiting.Read(func(uintptr) bool { return c.takeAll(events) })
	}
	c.finish()
}

// takeAll takes what there is; true when nothing will come any more.
func (c *core) takeAll(events []*C.p2p_event) (over bool) {
	for {
		// The net lives: only this goroutine frees it.
		n := C.p2pgo_take(c.raw, &events[0], takeAtOnce)
		if n <= 0 {
			return n < 0
		}
		for i, ev := range events[:n] {
			events[i] = nil
			over = c.deal(ev) || over
		}
		if over {
			return true
		}
	}
}

// deal gives an event to whom it is for; true if it is the last one.
func (c *core) deal(ev *C.p2p_event) (over bool) {
	switch kind := Kind(ev.kind); kind {
	case EventLine, EventMessage, EventData:
		if conn := c.conn(ev); conn != nil {
			conn.in.push(ev) // which frees it
			return false
		}
	case EventWritable:
		if conn := c.conn(ev); conn != nil {
			conn.writable()
		}
	case EventOpened:
		c.opened(ev)
	case EventClosed:
		c.closed(ev)
	case EventDone:
		c.completed(ev)
	case EventReady:
		c.startOnce.Do(func() { close(c.started) })
		c.notice(ev)
	case EventDHTMessage:
		c.messages.push(DHTMessage{From: C.GoString(ev.peer), Text: eventText(ev)})
	case EventDHTSend:
		c.errands.push(DHTErrand{To: C.GoString(ev.peer), Text: eventText(ev)})
	case EventStopped:
		if ev.result != C.P2P_OK {
			c.mu.Lock()
			c.why = eventError(ev)
			c.mu.Unlock()
		}
		over = true
	default:
		c.notice(ev)
	}
	C.p2p_event_free(ev)
	return over
}

func (c *core) conn(ev *C.p2p_event) *Conn {
	c.connMu.Lock()
	defer c.connMu.Unlock()
	return c.conns[uint64(ev.conn)]
}

func (c *core) opened(ev *C.p2p_event) {
	conn := newConn(c, uint64(ev.conn), uint64(ev.request), C.GoString(ev.peer))
	c.requestMu.Lock()
	request := c.requests[conn.request]
	if request != nil {
		request.conn = conn
	}
	c.requestMu.Unlock()
	c.connMu.Lock()
	c.conns[conn.id] = conn
	if request == nil {
		c.backlog = append(c.backlog, conn)
	}
	c.connMu.Unlock()
	if c.over() != nil {
		conn.abandon("the net is closed")
	}
	c.wakeAccept()
}

func (c *core) closed(ev *C.p2p_event) {
	c.connMu.Lock()
	conn := c.conns[uint64(ev.conn)]
	delete(c.conns, uint64(ev.conn))
	c.connMu.Unlock()
	if conn == nil {
		return
	}
	var err error
	switch Code(ev.result) {
	case ErrClosed:
		err = io.EOF
	case OK:
		err = failed(ErrClosed, "the connection is closed")
	default:
		err = eventError(ev)
	}
	conn.ended(err, eventText(ev), int(ev.code))
	c.trimBacklog()
}

// trimBacklog forgets connections that have ended before anybody accepted them, if there is nothing to read from them or
// if there are too many: peers may come and go for ever, and the program need not take any.
func (c *core) trimBacklog() {
	c.connMu.Lock()
	defer c.connMu.Unlock()
	kept, ended := c.backlog[:0], 0
	for i := len(c.backlog) - 1; i >= 0; i-- { // from the newest
		conn := c.backlog[i]
		if _, open := c.conns[conn.id]; !open {
			if conn.in.size() > 0 {
				ended++
			}
			if conn.in.size() == 0 || ended > closedBacklog {
				conn.in.free()
				c.backlog[i] = nil
			}
		}
	}
	for _, conn := range c.backlog {
		if conn != nil {
			kept = append(kept, conn)
		}
	}
	for i := len(kept); i < len(c.backlog); i++ {
		c.backlog[i] = nil
	}
	c.backlog = kept
}

func (c *core) completed(ev *C.p2p_event) {
	c.requestMu.Lock()
	request := c.requests[uint64(ev.request)]
	delete(c.requests, uint64(ev.request))
	c.requestMu.Unlock()
	if request == nil {
		return
	}
	request.count = int(ev.code)
	if ev.result != C.P2P_OK {
		request.result = eventError(ev)
	} else if ev.conn != 0 {
		// It may be an older one than this request.
		if conn := c.conn(ev); conn != nil {
			request.conn = conn
		}
	}
	close(request.done)
}

// finish frees the net and lets everybody go who waits for something of it.
func (c *core) finish() {
	c.mu.Lock()
	raw := c.raw
	c.raw, c.closing = nil, true
	if c.why == nil {
		c.why = failed(ErrClosed, "the net has stopped")
	}
	why := c.why
	if c.watchdog != nil {
		c.watchdog.Stop()
	}
	c.mu.Unlock()
	C.p2p_net_free(raw) // nobody is in a call, and nobody enters one
	c.ready.Close()
	c.requestMu.Lock()
	requests := c.requests
	c.requests = map[uint64]*request{}
	c.requestMu.Unlock()
	for _, request := range requests {
		request.result = why
		close(request.done)
	}
	for _, conn := range c.all() {
		conn.ended(why, why.Error(), 0)
	}
	c.connMu.Lock()
	c.conns, c.backlog = map[uint64]*Conn{}, nil
	c.connMu.Unlock()
	close(c.done)
	close(c.notices)
}

func eventText(ev *C.p2p_event) string {
	return C.GoStringN(ev.data, C.int(ev.len))
}

func eventError(ev *C.p2p_event) error {
	e := &Error{Code: Code(ev.result), Errno: syscall.Errno(ev.os_error), Message: eventText(ev)}
	if e.Message == "" {
		e.Message = e.Code.Error()
	}
	return e
}
