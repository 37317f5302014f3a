//! The rendezvous server without I/O: who is there, who wants to punch a hole to whom, and what to answer.
//!
//! The I/O around it (module `server`) reports connections, lines and the passing of time and then carries out
//! what [`Rendezvous::poll_output`] says. It behaves as PyP2P 0.8.3's server does for a correct client; where that
//! one has faults (exponential patterns, tables that never shrink, ports given on unchecked) this one does not. The
//! rules are written down in `docs/protocol-rendezvous.md`.
//!
//! To the verbs of PyP2P a node is known by the source address of its connection and by nothing else; for signalling
//! (module `signal`), which is ours, by its key.

mod challenge;
mod endpoints;
mod event;
mod limits;
mod output;
mod passive;
mod relay;
mod request;
mod signal;
#[cfg(test)]
mod tests;

pub use endpoints::{Endpoints, Surroundings};
pub use event::{Counters, Event};
pub use limits::{Accounts, Limits, Refusal, account_of};
pub use output::{CloseReason, ConnId, Output};
pub use signal::{Rate, SignalLimits, Verify};

use crate::proto::rdv_msg::Reply;
use crate::proto::rdv_msg::signal::{Network, Reason};
use challenge::Challenges;
use passive::Passive;
use signal::Signal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How often accounts and candidates are looked through for old ones.
const SWEEP: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Conn {
    peer: SocketAddr,
    /// The address it connected to, if the I/O knows it.
    local: Option<SocketAddr>,
    deadline: Instant,
    /// Its place in [`Rendezvous::deadlines`], no later than its deadline.
    queued: Instant,
    /// Its last request, or its begin.
    asked: Instant,
    spoke: bool,
    /// It is or was the channel of a simultaneous node and may be silent for as long as a node lives.
    channel: bool,
    /// The nodes it is or was a candidate for.
    challenging: Vec<IpAddr>,
    /// It has said RELAY, and its time is the relay's.
    relayed: bool,
    /// It has said a line of signalling, which may have settled another deadline.
    signalling: bool,
    /// The network whose passive nodes it asks for and is one of; none: PyP2P's.
    network: Option<Network>,
}

/// The state of a rendezvous server.
#[derive(Debug)]
pub struct Rendezvous {
    limits: Limits,
    endpoints: Endpoints,
    rng: fastrand::Rng,
    next_conn: u64,
    conns: BTreeMap<ConnId, Conn>,
    /// When to look at which connection. Who asks again and again is moved only when his turn has come.
    deadlines: BTreeSet<(Instant, ConnId)>,
    accounts: Accounts,
    passive: Passive,
    challenges: Challenges,
    signal: Signal,
    next_sweep: Option<Instant>,
    outputs: VecDeque<Output>,
    /// Whose line is being read by [`Rendezvous::line_to`], and what it is answered.
    asking: Option<ConnId>,
    answers: Vec<u8>,
    /// Whether [`Output::Log`] is to tell what is not notable.
    details: bool,
    counters: Counters,
}

impl Rendezvous {
    /// An empty server. `seed` settles which nodes a BOOTSTRAP gets.
    pub fn new(limits: Limits, seed: u64) -> Rendezvous {
        Rendezvous {
            endpoints: Endpoints::default(),
            rng: fastrand::Rng::with_seed(seed),
            next_conn: 1,
            conns: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            accounts: Accounts::new(
                limits.connections_per_address,
                limits.requests_per_second,
                limits.request_burst,
                limits.connections.saturating_mul(2).max(1024),
            ),
            passive: Passive::new(limits.passive_nodes, limits.passive_per_network),
            challenges: Challenges::default(),
            signal: Signal::new(&limits.signal),
            next_sweep: None,
            outputs: VecDeque::new(),
            asking: None,
            answers: Vec::new(),
            details: true,
            counters: Counters::default(),
            limits,
        }
    }

    /// Where clients can reach this server, for the answer to OBSERVE.
    pub fn set_endpoints(&mut self, endpoints: Endpoints) {
        self.endpoints = endpoints;
    }

    /// Whether events that are not notable are told at all: nobody looks at them if the log does not take them. Default true.
    pub fn set_details(&mut self, told: bool) {
        self.details = told;
    }

    /// As [`Rendezvous::open_at`], without knowing which of our addresses was connected to.
    pub fn open(&mut self, now: Instant, peer: SocketAddr) -> Result<ConnId, Refusal> {
        self.open_at(now, peer, None)
    }

    /// Somebody connected, to our address `local`. On refusal the I/O closes the connection and reports nothing more about it.
    pub fn open_at(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<ConnId, Refusal> {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let granted = if self.conns.len() >= self.limits.connections {
            Err(Refusal::Connections)
        } else {
            self.accounts.open(now, peer.ip())
        };
        self.next_sweep.get_or_insert(now + SWEEP);
        if let Err(why) = granted {
            self.counters.refused += 1;
            self.log(Event::Refused { peer, why });
            return Err(why);
        }
        let id = ConnId(self.next_conn);
        self.next_conn += 1;
        let deadline = now + self.limits.first_request;
        let challenging = Vec::new();
        self.conns.insert(
            id,
            Conn {
                peer,
                local,
                deadline,
                queued: deadline,
                asked: now,
                spoke: false,
                channel: false,
                challenging,
                relayed: false,
                signalling: false,
                network: None,
            },
        );
        self.deadlines.insert((deadline, id));
        self.counters.opened += 1;
        self.log(Event::Opened { peer });
        let told = self.challenges.heard(now, peer.ip());
        self.tell(told);
        Ok(id)
    }

    /// The I/O found a reason of its own to end a connection ([`CloseReason::LongLine`], [`CloseReason::SlowReader`]).
    pub fn close(&mut self, now: Instant, conn: ConnId, reason: CloseReason) {
        if let Some(peer) = self.forget(now, conn, reason.word()) {
            self.counters.closed_by_us += 1;
            self.log(Event::Closing { peer, why: reason });
            self.outputs.push_back(Output::Close { conn, reason });
        }
    }

    /// A connection has ended. Harmless for one that was closed from here.
    pub fn closed(&mut self, now: Instant, conn: ConnId) {
        if let Some(peer) = self.forget(now, conn, "closed") {
            self.log(Event::Closed { peer });
        }
    }

    /// What to do next, until there is nothing more.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Rendezvous::on_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|&(at, _)| at);
        let expiry = self.passive.oldest().map(|since| since + self.limits.node_lifetime);
        [deadline, expiry, self.next_sweep].into_iter().flatten().min()
    }

    /// Time has passed: ends idle connections, forgets what is old.
    pub fn on_timeout(&mut self, now: Instant) {
        while let Some(&(at, conn)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.remove(&(at, conn));
            if let Some(state) = self.conns.get_mut(&conn).filter(|state| state.deadline > now) {
                state.queued = state.deadline;
                self.deadlines.insert((state.deadline, conn));
                continue;
            }
            let spoke = self.conns.get(&conn).is_some_and(|c| c.spoke);
            let mut reason = if spoke { CloseReason::Idle } else { CloseReason::NoRequest };
            if let Some((why, expected)) = self.signal.overdue(&self.limits.signal, conn, now) {
                self.refuse(conn, Reason::Time, None, expected);
                reason = why;
            }
            self.close(now, conn, reason);
        }
        while let Some(ip) = self.passive.expire(now, self.limits.node_lifetime) {
            self.counters.expired += 1;
            self.log(Event::Expired { ip });
        }
        if self.next_sweep.is_some_and(|at| at <= now) {
            self.accounts.sweep(now);
            self.challenges.expire(now);
            self.signal.sweep(now);
            let idle = self.accounts.is_empty() && self.challenges.candidates() == 0 && self.signal.is_idle();
            self.next_sweep = (!idle).then_some(now + SWEEP);
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// Passive nodes known: IPv4 and IPv6.
    pub fn passive_nodes(&self) -> (usize, usize) {
        (self.passive.len_v4(), self.passive.len_v6())
    }

    /// Simultaneous nodes with a live channel.
    pub fn simultaneous_nodes(&self) -> usize {
        self.challenges.nodes()
    }

    /// Candidates waiting, all nodes together.
    pub fn candidates(&self) -> usize {
        self.challenges.candidates()
    }

    /// A request came: the connection's idle time starts again.
    fn touch(&mut self, now: Instant, id: ConnId, is_channel: bool) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.spoke = true;
            conn.channel |= is_channel;
            conn.asked = now;
        }
        self.reschedule(id);
    }

    /// Finds out anew when the connection's time is up.
    fn reschedule(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| conn.spoke && !conn.relayed) else { return };
        let patience = if conn.channel { self.limits.node_lifetime } else { self.limits.idle };
        let of_signal = conn.signalling.then(|| self.signal.deadline(&self.limits.signal, id, conn.asked));
        let deadline = of_signal.flatten().unwrap_or(conn.asked + patience);
        conn.deadline = deadline;
        if deadline < conn.queued {
            self.deadlines.remove(&(conn.queued, id));
            conn.queued = deadline;
            self.deadlines.insert((deadline, id));
        }
    }

    fn forget(&mut self, now: Instant, id: ConnId, why: &'static str) -> Option<SocketAddr> {
        let conn = self.conns.remove(&id)?;
        self.deadlines.remove(&(conn.queued, id));
        self.accounts.closed(now, conn.peer.ip());
        self.challenges.closed(conn.peer.ip(), id, &conn.challenging);
        self.signal_closed(id, conn.peer, why);
        Some(conn.peer)
    }

    fn tell(&mut self, told: Option<(ConnId, Vec<Reply>)>) {
        let Some((conn, replies)) = told else { return };
        for reply in replies {
            self.send(conn, reply);
        }
    }

    fn send(&mut self, conn: ConnId, reply: Reply) {
        self.counters.replies += 1;
        if self.asking == Some(conn) {
            reply.write_line(&mut self.answers);
        } else {
            self.outputs.push_back(Output::Send { conn, reply });
        }
    }

    fn ignore(&mut self, peer: SocketAddr, why: &'static str) {
        self.counters.ignored += 1;
        self.log(Event::Ignored { peer, why });
    }

    fn log(&mut self, event: Event) {
        if self.details || event.is_notable() {
            self.outputs.push_back(Output::Log(event));
        }
    }
}
