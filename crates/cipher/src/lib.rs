//! ChaCha20-Poly1305 and AES-256-GCM with the message numbers of Noise, for p2pnet's links.
//!
//! A crate of its own because of how it is compiled: see its Cargo.toml. The functions at its border are never inlined, or the code for
//! speed would end up in functions for size. Which message is the next one, and what a forged one means, is p2pnet's business.

use std::fmt;

use aes_gcm::Aes256Gcm;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};

/// Bytes of a key.
pub const KEY: usize = 32;
/// Bytes of the tag that shows that a message was not changed.
pub const TAG: usize = 16;

/// What encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// ChaCha20-Poly1305 (RFC 8439): quick on every machine.
    ChaChaPoly,
    /// AES-256-GCM (NIST SP 800-38D): quicker where there are instructions for it.
    AesGcm,
}

impl Cipher {
    /// The cipher of a link's frames, from what each side has said of its machine ([`aes_is_fast`]): the same at both ends.
    pub fn agreed(aes_is_fast_here: bool, aes_is_fast_there: bool) -> Cipher {
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

/// A message was forged or damaged, or it is longer than the cipher takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("forged, damaged or too long")
    }
}

impl std::error::Error for Refused {}

/// A cipher with its key.
pub struct Keyed(Kind);

enum Kind {
    ChaChaPoly(ChaCha20Poly1305),
    /// Its round keys and the powers of its hash key take a kilobyte, against the other's 32 bytes.
    AesGcm(Box<Aes256Gcm>),
}

impl Keyed {
    /// `cipher` with `key`.
    #[inline(never)]
    pub fn new(cipher: Cipher, key: &[u8; KEY]) -> Keyed {
        Keyed(match cipher {
            Cipher::ChaChaPoly => Kind::ChaChaPoly(ChaCha20Poly1305::new(key.into())),
            Cipher::AesGcm => Kind::AesGcm(Box::new(Aes256Gcm::new(key.into()))),
        })
    }

    /// Another key for the same cipher, in the place of this one.
    #[inline(never)]
    pub fn set(&mut self, key: &[u8; KEY]) {
        match &mut self.0 {
            Kind::ChaChaPoly(cipher) => *cipher = ChaCha20Poly1305::new(key.into()),
            Kind::AesGcm(cipher) => **cipher = Aes256Gcm::new(key.into()),
        }
    }

    /// Encrypts message `number` from `plain` into `out` and gives its tag. `ad` is not encrypted, but goes into the tag.
    ///
    /// # Errors
    ///
    /// If the two differ in length, or are longer than the cipher takes.
    #[inline(never)]
    pub fn encrypt(
        &self,
        number: u64,
        ad: &[u8],
        plain: &[u8],
        out: &mut [u8],
    ) -> Result<[u8; TAG], Refused> {
        self.encrypt_from(number, ad, InOutBuf::new(plain, out).map_err(|_| Refused)?)
    }

    /// As [`Keyed::encrypt`], where the text lies.
    ///
    /// # Errors
    ///
    /// If it is longer than the cipher takes.
    #[inline(never)]
    pub fn encrypt_here(&self, number: u64, ad: &[u8], text: &mut [u8]) -> Result<[u8; TAG], Refused> {
        self.encrypt_from(number, ad, text.into())
    }

    /// Decrypts message `number` where it lies, if `tag` is that of `ad` and of it.
    ///
    /// # Errors
    ///
    /// If it is not; the text is then left as it was.
    #[inline(never)]
    pub fn decrypt(&self, number: u64, ad: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> Result<(), Refused> {
        let nonce = self.nonce(number).into();
        let read = match &self.0 {
            Kind::ChaChaPoly(cipher) => cipher.decrypt_inout_detached(&nonce, ad, text.into(), tag.into()),
            Kind::AesGcm(cipher) => cipher.decrypt_inout_detached(&nonce, ad, text.into(), tag.into()),
        };
        read.map_err(|_| Refused)
    }

    fn encrypt_from(&self, number: u64, ad: &[u8], text: InOutBuf<'_, '_, u8>) -> Result<[u8; TAG], Refused> {
        let nonce = self.nonce(number).into();
        let tag = match &self.0 {
            Kind::ChaChaPoly(cipher) => cipher.encrypt_inout_detached(&nonce, ad, text),
            Kind::AesGcm(cipher) => cipher.encrypt_inout_detached(&nonce, ad, text),
        };
        tag.map(Into::into).map_err(|_| Refused)
    }

    /// How Noise writes a message's number (section 12): 32 zero bits, then 64 bits, whose order is the cipher's.
    fn nonce(&self, number: u64) -> [u8; 12] {
        let number = match self.0 {
            Kind::ChaChaPoly(_) => number.to_le_bytes(),
            Kind::AesGcm(_) => number.to_be_bytes(),
        };
        let mut nonce = [0; 12];
        nonce.iter_mut().skip(4).zip(number).for_each(|(to, from)| *to = from);
        nonce
    }
}
