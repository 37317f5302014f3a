//! One direction that is encrypted, by ChaCha20-Poly1305 or AES-256-GCM: a key and the number of each message.
//!
//! ChaCha20-Poly1305 is that of every handshake and of everything else that is sealed. AES-256-GCM is for the frames of links between two
//! machines that have instructions for it, [`Cipher::agreed`]. It is nowhere else: without them it is eight times slower, and with
//! them nothing it does takes a time that depends on a key. Both are in a crate of their own, p2pnet-cipher.

pub use p2pnet_cipher::{Cipher, aes_is_fast};
use p2pnet_cipher::{Keyed, Refused};
use zeroize::Zeroizing;

use super::{KEY, TAG};

/// One direction's cipher: a key and the number of the next message (the *CipherState* of the Noise specification).
pub(in crate::proto::handshake) struct CipherState {
    keyed: Keyed,
    next: u64,
}

/// A message was forged or damaged, or the numbers are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto::handshake) enum CipherError {
    Forged,
    Exhausted,
}

impl From<Refused> for CipherError {
    fn from(_: Refused) -> CipherError {
        CipherError::Forged
    }
}

impl CipherState {
    pub(in crate::proto::handshake) fn new(cipher: Cipher, key: &[u8; KEY]) -> CipherState {
        CipherState::at(cipher, key, 0)
    }

    /// Where messages carry their numbers: whose next one is this.
    pub(in crate::proto::handshake) fn at(cipher: Cipher, key: &[u8; KEY], next: u64) -> CipherState {
        CipherState { keyed: Keyed::new(cipher, key), next }
    }

    /// How many messages have been.
    pub(in crate::proto::handshake) fn count(&self) -> u64 {
        self.next
    }

    #[cfg(test)]
    pub(in crate::proto::handshake) fn set_count(&mut self, next: u64) {
        self.next = next;
    }

    /// Encrypts `plain` into `out`, which has the same length, and gives the tag.
    pub(in crate::proto::handshake) fn encrypt(
        &mut self,
        ad: &[u8],
        plain: &[u8],
        out: &mut [u8],
    ) -> Result<[u8; TAG], CipherError> {
        let tag = self.keyed.encrypt(self.number()?, ad, plain, out)?;
        self.next += 1;
        Ok(tag)
    }

    /// Encrypts `text` where it lies, and gives the tag.
    pub(in crate::proto::handshake) fn encrypt_here(
        &mut self,
        ad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG], CipherError> {
        let tag = self.keyed.encrypt_here(self.number()?, ad, text)?;
        self.next += 1;
        Ok(tag)
    }

    /// Decrypts `text` where it lies. If it was forged, it is left as it was and nothing else can be read any more.
    pub(in crate::proto::handshake) fn decrypt(
        &mut self,
        ad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), CipherError> {
        self.keyed.decrypt(self.number()?, ad, text, tag)?;
        self.next += 1;
        Ok(())
    }

    /// The next key: `REKEY` of the Noise specification. From it the last one cannot be computed.
    pub(in crate::proto::handshake) fn rekey(&mut self) {
        let mut key = Zeroizing::new([0; KEY]);
        // Nothing as short as this is refused.
        let _ = self.keyed.encrypt_here(u64::MAX, &[], key.as_mut_slice());
        self.keyed.set(&key);
    }

    /// The greatest number is the rekeying's.
    fn number(&self) -> Result<u64, CipherError> {
        if self.next == u64::MAX { Err(CipherError::Exhausted) } else { Ok(self.next) }
    }
}

#[cfg(test)]
mod tests;
