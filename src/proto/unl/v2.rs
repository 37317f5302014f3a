//! UNL version 2, as PyP2P 0.8.3 writes and reads it: 38 bytes in base64.
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 1 | version: 2; any value is read |
//! | 1 | 20 | node id, all zero without one |
//! | 21 | 1 | node type, first letter of its name |
//! | 22 | 1 | NAT type, **last** letter of its name |
//! | 23 | 1 | forwarding type, first letter of its name |
//! | 24 | 2 | listening port, little endian |
//! | 26 | 4 | WAN address, last octet first |
//! | 30 | 4 | LAN address, last octet first |
//! | 34 | 4 | first bytes of SHA-256 of SHA-256 of bytes 0..34 |
//!
//! **Mended fault.** The original writes the NAT types *delta* and *unknown* as the letters `a` and `n`,
//! which no original can read: such a node cannot be connected to by UNL at all. We write both as *random*,
//! and read what the original reads. Nothing is lost by that: nobody acts on the NAT type in another's UNL
//! (whether a node can be punched is said by its node type), and *random* promises least.

use std::fmt;
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use super::base64;
use super::{ForwardingType, NodeType};
use crate::proto::nat::NatType;

/// Bytes of a UNL before base64.
pub const RAW_LEN: usize = 38;
/// Characters of a UNL as we write it.
pub const TEXT_LEN: usize = 52;

const BODY_LEN: usize = 34;
const VERSION: u8 = 2;

/// The contents of a UNL.
///
/// `==` compares all of it; whether two UNLs mean one node in PyP2P's eyes is [`UnlV2::is_same_node`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnlV2 {
    /// Where messages for the node go; all zero if it takes none. See [`node_id`].
    pub node_id: [u8; 20],
    /// How the node can be reached.
    pub node_type: NodeType,
    /// What NAT it is behind. Delta and unknown are written as random, none as preserving.
    pub nat_type: NatType,
    /// Why its port is open. None is written as manual, PCP as NAT-PMP.
    pub forwarding_type: ForwardingType,
    /// TCP port it listens on; 0 if it does not.
    pub listen_port: u16,
    /// Its address as the internet sees it.
    pub wan_ip: Ipv4Addr,
    /// Its address in its own network, used between nodes with one WAN address.
    pub lan_ip: Ipv4Addr,
    /// 2 in what we make; kept as read.
    pub version: u8,
}

/// A node id of any length as a UNL holds it: cut to 20 bytes, or filled up with zeros.
pub fn node_id(id: &[u8]) -> [u8; 20] {
    let mut fixed = [0; 20];
    fixed.iter_mut().zip(id).for_each(|(to, from)| *to = *from);
    fixed
}

/// A UNL before base64, its last four bytes replaced by the checksum of the others.
pub fn with_checksum(mut raw: [u8; RAW_LEN]) -> [u8; RAW_LEN] {
    if let Some((body, check)) = raw.split_first_chunk_mut::<BODY_LEN>() {
        check.copy_from_slice(&checksum(body));
    }
    raw
}

impl UnlV2 {
    /// The version this format is known by.
    pub const VERSION: u8 = VERSION;

    /// The UNL as text, [`TEXT_LEN`] characters. Every PyP2P can read it.
    pub fn encode(&self) -> String {
        base64::encode(&self.to_bytes())
    }

    /// The UNL before base64.
    pub fn to_bytes(&self) -> [u8; RAW_LEN] {
        let mut raw = [0; RAW_LEN];
        let fields = [self.version]
            .into_iter()
            .chain(self.node_id)
            .chain([
                node_letter(self.node_type),
                nat_letter(self.nat_type),
                forwarding_letter(self.forwarding_type),
            ])
            .chain(self.listen_port.to_le_bytes())
            .chain(self.wan_ip.to_bits().to_le_bytes())
            .chain(self.lan_ip.to_bits().to_le_bytes());
        raw.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        with_checksum(raw)
    }

    /// Reads a UNL. Accepts exactly what PyP2P 0.8.3 accepts: characters outside the base64 alphabet are
    /// skipped, padding is required, any version is taken.
    ///
    /// # Errors
    /// What the first thing wrong is. Time is linear in the text, memory constant.
    pub fn decode(text: &str) -> Result<Self, UnlError> {
        let mut raw = [0; RAW_LEN];
        match base64::decode(text.as_bytes(), &mut raw) {
            Ok(RAW_LEN) => Self::from_bytes(&raw),
            Ok(bytes) => Err(UnlError::TooShort { bytes }),
            Err(base64::Error::TooLong) => Err(UnlError::TooLong),
            Err(base64::Error::Unfinished) => Err(UnlError::Unfinished),
            Err(base64::Error::NotAscii) => Err(UnlError::NotAscii),
        }
    }

    /// Reads a UNL before base64.
    ///
    /// # Errors
    /// What the first thing wrong is: checksum, node type, NAT type, forwarding type.
    pub fn from_bytes(raw: &[u8; RAW_LEN]) -> Result<Self, UnlError> {
        let mut rest: &[u8] = raw;
        let [version] = take(&mut rest);
        let node_id = take(&mut rest);
        let [node, nat, forwarding] = take(&mut rest);
        let port = take(&mut rest);
        let (wan, lan) = (take(&mut rest), take(&mut rest));
        if raw.first_chunk::<BODY_LEN>().is_none_or(|body| checksum(body) != rest) {
            return Err(UnlError::Checksum);
        }
        Ok(Self {
            version,
            node_id,
            node_type: NodeType::ALL
                .into_iter()
                .find(|&kind| node_letter(kind) == node)
                .ok_or(UnlError::NodeType { letter: node })?,
            nat_type: [NatType::Preserving, NatType::Random, NatType::Reuse]
                .into_iter()
                .find(|&kind| nat_letter(kind) == nat)
                .ok_or(UnlError::NatType { letter: nat })?,
            forwarding_type: FORWARDING_TYPES
                .into_iter()
                .find(|&kind| forwarding_letter(kind) == forwarding)
                .ok_or(UnlError::ForwardingType { letter: forwarding })?,
            listen_port: u16::from_le_bytes(port),
            wan_ip: Ipv4Addr::from_bits(u32::from_le_bytes(wan)),
            lan_ip: Ipv4Addr::from_bits(u32::from_le_bytes(lan)),
        })
    }

    /// Whether both are the same node in PyP2P's eyes: same WAN address, LAN address and port, whatever else
    /// differs.
    pub fn is_same_node(&self, other: &Self) -> bool {
        (self.wan_ip, self.lan_ip, self.listen_port) == (other.wan_ip, other.lan_ip, other.listen_port)
    }
}

/// Which of two nodes leads when both could: the one whose UNL, *as text*, is the larger number (big endian).
/// Of two equal ones neither does.
pub fn is_master(ours: &str, theirs: &str) -> bool {
    let number = |text: &str| -> (usize, Vec<u8>) {
        let digits: Vec<u8> = text.bytes().skip_while(|&byte| byte == 0).collect();
        (digits.len(), digits)
    };
    number(ours) > number(theirs)
}

const fn node_letter(kind: NodeType) -> u8 {
    match kind {
        NodeType::Passive => b'p',
        NodeType::Active => b'a',
        NodeType::Simultaneous => b's',
    }
}

const fn nat_letter(kind: NatType) -> u8 {
    match kind {
        NatType::Preserving | NatType::None => b'g',
        NatType::Reuse => b'e',
        NatType::Random | NatType::Delta | NatType::Unknown => b'm',
    }
}

/// Those that version 2 can tell apart.
const FORWARDING_TYPES: [ForwardingType; 4] =
    [ForwardingType::Manual, ForwardingType::Forwarded, ForwardingType::Upnp, ForwardingType::NatPmp];

const fn forwarding_letter(kind: ForwardingType) -> u8 {
    match kind {
        ForwardingType::Manual | ForwardingType::None => b'm',
        ForwardingType::Forwarded => b'f',
        ForwardingType::Upnp => b'U',
        ForwardingType::NatPmp | ForwardingType::Pcp => b'N',
    }
}

fn checksum(body: &[u8; BODY_LEN]) -> [u8; 4] {
    let digest: [u8; 32] = Sha256::digest(Sha256::digest(body)).into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

/// The next `N` bytes. There are always enough: the fields add up to the array they are taken from.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    match rest.split_first_chunk() {
        Some((field, tail)) => {
            *rest = tail;
            *field
        }
        None => [0; N],
    }
}

/// Why text is not a UNL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnlError {
    /// A character that is not ASCII.
    NotAscii,
    /// The base64 breaks off: characters or the padding `=` are missing.
    Unfinished,
    /// Fewer than 38 bytes.
    TooShort {
        /// Bytes there were.
        bytes: usize,
    },
    /// More than 38 bytes.
    TooLong,
    /// A character was changed.
    Checksum,
    /// A node type no PyP2P knows.
    NodeType {
        /// The byte found.
        letter: u8,
    },
    /// A NAT type no PyP2P can read. `a` and `n` are written by PyP2P itself, for delta and unknown.
    NatType {
        /// The byte found.
        letter: u8,
    },
    /// A forwarding type no PyP2P knows.
    ForwardingType {
        /// The byte found.
        letter: u8,
    },
}

impl fmt::Display for UnlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letter = |field: &str, letter: u8, expected: &str| {
            write!(f, "the UNL's {field} is '{}'; expected {expected}", letter.escape_ascii())
        };
        match *self {
            Self::NodeType { letter: l } => letter("node type", l, "p, a or s"),
            Self::NatType { letter: l } => letter("NAT type", l, "g, m or e"),
            Self::ForwardingType { letter: l } => letter("forwarding type", l, "m, f, U or N"),
            Self::NotAscii => write!(f, "the UNL holds a character that is not ASCII; expected base64"),
            Self::Unfinished => {
                write!(f, "the UNL breaks off; expected base64 with its padding, 52 characters")
            }
            Self::TooShort { bytes } => write!(f, "the UNL holds {bytes} bytes; expected {RAW_LEN}"),
            Self::TooLong => write!(f, "the UNL holds too many bytes; expected {RAW_LEN}"),
            Self::Checksum => write!(f, "the UNL's checksum is wrong; expected an unchanged copy"),
        }
    }
}

impl std::error::Error for UnlError {}

#[cfg(test)]
mod tests;
