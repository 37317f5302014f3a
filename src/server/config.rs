//! What a server is told at its start. Every value has a default that suits a public server on a small machine.

use super::log::Log;
use crate::proto::rdv_msg::Alternate;
use crate::proto::rdv_server::Limits;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The configuration of a [`super::Server`].
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where the rendezvous protocol is spoken. Port 0: the system chooses.
    pub listen: Vec<SocketAddr>,
    /// The second port, by which nodes measure how their NAT treats another destination.
    pub nat: NatPort,
    /// Further addresses of this machine, told to nodes so that they measure how their NAT treats another address. Only
    /// needed if the server listens on `0.0.0.0` or `[::]`, or if nodes have to use other addresses than those it
    /// listens on: else they are told from [`ServerConfig::listen`].
    pub alternates: Vec<Alternate>,
    /// Where HTTP is spoken; nowhere if empty.
    pub http: Vec<SocketAddr>,
    /// Where the mailbox is kept.
    pub store: StoreConfig,
    /// Limits of the rendezvous protocol.
    pub limits: Limits,
    /// Bytes that may wait for one rendezvous client to read them; a client that lets more pile up is closed.
    /// Default 256 KiB.
    pub write_buffer: usize,
    /// Limits of HTTP.
    pub http_limits: HttpLimits,
    /// Limits of the mailbox.
    pub mailbox_limits: MailboxLimits,
    /// Seed of all random choices; `None`: another one at each start.
    pub seed: Option<u64>,
    /// Where to log.
    pub log: Log,
}

/// Where the second rendezvous port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatPort {
    /// Nowhere.
    Off,
    /// On each listening address, one port higher than the first (any free port if the first was 0).
    Next,
    /// Here.
    At(Vec<SocketAddr>),
}

/// Where registered mailbox nodes and undelivered messages are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// In memory: gone when the server stops.
    Memory,
    /// In this file, made if it is not there. What was acknowledged survives a crash of the server or the machine.
    File(PathBuf),
}

/// Limits of the HTTP side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at once. Default 20,000.
    pub connections: usize,
    /// Connections at once from one IPv4 address or IPv6 /64. Default 256.
    pub connections_per_address: usize,
    /// Requests per second of one address in the long run; a new connection counts as one. Default 50.
    pub requests_per_second: u32,
    /// Requests one address may make at once after a quiet time. Default 300.
    pub request_burst: u32,
    /// A request's head has to be complete by then, also the next one on a kept connection. Default 15 s.
    pub header_timeout: Duration,
    /// A request's body has to be complete by then. Default 15 s.
    pub body_timeout: Duration,
    /// A client that reads nothing of its answer for so long is closed. Default 30 s.
    pub write_timeout: Duration,
    /// Longest request head (request line and headers) in bytes. Default 32 KiB, at least 8 KiB.
    pub head_bytes: usize,
    /// Longest request body in bytes. Default 32 KiB.
    pub body_bytes: usize,
    /// How long a `list` without messages waits. Default 30 s.
    pub long_poll: Duration,
    /// `list` calls waiting at once, all nodes together. Default 10,000.
    pub waiters: usize,
    /// `list` calls waiting at once for one node. Default 4.
    pub waiters_per_node: usize,
    /// Port checks running at once. Default 128.
    pub port_checks: usize,
    /// How long a port check waits for the connection. Default 1 s, as in PyP2P.
    pub port_check_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            connections: 20_000,
            connections_per_address: 256,
            requests_per_second: 50,
            request_burst: 300,
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(30),
            head_bytes: 32 * 1024,
            body_bytes: 32 * 1024,
            long_poll: Duration::from_secs(30),
            waiters: 10_000,
            waiters_per_node: 4,
            port_checks: 128,
            port_check_timeout: Duration::from_secs(1),
        }
    }
}

/// Limits of the mailbox. What does not fit is refused, never dropped later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxLimits {
    /// Registered nodes. Default 100,000.
    pub nodes: usize,
    /// Registered nodes of one IPv4 address or IPv6 /64. Default 1,000.
    pub nodes_per_address: usize,
    /// A node not heard of for so long is forgotten. Default 7 days.
    pub node_lifetime: Duration,
    /// Messages waiting for one node. Default 256.
    pub messages_per_node: usize,
    /// Longest message in bytes. Default 16 KiB.
    pub message_bytes: usize,
    /// All waiting messages together, in bytes. Default 256 MiB.
    pub total_bytes: usize,
    /// A message not fetched for so long is dropped. Default 1 day.
    pub message_lifetime: Duration,
    /// Most bytes of messages in one answer; the rest comes with the next. Default 1 MiB.
    pub answer_bytes: usize,
}

impl Default for MailboxLimits {
    fn default() -> MailboxLimits {
        MailboxLimits {
            nodes: 100_000,
            nodes_per_address: 1_000,
            node_lifetime: Duration::from_secs(7 * 86_400),
            messages_per_node: 256,
            message_bytes: 16 * 1024,
            total_bytes: 256 * 1024 * 1024,
            message_lifetime: Duration::from_secs(86_400),
            answer_bytes: 1024 * 1024,
        }
    }
}

impl ServerConfig {
    /// A server for tests: free ports on `ip`, everything in memory, no log.
    pub fn on(ip: IpAddr) -> ServerConfig {
        let any = SocketAddr::new(ip, 0);
        ServerConfig { listen: vec![any], http: vec![any], ..ServerConfig::default() }
    }
}

impl Default for ServerConfig {
    /// Listens nowhere yet; set [`ServerConfig::listen`] and [`ServerConfig::http`].
    fn default() -> ServerConfig {
        ServerConfig {
            listen: Vec::new(),
            nat: NatPort::Next,
            alternates: Vec::new(),
            http: Vec::new(),
            store: StoreConfig::Memory,
            limits: Limits::default(),
            write_buffer: 256 * 1024,
            http_limits: HttpLimits::default(),
            mailbox_limits: MailboxLimits::default(),
            seed: None,
            log: Log::off(),
        }
    }
}
