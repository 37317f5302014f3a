//! The network: hosts, the sites they are in with the NATs and firewalls in front of each, the way between, and what is to
//! happen when. Packets and TCP's own repetitions are handled here; what concerns the programs comes out of [`Net::next`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use p2pnet::proto::nat::behaviour::{Allocation, Unsolicited};
use p2pnet::proto::punch::{ConnId, Frame, Side};

use super::nat::{Inbound, Kind, Nat};
use super::packet::{Packet, What};
use super::tcp::{Host, Key, Notice, resend_after};

/// By then everything has ended; only TCP goes on repeating what a vanished host was told.
const END: Duration = Duration::from_secs(60);
/// Within a site.
const NEAR: Duration = Duration::from_millis(1);

/// The way between two sites.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub delay: Duration,
    /// Up to so much is added, in thousandths of the delay.
    pub jitter: u32,
    /// Packets lost, of a thousand.
    pub loss: u64,
}

/// A host in its site.
pub struct Home<C = ConnId, D = Frame> {
    pub host: Host<C, D>,
    pub site: usize,
    pub alive: bool,
}

/// What stands between hosts and the internet.
pub struct Site {
    /// From inside to outside; none: the site is one public host.
    pub nats: Vec<Nat>,
    /// Whether its hosts can meet at the outside address.
    pub hairpin: bool,
    /// IPv6: lets in answers only, and does this with all else. None: lets in everything.
    pub firewall: Option<Unsolicited>,
    flows: BTreeSet<(SocketAddr, SocketAddr)>,
}

impl Site {
    pub fn new(nats: Vec<Nat>) -> Site {
        Site { nats, hairpin: false, firewall: None, flows: BTreeSet::new() }
    }
}

enum Event<T, D> {
    /// At a site's outer edge.
    Packet(usize, Packet<D>),
    /// At a host.
    Local(usize, Packet<D>),
    Resend(usize, Key, u32),
    Other(T),
}

/// What concerns the programs.
pub enum Next<T, C = ConnId, D = Frame> {
    Notice(usize, Notice<C, D>),
    Event(T),
}

pub struct Net<T, C = ConnId, D = Frame> {
    pub start: Instant,
    pub now: Instant,
    pub rng: fastrand::Rng,
    pub way: Way,
    pub homes: Vec<Home<C, D>>,
    pub sites: Vec<Site>,
    agenda: BTreeMap<(Instant, u64), Event<T, D>>,
    count: u64,
    notices: VecDeque<(usize, Notice<C, D>)>,
}

impl<T, C: Copy + Ord + Debug, D: Clone + Debug> Net<T, C, D> {
    /// One host behind each list of NATs.
    pub fn new(kinds: &[Vec<Kind>], way: Way, seed: u64) -> Net<T, C, D> {
        let now = Instant::now();
        let mut net = Net {
            start: now,
            now,
            rng: fastrand::Rng::with_seed(seed),
            way,
            homes: Vec::new(),
            sites: Vec::new(),
            agenda: BTreeMap::new(),
            count: 0,
            notices: VecDeque::new(),
        };
        for kinds in kinds {
            let site = net.add_site(kinds);
            let n = site as u8 + 1;
            let ip = if kinds.is_empty() { [198, 51, 100, n] } else { [192, 168, n, 5] };
            net.add_host(site, ip.into(), None);
        }
        net
    }

    pub fn add_site(&mut self, kinds: &[Kind]) -> usize {
        let n = self.sites.len() as u8 + 1;
        let nat = |(depth, kind): (usize, &Kind)| {
            let outermost = depth + 1 == kinds.len();
            let ip = if outermost { [198, 51, 100, n] } else { [10, 64, depth as u8, n] };
            Nat::new(ip.into(), *kind, &mut self.rng)
        };
        let nats = kinds.iter().enumerate().map(nat).collect();
        self.sites.push(Site::new(nats));
        self.sites.len() - 1
    }

    pub fn add_host(&mut self, site: usize, ip: IpAddr, ip6: Option<IpAddr>) -> usize {
        let mut host = Host::new(ip);
        host.ip6 = ip6;
        host.next_iss += 100_000_000 * self.homes.len() as u32;
        self.homes.push(Home { host, site, alive: true });
        self.homes.len() - 1
    }

    /// A host's address as others see it.
    pub fn outside(&self, i: usize) -> IpAddr {
        let home = &self.homes[i];
        self.sites[home.site].nats.last().map_or(home.host.ip, |nat| nat.ip)
    }

    /// What a faultless measurement would find.
    pub fn side(&self, i: usize) -> Side {
        let nats = &self.sites[self.homes[i].site].nats;
        let Some(outer) = nats.last() else { return Side::untranslated(self.homes[i].host.ip) };
        let mut side = outer.side();
        for inner in nats.iter().rev().skip(1) {
            // A NAT that keeps the port shows that of the one before it.
            if side.allocation == Allocation::Preserving {
                side = Side { outside_ip: side.outside_ip, mapping: side.mapping, ..inner.side() };
            }
            side.mapping = side.mapping.max(inner.kind.mapping);
        }
        side
    }

    pub fn later(&mut self, after: Duration, event: T) {
        self.at(self.now + after, event);
    }

    pub fn at(&mut self, at: Instant, event: T) {
        self.put(at, Event::Other(event));
    }

    fn put(&mut self, at: Instant, event: Event<T, D>) {
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
    pub fn next(&mut self) -> Option<Next<T, C, D>> {
        loop {
            if let Some((i, notice)) = self.notices.pop_front() {
                return Some(Next::Notice(i, notice));
            }
            let ((at, _), event) = self.agenda.pop_first()?;
            self.now = at;
            match event {
                _ if at - self.start > END => return None,
                Event::Packet(site, packet) => self.arrive(site, packet),
                Event::Local(i, packet) => self.receive(i, &packet),
                Event::Resend(i, key, iss) => self.resend(i, key, iss),
                Event::Other(event) => return Some(Next::Event(event)),
            }
        }
    }

    /// To be called when something was done with a host: sends what it has to send, takes what it has to
    /// tell.
    pub fn flush(&mut self, i: usize) {
        for packet in std::mem::take(&mut self.homes[i].host.out) {
            self.leave(i, packet);
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
            if let Some(nat) = self.sites[self.homes[i].site].nats.first_mut() {
                nat.outbound(self.now, packet.from, packet.to, packet.is_rst(), &mut self.rng);
            }
        }
    }

    /// A connection to somewhere else that stays open: the outside address it has there.
    pub fn connect_out(&mut self, i: usize, local: SocketAddr, server: SocketAddr) -> SocketAddr {
        let mut outside = local;
        for nat in &mut self.sites[self.homes[i].site].nats {
            let inside = outside;
            outside = nat.outbound(self.now, inside, server, false, &mut self.rng);
            nat.pin(inside, server, self.now + END * 10);
        }
        outside
    }

    /// The host vanishes without a word.
    pub fn kill(&mut self, i: usize) {
        self.homes[i].alive = false;
        let old = &self.homes[i].host;
        let mut host = Host::new(old.ip);
        (host.ip6, host.next_iss) = (old.ip6, old.next_iss);
        self.homes[i].host = host;
    }

    /// The host at an address, inside a site.
    fn host_at(&self, site: usize, ip: IpAddr) -> Option<usize> {
        let here = |home: &Home<C, D>| home.site == site && (home.host.ip == ip || home.host.ip6 == Some(ip));
        self.homes.iter().position(here)
    }

    /// A packet leaves a host.
    fn leave(&mut self, i: usize, packet: Packet<D>) {
        let site = self.homes[i].site;
        let public = self.sites[site].nats.is_empty() && packet.to.is_ipv4();
        if let Some(j) = self.host_at(site, packet.to.ip()).filter(|_| !public) {
            return self.put(self.now + NEAR, Event::Local(j, packet));
        }
        if packet.to.is_ipv6() {
            self.sites[site].flows.insert((packet.from, packet.to));
            return self.travel(site, packet);
        }
        let mut from = packet.from;
        for nat in &mut self.sites[site].nats {
            from = nat.outbound(self.now, from, packet.to, packet.is_rst(), &mut self.rng);
        }
        self.travel(site, Packet { from, ..packet });
    }

    /// A packet is on the internet, coming from `site`.
    fn travel(&mut self, site: usize, packet: Packet<D>) {
        let ip = packet.to.ip();
        let to = (0..self.sites.len()).find(|to| match self.sites[*to].nats.last() {
            Some(nat) if ip.is_ipv4() => nat.ip == ip,
            _ => self.host_at(*to, ip).is_some(),
        });
        let Some(to) = to.filter(|to| *to != site || self.sites[site].hairpin) else { return };
        if !self.unlucky(self.way.loss) {
            let after = if to == site { NEAR } else { self.about(self.way.delay) };
            self.put(self.now + after, Event::Packet(to, packet));
        }
    }

    fn arrive(&mut self, site: usize, mut packet: Packet<D>) {
        if packet.to.is_ipv6() {
            let known = self.sites[site].flows.contains(&(packet.to, packet.from));
            if let Some(unsolicited) = self.sites[site].firewall.filter(|_| !known) {
                return self.refuse(site, 0, &packet, unsolicited);
            }
        } else {
            for depth in (0..self.sites[site].nats.len()).rev() {
                let rst = packet.is_rst();
                let nat = &mut self.sites[site].nats[depth];
                match nat.inbound(self.now, packet.from, packet.to.port(), rst) {
                    Inbound::To(inside) => packet.to = inside,
                    Inbound::Unsolicited => {
                        let unsolicited = nat.kind.unsolicited;
                        return self.refuse(site, depth, &packet, unsolicited);
                    }
                }
            }
        }
        if let Some(i) = self.host_at(site, packet.to.ip()) {
            self.receive(i, &packet);
        }
    }

    fn receive(&mut self, i: usize, packet: &Packet<D>) {
        if self.homes[i].alive {
            self.homes[i].host.receive(packet);
            self.flush(i);
        }
    }

    /// A NAT or firewall answers for itself, from where it stands.
    fn refuse(&mut self, site: usize, depth: usize, packet: &Packet<D>, unsolicited: Unsolicited) {
        let answer = match unsolicited {
            Unsolicited::Reset => packet.refusal(),
            Unsolicited::Unreachable if matches!(packet.what, What::Syn { .. }) => {
                Some(Packet { from: packet.to, to: packet.from, what: What::Unreachable })
            }
            _ => None,
        };
        let Some(mut answer) = answer else { return };
        if answer.to.is_ipv4() {
            for outer in self.sites[site].nats.iter_mut().skip(depth + 1) {
                answer.from =
                    outer.outbound(self.now, answer.from, answer.to, answer.is_rst(), &mut self.rng);
            }
        }
        self.travel(site, answer);
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
