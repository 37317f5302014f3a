//! Hexadecimal digits, as keys, tokens and names are written with.

/// Reads exactly as many bytes as there is room for, from digits of either case. False if the text is anything else; what is
/// in `bytes` then is of no use.
pub(crate) fn read(text: &str, bytes: &mut [u8]) -> bool {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let fits = rest.is_empty() && pairs.len() == bytes.len();
    fits && bytes.iter_mut().zip(pairs).all(|(byte, [high, low])| match (value(*high), value(*low)) {
        (Some(high), Some(low)) => {
            *byte = high << 4 | low;
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn digits_and_nothing_else() {
        let mut bytes = [0; 3];
        assert!(read("00fFa9", &mut bytes));
        assert_eq!(bytes, [0, 0xff, 0xa9]);
        assert!(read("", &mut []));
        for bad in ["", "00ffa", "00ffa90", "00ffa900", "00ffag", "+0ffa9", " 0ffa9", "éé00"] {
            assert!(!read(bad, &mut [0; 3]), "{bad:?}");
        }
    }
}
