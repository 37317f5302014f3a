//! One punch between two nodes, seen from one of them.
//!
//! The I/O around it carries out what [`Session::poll_output`] says, reports what became of it by
//! [`Session::handle`], and wakes it at [`Session::deadline`]. It ends with exactly one [`Output::Winner`] or
//! [`Output::Failed`], before which everything else it has opened was told to be closed.
//!
//! The parts: `signal` talks with the peer, `prepare` gets the ports of a round, `fire` connects, `race`
//! agrees on one of the connections that come of it.

mod fire;
mod prepare;
mod race;
mod rtt;
mod signal;
mod state;
#[cfg(test)]
mod tests;
mod types;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use super::budget::Budget;
use super::message::{Body, Message, Token};
use super::options::Options;
use super::reason::{Failure, Reason};
use super::side::Side;
use super::target;
use super::technique::Technique;
use crate::small::SmallMap;
use rtt::Rtt;
use state::{Half, Open, Phase, Round, Slot};
pub use types::{ConnId, Input, Output, Role, RoundReport, Setup, SlotId, Socket};

/// A punch in progress.
#[derive(Debug)]
pub struct Session {
    role: Role,
    token: Token,
    options: Options,
    rng: fastrand::Rng,
    ours: Side,
    /// The peer's NAT, as it has told.
    theirs: Option<Side>,
    peer_ip: IpAddr,
    phase: Phase,
    /// When the phase ends by itself.
    until: Instant,
    /// When the whole attempt ends.
    limit: Instant,
    /// When the last message is sent again.
    resend: Option<Instant>,
    /// When the ports of the round must be known.
    prepared_by: Option<Instant>,
    /// When attempts that wait for the budget look again.
    look: Option<Instant>,
    rtt: Rtt,
    round: Round,
    slots: SmallMap<SlotId, Slot>,
    /// Of a spray's earlier round: the ports whose ways are still open.
    kept: Vec<SlotId>,
    next_slot: u16,
    /// Ports that are being bound or asked for.
    pending: usize,
    /// Attempts.
    half: SmallMap<ConnId, Half>,
    /// Connections.
    open: SmallMap<ConnId, Open>,
    next_conn: u32,
    /// The connection the initiator has selected, and when.
    chosen: Option<(ConnId, Instant)>,
    /// Whether any connection has proved to be the peer's.
    met: bool,
    /// Messages of the peer.
    heard: u32,
    reports: Vec<RoundReport>,
    outputs: VecDeque<Output>,
}

impl Session {
    /// Begins a punch. `token`: 16 random bytes nobody can foresee.
    pub fn initiate(now: Instant, token: Token, setup: Setup, budget: &mut Budget) -> Session {
        let mut session = Session::new(now, Role::Initiator, token, setup);
        if session.may_aim(now, budget) {
            session.begin_round(now, 1, budget);
            session.pump(now, budget);
        }
        session
    }

    /// Takes part in the punch that a peer's message has begun. `None` if it is not an offer, with which all
    /// begin.
    pub fn respond(now: Instant, offer: Message, setup: Setup, budget: &mut Budget) -> Option<Session> {
        if !matches!(offer, Message { body: Body::Offer(_), round: 1, .. }) {
            return None;
        }
        let mut session = Session::new(now, Role::Responder, offer.token, setup);
        if session.may_aim(now, budget) {
            session.handle(now, Input::Message(offer), budget);
        }
        Some(session)
    }

    fn new(now: Instant, role: Role, token: Token, setup: Setup) -> Session {
        let mut session = Session {
            role,
            token,
            until: now + setup.options.silence,
            limit: now + setup.options.limit,
            options: setup.options,
            rng: fastrand::Rng::with_seed(setup.seed),
            ours: setup.ours,
            theirs: None,
            peer_ip: setup.peer_ip.to_canonical(),
            phase: Phase::Preparing,
            resend: None,
            prepared_by: None,
            look: None,
            rtt: Rtt::default(),
            round: Round::default(),
            slots: SmallMap::new(),
            kept: Vec::new(),
            next_slot: 0,
            pending: 0,
            half: SmallMap::new(),
            open: SmallMap::new(),
            next_conn: 0,
            chosen: None,
            met: false,
            heard: 0,
            reports: Vec::new(),
            outputs: VecDeque::new(),
        };
        let inside = session.options.allow_inside;
        if let Err(why) = target::check(session.peer_ip, &setup.own, session.ours.outside_ip, inside) {
            session.phase = Phase::Refused(why);
        }
        session
    }

    /// Ends the session at once if its target was refused.
    fn may_aim(&mut self, now: Instant, budget: &mut Budget) -> bool {
        if let Phase::Refused(why) = self.phase {
            self.fail(now, Reason::Target(why), budget);
            return false;
        }
        true
    }

    /// Takes what has happened. Everything that concerns something the session does not know (any more) is
    /// ignored.
    pub fn handle(&mut self, now: Instant, input: Input, budget: &mut Budget) {
        if self.is_over() {
            if let Input::Accepted { conn, .. } = input {
                self.outputs.push_back(Output::Close(Socket::Conn(conn)));
            }
            return;
        }
        match input {
            Input::Wake => self.wake(now, budget),
            Input::Message(message) => self.message(now, message, budget),
            Input::Bound { slot, port } => self.bound(slot, port),
            Input::BindFailed { slot } => self.slot_failed(slot),
            Input::Asked { slot, port } => self.asked(slot, Some(port)),
            Input::AskFailed { slot } => self.asked(slot, None),
            Input::Connected { conn } => self.connected(now, conn, budget),
            Input::Accepted { conn, slot } => self.accepted(now, conn, slot),
            Input::Refused { conn } | Input::Unreachable { conn } => {
                let unreachable = matches!(input, Input::Unreachable { .. });
                self.refused(now, conn, unreachable, budget);
            }
            Input::AddressTaken { conn } | Input::TimedOut { conn } | Input::Closed { conn } => {
                self.ended(now, conn, budget);
            }
            Input::Frame { conn, frame } => self.frame(now, conn, &frame, budget),
            Input::Cancel => self.fail(now, Reason::Cancelled, budget),
        }
        self.pump(now, budget);
    }

    /// What follows from the state as it is now.
    fn pump(&mut self, now: Instant, budget: &mut Budget) {
        if !self.is_over() {
            self.check_ready(now, budget);
        }
        if !self.is_over() {
            self.launch(now, budget);
        }
    }

    fn wake(&mut self, now: Instant, budget: &mut Budget) {
        if now >= self.limit {
            return self.fail(now, Reason::TooLong, budget);
        }
        self.hello_timeouts(now, budget);
        if self.is_over() {
            return;
        }
        if self.prepared_by.is_some_and(|at| now >= at) {
            self.stop_asking();
        }
        if self.resend.is_some_and(|at| now >= at) {
            self.send_again(now);
        }
        self.ping_if_due(now);
        if now >= self.until && !self.is_over() {
            self.phase_ends(now, budget);
        }
    }

    fn phase_ends(&mut self, now: Instant, budget: &mut Budget) {
        match self.phase {
            Phase::Over | Phase::Refused(_) => {}
            Phase::Preparing | Phase::Ready => self.fail(now, Reason::Silent, budget),
            // They are being talked to, for a bounded time each.
            Phase::Fired if !self.open.is_empty() => self.until = now + self.options.grace,
            Phase::Fired if self.role == Role::Initiator && self.round.number < self.options.rounds => {
                self.begin_round(now, self.round.number + 1, budget);
            }
            Phase::Fired => {
                let starved = self.reports.iter().all(|round| round.flows == 0);
                let reason = match (self.met, starved) {
                    (true, _) => Reason::Lost,
                    (_, true) => Reason::Budget,
                    _ => Reason::Unmet,
                };
                self.fail(now, reason, budget);
            }
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to give [`Input::Wake`]; `None` once it is over.
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        let timers = [self.resend, self.prepared_by, self.ping_at(), self.launch_at(), self.hello_at()];
        Some(timers.into_iter().flatten().fold(self.limit.min(self.until), Instant::min))
    }

    /// A name for a connection that has come in by a listener, to be used in [`Input::Accepted`].
    pub fn next_conn(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn)
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Which punch this is.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Which part we play.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The technique, once the peer's NAT is known.
    pub fn technique(&self) -> Option<Technique> {
        self.theirs.map(|theirs| Technique::choose(&self.ours, &theirs))
    }

    /// The shortest round trip of the signalling, once measured.
    pub fn rtt(&self) -> Option<std::time::Duration> {
        self.rtt.best()
    }

    /// What was done, round by round.
    pub fn reports(&self) -> &[RoundReport] {
        &self.reports
    }

    /// Gives back to the budget what the session still has of it, when its I/O ends before it does. The session is of no
    /// use afterwards.
    pub fn release(&mut self, budget: &mut Budget) {
        budget.end(std::mem::take(&mut self.half).len());
        self.phase = Phase::Over;
    }

    fn send(&mut self, body: Body) {
        let round = self.round.number.max(1);
        self.outputs.push_back(Output::Send(Message { token: self.token, round, body }));
    }

    fn fail(&mut self, now: Instant, reason: Reason, budget: &mut Budget) {
        self.send(Body::GaveUp(reason.number()));
        self.finish(now, Err(Failure { reason, by_peer: false }), budget);
    }

    /// Closes everything but the winner, then says how it ended.
    fn finish(&mut self, now: Instant, end: Result<ConnId, Failure>, budget: &mut Budget) {
        budget.end(self.half.len());
        let conns = self.half.keys().chain(self.open.keys()).filter(|conn| end != Ok(**conn));
        self.outputs.extend(conns.map(|conn| Output::Close(Socket::Conn(*conn))));
        self.outputs.extend(self.slots.keys().map(|slot| Output::Close(Socket::Slot(*slot))));
        self.half.clear();
        self.open.clear();
        self.slots.clear();
        self.phase = Phase::Over;
        self.until = now;
        self.outputs.push_back(match end {
            Ok(conn) => Output::Winner(conn),
            Err(failure) => Output::Failed(failure),
        });
    }
}
