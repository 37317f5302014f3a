//! The rendezvous ports: accepts connections and lets [`Rendezvous`] think.
//!
//! The state machine sits behind one lock that is never held across an await; a connection's task brings it lines,
//! and what it answers goes to the outboxes of the connections concerned.

use super::conn::{self, ForRelay, Outbox};
use super::lines::{Lines, TooLong};
use super::log::{Level, Log};
use super::net::{Either, Life, accepted, due, race};
use super::relay::Place;
use crate::proto::rdv_msg::RelayToken;
use crate::proto::rdv_server::{CloseReason, ConnId, Counters, Output, Refusal, Rendezvous};
use crate::relay::{Guest, RelayHub};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// The rendezvous server's state and its connections.
pub(super) struct Hub {
    state: Mutex<State>,
    /// The next timeout has become earlier.
    earlier: Notify,
    log: Log,
    write_buffer: usize,
    relay: Arc<RelayHub>,
}

struct State {
    server: Rendezvous,
    outboxes: HashMap<ConnId, Arc<Outbox>>,
    /// When the timer task will wake up.
    armed: Option<Instant>,
}

/// What came of the lines of one read.
pub(super) struct HasRead {
    /// What is to be relayed, if a line was a RELAY that is let through.
    pub(super) token: Result<Option<RelayToken>, TooLong>,
    /// Whether the caller is to write the answers, see [`Outbox::claim`].
    pub(super) write: bool,
}

/// How full the tables are.
pub(super) struct Gauges {
    pub(super) connections: usize,
    pub(super) passive_v4: usize,
    pub(super) passive_v6: usize,
    pub(super) simultaneous: usize,
    pub(super) candidates: usize,
    pub(super) signal_nodes: usize,
    pub(super) signal_waiting: usize,
}

impl Hub {
    pub(super) fn new(mut server: Rendezvous, relay: Arc<RelayHub>, write_buffer: usize, log: Log) -> Hub {
        server.set_details(log.takes(Level::Debug));
        let state = State { server, outboxes: HashMap::new(), armed: None };
        Hub { state: Mutex::new(state), earlier: Notify::new(), log, write_buffer, relay }
    }

    /// Accepts connections until the server stops.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener, life: Life) {
        life.run(async {
            // It is closed before our part in the server's life ends, which is what a stop waits for.
            let listener = listener;
            let address = listener.local_addr().ok().filter(|address| !address.ip().is_unspecified());
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let local = address.or_else(|| stream.local_addr().ok());
                        let Ok((id, outbox)) = self.open(peer, local) else { continue };
                        accepted(&stream);
                        let (hub, life) = (self.clone(), life.clone());
                        tokio::spawn(async move {
                            let place = Place::new(hub.clone(), id);
                            let serving = pin!(conn::serve(&hub, id, &outbox, stream));
                            let served = race(pin!(life.stopped()), serving).await;
                            if let Either::Right(Some(conn)) = served {
                                let ForRelay { stream, token, early } = conn;
                                let guest = Guest { id, stream, peer, token, early, place: Box::new(place) };
                                // Boxed, as each function that it passes through would make room for it again.
                                let relayed = Box::pin(hub.relay.clone().attend(guest));
                                tokio::spawn(async move { life.run(relayed).await });
                            }
                        });
                    }
                    Err(error) => accept_failed(&self.log, &error).await,
                }
            }
        })
        .await;
    }

    /// Wakes the state machine when it wants to be woken.
    pub(super) async fn run_timer(self: Arc<Self>, life: Life) {
        life.run(async {
            loop {
                let next = {
                    let mut state = self.state.lock();
                    state.armed = state.server.poll_timeout();
                    state.armed
                };
                if due(next, &self.earlier).await {
                    self.with(|server, now| server.on_timeout(now));
                }
            }
        })
        .await;
    }

    fn open(&self, peer: SocketAddr, local: Option<SocketAddr>) -> Result<(ConnId, Arc<Outbox>), Refusal> {
        let mut state = self.state.lock();
        let opened = state.server.open_at(Instant::now(), peer, local).map(|id| {
            let outbox = Arc::new(Outbox::default());
            state.outboxes.insert(id, outbox.clone());
            (id, outbox)
        });
        self.carry_out(&mut state);
        self.rearm(&state);
        opened
    }

    /// Something came on a connection, whose unfinished line is in `lines`. If a line was a RELAY that is let through, what
    /// follows it is not looked at. What the connection is answered is written to `answers`.
    pub(super) fn read(
        &self,
        conn: ConnId,
        outbox: &Outbox,
        lines: &mut Lines,
        data: &[u8],
        answers: &mut Vec<u8>,
    ) -> HasRead {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let now = Instant::now();
        let mut state = self.state.lock();
        let most = self.write_buffer.saturating_sub(outbox.waiting());
        let mut relayed = None;
        let all = lines.push(data, |line| {
            let before = answers.len();
            state.server.line_to(now, unix, conn, line, answers);
            if answers.len() > most {
                answers.truncate(before);
                state.server.close(now, conn, CloseReason::SlowReader);
            }
            relayed = self.carry_out(&mut state);
            relayed.is_none()
        });
        // Before anybody else can say something to this connection.
        let write = !answers.is_empty() && outbox.claim(answers);
        self.rearm(&state);
        HasRead { token: all.map(|()| relayed), write }
    }

    /// The connection has to be ended for a reason the state machine cannot see.
    pub(super) fn close(&self, conn: ConnId, reason: CloseReason) {
        self.with(|server, now| server.close(now, conn, reason));
    }

    pub(super) fn closed(&self, conn: ConnId) {
        self.with(|server, now| server.closed(now, conn));
        self.state.lock().outboxes.remove(&conn);
    }

    /// Counters and gauges for `/metrics`.
    pub(super) fn numbers(&self) -> (Counters, Gauges) {
        let state = self.state.lock();
        let (passive_v4, passive_v6) = state.server.passive_nodes();
        let gauges = Gauges {
            connections: state.server.connections(),
            passive_v4,
            passive_v6,
            simultaneous: state.server.simultaneous_nodes(),
            candidates: state.server.candidates(),
            signal_nodes: state.server.signal_nodes(),
            signal_waiting: state.server.signal_waiting(),
        };
        (state.server.counters(), gauges)
    }

    /// The relay, for `/metrics`.
    pub(super) fn relay(&self) -> &RelayHub {
        &self.relay
    }

    fn with(&self, act: impl FnOnce(&mut Rendezvous, Instant)) {
        let mut state = self.state.lock();
        act(&mut state.server, Instant::now());
        self.carry_out(&mut state);
        self.rearm(&state);
    }

    /// Carries out what the state machine says, until it says nothing more. The token of a connection that is the relay's.
    fn carry_out(&self, state: &mut State) -> Option<RelayToken> {
        let mut relayed = None;
        while let Some(output) = state.server.poll_output() {
            match output {
                Output::Send { conn, reply } => {
                    let Some(outbox) = state.outboxes.get(&conn) else { continue };
                    if !outbox.push(&reply, self.write_buffer) {
                        state.server.close(Instant::now(), conn, CloseReason::SlowReader);
                    }
                }
                Output::Close { conn, reason } => {
                    if let Some(outbox) = state.outboxes.remove(&conn) {
                        outbox.finish(matches!(reason, CloseReason::SlowReader));
                    }
                }
                Output::Relay { conn, token } => {
                    state.outboxes.remove(&conn);
                    relayed = Some(token);
                }
                Output::Log(event) => {
                    let level = if event.is_notable() { Level::Warn } else { Level::Debug };
                    self.log.line(level, event.what(), |field| event.fields(field));
                }
            }
        }
        relayed
    }

    /// Has the timer wake up sooner, if something is due before that.
    fn rearm(&self, state: &State) {
        let next = state.server.poll_timeout();
        if next.is_some_and(|next| state.armed.is_none_or(|armed| next < armed)) {
            self.earlier.notify_one();
        }
    }
}

/// Out of file descriptors or memory: connections that end will make room, so wait a little instead of spinning.
pub(super) async fn accept_failed(log: &Log, error: &std::io::Error) {
    log.line(Level::Warn, "accept-failed", |field| field("error", error));
    tokio::time::sleep(Duration::from_millis(100)).await;
}
