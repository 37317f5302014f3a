//! Base64url without padding (RFC 4648, section 5), strict: every byte string has exactly one spelling.
//!
//! Keys and locators of the secure dialect are written in it. It needs no quoting in URLs, shells and file names, and
//! a double click selects all of it. (The classic dialect's lenient base64 is in `unl/base64.rs`.)

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters that `bytes` bytes take.
pub(crate) const fn text_len(bytes: usize) -> usize {
    (bytes * 8).div_ceil(6)
}

/// The text for `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(text_len(bytes.len()));
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
        for i in 0..=group.len() {
            let symbol = ALPHABET.get((bits >> (18 - 6 * i) & 63) as usize).copied().unwrap_or(b'A');
            text.push(char::from(symbol));
        }
    }
    text
}

/// Why text is not base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Error {
    /// A character that does not belong to the alphabet.
    Character {
        /// Which one, counted in characters from 0.
        at: usize,
        /// The character.
        found: char,
    },
    /// The text ends inside a byte, or its last character has bits that belong to no byte.
    Ending,
}

/// The bytes of `text`. Time and memory are linear in it.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut have) = (0u32, 0);
    for (at, found) in text.chars().enumerate() {
        let value = value(found).ok_or(Error::Character { at, found })?;
        bits = bits << 6 | value;
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push((bits >> have & 0xff) as u8);
        }
    }
    // Six left-over bits are a character too few; others have to be zero, or one could change them unseen.
    if have == 6 || bits & ((1 << have) - 1) != 0 { Err(Error::Ending) } else { Ok(bytes) }
}

fn value(c: char) -> Option<u32> {
    let value = match c {
        'A'..='Z' => c as u32 - 'A' as u32,
        'a'..='z' => c as u32 - 'a' as u32 + 26,
        '0'..='9' => c as u32 - '0' as u32 + 52,
        '-' => 62,
        '_' => 63,
        _ => return None,
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_4648() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (b"fooba", "Zm9vYmE"),
            (b"\xfb\xff\xbf", "-_-_"),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).as_deref(), Ok(bytes));
            assert_eq!(text.len(), text_len(bytes.len()));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["Zg==", "Zg=", "Zm9v\n", " Zm9v", "Zm+v", "Zm/v", "Zmé"] {
            assert!(matches!(decode(text), Err(Error::Character { .. })), "{text:?}");
        }
        for text in ["Z", "Zh", "Zm9", "Zm9vY", "Zm9vYmF"] {
            assert_eq!(decode(text), Err(Error::Ending), "{text:?}");
        }
        assert_eq!(decode("Zm9 v"), Err(Error::Character { at: 3, found: ' ' }));
    }

    proptest! {
        #[test]
        fn there_and_back(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        }

        #[test]
        fn one_spelling_each(text in "[A-Za-z0-9_-]{0,12}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
