//! NATs as models: which outside port a connection gets (RFC 4787's mapping and allocation, RFC 5382 for
//! TCP), who may come in by it, and what happens to those who may not.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use p2pnet::proto::nat::behaviour::{Allocation, Mapping, Unsolicited};
use p2pnet::proto::punch::Side;

/// Who may come in by a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    Everybody,
    Address,
    AddressAndPort,
}

/// How a NAT behaves.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    pub name: &'static str,
    pub mapping: Mapping,
    pub allocation: Allocation,
    pub constant: i32,
    /// Others take up to so many ports between two of ours.
    pub noise: u16,
    pub filter: Filter,
    pub unsolicited: Unsolicited,
    /// Whether a RST that passes ends the mapping it passes by.
    pub rst_kills: bool,
    /// How long a mapping lives without a packet.
    pub timeout: Duration,
}

/// Inside address, and as much of the destination as the mapping depends on.
type Key = (SocketAddr, Option<IpAddr>, Option<u16>);

struct Entry {
    outside: u16,
    /// Who was written to, and when last.
    peers: BTreeMap<SocketAddr, Instant>,
    /// When the last of them was.
    last: Instant,
}

pub struct Nat {
    pub ip: IpAddr,
    pub kind: Kind,
    entries: BTreeMap<Key, Entry>,
    by_port: BTreeMap<u16, Key>,
    /// The port given last, in a row.
    last: u16,
    /// Ports that are always passed on.
    pub forwards: BTreeMap<u16, SocketAddr>,
}

impl Entry {
    fn used(&mut self, peer: SocketAddr, at: Instant) {
        let known = self.peers.entry(peer).or_insert(at);
        *known = at.max(*known);
        self.last = self.last.max(at);
    }
}

/// What becomes of a packet from outside.
pub enum Inbound {
    To(SocketAddr),
    Unsolicited,
}

const LOWEST: i32 = 1024;

impl Nat {
    pub fn new(ip: IpAddr, kind: Kind, rng: &mut fastrand::Rng) -> Nat {
        Nat {
            ip,
            kind,
            entries: BTreeMap::new(),
            by_port: BTreeMap::new(),
            last: rng.u16(20_000..60_000),
            forwards: BTreeMap::new(),
        }
    }

    fn key(&self, inside: SocketAddr, to: SocketAddr) -> Key {
        match self.kind.mapping {
            Mapping::Unknown | Mapping::EndpointIndependent => (inside, None, None),
            Mapping::AddressDependent => (inside, Some(to.ip()), None),
            Mapping::AddressAndPortDependent => (inside, Some(to.ip()), Some(to.port())),
        }
    }

    /// A packet goes out: its address outside.
    pub fn outbound(
        &mut self,
        now: Instant,
        inside: SocketAddr,
        to: SocketAddr,
        rst: bool,
        rng: &mut fastrand::Rng,
    ) -> SocketAddr {
        if let Some((outside, _)) = self.forwards.iter().find(|(_, at)| **at == inside) {
            return SocketAddr::new(self.ip, *outside);
        }
        let key = self.key(inside, to);
        self.expire(now, key);
        if !self.entries.contains_key(&key) {
            let outside = self.allocate(inside.port(), rng);
            self.by_port.insert(outside, key);
            self.entries.insert(key, Entry { outside, peers: BTreeMap::new(), last: now });
        }
        let entry = self.entries.get_mut(&key).expect("just made");
        let outside = entry.outside;
        entry.used(to, now);
        if rst {
            self.reset(key, to);
        }
        SocketAddr::new(self.ip, outside)
    }

    /// A packet comes in for one of our ports.
    pub fn inbound(&mut self, now: Instant, from: SocketAddr, port: u16, rst: bool) -> Inbound {
        if let Some(inside) = self.forwards.get(&port) {
            return Inbound::To(*inside);
        }
        let Some(key) = self.by_port.get(&port).copied() else { return Inbound::Unsolicited };
        self.expire(now, key);
        let Some(entry) = self.entries.get_mut(&key) else { return Inbound::Unsolicited };
        let timeout = self.kind.timeout;
        let passes = match self.kind.filter {
            Filter::Everybody => true,
            Filter::Address => {
                entry.peers.iter().any(|(peer, last)| peer.ip() == from.ip() && *last + timeout > now)
            }
            Filter::AddressAndPort => entry.peers.get(&from).is_some_and(|last| *last + timeout > now),
        };
        // A mapping towards one place is of no use to others, whatever the filter.
        let meant = key.1.is_none_or(|ip| ip == from.ip()) && key.2.is_none_or(|port| port == from.port());
        if !passes || !meant {
            return Inbound::Unsolicited;
        }
        entry.used(from, now);
        if rst {
            self.reset(key, from);
        }
        Inbound::To(key.0)
    }

    /// A mapping that is kept alive from inside.
    pub fn pin(&mut self, inside: SocketAddr, to: SocketAddr, until: Instant) {
        let key = self.key(inside, to);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.used(to, until);
        }
    }

    fn reset(&mut self, key: Key, peer: SocketAddr) {
        if self.kind.rst_kills
            && let Some(entry) = self.entries.get_mut(&key)
        {
            entry.peers.remove(&peer);
            if entry.peers.is_empty() {
                self.remove(key);
            }
        }
    }

    fn expire(&mut self, now: Instant, key: Key) {
        if self.entries.get(&key).is_some_and(|entry| entry.last + self.kind.timeout <= now) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: Key) {
        if let Some(entry) = self.entries.remove(&key) {
            self.by_port.remove(&entry.outside);
        }
    }

    fn allocate(&mut self, local: u16, rng: &mut fastrand::Rng) -> u16 {
        let kind = self.kind;
        let mut candidate = match kind.allocation {
            Allocation::Preserving => i32::from(local),
            Allocation::Delta => i32::from(local) + kind.constant,
            Allocation::Sequential => {
                let taken = i32::from(rng.u16(0..=kind.noise));
                i32::from(self.last) + kind.constant * (1 + taken)
            }
            Allocation::Random | Allocation::Unknown => i32::from(rng.u16(1024..)),
        };
        loop {
            if !(LOWEST..65_536).contains(&candidate) {
                candidate = LOWEST + (candidate - LOWEST).rem_euclid(65_536 - LOWEST);
            }
            let port = candidate as u16;
            if !self.by_port.contains_key(&port) && !self.forwards.contains_key(&port) {
                if kind.allocation == Allocation::Sequential {
                    self.last = port;
                }
                return port;
            }
            candidate += if kind.allocation == Allocation::Sequential { kind.constant } else { 1 };
        }
    }

    /// What a faultless measurement would find.
    pub fn side(&self) -> Side {
        let row = self.kind.allocation == Allocation::Sequential;
        Side {
            outside_ip: Some(self.ip),
            mapping: self.kind.mapping,
            allocation: self.kind.allocation,
            constant: self.kind.constant,
            last_outside: row.then_some(self.last),
        }
    }
}
