//! Parameters of a request: `a=1&b=2`, percent-encoded, from the URL or a form.

use std::collections::BTreeMap;

/// Most parameters of one request; no call has more than seven.
const MOST: usize = 32;

/// The parameters; of several with one name the last counts.
#[derive(Debug, Default)]
pub(super) struct Params {
    map: BTreeMap<String, String>,
}

impl Params {
    /// Adds parameters. `false`: too many, or not UTF-8 after decoding.
    pub(super) fn read(&mut self, text: &[u8]) -> bool {
        for pair in text.split(|&b| b == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(at);
            let (Some(name), Some(value)) = (decode(name), decode(value.get(1..).unwrap_or_default())) else {
                return false;
            };
            self.map.insert(name, value);
            if self.map.len() > MOST {
                return false;
            }
        }
        true
    }

    /// The value of a parameter, empty if it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.map.get(name).map_or("", String::as_str)
    }
}

/// Undoes percent-encoding; `+` is a space. A `%` that begins no code stands for itself, as in PHP.
fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        bytes.push(match (byte, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, beyond @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = beyond;
                    high << 4 | low
                }
                _ => b'%',
            },
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Params {
        let mut params = Params::default();
        assert!(params.read(text.as_bytes()));
        params
    }

    #[test]
    fn parameters() {
        let params = read("call=put&msg=d9%34%32+x&empty=&flag&&a=1&a=2&odd=100%&odd2=%zz&eq=a=b");
        assert_eq!(params.get("call"), "put");
        assert_eq!(params.get("msg"), "d942 x");
        assert_eq!(params.get("empty"), "");
        assert_eq!(params.get("flag"), "");
        assert_eq!(params.get("none"), "");
        assert_eq!(params.get("a"), "2");
        assert_eq!(params.get("odd"), "100%");
        assert_eq!(params.get("odd2"), "%zz");
        assert_eq!(params.get("eq"), "a=b");
    }

    #[test]
    fn what_is_refused() {
        assert!(!Params::default().read(b"a=%ff"));
        let many: String = (0..=MOST).map(|n| format!("p{n}=1&")).collect();
        assert!(!Params::default().read(many.as_bytes()));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
            Params::default().read(&text);
        }

        #[test]
        fn what_is_encoded_is_decoded(value in any::<String>()) {
            let encoded: String = value.bytes().map(|b| format!("%{b:02x}")).collect();
            let params = read(&format!("v={encoded}"));
            prop_assert_eq!(params.get("v"), value);
        }
    }
}
