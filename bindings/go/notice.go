package p2pnet

// #include <p2pnet.h>
import "C"

import (
	"time"
)

// Notice is news that nothing depends on: a log line, a change of the node's situation, another link of a connection.
type Notice struct {
	// Kind is EventLog, EventInfo, EventPath, EventReady, or a kind that this package does not know.
	Kind Kind
	// Level is that of a log line.
	Level LogLevel
	// Path is what has become of a connection's link.
	Path Path
	// Conn is the connection it is about, nil if none.
	Conn *Conn
	// Peer is the peer's address, "" if it is about none.
	Peer string
	// Text says it in words.
	Text string
	// At is when it happened, from the net's start.
	At time.Duration
}

// Notices returns the channel of notices. It holds the last few hundred that nobody has taken, and is closed at the end
// of the net.
func (n *Net) Notices() <-chan Notice { return n.core.notices }

func (c *core) notice(ev *C.p2p_event) {
	news := Notice{
		Kind: Kind(ev.kind),
		Peer: C.GoString(ev.peer),
		Text: eventText(ev),
		At:   time.Duration(ev.time_ms) * time.Millisecond,
	}
	switch news.Kind {
	case EventLog:
		news.Level = LogLevel(ev.code)
	case EventPath:
		news.Path = Path(ev.code)
	}
	if ev.conn != 0 {
		news.Conn = c.conn(ev)
	}
	for {
		select {
		case c.notices <- news:
			return
		default:
		}
		select {
		case <-c.notices: // the oldest
		default:
		}
	}
}
