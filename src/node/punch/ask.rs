//! Asking rendezvous servers which outside port one of our local ports has.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::node::nat_probe::ask::{Answer, Asker};
use crate::node::rendezvous::Reach;
use crate::proto::nat::ask::Server;

/// How long a server has at least, before another is asked instead.
const LEAST: Duration = Duration::from_millis(400);

/// The servers of one punch. Each name is looked up once.
pub(super) struct Servers {
    reach: Reach,
    asker: Asker,
    list: Vec<(String, OnceCell<Option<SocketAddr>>)>,
    /// The one that has answered last; it is asked first.
    good: AtomicUsize,
}

/// An answer, and the connection it came by, which is to be kept.
pub(super) struct Asked(Answer);

impl Asked {
    pub(super) fn port(&self) -> u16 {
        self.0.seen.port()
    }
}

impl Servers {
    pub(super) fn new(reach: Reach, names: Vec<String>) -> Arc<Servers> {
        let asker = Asker::new(reach.clone());
        let list = names.into_iter().map(|name| (name, OnceCell::new())).collect();
        Arc::new(Servers { reach, asker, list, good: AtomicUsize::new(0) })
    }

    /// Asks one after the other from the local port `from`, within `limit` in all.
    pub(super) async fn ask(self: Arc<Self>, from: SocketAddr, limit: Duration) -> Option<Asked> {
        let count = self.list.len();
        let share = (limit / u32::try_from(count.max(1)).unwrap_or(u32::MAX)).max(LEAST);
        let first = self.good.load(Relaxed);
        for index in (first..count).chain(0..first.min(count)) {
            let Some((name, place)) = self.list.get(index) else { continue };
            let asked = timeout(share, async {
                let to = *place.get_or_init(|| self.find(name, from)).await;
                let started = self.asker.start(to?, [from.port()]).ok()?;
                self.asker.ask(Server::Unknown, started).await.ok()
            });
            if let Ok(Some(answer)) = asked.await {
                self.good.store(index, Relaxed);
                return Some(Asked(answer));
            }
        }
        None
    }

    /// An address of the server in the family that is asked about.
    async fn find(&self, name: &str, from: SocketAddr) -> Option<SocketAddr> {
        let found = self.reach.resolver.resolve(name).await.ok()?;
        found.into_iter().find(|at| at.is_ipv4() == from.is_ipv4() && self.asker.may_reach(*at))
    }
}
