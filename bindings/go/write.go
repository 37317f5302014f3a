package p2pnet

// #include <p2pnet.h>
// static p2p_result p2pgo_send_line(p2p_net *net, p2p_conn conn, _GoString_ line)
// {
//     return p2p_send_line(net, conn, _GoStringPtr(line), _GoStringLen(line));
// }
// enum { P2PGO_AT_ONCE = 256 };
// static p2p_result p2pgo_send_lines(p2p_net *net, p2p_conn conn, const char *text, const size_t *lens, size_t count,
//                                    size_t *sent)
// {
//     p2p_line lines[P2PGO_AT_ONCE];
//     for (size_t i = 0; i < count; text += lens[i++])
//         lines[i] = (p2p_line){text, lens[i]};
//     return p2p_send_lines(net, conn, lines, count, sent);
// }
import "C"

import (
	"context"
	"errors"
	"os"
	"runtime"
	"unsafe"
)

// What Write gives to the library at once; a part of what OptSendBuffer has room for.
const piece = 64 << 10

// So many lines are given to the library in one call.
const atOnce = C.P2PGO_AT_ONCE

// WriteLine sends a line; its end is added. It waits while the peer does not read, until ctx is done: the line was not
// sent then. ErrInvalid: the line is empty, or has a line end (CR LF) inside. ErrTooLarge: it is longer than OptMaxLine.
func (c *Conn) WriteLine(ctx context.Context, line string) error {
	return c.write(ctx, func() error { return c.TryWriteLine(line) })
}

// TryWriteLine is WriteLine without waiting: ErrWouldBlock says that nothing was sent.
func (c *Conn) TryWriteLine(line string) error {
	raw, err := c.core.enter()
	if err != nil {
		return err
	}
	result := C.p2pgo_send_line(raw, C.p2p_conn(c.id), line)
	c.core.leave()
	return c.sent(result)
}

// WriteLines sends many lines in their order, for less than as many calls cost; it gives how many were sent, all if there is
// no error. It waits while the peer does not read, until ctx is done. ErrInvalid, ErrTooLarge: as WriteLine says of the line
// behind those.
func (c *Conn) WriteLines(ctx context.Context, lines []string) (int, error) {
	sent := 0
	for sent < len(lines) {
		err := c.write(ctx, func() error {
			now, err := c.TryWriteLines(lines[sent:])
			sent += now
			if now > 0 && errors.Is(err, ErrWouldBlock) {
				return nil
			}
			return err
		})
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// TryWriteLines is WriteLines without waiting: ErrWouldBlock says that there was room for so many only.
func (c *Conn) TryWriteLines(lines []string) (int, error) {
	sent := 0
	for sent < len(lines) {
		some := lines[sent:]
		if len(some) > atOnce {
			some = some[:atOnce]
		}
		now, err := c.tryWriteSome(some)
		sent += now
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (c *Conn) tryWriteSome(lines []string) (int, error) {
	// C may not be given memory of Go's that holds pointers to more of it: all the text at once, and the lengths.
	var lens [atOnce]C.size_t
	total := 0
	for i, line := range lines {
		lens[i] = C.size_t(len(line))
		total += len(line)
	}
	text := make([]byte, 0, total+1) // one more, so that there is something to point at
	for _, line := range lines {
		text = append(text, line...)
	}
	raw, err := c.core.enter()
	if err != nil {
		return 0, err
	}
	var sent C.size_t
	result := C.p2pgo_send_lines(raw, C.p2p_conn(c.id), (*C.char)(unsafe.Pointer(&text[:1][0])), &lens[0],
		C.size_t(len(lines)), &sent)
	runtime.KeepAlive(text)
	c.core.leave()
	return int(sent), c.sent(result)
}

// Send sends a message of 0 to OptMaxMessage bytes, whole and in order with lines (secure dialect; else ErrUnsupported).
// It waits while the peer does not read, until ctx is done: the message was not sent then.
func (c *Conn) Send(ctx context.Context, data []byte) error {
	return c.write(ctx, func() error { return c.TrySend(data) })
}

// TrySend is Send without waiting: ErrWouldBlock says that nothing was sent.
func (c *Conn) TrySend(data []byte) error {
	var at unsafe.Pointer
	if len(data) > 0 {
		at = unsafe.Pointer(&data[0])
	}
	raw, err := c.core.enter()
	if err != nil {
		return err
	}
	result := C.p2p_send(raw, C.p2p_conn(c.id), at, C.size_t(len(data)))
	runtime.KeepAlive(data)
	c.core.leave()
	return c.sent(result)
}

// Write sends bytes, with FramingRaw; with lines it says ErrUnsupported. It waits while the peer does not read.
func (c *Conn) Write(p []byte) (int, error) {
	if !c.core.raws {
		return 0, notRaw("Write", "WriteLine or Send")
	}
	sent := 0
	for sent < len(p) {
		next := p[sent:]
		if len(next) > piece {
			next = next[:piece]
		}
		err := c.write(context.Background(), func() error { return c.TrySend(next) })
		if err != nil {
			return sent, err
		}
		sent += len(next)
	}
	return sent, nil
}

// write repeats a call until there is room for it.
func (c *Conn) write(ctx context.Context, try func() error) error {
	for {
		if err := due(ctx, &c.writeBy); err != nil {
			return err
		}
		err := try()
		if !errors.Is(err, ErrWouldBlock) {
			return err
		}
		// There may be room by now, told before anybody waited for it: once more, when we would hear of it.
		c.mu.Lock()
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		c.mu.Unlock()
		if err := try(); !errors.Is(err, ErrWouldBlock) {
			return err
		}
		passed, changed := c.writeBy.channels()
		select {
		case <-room:
		case <-changed:
		case <-c.done: // the next try tells why
		case <-c.stop:
			return c.sent(C.P2P_ERR_CLOSED)
		case <-passed:
			return os.ErrDeadlineExceeded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sent makes the result of sending an error. That of a connection that is gone says why it is.
func (c *Conn) sent(result C.p2p_result) error {
	switch result {
	case C.P2P_OK:
		return nil
	case C.P2P_ERR_NOT_FOUND, C.P2P_ERR_CLOSED:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.why == "" {
			return failed(ErrClosed, "the connection is closing")
		}
		return failed(ErrClosed, c.why)
	}
	return failure(result, nil)
}
