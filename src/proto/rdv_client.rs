//! One exchange of a node with one rendezvous server: what to send, what to wait for, what it means.
//!
//! PyP2P's client says `PASSIVE READY` or `CLEAR` and hangs up, without knowing whether the server read it. This one puts
//! a `SOURCE TCP` behind it: the server answers that in order, so its answer says that what went before has been done.
//! Every server of the family answers it, the original included.

use std::net::SocketAddr;

use super::rdv_msg::signal::Network;
use super::rdv_msg::{MAX_NODES, Reply, Request};

/// What a node wants of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The addresses of up to `want` passive nodes.
    Nodes {
        /// How many; servers answer 1 to 100.
        want: usize,
    },
    /// To be listed as passive.
    List {
        /// The port we listen on.
        port: u16,
        /// How many connections we take.
        max_inbound: usize,
    },
    /// To be taken off the list.
    Unlist,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The nodes the server named, perhaps none.
    Nodes(Vec<SocketAddr>),
    /// The server has done it.
    Done,
}

/// A running exchange. Send [`Exchange::opening`], then give it each line until it has its answer; then hang up.
#[derive(Clone, Debug)]
pub struct Exchange {
    ask: Ask,
    network: Option<Network>,
}

impl Exchange {
    /// An exchange for `ask`.
    pub fn new(ask: Ask) -> Exchange {
        Exchange { ask, network: None }
    }

    /// Among the nodes of that network: the secure dialect. PyP2P's server, which has one list for all, meets it with silence.
    pub fn among(self, network: Network) -> Exchange {
        Exchange { network: Some(network), ..self }
    }

    /// What to send, CRLF included. `local_port` is the port of this connection.
    pub fn opening(&self, local_port: u16) -> String {
        let source = Request::SourceTcp { local_port: Some(local_port) };
        let max = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let network = self.network.clone().map(|network| format!("{}\r\n", Request::Network { network }));
        let asked = match self.ask {
            Ask::Nodes { want } => format!("{}\r\n", Request::Bootstrap { n: max(want.clamp(1, MAX_NODES)) }),
            Ask::List { port, max_inbound } => {
                let ready = Request::PassiveReady { port: port.into(), max_inbound: max(max_inbound) };
                format!("{ready}\r\n{source}\r\n")
            }
            Ask::Unlist => format!("{}\r\n{source}\r\n", Request::Clear),
        };
        network.unwrap_or_default() + &asked
    }

    /// Takes a line of the server, without CRLF. `None`: not what we wait for, go on reading.
    pub fn input(&self, line: &str) -> Option<Answer> {
        match (self.ask, Reply::parse(line)?) {
            (Ask::Nodes { .. }, Reply::Nodes(nodes)) => Some(Answer::Nodes(nodes)),
            (Ask::Nodes { .. }, Reply::NodesEmpty) => Some(Answer::Nodes(Vec::new())),
            (Ask::List { .. } | Ask::Unlist, Reply::RemoteTcp(_)) => Some(Answer::Done),
            _ => None,
        }
    }

    /// What is wanted, in words, for logs and errors.
    pub fn wanted(&self) -> &'static str {
        match self.ask {
            Ask::Nodes { .. } => "asking for nodes",
            Ask::List { .. } => "asking to be listed",
            Ask::Unlist => "asking to be taken off the list",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_as_the_original_does() {
        assert_eq!(Exchange::new(Ask::Nodes { want: 20 }).opening(1), "BOOTSTRAP 20\r\n");
        assert_eq!(Exchange::new(Ask::Nodes { want: 0 }).opening(1), "BOOTSTRAP 1\r\n");
        assert_eq!(Exchange::new(Ask::Nodes { want: 999 }).opening(1), "BOOTSTRAP 100\r\n");
        let list = Exchange::new(Ask::List { port: 50500, max_inbound: 10 });
        assert_eq!(list.opening(7), "PASSIVE READY 50500 10\r\nSOURCE TCP 7\r\n");
        assert_eq!(Exchange::new(Ask::Unlist).opening(7), "CLEAR\r\nSOURCE TCP 7\r\n");
        let ours = list.among("chess".parse().unwrap());
        assert_eq!(ours.opening(7), "NETWORK chess\r\nPASSIVE READY 50500 10\r\nSOURCE TCP 7\r\n");
    }

    #[test]
    fn understands_the_answers_and_ignores_the_rest() {
        let ask = Exchange::new(Ask::Nodes { want: 2 });
        assert_eq!(ask.input("NODES EMPTY"), Some(Answer::Nodes(vec![])));
        let nodes = vec!["192.0.2.1:5".parse().unwrap(), "192.0.2.2:6".parse().unwrap()];
        assert_eq!(ask.input("NODES p:192.0.2.1:5 p:192.0.2.2:6 "), Some(Answer::Nodes(nodes)));
        for other in ["", "HTTP/1.1 400 Bad Request", "REMOTE TCP 5", "RECONNECT"] {
            assert_eq!(ask.input(other), None, "{other}");
        }
        let list = Exchange::new(Ask::Unlist);
        assert_eq!(list.input("CHALLENGE 192.0.2.1 5 TCP"), None);
        assert_eq!(list.input("REMOTE TCP 7"), Some(Answer::Done));
    }
}
