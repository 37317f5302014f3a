//! Which connections measure a NAT: from which local ports, to where, in which order.
//!
//! The first connection asks a server where else it can be asked. Then all others start at once, in this
//! order:
//!
//! * *fresh* ones, each from a local port of its own to the same place, show how outside ports are given out;
//! * *repeated* ones, from a few of these local ports to the server's second port and to another address,
//!   show whether a local port keeps its outside port.
//!
//! The first fresh ones go ahead, so that with the very first connection there are five in a row as PyP2P
//! makes them. The repeated ones then alternate with fresh ones: if outside ports make a row, it must go on
//! whatever the destination.
//!
//! Local ports are spaced unevenly. From consecutive ones, "source + 7" and "the last one + 1" look alike.

use std::net::SocketAddr;

use super::PROBES;

/// Fresh connections beside the first one.
pub const FRESH: usize = 7;

/// Local ports from which is asked elsewhere, too. More than one, since other traffic may take a port from
/// us.
pub const REPEATED: usize = 3;

/// No two local ports are nearer than this, so that other traffic does not make a row of outside ports look
/// like them.
const MIN_GAP: u16 = 100;

/// Local ports are taken from here: ports that systems give out themselves.
const LOCAL: std::ops::RangeInclusive<u16> = 33_000..=60_900;

/// Where a server can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Targets {
    /// Where the first connection went.
    pub first: SocketAddr,
    /// Another port of that address.
    pub next: Option<SocketAddr>,
    /// Another address: of that server, or another server.
    pub other: Option<SocketAddr>,
}

/// One connection to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// From which local port: an index, the same for the same port.
    pub local: usize,
    /// To where.
    pub to: SocketAddr,
}

/// The connections to make after the first one, in order. `fresh`: [`FRESH`], or fewer.
pub fn second_round(targets: &Targets, fresh: usize) -> Vec<Planned> {
    let to_first = |local| Planned { local, to: targets.first };
    let ahead = fresh.min(PROBES - 1);
    let mut plan: Vec<Planned> = (0..ahead).map(to_first).collect();
    let mut more = (ahead..fresh).map(to_first);
    for local in 0..ahead.min(REPEATED) {
        plan.extend([targets.next, targets.other].into_iter().flatten().map(|to| Planned { local, to }));
        plan.extend(more.next());
    }
    plan.extend(more);
    plan
}

/// Endless local ports, no two near each other and no two pairs at the same distance.
#[derive(Debug)]
pub struct LocalPorts {
    rng: fastrand::Rng,
    taken: Vec<u16>,
    /// Those between any two that are taken.
    distances: Vec<u16>,
}

impl LocalPorts {
    /// Ports chosen by `rng`.
    pub fn new(rng: fastrand::Rng) -> LocalPorts {
        LocalPorts { rng, taken: Vec::new(), distances: Vec::new() }
    }

    /// Whether `port` is far from all that are taken, and at distances that are new.
    fn fits(&self, port: u16) -> bool {
        let distance = |taken: &u16| taken.abs_diff(port);
        self.taken.iter().enumerate().all(|(i, taken)| {
            let new = distance(taken);
            new >= MIN_GAP
                && !self.distances.contains(&new)
                && self.taken[..i].iter().all(|other| distance(other) != new)
        })
    }

    fn add(&mut self, port: u16) {
        self.distances.extend(self.taken.iter().map(|taken| taken.abs_diff(port)));
        self.taken.push(port);
    }
}

impl Iterator for LocalPorts {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        // With a dozen ports nearly every draw fits. Should somebody draw hundreds, the rules give way.
        let mut port = self.rng.u16(LOCAL);
        for _ in 0..64 {
            if self.fits(port) {
                break;
            }
            port = self.rng.u16(LOCAL);
        }
        self.add(port);
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn local_ports_are_uneven() {
        for seed in 0..200 {
            let ports: Vec<u16> =
                LocalPorts::new(fastrand::Rng::with_seed(seed)).take(FRESH + 1 + REPEATED).collect();
            assert!(ports.iter().all(|port| LOCAL.contains(port)), "{ports:?}");
            let pairs = ports.iter().enumerate().flat_map(|(i, a)| ports[..i].iter().map(|b| a.abs_diff(*b)));
            let distances: Vec<u16> = pairs.collect();
            assert!(distances.iter().all(|distance| *distance >= MIN_GAP), "{ports:?}");
            assert_eq!(BTreeSet::from_iter(&distances).len(), distances.len(), "{ports:?}");
        }
        let mut two = LocalPorts::new(fastrand::Rng::with_seed(0));
        two.add(40_000);
        two.add(41_000);
        assert_eq!([41_050, 42_000, 40_500, 42_001].map(|port| two.fits(port)), [false, false, false, true]);
        let many = LocalPorts::new(fastrand::Rng::with_seed(1)).take(60).count();
        assert_eq!(many, 60, "drawing goes on");
    }

    #[test]
    fn order_and_targets() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let targets = Targets { first: at("192.0.2.1:1"), next: Some(at("192.0.2.1:2")), other: None };
        let plan = second_round(&targets, FRESH);
        assert_eq!(plan.len(), FRESH + REPEATED);
        let both = Targets { other: Some(at("192.0.2.2:1")), ..targets };
        let plan = second_round(&both, FRESH);
        let text: Vec<String> = plan.iter().map(|p| format!("{}>{}", p.local, p.to)).collect();
        let (first, next, other) = ("192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1");
        let expected = [
            (0, first),
            (1, first),
            (2, first),
            (3, first),
            (0, next),
            (0, other),
            (4, first),
            (1, next),
            (1, other),
            (5, first),
            (2, next),
            (2, other),
            (6, first),
        ];
        assert_eq!(text, expected.map(|(local, to)| format!("{local}>{to}")));
        assert_eq!(second_round(&both, 2).len(), 6);
        assert!(second_round(&targets, 0).is_empty());
    }
}
