//! The connection id (PyP2P's `con_id`): how both ends of a direct-net connection name it without exchanging
//! anything but a nonce.
//!
//! The connector sends [`NONCE_LEN`] octets before the first line. Both sides hash them together with a
//! fingerprint of the two addresses, in which the order of the addresses does not matter. All hashes are
//! SHA-256 and all of them are fed on as 64 lower-case hexadecimal digits, never as 32 bytes.

use std::fmt;
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

/// Octets of nonce that go before the first line of a direct-net connection. There is no CRLF behind them.
pub const NONCE_LEN: usize = 64;

/// A nonce as it stands on the wire. In practice hexadecimal digits; the classic acceptor does not check
/// that.
pub type Nonce = [u8; NONCE_LEN];

/// The nonce of somebody who did not choose one: such connections are looked for by address.
pub const ZERO_NONCE: Nonce = [b'0'; NONCE_LEN];

/// Name of a connection; the same on both sides if they saw the same two addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub [u8; 32]);

impl fmt::Display for ConnId {
    /// 64 lower-case hexadecimal digits, as PyP2P writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({self})")
    }
}

/// The id of the connection between two addresses that began with `nonce`. Symmetric in the addresses.
///
/// Which of our addresses to give: see [`our_side`].
pub fn conn_id(nonce: &Nonce, one: Ipv4Addr, other: Ipv4Addr) -> ConnId {
    let (a, b) = (hex_sha256(&[one.to_string().as_bytes()]), hex_sha256(&[other.to_string().as_bytes()]));
    // Digits of equal length compare as the numbers they stand for.
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    let fingerprint = hex_sha256(&[&high, &low]);
    ConnId(sha256(&[nonce, &fingerprint]))
}

/// The address of ours that belongs into [`conn_id`] for a peer seen at `peer`: the LAN address if the peer's
/// is private, else the WAN address.
pub const fn our_side(peer: Ipv4Addr, lan: Ipv4Addr, wan: Ipv4Addr) -> Ipv4Addr {
    if is_private(peer) { lan } else { wan }
}

/// "Private" as PyP2P means it: what Python's `ipaddress` (3.11.7) calls so, without 127.0.0.1 itself.
///
/// Wider than RFC 1918: link-local, the rest of loopback, the documentation and benchmarking nets, 240/4 and
/// the all-ones address count; 100.64/10 (shared address space, RFC 6598) does not.
pub const fn is_private(ip: Ipv4Addr) -> bool {
    match ip.octets() {
        [127, 0, 0, 1] => false,
        [0 | 10 | 127 | 240..=255, ..] | [169, 254, ..] | [172, 16..=31, ..] | [192, 168, ..] => true,
        [192, 0, 0, last] => last < 8 || last == 170 || last == 171,
        [192, 0, 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        _ => false,
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// SHA-256 as the 64 digits that PyP2P feeds into the next hash.
fn hex_sha256(parts: &[&[u8]]) -> [u8; 64] {
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(sha256(parts)) {
        for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_one() {
        let id = conn_id(&ZERO_NONCE, Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(1, 2, 3, 4));
        assert_eq!(id.to_string(), "c7cdf74f4a32227c9c5cf026a615a04017474ce067229ac702fa77ab83e318e2");
    }

    #[test]
    fn sides() {
        let (lan, wan) = (Ipv4Addr::new(192, 168, 0, 2), Ipv4Addr::new(8, 8, 8, 8));
        for (peer, ours) in [
            ([10, 0, 0, 1], lan),
            ([172, 31, 255, 255], lan),
            ([172, 32, 0, 0], wan),
            ([100, 64, 0, 1], wan),
            ([127, 0, 0, 1], wan),
            ([127, 0, 0, 2], lan),
            ([192, 0, 0, 7], lan),
            ([192, 0, 0, 8], wan),
            ([203, 0, 113, 9], lan),
            ([255, 255, 255, 255], lan),
            ([9, 9, 9, 9], wan),
        ] {
            assert_eq!(our_side(peer.into(), lan, wan), ours, "{peer:?}");
        }
    }

    proptest! {
        #[test]
        fn symmetric_and_keyed(nonce: [u8; 32], a: [u8; 4], b: [u8; 4]) {
            let mut n = ZERO_NONCE;
            n[..32].copy_from_slice(&nonce);
            let id = conn_id(&n, a.into(), b.into());
            prop_assert_eq!(id, conn_id(&n, b.into(), a.into()));
            n[63] = b'1';
            prop_assert_ne!(id, conn_id(&n, a.into(), b.into()));
        }
    }
}
