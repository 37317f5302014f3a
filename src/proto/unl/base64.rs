//! Base64 (RFC 4648, standard alphabet) as lenient as Python's `base64.b64decode` is by default.
//!
//! That leniency is part of the classic dialect, as UNLs are copied by hand and through mailers: characters
//! outside the alphabet are skipped wherever they stand. Padding is needed, but it is judged oddly: a `=`
//! ends the text only where it (with those directly before it) completes a group of four; elsewhere it is
//! skipped too. After the end nothing is looked at. Left-over bits of the last group are ignored.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text for `bytes`, with padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let symbol = ALPHABET.get((bits >> (18 - 6 * i) & 63) as usize).copied().unwrap_or(b'=');
            text.push(char::from(if i > group.len() { b'=' } else { symbol }));
        }
    }
    text
}

/// Why text is not base64, even by the lenient rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Error {
    /// A character that is not ASCII (Python refuses such strings before decoding).
    NotAscii,
    /// The last group of four is not complete.
    Unfinished,
    /// It decodes to more bytes than there is room for.
    TooLong,
}

/// Decodes into `out` and answers how many bytes it gave.
pub(super) fn decode(text: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    if !text.is_ascii() {
        return Err(Error::NotAscii);
    }
    let mut len = 0;
    let mut place = 0; // symbols of the current group so far
    let mut bits = 0u32; // and their bits
    let mut pads = 0;
    for &c in text {
        if c == b'=' {
            if place >= 2 {
                pads += 1;
                if place + pads >= 4 {
                    return Ok(len);
                }
            }
            continue;
        }
        let Some(value) = value(c) else { continue };
        pads = 0;
        bits = bits << 6 | value;
        if place > 0 {
            let byte = bits >> (6 - 2 * place) & 0xff;
            *out.get_mut(len).ok_or(Error::TooLong)? = byte as u8;
            len += 1;
        }
        place = (place + 1) % 4;
    }
    if place == 0 { Ok(len) } else { Err(Error::Unfinished) }
}

fn value(c: u8) -> Option<u32> {
    let value = match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vec(text: &str) -> Result<Vec<u8>, Error> {
        let mut out = [0; 64];
        decode(text.as_bytes(), &mut out).map(|n| out[..n].to_vec())
    }

    #[test]
    fn rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text);
            assert_eq!(vec(text).as_deref(), Ok(bytes.as_bytes()));
        }
    }

    /// What `base64.b64decode` of CPython 3.11.7 answered.
    #[test]
    fn as_python_answered() {
        for (text, bytes) in [
            ("YQ==YQ==", &b"a"[..]),
            ("YWI=YWI=", b"ab"),
            ("=YQ==", b"a"),
            ("Y=Q==", b"a"),
            ("YQ==x", b"a"),
            ("YWJj=", b"abc"),
            ("YWJj==", b"abc"),
            ("====", b""),
            ("YQ===", b"a"),
            ("YQ=x=", b"a\x0c"),
            ("YQ=\n=", b"a"),
            ("YR==", b"a"),
            ("YWJjYQ=Y=", b"abca\x06"),
            ("YQ=xxxx==", b"a\x0cq\xc7"),
            ("=", b""),
            ("YWJj=YQ==", b"abca"),
            (" Y\0W*J-_\x7fj\n", b"abc"),
        ] {
            assert_eq!(vec(text).as_deref(), Ok(bytes), "{text:?}");
        }
        for text in ["YQ=", "YQ=xxxx=", "Y", "YWJjZ", "YWJjZA", "a==="] {
            assert_eq!(vec(text), Err(Error::Unfinished), "{text:?}");
        }
        assert_eq!(vec("YQ==\u{e9}"), Err(Error::NotAscii));
    }

    proptest! {
        #[test]
        fn there_and_back(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(vec(&encode(&bytes)), Ok(bytes));
        }

        #[test]
        fn never_more_than_fits(text: String, room in 0..9usize) {
            let mut out = vec![0; room];
            if let Ok(n) = decode(text.as_bytes(), &mut out) {
                prop_assert!(n <= room);
            }
        }
    }
}
