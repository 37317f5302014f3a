//! What a net tells its program: the kinds of events, and the snapshots of its state.
//!
//! The numbers are the C ABI's (`P2P_EVENT_*`, `P2P_NAT_*`, ... in `include/p2pnet.h`).

use std::borrow::Cow;
use std::ffi::CStr;
use std::net::IpAddr;

use crate::error::Code;
pub use crate::proto::conn_id::ConnId;
pub use crate::proto::nat::NatType;
pub use crate::proto::nat::behaviour::{Allocation, Mapping, Unsolicited};

/// What an event is about. New kinds may come in any version: ignore what you do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// The start is finished.
    Ready = 1,
    /// The net has stopped; the last event.
    Stopped = 2,
    /// What `Net::info` returns has changed.
    Info = 3,
    /// A connection is usable.
    Opened = 4,
    /// A connection is gone; the last event about it.
    Closed = 5,
    /// A line came in.
    Line = 6,
    /// Bytes came in (raw framing).
    Data = 7,
    /// A connection whose send buffer was full takes data again.
    Writable = 8,
    /// A request has completed.
    Done = 9,
    /// A message for the program's own DHT to carry: `data`, to the node `peer`.
    DhtSend = 10,
    /// Something to tell whoever looks after the program.
    Log = 11,
    /// A message of the program's own kind has come over the DHT: `data`, from `peer` if that is known.
    DhtMessage = 12,
    /// What carries a connection has changed; its code is a [`Path`].
    Path = 13,
    /// A message came in (secure dialect).
    Message = 14,
}

/// What was last heard of the link that carries a connection of the secure dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Path {
    /// It is still the first one. (Or the connection is a classic one.)
    First = 0,
    /// It has broken, and another one is being made.
    Lost = 1,
    /// Another one has taken its place after it had broken.
    Resumed = 2,
    /// Another one has taken its place while it lived.
    Moved = 3,
}

/// One event, owned.
#[derive(Clone, Debug)]
pub struct Event {
    /// What it is about.
    pub kind: Kind,
    /// The connection it is about, 0 = none.
    pub conn: u64,
    /// The request it is about, 0 = none.
    pub request: u64,
    /// How that went.
    pub result: Result<(), Code>,
    /// The operating system's error number that led to the result, 0 if none.
    pub os_error: i32,
    /// A number whose meaning depends on the kind.
    pub code: i32,
    /// The line, the bytes, or a text for people.
    pub data: Vec<u8>,
    /// `ip:port` of the connection, or a node's name in the DHT; empty if none.
    pub peer: String,
    /// When it happened, in milliseconds since the net was made.
    pub time_ms: u64,
}

/// One event, borrowed for as long as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'a> {
    /// What it is about.
    pub kind: Kind,
    /// The connection it is about, 0 = none.
    pub conn: u64,
    /// The request it is about, 0 = none.
    pub request: u64,
    /// How that went.
    pub result: Result<(), Code>,
    /// The operating system's error number that led to the result, 0 if none.
    pub os_error: i32,
    /// A number whose meaning depends on the kind.
    pub code: i32,
    /// The line, the bytes, or a text for people.
    pub data: &'a [u8],
    pub(crate) peer: &'a CStr,
    /// When it happened, in milliseconds since the net was made.
    pub time_ms: u64,
}

impl<'a> EventRef<'a> {
    /// The data as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.data)
    }

    /// `ip:port` of the connection, or a node's name in the DHT; empty if none.
    pub fn peer(&self) -> Cow<'a, str> {
        self.peer.to_string_lossy()
    }

    /// The same, to be kept.
    pub fn to_owned(&self) -> Event {
        Event {
            kind: self.kind,
            conn: self.conn,
            request: self.request,
            result: self.result,
            os_error: self.os_error,
            code: self.code,
            data: self.data.to_vec(),
            peer: self.peer().into_owned(),
            time_ms: self.time_ms,
        }
    }
}

impl Event {
    /// The data as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.data)
    }
}

/// How a connection came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Via {
    /// The peer connected to us.
    Accept = 1,
    /// We connected to the peer.
    Direct = 2,
    /// One connected to the other inside the network that both are in.
    Lan = 3,
    /// Both connected at the same moment, through the NATs between them.
    Punch = 4,
    /// The peer connected to us because we had asked it to.
    Reverse = 5,
    /// By a relay, a server or another node that passes on what both send. It sees that they talk and how much, and can read nothing.
    Relay = 6,
}

impl Via {
    /// Its name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Via::Accept => "accept",
            Via::Direct => "direct",
            Via::Lan => "lan",
            Via::Punch => "punch",
            Via::Reverse => "reverse",
            Via::Relay => "relay",
        }
    }
}

/// How the port came to be open, in the bits of `P2P_FWD_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(i32)]
pub enum Forwarding {
    /// Nobody opened it, or nobody had to.
    #[default]
    None = 0,
    /// The router was set up by hand, or the program said so.
    Manual = 1,
    /// By UPnP IGD.
    Upnp = 2,
    /// By NAT-PMP (RFC 6886).
    NatPmp = 4,
    /// By PCP (RFC 6887).
    Pcp = 8,
}

impl Forwarding {
    /// The protocol's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Forwarding::None => "none",
            Forwarding::Manual => "manual",
            Forwarding::Upnp => "UPnP",
            Forwarding::NatPmp => "NAT-PMP",
            Forwarding::Pcp => "PCP",
        }
    }
}

/// How much a net logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum LogLevel {
    /// Nothing.
    Off = 0,
    /// What stops the net from working.
    Error = 1,
    /// What somebody should look into.
    Warn = 2,
    /// Milestones.
    Info = 3,
    /// Why things happen.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

impl LogLevel {
    /// The level's name, lower case.
    pub fn name(self) -> &'static str {
        ["off", "error", "warn", "info", "debug", "trace"][self as usize]
    }
}

/// A net's situation at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct NetInfo {
    /// How others reach this node, as configured or found out; unknown until then.
    pub node_type: crate::config::NodeType,
    /// The NAT in front of it.
    pub nat: NatType,
    /// The NAT's constant: see [`Allocation::Delta`] and [`Allocation::Sequential`]. 0 otherwise.
    pub nat_delta: i32,
    /// How long it keeps an outside port.
    pub mapping: Mapping,
    /// How it chooses one.
    pub allocation: Allocation,
    /// What it does with connections nobody here asked for.
    pub unsolicited: Unsolicited,
    /// Whether it lets us reach ourselves by our outside address (RFC 4787, section 6); `None` = not known.
    pub hairpin: Option<bool>,
    /// Whether there is another NAT behind the first; `None` = not known.
    pub double_nat: Option<bool>,
    /// How the port came to be open.
    pub forwarding: Forwarding,
    /// The port by which others reach us from outside, 0 = not known.
    pub external_port: u16,
    /// Whether the node can be reached from outside by IPv4; `None` = not known. Only a connection that arrived says yes.
    pub reachable: Option<bool>,
    /// The same by IPv6.
    pub reachable_v6: Option<bool>,
    /// The port listened on, 0 before the start.
    pub passive_port: u16,
    /// The address our own connections leave from, as far as known.
    pub lan_ip: Option<IpAddr>,
    /// Our address as the internet sees it, as far as known.
    pub wan_ip: Option<IpAddr>,
    /// Our IPv6 address as the internet sees it, as far as known.
    pub wan_ip6: Option<IpAddr>,
    /// True time minus the system's clock in microseconds, if NTP servers were asked and agree.
    pub clock_offset_us: Option<i64>,
    /// Open connections that peers opened.
    pub inbound: usize,
    /// Open connections that we opened.
    pub outbound: usize,
}

/// A connection's situation at one moment.
#[derive(Clone, Debug)]
pub struct ConnInfo {
    /// How it came to be.
    pub via: Via,
    /// Whether the peer opened it.
    pub inbound: bool,
    /// What both ends call it, on a direct net of the classic dialect (PyP2P's `con_id`).
    pub con_id: Option<ConnId>,
    /// Who the peer is, in the secure dialect.
    pub peer_key: Option<crate::proto::identity::PublicKey>,
    /// The peer, `ip:port`: where it is now.
    pub peer: String,
    /// Bytes accepted for sending and not yet taken by the system.
    pub queued_bytes: u64,
    /// Bytes received and not yet taken by the program.
    pub unread_bytes: u64,
    /// Bytes received, framing included.
    pub bytes_in: u64,
    /// Bytes sent, framing included.
    pub bytes_out: u64,
    /// Milliseconds since it was opened.
    pub age_ms: u64,
    /// What has become of the link that it was opened with.
    pub path: Path,
    /// The relay by which it goes, `host:port`; empty if by none.
    pub relay: String,
    /// Round trip to the peer's library in microseconds, 0 if not measured (yet). Secure dialect only, as what follows.
    pub rtt_us: u64,
    /// Bytes sent that the peer's library has not acknowledged.
    pub unacked_bytes: u64,
    /// Bytes that had to be sent again because a link broke.
    pub resends: u64,
    /// How often another link has taken the place of the one before.
    pub resumptions: u64,
}

/// Counters since the net was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Lines delivered to the program.
    pub lines_in: u64,
    /// Lines accepted from the program.
    pub lines_out: u64,
    /// Bytes received on connections that are closed or open.
    pub bytes_in: u64,
    /// Bytes sent on connections that are closed or open.
    pub bytes_out: u64,
    /// Lines not delivered because they were seen before.
    pub duplicates: u64,
    /// Connections opened, both ways.
    pub opened: u64,
    /// Connections closed.
    pub closed: u64,
    /// Peers turned away by a rule or a limit.
    pub rejected: u64,
    /// Log events dropped because the program did not take events fast enough.
    pub log_dropped: u64,
    /// Elements waiting in the event queue now.
    pub events_queued: u64,
}
