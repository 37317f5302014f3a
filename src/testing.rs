//! A whole network on loopback, for programs' own tests: a rendezvous server and any number of nodes, offline.
//!
//! Each node has an address of its own in 127/8, so the rules that tell nodes apart by their address work as on the
//! internet, and several test networks run side by side.
//!
//! ```
//! use p2pnet::{testing::Testnet, event::Kind};
//!
//! let testnet = Testnet::start()?;
//! let alice = testnet.node(|_| {})?;
//! alice.request(|net| net.advertise())?;
//! let bob = testnet.node(|_| {})?;
//! bob.request(|net| net.bootstrap())?;
//! let to_alice = bob.expect(Kind::Opened).conn;
//! bob.net.send_line(to_alice, b"hello").map_err(|code| p2pnet::Error::new(code, "sending"))?;
//! assert_eq!(alice.expect(Kind::Line).text(), "hello");
//! # Ok::<(), p2pnet::Error>(())
//! ```

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use crate::config::{Config, NodeType, ServerKind};
use crate::error::{Code, Error, Result};
use crate::node::nat_probe::{self, ProbeOptions};
use crate::node::rendezvous::Reach;
use crate::node::resolve::Resolver;
use crate::proto::nat::report::NatReport;
use crate::server::{Server, ServerConfig, ServerThread};

pub use crate::portmap::testing as portmap;
pub use node::{TestNode, alone, hidden, loopback, patient, quiet, talk, until};

pub mod fight;
mod node;
pub mod punch;

/// When something is not there after this long, it is not slow: it hangs.
const HUNG: Duration = Duration::from_secs(60);

/// So many times longer than usual a measurement waits for a server that is only slow.
const PATIENCE: u32 = 20;

/// A rendezvous server on loopback and the addresses for its nodes. Stops when it is dropped.
pub struct Testnet {
    server: ServerThread,
    subnet: [u8; 2],
    next_host: AtomicU8,
}

impl Testnet {
    /// Starts the server on an address of 127/8 that no other test network is likely to have.
    ///
    /// # Errors
    /// [`Code::Io`] if the server cannot listen.
    pub fn start() -> Result<Testnet> {
        Testnet::with(|_| {})
    }

    /// The same; `change` may change the server's configuration first.
    ///
    /// # Errors
    /// [`Code::Io`] if the server cannot listen.
    pub fn with(change: impl FnOnce(&mut ServerConfig)) -> Result<Testnet> {
        let subnet = [fastrand::u8(1..=254), fastrand::u8(..)];
        let ip = IpAddr::V4(Ipv4Addr::new(127, subnet[0], subnet[1], 1));
        let mut config = ServerConfig::on(ip);
        change(&mut config);
        let server = Server::spawn(config).map_err(|e| Error::new(Code::Io, format!("test server: {e}")))?;
        Ok(Testnet { server, subnet, next_host: AtomicU8::new(2) })
    }

    /// Where the rendezvous server listens.
    pub fn server(&self) -> SocketAddr {
        self.server.local_addrs().rendezvous[0]
    }

    /// An address of 127/8 that no other node of this network has.
    pub fn address(&self) -> IpAddr {
        let host = self.next_host.fetch_add(1, Relaxed);
        Ipv4Addr::new(127, self.subnet[0], self.subnet[1], host).into()
    }

    /// The configuration of a passive node of this network, on an address of its own.
    ///
    /// # Errors
    /// None in practice: the server's address is well formed.
    pub fn config(&self) -> Result<Config> {
        let mut config =
            Config { passive_bind: Some(self.address()), node_type: NodeType::Passive, ..Config::default() };
        patient(&mut config);
        config.add_server(ServerKind::Rendezvous, &self.server().to_string())?;
        Ok(config)
    }

    /// Starts a passive node; `change` may change its configuration first.
    ///
    /// # Errors
    /// As [`TestNode::start`].
    pub fn node(&self, change: impl FnOnce(&mut Config)) -> Result<TestNode> {
        let mut config = self.config()?;
        change(&mut config);
        TestNode::start(config)
    }
}

/// Measures the NAT that this thread's network is behind, as a node does, by way of `servers` (`host:port` each), from the
/// address `bind` if given, and gives the verdict after `limit` at the latest.
///
/// # Errors
/// [`Code::NoServer`] if none has answered, [`Code::Io`] if there can be no runtime.
pub fn probe_nat(servers: &[String], bind: Option<IpAddr>, limit: Duration) -> Result<NatReport> {
    let options = ProbeOptions { limit, patience: PATIENCE, ..ProbeOptions::default() };
    on_runtime(nat_probe::probe(&reach(bind, limit), servers, &options))?.map(|probed| probed.report)
}

/// Tries whether the NAT behind which this thread's network is (`report` tells which) turns connections to its outside
/// address round. `None`: it cannot be told.
///
/// # Errors
/// [`Code::Io`] if there can be no runtime.
pub fn probe_hairpin(
    server: &str,
    report: &NatReport,
    bind: Option<IpAddr>,
    limit: Duration,
) -> Result<Option<bool>> {
    on_runtime(nat_probe::hairpin(&reach(bind, limit), server, report, limit))
}

fn reach(bound: Option<IpAddr>, limit: Duration) -> Reach {
    Reach { resolver: Resolver::new(), bound, limit }
}

fn on_runtime<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|e| Error::io("starting a runtime", &e))?.block_on(work))
}
