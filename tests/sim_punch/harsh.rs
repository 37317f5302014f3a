//! One difficulty at a time, and what must come of it nevertheless.

use std::time::Duration;

use p2pnet::proto::nat::behaviour::{Allocation, Mapping};
use p2pnet::proto::punch::Side;

use crate::kinds::{Class, KINDS, class, variant};
use crate::matrix::{Outcome, outcome};
use crate::nat::Kind;
use crate::net::Way;
use crate::world::{Plan, World};

const DELAY: Duration = Duration::from_millis(25);

fn run(plan: Plan, seed: u64) -> Outcome {
    let mut world = World::new(plan, seed);
    world.run();
    outcome(&world)
}

/// Runs all pairs of kinds whose ports can be foreseen, in a world made by `plan`; gives how many of how many
/// got through, and the median and the longest time.
fn predictable(plan: impl Fn(Kind, Kind, u64) -> Plan, usual: u64) -> (usize, usize, Duration, Duration) {
    let (mut runs, mut times) = (0, Vec::new());
    for seed in crate::seeds(usual) {
        for (i, a) in KINDS.iter().enumerate() {
            for (j, b) in KINDS.iter().enumerate() {
                if class(a, b) == Class::Predictable {
                    runs += 1;
                    let seed = seed << 16 | (i << 8 | j) as u64;
                    times.extend(run(plan(*a, *b, seed), seed).usable);
                }
            }
        }
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    (times.len(), runs, median, times.last().copied().unwrap_or_default())
}

fn show(what: &str, (won, of, median, worst): (usize, usize, Duration, Duration)) {
    println!(
        "{what:<44} {won:>5} of {of:>5}   median {:>5} ms   worst {:>5} ms",
        median.as_millis(),
        worst.as_millis()
    );
}

#[test]
fn near_and_far() {
    for ms in [1, 5, 100, 300] {
        let result = predictable(|a, b, seed| Plan::new(variant(a, seed), b, Duration::from_millis(ms)), 1);
        show(&format!("{ms} ms one way, one side refuses"), result);
        assert_eq!(result.0, result.1);
        assert!(result.2 < Duration::from_millis(50 + 12 * ms), "the time goes by round trips");
    }
}

#[test]
fn loss_and_jitter() {
    let plan = |a, b, seed: u64| Plan {
        way: Way { delay: DELAY, loss: 20, jitter: 200 },
        signal_loss: 20,
        ..Plan::new(variant(a, seed), variant(b, seed / 4), DELAY)
    };
    let result = predictable(plan, 4);
    show("2 % loss, 20 % jitter", result);
    assert!(result.0 * 100 >= result.1 * 99);
}

/// If the signalling takes longer one way than the other, half a round trip is not when the message arrives.
/// Refusals then meet the first attempts, and it is up to the repetitions.
#[test]
fn lopsided_signalling() {
    let steady = |kind: &Kind| {
        kind.allocation != Allocation::Sequential || kind.mapping == Mapping::EndpointIndependent
    };
    let steady: Vec<&Kind> = KINDS.iter().filter(|kind| steady(kind)).collect();
    for skew in [30, 60, 150, 400] {
        let (mut won, mut first, mut runs) = (0, 0, 0);
        for seed in crate::seeds(3) {
            for (i, a) in steady.iter().enumerate() {
                for (j, b) in steady.iter().enumerate() {
                    if class(a, b) != Class::Predictable {
                        continue;
                    }
                    // Both refuse: by RST, by RST that also ends the mapping it passes, by ICMP.
                    let refusing = 1 + seed % 3;
                    let (a, b) = (variant(**a, refusing), variant(**b, refusing));
                    let skew = Duration::from_millis(skew);
                    let outcome =
                        run(Plan { skew, ..Plan::new(a, b, DELAY) }, seed << 16 | (i << 8 | j) as u64);
                    runs += 1;
                    won += usize::from(outcome.usable.is_some());
                    first += usize::from(outcome.usable.is_some() && outcome.rounds == 1);
                }
            }
        }
        println!("signalling {skew} ms slower one way: {won} of {runs}, {first} in the first round");
        assert_eq!(won, runs);
        assert!(first * 100 >= runs * 95, "repeating does it, without a further round");
    }
}

/// Two NATs, one behind the other.
#[test]
fn double_nat() {
    let inner = KINDS[1];
    let (mut won, mut runs) = (0, 0);
    for seed in crate::seeds(3) {
        for (i, a) in KINDS.iter().enumerate().skip(1) {
            for (j, b) in KINDS.iter().enumerate() {
                if class(a, b) != Class::Predictable {
                    continue;
                }
                let mut plan = Plan::new(variant(*a, seed), variant(*b, seed / 2), DELAY);
                plan.nats[0].insert(0, inner);
                runs += 1;
                let outcome = run(plan, seed << 16 | (i << 8 | j) as u64);
                won += usize::from(outcome.usable.is_some());
            }
        }
    }
    println!("double NAT: {won} of {runs}");
    assert_eq!(won, runs);
}

/// A NAT that was not measured is taken for what most are.
#[test]
fn nothing_was_measured() {
    for kind in KINDS.iter().filter(|kind| kind.mapping == Mapping::EndpointIndependent) {
        let mut plan = Plan::new(*kind, KINDS[1], DELAY);
        let outside_ip = Some([198, 51, 100, 1].into());
        plan.believes[0] = Some(Side { outside_ip, ..Side::default() });
        assert!(run(plan, 1).usable.is_some(), "{}", kind.name);
    }
}

/// A wrong measurement is mended: what arithmetic got wrong is asked for in the second round.
#[test]
fn a_wrong_measurement() {
    let eim = KINDS.iter().find(|kind| kind.name == "eim").expect("a kind");
    let mut plan = Plan::new(*eim, KINDS[1], DELAY);
    let outside_ip = Some([198, 51, 100, 1].into());
    let mapping = Mapping::EndpointIndependent;
    plan.believes[0] =
        Some(Side { outside_ip, mapping, allocation: Allocation::Preserving, ..Side::default() });
    let outcome = run(plan, 1);
    assert!(outcome.usable.is_some() && outcome.rounds == 2);
}
