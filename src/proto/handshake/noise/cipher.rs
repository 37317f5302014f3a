//! The ciphers, and one direction that is encrypted by one of them: ChaCha20-Poly1305 or AES-256-GCM, and the number of each message.
//!
//! ChaCha20-Poly1305 is that of every handshake and of everything else that is sealed. AES-256-GCM is for the frames of links between two
//! machines that have instructions for it, [`Cipher::agreed`]. It is nowhere else: without them it is eight times slower, and with
//! them nothing it does takes a time that depends on a key.

use std::fmt;

use aes_gcm::Aes256Gcm;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use zeroize::Zeroizing;

use super::{KEY, TAG};

/// What encrypts the frames of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// ChaCha20-Poly1305 (RFC 8439): quick on every machine.
    ChaChaPoly,
    /// AES-256-GCM (NIST SP 800-38D): quicker where there are instructions for it.
    AesGcm,
}

impl Cipher {
    /// The cipher of a link's frames, from what each side has said of its machine: the same at both ends.
    pub(in crate::proto::handshake) fn agreed(aes_is_fast_here: bool, aes_is_fast_there: bool) -> Cipher {
        if aes_is_fast_here && aes_is_fast_there { Cipher::AesGcm } else { Cipher::ChaChaPoly }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cipher::ChaChaPoly => "ChaCha20-Poly1305",
            Cipher::AesGcm => "AES-256-GCM",
        })
    }
}

/// Whether this machine has the instructions that make AES-256-GCM quicker than ChaCha20-Poly1305: AES and carry-less multiplication.
/// The crates find out for themselves, each time a key is set, and use them then and only then.
pub fn aes_is_fast() -> bool {
    // A build may have told either half to keep to software (`aes_backend`, `polyval_backend`); the first says so itself.
    aes_gcm::aes::hardware_accelerated() && !cfg!(polyval_backend = "soft") && multiplies()
}

/// AVX, because the multiplication is written in its form of the instruction.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn multiplies() -> bool {
    std::arch::is_x86_feature_detected!("pclmulqdq") && std::arch::is_x86_feature_detected!("avx")
}

#[cfg(target_arch = "aarch64")]
fn multiplies() -> bool {
    std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
fn multiplies() -> bool {
    false
}

/// A cipher with its key.
enum Keyed {
    ChaChaPoly(ChaCha20Poly1305),
    /// Its round keys and the powers of its hash key take a kilobyte, against the other's 32 bytes.
    AesGcm(Box<Aes256Gcm>),
}

impl Keyed {
    fn new(cipher: Cipher, key: &[u8; KEY]) -> Keyed {
        match cipher {
            Cipher::ChaChaPoly => Keyed::ChaChaPoly(ChaCha20Poly1305::new(key.into())),
            Cipher::AesGcm => Keyed::AesGcm(Box::new(Aes256Gcm::new(key.into()))),
        }
    }

    /// Another key for the same cipher, in the place of this one.
    fn set(&mut self, key: &[u8; KEY]) {
        match self {
            Keyed::ChaChaPoly(cipher) => *cipher = ChaCha20Poly1305::new(key.into()),
            Keyed::AesGcm(cipher) => **cipher = Aes256Gcm::new(key.into()),
        }
    }

    /// How Noise writes a message's number (section 12): 32 zero bits, then 64 bits, whose order is the cipher's.
    fn nonce(&self, number: u64) -> [u8; 12] {
        let number = match self {
            Keyed::ChaChaPoly(_) => number.to_le_bytes(),
            Keyed::AesGcm(_) => number.to_be_bytes(),
        };
        let mut nonce = [0; 12];
        nonce.iter_mut().skip(4).zip(number).for_each(|(to, from)| *to = from);
        nonce
    }

    fn encrypt(&self, number: u64, ad: &[u8], text: InOutBuf<'_, '_, u8>) -> Result<[u8; TAG], CipherError> {
        let nonce = self.nonce(number).into();
        let tag = match self {
            Keyed::ChaChaPoly(cipher) => cipher.encrypt_inout_detached(&nonce, ad, text),
            Keyed::AesGcm(cipher) => cipher.encrypt_inout_detached(&nonce, ad, text),
        };
        tag.map(Into::into).map_err(|_| CipherError::Forged)
    }

    fn decrypt(&self, number: u64, ad: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> Result<(), CipherError> {
        let nonce = self.nonce(number).into();
        let read = match self {
            Keyed::ChaChaPoly(cipher) => cipher.decrypt_inout_detached(&nonce, ad, text.into(), tag.into()),
            Keyed::AesGcm(cipher) => cipher.decrypt_inout_detached(&nonce, ad, text.into(), tag.into()),
        };
        read.map_err(|_| CipherError::Forged)
    }
}

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
        let both = InOutBuf::new(plain, out).map_err(|_| CipherError::Forged)?;
        self.encrypt_from(ad, both)
    }

    /// Encrypts `text` where it lies, and gives the tag.
    pub(in crate::proto::handshake) fn encrypt_here(
        &mut self,
        ad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG], CipherError> {
        self.encrypt_from(ad, text.into())
    }

    fn encrypt_from(&mut self, ad: &[u8], text: InOutBuf<'_, '_, u8>) -> Result<[u8; TAG], CipherError> {
        let tag = self.keyed.encrypt(self.number()?, ad, text)?;
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
        let _ = self.keyed.encrypt(u64::MAX, &[], key.as_mut_slice().into());
        self.keyed.set(&key);
    }

    /// The greatest number is the rekeying's.
    fn number(&self) -> Result<u64, CipherError> {
        if self.next == u64::MAX { Err(CipherError::Exhausted) } else { Ok(self.next) }
    }
}

#[cfg(test)]
mod tests;
