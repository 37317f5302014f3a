//! The cryptography under letters: Noise's one-way pattern X (The Noise Protocol Framework, section 7.4), which seals to a
//! key and proves to its owner who did. The framework is snow's; the primitives are the crates that the library has anyway.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use curve25519_dalek::montgomery::MontgomeryPoint;
use sha2::{Digest, Sha256};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error};

const PATTERN: &str = "Noise_X_25519_ChaChaPoly_SHA256";

/// Bytes that pattern X puts around a payload: the ephemeral key, the sender's key sealed, the payload's tag.
pub(super) const NOISE_OVERHEAD: usize = 32 + 48 + 16;

/// Seals `payload`. `ephemeral` are 32 random bytes, used for this only.
pub(super) fn seal(
    sender: &[u8; 32],
    to: &[u8; 32],
    ephemeral: [u8; 32],
    prologue: &[u8],
    payload: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut noise = Builder::with_resolver(PATTERN.parse()?, Box::new(Resolver { ephemeral }))
        .prologue(prologue)?
        .local_private_key(sender)?
        .remote_public_key(to)?
        .build_initiator()?;
    let mut out = vec![0; payload.len() + NOISE_OVERHEAD];
    let len = noise.write_message(payload, &mut out)?;
    out.truncate(len);
    Ok(out)
}

/// Opens what was sealed: the sender's public key, and the payload.
pub(super) fn open(secret: &[u8; 32], prologue: &[u8], sealed: &[u8]) -> Result<([u8; 32], Vec<u8>), Error> {
    let mut noise = Builder::with_resolver(PATTERN.parse()?, Box::new(Resolver { ephemeral: [0; 32] }))
        .prologue(prologue)?
        .local_private_key(secret)?
        .build_responder()?;
    let mut out = vec![0; sealed.len()];
    let len = noise.read_message(sealed, &mut out)?;
    out.truncate(len);
    let sender = noise.get_remote_static().and_then(|key| key.try_into().ok()).ok_or(Error::Input)?;
    Ok((sender, out))
}

/// Gives snow its primitives. There is no randomness in it but the one ephemeral key.
struct Resolver {
    ephemeral: [u8; 32],
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Given(self.ephemeral)))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::new(X25519::default()) as Box<dyn Dh>)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(Sha(Sha256::new())) as Box<dyn Hash>)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::ChaChaPoly).then(|| Box::new(ChaCha([0; 32])) as Box<dyn Cipher>)
    }
}

struct Given([u8; 32]);

impl Random for Given {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        let source = self.0.get(..dest.len()).ok_or(Error::Rng)?;
        dest.copy_from_slice(source);
        Ok(())
    }
}

#[derive(Default)]
struct X25519 {
    secret: [u8; 32],
    public: [u8; 32],
}

impl Dh for X25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        self.secret.iter_mut().zip(secret).for_each(|(to, from)| *to = *from);
        self.public = MontgomeryPoint::mul_base_clamped(self.secret).to_bytes();
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = [0; 32];
        rng.try_fill_bytes(&mut secret)?;
        self.set(&secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.secret
    }

    /// A result of zeros (a point of small order) is refused, as RFC 7748, section 6.1, allows.
    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public = public.first_chunk::<32>().ok_or(Error::Dh)?;
        let shared = MontgomeryPoint(*public).mul_clamped(self.secret).to_bytes();
        if shared == [0; 32] {
            return Err(Error::Dh);
        }
        out.get_mut(..32).ok_or(Error::Dh)?.copy_from_slice(&shared);
        Ok(())
    }
}

struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Sha256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let digest: [u8; 32] = self.0.finalize_reset().into();
        out.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    }
}

struct ChaCha([u8; 32]);

impl ChaCha {
    fn cipher(&self, nonce: u64) -> (ChaCha20Poly1305, Nonce) {
        let mut bytes = [0; 12];
        bytes.iter_mut().skip(4).zip(nonce.to_le_bytes()).for_each(|(to, from)| *to = from);
        (ChaCha20Poly1305::new(&Key::from(self.0)), Nonce::from(bytes))
    }
}

impl Cipher for ChaCha {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = *key;
    }

    /// snow gives room for the tag and offers no way to fail; without room nothing is written.
    fn encrypt(&self, nonce: u64, aad: &[u8], msg: &[u8], out: &mut [u8]) -> usize {
        let (cipher, nonce) = self.cipher(nonce);
        let sealed = cipher.encrypt(&nonce, Payload { msg, aad }).unwrap_or_default();
        match out.get_mut(..sealed.len()) {
            Some(room) => room.copy_from_slice(&sealed),
            None => return 0,
        }
        sealed.len()
    }

    fn decrypt(&self, nonce: u64, aad: &[u8], msg: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let (cipher, nonce) = self.cipher(nonce);
        let opened = cipher.decrypt(&nonce, Payload { msg, aad }).map_err(|_| Error::Decrypt)?;
        out.get_mut(..opened.len()).ok_or(Error::Decrypt)?.copy_from_slice(&opened);
        Ok(opened.len())
    }
}
