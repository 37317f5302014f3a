//! What two nodes say to each other to arrange a punch, over whatever signalling there is (a rendezvous
//! server, a DHT).
//!
//! ```text
//!   version 1 | kind 1 | token 16 | round 1 | body
//!   side  = family 1 (4 or 6) | address 4 or 16 | mapping 1 | allocation 1
//!   ports = count 1 (at most 32) | port 2 each
//! ```
//!
//! Big-endian, nothing optional, nothing after the end. There is exactly one way to write a message, so what
//! is read and written again is the same. Whatever carries them seals them (`proto::connect::sealed`); the
//! token's secrecy relies on it.

mod read;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::side::Side;
use read::Reader;

/// Most ports in a message.
pub const MAX_PORTS: usize = 32;

/// Longest message, in bytes.
pub const MAX_LEN: usize = 19 + 19 + 1 + 2 * MAX_PORTS;

const VERSION: u8 = 1;

/// Names one punch and proves to whoever connects that they belong to it: 16 random bytes of the initiator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub [u8; 16]);

/// Not shown: who knows it can pass for the peer.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Which punch.
    pub token: Token,
    /// Which round of it, from 1.
    pub round: u8,
    /// What is said.
    pub body: Body,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Initiator: let us begin this round. This is my NAT.
    Offer(Side),
    /// Responder: I am ready. This is my NAT, and these are my outside ports.
    Answer(Side, Vec<u16>),
    /// Initiator: fire as this arrives. These are my outside ports; that long a message takes there and back.
    Go(Vec<u16>, Duration),
    /// Responder: I have fired.
    Going,
    /// Initiator: answer at once with the same number.
    Ping(u8),
    /// Responder: the answer.
    Pong(u8),
    /// Responder: nothing more can come of this round on my side; let us have the next.
    Again,
    /// Either: it is over, for the reason with this number ([`super::Reason`]).
    GaveUp(u8),
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// It ends too early.
    Short,
    /// It goes on after its end.
    Long,
    /// Another version of this protocol.
    Version(u8),
    /// A field holds what it may not hold.
    Field(&'static str),
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageError::Short => f.write_str("a punch message that ends too early"),
            MessageError::Long => f.write_str("a punch message with bytes after its end"),
            MessageError::Version(v) => {
                write!(f, "a punch message of version {v}; this node speaks {VERSION}")
            }
            MessageError::Field(what) => write!(f, "a punch message with {what}"),
        }
    }
}

impl std::error::Error for MessageError {}

impl Body {
    fn kind(&self) -> u8 {
        match self {
            Body::Offer(..) => 1,
            Body::Answer(..) => 2,
            Body::Go(..) => 3,
            Body::Going => 4,
            Body::Ping(_) => 5,
            Body::Pong(_) => 6,
            Body::Again => 7,
            Body::GaveUp(_) => 8,
        }
    }

    /// The name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Body::Offer(..) => "offer",
            Body::Answer(..) => "answer",
            Body::Go(..) => "go",
            Body::Going => "going",
            Body::Ping(_) => "ping",
            Body::Pong(_) => "pong",
            Body::Again => "again",
            Body::GaveUp(_) => "gave up",
        }
    }
}

impl Message {
    /// The bytes. Of a side only what the peer has a use for goes out; of ports the first [`MAX_PORTS`]; of a
    /// time whole milliseconds, up to a minute.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAX_LEN);
        out.extend([VERSION, self.body.kind()]);
        out.extend(self.token.0);
        out.push(self.round);
        match &self.body {
            Body::Offer(side) => put_side(&mut out, side),
            Body::Answer(side, ports) => {
                put_side(&mut out, side);
                put_ports(&mut out, ports);
            }
            Body::Go(ports, rtt) => {
                put_ports(&mut out, ports);
                let ms = u16::try_from(rtt.as_millis()).unwrap_or(u16::MAX).min(60_000);
                out.extend(ms.to_be_bytes());
            }
            Body::Ping(n) | Body::Pong(n) | Body::GaveUp(n) => out.push(*n),
            Body::Going | Body::Again => {}
        }
        out
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`]; bytes are looked at once, whatever they are.
    pub fn decode(bytes: &[u8]) -> Result<Message, MessageError> {
        let mut from = Reader(bytes);
        match from.byte()? {
            VERSION => {}
            other => return Err(MessageError::Version(other)),
        }
        let kind = from.byte()?;
        let token = Token(from.array()?);
        let round = from.byte()?;
        if round == 0 {
            return Err(MessageError::Field("round 0; rounds count from 1"));
        }
        let body = match kind {
            1 => Body::Offer(from.side()?),
            2 => Body::Answer(from.side()?, from.ports()?),
            3 => Body::Go(from.ports()?, from.milliseconds()?),
            4 => Body::Going,
            5 => Body::Ping(from.byte()?),
            6 => Body::Pong(from.byte()?),
            7 => Body::Again,
            8 => Body::GaveUp(from.byte()?),
            _ => return Err(MessageError::Field("an unknown kind")),
        };
        if from.is_at_end() { Ok(Message { token, round, body }) } else { Err(MessageError::Long) }
    }
}

fn put_side(out: &mut Vec<u8>, side: &Side) {
    match side.outside_ip.map(|ip| ip.to_canonical()) {
        None => out.push(0),
        Some(IpAddr::V4(ip)) => {
            out.push(4);
            out.extend(ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            out.push(6);
            out.extend(ip.octets());
        }
    }
    let (mapping, allocation) = (side.mapping as i32, side.allocation as i32);
    out.extend([u8::try_from(mapping).unwrap_or(0), u8::try_from(allocation).unwrap_or(0)]);
}

fn put_ports(out: &mut Vec<u8>, ports: &[u16]) {
    let ports = ports.get(..MAX_PORTS).unwrap_or(ports);
    out.push(u8::try_from(ports.len()).unwrap_or(0));
    ports.iter().for_each(|port| out.extend(port.to_be_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::nat::behaviour::{Allocation, Mapping};
    use proptest::prelude::*;

    fn message(body: Body) -> Message {
        Message { token: Token([7; 16]), round: 2, body }
    }

    #[test]
    fn the_bytes() {
        let side = Side {
            outside_ip: Some("203.0.113.5".parse().unwrap()),
            mapping: Mapping::AddressDependent,
            allocation: Allocation::Sequential,
            constant: 3,
            last_outside: Some(9),
        };
        let bytes = message(Body::Answer(side, vec![40_000, 1024])).encode();
        assert_eq!(bytes[..2], [1, 2]);
        assert_eq!(bytes[18..], [2, 4, 203, 0, 113, 5, 2, 3, 2, 0x9c, 0x40, 4, 0]);
        let told = Side { constant: 0, last_outside: None, ..side };
        assert_eq!(Message::decode(&bytes), Ok(message(Body::Answer(told, vec![40_000, 1024]))));
    }

    #[test]
    fn what_is_refused() {
        let good = message(Body::Go(vec![5000], Duration::from_millis(50))).encode();
        assert!(Message::decode(&good).is_ok());
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            Message::decode(&bytes).unwrap_err()
        };
        assert_eq!(refused(&|b| b[0] = 2), MessageError::Version(2));
        assert_eq!(refused(&|b| b[1] = 9), MessageError::Field("an unknown kind"));
        assert_eq!(refused(&|b| b[18] = 0), MessageError::Field("round 0; rounds count from 1"));
        assert_eq!(refused(&|b| b[19] = 33), MessageError::Field("more than 32 ports"));
        assert_eq!(refused(&|b| b[20..22].fill(0)), MessageError::Field("port 0"));
        assert_eq!(refused(&|b| b[22] = 255), MessageError::Field("a round trip of more than a minute"));
        assert_eq!(refused(&|b| b.push(0)), MessageError::Long);
        for len in 0..good.len() {
            assert_eq!(Message::decode(&good[..len]), Err(MessageError::Short));
        }
    }

    #[test]
    fn long_lists_and_times_are_cut() {
        let long = message(Body::Go(vec![9; 100], Duration::from_secs(100)));
        let Ok(Message { body: Body::Go(ports, rtt), .. }) = Message::decode(&long.encode()) else {
            panic!()
        };
        assert_eq!((ports.len(), rtt), (MAX_PORTS, Duration::from_secs(60)));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(kind in 0..10u8, family in 0..8u8, tail: Vec<u8>) {
            let mut bytes = vec![VERSION, kind];
            bytes.extend([3; 17]);
            bytes.push(family);
            bytes.extend(tail.iter().map(|b| b % 8));
            if let Ok(message) = Message::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes);
                prop_assert!(message.encode().len() <= MAX_LEN);
            }
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = Message::decode(&bytes);
        }
    }
}
