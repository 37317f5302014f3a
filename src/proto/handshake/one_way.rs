//! A message to somebody who is not there to answer: Noise's one-way pattern X (revision 34, section 7.4), which seals to
//! a key and proves to its owner who did. Letters in the DHT are made of it.

use snow::Error;
use zeroize::Zeroizing;

use super::noise::{KEY, Noise, Pattern, Setup, StaticKeys, TAG};
use crate::proto::identity::Identity;

const PATTERN: &str = "Noise_X_25519_ChaChaPoly_SHA256";

/// Bytes around a payload: the ephemeral key; the sender's key and the payload, each with what tells whether it was changed.
pub(in crate::proto) const OVERHEAD: usize = KEY + KEY + TAG + TAG;

/// Seals `payload` to the X25519 key `to`. `ephemeral` are 32 bytes that nobody can guess and nobody uses again.
///
/// # Errors
/// `to` is a key of small order: everybody could open it.
pub(in crate::proto) fn seal(
    from: &Identity,
    to: &[u8; KEY],
    ephemeral: &[u8; KEY],
    prologue: &[u8],
    payload: &[u8],
) -> Result<Vec<u8>, Error> {
    let mut sealed = Vec::new();
    start(true, from, Some(to), ephemeral, prologue)?.write(payload, &mut sealed)?;
    Ok(sealed)
}

/// Opens what was sealed to the X25519 half of `to`: the sender's X25519 key and the payload.
///
/// # Errors
/// It was not sealed to this key with this prologue.
pub(in crate::proto) fn open(
    to: &Identity,
    prologue: &[u8],
    sealed: &[u8],
) -> Result<([u8; KEY], Vec<u8>), Error> {
    // The side that only reads makes no ephemeral key.
    let mut noise = start(false, to, None, &[0; KEY], prologue)?;
    let payload = noise.read(sealed)?;
    Ok((noise.remote().ok_or(Error::Input)?, payload))
}

fn start(
    initiator: bool,
    me: &Identity,
    remote: Option<&[u8; KEY]>,
    ephemeral: &[u8; KEY],
    prologue: &[u8],
) -> Result<Noise, Error> {
    let public = me.public().x25519().ok_or(Error::Dh)?;
    let keys = StaticKeys { secret: Zeroizing::new(me.x25519_secret()), public };
    // Of the two named patterns it is neither; the setup's field is for Noise::new.
    let setup =
        Setup { pattern: Pattern::Ik, initiator, prologue, keys: &keys, remote, shared: None, ephemeral };
    Noise::with(PATTERN.parse()?, &setup, &[])
}
