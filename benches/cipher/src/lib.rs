//! The AEAD of the library's frames, by its own crate, with nothing around it: what a program that encrypts its TCP stream
//! by hand has to pay. Called by raw.c (cipher.h).

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use std::slice;

const TAG: usize = 16;

/// One direction: a key and the number of its next frame.
pub struct Direction {
    cipher: ChaCha20Poly1305,
    next: u64,
}

impl Direction {
    fn nonce(&mut self) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.next.to_le_bytes());
        self.next += 1;
        nonce
    }
}

/// A direction with a key made of `number` only: this is for measuring.
#[unsafe(no_mangle)]
pub extern "C" fn cipher_new(number: u8) -> *mut Direction {
    Box::into_raw(Box::new(Direction { cipher: ChaCha20Poly1305::new(&[number; 32].into()), next: 0 }))
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
    let tag = direction.cipher.encrypt_inout_detached(&nonce.into(), &[], both).expect("short enough");
    at.copy_from_slice(&tag);
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
    direction.cipher.decrypt_inout_detached(&nonce.into(), &[], text.into(), tag.into()).is_ok().into()
}
