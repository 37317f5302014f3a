//! What the server says when it will not: `REFUSED reason [tag=n] what was expected`.

use super::whole;
use std::borrow::Cow;
use std::fmt;

/// Why a signalling line was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The line cannot be read.
    Line,
    /// The verb has no place here: TELL before ENTERED, a second ENTER.
    Order,
    /// The signature is not that of the id.
    Proof,
    /// The proof is for another server.
    Server,
    /// Nothing came in time. The connection ends.
    Time,
    /// As many nodes are here, or here from this address, as may be.
    Full,
    /// More often than may be.
    Rate,
    /// The message is too long.
    Size,
    /// The receiver has too many messages waiting.
    Queue,
    /// This server does no signalling.
    Off,
    /// One that this version does not know.
    Other,
}

impl Reason {
    /// All, in the order of the enumeration.
    pub const ALL: [Reason; 11] = [
        Reason::Line,
        Reason::Order,
        Reason::Proof,
        Reason::Server,
        Reason::Time,
        Reason::Full,
        Reason::Rate,
        Reason::Size,
        Reason::Queue,
        Reason::Off,
        Reason::Other,
    ];

    /// The word on the line.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Line => "LINE",
            Reason::Order => "ORDER",
            Reason::Proof => "PROOF",
            Reason::Server => "SERVER",
            Reason::Time => "TIME",
            Reason::Full => "FULL",
            Reason::Rate => "RATE",
            Reason::Size => "SIZE",
            Reason::Queue => "QUEUE",
            Reason::Off => "OFF",
            Reason::Other => "OTHER",
        }
    }

    fn of(word: &str) -> Reason {
        Reason::ALL.into_iter().find(|reason| reason.word() == word).unwrap_or(Reason::Other)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// Of which TELL, if it was one.
    pub tag: Option<u64>,
    /// What was expected instead, for people.
    pub expected: Cow<'static, str>,
}

/// Longest text of a refusal that is kept, in characters.
const MAX_TEXT: usize = 300;

/// A server's words for people. They may end up in a log: no control characters, and not without end.
pub(in super::super) fn plain_text(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect();
    text.trim_ascii_end().to_owned()
}

impl Refused {
    pub(super) fn parse(rest: &str) -> Option<Refused> {
        let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase());
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        let field = text.strip_prefix("tag=").map(|field| field.split_once(' ').unwrap_or((field, "")));
        let tag = field.and_then(|(digits, _)| whole(digits));
        let rest = field.filter(|_| tag.is_some()).map_or(&text[..], |(_, after)| after);
        let expected = Cow::Owned(plain_text(rest));
        plain.then(|| Refused { reason: Reason::of(word), tag, expected })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "REFUSED {}", self.reason)?;
        self.tag.map_or(Ok(()), |tag| write!(f, " tag={tag}"))?;
        if self.expected.is_empty() { Ok(()) } else { write!(f, " {}", self.expected) }
    }
}
