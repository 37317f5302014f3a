//! Under which names things are in the DHT. All of them are hashes: who does not know a network's id or a node's key does
//! not find them, and whoever knows them does.

use sha2::{Digest, Sha256};

use crate::proto::network::{NETWORK_ID_LEN, NetworkId, NetworkKey};

/// Bytes of an info hash (BEP 5).
pub const INFO_HASH_LEN: usize = 20;

/// An info hash (BEP 5): what addresses are announced under.
pub type InfoHash = [u8; INFO_HASH_LEN];

const NODES: &[u8] = b"p2pnet mainline nodes\0";
const MEMBERS: &[u8] = b"p2pnet mainline members\0";
const LOCATOR: &[u8; 11] = b"p2pnet unl ";
const MAILBOX: &[u8; 11] = b"p2pnet box ";

/// What nodes of a network announce themselves under: the first 20 bytes of SHA-256 of `p2pnet mainline nodes`, a zero byte
/// and the network's id. The network without a name has the id of 16 zero bytes here.
pub fn nodes_hash(network: Option<NetworkId>) -> InfoHash {
    short(Sha256::new().chain_update(NODES).chain_update(bytes(network)))
}

/// The same for a network that has a key, which then goes in as well, behind other words: who does not have it cannot look.
pub fn members_hash(network: Option<NetworkId>, key: &NetworkKey) -> InfoHash {
    short(Sha256::new().chain_update(MEMBERS).chain_update(bytes(network)).chain_update(key.as_bytes()))
}

fn short(hash: Sha256) -> InfoHash {
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// The salt of a node's locator: `p2pnet unl `, then the network's id. So a node has one for each of its networks.
pub fn locator_salt(network: Option<NetworkId>) -> Vec<u8> {
    [&LOCATOR[..], &bytes(network)].concat()
}

/// The salt of what a node says about its mailbox: `p2pnet box `, then the network's id.
pub fn mailbox_salt(network: Option<NetworkId>) -> Vec<u8> {
    [&MAILBOX[..], &bytes(network)].concat()
}

/// A network's id in these names.
pub(super) fn bytes(network: Option<NetworkId>) -> [u8; NETWORK_ID_LEN] {
    network.map_or([0; NETWORK_ID_LEN], |id| id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Computed by Python's hashlib.
    #[test]
    fn names_are_these() {
        let chess = Some(NetworkId::of("chess"));
        assert_eq!(hex(&nodes_hash(chess)), "0f7b41312d91f3c57b3f8fc4b1fe93795e59da92");
        assert_eq!(hex(&nodes_hash(None)), "ea8a8d7ce4b82bcbc3f52e1e4725a9c6e8b5882b");
        let members = members_hash(chess, &NetworkKey::new([7; 32]));
        assert_eq!(hex(&members), "dc9861b43fb8579a3c1461ac132d38676f997ffd");
        assert_eq!(locator_salt(chess), [b"p2pnet unl ".as_slice(), &NetworkId::of("chess").0].concat());
        assert_eq!(mailbox_salt(None), b"p2pnet box \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}
