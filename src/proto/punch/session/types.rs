//! What goes into a session and what comes out of it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::proto::punch::hello::Frame;
use crate::proto::punch::message::Message;
use crate::proto::punch::options::Options;
use crate::proto::punch::reason::Failure;
use crate::proto::punch::side::Side;

/// Which part a node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Who wanted the connection: gives the signal, and chooses the connection.
    Initiator = 1,
    /// The other.
    Responder = 2,
}

impl Role {
    /// The other one.
    pub fn other(self) -> Role {
        match self {
            Role::Initiator => Role::Responder,
            Role::Responder => Role::Initiator,
        }
    }
}

/// An attempt or a connection of a session; never reused in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u32);

/// A local port of a session; never reused in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u16);

/// Something that can be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Socket {
    /// An attempt, begun or not, or a connection.
    Conn(ConnId),
    /// A local port: its listener and its connection to a server. Connections from and to it stay.
    Slot(SlotId),
}

/// What a session is begun with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Our NAT.
    pub ours: Side,
    /// The peer's outside address, on which its locator and the signalling agree.
    pub peer_ip: IpAddr,
    /// Addresses of this machine, which are never aimed at.
    pub own: Vec<IpAddr>,
    /// The numbers.
    pub options: Options,
    /// For guesses and pauses.
    pub seed: u64,
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// [`super::Session::deadline`] has come.
    Wake,
    /// The peer says something. Its token is the session's, or it is ignored.
    Message(Message),
    /// A local port is bound.
    Bound {
        /// Which.
        slot: SlotId,
        /// Its number.
        port: u16,
    },
    /// A local port could not be bound.
    BindFailed {
        /// Which.
        slot: SlotId,
    },
    /// A server has told our outside port.
    Asked {
        /// Of which local port.
        slot: SlotId,
        /// The outside port.
        port: u16,
    },
    /// No server has told.
    AskFailed {
        /// Of which local port.
        slot: SlotId,
    },
    /// An attempt has succeeded.
    Connected {
        /// Which.
        conn: ConnId,
    },
    /// Somebody has come in by a listener.
    Accepted {
        /// A fresh name, from [`super::Session::next_conn`].
        conn: ConnId,
        /// By which local port.
        slot: SlotId,
    },
    /// An attempt was answered by RST (`ECONNREFUSED`, `ECONNRESET`).
    Refused {
        /// Which.
        conn: ConnId,
    },
    /// An attempt was answered by an ICMP error (`EHOSTUNREACH`, `ENETUNREACH` ...).
    Unreachable {
        /// Which.
        conn: ConnId,
    },
    /// An attempt could not be made as there is a connection of these two ends already (`EADDRNOTAVAIL`): the
    /// peer has come in by the listener, or is about to.
    AddressTaken {
        /// Which.
        conn: ConnId,
    },
    /// An attempt has ended without an answer, or by any other error.
    TimedOut {
        /// Which.
        conn: ConnId,
    },
    /// A connection has ended.
    Closed {
        /// Which.
        conn: ConnId,
    },
    /// [`super::super::FRAME_LEN`] octets have arrived on a connection.
    Frame {
        /// Which.
        conn: ConnId,
        /// The octets.
        frame: Frame,
    },
    /// It is not wanted any more.
    Cancel,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this to the peer by the signalling.
    Send(Message),
    /// Bind any local port (of the peer's address family, with `SO_REUSEADDR` and `SO_REUSEPORT`).
    Bind {
        /// What to call it.
        slot: SlotId,
        /// Whether to listen on it as well.
        listen: bool,
    },
    /// Listen on that port, too, from now on. What was begun from it is about to be closed; whoever comes by the way it has
    /// opened is welcome. If it cannot be done nothing is lost.
    Listen {
        /// Which.
        slot: SlotId,
    },
    /// Connect to a server from this local port, ask it which outside port it sees, and keep that connection
    /// until the port is closed: it keeps the mapping.
    Ask {
        /// Which.
        slot: SlotId,
    },
    /// Connect (the same name again: a new socket for the same attempt).
    Connect {
        /// What to call it.
        conn: ConnId,
        /// From which local port.
        slot: SlotId,
        /// Where to.
        to: SocketAddr,
        /// When.
        at: Instant,
        /// Whether the SYN is to open the way through our own NAT only: it gets so few hops to live that it ends
        /// before the peer's NAT, which thus cannot refuse it. All later packets get as many as usual.
        short: bool,
    },
    /// Send these octets on a connection.
    Frame {
        /// Which.
        conn: ConnId,
        /// The octets.
        frame: Frame,
    },
    /// Close.
    Close(Socket),
    /// It has ended well, with this connection; frames on it are done, what follows is the link's.
    Winner(ConnId),
    /// It has ended without a connection.
    Failed(Failure),
}

/// What was done in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundReport {
    /// The round, from 1.
    pub round: u8,
    /// When its first attempt left.
    pub fired: Instant,
    /// The round trip of the signalling as it was known then.
    pub rtt: Option<Duration>,
    /// The outside ports we told the peer.
    pub our_ports: Vec<u16>,
    /// Those it told us.
    pub their_ports: Vec<u16>,
    /// Attempts begun.
    pub flows: usize,
    /// Answers by RST, repetitions included.
    pub refused: usize,
    /// Answers by ICMP.
    pub unreachable: usize,
    /// Connections that came of it, either way.
    pub opened: usize,
}
