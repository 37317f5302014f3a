package p2pnet

// #include <p2pnet.h>
import "C"

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Conn is a connection to one peer. All methods may be called from several goroutines at once; each line and message
// then goes to one of those that read.
type Conn struct {
	core    *core
	id      uint64
	request uint64
	peer    string
	in      *inbox
	// net is kept alive by a connection that the program has, while it is open.
	net atomic.Pointer[Net]

	mu       sync.Mutex
	room     chan struct{} // closed when the library takes data again; nil while nobody waits for it
	unacked  int
	end      error  // why it has ended, or what the program did; the first of both
	why      string // in words
	linesOf  chan string
	readBy   deadline
	writeBy  deadline
	done     chan struct{} // closed at the connection's last event
	stopOnce sync.Once
	stop     chan struct{} // closed when the program wants nothing more
}

func newConn(core *core, id, request uint64, peer string) *Conn {
	return &Conn{core: core, id: id, request: request, peer: peer, in: newInbox(), done: make(chan struct{}), stop: make(chan struct{})}
}

// of marks the connection as one that the program has got from this net.
func (c *Conn) of(n *Net) *Conn {
	c.net.Store(n)
	return c
}

// ID is the connection's number, never used twice in a net.
func (c *Conn) ID() uint64 { return c.id }

// Request is the number of the Connect or ConnectUNL that it comes from, for Net.Explain; 0 if it comes from none.
func (c *Conn) Request() uint64 { return c.request }

// Peer is the peer's address where the connection was opened, "ip:port". Info tells where it is now, and its key.
func (c *Conn) Peer() string { return c.peer }

// Done is closed when the connection has ended. What had come in can still be read then.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why the connection has ended: nil while it is open, io.EOF if the peer closed it, an error that is ErrClosed
// if this program did.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.end
}

// Unacked is, after the end of a connection of the secure dialect, how many of the lines and messages sent the peer's
// library has not acknowledged: they may be lost.
func (c *Conn) Unacked() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unacked
}

// Close closes the connection once what was written is sent (at most OptCloseTimeoutMS), without waiting for that: Done
// tells. What has come in and was not read is dropped; whoever waits gets an error that is ErrClosed.
func (c *Conn) Close() error {
	c.abandon("the connection is closed")
	raw, err := c.core.enter()
	if err != nil {
		return nil // the net is closed, and with it this
	}
	C.p2p_conn_close(raw, C.p2p_conn(c.id)) // what it may say is that it has been done already
	c.core.leave()
	return nil
}

// abandon ends reading and writing on this side.
func (c *Conn) abandon(why string) {
	c.stopOnce.Do(func() {
		err := failed(ErrClosed, why)
		c.mu.Lock()
		if c.end == nil {
			c.end, c.why = err, why
		}
		c.mu.Unlock()
		c.in.close(err)
		close(c.stop)
	})
}

// ended is called at the last event of the connection, once.
func (c *Conn) ended(err error, why string, unacked int) {
	c.mu.Lock()
	c.unacked = unacked
	if c.end == nil {
		c.end, c.why = err, "the connection is gone: "+why
	}
	c.mu.Unlock()
	c.in.end(err)
	close(c.done)
	c.writable()
	c.net.Store(nil)
}

// writable lets those go on who wait for room.
func (c *Conn) writable() {
	c.mu.Lock()
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
	c.mu.Unlock()
}

// ---- net.Conn ----

var _ net.Conn = (*Conn)(nil)

// LocalAddr is the address that this node's connections leave from; without a port, if that is all that is known.
func (c *Conn) LocalAddr() net.Addr {
	info := c.core.info()
	return address(net.JoinHostPort(info.LANIP, "0"))
}

// RemoteAddr is Peer.
func (c *Conn) RemoteAddr() net.Addr { return address(c.peer) }

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error {
	c.readBy.set(t)
	c.writeBy.set(t)
	return nil
}

// SetReadDeadline lets Read, ReadLine and Receive wait until then, those that wait already included; they then return
// os.ErrDeadlineExceeded. The zero time is none.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.readBy.set(t)
	return nil
}

// SetWriteDeadline is the same for Write, WriteLine and Send.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.writeBy.set(t)
	return nil
}

type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// ---- about it ----

// ConnInfo is a connection's situation.
type ConnInfo struct {
	// Via says how it came to be. In the secure dialect Via and Peer are of the link that carries it now.
	Via Via
	// Inbound says whether the peer opened it.
	Inbound bool
	// QueuedBytes were accepted for sending, and the system has not taken them yet.
	QueuedBytes uint64
	// UnreadBytes were received and are not read yet, with what memory they take.
	UnreadBytes uint64
	// BytesIn and BytesOut were received and sent, framing included.
	BytesIn, BytesOut uint64
	// Age is the time since it was opened.
	Age time.Duration
	// Peer is the peer's address, "ip:port".
	Peer string
	// ConID is what both ends call it, 64 hexadecimal digits; direct nets of the classic dialect only.
	ConID string
	// PeerID is the peer's key, proved by the handshake; secure dialect only, as all that follows.
	PeerID string
	// RTT is the round trip to the peer's library, 0 if not measured.
	RTT time.Duration
	// UnackedBytes were sent and the peer's library has not acknowledged them.
	UnackedBytes uint64
	// Resends is how many bytes were sent again because a link broke, Resumptions how often a link was replaced.
	Resends, Resumptions uint64
	// Path says what has become of the link that it was opened with.
	Path Path
	// Relay is by which relay it goes, host:port; "" for none.
	Relay string
}

// Info tells the connection's situation; an error that is ErrClosed after its end.
func (c *Conn) Info() (ConnInfo, error) {
	raw, err := c.core.enter()
	if err != nil {
		return ConnInfo{}, err
	}
	info := C.p2p_conn_info{struct_size: C.sizeof_p2p_conn_info}
	result := C.p2p_conn_get_info(raw, C.p2p_conn(c.id), &info)
	c.core.leave()
	if err := c.sent(result); err != nil {
		return ConnInfo{}, err
	}
	return ConnInfo{
		Via:          Via(info.via),
		Inbound:      info.inbound != 0,
		QueuedBytes:  uint64(info.queued_bytes),
		UnreadBytes:  uint64(info.unread_bytes),
		BytesIn:      uint64(info.bytes_in),
		BytesOut:     uint64(info.bytes_out),
		Age:          time.Duration(info.age_ms) * time.Millisecond,
		Peer:         C.GoString(&info.peer[0]),
		ConID:        C.GoString(&info.con_id[0]),
		PeerID:       C.GoString(&info.peer_id[0]),
		RTT:          time.Duration(info.rtt_us) * time.Microsecond,
		UnackedBytes: uint64(info.unacked_bytes),
		Resends:      uint64(info.resends),
		Resumptions:  uint64(info.resumptions),
		Path:         Path(info.path),
		Relay:        C.GoString(&info.relay[0]),
	}, nil
}

// TakeSocket takes the socket of the connection over, to go on with another protocol (classic dialect; else
// ErrUnsupported), once what was written is sent. The Conn ends with that; what it had read can still be read from it,
// and rest is the beginning of an unfinished line. It waits at most OptCloseTimeoutMS; after an error the connection
// goes on as it was.
func (c *Conn) TakeSocket() (socket net.Conn, rest []byte, err error) {
	var fd C.int32_t
	var length C.size_t
	room := make([]byte, 1<<16)
	for {
		raw, err := c.core.enter()
		if err != nil {
			return nil, nil, err
		}
		result := C.p2p_conn_take_fd(raw, C.p2p_conn(c.id), &fd, unsafe.Pointer(&room[0]), C.size_t(len(room)), &length)
		c.core.leave()
		if result == C.P2P_ERR_TOO_SMALL && int(length) > len(room) {
			room = make([]byte, int(length))
			continue
		}
		if err := c.sent(result); err != nil {
			return nil, nil, err
		}
		break
	}
	file := os.NewFile(uintptr(fd), "p2pnet "+c.peer)
	defer file.Close() // FileConn makes a descriptor of its own
	socket, err = net.FileConn(file)
	if err != nil {
		return nil, nil, err
	}
	return socket, room[:length], nil
}
