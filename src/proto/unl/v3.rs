//! UNL version 3, the secure dialect's locator: who a node is, where it can be met, and until when that holds, signed.
//!
//! ```text
//!   "p2p3" + base64url of:
//!   format 1 │ length 2 │ key 32 │ fields: tag 1, length 1, value │ signature 64 │ CRC-32 4
//!   └──────────────── signed ───────────────────────────────────┘
//!   └──────────────── checked against typing errors ──────────────────────────┘
//! ```
//!
//! A [`UnlV3`] exists only with a signature that fits, so nothing unsigned can be used by mistake; its [`Record`] is what
//! the node says of itself. What it says has one spelling: fields in ascending order, each once, none empty, numbers
//! without leading zeros. Fields that this version does not know are skipped, but the signature covers them.
//!
//! | file | for |
//! |---|---|
//! | `record` | what a locator says, and what it may say |
//! | `fields` | that as bytes, and back |
//! | `check` | expiry, network |
//! | `error` | what is wrong with a locator, in words for people |

mod check;
mod error;
mod fields;
mod record;

use std::fmt;
use std::str::FromStr;

use super::crc::crc32;
use crate::proto::base64url;
use crate::proto::identity::{Identity, KEY_LEN, PublicKey, SIGNATURE_LEN};
use crate::small;

pub use check::Check;
pub use error::V3Error;
pub use record::{MAX_CANDIDATES, MAX_DELTA, MAX_EXPIRES, MAX_RELAYS, MAX_SERVERS, Record, RecordError};

/// What every locator of this version begins with.
pub const PREFIX: &str = "p2p3";
/// Longest record in bytes. As text it still fits into an item of BitTorrent's DHT (BEP 44: 1000 bytes).
pub const MAX_RECORD: usize = 720;
/// Longest text in characters.
pub const MAX_TEXT: usize = PREFIX.len() + base64url::text_len(MAX_RECORD);
/// Shortest text: a key and its signature.
pub const MIN_TEXT: usize = PREFIX.len() + base64url::text_len(MIN_RECORD);

/// The layout this code knows, of the secure dialect. Length and checksum stay where they are in every later one.
const FORMAT: u8 = 1;
const HEAD_LEN: usize = 3;
const CRC_LEN: usize = 4;
const MIN_RECORD: usize = HEAD_LEN + KEY_LEN + SIGNATURE_LEN + CRC_LEN;

/// What is signed begins with this, so that a signature made for anything else does not fit a locator.
const DOMAIN: &[u8] = b"p2pnet UNL v3\0";

/// A locator whose signature fits. It cannot be changed; make a new one.
///
/// Two are equal if they are letter for letter, which is if the same node says the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlV3 {
    identity: PublicKey,
    record: Record,
    text: String,
}

impl UnlV3 {
    /// Makes the locator in which a node says `record` of itself.
    ///
    /// # Errors
    /// What of it cannot be said.
    pub fn sign(record: Record, identity: &Identity) -> Result<UnlV3, RecordError> {
        record.validate()?;
        let fields = fields::write(&record)?;
        let text = seal(identity, &fields).ok_or(RecordError::TooLong)?;
        Ok(UnlV3 { identity: identity.public(), record, text })
    }

    /// Reads a locator, the signature included. Expiry and network are for [`UnlV3::check`].
    ///
    /// # Errors
    /// What the first thing wrong is; the cheap tests come first. Time is linear in the text, of which at most
    /// [`MAX_TEXT`] characters are looked at.
    pub fn decode(text: &str) -> Result<UnlV3, V3Error> {
        let record = open(text)?;
        let (body, seal) =
            record.split_last_chunk::<{ SIGNATURE_LEN + CRC_LEN }>().ok_or(V3Error::Altered)?;
        let (_, rest) = body.split_first_chunk::<HEAD_LEN>().ok_or(V3Error::Altered)?;
        let (key, fields) = rest.split_first_chunk::<KEY_LEN>().ok_or(V3Error::Altered)?;
        let (signature, _) = seal.split_first_chunk::<SIGNATURE_LEN>().ok_or(V3Error::Altered)?;
        let identity = PublicKey(*key);
        if !identity.verify(&[DOMAIN, body].concat(), signature) {
            return Err(V3Error::Signature);
        }
        Ok(UnlV3 { identity, record: fields::read(fields)?, text: text.to_owned() })
    }

    /// The text. It is what was read, or what is to be passed on.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whose it is.
    pub fn identity(&self) -> &PublicKey {
        &self.identity
    }

    /// What the node says of itself.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Whether both are the same node's, whatever they say.
    pub fn is_same_node(&self, other: &UnlV3) -> bool {
        self.identity == other.identity
    }

    /// Whether both name the same candidates, in whatever order. (For a changed network; servers do not count.)
    pub fn has_same_addresses(&self, other: &UnlV3) -> bool {
        let sorted = |unl: &UnlV3| {
            let mut candidates = unl.record.candidates.clone();
            small::sort(&mut candidates);
            candidates
        };
        sorted(self) == sorted(other)
    }

    /// Whether this one should be kept when both are at hand: the same node's, and it holds for longer. (One without
    /// an expiry holds for ever.)
    pub fn supersedes(&self, other: &UnlV3) -> bool {
        let until = |unl: &UnlV3| unl.record.expires.unwrap_or(u64::MAX);
        self.is_same_node(other) && until(self) > until(other)
    }
}

impl fmt::Display for UnlV3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for UnlV3 {
    type Err = V3Error;

    fn from_str(text: &str) -> Result<Self, V3Error> {
        UnlV3::decode(text)
    }
}

/// Puts key, signature and checksum around fields, whatever they are: for tests of what a malicious or a later node might
/// sign. `None`: longer than [`MAX_RECORD`].
pub fn seal(identity: &Identity, fields: &[u8]) -> Option<String> {
    let len = MIN_RECORD + fields.len();
    let [high, low] = u16::try_from(len).ok().filter(|_| len <= MAX_RECORD)?.to_be_bytes();
    let mut record = [DOMAIN, &[FORMAT, high, low], identity.public().as_bytes(), fields].concat();
    let signature = identity.sign(&record);
    record.drain(..DOMAIN.len());
    record.extend_from_slice(&signature);
    let crc = crc32(&record).to_be_bytes();
    record.extend_from_slice(&crc);
    Some(format!("{PREFIX}{}", base64url::encode(&record)))
}

/// The record in a locator that is whole and was not mistyped.
fn open(text: &str) -> Result<Vec<u8>, V3Error> {
    let letters = text.strip_prefix(PREFIX).ok_or(V3Error::NotALocator)?;
    if text.len() > MAX_TEXT {
        return Err(V3Error::TooLong);
    }
    let wrong_letter = |error| match error {
        base64url::Error::Character { at, found } => V3Error::Character { at: PREFIX.len() + at + 1, found },
        base64url::Error::Ending => V3Error::Altered,
    };
    let have = text.len();
    // All letters are judged first: a line break is a better explanation than a wrong length.
    let whole = base64url::decode(letters);
    if let Err(error @ base64url::Error::Character { .. }) = whole {
        return Err(wrong_letter(error));
    }
    let head = letters.get(..4).and_then(|head| base64url::decode(head).ok());
    let Some([format, high, low]) = head.as_deref() else {
        return Err(V3Error::CutOff { have, want: MIN_TEXT });
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if !(MIN_RECORD..=MAX_RECORD).contains(&len) {
        return Err(V3Error::Altered);
    }
    let want = PREFIX.len() + base64url::text_len(len);
    if have < want {
        return Err(V3Error::CutOff { have, want });
    }
    if have > want {
        return Err(V3Error::Overlong { have, want });
    }
    let record = whole.map_err(wrong_letter)?;
    match record.split_last_chunk::<CRC_LEN>() {
        Some((checked, crc)) if crc32(checked).to_be_bytes() == *crc => {}
        _ => return Err(V3Error::Altered),
    }
    if *format != FORMAT {
        return Err(V3Error::Newer { format: *format });
    }
    Ok(record)
}

#[cfg(test)]
mod tests;
