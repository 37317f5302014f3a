//! Which inbound connection is the one a request waits for.
//!
//! PyP2P names connections by nonce and both addresses, or, if the nonce is zeros, by the peer's address alone. The same
//! holds here, and one thing more: a random nonce of ours that only the peer was told is proof enough when the peer comes
//! from another address than its UNL says (a provider's NAT may have several).

use std::net::{IpAddr, Ipv4Addr};

use super::decide::Meeting;
use super::types::{Link, Us};
use crate::proto::conn_id::{Nonce, ZERO_NONCE, conn_id, our_side};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A connection with the id of this nonce between these addresses: ours, theirs.
    Id { nonce: Nonce, our_ip: Ipv4Addr, their_ip: Ipv4Addr },
    /// Our own random nonce, which we have told the peer.
    Secret(Nonce),
    /// Any connection from this address that nobody else waits for.
    From(Ipv4Addr),
    /// None: nobody was told how.
    Nothing,
}

impl Wanted {
    /// Whether it is this one.
    pub(super) fn is(&self, us: &Us, link: &Link) -> bool {
        let IpAddr::V4(from) = link.from.ip().to_canonical() else { return false };
        match *self {
            Wanted::Id { nonce, our_ip, their_ip } => {
                let ours = our_side(from, us.unl.lan_ip, us.unl.wan_ip);
                nonce == link.nonce && conn_id(&nonce, our_ip, their_ip) == conn_id(&nonce, ours, from)
            }
            Wanted::Secret(nonce) => nonce == link.nonce,
            Wanted::From(ip) => ip == from,
            Wanted::Nothing => false,
        }
    }
}

/// Whether a link is the one with this nonce between the two.
pub(super) fn is_named(us: &Us, link: &Link, meeting: &Meeting, nonce: Nonce) -> bool {
    Wanted::Id { nonce, our_ip: meeting.our_ip, their_ip: meeting.their_ip }.is(us, link)
}

/// Whether this is the nonce of somebody who has chosen none.
pub(super) fn is_zero(nonce: &Nonce) -> bool {
    *nonce == ZERO_NONCE
}

/// A nonce that nobody can guess: 64 hexadecimal digits of 32 random bytes.
pub(super) fn spell(bytes: [u8; 32]) -> Nonce {
    let mut nonce = ZERO_NONCE;
    for (digits, byte) in nonce.chunks_exact_mut(2).zip(bytes) {
        for (digit, nibble) in digits.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        }
    }
    nonce
}
