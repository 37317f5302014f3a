//! The table of mappings: which external port an inside address gets, and who may send to it. No sockets, no clock:
//! time comes in.
//!
//! The words are those of RFC 4787 and RFC 5382: mapping and filtering behaviour, port allocation.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use crate::natbox::packet::Protocol;

/// On what of the destination a mapping, or a permission to send in, depends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    /// On nothing: endpoint-independent.
    Endpoint,
    /// Address-dependent.
    Address,
    /// Address- and port-dependent.
    AddressAndPort,
}

impl By {
    fn part(self, remote: SocketAddrV4) -> SocketAddrV4 {
        match self {
            By::Endpoint => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            By::Address => SocketAddrV4::new(*remote.ip(), 0),
            By::AddressAndPort => remote,
        }
    }
}

/// How a new mapping gets its port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ports {
    /// The source port; when it is taken the next free one above.
    Preserving,
    /// The source port plus this; when that is taken plus this again.
    Delta(i32),
    /// The last mapping's port plus `step`, and as much again for each of up to `noise` mappings that other traffic
    /// has taken in between.
    Sequential { step: i32, noise: u32 },
    /// Any free port.
    Random,
}

/// How the table behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) mapping: By,
    pub(crate) filtering: By,
    pub(crate) ports: Ports,
    /// A mapping unused for so long is gone.
    pub(crate) timeout: Duration,
    pub(crate) rst_kills: bool,
    pub(crate) seed: u64,
}

/// Where the ports of mappings come from.
const FIRST: u16 = 1024;
const NUMBER: i32 = 65_536 - FIRST as i32;

type Key = (Protocol, SocketAddrV4, SocketAddrV4);

struct Mapping {
    key: Key,
    permitted: BTreeSet<SocketAddrV4>,
    used: Duration,
}

/// What becomes of a packet from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Inbound {
    /// It goes to this inside address.
    To(SocketAddrV4),
    /// There is no mapping.
    Unmapped,
    /// There is one, but not for this sender.
    Filtered,
}

/// The table.
pub(crate) struct Table {
    rules: Rules,
    mappings: BTreeMap<(Protocol, u16), Mapping>,
    ports: BTreeMap<Key, u16>,
    last: BTreeMap<Protocol, u16>,
    random: fastrand::Rng,
}

impl Table {
    pub(crate) fn new(rules: Rules) -> Table {
        Table {
            rules,
            mappings: BTreeMap::new(),
            ports: BTreeMap::new(),
            last: BTreeMap::new(),
            random: fastrand::Rng::with_seed(rules.seed),
        }
    }

    /// Begins anew, but not with the same random ports.
    pub(crate) fn forget_all(&mut self) {
        self.mappings.clear();
        self.ports.clear();
        self.last.clear();
    }

    /// The external port for a packet from inside, which may answer from now on. `None`: every port is taken.
    pub(crate) fn outbound(
        &mut self,
        now: Duration,
        protocol: Protocol,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Option<u16> {
        let key = (protocol, inside, self.rules.mapping.part(remote));
        if let Some(&port) = self.ports.get(&key) {
            self.forget_if_old(now, protocol, port);
        }
        let port = match self.ports.get(&key) {
            Some(&port) => port,
            None => {
                let port = self.allocate(now, protocol, inside.port())?;
                self.ports.insert(key, port);
                self.mappings
                    .insert((protocol, port), Mapping { key, permitted: BTreeSet::new(), used: now });
                port
            }
        };
        let mapping = self.mappings.get_mut(&(protocol, port))?;
        mapping.used = now;
        mapping.permitted.insert(self.rules.filtering.part(remote));
        Some(port)
    }

    /// Where a packet from outside to this port goes.
    pub(crate) fn inbound(
        &mut self,
        now: Duration,
        protocol: Protocol,
        port: u16,
        remote: SocketAddrV4,
    ) -> Inbound {
        self.forget_if_old(now, protocol, port);
        let Some(mapping) = self.mappings.get_mut(&(protocol, port)) else { return Inbound::Unmapped };
        if !mapping.permitted.contains(&self.rules.filtering.part(remote)) {
            return Inbound::Filtered;
        }
        mapping.used = now;
        Inbound::To(mapping.key.1)
    }

    /// The external port that an inside address has towards a remote one, if it has one.
    pub(crate) fn existing(
        &self,
        protocol: Protocol,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Option<u16> {
        self.ports.get(&(protocol, inside, self.rules.mapping.part(remote))).copied()
    }

    /// A TCP reset went through this port, in either direction.
    pub(crate) fn reset(&mut self, port: u16) {
        if self.rules.rst_kills {
            self.forget(Protocol::Tcp, port);
        }
    }

    fn forget(&mut self, protocol: Protocol, port: u16) {
        if let Some(mapping) = self.mappings.remove(&(protocol, port)) {
            self.ports.remove(&mapping.key);
        }
    }

    fn forget_if_old(&mut self, now: Duration, protocol: Protocol, port: u16) {
        let is_old =
            |m: &Mapping, timeout: Duration| now.checked_sub(m.used).is_some_and(|age| age >= timeout);
        if self.mappings.get(&(protocol, port)).is_some_and(|m| is_old(m, self.rules.timeout)) {
            self.forget(protocol, port);
        }
    }

    fn allocate(&mut self, now: Duration, protocol: Protocol, source: u16) -> Option<u16> {
        let (mut port, step) = match self.rules.ports {
            Ports::Preserving => (in_range(source.into()), 1),
            Ports::Delta(delta) => (in_range(i32::from(source) + delta), delta),
            Ports::Sequential { step, noise } => match self.last.get(&protocol) {
                None => (self.random.u16(20_000..50_000), step),
                Some(&last) => {
                    let others = self.random.u32(0..=noise).cast_signed();
                    (in_range(i32::from(last) + step * (1 + others)), step)
                }
            },
            Ports::Random => (self.random.u16(FIRST..), 1),
        };
        let step = if step == 0 { 1 } else { step };
        for _ in 0..NUMBER {
            self.forget_if_old(now, protocol, port);
            if !self.mappings.contains_key(&(protocol, port)) {
                self.last.insert(protocol, port);
                return Some(port);
            }
            port = match self.rules.ports {
                Ports::Random => self.random.u16(FIRST..),
                _ => in_range(i32::from(port) + step),
            };
        }
        None
    }
}

/// Ports go round.
fn in_range(port: i32) -> u16 {
    let offset = (port - i32::from(FIRST)).rem_euclid(NUMBER);
    // Less than 65,536 by construction.
    (offset + i32::from(FIRST)) as u16
}
