//! Two hosts, the NATs in front of them, the network between, and the signalling: everything that happens, in virtual time.
//! Also the I/O around the sessions, as a node would do it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use p2pnet::proto::nat::behaviour::Unsolicited;
use p2pnet::proto::punch::{
    Budget, ConnId, FRAME_LEN, Failure, Frame, Input, LOWEST_PORT, Message, Options, Output, Session, Setup,
    Side, SlotId, Socket, Token,
};

use crate::nat::{Inbound, Kind, Nat};
use crate::tcp::{Host, Key, Notice, Packet, What, resend_after};

/// A line of the program, sent over the connection that was won.
const LINE: Frame = [b'.'; FRAME_LEN];
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 200)), 8000);
/// By then everything has ended; only TCP goes on repeating what a vanished host was told.
const END: Duration = Duration::from_secs(60);
const MILLISECOND: Duration = Duration::from_millis(1);

/// What a world is like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Each side's NATs, from inside to outside; none: a public host.
    pub nats: [Vec<Kind>; 2],
    /// One way between the two.
    pub delay: Duration,
    /// Up to so much is added, in thousandths of the delay.
    pub jitter: u64,
    /// Packets lost, of a thousand.
    pub loss: u64,
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
            delay,
            jitter: 0,
            loss: 0,
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

pub struct Peer {
    pub session: Option<Session>,
    pub host: Host,
    pub budget: Budget,
    nats: Vec<Nat>,
    slots: BTreeMap<SlotId, u16>,
    /// Attempts that are to leave at an instant.
    due: BTreeMap<ConnId, Instant>,
    pub end: Option<(Instant, End)>,
    /// When the first line of the other side's program arrived.
    pub line: Option<Instant>,
    alive: bool,
    wake: Option<Instant>,
    /// Connections attempted, for the limits.
    pub flows: BTreeSet<(u16, SocketAddr)>,
}

impl Peer {
    pub fn outside(&self) -> IpAddr {
        self.nats.last().map_or(self.host.ip, |nat| nat.ip)
    }

    pub fn side(&self) -> Side {
        let public = Side {
            outside_ip: Some(self.host.ip),
            mapping: p2pnet::proto::nat::behaviour::Mapping::EndpointIndependent,
            allocation: p2pnet::proto::nat::behaviour::Allocation::Preserving,
            ..Side::default()
        };
        let Some(outer) = self.nats.last() else { return public };
        let mut side = outer.side();
        // A second NAT whose ports follow a rule is only as good as the first.
        for inner in self.nats.iter().rev().skip(1) {
            if inner.kind.allocation != p2pnet::proto::nat::behaviour::Allocation::Preserving
                && side.allocation == p2pnet::proto::nat::behaviour::Allocation::Preserving
            {
                let ip = side.outside_ip;
                side = Side { outside_ip: ip, ..inner.side() };
            }
            side.mapping = side.mapping.max(inner.kind.mapping);
        }
        side
    }
}

enum Event {
    Wake(usize),
    Signal(usize, Vec<u8>),
    Packet(usize, Packet),
    Dial(usize, ConnId, Key),
    Resend(usize, Key, u32),
    Bound(usize, SlotId, bool),
    Asked(usize, SlotId, u16),
    Death(usize),
    Cancel(usize),
}

pub struct World {
    pub start: Instant,
    pub now: Instant,
    rng: fastrand::Rng,
    plan: Plan,
    pub peers: [Peer; 2],
    agenda: BTreeMap<(Instant, u64), Event>,
    next: u64,
}

impl World {
    pub fn new(plan: Plan, seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let peers = [0usize, 1].map(|i| {
            let n = i as u8 + 1;
            let kinds = &plan.nats[i];
            let nat = |(depth, kind): (usize, &Kind)| {
                let outermost = depth + 1 == kinds.len();
                let ip = if outermost { [198, 51, 100, n] } else { [10, 64, depth as u8, n] };
                Nat::new(ip.into(), *kind, &mut rng)
            };
            let nats: Vec<Nat> = kinds.iter().enumerate().map(nat).collect();
            let ip = if nats.is_empty() { [198, 51, 100, n] } else { [192, 168, n, 5] };
            Peer {
                session: None,
                host: Host::new(ip.into()),
                budget: plan.budgets[i].clone(),
                nats,
                slots: BTreeMap::new(),
                due: BTreeMap::new(),
                end: None,
                line: None,
                alive: true,
                wake: None,
                flows: BTreeSet::new(),
            }
        });
        let mut world = World { start: now, now, rng, plan, peers, agenda: BTreeMap::new(), next: 0 };
        if let Some((i, after)) = world.plan.death {
            world.later(after, Event::Death(i));
        }
        if let Some((i, after)) = world.plan.cancel {
            world.later(after, Event::Cancel(i));
        }
        world
    }

    fn later(&mut self, after: Duration, event: Event) {
        self.at(self.now + after, event);
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.next += 1;
        self.agenda.insert((at.max(self.now), self.next), event);
    }

    /// Some time about `base`.
    fn about(&mut self, base: Duration) -> Duration {
        base + base * self.rng.u32(0..=self.plan.jitter as u32) / 1000
    }

    fn unlucky(&mut self, thousandths: u64) -> bool {
        self.rng.u64(..1000) < thousandths
    }

    fn setup(&mut self, i: usize) -> Setup {
        let peer = &self.peers[i];
        Setup {
            ours: self.plan.believes[i].unwrap_or_else(|| peer.side()),
            peer_ip: self.peers[1 - i].outside(),
            own: vec![peer.host.ip],
            options: self.plan.options[i].clone(),
            seed: self.rng.u64(..),
        }
    }

    /// Runs until nothing happens any more, or long enough.
    pub fn run(&mut self) {
        let setup = self.setup(0);
        let token = Token(self.rng.u128(..).to_be_bytes());
        let mut budget = std::mem::take(&mut self.peers[0].budget);
        self.peers[0].session = Some(Session::initiate(self.now, token, setup, &mut budget));
        self.peers[0].budget = budget;
        self.carry_out(0);
        while let Some(((at, _), event)) = self.agenda.pop_first() {
            self.now = at;
            if at - self.start > END {
                break;
            }
            self.happen(event);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(i) => {
                let due = self.peers[i].wake.is_some_and(|at| at <= self.now);
                if due {
                    self.peers[i].wake = None;
                    self.tell(i, Input::Wake);
                }
            }
            Event::Signal(i, bytes) => self.heard(i, &bytes),
            Event::Packet(i, packet) => self.arrive(i, packet),
            Event::Dial(i, conn, key) => {
                if self.peers[i].due.get(&conn).is_some_and(|at| *at <= self.now) {
                    self.peers[i].due.remove(&conn);
                    self.peers[i].flows.insert(key);
                    if !self.peers[i].host.connect(conn, key) {
                        self.tell(i, Input::AddressTaken { conn });
                    }
                    self.flush(i);
                }
            }
            Event::Resend(i, key, iss) => self.resend(i, key, iss),
            Event::Bound(i, slot, listen) => self.bind(i, slot, listen),
            Event::Asked(i, slot, port) => self.tell(i, Input::Asked { slot, port }),
            Event::Death(i) => {
                self.peers[i].alive = false;
                self.peers[i].host = Host::new(self.peers[i].host.ip);
            }
            Event::Cancel(i) => self.tell(i, Input::Cancel),
        }
    }

    fn tell(&mut self, i: usize, input: Input) {
        let peer = &mut self.peers[i];
        if let (true, Some(session)) = (peer.alive, &mut peer.session) {
            session.handle(self.now, input, &mut peer.budget);
            self.carry_out(i);
        }
    }

    fn heard(&mut self, i: usize, bytes: &[u8]) {
        let message = Message::decode(bytes).expect("a message of ours");
        assert_eq!(message.encode(), bytes);
        if self.peers[i].session.is_none() && self.peers[i].alive {
            let setup = self.setup(i);
            let peer = &mut self.peers[i];
            peer.session = Session::respond(self.now, message, setup, &mut peer.budget);
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
                Output::Send(message) => self.signal(i, message),
                Output::Bind { slot, listen } => {
                    let after = Duration::from_micros(self.rng.u64(5..40));
                    self.later(after, Event::Bound(i, slot, listen));
                }
                Output::Ask { slot } => self.ask(i, slot),
                Output::Connect { conn, slot, to, at } => {
                    assert_eq!(to.ip(), self.peers[1 - i].outside(), "only the peer");
                    assert!(to.port() >= LOWEST_PORT);
                    let port = self.peers[i].slots[&slot];
                    self.peers[i].due.insert(conn, at);
                    self.at(at, Event::Dial(i, conn, (port, to)));
                }
                Output::Frame { conn, frame } => self.peers[i].host.send(conn, frame),
                Output::Close(Socket::Conn(conn)) => {
                    self.peers[i].due.remove(&conn);
                    self.peers[i].host.close(conn);
                }
                Output::Close(Socket::Slot(slot)) => {
                    if let Some(port) = self.peers[i].slots.remove(&slot) {
                        self.peers[i].host.close_listener(port);
                    }
                }
                Output::Winner(conn) => {
                    self.peers[i].end = Some((self.now, End::Won(conn)));
                    self.peers[i].host.send(conn, LINE);
                }
                Output::Failed(failure) => self.peers[i].end = Some((self.now, End::Failed(failure))),
            }
        }
        let peer = &mut self.peers[i];
        assert_eq!(peer.end.is_some(), peer.session.as_ref().is_some_and(Session::is_over));
        let deadline = peer.session.as_ref().and_then(Session::deadline);
        if let Some(at) = deadline
            && peer.wake != Some(at)
        {
            peer.wake = Some(at);
            self.at(at, Event::Wake(i));
        }
        self.flush(i);
    }

    fn signal(&mut self, i: usize, message: Message) {
        let copies = if self.unlucky(self.plan.signal_loss) { 2 } else { 1 };
        for _ in 0..copies {
            if !self.unlucky(self.plan.signal_loss) {
                let after = self.about(self.plan.delay + MILLISECOND);
                let after = if i == 0 { after + self.plan.skew } else { after };
                self.later(after, Event::Signal(1 - i, message.encode()));
            }
        }
    }

    fn bind(&mut self, i: usize, slot: SlotId, listen: bool) {
        let peer = &mut self.peers[i];
        if self.rng.u8(..) == 0 && self.plan.loss > 0 {
            return self.tell(i, Input::BindFailed { slot });
        }
        let mut port = self.rng.u16(32_768..61_000);
        while peer.slots.values().any(|other| *other == port) {
            port = self.rng.u16(32_768..61_000);
        }
        peer.slots.insert(slot, port);
        if listen {
            peer.host.listeners.insert(port);
        }
        self.tell(i, Input::Bound { slot, port });
    }

    /// A connection to a server: there and back for the handshake, there and back for the question.
    fn ask(&mut self, i: usize, slot: SlotId) {
        let local = SocketAddr::new(self.peers[i].host.ip, self.peers[i].slots[&slot]);
        let far = self.now + Duration::from_secs(600);
        let mut outside = local;
        for nat in &mut self.peers[i].nats {
            let inside = outside;
            outside = nat.outbound(self.now, inside, SERVER, false, &mut self.rng);
            nat.pin(inside, SERVER, far);
        }
        let mut after = self.about(self.plan.delay * 2);
        if self.unlucky(self.plan.loss * 4) {
            after += Duration::from_secs(1);
        }
        self.later(after, Event::Asked(i, slot, outside.port()));
    }

    fn outward(&mut self, i: usize, from: SocketAddr, to: SocketAddr, rst: bool) -> SocketAddr {
        let mut outside = from;
        for nat in &mut self.peers[i].nats {
            outside = nat.outbound(self.now, outside, to, rst, &mut self.rng);
        }
        outside
    }

    fn resend(&mut self, i: usize, key: Key, iss: u32) {
        let host = &mut self.peers[i].host;
        if host.sockets.get(&key).is_none_or(|socket| socket.iss != iss) {
            return;
        }
        match host.resend(key) {
            None => {}
            Some((_, n)) if n > 6 => {
                if let Some(conn) = host.kill(key) {
                    self.tell(i, Input::TimedOut { conn });
                }
            }
            Some((state, n)) => self.later(resend_after(state, n), Event::Resend(i, key, iss)),
        }
        self.flush(i);
    }

    /// Sends what the host has to send, and tells the session what TCP has to tell.
    fn flush(&mut self, i: usize) {
        loop {
            for packet in std::mem::take(&mut self.peers[i].host.out) {
                self.depart(i, packet);
            }
            for key in std::mem::take(&mut self.peers[i].host.started) {
                if let Some(socket) = self.peers[i].host.sockets.get(&key) {
                    let (iss, after) = (socket.iss, resend_after(socket.state, 0));
                    self.later(after, Event::Resend(i, key, iss));
                }
            }
            let Some(notice) = self.peers[i].host.notices.pop_front() else { return };
            self.notice(i, notice);
        }
    }

    fn notice(&mut self, i: usize, notice: Notice) {
        match notice {
            Notice::Connected(conn) => self.tell(i, Input::Connected { conn }),
            Notice::Refused(conn) => self.tell(i, Input::Refused { conn }),
            Notice::Unreachable(conn) => self.tell(i, Input::Unreachable { conn }),
            Notice::Closed(conn) => self.tell(i, Input::Closed { conn }),
            Notice::Accepted(key) => {
                let peer = &mut self.peers[i];
                let slot = peer.slots.iter().find(|(_, port)| **port == key.0).map(|(slot, _)| *slot);
                match (peer.session.as_mut(), slot) {
                    (Some(session), Some(slot)) => {
                        let conn = session.next_conn();
                        self.peers[i].host.take(key, conn);
                        self.tell(i, Input::Accepted { conn, slot });
                        self.peers[i].host.deliver(key);
                    }
                    _ => drop(peer.host.kill(key)),
                }
            }
            Notice::Frame(conn, frame) => match self.peers[i].end {
                Some((_, End::Won(winner))) if winner == conn => {
                    assert_eq!(*frame, LINE, "what follows the end is the program's");
                    self.peers[i].line.get_or_insert(self.now);
                }
                _ => self.tell(i, Input::Frame { conn, frame: *frame }),
            },
        }
    }

    fn depart(&mut self, i: usize, packet: Packet) {
        let rst = packet.is_rst();
        let from = self.outward(i, packet.from, packet.to, rst);
        self.travel(1 - i, Packet { from, ..packet });
    }

    fn travel(&mut self, to: usize, packet: Packet) {
        if packet.to.ip() == self.peers[to].outside() && !self.unlucky(self.plan.loss) {
            let after = self.about(self.plan.delay);
            self.later(after, Event::Packet(to, packet));
        }
    }

    fn arrive(&mut self, i: usize, mut packet: Packet) {
        for depth in (0..self.peers[i].nats.len()).rev() {
            let rst = packet.is_rst();
            let nat = &mut self.peers[i].nats[depth];
            match nat.inbound(self.now, packet.from, packet.to.port(), rst) {
                Inbound::To(inside) => packet.to = inside,
                Inbound::Unsolicited => {
                    let unsolicited = nat.kind.unsolicited;
                    return self.refuse(i, depth, packet, unsolicited);
                }
            }
        }
        if self.peers[i].alive {
            self.peers[i].host.receive(&packet);
            self.flush(i);
        }
    }

    /// A NAT answers for itself, from where it stands.
    fn refuse(&mut self, i: usize, depth: usize, packet: Packet, unsolicited: Unsolicited) {
        let answer = match unsolicited {
            Unsolicited::Reset => packet.refusal(),
            Unsolicited::Unreachable if matches!(packet.what, What::Syn { .. }) => {
                Some(Packet { from: packet.to, to: packet.from, what: What::Unreachable })
            }
            _ => None,
        };
        let Some(mut answer) = answer else { return };
        for outer in self.peers[i].nats.iter_mut().skip(depth + 1) {
            answer.from = outer.outbound(self.now, answer.from, answer.to, answer.is_rst(), &mut self.rng);
        }
        self.travel(1 - i, answer);
    }
}
