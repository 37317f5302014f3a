//! Punching's sockets: the thin I/O around [`Session`] and [`Fight`](crate::proto::punch::fight::Fight).
//!
//! ```text
//!   caller ── Inbox (the peer's messages, cancel) ─▶ run ── outbox (messages to the peer) ─▶ signalling
//!                                                     │
//!     session: the thinking ◀── step: what comes next ┤
//!     sockets: ports · conn · ask, by wakes ──────────┘ ──▶ Punched: the winner, or why there is none
//! ```
//!
//! A punch is one future on the node's thread, and all its sockets are polled by it. Dropping the future closes
//! everything and gives back what it had of the node's budget.

mod answer;
mod ask;
mod conn;
mod fight;
mod ports;
mod server;
mod sockets;
mod step;
#[cfg(all(test, feature = "server"))]
mod tests;
mod wakes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::coop::unconstrained;

use super::rendezvous::Reach;
use crate::proto::punch::{
    Budget, Failure, Input, Message, Output, Reason, RoundReport, Session, Setup, Socket, Technique, Token,
};
use crate::small::SmallMap;
use answer::Answer;
use conn::{Conn, Look};
pub(crate) use fight::{BeginFight, FightInbox, Fought, run_fight};
use sockets::{Event, Sockets};
use step::{Step, Steps};

/// How long the last words may take to leave. They fit into any send buffer.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What all punches of a node have in common.
#[derive(Clone)]
pub(crate) struct Ways {
    /// Names, and where our connections come from.
    pub(crate) reach: Reach,
    /// Rendezvous servers to ask for outside ports, `host:port` each, the best first.
    pub(crate) servers: Vec<String>,
    /// What punching may use: one for the whole node.
    pub(crate) budget: Arc<Mutex<Budget>>,
}

/// How a punch begins.
pub(crate) enum Begin {
    /// With us. The token: 16 random bytes nobody can foresee.
    Initiate { token: Token, setup: Setup },
    /// With a peer's offer of a first round.
    Respond { offer: Message, setup: Setup },
}

/// What comes in while it runs.
#[derive(Debug)]
pub(crate) enum Inbox {
    /// The peer says something. What is of another punch is ignored.
    Message(Message),
    /// It is not wanted any more.
    Cancel,
}

/// How a punch ended.
#[derive(Debug)]
pub(crate) struct Punched {
    /// The connection and the peer's address, or why there is none. Both sides' frames on it are done: the next octets are
    /// the link's, and nothing of them has been read.
    pub(crate) outcome: Result<(TcpStream, SocketAddr), Failure>,
    /// How it was tried, if it came so far that the peer's NAT was known.
    pub(crate) technique: Option<Technique>,
    /// What was done, round by round.
    pub(crate) reports: Vec<RoundReport>,
    /// The shortest round trip of the signalling, if it was measured.
    pub(crate) rtt: Option<Duration>,
    /// The errors of the operating system that were met, by number, and how often each.
    pub(crate) errors: SmallMap<i32, u32>,
}

/// A session, and the budget that must get back what it has taken, whatever happens.
struct Held {
    session: Session,
    budget: Arc<Mutex<Budget>>,
}

impl Held {
    fn handle(&mut self, input: Input) {
        self.session.handle(Instant::now(), input, &mut self.budget.lock());
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.session.release(&mut self.budget.lock());
    }
}

/// Runs one punch to its end. Messages for the peer go to `outbox`; those of the peer come by `inbox`. If `inbox` is
/// closed, the peer is taken to be silent from then on.
pub(crate) async fn run(
    begin: Begin,
    ways: Ways,
    inbox: mpsc::Receiver<Inbox>,
    outbox: impl FnMut(Message),
) -> Punched {
    // The loop yields by itself.
    unconstrained(punch(begin, ways, inbox, outbox)).await
}

async fn punch(
    begin: Begin,
    ways: Ways,
    inbox: mpsc::Receiver<Inbox>,
    mut outbox: impl FnMut(Message),
) -> Punched {
    let (Begin::Initiate { setup, .. } | Begin::Respond { setup, .. }) = &begin;
    let ask = setup.options.ask;
    let mut sockets = Sockets::new(ways.reach, ways.servers, setup.peer_ip, Look::Frames);
    let begun = {
        let (now, mut budget) = (Instant::now(), ways.budget.lock());
        match begin {
            Begin::Initiate { token, setup } => Some(Session::initiate(now, token, setup, &mut budget)),
            Begin::Respond { offer, setup } => Session::respond(now, offer, setup, &mut budget),
        }
    };
    let Some(session) = begun else {
        // No offer: nobody has called.
        let outcome = Err(Failure { reason: Reason::Silent, by_peer: false });
        return Punched { outcome, technique: None, reports: Vec::new(), rtt: None, errors: SmallMap::new() };
    };
    let mut held = Held { session, budget: ways.budget };
    let mut steps = Steps::new(inbox);
    let end = loop {
        if let Some(end) = carry_out(&mut held, &mut sockets, &mut outbox, ask) {
            break end;
        }
        let step = steps.next(&mut sockets, held.session.deadline()).await;
        if held.session.deadline().is_some_and(|at| at <= Instant::now()) {
            held.handle(Input::Wake);
        }
        match step {
            Step::Time => {}
            Step::Inbox(Inbox::Message(message)) => held.handle(Input::Message(message)),
            Step::Inbox(Inbox::Cancel) => held.handle(Input::Cancel),
            Step::Event(event) => happened(&mut held, &mut sockets, event),
        }
    };
    let outcome = match end {
        Ok(winner) => hand_over(winner).await,
        Err(failure) => Err(failure),
    };
    let session = &held.session;
    let (technique, reports, rtt) = (session.technique(), session.reports().to_vec(), session.rtt());
    Punched { outcome, technique, reports, rtt, errors: std::mem::take(&mut sockets.errors) }
}

/// Does what the session wants; how it ended, if it has.
fn carry_out(
    held: &mut Held,
    sockets: &mut Sockets,
    outbox: &mut impl FnMut(Message),
    ask: Duration,
) -> Option<Result<Option<Conn>, Failure>> {
    while let Some(output) = held.session.poll_output() {
        match output {
            Output::Send(message) => outbox(message),
            Output::Bind { slot, listen } => match sockets.bind(slot, 0, listen) {
                Some(port) => held.handle(Input::Bound { slot, port }),
                None => held.handle(Input::BindFailed { slot }),
            },
            Output::Listen { slot } => sockets.listen(slot),
            Output::Ask { slot } => sockets.ask(slot, ask),
            Output::Connect { conn, slot, to, at, short } => sockets.connect(conn, slot, to, at, short),
            Output::Frame { conn, frame } => sockets.say(conn, &frame),
            Output::Close(Socket::Conn(conn)) => sockets.close(conn),
            Output::Close(Socket::Slot(slot)) => sockets.close_port(slot),
            Output::Winner(conn) => return Some(Ok(sockets.take_out(conn))),
            Output::Failed(failure) => return Some(Err(failure)),
        }
    }
    None
}

fn happened(held: &mut Held, sockets: &mut Sockets, event: Event) {
    let input = match event {
        Event::Connected(conn) => Input::Connected { conn },
        Event::Failed(conn, Answer::Refused) => Input::Refused { conn },
        Event::Failed(conn, Answer::Unreachable) => Input::Unreachable { conn },
        Event::Failed(conn, Answer::Taken) => Input::AddressTaken { conn },
        Event::Failed(conn, Answer::Other) => Input::TimedOut { conn },
        Event::Closed(conn) => Input::Closed { conn },
        Event::Frame(conn, frame) => Input::Frame { conn, frame: *frame },
        Event::Asked(slot, Some(port)) => Input::Asked { slot, port },
        Event::Asked(slot, None) => Input::AskFailed { slot },
        Event::Arrived(slot, stream, from) => {
            let conn = held.session.next_conn();
            sockets.take_in(conn, stream, from);
            Input::Accepted { conn, slot }
        }
        // Only fights talk to one.
        Event::Server(_) => return,
    };
    held.handle(input);
}

/// The winner, when the last words have left.
async fn hand_over(winner: Option<Conn>) -> Result<(TcpStream, SocketAddr), Failure> {
    let lost = Failure { reason: Reason::Lost, by_peer: false };
    let left = tokio::time::timeout(LAST_WORDS, winner.ok_or(lost)?.into_stream());
    left.await.map_err(|_| lost)?.map_err(|_| lost)
}
