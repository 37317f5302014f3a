//! The cipher of one direction: ChaCha20-Poly1305, and the number of each message.

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use zeroize::Zeroizing;

use super::{KEY, TAG};

/// One direction's cipher: a key and the number of the next message (the *CipherState* of the Noise specification).
pub(in crate::proto::handshake) struct CipherState {
    cipher: ChaCha20Poly1305,
    next: u64,
}

/// A message was forged or damaged, or the numbers are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto::handshake) enum CipherError {
    Forged,
    Exhausted,
}

impl CipherState {
    pub(in crate::proto::handshake) fn new(key: &[u8; KEY]) -> CipherState {
        CipherState::at(key, 0)
    }

    /// Where messages carry their numbers: whose next one is this.
    pub(in crate::proto::handshake) fn at(key: &[u8; KEY], next: u64) -> CipherState {
        CipherState { cipher: ChaCha20Poly1305::new(key.into()), next }
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
        let nonce = self.nonce()?;
        let both = InOutBuf::new(plain, out).map_err(|_| CipherError::Forged)?;
        let tag =
            self.cipher.encrypt_inout_detached(&nonce.into(), ad, both).map_err(|_| CipherError::Forged)?;
        self.next += 1;
        Ok(tag.into())
    }

    /// Encrypts `text` where it lies, and gives the tag.
    pub(in crate::proto::handshake) fn encrypt_here(
        &mut self,
        ad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG], CipherError> {
        let nonce = self.nonce()?;
        let tag = self.cipher.encrypt_inout_detached(&nonce.into(), ad, text.into());
        let tag = tag.map_err(|_| CipherError::Forged)?;
        self.next += 1;
        Ok(tag.into())
    }

    /// Decrypts `text` where it lies. If it was forged, it is left as it was and nothing else can be read any more.
    pub(in crate::proto::handshake) fn decrypt(
        &mut self,
        ad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), CipherError> {
        let nonce = self.nonce()?;
        self.cipher
            .decrypt_inout_detached(&nonce.into(), ad, text.into(), tag.into())
            .map_err(|_| CipherError::Forged)?;
        self.next += 1;
        Ok(())
    }

    /// The next key: `REKEY` of the Noise specification. From it the last one cannot be computed.
    pub(in crate::proto::handshake) fn rekey(&mut self) {
        let mut key = Zeroizing::new([0; KEY]);
        // Nothing as short as this is refused.
        let _ = self.cipher.encrypt_inout_detached(&nonce(u64::MAX).into(), &[], key.as_mut_slice().into());
        self.cipher = ChaCha20Poly1305::new((&*key).into());
    }

    /// The greatest number is the rekeying's.
    fn nonce(&self) -> Result<[u8; 12], CipherError> {
        if self.next == u64::MAX { Err(CipherError::Exhausted) } else { Ok(nonce(self.next)) }
    }
}

/// How Noise writes a message's number for ChaCha20-Poly1305.
fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce.iter_mut().skip(4).zip(number.to_le_bytes()).for_each(|(to, from)| *to = from);
    nonce
}
