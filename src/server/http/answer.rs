//! What a call found out, and how it is said in PyP2P's words and in ours.

use super::{plain, typed};
use crate::server::mailbox::{Neighbour, Refused};
use crate::server::port_check::PortAnswer;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// Which of the two forms of a call is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// PyP2P's PHP scripts: always status 200, words in the text.
    Old,
    /// Ours: a status and JSON.
    Clean,
}

/// The result of a call.
#[derive(Debug)]
pub(super) enum Answer {
    Ip(IpAddr),
    /// How the port answered; `None` if it cannot be asked.
    Reachable(Option<PortAnswer>),
    Registered {
        known: bool,
    },
    Done,
    Mutex(bool),
    Neighbours(Vec<Neighbour>),
    Messages(Vec<(u64, Arc<str>)>),
    /// No such node, or not its password.
    WrongPassword,
    /// A parameter is missing or makes no sense.
    Bad(&'static str),
    /// A limit of the mailbox.
    Refused(Refused),
    /// A limit of the server.
    Busy(&'static str),
}

impl Answer {
    pub(super) fn render(self, style: Style) -> Response<Full<Bytes>> {
        match style {
            Style::Old => plain(StatusCode::OK, self.old()),
            Style::Clean => {
                let (status, value) = self.clean();
                typed(status, "application/json", format!("{value}\n"))
            }
        }
    }

    fn old(self) -> String {
        match self {
            Answer::Ip(ip) => ip.to_string(),
            Answer::Reachable(Some(PortAnswer::Open)) => "{\"result\": \"yes\"}".to_owned(),
            Answer::Reachable(_) => "{\"result\": \"no\"}".to_owned(),
            Answer::Registered { known: true } => "Already registered.success".to_owned(),
            Answer::Registered { known: false } | Answer::Done => "success".to_owned(),
            Answer::Mutex(has) => if has { "1" } else { "0" }.to_owned(),
            Answer::Neighbours(list) => Value::from_iter(list.iter().map(neighbour)).to_string(),
            Answer::Messages(list) => Value::from_iter(list.iter().map(|(_, text)| &**text)).to_string(),
            Answer::WrongPassword | Answer::Refused(_) | Answer::Busy(_) => "failure".to_owned(),
            Answer::Bad(_) => String::new(),
        }
    }

    fn clean(self) -> (StatusCode, Value) {
        let good = |value| (StatusCode::OK, value);
        let error = |status, why: &str| (status, json!({ "error": why }));
        match self {
            Answer::Ip(ip) => good(json!({ "ip": ip.to_string() })),
            Answer::Reachable(Some(answer)) => {
                good(json!({ "reachable": answer == PortAnswer::Open, "answer": answer.word() }))
            }
            Answer::Reachable(None) => good(json!({ "reachable": false })),
            Answer::Registered { known } => good(json!({ "registered": true, "known": known })),
            Answer::Done => good(json!({ "done": true })),
            Answer::Mutex(has) => good(json!({ "mutex": has })),
            Answer::Neighbours(list) => {
                good(json!({ "neighbours": Value::from_iter(list.iter().map(neighbour)) }))
            }
            Answer::Messages(list) => {
                let list = list.iter().map(|(id, text)| json!({ "id": id, "msg": **text }));
                good(json!({ "messages": Value::from_iter(list) }))
            }
            Answer::WrongPassword => error(StatusCode::FORBIDDEN, "unknown node or wrong password"),
            Answer::Bad(why) => error(StatusCode::BAD_REQUEST, why),
            Answer::Refused(Refused::Quota(why)) => error(StatusCode::TOO_MANY_REQUESTS, why),
            Answer::Refused(Refused::Full(why)) | Answer::Busy(why) => {
                error(StatusCode::SERVICE_UNAVAILABLE, why)
            }
        }
    }
}

fn neighbour(n: &Neighbour) -> Value {
    json!({ "ip": n.ip.to_string(), "port": n.port, "id": n.id, "can_test": u8::from(n.can_test) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_words() {
        let neighbour =
            Neighbour { id: "ab".to_owned(), ip: "1.2.3.4".parse().unwrap(), port: 5, can_test: true };
        for (answer, text) in [
            (Answer::Ip("1.2.3.4".parse().unwrap()), "1.2.3.4"),
            (Answer::Reachable(Some(PortAnswer::Open)), "{\"result\": \"yes\"}"),
            (Answer::Reachable(Some(PortAnswer::Silent)), "{\"result\": \"no\"}"),
            (Answer::Reachable(None), "{\"result\": \"no\"}"),
            (Answer::Registered { known: false }, "success"),
            (Answer::Registered { known: true }, "Already registered.success"),
            (Answer::Mutex(true), "1"),
            (Answer::Messages(vec![(7, "a\"".into()), (8, "b".into())]), "[\"a\\\"\",\"b\"]"),
            (Answer::Messages(vec![]), "[]"),
            (
                Answer::Neighbours(vec![neighbour]),
                "[{\"can_test\":1,\"id\":\"ab\",\"ip\":\"1.2.3.4\",\"port\":5}]",
            ),
            (Answer::WrongPassword, "failure"),
            (Answer::Bad("x"), ""),
        ] {
            assert_eq!(answer.old(), text);
        }
    }
}
