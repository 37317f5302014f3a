//! What a node says to a server for signalling.

use super::{Network, bytes, message_len, node, token, whole};
use crate::proto::base64url;
use crate::proto::identity::{PublicKey, Signature};
use std::fmt;
use std::net::SocketAddr;

/// One signalling line from a node to the server. [`Display`](fmt::Display) writes it without CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalRequest<'a> {
    /// `ENTER id network`: I am this node and want to be reached on this connection. Further fields are for later
    /// versions.
    Enter {
        /// Who.
        id: PublicKey,
        /// The network it belongs to.
        network: Network,
    },
    /// `PROVE address signature`: the answer to NONCE.
    Prove {
        /// The server's address as the node connected to it.
        server: SocketAddr,
        /// Of [`super::proof_text`].
        signature: Box<Signature>,
    },
    /// `TELL tag id message`: pass this on.
    Tell {
        /// The sender's number for it, which the answers carry.
        tag: u64,
        /// To whom.
        to: PublicKey,
        /// In base64url.
        message: &'a str,
    },
    /// `HEARD n`: all messages up to number n have arrived here.
    Heard {
        /// The number of the last one.
        upto: u64,
    },
    /// `ECHO token`: say it back.
    Echo {
        /// 1 to [`super::MAX_TOKEN`] letters, digits, `-` and `_`.
        token: &'a str,
    },
    /// `LEAVE`: I can no longer be reached on this connection.
    Leave,
}

/// The verbs of signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its verb")]
pub enum Verb {
    Enter,
    Prove,
    Tell,
    Heard,
    Echo,
    Leave,
}

impl Verb {
    /// The verb of a line, and what follows it and its space.
    fn of(line: &str) -> Option<(Verb, &str)> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verb = match word {
            "ENTER" => Verb::Enter,
            "PROVE" => Verb::Prove,
            "TELL" => Verb::Tell,
            "HEARD" => Verb::Heard,
            "ECHO" => Verb::Echo,
            "LEAVE" => Verb::Leave,
            _ => return None,
        };
        Some((verb, rest))
    }

    /// The verb as it is written.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Enter => "ENTER",
            Verb::Prove => "PROVE",
            Verb::Tell => "TELL",
            Verb::Heard => "HEARD",
            Verb::Echo => "ECHO",
            Verb::Leave => "LEAVE",
        }
    }

    /// What a line with this verb has to look like, for whoever wrote another one.
    pub fn expected(self) -> &'static str {
        match self {
            Verb::Enter => {
                "expected ENTER ID NETWORK, the id as 43 characters of base64url or 64 hexadecimal digits, the network as \
                 1 to 64 of A-Z, a-z, 0-9, - and _"
            }
            Verb::Prove => {
                "expected PROVE ADDRESS:PORT SIGNATURE, the address as you connected to it, the signature as 86 characters \
                 of base64url"
            }
            Verb::Tell => {
                "expected TELL TAG ID MESSAGE, the tag a number, the id as 43 characters of base64url or 64 hexadecimal \
                 digits, the message in base64url without padding and not empty"
            }
            Verb::Heard => "expected HEARD NUMBER",
            Verb::Echo => "expected ECHO TOKEN, 1 to 64 of A-Z, a-z, 0-9, - and _",
            Verb::Leave => "expected LEAVE",
        }
    }
}

/// A line with a verb of signalling that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misspelt {
    /// Which verb it begins with.
    pub verb: Verb,
    /// The tag, if it is a TELL and that much of it can be read.
    pub tag: Option<u64>,
}

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verb.word())?;
        match (self.verb, self.tag) {
            (Verb::Tell, Some(tag)) => write!(f, " {tag}"),
            // A LEAVE cannot be misspelt.
            _ => Ok(()),
        }
    }
}

impl<'a> SignalRequest<'a> {
    /// Reads one line (without CRLF). `None`: its verb is none of signalling.
    pub fn parse(line: &'a str) -> Option<Result<SignalRequest<'a>, Misspelt>> {
        let (verb, rest) = Verb::of(line)?;
        let mut fields = rest.split(' ');
        let request = match verb {
            Verb::Enter => enter(&mut fields),
            Verb::Prove => prove(&mut fields).filter(|_| fields.next().is_none()),
            Verb::Tell => tell(&mut fields).filter(|_| fields.next().is_none()),
            Verb::Heard => whole(rest).map(|upto| SignalRequest::Heard { upto }),
            Verb::Echo => token(rest).map(|token| SignalRequest::Echo { token }),
            Verb::Leave => Some(SignalRequest::Leave),
        };
        let tag = || rest.split(' ').next().and_then(whole).filter(|_| verb == Verb::Tell);
        Some(request.ok_or_else(|| Misspelt { verb, tag: tag() }))
    }

    /// The verb.
    pub fn verb(&self) -> Verb {
        match self {
            SignalRequest::Enter { .. } => Verb::Enter,
            SignalRequest::Prove { .. } => Verb::Prove,
            SignalRequest::Tell { .. } => Verb::Tell,
            SignalRequest::Heard { .. } => Verb::Heard,
            SignalRequest::Echo { .. } => Verb::Echo,
            SignalRequest::Leave => Verb::Leave,
        }
    }
}

fn enter<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<SignalRequest<'a>> {
    Some(SignalRequest::Enter { id: node(fields.next()?)?, network: fields.next()?.parse().ok()? })
}

fn prove<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<SignalRequest<'a>> {
    let server: SocketAddr = fields.next()?.parse().ok()?;
    let server = SocketAddr::new(server.ip().to_canonical(), server.port());
    Some(SignalRequest::Prove { server, signature: Box::new(bytes(fields.next()?)?) })
}

fn tell<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<SignalRequest<'a>> {
    let (tag, to) = (whole(fields.next()?)?, node(fields.next()?)?);
    let message = fields.next().filter(|text| message_len(text).is_some_and(|len| len > 0))?;
    Some(SignalRequest::Tell { tag, to, message })
}

impl fmt::Display for SignalRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignalRequest::Enter { id, network } => write!(f, "ENTER {id} {network}"),
            SignalRequest::Prove { server, signature } => {
                write!(f, "PROVE {server} {}", base64url::encode(&signature[..]))
            }
            SignalRequest::Tell { tag, to, message } => write!(f, "TELL {tag} {to} {message}"),
            SignalRequest::Heard { upto } => write!(f, "HEARD {upto}"),
            SignalRequest::Echo { token } => write!(f, "ECHO {token}"),
            SignalRequest::Leave => f.write_str("LEAVE"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::rdv_msg::Request;
    use proptest::prelude::*;

    const ID: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

    fn written(line: &str) -> Option<String> {
        SignalRequest::parse(line)?.ok().map(|request| request.to_string())
    }

    #[test]
    fn lines_as_they_are_written() {
        let signature = "A".repeat(86);
        for line in [
            format!("ENTER {ID} default"),
            format!("PROVE 192.0.2.1:8000 {signature}"),
            format!("PROVE [2001:db8::1]:8000 {signature}"),
            format!("TELL 0 {ID} Zg"),
            format!("TELL 18446744073709551615 {ID} Zm9vYmFy"),
            "HEARD 7".to_owned(),
            "ECHO a-B_9".to_owned(),
            "LEAVE".to_owned(),
        ] {
            assert_eq!(written(&line).as_deref(), Some(&line[..]));
            assert!(matches!(Request::parse(&line), Some(Request::Signal(_))), "{line}");
        }
        assert_eq!(written("LEAVE now").as_deref(), Some("LEAVE"));
        assert_eq!(written(&format!("ENTER {ID} n later=1")), Some(format!("ENTER {ID} n")));
        assert_eq!(written(&format!("ENTER {} n", "01".repeat(32))), Some(format!("ENTER {ID} n")));
    }

    #[test]
    fn what_is_misspelt_and_what_is_none_of_ours() {
        let signature = "A".repeat(86);
        for (line, verb, tag) in [
            ("ENTER".to_owned(), Verb::Enter, None),
            (format!("ENTER {ID}"), Verb::Enter, None),
            (format!("ENTER {ID} a.b"), Verb::Enter, None),
            (format!("ENTER  {ID} a"), Verb::Enter, None),
            (format!("PROVE host:80 {signature}"), Verb::Prove, None),
            (format!("PROVE 192.0.2.1:80 {}", &signature[1..]), Verb::Prove, None),
            (format!("PROVE 192.0.2.1:80 {signature} "), Verb::Prove, None),
            (format!("TELL 5 {ID} "), Verb::Tell, Some(5)),
            (format!("TELL 5 {ID} Zh"), Verb::Tell, Some(5)),
            (format!("TELL 5 {ID} Zg=="), Verb::Tell, Some(5)),
            (format!("TELL 5 {ID} Zg Zg"), Verb::Tell, Some(5)),
            (format!("TELL 5 {} Zg", &ID[1..]), Verb::Tell, Some(5)),
            (format!("TELL x {ID} Zg"), Verb::Tell, None),
            (format!("TELL 18446744073709551616 {ID} Zg"), Verb::Tell, None),
            ("HEARD -1".to_owned(), Verb::Heard, None),
            ("HEARD 1 2".to_owned(), Verb::Heard, None),
            ("ECHO".to_owned(), Verb::Echo, None),
            ("ECHO a b".to_owned(), Verb::Echo, None),
        ] {
            assert_eq!(SignalRequest::parse(&line), Some(Err(Misspelt { verb, tag })), "{line}");
        }
        for line in ["", "enter a b", "ENTERED", "TELLING 1", " ECHO 1", "LEAVES", "MESSAGE 1 2 3"] {
            assert_eq!(SignalRequest::parse(line), None, "{line}");
            assert_eq!(Request::parse(line), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write_is_read_back(
            kind in 0..6,
            key in any::<[u8; 32]>(),
            signature in prop::collection::vec(any::<u8>(), 64),
            number in any::<u64>(),
            token in "[A-Za-z0-9_-]{1,64}",
            ip in any::<std::net::IpAddr>(),
            port in any::<u16>(),
            message in prop::collection::vec(any::<u8>(), 1..300),
        ) {
            let message = base64url::encode(&message);
            let id = PublicKey(key);
            let request = match kind {
                0 => SignalRequest::Enter { id, network: token.parse().unwrap() },
                1 => SignalRequest::Prove {
                    server: SocketAddr::new(ip.to_canonical(), port),
                    signature: Box::new(signature.try_into().unwrap()),
                },
                2 => SignalRequest::Tell { tag: number, to: id, message: &message },
                3 => SignalRequest::Heard { upto: number },
                4 => SignalRequest::Echo { token: &token },
                _ => SignalRequest::Leave,
            };
            let line = request.to_string();
            prop_assert!(!line.contains(['\r', '\n']));
            prop_assert_eq!(SignalRequest::parse(&line), Some(Ok(request)));
        }

        #[test]
        fn near_misses_are_read_or_refused(
            line in "(ENTER|PROVE|TELL|HEARD|ECHO|LEAVE)( |)((AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE|[0-9]{1,20}|Zg|Zh|=|ä|127[.]0[.]0[.]1:8|A{86})( |  |)){0,4}",
        ) {
            // Whether it was understood or not: what stands for it is read as the same.
            if let Some(read) = Request::parse(&line) {
                let written = read.to_string();
                prop_assert_eq!(Request::parse(&written), Some(read));
            }
        }
    }
}
