//! Nodes and servers in virtual time: requests and answers are lost, servers restart, limits are met.

mod world;

use super::*;
use crate::proto::dht_id::NodeId;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use world::{ALICE, BOB, MS, world};

#[test]
fn messages_go_both_ways() {
    for clean in [false, true] {
        let mut w = world(clean, 1, |_| {});
        w.settle(MS);
        assert_eq!(w.told[0], [Happening::Registered { server: "s0".into() }]);
        w.nodes[0].put(w.now, 1, BOB, "hello");
        w.nodes[0].put(w.now, 2, BOB, "again");
        w.nodes[1].put(w.now, 3, ALICE, "you");
        w.settle(Duration::from_secs(2));
        assert_eq!((w.messages(1), w.messages(0)), (vec!["hello", "again"], vec!["you"]));
        assert_eq!(w.outcomes(0), BTreeMap::from([(1, Ok(())), (2, Ok(()))]));
        let asked = w.servers[0].asked;
        w.settle(Duration::from_secs(594 - 2));
        if !clean {
            assert_eq!(w.servers[0].asked, asked, "nothing is asked while nothing comes");
        }
        w.settle(Duration::from_secs(10));
        assert!(w.servers[0].asked >= asked + 6, "{clean}: {asked}, then {}", w.servers[0].asked);
    }
}

#[test]
fn a_server_that_forgets_is_registered_with_again() {
    for clean in [false, true] {
        let mut w = world(clean, 1, |_| {});
        w.settle(Duration::from_secs(20));
        w.servers[0].nodes.clear();
        w.up[0] = false;
        w.nodes[0].put(w.now, 1, BOB, "while it was away");
        w.settle(Duration::from_secs(3));
        assert!(w.outcomes(0).is_empty() && w.troubles(0) == 1, "{:?}", w.told[0]);
        w.up[0] = true;
        w.settle(Duration::from_secs(20));
        assert_eq!(
            (w.messages(1), w.outcomes(0)),
            (vec!["while it was away"], BTreeMap::from([(1, Ok(()))]))
        );
        let registered =
            |n: usize| w.told[n].iter().filter(|what| matches!(what, Happening::Registered { .. })).count();
        assert_eq!((registered(0), registered(1)), (2, 2));
    }
}

#[test]
fn a_name_that_is_taken_is_told_once_and_asked_for_ever_more_rarely() {
    for clean in [false, true] {
        let mut w = world(clean, 1, |_| {});
        for id in [ALICE, BOB] {
            w.servers[0].nodes.insert(id.to_string(), "another".into());
        }
        w.settle(Duration::from_secs(3600));
        assert_eq!(w.troubles(0), 1, "{:?}", w.told[0]);
        assert!(!w.told[0].iter().any(|what| matches!(what, Happening::Registered { .. })));
        // Two nodes, three requests about every minute.
        assert!((60..1000).contains(&w.servers[0].asked), "{} requests in an hour", w.servers[0].asked);
        w.nodes[0].put(w.now, 1, BOB, "x");
        w.settle(Duration::from_secs(31));
        let outcome = w.outcomes(0).remove(&1).unwrap().unwrap_err();
        assert!(matches!(&outcome, PutError::Late { .. }), "{outcome}");
    }
}

#[test]
fn the_next_server_takes_what_the_first_does_not() {
    for clean in [false, true] {
        let mut w = world(clean, 3, |_| {});
        w.up[0] = false;
        w.settle(Duration::from_secs(1));
        w.nodes[0].put(w.now, 1, BOB, "by the second");
        w.settle(Duration::from_secs(1));
        assert_eq!(w.messages(1), ["by the second"]);
        w.up[1] = false;
        w.nodes[1].put(w.now, 2, ALICE, "by the third");
        w.settle(Duration::from_secs(1));
        assert_eq!(w.messages(0), ["by the third"]);
    }
}

#[test]
fn a_full_mailbox_holds_up_its_own_messages_only() {
    let mut w = world(true, 1, |_| {});
    w.servers[0].room = Some(1);
    w.servers[0].boxes.insert("cc".repeat(20), vec![(1, "old".into())]);
    w.settle(MS);
    for (tag, to) in [(1, NodeId([0xcc; 20])), (2, NodeId([0xcc; 20])), (3, BOB)] {
        w.nodes[0].put(w.now, tag, to, "text");
    }
    w.settle(Duration::from_secs(1));
    assert_eq!(w.outcomes(0), BTreeMap::from([(3, Ok(()))]));
    w.settle(Duration::from_secs(30));
    let outcomes = w.outcomes(0);
    let PutError::Late { last, .. } = outcomes[&1].clone().unwrap_err() else { panic!("{outcomes:?}") };
    assert_eq!(last, "full");
    assert!(outcomes[&2].is_err());
}

#[test]
fn what_cannot_be_sent_is_refused_at_once() {
    let mut w = world(true, 1, |settings| settings.queue = 2);
    w.up[0] = false;
    for (tag, text) in
        [(1, ""), (2, &*"x".repeat(MAX_TEXT + 1)), (3, "a"), (4, &"x".repeat(MAX_TEXT)), (5, "b")]
    {
        w.nodes[0].put(w.now, tag, BOB, text);
    }
    w.take_outputs();
    let outcomes = w.outcomes(0);
    assert!(matches!(outcomes[&1], Err(PutError::Size(_))) && matches!(outcomes[&2], Err(PutError::Size(_))));
    assert_eq!(outcomes[&5], Err(PutError::Queue(2)));
    assert_eq!(outcomes.len(), 3);
    w.up[0] = true;
    w.settle(Duration::from_secs(5));
    assert_eq!(w.messages(1).len(), 2);
}

#[test]
fn an_answer_that_breaks_off_is_saved_and_its_repetition_known() {
    let mut w = world(false, 1, |_| {});
    w.settle(MS);
    let letters = [wrap::wrap("of ours", &[1; 12]).unwrap(), "a131".into(), "a132".into(), "a133".into()];
    let whole = serde_json::to_string(&letters).unwrap();
    let bob = w.waiting.iter().position(|q| q.node == 1 && matches!(q.call, Call::List { .. })).unwrap();
    let q = w.waiting.swap_remove(bob);
    let cut = whole.len() - 3;
    let broke = Some("closed the connection".to_owned());
    w.report(&q, Ok(Reply { status: 200, body: whole.as_bytes()[..cut].to_vec(), broke }));
    w.take_outputs();
    assert_eq!(w.messages(1), ["of ours", "1", "2"]);
    // The server has them all still, and one of them once more.
    let held = letters.iter().cloned().chain(["a131".to_owned()]).enumerate();
    w.servers[0].boxes.insert(BOB.to_string(), held.map(|(n, text)| (n as u64, text)).collect());
    w.settle(Duration::from_secs(5));
    assert_eq!(w.messages(1), ["of ours", "1", "2", "3", "1"]);
}

#[test]
fn what_was_not_acknowledged_comes_again_and_is_known_by_its_number() {
    let mut w = world(true, 1, |_| {});
    // Two of an original that say the same: without a token they are told apart by their numbers alone.
    let held = [7, 8].map(|n| (n, "a131".to_owned()));
    w.servers[0].boxes.insert(BOB.to_string(), held.to_vec());
    w.settle(50 * MS);
    assert_eq!(w.messages(1), ["1", "1"]);
    // The question that acknowledges them is lost, and with it the server's memory of us.
    w.now += 100 * MS;
    w.tick();
    w.take_outputs();
    let bob = w.waiting.iter().position(|q| q.node == 1 && q.path.contains("&ack=8")).unwrap();
    w.answer(bob, 6);
    w.servers[0].nodes.clear();
    w.servers[0].boxes.get_mut(&BOB.to_string()).unwrap().push((9, "a131".to_owned()));
    w.settle(Duration::from_secs(10));
    assert_eq!(w.messages(1), ["1", "1", "1"]);
    assert!(w.servers[0].boxes[&BOB.to_string()].is_empty(), "acknowledged in the end");
}

#[test]
fn what_is_no_text_is_left_out_and_told() {
    let mut w = world(false, 1, |_| {});
    let held = ["zz", "a131", "01", "", "d9"].map(|text| (1, text.to_owned()));
    w.servers[0].boxes.insert(BOB.to_string(), held.to_vec());
    w.settle(Duration::from_secs(1));
    assert_eq!((w.messages(1), w.troubles(1)), (vec!["1"], 1), "{:?}", w.told[1]);
}

#[test]
fn a_changed_network_begins_anew_at_once() {
    let mut w = world(true, 1, |_| {});
    w.up[0] = false;
    w.settle(Duration::from_secs(300));
    w.up[0] = true;
    w.nodes[0].put(w.now, 1, BOB, "x");
    for node in &mut w.nodes {
        node.network_changed(w.now);
    }
    w.settle(MS);
    assert_eq!((w.messages(1), w.outcomes(0)), (vec!["x"], BTreeMap::from([(1, Ok(()))])));
    // A request that hung is given up, and what it asked is asked again.
    w.nodes[0].put(w.now, 2, BOB, "y");
    w.take_outputs();
    let hanging = w.waiting.len();
    w.nodes[0].network_changed(w.now);
    w.take_outputs();
    assert!(w.waiting.len() <= hanging + 1);
    w.settle(Duration::from_secs(1));
    assert_eq!(w.messages(1), ["x", "y"]);
}

#[test]
fn after_the_end_nothing_happens() {
    let mut w = world(true, 2, |_| {});
    w.settle(MS);
    w.nodes[0].put(w.now, 1, BOB, "x");
    w.take_outputs();
    w.nodes[0].leave();
    w.take_outputs();
    assert!(w.waiting.iter().all(|q| q.node == 1));
    assert_eq!(w.nodes[0].poll_timeout(), None);
}

#[test]
fn a_server_that_forgets_at_once_is_not_asked_in_a_circle() {
    let mut w = world(true, 1, |_| {});
    for _ in 0..1000 {
        w.take_outputs();
        // It knows nobody but for the first question after the registration.
        while let Some(at) = w.waiting.iter().position(|q| !matches!(q.call, Call::List { .. })) {
            w.answer(at, 0);
            w.take_outputs();
        }
        w.servers[0].nodes.clear();
        while let Some(at) = w.waiting.iter().position(|q| matches!(q.call, Call::List { .. })) {
            w.answer(at, 0);
            w.take_outputs();
            if w.waiting.iter().all(|q| !matches!(q.call, Call::List { .. })) {
                break;
            }
        }
        w.now += 10 * MS;
        w.tick();
    }
    assert!(w.servers[0].asked < 400, "{} requests in ten seconds", w.servers[0].asked);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is lost and whenever servers restart: what a sender was told is sent arrives once, nothing arrives twice. With
    /// a script an answer that vanishes as a whole takes its messages along; that is not played here.
    #[test]
    fn nothing_is_lost_and_nothing_comes_twice(
        clean: bool,
        count in 1..=3usize,
        steps in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8, 0..12u8), 1..250),
    ) {
        let mut w = world(clean, count, |settings| settings.patience = Duration::from_secs(600));
        let mut sent = 0;
        for (which, fate, what) in steps {
            w.take_outputs();
            match what {
                0 if sent < 60 => {
                    sent += 1;
                    w.nodes[0].put(w.now, sent, BOB, &format!("message {sent}"));
                }
                1 => {
                    // The store keeps messages; whom it knows may be lost.
                    w.servers[which.index(count)].nodes.clear();
                }
                2 => w.up[which.index(count)] ^= true,
                3 => {
                    w.now += Duration::from_millis(u64::from(fate) * 700);
                    w.tick();
                }
                4 if clean || fate == 0 => {
                    // A script may have given messages to the request that is given up here.
                    let n = if clean { which.index(2) } else { 0 };
                    w.nodes[n].network_changed(w.now);
                }
                _ if !w.waiting.is_empty() => {
                    let at = which.index(w.waiting.len());
                    let is_list = matches!(w.waiting[at].call, Call::List { .. });
                    w.answer(at, if is_list && !clean && fate == 7 { 6 } else { fate });
                }
                _ => {}
            }
        }
        w.up = vec![true; count];
        w.settle(Duration::from_secs(700));
        let outcomes = w.outcomes(0);
        prop_assert_eq!(outcomes.len() as u64, sent);
        let mut came: Vec<&str> = w.messages(1);
        let total = came.len();
        came.sort_unstable();
        came.dedup();
        prop_assert_eq!(came.len(), total, "something came twice");
        for (tag, outcome) in outcomes {
            let text = format!("message {tag}");
            if outcome.is_ok() {
                prop_assert!(came.contains(&text.as_str()), "lost: {}", text);
            }
        }
        prop_assert_eq!(w.nodes[0].under_way(), 0);
    }
}
