//! Sessions, step by step.

mod bench;
mod script;
mod short;

use super::*;
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::punch::hello;
use crate::proto::punch::target::Refusal;
use crate::proto::punch::technique::Hopeless;
use bench::Bench;
use std::collections::BTreeSet;
use std::time::Duration;

const TOKEN: Token = Token([5; 16]);
const PEER: &str = "203.0.113.9";

fn side(ip: &str, mapping: Mapping, allocation: Allocation) -> Side {
    Side { outside_ip: Some(ip.parse().unwrap()), mapping, allocation, ..Side::default() }
}

fn preserving(ip: &str) -> Side {
    side(ip, Mapping::EndpointIndependent, Allocation::Preserving)
}

fn setup(peer: &str) -> Setup {
    Setup {
        ours: preserving("198.51.100.1"),
        peer_ip: peer.parse().unwrap(),
        own: vec!["192.168.1.5".parse().unwrap()],
        options: Options::default(),
        seed: 1,
    }
}

#[test]
fn the_initiator_fires_half_a_round_trip_after_go() {
    let mut bench = Bench::initiator(setup(PEER));
    bench.fire();
    assert_eq!(bench.sent(&Body::Go(vec![40_000, 40_001], Duration::from_millis(50))), 1);
    let connects = bench.connects();
    let to: Vec<String> = connects.iter().map(|(_, to, _)| to.to_string()).collect();
    assert_eq!(to, ["203.0.113.9:50000", "203.0.113.9:50001"]);
    assert_eq!(connects[0].2, bench.now + Duration::from_millis(25));
    assert_eq!(bench.session.technique(), Some(Technique::Predict));
}

#[test]
fn go_is_repeated_until_the_peer_has_gone() {
    let mut bench = Bench::initiator(setup(PEER));
    bench.fire();
    let go = Body::Go(vec![40_000, 40_001], Duration::from_millis(50));
    bench.after(Duration::from_millis(350));
    assert_eq!(bench.sent(&go), 3);
    bench.hear(1, Body::Going);
    bench.after(Duration::from_millis(200));
    assert_eq!(bench.sent(&go), 3);
}

#[test]
fn the_responder_fires_on_receipt_and_repeats_its_words() {
    let mut bench = Bench::responder(setup(PEER), preserving(PEER));
    bench.bind_all(40_000);
    let answer = Body::Answer(preserving("198.51.100.1"), vec![40_000, 40_001]);
    assert_eq!(bench.sent(&answer), 1);
    bench.hear(1, Body::Offer(preserving(PEER)));
    assert_eq!(bench.sent(&answer), 2);
    let go = Body::Go(vec![50_000], Duration::from_millis(50));
    bench.hear(2, go.clone());
    assert!(bench.connects().is_empty(), "of another round");
    bench.hear(1, go.clone());
    bench.hear(1, go);
    assert_eq!(bench.sent(&Body::Going), 2);
    assert_eq!(bench.connects().len(), 2);
    assert_eq!(bench.connects()[0].2, bench.now);
}

#[test]
fn only_the_agreed_address_is_aimed_at() {
    let mut bench = Bench::initiator(setup(PEER));
    bench.bind_all(40_000);
    bench.hear(1, Body::Pong(0));
    bench.hear(1, Body::Answer(preserving("203.0.113.10"), vec![50_000]));
    assert_eq!(bench.failure(), Some(Reason::Target(Refusal::NotAgreed)));
    assert!(bench.connects().is_empty());
    assert_eq!(bench.sent(&Body::GaveUp(16)), 1);
    for (inside, why) in
        [("10.0.0.1", Refusal::Inside), ("192.168.1.5", Refusal::Own), ("224.0.0.1", Refusal::NotAHost)]
    {
        let bench = Bench::responder(setup(inside), preserving(inside));
        assert_eq!(bench.failure(), Some(Reason::Target(why)));
        assert!(bench.session.is_over() && bench.session.deadline().is_none());
    }
}

#[test]
fn services_are_not_aimed_at() {
    let mut bench = Bench::responder(setup(PEER), preserving(PEER));
    bench.bind_all(40_000);
    bench.hear(1, Body::Go(vec![22, 80, 443, 50_000, 50_000], Duration::ZERO));
    assert!(bench.connects().iter().all(|(_, to, _)| to.port() == 50_000));
}

#[test]
fn hopeless_pairs_are_told_at_once() {
    let random = |ip| side(ip, Mapping::AddressAndPortDependent, Allocation::Random);
    let hopeless = Setup { ours: random("198.51.100.1"), ..setup(PEER) };
    let bench = Bench::responder(hopeless.clone(), random(PEER));
    assert_eq!(bench.failure(), Some(Reason::Hopeless(Hopeless::BothBlind)));
    assert_eq!(bench.sent(&Body::GaveUp(1)), 1);
    let mut other = Bench::initiator(hopeless);
    other.hear(1, Body::GaveUp(1));
    assert_eq!(other.failure(), Some(Reason::Hopeless(Hopeless::BothBlind)));
    assert_eq!(other.sent(&Body::GaveUp(1)), 0, "no answer to that");
}

#[test]
fn a_silent_peer_is_given_up() {
    let mut bench = Bench::initiator(setup(PEER));
    bench.bind_all(40_000);
    bench.after(Duration::from_millis(3900));
    assert_eq!(bench.failure(), None);
    assert!(bench.sent(&Body::Offer(preserving("198.51.100.1"))) > 10);
    bench.after(Duration::from_millis(200));
    assert_eq!(bench.failure(), Some(Reason::Silent));
}

#[test]
fn other_tokens_and_chatter_are_ignored() {
    let mut bench = Bench::responder(setup(PEER), preserving(PEER));
    let other = Message { token: Token([6; 16]), round: 1, body: Body::GaveUp(1) };
    bench.give(Input::Message(other));
    assert_eq!(bench.failure(), None);
    for n in 0..1000 {
        bench.hear(1, Body::Ping(n as u8));
    }
    assert!(bench.outputs.len() < 400);
    let go = Message { token: TOKEN, round: 1, body: Body::Go(vec![], Duration::ZERO) };
    let mut budget = Budget::default();
    assert!(Session::respond(bench.now, go, setup(PEER), &mut budget).is_none());
}

#[test]
fn more_rounds_than_ours_are_refused() {
    let mut bench = Bench::responder(setup(PEER), preserving(PEER));
    for round in 2..=3 {
        bench.hear(round, Body::Offer(preserving(PEER)));
        assert_eq!(bench.failure(), None);
    }
    bench.hear(4, Body::Offer(preserving(PEER)));
    assert_eq!(bench.failure(), Some(Reason::Unmet));
}

#[test]
fn strangers_are_found_out_and_kept_few() {
    let mut bench = Bench::initiator(setup(PEER));
    bench.fire();
    let mut let_in = Vec::new();
    for _ in 0..40 {
        let conn = bench.session.next_conn();
        bench.give(Input::Accepted { conn, slot: SlotId(0) });
        if !bench.closed(conn) {
            let_in.push(conn);
        }
    }
    assert_eq!(let_in.len(), 16);
    bench.give(Input::Frame { conn: let_in[3], frame: [b'0'; 64] });
    assert!(bench.closed(let_in[3]));
    // Its own words come back: connected to itself.
    let mirrored = hello::write(TOKEN, hello::What::Hello, Role::Initiator, 0);
    bench.give(Input::Frame { conn: let_in[4], frame: mirrored });
    assert!(bench.closed(let_in[4]));
    bench.after(Duration::from_millis(2300));
    assert!(let_in.iter().all(|conn| bench.closed(*conn)), "none has said hello in time");
}

#[test]
fn a_silent_choice_is_passed_over_and_a_broken_one_replaced() {
    let mut bench = Bench::initiator(setup(PEER));
    bench.fire();
    let [(one, ..), (two, ..)] = bench.connects()[..] else { panic!() };
    bench.give(Input::Connected { conn: one });
    bench.give(Input::Connected { conn: two });
    bench.peer_says(two, hello::What::Hello);
    bench.peer_says(two, hello::What::Hello);
    assert!(bench.closed(two), "hello is said once");
    let three = bench.session.next_conn();
    bench.give(Input::Accepted { conn: three, slot: SlotId(0) });
    bench.peer_says(three, hello::What::Hello);
    assert!(!bench.closed(one));
    bench.after(Duration::from_millis(450));
    assert!(bench.closed(one), "silent while another speaks");
    assert_eq!(bench.outputs.last(), Some(&Output::Winner(three)));
    let count = |wanted: fn(&Output) -> bool| bench.outputs.iter().filter(|output| wanted(output)).count();
    assert_eq!(count(|output| matches!(output, Output::Winner(_) | Output::Failed(_))), 1);
    assert_eq!(count(|output| matches!(output, Output::Close(Socket::Slot(_)))), 2);
    assert_eq!(bench.budget.half_open(), 0);
}

#[test]
fn siblings_stay_until_it_is_done() {
    let mut bench = Bench::responder(setup(PEER), preserving(PEER));
    bench.bind_all(40_000);
    bench.hear(1, Body::Go(vec![50_000, 50_001], Duration::from_millis(50)));
    let [(one, ..), (two, ..)] = bench.connects()[..] else { panic!() };
    for conn in [one, two] {
        bench.give(Input::Connected { conn });
        bench.peer_says(conn, hello::What::Hello);
    }
    bench.peer_says(two, hello::What::Select);
    assert!(!bench.closed(one));
    // The initiator has changed its mind: the other one broke on its side.
    bench.peer_says(one, hello::What::Select);
    bench.give(Input::Closed { conn: two });
    assert!(!bench.session.is_over());
    bench.peer_says(one, hello::What::Done);
    assert_eq!(bench.outputs.last(), Some(&Output::Winner(one)));
}

/// What a round of a spray has opened is still open in the NAT, and guesses of the next round may meet it.
#[test]
fn the_ports_of_a_spray_listen_for_one_more_round() {
    let blind = side("198.51.100.1", Mapping::AddressAndPortDependent, Allocation::Random);
    let mut bench = Bench::responder(Setup { ours: blind, ..setup(PEER) }, preserving(PEER));
    let (mut bound, mut listening, mut closed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for round in 1..=3 {
        if round > 1 {
            bench.hear(round, Body::Offer(preserving(PEER)));
        }
        let outputs = std::mem::take(&mut bench.outputs);
        let attempts = outputs.iter().filter(|output| matches!(output, Output::Close(Socket::Conn(_))));
        assert_eq!(attempts.count(), if round > 1 { 256 } else { 0 });
        assert_eq!(bench.budget.half_open(), 0, "nothing is half open that only listens");
        let mut fresh = Vec::new();
        for output in outputs {
            match output {
                Output::Bind { slot, listen: false } => fresh.push(slot),
                Output::Listen { slot } => assert!(listening.insert(slot)),
                Output::Close(Socket::Slot(slot)) => assert!(closed.insert(slot)),
                _ => {}
            }
        }
        assert_eq!(fresh.len(), 256);
        // Those of the round before listen; those of the one before that have ended.
        let before: BTreeSet<SlotId> = listening.difference(&closed).copied().collect();
        assert_eq!(before, bound);
        assert_eq!(closed.len(), 256 * usize::from(round.saturating_sub(2)));
        for (slot, port) in fresh.iter().zip(1024 + u16::from(round) * 1000..) {
            bench.give(Input::Bound { slot: *slot, port });
        }
        bench.hear(round, Body::Go(vec![50_000], Duration::from_millis(50)));
        assert_eq!(bench.budget.half_open(), 256);
        bound = fresh.into_iter().collect();
    }
    // Somebody comes by one of the second round's.
    let slot = *listening.difference(&closed).next().unwrap();
    let conn = bench.session.next_conn();
    bench.give(Input::Accepted { conn, slot });
    assert!(!bench.closed(conn));
}

/// The ways that the other side has opened lead back to one outside port of ours: later guesses come from it, too.
#[test]
fn guesses_come_from_the_same_port_in_each_round() {
    let random = side(PEER, Mapping::AddressAndPortDependent, Allocation::Random);
    let mut bench = Bench::responder(setup(PEER), random);
    bench.bind_all(40_000);
    let mut from = BTreeSet::new();
    for round in 1..=3 {
        if round > 1 {
            bench.outputs.clear();
            bench.hear(round, Body::Offer(random));
            assert!(!bench.outputs.iter().any(|output| matches!(output, Output::Bind { .. })));
            // What was computed is asked for, once.
            let asked: Vec<SlotId> = bench
                .outputs
                .iter()
                .filter_map(|output| match output {
                    Output::Ask { slot } => Some(*slot),
                    _ => None,
                })
                .collect();
            assert_eq!(asked.len(), if round == 2 { 2 } else { 0 });
            for slot in asked {
                bench.give(Input::Asked { slot, port: 40_000 });
            }
        }
        bench.hear(round, Body::Go(vec![], Duration::from_millis(50)));
        let slots = bench.outputs.iter().filter_map(|output| match output {
            Output::Connect { slot, .. } => Some(*slot),
            _ => None,
        });
        from.extend(slots);
        assert_eq!(from.len(), 1, "round {round}");
    }
}

/// Found by the fuzzer: it was told to the peer, which cannot read it.
#[test]
fn port_0_is_no_port() {
    let asked = side("198.51.100.1", Mapping::EndpointIndependent, Allocation::Random);
    for bound in [0, 40_000] {
        let mut bench = Bench::initiator(Setup { ours: asked, ..setup(PEER) });
        for slot in [SlotId(0), SlotId(1)] {
            bench.give(Input::Bound { slot, port: bound });
            bench.give(Input::Asked { slot, port: 0 });
        }
        let expected = if bound == 0 { Reason::NoLocalPort } else { Reason::NoOutsidePort };
        assert_eq!(bench.failure(), Some(expected));
    }
}

#[test]
fn punches_share_one_budget() {
    let mut bench = Bench::initiator(setup(PEER));
    bench.budget = Budget::new(1, 100);
    bench.fire();
    assert_eq!(bench.connects().len(), 1);
    let (conn, ..) = bench.connects()[0];
    bench.give(Input::TimedOut { conn });
    assert_eq!(bench.connects().len(), 2, "there is room now");
    bench.give(Input::Cancel);
    assert_eq!(bench.budget.half_open(), 0);
    assert_eq!(bench.failure(), Some(Reason::Cancelled));
}

#[test]
fn refusals_are_met_at_random_times() {
    let mut bench = Bench::initiator(setup(PEER));
    bench.fire();
    let (conn, ..) = bench.connects()[0];
    let mut pauses = BTreeSet::new();
    for _ in 0..20 {
        bench.give(Input::Refused { conn });
        let (again, _, at) = *bench.connects().last().unwrap();
        assert_eq!(again, conn);
        assert!(at >= bench.now && at <= bench.now + Duration::from_millis(100));
        pauses.insert(at);
    }
    assert!(pauses.len() > 15);
    assert_eq!(bench.session.reports()[0].refused, 20);
}
