//! All sockets of one punch: ports, attempts that wait for their instant, attempts under way, connections. They are
//! named as the state machine names them; what happens to them comes out of [`Sockets::poll`].

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::answer::{Answer, answer};
use super::ask::Servers;
use super::conn::{Conn, Look, Seen};
use super::ports::{Port, source};
use super::server::{Said, ServerLine};
use super::wakes::Wakes;
use crate::node::rendezvous::Reach;
use crate::proto::punch::{ConnId, Frame, SlotId};
use crate::small::SmallMap;

/// Attempts that leave in one go, before other work of the thread has its turn.
const IN_ONE_GO: usize = 16;
/// After this a listener that could not accept (no descriptors left) is tried again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What has happened.
pub(super) enum Event {
    /// An attempt has succeeded.
    Connected(ConnId),
    /// An attempt has failed.
    Failed(ConnId, Answer),
    /// Somebody has come in by a listener; [`Sockets::take_in`] keeps the connection.
    Arrived(SlotId, TcpStream, SocketAddr),
    /// A connection has ended.
    Closed(ConnId),
    /// A frame has come.
    Frame(ConnId, Box<Frame>),
    /// The servers have told the outside port, or nothing.
    Asked(SlotId, Option<u16>),
    /// The server we talk to (in a fight) says something.
    Server(Said),
}

#[derive(Clone, Copy)]
enum Key {
    Listener(SlotId),
    Asking(SlotId),
    Conn(ConnId),
    Server,
}

/// An attempt that waits.
struct Due {
    slot: SlotId,
    to: SocketAddr,
    short: bool,
}

pub(super) struct Sockets {
    source: IpAddr,
    reach: Reach,
    /// The connection to a server, and the port it comes from.
    server: Option<(SlotId, ServerLine)>,
    servers: Arc<Servers>,
    look: Look,
    ports: SmallMap<SlotId, Port>,
    due: SmallMap<(Instant, ConnId), Due>,
    conns: SmallMap<ConnId, Conn>,
    /// Listeners that could not accept.
    deaf: VecDeque<(Instant, SlotId)>,
    wakes: Wakes<Key>,
    events: VecDeque<Event>,
    /// How often each error of the operating system was met.
    pub(super) errors: SmallMap<i32, u32>,
}

impl Sockets {
    pub(super) fn new(reach: Reach, servers: Vec<String>, peer: IpAddr, look: Look) -> Sockets {
        Sockets {
            source: source(reach.bound, peer.to_canonical()),
            servers: Servers::new(reach.clone(), servers),
            reach,
            server: None,
            look,
            ports: SmallMap::new(),
            due: SmallMap::new(),
            conns: SmallMap::new(),
            deaf: VecDeque::new(),
            wakes: Wakes::new(),
            events: VecDeque::new(),
            errors: SmallMap::new(),
        }
    }

    /// Binds a local port (0: any that is free); gives its number.
    pub(super) fn bind(&mut self, slot: SlotId, number: u16, listen: bool) -> Option<u16> {
        let bound = Port::bind(SocketAddr::new(self.source, number)).and_then(|mut port| {
            if listen {
                port.listen(self.wakes.bell(Key::Listener(slot)))?;
            }
            Ok(port)
        });
        match bound {
            Ok(port) => {
                let number = port.number();
                self.ports.insert(slot, port);
                Some(number)
            }
            Err(e) => {
                self.met(&e);
                None
            }
        }
    }

    /// Listens on a local port that has been used to connect from only.
    pub(super) fn listen(&mut self, slot: SlotId) {
        let bell = self.wakes.bell(Key::Listener(slot));
        if let Some(Err(e)) = self.ports.get_mut(&slot).map(|port| port.listen(bell)) {
            self.met(&e);
        }
    }

    fn met(&mut self, e: &io::Error) {
        if let Some(errno) = e.raw_os_error() {
            *self.errors.get_or_insert_with(errno, || 0) += 1;
        }
    }

    /// Begins to ask for the outside port of a local one.
    pub(super) fn ask(&mut self, slot: SlotId, limit: Duration) {
        match self.ports.get_mut(&slot) {
            Some(port) => port.ask(Arc::clone(&self.servers), limit, self.wakes.bell(Key::Asking(slot))),
            None => self.events.push_back(Event::Asked(slot, None)),
        }
    }

    /// Begins to connect to a rendezvous server from a local port.
    pub(super) fn open_server(&mut self, slot: SlotId, server: String) {
        let from = SocketAddr::new(self.source, self.ports.get(&slot).map_or(0, Port::number));
        let line = ServerLine::open(self.reach.clone(), server, from, self.wakes.bell(Key::Server));
        self.server = Some((slot, line));
    }

    /// Sends a line to that server, when it is reached.
    pub(super) fn tell_server(&mut self, line: &str) {
        if let Some((_, server)) = &mut self.server {
            server.say(line);
        }
    }

    /// Whether it has been reached and is still there.
    pub(super) fn server_is_open(&self) -> bool {
        self.server.as_ref().is_some_and(|(_, server)| server.is_open())
    }

    /// Connects at an instant; `short`: by a SYN that ends behind our own router.
    pub(super) fn connect(&mut self, conn: ConnId, slot: SlotId, to: SocketAddr, at: Instant, short: bool) {
        self.due.insert((at, conn), Due { slot, to, short });
    }

    /// Sends off what is due. True: more is, but others are to have their turn first.
    pub(super) fn launch(&mut self, now: Instant) -> bool {
        while let Some((_, slot)) = self.deaf.pop_front_if(|(at, _)| *at <= now) {
            if let Some(port) = self.ports.get(&slot) {
                port.ring();
            }
        }
        for _ in 0..IN_ONE_GO {
            if self.due.first_key_value().is_none_or(|((at, _), _)| *at > now) {
                return false;
            }
            let Some(((_, conn), due)) = self.due.pop_first() else { return false };
            let started = match self.ports.get_mut(&due.slot) {
                Some(port) => port.connect(due.to, due.short),
                None => Err(io::ErrorKind::NotFound.into()),
            };
            match started {
                Ok(stream) => {
                    let bell = self.wakes.bell(Key::Conn(conn));
                    self.conns.insert(conn, Conn::dialing(stream, due.to, bell, self.look));
                }
                Err(e) => {
                    self.met(&e);
                    self.events.push_back(Event::Failed(conn, answer(&e)));
                }
            }
        }
        self.due.first_key_value().is_some_and(|((at, _), _)| *at <= now)
    }

    /// When [`Sockets::launch`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.due.first_key_value().map(|((at, _), _)| *at);
        due.into_iter().chain(self.deaf.front().map(|(at, _)| *at)).min()
    }

    /// Keeps a connection that has come in.
    pub(super) fn take_in(&mut self, conn: ConnId, stream: TcpStream, from: SocketAddr) {
        let bell = self.wakes.bell(Key::Conn(conn));
        self.conns.insert(conn, Conn::arrived(stream, from, bell, self.look));
    }

    /// Sends octets on a connection.
    pub(super) fn say(&mut self, conn: ConnId, octets: &[u8]) {
        if let Some(open) = self.conns.get_mut(&conn)
            && !open.say(octets)
        {
            self.conns.remove(&conn);
            self.events.push_back(Event::Closed(conn));
        }
    }

    /// Closes an attempt or a connection.
    pub(super) fn close(&mut self, conn: ConnId) {
        self.due.retain(|(_, waiting), _| *waiting != conn);
        self.conns.remove(&conn);
    }

    /// Closes a local port: its listener, its connection to a server.
    pub(super) fn close_port(&mut self, slot: SlotId) {
        self.server.take_if(|(from, _)| *from == slot);
        self.ports.remove(&slot);
    }

    /// Takes the winner out.
    pub(super) fn take_out(&mut self, conn: ConnId) -> Option<Conn> {
        self.conns.remove(&conn)
    }

    /// The next thing that has happened.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            match self.wakes.poll_rung(cx) {
                Poll::Ready(Key::Conn(conn)) => self.look_at(conn),
                Poll::Ready(Key::Listener(slot)) => self.accept(slot),
                Poll::Ready(Key::Asking(slot)) => {
                    if let Some(Poll::Ready(port)) = self.ports.get_mut(&slot).map(Port::poll_asked) {
                        self.events.push_back(Event::Asked(slot, port));
                    }
                }
                Poll::Ready(Key::Server) => {
                    let said = self.server.as_mut().and_then(|(_, server)| server.look());
                    self.events.extend(said.map(Event::Server));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn look_at(&mut self, conn: ConnId) {
        let Some(seen) = self.conns.get_mut(&conn).and_then(Conn::look) else { return };
        self.events.push_back(match seen {
            Seen::Connected => Event::Connected(conn),
            Seen::Frame(frame) => Event::Frame(conn, frame),
            Seen::Closed => {
                self.conns.remove(&conn);
                Event::Closed(conn)
            }
            Seen::Failed(answer, errno) => {
                // Closed before it may be tried again from the same port.
                self.conns.remove(&conn);
                if let Some(errno) = errno {
                    *self.errors.get_or_insert_with(errno, || 0) += 1;
                }
                Event::Failed(conn, answer)
            }
        });
    }

    fn accept(&mut self, slot: SlotId) {
        let Some(port) = self.ports.get_mut(&slot) else { return };
        match port.accept() {
            Poll::Pending => {}
            Poll::Ready(Ok((stream, from))) => {
                port.ring();
                self.events.push_back(Event::Arrived(slot, stream, from));
            }
            Poll::Ready(Err(e)) => {
                // Who has gone again makes an error, too; with no descriptors left it would come again at once.
                self.met(&e);
                self.deaf.push_back((Instant::now() + ACCEPT_AGAIN, slot));
            }
        }
    }
}
