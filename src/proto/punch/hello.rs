//! What goes over every connection that a punch has opened, before anything else: who is there, and which
//! connection is kept.
//!
//! A frame is 64 octets, as long as the classic nonce: the lower-case hexadecimal digits of
//!
//! ```text
//!   what 1 | role 1 | slot 2 (big-endian) | proof 28
//!   proof = first 28 bytes of SHA-256( "p2pnet punch" | token | what | role | slot )
//! ```
//!
//! The token is known to nobody but the two nodes, so a stranger who happens to sit at a guessed port is
//! found out by its first frame, and a connection to oneself by its role.

use super::message::Token;
use super::session::Role;
use sha2::{Digest, Sha256};

/// Octets in a frame.
pub const FRAME_LEN: usize = 64;

/// A frame as it stands on the wire.
pub type Frame = [u8; FRAME_LEN];

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Both, first: it is I.
    Hello = 1,
    /// Initiator: let us keep this connection.
    Select = 2,
    /// Initiator: it is settled. What follows is the link's.
    Done = 3,
}

/// Writes a frame.
pub(super) fn write(token: Token, what: What, role: Role, slot: u16) -> Frame {
    let [high, low] = slot.to_be_bytes();
    let head = [what as u8, role as u8, high, low];
    let mut frame = [0; FRAME_LEN];
    let raw = head.into_iter().chain(digest(token, head));
    for (two, byte) in frame.chunks_exact_mut(2).zip(raw) {
        two.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    frame
}

/// Reads a frame of the peer, whose role is `role`: what it says, and the slot it gives. `None`: it is not
/// the peer's.
pub(super) fn read(token: Token, role: Role, frame: &Frame) -> Option<(What, u16)> {
    let mut raw = [0; FRAME_LEN / 2];
    for (byte, two) in raw.iter_mut().zip(frame.chunks_exact(2)) {
        *byte = value(two[0])? << 4 | value(two[1])?;
    }
    let (head, proof) = raw.split_first_chunk::<4>()?;
    let what = match head[0] {
        1 => What::Hello,
        2 => What::Select,
        3 => What::Done,
        _ => return None,
    };
    // In the same time wherever the difference is.
    let differs = proof.iter().zip(digest(token, *head)).fold(0, |all, (a, b)| all | (a ^ b));
    (head[1] == role as u8 && differs == 0).then(|| (what, u16::from_be_bytes([head[2], head[3]])))
}

fn digest(token: Token, head: [u8; 4]) -> impl Iterator<Item = u8> {
    let mut hash = Sha256::new();
    hash.update(b"p2pnet punch");
    hash.update(token.0);
    hash.update(head);
    hash.finalize().into_iter().take(28)
}

fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKEN: Token = Token([9; 16]);

    #[test]
    fn only_the_peer_can_write_what_we_read() {
        for what in [What::Hello, What::Select, What::Done] {
            let frame = write(TOKEN, what, Role::Initiator, 770);
            assert_eq!(read(TOKEN, Role::Initiator, &frame), Some((what, 770)));
            assert_eq!(read(TOKEN, Role::Responder, &frame), None, "our own words");
            assert_eq!(read(Token([8; 16]), Role::Initiator, &frame), None, "another punch");
            assert!(frame.iter().all(u8::is_ascii_hexdigit));
        }
        assert_eq!(read(TOKEN, Role::Initiator, &[b'0'; FRAME_LEN]), None, "a classic nonce");
    }

    proptest! {
        #[test]
        fn any_change_is_noticed(at in 0..FRAME_LEN, to: u8) {
            let mut frame = write(TOKEN, What::Hello, Role::Responder, 1);
            if frame[at] != to {
                frame[at] = to;
                prop_assert_eq!(read(TOKEN, Role::Responder, &frame), None);
            }
        }
    }
}
