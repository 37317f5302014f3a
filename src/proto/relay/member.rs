//! Whom a node relays that volunteers: nodes of its network only, which show that by a code over the token.
//!
//! ```text
//!   key   = SHA-256("p2pnet relay 1\0" ‖ network key, or 32 zero bytes ‖ network id, or 16 zero bytes)
//!   proof = the first 16 bytes of HMAC-SHA-256(key, token)
//! ```
//!
//! It costs no further round trip and a microsecond to check. Whoever reads the line on its way has a token with its proof;
//! so each is good for two connections, which is what a meeting takes ([`Seen`]).

use std::collections::VecDeque;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::proto::handshake::{NO_NETWORK, hmac};
use crate::proto::network::{NetworkId, NetworkKey};
use crate::proto::rdv_msg::{RelayProof, RelayToken};
use crate::small::SmallMap;

/// Tokens that are remembered.
const REMEMBERED: usize = 1024;
/// Connections that may name a token.
const MOST: u8 = 2;

/// A node's network, as it is proved to those who relay for it.
#[derive(Clone)]
pub struct Membership(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Membership(not shown)")
    }
}

impl Membership {
    /// That of the nodes of `network` that share `key`, if there is one.
    pub fn new(network: Option<NetworkId>, key: Option<&NetworkKey>) -> Membership {
        let digest = Sha256::new()
            .chain_update(b"p2pnet relay 1\0")
            .chain_update(key.map_or(&[0; 32], NetworkKey::as_bytes))
            .chain_update(network.unwrap_or(NO_NETWORK).0)
            .finalize();
        Membership(Zeroizing::new(digest.into()))
    }

    /// What shows it, for one meeting.
    pub fn proof(&self, token: RelayToken) -> RelayProof {
        let code = hmac(&self.0, &token.0);
        RelayProof(code.first_chunk().copied().unwrap_or_default())
    }

    /// Whether this shows it. The time that takes does not tell where the difference is.
    pub fn is_shown(&self, token: RelayToken, proof: Option<RelayProof>) -> bool {
        let Some(RelayProof(found)) = proof else { return false };
        let RelayProof(right) = self.proof(token);
        right.iter().zip(found).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

/// The tokens that were named lately, and how often.
#[derive(Debug, Default)]
pub struct Seen {
    times: SmallMap<RelayToken, u8>,
    order: VecDeque<RelayToken>,
}

impl Seen {
    /// A connection names this token. False: two have done so before.
    pub fn note(&mut self, token: RelayToken) -> bool {
        if let Some(times) = self.times.get_mut(&token) {
            let fits = *times < MOST;
            *times = times.saturating_add(1);
            return fits;
        }
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.times.remove(&oldest);
        }
        self.order.push_back(token);
        self.times.insert(token, 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by Python's `hashlib` and `hmac`.
    #[test]
    fn a_proof_is_one_network_s_and_one_token_s() {
        let token = RelayToken([1; 16]);
        let nobody = Membership::new(None, None);
        let key = NetworkKey::new([7; 32]);
        let chess = Membership::new(Some(NetworkId::of("chess")), None);
        let keyed = Membership::new(Some(NetworkId::of("chess")), Some(&key));
        assert_eq!(nobody.proof(token).to_string(), NOBODY);
        assert_eq!(keyed.proof(token).to_string(), KEYED);
        let all = [&nobody, &chess, &keyed];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                assert_eq!(one.is_shown(token, Some(other.proof(token))), i == j);
            }
            assert!(!one.is_shown(RelayToken([2; 16]), Some(one.proof(token))));
            assert!(!one.is_shown(token, None));
        }
        for bit in 0..128 {
            let RelayProof(mut proof) = keyed.proof(token);
            proof[bit / 8] ^= 1 << (bit % 8);
            assert!(!keyed.is_shown(token, Some(RelayProof(proof))));
        }
    }

    const NOBODY: &str = "eb57041c12da3174bd16f6ed0b2c054b";
    const KEYED: &str = "654b86494cc08d3e90bb28201f29f987";

    #[test]
    fn a_token_is_good_for_two() {
        let token = |n: u16| {
            let mut bytes = [9; 16];
            bytes[..2].copy_from_slice(&n.to_be_bytes());
            RelayToken(bytes)
        };
        let mut seen = Seen::default();
        assert!(seen.note(token(0)) && seen.note(token(0)));
        assert!(!seen.note(token(0)) && !seen.note(token(0)));
        for n in 1..2000 {
            assert!(seen.note(token(n)));
            assert!(seen.times.len() <= REMEMBERED && seen.times.len() == seen.order.len());
        }
        assert!(seen.note(token(0)), "forgotten by then");
    }
}
