//! Noise by the crate snow, with the ciphers that are in this library anyway.
//!
//! snow knows the patterns: which key is mixed in when, what is hashed, what is encrypted. What it computes with is given to
//! it here: X25519 by curve25519-dalek, SHA-256 by sha2, ChaCha20-Poly1305 by the crate of that name. (Its own choice of
//! crates is a generation older, so each of them would be in the library twice.) The published test vectors are run
//! against this whole, `tests/data/noise-vectors.json`.

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use curve25519_dalek::montgomery::MontgomeryPoint;
use sha2::{Digest, Sha256};
use snow::Error;
use snow::params::{
    BaseChoice, CipherChoice, DHChoice, HandshakeChoice, HandshakeModifier, HandshakeModifierList,
    HandshakePattern, HashChoice, NoiseParams,
};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::Zeroizing;

/// Bytes of a key of any kind.
pub(super) const KEY: usize = 32;
/// Bytes that tell whether what was encrypted has been changed.
pub(super) const TAG: usize = 16;

/// Which side knows which key beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// The connector knows the acceptor's key.
    Ik,
    /// Neither knows the other's.
    Xx,
}

/// A static key pair for X25519.
#[derive(Clone)]
pub(super) struct StaticKeys {
    pub(super) secret: Zeroizing<[u8; KEY]>,
    pub(super) public: [u8; KEY],
}

/// What a handshake is started with.
pub(super) struct Setup<'a> {
    pub(super) pattern: Pattern,
    pub(super) initiator: bool,
    pub(super) prologue: &'a [u8],
    pub(super) keys: &'a StaticKeys,
    /// The responder's static key; only, and always, for the initiator of [`Pattern::Ik`].
    pub(super) remote: Option<&'a [u8; KEY]>,
    /// A key that only members of the network have.
    pub(super) shared: Option<&'a [u8; KEY]>,
    /// 32 bytes that nobody can guess and nobody uses again.
    pub(super) ephemeral: &'a [u8; KEY],
}

/// A handshake under way.
pub(super) struct Noise(snow::HandshakeState);

impl Noise {
    pub(super) fn new(setup: &Setup<'_>) -> Result<Noise, Error> {
        // The shared key goes in where the connector's claim of who it is (IK) or the acceptor's (XX) cannot be read
        // without it.
        let (pattern, place, plain, keyed) = match setup.pattern {
            Pattern::Ik => (
                HandshakePattern::IK,
                1,
                "Noise_IK_25519_ChaChaPoly_SHA256",
                "Noise_IKpsk1_25519_ChaChaPoly_SHA256",
            ),
            Pattern::Xx => (
                HandshakePattern::XX,
                2,
                "Noise_XX_25519_ChaChaPoly_SHA256",
                "Noise_XXpsk2_25519_ChaChaPoly_SHA256",
            ),
        };
        let list = setup.shared.iter().map(|_| HandshakeModifier::Psk(place)).collect();
        let params = NoiseParams::new(
            if setup.shared.is_some() { keyed } else { plain }.to_owned(),
            BaseChoice::Noise,
            HandshakeChoice { pattern, modifiers: HandshakeModifierList { list } },
            DHChoice::Curve25519,
            CipherChoice::ChaChaPoly,
            HashChoice::SHA256,
        );
        Noise::with(params, setup, setup.shared.map(|key| (place, key)).as_slice())
    }

    /// A handshake by any pattern, with shared keys in their places.
    pub(super) fn with(
        params: NoiseParams,
        setup: &Setup<'_>,
        shared: &[(u8, &[u8; KEY])],
    ) -> Result<Noise, Error> {
        let resolver = Ours { keys: setup.keys.clone(), ephemeral: Zeroizing::new(*setup.ephemeral) };
        let mut builder = snow::Builder::with_resolver(params, Box::new(resolver))
            .prologue(setup.prologue)?
            .local_private_key(&*setup.keys.secret)?;
        if let Some(key) = setup.remote {
            builder = builder.remote_public_key(key)?;
        }
        for (place, key) in shared {
            builder = builder.psk(*place, key)?;
        }
        let state = if setup.initiator { builder.build_initiator() } else { builder.build_responder() };
        state.map(Noise)
    }

    /// Appends our next message, with `payload` in it.
    pub(super) fn write(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        // No message of the two patterns has more than two keys and two tags around its payload.
        let mut message = vec![0; payload.len() + 2 * (KEY + TAG)];
        let len = self.0.write_message(payload, &mut message)?;
        out.extend(message.get(..len).unwrap_or_default());
        Ok(())
    }

    /// The payload of the peer's next message.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut payload = vec![0; message.len()];
        let len = self.0.read_message(message, &mut payload)?;
        payload.truncate(len);
        Ok(payload)
    }

    /// The peer's static key, once known.
    pub(super) fn remote(&self) -> Option<[u8; KEY]> {
        self.0.get_remote_static()?.try_into().ok()
    }

    /// The keys of what follows, the initiator's to the responder first, and the hash of all that was said.
    pub(super) fn split(mut self) -> (Zeroizing<[u8; KEY]>, Zeroizing<[u8; KEY]>, [u8; KEY]) {
        let (a, b) = self.0.dangerously_get_raw_split();
        let mut hash = [0; KEY];
        hash.iter_mut().zip(self.0.get_handshake_hash()).for_each(|(to, from)| *to = *from);
        (Zeroizing::new(a), Zeroizing::new(b), hash)
    }
}

/// HMAC-SHA256 (RFC 2104) of `data`.
pub(in crate::proto) fn hmac(key: &[u8; KEY], data: &[u8]) -> [u8; KEY] {
    let mut mac = [0; KEY];
    Sha::default().hmac(key, data, &mut mac);
    mac
}

/// One direction's cipher: a key and the number of the next message (the *CipherState* of the Noise specification).
pub(super) struct CipherState {
    cipher: ChaCha20Poly1305,
    next: u64,
}

/// A message was forged or damaged, or the numbers are used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CipherError {
    Forged,
    Exhausted,
}

impl CipherState {
    pub(super) fn new(key: &[u8; KEY]) -> CipherState {
        CipherState::at(key, 0)
    }

    /// Where messages carry their numbers: whose next one is this.
    pub(super) fn at(key: &[u8; KEY], next: u64) -> CipherState {
        CipherState { cipher: ChaCha20Poly1305::new(key.into()), next }
    }

    /// How many messages have been.
    pub(super) fn count(&self) -> u64 {
        self.next
    }

    #[cfg(test)]
    pub(super) fn set_count(&mut self, next: u64) {
        self.next = next;
    }

    /// Encrypts `plain` into `out`, which has the same length, and gives the tag.
    pub(super) fn encrypt(
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
    pub(super) fn encrypt_here(&mut self, ad: &[u8], text: &mut [u8]) -> Result<[u8; TAG], CipherError> {
        let nonce = self.nonce()?;
        let tag = self.cipher.encrypt_inout_detached(&nonce.into(), ad, text.into());
        let tag = tag.map_err(|_| CipherError::Forged)?;
        self.next += 1;
        Ok(tag.into())
    }

    /// Decrypts `text` where it lies. If it was forged, it is left as it was and nothing else can be read any more.
    pub(super) fn decrypt(&mut self, ad: &[u8], text: &mut [u8], tag: &[u8; TAG]) -> Result<(), CipherError> {
        let nonce = self.nonce()?;
        self.cipher
            .decrypt_inout_detached(&nonce.into(), ad, text.into(), tag.into())
            .map_err(|_| CipherError::Forged)?;
        self.next += 1;
        Ok(())
    }

    /// The next key: `REKEY` of the Noise specification. From it the last one cannot be computed.
    pub(super) fn rekey(&mut self) {
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

// ---- what snow computes with ----

struct Ours {
    keys: StaticKeys,
    ephemeral: Zeroizing<[u8; KEY]>,
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
        (*choice == CipherChoice::ChaChaPoly).then(|| Box::<ChaChaPoly>::default() as Box<dyn Cipher>)
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

struct X25519 {
    /// Our static keys, whose public half need not be computed again.
    known: StaticKeys,
    secret: Zeroizing<[u8; KEY]>,
    public: [u8; KEY],
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
#[derive(Default)]
struct ChaChaPoly(Zeroizing<[u8; KEY]>);

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; KEY]) {
        *self.0 = *key;
    }

    /// snow has seen to it that `out` has room for the tag.
    fn encrypt(&self, number: u64, ad: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        let mut state = CipherState::at(&self.0, number);
        let Some((text, rest)) = out.split_at_mut_checked(plain.len()) else { return 0 };
        let (Some(at), Ok(tag)) = (rest.first_chunk_mut(), state.encrypt(ad, plain, text)) else { return 0 };
        *at = tag;
        plain.len() + TAG
    }

    fn decrypt(&self, number: u64, ad: &[u8], message: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let mut state = CipherState::at(&self.0, number);
        let (text, tag) = message.split_last_chunk().ok_or(Error::Decrypt)?;
        let out = out.get_mut(..text.len()).ok_or(Error::Decrypt)?;
        out.copy_from_slice(text);
        state.decrypt(ad, out, tag).map_err(|_| Error::Decrypt)?;
        Ok(text.len())
    }
}

#[cfg(test)]
mod tests;
