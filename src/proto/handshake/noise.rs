//! Noise by the crate snow, with the ciphers that are in this library anyway.
//!
//! snow knows the patterns: which key is mixed in when, what is hashed, what is encrypted. What it computes with is given to
//! it in `primitives`: X25519 by curve25519-dalek, SHA-256 by sha2, ChaCha20-Poly1305 by p2pnet-cipher. What follows the
//! handshake is encrypted without it, in `cipher`. (Its own choice of
//! crates is a generation older, so each of them would be in the library twice.) The published test vectors are run
//! against this whole, `tests/data/noise-vectors.json`.

mod cipher;
mod primitives;

use snow::Error;
use snow::params::{
    BaseChoice, CipherChoice, DHChoice, HandshakeChoice, HandshakeModifier, HandshakeModifierList,
    HandshakePattern, HashChoice, NoiseParams,
};
use zeroize::Zeroizing;

pub use cipher::{Cipher, aes_is_fast};
pub(super) use cipher::{CipherError, CipherState};
use primitives::Ours;
pub(in crate::proto) use primitives::hmac;

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

#[cfg(test)]
mod tests;
