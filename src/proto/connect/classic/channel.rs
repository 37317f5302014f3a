//! The channel of a simultaneous node: registered at its rendezvous servers, it hears who wants to punch to it.
//!
//! ```text
//!   SIMULTANEOUS READY 0 0 ─▶        again each minute, which keeps NAT and server from forgetting it,
//!   SOURCE TCP             ─▶        and behind it a question: its answer says that the server lives
//!            ◀─ REMOTE TCP port
//!            ◀─ CHALLENGE ip ports   told on, within limits
//!            ◀─ RECONNECT            comes if the server has not heard of us for 120 s: connect anew
//! ```
//!
//! PyP2P registers at the first server of its list that answers, and notices neither a dead connection nor a dead
//! server. This one stays at all of the first [`MOST_SERVERS`], for a challenger may know any of them; a server that
//! cannot be reached is tried again after a pause that doubles.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::proto::rdv_msg::{Reply, Request, Transport};

pub use super::gate::{Gate, Turned};

/// Servers at which we are registered.
pub const MOST_SERVERS: usize = 4;
/// Between two registrations on one connection. A server asks to reconnect after 120 s.
const RENEW: Duration = Duration::from_secs(60);
/// For connecting to a server.
const DIAL: Duration = Duration::from_secs(10);
/// A server that owes an answer for so long is given up.
const ANSWER: Duration = Duration::from_secs(5);
/// Pauses before a server is tried again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Between two connections at RECONNECT.
const BETWEEN_RECONNECTS: Duration = Duration::from_secs(5);

/// A connection, by number. None is used twice.
pub type LinkId = u64;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect: [`Channel::dialled`].
    Dial {
        /// What it is called.
        link: LinkId,
        /// The server.
        server: String,
    },
    /// Send this, with its line ends.
    Write {
        /// On which connection.
        link: LinkId,
        /// What.
        text: String,
    },
    /// Close. It is not told of again.
    HangUp {
        /// Which.
        link: LinkId,
    },
    /// Somebody wants to punch to us.
    Challenged {
        /// The connection that the answer goes to.
        link: LinkId,
        /// Who.
        ip: IpAddr,
        /// The outside ports it expects to have.
        ports: Vec<u16>,
    },
    /// For the log.
    Note(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not connected, and tried again then.
    Resting {
        until: Instant,
    },
    Dialling {
        link: LinkId,
        until: Instant,
    },
    /// Registered. `owes`: until when it has to answer; `renew`: when it is asked again.
    Up {
        link: LinkId,
        owes: Option<Instant>,
        renew: Instant,
    },
}

#[derive(Debug)]
struct Server {
    name: String,
    state: State,
    pause: Duration,
    reconnected: Option<Instant>,
}

/// The channel.
#[derive(Debug)]
pub struct Channel {
    servers: Vec<Server>,
    gate: Gate,
    next: LinkId,
    rng: fastrand::Rng,
    outputs: VecDeque<Output>,
}

impl Channel {
    /// Begins to register at these servers.
    pub fn new(now: Instant, servers: &[String], seed: u64) -> Channel {
        let server = |name: &String| Server {
            name: name.clone(),
            state: State::Resting { until: now },
            pause: PAUSES.0,
            reconnected: None,
        };
        let servers = servers.iter().take(MOST_SERVERS).map(server).collect();
        let rng = fastrand::Rng::with_seed(seed);
        let mut channel = Channel { servers, gate: Gate::default(), next: 0, rng, outputs: VecDeque::new() };
        channel.on_timeout(now);
        channel
    }

    /// A connection stands, or why not.
    pub fn dialled(&mut self, now: Instant, link: LinkId, outcome: Result<(), &str>) {
        match outcome {
            Ok(()) => self.register(now, link),
            Err(why) => self.lost(now, link, why),
        }
    }

    /// A connection has ended.
    pub fn closed(&mut self, now: Instant, link: LinkId, why: &str) {
        self.lost(now, link, why);
    }

    /// A line has come, without its end.
    pub fn line(&mut self, now: Instant, link: LinkId, line: &[u8]) {
        let Some(reply) = std::str::from_utf8(line).ok().and_then(Reply::parse) else { return };
        let Some(server) = self.server(link).filter(|s| matches!(s.state, State::Up { .. })) else { return };
        match reply {
            Reply::RemoteTcp(_) => {
                if let State::Up { owes, .. } = &mut server.state {
                    *owes = None;
                    server.pause = PAUSES.0;
                }
            }
            Reply::Reconnect => {
                let soon = |at: Instant| now.saturating_duration_since(at) < BETWEEN_RECONNECTS;
                if !server.reconnected.is_some_and(soon) {
                    server.reconnected = Some(now);
                    server.state = State::Resting { until: now };
                    self.outputs.push_back(Output::HangUp { link });
                    self.on_timeout(now);
                }
            }
            Reply::Challenge { ip, predictions, transport: Transport::Tcp } => {
                match self.gate.challenged(now, ip, &predictions) {
                    Ok(()) => self.outputs.push_back(Output::Challenged { link, ip, ports: predictions }),
                    Err(Turned::Repeated) => {}
                    Err(why) => {
                        self.outputs.push_back(Output::Note(format!(
                            "the challenge of {ip} is ignored: {}",
                            why.text()
                        )));
                    }
                }
            }
            _ => {}
        }
    }

    /// A challenge was not taken, or has been fought: what waits at the servers is wanted now.
    pub fn free(&mut self, now: Instant, ip: IpAddr, fought: bool) {
        self.gate.over(now, ip, fought);
        self.renew_at(now + self.gate.pause());
    }

    /// The machine's network is another one: all connections are made anew.
    pub fn network_changed(&mut self, now: Instant) {
        for server in &mut self.servers {
            if let State::Dialling { link, .. } | State::Up { link, .. } = server.state {
                self.outputs.push_back(Output::HangUp { link });
            }
            (server.state, server.pause) = (State::Resting { until: now }, PAUSES.0);
        }
        self.on_timeout(now);
    }

    /// When to call [`Channel::on_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let of = |server: &Server| match server.state {
            State::Resting { until } | State::Dialling { until, .. } => Some(until),
            State::Up { owes, renew, .. } => Some(owes.map_or(renew, |owes| owes.min(renew))),
        };
        self.servers.iter().filter_map(of).min()
    }

    /// Time has passed.
    pub fn on_timeout(&mut self, now: Instant) {
        for index in 0..self.servers.len() {
            let Some(server) = self.servers.get_mut(index) else { continue };
            match server.state {
                State::Resting { until } if until <= now => {
                    self.next += 1;
                    let link = self.next;
                    server.state = State::Dialling { link, until: now + DIAL };
                    self.outputs.push_back(Output::Dial { link, server: server.name.clone() });
                }
                State::Up { link, owes: Some(until), .. } | State::Dialling { link, until }
                    if until <= now =>
                {
                    self.outputs.push_back(Output::HangUp { link });
                    self.lost(now, link, "it does not answer");
                }
                State::Up { link, renew, .. } if renew <= now => self.register(now, link),
                _ => {}
            }
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Servers at which we are registered.
    pub fn up(&self) -> usize {
        self.servers.iter().filter(|s| matches!(s.state, State::Up { .. })).count()
    }

    fn server(&mut self, link: LinkId) -> Option<&mut Server> {
        let is = |state: State| match state {
            State::Dialling { link: of, .. } | State::Up { link: of, .. } => of == link,
            State::Resting { .. } => false,
        };
        self.servers.iter_mut().find(|server| is(server.state))
    }

    /// Registers, for the first time or again, on a connection that stands.
    fn register(&mut self, now: Instant, link: LinkId) {
        let Some(server) = self.server(link) else { return };
        let first = !matches!(server.state, State::Up { .. });
        server.state = State::Up { link, owes: Some(now + ANSWER), renew: now + RENEW };
        let name = server.name.clone();
        let ready = Request::SimultaneousReady { port: 0, max_inbound: 0 };
        let source = Request::SourceTcp { local_port: None };
        self.outputs.push_back(Output::Write { link, text: format!("{ready}\r\n{source}\r\n") });
        if first {
            self.outputs
                .push_back(Output::Note(format!("registered at {name} as a node that can be punched to")));
        }
    }

    /// Registers again at all servers, not later than then.
    fn renew_at(&mut self, at: Instant) {
        for server in &mut self.servers {
            if let State::Up { renew, .. } = &mut server.state {
                *renew = at.min(*renew);
            }
        }
    }

    fn lost(&mut self, now: Instant, link: LinkId, why: &str) {
        // A half more or less, so that nodes do not come back all at once.
        let percent = self.rng.u32(50..=150);
        let Some(server) = self.server(link) else { return };
        let text = format!("the connection to {} has ended: {why}", server.name);
        server.state = State::Resting { until: now + server.pause * percent / 100 };
        server.pause = (server.pause * 2).min(PAUSES.1);
        self.outputs.push_back(Output::Note(text));
    }
}

#[cfg(test)]
mod tests;
