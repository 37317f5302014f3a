//! Who connects to what: from our local ports and the peer's outside ports to a list of attempts, in the
//! order in which they leave.

use std::collections::BTreeSet;

use super::side::{Foresight, LOWEST_PORT};
use super::technique::Technique;

/// One attempt: from the local port with this index to that outside port of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aim {
    /// Index into our local ports.
    pub slot: usize,
    /// Port at the peer's outside address.
    pub port: u16,
}

/// What the list depends on.
#[derive(Debug)]
pub(super) struct Situation<'a> {
    /// The technique.
    pub technique: Technique,
    /// How we foresee our ports.
    pub ours: Foresight,
    /// How the peer foresees its.
    pub theirs: Foresight,
    /// Whether we have begun the punch.
    pub initiator: bool,
    /// How many local ports we have.
    pub slots: usize,
    /// The peer's outside ports as it foresees them.
    pub ports: &'a [u16],
    /// How many ports to guess.
    pub guesses: usize,
}

impl Situation<'_> {
    /// The attempts.
    pub(super) fn aims(&self, rng: &mut fastrand::Rng) -> Vec<Aim> {
        match self.technique {
            Technique::Hopeless(_) => Vec::new(),
            _ if self.slots == 0 => Vec::new(),
            Technique::Spray { we_guess: true } => {
                distinct_ports(self.guesses, rng).into_iter().map(|port| Aim { slot: 0, port }).collect()
            }
            Technique::Spray { we_guess: false } => self.many_to_one(),
            Technique::Predict => self.foreseen(),
        }
    }

    /// From each local port to the one port of the guesser. If that is the next of a row and others may take
    /// it, the guesser has told the next few.
    fn many_to_one(&self) -> Vec<Aim> {
        let spread = if matches!(self.theirs, Foresight::Row { .. }) { 4 } else { 1 };
        let targets = self.ports.get(..spread).unwrap_or(self.ports);
        (0..self.slots).zip(targets.iter().cycle()).map(|(slot, port)| Aim { slot, port: *port }).collect()
    }

    fn foreseen(&self) -> Vec<Aim> {
        let in_row = |foresight| matches!(foresight, Foresight::Row { .. });
        let n = self.ports.len();
        match (in_row(self.ours), in_row(self.theirs)) {
            _ if n == 0 => Vec::new(),
            // Each port is one local port of the peer: pair them off. The peer does the same with the sides
            // exchanged.
            (false, false) => (0..self.slots.max(n))
                .filter_map(|i| self.ports.get(i % n).map(|port| Aim { slot: i % self.slots, port: *port }))
                .collect(),
            // All are guesses at one port, or at the few next ones. Each of our local ports begins at another
            // guess, in case only its first destination sees the port we told.
            (false, true) => (0..n)
                .flat_map(|k| {
                    (0..self.slots).map(move |slot| (slot, (behind(slot, late(slot, n), n) + k) % n))
                })
                .filter_map(|(slot, at)| self.ports.get(at).map(|port| Aim { slot, port: *port }))
                .collect(),
            // The k-th of ours is meant to get the k-th port we told, and they know theirs.
            (true, false) => self.ports.iter().map(|port| Aim { slot: 0, port: *port }).collect(),
            // And theirs likewise.
            (true, true) => (0..n)
                .map(|k| {
                    let (initiator, responder) = both_late(k, n);
                    behind(k, if self.initiator { responder } else { initiator }, n)
                })
                .filter_map(|at| self.ports.get(at).map(|port| Aim { slot: 0, port: *port }))
                .collect(),
        }
    }
}

/// If others behind a NAT take ports of a row after it was foreseen, all that follow come out later by as many. The first
/// half of the attempts counts on nobody having done so; each of the others bets on so many ports, and meets only if that
/// was it. (In this order, as what is refused takes a port, too.)
fn late(k: usize, n: usize) -> usize {
    (k + 1).checked_sub(n.div_ceil(2)).map_or(0, |over| over.div_ceil(2))
}

/// The same if both sides' ports are in a row: by how many the initiator's are late, and the responder's. Both go by
/// this table, so that both sides' k-th attempt makes the same bet.
fn both_late(k: usize, n: usize) -> (usize, usize) {
    const BETS: [(usize, usize); 8] = [(1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (2, 1), (1, 2), (2, 2)];
    k.checked_sub(n.div_ceil(2)).and_then(|over| BETS.get(over).copied()).unwrap_or_default()
}

/// The port that comes so many behind the k-th of the n that were told; the k-th itself, if that was not told.
fn behind(k: usize, late: usize, n: usize) -> usize {
    if k + late < n { k + late } else { k }
}

/// That many different ports, each equally likely; at most half of all there are.
fn distinct_ports(count: usize, rng: &mut fastrand::Rng) -> Vec<u16> {
    let count = count.min(usize::from((u16::MAX - LOWEST_PORT) / 2));
    let mut known = BTreeSet::new();
    let mut ports = Vec::with_capacity(count);
    while ports.len() < count {
        let port = rng.u16(LOWEST_PORT..);
        if known.insert(port) {
            ports.push(port);
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Foresight = Foresight::Computed { first_only: false };
    const ROW: Foresight = Foresight::Row { shared: false };

    fn aims(ours: Foresight, theirs: Foresight, slots: usize, ports: &[u16]) -> Vec<(usize, u16)> {
        let technique = Technique::Predict;
        let situation = Situation { technique, ours, theirs, initiator: true, slots, ports, guesses: 0 };
        situation.aims(&mut fastrand::Rng::with_seed(1)).iter().map(|aim| (aim.slot, aim.port)).collect()
    }

    #[test]
    fn fixed_ports_are_paired_off_the_same_way_by_both() {
        for (a, b) in [(2, 2), (6, 2), (2, 6), (1, 3), (5, 3)] {
            let (ours, theirs): (Vec<u16>, Vec<u16>) = ((0..a).collect(), (0..b).collect());
            let mut one = aims(FIXED, FIXED, a.into(), &theirs);
            let mut other: Vec<(usize, u16)> = aims(FIXED, FIXED, b.into(), &ours)
                .into_iter()
                .map(|(slot, port)| (usize::from(port), slot as u16))
                .collect();
            one.sort_unstable();
            other.sort_unstable();
            assert_eq!(one, other, "{a} and {b}");
        }
    }

    #[test]
    fn rows() {
        assert_eq!(
            aims(FIXED, ROW, 2, &[10, 11, 12]),
            [(0, 10), (1, 11), (0, 11), (1, 12), (0, 12), (1, 10)]
        );
        assert_eq!(aims(ROW, FIXED, 1, &[10, 20]), [(0, 10), (0, 20)]);
        assert_eq!(aims(ROW, ROW, 1, &[10, 11, 12]), [(0, 10), (0, 11), (0, 12)]);
    }

    #[test]
    fn some_bet_on_a_row_that_is_late() {
        // Of two rows: ports 100 + k of the initiator and 200 + k of the responder, which come out so many later.
        let meets = |n: u16, late: (u16, u16)| {
            let row = |first: u16| (first..first + n).collect::<Vec<u16>>();
            let side = |initiator, ports: &[u16]| {
                let technique = Technique::Predict;
                let situation =
                    Situation { technique, ours: ROW, theirs: ROW, initiator, slots: 1, ports, guesses: 0 };
                situation.aims(&mut fastrand::Rng::with_seed(1))
            };
            let (ours, theirs) = (side(true, &row(200)), side(false, &row(100)));
            let from = |first: u16, late: u16, aims: &[Aim]| -> BTreeSet<(u16, u16)> {
                (first + late..).zip(aims).map(|(from, aim)| (from, aim.port)).collect()
            };
            let ours = from(100, late.0, &ours);
            from(200, late.1, &theirs).into_iter().any(|(from, to)| ours.contains(&(to, from)))
        };
        for late in [(0, 0), (1, 0), (0, 1)] {
            assert!(meets(6, late), "{late:?}");
        }
        for late in [(1, 1), (2, 0), (0, 2)] {
            assert!(meets(12, late), "{late:?}");
        }
        assert!(!meets(6, (3, 0)), "no bet on that");
        // Of one row, against local ports that keep their promise once.
        let once = Foresight::Computed { first_only: true };
        let ports: Vec<u16> = (10..16).collect();
        let first: Vec<u16> = aims(once, ROW, 6, &ports)[..6].iter().map(|(_, port)| *port).collect();
        assert_eq!(
            first,
            [10, 11, 12, 14, 15, 15],
            "the k-th local port meets the k-th of the row, or the next"
        );
        assert_eq!(late(11, 12), 3);
    }

    #[test]
    fn spray() {
        let mut rng = fastrand::Rng::with_seed(1);
        let situation = |we_guess, slots, ports: &'static [u16], theirs| Situation {
            technique: Technique::Spray { we_guess },
            ours: FIXED,
            theirs,
            initiator: true,
            slots,
            ports,
            guesses: 320,
        };
        let guesses = situation(true, 2, &[], Foresight::Blind).aims(&mut rng);
        let different: std::collections::BTreeSet<u16> = guesses.iter().map(|aim| aim.port).collect();
        assert_eq!(different.len(), 320);
        assert!(guesses.iter().all(|aim| aim.slot == 0 && aim.port >= LOWEST_PORT));
        let many = situation(false, 256, &[5000, 6000], FIXED).aims(&mut rng);
        assert_eq!(many.len(), 256);
        assert!(many.iter().all(|aim| aim.port == 5000));
        let spread = situation(false, 6, &[5000, 6000, 7000], ROW).aims(&mut rng);
        assert_eq!(spread.iter().filter(|aim| aim.port == 7000).count(), 2);
        assert!(situation(true, 0, &[], FIXED).aims(&mut rng).is_empty());
        assert!(situation(false, 9, &[], FIXED).aims(&mut rng).is_empty());
    }
}
