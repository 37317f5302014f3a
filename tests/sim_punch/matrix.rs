//! All pairs of kinds, many times: who gets through, and how fast. The limits are those measured with real
//! kernels' NATs.

use std::collections::BTreeMap;
use std::time::Duration;

use p2pnet::proto::punch::Reason;

use crate::kinds::{Class, KINDS, class, variant};
use crate::world::{End, Plan, World};

/// How a run ended.
pub struct Outcome {
    /// Until both programs had read a line of the other.
    pub usable: Option<Duration>,
    /// Until the initiator knew.
    pub ended: Duration,
    pub reason: Option<Reason>,
    pub rounds: usize,
}

pub fn outcome(world: &World) -> Outcome {
    let [a, b] = &world.peers;
    let (at, end) = a.end.expect("the initiator's session has ended");
    let reason = match end {
        End::Won(_) => None,
        End::Failed(failure) => Some(failure.reason),
    };
    let usable = a.line.zip(b.line).map(|(a, b)| a.max(b) - world.net.start);
    let rounds = a.session.as_ref().map_or(0, |session| session.reports().len());
    Outcome { usable, ended: at - world.net.start, reason, rounds }
}

#[derive(Default)]
struct Cell {
    runs: usize,
    won: usize,
}

struct Row {
    runs: usize,
    won: usize,
    first_round: usize,
    times: Vec<Duration>,
    slowest_failure: Duration,
}

#[test]
fn every_pair_of_kinds() {
    let delay = Duration::from_millis(25);
    let mut cells: BTreeMap<(usize, usize), Cell> = BTreeMap::new();
    let mut classes: BTreeMap<Class, Row> = BTreeMap::new();
    for seed in crate::seeds(12) {
        for (i, a) in KINDS.iter().enumerate() {
            for (j, b) in KINDS.iter().enumerate() {
                let class = class(a, b);
                // Guessing is slow to simulate and needs fewer runs to be seen.
                if matches!(class, Class::Birthday | Class::NoisyBirthday) && seed % 2 == 1 {
                    continue;
                }
                let (a, b) = (variant(*a, seed / 2), variant(*b, seed / 2 / 4));
                let mut world = World::new(Plan::new(a, b, delay), seed << 16 | (i << 8 | j) as u64);
                world.run();
                let outcome = outcome(&world);
                let again = || format!("SIM_SEED={seed} {} x {}", a.name, b.name);
                let cell = cells.entry((i, j)).or_default();
                let row = classes.entry(class).or_insert(Row {
                    runs: 0,
                    won: 0,
                    first_round: 0,
                    times: Vec::new(),
                    slowest_failure: Duration::ZERO,
                });
                (cell.runs, row.runs) = (cell.runs + 1, row.runs + 1);
                match outcome.usable {
                    Some(time) => {
                        (cell.won, row.won) = (cell.won + 1, row.won + 1);
                        row.first_round += usize::from(outcome.rounds == 1);
                        row.times.push(time);
                        assert!(outcome.reason.is_none(), "{}", again());
                    }
                    None => {
                        assert_ne!(class, Class::Predictable, "{}: {:?}", again(), outcome.reason);
                        row.slowest_failure = row.slowest_failure.max(outcome.ended);
                        let reason = outcome.reason.expect("a failure has a reason");
                        let hopeless = matches!(reason, Reason::Hopeless(_));
                        assert_eq!(hopeless, class == Class::Hopeless, "{}: {reason:?}", again());
                    }
                }
            }
        }
    }
    print_matrix(&cells);
    println!("\nclass                 won of    runs   first round   median    worst   slowest failure");
    for (class, row) in &mut classes {
        row.times.sort_unstable();
        let median = row.times.get(row.times.len() / 2).copied().unwrap_or_default();
        let worst = row.times.last().copied().unwrap_or_default();
        println!(
            "{:<20} {:>5} {:>9} {:>11} {:>9} ms {:>6} ms {:>12} ms",
            format!("{class:?}"),
            row.won,
            row.runs,
            row.first_round,
            median.as_millis(),
            worst.as_millis(),
            row.slowest_failure.as_millis()
        );
    }
    check(&classes);
}

fn check(classes: &BTreeMap<Class, Row>) {
    for (class, row) in classes {
        let percent = row.won * 100 / row.runs;
        let median = row.times.get(row.times.len() / 2).copied().unwrap_or_default();
        match class {
            Class::Predictable => {
                assert_eq!(row.won, row.runs);
                assert!(median < Duration::from_millis(300), "{median:?}");
                assert!(row.times.last().is_some_and(|worst| *worst < Duration::from_secs(2)));
            }
            Class::NoisyAgainstOne => assert!(percent >= 98, "{percent} %"),
            Class::Birthday if row.runs >= 100 => assert!(percent >= 90, "{percent} %"),
            Class::Hopeless => {
                assert_eq!(row.won, 0);
                assert!(row.slowest_failure < Duration::from_secs(5));
            }
            _ => {}
        }
    }
}

fn print_matrix(cells: &BTreeMap<(usize, usize), Cell>) {
    print!("\n{:>10}", "percent");
    KINDS.iter().for_each(|kind| print!(" {:>9}", kind.name));
    for (i, kind) in KINDS.iter().enumerate() {
        print!("\n{:>10}", kind.name);
        for j in 0..KINDS.len() {
            match cells.get(&(i, j)) {
                Some(cell) => print!(" {:>9}", cell.won * 100 / cell.runs),
                None => print!(" {:>9}", "-"),
            }
        }
    }
    println!();
}
