//! What the rendezvous server says to a node.

use super::signal::SignalReply;
use super::{MAX_NODES, Observed, RelayReply, Transport, ip, is_ntp, port, ports, write_ports};
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// One line from the server to a node. [`Display`](fmt::Display) writes it without CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `NODES p:ip:port p:ip:port ` (with the space at the end that the original writes): passive nodes.
    Nodes(Vec<SocketAddr>),
    /// `NODES EMPTY`: no passive node is known.
    NodesEmpty,
    /// `REMOTE TCP port`: the port the server sees the client come from.
    RemoteTcp(u16),
    /// `OBSERVED ip port ...`: how the server sees the client, and where else it can be asked.
    Observed(Box<Observed>),
    /// `PREDICTION SET`: the CANDIDATE was taken.
    PredictionSet,
    /// `CHALLENGE ip port... TCP|UDP`: `ip` wants to punch a hole to you.
    Challenge {
        /// The challenger.
        ip: IpAddr,
        /// The outside ports it expects to have.
        predictions: Vec<u16>,
        /// What to punch.
        transport: Transport,
    },
    /// `RECONNECT`: your registration is old; register again, then challenges follow.
    Reconnect,
    /// `FIGHT ip port... TCP|UDP time`: the node `ip` has accepted your challenge.
    Fight {
        /// The node that accepted.
        ip: IpAddr,
        /// The outside ports it expects to have.
        predictions: Vec<u16>,
        /// What to punch.
        transport: Transport,
        /// The node's time, as it wrote it. See [`super::ntp_seconds`].
        ntp: String,
    },
    /// A line of the relay.
    Relay(RelayReply),
    /// A line of signalling.
    Signal(SignalReply),
}

impl Reply {
    /// Reads one line (without CRLF). `None`: not a reply this version knows.
    ///
    /// White space at the end does not matter. An entry of NODES that cannot be read or is not of kind `p` is left
    /// out, and so are entries after the first [`MAX_NODES`]: one odd registration must not hide the others.
    pub fn parse(line: &str) -> Option<Reply> {
        let line = line.trim_ascii_end();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "NODES" => Some(nodes(rest)),
            "REMOTE" => {
                let (transport, text) = rest.split_once(' ')?;
                Transport::parse(transport)?;
                port(text).map(Reply::RemoteTcp)
            }
            "OBSERVED" => Observed::parse(rest).map(|observed| Reply::Observed(Box::new(observed))),
            "PREDICTION" if rest == "SET" => Some(Reply::PredictionSet),
            "CHALLENGE" => {
                let (challenger, rest) = rest.split_once(' ')?;
                let (predictions, transport) = rest.rsplit_once(' ')?;
                Some(Reply::Challenge {
                    ip: ip(challenger)?,
                    predictions: ports(predictions)?,
                    transport: Transport::parse(transport)?,
                })
            }
            "RECONNECT" => Some(Reply::Reconnect),
            "FIGHT" => {
                let (node, rest) = rest.split_once(' ')?;
                let mut from_end = rest.rsplitn(3, ' ');
                let ntp = from_end.next().filter(|ntp| is_ntp(ntp))?;
                let transport = Transport::parse(from_end.next()?)?;
                let predictions = ports(from_end.next()?)?;
                Some(Reply::Fight { ip: ip(node)?, predictions, transport, ntp: ntp.to_owned() })
            }
            "RELAY" => RelayReply::parse(rest).map(Reply::Relay),
            _ => SignalReply::parse(line).map(Reply::Signal),
        }
    }

    /// Writes it behind what is there, with CRLF.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        // Writing to memory does not fail.
        let _ = write!(out, "{self}\r\n");
    }

    /// The verb, for logs and counters.
    pub fn verb(&self) -> &'static str {
        match self {
            Reply::Nodes(_) | Reply::NodesEmpty => "NODES",
            Reply::RemoteTcp(_) => "REMOTE",
            Reply::Observed(_) => "OBSERVED",
            Reply::PredictionSet => "PREDICTION",
            Reply::Challenge { .. } => "CHALLENGE",
            Reply::Reconnect => "RECONNECT",
            Reply::Fight { .. } => "FIGHT",
            Reply::Relay(_) => "RELAY",
            Reply::Signal(reply) => reply.verb(),
        }
    }
}

fn nodes(rest: &str) -> Reply {
    let list: Vec<SocketAddr> = rest.split(' ').filter_map(node).take(MAX_NODES).collect();
    if list.is_empty() { Reply::NodesEmpty } else { Reply::Nodes(list) }
}

/// `p:ip:port`, an IPv6 address in brackets.
fn node(field: &str) -> Option<SocketAddr> {
    let (host, port_text) = field.strip_prefix("p:")?.rsplit_once(':')?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address = ip(bracketed.unwrap_or(host))?;
    // A bare v6 address would make the last group look like the port.
    (bracketed.is_some() || !host.contains(':')).then_some(SocketAddr::new(address, port(port_text)?))
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Nodes(list) if !list.is_empty() => {
                f.write_str("NODES ")?;
                list.iter().try_for_each(|node| match node.ip() {
                    IpAddr::V4(ip) => write!(f, "p:{ip}:{} ", node.port()),
                    IpAddr::V6(ip) => write!(f, "p:[{ip}]:{} ", node.port()),
                })
            }
            Reply::Nodes(_) | Reply::NodesEmpty => f.write_str("NODES EMPTY"),
            Reply::RemoteTcp(port) => write!(f, "REMOTE TCP {port}"),
            Reply::Observed(observed) => observed.fmt(f),
            Reply::PredictionSet => f.write_str("PREDICTION SET"),
            Reply::Challenge { ip, predictions, transport } => {
                write!(f, "CHALLENGE {ip}")?;
                write_ports(f, predictions)?;
                write!(f, " {transport}")
            }
            Reply::Reconnect => f.write_str("RECONNECT"),
            Reply::Fight { ip, predictions, transport, ntp } => {
                write!(f, "FIGHT {ip}")?;
                write_ports(f, predictions)?;
                write!(f, " {transport} {ntp}")
            }
            Reply::Relay(reply) => reply.fmt(f),
            Reply::Signal(reply) => reply.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Alternate, MAX_ALTERNATES, MAX_PORTS};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_of_the_original_server_are_kept_to_the_byte() {
        for line in [
            "NODES p:100.64.0.10:50500 p:8.8.8.8:1 ",
            "NODES p:[2001:db8::1]:8000 ",
            "NODES EMPTY",
            "REMOTE TCP 40001",
            "OBSERVED 203.0.113.7 40001",
            "OBSERVED 203.0.113.7 40001 next=8001 http=8080 alt=203.0.113.9 alt=203.0.113.10:9000",
            "OBSERVED 2001:db8::7 40001 next=8001 alt=[2001:db8::9] alt=[2001:db8::9]:8000",
            "PREDICTION SET",
            "CHALLENGE 100.64.1.1 40002 40003 40004 40005 TCP",
            "RECONNECT",
            "FIGHT 100.64.2.1 50002 50003 TCP 1412137849.288068",
        ] {
            assert_eq!(Reply::parse(line).map(|r| r.to_string()).as_deref(), Some(line));
        }
    }

    #[test]
    fn an_odd_node_does_not_hide_the_others() {
        let line =
            "NODES p:1.2.3.4:99999 s:1.2.3.4:5 p:1.2.3.4:00080 x p: p:::1:5 p:[1.2.3.4:5 p:2001:db8::1:8000";
        let expected: Vec<SocketAddr> = vec!["1.2.3.4:80".parse().unwrap()];
        assert_eq!(Reply::parse(line), Some(Reply::Nodes(expected)));
        assert_eq!(Reply::parse("NODES "), Some(Reply::NodesEmpty));
        assert_eq!(Reply::parse("NODES"), Some(Reply::NodesEmpty));
    }

    #[test]
    fn no_more_nodes_than_can_be_asked_for() {
        let line = format!("NODES {}", "p:1.2.3.4:5 ".repeat(MAX_NODES + 1));
        assert!(matches!(Reply::parse(&line), Some(Reply::Nodes(list)) if list.len() == MAX_NODES));
    }

    #[test]
    fn what_is_no_reply() {
        for line in [
            "",
            "nodes EMPTY",
            "REMOTE TCP",
            "REMOTE TCP 0",
            "REMOTE TCP 65536",
            "REMOTE SCTP 1",
            "PREDICTION",
            "CHALLENGE 1.2.3.4 TCP",
            "CHALLENGE 1.2.3.4 1  2 TCP",
            "CHALLENGE host 1 TCP",
            "FIGHT 1.2.3.4 1 TCP",
            "FIGHT 1.2.3.4 1 TCP soon",
            "FIGHT 1.2.3.4 TCP 1.0",
        ] {
            assert_eq!(Reply::parse(line), None, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn what_we_write_is_read_back(
            kind in 0..8,
            ip in any::<IpAddr>(),
            list in prop::collection::vec((any::<IpAddr>(), 1u16..), 1..=MAX_NODES),
            predictions in prop::collection::vec(1u16.., 1..=MAX_PORTS),
            udp in any::<bool>(),
            ntp in "[0-9]{1,20}([.][0-9]{1,20})?",
            port in 1u16..,
            others in (prop::option::of(1u16..), prop::option::of(1u16..)),
            alternates in prop::collection::vec((any::<IpAddr>(), prop::option::of(1u16..)), 0..=MAX_ALTERNATES),
        ) {
            let ip = ip.to_canonical();
            let transport = if udp { Transport::Udp } else { Transport::Tcp };
            let reply = match kind {
                0 => Reply::Nodes(list.iter().map(|(ip, port)| SocketAddr::new(ip.to_canonical(), *port)).collect()),
                1 => Reply::NodesEmpty,
                2 => Reply::RemoteTcp(port),
                3 => Reply::PredictionSet,
                4 => Reply::Challenge { ip, predictions, transport },
                5 => Reply::Reconnect,
                6 => Reply::Observed(Box::new(Observed {
                    client: SocketAddr::new(ip, port),
                    next: others.0,
                    http: others.1,
                    alternates: alternates
                        .iter()
                        .map(|&(ip, port)| Alternate { ip: ip.to_canonical(), port })
                        .collect(),
                })),
                _ => Reply::Fight { ip, predictions, transport, ntp },
            };
            let line = reply.to_string();
            let mut written = b"before".to_vec();
            reply.write_line(&mut written);
            prop_assert_eq!(written, format!("before{line}\r\n").into_bytes());
            prop_assert!(!line.contains(['\r', '\n']));
            prop_assert_eq!(Reply::parse(&line), Some(reply));
        }
    }
}
