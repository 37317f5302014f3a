//! PyP2P 0.8.3's punch, which it calls a fight: arranged by CANDIDATE, CHALLENGE, ACCEPT and FIGHT through a
//! rendezvous server, timed by NTP, four local ports against four predictions.
//!
//! ```text
//!   challenger                    server                    challenged (SIMULTANEOUS READY 0 0)
//!     CANDIDATE ip TCP p1..p4 ─────▶ │ ── CHALLENGE ip p1..p4 TCP ──▶
//!     ◀───────────── PREDICTION SET  │ ◀── ACCEPT ip q1..q4 TCP T ──  T: NTP time now
//!     ◀──── FIGHT ip q1..q4 TCP T ── │
//!   at T + 6 s each side connects from its i-th port to the other's i-th prediction
//! ```
//!
//! The original does not agree on *which* connection to keep: each side keeps the first it has and closes the
//! others, so that a success is often dead. Our rule works with an original at the other end, too:
//!
//! * The challenged side closes nothing. It keeps the connection on which the nonce arrives.
//! * The challenger looks for a moment which connections the other side closes by itself, sends the nonce on
//!   one of those that are left, and only then closes the rest.

mod race;
mod types;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use types::{FightInput, FightOutput, FightSetup};

use super::budget::Budget;
use super::classic::CLASSIC_PREDICTIONS;
use super::reason::{Failure, Reason};
use super::session::{ConnId, SlotId, Socket};
use super::side::Foresight;
use super::target;
use super::technique::Hopeless;
use crate::proto::rdv_msg::{Reply, Request, Transport, ntp_seconds};
use crate::small::SmallMap;

/// Seconds between the time in ACCEPT and the fight.
pub const LEAD: f64 = 6.0;
/// A challenge within so long of the last fight is ignored: the server repeats them.
pub const BETWEEN_FIGHTS: Duration = Duration::from_secs(2);
/// For PREDICTION SET, and for FIGHT.
const REPLY_TIME: Duration = Duration::from_secs(10);
/// How long PREDICTION SET may come later than the answer to what was asked after it. Servers answer in order, so not at
/// all; but who waits can be wrong about the order of what was on its way.
const OUT_OF_ORDER: Duration = Duration::from_millis(300);
/// How much later than ACCEPT was sent FIGHT may arrive, in seconds. Beyond that the clocks are not one.
const MAX_TRANSIT: f64 = 1.0;
/// What it takes usually, in seconds.
const TRANSIT: f64 = 0.1;
/// How long after its begin a fight may take.
const FIGHT_TIME: Duration = Duration::from_secs(10);
/// Who may come in by the listeners.
const MAX_OPEN: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Binding,
    /// Challenger: for PREDICTION SET, then FIGHT.
    Waiting,
    Fighting,
    Over,
}

#[derive(Debug)]
struct Attempt {
    slot: SlotId,
    to: SocketAddr,
    tries: u32,
}

/// A fight in progress. I/O and use as of [`super::Session`].
#[derive(Debug)]
pub struct Fight {
    challenger: bool,
    setup: FightSetup,
    rng: fastrand::Rng,
    phase: Phase,
    until: Instant,
    their_ports: Vec<u16>,
    /// Challenger: the server has taken the challenge.
    taken: bool,
    /// Answers to SOURCE TCP that are still to come.
    sources: u32,
    attempts: SmallMap<ConnId, Attempt>,
    /// Connections, and by which port.
    open: SmallMap<ConnId, SlotId>,
    next_conn: u32,
    /// When the challenger settles for one.
    choose_at: Option<Instant>,
    outputs: VecDeque<FightOutput>,
}

impl Fight {
    /// Challenges the node at `setup.peer_ip`.
    pub fn challenge(now: Instant, setup: FightSetup, budget: &mut Budget) -> Fight {
        Fight::new(now, true, setup, Vec::new(), budget)
    }

    /// Takes the challenge of the node at `setup.peer_ip`, which expects to have these outside ports.
    pub fn accept(now: Instant, setup: FightSetup, ports: &[u16], budget: &mut Budget) -> Fight {
        Fight::new(now, false, setup, target::ports(ports, CLASSIC_PREDICTIONS), budget)
    }

    fn new(
        now: Instant,
        challenger: bool,
        setup: FightSetup,
        their_ports: Vec<u16>,
        budget: &mut Budget,
    ) -> Fight {
        let mut fight = Fight {
            challenger,
            rng: fastrand::Rng::with_seed(setup.seed),
            phase: Phase::Binding,
            until: now + REPLY_TIME,
            their_ports,
            taken: false,
            sources: 0,
            attempts: SmallMap::new(),
            open: SmallMap::new(),
            next_conn: 0,
            choose_at: None,
            outputs: VecDeque::new(),
            setup,
        };
        let (peer, ours) = (fight.setup.peer_ip, fight.setup.ours);
        let foresight = ours.foresight();
        if let Err(why) = target::check(peer, &fight.setup.own, ours.outside_ip, fight.setup.allow_inside) {
            fight.fail(Reason::Target(why), budget);
        } else if foresight == Foresight::Blind {
            fight.fail(Reason::Hopeless(Hopeless::BothBlind), budget);
        } else {
            let ask = foresight == Foresight::Asked;
            // One more than there are predictions: the first is the one the server is talked to from.
            fight.outputs.push_back(FightOutput::Bind { count: CLASSIC_PREDICTIONS + 1, ask });
        }
        fight
    }

    /// Takes what has happened.
    pub fn handle(&mut self, now: Instant, input: FightInput<'_>, budget: &mut Budget) {
        match input {
            FightInput::Accepted { conn, slot }
                if self.phase == Phase::Fighting && self.open.len() < MAX_OPEN =>
            {
                self.opened(now, conn, slot);
            }
            FightInput::Accepted { conn, .. } => {
                self.outputs.push_back(FightOutput::Close(Socket::Conn(conn)));
            }
            _ if self.is_over() => {}
            FightInput::Wake => self.wake(now, budget),
            FightInput::Bound { local, outside, remote } => {
                self.bound(now, local, outside, remote, budget);
            }
            FightInput::BindFailed => self.fail(Reason::NoLocalPort, budget),
            FightInput::Reply(reply) => self.reply(now, reply, budget),
            FightInput::ServerLost => self.server_lost(budget),
            FightInput::Connected { conn } => {
                if let Some(attempt) = self.attempts.remove(&conn) {
                    budget.end(1);
                    self.opened(now, conn, attempt.slot);
                }
            }
            FightInput::Refused { conn } => self.refused(now, conn, budget),
            FightInput::Ended { conn } => {
                budget.end(usize::from(self.attempts.remove(&conn).is_some()));
                self.open.remove(&conn);
            }
            FightInput::Nonce { conn } if !self.challenger && self.open.contains_key(&conn) => {
                self.finish(Ok(conn), budget);
            }
            FightInput::Nonce { .. } => {}
            FightInput::Cancel => self.fail(Reason::Cancelled, budget),
        }
    }

    fn bound(
        &mut self,
        now: Instant,
        local: &[u16],
        outside: &[Option<u16>],
        remote: Option<u16>,
        budget: &mut Budget,
    ) {
        if self.phase != Phase::Binding {
            return;
        }
        let Some(predictions) = self.setup.predictions(local, outside, remote) else {
            return self.fail(Reason::NoOutsidePort, budget);
        };
        let (ip, transport) = (self.setup.peer_ip, Transport::Tcp);
        if self.challenger {
            self.line(&Request::Candidate { ip, transport, predictions });
            // A server that does not know the other node says nothing at all. It answers in order, so its answer to
            // something else behind it shows that.
            self.line(&Request::SourceTcp { local_port: local.first().copied() });
            self.sources = if remote.is_some() { 1 } else { 2 };
            self.phase = Phase::Waiting;
            self.until = now + REPLY_TIME;
        } else {
            let ntp = self.setup.unix_at(now);
            let text = format!("{ntp:.6}");
            self.line(&Request::Accept { ip, predictions, transport, ntp: &text });
            self.fight(now, ntp, budget);
        }
    }

    /// Once the fight is arranged, the server is not needed any more.
    fn server_lost(&mut self, budget: &mut Budget) {
        match self.phase {
            Phase::Binding if self.challenger => self.fail(Reason::NoLocalPort, budget),
            Phase::Waiting => self.fail(Reason::Silent, budget),
            _ => {}
        }
    }

    fn line(&mut self, request: &Request<'_>) {
        self.outputs.push_back(FightOutput::Line(request.to_string()));
    }

    fn reply(&mut self, now: Instant, reply: &Reply, budget: &mut Budget) {
        match reply {
            _ if self.phase != Phase::Waiting => {}
            Reply::PredictionSet => {
                self.taken = true;
                self.until = now + REPLY_TIME;
            }
            Reply::RemoteTcp(_) if !self.taken => {
                self.sources = self.sources.saturating_sub(1);
                if self.sources == 0 {
                    self.until = self.until.min(now + OUT_OF_ORDER);
                }
            }
            Reply::Fight { ip, predictions, transport: Transport::Tcp, ntp }
                if ip.to_canonical() == self.setup.peer_ip.to_canonical() =>
            {
                self.their_ports = target::ports(predictions, CLASSIC_PREDICTIONS);
                match ntp_seconds(ntp) {
                    Some(seconds) => self.fight(now, seconds, budget),
                    None => self.fail(Reason::TooLong, budget),
                }
            }
            _ => {}
        }
    }

    /// Sends off the attempts for six seconds after `ntp`.
    fn fight(&mut self, now: Instant, ntp: f64, budget: &mut Budget) {
        let by_clock = ntp + LEAD - self.setup.unix_at(now);
        // The other side begins six seconds after it has sent ACCEPT, whatever its clock says. If that and our clock do
        // not fit together, one of the two is wrong, and what the message took is the smaller error. The original
        // would give up, or miss.
        let fits = (LEAD - MAX_TRANSIT..=LEAD + MAX_TRANSIT / 10.0).contains(&by_clock);
        let ahead = if !self.challenger || fits { by_clock } else { LEAD - TRANSIT };
        let at = now + Duration::from_secs_f64(ahead);
        self.phase = Phase::Fighting;
        self.until = at + FIGHT_TIME;
        let granted = budget.take(now, self.their_ports.len());
        if granted == 0 {
            return self.fail(Reason::Budget, budget);
        }
        for (port, slot) in self.their_ports.clone().into_iter().take(granted).zip((1..).map(SlotId)) {
            let (conn, to) = (self.next_conn(), SocketAddr::new(self.setup.peer_ip, port));
            self.attempts.insert(conn, Attempt { slot, to, tries: 1 });
            self.outputs.push_back(FightOutput::Connect { conn, slot, to, at });
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<FightOutput> {
        self.outputs.pop_front()
    }

    /// When to give [`FightInput::Wake`]; `None` once it is over.
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_over() { None } else { Some(self.choose_at.map_or(self.until, |at| at.min(self.until))) }
    }

    /// A name for a connection that has come in by a listener.
    pub fn next_conn(&mut self) -> ConnId {
        self.next_conn += 1;
        ConnId(self.next_conn)
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Gives back to the budget what the fight still has of it, when its I/O ends before it does. The fight is of no use
    /// afterwards.
    pub fn release(&mut self, budget: &mut Budget) {
        budget.end(std::mem::take(&mut self.attempts).len());
        self.phase = Phase::Over;
    }

    fn fail(&mut self, reason: Reason, budget: &mut Budget) {
        self.finish(Err(Failure { reason, by_peer: false }), budget);
    }

    fn finish(&mut self, end: Result<ConnId, Failure>, budget: &mut Budget) {
        self.phase = Phase::Over;
        budget.end(self.attempts.len());
        let rest = self.attempts.keys().chain(self.open.keys()).filter(|conn| end != Ok(**conn));
        self.outputs.extend(rest.map(|conn| FightOutput::Close(Socket::Conn(*conn))));
        self.outputs
            .extend((0..=CLASSIC_PREDICTIONS as u16).map(|n| FightOutput::Close(Socket::Slot(SlotId(n)))));
        self.attempts.clear();
        self.open.clear();
        self.outputs.push_back(match end {
            Ok(conn) => FightOutput::Winner(conn),
            Err(failure) => FightOutput::Failed(failure),
        });
    }
}

#[cfg(test)]
mod tests;
