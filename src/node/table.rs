//! The actor's table of connections: who is being dialled, who is opening, who is open, who is ending.
//!
//! The actor asks for the numbers at every step it takes, so they are counted along and not counted out: with thousands
//! of connections, opening one more has to cost what the first did.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Its CLOSED event is on its way. The socket lives on for a moment, for the peer to take our last lines; the place
    /// and the address are free.
    Ending(Arc<Conn>),
}

pub(crate) struct Entry {
    /// The peer's address, or all that are being tried.
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) inbound: bool,
    /// The request that waits for it, 0 = none.
    pub(crate) request: u64,
    pub(crate) since: Instant,
    /// Changed by [`Table::open_up`] and [`Table::ending`] only.
    pub(crate) state: State,
}

impl Entry {
    /// Whether it counts as a connection, or as one to be.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, State::Ending(_))
    }
}

/// How many of one side.
#[derive(Default)]
struct Count {
    taken: usize,
    open: usize,
}

/// Connections by id.
#[derive(Default)]
pub(crate) struct Table {
    entries: BTreeMap<u64, Entry>,
    inbound: Count,
    outbound: Count,
    /// The near ends of the open connections that we opened, by which we know ourselves when we meet us.
    near_ends: BTreeSet<SocketAddr>,
}

impl Table {
    /// Enters a connection that is not open yet.
    pub(crate) fn insert(&mut self, id: u64, entry: Entry) {
        self.count(entry.inbound).taken += 1;
        if let Some(old) = self.entries.insert(id, entry) {
            self.discount(old.inbound, &old.state);
        }
    }

    /// The connection is open now. False: it is not in the table any more.
    pub(crate) fn open_up(&mut self, id: u64, conn: Arc<Conn>) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        let (inbound, near_end) = (entry.inbound, conn.near_end);
        entry.state = State::Open(conn);
        self.count(inbound).open += 1;
        if let (false, Some(near_end)) = (inbound, near_end) {
            self.near_ends.insert(near_end);
        }
        true
    }

    /// The open connection has ended but for its socket.
    pub(crate) fn ending(&mut self, id: u64) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if let State::Open(conn) = &entry.state {
            let ending = State::Ending(Arc::clone(conn));
            let (inbound, was) = (entry.inbound, std::mem::replace(&mut entry.state, ending));
            self.discount(inbound, &was);
        }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.discount(entry.inbound, &entry.state);
        Some(entry)
    }

    /// A connection no longer counts as what it was.
    fn discount(&mut self, inbound: bool, was: &State) {
        let count = self.count(inbound);
        match was {
            State::Opening(_) => count.taken -= 1,
            State::Open(conn) => {
                count.taken -= 1;
                count.open -= 1;
                if let (false, Some(near_end)) = (inbound, conn.near_end) {
                    self.near_ends.remove(&near_end);
                }
            }
            State::Ending(_) => {}
        }
    }

    fn count(&mut self, inbound: bool) -> &mut Count {
        if inbound { &mut self.inbound } else { &mut self.outbound }
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
        if inbound { self.inbound.taken } else { self.outbound.taken }
    }

    /// Open connections of one side.
    pub(crate) fn open(&self, inbound: bool) -> usize {
        if inbound { self.inbound.open } else { self.outbound.open }
    }

    /// Whether `end` is the near end of a connection that we opened.
    pub(crate) fn is_near_end(&self, end: SocketAddr) -> bool {
        self.near_ends.contains(&end)
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
