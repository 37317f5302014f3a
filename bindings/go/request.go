package p2pnet

// #include <p2pnet.h>
import "C"

import (
	"context"
	"runtime"
)

// request is one that is under way.
type request struct {
	done   chan struct{}
	conn   *Conn
	count  int
	result error
}

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
