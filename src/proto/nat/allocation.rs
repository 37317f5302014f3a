//! How outside ports are chosen, from pairs of local and outside port in the order of the connections.
//!
//! The tests are made in this order, and the first that holds decides; `docs/nat.md` gives the reasons for
//! the thresholds.

use super::Probe;
use super::behaviour::Allocation;
use crate::small;

/// A row counts as sequential if each port is at most so many steps behind the one before: seven of others in
/// between.
pub const MAX_STEPS: i32 = 8;

/// Fewer ports than this show no row, and no absence of one.
pub const MIN_ROW: usize = 4;

/// What the ports show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub allocation: Allocation,
    /// Outside minus local port, for [`Allocation::Delta`].
    pub delta: i32,
    /// One outside port to the next, for [`Allocation::Sequential`].
    pub step: i32,
    /// So many ports (or, in a row, distances) follow the rule.
    pub fits: usize,
    /// Of so many.
    pub of: usize,
    /// Ports of a row that somebody else must have got.
    pub others: usize,
}

/// Judges ports: `fresh` are those of the first connections of as many local ports, `new` the outside ports
/// of all new mappings, which are more if a local port does not keep its outside port. Both in the order of
/// the connections.
pub fn judge(fresh: &[Probe], new: &[u16]) -> Finding {
    preserving(fresh).or_else(|| delta(fresh)).or_else(|| row(new)).unwrap_or(Finding {
        allocation: if fresh.len() >= MIN_ROW { Allocation::Random } else { Allocation::Unknown },
        of: new.len(),
        ..Finding::default()
    })
}

/// At least half keep their port. That a random port is the local one happens once in some 60,000.
fn preserving(probes: &[Probe]) -> Option<Finding> {
    let kept = probes.iter().filter(|probe| probe.source == probe.remote).count();
    let found =
        Finding { allocation: Allocation::Preserving, fits: kept, of: probes.len(), ..Finding::default() };
    (kept > 0 && kept * 2 >= probes.len()).then_some(found)
}

/// At least half, and at least two, are at one distance from their local ports.
fn delta(probes: &[Probe]) -> Option<Finding> {
    let mut deltas: Vec<i32> = probes.iter().map(|p| i32::from(p.remote) - i32::from(p.source)).collect();
    small::sort_by_key(&mut deltas, |delta| (delta.rem_euclid(65_536), *delta));
    // Around the end of the port range the same distance has two forms; the more frequent one is named.
    let same =
        deltas.chunk_by(|a, b| a.rem_euclid(65_536) == b.rem_euclid(65_536)).max_by_key(|same| same.len())?;
    let name = same.chunk_by(|a, b| a == b).max_by_key(|form| form.len())?.first().copied()?;
    let found = Finding {
        allocation: Allocation::Delta,
        delta: name,
        fits: same.len(),
        of: probes.len(),
        ..Finding::default()
    };
    (same.len() >= 2 && same.len() * 2 >= probes.len()).then_some(found)
}

/// Outside ports that follow one another at a fixed step, or several: others open connections, too.
///
/// Every distance between neighbours, and what two of them have in common, may be the step. A distance *fits*
/// a step if it is 1 to [`MAX_STEPS`] times that. A quarter of the distances need not fit: the range came to
/// its end, two connections overtook each other. Or one port may be left out altogether: the local port had a
/// mapping from before, as PyP2P's test allows, too. Of what leaves fewest odd, the largest step is taken.
///
/// If nothing fits, connections may have overtaken each other all over the place: see `overtaken`.
pub fn row(remotes: &[u16]) -> Option<Finding> {
    if remotes.len() < MIN_ROW {
        return None;
    }
    let without = |stray: usize| {
        let rest: Vec<u16> =
            remotes.iter().enumerate().filter(|(i, _)| *i != stray).map(|(_, port)| *port).collect();
        // What is left out counts as odd.
        fit(&distances(&rest)).map(|found| Finding { of: found.of + 1, ..found })
    };
    let whole = fit(&distances(remotes));
    if whole.is_some_and(|found| found.fits == found.of) {
        return whole;
    }
    let best = (0..remotes.len()).filter_map(without).chain(whole).max_by_key(|found| {
        // Of two that say the same, the one that takes the whole row: it comes last.
        (std::cmp::Reverse(found.of - found.fits), found.step.abs())
    });
    best.or_else(|| overtaken(remotes))
}

/// Modulo 65536, so that the end of the port range is no end of the row.
fn distance(from: u16, to: u16) -> i32 {
    i32::from(to.wrapping_sub(from).cast_signed())
}

fn distances(remotes: &[u16]) -> Vec<i32> {
    remotes.iter().zip(remotes.iter().skip(1)).map(|(a, b)| distance(*a, *b)).collect()
}

/// A row whose order got lost on the way: sorted, the ports are a row (which may be broken once), two thirds
/// of the distances as they came go one way, and none goes far.
fn overtaken(remotes: &[u16]) -> Option<Finding> {
    let as_came = distances(remotes);
    let up = as_came.iter().filter(|d| **d > 0).count();
    let down = as_came.iter().filter(|d| **d < 0).count();
    let direction = if up > down { 1 } else { -1 };
    let start = remotes.first()?;
    let mut places: Vec<i32> = remotes.iter().map(|port| distance(*start, *port) * direction).collect();
    small::sort(&mut places);
    let sorted: Vec<i32> = places.iter().zip(places.iter().skip(1)).map(|(a, b)| b - a).collect();
    let found = fit(&sorted).filter(|found| found.of - found.fits <= 1)?;
    let far = as_came.iter().filter(|d| d.abs() > 2 * MAX_STEPS * found.step).count();
    let goes_one_way = up.max(down) * 3 >= as_came.len() * 2;
    (far <= 1 && goes_one_way).then_some(Finding { step: found.step * direction, ..found })
}

/// The step that most distances fit, if but a quarter do not.
fn fit(distances: &[i32]) -> Option<Finding> {
    let of = distances.len();
    let all_steps = |step: i32| distances.iter().filter_map(move |d| steps(*d, step));
    let (step, fits) = candidates(distances)
        .into_iter()
        .map(|step| (step, all_steps(step).count()))
        // Among equals the larger step, and among these (no distance fits both) the one upwards.
        .max_by_key(|&(step, fits)| (fits, step.abs(), step))?;
    let others = all_steps(step).map(|n| usize::try_from(n - 1).unwrap_or(0)).sum();
    let found = Finding { allocation: Allocation::Sequential, step, fits, of, others, ..Finding::default() };
    (fits >= MIN_ROW - 1 && of - fits <= of / 4).then_some(found)
}

/// How many steps make the distance, if a small whole number does.
fn steps(distance: i32, step: i32) -> Option<i32> {
    let n = (step != 0 && distance % step == 0).then(|| distance / step)?;
    (1..=MAX_STEPS).contains(&n).then_some(n)
}

fn candidates(distances: &[i32]) -> Vec<i32> {
    let mut all: Vec<i32> = distances.iter().copied().filter(|d| *d != 0).collect();
    for (i, a) in distances.iter().enumerate() {
        all.extend(
            distances
                .iter()
                .skip(i + 1)
                .filter(|b| a.signum() == b.signum())
                .map(|b| gcd(*a, *b) * a.signum()),
        );
    }
    small::sort(&mut all);
    all.dedup();
    all
}

fn gcd(a: i32, b: i32) -> i32 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(list: &[(u16, u16)]) -> Finding {
        let probes: Vec<Probe> = list.iter().map(|&(source, remote)| Probe { source, remote }).collect();
        judge(&probes, &probes.iter().map(|probe| probe.remote).collect::<Vec<_>>())
    }

    fn step(remotes: &[u16]) -> Option<(i32, usize)> {
        row(remotes).map(|found| (found.step, found.others))
    }

    #[test]
    fn few_ports() {
        assert_eq!(pairs(&[]).allocation, Allocation::Unknown);
        assert_eq!(pairs(&[(40_000, 40_000)]).allocation, Allocation::Preserving);
        assert_eq!(pairs(&[(40_000, 40_007)]).allocation, Allocation::Unknown);
        assert_eq!(pairs(&[(40_000, 40_007), (50_000, 50_007)]).delta, 7);
        assert_eq!(pairs(&[(40_000, 9), (50_000, 10), (41_000, 11)]).allocation, Allocation::Unknown);
        assert_eq!(pairs(&[(40_000, 9), (50_000, 10), (41_000, 11), (35_000, 12)]).step, 1);
        assert_eq!(
            pairs(&[(40_000, 9), (50_000, 900), (41_000, 77), (35_000, 12)]).allocation,
            Allocation::Random
        );
    }

    #[test]
    fn distances_from_the_local_port() {
        let found = pairs(&[(40_000, 39_000), (50_000, 49_000), (41_000, 40_000), (35_000, 9)]);
        assert_eq!((found.allocation, found.delta, found.fits, found.of), (Allocation::Delta, -1000, 3, 4));
        let wrapped = pairs(&[(60_000, 64_465), (60_900, 65_365), (50_000, 54_465), (65_000, 3929)]);
        assert_eq!((wrapped.delta, wrapped.fits), (4465, 4), "65000 + 4465 is 3929 modulo 65536");
    }

    #[test]
    fn rows() {
        assert_eq!(step(&[5000, 5001, 5002, 5003, 5004]), Some((1, 0)));
        assert_eq!(step(&[5000, 5002, 5004, 5006]), Some((2, 0)));
        assert_eq!(step(&[5000, 5002, 5003, 5006, 5007]), Some((1, 3)), "others in between");
        assert_eq!(step(&[5000, 5004, 5012, 5016, 5020]), Some((4, 1)));
        assert_eq!(step(&[5000, 4990, 4980, 4970]), Some((-10, 0)));
        assert_eq!(step(&[40_000, 50_000, 60_000, 4464, 14_464]), Some((10_000, 0)), "a step of any size");
        assert_eq!(step(&[65_534, 65_535, 0, 1, 2]), Some((1, 0)));
        assert_eq!(step(&[38_190, 38_191, 30_000, 30_001, 30_002]), Some((1, 0)), "the end of its range");
        assert_eq!(step(&[5000, 5001, 5003, 5002, 5004]), Some((1, 2)), "two overtook each other");
        assert_eq!(step(&[5001, 5000, 5002, 5004, 5003, 5005, 5006]), Some((1, 2)), "twice");
        assert_eq!(step(&[6, 7, 5, 4, 2, 3, 1, 0]), Some((-1, 2)), "downwards, three times");
        assert_eq!(step(&[5000, 5001, 9999, 5003, 5004]), Some((1, 1)), "a stray");
        assert_eq!(step(&[1000, 2000, 500, 3000, 4000]), Some((1000, 0)), "as PyP2P sees it");
        assert_eq!(step(&[5816, 5818, 5819, 40, 5822, 5824, 5826, 5828]), Some((1, 6)));
        for none in [&[7, 7, 7, 7, 7][..], &[10, 20, 9000, 80, 20_000], &[1, 2, 3], &[1, 1, 2, 2, 3, 3, 9, 9]]
        {
            assert_eq!(step(none), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn any_ports_are_judged(list in prop::collection::vec((any::<u16>(), any::<u16>()), 0..40)) {
            let found = pairs(&list);
            prop_assert!(found.fits <= found.of && found.of <= list.len());
            prop_assert_eq!(found.step != 0, found.allocation == Allocation::Sequential);
        }
    }
}
