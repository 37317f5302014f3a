//! A node's part at a relay: what it says, and what it hears until it is connected.

use crate::proto::rdv_msg::{RelayProof, RelayReason, RelayReply, RelayTerms, RelayToken, Reply, Request};
use std::borrow::Cow;
use std::fmt;

/// Longest line that is waited for, in bytes with its end.
const MAX_LINE: usize = 1024;

/// What a node says first; the proof is for a relay that may be a node of the network.
pub fn request(token: RelayToken, proof: Option<RelayProof>) -> String {
    format!("{}\r\n", Request::Relay { token: Some(token), proof })
}

/// Why a relay does not connect us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwilling {
    /// It says so.
    Refused {
        /// Why.
        reason: RelayReason,
        /// Its words.
        expected: Cow<'static, str>,
    },
    /// It says something else.
    NoRelay,
}

impl fmt::Display for Unwilling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unwilling::Refused { reason: RelayReason::Time, .. } => {
                f.write_str("the peer did not come there in time")
            }
            Unwilling::Refused { expected, .. } if !expected.is_empty() => {
                write!(f, "it does not relay us: {expected}")
            }
            Unwilling::Refused { reason, .. } => write!(f, "it does not relay us ({reason})"),
            Unwilling::NoRelay => f.write_str("it does not answer as a relay does"),
        }
    }
}

impl std::error::Error for Unwilling {}

/// Reads what a relay says, up to GO and not a byte further: what follows is the peer's.
#[derive(Debug, Default)]
pub struct Client {
    line: Vec<u8>,
}

impl Client {
    /// Looks at what is there to be read. Tells how much of it to take from the connection, all or a beginning, and the terms
    /// if GO is the last of that.
    ///
    /// # Errors
    /// Nothing will come of it.
    pub fn read(&mut self, there: &[u8]) -> Result<(usize, Option<RelayTerms>), Unwilling> {
        for (at, byte) in there.iter().enumerate() {
            self.line.push(*byte);
            if self.line.ends_with(b"\r\n") {
                if let Some(terms) = self.heard()? {
                    return Ok((at + 1, Some(terms)));
                }
            } else if self.line.len() >= MAX_LINE {
                return Err(Unwilling::NoRelay);
            }
        }
        Ok((there.len(), None))
    }

    /// A line is complete.
    fn heard(&mut self) -> Result<Option<RelayTerms>, Unwilling> {
        let line = std::mem::take(&mut self.line);
        let text = std::str::from_utf8(&line).ok();
        match text.and_then(Reply::parse) {
            Some(Reply::Relay(RelayReply::Wait)) => Ok(None),
            Some(Reply::Relay(RelayReply::Go(terms))) => Ok(Some(terms)),
            Some(Reply::Relay(RelayReply::Refused { reason, expected })) => {
                Err(Unwilling::Refused { reason, expected })
            }
            _ => Err(Unwilling::NoRelay),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_follows_go_is_not_taken() {
        let said = b"RELAY WAIT\r\nRELAY GO idle=7\r\nRELAY GO\r\n";
        let terms = RelayTerms { idle: Some(7), ..RelayTerms::default() };
        assert_eq!(Client::default().read(said), Ok((29, Some(terms))));
        let (token, line) = (RelayToken([0xab; 16]), "ab".repeat(16));
        assert_eq!(request(token, None), format!("RELAY {line}\r\n"));
        let proof = Some(RelayProof([1; 16]));
        assert_eq!(request(token, proof), format!("RELAY {line} {}\r\n", "01".repeat(16)));
    }

    #[test]
    fn others_than_relays_and_unwilling_ones() {
        let why = |said: &[u8]| Client::default().read(said).unwrap_err();
        for said in
            [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"\r\n", b"\xff\r\n", b"REMOTE TCP 5\r\n", &[b'x'; 2000]]
        {
            assert_eq!(why(said), Unwilling::NoRelay);
        }
        let full = why(b"RELAY REFUSED FULL expected fewer\r\n");
        assert_eq!(full.to_string(), "it does not relay us: expected fewer");
        assert_eq!(why(b"RELAY REFUSED TIME x\r\n").to_string(), "the peer did not come there in time");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            said in prop::sample::select(vec![
                "RELAY GO\r\n", "RELAY WAIT\r\nRELAY GO\r\nmore", "RELAY WAIT\r\nRELAY REFUSED TIME\r\n", "RELAY WAIT\r\n", "x\r\n",
            ]),
            cuts in prop::collection::vec(1..9usize, 0..20),
        ) {
            let whole = Client::default().read(said.as_bytes());
            let mut client = Client::default();
            let (mut taken, mut last) = (0, Ok((0, None)));
            for cut in cuts.into_iter().chain([100]) {
                let there = &said.as_bytes()[taken..(taken + cut).min(said.len())];
                last = client.read(there);
                match &last {
                    Ok((n, None)) => taken += n,
                    Ok((n, Some(_))) => { taken += n; break }
                    Err(_) => break,
                }
            }
            match whole {
                Ok((n, terms)) => {
                    prop_assert_eq!(taken, n);
                    prop_assert_eq!(last.unwrap().1, terms);
                }
                Err(why) => prop_assert_eq!(last.unwrap_err(), why),
            }
        }

        #[test]
        fn any_bytes_end_or_are_taken(bytes: Vec<u8>) {
            if let Ok((taken, terms)) = Client::default().read(&bytes) {
                prop_assert!(taken <= bytes.len());
                prop_assert!(terms.is_some() || taken == bytes.len());
            }
        }
    }
}
