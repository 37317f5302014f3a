//! Signalling: the lines by which nodes enter a server under their key and send each other short messages.
//!
//! These verbs are ours. They share port, line format and connection with the verbs of PyP2P, whose server meets them with
//! silence. Unlike there a node is known by its key and a network's id, not by its address, and what the server will not
//! do it refuses in words. The rules are in `docs/protocol-rendezvous.md`, section 8.

mod refused;
mod reply;
mod request;

pub(super) use refused::plain_text;
pub use refused::{Reason, Refused};
pub use reply::{SignalReply, Terms};
pub use request::{Misspelt, SignalRequest, Verb};

use crate::proto::base64url;
use crate::proto::hex;
use crate::proto::identity::{KEY_LEN, PublicKey};
use crate::proto::network::{NETWORK_ID_LEN, NetworkId, NetworkKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// Bytes of the number that a node has to sign.
pub const NONCE_LEN: usize = 32;

/// Drawn by the server for one attempt to enter.
pub type Nonce = [u8; NONCE_LEN];

/// Most characters of a network's id and of what ECHO carries.
pub const MAX_TOKEN: usize = 64;

/// The most that a server can be configured to take as one message, in bytes before base64url: more does not fit into a
/// line.
pub const MAX_MESSAGE: usize = 8192;

/// Begins what is signed, so that the signature is good for nothing else.
const DOMAIN: &[u8] = b"p2pnet rendezvous: enter, version 1\0";

/// What a node signs to enter: the server's nonce, its own id, the server's address as it connected to it, its network.
///
/// The address is in it so that a server cannot pass another server's nonce on to the node and enter there in its name.
pub fn proof_text(nonce: &Nonce, id: &PublicKey, server: SocketAddr, network: &Network) -> Vec<u8> {
    let server = SocketAddr::new(server.ip().to_canonical(), server.port()).to_string();
    // An address has less than 256 characters.
    let len = u8::try_from(server.len()).unwrap_or(u8::MAX);
    [DOMAIN, nonce, id.as_bytes(), &[len], server.as_bytes(), network.0.as_bytes()].concat()
}

/// What NONCE shows of the name that ENTERED will tell: who has been told the name before knows the server again, and
/// nobody else can tell the name from it.
pub fn mark_of(name: &str) -> String {
    let hash = Sha256::new().chain_update(b"p2pnet rendezvous: mark\0").chain_update(name).finalize();
    base64url::encode(hash.get(..9).unwrap_or_default())
}

/// A network's id as servers see it: 1 to [`MAX_TOKEN`] letters, digits, `-` and `_`. Nodes of different networks do not
/// see each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(Box<str>);

impl From<Option<NetworkId>> for Network {
    /// The id of our networks: its 32 hexadecimal digits, or `-` for the network without a name.
    fn from(id: Option<NetworkId>) -> Network {
        Network(id.map_or_else(|| "-".into(), |id| id.to_string().into()))
    }
}

impl Network {
    /// How a server lists the passive nodes of a network. Those of a network with a key have a list of their own, by a name that
    /// nobody else can know and that tells nothing of the key.
    pub fn listed(id: Option<NetworkId>, key: Option<&NetworkKey>) -> Network {
        let Some(key) = key else { return id.into() };
        let digest: [u8; 32] = Sha256::new()
            .chain_update(b"p2pnet list 1\0")
            .chain_update(key.as_bytes())
            .chain_update(id.map_or([0; NETWORK_ID_LEN], |id| id.0))
            .finalize()
            .into();
        let first = digest.first_chunk().copied().unwrap_or_default();
        Some(NetworkId(first)).into()
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANetwork;

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a network's id, 1 to {MAX_TOKEN} of A-Z, a-z, 0-9, - and _")
    }
}

impl std::error::Error for NotANetwork {}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Network, NotANetwork> {
        token(text).map(|text| Network(text.into())).ok_or(NotANetwork)
    }
}

fn token(text: &str) -> Option<&str> {
    let fits = (1..=MAX_TOKEN).contains(&text.len());
    (fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')).then_some(text)
}

/// A node's id: 43 characters of base64url, or 64 hexadecimal digits.
fn node(text: &str) -> Option<PublicKey> {
    let mut bytes = [0; KEY_LEN];
    if hex::read(text, &mut bytes) {
        return Some(PublicKey(bytes));
    }
    text.parse().ok()
}

/// Exactly `N` bytes in base64url.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Never decode what cannot fit.
    (text.len() <= 2 * N).then(|| base64url::decode(text).ok()?.try_into().ok()).flatten()
}

/// A decimal number.
fn whole(text: &str) -> Option<u64> {
    super::is_digits(text).then(|| text.parse().ok()).flatten()
}

/// How many bytes a message has that is written as `text`; `None`: that is not base64url.
pub fn message_len(text: &str) -> Option<usize> {
    base64url::decode(text).ok().map(|bytes| bytes.len())
}

/// A message's bytes; `None`: `text` is not base64url.
pub fn message_bytes(text: &str) -> Option<Vec<u8>> {
    base64url::decode(text).ok()
}

/// A message as it is written on a line.
pub fn message_text(bytes: &[u8]) -> String {
    base64url::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_both_spellings() {
        let key = PublicKey(std::array::from_fn(|i| i as u8 * 7));
        let hex: String = key.as_bytes().iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(node(&hex), Some(key));
        assert_eq!(node(&hex.to_uppercase()), Some(key));
        assert_eq!(node(&key.to_string()), Some(key));
        for bad in ["", "x", &hex[1..], &"ä".repeat(32), &hex.replace('0', "g"), &key.to_string()[1..]] {
            assert_eq!(node(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn networks() {
        for good in ["a", "default", "A-b_9", &"x".repeat(MAX_TOKEN)] {
            assert_eq!(good.parse::<Network>().map(|n| n.to_string()).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "ä", "a.b", &"x".repeat(MAX_TOKEN + 1)] {
            assert_eq!(bad.parse::<Network>(), Err(NotANetwork), "{bad:?}");
        }
        let chess = Network::from(Some(NetworkId::of("chess")));
        assert_eq!(chess.to_string(), "23085370ca0bdf61a907709f7311d02b");
        for ours in [chess.clone(), Network::from(None)] {
            assert_eq!(ours.as_str().parse(), Ok(ours.clone()));
        }
        let (id, keys) = (Some(NetworkId::of("chess")), [1, 2].map(|n| NetworkKey::new([n; 32])));
        assert_eq!(Network::listed(id, None), chess);
        // Computed by Python's `hashlib`.
        assert_eq!(Network::listed(id, Some(&keys[0])).to_string(), "aee13ff74a97ef0874e84dcba06b116f");
        let all = [None, Some(&keys[0]), Some(&keys[1])]
            .map(|key| [Network::listed(id, key), Network::listed(None, key)]);
        assert_eq!(all.as_flattened().iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
    }

    #[test]
    fn a_proof_is_good_for_one_thing_only() {
        let (id, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let network = |text: &str| text.parse::<Network>().unwrap();
        let server = |text: &str| text.parse::<SocketAddr>().unwrap();
        let base = proof_text(&[3; 32], &id, server("192.0.2.1:80"), &network("a"));
        assert_eq!(base, proof_text(&[3; 32], &id, server("[::ffff:192.0.2.1]:80"), &network("a")));
        for changed in [
            proof_text(&[4; 32], &id, server("192.0.2.1:80"), &network("a")),
            proof_text(&[3; 32], &other, server("192.0.2.1:80"), &network("a")),
            proof_text(&[3; 32], &id, server("192.0.2.1:8"), &network("0a")),
            proof_text(&[3; 32], &id, server("192.0.2.1:80"), &network("b")),
        ] {
            assert_ne!(base, changed);
        }
    }
}
