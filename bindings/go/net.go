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

	messages   []DHTMessage
	gotMessage chan struct{}
	notices    chan Notice
	startOnce  sync.Once
	started    chan struct{} // closed at READY
	done       chan struct{} // closed when the net is freed
}

// request is one that is under way.
type request struct {
	done   chan struct{}
	conn   *Conn
	count  int
	result error
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
		requests:   map[uint64]*request{},
		conns:      map[uint64]*Conn{},
		arrived:    make(chan struct{}, 1),
		gotMessage: make(chan struct{}, 1),
		notices:    make(chan Notice, noticeRoom),
		started:    make(chan struct{}),
		done:       make(chan struct{}),
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

// ---- requests ----

// request makes a request of the library's and waits for its end, or for the context's, which cancels it.
func (n *Net) request(ctx context.Context, begin func(*C.p2p_net, *C.p2p_request, *C.p2p_error) C.p2p_result) (*request, error) {
	defer runtime.KeepAlive(n)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := n.core
	raw, err := c.enter()
	if err != nil {
		return nil, err
	}
	r := &request{done: make(chan struct{})}
	var id C.p2p_request
	told := story()
	// Its end may be taken before this goroutine knows its number: nobody looks it up until it is noted.
	c.requestMu.Lock()
	result := begin(raw, &id, &told)
	if result == C.P2P_OK {
		c.requests[uint64(id)] = r
	}
	c.requestMu.Unlock()
	c.leave()
	if err := failure(result, &told); err != nil {
		return nil, err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if raw, err := c.enter(); err == nil {
			C.p2p_cancel(raw, id)
			c.leave()
		}
		<-r.done // at once; it may have succeeded in between
	}
	if of, ok := r.result.(*Error); ok {
		e := *of
		e.Request = uint64(id)
		if e.Code == ErrCanceled && ctx.Err() != nil {
			e.cause = ctx.Err()
		} else if e.Code == ErrCanceled {
			e.Code = ErrClosed // nobody else cancels: the net was stopped
		}
		r.result = &e
	}
	return r, r.result
}

func (n *Net) connect(ctx context.Context, begin func(*C.p2p_net, *C.p2p_request, *C.p2p_error) C.p2p_result) (*Conn, error) {
	r, err := n.request(ctx, begin)
	if err != nil {
		return nil, err
	}
	if r.conn == nil {
		return nil, failed(ErrClosed, "the connection was closed as soon as it was open")
	}
	return r.conn.of(n), nil
}

// Bootstrap asks the rendezvous servers for nodes and connects to them, now and from then on whenever connections are
// wanted; they come from Accept. It returns how many nodes a server named: 0 if it knows none yet. ErrNoServer: no
// server answered; the net goes on asking.
func (n *Net) Bootstrap(ctx context.Context) (int, error) {
	r, err := n.request(ctx, func(raw *C.p2p_net, id *C.p2p_request, told *C.p2p_error) C.p2p_result {
		return C.p2p_net_bootstrap(raw, id, told)
	})
	if err != nil {
		return 0, err
	}
	return r.count, nil
}

// Advertise has this node listed at the rendezvous servers, now and again when needed, so that others find it. Only a
// passive node can be listed: if the type is to be found out, Advertise waits for that. ErrState: the node is not
// passive; ErrNoServer: no server did it. The net then tries again by itself.
func (n *Net) Advertise(ctx context.Context) error {
	_, err := n.request(ctx, func(raw *C.p2p_net, id *C.p2p_request, told *C.p2p_error) C.p2p_result {
		return C.p2p_net_advertise(raw, id, told)
	})
	return err
}

// Connect connects to "host:port" (an IPv6 address in brackets). If ctx ends first, the attempt is given up, and the
// error is that of the context, too.
func (n *Net) Connect(ctx context.Context, hostPort string) (conn *Conn, err error) {
	err = withText("the address", hostPort, func(text *C.char) (err error) {
		conn, err = n.connect(ctx, func(raw *C.p2p_net, id *C.p2p_request, told *C.p2p_error) C.p2p_result {
			return C.p2p_connect(raw, text, nil, nil, id, told)
		})
		return err
	})
	return conn, err
}

// ConnectUNL connects to the node with this locator, by whatever way works: a plain connection, one inside the local
// network, the peer connecting to us, hole punching, a relay. ErrNoPath: every way failed; the error says why, and
// Explain with its Request tells all of it. In the secure dialect two nodes have one connection: if there is one
// already, it is that.
func (n *Net) ConnectUNL(ctx context.Context, locator string) (conn *Conn, err error) {
	err = withText("the locator", locator, func(text *C.char) (err error) {
		conn, err = n.connect(ctx, func(raw *C.p2p_net, id *C.p2p_request, told *C.p2p_error) C.p2p_result {
			return C.p2p_unl_connect(raw, text, nil, nil, id, told)
		})
		return err
	})
	return conn, err
}

// ConnectUNLClassic is ConnectUNL in the classic dialect with PyP2P's choices. nonce has 64 hexadecimal digits, from
// which both ends make the connection's id; "" is a random one.
func (n *Net) ConnectUNLClassic(ctx context.Context, locator, nonce string, flags ClassicFlags) (conn *Conn, err error) {
	begin := func(locator, nonce *C.char) (err error) {
		conn, err = n.connect(ctx, func(raw *C.p2p_net, id *C.p2p_request, told *C.p2p_error) C.p2p_result {
			return C.p2p_unl_connect_classic(raw, locator, nonce, C.int32_t(flags), nil, nil, id, told)
		})
		return err
	}
	err = withText("the locator", locator, func(locator *C.char) error {
		if nonce == "" {
			return begin(locator, nil)
		}
		return withText("the nonce", nonce, func(nonce *C.char) error { return begin(locator, nonce) })
	})
	return conn, err
}

// NetworkChanged says that the machine's network is another one now: NAT, port mapping and reachability are found out
// anew. On Linux the net notices most of this by itself.
func (n *Net) NetworkChanged() error {
	defer runtime.KeepAlive(n)
	raw, err := n.core.enter()
	if err != nil {
		return err
	}
	defer n.core.leave()
	told := story()
	return failure(C.p2p_network_changed(raw, &told), &told)
}

// ---- connections ----

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
