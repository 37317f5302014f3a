//! The connections of the secure dialect that are not the program's yet: dialled or accepted, and then seen through by an usher.
//! `opening` has what ushers report, until the program has the connection; `ends` how connections end.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::super::Actor;
use super::News;
use crate::error::{Code, Error, Result};
use crate::event::Via;
use crate::node::dial::dial_one;
use crate::node::greet::Role;
use crate::node::table::{Entry, State};
use crate::node::usher::{Step, Word, usher};
use crate::node::volunteer::Came;
use crate::os::sock;
use crate::proto::admit::party;
use crate::proto::connect::{ConnId, Input, Token};
use crate::proto::handshake::Answer;
use crate::proto::identity::PublicKey;
use crate::small::SmallMap;

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
    pub(super) words: UnboundedSender<Word>,
    pub(super) task: AbortHandle,
    /// Whether the peer was told that it is welcome.
    pub(super) welcomed: bool,
    /// The peer's end, or the relay's.
    pub(super) at: SocketAddr,
    /// The relay by which it goes.
    pub(super) relay: Option<Arc<str>>,
    /// Whether we opened it.
    pub(super) ours: bool,
    /// Its entry in the table, if it has one: those that came in by the listener.
    pub(super) id: Option<u64>,
    /// Whether the connector has heard of it.
    pub(super) known: bool,
    /// Who is there, once that is known.
    pub(super) peer: Option<PublicKey>,
    /// It is to be the program's, in this way, and these requests wait for that.
    pub(super) opening: Option<(Via, Vec<u64>)>,
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
                Some(volunteer) => match Box::pin(volunteer.sort(stream, at)).await {
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
            Some(id) if ours => self.table.dialled(id, at.ip(), None, Some(task)),
            Some(id) => {
                self.table.insert(id, Entry::new([at.ip()], Some(at), true, State::Opening(task.into())));
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
        let mut each: SmallMap<IpAddr, usize> = SmallMap::new();
        half_open().for_each(|(_, ip)| *each.get_or_insert_with(ip, Default::default) += 1);
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

    pub(super) fn ushered(&mut self, conn: ConnId) -> Option<&mut Ushered> {
        match self.secure.as_mut()?.links.get_mut(&conn)? {
            Link::Ushered(ushered) => Some(ushered),
            _ => None,
        }
    }
}
