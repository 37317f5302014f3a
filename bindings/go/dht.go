package p2pnet

// #include <p2pnet.h>
// static p2p_result p2pgo_dht_put(p2p_net *net, const char *to, _GoString_ msg, p2p_request *out, p2p_error *err)
// {
//     return p2p_dht_put(net, to, _GoStringPtr(msg), _GoStringLen(msg), out, err);
// }
import "C"

import (
	"context"
	"runtime"
)

// DHTMessage is a message that came by a mailbox, not by a connection.
type DHTMessage struct {
	// From is who is said to have sent it, "" if that is not known. Nobody has checked it.
	From string
	// Text is what it says.
	Text string
}

// DHTID is this node's name for messages, 40 hexadecimal digits. ErrUnsupported: the net has no mailbox (ServerDHT).
func (n *Net) DHTID() (string, error) {
	return n.text(func(raw *C.p2p_net, buf *C.char, room C.size_t, need *C.size_t) C.p2p_result {
		return C.p2p_dht_get_id(raw, buf, room, need)
	})
}

// SendDHT leaves a message of 1 to 8000 bytes of UTF-8 for the node with that DHTID in a mailbox. No error means that it
// is there, not that it has arrived.
func (n *Net) SendDHT(ctx context.Context, to, text string) error {
	return withText("the receiver", to, func(to *C.char) error {
		_, err := n.request(ctx, func(raw *C.p2p_net, id *C.p2p_request, told *C.p2p_error) C.p2p_result {
			return C.p2pgo_dht_put(raw, to, text, id, told)
		})
		return err
	})
}

// ReceiveDHT returns the next message that came by a mailbox, and waits for it until ctx is done. At most 1024 wait for
// the program; anybody may send them, and the oldest go first.
func (n *Net) ReceiveDHT(ctx context.Context) (DHTMessage, error) {
	defer runtime.KeepAlive(n)
	c := n.core
	for {
		if err := ctx.Err(); err != nil {
			return DHTMessage{}, err
		}
		c.connMu.Lock()
		if len(c.messages) > 0 {
			message := c.messages[0]
			c.messages = c.messages[1:]
			more := len(c.messages) > 0
			c.connMu.Unlock()
			if more {
				wake(c.gotMessage)
			}
			return message, nil
		}
		c.connMu.Unlock()
		if err := c.over(); err != nil {
			return DHTMessage{}, err
		}
		select {
		case <-c.gotMessage:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

func (c *core) message(ev *C.p2p_event) {
	c.connMu.Lock()
	c.messages = append(c.messages, DHTMessage{From: C.GoString(ev.peer), Text: eventText(ev)})
	if len(c.messages) > messageRoom {
		c.messages = c.messages[1:]
	}
	c.connMu.Unlock()
	wake(c.gotMessage)
}
