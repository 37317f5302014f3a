//! The actor's table of connections: who is being dialled, who is opening, who is open.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use tokio::task::AbortHandle;

use super::conn::Conn;

/// How far a connection has come.
pub(crate) enum State {
    /// A task dials or goes through the opening; nothing is lost when it is aborted.
    Opening(AbortHandle),
    Open(Arc<Conn>),
    /// Its CLOSED event is out; only its socket is still being emptied. It takes no place and no address.
    Ending(Arc<Conn>),
}

pub(crate) struct Entry {
    /// The peer's address, or all that are being tried.
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) inbound: bool,
    /// The request that waits for it, 0 = none.
    pub(crate) request: u64,
    pub(crate) since: Instant,
    /// The end of the TCP connection that is not a listening port of ours: the peer's if it is inbound, else our own.
    pub(crate) dialler: Option<SocketAddr>,
    pub(crate) state: State,
}

impl Entry {
    /// Whether it counts as a connection, or as one to be.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, State::Ending(_))
    }
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

    /// Places taken on one side, those still opening included.
    pub(crate) fn taken(&self, inbound: bool) -> usize {
        self.entries.values().filter(|e| e.inbound == inbound && e.is_live()).count()
    }

    /// Whether a connection of the other side has this dialler: then both are one connection, of this node to itself.
    pub(crate) fn other_end(&self, inbound: bool, dialler: SocketAddr) -> bool {
        self.entries.values().any(|e| e.inbound != inbound && e.dialler == Some(dialler))
    }

    /// Open connections of one side.
    pub(crate) fn open(&self, inbound: bool) -> usize {
        let is_open = |e: &&Entry| e.inbound == inbound && matches!(e.state, State::Open(_));
        self.entries.values().filter(is_open).count()
    }

    /// Every address that is connected or being connected to.
    pub(crate) fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.entries.values().filter(|e| e.is_live()).flat_map(|e| e.ips.iter().copied())
    }

    /// The entry opened on behalf of `request`.
    pub(crate) fn by_request(&self, request: u64) -> Option<u64> {
        self.iter().find(|(_, e)| e.request == request).map(|(id, _)| id)
    }
}
