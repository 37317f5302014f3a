//! Who a node is: an Ed25519 key pair (RFC 8032). The public half is the node's id in the secure dialect.
//!
//! The rest of the library sees only these three types, never the crate behind them (ed25519-dalek; why that one stands
//! in `docs/dependencies.md`). Nothing here makes randomness: whoever makes an identity brings 32 random bytes.
//!
//! Both halves can also be turned into an X25519 pair (RFC 7748), so that the key in a locator is enough to begin an
//! encrypted handshake with its owner.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{SigningKey, VerifyingKey};

use super::base64url;

/// Bytes of a secret key, and of a public one.
pub const KEY_LEN: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// A signature of some bytes by some identity.
pub type Signature = [u8; SIGNATURE_LEN];

/// A key pair. The secret is wiped from memory when this is dropped, and no formatting shows it.
pub struct Identity(SigningKey);

impl Identity {
    /// The identity that belongs to a secret: 32 bytes that nobody can guess. The same bytes give the same identity,
    /// so they are what is to be kept, as carefully as a password. The caller's copy is the caller's to wipe.
    pub fn from_secret(secret: &[u8; KEY_LEN]) -> Identity {
        Identity(SigningKey::from_bytes(secret))
    }

    /// The secret, for keeping it in a file.
    pub fn secret(&self) -> &[u8; KEY_LEN] {
        self.0.as_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs. The same message always gets the same signature. Begin what you sign with words that say what it is
    /// (a *domain*), or a signature for one purpose may be taken for another.
    pub fn sign(&self, message: &[u8]) -> Signature {
        use ed25519_dalek::Signer;
        self.0.sign(message).to_bytes()
    }

    /// The secret half for X25519; [`PublicKey::x25519`] of [`Identity::public`] is its public half. As secret as
    /// [`Identity::secret`].
    pub fn x25519_secret(&self) -> [u8; KEY_LEN] {
        self.0.to_scalar_bytes()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, secret not shown)", self.public())
    }
}

/// The public half of an identity: a node's id. As text it is 43 characters of base64url.
///
/// Any 32 bytes can be held; whether they are a key shows when a signature is verified with them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; KEY_LEN]);

impl PublicKey {
    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Whether `signature` is this identity's, of `message`.
    ///
    /// Stricter than RFC 8032 asks: keys and points of small order, with which one signature fits many messages, are
    /// refused, and so is every second spelling of a signature. About 0.1 ms.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    /// The public half for X25519; `None` if this is no key, or one of those that everybody has the secret of.
    pub fn x25519(&self) -> Option<[u8; KEY_LEN]> {
        let key = VerifyingKey::from_bytes(&self.0).ok()?;
        (!key.is_weak()).then(|| key.to_montgomery().to_bytes())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&base64url::encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// Text that is not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a node's public key; expected {} letters of base64url", base64url::text_len(KEY_LEN))
    }
}

impl std::error::Error for NotAKey {}

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        if text.len() != base64url::text_len(KEY_LEN) {
            return Err(NotAKey);
        }
        let bytes = base64url::decode(text).map_err(|_| NotAKey)?;
        bytes.try_into().map(PublicKey).map_err(|_| NotAKey)
    }
}

#[cfg(test)]
mod tests;
