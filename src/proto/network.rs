//! Which network a node belongs to: programs that know the same name find each other, others stay apart.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::hex;

/// Bytes of a network id.
pub const NETWORK_ID_LEN: usize = 16;

/// What the hash of a name begins with, so that it is nobody else's hash of that name.
const DOMAIN: &[u8] = b"p2pnet network\0";

/// A network's name, hashed. The name cannot be read off it, though a short one can be guessed: it is no password.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub [u8; NETWORK_ID_LEN]);

impl NetworkId {
    /// The id of the network of that name: the first 16 bytes of SHA-256 of `p2pnet network`, a zero byte and the name.
    pub fn of(name: &str) -> NetworkId {
        let digest: [u8; 32] = Sha256::new().chain_update(DOMAIN).chain_update(name).finalize().into();
        let mut id = [0; NETWORK_ID_LEN];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        NetworkId(id)
    }
}

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkId({self})")
    }
}

/// A secret that all nodes of a network share. Who does not have it cannot begin a handshake with them, nor be found out
/// by one. It is wiped from memory when it is dropped, and no formatting shows it.
#[derive(Clone)]
pub struct NetworkKey(Zeroizing<[u8; 32]>);

impl NetworkKey {
    /// 32 bytes that nobody can guess.
    pub fn new(bytes: [u8; 32]) -> NetworkKey {
        NetworkKey(Zeroizing::new(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkKey(not shown)")
    }
}

/// Text that is not a network id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANetworkId;

impl fmt::Display for NotANetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a network id; expected {} hexadecimal digits", 2 * NETWORK_ID_LEN)
    }
}

impl std::error::Error for NotANetworkId {}

impl FromStr for NetworkId {
    type Err = NotANetworkId;

    fn from_str(text: &str) -> Result<Self, NotANetworkId> {
        let mut id = [0; NETWORK_ID_LEN];
        hex::read(text, &mut id).then_some(NetworkId(id)).ok_or(NotANetworkId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by `printf 'p2pnet network\0chess' | sha256sum`.
    #[test]
    fn a_name_has_its_id() {
        let id = NetworkId::of("chess");
        assert_eq!(id.to_string(), "23085370ca0bdf61a907709f7311d02b");
        assert_ne!(id, NetworkId::of("Chess"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn other_text_is_none() {
        for text in ["", "00", "0123456789abcdef0123456789abcdeg", "+123456789abcdef0123456789abcdef", "é"] {
            assert_eq!(text.parse::<NetworkId>(), Err(NotANetworkId), "{text}");
        }
    }
}
