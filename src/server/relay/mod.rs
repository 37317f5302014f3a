//! The relay: connections that have said RELAY wait here for each other, and [`crate::proto::relay`] thinks.
//!
//! A connection comes from [`super::rendezvous`] with a task of its own. The first of two waits; the second is handed to
//! the first one's task, which then runs the session (`session`).

mod session;

use super::conn::ForRelay;
use super::log::{Level, Log};
use super::net::{Either, Life, due, race};
use super::rendezvous::Hub;
use crate::proto::rdv_msg::{RelayReason, RelayReply, RelayToken};
use crate::proto::rdv_server::ConnId;
use crate::proto::relay::{Asked, Counters, End, Next, Output, Refusal, Relay, RelayLimits, SessionId};
use parking_lot::Mutex;
use socket2::SockRef;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

/// Bytes that one who waits may send ahead; what is more stays with the system.
const EARLY: usize = 4096;

/// The relay's state and what its tasks wait for.
pub(super) struct RelayHub {
    state: Mutex<State>,
    /// The next timeout has become earlier.
    earlier: Notify,
    limits: RelayLimits,
    log: Log,
}

struct State {
    relay: Relay,
    waiting: HashMap<ConnId, oneshot::Sender<Word>>,
    sessions: HashMap<SessionId, oneshot::Sender<End>>,
    /// When the timer task will wake up.
    armed: Option<Instant>,
}

/// What one who waits is told.
enum Word {
    Come(Box<Leg>, Running),
    Late,
}

/// A place among the connections of the server, given back when it is dropped.
pub(super) struct Place {
    hub: Arc<Hub>,
    id: ConnId,
}

impl Place {
    pub(super) fn new(hub: Arc<Hub>, id: ConnId) -> Place {
        Place { hub, id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.closed(self.id);
    }
}

/// One of the two.
struct Leg {
    stream: TcpStream,
    /// What it has sent before there was anybody to pass it to.
    early: Vec<u8>,
    peer: SocketAddr,
    place: Place,
}

/// A session, which ends when this is dropped.
struct Running {
    hub: Arc<RelayHub>,
    id: SessionId,
    over: oneshot::Receiver<End>,
    end: End,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hub.ended(self.id, self.end);
    }
}

/// One who waits, who does no longer when this is dropped.
struct Stay<'a>(&'a RelayHub, ConnId);

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.relay.left(self.1);
        state.waiting.remove(&self.1);
    }
}

/// What to do with one who has asked.
enum Begin {
    Wait(oneshot::Receiver<Word>),
    Go(Running, oneshot::Sender<Word>),
}

impl RelayHub {
    pub(super) fn new(limits: RelayLimits, log: Log) -> RelayHub {
        let relay = Relay::new(limits.clone());
        let state = State { relay, waiting: HashMap::new(), sessions: HashMap::new(), armed: None };
        RelayHub { state: Mutex::new(state), earlier: Notify::new(), limits, log }
    }

    /// Serves a connection that has said RELAY: to its end, or until the other one's task has it.
    pub(super) async fn attend(self: Arc<Self>, conn: ForRelay, peer: SocketAddr, place: Place) {
        let leg = Leg { stream: conn.stream, early: conn.early, peer, place };
        leg.limit_buffers(self.limits.buffer);
        match self.ask(leg.place.id, peer, conn.token) {
            Err(Refusal { reason, expected }) => {
                leg.say(&RelayReply::Refused { reason, expected: expected.into() });
            }
            // If the first one has just gone, so does this one.
            Ok(Begin::Go(running, first)) => drop(first.send(Word::Come(Box::new(leg), running))),
            Ok(Begin::Wait(word)) => self.wait(leg, word).await,
        }
    }

    async fn wait(&self, mut leg: Leg, word: oneshot::Receiver<Word>) {
        let stay = Stay(self, leg.place.id);
        leg.say(&RelayReply::Wait);
        match race(word, leg.hold_on()).await {
            Either::Left(Ok(Word::Come(other, running))) => {
                drop(stay);
                self.log.line(Level::Debug, "relay-begun", |field| {
                    field("session", &running.id.0);
                    field("first", &leg.peer);
                    field("second", &other.peer);
                });
                session::run(running, leg, *other, &self.limits).await;
            }
            Either::Left(Ok(Word::Late)) => {
                let limit = self.limits.wait.as_secs_f32();
                leg.say(&RelayReply::Refused {
                    reason: RelayReason::Time,
                    expected: format!("expected the other one within {limit} s").into(),
                });
            }
            Either::Left(Err(_)) | Either::Right(()) => {}
        }
    }

    fn ask(self: &Arc<Self>, id: ConnId, peer: SocketAddr, token: RelayToken) -> Result<Begin, Refusal> {
        let mut state = self.state.lock();
        let asked = state.relay.ask(Instant::now(), id, peer.ip(), token);
        let begin = asked.map(|asked| match asked {
            Asked::Wait => {
                let (tell, told) = oneshot::channel();
                state.waiting.insert(id, tell);
                Begin::Wait(told)
            }
            Asked::Go { session: id, other } => {
                let (tell, over) = oneshot::channel();
                state.sessions.insert(id, tell);
                let running = Running { hub: self.clone(), id, over, end: End::Reset };
                // One who waits is in both tables or in none; else this one is told nothing, and goes.
                let first = state.waiting.remove(&other).unwrap_or_else(|| oneshot::channel().0);
                Begin::Go(running, first)
            }
        });
        self.settle(&mut state);
        drop(state);
        if let Err(refusal) = &begin {
            let grave = matches!(refusal.reason, RelayReason::Full | RelayReason::Address);
            self.log.line(if grave { Level::Warn } else { Level::Debug }, "not-relayed", |field| {
                field("peer", &peer);
                field("why", &refusal.reason);
            });
        }
        begin
    }

    fn moved(&self, session: SessionId, bytes: usize) -> Next {
        let mut state = self.state.lock();
        let next = state.relay.moved(Instant::now(), session, bytes);
        self.settle(&mut state);
        next
    }

    fn ended(&self, session: SessionId, end: End) {
        let mut state = self.state.lock();
        state.sessions.remove(&session);
        let Some(summary) = state.relay.ended(Instant::now(), session, end) else { return };
        drop(state);
        let level = if summary.end == End::Bytes { Level::Warn } else { Level::Debug };
        self.log.line(level, "relay-ended", |field| {
            field("session", &session.0);
            field("why", &summary.end.word());
            field("bytes", &summary.bytes);
            field("seconds", &summary.lasted.as_secs_f32());
        });
    }

    /// Counters, sessions and those who wait, for `/metrics`.
    pub(super) fn numbers(&self) -> (Counters, usize, usize) {
        let state = self.state.lock();
        (state.relay.counters(), state.relay.sessions(), state.relay.waiting())
    }

    /// Wakes the state machine when it wants to be woken.
    pub(super) async fn run_timer(self: Arc<Self>, life: Life) {
        life.run(async {
            loop {
                let next = {
                    let mut state = self.state.lock();
                    state.armed = state.relay.poll_timeout();
                    state.armed
                };
                if due(next, &self.earlier).await {
                    let mut state = self.state.lock();
                    state.relay.on_timeout(Instant::now());
                    self.settle(&mut state);
                }
            }
        })
        .await;
    }

    /// Carries out what the state machine says. Who is not there any more needs not to be told.
    fn settle(&self, state: &mut State) {
        while let Some(output) = state.relay.poll_output() {
            match output {
                Output::Late { conn } => {
                    let _ = state.waiting.remove(&conn).map(|tell| tell.send(Word::Late));
                }
                Output::Over { session, why } => {
                    let _ = state.sessions.remove(&session).map(|tell| tell.send(why));
                }
            }
        }
        let next = state.relay.poll_timeout();
        if next.is_some_and(|next| state.armed.is_none_or(|armed| next < armed)) {
            self.earlier.notify_one();
        }
    }
}

impl Leg {
    /// Says one of the lines before GO. They fit into the empty buffer of a fresh connection; if not, the other side has a
    /// time limit.
    fn say(&self, reply: &RelayReply) {
        let _ = self.stream.try_write(format!("{reply}\r\n").as_bytes());
    }

    /// Completes when the connection has ended; keeps what it sends meanwhile.
    async fn hold_on(&mut self) {
        while self.early.len() < EARLY {
            let Ok(()) = self.stream.readable().await else { return };
            match self.read_ahead() {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
        std::future::pending().await
    }

    /// A function of its own, so that the buffer is not in the task.
    fn read_ahead(&mut self) -> io::Result<usize> {
        let mut buffer = [0; EARLY];
        let room = EARLY.saturating_sub(self.early.len());
        let n = self.stream.try_read(buffer.get_mut(..room).unwrap_or_default())?;
        self.early.extend_from_slice(buffer.get(..n).unwrap_or_default());
        Ok(n)
    }

    /// Without it a slow reader would cost megabytes of the system's memory.
    fn limit_buffers(&self, bytes: usize) {
        if bytes > 0 {
            let socket = SockRef::from(&self.stream);
            // Best effort: the connection works with any.
            let _ = socket.set_send_buffer_size(bytes);
            let _ = socket.set_recv_buffer_size(bytes);
        }
    }
}

/// When it is dropped the peer gets a RST.
fn break_off(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO));
}
