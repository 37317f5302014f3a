//! Two that nothing but a node of their network can connect: which of those that say they relay they meet at, in what time, and
//! what they are told if none of them does it.

use std::sync::Mutex;
use std::time::Duration;

use p2pnet::error::Code;
use p2pnet::event::Via;

use crate::check;
use crate::kinds::KINDS;
use crate::node::Request;
use crate::plan::{Action, HostPlan, Plan, SitePlan, Volunteer};
use crate::relay::Place;
use crate::world::World;

/// The two; those who are to relay come behind them.
const CALLER: usize = 0;
const CALLED: usize = 1;
const FIRST: usize = 2;
/// When the caller begins: it and the called one have met those whom they know, one a second.
const CALL: Duration = Duration::from_secs(5);

/// Whom the caller and the called one have been connected with.
type Knows = [&'static [usize]; 2];

/// No server relays, and both NATs are as bad as they come. `knows`: whom the caller and the called one have been connected with,
/// by their number; the last one is the first to be tried.
fn plan(way: Duration, volunteers: &[Volunteer], knows: [&[usize]; 2]) -> Plan {
    let random = *KINDS.iter().find(|kind| kind.name == "random").expect("a kind");
    let mut plan = Plan::pair(vec![random], vec![random], way);
    for volunteer in volunteers {
        let site = plan.sites.len();
        plan.sites.push(SitePlan::default());
        plan.hosts.push(HostPlan { site, volunteer: *volunteer, ..HostPlan::default() });
    }
    plan.actions = vec![(CALL, Action::Connect(CALLER, CALLED))];
    for (who, knows) in [CALLER, CALLED].into_iter().zip(knows) {
        for (second, whom) in (0..).map(Duration::from_secs).zip(knows) {
            plan.actions.push((second, Action::Connect(who, FIRST + whom)));
        }
    }
    plan
}

fn run(plan: Plan, seed: u64) -> World {
    let mut world = World::new(plan, seed);
    world.run();
    check::everything(&world);
    world
}

/// The caller's requests to the called one, in their order.
fn requests(world: &World) -> impl Iterator<Item = &Request> {
    world.nodes[CALLER].requests.values().filter(|request| request.to == CALLED)
}

/// Where the two are relayed, by its number, and how long that took.
fn met(world: &World, request: &Request) -> (usize, Duration) {
    let (at, outcome, story) = request.done.as_ref().expect("an end");
    let conn = *outcome.as_ref().unwrap_or_else(|error| panic!("{error}\n{story:#?}"));
    assert_eq!(world.nodes[CALLER].opened[&conn].via, Via::Relay, "{story:#?}");
    let place = world.relay.place((CALLER, conn));
    let Some(Place::Node(node)) = place else { panic!("{place:?}") };
    (node - FIRST, *at - request.at)
}

fn failed(request: &Request) -> (Code, String) {
    let (_, outcome, story) = request.done.as_ref().expect("an end");
    let error = outcome.as_ref().err().unwrap_or_else(|| panic!("connected\n{story:#?}"));
    (error.code, error.message.to_string())
}

#[test]
fn they_meet_at_one_that_does_it() {
    use Volunteer::{Full, Honest, Mute, Stranger, TwoFaced};
    let silence = Duration::from_secs(3);
    for ms in [5, 25, 100] {
        let way = Duration::from_millis(ms);
        // Who there is, whom the two know, and how much later it is than with one that does it.
        let cases: [(&str, &[Volunteer], Knows, Duration); 10] = [
            ("both know it", &[Honest], [&[0], &[0]], Duration::ZERO),
            ("the caller knows it", &[Honest], [&[0], &[]], Duration::ZERO),
            ("the called one knows it, and its locator says so", &[Honest], [&[], &[0]], Duration::ZERO),
            ("one that is full comes first", &[Honest, Full], [&[0, 1], &[]], way * 4),
            ("the called one's comes first, and is full", &[Honest, Full], [&[0], &[1]], way * 4),
            ("one that says nothing comes first", &[Honest, Mute], [&[0, 1], &[]], silence),
            ("one that names somebody else", &[Honest, Stranger], [&[0, 1], &[]], silence),
            ("one that refuses the other", &[Honest, TwoFaced], [&[0, 1], &[]], way * 6),
            ("two of them say nothing", &[Honest, Mute, Mute], [&[0], &[1, 2]], silence * 2),
            ("one of each kind", &[Honest, Full, TwoFaced], [&[0, 1], &[2]], way * 10),
        ];
        for seed in crate::seeds(4) {
            for (name, volunteers, knows, more) in &cases {
                let mut plan = plan(way, volunteers, *knows);
                plan.first_chooses = Some(seed % 2 == 0);
                let world = run(plan, seed);
                let (at, took) = met(&world, requests(&world).next().expect("a request"));
                assert_eq!(at, 0, "{name}");
                let most = way * 9 + *more + Duration::from_millis(5);
                assert!(took <= most, "{name}, {ms} ms, SIM_SEED={seed}: {took:?}, expected {most:?}");
                if seed == 0 && ms == 25 {
                    println!("{name:<52} {:>6} ms", took.as_millis());
                }
            }
        }
    }
}

#[test]
fn where_nobody_does_it_the_last_one_s_answer_is_told() {
    use Volunteer::{At, Full, Honest, Mute, No, Stranger, TwoFaced};
    const NOBODY: &str =
        "no relay: none of the signalling servers of the two is known to relay, and no node that does is";
    let cases: [(&[Volunteer], Knows, &str); 9] = [
        (&[Honest], [&[], &[]], NOBODY),
        (&[No], [&[0], &[0]], NOBODY),
        // The two are no relays for themselves.
        (&[At(CALLED)], [&[0], &[0]], NOBODY),
        (&[At(CALLER)], [&[0], &[0]], NOBODY),
        (&[Full], [&[0], &[0]], "no relay: 198.51.100.3:50500: it is full"),
        (&[Mute], [&[0], &[]], "no relay: 198.51.100.3:50500: no answer within 3000 ms"),
        (&[Stranger], [&[], &[0]], "no relay: 203.0.113.98:50500: no answer within 3000 ms"),
        (
            &[TwoFaced],
            [&[0], &[]],
            "no relay: 198.51.100.3:50500: the peer refused: that relay did not take it",
        ),
        (&[Mute, Full], [&[1, 0], &[]], "no relay: 198.51.100.4:50500: it is full"),
    ];
    for seed in crate::seeds(4) {
        for (volunteers, knows, reason) in &cases {
            let world = run(plan(Duration::from_millis(25), volunteers, *knows), seed);
            let (code, text) = failed(requests(&world).next().expect("a request"));
            assert_eq!(code, Code::NoPath, "{text}");
            assert!(text.contains("unforeseeable outside port"), "{text}");
            assert!(text.contains(reason), "{volunteers:?}, SIM_SEED={seed}: {text}");
        }
    }
}

/// A session would go on by another; here a connection is its link, and the program connects again.
#[test]
fn one_that_stops_or_vanishes_is_passed_by_afterwards() {
    let way = Duration::from_millis(25);
    let honest = [Volunteer::Honest; 2];
    for (end, silence) in [(Action::Stop(FIRST + 1), 0), (Action::Kill(FIRST + 1), 3)] {
        for seed in crate::seeds(4) {
            // Before they meet there.
            let mut early = plan(way, &honest, [&[0, 1], &[0, 1]]);
            early.actions.push((CALL - way, end));
            let world = run(early, seed);
            let (at, took) = met(&world, requests(&world).next().expect("a request"));
            assert_eq!(at, 0);
            assert!(took <= way * 15 + Duration::from_secs(silence), "{took:?}");
            // While they talk there.
            let mut late = plan(way, &honest, [&[0, 1], &[0, 1]]);
            let after = |seconds| CALL + Duration::from_secs(seconds);
            late.actions.extend([
                (after(2), end),
                (after(4), Action::Close(CALLER)),
                (after(4), Action::Close(CALLED)),
            ]);
            late.actions.extend([(after(5), Action::Connect(CALLER, CALLED))]);
            let world = run(late, seed);
            let ends: Vec<usize> = requests(&world).map(|request| met(&world, request).0).collect();
            assert_eq!(ends, [1, 0], "the one met last, then the other");
            for node in &world.nodes[..FIRST] {
                let peers = [world.nodes[CALLER].key, world.nodes[CALLED].key];
                let relayed = node.opened.values().filter(|open| peers.contains(&open.peer));
                let ended: Vec<bool> = relayed.map(|open| open.closed.is_some()).collect();
                assert_eq!(ended, [true, false], "both are told that it is over");
            }
        }
    }
}

/// Three of any kind, known to anybody, some of them gone when they are needed: the two are connected if and only if one of those
/// that either knows is there and honest.
#[test]
fn of_any_three_one_that_does_it_is_enough() {
    use Volunteer::{Full, Honest, Mute, No, Stranger, TwoFaced};
    let tally = Mutex::new([0, 0]);
    crate::each_seed(300, "of_any_three_one_that_does_it_is_enough", |seed| {
        let rng = &mut fastrand::Rng::with_seed(seed ^ 0x0f01_7ee2);
        let kinds = [Honest, Honest, Full, Mute, TwoFaced, Stranger, No];
        let volunteers: Vec<Volunteer> = (0..3).map(|_| kinds[rng.usize(..kinds.len())]).collect();
        let some = |rng: &mut fastrand::Rng| -> Vec<usize> {
            let mut all = [0, 1, 2];
            rng.shuffle(&mut all);
            // A locator names two.
            all[..rng.usize(..3)].to_vec()
        };
        let knows = [some(rng), some(rng)];
        let way = Duration::from_millis([1, 5, 25, 60][rng.usize(..4)]);
        let mut plan = plan(way, &volunteers, [&knows[0], &knows[1]]);
        let mut gone = [false; 3];
        for (n, gone) in gone.iter_mut().enumerate().filter(|_| rng.u8(..) < 40) {
            *gone = true;
            plan.actions.push((CALL - way, Action::Kill(FIRST + n)));
        }
        let known = knows.concat();
        let does = |n: &usize| volunteers[*n] == Honest && !gone[*n];
        let expected: Vec<usize> = known.iter().copied().filter(does).collect();
        let world = run(plan, seed);
        let request = requests(&world).next().expect("a request");
        if expected.is_empty() {
            assert_eq!(failed(request).0, Code::NoPath);
        } else {
            assert!(expected.contains(&met(&world, request).0));
        }
        tally.lock().unwrap()[usize::from(!expected.is_empty())] += 1;
    });
    let [not, connected] = tally.into_inner().unwrap();
    println!("{connected} connected, {not} not");
}
