//! The network: two hosts, the NATs in front of each, the way between, and what is to happen when. Packets
//! and TCP's own repetitions are handled here; what concerns the programs comes out of [`Net::next`].

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use p2pnet::proto::nat::behaviour::{Allocation, Unsolicited};
use p2pnet::proto::punch::Side;

use crate::nat::{Inbound, Kind, Nat};
use crate::packet::{Packet, What};
use crate::tcp::{Host, Key, Notice, resend_after};

/// By then everything has ended; only TCP goes on repeating what a vanished host was told.
const END: Duration = Duration::from_secs(60);

/// The way between the two.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub delay: Duration,
    /// Up to so much is added, in thousandths of the delay.
    pub jitter: u32,
    /// Packets lost, of a thousand.
    pub loss: u64,
}

/// A host and the NATs in front of it, from inside to outside; none: a public host.
pub struct Home {
    pub host: Host,
    pub nats: Vec<Nat>,
    pub alive: bool,
}

impl Home {
    /// Address as others see it.
    pub fn outside(&self) -> IpAddr {
        self.nats.last().map_or(self.host.ip, |nat| nat.ip)
    }

    /// What a faultless measurement would find.
    pub fn side(&self) -> Side {
        let Some(outer) = self.nats.last() else { return Side::untranslated(self.host.ip) };
        let mut side = outer.side();
        for inner in self.nats.iter().rev().skip(1) {
            // A NAT that keeps the port shows that of the one before it.
            if side.allocation == Allocation::Preserving {
                side = Side { outside_ip: side.outside_ip, mapping: side.mapping, ..inner.side() };
            }
            side.mapping = side.mapping.max(inner.kind.mapping);
        }
        side
    }
}

enum Event<T> {
    Packet(usize, Packet),
    Resend(usize, Key, u32),
    Other(T),
}

/// What concerns the programs.
pub enum Next<T> {
    Notice(usize, Notice),
    Event(T),
}

pub struct Net<T> {
    pub start: Instant,
    pub now: Instant,
    pub rng: fastrand::Rng,
    way: Way,
    pub homes: [Home; 2],
    agenda: BTreeMap<(Instant, u64), Event<T>>,
    count: u64,
    notices: VecDeque<(usize, Notice)>,
}

impl<T> Net<T> {
    pub fn new(kinds: &[Vec<Kind>; 2], way: Way, seed: u64) -> Net<T> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let homes = [0usize, 1].map(|i| {
            let (n, kinds) = (i as u8 + 1, &kinds[i]);
            let nat = |(depth, kind): (usize, &Kind)| {
                let outermost = depth + 1 == kinds.len();
                let ip = if outermost { [198, 51, 100, n] } else { [10, 64, depth as u8, n] };
                Nat::new(ip.into(), *kind, &mut rng)
            };
            let nats: Vec<Nat> = kinds.iter().enumerate().map(nat).collect();
            let ip = if nats.is_empty() { [198, 51, 100, n] } else { [192, 168, n, 5] };
            Home { host: Host::new(ip.into()), nats, alive: true }
        });
        let (agenda, notices) = (BTreeMap::new(), VecDeque::new());
        Net { start: now, now, rng, way, homes, agenda, count: 0, notices }
    }

    pub fn later(&mut self, after: Duration, event: T) {
        self.at(self.now + after, event);
    }

    pub fn at(&mut self, at: Instant, event: T) {
        self.put(at, Event::Other(event));
    }

    fn put(&mut self, at: Instant, event: Event<T>) {
        self.count += 1;
        self.agenda.insert((at.max(self.now), self.count), event);
    }

    /// Some time about `base`.
    pub fn about(&mut self, base: Duration) -> Duration {
        base + base * self.rng.u32(0..=self.way.jitter) / 1000
    }

    pub fn unlucky(&mut self, thousandths: u64) -> bool {
        self.rng.u64(..1000) < thousandths
    }

    /// The next thing a program must see; `None` when nothing happens any more, or it has gone on for long
    /// enough.
    pub fn next(&mut self) -> Option<Next<T>> {
        loop {
            if let Some((i, notice)) = self.notices.pop_front() {
                return Some(Next::Notice(i, notice));
            }
            let ((at, _), event) = self.agenda.pop_first()?;
            self.now = at;
            match event {
                _ if at - self.start > END => return None,
                Event::Packet(i, packet) => self.arrive(i, packet),
                Event::Resend(i, key, iss) => self.resend(i, key, iss),
                Event::Other(event) => return Some(Next::Event(event)),
            }
        }
    }

    /// To be called when something was done with a host: sends what it has to send, takes what it has to
    /// tell.
    pub fn flush(&mut self, i: usize) {
        for packet in std::mem::take(&mut self.homes[i].host.out) {
            let from = self.outward(i, packet.from, packet.to, packet.is_rst());
            self.travel(1 - i, Packet { from, ..packet });
        }
        for key in std::mem::take(&mut self.homes[i].host.started) {
            if let Some(socket) = self.homes[i].host.sockets.get(&key) {
                let (iss, after) = (socket.iss, resend_after(socket.state, 0));
                self.put(self.now + after, Event::Resend(i, key, iss));
            }
        }
        let notices = std::mem::take(&mut self.homes[i].host.notices);
        self.notices.extend(notices.into_iter().map(|notice| (i, notice)));
    }

    /// What a host sends now passes its router and ends behind it; nothing tells the host.
    pub fn die_young(&mut self, i: usize) {
        for packet in std::mem::take(&mut self.homes[i].host.out) {
            if let Some(nat) = self.homes[i].nats.first_mut() {
                nat.outbound(self.now, packet.from, packet.to, packet.is_rst(), &mut self.rng);
            }
        }
    }

    /// A connection to somewhere else that stays open: the outside address it has there.
    pub fn connect_out(&mut self, i: usize, local: SocketAddr, server: SocketAddr) -> SocketAddr {
        let mut outside = local;
        for nat in &mut self.homes[i].nats {
            let inside = outside;
            outside = nat.outbound(self.now, inside, server, false, &mut self.rng);
            nat.pin(inside, server, self.now + END * 10);
        }
        outside
    }

    /// The host vanishes without a word.
    pub fn kill(&mut self, i: usize) {
        self.homes[i].alive = false;
        self.homes[i].host = Host::new(self.homes[i].host.ip);
    }

    fn outward(&mut self, i: usize, from: SocketAddr, to: SocketAddr, rst: bool) -> SocketAddr {
        let mut outside = from;
        for nat in &mut self.homes[i].nats {
            outside = nat.outbound(self.now, outside, to, rst, &mut self.rng);
        }
        outside
    }

    fn travel(&mut self, to: usize, packet: Packet) {
        if packet.to.ip() == self.homes[to].outside() && !self.unlucky(self.way.loss) {
            let after = self.about(self.way.delay);
            self.put(self.now + after, Event::Packet(to, packet));
        }
    }

    fn arrive(&mut self, i: usize, mut packet: Packet) {
        for depth in (0..self.homes[i].nats.len()).rev() {
            let rst = packet.is_rst();
            let nat = &mut self.homes[i].nats[depth];
            match nat.inbound(self.now, packet.from, packet.to.port(), rst) {
                Inbound::To(inside) => packet.to = inside,
                Inbound::Unsolicited => {
                    let unsolicited = nat.kind.unsolicited;
                    return self.refuse(i, depth, packet, unsolicited);
                }
            }
        }
        if self.homes[i].alive {
            self.homes[i].host.receive(&packet);
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
        for outer in self.homes[i].nats.iter_mut().skip(depth + 1) {
            answer.from = outer.outbound(self.now, answer.from, answer.to, answer.is_rst(), &mut self.rng);
        }
        self.travel(1 - i, answer);
    }

    fn resend(&mut self, i: usize, key: Key, iss: u32) {
        let host = &mut self.homes[i].host;
        if host.sockets.get(&key).is_none_or(|socket| socket.iss != iss) {
            return;
        }
        match host.resend(key) {
            None => {}
            Some((_, n)) if n > 6 => {
                if let Some(conn) = host.kill(key) {
                    host.notices.push_back(Notice::TimedOut(conn));
                }
            }
            Some((state, n)) => self.put(self.now + resend_after(state, n), Event::Resend(i, key, iss)),
        }
        self.flush(i);
    }
}
