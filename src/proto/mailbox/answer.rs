//! What a mailbox answers, read strictly and within limits.

use std::fmt;
use std::net::IpAddr;

use super::call::{Call, Style};
use crate::proto::dht_id::NodeId;
use crate::proto::json::{BadJson, Reader, Value};

/// The longest answer with messages, in bytes.
pub const MAX_LIST: usize = 2 << 20;
/// The longest other answer, in bytes.
pub const MAX_SHORT: usize = 16 << 10;
/// The most messages in one answer.
pub const MAX_MESSAGES: usize = 1024;
/// The most neighbours in one answer; servers name five.
pub const MAX_NEIGHBOURS: usize = 64;
/// The most members of an object.
const MAX_MEMBERS: usize = 16;
/// As much of a server's own words as is repeated.
const MAX_WORDS: usize = 100;

/// Another node, as a server tells. Nothing of it is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name.
    pub id: NodeId,
    /// Where it is said to be.
    pub ip: IpAddr,
    /// The port it is said to listen on.
    pub port: u16,
    /// We may test whether it can be reached: nobody else does at the moment.
    pub can_test: bool,
}

/// A message as the server holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Its number there, where letters have one.
    pub number: Option<u64>,
    /// What is to be unwrapped.
    pub digits: String,
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has done that.
    Done,
    /// Whether others may be tested.
    Mutex(bool),
    /// Who else is there.
    Neighbours(Vec<Neighbour>),
    /// What has come.
    Letters(Vec<Letter>),
    /// It does not know us, or not with this password.
    Stranger,
    /// Not now: too much at a time, too much in a mailbox.
    Busy(String),
    /// Never: what was asked is too large for it, or makes no sense to it.
    Never(String),
}

/// Why an answer was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAnswer(String);

impl fmt::Display for BadAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadAnswer {}

impl From<BadJson> for BadAnswer {
    fn from(bad: BadJson) -> BadAnswer {
        BadAnswer(bad.to_string())
    }
}

type Read<T> = Result<T, BadAnswer>;

fn bad<T>(what: impl Into<String>) -> Read<T> {
    Err(BadAnswer(what.into()))
}

/// As much of what a server said as can be shown to people.
fn words(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

/// The longest answer to `call`, in bytes.
pub fn longest(call: &Call) -> usize {
    if matches!(call, Call::List { .. }) { MAX_LIST } else { MAX_SHORT }
}

/// Reads an answer.
///
/// # Errors
/// It is none, with what was expected.
pub fn read(call: &Call, style: &Style, status: u16, body: &[u8]) -> Read<Said> {
    if body.len() > longest(call) {
        return bad(format!("the answer is longer than {} bytes", longest(call)));
    }
    match status {
        200 if *style == Style::Clean => clean(call, body),
        200 => script(call, body),
        403 if *style == Style::Clean => Ok(Said::Stranger),
        400 if *style == Style::Clean => Ok(Said::Never(told(body))),
        408 | 429 | 503 => Ok(Said::Busy(told(body))),
        413 | 414 | 431 => Ok(Said::Never(format!("too large for the server (status {status})"))),
        404 => bad("there is no mailbox at this address (status 404)"),
        _ => bad(format!("answered with status {status}; expected 200")),
    }
}

/// The reason in `{"error": "why"}`, or the whole as it is.
fn told(body: &[u8]) -> String {
    let members = Reader::new(body).and_then(|mut at| at.members(MAX_MEMBERS));
    let why = members.ok().and_then(|all| {
        all.into_iter().find_map(|(name, value)| match value {
            Value::Text(why) if name == "error" => Some(why),
            _ => None,
        })
    });
    match why {
        Some(why) => words(why.as_bytes()),
        None => words(body.trim_ascii()),
    }
}

fn script(call: &Call, body: &[u8]) -> Read<Said> {
    let text = body.trim_ascii();
    if text == b"failure" {
        // A server that is full has no other word for it.
        return Ok(match call {
            Call::Register => Said::Busy("failure".to_owned()),
            _ => Said::Stranger,
        });
    }
    let starts_list = text.first() == Some(&b'[');
    match call {
        Call::Register | Call::Alive | Call::Put { .. } => {
            let says = |word: &[u8]| text.windows(word.len()).any(|w| w == word);
            // "Already registered.success" is one; a page that tells of success and failure is none.
            if text.len() <= 256 && says(b"success") && !says(b"failure") {
                Ok(Said::Done)
            } else {
                bad(format!("answered \"{}\"; expected success or failure", words(text)))
            }
        }
        Call::Mutex if text == b"0" || text == b"1" => Ok(Said::Mutex(text == b"1")),
        Call::Mutex => bad(format!("answered \"{}\"; expected 0, 1 or failure", words(text))),
        Call::Neighbours if starts_list => {
            let mut at = Reader::new(text)?;
            let found = neighbours(&mut at)?;
            at.end()?;
            Ok(Said::Neighbours(found))
        }
        Call::List { .. } if starts_list => {
            let (letters, end) = texts(text);
            end?;
            Ok(Said::Letters(letters))
        }
        Call::Neighbours | Call::List { .. } => {
            bad(format!("answered \"{}\"; expected a JSON list or failure", words(text)))
        }
    }
}

/// The whole messages in an answer of a script that broke off: they may be lost otherwise, for the script has removed them.
pub fn rescue(body: &[u8]) -> Vec<Letter> {
    // A character may be cut in two.
    let whole = body.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    texts(whole.as_bytes()).0
}

/// A list of texts, as far as it goes, and what is wrong with the rest.
fn texts(text: &[u8]) -> (Vec<Letter>, Read<()>) {
    let mut letters = Vec::new();
    let mut collect = || {
        let mut at = Reader::new(text)?;
        at.list(|at| {
            at.expect('"')?;
            let digits = at.text()?;
            push(&mut letters, Letter { number: None, digits })
        })?;
        at.end()
    };
    let end = collect().map_err(BadAnswer::from);
    (letters, end)
}

fn push(letters: &mut Vec<Letter>, letter: Letter) -> Result<(), BadJson> {
    if letters.len() == MAX_MESSAGES {
        return Err(BadJson("the answer holds more than 1024 messages"));
    }
    letters.push(letter);
    Ok(())
}

fn neighbours(at: &mut Reader<'_>) -> Result<Vec<Neighbour>, BadJson> {
    let mut found = Vec::new();
    at.list(|at| {
        let members = at.members(MAX_MEMBERS)?;
        if found.len() == MAX_NEIGHBOURS {
            return Err(BadJson("the answer names more than 64 neighbours"));
        }
        // What does not make sense is left out: the others may.
        found.extend(neighbour(members));
        Ok(())
    })?;
    Ok(found)
}

fn neighbour(members: Vec<(String, Value)>) -> Option<Neighbour> {
    let (mut id, mut ip, mut port, mut can_test) = (None, None, None, false);
    for (name, value) in members {
        match (name.as_str(), value) {
            ("id", Value::Text(text)) => id = text.parse().ok(),
            ("ip", Value::Text(text)) => ip = text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical()),
            // PHP writes what comes from a database as text.
            ("port", Value::Text(text)) => port = text.parse().ok(),
            ("port", Value::Whole(number)) => port = u16::try_from(number).ok(),
            ("can_test", Value::Whole(number)) => can_test = number == 1,
            ("can_test", Value::Text(text)) => can_test = text == "1",
            _ => {}
        }
    }
    Some(Neighbour { id: id?, ip: ip?, port: port?, can_test })
}

fn clean(call: &Call, body: &[u8]) -> Read<Said> {
    let mut at = Reader::new(body)?;
    let said = match call {
        Call::Neighbours => member(&mut at, "neighbours", neighbours)?.map(Said::Neighbours),
        Call::List { .. } => member(&mut at, "messages", numbered)?.map(Said::Letters),
        _ => at.members(MAX_MEMBERS)?.into_iter().find_map(|(name, value)| {
            match (call, name.as_str(), value) {
                (Call::Register, "registered", Value::Bool(true)) => Some(Said::Done),
                (Call::Alive | Call::Put { .. }, "done", Value::Bool(true)) => Some(Said::Done),
                (Call::Mutex, "mutex", Value::Bool(has)) => Some(Said::Mutex(has)),
                _ => None,
            }
        }),
    };
    at.end()?;
    said.map_or_else(|| bad(format!("answered \"{}\", which is something else", words(body))), Ok)
}

/// The value of one member of an object, read by `read`; others may hold simple values.
fn member<T>(
    at: &mut Reader<'_>,
    wanted: &str,
    read: impl Fn(&mut Reader<'_>) -> Result<T, BadJson>,
) -> Result<Option<T>, BadJson> {
    let mut found = None;
    at.expect('{')?;
    if at.take('}') {
        return Ok(found);
    }
    loop {
        if at.name()? == wanted {
            if found.replace(read(at)?).is_some() {
                return Err(BadJson("the answer has a member twice"));
            }
        } else {
            at.value()?;
        }
        if at.take('}') {
            return Ok(found);
        }
        at.expect(',')?;
    }
}

fn numbered(at: &mut Reader<'_>) -> Result<Vec<Letter>, BadJson> {
    let mut letters = Vec::new();
    at.list(|at| {
        let (mut number, mut digits) = (None, None);
        for (name, value) in at.members(MAX_MEMBERS)? {
            match (name.as_str(), value) {
                ("id", Value::Whole(id)) => number = Some(id),
                ("msg", Value::Text(text)) => digits = Some(text),
                _ => {}
            }
        }
        let (Some(_), Some(digits)) = (number, digits) else {
            return Err(BadJson("a message of the answer has no id or no msg"));
        };
        push(&mut letters, Letter { number, digits })
    })?;
    Ok(letters)
}

#[cfg(test)]
mod tests;
