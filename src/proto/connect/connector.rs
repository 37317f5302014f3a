//! The connector: finds the pair that an input concerns, lets it do what follows, and knows when it is to be woken.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::core::Core;
use super::message::Message;
use super::pair::Pair;
use super::report::{End, Story};
use super::sealed::OpenError;
use super::seals::Seals;
use super::search::{BUILT, MAINLINE};
use super::settings::{Own, Settings};
use super::tale::Tale;
use super::types::{Closing, ConnId, Input, Output, Token};
use crate::error::{Code, Error};
use crate::proto::identity::PublicKey;
use crate::proto::unl::{Check, Server, UnlV3};

/// All connections by locator of one node. See the module's page for the contract with the I/O.
pub struct Connector {
    core: Core,
    /// Boxed: half of a tree are places that nobody takes.
    pairs: BTreeMap<PublicKey, Box<Pair>>,
    wakes: BTreeSet<(Instant, PublicKey)>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connector({} peers, {} requests)", self.pairs.len(), self.core.requests.len())
    }
}

impl Connector {
    /// `seals` are those of the node that the settings name. `secret`: 32 bytes that nobody can foresee; tokens are made from them.
    pub fn new(settings: Settings, own: Own, seals: Seals, secret: [u8; 32]) -> Connector {
        let mut core = Core::new(settings, seals, secret);
        core.own = own;
        Connector { core, pairs: BTreeMap::new(), wakes: BTreeSet::new() }
    }

    /// What the node knows of itself has changed. What goes on goes on with what it was begun with.
    pub fn set_own(&mut self, now: Instant, own: Own) {
        let moved = match (&self.core.own.locator, &own.locator) {
            (Some(old), Some(new)) => !old.has_same_addresses(new),
            (old, new) => old.is_some() != new.is_some(),
        };
        self.core.own = own;
        let relayed = self.pairs.values().filter(|pair| moved && pair.better.is_some());
        for peer in relayed.map(|pair| pair.peer).collect::<Vec<_>>() {
            self.with(now, peer, |pair, _| pair.hurry_better(now));
        }
        let waiting = self.pairs.values().filter(|pair| pair.attempt.is_some());
        let waiting: Vec<PublicKey> = waiting.map(|pair| pair.peer).collect();
        for peer in waiting {
            self.with(now, peer, |_, _| {});
        }
    }

    /// Whether the node has no room for peers that it did not ask for, as [`Own::full`] says, has changed.
    pub fn set_full(&mut self, full: bool) {
        self.core.own.full = full;
    }

    /// The program wants a connection to the node whose locator this is. Ends with one [`Output::Done`]. `request` is the
    /// caller's name for it, not one of a request that goes on; `limit` is [`Settings::limit`] unless it says otherwise.
    pub fn connect(&mut self, now: Instant, request: u64, unl: &UnlV3, limit: Option<Duration>) {
        self.core.seals.pass(now);
        let peer = *unl.identity();
        let network = Check::at(0).network(self.core.settings.network);
        let refused = if peer == self.core.settings.identity {
            Some(Error::new(Code::SelfConnect, "the locator is this node's own"))
        } else if self.core.requests.contains_key(&request) {
            Some(Error::new(Code::Invalid, "expected a number that no other request has"))
        } else {
            unl.check(&network).err().map(|error| Error::new(Code::Invalid, error.to_string()))
        };
        if let Some(error) = refused {
            let mut tale = Tale::begin(now);
            tale.introduce(&self.core.own, &self.core.settings.identity, unl);
            tale.over(now, End::Failed { code: error.code, reason: error.message.to_string() });
            let story = Box::new(tale.of(request));
            return self.core.push(Output::Done { request, outcome: Err(error), story });
        }
        let limit = limit.unwrap_or(self.core.settings.limit);
        self.with(now, peer, |pair, core| pair.request(now, request, unl, limit, core));
    }

    /// The program does not want it any more. [`Output::Done`] follows if the request has not ended.
    pub fn cancel(&mut self, now: Instant, request: u64) {
        self.core.seals.pass(now);
        if let Some(peer) = self.core.requests.get(&request).copied() {
            self.with(now, peer, |pair, core| pair.cancel(now, request, core));
        }
    }

    /// The node stops: requests end, whatever is being opened is closed, punches are called off. Open connections stay, and
    /// are the program's. [`Input::Punched`] and [`Input::Outcome`] may still be given.
    pub fn stop(&mut self, now: Instant) {
        self.core.seals.pass(now);
        for peer in self.pairs.keys().copied().collect::<Vec<_>>() {
            self.with(now, peer, |pair, core| pair.stop(now, core));
        }
    }

    /// A session with this peer has begun, with the link that is open, or has ended (`None`). While there is one, a link that the
    /// peer makes by its name takes the open one's place at once.
    pub fn set_session(&mut self, now: Instant, peer: PublicKey, session: Option<Token>) {
        if self.pairs.contains_key(&peer) {
            self.with(now, peer, |pair, core| pair.set_session(now, session, core));
        }
    }

    /// The link of the session with this peer has broken (and was reported by [`Input::Closed`]): another one is made, if there
    /// is a way, until `until`. What comes of it is [`Output::Open`].
    pub fn recover(&mut self, now: Instant, peer: PublicKey, until: Instant) {
        if self.pairs.contains_key(&peer) {
            self.with(now, peer, |pair, _| pair.recover(now, until));
        }
    }

    /// The node is at a signalling server where it was not. [`Connector::set_own`] comes first.
    pub fn entered(&mut self, now: Instant) {
        let recovering = self.pairs.iter().filter(|(_, pair)| pair.recovery.is_some());
        for peer in recovering.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            self.with(now, peer, |pair, core| pair.server_entered(now, core));
        }
    }

    /// Takes what has happened. What concerns something unknown is ignored, or closed.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.core.seals.pass(now);
        match input {
            Input::Wake => self.wake(now),
            Input::Connected { conn } => self.of(now, conn, |pair, core| pair.connected(now, conn, core)),
            Input::Relayed { conn, at } => self.of(now, conn, |pair, core| pair.relayed(now, conn, at, core)),
            Input::DialFailed { conn, os_error, text } | Input::Closed { conn, os_error, text } => {
                self.of(now, conn, |pair, core| pair.lost(now, conn, os_error, &text, core));
            }
            Input::Came { conn, peer, from, token, chosen, live } => {
                if self.claim(now, conn, peer) {
                    self.with(now, peer, |pair, core| pair.came(now, conn, from, token, chosen, live, core));
                }
            }
            Input::Met { conn, peer, at, chosen } => {
                if self.claim(now, conn, peer) {
                    self.with(now, peer, |pair, core| pair.met(now, conn, at, chosen, core));
                }
            }
            Input::Verdict { conn, chosen } => {
                self.of(now, conn, |pair, core| pair.verdict(now, conn, chosen, core));
            }
            Input::Chosen { conn } => self.of(now, conn, |pair, core| pair.chosen(now, conn, core)),
            Input::Told { tag, server } => {
                if let Some(peer) = self.core.calls.get(&tag).copied() {
                    self.with(now, peer, |pair, _| pair.call_told(now, &server));
                }
            }
            Input::Outcome { tag, outcome } => {
                if let Some(peer) = self.core.calls.remove(&tag) {
                    self.with(now, peer, |pair, _| pair.call_outcome(now, tag, outcome));
                }
            }
            Input::Message { server, from, bytes } => self.message(now, server, from, &bytes),
            Input::Located { .. } | Input::Searched { .. } if !BUILT => {}
            Input::Located { tag, locator } => {
                if let Some(peer) = self.core.searches.get(&tag).copied() {
                    self.with(now, peer, |pair, core| pair.located(now, tag, &locator, core));
                }
            }
            Input::Searched { tag, outcome } => {
                if let Some(peer) = self.core.searches.remove(&tag) {
                    self.with(now, peer, |pair, _| pair.searched(now, tag, outcome));
                }
            }
            Input::PunchSend { punch, message } => {
                let Some((peer, via)) = self.core.punches.get(&punch).cloned() else { return };
                let pair = self.pairs.get(&peer);
                let current = pair.and_then(|pair| pair.punch.as_ref());
                if current.is_some_and(|current| current.id == punch) {
                    self.with(now, peer, |pair, core| pair.punch_says(now, message, core));
                } else {
                    self.core.tell(peer, via, &Message::Punch(message));
                }
            }
            Input::Punched { punch, outcome, text } => {
                let Some((peer, _)) = self.core.punches.remove(&punch) else { return };
                let pair = self.pairs.get(&peer);
                let current = pair.and_then(|pair| pair.punch.as_ref());
                if current.is_some_and(|current| current.id == punch) {
                    self.with(now, peer, |pair, core| pair.punched(now, outcome, &text, core));
                } else if let Ok((conn, _)) = outcome {
                    self.core.close(conn, Closing::GivenUp);
                }
            }
        }
    }

    /// A connected peer says that it relays for the network.
    pub fn relays(&mut self, peer: &PublicKey, at: SocketAddr) {
        if self.open(peer).is_some() {
            self.core.volunteers.told(*peer, at);
        }
    }

    /// Nodes that relay for the network and that the node's locator is to name, if they are others than before.
    pub fn take_volunteers(&mut self) -> Option<Vec<Server>> {
        self.core.volunteers.take()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.core.outputs.pop_front()
    }

    /// When to give [`Input::Wake`].
    pub fn deadline(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// A name for a connection that the connector has not dialled.
    pub fn next_conn(&mut self) -> ConnId {
        ConnId(self.core.name())
    }

    /// The story of a request that goes on.
    pub fn story(&self, request: u64) -> Option<Story> {
        let pair = self.pairs.get(self.core.requests.get(&request)?)?;
        Some(pair.tale.of(request))
    }

    /// The open connection to a peer.
    pub fn open(&self, peer: &PublicKey) -> Option<ConnId> {
        self.pairs.get(peer)?.open.map(|(conn, _)| conn)
    }

    /// Peers with whom anything goes on, open connections included.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether nothing goes on with anybody.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn message(&mut self, now: Instant, server: String, from: PublicKey, bytes: &[u8]) {
        if from == self.core.settings.identity {
            return;
        }
        // What came as a letter was sealed as one, and is that node's.
        let opened = match server == MAINLINE {
            true => Ok(bytes.to_vec()),
            false => self.core.seals.open(&server, &from, bytes),
        };
        let plain = match opened {
            Ok(plain) => plain,
            Err(error) => return self.not_opened(now, &server, from, error),
        };
        let message = match Message::decode(&plain) {
            Ok(message) => message,
            Err(error) => return self.core.log(now, || format!("{from} sent {error}")),
        };
        if let Message::Call { token, locator, punch } = message {
            if !self.core.limits.may_call(now, from) {
                return self.core.log(now, || format!("{from} calls too often, or too many do"));
            }
            return self.with(now, from, |pair, core| {
                pair.call_came(now, server, token, &locator, punch, core);
            });
        }
        // All else is about something that goes on.
        if !self.pairs.contains_key(&from) {
            return;
        }
        self.with(now, from, |pair, core| match message {
            // That is no way to arrange a moment.
            Message::Punch(_) if server == MAINLINE => {}
            Message::Punch(message) => {
                pair.server = Some(server);
                pair.punch_message(now, message, core);
            }
            Message::Answer { token, dials, locator } => {
                if server != MAINLINE {
                    pair.server = Some(server);
                }
                pair.answered(now, token, dials, &locator, core);
            }
            Message::Relay { token, relay, server } => {
                pair.relay_offered(now, token, relay, server, core);
            }
            Message::Refuse { token, reason } => pair.refusal_came(now, token, reason, core),
            Message::Call { .. } => {}
        });
    }

    /// A server has passed on in a peer's name what is not the peer's.
    fn not_opened(&mut self, now: Instant, server: &str, from: PublicKey, error: OpenError) {
        self.core.log(now, || format!("{server} passed on {error}, as if from {from}"));
        if matches!(error, OpenError::Layout | OpenError::Forged) && self.pairs.contains_key(&from) {
            self.with(now, from, |pair, _| pair.deceived(now, server));
        }
    }

    /// Whether a connection is this peer's, or nobody's yet. Else something is badly wrong with it.
    fn claim(&mut self, now: Instant, conn: ConnId, peer: PublicKey) -> bool {
        let other = self.core.conns.get(&conn).is_some_and(|known| *known != peer);
        if other || peer == self.core.settings.identity {
            self.of(now, conn, |pair, core| pair.lost(now, conn, 0, "somebody else is there", core));
            self.core.close(conn, Closing::Unknown);
            return false;
        }
        true
    }

    fn wake(&mut self, now: Instant) {
        while let Some((_, peer)) = self.wakes.first().filter(|(at, _)| *at <= now).copied() {
            self.with(now, peer, |_, _| {});
        }
    }

    fn of(&mut self, now: Instant, conn: ConnId, change: impl FnOnce(&mut Pair, &mut Core)) {
        if let Some(peer) = self.core.conns.get(&conn).copied() {
            self.with(now, peer, change);
        }
    }

    /// Changes a pair, does what follows, and forgets it if nothing is left.
    fn with(&mut self, now: Instant, peer: PublicKey, change: impl FnOnce(&mut Pair, &mut Core)) {
        let mut change = Some(change);
        self.with_any(now, peer, &mut |pair, core| change.take().into_iter().for_each(|f| f(pair, core)));
    }

    /// The same, compiled once for all changes.
    fn with_any(&mut self, now: Instant, peer: PublicKey, change: &mut dyn FnMut(&mut Pair, &mut Core)) {
        let pair = self.pairs.entry(peer).or_insert_with(|| Box::new(Pair::new(now, peer, &self.core)));
        if let Some(at) = pair.wake.take() {
            self.wakes.remove(&(at, peer));
        }
        change(pair, &mut self.core);
        pair.pump(now, &mut self.core);
        if pair.is_idle() {
            self.pairs.remove(&peer);
            return;
        }
        pair.rest();
        // Never twice in the same instant.
        pair.wake = pair.deadline().map(|at| at.max(now + Duration::from_millis(1)));
        self.wakes.extend(pair.wake.map(|at| (at, peer)));
    }
}

#[cfg(test)]
impl Connector {
    /// Whether nothing is remembered but open connections.
    pub(super) fn is_at_rest(&self) -> bool {
        let core = &self.core;
        core.conns.len() == self.pairs.len()
            && core.punches.is_empty()
            && core.requests.is_empty()
            && core.searches.is_empty()
            && (core.dialling, core.answering) == (0, 0)
    }
}
