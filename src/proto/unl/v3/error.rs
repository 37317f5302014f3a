//! What is wrong with a locator, in words for the person who pasted it.

use std::fmt;

use super::check::date;
use super::record::RecordError;
use super::{MAX_TEXT, PREFIX};
use crate::proto::network::NetworkId;

/// Why text is not a locator that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum V3Error {
    /// It does not begin with `p2p3`.
    NotALocator,
    /// More characters than any locator has.
    TooLong,
    /// A character that no locator has.
    Character {
        /// Which one, the first is 1.
        at: usize,
        /// The character.
        found: char,
    },
    /// Characters are missing at the end.
    CutOff {
        /// Characters there are.
        have: usize,
        /// Characters there should be, as it says itself; the fewest possible if it ends before it says so.
        want: usize,
    },
    /// There are characters after the end.
    Overlong {
        /// Characters there are.
        have: usize,
        /// Characters there should be, as it says itself.
        want: usize,
    },
    /// The checksum does not fit: a letter is wrong.
    Altered,
    /// A layout that this version does not know.
    Newer {
        /// Its number.
        format: u8,
    },
    /// The signature does not fit.
    Signature,
    /// It was made wrongly: the checksum and the signature fit.
    Malformed {
        /// What was expected.
        what: &'static str,
    },
    /// It says something that cannot be said.
    Content(RecordError),
    /// Its time is over.
    Expired {
        /// Unix time in seconds from which on it was not to be used.
        since: u64,
        /// Unix time in seconds that it was compared with.
        now: u64,
    },
    /// It belongs to another network.
    OtherNetwork {
        /// The locator's, `None` = the one without a name.
        theirs: Option<NetworkId>,
        /// The one expected.
        ours: Option<NetworkId>,
    },
}

impl fmt::Display for V3Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotALocator => write!(f, "not a locator; expected text that begins with {PREFIX}"),
            Self::TooLong => write!(f, "too long for a locator; expected at most {MAX_TEXT} letters"),
            Self::Character { at, found } => {
                let found = match found {
                    '\n' | '\r' => "a line break".to_owned(),
                    found if found.is_whitespace() => "a blank".to_owned(),
                    found if found.is_control() => "a control character".to_owned(),
                    found => format!("'{found}'"),
                };
                write!(
                    f,
                    "letter {at} of the locator is {found}; expected A-Z, a-z, 0-9, - and _ in one piece"
                )
            }
            Self::CutOff { have, want } => {
                write!(f, "the locator is cut off: it has {have} letters; expected {want}")
            }
            Self::Overlong { have, want } => {
                write!(f, "something follows the locator: there are {have} letters; expected {want}")
            }
            Self::Altered => write!(f, "a letter of the locator is wrong; expected an unchanged copy"),
            Self::Newer { format } => write!(
                f,
                "the locator has layout {format}, of a newer version of this program; expected layout 1"
            ),
            Self::Signature => write!(
                f,
                "the locator's signature does not match: it was changed; expected it as its node made it"
            ),
            Self::Malformed { what } => write!(f, "the locator was made wrongly; expected {what}"),
            Self::Content(error) => write!(f, "the locator was made wrongly: {error}"),
            Self::Expired { since, now } => write!(
                f,
                "the locator expired {} ({}); expected a newer one (or is the clock wrong?)",
                date(*since),
                ago(now.saturating_sub(*since))
            ),
            Self::OtherNetwork { theirs, ours } => {
                write!(f, "the locator was made for ")?;
                network(f, theirs)?;
                write!(f, "; expected ")?;
                network(f, ours)
            }
        }
    }
}

fn network(f: &mut fmt::Formatter<'_>, id: &Option<NetworkId>) -> fmt::Result {
    match id {
        Some(id) => write!(f, "network {id}"),
        None => write!(f, "the network without a name"),
    }
}

/// A span of time in its largest unit.
fn ago(seconds: u64) -> String {
    let (n, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86400 => (seconds / 3600, "hour"),
        _ => (seconds / 86400, "day"),
    };
    format!("{n} {unit}{} ago", if n == 1 { "" } else { "s" })
}

impl std::error::Error for V3Error {}
