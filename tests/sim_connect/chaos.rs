//! Worlds that are unkind in every way at once, with two or three nodes that call, cancel, close, die and come back.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use p2pnet::error::Code;
use p2pnet::proto::nat::behaviour::Unsolicited;
use p2pnet::proto::punch::Options;

use crate::check;
use crate::kinds::{KINDS, variant};
use crate::nat::Kind;
use crate::net::Way;
use crate::plan::{Action, HostPlan, Plan, SitePlan, Stale, Volunteer};
use crate::world::World;

fn plan(rng: &mut fastrand::Rng) -> Plan {
    let ms = Duration::from_millis;
    let nodes = 2 + usize::from(rng.u8(..) < 100);
    let mut sites: Vec<SitePlan> = Vec::new();
    let mut hosts: Vec<HostPlan> = Vec::new();
    for _ in 0..nodes {
        let together = !sites.is_empty() && !sites[sites.len() - 1].nats.is_empty() && rng.u8(..) < 70;
        if !together {
            sites.push(site(rng));
        }
        let site = sites.len() - 1;
        let behind = !sites[site].nats.is_empty();
        let v6 = rng.u8(..) < 90;
        hosts.push(HostPlan {
            site,
            mapped: behind && rng.u8(..) < 50,
            v6,
            v6_only: v6 && behind && rng.u8(..) < 40,
            unsure: rng.bool(),
            no_signalling: rng.u8(..) < 30,
            stale: match rng.u8(..) {
                0..40 => Stale::Nothing,
                40..90 => Stale::Mute,
                _ => Stale::None,
            },
            volunteer: Volunteer::No,
        });
    }
    let mut actions = Vec::new();
    for _ in 0..1 + rng.usize(..4) {
        let (who, whom) = (rng.usize(..nodes), rng.usize(..nodes));
        if who != whom {
            let at = if rng.bool() { Duration::ZERO } else { ms(rng.u64(0..3000)) };
            actions.push((at, Action::Connect(who, whom)));
            if rng.u8(..) < 100 {
                // Both call, at once or nearly so.
                actions.push((at + ms(rng.u64(0..200)), Action::Connect(whom, who)));
            }
            if rng.u8(..) < 50 {
                actions.push((at + ms(rng.u64(0..600)), Action::Cancel(who, 1)));
            }
        }
    }
    match rng.u8(..) {
        0..20 => actions.push((ms(rng.u64(0..4000)), Action::Kill(rng.usize(..nodes)))),
        20..60 => actions.push((ms(rng.u64(0..4000)), Action::Close(rng.usize(..nodes)))),
        60..85 => {
            let (who, at) = (rng.usize(..nodes), ms(rng.u64(0..4000)));
            actions.push((at, Action::Restart(who)));
            let whom = (who + 1) % nodes;
            actions.push((at + ms(rng.u64(1..2000)), Action::Connect(who, whom)));
        }
        _ => {}
    }
    if rng.u8(..) < 40 {
        let who = rng.usize(..nodes);
        actions.extend((0..3).map(|_| (ms(rng.u64(0..4000)), Action::Replay(who))));
    }
    actions.sort_by_key(|(at, _)| *at);
    Plan {
        sites,
        hosts,
        way: Way {
            delay: ms([1, 5, 25, 60, 150][rng.usize(..5)]),
            jitter: rng.u32(0..400),
            loss: [0, 0, 20, 50, 120][rng.usize(..5)],
        },
        signal_loss: [0, 0, 50, 200][rng.usize(..4)],
        signal_jitter: [0, 200, 3000][rng.usize(..3)],
        actions,
        first_chooses: None,
        options: Options { spray_sockets: 24, spray_guesses: 40, ..Options::default() },
        deaf: rng.bool(),
        relay: rng.bool(),
        relay_refuses: [0, 0, 100][rng.usize(..3)],
    }
}

fn site(rng: &mut fastrand::Rng) -> SitePlan {
    let mut kind = || -> Kind {
        let mut kind = variant(KINDS[1 + rng.usize(..KINDS.len() - 1)], rng.u64(..));
        kind.rst_kills = rng.bool();
        kind
    };
    let (outer, inner) = (kind(), kind());
    let nats = match rng.u8(..) {
        0..60 => Vec::new(),
        60..90 => vec![inner, outer],
        _ => vec![outer],
    };
    let firewall =
        [None, Some(Unsolicited::Dropped), Some(Unsolicited::Reset), Some(Unsolicited::Unreachable)];
    SitePlan { nats, hairpin: rng.bool(), firewall: firewall[rng.usize(..4)], lan: rng.u8(1..4) }
}

#[test]
fn whatever_happens() {
    let tally = Mutex::new(BTreeMap::<String, usize>::new());
    crate::each_seed(3000, "whatever_happens", |seed| {
        let plan = plan(&mut fastrand::Rng::with_seed(seed ^ 0x1add_e45e));
        let mut world = World::new(plan, seed);
        world.run();
        check::everything(&world);
        count(&world, &mut tally.lock().unwrap());
    });
    for (what, count) in tally.into_inner().unwrap() {
        println!("{count:>6} {what}");
    }
}

/// What requests came to, and the connections that came of it.
fn count(world: &World, tally: &mut BTreeMap<String, usize>) {
    let mut add = |what: String| *tally.entry(what).or_default() += 1;
    for (i, node) in world.nodes.iter().enumerate() {
        for request in node.requests.values() {
            match &request.done {
                None => add("requests of nodes that died".to_owned()),
                Some((_, Ok(conn), _)) => add(format!("requests connected, {:?}", node.opened[conn].via)),
                Some((at, Err(error), _)) => {
                    let reason: String = error.message.chars().take(60).collect();
                    add(format!("requests failed, {:?}: {reason}", error.code));
                    if error.code == Code::NoPath && *at - request.at > Duration::from_secs(5) {
                        add("requests failed after more than 5 s, with NoPath".to_owned());
                    }
                }
            }
        }
        for open in node.opened.values() {
            add(format!("connections, {:?}", open.via));
            if open.closed.is_some() && world.net.homes[i].alive {
                add("connections closed again".to_owned());
            }
        }
    }
}

/// With a relay that does what it should, whoever can be called is connected, whatever stands between the two.
#[test]
fn with_a_relay_nobody_is_left_out() {
    let tally = Mutex::new(BTreeMap::<String, usize>::new());
    crate::each_seed(1500, "with_a_relay_nobody_is_left_out", |seed| {
        let mut plan = plan(&mut fastrand::Rng::with_seed(seed ^ 0x3e1a_7ed0));
        plan.actions.retain(|(_, action)| matches!(action, Action::Connect(..)));
        plan.hosts.iter_mut().for_each(|host| host.no_signalling = false);
        (plan.signal_loss, plan.relay, plan.relay_refuses) = (0, true, 0);
        let mut world = World::new(plan, seed);
        world.run();
        check::everything(&world);
        count(&world, &mut tally.lock().unwrap());
        for request in world.nodes.iter().flat_map(|node| node.requests.values()) {
            let (_, outcome, story) = request.done.as_ref().expect("an end");
            assert!(outcome.is_ok(), "{outcome:?}\n{story:#?}");
        }
    });
    for (what, count) in tally.into_inner().unwrap() {
        println!("{count:>6} {what}");
    }
}
