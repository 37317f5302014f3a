//! What a locator says of its node, and the limits of that.

use std::fmt;
use std::net::SocketAddr;

use crate::proto::network::NetworkId;
use crate::proto::unl::{Candidate, ForwardingType, Host, Nat, NodeType, Server, is_host};

/// Most candidates a locator can name.
pub const MAX_CANDIDATES: usize = 8;
/// Most servers a locator can name.
pub const MAX_SERVERS: usize = 3;
/// Most relays a locator can name.
pub const MAX_RELAYS: usize = 4;
/// Last second an expiry can be: five bytes, the year 36812.
pub const MAX_EXPIRES: u64 = (1 << 40) - 1;
/// Greatest distance between two ports.
pub const MAX_DELTA: i32 = 65535;

/// What a node says of itself in a locator. Everything but the key may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The network it belongs to; `None` for the one without a name.
    pub network: Option<NetworkId>,
    /// Unix time in seconds from which on this is no longer to be used, 1 to [`MAX_EXPIRES`]; `None` = holds until
    /// another comes.
    pub expires: Option<u64>,
    /// How it can be reached; `None` = not known yet.
    pub node_type: Option<NodeType>,
    /// Why its port is open.
    pub forwarding: ForwardingType,
    /// The NAT in front of it.
    pub nat: Nat,
    /// Where it may be met, the best first, at most [`MAX_CANDIDATES`], none twice.
    pub candidates: Vec<Candidate>,
    /// Rendezvous servers that know it, the best first, at most [`MAX_SERVERS`], none twice.
    pub servers: Vec<Server>,
    /// Nodes of its network that relay, as it knows, at most [`MAX_RELAYS`], none twice. One at an address of its own is
    /// itself: see [`Record::relays_at`].
    pub relays: Vec<Server>,
}

impl Record {
    /// Where the node itself relays for its network: those of [`Record::relays`] that are addresses of its own. Of all others
    /// it only says so.
    pub fn relays_at(&self) -> impl Iterator<Item = &Server> {
        self.relays.iter().filter(|relay| self.is_at(relay))
    }

    /// The best of these for those who know one only: IPv4, which more nodes have.
    pub fn relays_first(&self) -> Option<SocketAddr> {
        let address = |at: &Server| match at.host {
            Host::Ip(ip) => Some(SocketAddr::new(ip, at.port)),
            Host::Name(_) => None,
        };
        self.relays_at().filter_map(address).min_by_key(SocketAddr::is_ipv6)
    }

    /// Whether this is where the node itself listens.
    pub fn is_at(&self, place: &Server) -> bool {
        self.candidates.iter().any(|own| place.host == Host::Ip(own.ip) && place.port == own.port)
    }

    /// Whether this can be said in a locator. (Only its length may then still be too much: long names of servers.)
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn validate(&self) -> Result<(), RecordError> {
        if self.expires.is_some_and(|at| !(1..=MAX_EXPIRES).contains(&at)) {
            return Err(RecordError::Expires);
        }
        if !(-MAX_DELTA..=MAX_DELTA).contains(&self.nat.delta) {
            return Err(RecordError::Delta { delta: self.nat.delta });
        }
        if self.candidates.len() > MAX_CANDIDATES {
            return Err(RecordError::TooManyCandidates);
        }
        if self.servers.len() > MAX_SERVERS {
            return Err(RecordError::TooManyServers);
        }
        for (i, candidate) in self.candidates.iter().enumerate() {
            if !is_host(candidate.ip) {
                return Err(RecordError::Candidate { candidate: *candidate });
            }
            if self.candidates.iter().take(i).any(|other| other == candidate) {
                return Err(RecordError::Twice { place: candidate.to_string() });
            }
        }
        if self.relays.len() > MAX_RELAYS {
            return Err(RecordError::TooManyRelays);
        }
        for list in [&self.servers, &self.relays] {
            for (i, server) in list.iter().enumerate() {
                if !server.is_sound() {
                    return Err(RecordError::Server { server: server.clone() });
                }
                if list.iter().take(i).any(|other| other == server) {
                    return Err(RecordError::Twice { place: server.to_string() });
                }
            }
        }
        Ok(())
    }
}

/// What cannot be said in a locator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordError {
    /// More than [`MAX_CANDIDATES`].
    TooManyCandidates,
    /// More than [`MAX_SERVERS`].
    TooManyServers,
    /// More than [`MAX_RELAYS`].
    TooManyRelays,
    /// An address that is no host's: see [`is_host`].
    Candidate {
        /// The candidate.
        candidate: Candidate,
    },
    /// A server, or a relay, without a port, or whose address or name is no host's.
    Server {
        /// The server.
        server: Server,
    },
    /// A candidate, a server or a relay a second time.
    Twice {
        /// Which one.
        place: String,
    },
    /// An expiry that is 0 or after [`MAX_EXPIRES`].
    Expires,
    /// A delta of more than [`MAX_DELTA`] either way.
    Delta {
        /// What it is.
        delta: i32,
    },
    /// More bytes than there is room for; the names of servers are too long.
    TooLong,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyCandidates => write!(f, "too many addresses; expected at most {MAX_CANDIDATES}"),
            Self::TooManyServers => write!(f, "too many rendezvous servers; expected at most {MAX_SERVERS}"),
            Self::TooManyRelays => write!(f, "too many relays; expected at most {MAX_RELAYS}"),
            Self::Candidate { candidate } => {
                write!(f, "'{candidate}' is not the address of a host; expected one, IPv4 or IPv6")
            }
            Self::Server { server: Server { host: Host::Ip(ip), port } } => {
                write!(f, "'{ip}' port {port} is no server's address; expected that of a host, and a port")
            }
            Self::Server { server: Server { host: Host::Name(name), port } } => {
                let shown: String = name.chars().take(80).collect();
                let shown = shown.escape_debug();
                write!(
                    f,
                    "'{shown}' port {port} is no server; expected a host name in lower case, and a port"
                )
            }
            Self::Twice { place } => write!(f, "'{place}' is named twice; expected once"),
            Self::Expires => write!(f, "the expiry is no time; expected Unix seconds, 1 to {MAX_EXPIRES}"),
            Self::Delta { delta } => {
                write!(f, "the NAT's delta is {delta}; expected -{MAX_DELTA} to {MAX_DELTA}")
            }
            Self::TooLong => write!(f, "too long for a locator; expected shorter names of servers"),
        }
    }
}

impl std::error::Error for RecordError {}
