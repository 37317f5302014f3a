//! Worlds that are unkind in every way at once. Whatever happens: every session ends in time and says why,
//! nothing is left open, nobody is aimed at but the peer, limits hold, and there are never two survivors, nor
//! one that the other side has not got although it lives.

use std::time::Duration;

use p2pnet::proto::punch::{Budget, Options, Reason, Side};

use crate::kinds::{KINDS, variant};
use crate::world::{End, Plan, World};

fn plan(rng: &mut fastrand::Rng) -> Plan {
    let ms = Duration::from_millis;
    let mut kind = || {
        let mut kind = variant(KINDS[rng.usize(..KINDS.len())], rng.u64(..));
        kind.rst_kills = rng.bool();
        if rng.u8(..) < 30 {
            kind.timeout = ms(rng.u64(300..5000));
        }
        kind
    };
    let (a, b, inner) = (kind(), kind(), kind());
    let delay = ms([1, 5, 25, 60, 150][rng.usize(..5)]);
    let mut plan = Plan::new(a, b, delay);
    if rng.u8(..) < 40 && !plan.nats[0].is_empty() && inner.name != "public" {
        plan.nats[0].insert(0, inner);
    }
    plan.way.jitter = rng.u32(0..400);
    plan.way.loss = [0, 20, 50][rng.usize(..3)];
    plan.signal_loss = [0, 0, 50, 200][rng.usize(..4)];
    plan.skew = ms([0, 0, 40, 300][rng.usize(..4)]);
    for i in 0..2 {
        if rng.u8(..) < 30 {
            let other = KINDS[rng.usize(..KINDS.len())];
            plan.believes[i] = Some(Side {
                outside_ip: Some([198, 51, 100, i as u8 + 1].into()),
                mapping: other.mapping,
                allocation: other.allocation,
                constant: rng.i32(-3..4),
                last_outside: rng.bool().then_some(rng.u16(..)),
            });
        }
        if rng.u8(..) < 20 {
            plan.budgets[i] = Budget::new(rng.usize(0..40), rng.usize(0..100));
        }
        // Spraying with thousands of sockets is no more of a test than with dozens, and slower.
        let (sockets, guesses) = if rng.u8(..) < 20 { (256, 320) } else { (24, 40) };
        plan.options[i] = Options { spray_sockets: sockets, spray_guesses: guesses, ..Options::default() };
    }
    let who = rng.usize(..2);
    let when = ms(rng.u64(0..2000));
    match rng.u8(..) {
        0..25 => plan.death = Some((who, when)),
        25..45 => plan.cancel = Some((who, when)),
        _ => {}
    }
    plan
}

fn check(world: &World, plan: &Plan) {
    let dead = plan.death.map(|(who, _)| who);
    for (i, peer) in world.peers.iter().enumerate() {
        assert!(peer.flows.len() <= 1000, "limits of flows");
        if Some(i) == dead {
            continue;
        }
        let Some(session) = &peer.session else {
            assert_eq!(i, 1, "the initiator has a session");
            continue;
        };
        assert!(session.is_over(), "stuck");
        assert_eq!(peer.budget.half_open(), 0, "given back");
        let (at, end) = peer.end.expect("an end");
        let limit = plan.options[i].limit + Duration::from_secs(1);
        assert!(at - world.net.start <= limit + plan.options[1 - i].limit, "in time");
        let kept = |conn| matches!(end, End::Won(winner) if winner == conn);
        for conn in world.host(i).conns.keys() {
            assert!(kept(*conn), "something is left open");
        }
        assert!(world.host(i).listeners.is_empty());
        if let End::Failed(failure) = end {
            assert!(!failure.to_string().is_empty());
            assert!(!matches!(failure.reason, Reason::Other(_)), "an unknown reason");
        }
    }
    one_survivor_or_none(world, plan);
}

fn one_survivor_or_none(world: &World, plan: &Plan) {
    let won = |i: usize| match world.peers[i].end {
        Some((_, End::Won(conn))) => Some(conn),
        _ => None,
    };
    let socket = |i: usize| won(i).and_then(|conn| world.host(i).state(conn));
    // A connection's two ends know each other by their first sequence numbers.
    if let (Some(a), Some(b)) = (socket(0), socket(1)) {
        assert_eq!((a.iss, a.irs), (b.irs, b.iss), "two survivors");
    }
    let kind = plan.nats.iter().flatten().all(|kind| kind.timeout > Duration::from_secs(60));
    if plan.death.is_none() && plan.cancel.is_none() && plan.way.loss == 0 && kind {
        assert_eq!(won(0).is_some(), won(1).is_some(), "one side has it, the other has not");
        assert_eq!(socket(0).is_some(), socket(1).is_some());
        assert_eq!(won(0).is_some(), world.peers[0].line.is_some() && world.peers[1].line.is_some());
    }
}

#[test]
fn whatever_happens() {
    crate::each_seed(2000, "whatever_happens", |seed| {
        let plan = plan(&mut fastrand::Rng::with_seed(seed ^ 0xc4a0_5c4a));
        let mut world = World::new(plan.clone(), seed);
        world.run();
        check(&world, &plan);
    });
}
