//! BitTorrent's Mainline DHT: the I/O around [`crate::proto::mainline`], as one task. The DHT's own protocol is the crate
//! `mainline`'s, on a thread of its own with one UDP socket.
//!
//! ```text
//!   actor ── Order ─▶ run ── a task per query ─▶ crate's thread ── UDP ─▶ the DHT
//!     ◀── Happening ──┘ ◀────── Report ─────────┘
//! ```
//!
//! All queues are bounded. The crate's thread owns nothing of the net. It ends within a twentieth of a second after the
//! last handle to it is dropped; if it should die of itself, it is started again, later each time.

mod guard;
mod node;
mod query;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::node::key::random;
use crate::node::resolve::Resolver;
use crate::proto::identity::{Identity, PublicKey};
use crate::proto::mainline::{Happening, MayVisit, Output, QueryError, Random, Settings, Time};
use crate::proto::unl::UnlV3;
use node::Running;
use query::Report;

/// The DHT's public ways in, for programs that join it (the crate's list; they stand for nothing of ours).
pub(crate) const PUBLIC_BOOTSTRAP: [&str; 4] = mainline::DEFAULT_BOOTSTRAP_NODES;

/// Reports of all queries that may wait.
const QUEUE: usize = 64;
/// After a start that failed; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// A node that ran for so long was well.
const WELL: Duration = Duration::from_secs(60);

/// Who the node is, and where in the DHT it begins.
#[derive(Clone)]
pub(crate) struct Config {
    /// Its key pair.
    pub(crate) identity: Arc<Identity>,
    /// How it uses the DHT.
    pub(crate) settings: Settings,
    /// Nodes to begin with, as `host:port`; [`PUBLIC_BOOTSTRAP`], or those of a DHT of one's own. Empty: this is the first
    /// node of one.
    pub(crate) bootstrap: Vec<String>,
    /// The address of the UDP socket. (The crate speaks IPv4 only.)
    pub(crate) bind: Ipv4Addr,
    /// Its port; 0 = any. If it is taken: any.
    pub(crate) port: u16,
    /// Answers others from the beginning, not only when it has been reachable for a quarter of an hour.
    pub(crate) serve: bool,
}

/// What the task needs of the rest of the node.
pub(crate) struct Ways {
    /// Names.
    pub(crate) resolver: Resolver,
    /// Whether an address that strangers have named may be handed on as one to dial.
    pub(crate) may_visit: MayVisit,
    /// Random bytes for keys.
    pub(crate) random: Random,
    /// Decides about choices that are no secrets.
    pub(crate) seed: u64,
}

/// Random bytes of the system.
pub(crate) fn system_random() -> Random {
    Box::new(|| random().ok())
}

/// What the rest of the node wants.
#[derive(Debug)]
pub(crate) enum Order {
    /// [`crate::proto::mainline::Mainline::publish`]
    Publish(Box<UnlV3>),
    /// [`crate::proto::mainline::Mainline::withhold`]
    Withhold,
    /// [`crate::proto::mainline::Mainline::announce`]
    Announce {
        /// The TCP port at our outside address where we can be reached, if we can.
        port: Option<u16>,
        /// Our own addresses, not to be found.
        own: Vec<SocketAddr>,
    },
    /// [`crate::proto::mainline::Mainline::resolve`]
    Resolve {
        /// The caller's name for it.
        tag: u64,
        /// Whose locator.
        key: PublicKey,
    },
    /// [`crate::proto::mainline::Mainline::find`]
    Find {
        /// The caller's name for it.
        tag: u64,
    },
    /// [`crate::proto::mainline::Mainline::send`]
    Send {
        /// The caller's name for it.
        tag: u64,
        /// The receiver.
        to: PublicKey,
        /// 1 to [`crate::proto::mainline::MAX_MESSAGE`] bytes.
        message: Vec<u8>,
    },
    /// The machine has other addresses, or other ways: a new socket, and all is published anew.
    NetworkChanged,
    /// The end; then the task ends.
    Leave,
}

/// What the task has been woken for.
enum Input {
    Report(Report),
    Order(Order),
    /// The crate's thread has ended.
    Died,
    Timer,
    Deaf,
}

struct Task {
    node: crate::proto::mainline::Mainline,
    config: Config,
    resolver: Resolver,
    orders: mpsc::Receiver<Order>,
    happenings: mpsc::Sender<Happening>,
    reports: mpsc::Receiver<Report>,
    report: mpsc::Sender<Report>,
    running: Option<Running>,
    /// When it is to be started; `None` while it runs or is being started.
    start: Option<Instant>,
    pause: Duration,
    /// Nodes of the DHT that we knew before a restart.
    known: Vec<SocketAddrV4>,
    tasks: JoinSet<()>,
}

/// Takes part in the DHT until it is told to leave, or nobody is left to give orders or to be told.
///
/// Dropping this future ends it as well; the crate's thread then ends by itself in a moment.
pub(crate) async fn run(
    config: Config,
    ways: Ways,
    orders: mpsc::Receiver<Order>,
    happenings: mpsc::Sender<Happening>,
) {
    let (report, reports) = mpsc::channel(QUEUE);
    let node = crate::proto::mainline::Mainline::new(
        config.settings.clone(),
        Arc::clone(&config.identity),
        ways.may_visit,
        ways.random,
        ways.seed,
    );
    let mut task = Task {
        node,
        config,
        resolver: ways.resolver,
        orders,
        happenings,
        reports,
        report,
        running: None,
        start: Some(Instant::now()),
        pause: FIRST_PAUSE,
        known: Vec::new(),
        tasks: JoinSet::new(),
    };
    while task.settle().await {
        match task.next().await {
            Input::Report(report) => task.report(report),
            Input::Order(Order::Leave) => {
                task.node.leave();
                task.settle().await;
                break;
            }
            Input::Order(Order::NetworkChanged) => task.network_changed().await,
            Input::Order(order) => task.order(order),
            Input::Died => task.died(),
            Input::Timer => task.timer(),
            Input::Deaf => break,
        }
    }
    task.end().await;
}

fn now() -> Time {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Time { at: Instant::now(), unix }
}

impl Task {
    async fn next(&mut self) -> Input {
        let due = [self.node.poll_timeout(), self.start].into_iter().flatten().min();
        let mut timer = pin!(tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()));
        let mut deaf = pin!(self.happenings.closed());
        let (reports, orders, tasks) = (&mut self.reports, &mut self.orders, &mut self.tasks);
        let running = &mut self.running;
        poll_fn(|cx| {
            // A query's task panics if the crate's thread has died under it. That shows below.
            while let Poll::Ready(Some(_)) = tasks.poll_join_next(cx) {}
            if deaf.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Input::Deaf);
            }
            if let Poll::Ready(Some(report)) = reports.poll_recv(cx) {
                return Poll::Ready(Input::Report(report));
            }
            if let Poll::Ready(order) = orders.poll_recv(cx) {
                return Poll::Ready(Input::Order(order.unwrap_or(Order::Leave)));
            }
            if let Some(running) = running
                && running.poll_ended(cx).is_ready()
            {
                return Poll::Ready(Input::Died);
            }
            if due.is_some() && timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Input::Timer);
            }
            Poll::Pending
        })
        .await
    }

    fn order(&mut self, order: Order) {
        let now = now();
        match order {
            Order::Publish(locator) => self.node.publish(now, &locator),
            Order::Withhold => self.node.withhold(),
            Order::Announce { port, own } => self.node.announce(now, port, own),
            Order::Resolve { tag, key } => self.node.resolve(now, tag, key),
            Order::Find { tag } => self.node.find(now, tag),
            Order::Send { tag, to, message } => self.node.send(now, tag, to, message),
            Order::NetworkChanged | Order::Leave => {}
        }
    }

    fn report(&mut self, report: Report) {
        let now = now();
        match report {
            Report::Item(job, item) => self.node.item(now, job, &item),
            Report::Peers(job, addrs) => self.node.peers(job, &addrs),
            Report::Done(job, outcome) => self.node.finished(now, job, outcome),
            Report::Outside(ip) => self.node.outside(IpAddr::V4(ip)),
            Report::Start(Ok(running)) => {
                self.node.online(now, running.udp.into());
                self.running = Some(*running);
            }
            Report::Start(Err(why)) => self.failed(why),
        }
    }

    fn timer(&mut self) {
        if self.start.is_some_and(|at| at <= Instant::now()) {
            self.start = None;
            let known = std::mem::take(&mut self.known);
            let start = node::start(self.config.clone(), known, self.resolver.clone(), self.report.clone());
            self.tasks.spawn(start);
        }
        self.node.on_timeout(now());
    }

    fn failed(&mut self, why: String) {
        self.start = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.node.offline(why);
    }

    fn died(&mut self) {
        if let Some(running) = self.running.take()
            && running.since.elapsed() > WELL
        {
            self.pause = FIRST_PAUSE;
        }
        self.abort_all();
        self.failed("the DHT's thread has ended unexpectedly".to_owned());
    }

    async fn network_changed(&mut self) {
        if let Some(running) = self.running.take() {
            self.known = running.known().await;
            self.abort_all();
            running.end().await;
            self.node.offline("the network has changed".to_owned());
        } else {
            self.abort_all();
        }
        (self.start, self.pause) = (Some(Instant::now()), FIRST_PAUSE);
    }

    /// Ends all queries, whose tasks hold the crate's handle, and a start that is under way.
    fn abort_all(&mut self) {
        self.tasks.abort_all();
        // What they have reported is of a node that is gone.
        (self.report, self.reports) = mpsc::channel(QUEUE);
    }

    async fn end(mut self) {
        // Tasks that wait to report would keep the crate's thread.
        drop(self.reports);
        self.tasks.shutdown().await;
        if let Some(running) = self.running.take() {
            running.end().await;
        }
    }

    /// Does what the state machine says, until it says nothing more. `false`: nobody is there to be told.
    async fn settle(&mut self) -> bool {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Query { job, query } => match &self.running {
                    Some(running) => {
                        let work = query::ask(running.dht.clone(), job, query, self.report.clone());
                        self.tasks.spawn(work);
                    }
                    None => {
                        let why = QueryError::Failed("the DHT is not running".to_owned());
                        self.node.finished(now(), job, Err(why));
                    }
                },
                Output::Happening(what) => {
                    if self.happenings.send(what).await.is_err() {
                        return false;
                    }
                }
            }
        }
        true
    }
}
