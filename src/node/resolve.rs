//! Name look-ups on threads we can abandon.
//!
//! getaddrinfo(3) cannot be interrupted and may take half a minute. Each look-up runs on a small thread of its own that
//! holds nothing of the net, so neither a time-out nor stopping waits for it. How many run at once is limited; hanging
//! ones keep their place, so a dead name server costs a bounded number of threads.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
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

impl Resolver {
    pub(crate) fn new() -> Resolver {
        Resolver { places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The addresses of `host:port`, at least one. Time limits are the caller's.
    pub(crate) async fn resolve(&self, host_port: &str) -> Result<Vec<SocketAddr>> {
        let (host, port) = split_host_port(host_port)?;
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let closed = |_| Error::new(Code::Canceled, "the net is stopping");
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(closed)?;
        let (tx, rx) = oneshot::channel();
        let name = host.to_owned();
        let thread = std::thread::Builder::new().name("p2pnet-dns".into()).stack_size(256 << 10);
        let started = thread.spawn(move || {
            crate::os::thread::block_signals();
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
