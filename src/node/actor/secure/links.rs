//! The connections of the secure dialect: dialled or accepted, seen through by an usher, then the program's.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::super::Actor;
use super::News;
use crate::error::{Code, Error, Result};
use crate::event::Via;
use crate::node::conn::Conn;
use crate::node::dial::dial_one;
use crate::node::greet::{Greeted, Role};
use crate::node::log::log;
use crate::node::session::Handed;
use crate::node::table::{Entry, State};
use crate::node::usher::{Step, Word, usher};
use crate::node::volunteer::Came;
use crate::os::sock;
use crate::proto::admit::party;
use crate::proto::connect::{Closing, ConnId, Input, Token};
use crate::proto::handshake::{Answer, Peer};
use crate::proto::identity::PublicKey;

/// Strangers in the middle of a handshake. One more, and the oldest of the address that has most of them has to go: who
/// opens many gets in his own way first.
const MAX_HALF_OPEN: usize = 128;

/// Where a connection stands.
pub(super) enum Link {
    /// A task dials.
    Dialling(AbortHandle),
    /// It stands, and nothing has been said on it yet. Perhaps it goes by a relay.
    Standing(TcpStream, SocketAddr, Option<Arc<str>>),
    /// An usher has it.
    Ushered(Ushered),
}

impl Link {
    /// Stops whatever works for it.
    pub(super) fn abort(&self) {
        match self {
            Link::Dialling(task) | Link::Ushered(Ushered { task, .. }) => task.abort(),
            Link::Standing(..) => {}
        }
    }

    /// A request does not wait for it any more.
    pub(super) fn leave(&mut self, request: u64) {
        if let Link::Ushered(Ushered { opening: Some((_, requests)), .. }) = self {
            requests.retain(|other| *other != request);
        }
    }

    /// Whether it is ours, about to be the program's, and not in the table.
    pub(super) fn is_opening_outwards(&self) -> bool {
        matches!(self, Link::Ushered(Ushered { ours: true, id: None, opening: Some(_), .. }))
    }
}

/// A connection that is being seen through.
pub(super) struct Ushered {
    words: UnboundedSender<Word>,
    task: AbortHandle,
    /// Whether the peer was told that it is welcome.
    welcomed: bool,
    /// The peer's end, or the relay's.
    at: SocketAddr,
    /// The relay by which it goes.
    relay: Option<Arc<str>>,
    /// Whether we opened it.
    ours: bool,
    /// Its entry in the table, if it has one: those that came in by the listener.
    id: Option<u64>,
    /// Whether the connector has heard of it.
    known: bool,
    /// Who is there, once that is known.
    peer: Option<PublicKey>,
    /// It is to be the program's, in this way, and these requests wait for that.
    opening: Option<(Via, Vec<u64>)>,
}

impl Actor {
    pub(super) fn secure_dial(&mut self, conn: ConnId, to: SocketAddr) {
        #[cfg(feature = "testing")]
        if self.shared.config.test_unreachable.load(std::sync::atomic::Ordering::Relaxed) {
            let text = "unreachable, as this test wants it".to_owned();
            return self.secure_input(Input::DialFailed { conn, os_error: 0, text });
        }
        let (bound, report) = (self.reach.bound, self.report_secure());
        let task = self.spawn(async move {
            // The connector knows how long it may take.
            let outcome = dial_one(to, bound).await;
            report(News::Dialled { conn, outcome });
            None
        });
        if let Some(secure) = &mut self.secure {
            secure.links.insert(conn, Link::Dialling(task));
        }
    }

    pub(super) fn secure_dialled(&mut self, conn: ConnId, outcome: Result<TcpStream>) {
        let keep_alive = self.keep_alive();
        let Some(secure) = &mut self.secure else { return };
        if !matches!(secure.links.get(&conn), Some(Link::Dialling(_))) {
            return;
        }
        let ready = outcome.and_then(|stream| {
            let at = stream.peer_addr().and_then(|at| sock::prepare(&stream, keep_alive).map(|()| at));
            at.map(|at| (stream, at)).map_err(|e| Error::io("preparing the connection", &e))
        });
        match ready {
            Ok((stream, at)) => {
                secure.links.insert(conn, Link::Standing(stream, at, None));
                self.secure_input(Input::Connected { conn });
            }
            Err(e) => {
                secure.links.remove(&conn);
                let (os_error, text) = (e.os_error, e.message.into_owned());
                self.secure_input(Input::DialFailed { conn, os_error, text });
            }
        }
    }

    /// A connection that a punch has made, under the name that the connector is told.
    pub(super) fn secure_stands(&mut self, conn: ConnId, stream: TcpStream, at: SocketAddr) {
        if let Some(secure) = &mut self.secure {
            secure.links.insert(conn, Link::Standing(stream, at, None));
        }
    }

    /// The node has dialled an address by itself, or for p2p_connect(); whoever is there is asked who it is.
    pub(in super::super) fn secure_own_dial(&mut self, id: u64, stream: TcpStream, at: SocketAddr) {
        let Some(secure) = &mut self.secure else { return };
        let conn = secure.connector.next_conn();
        let role = Role::Connect { to: None, token: Token::default(), chosen: false };
        self.see_through(conn, stream, (at, None), role, Some(id));
    }

    /// Begins to talk to the node that should be there.
    pub(super) fn greet(&mut self, conn: ConnId, peer: PublicKey, token: Token, chosen: bool) {
        let Some(secure) = &mut self.secure else { return };
        match secure.links.remove(&conn) {
            Some(Link::Standing(stream, at, relay)) => {
                let role = Role::Connect { to: Some(peer), token, chosen };
                self.see_through(conn, stream, (at, relay), role, None);
            }
            Some(other) => drop(secure.links.insert(conn, other)),
            None => {}
        }
    }

    /// Lets the other side of a connection say who it is that came of a punch that the peer began. Unless the connector has
    /// no use for it any more: then it is closed already.
    pub(super) fn receive(&mut self, conn: ConnId) {
        let Some(secure) = &mut self.secure else { return };
        match secure.links.remove(&conn) {
            Some(Link::Standing(stream, at, relay)) => {
                self.see_through(conn, stream, (at, relay), Role::Accept, None);
            }
            Some(other) => drop(secure.links.insert(conn, other)),
            None => {}
        }
    }

    /// A connection has come in by the listener.
    pub(in super::super) fn secure_accepted(&mut self, stream: TcpStream, from: SocketAddr) {
        self.displace_half_open();
        let Some(secure) = &mut self.secure else { return };
        let conn = secure.connector.next_conn();
        let id = self.shared.new_id();
        self.see_through(conn, stream, (from, None), Role::Accept, Some(id));
    }

    fn see_through(
        &mut self,
        conn: ConnId,
        stream: TcpStream,
        (at, relay): (SocketAddr, Option<Arc<str>>),
        role: Role,
        id: Option<u64>,
    ) {
        let ours = matches!(role, Role::Connect { .. });
        let (words, heard) = unbounded_channel();
        let (shared, report) = (Arc::clone(&self.shared), self.report_secure());
        let volunteer = self.secure.as_ref().and_then(|secure| secure.volunteer.clone());
        let volunteer = volunteer.filter(|_| !ours && id.is_some());
        let task = self.spawn(async move {
            let stream = match volunteer {
                None => stream,
                Some(volunteer) => match volunteer.sort(stream, at).await {
                    Came::Peer(stream) => stream,
                    Came::Relay(guest) => {
                        report(News::ForRelay { conn, guest });
                        return None;
                    }
                    Came::Nobody(e) => {
                        report(News::Usher { conn, step: Step::Closed(e) });
                        return None;
                    }
                },
            };
            usher(shared, stream, at, role, heard, |step| report(News::Usher { conn, step })).await;
            None
        });
        let abort = task.clone();
        match id {
            Some(id) if ours => self.table.dialled(id, at.ip(), None, task),
            Some(id) => {
                let (ips, since, dialler) = (vec![at.ip()], Instant::now(), Some(at));
                let state = State::Opening(task);
                self.table.insert(id, Entry { ips, inbound: true, request: 0, since, dialler, state });
            }
            None => {}
        }
        if let Some(secure) = &mut self.secure {
            let known = id.is_none();
            let ushered = Ushered {
                words,
                task: abort,
                welcomed: false,
                at,
                relay,
                ours,
                id,
                known,
                peer: None,
                opening: None,
            };
            secure.links.insert(conn, Link::Ushered(ushered));
        }
    }

    /// Peers that have come by the listener and were welcomed, whose connection is not the program's yet.
    pub(super) fn welcomed(&self) -> usize {
        let coming =
            |link: &&Link| matches!(link, Link::Ushered(u) if u.welcomed && !u.ours && u.id.is_some());
        self.secure.as_ref().map_or(0, |secure| secure.links.values().filter(coming).count())
    }

    /// Makes room for another stranger.
    fn displace_half_open(&mut self) {
        if self.table.taken(true) - self.table.open(true) < MAX_HALF_OPEN {
            return;
        }
        let Some(secure) = &self.secure else { return };
        let half_open = || {
            secure.links.iter().filter_map(|(conn, link)| match link {
                Link::Ushered(Ushered { id: Some(_), ours: false, opening: None, at, .. }) => {
                    Some((*conn, party(at.ip())))
                }
                _ => None,
            })
        };
        let mut each: BTreeMap<IpAddr, usize> = BTreeMap::new();
        half_open().for_each(|(_, ip)| *each.entry(ip).or_default() += 1);
        // Of several that have as many the oldest has to go: an address is no reason.
        let most = each.values().max();
        let Some((conn, _)) = half_open().find(|(_, ip)| each.get(ip) == most) else { return };
        self.shared.counters.rejected.add(1);
        let why = "another stranger took its place in the middle of the handshake";
        if self.let_go(conn, Error::new(Code::Limit, why)) {
            self.secure_input(Input::Closed { conn, os_error: 0, text: why.into() });
        }
    }

    /// Says something to a connection.
    pub(super) fn word(&mut self, conn: ConnId, word: Word) {
        if let Some(ushered) = self.ushered(conn) {
            ushered.welcomed |= matches!(word, Word::Answer(Answer::Welcome { .. }));
            // One that has ended has said so, or is about to.
            let _ = ushered.words.send(word);
        }
    }

    /// The program does not want the connection any more that it dialled, in the table as `id`. If it has been decided that
    /// this is the one between the two nodes, it stays: the peer may have it already, and other requests wait for it.
    /// False if nobody has begun to talk on it yet.
    pub(in super::super) fn secure_cancel_dial(&mut self, id: u64, why: &Error) -> bool {
        let ours = |(conn, link): (&ConnId, &Link)| match link {
            Link::Ushered(u) if u.id == Some(id) => Some((*conn, u.opening.is_some())),
            _ => None,
        };
        match self.secure.as_ref().and_then(|s| s.links.iter().find_map(ours)) {
            Some((_, true)) => {
                if let Some(entry) = self.table.get_mut(id) {
                    let request = std::mem::take(&mut entry.request);
                    self.shared.done(request, why.clone().into());
                }
            }
            Some((conn, false)) => {
                let text = why.message.clone().into_owned();
                if self.let_go(conn, why.clone()) {
                    self.secure_input(Input::Closed { conn, os_error: 0, text });
                }
            }
            None => return false,
        }
        true
    }

    fn ushered(&mut self, conn: ConnId) -> Option<&mut Ushered> {
        match self.secure.as_mut()?.links.get_mut(&conn)? {
            Link::Ushered(ushered) => Some(ushered),
            _ => None,
        }
    }

    pub(super) fn usher_says(&mut self, conn: ConnId, step: Step) {
        // Whoever comes now is judged by the places there are now.
        self.secure_room();
        let Some(ushered) = self.ushered(conn) else { return };
        match step {
            Step::Met(Peer { key: peer, token, chosen, live }) => {
                let at = ushered.at;
                (ushered.known, ushered.peer) = (true, Some(peer));
                let input = if ushered.ours {
                    Input::Met { conn, peer, at, chosen }
                } else {
                    Input::Came { conn, peer, from: at, token, chosen, live }
                };
                if ushered.ours && ushered.id.is_some() {
                    self.forget_ending(&peer);
                }
                self.secure_input(input);
            }
            Step::Verdict { chosen } => self.secure_input(Input::Verdict { conn, chosen }),
            Step::Chosen => self.secure_input(Input::Chosen { conn }),
            Step::Closed(e) => {
                // By its address it was another one.
                let held = ushered.ours && ushered.id.is_some() && ushered.opening.is_none();
                let peer = ushered.peer.filter(|_| held);
                let twice = |peer| self.secure.as_ref().is_some_and(|s| s.connector.open(peer).is_some());
                let e = match peer.as_ref().is_some_and(twice) {
                    true => duplicate(),
                    false => e,
                };
                log!(self.shared, Debug, "{e}");
                if self.let_go(conn, e.clone()) {
                    let (os_error, text) = (e.os_error, e.message.into_owned());
                    self.secure_input(Input::Closed { conn, os_error, text });
                }
            }
            Step::Passed(passed) => self.passed(conn, *passed),
        }
    }

    /// Forgets a connection that is not open; the requests that were to have it end with `why`. Whether the connector
    /// knows of it.
    pub(super) fn let_go(&mut self, conn: ConnId, why: Error) -> bool {
        let Some(secure) = &mut self.secure else { return false };
        match secure.links.remove(&conn) {
            Some(Link::Ushered(Ushered { id, known, opening, task, peer, .. })) => {
                task.abort();
                if let Some(id) = id {
                    // The request of a dial of ours ends with it.
                    self.fail(id, why.clone());
                }
                let opened = opening.is_some();
                for request in opening.into_iter().flat_map(|(_, requests)| requests) {
                    self.shared.done(request, why.clone().into());
                }
                if let Some(peer) = peer.filter(|_| opened) {
                    self.link_not_made(&peer);
                }
                known
            }
            Some(Link::Dialling(task)) => {
                task.abort();
                true
            }
            _ => true,
        }
    }

    /// This connection is to be the program's.
    pub(super) fn secure_open(&mut self, conn: ConnId, _at: SocketAddr, via: Via) {
        if let Some(ushered) = self.ushered(conn) {
            ushered.opening = Some((via, Vec::new()));
        }
        self.word(conn, Word::Pass);
    }

    /// A request has this connection, as soon as it is open.
    pub(super) fn secure_done(&mut self, request: u64, conn: ConnId) {
        if let Some(id) = self.secure.as_ref().and_then(|s| s.given.get(&conn)).copied() {
            return self.secure_succeeded(request, id);
        }
        match self.secure.as_mut().and_then(|s| s.links.get_mut(&conn)) {
            Some(Link::Ushered(Ushered { opening: Some((_, requests)), .. })) => requests.push(request),
            _ => {
                let e = Error::new(Code::Closed, "the connection was made, and ended before it was open");
                self.shared.done(request, e.into());
            }
        }
    }

    fn passed(&mut self, conn: ConnId, passed: Greeted) {
        let Some(Link::Ushered(ushered)) = self.secure.as_mut().and_then(|s| s.links.remove(&conn)) else {
            return;
        };
        let Ushered { ours, id, opening, relay, .. } = ushered;
        let (via, mut requests) = opening.unwrap_or((Via::Accept, Vec::new()));
        // That of a dial of ours.
        let own = id.and_then(|id| self.table.get_mut(id)).map(|entry| std::mem::take(&mut entry.request));
        requests.extend(own.filter(|request| *request != 0));
        let handed = Handed { conn, via, relay, ours, greeted: Box::new(passed), requests };
        self.link_made(id, handed);
    }

    /// The program wants a connection to an address, and has one to the node that is there, as its key shows.
    pub(super) fn secure_spare(&mut self, conn: ConnId) {
        let id = self.ushered(conn).and_then(|ushered| ushered.id);
        if let Some(entry) = id.and_then(|id| self.table.get_mut(id)) {
            let request = std::mem::take(&mut entry.request);
            self.shared.done(request, duplicate().into());
        }
    }

    /// Ends a connection, as the connector wants it.
    pub(super) fn secure_close(&mut self, conn: ConnId, why: Closing) {
        if self.forget_meeting(conn, why) {
            return;
        }
        let Some(secure) = &mut self.secure else { return };
        if let Some(id) = secure.given.remove(&conn) {
            secure.open.remove(&id);
            if why == Closing::Replaced {
                // The session goes over to the next one, which keeps this one open until then.
                return;
            }
            if let Some(open) = self.shared.conn(id) {
                let peer = open.peer.to_string_lossy();
                log!(self.shared, Info, "closing the connection with {peer}: {}", why.text());
                let _ = open.closed_for.set(why.text());
                open.close();
            }
            return;
        }
        match secure.links.get(&conn) {
            Some(Link::Ushered(ushered)) if !ushered.ours && !ushered.welcomed && why == Closing::Full => {
                // The usher says so, and ends.
                let _ = ushered.words.send(Word::Answer(Answer::Full));
                let id = ushered.id;
                secure.links.remove(&conn);
                if let Some(id) = id {
                    self.fail(id, Error::new(Code::Limit, why.text()));
                }
            }
            Some(Link::Ushered(Ushered { ours: true, id: Some(_), opening: None, .. }))
                if why == Closing::Beaten =>
            {
                // By its address it was another one.
                let text = "that node is connected already, as its key shows";
                self.let_go(conn, Error::new(Code::Duplicate, text));
            }
            Some(_) => drop(self.let_go(conn, Error::new(code_of(why), why.text()))),
            None => {}
        }
    }

    /// The program has closed its connection with this peer, or it has ended: it is not one to be had any more, though its
    /// last bytes may still be on their way.
    pub(super) fn forget_ending(&mut self, peer: &PublicKey) {
        let Some(secure) = &self.secure else { return };
        let Some(id) = secure.sessions.id_of(peer) else { return };
        let ends = |conn: Arc<Conn>| conn.closed.load(Relaxed) || conn.out.lock().is_closing();
        if self.shared.conn(id).is_none_or(ends) {
            self.secure_closed(id);
        }
    }

    /// A connection of the program's has ended.
    pub(in super::super) fn secure_closed(&mut self, id: u64) {
        let Some(secure) = &mut self.secure else { return };
        let peer = secure.sessions.ended(id);
        if let Some(conn) = secure.open.remove(&id) {
            secure.given.remove(&conn);
            secure
                .connector
                .handle(Instant::now(), Input::Closed { conn, os_error: 0, text: "it has ended".into() });
        }
        if let Some(peer) = peer {
            secure.connector.set_session(Instant::now(), peer, None);
        }
        self.secure_act();
    }
}

fn duplicate() -> Error {
    Error::new(Code::Duplicate, "that node is connected already, as its key shows")
}

/// What a request is told whose connection the connector does not want: one by an address, or one that was about to open.
fn code_of(why: Closing) -> Code {
    match why {
        Closing::Beaten => Code::Duplicate,
        Closing::Silent => Code::Timeout,
        Closing::Full => Code::Limit,
        Closing::Replaced | Closing::Unknown => Code::Closed,
        Closing::GivenUp => Code::Canceled,
    }
}
