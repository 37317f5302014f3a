//! Measuring the NAT in front of us: the sockets around [`crate::proto::nat`].
//!
//! ```text
//!   round 1   one connection to each server: how do you see me, where else can I ask?     2 RTT (and the look-up)
//!   round 2   all others at once, in the order of the plan                                2 RTT
//!   verdict   from what has come in when all have answered, or when it is no use to wait longer
//! ```
//!
//! A server that is silent or talks nonsense only misses its chance: the first that answers well leads, the
//! others serve as second addresses. All connections are held until the verdict: a closed one might give its
//! outside port back and disturb the rest.

pub(in crate::node) mod ask;
mod hairpin;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use self::ask::{Answer, Asker};
pub(crate) use self::hairpin::hairpin;
use super::rendezvous::Reach;
use crate::boxed::boxed;
use crate::error::{Code, Error, Result};
use crate::proto::nat::PROBES;
use crate::proto::nat::ask::{Seen, Server};
use crate::proto::nat::judge::{Observation, judge};
use crate::proto::nat::plan::{FRESH, LocalPorts, Targets, second_round};
use crate::proto::nat::report::NatReport;
use crate::proto::nat::scope::may_name;
use crate::small;

/// Servers of a list that are asked.
const MOST_SERVERS: usize = 4;

/// After the first server has answered, others are waited for as long as it took, and at least so long, if a
/// second address is still wanted.
const GRACE: Duration = Duration::from_millis(50);

/// If no server has answered by then, all are asked once more: TCP itself repeats a lost SYN after 1 s only.
const AGAIN: Duration = Duration::from_millis(300);

/// The second round is waited for this many times as long as the first answer took, and at least
/// [`PATIENCE`].
const PATIENCE_FACTOR: u32 = 3;

/// Long enough for a slow path, short of TCP's first retransmission (1 s).
const PATIENCE: Duration = Duration::from_millis(250);

/// How to measure.
#[derive(Clone, Debug)]
pub(crate) struct ProbeOptions {
    /// When the verdict is given with whatever has come in.
    pub(crate) limit: Duration,
    /// For choosing local ports; `None`: at random.
    pub(crate) seed: Option<u64>,
    /// So many times longer than usual a server is waited for that may be silent. 1, but for tests that are to say the same on
    /// the busiest of machines.
    pub(crate) patience: u32,
}

impl Default for ProbeOptions {
    fn default() -> ProbeOptions {
        ProbeOptions { limit: Duration::from_secs(3), seed: None, patience: 1 }
    }
}

/// What a task brings.
struct Done {
    /// Of the second round.
    second: bool,
    outcome: Result<Brought>,
}

enum Brought {
    /// Of a server's name.
    Addresses(Vec<SocketAddr>),
    Answer(Answer),
}

/// What was measured, and what was learned on the way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probed {
    pub(crate) report: NatReport,
    /// Where the servers that answered speak HTTP, as they say.
    pub(crate) http: Vec<SocketAddr>,
}

/// A running measurement.
struct Measurement {
    asker: Asker,
    ports: LocalPorts,
    running: JoinSet<Done>,
    /// Tasks of the second round that run.
    second_running: usize,
    /// Addresses of servers that the first round asks.
    servers: Vec<SocketAddr>,
    /// Answers over IPv4, in the order in which they came.
    answers: Vec<Answer>,
    /// The first answer over IPv6 that tells an address.
    v6: Option<Answer>,
    last_error: Option<Error>,
    /// As the option says.
    patience: u32,
}

/// Measures the NAT by way of `servers` (`host:port` each). Fields of the verdict that could not be measured
/// within the time stay unknown.
///
/// # Errors
/// [`Code::NoServer`] if no server has answered, with the reason of the last failure.
pub(crate) async fn probe(reach: &Reach, servers: &[String], opts: &ProbeOptions) -> Result<Probed> {
    let deadline = Instant::now() + opts.limit;
    let rng = opts.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let mut m = Measurement {
        asker: Asker::new(reach.clone()),
        ports: LocalPorts::new(rng),
        running: JoinSet::new(),
        second_running: 0,
        servers: Vec::new(),
        answers: Vec::new(),
        v6: None,
        last_error: None,
        patience: opts.patience,
    };
    for server in servers.iter().take(MOST_SERVERS) {
        let (resolver, server) = (reach.resolver.clone(), server.clone());
        m.running.spawn(boxed(async move {
            Done { second: false, outcome: resolver.resolve(&server).await.map(Brought::Addresses) }
        }));
    }
    if let Some(leader) = m.first_round(deadline).await {
        m.second_round(&leader);
        let patience = (leader.took * PATIENCE_FACTOR).max(PATIENCE * m.patience);
        m.finish(Instant::now() + patience, deadline).await;
    }
    m.verdict()
}

/// What the second round needs to know of the first.
struct Leader {
    targets: Targets,
    fresh: usize,
    took: Duration,
    /// The kind of server at `targets.first` and `targets.next`, and at `targets.other`.
    kinds: (Server, Server),
}

impl Measurement {
    /// Takes the next result, at the latest until `until`. `false`: there is none.
    async fn next(&mut self, until: Instant) -> bool {
        let Ok(Some(joined)) = tokio::time::timeout_at(until, self.running.join_next()).await else {
            return false;
        };
        // A task that panicked is one that brought nothing; the runtime has reported it.
        let Ok(Done { second, outcome }) = joined else { return true };
        self.second_running -= usize::from(second);
        match outcome {
            Ok(Brought::Addresses(found)) => self.found(&found),
            Ok(Brought::Answer(answer)) if answer.server.is_ipv4() => self.answers.push(answer),
            Ok(Brought::Answer(answer)) => {
                if answer.seen.client().is_some() {
                    self.v6.get_or_insert(answer);
                }
            }
            Err(e) => self.last_error = Some(e),
        }
        true
    }

    /// Asks a server whose addresses are known, over each family once.
    fn found(&mut self, addresses: &[SocketAddr]) {
        if !addresses.iter().any(|at| self.asker.may_reach(*at)) {
            let why = "no server has an address of the interface's family";
            self.last_error.get_or_insert(Error::new(Code::NotFound, why));
        }
        for v6 in [false, true] {
            let of_family = addresses.iter().find(|at| at.is_ipv6() == v6 && self.asker.may_reach(**at));
            if let Some(&at) = of_family
                && !self.servers.contains(&at)
            {
                self.servers.push(at);
                self.open(at, None, Server::Unknown, false);
            }
        }
    }

    /// Sends a SYN and leaves the rest to a task. Returns the local port.
    fn open(&mut self, to: SocketAddr, from: Option<u16>, kind: Server, second: bool) -> Option<u16> {
        let drawn = if from.is_some() { 0 } else { ask::TRIES };
        match self.asker.start(to, from.into_iter().chain(self.ports.by_ref().take(drawn))) {
            Ok(started) => {
                let port = started.local.port();
                let asker = self.asker.clone();
                self.second_running += usize::from(second);
                self.running.spawn(boxed(async move {
                    Done { second, outcome: asker.ask(kind, started).await.map(Brought::Answer) }
                }));
                Some(port)
            }
            Err(e) => {
                self.last_error = Some(e);
                None
            }
        }
    }

    /// Waits for servers to answer, until one can lead and there is a second address or no use waiting for
    /// one. If none answers soon, a packet may be lost: each is asked once more.
    async fn first_round(&mut self, deadline: Instant) -> Option<Leader> {
        let begun = Instant::now();
        let (mut until, mut again) = (deadline, Some(begun + AGAIN * self.patience));
        loop {
            if let Some(leader) = self.leader()
                && leader.targets.other.is_some()
                && leader.fresh == FRESH
            {
                return Some(leader);
            }
            let had = self.answers.len();
            let pause = again.filter(|_| had == 0).map_or(until, |again| again.min(until));
            if !self.next(pause).await {
                if pause == until || self.running.is_empty() {
                    return self.leader();
                }
                again = None;
                for at in self.servers.clone() {
                    self.open(at, None, Server::Unknown, false);
                }
            }
            if had == 0 && !self.answers.is_empty() {
                until = deadline.min(Instant::now() + begun.elapsed().max(GRACE * self.patience));
            }
        }
    }

    /// The best that can be made of the answers so far: who tells most leads.
    fn leader(&self) -> Option<Leader> {
        let lead =
            self.answers.iter().find(|a| matches!(a.seen, Seen::Observed(_))).or(self.answers.first())?;
        let (first, took) = (lead.server, lead.took);
        let mut targets = Targets { first, next: None, other: None };
        let mut fresh = PROBES - 1;
        if let Seen::Observed(observed) = &lead.seen {
            fresh = FRESH;
            targets.next =
                observed.next.map(|port| SocketAddr::new(first.ip(), port)).filter(|next| *next != first);
            let mut alternates = observed.alternates.iter().map(|alternate| alternate.at(first.port()));
            targets.other =
                alternates.find(|at| at.is_ipv4() && at.ip() != first.ip() && may_name(first.ip(), at.ip()));
        }
        let mut kinds = (lead.seen.server(), lead.seen.server());
        if targets.other.is_none()
            && let Some(other) = self.answers.iter().find(|a| a.server.ip() != first.ip())
        {
            targets.other = Some(other.server);
            kinds.1 = other.seen.server();
        }
        Some(Leader { targets, fresh, took, kinds })
    }

    /// Starts all connections of the second round, in order.
    fn second_round(&mut self, leader: &Leader) {
        let mut locals: Vec<Option<u16>> = vec![None; leader.fresh];
        for planned in second_round(&leader.targets, leader.fresh) {
            let is_other = leader.targets.other == Some(planned.to);
            let kind = if is_other { leader.kinds.1 } else { leader.kinds.0 };
            if let Some(local) = locals.get_mut(planned.local) {
                *local = self.open(planned.to, *local, kind, true).or(*local);
            }
        }
    }

    /// Waits until the second round is complete. After `enough` five local ports are enough for a verdict.
    async fn finish(&mut self, enough: Instant, deadline: Instant) {
        while self.second_running > 0 {
            let fresh = self.answers.iter().map(|a| a.local).collect::<std::collections::BTreeSet<_>>().len();
            let until = if fresh >= PROBES { enough.min(deadline) } else { deadline };
            if !self.next(until).await {
                return;
            }
        }
        // What has come in meanwhile from servers that answered late; IPv6, asked long ago, gets a last moment.
        let (now, moment) = (Instant::now(), (Instant::now() + GRACE).min(deadline));
        let asked6 = self.servers.iter().any(SocketAddr::is_ipv6);
        while self.next(if asked6 && self.v6.is_none() { moment } else { now }).await {}
    }

    /// A server's HTTP is where we have reached the server itself: one that names a port does not choose the host.
    fn http(&self) -> Vec<SocketAddr> {
        let mut at: Vec<SocketAddr> = Vec::new();
        for answer in self.answers.iter().chain(&self.v6) {
            if let Seen::Observed(observed) = &answer.seen
                && let Some(port) = observed.http
                && at.iter().all(|known| known.ip() != answer.server.ip())
            {
                at.push(SocketAddr::new(answer.server.ip(), port));
            }
        }
        at
    }

    fn verdict(mut self) -> Result<Probed> {
        if self.answers.is_empty() && self.v6.is_none() {
            let why = self.last_error.map_or_else(
                || "no rendezvous server answered in time".into(),
                |e| format!("no rendezvous server answered; the last failure: {e}").into(),
            );
            return Err(Error { code: Code::NoServer, os_error: 0, message: why });
        }
        small::sort_by_key(&mut self.answers, |answer| answer.order);
        let observations: Vec<Observation> = self.answers.iter().map(Answer::observation).collect();
        let mut report = judge(&observations);
        if let Some(v6) = &self.v6
            && let Some(std::net::IpAddr::V6(outside)) = v6.seen.client().map(|at| at.ip())
        {
            report.wan_ip6 = Some(outside);
            report.wan_ip6_is_local = Some(v6.local.ip() == outside);
        }
        Ok(Probed { report, http: self.http() })
    }
}
