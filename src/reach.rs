//! "Is my port open?": asked of servers outside, over HTTP.
//!
//! Each server is asked on a thread of its own that is left behind when the answer no longer matters ([`crate::http`]): all
//! at once, from the address the node is bound to. What they answer is read by [`crate::proto::reach`].
//!
//! **A yes is never taken on a server's word.** It counts only together with a connection that arrived at the node's
//! own listener while the server was asked; [`backs`] has the rule. A server that lies, or that reached somebody else
//! (the router itself, another machine), gives [`Answer::Unconfirmed`].

pub(crate) mod backs;
mod http;
mod server;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{Code, Error, Result};
use crate::http::on_thread;
use crate::node::resolve::Resolver;
use crate::proto::reach::Answer;
use backs::{ConnectBacks, Proof, Watch};
use http::Job;
use server::Server;

/// Servers that are asked in one check; further ones are ignored.
pub(crate) const MOST_SERVERS: usize = 8;
/// Requests running at once in one net; each holds a thread.
const AT_ONCE: usize = 8;
/// After a server's yes, how long its connection may take to come through our own accept loop.
const GRACE: Duration = Duration::from_millis(500);

/// What a check found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The port can be reached from outside: a server said so and its connection arrived.
    pub(crate) open: bool,
    /// What became of the servers' connections. [`Answer::Open`] if and only if `open`.
    pub(crate) answer: Answer,
    /// Our address as `server` saw it.
    pub(crate) seen_ip: Option<IpAddr>,
    /// The server this comes from.
    pub(crate) server: String,
    /// For `open`: how the arrival was recognised.
    pub(crate) proof: Option<Proof>,
}

/// What one server said.
#[derive(Debug)]
struct Report {
    answer: Answer,
    seen_ip: Option<IpAddr>,
    proof: Option<Proof>,
}

/// Asks servers, a bounded number at a time.
#[derive(Clone)]
pub(crate) struct Asker {
    resolver: Resolver,
    backs: Arc<ConnectBacks>,
    places: Arc<Semaphore>,
}

impl Asker {
    /// `backs` is what the node's accept loop reports to.
    pub(crate) fn new(resolver: Resolver, backs: Arc<ConnectBacks>) -> Asker {
        Asker { resolver, backs, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks `servers` (see [`Server::parse`]) whether TCP `port` of our outside address leads to this node. `source`
    /// is the address to ask from, its family decides between IPv4 and IPv6; an unspecified one stands for its family
    /// alone, `None` for whatever comes first. Takes at most `limit`, which should be above two seconds: a server looks for
    /// one second before it says that nothing came back.
    ///
    /// The first confirmed yes is the verdict. Without one the port is not open, and `answer` says how sure that is:
    /// what all servers that answered agree on, [`Answer::Unknown`] if they differ in the how, and
    /// [`Answer::Unconfirmed`] if at least one said yes.
    ///
    /// # Errors
    /// [`Code::NoServer`] if no server answered (or there is none), with each one's reason.
    pub(crate) async fn check(
        &self,
        servers: &[String],
        port: u16,
        source: Option<IpAddr>,
        limit: Duration,
    ) -> Result<Verdict> {
        let deadline = Instant::now() + limit;
        let watch = Arc::new(Watch::new(Arc::clone(&self.backs)));
        let mut asked = JoinSet::new();
        for name in servers.iter().take(MOST_SERVERS) {
            let (asker, name, watch) = (self.clone(), name.clone(), Arc::clone(&watch));
            asked.spawn(async move {
                let report = asker.ask(&name, port, source, deadline, &watch).await;
                (name, report)
            });
        }
        let (mut said, mut failed): (Vec<(String, Report)>, Vec<String>) = (Vec::new(), Vec::new());
        while let Ok(Some(done)) = timeout_at(deadline, asked.join_next()).await {
            match done {
                Ok((server, Ok(r))) if r.answer == Answer::Open => {
                    let Report { answer, seen_ip, proof } = r;
                    return Ok(Verdict { open: true, answer, seen_ip, server, proof });
                }
                Ok((server, Ok(report))) => said.push((server, report)),
                Ok((server, Err(e))) => failed.push(format!("{server}: {e}")),
                Err(_) => failed.push("asking a server failed".to_owned()),
            }
        }
        if !asked.is_empty() {
            failed.push(format!("{} did not answer within {} ms", asked.len(), limit.as_millis()));
        }
        sum_up(said).ok_or_else(|| {
            let why = if failed.is_empty() { "there is none".to_owned() } else { failed.join("; ") };
            Error::new(Code::NoServer, format!("no server could be asked whether port {port} is open: {why}"))
        })
    }

    /// Asks one server; a yes is [`Answer::Open`] only if the connection has arrived.
    async fn ask(
        &self,
        name: &str,
        port: u16,
        source: Option<IpAddr>,
        deadline: Instant,
        watch: &Watch,
    ) -> Result<Report> {
        let server = Server::parse(name)?;
        let mut addrs = self.resolver.resolve(&server.host_port()).await?;
        addrs.retain(|a| source.is_none_or(|ip| ip.is_ipv4() == a.is_ipv4()));
        if addrs.is_empty() {
            let family = if source.is_some_and(|ip| ip.is_ipv4()) { "IPv4" } else { "IPv6" };
            return Err(Error::new(Code::NoPath, format!("has no {family} address")));
        }
        let stopping = |_| Error::new(Code::Canceled, "the net is stopping");
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(stopping)?;
        let source = source.filter(|ip| !ip.is_unspecified());
        let job = Job::new(&server, port, addrs, source, deadline.into_std());
        // Dropping this, because somebody else has answered or time is up, breaks the thread's connection.
        let _abandon = job.abandon_on_drop();
        let said = on_thread(place, move || job.run()).await??;
        if said.answer != Answer::Open {
            return Ok(Report { answer: said.answer, seen_ip: said.seen_ip, proof: None });
        }
        let wait = GRACE.min(deadline.saturating_duration_since(Instant::now()));
        let proof = timeout(wait, watch.proof(said.ends, said.seen_ip)).await.ok();
        let answer = if proof.is_some() { Answer::Open } else { Answer::Unconfirmed };
        Ok(Report { answer, seen_ip: said.seen_ip, proof })
    }
}

/// One verdict from what several servers said, none of it a confirmed yes.
fn sum_up(said: Vec<(String, Report)>) -> Option<Verdict> {
    let unconfirmed = said.iter().position(|(_, r)| r.answer == Answer::Unconfirmed);
    // One that knows the how, if there is one: those that do not know it do not contradict.
    let telling = said.iter().position(|(_, r)| r.answer != Answer::Unknown);
    let mut known = said.iter().map(|(_, r)| r.answer).filter(|a| *a != Answer::Unknown);
    let first = known.next();
    let agree = known.all(|a| Some(a) == first);
    let answer = match (unconfirmed, first) {
        (Some(_), _) => Answer::Unconfirmed,
        (None, Some(how)) if agree => how,
        _ => Answer::Unknown,
    };
    let at = unconfirmed.or(telling).unwrap_or(0);
    let (server, report) = said.into_iter().nth(at)?;
    Some(Verdict { open: false, answer, seen_ip: report.seen_ip, server, proof: None })
}
