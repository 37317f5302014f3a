//! The relay's lines: two nodes that cannot reach each other connect to the server and name the same token; from `RELAY GO`
//! on the server passes bytes both ways and looks at none of them. The rules are in `docs/protocol-rendezvous.md`,
//! section 9.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::number;
use super::signal::plain_text;
use crate::proto::hex;

/// Names a meeting at a relay. Whoever knows it can take part, so it is drawn at random and told the peer in private.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayToken(pub [u8; 16]);

/// Not in logs: whoever reads one could take part.
impl fmt::Debug for RelayToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayToken(..)")
    }
}

impl fmt::Display for RelayToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is no [`RelayToken`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAToken;

impl fmt::Display for NotAToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected RELAY TOKEN, the token as 32 hexadecimal digits, not all of them 0")
    }
}

impl std::error::Error for NotAToken {}

impl FromStr for RelayToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<RelayToken, NotAToken> {
        let mut bytes = [0; 16];
        if hex::read(text, &mut bytes) && bytes != [0; 16] { Ok(RelayToken(bytes)) } else { Err(NotAToken) }
    }
}

/// Shows a node that volunteers to relay that who asks it is of its network ([`crate::proto::relay::Membership`]).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RelayProof(pub [u8; 16]);

impl fmt::Debug for RelayProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayProof(..)")
    }
}

impl fmt::Display for RelayProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads what follows `RELAY `: the token, and the proof if there is one. For who reads nothing else; a server reads
/// [`Request`](super::Request)s.
pub fn parse_relay(rest: &str) -> (Option<RelayToken>, Option<RelayProof>) {
    let (token, more) = match rest.split_once(' ') {
        // Words behind the proof are a later version's.
        Some((token, more)) => (token, Some(more.split(' ').next().unwrap_or_default())),
        None => (rest, None),
    };
    let mut proof = [0; 16];
    let read = more.is_some_and(|text| hex::read(text, &mut proof));
    let token = token.parse().ok().filter(|_| more.is_none_or(|text| !text.is_empty()));
    (token, Some(RelayProof(proof)).filter(|_| read && token.is_some()))
}

/// What counts in a relayed connection, told with GO. A field that is missing has no limit, or none that is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayTerms {
    /// `idle=`: seconds after which a connection that nothing passes through is cut.
    pub idle: Option<u32>,
    /// `rate=`: bytes per second, both ways together, in the long run.
    pub rate: Option<u32>,
    /// `bytes=`: after so many, both ways together, it is cut.
    pub bytes: Option<u64>,
}

/// One line of a relay to one of the two. [`Display`](fmt::Display) writes it without CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayReply {
    /// `RELAY WAIT`: the other one is not here yet.
    Wait,
    /// `RELAY GO field...`: what follows is the other one's.
    Go(RelayTerms),
    /// `RELAY REFUSED reason text`
    Refused {
        /// Why.
        reason: RelayReason,
        /// What was expected instead, for people.
        expected: Cow<'static, str>,
    },
}

/// Why a connection is not relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RelayReason {
    /// The line cannot be read.
    Line,
    /// Something was asked on this connection before.
    Order,
    /// This server does not relay.
    Off,
    /// As many wait, or are relayed, as may be.
    Full,
    /// As many wait, or are relayed, from this address as may be.
    Address,
    /// Two have met by this token already.
    Token,
    /// The other one has not come in time.
    Time,
    /// The address asks too often.
    Rate,
    /// This relay is a node's, for its network, and nothing shows that who asks is of that.
    Member,
    /// One that this version does not know.
    Other,
}

impl RelayReason {
    /// All, in the order of the enumeration.
    pub const ALL: [RelayReason; 10] = [
        RelayReason::Line,
        RelayReason::Order,
        RelayReason::Off,
        RelayReason::Full,
        RelayReason::Address,
        RelayReason::Token,
        RelayReason::Time,
        RelayReason::Rate,
        RelayReason::Member,
        RelayReason::Other,
    ];

    /// The word on the line.
    pub fn word(self) -> &'static str {
        match self {
            RelayReason::Line => "LINE",
            RelayReason::Order => "ORDER",
            RelayReason::Off => "OFF",
            RelayReason::Full => "FULL",
            RelayReason::Address => "ADDRESS",
            RelayReason::Token => "TOKEN",
            RelayReason::Time => "TIME",
            RelayReason::Rate => "RATE",
            RelayReason::Member => "MEMBER",
            RelayReason::Other => "OTHER",
        }
    }

    /// Its place in [`RelayReason::ALL`].
    pub fn index(self) -> usize {
        RelayReason::ALL.iter().position(|reason| *reason == self).unwrap_or(0)
    }
}

impl fmt::Display for RelayReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl RelayTerms {
    fn parse(rest: &str) -> RelayTerms {
        let mut terms = RelayTerms::default();
        for (name, value) in rest.split(' ').filter_map(|field| field.split_once('=')) {
            match name {
                "idle" => terms.idle = number(value),
                "rate" => terms.rate = number(value),
                "bytes" => terms.bytes = value.parse().ok().filter(|_| super::is_digits(value)),
                _ => {}
            }
        }
        terms
    }
}

impl RelayReply {
    /// Reads what follows `RELAY `. `None`: not a line that this version knows.
    pub(super) fn parse(rest: &str) -> Option<RelayReply> {
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "WAIT" => Some(RelayReply::Wait),
            "GO" => Some(RelayReply::Go(RelayTerms::parse(rest))),
            "REFUSED" => {
                let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase());
                let reason = RelayReason::ALL.into_iter().find(|reason| reason.word() == word);
                plain.then(|| RelayReply::Refused {
                    reason: reason.unwrap_or(RelayReason::Other),
                    expected: Cow::Owned(plain_text(text)),
                })
            }
            _ => None,
        }
    }
}

impl fmt::Display for RelayReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RelayReply::Wait => f.write_str("RELAY WAIT"),
            RelayReply::Go(terms) => {
                f.write_str("RELAY GO")?;
                terms.idle.map_or(Ok(()), |n| write!(f, " idle={n}"))?;
                terms.rate.map_or(Ok(()), |n| write!(f, " rate={n}"))?;
                terms.bytes.map_or(Ok(()), |n| write!(f, " bytes={n}"))
            }
            RelayReply::Refused { reason, expected } => {
                write!(f, "RELAY REFUSED {reason}")?;
                if expected.is_empty() { Ok(()) } else { write!(f, " {expected}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Reply, Request};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests() {
        let token = "00112233445566778899aabbccddeeff";
        let line = format!("RELAY {token}");
        assert_eq!(Request::parse(&line).map(|r| r.to_string()).as_deref(), Some(&line[..]));
        assert_eq!(Request::parse(&line.to_uppercase()), Request::parse(&line), "either case");
        for bad in [
            "",
            " ",
            &token[1..],
            &format!("{token}0"),
            &format!("{token} "),
            &format!(" {token}"),
            &"0".repeat(32),
            &"g".repeat(32),
            &"ä".repeat(16),
            &"+1".repeat(16),
        ] {
            assert_eq!(
                Request::parse(&format!("RELAY {bad}")),
                Some(Request::Relay { token: None, proof: None }),
                "{bad:?}"
            );
        }
        assert_eq!(Request::parse("RELAY"), Some(Request::Relay { token: None, proof: None }));
        let proved = format!("{line} 0123456789abcdef0123456789abcdef");
        assert_eq!(Request::parse(&proved).map(|r| r.to_string()).as_deref(), Some(&proved[..]));
        assert_eq!(Request::parse(&format!("{proved} more to come")), Request::parse(&proved));
        // What cannot be read is no proof, and a server that needs none does not mind.
        for other in ["x", "0123456789abcdef", "0123456789abcdef0123456789abcdeg"] {
            assert_eq!(Request::parse(&format!("{line} {other}")), Request::parse(&line));
        }
        for line in ["RELAYS", "relay x", " RELAY x", "R"] {
            assert_eq!(Request::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn replies() {
        for line in [
            "RELAY WAIT",
            "RELAY GO",
            "RELAY GO idle=600 rate=1048576 bytes=17179869184",
            "RELAY REFUSED FULL expected fewer",
            "RELAY REFUSED TIME",
        ] {
            assert_eq!(Reply::parse(line).map(|r| r.to_string()).as_deref(), Some(line));
        }
        let known = |line: &str| Reply::parse(line).map(|r| r.to_string());
        assert_eq!(known("RELAY GO later=1 idle=x").as_deref(), Some("RELAY GO"));
        assert_eq!(known("RELAY WAIT later=1").as_deref(), Some("RELAY WAIT"));
        assert_eq!(known("RELAY REFUSED LATER a\x07b").as_deref(), Some("RELAY REFUSED OTHER ab"));
        for line in ["RELAY", "RELAY ", "RELAY go", "RELAY REFUSED", "RELAY REFUSED why", "RELAY 00"] {
            assert_eq!(Reply::parse(line), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write_is_read_back(
            token in any::<[u8; 16]>(),
            proof in any::<Option<[u8; 16]>>(),
            kind in 0..3,
            terms in (any::<Option<u32>>(), any::<Option<u32>>(), any::<Option<u64>>()),
            reason in prop::sample::select(RelayReason::ALL.to_vec()),
            text in "([!-~]{1,5}( [!-~]{1,5}){0,4})?",
        ) {
            prop_assume!(token != [0; 16]);
            let request = Request::Relay { token: Some(RelayToken(token)), proof: proof.map(RelayProof) };
            let line = request.to_string();
            prop_assert_eq!(Request::parse(&line), Some(request));
            let reply = Reply::Relay(match kind {
                0 => RelayReply::Wait,
                1 => RelayReply::Go(RelayTerms { idle: terms.0, rate: terms.1, bytes: terms.2 }),
                _ => RelayReply::Refused { reason, expected: text.into() },
            });
            prop_assert_eq!(Reply::parse(&reply.to_string()), Some(reply));
        }

        #[test]
        fn near_misses_are_read_or_refused(
            line in "RELAY( |)(WAIT|GO|REFUSED|[0-9a-f]{31,33}|)( |)([0-9a-f]{31,33}|)( |)((FULL|LINE|idle=|rate=|bytes=|[0-9]{1,21}|\u{7}|ä)( |)){0,4}",
        ) {
            if let Some(request) = Request::parse(&line) {
                let written = request.to_string();
                prop_assert_eq!(Request::parse(&written), Some(request));
            }
            if let Some(reply) = Reply::parse(&line) {
                prop_assert_eq!(Reply::parse(&reply.to_string()), Some(reply));
            }
        }
    }
}
