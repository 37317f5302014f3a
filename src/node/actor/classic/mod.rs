//! Connecting by UNL in the classic dialect: the hands of [`crate::proto::connect::classic`].
//!
//! Here are requests, dials and messages; `us` tells what the node knows of itself, `punch` has fights, ours and those
//! that others challenge us to.

mod punch;
mod us;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

use super::Actor;
use crate::config::{Config, Dialect, NetType};
use crate::dht::NodeId;
use crate::error::{Code, Error, Result};
use crate::event::Via;
use crate::node::conn::Conn;
use crate::node::log::log;
use crate::node::moment::Moment;
use crate::node::shared::Outcome;
use crate::node::table::State;
use crate::proto::conn_id::{Nonce, ZERO_NONCE, conn_id, our_side};
use crate::proto::connect::classic::{AttemptId, Claim, Classic, Failure, Limits, Link, Options, Output, Us};
use crate::proto::punch::Budget;
use crate::proto::unl::{NodeType, UnlV2};
use crate::small::{SmallMap, SmallSet};

/// What is under way.
pub(super) struct Desk {
    machine: Classic,
    /// Entries of the table that are the machine's attempts, and what goes before the first line.
    attempts: SmallMap<u64, (AttemptId, Nonce)>,
    /// Messages of the machine, by the name the DHT knows them by.
    tags: SmallMap<u64, u64>,
    /// Requests that wait until it is known how this node can be reached.
    held: Vec<(u64, String, Options)>,
    /// Entries that are fights others have challenged us to.
    challenged: SmallMap<u64, IpAddr>,
    /// Entries that are fights of ours.
    challenges: SmallSet<u64>,
    /// What punching may use.
    budget: Arc<Mutex<Budget>>,
    channel: Option<punch::Channel>,
}

impl Desk {
    pub(super) fn new(config: &Config) -> Desk {
        // A program that has set a limit of its own means it for waiting, too.
        let own_limit = config.unl_connect_timeout != Config::default().unl_connect_timeout;
        let request = if own_limit { config.unl_connect_timeout } else { Limits::default().request };
        Desk {
            machine: Classic::new(Limits { request, ..Limits::default() }),
            attempts: SmallMap::new(),
            tags: SmallMap::new(),
            held: Vec::new(),
            challenged: SmallMap::new(),
            challenges: SmallSet::new(),
            budget: Arc::new(Mutex::new(Budget::new(config.punch_half_open, config.punch_per_minute))),
            channel: None,
        }
    }

    /// What goes before the first line of a connection that is being dialled.
    pub(super) fn nonce_of(&self, id: u64) -> Nonce {
        self.attempts.get(&id).map_or(ZERO_NONCE, |(_, nonce)| *nonce)
    }

    /// When [`Actor::classic_due`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.machine.deadline()
    }
}

impl Actor {
    fn is_classic_direct(&self) -> bool {
        let config = &self.shared.config;
        config.dialect == Dialect::Classic && config.net_type == NetType::Direct
    }

    /// The program wants a connection to the node with this UNL.
    pub(super) fn classic_connect(&mut self, request: u64, unl: String, options: Options) {
        // Who connects to whom depends on what we are, unless they can be connected to anyway.
        let passive = UnlV2::decode(&unl).is_ok_and(|unl| unl.node_type == NodeType::Passive);
        if !passive && self.at.is_deciding() {
            self.classic.held.push((request, unl, options));
            return;
        }
        let mut fresh = [0; 32];
        if let Err(e) = getrandom::fill(&mut fresh) {
            let message = format!("the system has no random numbers for us: {e}");
            return self.shared.done(request, Error::new(Code::Io, message).into());
        }
        let us = self.us();
        self.classic.machine.connect(Instant::now(), &us, request, &unl, options, fresh);
        self.classic_act();
    }

    /// Gives up a request to connect by UNL. `false`: it is none of these.
    pub(super) fn classic_cancel(&mut self, request: u64) -> bool {
        const WHY: &str = "cancelled by this program";
        let before = self.classic.held.len();
        self.classic.held.retain(|(held, ..)| *held != request);
        if self.classic.held.len() < before {
            self.shared.done(request, Error::new(Code::Canceled, WHY).into());
            return true;
        }
        if self.classic.machine.is_empty() {
            return false;
        }
        let us = self.us();
        let found = self.classic.machine.cancel(Instant::now(), &us, request, WHY);
        self.classic_act();
        found
    }

    /// The net stops: all requests end, nothing is begun any more.
    pub(super) fn end_classic(&mut self) {
        for (request, ..) in std::mem::take(&mut self.classic.held) {
            self.shared.done(request, Error::new(Code::Canceled, "the net was stopped").into());
        }
        self.classic.machine.stop(Instant::now());
        self.classic_act();
        self.classic.attempts.clear();
        self.classic.channel = None;
    }

    /// Does what has become due.
    pub(super) fn classic_due(&mut self, now: Instant) {
        if !self.is_classic_direct() {
            return;
        }
        if !self.classic.held.is_empty() && !self.at.is_deciding() {
            for (request, unl, options) in std::mem::take(&mut self.classic.held) {
                self.classic_connect(request, unl, options);
            }
        }
        if self.classic.machine.deadline().is_some_and(|at| at <= now) {
            let us = self.us();
            self.classic.machine.wake(now, &us);
            self.classic_act();
        }
        self.keep_channel();
    }

    /// What an open link is, before the program hears of it: the request that is done with it, 0 for none. `None`: it is
    /// not wanted, and gone.
    pub(super) fn claim(&mut self, id: u64, request: u64, conn: &mut Arc<Conn>) -> Option<u64> {
        let Some(nonce) = conn.nonce().filter(|_| self.is_classic_direct()) else { return Some(request) };
        let attempt = self.classic.attempts.remove(&id).map(|(attempt, _)| attempt);
        self.fight_ended(id);
        let from: SocketAddr = conn.peer.to_string_lossy().parse().ok()?;
        let us = self.us();
        let mut claim = Claim::Nobody;
        // What p2p_connect has opened is nobody else's business.
        if conn.inbound || attempt.is_some() {
            let punched = conn.via == Via::Punch;
            let link = Link { conn: id, attempt, from, nonce, punched };
            claim = self.classic.machine.opened(Instant::now(), &us, link);
        }
        // Before the program hears of the end.
        self.tell_stories();
        // Nobody else has it yet.
        if let Some(conn) = Arc::get_mut(conn) {
            if let IpAddr::V4(ip) = from.ip().to_canonical() {
                let ours = our_side(ip, us.unl.lan_ip, us.unl.wan_ip);
                conn.set_con_id(conn_id(&nonce, ours, ip));
            }
            if let Claim::Request { via, .. } = claim {
                conn.via = via;
            }
        }
        if let Claim::Unwanted(why) = claim {
            log!(self.shared, Debug, "not keeping the connection with {from}: {why}");
            self.table.remove(id);
        }
        match claim {
            // What else comes of it is done when the connection is there.
            Claim::Request { request, .. } => Some(request),
            Claim::Nobody => Some(request),
            Claim::Unwanted(_) => {
                self.classic_act();
                None
            }
        }
    }

    /// A connection that was to be opened will not be.
    pub(super) fn classic_failed(&mut self, id: u64, e: Error) {
        let fight = self.classic.challenges.contains(&id);
        self.fight_ended(id);
        let Some((attempt, _)) = self.classic.attempts.remove(&id) else { return };
        let again = fight && e.code == punch::AGAIN;
        let why = Failure { code: e.code, os_error: e.os_error, text: e.message.into_owned(), again };
        let us = self.us();
        self.classic.machine.failed(Instant::now(), &us, attempt, why);
        self.classic_act();
    }

    /// An open connection has ended.
    pub(super) fn classic_closed(&mut self, id: u64) {
        if self.is_classic_direct() {
            self.classic.machine.closed(id);
        }
    }

    /// REVERSE_CONNECT, REVERSE_QUERY or REVERSE_ORIGIN has come over the DHT ([`crate::proto::dht_msg::Reverse`] reads it).
    pub(super) fn reverse_message(&mut self, text: &str) {
        if !self.is_classic_direct() {
            return;
        }
        let us = self.us();
        self.classic.machine.message(Instant::now(), &us, text);
        self.classic_act();
    }

    /// A message is with the DHT, or will not be.
    pub(super) fn classic_sent(&mut self, tag: u64, outcome: &Result<()>) {
        let Some(tag) = self.classic.tags.remove(&tag) else { return };
        let us = self.us();
        let outcome = outcome.as_ref().copied().map_err(|e| &*e.message);
        self.classic.machine.sent(Instant::now(), &us, tag, outcome);
        self.classic_act();
    }

    /// Does what the machine wants done.
    pub(super) fn classic_act(&mut self) {
        loop {
            self.tell_stories();
            let Some(output) = self.classic.machine.poll_output() else { return };
            match output {
                Output::Dial { attempt, to, nonce } => self.classic_dial(attempt, to, nonce),
                Output::Fight { attempt, peer, nonce } => self.challenge(attempt, peer, nonce),
                Output::Abandon { attempt } => self.abandon(attempt),
                Output::Put { tag, to, text } => {
                    let name = self.shared.new_id();
                    self.classic.tags.insert(name, tag);
                    self.dht_put(NodeId(to), text, name);
                }
                Output::Close { conn, why } => {
                    log!(self.shared, Info, "closing connection {conn}: {why}");
                    if let Some(conn) = self.shared.conn(conn) {
                        conn.close();
                    }
                }
                Output::Done { request, outcome } => {
                    let outcome = match outcome {
                        Ok(conn) => Outcome { conn: self.shared.conn(conn), ..Outcome::ok(0, String::new()) },
                        Err((code, os_error, text)) => Error { code, os_error, message: text.into() }.into(),
                    };
                    self.shared.done(request, outcome);
                }
                Output::Note(text) => log!(self.shared, Info, "{text}"),
            }
        }
    }

    /// Keeps the stories that have gone on, for whoever asks.
    fn tell_stories(&mut self) {
        while let Some(story) = self.classic.machine.poll_story() {
            self.shared.stories.lock().put(story);
        }
    }

    fn classic_dial(&mut self, attempt: AttemptId, to: SocketAddr, nonce: Nonce) {
        if let Err(e) = self.has_outbound_place() {
            return self.not_begun(attempt, e);
        }
        let id = self.shared.new_id();
        self.classic.attempts.insert(id, (attempt, nonce));
        self.dial(id, vec![to], 0, Moment::now());
    }

    fn not_begun(&mut self, attempt: AttemptId, e: Error) {
        let us: Us = self.us();
        let why = Failure { code: e.code, os_error: e.os_error, text: e.message.into_owned(), again: false };
        self.classic.machine.failed(Instant::now(), &us, attempt, why);
    }

    /// Ends an attempt that nobody waits for any more.
    fn abandon(&mut self, attempt: AttemptId) {
        let of = |(_, (of, _)): &(&u64, &(AttemptId, Nonce))| *of == attempt;
        let Some(id) = self.classic.attempts.iter().find(of).map(|(id, _)| *id) else { return };
        self.classic.attempts.remove(&id);
        self.fight_ended(id);
        if let Some(State::Opening(task)) = self.table.remove(id).map(|entry| entry.state) {
            task.abort();
        }
    }
}
