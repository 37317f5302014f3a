//! Text that is a Python literal, evaluated: the surprising half of reading a DHT message.
//!
//! The original hands every text it receives to Python's `ast.literal_eval` and keeps the text only if that
//! fails. Here everything is understood that Python's `repr` writes for `None`, truth values, numbers, text,
//! bytes, lists, tuples and dictionaries, with the blanks and the number and string forms a person would
//! type. What is rarer (sets, complex numbers, triple quotes, strings side by side, `r` and octal escapes,
//! comments, keys that are tuples, whole numbers over 127 bits, nesting deeper than [`MAX_DEPTH`]) stays
//! text. Never is a text taken for a literal that Python would not take, nor for another value; only, keys
//! that a dictionary repeats are kept as written (see [`Value::get`]).

use super::{MAX_DEPTH, Value};

/// What `text` denotes, if it is a literal. Linear time.
pub fn evaluate(text: &str) -> Option<Value> {
    // A line break before the first token would have to be judged by Python's indentation rules; blanks are
    // forgiven.
    let mut at = Cursor { rest: text.trim_start_matches([' ', '\t']).as_bytes() };
    let first = at.value(MAX_DEPTH)?;
    at.skip_blanks();
    let value = if at.rest.first() == Some(&b',') {
        // "1, 2" is a tuple without its brackets.
        let mut items = vec![first];
        while at.eat(b',') {
            at.skip_blanks();
            if at.rest.is_empty() || at.at_newline() {
                break;
            }
            items.push(at.value(MAX_DEPTH.checked_sub(1)?)?);
            at.skip_blanks();
        }
        Value::List(items)
    } else {
        first
    };
    at.skip_blanks();
    // Line breaks may follow; blanks behind them would be an indentation, which Python does not take
    // everywhere.
    at.rest.iter().all(|&c| c == b'\n' || c == b'\r').then_some(value)
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        match *self.rest.first()? {
            b'[' => self.items(depth, b']').map(|(items, _)| Value::List(items)),
            b'(' => {
                let (mut items, commas) = self.items(depth, b')')?;
                // Brackets around one value without a comma are only brackets.
                if items.len() == 1 && commas == 0 { items.pop() } else { Some(Value::List(items)) }
            }
            b'{' => self.map(depth),
            b'\'' | b'"' => self.string().and_then(|bytes| String::from_utf8(bytes).ok()).map(Value::Str),
            b'u' | b'U' if matches!(self.rest.get(1), Some(b'\'' | b'"')) => {
                self.advance(1);
                self.value(depth)
            }
            b'b' | b'B' if matches!(self.rest.get(1), Some(b'\'' | b'"')) => {
                self.advance(1);
                self.byte_string().map(Value::Bytes)
            }
            b'+' | b'-' | b'.' | b'0'..=b'9' => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Option<Value> {
        let [none, yes, no] =
            [(&b"None"[..], Value::Nil), (b"True", Value::Bool(true)), (b"False", Value::Bool(false))];
        let (word, value) = [none, yes, no].into_iter().find(|(word, _)| self.rest.starts_with(word))?;
        self.advance(word.len());
        self.ends_word().then_some(value)
    }

    /// The items between brackets, and how many commas were among them.
    fn items(&mut self, depth: usize, close: u8) -> Option<(Vec<Value>, usize)> {
        let depth = depth.checked_sub(1)?;
        self.advance(1);
        let (mut items, mut commas) = (Vec::new(), 0);
        loop {
            self.skip_space();
            if self.eat(close) {
                return Some((items, commas));
            }
            if items.len() > commas {
                return None; // the comma between two items is missing
            }
            items.push(self.value(depth)?);
            self.skip_space();
            commas += usize::from(self.eat(b','));
        }
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.advance(1);
        let mut pairs = Vec::new();
        let mut comma = true;
        loop {
            self.skip_space();
            if self.eat(b'}') {
                return Some(Value::Map(pairs));
            }
            if !comma {
                return None;
            }
            let key = self.value(depth)?;
            if matches!(key, Value::List(_) | Value::Map(_)) {
                return None; // a list is no key in Python either; a tuple would be one
            }
            self.skip_space();
            if !self.eat(b':') {
                return None;
            }
            self.skip_space();
            pairs.push((key, self.value(depth)?));
            self.skip_space();
            comma = self.eat(b',');
        }
    }

    /// A whole number or one with a fraction, with at most one sign.
    fn number(&mut self) -> Option<Value> {
        let negative = self.rest.first() == Some(&b'-');
        if negative || self.rest.first() == Some(&b'+') {
            self.advance(1);
            self.skip_blanks();
        }
        let radix = match (self.rest.first(), self.rest.get(1)) {
            (Some(b'0'), Some(b'x' | b'X')) => 16,
            (Some(b'0'), Some(b'o' | b'O')) => 8,
            (Some(b'0'), Some(b'b' | b'B')) => 2,
            _ => 10,
        };
        if radix != 10 {
            self.advance(2);
            self.eat(b'_'); // one is allowed behind the prefix
            let digits = self.digits(|c| char::from(c).is_digit(radix))?;
            return self.int(&digits, radix, negative);
        }
        let mut text = String::new();
        if self.rest.first() != Some(&b'.') {
            text = self.digits(|c| c.is_ascii_digit())?;
        }
        let whole = text.len();
        if self.eat(b'.') {
            text.push('.');
            if self.rest.first().is_some_and(u8::is_ascii_digit) {
                text += &self.digits(|c| c.is_ascii_digit())?;
            }
            if text.len() == 1 {
                return None; // a dot alone
            }
        }
        if !text.is_empty() && (self.eat(b'e') || self.eat(b'E')) {
            text.push('e');
            if self.eat(b'-') {
                text.push('-');
            } else {
                self.eat(b'+');
            }
            text += &self.digits(|c| c.is_ascii_digit())?;
        }
        if text.len() == whole {
            let leading_zero = text.starts_with('0') && text.bytes().any(|c| c != b'0');
            return if leading_zero { None } else { self.int(&text, 10, negative) };
        }
        let number: f64 = text.parse().ok()?;
        self.ends_word().then_some(Value::Float(if negative { -number } else { number }))
    }

    fn int(&self, digits: &str, radix: u32, negative: bool) -> Option<Value> {
        let number = i128::from_str_radix(digits, radix).ok()?;
        self.ends_word().then_some(Value::Int(if negative { -number } else { number }))
    }

    /// At least one digit; single underscores between digits are dropped.
    fn digits(&mut self, is_digit: impl Fn(u8) -> bool) -> Option<String> {
        let mut digits = String::new();
        loop {
            let c = *self.rest.first().filter(|&&c| is_digit(c))?;
            digits.push(c.into());
            self.advance(1);
            let digit_next = self.rest.first().is_some_and(|&c| is_digit(c));
            if !digit_next && !self.eat(b'_') {
                return Some(digits);
            }
        }
    }

    /// What stands between quotes, as UTF-8.
    fn string(&mut self) -> Option<Vec<u8>> {
        self.quoted(|at, escape, out| {
            let digits = match escape {
                b'x' => 2,
                b'u' => 4,
                b'U' => 8,
                _ => return None,
            };
            let c = char::from_u32(at.hex(digits)?)?; // not for a lone surrogate, which is no text
            out.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            Some(())
        })
    }

    /// What stands between quotes behind `b`.
    fn byte_string(&mut self) -> Option<Vec<u8>> {
        let before = self.rest;
        let bytes = self.quoted(|at, escape, out| {
            out.push(if escape == b'x' { at.hex(2)? as u8 } else { return None });
            Some(())
        })?;
        let source = before.get(..before.len() - self.rest.len())?;
        source.is_ascii().then_some(bytes)
    }

    fn quoted(&mut self, special: impl Fn(&mut Self, u8, &mut Vec<u8>) -> Option<()>) -> Option<Vec<u8>> {
        let quote = *self.rest.first()?;
        if self.rest.starts_with(&[quote; 3]) {
            return None; // triple quotes
        }
        self.advance(1);
        let mut out = Vec::new();
        loop {
            match self.next()? {
                c if c == quote => break,
                b'\\' => match self.next()? {
                    c @ (b'\\' | b'\'' | b'"') => out.push(c),
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    escape => special(self, escape, &mut out)?,
                },
                b'\n' | b'\r' | b'\0' => return None,
                c => out.push(c),
            }
        }
        Some(out)
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        (0..digits).try_fold(0u32, |n, _| Some(n.checked_mul(16)? + char::from(self.next()?).to_digit(16)?))
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn eat(&mut self, c: u8) -> bool {
        let found = self.rest.first() == Some(&c);
        if found {
            self.advance(1);
        }
        found
    }

    fn advance(&mut self, n: usize) {
        self.rest = self.rest.get(n..).unwrap_or_default();
    }

    /// Behind a number or a word, nothing may follow that would make it a longer one.
    fn ends_word(&self) -> bool {
        !self.rest.first().is_some_and(|&c| c.is_ascii_alphanumeric() || c == b'_' || c == b'.' || c >= 0x80)
    }

    fn at_newline(&self) -> bool {
        matches!(self.rest.first(), Some(b'\n' | b'\r'))
    }

    /// Blanks where a line break would end the expression.
    fn skip_blanks(&mut self) {
        while matches!(self.rest.first(), Some(b' ' | b'\t' | b'\x0c')) {
            self.advance(1);
        }
    }

    /// Blanks and line breaks, between brackets.
    fn skip_space(&mut self) {
        while matches!(self.rest.first(), Some(b' ' | b'\t' | b'\x0c' | b'\n' | b'\r')) {
            self.advance(1);
        }
    }
}

#[cfg(test)]
mod tests;
