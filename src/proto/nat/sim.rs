//! Simulated NATs, measured as the node measures: the verdict has to be right whatever the NAT, the noise and
//! the seed.

mod verdicts;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::behaviour::Mapping;
use super::judge::{Observation, judge};
use super::plan::{FRESH, LocalPorts, Targets, second_round};
use super::report::NatReport;

/// How a simulated NAT chooses ports.
#[derive(Clone, Copy, Debug)]
enum Ports {
    Preserving,
    Delta(i32),
    /// A step, and up to so many steps taken by others before each of ours.
    Row(i32, u16),
    /// As `Row` with step 1, but a row of its own for each destination.
    RowPerPlace,
    Random,
}

struct Nat {
    rng: fastrand::Rng,
    mapping: Mapping,
    ports: Ports,
    /// The range it maps to.
    range: (u16, u16),
    /// One in so many ports is taken by somebody else.
    taken_one_in: u32,
    counters: BTreeMap<SocketAddr, i32>,
    mapped: BTreeMap<(u16, Option<IpAddr>, Option<u16>), u16>,
}

impl Nat {
    fn new(seed: u64, mapping: Mapping, ports: Ports) -> Nat {
        let rng = fastrand::Rng::with_seed(seed);
        Nat {
            rng,
            mapping,
            ports,
            range: (1024, 65_535),
            taken_one_in: 0,
            counters: BTreeMap::new(),
            mapped: BTreeMap::new(),
        }
    }

    fn map(&mut self, local: u16, to: SocketAddr) -> u16 {
        let key = match self.mapping {
            Mapping::EndpointIndependent => (local, None, None),
            Mapping::AddressDependent => (local, Some(to.ip()), None),
            _ => (local, Some(to.ip()), Some(to.port())),
        };
        if let Some(known) = self.mapped.get(&key) {
            return *known;
        }
        let mut port = self.choose(local, to);
        let foreign = self.taken_one_in > 0 && self.rng.u32(0..self.taken_one_in) == 0;
        // A port that is in use is not given out again, ours or others'.
        while foreign && port == self.first_choice(local) || self.mapped.values().any(|used| *used == port) {
            port = match self.ports {
                Ports::Row(..) | Ports::RowPerPlace => self.choose(local, to),
                _ => self.rng.u16(self.range.0..=self.range.1),
            };
        }
        self.mapped.insert(key, port);
        port
    }

    fn first_choice(&self, local: u16) -> u16 {
        match self.ports {
            Ports::Delta(delta) => self.fold(i32::from(local) + delta),
            _ => local,
        }
    }

    fn choose(&mut self, local: u16, to: SocketAddr) -> u16 {
        let (low, high) = self.range;
        let (step, noise, place) = match self.ports {
            Ports::Row(step, noise) => (step, noise, SocketAddr::from(([0; 4], 0))),
            Ports::RowPerPlace => (1, 0, to),
            Ports::Random => return self.rng.u16(low..=high),
            Ports::Preserving | Ports::Delta(_) => return self.first_choice(local),
        };
        let start = i32::from(self.rng.u16(low..=high));
        let mut jumps = 1 + i32::from(self.rng.u16(0..=noise));
        if self.taken_one_in > 0 && self.rng.u32(0..self.taken_one_in) == 0 {
            jumps += 1;
        }
        let last = self.counters.entry(place).or_insert(start);
        *last += step * jumps;
        let last = *last;
        let port = self.fold(last);
        self.counters.insert(place, port.into());
        port
    }

    fn fold(&self, number: i32) -> u16 {
        let (low, high) = (i32::from(self.range.0), i32::from(self.range.1));
        (low + (number - low).rem_euclid(high - low + 1)) as u16
    }
}

/// What happens to probes on their way.
#[derive(Clone, Copy, Default)]
struct Way {
    /// One in so many gets no answer.
    lost_one_in: u32,
    /// One in so many is overtaken by the next.
    swapped_one_in: u32,
    without_next: bool,
    without_other: bool,
}

fn measure(nat: &mut Nat, seed: u64, way: Way) -> (NatReport, Vec<Observation>) {
    let mut rng = fastrand::Rng::with_seed(!seed);
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let targets = Targets {
        first: SocketAddr::new(ip("198.51.100.1"), 8000),
        next: (!way.without_next).then_some(SocketAddr::new(ip("198.51.100.1"), 8001)),
        other: (!way.without_other).then_some(SocketAddr::new(ip("198.51.100.2"), 8000)),
    };
    let mut ports = LocalPorts::new(rng.fork());
    let first = (ports.next().unwrap(), targets.first);
    let locals: Vec<u16> = ports.take(FRESH).collect();
    let mut sent = vec![first];
    sent.extend(second_round(&targets, FRESH).iter().map(|planned| (locals[planned.local], planned.to)));
    let mut arrival: Vec<usize> = (0..sent.len()).collect();
    for i in 2..sent.len() {
        if way.swapped_one_in > 0 && rng.u32(0..way.swapped_one_in) == 0 {
            arrival.swap(i - 1, i);
        }
    }
    let mut outside = BTreeMap::new();
    for i in arrival {
        outside.insert(i, nat.map(sent[i].0, sent[i].1));
    }
    let mut seen: Vec<Observation> = sent
        .iter()
        .enumerate()
        .map(|(i, &(local, server))| Observation {
            local: SocketAddr::new(ip("192.168.0.2"), local),
            server,
            outside_port: outside[&i],
            outside_ip: Some(ip("203.0.113.7")),
        })
        .collect();
    seen.retain(|_| way.lost_one_in == 0 || rng.u32(0..way.lost_one_in) != 0);
    (judge(&seen), seen)
}
