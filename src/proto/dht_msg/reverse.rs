//! REVERSE_CONNECT, REVERSE_QUERY, REVERSE_ORIGIN: how a node that cannot connect asks the other to do it.
//!
//! ```text
//! A -> B   REVERSE_CONNECT:<UNL of A>:<64 hexadecimal digits>   connect to me and send this nonce
//! B -> A   REVERSE_QUERY:<UNL of B>                             did you ask for that? (B has connected)
//! A -> B   REVERSE_ORIGIN:<UNL of A>                            yes
//! ```
//!
//! **Mended faults.** The original uses A's UNL as a regular expression when it checks the answer, so that a
//! UNL with a `+` in it (every fourth) never matches and the good connection is closed after 60 s:
//! [`Reverse::is_from`] compares what the UNLs say. And a message whose UNL cannot be read, or holds a `:`,
//! raises an exception in the original's main loop: here it is an error value.

use std::fmt;

use crate::proto::conn_id::Nonce;
use crate::proto::unl::{UnlError, UnlV2};

/// The most characters of UNL taken; a UNL has 52, but may have blanks among them.
pub const MAX_UNL_TEXT: usize = 1024;

const CONNECT: &str = "REVERSE_CONNECT:";
const QUERY: &str = "REVERSE_QUERY:";
const ORIGIN: &str = "REVERSE_ORIGIN:";

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Connect to me and send this nonce, which is 64 hexadecimal digits.
    Connect(Nonce),
    /// Did you ask for the connection I made?
    Query,
    /// Yes.
    Origin,
}

/// A control message. `Display` writes it as it goes over the DHT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reverse<'a> {
    /// What it is about.
    pub ask: Ask,
    /// The sender's UNL as it stands in the message. Originals know one another by this text.
    pub unl: &'a str,
    /// What the UNL says.
    pub node: UnlV2,
}

impl<'a> Reverse<'a> {
    /// A message from the node with this UNL.
    ///
    /// # Errors
    /// What an original would not accept: a UNL it cannot read or with other characters than base64, blanks
    /// and `; < _`; a nonce that is not hexadecimal.
    pub fn new(ask: Ask, unl: &'a str) -> Result<Self, ReverseError> {
        if let Ask::Connect(nonce) = &ask
            && !nonce.iter().all(u8::is_ascii_hexdigit)
        {
            return Err(ReverseError::Nonce);
        }
        if unl.len() > MAX_UNL_TEXT {
            return Err(ReverseError::UnlTooLong);
        }
        if !unl.bytes().all(is_unl_character) {
            return Err(ReverseError::UnlCharacter);
        }
        let node = UnlV2::decode(unl).map_err(ReverseError::Unl)?;
        Ok(Self { ask, unl, node })
    }

    /// Reads a message's text. `None` if it is not one of the three at all, but something of the program's
    /// own.
    ///
    /// # Errors
    /// It begins like one of the three and is none.
    pub fn parse(text: &'a str) -> Option<Result<Self, ReverseError>> {
        if let Some(rest) = text.strip_prefix(CONNECT) {
            let connect = || {
                let (unl, nonce) = rest.rsplit_once(':').ok_or(ReverseError::Nonce)?;
                let nonce = nonce.as_bytes().try_into().map_err(|_| ReverseError::Nonce)?;
                Self::new(Ask::Connect(nonce), unl)
            };
            return Some(connect());
        }
        let query = text.strip_prefix(QUERY).map(|unl| Self::new(Ask::Query, unl));
        query.or_else(|| text.strip_prefix(ORIGIN).map(|unl| Self::new(Ask::Origin, unl)))
    }

    /// Whether the sender is the node that `unl` was made by. Two spellings of one UNL are the same.
    pub fn is_from(&self, unl: &str) -> bool {
        UnlV2::decode(unl).is_ok_and(|node| node == self.node)
    }
}

impl fmt::Display for Reverse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ask {
            Ask::Connect(nonce) => write!(f, "{CONNECT}{}:{}", self.unl, nonce.escape_ascii()),
            Ask::Query => write!(f, "{QUERY}{}", self.unl),
            Ask::Origin => write!(f, "{ORIGIN}{}", self.unl),
        }
    }
}

/// What the original's character class `[a-zA-Z0-9+/-=_\s]` takes, in which `/-=` is a range: without the `:`
/// in it, which cuts the message to pieces, and without blanks beyond ASCII, with which no UNL can be read.
const fn is_unl_character(c: u8) -> bool {
    matches!(c, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'/' | b'=' | b';' | b'<' | b'_')
        || matches!(c, b'\t'..=b'\r' | 0x1c..=0x1f | b' ')
}

/// Why a text that begins like a control message is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReverseError {
    /// The nonce is missing or not 64 hexadecimal digits.
    Nonce,
    /// More than [`MAX_UNL_TEXT`] characters of UNL.
    UnlTooLong,
    /// A character in the UNL that originals refuse.
    UnlCharacter,
    /// The UNL cannot be read.
    Unl(UnlError),
}

impl fmt::Display for ReverseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nonce => write!(f, "the nonce is malformed; expected 64 hexadecimal digits"),
            Self::UnlTooLong => write!(f, "the UNL is too long; expected at most {MAX_UNL_TEXT} characters"),
            Self::UnlCharacter => {
                write!(f, "the UNL holds a character that old nodes refuse; expected base64")
            }
            Self::Unl(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReverseError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::conn_id::ZERO_NONCE;
    use proptest::prelude::*;

    /// With a `+`, the character of the original's fault.
    const UNL: &str = "AlAyUG5ldHdvcmtpbmdJblJ1c3Qhc2dt+icBAkBkCgKowOoWOBs=";

    #[test]
    fn the_three() {
        for ask in [Ask::Connect([b'F'; 64]), Ask::Query, Ask::Origin] {
            let message = Reverse::new(ask, UNL).unwrap();
            assert_eq!(Reverse::parse(&message.to_string()), Some(Ok(message)));
        }
        let text = Reverse::new(Ask::Connect(ZERO_NONCE), UNL).unwrap().to_string();
        assert_eq!(text, format!("REVERSE_CONNECT:{UNL}:{}", "0".repeat(64)));
        assert_eq!(Reverse::new(Ask::Query, UNL).unwrap().to_string(), format!("REVERSE_QUERY:{UNL}"));
    }

    #[test]
    fn an_origin_with_a_plus_is_known() {
        let text = format!("REVERSE_ORIGIN:{UNL}");
        let origin = Reverse::parse(&text).unwrap().unwrap();
        assert!(origin.is_from(UNL));
        assert!(origin.is_from(&format!(" {UNL}\n")));
        assert!(!origin.is_from("AgAAAAAAAAAAAAAAAAAAAAAAAAAAcGdtRMUICAgILQCowEkZ9eM="));
        assert!(!origin.is_from("nonsense"));
    }

    #[test]
    fn somebody_elses_text() {
        for text in ["", "REVERSE", "reverse_query:x", " REVERSE_QUERY:x", "{'status': 'SYN'}"] {
            assert_eq!(Reverse::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn malformed() {
        let zeros = "0".repeat(64);
        for (text, error) in [
            (format!("REVERSE_CONNECT:{UNL}"), ReverseError::Nonce),
            (format!("REVERSE_CONNECT:{UNL}:{}", "0".repeat(63)), ReverseError::Nonce),
            (format!("REVERSE_CONNECT:{UNL}:{}", "g".repeat(64)), ReverseError::Nonce),
            (format!("REVERSE_CONNECT:{UNL}:{zeros}\n"), ReverseError::Nonce),
            (format!("REVERSE_CONNECT:{UNL}::{zeros}"), ReverseError::UnlCharacter),
            (format!("REVERSE_QUERY:{UNL}:"), ReverseError::UnlCharacter),
            (format!("REVERSE_QUERY:-{UNL}"), ReverseError::UnlCharacter),
            (format!("REVERSE_ORIGIN:{}{UNL}", " ".repeat(1000)), ReverseError::UnlTooLong),
            ("REVERSE_QUERY:".into(), ReverseError::Unl(UnlError::TooShort { bytes: 0 })),
            ("REVERSE_ORIGIN:AAAA".into(), ReverseError::Unl(UnlError::TooShort { bytes: 3 })),
        ] {
            assert_eq!(Reverse::parse(&text), Some(Err(error)), "{text:?}");
        }
        let spaced = format!("REVERSE_QUERY: {UNL};<_\n");
        assert!(Reverse::parse(&spaced).unwrap().is_ok(), "what the original's class takes");
    }

    proptest! {
        #[test]
        fn any_text_is_judged(tail: String, nonce: String) {
            for head in [CONNECT, QUERY, ORIGIN] {
                let text = format!("{head}{tail}:{nonce}");
                prop_assert!(Reverse::parse(&text).unwrap().is_err());
            }
            let _ = Reverse::parse(&tail);
        }
    }
}
