//! Fights, arranged by the real rendezvous server: ours against ours, and against a model of the original,
//! which keeps the first of its connections and closes the others without asking.

mod cases;
mod original;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use p2pnet::proto::line;
use p2pnet::proto::punch::classic::CLASSIC_PREDICTIONS;
use p2pnet::proto::punch::fight::{Fight, FightInput, FightOutput, FightSetup};
use p2pnet::proto::punch::{Budget, ConnId, FRAME_LEN, Failure, Frame, SlotId, Socket};
use p2pnet::proto::rdv_msg::{Reply, Request, Transport, ntp_seconds};
use p2pnet::proto::rdv_server::{ConnId as ServerConn, Limits, Output, Rendezvous};

use crate::nat::Kind;
use crate::net::{Net, Next, Way};
use crate::tcp::{Key, Notice};
use crate::world::{LINE, Plan, SERVER};

const UNIX: f64 = 1.7e9;
const NONCE: Frame = [b'7'; FRAME_LEN];
const DELAY: Duration = Duration::from_millis(25);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Ours,
    /// PyP2P 0.8.3.
    Original,
}

enum Event {
    Wake(usize),
    ToServer(usize, String),
    FromServer(usize, Reply),
    Dial(usize, ConnId, Key),
    Bound(usize),
}

struct Node {
    program: Program,
    fight: Option<Fight>,
    budget: Budget,
    ask: bool,
    ports: Vec<u16>,
    server: Option<ServerConn>,
    /// The original's attempts: how many are left for each, and what came of it.
    tries: BTreeMap<ConnId, u32>,
    won: Vec<ConnId>,
    their_ports: Vec<u16>,
    due: BTreeMap<ConnId, Instant>,
    end: Option<Result<ConnId, Failure>>,
    line: bool,
    /// What its clock is off, in seconds.
    off: f64,
}

struct Arena {
    net: Net<Event>,
    server: Rendezvous,
    nodes: [Node; 2],
}

impl Arena {
    fn new(kinds: [Kind; 2], programs: [Program; 2], seed: u64) -> Arena {
        let plan = Plan::new(kinds[0], kinds[1], DELAY);
        let mut net = Net::new(&plan.nats, Way { delay: DELAY, jitter: 100, loss: 0 }, seed);
        let nodes = programs.map(|program| Node {
            program,
            fight: None,
            budget: Budget::default(),
            ask: false,
            ports: Vec::new(),
            server: None,
            tries: BTreeMap::new(),
            won: Vec::new(),
            their_ports: Vec::new(),
            due: BTreeMap::new(),
            end: None,
            line: false,
            off: net.rng.f64() * 0.01,
        });
        let mut arena = Arena { net, server: Rendezvous::new(Limits::default(), seed), nodes };
        arena.say(1, &Request::SimultaneousReady { port: 0, max_inbound: 0 }.to_string());
        arena
    }

    /// The first challenges the second.
    fn run(&mut self) {
        self.net.later(Duration::from_secs(1), Event::Bound(0));
        if self.nodes[0].program == Program::Ours {
            let setup = self.setup(0);
            let node = &mut self.nodes[0];
            node.fight = Some(Fight::challenge(self.net.now, setup, &mut node.budget));
            self.carry_out(0);
        }
        while let Some(next) = self.net.next() {
            match next {
                Next::Notice(i, notice) => self.notice(i, notice),
                Next::Event(Event::Wake(i)) => self.tell(i, FightInput::Wake),
                Next::Event(Event::ToServer(i, text)) => self.at_server(i, &text),
                Next::Event(Event::FromServer(i, reply)) => self.reply(i, &reply),
                Next::Event(Event::Dial(i, conn, key)) => self.dial(i, conn, key),
                Next::Event(Event::Bound(i)) => self.bound(i),
            }
        }
    }

    fn unix(&self, i: usize) -> f64 {
        UNIX + (self.net.now - self.net.start).as_secs_f64() + self.nodes[i].off
    }

    fn setup(&mut self, i: usize) -> FightSetup {
        FightSetup {
            ours: self.net.side(i),
            peer_ip: self.net.outside(1 - i),
            own: vec![self.net.homes[i].host.ip],
            allow_inside: false,
            clock: (self.net.now, self.unix(i)),
            seed: self.net.rng.u64(..),
        }
    }

    fn say(&mut self, i: usize, text: &str) {
        let after = self.net.about(DELAY / 2);
        self.net.later(after, Event::ToServer(i, text.to_owned()));
    }

    fn at_server(&mut self, i: usize, text: &str) {
        let from = SocketAddr::new(self.net.outside(i), 5000);
        let now = self.net.now;
        let conn = *self.nodes[i].server.get_or_insert_with(|| self.server.open(now, from).expect("room"));
        let unix = UNIX + (now - self.net.start).as_secs_f64();
        for text in line::split(format!("{text}\r\n").as_bytes()) {
            self.server.line(now, unix, conn, text);
        }
        while let Some(output) = self.server.poll_output() {
            if let Output::Send { conn, reply } = output
                && let Some(to) = self.nodes.iter().position(|node| node.server == Some(conn))
            {
                let after = self.net.about(DELAY / 2);
                self.net.later(after, Event::FromServer(to, reply));
            }
        }
    }

    /// Five ports in a row, listeners on all but the first, and what they are expected to be outside.
    fn bound(&mut self, i: usize) {
        let first = self.net.rng.u16(33_000..60_000);
        let ports: Vec<u16> = (first..).take(CLASSIC_PREDICTIONS + 1).collect();
        let side = self.net.side(i);
        let home = &mut self.net.homes[i];
        home.host.listeners.extend(ports.iter().skip(1));
        let ip = home.host.ip;
        self.nodes[i].ports = ports.clone();
        if self.nodes[i].program == Program::Ours {
            // The first is connected to the server; the others only if they are to be asked for.
            let asked = if self.nodes[i].ask { ports.len() } else { 1 };
            let ask = |port: &u16| self.net.connect_out(i, SocketAddr::new(ip, *port), SERVER).port();
            let outside: Vec<Option<u16>> = ports.iter().take(asked).map(ask).map(Some).collect();
            let remote = outside.first().copied().flatten();
            return self.tell(i, FightInput::Bound { local: &ports, outside: &outside, remote });
        }
        let predictions: Vec<u16> = ports.iter().skip(1).filter_map(|port| side.compute(*port)).collect();
        let ip = self.net.outside(1 - i);
        let transport = Transport::Tcp;
        if i == 0 {
            self.say(i, &Request::Candidate { ip, transport, predictions }.to_string());
        } else {
            let now = self.unix(i);
            let ntp = format!("{now:.6}");
            self.say(i, &Request::Accept { ip, predictions, transport, ntp: &ntp }.to_string());
            self.original_fights(i, now);
        }
    }

    fn reply(&mut self, i: usize, reply: &Reply) {
        match (reply, self.nodes[i].program) {
            (Reply::Challenge { predictions, .. }, program) if self.nodes[i].ports.is_empty() => {
                self.nodes[i].their_ports = predictions.clone();
                if program == Program::Ours {
                    let setup = self.setup(i);
                    let node = &mut self.nodes[i];
                    node.fight = Some(Fight::accept(self.net.now, setup, predictions, &mut node.budget));
                    self.carry_out(i);
                }
                self.net.later(Duration::from_millis(1), Event::Bound(i));
            }
            (Reply::Fight { predictions, ntp, .. }, Program::Original) => {
                self.nodes[i].their_ports = predictions.clone();
                self.original_fights(i, ntp_seconds(ntp).expect("a time"));
            }
            (_, Program::Ours) => self.tell(i, FightInput::Reply(reply)),
            _ => {}
        }
    }

    fn dial_at(&mut self, i: usize, conn: ConnId, key: Key, at: Instant) {
        self.nodes[i].due.insert(conn, at);
        self.net.at(at, Event::Dial(i, conn, key));
    }

    fn dial(&mut self, i: usize, conn: ConnId, key: Key) {
        if self.nodes[i].due.remove(&conn).is_some() {
            if !self.net.homes[i].host.connect(conn, key) {
                self.ended(i, conn);
            }
            self.net.flush(i);
        }
    }

    fn ended(&mut self, i: usize, conn: ConnId) {
        match self.nodes[i].program {
            Program::Ours => self.tell(i, FightInput::Ended { conn }),
            Program::Original => self.original_done(i, conn, false),
        }
    }

    fn notice(&mut self, i: usize, notice: Notice) {
        let ours = self.nodes[i].program == Program::Ours;
        match notice {
            Notice::Connected(conn) if ours => self.tell(i, FightInput::Connected { conn }),
            Notice::Connected(conn) => self.original_done(i, conn, true),
            Notice::Refused(conn) | Notice::Unreachable(conn) if ours => {
                self.tell(i, FightInput::Refused { conn });
            }
            Notice::Refused(conn) | Notice::Unreachable(conn) => self.original_retries(i, conn),
            Notice::Closed(conn) | Notice::TimedOut(conn) => self.ended(i, conn),
            Notice::Accepted(key) => self.accept(i, key),
            Notice::Data(conn, frame) => self.frame(i, conn, &frame),
        }
    }

    /// The original never looks at its listeners; whoever is in there stays.
    fn accept(&mut self, i: usize, key: Key) {
        let slot = self.nodes[i].ports.iter().position(|port| *port == key.0).map(|n| SlotId(n as u16));
        if let (Some(fight), Some(slot)) = (self.nodes[i].fight.as_mut(), slot) {
            let conn = fight.next_conn();
            self.net.homes[i].host.take(key, conn);
            self.tell(i, FightInput::Accepted { conn, slot });
            self.net.homes[i].host.deliver(key);
            self.net.flush(i);
        }
    }

    fn frame(&mut self, i: usize, conn: ConnId, frame: &Frame) {
        let kept = self.nodes[i].end == Some(Ok(conn));
        if *frame == NONCE && i == 1 && self.nodes[i].program == Program::Ours {
            self.tell(i, FightInput::Nonce { conn });
        } else if *frame == LINE && kept {
            self.nodes[i].line = true;
        } else if *frame == NONCE && kept {
            // The original reads it and goes on.
            self.net.homes[i].host.send(conn, LINE);
            self.net.flush(i);
        }
    }

    fn tell(&mut self, i: usize, input: FightInput<'_>) {
        let node = &mut self.nodes[i];
        let Some(fight) = &mut node.fight else { return };
        fight.handle(self.net.now, input, &mut node.budget);
        self.carry_out(i);
    }

    fn carry_out(&mut self, i: usize) {
        while let Some(output) = self.nodes[i].fight.as_mut().and_then(Fight::poll_output) {
            let host = &mut self.net.homes[i].host;
            match output {
                FightOutput::Bind { count, ask } => {
                    assert_eq!(count, CLASSIC_PREDICTIONS + 1);
                    self.nodes[i].ask = ask;
                }
                FightOutput::Line(text) => self.say(i, &text),
                FightOutput::Connect { conn, slot, to, at } => {
                    let key = (self.nodes[i].ports[usize::from(slot.0)], to);
                    self.dial_at(i, conn, key, at);
                }
                FightOutput::SendNonce(conn) => host.send(conn, NONCE),
                FightOutput::Close(Socket::Conn(conn)) => {
                    self.nodes[i].due.remove(&conn);
                    host.close(conn);
                }
                FightOutput::Close(Socket::Slot(slot)) => {
                    if let Some(port) = self.nodes[i].ports.get(usize::from(slot.0)) {
                        host.close_listener(*port);
                    }
                }
                FightOutput::Winner(conn) => {
                    self.nodes[i].end = Some(Ok(conn));
                    host.send(conn, LINE);
                }
                FightOutput::Failed(failure) => self.nodes[i].end = Some(Err(failure)),
            }
        }
        if let Some(at) = self.nodes[i].fight.as_ref().and_then(Fight::deadline) {
            self.net.at(at, Event::Wake(i));
        }
        self.net.flush(i);
    }

    /// Whether a line came through to each program of ours, and the originals have kept the same connection.
    fn usable(&self) -> bool {
        let ends = [0, 1].map(|i| {
            let conn = self.nodes[i].end.and_then(Result::ok)?;
            self.net.homes[i].host.state(conn).map(|socket| (socket.iss, socket.irs))
        });
        let heard = self.nodes.iter().any(|node| node.line);
        matches!(ends, [Some((a, b)), Some((c, d))] if (a, b) == (d, c)) && heard
    }
}
