//! What servers answer to "is my port open?" and "what is my address?", read strictly.
//!
//! Two forms exist (`docs/reach.md`): ours in JSON, and the texts of PyP2P's script. Anything else is refused with
//! what was expected; a server is never given the benefit of the doubt. Answers are flat JSON objects with a handful
//! of members, so a small reader does instead of a JSON crate.

use std::fmt;
use std::net::IpAddr;

use super::json::{BadJson, Reader, Value};

/// The longest answer that is looked at, in bytes.
pub const MAX_ANSWER: usize = 4096;
/// The most members an object may have.
pub const MAX_MEMBERS: usize = 16;

/// How a port met the server's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// The connection came about.
    Open,
    /// It was refused by a RST.
    Refused,
    /// Nothing came back.
    Silent,
    /// Something on the way said that there is no way (ICMP).
    Unreachable,
    /// It did not come about; the server does not say how (PyP2P's script, older servers).
    Unknown,
    /// A server says it came about, but it did not arrive here: the server lies, or reached another machine.
    Unconfirmed,
}

impl Answer {
    /// The word for it, as in our servers' answers.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Open => "open",
            Answer::Refused => "refused",
            Answer::Silent => "silent",
            Answer::Unreachable => "unreachable",
            Answer::Unknown => "unknown",
            Answer::Unconfirmed => "unconfirmed",
        }
    }
}

/// Why an answer was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAnswer(&'static str);

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadAnswer {}

type Read<T> = Result<T, BadAnswer>;

/// Reads the answer to a port check: `{"reachable": true, "answer": "open"}`, where `answer` may be missing, or PyP2P's
/// `{"result": "yes"}`. Other members are skipped. [`Answer::Unconfirmed`] is never returned.
///
/// # Errors
/// Anything else, and an answer that contradicts itself.
pub fn port_check(body: &[u8]) -> Read<Answer> {
    const EXPECTED: BadAnswer =
        BadAnswer("expected {\"reachable\": true|false} or {\"result\": \"yes\"|\"no\"}");
    let mut open = None;
    let mut how = None;
    // PyP2P takes any text with "yes" in it for a yes; such a text is as likely an error page.
    for (name, value) in object(body)? {
        let said = match (name.as_str(), &value) {
            ("reachable", Value::Bool(yes)) => *yes,
            ("result", Value::Text(word)) if word == "yes" => true,
            ("result", Value::Text(word)) if word == "no" => false,
            ("reachable" | "result", _) => return Err(EXPECTED),
            ("answer", Value::Text(word)) => {
                // A word of a later server is no reason to doubt its yes or no.
                let known = [Answer::Open, Answer::Refused, Answer::Silent, Answer::Unreachable];
                how = known.into_iter().find(|a| a.word() == word);
                continue;
            }
            _ => continue,
        };
        if open.replace(said).is_some_and(|before| before != said) {
            return Err(BadAnswer("the answer says both yes and no"));
        }
    }
    match (open, how) {
        (None, _) => Err(EXPECTED),
        (Some(true), Some(Answer::Open) | None) => Ok(Answer::Open),
        (Some(true), Some(_)) | (Some(false), Some(Answer::Open)) => {
            Err(BadAnswer("the answer says both yes and no"))
        }
        (Some(false), how) => Ok(how.unwrap_or(Answer::Unknown)),
    }
}

/// Reads the answer to "what is my address?": `{"ip": "192.0.2.1"}`, or the address alone (PyP2P's script).
///
/// # Errors
/// Anything else, and addresses that no host on a network has.
pub fn wan_ip(body: &[u8]) -> Read<IpAddr> {
    const EXPECTED: BadAnswer = BadAnswer("expected {\"ip\": \"192.0.2.1\"} or an address alone");
    let bare = body.trim_ascii();
    let ip: IpAddr = if bare.first() == Some(&b'{') {
        let members = object(body)?;
        let ip = members.into_iter().find_map(|(name, value)| match value {
            Value::Text(text) if name == "ip" => Some(text),
            _ => None,
        });
        ip.and_then(|text| text.parse().ok()).ok_or(EXPECTED)?
    } else {
        let text = std::str::from_utf8(bare).map_err(|_| EXPECTED)?;
        text.parse().map_err(|_| EXPECTED)?
    };
    let ip = ip.to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || is_broadcast {
        return Err(BadAnswer("the address is not one that a host can have"));
    }
    Ok(ip)
}

/// The members of a flat JSON object, each name once.
fn object(body: &[u8]) -> Read<Vec<(String, Value)>> {
    if body.len() > MAX_ANSWER {
        return Err(BadAnswer("the answer is too long"));
    }
    let mut at = Reader::new(body)?;
    let members = at.members(MAX_MEMBERS)?;
    at.end()?;
    Ok(members)
}

impl From<BadJson> for BadAnswer {
    fn from(bad: BadJson) -> BadAnswer {
        BadAnswer(bad.0)
    }
}

#[cfg(test)]
mod tests;
