//! Signalling in virtual time: the rendezvous server's state machine, nodes with the client's, and between them
//! connections that break at random points, with or without a word; servers that restart, nodes that change networks.
//!
//! What must hold for every seed: each message is delivered at most once, and its sender learns exactly once what became
//! of it, and what it learns is true. A seed that fails can be run again: `SIM_SEED=n cargo test --test sim_signal`.
//! `SIM_SEEDS=n` runs that many instead of 50.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may fail anywhere")]

mod world;

use std::time::Duration;

use p2pnet::proto::signal::Outcome;
use world::World;

const NODES: usize = 6;
const SERVERS: usize = 3;
/// Until then the world is unkind.
const TROUBLE: Duration = Duration::from_secs(400);
/// Then everybody has so long to come to rest, whatever pause was on.
const REST: Duration = Duration::from_secs(1300);
const END: Duration = Duration::from_secs(20);

fn check(seed: u64) -> [usize; 6] {
    let mut world = World::new(seed);
    world.run(TROUBLE);
    world.calm = true;
    for s in 0..SERVERS {
        if !world.servers[s].1 {
            world.servers[s].1 = true;
        }
    }
    world.run(TROUBLE + REST);
    // Everybody is where they want to be, and reaches everybody of their network. That a server has two ports shows only
    // when one connection replaces the other, so the first rounds may cost a message.
    let mut tags = Vec::new();
    for round in 1..=4 {
        tags.clear();
        for from in 0..NODES {
            assert_eq!(world.nodes[from].machine.homes().count(), 2, "node {from} has not come back");
            for to in 0..NODES - 1 {
                tags.push(world.tell(from, to));
            }
        }
        world.run(TROUBLE + REST + round * END);
    }
    for (tag, outcome) in tags.iter().zip(world.outcomes(&tags)) {
        let sent = &world.sent[tag];
        if sent.from == NODES - 1 {
            assert_eq!(*outcome, Outcome::Absent, "another network");
        } else {
            assert!(matches!(outcome, Outcome::Heard { .. }), "{} to {}: {outcome:?}", sent.from, sent.to);
        }
    }
    let mut counts = [0; 6];
    for (tag, sent) in &world.sent {
        let outcome = sent.outcome.as_ref().unwrap_or_else(|| panic!("message {tag} was not reported"));
        let kind = match outcome {
            Outcome::Heard { .. } => 0,
            Outcome::Unheard => 1,
            Outcome::Lost => 2,
            Outcome::Absent => 3,
            Outcome::Unreachable(_) => 4,
            Outcome::Refused(_) | Outcome::NotTaken(_) => 5,
        };
        counts[kind] += 1;
        assert!(outcome.may_have_arrived() || sent.received == 0, "{outcome:?}, and yet it arrived");
    }
    counts
}

#[test]
fn each_message_is_delivered_once_or_reported() {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = number("SIM_SEED").map_or(0..number("SIM_SEEDS").unwrap_or(50), |seed| seed..seed + 1);
    let many = seeds.end - seeds.start >= 50;
    let mut totals = [0; 6];
    for seed in seeds {
        let run = std::panic::catch_unwind(|| check(seed));
        match run {
            Ok(counts) => totals.iter_mut().zip(counts).for_each(|(total, n)| *total += n),
            Err(_) => panic!("SIM_SEED={seed} fails"),
        }
    }
    println!("heard, unheard, lost, absent, unreachable, refused: {totals:?}");
    // The world is unkind enough to bring about everything, or this test would show little.
    assert!(!many || totals[..5].iter().all(|n| *n > 50), "{totals:?}");
}
