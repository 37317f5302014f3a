//! The constants of the C ABI. Their numbers never change; new ones may come in any minor version.

use crate::config::{Dialect, NetType};
use crate::error::Code;
use crate::event::{Kind, Path, Via};

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
    /// Another thread is in p2p_poll(), p2p_next_event() or p2p_next_events() of this net.
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
    /// conn is gone; its last event. result and data say why: P2P_OK = you closed it, P2P_ERR_CLOSED = the peer did. Secure
    /// dialect: code is how many lines and messages you sent were not acknowledged; P2P_OK only if all have arrived.
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
    /// Carry data to the node peer over your DHT (p2p_config_set_dht() without send), and hand it to p2p_dht_deliver() there.
    /// request is the p2p_dht_put() it comes from, or a number of the net's own.
    P2P_EVENT_DHT_SEND = 10,
    /// Something to tell whoever looks after the program: data, with its level in code.
    P2P_EVENT_LOG = 11,
    /// A message that another program has sent by p2p_dht_put() has come: data. peer is who is said to have sent it, "" if
    /// that is not known; nobody has checked it.
    P2P_EVENT_DHT_MESSAGE = 12,
    /// The link that carries conn (secure dialect) has broken, or another one has taken its place: code is one of P2P_PATH_*,
    /// data says it in words, peer is where it leads now. Nothing is to be done: conn and what you sent on it stay as they are.
    P2P_EVENT_PATH = 13,
    /// A message came in on conn (secure dialect, P2P_FRAMING_LINES): data, sent by p2p_send(). It may be empty.
    P2P_EVENT_MESSAGE = 14,
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
            Kind::DhtSend => P2P_EVENT_DHT_SEND,
            Kind::Log => P2P_EVENT_LOG,
            Kind::DhtMessage => P2P_EVENT_DHT_MESSAGE,
            Kind::Path => P2P_EVENT_PATH,
            Kind::Message => P2P_EVENT_MESSAGE,
        }
    }
}

/// What a net is for.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_net_type {
    /// A flooding network: bootstraps and advertises. Classic dialect: one connection per address.
    P2P_NET_P2P = 1,
    /// For connections to chosen nodes: neither bootstraps nor advertises. Classic dialect: several connections per address,
    /// and the nets at both ends have to be of this type.
    P2P_NET_DIRECT = 2,
}

const _: () = assert!(NetType::P2p as i32 == 1 && NetType::Direct as i32 == 2);

/// How a node speaks with others. A net speaks one dialect; nothing on the wire chooses between them.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_dialect {
    /// PyP2P's, byte for byte: plain lines, UNL version 2, nodes known by their address.
    P2P_DIALECT_CLASSIC = 1,
    /// The default. Nodes are known by a key, both ends of a link prove who they are, all of it is encrypted, connections
    /// outlive their links, and locators are signed (UNL version 3).
    P2P_DIALECT_SECURE = 2,
}

const _: () = assert!(Dialect::Classic as i32 == 1 && Dialect::Secure as i32 == 2);

/// How received bytes become events.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_framing {
    /// Lines ended by CR LF: P2P_EVENT_LINE, p2p_send_line(). In the secure dialect also messages, p2p_send().
    P2P_FRAMING_LINES = 0,
    /// Whatever arrives, as it arrives: P2P_EVENT_DATA, p2p_send(). Both ends should have the same framing.
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
    /// One connected to the other inside the network that both are in.
    P2P_VIA_LAN = 3,
    /// Both connected at the same moment, through the NATs between them.
    P2P_VIA_PUNCH = 4,
    /// The peer connected to us because we had asked it to.
    P2P_VIA_REVERSE = 5,
    /// By a relay, a server or a node that passes on what both send. It sees that they talk and how much, and can read nothing.
    P2P_VIA_RELAY = 6,
}

impl From<Via> for p2p_via {
    fn from(via: Via) -> p2p_via {
        match via {
            Via::Accept => p2p_via::P2P_VIA_ACCEPT,
            Via::Direct => p2p_via::P2P_VIA_DIRECT,
            Via::Lan => p2p_via::P2P_VIA_LAN,
            Via::Punch => p2p_via::P2P_VIA_PUNCH,
            Via::Reverse => p2p_via::P2P_VIA_REVERSE,
            Via::Relay => p2p_via::P2P_VIA_RELAY,
        }
    }
}

/// What was last heard of the link that carries a connection (secure dialect).
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_path {
    /// It is the one that the connection was opened with.
    P2P_PATH_FIRST = 0,
    /// It has broken. Another one is being made; what you send waits.
    P2P_PATH_LOST = 1,
    /// Another one has taken its place after it had broken.
    P2P_PATH_RESUMED = 2,
    /// Another one has taken its place while it lived.
    P2P_PATH_MOVED = 3,
}

impl From<Path> for p2p_path {
    fn from(path: Path) -> p2p_path {
        match path {
            Path::First => p2p_path::P2P_PATH_FIRST,
            Path::Lost => p2p_path::P2P_PATH_LOST,
            Path::Resumed => p2p_path::P2P_PATH_RESUMED,
            Path::Moved => p2p_path::P2P_PATH_MOVED,
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
