//! A message to somebody who is not there to answer: Noise's one-way pattern X (revision 34, section 7.4), which seals to
//! a key and proves to its owner who did; with a network's key Xpsk1. Letters in the DHT are made of it, and what nodes say to
//! each other by signalling.
//!
//! ```text
//!   ephemeral key 32 │ sender's X25519 key, sealed 32 + 16 │ payload, sealed + 16 │   then, if wanted:  numbered messages + 16
//! ```

use snow::Error;
use zeroize::Zeroizing;

use super::Myself;
use super::noise::{Cipher, CipherState, KEY, Noise, Pattern, Setup, TAG};
use crate::proto::identity::PublicKey;

const PLAIN: &str = "Noise_X_25519_ChaChaPoly_SHA256";
const KEYED: &str = "Noise_Xpsk1_25519_ChaChaPoly_SHA256";
/// Where the network's key is mixed in: behind everything else of the message.
const PLACE: u8 = 1;

/// Bytes around a payload: the ephemeral key; the sender's key and the payload, each with what tells whether it was changed.
pub(in crate::proto) const OVERHEAD: usize = KEY + KEY + TAG + TAG;
/// Bytes around a numbered message.
pub(in crate::proto) const MORE_OVERHEAD: usize = TAG;

/// Seals `payload` to the X25519 key `to`. `ephemeral` are 32 bytes that nobody can guess and nobody uses again. Also gives the
/// key for more messages in the same direction.
///
/// # Errors
/// `to` is a key of small order: everybody could open it.
pub(in crate::proto) fn seal(
    me: &Myself,
    to: &[u8; KEY],
    ephemeral: &[u8; KEY],
    prologue: &[u8],
    payload: &[u8],
) -> Result<(Vec<u8>, More), Error> {
    let mut sealed = Vec::new();
    let mut noise = start(me, Some(to), ephemeral, prologue)?;
    noise.write(payload, &mut sealed)?;
    Ok((sealed, More::of(noise)))
}

/// Who sealed something, by its X25519 key: proved.
pub(in crate::proto) struct Sender([u8; KEY]);

impl Sender {
    /// Whether it is this node. The Ed25519 key that nodes are known by has to be the one that belongs to what is proved.
    pub(in crate::proto) fn is(&self, key: &PublicKey) -> bool {
        key.x25519() == Some(self.0)
    }
}

/// Opens what was sealed to us: whose it is, the payload, and the key for more messages of the same sender.
///
/// # Errors
/// It was not sealed to this key, in this network, with this prologue.
pub(in crate::proto) fn open(
    me: &Myself,
    prologue: &[u8],
    sealed: &[u8],
) -> Result<(Sender, Vec<u8>, More), Error> {
    // The side that only reads makes no ephemeral key.
    let mut noise = start(me, None, &[0; KEY], prologue)?;
    let payload = noise.read(sealed)?;
    let sender = noise.remote().ok_or(Error::Input)?;
    Ok((Sender(sender), payload, More::of(noise)))
}

/// The key of what follows a sealed message in the same direction. The messages carry numbers, so they can come in any order; the
/// sender must not use one twice.
pub(in crate::proto) struct More(Zeroizing<[u8; KEY]>);

impl More {
    fn of(noise: Noise) -> More {
        More(noise.split().0)
    }

    /// Seals a message under a number that was not used before.
    ///
    /// # Errors
    /// The number is the one that is nobody's.
    pub(in crate::proto) fn seal(&self, number: u64, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut text = vec![0; plain.len()];
        let tag = CipherState::at(Cipher::ChaChaPoly, &self.0, number)
            .encrypt(&[], plain, &mut text)
            .map_err(|_| Error::Input)?;
        text.extend(tag);
        Ok(text)
    }

    /// Opens a message.
    ///
    /// # Errors
    /// It is not what was sealed under this key and number.
    pub(in crate::proto) fn open(&self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (text, tag) = sealed.split_last_chunk().ok_or(Error::Decrypt)?;
        let mut text = text.to_vec();
        CipherState::at(Cipher::ChaChaPoly, &self.0, number)
            .decrypt(&[], &mut text, tag)
            .map_err(|_| Error::Decrypt)?;
        Ok(text)
    }
}

fn start(
    me: &Myself,
    remote: Option<&[u8; KEY]>,
    ephemeral: &[u8; KEY],
    prologue: &[u8],
) -> Result<Noise, Error> {
    let shared = me.network_key.as_deref().map(|key| (PLACE, key));
    let name = if shared.is_some() { KEYED } else { PLAIN };
    let (keys, initiator) = (&me.keys, remote.is_some());
    // Of the two named patterns it is neither; the setup's field is for Noise::new.
    let setup = Setup { pattern: Pattern::Ik, initiator, prologue, keys, remote, shared: None, ephemeral };
    Noise::with(name.parse()?, &setup, shared.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::handshake::{NO_NETWORK, StaticKeys};
    use curve25519_dalek::montgomery::MontgomeryPoint;
    use serde_json::Value;

    fn hex(value: &Value) -> Vec<u8> {
        let digits = value.as_str().unwrap().as_bytes();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn key(value: &Value) -> [u8; KEY] {
        hex(value).try_into().unwrap()
    }

    fn somebody(secret: &Value, psks: &Value) -> Myself {
        let secret = key(secret);
        let public = MontgomeryPoint::mul_base_clamped(secret).to_bytes();
        let keys = StaticKeys { secret: Zeroizing::new(secret), public };
        let network_key = psks.get(0).map(|psk| Zeroizing::new(key(psk)));
        Myself { public: PublicKey([0; 32]), keys, network: NO_NETWORK, network_key, fast_aes: false }
    }

    /// One message, then more of one direction.
    #[test]
    fn the_published_vectors() {
        let file: Value =
            serde_json::from_str(include_str!("../../../tests/data/noise-vectors.json")).unwrap();
        let vectors = file["one_way"].as_array().unwrap();
        let names: Vec<_> = vectors.iter().map(|v| v["protocol_name"].as_str().unwrap()).collect();
        assert_eq!(names, [PLAIN, KEYED, PLAIN]);
        for v in vectors {
            let sender = somebody(&v["init_static"], &v["init_psks"]);
            let receiver = somebody(&v["resp_static"], &v["resp_psks"]);
            let messages = v["messages"].as_array().unwrap();
            let of = |message: &Value| (hex(&message["payload"]), hex(&message["ciphertext"]));
            let (payload, want) = of(&messages[0]);
            let ephemeral = key(&v["init_ephemeral"]);
            let to = receiver.keys.public;
            let (sealed, ours) = seal(&sender, &to, &ephemeral, &hex(&v["init_prologue"]), &payload).unwrap();
            assert_eq!(sealed, want);
            assert_eq!(sealed.len(), payload.len() + OVERHEAD);
            let (by, opened, theirs) = open(&receiver, &hex(&v["resp_prologue"]), &want).unwrap();
            assert_eq!((by.0, opened), (sender.keys.public, payload));
            for (number, message) in messages[1..].iter().enumerate().rev() {
                let (payload, want) = of(message);
                let number = number as u64;
                assert_eq!(ours.seal(number, &payload).unwrap(), want);
                assert_eq!(theirs.open(number, &want).unwrap(), payload);
                assert!(theirs.open(number + 1, &want).is_err());
            }
        }
    }
}
