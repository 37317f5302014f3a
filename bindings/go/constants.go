// Code generated from p2pnet.h by internal/genconstants; DO NOT EDIT.

package p2pnet

import "fmt"

// The version of the header that this package was written for; Version tells the library's.
const (
	HeaderVersionMajor = 0
	HeaderVersionMinor = 1
	HeaderVersionPatch = 0
)

// Code: What a call or a request came to. Zero is success, negative is failure; p2p_strerror() says it in words.
type Code int32

const (
	// Success.
	OK Code = 0
	// An argument is not what the function takes: a NULL, a malformed address, a line with CR LF inside.
	ErrInvalid Code = -1
	// The library failed internally; your program lives. If it was the library's thread, the net is stopped (STOPPED).
	ErrPanic Code = -2
	// The connection or the net is closed.
	ErrClosed Code = -3
	// Not possible in the net's present state: not started, started twice, no handler set.
	ErrState Code = -4
	// Another thread is in p2p_poll(), p2p_next_event() or p2p_next_events() of this net.
	ErrBusy Code = -5
	// Called from inside a callback of this net, where it cannot work.
	ErrReentrant Code = -6
	// An unknown option, or something this net or this build does not do.
	ErrUnsupported Code = -7
	// No such connection or request, or not any more.
	ErrNotFound Code = -8
	// A number outside the option's range.
	ErrRange Code = -9
	// The connection's send buffer is full: try again after WRITABLE.
	ErrWouldBlock Code = -10
	// Longer than max_line: it will never fit.
	ErrTooLarge Code = -11
	// Your buffer is too small; the size it needs was stored.
	ErrTooSmall Code = -12
	// A limit of this net is reached: connections, requests.
	ErrLimit Code = -13
	// The address is this node's own: on a p2p net with any port, so that two nets on one machine need an address each.
	ErrSelf Code = -14
	// That peer is connected already, and this net takes one connection per address.
	ErrDuplicate Code = -15
	// It took too long.
	ErrTimeout Code = -20
	// Your program cancelled it, or stopped the net.
	ErrCanceled Code = -21
	// The other side refused the connection.
	ErrRefused Code = -22
	// The other side broke the connection.
	ErrReset Code = -23
	// The other side broke the protocol.
	ErrProtocol Code = -24
	// Every way to the peer failed.
	ErrNoPath Code = -25
	// No rendezvous server is configured, or none answered.
	ErrNoServer Code = -26
	// The operating system said no; os_error holds its number.
	ErrIO Code = -27
)

// Kind: What an event is about. Ignore kinds you do not know.
type Kind int32

const (
	// The start is finished.
	EventReady Kind = 1
	// The net has stopped; the last event. result is OK, or ErrPanic with the story in data.
	EventStopped Kind = 2
	// What p2p_net_get_info() tells of this node's situation has changed: type, NAT, addresses. Not the counts.
	EventInfo Kind = 3
	// conn is usable. request is the p2p_connect() it came from, or 0.
	EventOpened Kind = 4
	// conn is gone; its last event. result and data say why: OK = you closed it, ErrClosed = the peer did. Secure
	// dialect: code is how many lines and messages you sent were not acknowledged; OK only if all have arrived.
	EventClosed Kind = 5
	// A line came in on conn: data, without its CR LF.
	EventLine Kind = 6
	// Bytes came in on conn (FramingRaw).
	EventData Kind = 7
	// conn takes data again after ErrWouldBlock.
	EventWritable Kind = 8
	// request has completed with result; data tells the story. p2p_connect(): conn is the connection.
	// p2p_net_bootstrap(): code is how many nodes the server named.
	EventDone Kind = 9
	// Carry data to the node peer over your DHT (p2p_config_set_dht() without send), and hand it to p2p_dht_deliver() there.
	// request is the p2p_dht_put() it comes from, or a number of the net's own.
	EventDHTSend Kind = 10
	// Something to tell whoever looks after the program: data, with its level in code.
	EventLog Kind = 11
	// A message that another program has sent by p2p_dht_put() has come: data. peer is who is said to have sent it, "" if
	// that is not known; nobody has checked it.
	EventDHTMessage Kind = 12
	// The link that carries conn (secure dialect) has broken, or another one has taken its place: code is one of P2P_PATH_*,
	// data says it in words, peer is where it leads now. Nothing is to be done: conn and what you sent on it stay as they are.
	EventPath Kind = 13
	// A message came in on conn (secure dialect, FramingLines): data, sent by p2p_send(). It may be empty.
	EventMessage Kind = 14
)

// NodeType: How others reach a node; PyP2P's names.
type NodeType int32

const (
	// Not told, or not found out yet.
	NodeUnknown NodeType = 0
	// Accepts connections from outside.
	NodePassive NodeType = 1
	// Only connects out.
	NodeActive NodeType = 2
	// Behind a NAT whose ports can be predicted: reachable by hole punching.
	NodeSimultaneous NodeType = 3
)

// NAT: The NAT in front of a node; PyP2P's names.
type NAT int32

const (
	// Not known.
	NATUnknown NAT = 0
	// There is none.
	NATNone NAT = 1
	// The external port is the internal one.
	NATPreserving NAT = 2
	// External ports follow one another at a constant distance.
	NATDelta NAT = 3
	// One internal port keeps one external port towards all destinations.
	NATReuse NAT = 4
	// External ports cannot be foreseen.
	NATRandom NAT = 5
)

// Forwarding: Ways to open a port on the router, as bits.
type Forwarding int32

const (
	// None.
	ForwardingNone Forwarding = 0
	// The router was set up by hand.
	ForwardingManual Forwarding = 1
	// UPnP IGD.
	ForwardingUPnP Forwarding = 2
	// NAT-PMP (RFC 6886).
	ForwardingNATPMP Forwarding = 4
	// PCP (RFC 6887).
	ForwardingPCP Forwarding = 8
)

// Mapping: How long the NAT keeps one outside port for one local port (RFC 4787, section 4.1).
type Mapping int32

const (
	// Not known.
	MappingUnknown Mapping = 0
	// For all destinations.
	MappingEndpointIndependent Mapping = 1
	// For one destination address.
	MappingAddressDependent Mapping = 2
	// For one destination address and port.
	MappingAddressAndPortDependent Mapping = 3
)

// Allocation: How the NAT chooses an outside port (RFC 4787, section 4.2).
type Allocation int32

const (
	// Not known.
	AllocationUnknown Allocation = 0
	// The local port.
	AllocationPreserving Allocation = 1
	// The local port plus nat_delta.
	AllocationDelta Allocation = 2
	// The last one given plus nat_delta.
	AllocationSequential Allocation = 3
	// No rule was found.
	AllocationRandom Allocation = 4
)

// Unsolicited: What becomes of a connection from outside that nobody here asked for.
type Unsolicited int32

const (
	// Not known.
	UnsolicitedUnknown Unsolicited = 0
	// Nothing comes back.
	UnsolicitedDropped Unsolicited = 1
	// It is refused (a TCP RST).
	UnsolicitedReset Unsolicited = 2
	// An ICMP error comes back.
	UnsolicitedUnreachable Unsolicited = 3
)

// Via: How a connection came to be.
type Via int32

const (
	// The peer connected to us.
	ViaAccept Via = 1
	// We connected to the peer.
	ViaDirect Via = 2
	// One connected to the other inside the network that both are in.
	ViaLAN Via = 3
	// Both connected at the same moment, through the NATs between them.
	ViaPunch Via = 4
	// The peer connected to us because we had asked it to.
	ViaReverse Via = 5
	// By a relay, a server or a node that passes on what both send. It sees that they talk and how much, and can read nothing.
	ViaRelay Via = 6
)

// Path: What was last heard of the link that carries a connection (secure dialect).
type Path int32

const (
	// It is the one that the connection was opened with.
	PathFirst Path = 0
	// It has broken. Another one is being made; what you send waits.
	PathLost Path = 1
	// Another one has taken its place after it had broken.
	PathResumed Path = 2
	// Another one has taken its place while it lived.
	PathMoved Path = 3
)

// CandidateKind: Kinds of addresses in a locator.
type CandidateKind int32

const (
	// None.
	CandidateNone CandidateKind = 0
	// In the node's own network.
	CandidateLAN CandidateKind = 1
	// As the internet sees the node.
	CandidateWAN CandidateKind = 2
	// A port that the node's router passes on.
	CandidateMapped CandidateKind = 3
)

// NetType: What a net is for.
type NetType int32

const (
	// A flooding network: bootstraps and advertises. Classic dialect: one connection per address.
	NetP2P NetType = 1
	// For connections to chosen nodes: neither bootstraps nor advertises. Classic dialect: several connections per address,
	// and the nets at both ends have to be of this type.
	NetDirect NetType = 2
)

// Dialect: How a node speaks with others. A net speaks one dialect; nothing on the wire chooses between them.
type Dialect int32

const (
	// PyP2P's, byte for byte: plain lines, UNL version 2, nodes known by their address.
	DialectClassic Dialect = 1
	// The default. Nodes are known by a key, both ends of a link prove who they are, all of it is encrypted, connections
	// outlive their links, and locators are signed (UNL version 3).
	DialectSecure Dialect = 2
)

// Framing: How received bytes become events.
type Framing int32

const (
	// Lines ended by CR LF: EventLine, p2p_send_line(). In the secure dialect also messages, p2p_send().
	FramingLines Framing = 0
	// Whatever arrives, as it arrives: EventData, p2p_send(). Both ends should have the same framing.
	FramingRaw Framing = 1
)

// LogLevel: How much is logged.
type LogLevel int32

const (
	// Nothing.
	LogOff LogLevel = 0
	// What keeps the net from working.
	LogError LogLevel = 1
	// What somebody should look into.
	LogWarn LogLevel = 2
	// Milestones.
	LogInfo LogLevel = 3
	// Why things happen.
	LogDebug LogLevel = 4
	// Everything.
	LogTrace LogLevel = 5
)

// Opt: The options of p2p_config_set_int() (below 1000) and p2p_config_set_str() (from 1001). Times are in milliseconds,
// sizes in bytes, switches 0 or 1. The default stands first.
type Opt int32

const (
	// NodeUnknown; how others reach this node. Unknown: found out at the start and when the network changes, and
	// the port is opened on the router where it can be. Another type is taken as told.
	OptNodeType Opt = 1
	// NetP2P; what the net is for.
	OptNetType Opt = 2
	// NATUnknown; the NAT in front of this node, if you know it. Unknown: measured at the rendezvous servers.
	OptNATType Opt = 3
	// 0; port to listen on, 0 = any free one (p2p_net_get_info() tells which).
	OptPassivePort Opt = 4
	// 10; connections others may open to us. Further ones wait in the system's backlog; in the secure dialect they are told
	// that there is no room.
	OptMaxInbound Opt = 5
	// 10; connections we open.
	OptMaxOutbound Opt = 6
	// 3; below so many connections the node bootstraps sooner and advertises again.
	OptMinConnected Opt = 7
	// ForwardingUPnP | ForwardingNATPMP | ForwardingPCP; port mapping protocols that may be tried, if the node type is unknown.
	OptForwarding Opt = 8
	// 1; may ask rendezvous servers for nodes.
	OptBootstrap Opt = 9
	// 0; 1 = a line that this net has seen before is not delivered again (for flooding networks).
	OptDedup Opt = 10
	// FramingLines; how bytes become events.
	OptFraming Opt = 11
	// 1048576 (16 to 16777216); longest line either way, CR LF not counted. A peer that sends a longer one is closed.
	OptMaxLine Opt = 12
	// 1048576; bytes waiting to be sent on one connection before ErrWouldBlock.
	OptSendBuffer Opt = 13
	// 1048576; received bytes of one connection you have not taken before we stop reading and TCP slows the peer.
	OptRecvBuffer Opt = 14
	// 5000; one connection attempt, name look-up included. (To one of the addresses of a locator of version 3: 4000, unless this
	// is set to something else.)
	OptConnectTimeoutMS Opt = 15
	// LogWarn; what becomes a LOG event, or a line on the log descriptor.
	OptLogLevel Opt = 16
	// -1; descriptor for log lines instead of LOG events (2 = stderr). It stays yours and has to stay open.
	OptLogFD Opt = 17
	// 0; for tests: seeds every random choice, 0 = from the system.
	OptSeed Opt = 18
	// 1; may register at rendezvous servers.
	OptAdvertise Opt = 19
	// 1; may take part in hole punching.
	OptSimultaneous Opt = 20
	// -1; connections per address: 0 = one, 1 = any number, -1 = any number, but one on p2p nets of the classic dialect. (In
	// the secure dialect there is one connection per node, whatever its address.)
	OptDuplicateIP Opt = 21
	// 65536; lines remembered for OptDedup, the oldest are forgotten first.
	OptDedupEntries Opt = 22
	// 3600000; how long OptDedup remembers a line, 0 = until it is pushed out.
	OptDedupTTLMS Opt = 23
	// 1024; elements between our thread and yours. One element holds all lines of one socket read.
	OptEventQueue Opt = 24
	// 1024; requests under way, or done and not taken by you, at one time.
	OptMaxRequests Opt = 25
	// 10000; for what comes before the first line of a link (the nonce of direct nets).
	OptHandshakeTimeoutMS Opt = 26
	// 2000; one exchange with one rendezvous server, connecting included.
	OptServerTimeoutMS Opt = 27
	// 1000; how long a closing connection, and p2p_net_stop(), may still send what is queued.
	OptCloseTimeoutMS Opt = 28
	// 30000; quiet time after which TCP probes whether the peer still lives (whole seconds), 0 = never.
	OptKeepaliveMS Opt = 29
	// 60000; a peer that acknowledges nothing for this long is closed (RFC 5482), 0 = the system's default.
	OptDeadPeerTimeoutMS Opt = 30
	// 1800000; time between two bootstraps while outbound connections are wanted.
	OptBootstrapIntervalMS Opt = 31
	// 43200000; time between two advertisements while under OptMinConnected inbound.
	OptAdvertiseIntervalMS Opt = 32
	// 5000; first pause before an early bootstrap while under OptMinConnected; doubles each time.
	OptRetryIntervalMS Opt = 33
	// 3000; READY comes at the latest then, whatever does not answer. The node works before it.
	OptStartTimeoutMS Opt = 34
	// 3600000; for how long a port is asked of the router; renewed at half of it.
	OptMappingLeaseMS Opt = 35
	// 1200000; time between two looks from outside whether the mapped port is still open, 0 = none.
	OptVerifyIntervalMS Opt = 36
	// 1; the system is asked to tell of changes of its network (Linux), as p2p_network_changed() does.
	OptNetworkMonitor Opt = 37
	// DialectSecure; how the node speaks with others, who have to speak the same. Nodes of PyP2P speak
	// DialectClassic.
	OptDialect Opt = 38
	// 10000; for p2p_unl_connect(), all ways of getting through together. (Classic: 60 s where it waits for the peer to
	// come, as PyP2P does.)
	OptUNLConnectTimeoutMS Opt = 39
	// 86400000; for how long a locator of version 3 holds.
	OptUNLLifetimeMS Opt = 40
	// 256; attempts of hole punching open at one time, all peers together.
	OptPunchHalfOpen Opt = 41
	// 1000; attempts of hole punching begun within any minute, all peers together.
	OptPunchPerMinute Opt = 42
	// 0; addresses of local networks (private, loopback) that a peer names are tried wherever this node is. For tests.
	OptLocalPeers Opt = 43
	// 1; peers that no other way connects are connected by a relay (secure dialect): a server that passes on what it cannot
	// read. 0 = never, neither for us nor for those who call us.
	OptRelay Opt = 44
	// 30000; how long a connection of the secure dialect whose link has broken waits for another one, which is made by
	// itself. 0 = it ends with its link.
	OptResumeGraceMS Opt = 45
	// 4194304 (from 65536); bytes of a connection of the secure dialect that are sent and not acknowledged, and kept to be
	// sent again. More are not sent: what you send waits in OptSendBuffer.
	OptResendWindow Opt = 46
	// 1048576; longest message either way (secure dialect). A peer that sends a longer one is closed.
	OptMaxMessage Opt = 47
	// 10000 (from 3000); a link of the secure dialect on which nothing arrives for so long while an answer is due is given
	// up for another one.
	OptLinkTimeoutMS Opt = 48
	// MainlinePublish | MainlineAnnounce | MainlineLetters; what the net tells in BitTorrent's DHT, if a server of
	// kind ServerMainline is added.
	OptMainline Opt = 50
	// 2; letters for this node that may lie in BitTorrent's DHT at one time, 0 = it takes none.
	OptMainlineSlots Opt = 51
	// 30000; time between two looks for such letters, each some 20 KB on the wire for a slot.
	OptMainlinePollMS Opt = 52
	// 0; so many pairs of nodes of its network that cannot reach each other are relayed by this node at one time (secure
	// dialect). It has to be one that can be reached itself. 0 = it relays for nobody. ErrUnsupported by p2p_net_new() in
	// a build without it (p2p_features()).
	OptRelaySessions Opt = 53
	// 8; connections of one address, or IPv6 /64 network, that this node relays or that wait for their other end.
	OptRelayPerAddress Opt = 54
	// 262144; bytes per second that this node passes on for one pair, both ways together, in the long run. Four times as much
	// at once after a quiet time. 0 = no limit.
	OptRelayRate Opt = 55
	// 1048576; the same for all pairs together, which take turns. 0 = no limit.
	OptRelayRateInAll Opt = 56
	// 17179869184; after so many bytes this node cuts a pair off, which may then meet again. 0 = no limit.
	OptRelayBytes Opt = 57
	// 600000 (from 1000); a pair for which nothing has got through this node for so long is cut off.
	OptRelayIdleMS Opt = 58
	// 1; a thread that sleeps in p2p_wait() does the node's work meanwhile, so that an event need not wake another thread on
	// its way to your program. Only the node's own work: nothing of yours is called. 0 = the net's own thread does it
	// always; for threads with stacks of less than 128 KiB, or that have changed their network namespace (setns(2)).
	OptLease Opt = 59
	// 0 (to 1000); microseconds for which p2p_wait() looks for events before it sleeps, as long as that pays: an answer that
	// comes meanwhile is there sooner, and the CPU is busy meanwhile. After vain tries it looks ever more seldom; it yields
	// to who else wants that CPU. 20 is a good value for answers that come at once. Needs OptLease.
	OptSpinUs Opt = 60
	// ""; address to listen on: "" = every IPv4 and IPv6 address, "0.0.0.0" = every IPv4, "::" = every IPv6. A
	// particular address is also the source of our own connections.
	OptPassiveBind Opt = 1001
	// ""; network interface by name ("eth0", an alias label such as "eth0:2") or by one of its addresses: we listen
	// on it and connect from it. "" or "default" = the system's choice.
	OptInterface Opt = 1002
	// ""; this node's address as the internet sees it, if you know better than we can find out.
	OptWANIP Opt = 1003
	// ""; the routers to ask for a port, by address, separated by commas; "" = found out.
	OptGateway Opt = 1004
	// ""; a directory in which the net notes what it has opened on routers, so that a program that crashed cleans up at
	// its next start. It is made if it is not there. "" = no file is written.
	OptStateDir Opt = 1005
	// ""; name of the network this node belongs to (secure dialect): nodes of others are turned away. "" = the one network
	// without a name, to which all programs belong that set none: give yours a name.
	OptNetwork Opt = 1006
	// ""; the node's secret key, 64 hexadecimal digits that nobody can guess (secure dialect). "" = that of the key
	// file, or a new one at each start.
	OptKey Opt = 1007
	// ""; a file with the node's secret key. It is made, for its owner only, if it is not there. "" = no file is written,
	// and the node is another one at its next start (unless OptKey is set).
	OptKeyFile Opt = 1008
	// ""; a secret that the nodes of the network share, 64 hexadecimal digits that nobody can guess (secure dialect).
	// Strangers are turned away before they cost anything, and cannot find out who this is.
	OptNetworkKey Opt = 1009
)

// ServerKind: Kinds of servers for p2p_config_add_server().
type ServerKind int32

const (
	// A rendezvous server, "host:port": names nodes and lists this one.
	ServerRendezvous ServerKind = 1
	// A server that tells over HTTP whether our port is open from outside: "host:port" (a p2p-rendezvous), or the URL of
	// a PyP2P script ("http://host/net.php"). Rendezvous servers of ours are asked by themselves.
	ServerReachability ServerKind = 2
	// An NTP server, "host" or "host:port" (123). None is asked unless you add it.
	ServerNTP ServerKind = 3
	// A mailbox by which nodes leave messages for each other over HTTP: "host:port" (a p2p-rendezvous), or the URL of a PyP2P
	// script ("http://host/dht_msg.php"). ErrUnsupported in a build without HTTP (p2p_features()).
	ServerDHT ServerKind = 4
	// A node of BitTorrent's DHT to begin with, "host:port", or "public" for the well-known public ones. The net then takes part in
	// that DHT, as far as OptMainline says (secure dialect). ErrUnsupported in a build without it (p2p_features()).
	ServerMainline ServerKind = 5
	// A relay, "host:port" (a p2p-rendezvous, or a node of the network that relays, OptRelaySessions), for peers that no
	// other way connects (secure dialect). Rendezvous servers that relay, and nodes that relay and have been peers of this one,
	// are used by themselves; one that neither node knows in this way has to be added at both.
	ServerRelay ServerKind = 6
)

// Mainline: Bits of OptMainline: what a net tells in BitTorrent's DHT. It looks peers and nodes up there in any case.
type Mainline int32

const (
	// Its locator, under its key: whoever knows the key learns where it is, and when it is there.
	MainlinePublish Mainline = 1
	// Its address, to all who know the network's name: if it can be reached, on a p2p net that may advertise.
	MainlineAnnounce Mainline = 2
	// It has a mailbox for letters ("connect to me"), and leaves such letters for peers that it cannot reach.
	MainlineLetters Mainline = 4
)

// ClassicFlags: What p2p_unl_connect_classic() is to do otherwise than PyP2P does by default; bits.
type ClassicFlags int32

const (
	// Nothing.
	ClassicDefault ClassicFlags = 0
	// If both nodes could connect to the other, the one with the larger locator does, and the other waits for it. For
	// programs where both sides call at once and want one connection; they give the same nonce. (PyP2P: force_master=0.)
	ClassicNotMaster ClassicFlags = 1
	// Two nodes behind one address are not taken to reach each other inside. (PyP2P: hairpin=0.)
	ClassicNoHairpin ClassicFlags = 2
)

// String is the constant's name, or the number if it has none here.
func (v Code) String() string {
	switch v {
	case OK:
		return "OK"
	case ErrInvalid:
		return "ErrInvalid"
	case ErrPanic:
		return "ErrPanic"
	case ErrClosed:
		return "ErrClosed"
	case ErrState:
		return "ErrState"
	case ErrBusy:
		return "ErrBusy"
	case ErrReentrant:
		return "ErrReentrant"
	case ErrUnsupported:
		return "ErrUnsupported"
	case ErrNotFound:
		return "ErrNotFound"
	case ErrRange:
		return "ErrRange"
	case ErrWouldBlock:
		return "ErrWouldBlock"
	case ErrTooLarge:
		return "ErrTooLarge"
	case ErrTooSmall:
		return "ErrTooSmall"
	case ErrLimit:
		return "ErrLimit"
	case ErrSelf:
		return "ErrSelf"
	case ErrDuplicate:
		return "ErrDuplicate"
	case ErrTimeout:
		return "ErrTimeout"
	case ErrCanceled:
		return "ErrCanceled"
	case ErrRefused:
		return "ErrRefused"
	case ErrReset:
		return "ErrReset"
	case ErrProtocol:
		return "ErrProtocol"
	case ErrNoPath:
		return "ErrNoPath"
	case ErrNoServer:
		return "ErrNoServer"
	case ErrIO:
		return "ErrIO"
	}
	return fmt.Sprintf("Code(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Kind) String() string {
	switch v {
	case EventReady:
		return "EventReady"
	case EventStopped:
		return "EventStopped"
	case EventInfo:
		return "EventInfo"
	case EventOpened:
		return "EventOpened"
	case EventClosed:
		return "EventClosed"
	case EventLine:
		return "EventLine"
	case EventData:
		return "EventData"
	case EventWritable:
		return "EventWritable"
	case EventDone:
		return "EventDone"
	case EventDHTSend:
		return "EventDHTSend"
	case EventLog:
		return "EventLog"
	case EventDHTMessage:
		return "EventDHTMessage"
	case EventPath:
		return "EventPath"
	case EventMessage:
		return "EventMessage"
	}
	return fmt.Sprintf("Kind(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v NodeType) String() string {
	switch v {
	case NodeUnknown:
		return "NodeUnknown"
	case NodePassive:
		return "NodePassive"
	case NodeActive:
		return "NodeActive"
	case NodeSimultaneous:
		return "NodeSimultaneous"
	}
	return fmt.Sprintf("NodeType(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v NAT) String() string {
	switch v {
	case NATUnknown:
		return "NATUnknown"
	case NATNone:
		return "NATNone"
	case NATPreserving:
		return "NATPreserving"
	case NATDelta:
		return "NATDelta"
	case NATReuse:
		return "NATReuse"
	case NATRandom:
		return "NATRandom"
	}
	return fmt.Sprintf("NAT(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Forwarding) String() string {
	switch v {
	case ForwardingNone:
		return "ForwardingNone"
	case ForwardingManual:
		return "ForwardingManual"
	case ForwardingUPnP:
		return "ForwardingUPnP"
	case ForwardingNATPMP:
		return "ForwardingNATPMP"
	case ForwardingPCP:
		return "ForwardingPCP"
	}
	return fmt.Sprintf("Forwarding(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Mapping) String() string {
	switch v {
	case MappingUnknown:
		return "MappingUnknown"
	case MappingEndpointIndependent:
		return "MappingEndpointIndependent"
	case MappingAddressDependent:
		return "MappingAddressDependent"
	case MappingAddressAndPortDependent:
		return "MappingAddressAndPortDependent"
	}
	return fmt.Sprintf("Mapping(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Allocation) String() string {
	switch v {
	case AllocationUnknown:
		return "AllocationUnknown"
	case AllocationPreserving:
		return "AllocationPreserving"
	case AllocationDelta:
		return "AllocationDelta"
	case AllocationSequential:
		return "AllocationSequential"
	case AllocationRandom:
		return "AllocationRandom"
	}
	return fmt.Sprintf("Allocation(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Unsolicited) String() string {
	switch v {
	case UnsolicitedUnknown:
		return "UnsolicitedUnknown"
	case UnsolicitedDropped:
		return "UnsolicitedDropped"
	case UnsolicitedReset:
		return "UnsolicitedReset"
	case UnsolicitedUnreachable:
		return "UnsolicitedUnreachable"
	}
	return fmt.Sprintf("Unsolicited(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Via) String() string {
	switch v {
	case ViaAccept:
		return "ViaAccept"
	case ViaDirect:
		return "ViaDirect"
	case ViaLAN:
		return "ViaLAN"
	case ViaPunch:
		return "ViaPunch"
	case ViaReverse:
		return "ViaReverse"
	case ViaRelay:
		return "ViaRelay"
	}
	return fmt.Sprintf("Via(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Path) String() string {
	switch v {
	case PathFirst:
		return "PathFirst"
	case PathLost:
		return "PathLost"
	case PathResumed:
		return "PathResumed"
	case PathMoved:
		return "PathMoved"
	}
	return fmt.Sprintf("Path(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v CandidateKind) String() string {
	switch v {
	case CandidateNone:
		return "CandidateNone"
	case CandidateLAN:
		return "CandidateLAN"
	case CandidateWAN:
		return "CandidateWAN"
	case CandidateMapped:
		return "CandidateMapped"
	}
	return fmt.Sprintf("CandidateKind(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v NetType) String() string {
	switch v {
	case NetP2P:
		return "NetP2P"
	case NetDirect:
		return "NetDirect"
	}
	return fmt.Sprintf("NetType(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Dialect) String() string {
	switch v {
	case DialectClassic:
		return "DialectClassic"
	case DialectSecure:
		return "DialectSecure"
	}
	return fmt.Sprintf("Dialect(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Framing) String() string {
	switch v {
	case FramingLines:
		return "FramingLines"
	case FramingRaw:
		return "FramingRaw"
	}
	return fmt.Sprintf("Framing(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v LogLevel) String() string {
	switch v {
	case LogOff:
		return "LogOff"
	case LogError:
		return "LogError"
	case LogWarn:
		return "LogWarn"
	case LogInfo:
		return "LogInfo"
	case LogDebug:
		return "LogDebug"
	case LogTrace:
		return "LogTrace"
	}
	return fmt.Sprintf("LogLevel(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Opt) String() string {
	switch v {
	case OptNodeType:
		return "OptNodeType"
	case OptNetType:
		return "OptNetType"
	case OptNATType:
		return "OptNATType"
	case OptPassivePort:
		return "OptPassivePort"
	case OptMaxInbound:
		return "OptMaxInbound"
	case OptMaxOutbound:
		return "OptMaxOutbound"
	case OptMinConnected:
		return "OptMinConnected"
	case OptForwarding:
		return "OptForwarding"
	case OptBootstrap:
		return "OptBootstrap"
	case OptDedup:
		return "OptDedup"
	case OptFraming:
		return "OptFraming"
	case OptMaxLine:
		return "OptMaxLine"
	case OptSendBuffer:
		return "OptSendBuffer"
	case OptRecvBuffer:
		return "OptRecvBuffer"
	case OptConnectTimeoutMS:
		return "OptConnectTimeoutMS"
	case OptLogLevel:
		return "OptLogLevel"
	case OptLogFD:
		return "OptLogFD"
	case OptSeed:
		return "OptSeed"
	case OptAdvertise:
		return "OptAdvertise"
	case OptSimultaneous:
		return "OptSimultaneous"
	case OptDuplicateIP:
		return "OptDuplicateIP"
	case OptDedupEntries:
		return "OptDedupEntries"
	case OptDedupTTLMS:
		return "OptDedupTTLMS"
	case OptEventQueue:
		return "OptEventQueue"
	case OptMaxRequests:
		return "OptMaxRequests"
	case OptHandshakeTimeoutMS:
		return "OptHandshakeTimeoutMS"
	case OptServerTimeoutMS:
		return "OptServerTimeoutMS"
	case OptCloseTimeoutMS:
		return "OptCloseTimeoutMS"
	case OptKeepaliveMS:
		return "OptKeepaliveMS"
	case OptDeadPeerTimeoutMS:
		return "OptDeadPeerTimeoutMS"
	case OptBootstrapIntervalMS:
		return "OptBootstrapIntervalMS"
	case OptAdvertiseIntervalMS:
		return "OptAdvertiseIntervalMS"
	case OptRetryIntervalMS:
		return "OptRetryIntervalMS"
	case OptStartTimeoutMS:
		return "OptStartTimeoutMS"
	case OptMappingLeaseMS:
		return "OptMappingLeaseMS"
	case OptVerifyIntervalMS:
		return "OptVerifyIntervalMS"
	case OptNetworkMonitor:
		return "OptNetworkMonitor"
	case OptDialect:
		return "OptDialect"
	case OptUNLConnectTimeoutMS:
		return "OptUNLConnectTimeoutMS"
	case OptUNLLifetimeMS:
		return "OptUNLLifetimeMS"
	case OptPunchHalfOpen:
		return "OptPunchHalfOpen"
	case OptPunchPerMinute:
		return "OptPunchPerMinute"
	case OptLocalPeers:
		return "OptLocalPeers"
	case OptRelay:
		return "OptRelay"
	case OptResumeGraceMS:
		return "OptResumeGraceMS"
	case OptResendWindow:
		return "OptResendWindow"
	case OptMaxMessage:
		return "OptMaxMessage"
	case OptLinkTimeoutMS:
		return "OptLinkTimeoutMS"
	case OptMainline:
		return "OptMainline"
	case OptMainlineSlots:
		return "OptMainlineSlots"
	case OptMainlinePollMS:
		return "OptMainlinePollMS"
	case OptRelaySessions:
		return "OptRelaySessions"
	case OptRelayPerAddress:
		return "OptRelayPerAddress"
	case OptRelayRate:
		return "OptRelayRate"
	case OptRelayRateInAll:
		return "OptRelayRateInAll"
	case OptRelayBytes:
		return "OptRelayBytes"
	case OptRelayIdleMS:
		return "OptRelayIdleMS"
	case OptLease:
		return "OptLease"
	case OptSpinUs:
		return "OptSpinUs"
	case OptPassiveBind:
		return "OptPassiveBind"
	case OptInterface:
		return "OptInterface"
	case OptWANIP:
		return "OptWANIP"
	case OptGateway:
		return "OptGateway"
	case OptStateDir:
		return "OptStateDir"
	case OptNetwork:
		return "OptNetwork"
	case OptKey:
		return "OptKey"
	case OptKeyFile:
		return "OptKeyFile"
	case OptNetworkKey:
		return "OptNetworkKey"
	}
	return fmt.Sprintf("Opt(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v ServerKind) String() string {
	switch v {
	case ServerRendezvous:
		return "ServerRendezvous"
	case ServerReachability:
		return "ServerReachability"
	case ServerNTP:
		return "ServerNTP"
	case ServerDHT:
		return "ServerDHT"
	case ServerMainline:
		return "ServerMainline"
	case ServerRelay:
		return "ServerRelay"
	}
	return fmt.Sprintf("ServerKind(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v Mainline) String() string {
	switch v {
	case MainlinePublish:
		return "MainlinePublish"
	case MainlineAnnounce:
		return "MainlineAnnounce"
	case MainlineLetters:
		return "MainlineLetters"
	}
	return fmt.Sprintf("Mainline(%d)", int32(v))
}

// String is the constant's name, or the number if it has none here.
func (v ClassicFlags) String() string {
	switch v {
	case ClassicDefault:
		return "ClassicDefault"
	case ClassicNotMaster:
		return "ClassicNotMaster"
	case ClassicNoHairpin:
		return "ClassicNoHairpin"
	}
	return fmt.Sprintf("ClassicFlags(%d)", int32(v))
}

// isTime has the options that are times in milliseconds.
var isTime = map[Opt]bool{
	OptConnectTimeoutMS:    true,
	OptDedupTTLMS:          true,
	OptHandshakeTimeoutMS:  true,
	OptServerTimeoutMS:     true,
	OptCloseTimeoutMS:      true,
	OptKeepaliveMS:         true,
	OptDeadPeerTimeoutMS:   true,
	OptBootstrapIntervalMS: true,
	OptAdvertiseIntervalMS: true,
	OptRetryIntervalMS:     true,
	OptStartTimeoutMS:      true,
	OptMappingLeaseMS:      true,
	OptVerifyIntervalMS:    true,
	OptUNLConnectTimeoutMS: true,
	OptUNLLifetimeMS:       true,
	OptResumeGraceMS:       true,
	OptLinkTimeoutMS:       true,
	OptMainlinePollMS:      true,
	OptRelayIdleMS:         true,
}
