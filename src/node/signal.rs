//! Signalling's sockets: the I/O around [`crate::proto::signal`], as one task with a small task per connection.
//!
//! ```text
//!   actor ── Order ─▶ run ── Dial, Write, HangUp ─▶ link (one per server): dials, reads lines, writes
//!     ◀── Happening ──┘ ◀────────── Report ─────────┘
//! ```
//!
//! All queues are bounded. When nobody takes the happenings, nothing more is read; then servers tell those who send us
//! messages that we are busy.

pub(super) mod link;
#[cfg(all(test, feature = "server"))]
mod tests;

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;

use super::dial::dial;
use super::rendezvous::Reach;
use crate::boxed::boxed;
use crate::error::{Code, Error, Result};
use crate::proto::identity::PublicKey;
use crate::proto::line;
use crate::proto::signal::{Happening, LinkId, Output, Settings, Sign, Signalling};
use crate::small::SmallMap;
use link::{Report, connect};

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Reports of all connections, and texts for one, that may wait.
const QUEUE: usize = 64;

/// What the rest of the node wants.
#[derive(Debug)]
pub(crate) enum Order {
    /// [`Signalling::tell`]. There will be one [`Happening::Done`] with this tag.
    Tell {
        /// The caller's name for it.
        tag: u64,
        /// The receiver.
        to: PublicKey,
        /// The servers its locator names.
        via: Vec<String>,
        /// 1 to 8192 bytes; servers take 2048 unless they are told otherwise.
        message: Vec<u8>,
    },
    /// [`Signalling::network_changed`]
    NetworkChanged,
    /// [`Signalling::measure`]
    Measure,
    /// [`Signalling::leave`]; then the task ends.
    Leave,
}

/// How to get at servers.
#[derive(Clone)]
pub(crate) struct Ways {
    /// Names, and where our connections come from.
    pub(crate) reach: Reach,
    /// Whether a server that only a peer has named may be at this address.
    pub(crate) may_visit: Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>,
}

impl Ways {
    /// Connects to a server. `guest`: only a peer has named it, so it may not be anywhere.
    pub(crate) async fn dial(&self, server: &str, guest: bool) -> Result<(TcpStream, SocketAddr)> {
        let mut addrs = self.reach.resolver.resolve(server).await?;
        if guest {
            addrs.retain(|at| (self.may_visit)(*at));
            if addrs.is_empty() {
                let message = format!("{server} has no address that we would go to because a peer names it");
                return Err(Error::new(Code::NoPath, message));
            }
        }
        dial(addrs, self.reach.bound).await
    }
}

/// What the task has been woken for.
enum Input {
    Report(LinkId, Report),
    Order(Order),
    Timer,
    Deaf,
}

struct Task {
    node: Signalling,
    ways: Ways,
    orders: mpsc::Receiver<Order>,
    happenings: mpsc::Sender<Happening>,
    reports: mpsc::Receiver<(LinkId, Report)>,
    report: mpsc::Sender<(LinkId, Report)>,
    /// What each connection is to write; dropping one hangs up.
    links: SmallMap<LinkId, mpsc::Sender<String>>,
    tasks: JoinSet<()>,
}

/// Runs a node's signalling until it is told to leave, or nobody is left to give orders or to be told.
///
/// `sign` signs for [`Settings::id`]. Dropping this future ends all connections at once.
pub(crate) async fn run(
    settings: Settings,
    sign: Sign,
    seed: u64,
    ways: Ways,
    orders: mpsc::Receiver<Order>,
    happenings: mpsc::Sender<Happening>,
) {
    let (report, reports) = mpsc::channel(QUEUE);
    let node = Signalling::new(Instant::now(), settings, sign, seed);
    let (links, tasks) = (SmallMap::new(), JoinSet::new());
    let mut task = Task { node, ways, orders, happenings, reports, report, links, tasks };
    while task.settle().await {
        match task.next().await {
            Input::Report(link, report) => task.report(link, report),
            Input::Order(Order::Leave) => {
                task.node.leave(Instant::now());
                task.settle().await;
                break;
            }
            Input::Order(order) => task.order(order),
            Input::Timer => task.timer().await,
            Input::Deaf => break,
        }
    }
    // What was hung up may still have to say goodbye.
    task.links.clear();
    let _ = tokio::time::timeout(FAREWELL, async { while task.tasks.join_next().await.is_some() {} }).await;
}

impl Task {
    async fn next(&mut self) -> Input {
        let due = self.node.poll_timeout();
        let mut timer = pin!(tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()));
        let mut deaf = pin!(self.happenings.closed());
        let (reports, orders, tasks) = (&mut self.reports, &mut self.orders, &mut self.tasks);
        poll_fn(|cx| {
            while let Poll::Ready(Some(ended)) = tasks.poll_join_next(cx) {
                // A panic there is one here: whoever runs this task has to know.
                if let Err(Ok(panic)) = ended.map_err(|e| e.try_into_panic()) {
                    std::panic::resume_unwind(panic);
                }
            }
            if deaf.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Input::Deaf);
            }
            // What came in time must not look late because the clock was asked first.
            if let Poll::Ready(Some((link, report))) = reports.poll_recv(cx) {
                return Poll::Ready(Input::Report(link, report));
            }
            if let Poll::Ready(order) = orders.poll_recv(cx) {
                return Poll::Ready(Input::Order(order.unwrap_or(Order::Leave)));
            }
            if due.is_some() && timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Input::Timer);
            }
            Poll::Pending
        })
        .await
    }

    fn order(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Tell { tag, to, via, message } => {
                if let Err(why) = self.node.tell(now, tag, to, &via, &message) {
                    self.node.not_taken(tag, why);
                }
            }
            Order::NetworkChanged => self.node.network_changed(now),
            Order::Measure => self.node.measure(now),
            Order::Leave => self.node.leave(now),
        }
    }

    fn report(&mut self, link: LinkId, report: Report) {
        let now = Instant::now();
        match report {
            Report::Connected(at) => self.node.dialled(now, link, Ok(at)),
            Report::Failed(why) => self.node.dialled(now, link, Err(why)),
            Report::Lines(run) => line::split(&run).for_each(|line| self.node.line(now, link, line)),
            Report::Closed(why) => {
                self.links.remove(&link);
                self.node.closed(now, link, &why);
            }
        }
    }

    /// Time has passed. If that was because nobody took our happenings, answers may have come meanwhile that could not be
    /// read: they are looked at before anybody is called silent.
    async fn timer(&mut self) {
        for _ in 0..2 {
            tokio::task::yield_now().await;
            while let Ok((link, report)) = self.reports.try_recv() {
                self.report(link, report);
            }
        }
        self.node.on_timeout(Instant::now());
    }

    /// Does what the state machine says, until it says nothing more. `false`: nobody is there to be told.
    async fn settle(&mut self) -> bool {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Dial { link, server, guest } => {
                    let (writer, texts) = mpsc::channel(QUEUE);
                    self.links.insert(link, writer);
                    let (ways, report) = (self.ways.clone(), self.report.clone());
                    self.tasks.spawn(boxed(connect(link, server, guest, ways, texts, report)));
                }
                Output::Write { link, text } => {
                    let sent = self.links.get(&link).map(|writer| writer.try_send(text));
                    // One that has ended has said so, or is about to.
                    if let Some(Err(TrySendError::Full(_))) = sent {
                        self.links.remove(&link);
                        self.node.closed(Instant::now(), link, "it does not read what it is sent");
                    }
                }
                Output::HangUp { link } => {
                    self.links.remove(&link);
                }
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
