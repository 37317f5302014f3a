//! Connecting by locator in virtual time: nodes with the whole ladder (addresses, calls, punches, the race), the handshake as
//! messages on connections, signalling that delays, loses and reorders, models of NATs and of TCP. `SIM_SEED=n` runs that seed
//! alone; `SIM_SEEDS=n` that many instead of the usual; `SIM_TRACE=1` tells what goes on. `cargo test --test sim_connect -- --nocapture` shows the tables.

#![allow(clippy::unwrap_used, unreachable_pub)] // in helpers of tests
#![allow(dead_code, reason = "the shared network has parts for others")]

mod carry;
mod chaos;
mod check;
mod node;
mod plan;
mod punching;
mod relay;
#[path = "../sim_net/mod.rs"]
mod sim_net;
mod table;
mod volunteers;
mod world;

use sim_net::{kinds, nat, net, tcp};

/// The seeds to run: one, or so many.
pub fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    number("SIM_SEED").map_or(0..number("SIM_SEEDS").unwrap_or(usual), |seed| seed..seed + 1)
}

/// Runs all seeds; one that fails says how to run it again.
pub fn each_seed(usual: u64, test: &str, run: impl Fn(u64) + std::panic::RefUnwindSafe) {
    for seed in seeds(usual) {
        let outcome = std::panic::catch_unwind(|| run(seed));
        assert!(outcome.is_ok(), "again with: SIM_SEED={seed} cargo test --test sim_connect {test}");
    }
}
