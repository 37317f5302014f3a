//! The sessions: which peer has which, to whom a new link goes, what is done when a link is gone.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::super::Actor;
use super::News;
use crate::error::{Code, Error, Result};
use crate::node::conn::Conn;
use crate::node::frames::Opening;
use crate::node::greet::{Greeted, Made};
use crate::node::session::{Handed, Order, Report, meet_ended, settings};
use crate::node::table::{Entry, State};
use crate::proto::connect::{Closing, ConnId, Input};
use crate::proto::identity::PublicKey;
use crate::proto::session::{Epitaph, Session};
use crate::small::SmallMap;

/// Ended sessions that are remembered, for peers that do not know it.
const REMEMBERED: usize = 256;

/// What a session's task begins with.
pub(in super::super) struct Start {
    pub(in super::super) link: (ConnId, Opening),
}

/// See the module.
#[derive(Default)]
pub(super) struct Sessions {
    by_peer: BTreeMap<PublicKey, u64>,
    held: SmallMap<u64, Held>,
    ended: VecDeque<(PublicKey, Epitaph, Instant)>,
    /// Links with peers whose session has ended not long ago: they are to say first which one they hold.
    meetings: SmallMap<ConnId, Meeting>,
}

struct Held {
    peer: PublicKey,
    conn: Arc<Conn>,
}

struct Meeting {
    task: AbortHandle,
    /// The entry in the table, if there is one.
    id: Option<u64>,
    peer: PublicKey,
    /// Without the link.
    via: crate::event::Via,
    relay: Option<Arc<str>>,
    requests: Vec<u64>,
}

impl Sessions {
    /// The connection with this peer.
    pub(super) fn id_of(&self, peer: &PublicKey) -> Option<u64> {
        self.by_peer.get(peer).copied()
    }

    /// A connection has ended. With whom it was, if there is no other by now.
    pub(super) fn ended(&mut self, id: u64) -> Option<PublicKey> {
        let peer = self.held.remove(&id)?.peer;
        if self.by_peer.get(&peer) != Some(&id) {
            return None;
        }
        self.by_peer.remove(&peer);
        Some(peer)
    }

    fn bury(&mut self, now: Instant, peer: PublicKey, epitaph: Epitaph, until: Instant) {
        self.ended.retain(|(other, _, until)| *other != peer && *until > now);
        if self.ended.len() >= REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((peer, epitaph, until));
    }

    fn epitaph(&self, now: Instant, peer: &PublicKey) -> Option<Epitaph> {
        let fits = |(other, _, until): &&(PublicKey, Epitaph, Instant)| other == peer && *until > now;
        self.ended.iter().find(fits).map(|(_, epitaph, _)| *epitaph)
    }

    /// Stops what is asked of peers.
    pub(super) fn abort(&self) {
        self.meetings.values().for_each(|meeting| meeting.task.abort());
    }
}

impl Actor {
    /// A link is there, with both ends known: for the session with that peer, or a new one. `id` is its entry in the table,
    /// if it has one.
    pub(super) fn link_made(&mut self, id: Option<u64>, handed: Handed) {
        let now = Instant::now();
        let Some(secure) = &mut self.secure else { return };
        let peer = handed.greeted.peer.key;
        let conn = handed.conn;
        let held = secure.sessions.id_of(&peer);
        if let Some((session, held)) = held.and_then(|s| secure.sessions.held.get(&s).map(|held| (s, held))) {
            if let Err(order) = held.conn.order(Order::Link(handed)) {
                // It has just ended, and says so next.
                let requests = if let Order::Link(handed) = order { handed.requests } else { Vec::new() };
                self.end_unopened(id, requests, &too_late());
                let text = "the session that it was for has ended".into();
                return self.secure_input(Input::Closed { conn, os_error: 0, text });
            }
            secure.given.insert(conn, session);
            if let Some(before) = secure.open.insert(session, conn) {
                secure.given.remove(&before);
            }
            if let Some(id) = id {
                // The session has a place of its own.
                self.table.remove(id);
            }
            return;
        }
        // A peer that comes because we have called it is wanted, whatever it holds.
        let wanted = handed.ours || !handed.requests.is_empty();
        match secure.sessions.epitaph(now, &peer).filter(|_| !wanted) {
            Some(epitaph) => self.meet(id, handed, epitaph),
            None => self.begin_session(id, handed, false),
        }
    }

    /// A session begins with this link. `said`: on it both have said that they hold no other.
    fn begin_session(&mut self, id: Option<u64>, handed: Handed, said: bool) {
        let Handed { conn, via, relay, ours, greeted, requests } = handed;
        let (at, peer) = (greeted.at, greeted.peer.key);
        let Made { stream, sealer, opening, name } = greeted.into_link();
        let known = id.is_some();
        let id = id.unwrap_or_else(|| self.shared.new_id());
        let mut session = Session::begin(Instant::now(), name, settings(&self.shared.config), said);
        session.set_relays(self.secure.as_ref().and_then(|secure| secure.relays_at));
        let opening = Opening { announced: opening.announced || said, ..opening };
        let from = (id, via, !ours, at);
        let open = Conn::secure(from, stream, &self.shared.config, peer, sealer, session);
        open.set_relay(relay);
        let open = Arc::new(open);
        if !known {
            self.table.insert(id, Entry::new([at.ip()], None, !ours, State::Open(Arc::clone(&open))));
        }
        if let Some(secure) = &mut self.secure {
            secure.given.insert(conn, id);
            secure.open.insert(id, conn);
            secure.sessions.by_peer.insert(peer, id);
            secure.sessions.held.insert(id, Held { peer, conn: Arc::clone(&open) });
            secure.connector.set_session(Instant::now(), peer, Some(name));
        }
        let start = Start { link: (conn, opening) };
        self.enter(id, open, requests.first().copied().unwrap_or(0), Some(start));
        for request in requests {
            self.secure_succeeded(request, id);
        }
        self.secure_act();
    }

    /// A link that was to be one of a session's has come to nothing before it was handed over.
    pub(super) fn link_not_made(&mut self, peer: &PublicKey) {
        let Some(secure) = &self.secure else { return };
        let Some(id) = secure.sessions.id_of(peer).filter(|id| !secure.open.contains_key(id)) else { return };
        if let Some(held) = secure.sessions.held.get(&id) {
            let _ = held.conn.order(Order::Cut("the link that was to take its place has broken"));
        }
    }

    pub(super) fn session_says(&mut self, id: u64, report: Report) {
        let now = Instant::now();
        let Some(secure) = &mut self.secure else { return };
        let Some(peer) = secure.sessions.held.get(&id).map(|held| held.peer) else {
            // The program has closed it meanwhile, and wants another one with that peer.
            return self.end_unopened(None, report.into_requests(), &too_late());
        };
        match report {
            Report::Lost { conn, requests } => {
                let why = "the connection was made, and broke before it was open";
                for request in requests {
                    self.shared.done(request, Error::new(Code::Closed, why).into());
                }
                match secure.open.get(&id).copied() {
                    // Another one is on its way to it.
                    Some(other) if other != conn => return,
                    Some(_) => {
                        secure.open.remove(&id);
                        secure.given.remove(&conn);
                        let text = "the link has broken".into();
                        secure.connector.handle(now, Input::Closed { conn, os_error: 0, text });
                    }
                    None => {}
                }
                secure.connector.recover(now, peer, now + self.shared.config.resume_grace);
                // What has taken the link may have taken the way to the servers as well, and by them another one is arranged:
                // who does not answer now is entered anew.
                self.order_signal(crate::node::signal::Order::Measure);
                self.secure_act();
            }
            Report::Carried { requests } => {
                for request in requests {
                    self.secure_succeeded(request, id);
                }
            }
            Report::Relays { at } => {
                secure.connector.relays(&peer, at);
                self.secure_act();
            }
            Report::Anew(handed) => {
                secure.sessions.ended(id);
                secure.open.remove(&id);
                if secure.given.remove(&handed.conn).is_some() {
                    return self.begin_session(None, handed, true);
                }
                let why = "another connection was chosen";
                for request in handed.requests {
                    self.shared.done(request, Error::new(Code::Closed, why).into());
                }
            }
            Report::Over(epitaph) => {
                // As long as the peer may try to take it up, whatever its own patience is.
                let long = (self.shared.config.resume_grace * 2).max(Duration::from_secs(60));
                secure.sessions.bury(now, peer, epitaph, now + long);
            }
            Report::Stranded { requests } => self.end_unopened(None, requests, &too_late()),
        }
    }

    /// A peer has come with whom a session has ended not long ago.
    fn meet(&mut self, id: Option<u64>, handed: Handed, epitaph: Epitaph) {
        let Handed { conn, via, relay, greeted, requests, .. } = handed;
        let (peer, report) = (greeted.peer.key, self.report_secure());
        let limits = (self.shared.config.handshake_timeout, self.shared.config.close_timeout);
        let task = self.spawn(async move {
            let outcome = meet_ended(greeted, epitaph, limits).await;
            report(News::Met { conn, outcome });
            None
        });
        if let Some(secure) = &mut self.secure {
            secure.sessions.meetings.insert(conn, Meeting { task, id, peer, via, relay, requests });
        }
    }

    /// Tells all peers where this node relays.
    pub(super) fn say_relays(&self, at: Option<SocketAddr>) {
        for Held { conn, .. } in self.secure.iter().flat_map(|secure| secure.sessions.held.values()) {
            if let Some(mut seal) = conn.out.session() {
                seal.session.set_relays(at);
            }
            conn.out.wake.notify_one();
        }
    }

    /// It has said which session it holds.
    pub(super) fn met_ended(&mut self, conn: ConnId, outcome: Result<Option<Box<Greeted>>>) {
        let Some(secure) = &mut self.secure else { return };
        let Some(Meeting { id, peer, via, relay, requests, .. }) = secure.sessions.meetings.remove(&conn)
        else {
            return;
        };
        let why = match outcome {
            Ok(Some(greeted)) if secure.sessions.id_of(&peer).is_none() => {
                let handed = Handed { conn, via, relay, ours: false, greeted, requests };
                return self.begin_session(id, handed, true);
            }
            Ok(_) => Error::new(Code::Closed, "the peer wanted to go on with a session that is over"),
            Err(e) => e,
        };
        self.end_unopened(id, requests, &why);
        let text = why.message.into_owned();
        self.secure_input(Input::Closed { conn, os_error: why.os_error, text });
    }

    /// A link comes to nothing that was about to carry a connection of the program's.
    fn end_unopened(&mut self, id: Option<u64>, requests: Vec<u64>, why: &Error) {
        if let Some(id) = id {
            self.fail(id, why.clone());
        }
        for request in requests {
            self.shared.done(request, why.clone().into());
        }
    }

    /// The connector closes a link on which a peer is to say which session it holds. False: it is none of those.
    pub(super) fn forget_meeting(&mut self, conn: ConnId, why: Closing) -> bool {
        let meeting = self.secure.as_mut().and_then(|secure| secure.sessions.meetings.remove(&conn));
        let Some(Meeting { task, id, requests, .. }) = meeting else { return false };
        task.abort();
        self.end_unopened(id, requests, &Error::new(Code::Closed, why.text()));
        true
    }

    /// The network has changed: links from an address that is ours no more are given up, the others are asked.
    pub(in super::super) fn secure_network_changed(&mut self) {
        let Some(secure) = &self.secure else { return };
        let ours: Option<Vec<IpAddr>> =
            crate::os::iface::addresses().ok().map(|all| all.iter().map(|a| a.ip.to_canonical()).collect());
        for Held { conn, .. } in secure.sessions.held.values() {
            let from = conn.out.stream().and_then(|stream| stream.local_addr().ok());
            let gone = |ip: IpAddr| {
                !ip.is_loopback() && ours.as_ref().is_some_and(|ours| !ours.contains(&ip.to_canonical()))
            };
            if from.is_some_and(|from| gone(from.ip())) {
                let _ = conn.order(Order::Cut("the address it was made from is gone"));
            } else if let Some(mut seal) = conn.out.session() {
                seal.session.probe(Instant::now());
                conn.out.wake.notify_one();
            }
        }
    }
}

/// What a request is told whose link the session does not take any more.
fn too_late() -> Error {
    Error::new(Code::Closed, "the connection was made, and ended before it was open")
}
