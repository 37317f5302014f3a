//! The rendezvous server: the I/O around [`crate::proto::rdv_server`], and the HTTP calls nodes make besides.
//!
//! ```text
//!   rendezvous port ─┐                      ┌─ net helper: what is my address, is my port reachable
//!   NAT port ────────┴─ rendezvous (Hub)    │
//!                        └─ relay           │
//!   HTTP port ───────── http ───────────────┼─ mailbox ── store (a redb file, or nothing)
//!                                           └─ health, metrics
//! ```
//!
//! [`Server`] can be embedded: in a tokio runtime with [`Server::start`], or on a thread of its own with
//! [`Server::spawn`]. The program `p2p-rendezvous` is a command line around it.
//!
//! ```
//! use p2pnet::server::{Server, ServerConfig};
//!
//! let server = Server::spawn(ServerConfig::on([127, 0, 0, 1].into()))?;
//! println!("nodes can meet at {}", server.local_addrs().rendezvous[0]);
//! server.stop();
//! # Ok::<(), p2pnet::server::StartError>(())
//! ```

pub mod config;
mod conn;
mod error;
mod http;
mod lines;
pub mod log;
mod mailbox;
mod net;
mod port_check;
mod relay;
mod rendezvous;
mod store;

pub use config::{HttpLimits, MailboxLimits, NatPort, ServerConfig, StoreConfig};
pub use error::StartError;
pub use log::Log;

/// Raises the process's limit of open files as far as it may itself, and tells what it is then (`None`: not known).
pub fn raise_open_files() -> Option<u64> {
    crate::os::limits::raise_open_files()
}

use crate::proto::identity::PublicKey;
use crate::proto::rdv_server::{Endpoints, Rendezvous};
use http::Http;
use log::Level;
use net::{Life, Lives, listen};
use rendezvous::Hub;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// How long running requests may take to end when the server stops.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// The addresses a server listens on, with the ports it really has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalAddrs {
    /// Rendezvous ports.
    pub rendezvous: Vec<SocketAddr>,
    /// Second ports, for NAT measurement.
    pub nat: Vec<SocketAddr>,
    /// HTTP ports.
    pub http: Vec<SocketAddr>,
}

/// A running server. Dropping it stops it without waiting.
pub struct Server {
    addrs: LocalAddrs,
    lives: Lives,
    store: store::Store,
}

impl Server {
    /// Starts a server in the current tokio runtime, which needs I/O and time enabled.
    ///
    /// # Errors
    /// If an address cannot be listened on or the mailbox file cannot be used; nothing runs then.
    pub async fn start(config: ServerConfig) -> Result<Server, StartError> {
        if config.listen.is_empty() && config.http.is_empty() {
            return Err(StartError::NoAddress);
        }
        let rendezvous = bind_all(&config.listen, "rendezvous", "--listen")?;
        let nat = match &config.nat {
            NatPort::Off => Vec::new(),
            NatPort::At(addrs) => bind_all(addrs, "NAT measurement", "--nat-listen")?,
            NatPort::Next => {
                let addrs: Vec<SocketAddr> = config.listen.iter().zip(&rendezvous).map(next_port).collect();
                bind_all(&addrs, "NAT measurement", "--nat-listen")?
            }
        };
        let http = bind_all(&config.http, "HTTP", "--http")?;
        let addrs = LocalAddrs { rendezvous: local(&rendezvous), nat: local(&nat), http: local(&http) };

        let seed = config.seed.unwrap_or_else(|| fastrand::u64(..));
        let store =
            store::Store::open(&config.store, config.mailbox_limits.clone(), seed, config.log.clone())?;
        let (lives, life) = Life::new();
        let endpoints = Endpoints {
            rendezvous: [&addrs.rendezvous[..], &addrs.nat[..]].concat(),
            http: addrs.http.clone(),
            alternates: config.alternates,
        };
        let relay = Arc::new(relay::new(config.limits.relay.clone(), config.log.clone()));
        let mut rendezvous_state = Rendezvous::new(config.limits, seed);
        rendezvous_state.set_endpoints(endpoints);
        rendezvous_state.set_signal(PublicKey::verify, secret(config.seed));
        let hub =
            Arc::new(Hub::new(rendezvous_state, relay.clone(), config.write_buffer, config.log.clone()));
        tokio::spawn(hub.clone().run_timer(life.clone()));
        let (timer, over) = (relay.clone(), life.clone());
        tokio::spawn(async move { over.run(timer.run_timer()).await });
        for listener in rendezvous.into_iter().chain(nat) {
            tokio::spawn(hub.clone().accept(listener, life.clone()));
        }
        let web = Arc::new(Http::new(config.http_limits, hub, store.mailbox(), config.log.clone()));
        tokio::spawn(web.clone().run_timer(life.clone()));
        for listener in http {
            tokio::spawn(web.clone().accept(listener, life.clone()));
        }
        config.log.line(Level::Info, "ready", |field| {
            field("rendezvous", &join(&addrs.rendezvous));
            field("nat", &join(&addrs.nat));
            field("http", &join(&addrs.http));
            field("pid", &std::process::id());
        });
        Ok(Server { addrs, lives, store })
    }

    /// Starts a server on a thread of its own.
    ///
    /// # Errors
    /// As [`Server::start`], or if the thread cannot be made.
    pub fn spawn(config: ServerConfig) -> Result<ServerThread, StartError> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel::<()>();
        let main = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(StartError::Thread(error)))),
            };
            runtime.block_on(async {
                match Server::start(config).await {
                    Ok(server) => {
                        if tell.send(Ok(server.addrs.clone())).is_ok() {
                            // Both a word and the loss of the sender mean stop.
                            let _ = stopped.await;
                        }
                        server.stop().await;
                    }
                    Err(error) => drop(tell.send(Err(error))),
                }
            });
        };
        let thread = thread::Builder::new()
            .name("p2p-rendezvous".to_owned())
            .spawn(main)
            .map_err(StartError::Thread)?;
        let addrs = told.recv().unwrap_or_else(|_| {
            Err(StartError::Thread(std::io::Error::other("the thread ended before it was ready")))
        })?;
        Ok(ServerThread { addrs, stop: Some(stop), thread: Some(thread) })
    }

    /// Where the server listens.
    pub fn local_addrs(&self) -> &LocalAddrs {
        &self.addrs
    }

    /// Stops listening, ends all connections, writes what is to be stored; waits for all that, a few seconds at most.
    pub async fn stop(self) {
        self.lives.stop(STOP_PATIENCE).await;
        self.store.close();
    }
}

/// A server on a thread of its own. Dropping it stops it and waits for the thread.
pub struct ServerThread {
    addrs: LocalAddrs,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ServerThread {
    /// Where the server listens.
    pub fn local_addrs(&self) -> &LocalAddrs {
        &self.addrs
    }

    /// Stops the server and waits for its thread, a few seconds at most.
    pub fn stop(self) {}
}

impl Drop for ServerThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server has been reported by the panic hook; it is no reason for another one here.
            let _ = thread.join();
        }
    }
}

/// What nonces are made from: other bytes at each start, from the system's randomness by way of what std keys its hash
/// tables with; or made from `seed`, which makes a run repeatable and its nonces guessable.
fn secret(seed: Option<u64>) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    use std::hash::{BuildHasher, RandomState};
    let mut hash = Sha256::new();
    for n in 0..8u64 {
        hash.update(seed.unwrap_or_else(|| RandomState::new().hash_one(n)).to_be_bytes());
    }
    hash.finalize().into()
}

fn bind_all(
    addrs: &[SocketAddr],
    purpose: &'static str,
    flag: &'static str,
) -> Result<Vec<TcpListener>, StartError> {
    addrs.iter().map(|&addr| listen(addr, purpose, flag)).collect()
}

fn next_port((asked, bound): (&SocketAddr, &TcpListener)) -> SocketAddr {
    let port = match asked.port() {
        0 => 0,
        _ => bound.local_addr().map_or(0, |addr| addr.port().checked_add(1).unwrap_or(0)),
    };
    SocketAddr::new(asked.ip(), port)
}

fn local(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

fn join(addrs: &[SocketAddr]) -> String {
    addrs.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}
