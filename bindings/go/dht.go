package p2pnet

// #include <p2pnet.h>
// static p2p_result p2pgo_dht_put(p2p_net *net, const char *to, _GoString_ msg, p2p_request *out, p2p_error *err)
// {
//     return p2p_dht_put(net, to, _GoStringPtr(msg), _GoStringLen(msg), out, err);
// }
// static p2p_result p2pgo_dht_deliver(p2p_net *net, const char *from, _GoString_ msg)
// {
//     return p2p_dht_deliver(net, from, _GoStringPtr(msg), _GoStringLen(msg));
// }
// /* Without a function to carry messages: they come as events, and no C calls Go. */
// static p2p_result p2pgo_own_dht(p2p_config *cfg, const char *id, p2p_error *err)
// {
//     p2p_dht dht = {.struct_size = sizeof dht, .node_id = id};
//     return p2p_config_set_dht(cfg, &dht, err);
// }
import "C"

import (
	"context"
	"runtime"
	"sync"
)

// DHTMessage is a message that came by a mailbox or by the program's own DHT, not by a connection.
type DHTMessage struct {
	// From is who is said to have sent it, "" if that is not known. Nobody has checked it.
	From string
	// Text is what it says.
	Text string
}

// DHTErrand is a message that the program is to carry to another node over its own DHT.
type DHTErrand struct {
	// To is the DHTID of the node it is for.
	To string
	// Text is the message. That node's program hands it to DeliverDHT as it is.
	Text string
}

// OwnDHT says that the program carries messages between nodes itself, over a DHT that it is part of or whatever else
// reaches the other program: CarryDHT gives what is to be carried, DeliverDHT takes what has come. id is this node's
// name there, 40 hexadecimal digits; "" is a random one (DHTID). A net has that or mailboxes (ServerDHT), not both.
func OwnDHT(id string) Option {
	return func(c *config) error {
		told := story()
		if id == "" {
			return failure(C.p2pgo_own_dht(c.raw, nil, &told), &told)
		}
		return withText("the name in the DHT", id, func(id *C.char) error {
			return failure(C.p2pgo_own_dht(c.raw, id, &told), &told)
		})
	}
}

// DHTID is this node's name for messages, 40 hexadecimal digits. ErrUnsupported: the net has neither a mailbox
// (ServerDHT) nor OwnDHT.
func (n *Net) DHTID() (string, error) {
	return n.text(func(raw *C.p2p_net, buf *C.char, room C.size_t, need *C.size_t) C.p2p_result {
		return C.p2p_dht_get_id(raw, buf, room, need)
	})
}

// SendDHT leaves a message of 1 to 8000 bytes of UTF-8 for the node with that DHTID in a mailbox, or for CarryDHT. No
// error means that it is there, not that it has arrived.
func (n *Net) SendDHT(ctx context.Context, to, text string) error {
	return withText("the receiver", to, func(to *C.char) error {
		_, err := n.request(ctx, func(raw *C.p2p_net, id *C.p2p_request, told *C.p2p_error) C.p2p_result {
			return C.p2pgo_dht_put(raw, to, text, id, told)
		})
		return err
	})
}

// ReceiveDHT returns the next message that has come for this node, and waits for it until ctx is done. At most 1024 wait
// for the program; anybody may send them, and the oldest go first.
func (n *Net) ReceiveDHT(ctx context.Context) (DHTMessage, error) {
	defer runtime.KeepAlive(n)
	return n.core.messages.take(ctx, n.core)
}

// CarryDHT returns the next message that the program is to carry to another node (OwnDHT), and waits for it until ctx is
// done. They are those of SendDHT, and the net's own, by which it asks others to connect. At most 1024 wait, and the
// oldest go first, as messages in a DHT may.
func (n *Net) CarryDHT(ctx context.Context) (DHTErrand, error) {
	defer runtime.KeepAlive(n)
	return n.core.errands.take(ctx, n.core)
}

// DeliverDHT hands in a message for this node that has come over the program's own DHT, once, in any order: what
// CarryDHT gave at the other side. from is its sender's name there, "" if not known. It does not wait: ErrWouldBlock
// says that too many were handed in at once, so try again a moment later. ErrTooLarge: more than 64 KiB.
// ErrUnsupported: the net was made without OwnDHT.
func (n *Net) DeliverDHT(from, text string) error {
	defer runtime.KeepAlive(n)
	return withText("the sender", from, func(from *C.char) error {
		raw, err := n.core.enter()
		if err != nil {
			return err
		}
		defer n.core.leave()
		return failure(C.p2pgo_dht_deliver(raw, from, text), nil)
	})
}

// letters are messages that wait for the program, up to messageRoom of them.
type letters[T any] struct {
	mu     sync.Mutex
	list   []T
	signal chan struct{} // holds one element if somebody should look
}

func newLetters[T any]() letters[T] { return letters[T]{signal: make(chan struct{}, 1)} }

func (l *letters[T]) push(letter T) {
	l.mu.Lock()
	l.list = append(l.list, letter)
	if len(l.list) > messageRoom {
		l.list = l.list[1:]
	}
	l.mu.Unlock()
	wake(l.signal)
}

// take returns the oldest one; an error once ctx is done, or the net is closed and none is left.
func (l *letters[T]) take(ctx context.Context, c *core) (letter T, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return letter, err
		}
		l.mu.Lock()
		if len(l.list) > 0 {
			letter, l.list = l.list[0], l.list[1:]
			more := len(l.list) > 0
			l.mu.Unlock()
			if more {
				wake(l.signal)
			}
			return letter, nil
		}
		l.mu.Unlock()
		if err := c.over(); err != nil {
			return letter, err
		}
		select {
		case <-l.signal:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}
