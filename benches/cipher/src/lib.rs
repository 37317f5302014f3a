//! The AEAD of the library's frames, by its own crate, with nothing around it: what a program that encrypts its TCP stream
//! by hand has to pay: AES-256-GCM where the machine has instructions for it, else ChaCha20-Poly1305, as the library chooses between two
//! nodes on it. Called by raw.c (cipher.h); [`sign`] by rendezvous.c.

use aes_gcm::Aes256Gcm;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use ed25519_dalek::{Signer, SigningKey};
use std::slice;

const TAG: usize = 16;

enum Cipher {
    ChaChaPoly(ChaCha20Poly1305),
    AesGcm(Box<Aes256Gcm>),
}

/// One direction: a key and the number of its next frame.
pub struct Direction {
    cipher: Cipher,
    next: u64,
}

impl Direction {
    fn nonce(&mut self) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&match self.cipher {
            Cipher::ChaChaPoly(_) => self.next.to_le_bytes(),
            Cipher::AesGcm(_) => self.next.to_be_bytes(),
        });
        self.next += 1;
        nonce
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn multiplies() -> bool {
    std::arch::is_x86_feature_detected!("pclmulqdq") && std::arch::is_x86_feature_detected!("avx")
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn multiplies() -> bool {
    cfg!(target_arch = "aarch64")
}

/// A direction with a key made of `number` only: this is for measuring.
#[unsafe(no_mangle)]
pub extern "C" fn cipher_new(number: u8) -> *mut Direction {
    let key = [number; 32].into();
    let cipher = match aes_gcm::aes::hardware_accelerated() && multiplies() {
        true => Cipher::AesGcm(Box::new(Aes256Gcm::new(&key))),
        false => Cipher::ChaChaPoly(ChaCha20Poly1305::new(&key)),
    };
    Box::into_raw(Box::new(Direction { cipher, next: 0 }))
}

/// # Safety
/// `direction` is of [`cipher_new`] and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cipher_free(direction: *mut Direction) {
    drop(unsafe { Box::from_raw(direction) });
}

/// Encrypts `len` bytes at `plain` to `out`, the tag behind them.
///
/// # Safety
/// `direction` is of [`cipher_new`]; `out` has room for `len` + 16 bytes elsewhere than at `plain`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cipher_seal(direction: *mut Direction, plain: *const u8, len: usize, out: *mut u8) {
    let (direction, plain, out) = unsafe {
        (&mut *direction, slice::from_raw_parts(plain, len), slice::from_raw_parts_mut(out, len + TAG))
    };
    let nonce = direction.nonce();
    let (text, at) = out.split_at_mut(len);
    let both = InOutBuf::new(plain, text).expect("of one length");
    let tag = match &direction.cipher {
        Cipher::ChaChaPoly(cipher) => cipher.encrypt_inout_detached(&nonce.into(), &[], both),
        Cipher::AesGcm(cipher) => cipher.encrypt_inout_detached(&nonce.into(), &[], both),
    };
    at.copy_from_slice(&tag.expect("short enough"));
}

/// Decrypts `len` bytes at `body` where they are, whose tag is behind them. 0: forged.
///
/// # Safety
/// `direction` is of [`cipher_new`]; there are `len` + 16 bytes at `body`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cipher_open(direction: *mut Direction, body: *mut u8, len: usize) -> i32 {
    let (direction, body) = unsafe { (&mut *direction, slice::from_raw_parts_mut(body, len + TAG)) };
    let nonce = direction.nonce();
    let (text, tag) = body.split_at_mut(len);
    let tag: &[u8; TAG] = (&*tag).try_into().expect("16 bytes");
    let read = match &direction.cipher {
        Cipher::ChaChaPoly(cipher) => cipher.decrypt_inout_detached(&nonce.into(), &[], text.into(), tag.into()),
        Cipher::AesGcm(cipher) => cipher.decrypt_inout_detached(&nonce.into(), &[], text.into(), tag.into()),
    };
    read.is_ok().into()
}

/// Signs `len` bytes at `text` (Ed25519) with a key made of `number` only. Its public key goes to `id`, 32 bytes, and the
/// signature to `signature`, 64 bytes; `len` 0: the former alone.
///
/// # Safety
/// There is as much at `text`, and room at the others.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sign(number: u32, text: *const u8, len: usize, id: *mut u8, signature: *mut u8) {
    let mut secret = [1; 32];
    secret[..4].copy_from_slice(&number.to_be_bytes());
    let key = SigningKey::from_bytes(&secret);
    unsafe { slice::from_raw_parts_mut(id, 32) }.copy_from_slice(key.verifying_key().as_bytes());
    if len > 0 {
        let made = key.sign(unsafe { slice::from_raw_parts(text, len) });
        unsafe { slice::from_raw_parts_mut(signature, 64) }.copy_from_slice(&made.to_bytes());
    }
}
