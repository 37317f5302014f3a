//! Name look-ups on threads we can abandon.
//!
//! getaddrinfo(3) cannot be interrupted and may take half a minute. Each look-up runs on a small thread of its own that
//! holds nothing of the net, so neither a time-out nor stopping waits for it. How many run at once is limited; hanging
//! ones keep their place, so a dead name server costs a bounded number of threads.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use crate::config::text::split_host_port;
use crate::error::{Code, Error, Result};

/// Look-ups running at once in one net.
const AT_ONCE: usize = 8;

#[derive(Clone)]
pub(crate) struct Resolver {
    places: Arc<Semaphore>,
}

/// The address that `host:port` says without a name.
pub(crate) fn literal(host_port: &str) -> Option<SocketAddr> {
    let (host, port) = split_host_port(host_port).ok()?;
    Some(SocketAddr::new(host.parse().ok()?, port))
}

impl Resolver {
    pub(crate) fn new() -> Resolver {
        Resolver { places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The addresses of `host:port`, at least one. Time limits are the caller's.
    pub(crate) async fn resolve(&self, host_port: &str) -> Result<Vec<SocketAddr>> {
        if let Some(at) = literal(host_port) {
            return Ok(vec![at]);
        }
        let (host, port) = split_host_port(host_port)?;
        let closed = |_| Error::new(Code::Canceled, "the net is stopping");
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(closed)?;
        let (tx, rx) = oneshot::channel();
        let name = host.to_owned();
        let started = crate::os::thread::start("p2pnet-dns", 256 << 10, move || {
            let found = (name.as_str(), port).to_socket_addrs().map(Vec::from_iter);
            // Nobody waits any more after a time-out; that is fine.
            let _ = tx.send(found);
            drop(place);
        });
        started.map_err(|e| Error::io("starting a thread for a name look-up", &e))?;
        match rx.await {
            Ok(Ok(found)) if !found.is_empty() => Ok(found),
            Ok(Ok(_)) => Err(Error::new(Code::Io, format!("\"{host}\" has no address"))),
            Ok(Err(e)) => Err(Error::io(format_args!("looking up \"{host}\""), &e)),
            Err(_) => Err(Error::new(Code::Io, format!("looking up \"{host}\" failed"))),
        }
    }
}
