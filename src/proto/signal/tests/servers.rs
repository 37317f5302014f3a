//! The servers where the node is: which, for how long, and how they are known for the same.

use super::super::*;
use super::world::{World, at, tell_line};
use crate::proto::base64url;
use crate::proto::rdv_msg::signal::{Reason, Refused, mark_of};

#[test]
fn it_stays_in_two_servers_and_takes_the_third_if_one_fails() {
    let mut w = World::new(&["A:1", "b:1", "c:1"]);
    assert_eq!(w.dialled(), ["a:1", "b:1"]);
    w.enter("a:1", 1);
    let entered = Happening::Entered { server: "a:1".into(), at: at(1), home: true, relay: false };
    assert_eq!(w.happened(), [entered]);
    w.fail("b:1");
    assert_eq!(w.ends(), [("b:1".to_owned(), End::Dial("connection refused".into()))]);
    assert_eq!(w.dialled(), ["c:1"]);
    w.enter("c:1", 3);
    assert_eq!(w.node.homes().collect::<Vec<_>>(), ["a:1", "c:1"]);
    w.pass(10_000);
    assert!(w.dialled().is_empty(), "two are enough");
    w.node.closed(w.now, w.links["a:1"], "reset");
    w.look();
    assert_eq!(w.dialled(), ["b:1"]);
}

#[test]
fn pauses_grow_and_end_when_the_network_changes() {
    let mut w = World::new(&["a:1"]);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        assert_eq!(w.dialled(), ["a:1"]);
        w.fail("a:1");
        let next = w.node.poll_timeout().unwrap();
        pauses.push((next - w.now).as_secs_f64());
        w.now = next;
        w.pass(0);
    }
    assert!(pauses[0] < 0.75 && pauses[7] > 15.0 && pauses[7] <= 90.0, "{pauses:?}");
    w.dialled();
    w.fail("a:1");
    w.node.network_changed(w.now);
    w.look();
    assert_eq!(w.dialled(), ["a:1"], "at once");
    w.enter("a:1", 1);
    w.happened();
    let old = w.links["a:1"];
    w.node.network_changed(w.now);
    w.look();
    assert_eq!((w.hung_up.pop(), w.dialled()), (Some(old), vec!["a:1".to_owned()]));
    assert_eq!(w.ends(), [("a:1".to_owned(), End::NetworkChanged)]);
}

#[test]
fn a_server_without_signalling_is_known_by_what_comes_first() {
    for (line, end) in [
        ("REMOTE TCP 5", End::NoSignalling),
        ("REFUSED OFF expected another server", End::NoSignalling),
        (
            "REFUSED FULL try later",
            End::Refused(Refused { reason: Reason::Full, tag: None, expected: "try later".into() }),
        ),
    ] {
        let mut w = World::new(&["a:1"]);
        w.connect("a:1", 1);
        for other in ["CHALLENGE 192.0.2.1 5 TCP", "rubbish", "ENTERED", "TOLD 1", "ECHO 1"] {
            w.say("a:1", other);
        }
        w.say("a:1", line);
        assert_eq!(w.ends(), [("a:1".to_owned(), end.clone())]);
        assert_eq!(w.hung_up, [w.links["a:1"]]);
        let pause = w.node.poll_timeout().unwrap() - w.now;
        let least = if end == End::NoSignalling { 1800 } else { 5 };
        assert!(pause >= Duration::from_secs(least), "{pause:?}");
    }
}

#[test]
fn a_silent_server_is_given_up() {
    // While it is dialled, before NONCE, before ENTERED, and after ECHO.
    for stage in 0..4 {
        let mut w = World::new(&["a:1"]);
        if stage > 0 {
            w.connect("a:1", 1);
        }
        if stage > 1 {
            w.say("a:1", &format!("NONCE {}", base64url::encode(&[9; 32])));
        }
        if stage > 2 {
            w.say("a:1", "ENTERED idle=60");
        }
        w.pass(4999);
        assert!(w.ends().is_empty());
        w.pass(1);
        assert_eq!(w.ends(), [("a:1".to_owned(), End::Silent)], "stage {stage}");
        assert_eq!(w.hung_up, [w.links["a:1"]]);
    }
}

#[test]
fn echo_measures_and_keeps_alive() {
    let mut w = World::new(&["a:1"]);
    w.pass(100);
    w.connect("a:1", 1);
    w.pass(30);
    w.say("a:1", &format!("NONCE {}", base64url::encode(&[9; 32])));
    let ms = Duration::from_millis;
    assert_eq!(w.node.rtt(w.now, "a:1"), Some(ms(30)));
    w.say("a:1", "ENTERED idle=9");
    w.pass(20);
    w.say("a:1", "ECHO 2");
    assert_eq!(w.node.rtt(w.now, "a:1"), Some(ms(30)), "that is no answer to ours");
    w.say("a:1", "ECHO 1");
    assert_eq!(w.node.rtt(w.now, "a:1"), Some(ms(20)));
    w.heard("a:1");
    w.pass(2979);
    assert!(w.heard("a:1").is_empty());
    w.pass(1);
    assert_eq!(w.heard("a:1"), ["ECHO 2"], "a third of what the server waits");
    w.node.measure(w.now);
    w.look();
    assert!(w.heard("a:1").is_empty(), "one at a time");
    w.say("a:1", "ECHO 2");
    w.node.measure(w.now);
    w.look();
    assert_eq!(w.heard("a:1"), ["ECHO 3"]);
}

#[test]
fn two_names_of_one_server_are_one_home() {
    // By its address,
    let mut w = World::new(&["a:1", "b:1", "c:1"]);
    w.enter("a:1", 1);
    w.dialled();
    w.connect("b:1", 1);
    assert!(w.heard("b:1").is_empty(), "entering would only replace ourselves");
    assert_eq!(w.ends(), [("b:1".to_owned(), End::SameAs("a:1".into()))]);
    assert_eq!(w.dialled(), ["c:1"]);
    w.enter("c:1", 3);
    w.tell(5, &["b:1"]);
    assert!(w.heard("a:1").contains(&tell_line(5)));
    w.say("a:1", "ABSENT 5");
    assert_eq!(w.outcomes(), [(5, Outcome::Absent)]);
    // until that is gone;
    w.node.closed(w.now, w.links["a:1"], "reset");
    w.look();
    assert_eq!(w.dialled(), ["b:1"]);
    // or by its mark, if it has several,
    let mut w = World::new(&["a:1", "b:1"]);
    w.enter_as("a:1", 1, "same");
    w.connect("b:1", 2);
    w.heard("b:1");
    w.say("b:1", &format!("NONCE {} mark={}", base64url::encode(&[9; 32]), mark_of("same")));
    assert!(w.heard("b:1").is_empty());
    assert_eq!(w.ends(), [("b:1".to_owned(), End::SameAs("a:1".into()))]);
    // or, if it was too late for that, by what it calls itself, whichever end is heard of first.
    for first in [true, false] {
        let mut w = World::new(&["a:1"]);
        w.enter_as("a:1", 1, "same");
        w.tell(5, &["x:1"]);
        if first {
            w.say("a:1", "REPLACED");
        }
        w.enter_as("x:1", 2, "same");
        if !first {
            w.say("a:1", "REPLACED");
        }
        assert_eq!(w.node.homes().collect::<Vec<_>>(), ["x:1"], "the visit has become a stay");
        let moved = Happening::Entered { server: "x:1".into(), at: at(2), home: true, relay: false };
        assert!(w.happened().contains(&moved));
        w.dialled();
        w.tell(6, &["a:1"]);
        assert!(w.heard("x:1").contains(&tell_line(6)));
    }
}

#[test]
fn whoever_shares_our_key_does_not_make_us_fight_for_it() {
    let mut w = World::new(&["a:1"]);
    w.enter("a:1", 1);
    w.dialled();
    w.say("a:1", "REPLACED");
    assert!(w.node.poll_timeout().unwrap() - w.now >= Duration::from_secs(30));
    w.pass(29_000);
    assert!(w.dialled().is_empty());
}
