//! The actor's table of connections: who is being dialled, who is opening, who is open, who is ending.
//!
//! The actor asks for the numbers at every step it takes, so they are counted along and not counted out: with thousands
//! of connections, opening one more has to cost what the first did. And each of thousands that are idle has an entry: it is
//! kept small, and what it needs beside an address or two is elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::conn::Conn;
use super::executor::Ender;
use super::moment::Moment;

/// How far a connection has come.
pub(crate) enum State {
    /// A task dials or goes through the opening; nothing is lost when it is aborted.
    Opening(Opening),
    Open(Arc<Conn>),
    /// Its CLOSED event is on its way. The socket lives on for a moment, for the peer to take our last lines; the place
    /// and the address are free.
    Ending(Arc<Conn>),
}

/// The task of a connection that is not open yet. Boxed: what is open, of which there may be thousands, has no room for it.
pub(crate) struct Opening(Box<Task>);

enum Task {
    Runtime(AbortHandle),
    Own(Ender),
}

impl Opening {
    pub(crate) fn abort(&self) {
        match &*self.0 {
            Task::Runtime(task) => task.abort(),
            Task::Own(task) => task.abort(),
        }
    }
}

impl From<AbortHandle> for Opening {
    fn from(task: AbortHandle) -> Opening {
        Opening(Box::new(Task::Runtime(task)))
    }
}

impl From<Ender> for Opening {
    fn from(task: Ender) -> Opening {
        Opening(Box::new(Task::Own(task)))
    }
}

pub(crate) struct Entry {
    /// Changed by the table's methods only.
    place: Place,
    pub(crate) inbound: bool,
    /// The request that waits for it, 0 = none.
    pub(crate) request: u64,
    pub(crate) since: Moment,
    /// Changed by the table's methods only.
    pub(crate) state: State,
}

impl Entry {
    /// One that begins now. `ips`: the peer's address, or all that are being tried. `dialler`: the end of the TCP connection that
    /// is not a listening port: the peer's if it is inbound, else our own; by it we know ourselves when we meet us.
    pub(crate) fn new(
        ips: impl IntoIterator<Item = IpAddr>,
        dialler: Option<SocketAddr>,
        inbound: bool,
        state: State,
    ) -> Entry {
        Entry { place: Place::new(ips, dialler), inbound, request: 0, since: Moment::now(), state }
    }

    /// The same for a request of the program, or what it was begun for earlier.
    pub(crate) fn of(self, request: u64, since: Moment) -> Entry {
        Entry { request, since, ..self }
    }

    /// Whether this address is the peer's, or one that is being tried.
    pub(crate) fn has(&self, ip: IpAddr) -> bool {
        self.place.ips().any(|known| known == ip)
    }

    /// Whether it counts as a connection, or as one to be.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.state, State::Ending(_))
    }
}

/// Addresses of an entry: nearly always one, and of IPv4.
enum Place {
    V4 { ip: Ipv4Addr, dialler: Option<SocketAddrV4> },
    Other(Box<(Vec<IpAddr>, Option<SocketAddr>)>),
}

impl Place {
    fn new(ips: impl IntoIterator<Item = IpAddr>, dialler: Option<SocketAddr>) -> Place {
        let mut ips = ips.into_iter();
        let (first, second) = (ips.next(), ips.next());
        match (first, second, dialler) {
            (Some(IpAddr::V4(ip)), None, None) => Place::V4 { ip, dialler: None },
            (Some(IpAddr::V4(ip)), None, Some(SocketAddr::V4(at))) => Place::V4 { ip, dialler: Some(at) },
            _ => Place::Other(Box::new((first.into_iter().chain(second).chain(ips).collect(), dialler))),
        }
    }

    fn ips(&self) -> impl Iterator<Item = IpAddr> {
        let (one, others) = match self {
            Place::V4 { ip, .. } => (Some(IpAddr::V4(*ip)), [].as_slice()),
            Place::Other(other) => (None, other.0.as_slice()),
        };
        one.into_iter().chain(others.iter().copied())
    }

    fn dialler(&self) -> Option<SocketAddr> {
        match self {
            Place::V4 { dialler, .. } => dialler.map(SocketAddr::V4),
            Place::Other(other) => other.1,
        }
    }
}

/// Diallers: those of IPv4 as numbers, which have a quarter of the size.
#[derive(Default)]
struct Diallers {
    v4: BTreeSet<u64>,
    v6: BTreeSet<SocketAddrV6>,
}

/// As a number, the address before the port.
fn number(at: SocketAddrV4) -> u64 {
    u64::from(at.ip().to_bits()) << 16 | u64::from(at.port())
}

impl Diallers {
    fn insert(&mut self, dialler: Option<SocketAddr>) {
        match dialler {
            Some(SocketAddr::V4(at)) => drop(self.v4.insert(number(at))),
            Some(SocketAddr::V6(at)) => drop(self.v6.insert(at)),
            None => {}
        }
    }

    fn remove(&mut self, dialler: Option<SocketAddr>) {
        match dialler {
            Some(SocketAddr::V4(at)) => drop(self.v4.remove(&number(at))),
            Some(SocketAddr::V6(at)) => drop(self.v6.remove(&at)),
            None => {}
        }
    }

    fn has(&self, dialler: SocketAddr) -> bool {
        match dialler {
            SocketAddr::V4(at) => self.v4.contains(&number(at)),
            SocketAddr::V6(at) => self.v6.contains(&at),
        }
    }
}

/// What is known of one side without looking at each entry.
#[derive(Default)]
struct Side {
    taken: usize,
    open: usize,
    diallers: Diallers,
}

/// Connections by id.
#[derive(Default)]
pub(crate) struct Table {
    /// Boxed: half of a tree of growing numbers are places that nobody takes.
    entries: BTreeMap<u64, Box<Entry>>,
    inbound: Side,
    outbound: Side,
}

impl Table {
    /// Enters a connection that is not open yet.
    pub(crate) fn insert(&mut self, id: u64, entry: Entry) {
        let side = self.side(entry.inbound);
        side.taken += 1;
        side.diallers.insert(entry.place.dialler());
        if let Some(old) = self.entries.insert(id, Box::new(entry)) {
            self.discount(&old);
        }
    }

    /// The dialled connection stands: to this address, from that end; `task` opens the link, if that takes any time.
    pub(crate) fn dialled(
        &mut self,
        id: u64,
        ip: IpAddr,
        dialler: Option<SocketAddr>,
        task: Option<AbortHandle>,
    ) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.place = Place::new([ip], dialler);
        if let Some(task) = task {
            entry.state = State::Opening(task.into());
        }
        let inbound = entry.inbound;
        self.side(inbound).diallers.insert(dialler);
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
        Some(*entry)
    }

    /// The entry no longer counts as what it is.
    fn discount(&mut self, entry: &Entry) {
        if !entry.is_live() {
            return;
        }
        let side = self.side(entry.inbound);
        side.taken -= 1;
        side.open -= usize::from(matches!(entry.state, State::Open(_)));
        side.diallers.remove(entry.place.dialler());
    }

    fn side(&mut self, inbound: bool) -> &mut Side {
        if inbound { &mut self.inbound } else { &mut self.outbound }
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.get_mut(&id).map(|entry| &mut **entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(id, e)| (*id, &**e))
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
        if inbound { &self.outbound } else { &self.inbound }.diallers.has(dialler)
    }

    /// Every address that is connected or being connected to.
    pub(crate) fn ips(&self) -> impl Iterator<Item = IpAddr> {
        self.entries.values().filter(|e| e.is_live()).flat_map(|e| e.place.ips())
    }

    /// The entry opened on behalf of `request`.
    pub(crate) fn by_request(&self, request: u64) -> Option<u64> {
        self.iter().find(|(_, e)| e.request == request).map(|(id, _)| id)
    }
}
