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
    /// The end of the TCP connection that is not a listening port: the peer's if it is inbound, else our own. By it we
    /// know ourselves when we meet us.
    pub(crate) dialler: Option<SocketAddr>,
    /// Changed by the table's methods only, like the dialler.
    pub(crate) state: State,
}

impl Entry {
    /// Whether it counts as a connection, or as one to be.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, State::Ending(_))
    }
}

/// What is known of one side without looking at each entry.
#[derive(Default)]
struct Side {
    taken: usize,
    open: usize,
    diallers: BTreeSet<SocketAddr>,
}

/// Connections by id.
#[derive(Default)]
pub(crate) struct Table {
    entries: BTreeMap<u64, Entry>,
    inbound: Side,
    outbound: Side,
}

impl Table {
    /// Enters a connection that is not open yet.
    pub(crate) fn insert(&mut self, id: u64, entry: Entry) {
        let side = self.side(entry.inbound);
        side.taken += 1;
        side.diallers.extend(entry.dialler);
        if let Some(old) = self.entries.insert(id, entry) {
            self.discount(&old);
        }
    }

    /// The dialled connection stands: to this address, from that end; `task` opens the link.
    pub(crate) fn dialled(&mut self, id: u64, ip: IpAddr, dialler: Option<SocketAddr>, task: AbortHandle) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        (entry.ips, entry.dialler, entry.state) = (vec![ip], dialler, State::Opening(task));
        let inbound = entry.inbound;
        self.side(inbound).diallers.extend(dialler);
    }

    /// The connection is open now. False: it is not in the table any more.
    pub(crate) fn open_up(&mut self, id: u64, conn: Arc<Conn>) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else { return false };
        entry.state = State::Open(conn);
        let inbound = entry.inbound;
        self.side(inbound).open += 1;
        true
    }

    /// The open connection has ended but for its socket.
    pub(crate) fn ending(&mut self, id: u64) {
        let Some(mut entry) = self.entries.remove(&id) else { return };
        if let State::Open(conn) = &entry.state {
            let conn = Arc::clone(conn);
            self.discount(&entry);
            entry.state = State::Ending(conn);
        }
        self.entries.insert(id, entry);
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        self.discount(&entry);
        Some(entry)
    }

    /// The entry no longer counts as what it is.
    fn discount(&mut self, entry: &Entry) {
        if !entry.is_live() {
            return;
        }
        let side = self.side(entry.inbound);
        side.taken -= 1;
        side.open -= usize::from(matches!(entry.state, State::Open(_)));
        if let Some(dialler) = entry.dialler {
            side.diallers.remove(&dialler);
        }
    }

    fn side(&mut self, inbound: bool) -> &mut Side {
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

    /// Whether a connection of the other side has this dialler: then both are one connection, of this node to itself.
    pub(crate) fn is_other_end(&self, inbound: bool, dialler: SocketAddr) -> bool {
        if inbound { &self.outbound } else { &self.inbound }.diallers.contains(&dialler)
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
