//! What the connector goes by: the numbers, and what the node knows of itself.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::proto::identity::PublicKey;
use crate::proto::nat::NatType;
use crate::proto::network::NetworkId;
use crate::proto::punch::{Options, Side};
use crate::proto::unl::{CandidateKind, NodeType, UnlV3};

/// Who the node is, and the numbers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its key.
    pub identity: PublicKey,
    /// Its network.
    pub network: Option<NetworkId>,
    /// Whether addresses of local networks are tried wherever this node is. Default no.
    pub local_peers: bool,
    /// Whether it takes part in punches. Default yes.
    pub punching: bool,
    /// Whether it uses relays. Default yes.
    pub relay: bool,
    /// Relays that the program has named, as `host:port`, beside the servers that say that they relay.
    pub relays: Vec<String>,
    /// Whether connections are sessions that outlive their links: only those can go from a relay to a better way. Default yes.
    pub sessions: bool,
    /// Whether there is BitTorrent's DHT to be asked where a peer is. Default no; without the feature `mainline` never.
    pub mainline: bool,
    /// Whether letters are left there. Default no.
    pub letters: bool,
    /// A punch's numbers.
    pub punch: Options,
    /// For a request, all ways together. Default 10 s.
    pub limit: Duration,
    /// For one dial. Default 4 s: a SYN that was lost is repeated after 1 s and 3 s.
    pub dial: Duration,
    /// For each step of a handshake. Default 5 s.
    pub handshake: Duration,
    /// Between two dials of which only one is needed (RFC 8305). Default 250 ms.
    pub stagger: Duration,
    /// How much later a punch begins if one side says that it can be reached. Default 400 ms.
    pub punch_after: Duration,
    /// How long after the beginning a relay is used if nothing else has come about, and nothing is known to be hopeless.
    /// Default 1 s.
    pub relay_after: Duration,
    /// The same while a hole punch is under way, which may yet succeed: a relay is for long. Default 3 s.
    pub relay_behind_punch: Duration,
    /// For reaching a relay, the other one included. Default 8 s.
    pub relaying: Duration,
    /// How long a second connection of a peer is kept waiting before it takes the first one's place. Default 2 s.
    pub held: Duration,
    /// Most dials of one attempt. Default 8.
    pub dials: usize,
    /// Most dials under way, all attempts together. Default 64.
    pub dials_in_all: usize,
    /// Most dials in a minute that others have asked us for. Default 120.
    pub dials_asked: u32,
    /// Most calls of others that are being answered at a time. Default 32.
    pub calls: usize,
}

impl Settings {
    /// The defaults, for a node.
    pub fn new(identity: PublicKey, network: Option<NetworkId>) -> Settings {
        Settings {
            identity,
            network,
            local_peers: false,
            punching: true,
            relay: true,
            relays: Vec::new(),
            sessions: true,
            mainline: false,
            letters: false,
            punch: Options::default(),
            limit: Duration::from_secs(10),
            dial: Duration::from_secs(4),
            handshake: Duration::from_secs(5),
            stagger: Duration::from_millis(250),
            punch_after: Duration::from_millis(400),
            relay_after: Duration::from_secs(1),
            relay_behind_punch: Duration::from_secs(3),
            relaying: Duration::from_secs(8),
            held: Duration::from_secs(2),
            dials: 8,
            dials_in_all: 64,
            dials_asked: 120,
            calls: 32,
        }
    }
}

/// What the node knows of itself at the moment.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The locator that it gives out now. Without one it cannot call anybody.
    pub locator: Option<UnlV3>,
    /// How it can be reached.
    pub node_type: Option<NodeType>,
    /// The NAT in PyP2P's words, for the story.
    pub nat: NatType,
    /// The IPv4 NAT.
    pub side: Side,
    /// Its IPv6 address as others see it.
    pub outside6: Option<Ipv6Addr>,
    /// Whether two hosts behind the NAT can meet at its outside address.
    pub hairpin: Option<bool>,
    /// The addresses of this machine.
    pub addresses: Vec<IpAddr>,
    /// Where it listens; unspecified: on all addresses of that family.
    pub listen: Vec<SocketAddr>,
    /// Signalling servers where it can be reached.
    pub servers: Vec<String>,
    /// Servers where it is now, as a guest or to stay, that relay.
    pub relays: Vec<String>,
    /// Whether it has no room for peers that it did not ask for.
    pub full: bool,
    /// A reading of the clock: Unix seconds at that time. For words, and for callers whose locator has long expired.
    pub clock: Option<(Instant, u64)>,
}

impl Own {
    /// Unix time in seconds.
    pub(super) fn unix(&self, now: Instant) -> Option<u64> {
        let (at, seconds) = self.clock?;
        Some(seconds.saturating_add(now.saturating_duration_since(at).as_secs()))
    }

    /// Whether the node says that it can be connected to.
    pub(super) fn is_reachable(&self) -> bool {
        let mapped = |unl: &UnlV3| unl.record().candidates.iter().any(|c| c.kind == CandidateKind::Mapped);
        self.node_type == Some(NodeType::Passive) || self.locator.as_ref().is_some_and(mapped)
    }

    /// Whether there is reason to believe that somebody might.
    pub(super) fn may_be_reached(&self) -> bool {
        let closed = matches!(self.node_type, Some(NodeType::Active | NodeType::Simultaneous));
        !closed || self.is_reachable() || self.outside6.is_some()
    }

    /// Whether this is where the node itself listens.
    pub(super) fn listens_at(&self, to: SocketAddr) -> bool {
        let ip = to.ip().to_canonical();
        let here = |listen: &SocketAddr| {
            let all = listen.ip().is_unspecified() && (listen.is_ipv6() || ip.is_ipv4());
            listen.port() == to.port()
                && (listen.ip().to_canonical() == ip || all && (self.has_address(ip) || ip.is_loopback()))
        };
        let named = |unl: &UnlV3| {
            unl.record()
                .candidates
                .iter()
                .any(|c| c.kind != CandidateKind::Lan && c.ip == ip && c.port == to.port())
        };
        self.listen.iter().any(here) || self.locator.as_ref().is_some_and(named)
    }

    /// Whether this is an address of this machine.
    pub(super) fn has_address(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.to_canonical() == ip)
    }

    /// Whether it lives on this machine's loopback interface only, as in tests.
    pub(super) fn is_on_loopback(&self) -> bool {
        self.listen.iter().any(|at| at.ip().is_loopback())
    }
}
