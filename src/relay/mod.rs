//! The relay: connections that have said RELAY wait here for each other, and [`crate::proto::relay`] thinks.
//!
//! The rendezvous server has one (`server`), and a node that volunteers (`node/volunteer`). Each connection comes with a
//! task of its own. The first of two waits; the second is handed to the first one's task, which then runs the session
//! (`session`).

mod session;

use crate::proto::rdv_msg::{RelayReason, RelayReply, RelayToken};
use crate::proto::rdv_server::ConnId;
#[cfg(feature = "server")]
use crate::proto::relay::Counters;
use crate::proto::relay::{Asked, End, Next, Output, Refusal, Relay, RelayLimits, SessionId, Summary};
use crate::small::SmallMap;
use crate::wait::{Either, due, race};
use parking_lot::Mutex;
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};

/// Bytes that one who waits may send ahead; what is more stays with the system.
const EARLY: usize = 4096;

/// What happens at a relay, for a log.
pub(crate) enum Told<'a> {
    /// Two have met.
    Begun { session: SessionId, first: SocketAddr, second: SocketAddr },
    /// One was turned away.
    Refused { peer: SocketAddr, why: RelayReason },
    /// It is over.
    Ended { session: SessionId, summary: &'a Summary },
}

type Tell = Box<dyn Fn(Told<'_>) + Send + Sync>;

/// The relay's state and what its tasks wait for.
pub(crate) struct RelayHub {
    state: Mutex<State>,
    /// The next timeout has become earlier.
    earlier: Notify,
    limits: RelayLimits,
    tell: Tell,
}

struct State {
    relay: Relay,
    waiting: SmallMap<ConnId, oneshot::Sender<Word>>,
    sessions: SmallMap<SessionId, oneshot::Sender<End>>,
    /// When the timer task will wake up.
    armed: Option<Instant>,
}

/// What one who waits is told.
enum Word {
    Come(Box<Leg>, Running),
    Late,
}

/// A place among the connections of whoever runs the relay, given back when it is dropped.
pub(crate) type Place = Box<dyn Send + Sync>;

/// A connection that has said RELAY.
pub(crate) struct Guest {
    /// Its name, which no other one at this relay has.
    pub(crate) id: ConnId,
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) token: RelayToken,
    /// What has come behind that line.
    pub(crate) early: Vec<u8>,
    pub(crate) place: Place,
}

/// One of the two.
struct Leg {
    id: ConnId,
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
    /// A relay without anybody; `tell` hears what happens.
    pub(crate) fn new(limits: RelayLimits, tell: impl Fn(Told<'_>) + Send + Sync + 'static) -> RelayHub {
        let relay = Relay::new(limits.clone());
        let state = State { relay, waiting: SmallMap::new(), sessions: SmallMap::new(), armed: None };
        RelayHub { state: Mutex::new(state), earlier: Notify::new(), limits, tell: Box::new(tell) }
    }

    /// Serves a connection that has said RELAY: to its end, or until the other one's task has it.
    pub(crate) async fn attend(self: Arc<Self>, guest: Guest) {
        let Guest { id, stream, peer, token, early, place } = guest;
        let leg = Leg { id, stream, early, peer, place };
        leg.limit_buffers(self.limits.buffer);
        match self.ask(id, peer, token) {
            Err(Refusal { reason, expected }) => {
                leg.say(&RelayReply::Refused { reason, expected: expected.into() });
            }
            // If the first one has just gone, so does this one.
            Ok(Begin::Go(running, first)) => drop(first.send(Word::Come(Box::new(leg), running))),
            Ok(Begin::Wait(word)) => self.wait(leg, word).await,
        }
    }

    async fn wait(&self, mut leg: Leg, word: oneshot::Receiver<Word>) {
        let stay = Stay(self, leg.id);
        leg.say(&RelayReply::Wait);
        match race(word, leg.hold_on()).await {
            Either::Left(Ok(Word::Come(other, running))) => {
                drop(stay);
                (self.tell)(Told::Begun { session: running.id, first: leg.peer, second: other.peer });
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
            (self.tell)(Told::Refused { peer, why: refusal.reason });
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
        (self.tell)(Told::Ended { session, summary: &summary });
    }

    /// Counters, sessions and those who wait.
    #[cfg(feature = "server")]
    pub(crate) fn numbers(&self) -> (Counters, usize, usize) {
        let state = self.state.lock();
        (state.relay.counters(), state.relay.sessions(), state.relay.waiting())
    }

    /// Wakes the state machine when it wants to be woken. Never ends.
    pub(crate) async fn run_timer(&self) {
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
    }

    /// Ends all sessions, and sends those away who wait.
    #[cfg(feature = "relay")]
    pub(crate) fn cut_all(&self) {
        let mut state = self.state.lock();
        state.waiting.clear();
        state.sessions.clear();
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
