//! What the two libraries at the ends of a link tell each other in control frames.
//!
//! ```text
//!  1 verdict  chosen(1)              before the link is the program's: which of several is kept
//!  2 choose   0
//!  3 unwelcome answer(1)
//!  4 part of a message, 5 its last part: the program's bytes (see `Sealer::seal_part`)
//!  6 session  id(16) received(8)     the session layer, `proto/session`
//!  7 ack      received(8)
//!  8 ping     number(4)
//!  9 pong     number(4)
//! 10 close    sent(8)
//! 11 relays   address(16) port(2)   a volunteer; an IPv4 address as IPv6 maps it
//! ```
//!
//! Numbers are big-endian. There is one way to write each, and nothing else is read.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Deref;

use super::wire::Answer;
use crate::proto::unl::is_host;

/// The first byte of a control frame that holds a part of a message, and of its last part.
pub(super) const PART: u8 = 4;
pub(super) const LAST_PART: u8 = 5;
/// The longest of these messages.
const LONGEST: usize = 1 + 16 + 8;

/// What the two ends of a link tell each other after the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Connector to acceptor: the handshake is complete on this side, and whether this connection is chosen. It also proves
    /// that the greeting was no replay.
    Verdict {
        /// Whether this is the connection to keep.
        chosen: bool,
    },
    /// The chooser to the other side: this is the connection to keep.
    Choose,
    /// Acceptor to connector: not welcome, and why; the connection ends here.
    Unwelcome(Answer),
    /// The first word of each side on a link that is kept: the session that it holds with the other.
    Session {
        /// The session's name; zeros: it holds none.
        id: [u8; 16],
        /// How much of the other's stream it has.
        received: u64,
    },
    /// So much of the other's stream has arrived.
    Ack {
        /// Counted from the session's begin.
        received: u64,
    },
    /// Are you there?
    Ping {
        /// Comes back.
        number: u32,
    },
    /// Yes.
    Pong {
        /// That of the question.
        number: u32,
    },
    /// The program has closed the connection; nothing follows.
    Close {
        /// So much was sent since the session's begin.
        sent: u64,
    },
    /// I relay for our network.
    Relays {
        /// Where.
        at: SocketAddr,
    },
}

/// A message as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoded {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Deref for Encoded {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Encoded {
    fn of(parts: &[&[u8]]) -> Encoded {
        let mut encoded = Encoded { bytes: [0; LONGEST], len: 0 };
        let all = parts.iter().copied().flatten();
        for (to, from) in encoded.bytes.iter_mut().zip(all) {
            *to = *from;
            encoded.len += 1;
        }
        encoded
    }
}

impl Control {
    /// As it is sent.
    pub fn encode(self) -> Encoded {
        match self {
            Control::Verdict { chosen } => Encoded::of(&[&[1, chosen.into()]]),
            Control::Choose => Encoded::of(&[&[2, 0]]),
            Control::Unwelcome(why) => Encoded::of(&[&[3, why.encode()]]),
            Control::Session { id, received } => Encoded::of(&[&[6], &id, &received.to_be_bytes()]),
            Control::Ack { received } => Encoded::of(&[&[7], &received.to_be_bytes()]),
            Control::Ping { number } => Encoded::of(&[&[8], &number.to_be_bytes()]),
            Control::Pong { number } => Encoded::of(&[&[9], &number.to_be_bytes()]),
            Control::Close { sent } => Encoded::of(&[&[10], &sent.to_be_bytes()]),
            Control::Relays { at } => {
                let ip = match at.ip() {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                Encoded::of(&[&[11], &ip.octets(), &at.port().to_be_bytes()])
            }
        }
    }

    /// Reads one; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Control> {
        let (kind, rest) = bytes.split_first()?;
        match (kind, rest) {
            (1, [0]) => Some(Control::Verdict { chosen: false }),
            (1, [1]) => Some(Control::Verdict { chosen: true }),
            (2, [0]) => Some(Control::Choose),
            (3, [why]) => Answer::decode(*why)
                .filter(|why| !matches!(why, Answer::Welcome { .. }))
                .map(Control::Unwelcome),
            (6, rest) => {
                let (id, received) = rest.split_first_chunk()?;
                Some(Control::Session { id: *id, received: number(received)? })
            }
            (7, rest) => Some(Control::Ack { received: number(rest)? }),
            (8, rest) => Some(Control::Ping { number: u32::from_be_bytes(rest.try_into().ok()?) }),
            (9, rest) => Some(Control::Pong { number: u32::from_be_bytes(rest.try_into().ok()?) }),
            (10, rest) => Some(Control::Close { sent: number(rest)? }),
            (11, rest) => {
                let (ip, port) = rest.split_first_chunk::<16>()?;
                let ip = Ipv6Addr::from(*ip).to_canonical();
                let at = SocketAddr::new(ip, u16::from_be_bytes(port.try_into().ok()?));
                (is_host(ip) && at.port() != 0).then_some(Control::Relays { at })
            }
            _ => None,
        }
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}
