//! What kind of NAT we are behind.
//!
//! ```text
//!   plan ── which connections ──▶ node::nat_probe ── ask: "how do you see me?" ──▶ rendezvous servers
//!                                       │ Observation
//!                                       ▼
//!   judge ── allocation (which outside ports) + mapping (how long they are kept) ──▶ NatReport ── predict
//! ```
//!
//! `docs/nat.md` tells the rules and where they come from. This file is PyP2P's own classification, by whose names
//! nodes tell each other of their NATs:
//!
//! The node makes [`PROBES`] connections to rendezvous servers, each from another local port, and asks each
//! time which port the server sees. [`classify`] turns the pairs into one of PyP2P's names, and a delta: the one the
//! original would find for the same ports, so even its dependence on the iteration order of a Python set is kept
//! (`set_order`). [`judge::judge`] knows more, and differs where the original is wrong.

pub mod allocation;
pub mod ask;
pub mod behaviour;
pub mod judge;
pub mod mapping;
pub mod plan;
mod predict;
pub mod report;
pub mod scope;
mod set_order;
#[cfg(test)]
mod sim;

use std::fmt;

use crate::small;

/// Probes PyP2P makes before it judges.
pub const PROBES: usize = 5;

/// So many probes may disagree with the rest (a port that happened to be taken) without changing the
/// judgement.
pub const COLLISIONS: usize = 1;

/// How a NAT chooses the outside port of a new connection, in PyP2P's names; the numbers are the C ABI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(i32)]
pub enum NatType {
    /// Not measured.
    #[default]
    Unknown = 0,
    /// There is no NAT. PyP2P has no name for it: to its eyes this is [`NatType::Preserving`].
    None = 1,
    /// The outside port is the local port.
    Preserving = 2,
    /// Outside ports follow one another at a fixed distance.
    Delta = 3,
    /// The same local port always gets the same outside port. PyP2P never finds this one, but a program may
    /// set it.
    Reuse = 4,
    /// Anything else.
    Random = 5,
}

impl NatType {
    /// The name PyP2P's programs know, and `none`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::Preserving => "preserving",
            Self::Delta => "delta",
            Self::Reuse => "reuse",
            Self::Random => "random",
        }
    }

    /// The type with this name (exact, lower case).
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Unknown, Self::None, Self::Preserving, Self::Delta, Self::Reuse, Self::Random]
            .into_iter()
            .find(|nat| nat.name() == name)
    }
}

impl fmt::Display for NatType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One probe: the local port a connection was made from, and the port the server saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Local port.
    pub source: u16,
    /// Port seen from outside.
    pub remote: u16,
}

/// A judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Classification {
    /// The kind of NAT.
    pub nat_type: NatType,
    /// Distance from one outside port to the next for [`NatType::Delta`], else 0.
    pub delta: i32,
}

/// Judges by PyP2P 0.8.3's rule: preserving if at least four probes kept their port, else whatever
/// [`delta_test`] says of the outside ports. No probes at all: unknown.
pub fn classify(probes: &[Probe]) -> Classification {
    if probes.is_empty() {
        return Classification::default();
    }
    if probes.iter().filter(|probe| probe.source == probe.remote).count() >= PROBES - COLLISIONS {
        return Classification { nat_type: NatType::Preserving, delta: 0 };
    }
    let remotes: Vec<u16> = probes.iter().map(|probe| probe.remote).collect();
    delta_test(&remotes)
}

/// Whether outside ports, in the order of the connections, follow one another at a fixed distance: delta or
/// random.
///
/// Every distance between neighbours is a candidate. Probes *agree* under a distance if they lie on one
/// arithmetic progression of it with at least one other probe; the candidate is accepted if at most
/// [`COLLISIONS`] probes agree with nobody. The first candidate accepted wins, in the order in which CPython
/// would walk through a set of them; if the winner is 0 (ports repeat), the NAT is random.
///
/// (The original also refuses a candidate with which exactly half of the probes disagree. With one collision
/// allowed that half would be one of two probes, and two probes agree or disagree together.)
pub fn delta_test(remotes: &[u16]) -> Classification {
    let distances = remotes.iter().zip(remotes.iter().skip(1)).map(|(&a, &b)| i32::from(b) - i32::from(a));
    let n = remotes.len();
    let accepted = set_order::iteration_order(distances)
        .into_iter()
        .find(|&distance| n - agreeing(remotes, distance) <= COLLISIONS);
    match accepted {
        Some(delta) if delta != 0 => Classification { nat_type: NatType::Delta, delta },
        _ => Classification { nat_type: NatType::Random, delta: 0 },
    }
}

/// How many ports have company on their progression `port = start + distance * index`.
fn agreeing(remotes: &[u16], distance: i32) -> usize {
    let mut starts: Vec<i64> =
        (0i64..).zip(remotes).map(|(index, &port)| i64::from(port) - i64::from(distance) * index).collect();
    small::sort(&mut starts);
    starts.chunk_by(|a, b| a == b).map(<[i64]>::len).filter(|&len| len > 1).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule as it is told in words, pair by pair.
    fn agreeing_naive(remotes: &[u16], d: i64) -> usize {
        let r = |i: usize| i64::from(remotes[i]);
        let n = remotes.len();
        (0..n).filter(|&i| (0..n).any(|j| j != i && r(j) == r(i) + d * (j as i64 - i as i64))).count()
    }

    #[test]
    fn no_probes() {
        assert_eq!(classify(&[]).nat_type, NatType::Unknown);
        assert_eq!(delta_test(&[]).nat_type, NatType::Random);
    }

    #[test]
    fn names() {
        for name in ["unknown", "preserving", "delta", "reuse", "random"] {
            assert_eq!(NatType::from_name(name).map(NatType::name), Some(name));
        }
        assert_eq!(NatType::from_name("Random"), None);
    }

    /// A case in which the order decides: both 1 and 0 would be accepted here, and CPython meets 0 first.
    #[test]
    fn order_decides() {
        assert_eq!(delta_test(&[1, 1, 2, 2, 3]), Classification { nat_type: NatType::Random, delta: 0 });
    }

    proptest! {
        #[test]
        fn agreement_is_the_pairwise_rule(ports in prop::collection::vec(0..12u16, 0..9), d in -4..5i32) {
            prop_assert_eq!(agreeing(&ports, d), agreeing_naive(&ports, i64::from(d)));
        }

        #[test]
        fn straight_rows_are_found(start in 20_000..40_000u16, d in -500..500i32, n in 3..7usize) {
            let ports: Vec<u16> = (0..n as i32).map(|i| (i32::from(start) + d * i) as u16).collect();
            prop_assert_eq!(delta_test(&ports).delta, d);
        }

        #[test]
        fn never_panics(ports in prop::collection::vec(any::<u16>(), 0..40)) {
            let probes: Vec<_> = ports.iter().map(|&p| Probe { source: p, remote: p / 2 }).collect();
            classify(&probes);
        }
    }
}
