//! A message of the signalling as servers see it: sealed to the receiver's key, proved to be the sender's, in both nodes' network.
//!
//! ```text
//!   version 1 │ head 96: ephemeral key 32 │ sender's X25519 key, sealed 48 │ tag 16 │ number 2 │ message, sealed │ tag 16
//! ```
//!
//! The head is a message of Noise's pattern X without a payload (`handshake::one_way`); the message is sealed with the key that comes of it,
//! under its number. One head serves many messages, so only the first of them costs computing on the curve; and every message
//! carries it, so each can be opened by whoever has lost, or never had, what came before. Nothing has to be agreed, acknowledged
//! or repeated for that, and nothing can get out of step.
//!
//! Sender, receiver and network are not in it: the server names the sender, and all three are part of what is authenticated.
//! [`super::seals`] remembers heads.

use std::fmt;

use super::message;
use crate::proto::handshake::{Myself, one_way};
use crate::proto::identity::PublicKey;

/// The layout this code knows.
const VERSION: u8 = 1;
const DOMAIN: &[u8] = b"p2pnet signal 1\0";
/// Bytes of a head.
pub(super) const HEAD: usize = one_way::OVERHEAD;
const NUMBER: usize = 2;

/// Bytes around a message.
pub const OVERHEAD: usize = 1 + HEAD + NUMBER + one_way::MORE_OVERHEAD;
/// Longest sealed message, in bytes.
pub const MAX_LEN: usize = message::MAX_LEN + OVERHEAD;

/// Why something is no message of that sender for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It is not of that layout: too short, too long, another version, not sealed at all.
    Layout,
    /// It is not of that sender for this node in this network, or it was changed.
    Forged,
    /// It has been here before.
    Again,
    /// Too much of this server's has had to be looked at lately.
    Busy,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenError::Layout => "something that is not a sealed message of this version",
            OpenError::Forged => "a message that is not of that node for this one, or was changed on its way",
            OpenError::Again => "a message that has been here before",
            OpenError::Busy => "more to open than is opened for one server",
        })
    }
}

impl std::error::Error for OpenError {}

fn prologue(from: &PublicKey, to: &PublicKey, me: &Myself) -> Vec<u8> {
    [DOMAIN, from.as_bytes(), to.as_bytes(), &me.network().0].concat()
}

/// A head of ours, and the messages under it.
pub(super) struct Ours {
    head: Vec<u8>,
    more: one_way::More,
    next: Option<u16>,
}

impl Ours {
    /// `ephemeral`: 32 bytes that nobody can guess and nobody uses again. `None`: that is not a key that can be sealed to.
    pub(super) fn new(me: &Myself, to: &PublicKey, ephemeral: &[u8; 32]) -> Option<Ours> {
        let prologue = prologue(&me.public(), to, me);
        let (head, more) = one_way::seal(me, &to.x25519()?, ephemeral, &prologue, &[]).ok()?;
        Some(Ours { head, more, next: Some(0) })
    }

    /// The next message under this head; `None` if it has had as many as there are numbers.
    pub(super) fn seal(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let number = self.next?;
        let sealed = self.more.seal(number.into(), plain).ok()?;
        self.next = number.checked_add(1);
        Some([&[VERSION], &self.head[..], &number.to_be_bytes(), &sealed].concat())
    }

    #[cfg(test)]
    pub(super) fn skip_to(&mut self, number: u16) {
        self.next = Some(number);
    }
}

/// What a sealed message consists of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) head: &'a [u8; HEAD],
    number: u16,
    sealed: &'a [u8],
}

/// Takes a message apart.
pub(super) fn parts(bytes: &[u8]) -> Result<Parts<'_>, OpenError> {
    let parts = || {
        let (&VERSION, rest) = bytes.split_first()? else { return None };
        let (head, rest) = rest.split_first_chunk()?;
        let (number, sealed) = rest.split_first_chunk()?;
        let fits = sealed.len() > one_way::MORE_OVERHEAD && bytes.len() <= MAX_LEN;
        fits.then(|| Parts { head, number: u16::from_be_bytes(*number), sealed })
    };
    parts().ok_or(OpenError::Layout)
}

/// A head of somebody else's that was opened, and which messages under it have been here.
pub(super) struct Theirs {
    pub(super) head: [u8; HEAD],
    more: one_way::More,
    /// One more than the greatest number that has been here.
    next: u32,
    /// Whether that one (the lowest bit) and those before it have been here.
    seen: u128,
}

impl Theirs {
    /// Opens a head. This is what costs.
    pub(super) fn open_head(me: &Myself, from: &PublicKey, head: &[u8; HEAD]) -> Result<Theirs, OpenError> {
        match one_way::open(me, &prologue(from, &me.public(), me), head) {
            Ok((sender, _, more)) if sender.is(from) => Ok(Theirs { head: *head, more, next: 0, seen: 0 }),
            _ => Err(OpenError::Forged),
        }
    }

    /// Opens a message under this head, once.
    pub(super) fn open(&mut self, parts: &Parts<'_>) -> Result<Vec<u8>, OpenError> {
        let number = u32::from(parts.number);
        // Those too long ago to be remembered have been here.
        let back = self.next.checked_sub(number + 1);
        if back.is_some_and(|back| back >= u128::BITS || self.seen >> back & 1 == 1) {
            return Err(OpenError::Again);
        }
        let plain = self.more.open(number.into(), parts.sealed).map_err(|_| OpenError::Forged)?;
        match back {
            Some(back) => self.seen |= 1 << back,
            None => {
                self.seen = self.seen.checked_shl(number + 1 - self.next).unwrap_or(0) | 1;
                self.next = number + 1;
            }
        }
        Ok(plain)
    }
}

#[cfg(test)]
mod tests;
