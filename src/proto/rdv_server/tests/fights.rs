//! Simultaneous nodes: channels, challenges, and when they are told to fight.

use super::*;

#[test]
fn challenge_accept_fight() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    let asker = w.open("1.1.1.1");
    w.said();
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10 11 12 13");
    assert_eq!(
        w.said(),
        [lines(asker, &["PREDICTION SET"]), lines(node, &["CHALLENGE 1.1.1.1 10 11 12 13 TCP"])].concat()
    );
    w.say(node, "ACCEPT 1.1.1.1 20 21 TCP 1700000000.123456");
    assert_eq!(w.said(), lines(asker, &["FIGHT 2.2.2.2 20 21 TCP 1700000000.123456"]));
    w.open("2.2.2.2");
    assert!(w.said().is_empty(), "an accepted challenge is not told again");
}

#[test]
fn accept_may_come_from_any_connection_of_the_nodes_address() {
    let mut w = World::new();
    w.node("2.2.2.2");
    let asker = w.open("1.1.1.1");
    w.say(asker, "CANDIDATE 2.2.2.2 UDP 10");
    let second = w.open("2.2.2.2");
    w.said();
    w.say(second, "ACCEPT 1.1.1.1 20 UDP 1700000000");
    assert_eq!(w.said(), lines(asker, &["FIGHT 2.2.2.2 20 UDP 1700000000"]));
    let stranger = w.open("3.3.3.3");
    assert!(w.ask(stranger, "ACCEPT 1.1.1.1 20 UDP 1700000000").is_empty());
}

#[test]
fn the_time_in_accept_must_be_within_ten_minutes() {
    for (time, taken) in [
        ("1699999400", true),
        ("1699999399.999", false),
        ("1700000600.9", true),
        ("1700000601", false),
        ("0", false),
        ("99999999999999999999", false),
    ] {
        let mut w = World::new();
        let node = w.node("2.2.2.2");
        let asker = w.open("1.1.1.1");
        w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
        w.said();
        w.say(node, &format!("ACCEPT 1.1.1.1 20 TCP {time}"));
        assert_eq!(w.said().len(), usize::from(taken), "{time}");
    }
}

#[test]
fn open_challenges_are_told_again() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    let (a, b) = (w.open("1.1.1.1"), w.open("1.1.1.2"));
    w.say(a, "CANDIDATE 2.2.2.2 TCP 10");
    w.said();
    let both = ["CHALLENGE 1.1.1.1 10 TCP", "CHALLENGE 1.1.1.2 11 TCP"];
    // With every further candidate,
    w.say(b, "CANDIDATE 2.2.2.2 TCP 11");
    assert_eq!(w.said(), [lines(b, &["PREDICTION SET"]), lines(node, &both)].concat());
    // with every connection from the node's address,
    let second = w.open("2.2.2.2");
    assert_eq!(w.said(), lines(node, &both));
    // with every registration, and then on the new channel.
    w.say(second, "SIMULTANEOUS READY 0 0");
    assert_eq!(w.said(), lines(second, &both));
    // A candidate that has left is not told any more.
    w.server.closed(w.now, a);
    w.open("2.2.2.2");
    assert_eq!(w.said(), lines(second, &both[1..]));
    // Nor one that is older than 120 s.
    w.pass(121);
    w.open("2.2.2.2");
    assert!(w.said().is_empty());
}

#[test]
fn a_newer_candidate_of_an_address_replaces_the_older() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    let (a, b) = (w.open("1.1.1.1"), w.open("1.1.1.1"));
    w.say(a, "CANDIDATE 2.2.2.2 TCP 10");
    w.said();
    w.say(b, "CANDIDATE 2.2.2.2 TCP 11");
    assert_eq!(
        w.said(),
        [lines(b, &["PREDICTION SET"]), lines(node, &["CHALLENGE 1.1.1.1 11 TCP"])].concat()
    );
    // The end of the older connection does not take the newer candidate along.
    w.server.closed(w.now, a);
    w.say(node, "ACCEPT 1.1.1.1 20 TCP 1700000000");
    assert_eq!(w.said(), lines(b, &["FIGHT 2.2.2.2 20 TCP 1700000000"]));
}

#[test]
fn a_node_not_heard_of_for_two_minutes_is_told_to_reconnect() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    w.pass(120);
    let early = w.open("1.1.1.1");
    w.said();
    w.say(early, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(w.said().len(), 2, "120 s is not yet too long");
    w.server.closed(w.now, early);
    w.pass(1);
    let asker = w.open("1.1.1.1");
    w.said();
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(w.said(), [lines(asker, &["PREDICTION SET"]), lines(node, &["RECONNECT"])].concat());
    let again = w.open("2.2.2.2");
    assert_eq!(w.said(), lines(node, &["CHALLENGE 1.1.1.1 10 TCP"]), "the old channel is still there");
    w.server.closed(w.now, node);
    w.say(again, "SIMULTANEOUS READY 0 0");
    assert_eq!(w.said(), lines(again, &["CHALLENGE 1.1.1.1 10 TCP"]));
}

#[test]
fn a_candidate_needs_a_node_with_a_live_channel() {
    let mut w = World::new();
    let asker = w.open("1.1.1.1");
    assert!(w.ask(asker, "CANDIDATE 2.2.2.2 TCP 10").is_empty());
    w.passive("2.2.2.2", 5);
    assert!(w.ask(asker, "CANDIDATE 2.2.2.2 TCP 10").is_empty());
    let node = w.node("2.2.2.2");
    w.server.closed(w.now, node);
    assert!(w.ask(asker, "CANDIDATE 2.2.2.2 TCP 10").is_empty());
    // The end of an old channel leaves the new one alone.
    let (old, new) = (w.node("2.2.2.2"), w.node("2.2.2.2"));
    w.server.closed(w.now, old);
    w.said();
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(
        w.said(),
        [lines(asker, &["PREDICTION SET"]), lines(new, &["CHALLENGE 1.1.1.1 10 TCP"])].concat()
    );
}

#[test]
fn a_node_has_at_most_a_hundred_candidates() {
    let mut w = World::new();
    w.node("2.2.2.2");
    for n in 0..100 {
        let asker = w.open(&format!("1.1.1.{n}"));
        w.said();
        w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
        assert_eq!(w.said()[0], (asker, "PREDICTION SET".to_owned()));
    }
    let late = w.open("1.1.2.1");
    assert!(w.ask(late, "CANDIDATE 2.2.2.2 TCP 10").is_empty());
    let known = w.open("1.1.1.50");
    w.said();
    w.say(known, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(w.said()[0].1, "PREDICTION SET", "one of the hundred may try again");
    assert_eq!(w.server.candidates(), 100);
}

#[test]
fn a_connection_challenges_a_bounded_number_of_nodes() {
    let mut w = World::with(Limits { candidates_per_connection: 2, ..Limits::default() });
    let nodes: Vec<ConnId> = (0..3).map(|n| w.node(&format!("2.2.2.{n}"))).collect();
    let asker = w.open("1.1.1.1");
    for n in 0..3 {
        w.say(asker, &format!("CANDIDATE 2.2.2.{n} TCP 10"));
    }
    assert_eq!(w.said().iter().filter(|(to, _)| *to == asker).count(), 2);
    // Those that are over make room.
    w.pass(121);
    w.say(nodes[0], "SIMULTANEOUS READY 0 0");
    w.say(nodes[2], "SIMULTANEOUS READY 0 0");
    w.said();
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(w.said()[0], (asker, "PREDICTION SET".to_owned()));
}

#[test]
fn candidates_of_vanished_nodes_do_not_stay() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    let asker = w.open("1.1.1.1");
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
    w.server.closed(w.now, node);
    // The asker stays and keeps talking.
    for _ in 0..11 {
        w.pass(60);
        w.say(asker, "SOURCE TCP");
        w.server.on_timeout(w.now);
    }
    assert_eq!(w.server.candidates(), 0);
    assert_eq!(w.server.connections(), 1);
}
