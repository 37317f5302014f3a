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
use crate::small;

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
}

impl LocalPorts {
    /// Ports chosen by `rng`.
    pub fn new(rng: fastrand::Rng) -> LocalPorts {
        LocalPorts { rng, taken: Vec::new() }
    }
}

impl Iterator for LocalPorts {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        // With a dozen ports nearly every draw fits. Should somebody draw hundreds, the rules give way.
        let mut port = self.rng.u16(LOCAL);
        for _ in 0..64 {
            let far = self.taken.iter().all(|taken| taken.abs_diff(port) >= MIN_GAP);
            if far && is_uneven(&self.taken, port) {
                break;
            }
            port = self.rng.u16(LOCAL);
        }
        self.taken.push(port);
        Some(port)
    }
}

/// Whether `port` is at distances from `taken` that no two of these have.
fn is_uneven(taken: &[u16], port: u16) -> bool {
    let old = taken.iter().enumerate().flat_map(|(i, a)| taken.iter().skip(i + 1).map(|b| a.abs_diff(*b)));
    let mut distances: Vec<u16> = old.chain(taken.iter().map(|a| a.abs_diff(port))).collect();
    let all = distances.len();
    small::sort(&mut distances);
    distances.dedup();
    distances.len() == all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_ports_are_uneven() {
        for seed in 0..200 {
            let ports: Vec<u16> =
                LocalPorts::new(fastrand::Rng::with_seed(seed)).take(FRESH + 1 + REPEATED).collect();
            for (i, a) in ports.iter().enumerate() {
                assert!(LOCAL.contains(a));
                assert!(ports.iter().skip(i + 1).all(|b| a.abs_diff(*b) >= MIN_GAP), "{ports:?}");
                assert!(is_uneven(&ports[..i], *a), "{ports:?}");
            }
        }
        assert!(!is_uneven(&[1000, 2000], 3000));
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
