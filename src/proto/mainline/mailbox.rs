//! A mailbox: some slots in the DHT into which everybody can put a letter who knows the node's key.
//!
//! In the DHT only the owner of a key can write under it. So the slots' keys are derived from what everybody can know: the
//! receiver's key and what the receiver publishes under it, a [`Mailbox`]. That one names an X25519 key that is new every
//! half hour. With it the slots are new as well, letters of another half hour cannot be opened any more, and a copy that
//! somebody puts back is worth nothing. No clock is needed for that.

use sha2::{Digest, Sha256};

use super::names::bytes;
use crate::proto::identity::{Identity, PublicKey};
use crate::proto::network::{NETWORK_ID_LEN, NetworkId};

/// Bytes of what is published about a mailbox.
pub const MAILBOX_LEN: usize = 2 + NETWORK_ID_LEN + 32;
/// Most slots of a mailbox.
pub const MAX_SLOTS: u8 = 8;

/// The layout this code knows.
const FORMAT: u8 = 1;
const SLOT: &[u8] = b"p2pnet mainline slot\0";

/// What a node publishes about its mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// How many slots it looks into: 1 to [`MAX_SLOTS`].
    pub slots: u8,
    /// For which network.
    pub network: Option<NetworkId>,
    /// The X25519 key that letters are sealed to.
    pub key: [u8; 32],
}

impl Mailbox {
    /// As bytes: layout, slots, network, key.
    pub fn encode(&self) -> [u8; MAILBOX_LEN] {
        let mut out = [0; MAILBOX_LEN];
        let network = bytes(self.network);
        let all = [FORMAT, self.slots].into_iter().chain(network).chain(self.key);
        out.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        out
    }

    /// Reads one. `None`: it is none, or of a later layout.
    pub fn decode(value: &[u8]) -> Option<Mailbox> {
        let (head, rest) = value.split_first_chunk::<2>()?;
        let (network, key) = rest.split_first_chunk::<NETWORK_ID_LEN>()?;
        let &[FORMAT, slots @ 1..=MAX_SLOTS] = head else { return None };
        let network = (*network != [0; NETWORK_ID_LEN]).then_some(NetworkId(*network));
        Some(Mailbox { slots, network, key: key.try_into().ok()? })
    }

    /// The key pair of one of the slots of `owner`'s mailbox: its secret is SHA-256 of `p2pnet mainline slot`, a zero
    /// byte, the owner's key, the mailbox's key and the slot's number. Everybody can make it, so everybody can write there.
    pub fn slot(&self, owner: &PublicKey, number: u8) -> Identity {
        let secret: [u8; 32] = Sha256::new()
            .chain_update(SLOT)
            .chain_update(owner.as_bytes())
            .chain_update(self.key)
            .chain_update([number])
            .finalize()
            .into();
        Identity::from_secret(&secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slots_are_all_different() {
        let (a, b) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let one = Mailbox { slots: 2, network: None, key: [3; 32] };
        let two = Mailbox { key: [4; 32], ..one };
        let keys = [one.slot(&a, 0), one.slot(&a, 1), one.slot(&b, 0), two.slot(&a, 0)];
        for (i, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|other| other.public() != key.public()));
        }
        assert_eq!(one.slot(&a, 0).public(), keys[0].public());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(slots in 1..=MAX_SLOTS, network: Option<[u8; 16]>, key: [u8; 32]) {
            let network = network.filter(|id| *id != [0; 16]).map(NetworkId);
            let mailbox = Mailbox { slots, network, key };
            prop_assert_eq!(Mailbox::decode(&mailbox.encode()), Some(mailbox));
        }

        #[test]
        fn what_is_read_is_written_the_same(mut bytes in proptest::collection::vec(any::<u8>(), 0..60), good: bool) {
            if good {
                bytes.resize(MAILBOX_LEN, 9);
                bytes[0] = 1;
                bytes[1] %= 12;
            }
            match Mailbox::decode(&bytes) {
                Some(mailbox) => prop_assert_eq!(mailbox.encode().to_vec(), bytes),
                None => prop_assert!(bytes.len() != MAILBOX_LEN || bytes[0] != 1 || !(1..=8).contains(&bytes[1])),
            }
        }
    }
}
