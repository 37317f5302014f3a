//! What snow computes with: X25519, SHA-256, ChaCha20-Poly1305, and the randomness that the handshake was started with.

use curve25519_dalek::montgomery::MontgomeryPoint;
use sha2::{Digest, Sha256};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::Zeroizing;

use super::cipher::{self, CipherState};
use super::{KEY, StaticKeys, TAG};

/// HMAC-SHA256 (RFC 2104) of `data`.
pub(in crate::proto) fn hmac(key: &[u8; KEY], data: &[u8]) -> [u8; KEY] {
    let mut mac = [0; KEY];
    Sha::default().hmac(key, data, &mut mac);
    mac
}

/// All that one handshake computes with.
pub(super) struct Ours {
    pub(super) keys: StaticKeys,
    pub(super) ephemeral: Zeroizing<[u8; KEY]>,
}

impl CryptoResolver for Ours {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.ephemeral.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        let dh = X25519 { known: self.keys.clone(), secret: Zeroizing::default(), public: [0; KEY] };
        (*choice == DHChoice::Curve25519).then(|| Box::new(dh) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        (*choice == HashChoice::SHA256).then(|| Box::<Sha>::default() as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        // Handshakes are by the one cipher only; the published vectors have the other one in all their messages.
        let cipher = match choice {
            CipherChoice::ChaChaPoly => cipher::Cipher::ChaChaPoly,
            CipherChoice::AESGCM if cfg!(test) => cipher::Cipher::AesGcm,
            _ => return None,
        };
        Some(Box::new(Aead { cipher, key: Zeroizing::default() }))
    }
}

/// Gives out the randomness that the handshake was started with, once.
struct Once(Option<Zeroizing<[u8; KEY]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        let bytes = self.0.take().ok_or(Error::Rng)?;
        if dest.len() != bytes.len() {
            return Err(Error::Rng);
        }
        dest.copy_from_slice(&*bytes);
        Ok(())
    }
}

pub(super) struct X25519 {
    /// Our static keys, whose public half need not be computed again.
    pub(super) known: StaticKeys,
    pub(super) secret: Zeroizing<[u8; KEY]>,
    pub(super) public: [u8; KEY],
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY
    }

    fn priv_len(&self) -> usize {
        KEY
    }

    /// Only ever called with our static key.
    fn set(&mut self, _: &[u8]) {
        self.secret = self.known.secret.clone();
        self.public = self.known.public;
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        rng.try_fill_bytes(&mut *self.secret)?;
        self.public = MontgomeryPoint::mul_base_clamped(*self.secret).to_bytes();
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &*self.secret
    }

    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public: [u8; KEY] = public.get(..KEY).and_then(|key| key.try_into().ok()).ok_or(Error::Dh)?;
        let shared = Zeroizing::new(MontgomeryPoint(public).mul_clamped(*self.secret).to_bytes());
        // A point of small order: everybody knows the outcome, whatever our secret (RFC 7748, section 6.1).
        if *shared == [0; KEY] {
            return Err(Error::Dh);
        }
        out.get_mut(..KEY).ok_or(Error::Dh)?.copy_from_slice(&*shared);
        Ok(())
    }
}

#[derive(Default)]
struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        KEY
    }

    fn reset(&mut self) {
        self.0 = Sha256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let digest = self.0.finalize_reset();
        out.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    }
}

/// The cipher of the handshake's own messages.
struct Aead {
    cipher: cipher::Cipher,
    key: Zeroizing<[u8; KEY]>,
}

impl Cipher for Aead {
    fn name(&self) -> &'static str {
        match self.cipher {
            cipher::Cipher::ChaChaPoly => "ChaChaPoly",
            cipher::Cipher::AesGcm => "AESGCM",
        }
    }

    fn set(&mut self, key: &[u8; KEY]) {
        *self.key = *key;
    }

    /// snow has seen to it that `out` has room for the tag.
    fn encrypt(&self, number: u64, ad: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        let mut state = CipherState::at(self.cipher, &self.key, number);
        let Some((text, rest)) = out.split_at_mut_checked(plain.len()) else { return 0 };
        let (Some(at), Ok(tag)) = (rest.first_chunk_mut(), state.encrypt(ad, plain, text)) else { return 0 };
        *at = tag;
        plain.len() + TAG
    }

    fn decrypt(&self, number: u64, ad: &[u8], message: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let mut state = CipherState::at(self.cipher, &self.key, number);
        let (text, tag) = message.split_last_chunk().ok_or(Error::Decrypt)?;
        let out = out.get_mut(..text.len()).ok_or(Error::Decrypt)?;
        out.copy_from_slice(text);
        state.decrypt(ad, out, tag).map_err(|_| Error::Decrypt)?;
        Ok(text.len())
    }
}
