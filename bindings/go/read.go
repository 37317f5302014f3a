package p2pnet

import (
	"context"
	"os"
)

// A Packet is one thing that came in.
type Packet struct {
	// Kind is EventLine, EventMessage, or EventData with FramingRaw.
	Kind Kind
	// Data is the line without its end, or the bytes. It is the program's.
	Data []byte
}

// Receive returns what comes next, line or message, and waits for it until ctx is done. io.EOF: the peer has closed the
// connection.
func (c *Conn) Receive(ctx context.Context) (Packet, error) {
	var packet Packet
	err := c.read(ctx, &c.readBy, func(kind Kind, data []byte) (int, bool) {
		packet = Packet{kind, append([]byte{}, data...)}
		return 0, true
	})
	return packet, err
}

// ReadLine returns the next line, without its end, and waits for it until ctx is done. io.EOF: the peer has closed the
// connection. ErrIsMessage: a message comes before the next line.
func (c *Conn) ReadLine(ctx context.Context) (string, error) {
	return c.readLine(ctx, &c.readBy)
}

func (c *Conn) readLine(ctx context.Context, by *deadline) (string, error) {
	line, wrong := "", false
	err := c.read(ctx, by, func(kind Kind, data []byte) (int, bool) {
		if wrong = kind == EventMessage; !wrong {
			line = string(data)
		}
		return 0, !wrong
	})
	if err == nil && wrong {
		err = ErrIsMessage
	}
	return line, err
}

// Lines returns a channel of the lines that come in. It is the same one at each call. It is closed when the connection
// has ended and all lines were taken; Err says why. A message ends it as well: use Receive where there may be any.
func (c *Conn) Lines() <-chan string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.linesOf == nil {
		c.linesOf = make(chan string)
		go c.feed(c.linesOf)
	}
	return c.linesOf
}

func (c *Conn) feed(lines chan<- string) {
	defer close(lines)
	for {
		line, err := c.readLine(context.Background(), new(deadline))
		if err != nil {
			return
		}
		select {
		case lines <- line:
		case <-c.stop:
			return
		}
	}
}

// Read reads bytes, with FramingRaw: a Conn is an io.ReadWriteCloser and a net.Conn then. With lines it says
// ErrUnsupported. io.EOF: the peer has closed the connection. OptRecvBuffer is how much is read ahead.
func (c *Conn) Read(p []byte) (int, error) {
	if !c.core.raws {
		return 0, notRaw("Read", "ReadLine, Lines or Receive")
	}
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	err := c.read(context.Background(), &c.readBy, func(kind Kind, data []byte) (int, bool) {
		n = copy(p, data)
		return n, n == len(data)
	})
	return n, err
}

func notRaw(what, instead string) error {
	return failed(ErrUnsupported, what+" is for FramingRaw, and this net's framing is lines: use "+instead)
}

func (c *Conn) read(ctx context.Context, by *deadline, use func(Kind, []byte) (int, bool)) error {
	for {
		if err := due(ctx, by); err != nil {
			return err
		}
		if err := c.core.over(); err != nil {
			c.in.wake() // others may wait
			return err
		}
		found, err := c.in.look(use)
		if found || err != nil {
			return err
		}
		passed, changed := by.channels()
		select {
		case <-c.in.signal:
		case <-changed:
		case <-passed:
			return os.ErrDeadlineExceeded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// due says whether the time for waiting is over already.
func due(ctx context.Context, by *deadline) error {
	passed, _ := by.channels()
	select {
	case <-passed:
		return os.ErrDeadlineExceeded
	default:
		return ctx.Err()
	}
}
