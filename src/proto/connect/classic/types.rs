//! What goes into the machine and what comes out of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::error::Code;
use crate::event::Via;
use crate::proto::admit::Own;
use crate::proto::conn_id::Nonce;
use crate::proto::nat::scope::Scope;
use crate::proto::unl::UnlV2;

/// What a node knows of itself at the moment.
#[derive(Clone, Debug)]
pub struct Us {
    /// What our UNL says; the WAN address is 0.0.0.0 while it is not known.
    pub unl: UnlV2,
    /// Our UNL as others know it; `None` while our WAN address is not known.
    pub text: Option<String>,
    /// The addresses we never dial.
    pub own: Own,
    /// Whether local addresses may be dialled wherever we are.
    pub local_peers: bool,
    /// Whether messages can be sent to nodes by their id.
    pub dht: bool,
    /// Why we cannot punch; `None`: we can.
    pub no_punch: Option<&'static str>,
    /// Whether NTP servers have told the time.
    pub clock: bool,
    /// How many punches may go on at once: one, if our NAT's ports come in a row that they would disturb.
    pub punches: usize,
}

impl Us {
    /// Whether this local address may be aimed at: we are in a net of the same kind, or told to.
    pub fn allows_inside(&self, ip: IpAddr) -> bool {
        self.local_peers || Scope::of(ip) == Scope::of(IpAddr::V4(self.unl.wan_ip))
    }
}

/// How one request is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What goes before the first line, by which both ends name the connection. `None`: random, and unlike any other.
    /// Zeros: connections are told apart by the address alone.
    pub nonce: Option<Nonce>,
    /// We are to connect if both could. Otherwise the node with the larger UNL does.
    pub force_master: bool,
    /// Two nodes behind one address reach each other by their LAN addresses, whatever they can do from outside.
    pub hairpin: bool,
}

impl Default for Options {
    /// As PyP2P's, but with a nonce of its own.
    fn default() -> Options {
        Options { nonce: None, force_master: true, hairpin: true }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A request, from the moment it does not wait for others of the same UNL any more. PyP2P: 60 s.
    pub request: Duration,
    /// The answer to REVERSE_QUERY. PyP2P: 60 s.
    pub origin: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { request: Duration::from_secs(60), origin: Duration::from_secs(60) }
    }
}

/// The machine's name for something under way.
pub type AttemptId = u64;

/// A link that is open: what came before the first line is done.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The caller's name for the connection.
    pub conn: u64,
    /// What it came of; `None`: somebody has connected to us.
    pub attempt: Option<AttemptId>,
    /// The other end.
    pub from: SocketAddr,
    /// What its connector has sent before the first line.
    pub nonce: Nonce,
    /// Whether it came of a punch.
    pub punched: bool,
}

/// What an open link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// What the program has asked for: its request is done with it.
    Request {
        /// Which.
        request: u64,
        /// How the connection came to be.
        via: Via,
    },
    /// A connection that nobody here has asked for, or a stranger's request.
    Nobody,
    /// It comes too late, or is one too many: to be closed, and the program not told.
    Unwanted(&'static str),
}

/// Why an attempt has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub code: Code,
    /// The operating system's error number, 0 if none was involved.
    pub os_error: i32,
    /// In words.
    pub text: String,
    /// Whether another try may end differently.
    pub again: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect, send the nonce: [`super::Classic::opened`] or [`super::Classic::failed`].
    Dial {
        /// What it is called.
        attempt: AttemptId,
        /// Where to.
        to: SocketAddr,
        /// What to send first.
        nonce: Nonce,
    },
    /// Challenge this node, punch, send the nonce: [`super::Classic::opened`] or [`super::Classic::failed`].
    Fight {
        /// What it is called.
        attempt: AttemptId,
        /// Whom.
        peer: Ipv4Addr,
        /// What to send first.
        nonce: Nonce,
    },
    /// That attempt is not wanted any more. Nothing needs to be said of it.
    Abandon {
        /// Which.
        attempt: AttemptId,
    },
    /// Send this message to a node: [`super::Classic::sent`].
    Put {
        /// What it is called.
        tag: u64,
        /// The node.
        to: [u8; 20],
        /// What to say.
        text: String,
    },
    /// Close an open connection.
    Close {
        /// Which.
        conn: u64,
        /// For the log.
        why: &'static str,
    },
    /// A request has ended without a new connection.
    Done {
        /// Which.
        request: u64,
        /// With a connection that was open already, or why with none.
        outcome: Result<u64, (Code, i32, String)>,
    },
    /// For the log.
    Note(String),
}
