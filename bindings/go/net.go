package p2pnet

// #include <errno.h>
// #include <fcntl.h>
// #include <p2pnet.h>
// static p2p_result p2pgo_broadcast(p2p_net *net, _GoString_ line, p2p_conn except, uint32_t *sent)
// {
//     return p2p_broadcast_line(net, _GoStringPtr(line), _GoStringLen(line), except, sent);
// }
// /* A descriptor of our own for the same thing: Go's poller closes what it is given. */
// static int p2pgo_fd(p2p_net *net, int *fd)
// {
//     ptrdiff_t found = -1;
//     p2p_result result = p2p_fd(net, &found);
//     if (result != P2P_OK)
//         return result;
//     *fd = fcntl((int)found, F_DUPFD_CLOEXEC, 0);
//     return *fd < 0 ? P2P_ERR_IO : P2P_OK;
// }
import "C"

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"time"
)

//go:generate go run ./internal/genconstants

// Net is one node. Its methods may be called from several goroutines at once, also after Close.
type Net struct{ core *core }

// core is what the goroutine of a net refers to. It is apart from Net so that a Net that the program has forgotten can
// be found by the garbage collector while the goroutine runs.
type core struct {
	mu      sync.RWMutex // held for reading during each call of the library, for writing to free the net
	raw     *C.p2p_net   // nil once it is freed
	closing bool
	why     error // why it is closed

	watchdog *time.Timer // set when the net is told to stop

	ready *os.File // readable while events wait
	raws  bool     // whether the framing is FramingRaw
	grace time.Duration

	requestMu sync.Mutex // held while a request is made, until it is noted
	requests  map[uint64]*request

	connMu  sync.Mutex
	conns   map[uint64]*Conn
	backlog []*Conn       // for Accept
	arrived chan struct{} // holds one element if Accept should look

	messages  letters[DHTMessage]
	errands   letters[DHTErrand]
	notices   chan Notice
	startOnce sync.Once
	started   chan struct{} // closed at READY
	done      chan struct{} // closed when the net is freed
}

// New makes a net and starts it: the port it listens on is open when New returns. Without options all is at its
// default. Close it when it is no longer needed.
func New(opts ...Option) (*Net, error) {
	cfg := &config{C.p2p_config_new()}
	defer C.p2p_config_free(cfg.raw)
	if err := Options(opts...)(cfg); err != nil {
		return nil, err
	}
	c := &core{
		requests: map[uint64]*request{},
		conns:    map[uint64]*Conn{},
		arrived:  make(chan struct{}, 1),
		messages: newLetters[DHTMessage](),
		errands:  newLetters[DHTErrand](),
		notices:  make(chan Notice, noticeRoom),
		started:  make(chan struct{}),
		done:     make(chan struct{}),
	}
	framing, err := cfg.int(OptFraming)
	if err != nil {
		return nil, err
	}
	grace, err := cfg.int(OptCloseTimeoutMS)
	if err != nil {
		return nil, err
	}
	c.raws, c.grace = Framing(framing) == FramingRaw, time.Duration(grace)*time.Millisecond
	told := story()
	if err := failure(C.p2p_net_new(cfg.raw, &c.raw, &told), &told); err != nil {
		return nil, err
	}
	if err := c.open(); err != nil {
		C.p2p_net_free(c.raw)
		return nil, err
	}
	go c.run()
	n := &Net{c}
	runtime.SetFinalizer(n, func(n *Net) { go n.core.close("the net was forgotten by the program") })
	return n, nil
}

// open starts the net and gets what to wait on.
func (c *core) open() error {
	var fd C.int
	result, errno := C.p2pgo_fd(c.raw, &fd)
	if result != C.P2P_OK {
		return &Error{Code: Code(result), Message: fmt.Sprintf("no descriptor to wait on: %v", errno)}
	}
	c.ready = os.NewFile(uintptr(fd), "p2pnet")
	if err := c.ready.SetReadDeadline(time.Time{}); err != nil {
		c.ready.Close()
		return failed(ErrIO, fmt.Sprintf("Go's poller does not take the net's descriptor: %v", err))
	}
	told := story()
	if err := failure(C.p2p_net_start(c.raw, &told), &told); err != nil {
		c.ready.Close()
		return err
	}
	return nil
}

// enter gives the library's net for one call, which leave ends; an error once the net is closed.
func (c *core) enter() (*C.p2p_net, error) {
	c.mu.RLock()
	if c.closing {
		defer c.mu.RUnlock()
		return nil, c.why
	}
	return c.raw, nil
}

func (c *core) leave() { c.mu.RUnlock() }

// close begins to stop the net; the goroutine frees it.
func (c *core) close(why string) {
	c.mu.Lock()
	first := !c.closing
	c.closing = true
	if c.why == nil {
		c.why = failed(ErrClosed, why)
	}
	c.mu.Unlock()
	if !first {
		return
	}
	// Before the library's connections end: those that open meanwhile see that the net is closing.
	for _, conn := range c.all() {
		conn.abandon(why)
	}
	c.wakeAccept()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw != nil {
		C.p2p_net_stop(c.raw)
		// The library stops in time, whatever hangs. If it did not, the goroutine would free it all the same.
		c.watchdog = time.AfterFunc(2*c.grace+time.Second, func() { c.ready.SetReadDeadline(time.Unix(1, 0)) })
	}
}

// over is why the net is closed, nil while it is not.
func (c *core) over() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closing {
		return c.why
	}
	return nil
}

// Close stops the net and waits for its end: what was written is sent (at most OptCloseTimeoutMS), connections close,
// servers take the node off their lists, routers close its port. Whoever waits in a call gets an error that is
// ErrClosed, and so does every later call but Close, which does nothing.
func (n *Net) Close() error {
	runtime.SetFinalizer(n, nil)
	n.core.close("the net is closed")
	<-n.core.done
	return nil
}

// Done is closed when the net has ended: after Close, or because it failed (Err).
func (n *Net) Done() <-chan struct{} { return n.core.done }

// Err says why the net has ended, nil while it has not: an error that is ErrClosed after Close.
func (n *Net) Err() error {
	c := n.core
	select {
	case <-c.done:
		c.mu.RLock()
		defer c.mu.RUnlock()
		return c.why
	default:
		return nil
	}
}

// Ready is closed when the start is finished: the node knows its type, its NAT, and its addresses as far as they can be
// found out. It works before that, too.
func (n *Net) Ready() <-chan struct{} { return n.core.started }

// Accept returns the next connection that this program did not ask for itself: one that a peer opened, or that
// bootstrapping made. It waits for it until ctx is done. Connections that nobody takes stay open, read nothing further
// once their buffer is full, and count in OptMaxInbound; set that to 0 if no peer should come.
func (n *Net) Accept(ctx context.Context) (*Conn, error) {
	defer runtime.KeepAlive(n)
	c := n.core
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := c.over(); err != nil {
			c.wakeAccept()
			return nil, err
		}
		c.connMu.Lock()
		var conn *Conn
		if len(c.backlog) > 0 {
			conn = c.backlog[0].of(n)
			c.backlog[0] = nil
			c.backlog = c.backlog[1:]
		}
		more := len(c.backlog) > 0
		c.connMu.Unlock()
		if more {
			c.wakeAccept()
		}
		if conn != nil {
			return conn, nil
		}
		select {
		case <-c.arrived:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

func (c *core) wakeAccept() { wake(c.arrived) }

func wake(signal chan<- struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

// all has the connections that are open, oldest first.
func (c *core) all() []*Conn {
	c.connMu.Lock()
	defer c.connMu.Unlock()
	conns := make([]*Conn, 0, len(c.conns))
	for _, conn := range c.conns {
		conns = append(conns, conn)
	}
	sort.Slice(conns, func(i, j int) bool { return conns[i].id < conns[j].id })
	return conns
}

// Conns has the open connections, oldest first, those that Accept did not give yet included.
func (n *Net) Conns() []*Conn {
	conns := n.core.all()
	for _, conn := range conns {
		conn.of(n)
	}
	return conns
}

// Broadcast sends a line to every open connection but one (nil: to all), without waiting, and returns how many took it.
// ErrWouldBlock: some had no room and did not get it.
func (n *Net) Broadcast(line string, except *Conn) (int, error) {
	defer runtime.KeepAlive(n)
	raw, err := n.core.enter()
	if err != nil {
		return 0, err
	}
	defer n.core.leave()
	var not C.p2p_conn
	if except != nil && except.core == n.core {
		not = C.p2p_conn(except.id)
	}
	var sent C.uint32_t
	err = failure(C.p2pgo_broadcast(raw, line, not, &sent), nil)
	return int(sent), err
}
