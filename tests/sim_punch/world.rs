//! Two nodes in the network: their sessions, the signalling between them, and the I/O around each session as
//! a node would do it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use p2pnet::proto::punch::{
    Budget, ConnId, FRAME_LEN, Failure, Frame, Input, LOWEST_PORT, Message, Options, Output, Session, Setup,
    Side, SlotId, Socket, Token,
};

use crate::nat::Kind;
use crate::net::{Net, Next, Way};
use crate::tcp::{Host, Key, Notice};

/// A line of the program, sent over the connection that was won.
pub const LINE: Frame = [b'.'; FRAME_LEN];
pub const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 200)), 8000);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What a world is like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Each side's NATs, from inside to outside; none: a public host.
    pub nats: [Vec<Kind>; 2],
    pub way: Way,
    /// Signalling messages lost, and doubled, of a thousand.
    pub signal_loss: u64,
    /// What the way from the first to the second takes longer than the way back, in the signalling.
    pub skew: Duration,
    pub options: [Options; 2],
    pub budgets: [Budget; 2],
    /// What a side believes its NAT to be, if that is wrong.
    pub believes: [Option<Side>; 2],
    /// A peer vanishes.
    pub death: Option<(usize, Duration)>,
    /// A program calls it off.
    pub cancel: Option<(usize, Duration)>,
}

impl Plan {
    pub fn new(a: Kind, b: Kind, delay: Duration) -> Plan {
        let nats = |kind: Kind| if kind.name == "public" { Vec::new() } else { vec![kind] };
        Plan {
            nats: [nats(a), nats(b)],
            way: Way { delay, jitter: 0, loss: 0 },
            signal_loss: 0,
            skew: Duration::ZERO,
            options: Default::default(),
            budgets: Default::default(),
            believes: [None, None],
            death: None,
            cancel: None,
        }
    }
}

/// How it ended for one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Won(ConnId),
    Failed(Failure),
}

/// A node.
pub struct Peer {
    pub session: Option<Session>,
    pub budget: Budget,
    slots: BTreeMap<SlotId, u16>,
    /// Attempts that are to leave at an instant.
    due: BTreeMap<ConnId, Instant>,
    pub end: Option<(Instant, End)>,
    /// When the first line of the other side's program arrived.
    pub line: Option<Instant>,
    wake: Option<Instant>,
    /// Connections attempted, for the limits.
    pub flows: BTreeSet<Key>,
}

pub enum Event {
    Wake(usize),
    Signal(usize, Vec<u8>),
    Dial(usize, ConnId, Key, bool),
    Bound(usize, SlotId, bool),
    Asked(usize, SlotId, u16),
    Death(usize),
    Cancel(usize),
}

pub struct World {
    pub net: Net<Event>,
    plan: Plan,
    pub peers: [Peer; 2],
}

impl World {
    pub fn new(plan: Plan, seed: u64) -> World {
        let mut net = Net::new(&plan.nats, plan.way, seed);
        let peers = [0, 1].map(|i: usize| Peer {
            session: None,
            budget: plan.budgets[i].clone(),
            slots: BTreeMap::new(),
            due: BTreeMap::new(),
            end: None,
            line: None,
            wake: None,
            flows: BTreeSet::new(),
        });
        if let Some((i, after)) = plan.death {
            net.later(after, Event::Death(i));
        }
        if let Some((i, after)) = plan.cancel {
            net.later(after, Event::Cancel(i));
        }
        World { net, plan, peers }
    }

    pub fn host(&self, i: usize) -> &Host {
        &self.net.homes[i].host
    }

    fn setup(&mut self, i: usize) -> Setup {
        let home = &self.net.homes[i];
        Setup {
            ours: self.plan.believes[i].unwrap_or_else(|| self.net.side(i)),
            peer_ip: self.net.outside(1 - i),
            own: vec![home.host.ip],
            options: self.plan.options[i].clone(),
            seed: self.net.rng.u64(..),
        }
    }

    /// Runs until nothing happens any more, or long enough.
    pub fn run(&mut self) {
        let setup = self.setup(0);
        let token = Token(self.net.rng.u128(..).to_be_bytes());
        let peer = &mut self.peers[0];
        peer.session = Some(Session::initiate(self.net.now, token, setup, &mut peer.budget));
        self.carry_out(0);
        while let Some(next) = self.net.next() {
            match next {
                Next::Notice(i, notice) => self.notice(i, notice),
                Next::Event(event) => self.happen(event),
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(i) => {
                if self.peers[i].wake.is_some_and(|at| at <= self.net.now) {
                    self.peers[i].wake = None;
                    self.tell(i, Input::Wake);
                }
            }
            Event::Signal(i, bytes) => self.heard(i, &bytes),
            Event::Dial(i, conn, key, short) => {
                if self.peers[i].due.get(&conn).is_some_and(|at| *at <= self.net.now) {
                    self.peers[i].due.remove(&conn);
                    self.peers[i].flows.insert(key);
                    if !self.net.homes[i].host.connect(conn, key) {
                        self.tell(i, Input::AddressTaken { conn });
                    } else if short {
                        self.net.die_young(i);
                    }
                    self.net.flush(i);
                }
            }
            Event::Bound(i, slot, listen) => self.bind(i, slot, listen),
            Event::Asked(i, slot, port) => self.tell(i, Input::Asked { slot, port }),
            Event::Death(i) => self.net.kill(i),
            Event::Cancel(i) => self.tell(i, Input::Cancel),
        }
    }

    fn tell(&mut self, i: usize, input: Input) {
        let peer = &mut self.peers[i];
        if let (true, Some(session)) = (self.net.homes[i].alive, &mut peer.session) {
            session.handle(self.net.now, input, &mut peer.budget);
            self.carry_out(i);
        }
    }

    fn heard(&mut self, i: usize, bytes: &[u8]) {
        let message = Message::decode(bytes).expect("a message of ours");
        assert_eq!(message.encode(), bytes);
        if self.peers[i].session.is_none() && self.net.homes[i].alive {
            let setup = self.setup(i);
            let peer = &mut self.peers[i];
            peer.session = Session::respond(self.net.now, message, setup, &mut peer.budget);
            self.carry_out(i);
        } else {
            self.tell(i, Input::Message(message));
        }
    }

    /// The I/O of a node.
    fn carry_out(&mut self, i: usize) {
        while let Some(output) = self.peers[i].session.as_mut().and_then(Session::poll_output) {
            assert!(self.peers[i].end.is_none_or(|_| matches!(output, Output::Close(_))), "after the end");
            match output {
                Output::Send(message) => self.signal(i, &message),
                Output::Bind { slot, listen } => {
                    let after = Duration::from_micros(self.net.rng.u64(5..40));
                    self.net.later(after, Event::Bound(i, slot, listen));
                }
                Output::Listen { slot } => {
                    if let Some(port) = self.peers[i].slots.get(&slot).copied() {
                        let _ = self.net.homes[i].host.listeners.insert(port);
                    }
                }
                Output::Ask { slot } => self.ask(i, slot),
                Output::Connect { conn, slot, to, at, short } => {
                    assert_eq!(to.ip(), self.net.outside(1 - i), "only the peer");
                    assert!(to.port() >= LOWEST_PORT);
                    self.peers[i].due.insert(conn, at);
                    self.net.at(at, Event::Dial(i, conn, (self.peers[i].slots[&slot], to), short));
                }
                Output::Frame { conn, frame } => self.net.homes[i].host.send(conn, frame),
                Output::Close(Socket::Conn(conn)) => {
                    self.peers[i].due.remove(&conn);
                    self.net.homes[i].host.close(conn);
                }
                Output::Close(Socket::Slot(slot)) => {
                    if let Some(port) = self.peers[i].slots.remove(&slot) {
                        self.net.homes[i].host.close_listener(port);
                    }
                }
                Output::Winner(conn) => {
                    self.peers[i].end = Some((self.net.now, End::Won(conn)));
                    self.net.homes[i].host.send(conn, LINE);
                }
                Output::Failed(failure) => {
                    self.peers[i].end = Some((self.net.now, End::Failed(failure)));
                }
            }
        }
        let peer = &mut self.peers[i];
        assert_eq!(peer.end.is_some(), peer.session.as_ref().is_some_and(Session::is_over));
        let deadline = peer.session.as_ref().and_then(Session::deadline);
        if let Some(at) = deadline.filter(|at| peer.wake != Some(*at)) {
            peer.wake = Some(at);
            self.net.at(at, Event::Wake(i));
        }
        self.net.flush(i);
    }

    fn signal(&mut self, i: usize, message: &Message) {
        let lost = self.plan.signal_loss;
        let copies = if self.net.unlucky(lost) { 2 } else { 1 };
        for _ in 0..copies {
            if !self.net.unlucky(lost) {
                let after = self.net.about(self.plan.way.delay + MILLISECOND);
                let after = if i == 0 { after + self.plan.skew } else { after };
                self.net.later(after, Event::Signal(1 - i, message.encode()));
            }
        }
    }

    fn bind(&mut self, i: usize, slot: SlotId, listen: bool) {
        if self.net.rng.u8(..) == 0 && self.plan.way.loss > 0 {
            return self.tell(i, Input::BindFailed { slot });
        }
        let mut port = self.net.rng.u16(32_768..61_000);
        while self.peers[i].slots.values().any(|other| *other == port) {
            port = self.net.rng.u16(32_768..61_000);
        }
        self.peers[i].slots.insert(slot, port);
        if listen {
            self.net.homes[i].host.listeners.insert(port);
        }
        self.tell(i, Input::Bound { slot, port });
    }

    /// A connection to a server: there and back for the handshake, there and back for the question.
    fn ask(&mut self, i: usize, slot: SlotId) {
        let local = SocketAddr::new(self.host(i).ip, self.peers[i].slots[&slot]);
        let outside = self.net.connect_out(i, local, SERVER);
        let mut after = self.net.about(self.plan.way.delay * 2);
        if self.net.unlucky(self.plan.way.loss * 4) {
            after += Duration::from_secs(1);
        }
        self.net.later(after, Event::Asked(i, slot, outside.port()));
    }

    fn notice(&mut self, i: usize, notice: Notice) {
        match notice {
            Notice::Connected(conn) => self.tell(i, Input::Connected { conn }),
            Notice::Refused(conn) => self.tell(i, Input::Refused { conn }),
            Notice::Unreachable(conn) => self.tell(i, Input::Unreachable { conn }),
            Notice::Closed(conn) => self.tell(i, Input::Closed { conn }),
            Notice::TimedOut(conn) => self.tell(i, Input::TimedOut { conn }),
            Notice::Accepted(key) => self.accept(i, key),
            Notice::Data(conn, frame) => match self.peers[i].end {
                Some((_, End::Won(winner))) if winner == conn => {
                    assert_eq!(*frame, LINE, "what follows the end is the program's");
                    self.peers[i].line.get_or_insert(self.net.now);
                }
                _ => self.tell(i, Input::Frame { conn, frame: *frame }),
            },
        }
    }

    fn accept(&mut self, i: usize, key: Key) {
        let peer = &mut self.peers[i];
        let slot = peer.slots.iter().find(|(_, port)| **port == key.0).map(|(slot, _)| *slot);
        let host = &mut self.net.homes[i].host;
        match (peer.session.as_mut(), slot) {
            (Some(session), Some(slot)) => {
                let conn = session.next_conn();
                host.take(key, conn);
                self.tell(i, Input::Accepted { conn, slot });
                self.net.homes[i].host.deliver(key);
            }
            _ => drop(host.kill(key)),
        }
        self.net.flush(i);
    }
}
