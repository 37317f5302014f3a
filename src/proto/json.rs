//! JSON as far as servers' answers need it: flat objects, texts, and lists of these (RFC 8259).
//!
//! A reader that is told what it is to find, strict and linear; it allocates what it returns and nothing else. A JSON crate
//! would cost a tenth of the library.

use std::fmt;
use std::str::Chars;

/// Why an answer was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadJson(pub(super) &'static str);

impl fmt::Display for BadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadJson {}

type Read<T> = Result<T, BadJson>;

const BROKEN: BadJson = BadJson("a string of the answer is broken");

/// A value that holds no others.
#[derive(Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Bool(bool),
    /// A whole number below 2⁶⁴.
    Whole(u64),
    /// Another number, or null: only skipped.
    Other,
}

/// What is left of a JSON text.
pub(super) struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8]) -> Read<Reader<'a>> {
        let rest = std::str::from_utf8(text).map_err(|_| BadJson("the answer is not UTF-8"))?;
        Ok(Reader { rest })
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Steps over `wanted` if it comes next.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        self.space();
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn expect(&mut self, wanted: char) -> Read<()> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(BadJson("the answer is not flat JSON of the expected shape"))
        }
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Read<()> {
        self.space();
        if self.rest.is_empty() { Ok(()) } else { Err(BadJson("something follows the JSON value")) }
    }

    /// The members of a flat object, each name once.
    pub(super) fn members(&mut self, most: usize) -> Read<Vec<(String, Value)>> {
        self.expect('{')?;
        let mut members: Vec<(String, Value)> = Vec::new();
        if self.take('}') {
            return Ok(members);
        }
        loop {
            let name = self.name()?;
            let value = self.value()?;
            if members.len() == most {
                return Err(BadJson("an object of the answer has too many members"));
            }
            if members.iter().any(|(other, _)| *other == name) {
                return Err(BadJson("the answer has a member twice"));
            }
            members.push((name, value));
            if self.take('}') {
                return Ok(members);
            }
            self.expect(',')?;
        }
    }

    /// A member's name with its colon.
    pub(super) fn name(&mut self) -> Read<String> {
        self.expect('"')?;
        let name = self.text()?;
        self.expect(':')?;
        Ok(name)
    }

    /// A list, each item read by `item`.
    pub(super) fn list(&mut self, mut item: impl FnMut(&mut Reader<'a>) -> Read<()>) -> Read<()> {
        self.expect('[')?;
        if self.take(']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.take(']') {
                return Ok(());
            }
            self.expect(',')?;
        }
    }

    /// A string; its opening quote has been taken.
    pub(super) fn text(&mut self) -> Read<String> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next().ok_or(BROKEN)? {
                '"' => break,
                '\\' => text.push(match chars.next().ok_or(BROKEN)? {
                    c @ ('"' | '\\' | '/') => c,
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'u' => match unit(&mut chars)? {
                        // Half of a character beyond U+FFFF; the other half has to follow (RFC 8259, section 7).
                        high @ 0xd800..0xdc00 => {
                            let low = match (chars.next(), chars.next()) {
                                (Some('\\'), Some('u')) => unit(&mut chars)?,
                                _ => return Err(BROKEN),
                            };
                            let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400).ok_or(BROKEN)?;
                            char::from_u32(0x10000 + ((high - 0xd800) << 10) + low).ok_or(BROKEN)?
                        }
                        code => char::from_u32(code).ok_or(BROKEN)?,
                    },
                    _ => return Err(BROKEN),
                }),
                c if c < ' ' => return Err(BROKEN),
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }

    pub(super) fn value(&mut self) -> Read<Value> {
        if self.take('"') {
            return self.text().map(Value::Text);
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        match word {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Other),
            _ if is_number(word.as_bytes()) => Ok(word.parse().map_or(Value::Other, Value::Whole)),
            _ => Err(BadJson("a value of the answer is neither a string nor a number, true, false or null")),
        }
    }
}

/// The four digits behind `\u`.
fn unit(chars: &mut Chars<'_>) -> Read<u32> {
    let mut code = 0;
    for _ in 0..4 {
        let digit = chars.next().and_then(|c| c.to_digit(16)).ok_or(BROKEN)?;
        code = code * 16 + digit;
    }
    Ok(code)
}

/// The number of RFC 8259, section 6.
fn is_number(word: &[u8]) -> bool {
    /// Splits off leading digits; at least one.
    fn digits(text: &[u8]) -> Option<&[u8]> {
        let n = text.iter().take_while(|b| b.is_ascii_digit()).count();
        text.get(n..).filter(|_| n > 0)
    }
    let bare = word.strip_prefix(b"-").unwrap_or(word);
    let Some(mut rest) = digits(bare) else { return false };
    if bare.first() == Some(&b'0') && rest.len() + 1 != bare.len() {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let Some(after) = digits(fraction) else { return false };
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let bare = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let Some(after) = digits(bare) else { return false };
        rest = after;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(json: &str) -> Read<Vec<String>> {
        let (mut at, mut found) = (Reader::new(json.as_bytes())?, Vec::new());
        at.list(|at| {
            at.expect('"')?;
            found.push(at.text()?);
            Ok(())
        })?;
        at.end()?;
        Ok(found)
    }

    #[test]
    fn halves_of_characters() {
        assert_eq!(texts(r#"["\ud83e\udd80x"]"#), Ok(vec!["\u{1f980}x".to_owned()]));
        for bad in [
            r#"["\ud83e"]"#,
            r#"["\ud83ex"]"#,
            r#"["\ud83e\n"]"#,
            r#"["\udd80"]"#,
            r#"["\ud83e\ud83e"]"#,
            r#"["\u12"]"#,
        ] {
            assert_eq!(texts(bad), Err(BROKEN), "{bad}");
        }
    }

    proptest! {
        /// A reader that knows all of JSON takes what this one takes, and sees the same in it; and this one reads all
        /// lists of texts that a full writer writes.
        #[test]
        fn agrees_with_a_full_reader(text in r#"\[( ?"([a-z\\u0-9dD]|\\u[dD][89a-fA-F][0-9]{2}){0,8}" ?,?){0,3}\]"#, list: Vec<String>) {
            if let Ok(found) = texts(&text) {
                prop_assert_eq!(serde_json::from_str::<Vec<String>>(&text).unwrap(), found);
            } else {
                prop_assert!(serde_json::from_str::<Vec<String>>(&text).is_err(), "{}", text);
            }
            let written = serde_json::to_string(&list).unwrap();
            prop_assert_eq!(texts(&written), Ok(list));
        }
    }
}
