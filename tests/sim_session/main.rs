//! Sessions in virtual time: two nodes with the session's state machine, and between them links that are cut at random
//! points and noticed to be at different times or never, replaced while they live, opened by both at once; programs that
//! send, stall, close and come again; nodes that restart and forget.
//!
//! What must hold for every seed: what a program gets is a beginning of what the other has sent in that session, and no
//! session ends without its side being told how much of what it sent may be missing, and that is true. When the world calms
//! down, both have the same session and everything has arrived. `SIM_SEED=n cargo test --test sim_session` runs one seed
//! again, `SIM_SEEDS=n` that many instead of 300.
#![allow(clippy::unwrap_used, unreachable_pub)] // in helpers of tests

mod side;
mod world;

use world::{Counts, World};

#[test]
fn streams_are_whole_whatever_happens_to_the_links() {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = number("SIM_SEED").map_or(0..number("SIM_SEEDS").unwrap_or(300), |seed| seed..seed + 1);
    let many = seeds.end - seeds.start >= 300;
    let mut totals = Counts::default();
    for seed in seeds {
        match std::panic::catch_unwind(|| World::new(seed).run()) {
            Ok(counts) => totals.add(&counts),
            Err(_) => panic!("SIM_SEED={seed} fails"),
        }
    }
    println!("{totals:#?}");
    // The world is unkind enough to bring about everything, or this test would show little.
    assert!(!many || totals.least() > 20, "{totals:?}");
}
