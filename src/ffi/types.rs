//! The constants of the C ABI. Their numbers never change; new ones may come in any minor version.

use crate::config::{NetType, NodeType};
use crate::error::Code;
use crate::event::{Kind, NatType, Via};

/// What a call or a request came to. Zero is success, negative is failure; p2p_strerror() says it in words.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_result {
    /// Success.
    P2P_OK = 0,
    /// An argument is not what the function takes: a NULL, a malformed address, a line with CR LF inside.
    P2P_ERR_INVALID = -1,
    /// The library failed internally; your program lives. If it was the library's thread, the net is stopped (STOPPED).
    P2P_ERR_PANIC = -2,
    /// The connection or the net is closed.
    P2P_ERR_CLOSED = -3,
    /// Not possible in the net's present state: not started, started twice, no handler set.
    P2P_ERR_STATE = -4,
    /// Another thread is in p2p_poll() or p2p_next_event() of this net.
    P2P_ERR_BUSY = -5,
    /// Called from inside a callback of this net, where it cannot work.
    P2P_ERR_REENTRANT = -6,
    /// An unknown option, or something this net or this build does not do.
    P2P_ERR_UNSUPPORTED = -7,
    /// No such connection or request, or not any more.
    P2P_ERR_NOT_FOUND = -8,
    /// A number outside the option's range.
    P2P_ERR_RANGE = -9,
    /// The connection's send buffer is full: try again after WRITABLE.
    P2P_ERR_WOULD_BLOCK = -10,
    /// Longer than max_line: it will never fit.
    P2P_ERR_TOO_LARGE = -11,
    /// Your buffer is too small; the size it needs was stored.
    P2P_ERR_TOO_SMALL = -12,
    /// A limit of this net is reached: connections, requests.
    P2P_ERR_LIMIT = -13,
    /// The address is this node's own: on a p2p net with any port, so that two nets on one machine need an address each.
    P2P_ERR_SELF = -14,
    /// That peer is connected already, and this net takes one connection per address.
    P2P_ERR_DUPLICATE = -15,
    /// It took too long.
    P2P_ERR_TIMEOUT = -20,
    /// Your program cancelled it, or stopped the net.
    P2P_ERR_CANCELED = -21,
    /// The other side refused the connection.
    P2P_ERR_REFUSED = -22,
    /// The other side broke the connection.
    P2P_ERR_RESET = -23,
    /// The other side broke the protocol.
    P2P_ERR_PROTOCOL = -24,
    /// Every way to the peer failed.
    P2P_ERR_NO_PATH = -25,
    /// No rendezvous server is configured, or none answered.
    P2P_ERR_NO_SERVER = -26,
    /// The operating system said no; os_error holds its number.
    P2P_ERR_IO = -27,
}

impl From<Code> for p2p_result {
    fn from(code: Code) -> p2p_result {
        use p2p_result::*;
        match code {
            Code::Invalid => P2P_ERR_INVALID,
            Code::Panic => P2P_ERR_PANIC,
            Code::Closed => P2P_ERR_CLOSED,
            Code::State => P2P_ERR_STATE,
            Code::Busy => P2P_ERR_BUSY,
            Code::Reentrant => P2P_ERR_REENTRANT,
            Code::Unsupported => P2P_ERR_UNSUPPORTED,
            Code::NotFound => P2P_ERR_NOT_FOUND,
            Code::Range => P2P_ERR_RANGE,
            Code::WouldBlock => P2P_ERR_WOULD_BLOCK,
            Code::TooLarge => P2P_ERR_TOO_LARGE,
            Code::TooSmall => P2P_ERR_TOO_SMALL,
            Code::Limit => P2P_ERR_LIMIT,
            Code::SelfConnect => P2P_ERR_SELF,
            Code::Duplicate => P2P_ERR_DUPLICATE,
            Code::Timeout => P2P_ERR_TIMEOUT,
            Code::Canceled => P2P_ERR_CANCELED,
            Code::Refused => P2P_ERR_REFUSED,
            Code::Reset => P2P_ERR_RESET,
            Code::Protocol => P2P_ERR_PROTOCOL,
            Code::NoPath => P2P_ERR_NO_PATH,
            Code::NoServer => P2P_ERR_NO_SERVER,
            Code::Io => P2P_ERR_IO,
        }
    }
}

impl<T> From<Result<T, Code>> for p2p_result {
    fn from(done: Result<T, Code>) -> p2p_result {
        done.map_or_else(p2p_result::from, |_| p2p_result::P2P_OK)
    }
}

/// What an event is about. Ignore kinds you do not know.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_kind {
    /// The start is finished.
    P2P_EVENT_READY = 1,
    /// The net has stopped; the last event. result is P2P_OK, or P2P_ERR_PANIC with the story in data.
    P2P_EVENT_STOPPED = 2,
    /// What p2p_net_get_info() tells of this node's situation has changed: type, NAT, addresses. Not the counts.
    P2P_EVENT_INFO = 3,
    /// conn is usable. request is the p2p_connect() it came from, or 0.
    P2P_EVENT_OPENED = 4,
    /// conn is gone; its last event. result and data say why: P2P_OK = you closed it, P2P_ERR_CLOSED = the peer did.
    P2P_EVENT_CLOSED = 5,
    /// A line came in on conn: data, without its CR LF.
    P2P_EVENT_LINE = 6,
    /// Bytes came in on conn (P2P_FRAMING_RAW).
    P2P_EVENT_DATA = 7,
    /// conn takes data again after P2P_ERR_WOULD_BLOCK.
    P2P_EVENT_WRITABLE = 8,
    /// request has completed with result; data tells the story. p2p_connect(): conn is the connection.
    /// p2p_net_bootstrap(): code is how many nodes the server named.
    P2P_EVENT_DONE = 9,
    /// Something to tell whoever looks after the program: data, with its level in code.
    P2P_EVENT_LOG = 11,
}

impl From<Kind> for p2p_kind {
    fn from(kind: Kind) -> p2p_kind {
        use p2p_kind::*;
        match kind {
            Kind::Ready => P2P_EVENT_READY,
            Kind::Stopped => P2P_EVENT_STOPPED,
            Kind::Info => P2P_EVENT_INFO,
            Kind::Opened => P2P_EVENT_OPENED,
            Kind::Closed => P2P_EVENT_CLOSED,
            Kind::Line => P2P_EVENT_LINE,
            Kind::Data => P2P_EVENT_DATA,
            Kind::Writable => P2P_EVENT_WRITABLE,
            Kind::Done => P2P_EVENT_DONE,
            Kind::Log => P2P_EVENT_LOG,
        }
    }
}

/// The options of p2p_config_set_int() (below 1000) and p2p_config_set_str() (from 1001). Times are in milliseconds,
/// sizes in bytes, switches 0 or 1. The default stands first.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_opt {
    /// P2P_NODE_UNKNOWN; how others reach this node. Only a passive node can be advertised.
    P2P_OPT_NODE_TYPE = 1,
    /// P2P_NET_P2P; what the net is for.
    P2P_OPT_NET_TYPE = 2,
    /// P2P_NAT_UNKNOWN; the NAT in front of this node, if you know it.
    P2P_OPT_NAT_TYPE = 3,
    /// 0; port to listen on, 0 = any free one (p2p_net_get_info() tells which).
    P2P_OPT_PASSIVE_PORT = 4,
    /// 10; connections others may open to us. Further ones wait in the system's backlog.
    P2P_OPT_MAX_INBOUND = 5,
    /// 10; connections we open.
    P2P_OPT_MAX_OUTBOUND = 6,
    /// 3; below so many connections the node bootstraps sooner and advertises again.
    P2P_OPT_MIN_CONNECTED = 7,
    /// P2P_FWD_UPNP | P2P_FWD_NATPMP | P2P_FWD_PCP; port mapping protocols that may be tried. None is built in yet.
    P2P_OPT_FORWARDING = 8,
    /// 1; may ask rendezvous servers for nodes.
    P2P_OPT_BOOTSTRAP = 9,
    /// 0; 1 = a line that this net has seen before is not delivered again (for flooding networks).
    P2P_OPT_DEDUP = 10,
    /// P2P_FRAMING_LINES; how bytes become events.
    P2P_OPT_FRAMING = 11,
    /// 1048576 (16 to 16777216); longest line either way, CR LF not counted. A peer that sends a longer one is closed.
    P2P_OPT_MAX_LINE = 12,
    /// 1048576; bytes waiting to be sent on one connection before P2P_ERR_WOULD_BLOCK.
    P2P_OPT_SEND_BUFFER = 13,
    /// 1048576; received bytes of one connection you have not taken before we stop reading and TCP slows the peer.
    P2P_OPT_RECV_BUFFER = 14,
    /// 5000; one connection attempt, name look-up included.
    P2P_OPT_CONNECT_TIMEOUT_MS = 15,
    /// P2P_LOG_WARN; what becomes a LOG event, or a line on the log descriptor.
    P2P_OPT_LOG_LEVEL = 16,
    /// -1; descriptor for log lines instead of LOG events (2 = stderr). It stays yours and has to stay open.
    P2P_OPT_LOG_FD = 17,
    /// 0; for tests: seeds every random choice, 0 = from the system.
    P2P_OPT_SEED = 18,
    /// 1; may register at rendezvous servers.
    P2P_OPT_ADVERTISE = 19,
    /// 1; may take part in hole punching. Nothing punches yet.
    P2P_OPT_SIMULTANEOUS = 20,
    /// -1; connections per address: 0 = one, 1 = any number, -1 = by net type (p2p one, direct any).
    P2P_OPT_DUPLICATE_IP = 21,
    /// 65536; lines remembered for P2P_OPT_DEDUP, the oldest are forgotten first.
    P2P_OPT_DEDUP_ENTRIES = 22,
    /// 3600000; how long P2P_OPT_DEDUP remembers a line, 0 = until it is pushed out.
    P2P_OPT_DEDUP_TTL_MS = 23,
    /// 1024; elements between our thread and yours. One element holds all lines of one socket read.
    P2P_OPT_EVENT_QUEUE = 24,
    /// 1024; requests under way, or done and not taken by you, at one time.
    P2P_OPT_MAX_REQUESTS = 25,
    /// 10000; for what comes before the first line of a link (the nonce of direct nets).
    P2P_OPT_HANDSHAKE_TIMEOUT_MS = 26,
    /// 2000; one exchange with one rendezvous server, connecting included.
    P2P_OPT_SERVER_TIMEOUT_MS = 27,
    /// 1000; how long a closing connection, and p2p_net_stop(), may still send what is queued.
    P2P_OPT_CLOSE_TIMEOUT_MS = 28,
    /// 30000; quiet time after which TCP probes whether the peer still lives (whole seconds), 0 = never.
    P2P_OPT_KEEPALIVE_MS = 29,
    /// 60000; a peer that acknowledges nothing for this long is closed (RFC 5482), 0 = the system's default.
    P2P_OPT_DEAD_PEER_TIMEOUT_MS = 30,
    /// 1800000; time between two bootstraps while outbound connections are wanted.
    P2P_OPT_BOOTSTRAP_INTERVAL_MS = 31,
    /// 43200000; time between two advertisements while under P2P_OPT_MIN_CONNECTED inbound.
    P2P_OPT_ADVERTISE_INTERVAL_MS = 32,
    /// 5000; first pause before an early bootstrap while under P2P_OPT_MIN_CONNECTED; doubles each time.
    P2P_OPT_RETRY_INTERVAL_MS = 33,
    /// ""; address to listen on: "" = every IPv4 and IPv6 address, "0.0.0.0" = every IPv4, "::" = every IPv6. A
    /// particular address is also the source of our own connections.
    P2P_OPT_PASSIVE_BIND = 1001,
    /// ""; network interface by name ("eth0", an alias label such as "eth0:2") or by one of its addresses: we listen
    /// on it and connect from it. "" or "default" = the system's choice.
    P2P_OPT_INTERFACE = 1002,
    /// ""; this node's address as the internet sees it, if you know better than we can find out.
    P2P_OPT_WAN_IP = 1003,
}

/// Kinds of servers for p2p_config_add_server().
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_server {
    /// A rendezvous server, "host:port": names nodes and lists this one.
    P2P_SERVER_RENDEZVOUS = 1,
}

/// How others reach a node; PyP2P's names.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_node_type {
    /// Not told. Until it is measured such a node counts as active.
    P2P_NODE_UNKNOWN = 0,
    /// Accepts connections from outside.
    P2P_NODE_PASSIVE = 1,
    /// Only connects out.
    P2P_NODE_ACTIVE = 2,
    /// Behind a NAT whose ports can be predicted: reachable by hole punching.
    P2P_NODE_SIMULTANEOUS = 3,
}

impl From<NodeType> for p2p_node_type {
    fn from(t: NodeType) -> p2p_node_type {
        use p2p_node_type::*;
        match t {
            NodeType::Unknown => P2P_NODE_UNKNOWN,
            NodeType::Passive => P2P_NODE_PASSIVE,
            NodeType::Active => P2P_NODE_ACTIVE,
            NodeType::Simultaneous => P2P_NODE_SIMULTANEOUS,
        }
    }
}

/// What a net is for.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_net_type {
    /// A flooding network: bootstraps, advertises, one connection per address.
    P2P_NET_P2P = 1,
    /// For connections to chosen nodes: neither bootstraps nor advertises; several connections per address. The nets at
    /// both ends have to be of this type.
    P2P_NET_DIRECT = 2,
}

const _: () = assert!(NetType::P2p as i32 == 1 && NetType::Direct as i32 == 2);

/// The NAT in front of a node; PyP2P's names.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_nat {
    /// Not known.
    P2P_NAT_UNKNOWN = 0,
    /// There is none.
    P2P_NAT_NONE = 1,
    /// The external port is the internal one.
    P2P_NAT_PRESERVING = 2,
    /// External ports follow one another at a constant distance.
    P2P_NAT_DELTA = 3,
    /// One internal port keeps one external port towards all destinations.
    P2P_NAT_REUSE = 4,
    /// External ports cannot be foreseen.
    P2P_NAT_RANDOM = 5,
}

impl From<NatType> for p2p_nat {
    fn from(t: NatType) -> p2p_nat {
        use p2p_nat::*;
        match t {
            NatType::Unknown => P2P_NAT_UNKNOWN,
            NatType::None => P2P_NAT_NONE,
            NatType::Preserving => P2P_NAT_PRESERVING,
            NatType::Delta => P2P_NAT_DELTA,
            NatType::Reuse => P2P_NAT_REUSE,
            NatType::Random => P2P_NAT_RANDOM,
        }
    }
}

/// Ways to open a port on the router, as bits.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_fwd {
    /// None.
    P2P_FWD_NONE = 0,
    /// The router was set up by hand.
    P2P_FWD_MANUAL = 1,
    /// UPnP IGD.
    P2P_FWD_UPNP = 2,
    /// NAT-PMP (RFC 6886).
    P2P_FWD_NATPMP = 4,
    /// PCP (RFC 6887).
    P2P_FWD_PCP = 8,
}

/// How received bytes become events.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_framing {
    /// Lines ended by CR LF: P2P_EVENT_LINE, p2p_send_line().
    P2P_FRAMING_LINES = 0,
    /// Whatever arrives, as it arrives: P2P_EVENT_DATA, p2p_send().
    P2P_FRAMING_RAW = 1,
}

/// How a connection came to be.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_via {
    /// The peer connected to us.
    P2P_VIA_ACCEPT = 1,
    /// We connected to the peer.
    P2P_VIA_DIRECT = 2,
}

impl From<Via> for p2p_via {
    fn from(via: Via) -> p2p_via {
        match via {
            Via::Accept => p2p_via::P2P_VIA_ACCEPT,
            Via::Direct => p2p_via::P2P_VIA_DIRECT,
        }
    }
}

/// How much is logged.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_log {
    /// Nothing.
    P2P_LOG_OFF = 0,
    /// What keeps the net from working.
    P2P_LOG_ERROR = 1,
    /// What somebody should look into.
    P2P_LOG_WARN = 2,
    /// Milestones.
    P2P_LOG_INFO = 3,
    /// Why things happen.
    P2P_LOG_DEBUG = 4,
    /// Everything.
    P2P_LOG_TRACE = 5,
}

/// An option as it comes in from C: any number.
#[repr(transparent)]
pub struct OptArg(pub i32);

/// A kind of server as it comes in from C: any number.
#[repr(transparent)]
pub struct ServerArg(pub i32);

/// A result as it comes in from C: any number.
#[repr(transparent)]
pub struct ResultArg(pub i32);

/// A connection's id: starts at 1, never used twice in a net. 0 = none.
pub type p2p_conn = u64;

/// The id of something that completes later: starts at 1, never used twice in a net. 0 = none.
pub type p2p_request = u64;
