//! Everything a program can decide about its node, with the defaults.
//!
//! [`Config`] is the typed form the node reads. [`options`] gives each number in it a key and a range, which is how the
//! C ABI (and every language on top of it) sets them; the texts are in [`text`].

pub mod options;
pub mod text;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::proto::dht_id::NodeId;

/// What a net is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum NetType {
    /// A flooding network: bootstraps and advertises. Classic dialect: one connection per address.
    P2p = 1,
    /// For connections to chosen nodes: neither bootstraps nor advertises, and opens each link with a nonce.
    Direct = 2,
}

/// How nodes speak with one another. A net speaks one dialect; nothing on the wire chooses between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Dialect {
    /// PyP2P's, byte for byte: plain lines, UNL version 2, nodes known by their address.
    Classic = 1,
    /// The default: nodes are known by a key, both ends of a link prove who they are, all of it is encrypted, and locators are
    /// signed (UNL version 3).
    Secure = 2,
}

/// How others reach a node. PyP2P's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum NodeType {
    /// Not told. Counts as active until it can be found out.
    Unknown = 0,
    /// Accepts connections from outside.
    Passive = 1,
    /// Only connects out.
    Active = 2,
    /// Behind a NAT whose ports can be predicted: reachable by hole punching.
    Simultaneous = 3,
}

/// How received bytes become events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Framing {
    /// Lines ended by CR LF, one event a line.
    Lines = 0,
    /// Whatever arrives, as it arrives.
    Raw = 1,
}

/// Which servers an address in the configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum ServerKind {
    /// A rendezvous server, `host:port`.
    Rendezvous = 1,
    /// A server that tells over HTTP whether our port is open: `host:port`, or the URL of its scripts.
    Reachability = 2,
    /// An NTP server, `host` or `host:port`.
    Ntp = 3,
    /// A mailbox for messages to nodes: `host:port` (a server of ours), or the URL of PyP2P's script, `http://host[:port]/path`.
    Dht = 4,
    /// A node of BitTorrent's DHT to begin with, `host:port`, or [`text::PUBLIC_MAINLINE`] for the well-known public ones.
    Mainline = 5,
    /// A relay, `host:port`, beside the rendezvous servers that relay. Both nodes have to name it.
    Relay = 6,
}

/// [`Config::mainline`]: the node's locator is kept under its key.
pub const PUBLISH: u32 = 1;
/// [`Config::mainline`]: its address is announced to its network, if it can be reached.
pub const ANNOUNCE: u32 = 2;
/// [`Config::mainline`]: it has a mailbox, and leaves letters in others'.
pub const LETTERS: u32 = 4;

/// Whether one address may hold several connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum DuplicateIp {
    /// Yes, for nodes are told apart by their keys; in the classic dialect as PyP2P: no on a p2p net, yes on a direct net.
    ByNetType = -1,
    /// One connection per address.
    Refuse = 0,
    /// Any number.
    Allow = 1,
}

/// A node's configuration. [`Config::default`] is a p2p node of the secure dialect, on any port of every address.
///
/// The fields are documented where their options are: [`options::INT_OPTIONS`] and [`text::TEXT_OPTIONS`].
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each field's documentation is its option's, in one place")]
pub struct Config {
    pub dialect: Dialect,
    pub network: Option<crate::proto::network::NetworkId>,
    pub network_key: Option<crate::proto::network::NetworkKey>,
    /// Only these nodes are let in and connected to (secure dialect); empty: all.
    pub allowed_peers: std::collections::BTreeSet<crate::proto::identity::PublicKey>,
    pub key: Option<std::sync::Arc<crate::proto::identity::Identity>>,
    pub key_file: Option<std::path::PathBuf>,
    pub net_type: NetType,
    pub node_type: NodeType,
    pub nat_type: crate::event::NatType,
    pub passive_bind: Option<IpAddr>,
    pub passive_port: u16,
    pub interface: Option<String>,
    pub wan_ip: Option<IpAddr>,
    pub servers: Vec<(ServerKind, String)>,
    /// The program carries messages to nodes itself, and this node has this name there; `None` = it does not.
    pub own_dht: Option<NodeId>,
    pub max_inbound: usize,
    pub max_outbound: usize,
    pub min_connected: usize,
    pub bootstrap: bool,
    pub advertise: bool,
    pub forwarding: u32,
    pub simultaneous: bool,
    pub duplicate_ip: DuplicateIp,
    pub dedup: bool,
    pub dedup_entries: usize,
    pub dedup_ttl: Duration,
    pub framing: Framing,
    pub max_line: usize,
    pub send_buffer: usize,
    pub recv_buffer: usize,
    pub event_queue: usize,
    pub max_requests: usize,
    pub connect_timeout: Duration,
    pub handshake_timeout: Duration,
    pub server_timeout: Duration,
    pub close_timeout: Duration,
    pub keepalive: Duration,
    pub dead_peer_timeout: Duration,
    pub bootstrap_interval: Duration,
    pub advertise_interval: Duration,
    pub retry_interval: Duration,
    pub start_timeout: Duration,
    pub mapping_lease: Duration,
    pub verify_interval: Duration,
    pub network_monitor: bool,
    pub unl_connect_timeout: Duration,
    pub unl_lifetime: Duration,
    pub punch_half_open: usize,
    pub punch_per_minute: usize,
    pub local_peers: bool,
    pub mainline: u32,
    pub mainline_slots: u8,
    pub mainline_poll: Duration,
    /// Whether relays are used (secure dialect).
    pub relay: bool,
    /// Whether, and how much, this node relays for its network (secure dialect).
    pub volunteer: crate::proto::relay::RelayLimits,
    pub resume_grace: Duration,
    /// A thread that sleeps in [`crate::Net::wait`] does the node's work meanwhile.
    pub lease: bool,
    /// So long [`crate::Net::wait`] looks for events without sleeping, while that pays.
    pub spin: Duration,
    pub resend_window: usize,
    pub max_message: usize,
    pub link_timeout: Duration,
    pub gateways: Vec<IpAddr>,
    pub state_dir: Option<std::path::PathBuf>,
    pub log_level: crate::event::LogLevel,
    pub log_fd: i32,
    pub seed: u64,
    #[cfg(feature = "testing")]
    pub test_panic: bool,
    /// Whether the node says that its machine has instructions for AES, where that is not to be found out.
    #[cfg(feature = "testing")]
    pub test_fast_aes: Option<bool>,
    /// As long as this is so, no dial of a peer gets through. Copies of a configuration share it.
    #[cfg(feature = "testing")]
    pub test_unreachable: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Default for Config {
    fn default() -> Config {
        let secs = Duration::from_secs;
        Config {
            dialect: Dialect::Secure,
            network: None,
            network_key: None,
            allowed_peers: std::collections::BTreeSet::new(),
            key: None,
            key_file: None,
            net_type: NetType::P2p,
            node_type: NodeType::Unknown,
            nat_type: crate::event::NatType::Unknown,
            passive_bind: None,
            passive_port: 0,
            interface: None,
            wan_ip: None,
            servers: Vec::new(),
            own_dht: None,
            max_inbound: 10,
            max_outbound: 10,
            min_connected: 3,
            bootstrap: true,
            advertise: true,
            forwarding: 0b1110,
            simultaneous: true,
            duplicate_ip: DuplicateIp::ByNetType,
            dedup: false,
            dedup_entries: 65_536,
            dedup_ttl: secs(3600),
            framing: Framing::Lines,
            max_line: 1 << 20,
            send_buffer: 1 << 20,
            recv_buffer: 1 << 20,
            event_queue: 1024,
            max_requests: 1024,
            connect_timeout: secs(5),
            handshake_timeout: secs(10),
            server_timeout: secs(2),
            close_timeout: secs(1),
            keepalive: secs(30),
            dead_peer_timeout: secs(60),
            bootstrap_interval: secs(1800),
            advertise_interval: secs(43_200),
            retry_interval: secs(5),
            start_timeout: secs(3),
            mapping_lease: secs(3600),
            verify_interval: secs(1200),
            network_monitor: true,
            unl_connect_timeout: secs(10),
            unl_lifetime: secs(86_400),
            punch_half_open: 256,
            punch_per_minute: 1000,
            local_peers: false,
            mainline: PUBLISH | ANNOUNCE | LETTERS,
            mainline_slots: 2,
            mainline_poll: secs(30),
            relay: true,
            volunteer: crate::proto::relay::RelayLimits::of_a_volunteer(),
            resume_grace: secs(30),
            lease: true,
            spin: Duration::ZERO,
            resend_window: 4 << 20,
            max_message: 1 << 20,
            link_timeout: secs(10),
            gateways: Vec::new(),
            state_dir: None,
            log_level: crate::event::LogLevel::Warn,
            log_fd: -1,
            seed: 0,
            #[cfg(feature = "testing")]
            test_panic: false,
            #[cfg(feature = "testing")]
            test_fast_aes: None,
            #[cfg(feature = "testing")]
            test_unreachable: Default::default(),
        }
    }
}

impl Config {
    /// The addresses to listen on: one where the program named one, else every IPv4 and every IPv6 address.
    pub(crate) fn listen_ips(&self, interface: Option<IpAddr>) -> Vec<IpAddr> {
        use std::net::{Ipv4Addr, Ipv6Addr};
        match self.passive_bind.or(interface) {
            Some(ip) => vec![ip],
            None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
        }
    }

    /// Whether one address may hold several connections on this net.
    pub(crate) fn allows_duplicate_ip(&self) -> bool {
        match self.duplicate_ip {
            // By its key a node is told from others behind its address.
            DuplicateIp::ByNetType => self.net_type == NetType::Direct || self.dialect == Dialect::Secure,
            DuplicateIp::Refuse => false,
            DuplicateIp::Allow => true,
        }
    }

    /// Whether this node has anything to do with that one (secure dialect).
    pub(crate) fn admits(&self, peer: &crate::proto::identity::PublicKey) -> bool {
        self.allowed_peers.is_empty() || self.allowed_peers.contains(peer)
    }

    /// The rendezvous servers, in the order they were added.
    pub(crate) fn rendezvous(&self) -> impl Iterator<Item = &str> {
        self.servers_of(ServerKind::Rendezvous)
    }

    /// Whether the node relays for its network, if it can be reached.
    pub(crate) fn volunteers(&self) -> bool {
        self.dialect == Dialect::Secure && self.volunteer.is_on()
    }

    /// Whether the node takes part in BitTorrent's DHT.
    pub(crate) fn uses_mainline(&self) -> bool {
        cfg!(feature = "mainline") && self.servers_of(ServerKind::Mainline).next().is_some()
    }

    /// Whether the node tells its network in BitTorrent's DHT where it can be reached.
    pub(crate) fn announces(&self) -> bool {
        self.uses_mainline()
            && self.mainline & ANNOUNCE != 0
            && self.advertise
            && self.net_type == NetType::P2p
    }

    /// The servers of one kind, in the order they were added.
    pub(crate) fn servers_of(&self, wanted: ServerKind) -> impl Iterator<Item = &str> {
        self.servers.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, at)| at.as_str())
    }
}

/// The source address of our own connections to `to`: what the program bound us to, if it is of that family.
pub(crate) fn source_for(bound: Option<IpAddr>, to: SocketAddr) -> Option<IpAddr> {
    bound.filter(|ip| !ip.is_unspecified() && ip.is_ipv4() == to.is_ipv4())
}
