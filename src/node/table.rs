//! The actor's table of connections: who is being dialled, who is opening, who is open.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::AbortHandle;

use super::conn::Conn;

/// How far a connection has come.
pub(crate) enum State {
    /// A task dials or goes through the opening; nothing is lost when it is aborted.
    Opening(AbortHandle),
    Open(Arc<Conn>),
    /// CLOSED has been told; the socket still takes in what the peer sends until its end. It holds no place.
    Lingering(Arc<Conn>),
}

pub(crate) struct Entry {
    /// The peer's address, or all that are being tried.
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) inbound: bool,
    /// The request that waits for it, 0 = none.
    pub(crate) request: u64,
    pub(crate) since: Instant,
    pub(crate) state: State,
}

/// Connections by id.
#[derive(Default)]
pub(crate) struct Table {
    entries: BTreeMap<u64, Entry>,
}

impl Table {
    pub(crate) fn insert(&mut self, id: u64, entry: Entry) {
        self.entries.insert(id, entry);
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Entry> {
        self.entries.remove(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(id, e)| (*id, e))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries that count: all but those that only linger.
    fn living(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|e| !matches!(e.state, State::Lingering(_)))
    }

    /// Places taken on one side, those still opening included.
    pub(crate) fn taken(&self, inbound: bool) -> usize {
        self.living().filter(|e| e.inbound == inbound).count()
    }

    /// Open connections of one side.
    pub(crate) fn open(&self, inbound: bool) -> usize {
        let is_open = |e: &&Entry| e.inbound == inbound && matches!(e.state, State::Open(_));
        self.entries.values().filter(is_open).count()
    }

    /// Every address that is connected or being connected to.
    pub(crate) fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.living().flat_map(|e| e.ips.iter().copied())
    }

    /// The entry opened on behalf of `request`.
    pub(crate) fn by_request(&self, request: u64) -> Option<u64> {
        self.iter().find(|(_, e)| e.request == request).map(|(id, _)| id)
    }
}
