//! The crate's thread: starting it, seeing that it has ended, ending it.

use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mainline::async_dht::AsyncDht;
use mainline::{Dht, ServerSettings};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Config;
use super::guard::Guard;
use super::query::Report;
use crate::node::resolve::Resolver;
use crate::os;

/// Longest time for looking up the names of all nodes to begin with.
const NAMES: Duration = Duration::from_secs(10);
const MOST_NAMES: usize = 16;
/// Most nodes to begin with. (All of them are asked in each query until the crate knows as many others.)
const MOST_BOOTSTRAP: usize = 16;

/// How long its end may take: a hundred times what it takes.
const END: Duration = Duration::from_secs(1);
/// How long it may take to tell what it knows.
const TELL: Duration = Duration::from_millis(200);

/// What we store for others, at most: about 3 MB.
const HASHES: usize = 200;
const PEERS: usize = 100;
const VALUES: usize = 500;

/// Looks up the nodes to begin with, then starts the crate's thread. `known` are further nodes to begin with.
pub(super) async fn start(
    config: Config,
    known: Vec<SocketAddrV4>,
    resolver: Resolver,
    report: mpsc::Sender<Report>,
) {
    let started = match names(&config.bootstrap, &resolver).await {
        Ok(mut bootstrap) => {
            let mut seen: BTreeSet<_> = bootstrap.iter().copied().collect();
            bootstrap.extend(known.into_iter().filter(|addr| seen.insert(*addr)));
            bootstrap.truncate(MOST_BOOTSTRAP);
            let at = config.bind;
            aside(move || Running::start(&config, &bootstrap))
                .await
                .map_err(|e| format!("starting the DHT at {at}: {e}"))
        }
        Err(why) => Err(why),
    };
    let _ = report.send(Report::Start(started.map(Box::new))).await;
}

/// The addresses of the nodes to begin with: at least one, if any is named.
async fn names(names: &[String], resolver: &Resolver) -> Result<Vec<SocketAddrV4>, String> {
    let mut tasks = JoinSet::new();
    for name in names.iter().take(MOST_NAMES).cloned() {
        let resolver = resolver.clone();
        tasks.spawn(async move { (resolver.resolve(&name).await, name) });
    }
    let (mut found, mut trouble) = (Vec::new(), String::new());
    let all = async {
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok((Ok(addrs), _)) => found.extend(addrs.iter().filter_map(|addr| match addr {
                    SocketAddr::V4(v4) => Some(*v4),
                    SocketAddr::V6(_) => None,
                })),
                Ok((Err(why), _)) => trouble = format!(": {why}"),
                Err(_) => {}
            }
        }
    };
    if timeout(NAMES, all).await.is_err() {
        trouble = ": the name servers did not answer in time".to_owned();
    }
    if found.is_empty() && !names.is_empty() {
        return Err(format!("no node of the DHT has an IPv4 address that can be found{trouble}"));
    }
    Ok(found)
}

/// Starting waits for the crate's thread, a tenth of a second perhaps: not on the thread that serves all connections.
async fn aside(start: impl FnOnce() -> io::Result<Running> + Send + 'static) -> io::Result<Running> {
    let (tx, rx) = oneshot::channel();
    os::thread::start("p2pnet-dht", 256 << 10, move || {
        // Nobody waits any more when we have left meanwhile; then it ends again.
        let _ = tx.send(start());
    })?;
    rx.await.unwrap_or_else(|_| Err(io::Error::other("its thread has ended unexpectedly")))
}

/// A running node of the DHT.
pub(super) struct Running {
    pub(super) dht: AsyncDht,
    /// Where it listens.
    pub(super) udp: SocketAddrV4,
    pub(super) since: Instant,
    ended: mpsc::Receiver<()>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Running({})", self.udp)
    }
}

impl Running {
    /// Starts it. This waits for the thread to have bound its socket, which it does first of all.
    fn start(config: &Config, bootstrap: &[SocketAddrV4]) -> io::Result<Running> {
        let (dht, ended) = match build(config, bootstrap, config.port) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && config.port != 0 => build(config, bootstrap, 0),
            built => built,
        }?;
        let udp = local(&dht);
        Ok(Running { dht: dht.as_async(), udp, since: Instant::now(), ended })
    }

    /// Ready when the thread has ended.
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.ended.poll_recv(cx).map(|_| ())
    }

    /// Nodes of the DHT it knows.
    pub(super) async fn known(&self) -> Vec<SocketAddrV4> {
        let dht = self.dht.clone();
        // In a task: it panics if the thread has just died.
        let asked = tokio::spawn(async move { dht.to_bootstrap().await });
        let known = timeout(TELL, asked).await.ok().and_then(Result::ok).unwrap_or_default();
        known.iter().filter_map(|addr| addr.parse().ok()).collect()
    }

    /// Ends it and waits for that, a while.
    pub(super) async fn end(self) {
        let Running { dht, mut ended, .. } = self;
        drop(dht);
        let _ = timeout(END, ended.recv()).await;
    }
}

fn build(config: &Config, bootstrap: &[SocketAddrV4], port: u16) -> io::Result<(Dht, mpsc::Receiver<()>)> {
    let (guard, ended) = Guard::new();
    let mut builder = Dht::builder();
    builder.bootstrap(bootstrap).bind_address(config.bind).port(port).server_settings(ServerSettings {
        max_info_hashes: HASHES,
        max_peers_per_info_hash: PEERS,
        max_mutable_values: VALUES,
        max_immutable_values: VALUES,
        filter: Box::new(guard),
    });
    if config.serve {
        builder.server_mode();
    }
    let dht = builder.build()?;
    Ok((dht, ended))
}

#[allow(deprecated, reason = "the thread has just said that it runs, and answers at once")]
fn local(dht: &Dht) -> SocketAddrV4 {
    dht.info().local_addr()
}
