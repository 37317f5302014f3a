//! What a server says to a node for signalling.

use super::{Nonce, Refused, bytes, message_len, node, token, whole};
use crate::proto::base64url;
use crate::proto::identity::PublicKey;
use std::fmt;

/// One signalling line from the server to a node. [`Display`](fmt::Display) writes it without CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalReply {
    /// `NONCE nonce mark=...`: sign this.
    Nonce {
        /// What to sign.
        nonce: Box<Nonce>,
        /// [`super::mark_of`] the name that follows in ENTERED; empty if it was not told.
        mark: String,
    },
    /// `ENTERED field...`: you can be reached on this connection.
    Entered(Terms),
    /// `TOLD tag`: the message is on its way to its receiver, who is here. HEARD or UNHEARD follows.
    Told {
        /// Of the TELL.
        tag: u64,
    },
    /// `ABSENT tag`: no such node is here; the message is dropped.
    Absent {
        /// Of the TELL.
        tag: u64,
    },
    /// `HEARD tag`: the receiver says it has the message.
    Heard {
        /// Of the TELL.
        tag: u64,
    },
    /// `UNHEARD tag`: the receiver left without saying so; it may have it or not.
    Unheard {
        /// Of the TELL.
        tag: u64,
    },
    /// `MESSAGE n id message`: for you.
    Message {
        /// Counts the messages of this connection from 1, for HEARD.
        number: u64,
        /// Who sent it. The server has seen the proof.
        from: PublicKey,
        /// In base64url.
        message: String,
    },
    /// `ECHO token`
    Echo {
        /// What was to be said back.
        token: String,
    },
    /// `REPLACED`: the same node has entered by another connection. This one ends.
    Replaced,
    /// `LEFT`: the answer to LEAVE.
    Left,
    /// `REFUSED reason ...`
    Refused(Refused),
}

/// What a node has to keep to on this server, told with ENTERED. Of a field that is missing the default counts; of a name
/// that this version does not know none is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// `server=`: a name that this server has for this node alone, until it is started anew. Two connections with the same
    /// one lead to the same server. Empty if it has none.
    pub server: String,
    /// `idle=`: seconds after which a silent connection is closed.
    pub idle: u32,
    /// `size=`: most bytes of a message.
    pub size: u32,
    /// `relay=`: this server relays, and a connection that has said RELAY waits so many seconds for the other one. 0: it does
    /// not relay.
    pub relay: u32,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms { server: String::new(), idle: 60, size: 2048, relay: 0 }
    }
}

impl Terms {
    fn parse(rest: &str) -> Terms {
        let mut terms = Terms::default();
        let number = |value: &str| super::super::number(value).filter(|&n| n > 0);
        for (name, value) in rest.split(' ').filter_map(|field| field.split_once('=')) {
            match name {
                "server" => terms.server = token(value).unwrap_or_default().to_owned(),
                "idle" => terms.idle = number(value).unwrap_or(terms.idle),
                "relay" => terms.relay = number(value).unwrap_or(0),
                "size" => terms.size = number(value).unwrap_or(terms.size),
                _ => {}
            }
        }
        terms
    }
}

impl SignalReply {
    /// Reads one line (without CRLF). `None`: not a reply of signalling that this version knows.
    pub fn parse(line: &str) -> Option<SignalReply> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "NONCE" => {
                let mut fields = rest.split(' ');
                let nonce = Box::new(bytes(fields.next()?)?);
                let mark = fields.find_map(|field| token(field.strip_prefix("mark=")?));
                Some(SignalReply::Nonce { nonce, mark: mark.unwrap_or_default().to_owned() })
            }
            "ENTERED" => Some(SignalReply::Entered(Terms::parse(rest))),
            "TOLD" => whole(rest).map(|tag| SignalReply::Told { tag }),
            "ABSENT" => whole(rest).map(|tag| SignalReply::Absent { tag }),
            "HEARD" => whole(rest).map(|tag| SignalReply::Heard { tag }),
            "UNHEARD" => whole(rest).map(|tag| SignalReply::Unheard { tag }),
            "MESSAGE" => {
                let mut fields = rest.split(' ');
                let (number, from) = (whole(fields.next()?)?, node(fields.next()?)?);
                let message = fields.next().filter(|text| message_len(text).is_some_and(|len| len > 0))?;
                Some(SignalReply::Message { number, from, message: message.to_owned() })
            }
            "ECHO" => token(rest).map(|token| SignalReply::Echo { token: token.to_owned() }),
            "REPLACED" => Some(SignalReply::Replaced),
            "LEFT" => Some(SignalReply::Left),
            "REFUSED" => Refused::parse(rest).map(SignalReply::Refused),
            _ => None,
        }
    }

    /// The verb, for logs and counters.
    pub fn verb(&self) -> &'static str {
        match self {
            SignalReply::Nonce { .. } => "NONCE",
            SignalReply::Entered(_) => "ENTERED",
            SignalReply::Told { .. } => "TOLD",
            SignalReply::Absent { .. } => "ABSENT",
            SignalReply::Heard { .. } => "HEARD",
            SignalReply::Unheard { .. } => "UNHEARD",
            SignalReply::Message { .. } => "MESSAGE",
            SignalReply::Echo { .. } => "ECHO",
            SignalReply::Replaced => "REPLACED",
            SignalReply::Left => "LEFT",
            SignalReply::Refused(_) => "REFUSED",
        }
    }
}

impl fmt::Display for SignalReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if let SignalReply::Refused(_) = self { "" } else { self.verb() })?;
        match self {
            SignalReply::Nonce { nonce, mark } => {
                write!(f, " {}", base64url::encode(&nonce[..]))?;
                if mark.is_empty() { Ok(()) } else { write!(f, " mark={mark}") }
            }
            SignalReply::Entered(terms) => {
                if !terms.server.is_empty() {
                    write!(f, " server={}", terms.server)?;
                }
                write!(f, " idle={} size={}", terms.idle, terms.size)?;
                if terms.relay == 0 { Ok(()) } else { write!(f, " relay={}", terms.relay) }
            }
            SignalReply::Told { tag }
            | SignalReply::Absent { tag }
            | SignalReply::Heard { tag }
            | SignalReply::Unheard { tag } => write!(f, " {tag}"),
            SignalReply::Message { number, from, message } => write!(f, " {number} {from} {message}"),
            SignalReply::Echo { token } => write!(f, " {token}"),
            SignalReply::Replaced | SignalReply::Left => Ok(()),
            SignalReply::Refused(refused) => refused.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::*;
    use crate::proto::rdv_msg::Reply;
    use proptest::prelude::*;

    const ID: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    #[test]
    fn lines_as_they_are_written() {
        for line in [
            format!("NONCE {ID}"),
            format!("NONCE {ID} mark=a-b_c"),
            "ENTERED server=x idle=60 size=2048".to_owned(),
            "ENTERED idle=1 size=1".to_owned(),
            "TOLD 1".to_owned(),
            "ABSENT 2".to_owned(),
            "HEARD 3".to_owned(),
            "UNHEARD 18446744073709551615".to_owned(),
            format!("MESSAGE 1 {ID} Zg"),
            "ECHO x".to_owned(),
            "REPLACED".to_owned(),
            "LEFT".to_owned(),
            "REFUSED RATE tag=7 expected at most 5 messages a second".to_owned(),
            "REFUSED ORDER expected ENTER first".to_owned(),
            "REFUSED PROOF".to_owned(),
        ] {
            assert_eq!(Reply::parse(&line).map(|r| r.to_string()).as_deref(), Some(&line[..]));
            assert!(matches!(Reply::parse(&line), Some(Reply::Signal(_))), "{line}");
        }
    }

    #[test]
    fn what_later_servers_may_say() {
        let terms = |line: &str| match SignalReply::parse(line) {
            Some(SignalReply::Entered(terms)) => terms,
            other => panic!("{other:?}"),
        };
        assert_eq!(terms("ENTERED"), Terms::default());
        assert_eq!(terms("ENTERED idle=0 colour=blue size=x server=a.b"), Terms::default());
        assert_eq!(
            terms("ENTERED size=5 idle=99999999999"),
            Terms { idle: u32::MAX, size: 5, ..Terms::default() }
        );
        let refused = |line: &str| match SignalReply::parse(line) {
            Some(SignalReply::Refused(refused)) => {
                (refused.reason, refused.tag, refused.expected.into_owned())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(refused("REFUSED MOON tag=1 wait"), (Reason::Other, Some(1), "wait".to_owned()));
        assert_eq!(refused("REFUSED SIZE tag=x a\u{7}b"), (Reason::Size, None, "tag=x ab".to_owned()));
        assert_eq!(refused(&format!("REFUSED SIZE {}", "x".repeat(9999))).2.len(), 300);
    }

    #[test]
    fn what_is_no_reply() {
        for line in [
            "NONCE",
            "NONCE x",
            "TOLD",
            "TOLD x",
            "TOLD 1 2",
            "MESSAGE 1",
            "ECHO",
            "ECHO a b",
            "REFUSED",
            "REFUSED rate",
            "HEARD",
            "told 1",
        ] {
            assert_eq!(Reply::parse(line), None, "{line:?}");
        }
        for rest in ["x Zg", &format!("{ID} "), &format!("{ID} Zh"), &format!("{} Zg", &ID[1..])] {
            assert_eq!(Reply::parse(&format!("MESSAGE 1 {rest}")), None, "{rest:?}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write_is_read_back(
            kind in 0..11,
            key in any::<[u8; 32]>(),
            tag in any::<u64>(),
            token in "[A-Za-z0-9_-]{1,64}",
            numbers in (1u32.., 1u32..),
            message in prop::collection::vec(any::<u8>(), 1..300),
            reason in 0..Reason::ALL.len(),
            has_tag in any::<bool>(),
            text in "(expected [a-z ,0-9]{0,40}[a-z]|)",
        ) {
            let reply = match kind {
                0 => SignalReply::Nonce { nonce: Box::new(key), mark: if has_tag { token } else { String::new() } },
                1 => SignalReply::Entered(Terms {
                    server: token,
                    idle: numbers.0,
                    size: numbers.1,
                    relay: numbers.0 ^ numbers.1,
                }),
                2 => SignalReply::Told { tag },
                3 => SignalReply::Absent { tag },
                4 => SignalReply::Heard { tag },
                5 => SignalReply::Unheard { tag },
                6 => SignalReply::Message { number: tag, from: PublicKey(key), message: base64url::encode(&message) },
                7 => SignalReply::Echo { token },
                8 => SignalReply::Replaced,
                9 => SignalReply::Left,
                _ => SignalReply::Refused(Refused {
                    reason: Reason::ALL[reason],
                    tag: has_tag.then_some(tag),
                    expected: text.into(),
                }),
            };
            let line = reply.to_string();
            prop_assert!(!line.contains(['\r', '\n']));
            prop_assert_eq!(Reply::parse(&line), Some(Reply::Signal(reply)));
        }

        #[test]
        fn near_misses_are_read_or_refused(
            line in "(NONCE|ENTERED|TOLD|MESSAGE|ECHO|REFUSED( RATE)?)( |)((AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE|[0-9]{1,21}|Zg|tag=|idle=|size=|server=|ä|\t)( |  |)){0,5}",
        ) {
            if let Some(reply) = Reply::parse(&line) {
                prop_assert_eq!(Reply::parse(&reply.to_string()), Some(reply));
            }
        }
    }
}
