package p2pnet

// #include <p2pnet.h>
import "C"

import (
	"fmt"
	"runtime"
	"time"
)

// Tristate is yes, no, or not known.
type Tristate int

// What a Tristate can be.
const (
	NotKnown Tristate = -1
	No       Tristate = 0
	Yes      Tristate = 1
)

// String is "yes", "no" or "not known".
func (t Tristate) String() string {
	switch t {
	case Yes:
		return "yes"
	case No:
		return "no"
	}
	return "not known"
}

// Info is a net's situation: how it stands in its network.
type Info struct {
	// NodeType says how others reach this node, as configured or found out.
	NodeType NodeType
	// NAT is the NAT in front of it, in PyP2P's terms.
	NAT NAT
	// Reachable says whether it can be reached from outside by IPv4, ReachableV6 by IPv6: a connection has arrived.
	Reachable, ReachableV6 Tristate
	// PassivePort is the port it listens on.
	PassivePort int
	// Inbound is how many open connections peers opened, Outbound how many this node did.
	Inbound, Outbound int
	// LANIP is the address our connections leave from; WANIP and WANIP6 are ours as the internet sees them; "" if not
	// known.
	LANIP, WANIP, WANIP6 string
	// Forwarding says how the port came to be open.
	Forwarding Forwarding
	// ExternalPort is the port by which others reach us from outside, 0 if not known.
	ExternalPort int
	// Mapping, Allocation, NATDelta, Unsolicited: the NAT in the terms of RFC 4787.
	Mapping     Mapping
	Allocation  Allocation
	NATDelta    int
	Unsolicited Unsolicited
	// Hairpin says whether we can reach ourselves by our outside address, DoubleNAT whether there is another NAT behind
	// the first.
	Hairpin, DoubleNAT Tristate
	// ClockOffset is true time minus the system's, if ClockKnown.
	ClockKnown  bool
	ClockOffset time.Duration
}

func (c *core) info() Info {
	raw, err := c.enter()
	if err != nil {
		return Info{Reachable: NotKnown, ReachableV6: NotKnown, Hairpin: NotKnown, DoubleNAT: NotKnown}
	}
	info := C.p2p_net_info{struct_size: C.sizeof_p2p_net_info}
	C.p2p_net_get_info(raw, &info)
	c.leave()
	return Info{
		NodeType:     NodeType(info.node_type),
		NAT:          NAT(info.nat),
		Reachable:    Tristate(info.reachable),
		ReachableV6:  Tristate(info.reachable_v6),
		PassivePort:  int(info.passive_port),
		Inbound:      int(info.inbound),
		Outbound:     int(info.outbound),
		LANIP:        C.GoString(&info.lan_ip[0]),
		WANIP:        C.GoString(&info.wan_ip[0]),
		WANIP6:       C.GoString(&info.wan_ip6[0]),
		Forwarding:   Forwarding(info.forwarding),
		ExternalPort: int(info.external_port),
		Mapping:      Mapping(info.mapping),
		Allocation:   Allocation(info.allocation),
		NATDelta:     int(info.nat_delta),
		Unsolicited:  Unsolicited(info.unsolicited),
		Hairpin:      Tristate(info.hairpin),
		DoubleNAT:    Tristate(info.double_nat),
		ClockKnown:   info.clock_known != 0,
		ClockOffset:  time.Duration(info.clock_offset_us) * time.Microsecond,
	}
}

// Info tells the net's situation. It changes while the net finds out more (Ready, Notices). After Close nothing is known.
func (n *Net) Info() Info {
	defer runtime.KeepAlive(n)
	return n.core.info()
}

// Stats are counters since New.
type Stats struct {
	// LinesIn were given to the program, LinesOut taken from it (messages and pieces of bytes, too).
	LinesIn, LinesOut uint64
	// BytesIn and BytesOut were received and sent, framing included.
	BytesIn, BytesOut uint64
	// Duplicates were not delivered because they had been seen before (OptDedup).
	Duplicates uint64
	// Opened and Closed are connections, both ways.
	Opened, Closed uint64
	// Rejected are peers turned away by a rule.
	Rejected uint64
	// LogDropped are log lines that did not fit.
	LogDropped uint64
}

// Stats tells the net's counters; all zero after Close.
func (n *Net) Stats() Stats {
	defer runtime.KeepAlive(n)
	raw, err := n.core.enter()
	if err != nil {
		return Stats{}
	}
	defer n.core.leave()
	stats := C.p2p_stats{struct_size: C.sizeof_p2p_stats}
	C.p2p_net_get_stats(raw, &stats)
	return Stats{
		LinesIn:    uint64(stats.lines_in),
		LinesOut:   uint64(stats.lines_out),
		BytesIn:    uint64(stats.bytes_in),
		BytesOut:   uint64(stats.bytes_out),
		Duplicates: uint64(stats.duplicates),
		Opened:     uint64(stats.opened),
		Closed:     uint64(stats.closed),
		Rejected:   uint64(stats.rejected),
		LogDropped: uint64(stats.log_dropped),
	}
}

// Report tells the story behind Info, as JSON: every question that was asked of routers and servers, with its answer.
func (n *Net) Report() (string, error) {
	return n.text(func(raw *C.p2p_net, buf *C.char, room C.size_t, need *C.size_t) C.p2p_result {
		return C.p2p_net_report(raw, buf, room, need)
	})
}

// Explain tells the story of a ConnectUNL, as JSON: the peer's addresses, what was tried, when, what it met, and why it
// ended as it did. request is Conn.Request or Error.Request. The last 64 are known; else ErrNotFound.
func (n *Net) Explain(request uint64) (string, error) {
	return n.text(func(raw *C.p2p_net, buf *C.char, room C.size_t, need *C.size_t) C.p2p_result {
		return C.p2p_explain(raw, C.p2p_request(request), buf, room, need)
	})
}

// text is what a function writes about the net.
func (n *Net) text(write func(*C.p2p_net, *C.char, C.size_t, *C.size_t) C.p2p_result) (string, error) {
	defer runtime.KeepAlive(n)
	raw, err := n.core.enter()
	if err != nil {
		return "", err
	}
	defer n.core.leave()
	return written(func(buf *C.char, room C.size_t, need *C.size_t) error {
		return failure(write(raw, buf, room, need), nil)
	})
}

// Version is the version of the library that is loaded, "major.minor.patch".
func Version() string {
	v := uint32(C.p2p_version())
	return fmt.Sprintf("%d.%d.%d", v>>16, v>>8&0xff, v&0xff)
}

// Features tells what this build of the library can do.
type Features struct {
	// Forwarding has the bits of the port mapping protocols that are built in.
	Forwarding Forwarding
	// HTTP: it can ask servers whether its port is open, and use mailboxes.
	HTTP bool
	// Mainline: it can take part in BitTorrent's DHT.
	Mainline bool
}

// LibraryFeatures tells what the library that is loaded can do.
func LibraryFeatures() Features {
	bits := uint64(C.p2p_features())
	return Features{Forwarding: Forwarding(bits & 0xffff), HTTP: bits&(1<<16) != 0, Mainline: bits&(1<<17) != 0}
}
