//! JSON, written by hand: the library tells a few stories in it and reads none.

use std::fmt::Write;

/// A JSON object being written.
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Object {
        Object("{".into())
    }

    pub(crate) fn raw(&mut self, key: &str, value: &str) {
        let comma = if self.0.len() > 1 { "," } else { "" };
        let _ = write!(self.0, "{comma}\"{key}\":{value}");
    }

    pub(crate) fn text(&mut self, key: &str, value: &str) {
        let mut quoted = String::with_capacity(value.len() + 2);
        quoted.push('"');
        for c in value.chars() {
            match c {
                '"' | '\\' => {
                    quoted.push('\\');
                    quoted.push(c);
                }
                // All control characters, not only those that JSON wants escaped: the text may go to a terminal, and a
                // server or a router may have chosen it.
                c if c.is_control() => {
                    let _ = write!(quoted, "\\u{:04x}", c as u32);
                }
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        self.raw(key, &quoted);
    }

    pub(crate) fn number(&mut self, key: &str, value: i64) {
        self.raw(key, &value.to_string());
    }

    pub(crate) fn bool(&mut self, key: &str, value: Option<bool>) {
        self.raw(key, value.map_or("null", |v| if v { "true" } else { "false" }));
    }

    pub(crate) fn address(&mut self, key: &str, value: Option<std::net::IpAddr>) {
        match value {
            Some(ip) => self.text(key, &ip.to_string()),
            None => self.raw(key, "null"),
        }
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Some objects, as an array.
pub(crate) fn array(objects: impl Iterator<Item = String>) -> String {
    let objects: Vec<String> = objects.collect();
    format!("[{}]", objects.join(","))
}
