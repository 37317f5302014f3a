//! Messages over the DHT, as PyP2P 0.8.3 writes and reads them.
//!
//! On the wire a message is hexadecimal digits of MessagePack of a value, which almost always is a string
//! ([`msgpack`]). The reader then does something surprising: a string that is a Python literal arrives as
//! what it denotes, so that "1" sent is the number 1 received ([`literal`]). Control messages between direct
//! nets are strings of their own ([`reverse`]).

pub mod literal;
pub mod msgpack;
pub mod reverse;

use std::fmt;

use super::hex;

pub use reverse::{Ask, Reverse, ReverseError};

/// The largest message, in bytes of MessagePack (twice as many digits). PyP2P has no limit; the HTTP requests
/// that carry its messages do.
pub const MAX_PACKED: usize = 64 * 1024;

/// The deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 32;

/// What a message can hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Python's `None`.
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number. On the wire at least -2⁶³ and below 2⁶⁴; a literal may denote a larger one.
    Int(i128),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Str(String),
    /// Bytes that are not text.
    Bytes(Vec<u8>),
    /// A list or a tuple.
    List(Vec<Value>),
    /// Keys and values in the order given. Keys are not compared; see [`Value::get`].
    Map(Vec<(Value, Value)>),
}

impl Value {
    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// What a map holds under a text key; of repeated keys the last counts, as in Python.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(pairs) => pairs.iter().rev().find(|(k, _)| k.as_str() == Some(key)).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The value as an original's program gets it: text that is a Python literal becomes what it denotes.
    pub fn evaluated(self) -> Self {
        match &self {
            Self::Str(text) => literal::evaluate(text).unwrap_or(self),
            _ => self,
        }
    }
}

/// The wire form of a value.
///
/// # Errors
/// Larger than [`MAX_PACKED`], nested deeper than [`MAX_DEPTH`], or a whole number MessagePack has no form
/// for.
pub fn serialize(value: &Value) -> Result<String, DhtError> {
    Ok(to_hex(&msgpack::pack(value)?))
}

/// The wire form of a text message.
///
/// # Errors
/// Larger than [`MAX_PACKED`].
pub fn serialize_text(text: &str) -> Result<String, DhtError> {
    Ok(to_hex(&msgpack::pack_text(text)?))
}

/// Reads the wire form as it was meant by the sender, without evaluating text. Digits of either case are
/// read; bytes behind the value are ignored, as in the original.
///
/// # Errors
/// The first thing wrong.
pub fn deserialize(digits: &str) -> Result<Value, DhtError> {
    msgpack::unpack(&from_hex(digits)?)
}

/// Reads the wire form as an original does: [`deserialize`], then [`Value::evaluated`].
///
/// # Errors
/// Those of [`deserialize`].
pub fn deserialize_evaluated(digits: &str) -> Result<Value, DhtError> {
    deserialize(digits).map(Value::evaluated)
}

pub(super) fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(super) fn from_hex(digits: &str) -> Result<Vec<u8>, DhtError> {
    if digits.len() > 2 * MAX_PACKED {
        return Err(DhtError::TooLarge);
    }
    let mut bytes = vec![0; digits.len() / 2];
    if hex::read(digits, &mut bytes) { Ok(bytes) } else { Err(DhtError::NotHex) }
}

/// Why a message cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhtError {
    /// A character that is no hexadecimal digit, or an odd number of them.
    NotHex,
    /// More than [`MAX_PACKED`] bytes.
    TooLarge,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// The value breaks off.
    Truncated,
    /// A string that is not UTF-8.
    NotUtf8,
    /// A form no value here has: an extension type, or the byte MessagePack never uses.
    Unsupported {
        /// The byte that introduces it.
        byte: u8,
    },
    /// A whole number below -2⁶³ or not below 2⁶⁴.
    IntTooLarge,
}

impl fmt::Display for DhtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHex => write!(f, "the DHT message is not hexadecimal; expected pairs of digits"),
            Self::TooLarge => write!(f, "the DHT message is too large; expected at most {MAX_PACKED} bytes"),
            Self::TooDeep => {
                write!(f, "the DHT message is nested too deep; expected at most {MAX_DEPTH} levels")
            }
            Self::Truncated => write!(f, "the DHT message breaks off; expected a whole MessagePack value"),
            Self::NotUtf8 => write!(f, "a string in the DHT message is not text; expected UTF-8"),
            Self::Unsupported { byte } => {
                write!(f, "the DHT message holds MessagePack type 0x{byte:02x}; expected a plain value")
            }
            Self::IntTooLarge => write!(f, "a number is too large for a DHT message; expected 64 bits"),
        }
    }
}

impl std::error::Error for DhtError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_ones() {
        assert_eq!(serialize_text("test").as_deref(), Ok("a474657374"));
        assert_eq!(deserialize("A474657374"), Ok(Value::Str("test".into())));
        assert_eq!(deserialize("a131"), Ok(Value::Str("1".into())));
        assert_eq!(deserialize_evaluated("a131"), Ok(Value::Int(1)));
        assert_eq!(deserialize_evaluated("a474657374ff"), Ok(Value::Str("test".into())));
    }

    #[test]
    fn not_hex() {
        for digits in ["a", "a4 7", "0x", "é", "a1é"] {
            assert_eq!(deserialize(digits), Err(DhtError::NotHex), "{digits}");
        }
        assert_eq!(deserialize(""), Err(DhtError::Truncated));
        assert_eq!(deserialize(&"0".repeat(2 * MAX_PACKED + 2)), Err(DhtError::TooLarge));
    }

    #[test]
    fn last_of_repeated_keys() {
        let map = deserialize_evaluated(&serialize_text("{'a': 1, 'b': 2, 'a': 3}").unwrap()).unwrap();
        assert_eq!(map.get("a"), Some(&Value::Int(3)));
        assert_eq!(map.get("c"), None);
    }

    proptest! {
        #[test]
        fn text_there_and_back(text: String) {
            prop_assert_eq!(deserialize(&serialize_text(&text).unwrap()), Ok(Value::Str(text)));
        }

        #[test]
        fn any_digits_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..200), text: String) {
            let _ = deserialize_evaluated(&to_hex(&bytes));
            let _ = deserialize_evaluated(&text);
        }
    }
}
