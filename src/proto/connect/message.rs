//! What two nodes say to each other by the signalling when one wants to connect to the other.
//!
//! ```text
//!   kind 1 | body
//!   1 punch    a message of proto::punch, 19 to 103
//!   2 call     token 16 | length of the locator 2 | locator | message of proto::punch, or nothing
//!   3 answer   token 16 | dials 1 | locator
//!   4 refuse   token 16 | reason 1
//!   5 relay    token 16 | token of the relay 16 | server, as host:port
//! ```
//!
//! Big-endian, nothing after the end, one way to write each. On its way it is sealed ([`super::sealed`]), so who says it is
//! proved; a locator proves itself.

use std::fmt;

use super::Token;
use crate::proto::punch;
use crate::proto::unl::v3;

/// Longest message, in bytes.
pub const MAX_LEN: usize = 1 + 16 + 2 + v3::MAX_TEXT + punch::MAX_LEN;

/// Longest name of a server, in bytes: a host name of 253 and a port.
pub const MAX_SERVER: usize = 259;

/// Most dials an answer can announce.
pub const MAX_DIALS: u8 = 8;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// About a punch.
    Punch(punch::Message),
    /// I want to connect to you; this is where I am.
    Call {
        /// Names the attempt. Whoever connects to the caller because of it says so by this token.
        token: Token,
        /// The caller's locator, not yet verified.
        locator: String,
        /// The first message of a punch, if one begins at once.
        punch: Option<punch::Message>,
    },
    /// I have heard you; this is where I am now.
    Answer {
        /// The call's.
        token: Token,
        /// To how many addresses of the caller the called one connects.
        dials: u8,
        /// Its locator, not yet verified.
        locator: String,
    },
    /// Behind a call: let us meet at this relay, where I am going now.
    Relay {
        /// The call's.
        token: Token,
        /// What to name there.
        relay: Token,
        /// The relay, as `host:port`.
        server: String,
    },
    /// It will come to nothing, or to nothing more.
    Refuse {
        /// The call's, or the punch's.
        token: Token,
        /// Why.
        reason: Refusal,
    },
}

/// Why a call comes to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The called node has no room, or is called too often.
    Busy,
    /// It belongs to another network.
    OtherNetwork,
    /// The caller's locator has expired, long ago.
    Expired,
    /// The caller's locator is not sound, or not the caller's.
    Locator,
    /// The called node has tried all of the caller's addresses.
    NotReached,
    /// The caller does not want it any more.
    Cancelled,
    /// The node does not take part in punches.
    NoPunching,
    /// The node does not go to that relay.
    NoRelay,
    /// The node has gone to that relay in vain.
    NotRelayed,
    /// A reason that this version does not know.
    Other(u8),
}

impl Refusal {
    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Refusal::Busy => 1,
            Refusal::OtherNetwork => 2,
            Refusal::Expired => 3,
            Refusal::Locator => 4,
            Refusal::NotReached => 5,
            Refusal::Cancelled => 6,
            Refusal::NoPunching => 7,
            Refusal::NoRelay => 8,
            Refusal::NotRelayed => 9,
            Refusal::Other(number) => number,
        }
    }

    /// From the number on the wire.
    pub fn from_number(number: u8) -> Refusal {
        match number {
            1 => Refusal::Busy,
            2 => Refusal::OtherNetwork,
            3 => Refusal::Expired,
            4 => Refusal::Locator,
            5 => Refusal::NotReached,
            6 => Refusal::Cancelled,
            7 => Refusal::NoPunching,
            8 => Refusal::NoRelay,
            9 => Refusal::NotRelayed,
            other => Refusal::Other(other),
        }
    }
}

/// What the peer means by it, for people.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Busy => "it has no room, or is called too often",
            Refusal::OtherNetwork => "it belongs to another network",
            Refusal::Expired => "our locator has expired by its clock",
            Refusal::Locator => "it finds our locator faulty",
            Refusal::NotReached => "it has tried all our addresses in vain",
            Refusal::Cancelled => "it does not want the connection any more",
            Refusal::NoPunching => "it does not take part in hole punching",
            Refusal::NoRelay => "it does not go to that relay",
            Refusal::NotRelayed => "that relay did not take it",
            Refusal::Other(number) => {
                return write!(f, "its reason {number} is one this version does not know");
            }
        })
    }
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// It ends too early.
    Short,
    /// It goes on after its end.
    Long,
    /// A kind that this version does not know.
    Kind(u8),
    /// A field holds what it may not hold.
    Field(&'static str),
    /// The punch message in it is none.
    Punch(punch::MessageError),
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageError::Short => f.write_str("a message that ends too early"),
            MessageError::Long => f.write_str("a message with bytes after its end"),
            MessageError::Kind(kind) => write!(f, "a message of kind {kind}; this node knows 1 to 5"),
            MessageError::Field(what) => write!(f, "a message with {what}"),
            MessageError::Punch(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MessageError {}

impl Message {
    /// The bytes, at most [`MAX_LEN`]. (Of a locator longer than any, its beginning.)
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Message::Punch(message) => [vec![1], message.encode()].concat(),
            Message::Call { token, locator, punch } => {
                let locator = cut(locator);
                let len = u16::try_from(locator.len()).unwrap_or(0).to_be_bytes();
                let punch = punch.as_ref().map(punch::Message::encode).unwrap_or_default();
                [&[2][..], token, &len, locator, &punch].concat()
            }
            Message::Answer { token, dials, locator } => {
                [&[3][..], token, &[(*dials).min(MAX_DIALS)], cut(locator)].concat()
            }
            Message::Relay { token, relay, server } => {
                let server = server.as_bytes();
                let server = server.get(..MAX_SERVER).unwrap_or(server);
                [&[5][..], token, relay, server].concat()
            }
            Message::Refuse { token, reason } => [&[4][..], token, &[reason.number()]].concat(),
        }
    }

    /// Reads a message. Locators are only looked at from outside.
    ///
    /// # Errors
    /// [`MessageError`]; bytes are looked at once, whatever they are.
    pub fn decode(bytes: &[u8]) -> Result<Message, MessageError> {
        let (kind, body) = bytes.split_first().ok_or(MessageError::Short)?;
        let read_punch = |bytes| punch::Message::decode(bytes).map_err(MessageError::Punch);
        if *kind == 1 {
            return read_punch(body).map(Message::Punch);
        }
        if !(2..=5).contains(kind) {
            return Err(MessageError::Kind(*kind));
        }
        let (token, body) = body.split_first_chunk::<16>().ok_or(MessageError::Short)?;
        if *token == [0; 16] {
            return Err(MessageError::Field("no token"));
        }
        let token = *token;
        match kind {
            2 => {
                let (len, rest) = body.split_first_chunk().ok_or(MessageError::Short)?;
                let len = usize::from(u16::from_be_bytes(*len));
                let (text, rest) = rest.split_at_checked(len).ok_or(MessageError::Short)?;
                let punch = if rest.is_empty() { None } else { Some(read_punch(rest)?) };
                Ok(Message::Call { token, locator: read_locator(text)?, punch })
            }
            3 => {
                let (dials, text) = body.split_first().ok_or(MessageError::Short)?;
                if *dials > MAX_DIALS {
                    return Err(MessageError::Field("more than 8 dials"));
                }
                Ok(Message::Answer { token, dials: *dials, locator: read_locator(text)? })
            }
            5 => {
                let (relay, server) = body.split_first_chunk::<16>().ok_or(MessageError::Short)?;
                if *relay == [0; 16] {
                    return Err(MessageError::Field("no token for the relay"));
                }
                Ok(Message::Relay { token, relay: *relay, server: read_server(server)? })
            }
            _ => match body {
                [] => Err(MessageError::Short),
                [reason] => Ok(Message::Refuse { token, reason: Refusal::from_number(*reason) }),
                _ => Err(MessageError::Long),
            },
        }
    }
}

fn cut(locator: &str) -> &[u8] {
    let bytes = locator.as_bytes();
    bytes.get(..v3::MAX_TEXT).unwrap_or(bytes)
}

/// `host:port` as it may be looked up. That it is one of those we would go to is decided by who knows which these are.
fn read_server(text: &[u8]) -> Result<String, MessageError> {
    let letter = |c: &u8| c.is_ascii_graphic() && !c.is_ascii_uppercase();
    let fits = (1..=MAX_SERVER).contains(&text.len()) && text.iter().all(letter);
    let text = std::str::from_utf8(text).ok().filter(|_| fits);
    text.map(str::to_owned).ok_or(MessageError::Field("something in the place of a server"))
}

/// Text that may be a locator. That it is one shows when it is verified, which costs more.
fn read_locator(text: &[u8]) -> Result<String, MessageError> {
    let letter = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    let fits = (v3::MIN_TEXT..=v3::MAX_TEXT).contains(&text.len());
    match std::str::from_utf8(text) {
        Ok(locator) if fits && locator.starts_with(v3::PREFIX) && text.iter().all(letter) => {
            Ok(locator.to_owned())
        }
        _ => Err(MessageError::Field("something in the place of a locator")),
    }
}

#[cfg(test)]
mod tests;
