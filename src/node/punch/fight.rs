//! The classic fight on sockets.
//!
//! The challenger talks to the server from the first of its ports, on a connection of its own that is opened here. The
//! challenged node's channel is somebody else's: its lines go out by the caller.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::coop::unconstrained;

use super::answer::Answer;
use super::conn::{Conn, Look};
use super::server::Said;
use super::sockets::{Event, Sockets};
use super::step::{Step, Steps};
use super::{Ways, hand_over};
use crate::proto::punch::fight::{Fight, FightInput, FightOutput, FightSetup};
use crate::proto::punch::{Budget, ConnId, FRAME_LEN, Failure, Foresight, Frame, SlotId, Socket};
use crate::proto::rdv_msg::{Reply, Request};
use crate::small::SmallMap;

/// How long asking for outside ports may take. The challenger's predecessor waits ten seconds for an answer.
const ASK: Duration = Duration::from_millis(1500);
/// How often a row of free ports is looked for.
const ROWS: usize = 10;
/// Where rows begin.
const ROW_STARTS: std::ops::Range<u16> = 10_000..60_000;

/// How a fight begins.
pub(crate) enum BeginFight {
    /// With us: the server at which the other node is registered, and the nonce that the winner begins with.
    Challenge { server: String, nonce: Frame },
    /// With a challenge, and the ports in it.
    Accept { ports: Vec<u16> },
}

/// What comes in while it runs.
#[derive(Debug)]
#[allow(dead_code, reason = "the actor drops a fight that is not wanted; tests cancel it, and bring replies")]
pub(crate) enum FightInbox {
    /// The server says something on a channel of the caller's. (A challenger reads its own.)
    Reply(Reply),
    /// It is not wanted any more.
    Cancel,
}

/// How a fight ended.
#[derive(Debug)]
pub(crate) struct Fought {
    /// The connection and the other node's address, or why there is none. What follows the nonce has not been read.
    pub(crate) outcome: Result<(TcpStream, SocketAddr), Failure>,
    /// The nonce that was received (challenged side, if it has ended well).
    pub(crate) nonce: Option<Box<Frame>>,
    /// The errors of the operating system that were met, by number, and how often each.
    pub(crate) errors: SmallMap<i32, u32>,
}

/// What must be known before the fight can be arranged.
struct Ready {
    local: Vec<u16>,
    outside: Vec<Option<u16>>,
    asked: usize,
    remote: Option<u16>,
    until: Instant,
}

struct Ring {
    fight: Fight,
    budget: Arc<Mutex<Budget>>,
    sockets: Sockets,
    /// Our side of the challenge.
    challenge: Option<(String, Frame)>,
    setup: FightSetup,
    patience: Duration,
    ready: Option<Ready>,
    nonce: Option<Box<Frame>>,
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.fight.release(&mut self.budget.lock());
    }
}

/// Runs one fight to its end. `line`: sends a line (without CRLF) on the channel the challenge came by.
pub(crate) async fn run_fight(
    begin: BeginFight,
    setup: FightSetup,
    ways: Ways,
    inbox: mpsc::Receiver<FightInbox>,
    line: impl FnMut(String),
) -> Fought {
    // The loop yields by itself.
    unconstrained(fight(begin, setup, ways, inbox, line)).await
}

async fn fight(
    begin: BeginFight,
    setup: FightSetup,
    ways: Ways,
    inbox: mpsc::Receiver<FightInbox>,
    mut line: impl FnMut(String),
) -> Fought {
    let look = if matches!(begin, BeginFight::Challenge { .. }) { Look::Closing } else { Look::Frames };
    let patience = ways.reach.limit;
    let sockets = Sockets::new(ways.reach, ways.servers, setup.peer_ip, look);
    let (fight, challenge) = {
        let (now, mut budget) = (Instant::now(), ways.budget.lock());
        match begin {
            BeginFight::Challenge { server, nonce } => {
                (Fight::challenge(now, setup.clone(), &mut budget), Some((server, nonce)))
            }
            BeginFight::Accept { ports } => (Fight::accept(now, setup.clone(), &ports, &mut budget), None),
        }
    };
    let (budget, ready, nonce) = (ways.budget, None, None);
    let mut ring = Ring { fight, budget, sockets, challenge, setup, patience, ready, nonce };
    let mut steps = Steps::new(inbox);
    let end = loop {
        if let Some(end) = ring.carry_out(&mut line) {
            break end;
        }
        let prepared_by = ring.ready.as_ref().map(|ready| ready.until);
        let until = ring.fight.deadline().into_iter().chain(prepared_by).min();
        let step = steps.next(&mut ring.sockets, until).await;
        if ring.fight.deadline().is_some_and(|at| at <= Instant::now()) {
            ring.handle(FightInput::Wake);
        }
        match step {
            Step::Time => {}
            Step::Inbox(FightInbox::Reply(reply)) => ring.handle(FightInput::Reply(&reply)),
            Step::Inbox(FightInbox::Cancel) => ring.handle(FightInput::Cancel),
            Step::Event(event) => ring.happened(event),
        }
        ring.go_on_if_ready();
    };
    let outcome = match end {
        Ok(winner) => hand_over(winner).await,
        Err(failure) => Err(failure),
    };
    let nonce = ring.nonce.take().filter(|_| outcome.is_ok());
    Fought { outcome, nonce, errors: std::mem::take(&mut ring.sockets.errors) }
}

impl Ring {
    fn handle(&mut self, input: FightInput<'_>) {
        self.fight.handle(Instant::now(), input, &mut self.budget.lock());
    }

    /// Does what the fight wants; how it ended, if it has.
    fn carry_out(&mut self, line: &mut impl FnMut(String)) -> Option<Result<Option<Conn>, Failure>> {
        while let Some(output) = self.fight.poll_output() {
            match output {
                FightOutput::Bind { count, ask } => self.bind(count, ask),
                FightOutput::Line(text) if self.challenge.is_some() => self.sockets.tell_server(&text),
                FightOutput::Line(text) => line(text),
                FightOutput::Connect { conn, slot, to, at } => {
                    self.sockets.connect(conn, slot, to, at, false);
                }
                FightOutput::SendNonce(conn) => {
                    if let Some((_, nonce)) = &self.challenge {
                        self.sockets.say(conn, nonce);
                    }
                }
                FightOutput::Close(Socket::Conn(conn)) => self.sockets.close(conn),
                FightOutput::Close(Socket::Slot(slot)) => self.sockets.close_port(slot),
                FightOutput::Winner(conn) => return Some(Ok(self.sockets.take_out(conn))),
                FightOutput::Failed(failure) => return Some(Err(failure)),
            }
        }
        None
    }

    /// Binds the ports, opens the connection to the server, asks what has to be asked.
    fn bind(&mut self, count: usize, ask: bool) {
        let Some(local) = self.bind_row(count) else {
            return self.handle(FightInput::BindFailed);
        };
        let mut asked = 0;
        let first = SlotId(0);
        if let Some((server, _)) = &self.challenge {
            self.sockets.open_server(first, server.clone());
            let source = Request::SourceTcp { local_port: local.get(1).copied() };
            self.sockets.tell_server(&source.to_string());
        } else if matches!(self.setup.ours.foresight(), Foresight::Row { .. }) {
            // The challenge came by a connection that is old by now: where is the row?
            self.sockets.ask(first, ASK);
            asked += 1;
        }
        if ask {
            slots(count).skip(1).for_each(|slot| self.sockets.ask(slot, ASK));
            asked += count.saturating_sub(1);
        }
        let patience = if self.challenge.is_some() { self.patience.max(ASK) } else { ASK };
        let until = Instant::now() + patience;
        self.ready = Some(Ready { local, outside: vec![None; count], asked, remote: None, until });
        self.go_on_if_ready();
    }

    /// Ports in a row if there are any, else any.
    fn bind_row(&mut self, count: usize) -> Option<Vec<u16>> {
        for row in 0..=ROWS {
            let start = if row < ROWS { fastrand::u16(ROW_STARTS) } else { 0 };
            let numbers = (0..).map(|n: u16| if start == 0 { 0 } else { start.saturating_add(n) });
            let ports: Option<Vec<u16>> = slots(count)
                .zip(numbers)
                .map(|(slot, number)| self.sockets.bind(slot, number, slot != SlotId(0)))
                .collect();
            if ports.is_some() {
                return ports;
            }
            slots(count).for_each(|slot| self.sockets.close_port(slot));
        }
        None
    }

    fn go_on_if_ready(&mut self) {
        let Some(ready) = &self.ready else { return };
        let late = ready.until <= Instant::now();
        let server = self.challenge.is_none() || self.sockets.server_is_open();
        let told = self.challenge.is_none() || ready.remote.is_some();
        if !late && (ready.asked > 0 || !told) {
            return;
        }
        let Some(ready) = self.ready.take() else { return };
        if server {
            let (local, outside, remote) = (&ready.local, &ready.outside, ready.remote);
            self.handle(FightInput::Bound { local, outside, remote });
        } else {
            self.handle(FightInput::BindFailed);
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Connected(conn) => self.handle(FightInput::Connected { conn }),
            Event::Failed(conn, Answer::Refused | Answer::Unreachable) => {
                self.handle(FightInput::Refused { conn });
            }
            Event::Failed(conn, Answer::Taken | Answer::Other) | Event::Closed(conn) => {
                self.handle(FightInput::Ended { conn });
            }
            Event::Frame(conn, nonce) => self.nonce_came(conn, nonce),
            Event::Asked(slot, port) => {
                let Some(ready) = &mut self.ready else { return };
                ready.asked = ready.asked.saturating_sub(1);
                match ready.outside.get_mut(usize::from(slot.0)) {
                    _ if slot == SlotId(0) => ready.remote = port,
                    Some(place) => *place = port,
                    None => {}
                }
            }
            // Nothing on these connections proves who is there, so at least they come from the right address.
            Event::Arrived(_, _, from) if from.ip().to_canonical() != self.setup.peer_ip.to_canonical() => {}
            Event::Arrived(slot, stream, from) => {
                let conn = self.fight.next_conn();
                self.sockets.take_in(conn, stream, from);
                self.handle(FightInput::Accepted { conn, slot });
            }
            Event::Server(Said::Reply(reply)) => match (*reply, &mut self.ready) {
                (Reply::RemoteTcp(port), Some(ready)) => ready.remote = Some(port),
                (reply, _) => self.handle(FightInput::Reply(&reply)),
            },
            Event::Server(Said::Lost) => {
                self.ready = None;
                self.handle(FightInput::ServerLost);
            }
        }
    }

    fn nonce_came(&mut self, conn: ConnId, nonce: Box<[u8; FRAME_LEN]>) {
        self.nonce = Some(nonce);
        self.handle(FightInput::Nonce { conn });
    }
}

fn slots(count: usize) -> impl Iterator<Item = SlotId> {
    (0..).map(SlotId).take(count)
}
