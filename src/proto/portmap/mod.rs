//! Opening a port on the router, without I/O: what is asked, which answer counts, what follows from it.
//!
//! * [`natpmp`] (RFC 6886), [`pcp`] (RFC 6887) and [`ssdp`] (UPnP's discovery) write questions and judge
//!   answers.
//! * [`exchange`] asks a question by datagrams: when to send again, which answers to ignore, when to give up.
//! * [`epoch`] tells from a gateway's clock that it was restarted and forgot its mappings.
//! * [`lease`] tells when a mapping is renewed; [`ladder`] what to ask a UPnP router next after a refusal.
//! * [`contest`] chooses between the protocols and gateways that were asked at once.
//! * [`journal`] is the list of our mappings that survives a crash.
//!
//! Routers are full of mistakes, so nothing here believes an answer because it came: version, length, opcode,
//! port and nonce have to fit the question. What does not fit is ignored and told to the person who asks why
//! nothing worked.

pub mod contest;
pub mod epoch;
pub mod exchange;
pub mod journal;
pub mod ladder;
pub mod lease;
pub mod natpmp;
pub mod pcp;
pub mod ssdp;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Where a gateway listens for PCP and NAT-PMP alike.
pub const GATEWAY_PORT: u16 = 5351;

/// What a mapping forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// The protocol number of IANA's list.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// `tcp` or `udp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// The protocols by which a router is asked, best first: PCP answers in one exchange, knows leases, nonces
/// and IPv6; NAT-PMP leaves the choice of a free port to the router; UPnP is the most widespread and the
/// least exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// RFC 6887.
    Pcp,
    /// RFC 6886.
    NatPmp,
    /// UPnP Internet Gateway Device, versions 1 and 2.
    Upnp,
}

impl Protocol {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::Pcp, Self::NatPmp, Self::Upnp];

    /// The name a person reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcp => "PCP",
            Self::NatPmp => "NAT-PMP",
            Self::Upnp => "UPnP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a datagram is to the question that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<A> {
    /// The answer.
    Answer(A),
    /// The gateway understood and declines.
    Refused(Refusal),
    /// Not an answer to this question.
    Stray(Stray),
}

/// Something one can ask a gateway in one datagram.
pub trait Question {
    /// What it answers.
    type Answer;
    /// The datagram to send; the same at each resending, as both RFCs want.
    fn encode(&self) -> Vec<u8>;
    /// What a datagram from the gateway means.
    fn judge(&self, datagram: &[u8]) -> Verdict<Self::Answer>;
}

/// A gateway's "no".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The protocol's result code.
    pub code: u16,
    /// Its name in the protocol's specification, or `unknown`.
    pub name: &'static str,
    /// The gateway's clock, when the answer holds it.
    pub epoch: Option<u32>,
    /// How long the same question would get the same answer.
    pub wait: Option<Duration>,
    /// The gateway speaks this version of the protocol only: 0 is NAT-PMP, 2 is PCP.
    pub speaks: Option<u8>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.speaks {
            Some(0) => f.write_str("the gateway speaks NAT-PMP only"),
            Some(2) => f.write_str("the gateway speaks PCP only"),
            Some(other) => write!(f, "the gateway speaks version {other} only"),
            None => write!(f, "refused: {} (result {})", self.name, self.code),
        }
    }
}

/// Why a datagram is no answer to our question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    /// It came from somebody else than was asked.
    Sender(SocketAddr),
    /// It has a length that such an answer cannot have.
    Length {
        /// Bytes it has.
        has: usize,
        /// Bytes it needs at least.
        needs: usize,
    },
    /// It is longer than an answer may be, or its length is no multiple of four (PCP).
    Misshapen(usize),
    /// Another version of the protocol.
    Version(u8),
    /// A request, not a response.
    Request,
    /// The answer to another operation.
    Opcode(u8),
    /// For another internal port.
    Port(u16),
    /// For another transport protocol.
    Transport(u8),
    /// With another nonce: somebody else's mapping, or a forgery.
    Nonce,
    /// A success that gives nothing: no port, no lifetime or no address.
    Empty(&'static str),
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sender(from) => write!(f, "sent by {from}, who was not asked"),
            Self::Length { has, needs } => write!(f, "{has} bytes where at least {needs} are needed"),
            Self::Misshapen(len) => write!(f, "{len} bytes, a length that no answer has"),
            Self::Version(v) => write!(f, "of version {v}"),
            Self::Request => f.write_str("a request, not a response"),
            Self::Opcode(op) => write!(f, "the answer to another operation ({op})"),
            Self::Port(port) => write!(f, "for another internal port ({port})"),
            Self::Transport(number) => write!(f, "for another protocol (number {number})"),
            Self::Nonce => f.write_str("with another nonce"),
            Self::Empty(what) => write!(f, "a success without {what}"),
        }
    }
}

/// Bytes of a datagram, read without a chance to panic.
pub(crate) fn be16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_be_bytes)
}

/// As [`be16`].
pub(crate) fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}
