//! The channel of a simultaneous node on sockets: the I/O around [`crate::proto::connect::classic::channel`], one task with
//! a small task per server.

use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::rendezvous::Reach;
use super::signal::Ways;
use super::signal::link::{Report, connect};
use crate::boxed::boxed;
use crate::proto::connect::classic::channel::{Channel, LinkId, Output};
use crate::proto::line;
use crate::proto::signal::LinkId as Number;
use crate::small::SmallMap;

/// Reports of all connections, and texts for one, that may wait.
const QUEUE: usize = 64;

/// What the rest of the node wants.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send a line (without its end) on this connection, if it still stands.
    Say { link: LinkId, line: String },
    /// [`Channel::free`]
    Free { ip: IpAddr, fought: bool },
    /// [`Channel::network_changed`]
    NetworkChanged,
}

/// What has happened.
#[derive(Debug)]
pub(crate) enum Happening {
    /// Somebody wants to punch to us; there will be an [`Order::Free`] for it.
    Challenged { link: LinkId, ip: IpAddr, ports: Vec<u16> },
    /// For the log.
    Note(String),
}

enum Input {
    Report(Number, Report),
    Order(Order),
    Timer,
    Done,
}

struct Task<F> {
    channel: Channel,
    reach: Reach,
    tell: F,
    report: mpsc::Sender<(Number, Report)>,
    /// What each connection is to write; dropping one hangs up.
    links: SmallMap<LinkId, mpsc::Sender<String>>,
    tasks: JoinSet<()>,
}

/// Runs the channel until nobody is left to give orders. Dropping this future ends all connections.
pub(crate) async fn run(
    servers: Vec<String>,
    seed: u64,
    reach: Reach,
    mut orders: mpsc::UnboundedReceiver<Order>,
    tell: impl FnMut(Happening),
) {
    let (report, mut reports) = mpsc::channel(QUEUE);
    let channel = Channel::new(Instant::now(), &servers, seed);
    let mut task = Task { channel, reach, tell, report, links: SmallMap::new(), tasks: JoinSet::new() };
    loop {
        task.settle();
        let due = task.channel.poll_timeout();
        let mut timer = pin!(tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()));
        let input = poll_fn(|cx| {
            while let Poll::Ready(Some(ended)) = task.tasks.poll_join_next(cx) {
                // A panic there is one here: whoever runs this task has to know.
                if let Err(Ok(panic)) = ended.map_err(|e| e.try_into_panic()) {
                    std::panic::resume_unwind(panic);
                }
            }
            // What came in time must not look late because the clock was asked first.
            if let Poll::Ready(Some((link, report))) = reports.poll_recv(cx) {
                return Poll::Ready(Input::Report(link, report));
            }
            if let Poll::Ready(order) = orders.poll_recv(cx) {
                return Poll::Ready(order.map_or(Input::Done, Input::Order));
            }
            if due.is_some() && timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Input::Timer);
            }
            Poll::Pending
        });
        match input.await {
            Input::Report(link, report) => task.report(link.0, report),
            Input::Order(order) => task.order(order),
            Input::Timer => task.channel.on_timeout(Instant::now()),
            Input::Done => return,
        }
    }
}

impl<F: FnMut(Happening)> Task<F> {
    fn order(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Say { link, line } => self.write(link, format!("{line}\r\n")),
            Order::Free { ip, fought } => self.channel.free(now, ip, fought),
            Order::NetworkChanged => self.channel.network_changed(now),
        }
    }

    fn report(&mut self, link: LinkId, report: Report) {
        let now = Instant::now();
        match report {
            Report::Connected(_) => self.channel.dialled(now, link, Ok(())),
            Report::Failed(why) => self.channel.dialled(now, link, Err(&why)),
            Report::Lines(run) => line::split(&run).for_each(|line| self.channel.line(now, link, line)),
            Report::Closed(why) => {
                self.links.remove(&link);
                self.channel.closed(now, link, &why);
            }
        }
    }

    fn write(&mut self, link: LinkId, text: String) {
        let Some(writer) = self.links.get(&link) else { return };
        if let Err(mpsc::error::TrySendError::Full(_)) = writer.try_send(text) {
            self.links.remove(&link);
            self.channel.closed(Instant::now(), link, "it does not read what it is sent");
        }
    }

    /// Does what the state machine says, until it says nothing more.
    fn settle(&mut self) {
        while let Some(output) = self.channel.poll_output() {
            match output {
                Output::Dial { link, server } => {
                    let (writer, texts) = mpsc::channel(QUEUE);
                    self.links.insert(link, writer);
                    let ways = Ways { reach: self.reach.clone(), may_visit: Arc::new(|_| false) };
                    // Its own servers are what the program has named: no guest anywhere.
                    let report = self.report.clone();
                    self.tasks.spawn(boxed(connect(Number(link), server, false, ways, texts, report)));
                }
                Output::Write { link, text } => self.write(link, text),
                Output::HangUp { link } => {
                    self.links.remove(&link);
                }
                Output::Challenged { link, ip, ports } => {
                    (self.tell)(Happening::Challenged { link, ip, ports });
                }
                Output::Note(text) => (self.tell)(Happening::Note(text)),
            }
        }
    }
}
