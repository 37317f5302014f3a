//! What a node says to the rendezvous server.

use super::signal::{Misspelt, Network, SignalRequest};
use super::{
    RelayProof, RelayToken, Transport, ip, is_ntp, number, port, ports, without_final_lf, write_ports,
};
use std::fmt;
use std::net::IpAddr;

/// One line from a node to the server. [`Display`](fmt::Display) writes it without CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// `BOOTSTRAP n`: name up to `n` passive nodes. The server answers 1..=100 only; a larger `n` is parsed so that
    /// it can be logged.
    Bootstrap {
        /// How many nodes are wanted.
        n: u32,
    },
    /// `PASSIVE READY port max_inbound`: this address accepts connections on `port`.
    PassiveReady {
        /// The listening port as it was said; the server has to check the range.
        port: u32,
        /// How many connections the node will take. Nobody reads it.
        max_inbound: u32,
    },
    /// `SIMULTANEOUS READY port max_inbound`: this connection takes hole-punching challenges. PyP2P says `0 0`.
    SimultaneousReady {
        /// Unused, 0.
        port: u32,
        /// Unused, 0.
        max_inbound: u32,
    },
    /// `SOURCE TCP [local port]`: from which port do you see me?
    SourceTcp {
        /// The port the client bound, if it said so in a readable way. The server has no use for it.
        local_port: Option<u16>,
    },
    /// `OBSERVE`: how do you see me, and where else can I ask? Ours; PyP2P's server stays silent.
    Observe,
    /// `CANDIDATE ip TCP|UDP port...`: I want to punch a hole to the simultaneous node `ip`.
    Candidate {
        /// The node to be challenged.
        ip: IpAddr,
        /// What to punch.
        transport: Transport,
        /// The outside ports the asker expects to have, in the order of its sockets.
        predictions: Vec<u16>,
    },
    /// `ACCEPT ip port... TCP|UDP time`: the answer of a simultaneous node to a challenge from `ip`.
    Accept {
        /// The challenger.
        ip: IpAddr,
        /// The outside ports the node expects to have.
        predictions: Vec<u16>,
        /// What to punch.
        transport: Transport,
        /// Unix time in seconds, decimal, passed on as it is. See [`super::ntp_seconds`].
        ntp: &'a str,
    },
    /// `CLEAR`: forget everything registered from this address.
    Clear,
    /// `QUIT`: close this connection.
    Quit,
    /// `RELAY token [proof]`: connect me with whoever names the same. Ours.
    Relay {
        /// Which meeting; `None`: it cannot be read, which is answered.
        token: Option<RelayToken>,
        /// For a node that relays for its network only. A server has no use for it.
        proof: Option<RelayProof>,
    },
    /// `NETWORK network`: what is said behind it on this connection is about nodes of that network only. Ours; PyP2P's server
    /// stays silent, and its lists are for all.
    Network {
        /// Which.
        network: Network,
    },
    /// A line of signalling: ours, like OBSERVE.
    Signal(SignalRequest<'a>),
    /// One that is to be a line of signalling and cannot be read. Unlike other such lines it gets an answer.
    Misspelt(Misspelt),
}

impl<'a> Request<'a> {
    /// Reads one line (without CRLF). `None`: not a request; the server stays silent.
    ///
    /// As in the original, BOOTSTRAP, SOURCE TCP, CLEAR and QUIT only have to begin the line, the others have to
    /// match to its end. After OBSERVE and a space anything may follow that a later version has to say.
    pub fn parse(line: &'a str) -> Option<Request<'a>> {
        // The first byte settles which verb it can be.
        match line.as_bytes().first()? {
            b'B' => bootstrap(line.strip_prefix("BOOTSTRAP ")?),
            b'P' if line.starts_with("PASSIVE") => ready(line.strip_prefix("PASSIVE READY ")?)
                .map(|(port, max_inbound)| Request::PassiveReady { port, max_inbound }),
            b'S' => match line.strip_prefix("SOURCE TCP") {
                Some(rest) => Some(Request::SourceTcp { local_port: rest.strip_prefix(' ').and_then(port) }),
                None => ready(line.strip_prefix("SIMULTANEOUS READY ")?)
                    .map(|(port, max_inbound)| Request::SimultaneousReady { port, max_inbound }),
            },
            b'C' if line.starts_with("CLEAR") => Some(Request::Clear),
            b'C' => candidate(line.strip_prefix("CANDIDATE ")?),
            b'A' => accept(line.strip_prefix("ACCEPT ")?),
            b'O' => match line.strip_prefix("OBSERVE")? {
                rest if rest.is_empty() || rest.starts_with(' ') => Some(Request::Observe),
                _ => None,
            },
            b'Q' if line.starts_with("QUIT") => Some(Request::Quit),
            b'N' => {
                // Words behind it are a later version's.
                let network = line.strip_prefix("NETWORK ")?.split(' ').next()?;
                network.parse().ok().map(|network| Request::Network { network })
            }
            b'R' => match line.strip_prefix("RELAY")?.strip_prefix(' ') {
                Some(rest) => {
                    let (token, proof) = super::parse_relay(rest);
                    Some(Request::Relay { token, proof })
                }
                None => (line == "RELAY").then_some(Request::Relay { token: None, proof: None }),
            },
            b'E' | b'H' | b'L' | b'P' | b'T' => {
                SignalRequest::parse(line).map(|read| read.map_or_else(Request::Misspelt, Request::Signal))
            }
            _ => None,
        }
    }

    /// The verb, for logs and counters.
    pub fn verb(&self) -> &'static str {
        match self {
            Request::Bootstrap { .. } => "BOOTSTRAP",
            Request::PassiveReady { .. } => "PASSIVE",
            Request::SimultaneousReady { .. } => "SIMULTANEOUS",
            Request::SourceTcp { .. } => "SOURCE",
            Request::Observe => "OBSERVE",
            Request::Candidate { .. } => "CANDIDATE",
            Request::Accept { .. } => "ACCEPT",
            Request::Clear => "CLEAR",
            Request::Quit => "QUIT",
            Request::Relay { .. } => "RELAY",
            Request::Network { .. } => "NETWORK",
            Request::Signal(request) => request.verb().word(),
            Request::Misspelt(misspelt) => misspelt.verb.word(),
        }
    }
}

fn bootstrap(rest: &str) -> Option<Request<'_>> {
    let end = rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    number(rest.get(..end)?).map(|n| Request::Bootstrap { n })
}

fn ready(rest: &str) -> Option<(u32, u32)> {
    let (port, max_inbound) = without_final_lf(rest).split_once(' ')?;
    Some((number(port)?, number(max_inbound)?))
}

fn candidate(rest: &str) -> Option<Request<'_>> {
    let mut fields = without_final_lf(rest).splitn(3, ' ');
    Some(Request::Candidate {
        ip: ip(fields.next()?)?,
        transport: Transport::parse(fields.next()?)?,
        predictions: ports(fields.next()?)?,
    })
}

fn accept(rest: &str) -> Option<Request<'_>> {
    let (challenger, rest) = without_final_lf(rest).split_once(' ')?;
    let mut from_end = rest.rsplitn(3, ' ');
    let ntp = from_end.next().filter(|ntp| is_ntp(ntp))?;
    let transport = Transport::parse(from_end.next()?)?;
    let predictions = ports(from_end.next()?)?;
    Some(Request::Accept { ip: ip(challenger)?, predictions, transport, ntp })
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Bootstrap { n } => write!(f, "BOOTSTRAP {n}"),
            Request::PassiveReady { port, max_inbound } => write!(f, "PASSIVE READY {port} {max_inbound}"),
            Request::SimultaneousReady { port, max_inbound } => {
                write!(f, "SIMULTANEOUS READY {port} {max_inbound}")
            }
            Request::SourceTcp { local_port: Some(port) } => write!(f, "SOURCE TCP {port}"),
            Request::SourceTcp { local_port: None } => f.write_str("SOURCE TCP"),
            Request::Observe => f.write_str("OBSERVE"),
            Request::Candidate { ip, transport, predictions } => {
                write!(f, "CANDIDATE {ip} {transport}")?;
                write_ports(f, predictions)
            }
            Request::Accept { ip, predictions, transport, ntp } => {
                write!(f, "ACCEPT {ip}")?;
                write_ports(f, predictions)?;
                write!(f, " {transport} {ntp}")
            }
            Request::Clear => f.write_str("CLEAR"),
            Request::Quit => f.write_str("QUIT"),
            Request::Relay { token: Some(token), proof: Some(proof) } => write!(f, "RELAY {token} {proof}"),
            Request::Relay { token: Some(token), proof: None } => write!(f, "RELAY {token}"),
            Request::Relay { token: None, .. } => f.write_str("RELAY"),
            Request::Network { network } => write!(f, "NETWORK {network}"),
            Request::Signal(request) => request.fmt(f),
            Request::Misspelt(misspelt) => misspelt.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_PORTS;
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Option<String> {
        Request::parse(line).map(|request| request.to_string())
    }

    #[test]
    fn lines_of_the_original_client_are_kept_to_the_byte() {
        for line in [
            "BOOTSTRAP 20",
            "PASSIVE READY 50500 10",
            "SIMULTANEOUS READY 0 0",
            "SOURCE TCP 40001",
            "SOURCE TCP",
            "CANDIDATE 100.64.2.1 TCP 40002 40003 40004 40005",
            "CANDIDATE 100.64.2.1 UDP 1337",
            "ACCEPT 100.64.1.1 50002 50003 50004 50005 TCP 1412137849.288068",
            "ACCEPT 100.64.1.1 50002 TCP 1412137849",
            "CANDIDATE 2001:db8::1 TCP 40002",
            "CLEAR",
            "QUIT",
        ] {
            assert_eq!(read(line).as_deref(), Some(line));
        }
    }

    #[test]
    fn prefix_verbs_ignore_what_follows() {
        assert_eq!(Request::parse("BOOTSTRAP 20 please"), Some(Request::Bootstrap { n: 20 }));
        assert_eq!(Request::parse("BOOTSTRAP 20x"), Some(Request::Bootstrap { n: 20 }));
        assert_eq!(Request::parse("BOOTSTRAP 99999999999"), Some(Request::Bootstrap { n: u32::MAX }));
        assert_eq!(Request::parse("SOURCE TCPanything"), Some(Request::SourceTcp { local_port: None }));
        assert_eq!(Request::parse("SOURCE TCP 0"), Some(Request::SourceTcp { local_port: None }));
        assert_eq!(Request::parse("CLEARED"), Some(Request::Clear));
        assert_eq!(Request::parse("OBSERVE"), Some(Request::Observe));
        assert_eq!(Request::parse("OBSERVE more"), Some(Request::Observe));
        assert_eq!(Request::parse("QUITE"), Some(Request::Quit));
        assert_eq!(read("NETWORK chess-2 and more").as_deref(), Some("NETWORK chess-2"));
    }

    #[test]
    fn what_the_original_answers_with_silence_is_no_request() {
        for line in [
            "",
            " BOOTSTRAP 1",
            "bootstrap 1",
            "BOOTSTRAP",
            "BOOTSTRAP  1",
            "BOOTSTRAP x",
            "PASSIVE READY 1",
            "PASSIVE READY 1 2 ",
            "PASSIVE READY  1 2",
            "PASSIVE READY 1 2 3",
            "PASSIVE READY -1 2",
            "ACTIVE READY 1 2",
            "CANDIDATE 1.2.3.4 TCP",
            "CANDIDATE 1.2.3.4 TCP ",
            "CANDIDATE 1.2.3.4 TCP 80 ",
            "CANDIDATE 1.2.3.4 TCP 80  81",
            "CANDIDATE 1.2.3.4 tcp 80",
            "CANDIDATE 1.2.3.4 TCP 0",
            "CANDIDATE 1.2.3.4 TCP 65536",
            "CANDIDATE 1.2.3 TCP 80",
            "CANDIDATE 1.2.3.444 TCP 80",
            "CANDIDATE host TCP 80",
            "ACCEPT 1.2.3.4 80 TCP",
            "ACCEPT 1.2.3.4 TCP 1",
            "ACCEPT 1.2.3.4 80  TCP 1",
            "ACCEPT 1.2.3.4 80 TCP 1.",
            "ACCEPT 1.2.3.4 80 TCP 1 ",
            "ACCEPT 1.2.3.4 80 SCTP 1",
            "SOURCE UDP 1",
            "OBSERV",
            "OBSERVED",
            "observe",
            "QUI",
            "NETWORK",
            "NETWORK ",
            "NETWORK  chess",
            "NETWORK ch.ess",
            "NETWORKS chess",
        ] {
            assert_eq!(Request::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_final_lf_is_tolerated_where_the_original_tolerates_it() {
        assert_eq!(read("PASSIVE READY 1 2\n").as_deref(), Some("PASSIVE READY 1 2"));
        assert_eq!(read("CANDIDATE 1.2.3.4 TCP 80\n").as_deref(), Some("CANDIDATE 1.2.3.4 TCP 80"));
        assert_eq!(read("ACCEPT 1.2.3.4 80 TCP 1\n").as_deref(), Some("ACCEPT 1.2.3.4 80 TCP 1"));
        assert_eq!(read("PASSIVE READY 1 2\n\n"), None);
    }

    #[test]
    fn a_v4_mapped_address_is_the_v4_address() {
        assert_eq!(read("CANDIDATE ::ffff:1.2.3.4 TCP 80").as_deref(), Some("CANDIDATE 1.2.3.4 TCP 80"));
    }

    proptest! {
        #[test]
        fn what_we_write_is_read_back(
            kind in 0..10,
            n in any::<u32>(),
            m in any::<u32>(),
            ip in any::<IpAddr>(),
            predictions in prop::collection::vec(1u16.., 1..=MAX_PORTS),
            udp in any::<bool>(),
            ntp in "[0-9]{1,20}([.][0-9]{1,43})?",
            local_port in prop::option::of(1u16..),
            network in "[-_A-Za-z0-9]{1,64}",
        ) {
            let ip = ip.to_canonical();
            let transport = if udp { Transport::Udp } else { Transport::Tcp };
            let request = match kind {
                0 => Request::Bootstrap { n },
                1 => Request::PassiveReady { port: n, max_inbound: m },
                2 => Request::SimultaneousReady { port: n, max_inbound: m },
                3 => Request::SourceTcp { local_port },
                4 => Request::Candidate { ip, transport, predictions },
                5 => Request::Accept { ip, predictions, transport, ntp: &ntp },
                6 => Request::Clear,
                7 => Request::Observe,
                8 => Request::Network { network: network.parse().unwrap() },
                _ => Request::Quit,
            };
            let line = request.to_string();
            prop_assert!(!line.contains(['\r', '\n']));
            prop_assert_eq!(Request::parse(&line), Some(request));
        }
    }
}
