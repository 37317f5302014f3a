//! Which connection of several.

use super::*;
use crate::proto::punch::{self, Body};

const NONE: Token = [0; 16];

/// A recording of the peer's greeting is answered, but nothing comes of it; the peer itself then gets its connection.
#[test]
fn a_recording_opens_nothing() {
    let mut bench = Bench::new(true);
    let (recorded, out) = bench.came([5; 16], false, false);
    assert_eq!(short(&out), ["answer chosen"]);
    bench.now += MS * 10;
    let (real, out) = bench.came(NONE, false, false);
    assert_eq!(short(&out), ["answer -"]);
    bench.now += MS * 50;
    assert_eq!(short(&bench.give(Input::Verdict { conn: real, chosen: false })), [""; 0]);
    // Two of its round trips, and a little more.
    let out = bench.pass(MS * 300);
    let expected = [
        format!("close {} Silent", recorded.0),
        format!("choose {}", real.0),
        format!("open {} Accept", real.0),
    ];
    assert_eq!(short(&out), expected);
}

#[test]
fn the_follower_opens_on_a_first_message_only_what_it_has_asked_for() {
    let mut bench = Bench::new(false);
    let (conn, out) = bench.came([5; 16], true, false);
    assert_eq!(short(&out), ["answer -"]);
    assert_eq!(
        short(&bench.give(Input::Verdict { conn, chosen: true })),
        [format!("open {} Accept", conn.0)]
    );
    // With an attempt of its own.
    let mut bench = Bench::new(false);
    let unl = bench.unl(&["wan 203.0.113.7:0"]);
    let out = bench.connect(1, &unl);
    assert_eq!(short(&out), ["punch"]);
    let (token, _) = call(&bench.pass(MS * 110));
    let (conn, out) = bench.came(token, true, false);
    let expected = ["answer -".to_owned(), format!("open {} Reverse", conn.0), format!("done 1 {}", conn.0)];
    assert_eq!(short(&out), expected);
    // The punch goes on until the other end has shown that it has the connection, too.
    assert_eq!(short(&bench.give(Input::Verdict { conn, chosen: true })), ["punch off"]);
}

/// What was opened on a first message breaks before the second: the one beside it takes its place.
#[test]
fn the_follower_keeps_the_others_until_the_open_one_is_confirmed() {
    let mut bench = Bench::new(false);
    let unl = bench.passive();
    let out = bench.connect(1, &unl);
    let (mine, (token, _)) = (dialled(&out), call(&out));
    bench.give(Input::Connected { conn: mine });
    assert_eq!(short(&bench.met(mine, false)), ["answer -"]);
    let (theirs, out) = bench.came(token, true, false);
    assert_eq!(short(&out)[1], format!("open {} Reverse", theirs.0));
    assert_eq!(short(&bench.give(Input::Chosen { conn: mine })), [""; 0], "which of the two is newer?");
    assert_eq!(short(&bench.closed(theirs)), [format!("open {} Direct", mine.0)]);
}

#[test]
fn a_confirmed_one_ends_the_others() {
    let mut bench = Bench::new(false);
    let unl = bench.passive();
    let out = bench.connect(1, &unl);
    let (mine, (token, _)) = (dialled(&out), call(&out));
    bench.give(Input::Connected { conn: mine });
    let (theirs, _) = bench.came(token, true, false);
    let mut unheard = bench.connector.deadline();
    let out = bench.give(Input::Verdict { conn: theirs, chosen: true });
    assert_eq!(short(&out), [format!("close {} Beaten", mine.0)]);
    // Or after a second without any word.
    assert_eq!(unheard.take(), Some(bench.now + MS * 1000));
    assert_eq!(bench.connector.deadline(), None);
}

#[test]
fn the_chooser_takes_another_if_its_choice_breaks() {
    let mut bench = Bench::new(true);
    let unl = bench.unl(&["wan 203.0.113.7:7000", "mapped 203.0.113.7:7001"]);
    let out = bench.connect(1, &unl);
    let first = dialled(&out);
    let second = dialled(&bench.pass(MS * 260));
    assert_eq!(short(&bench.give(Input::Connected { conn: first })), ["greet chosen"]);
    assert_eq!(short(&bench.give(Input::Connected { conn: second })), ["greet -"]);
    assert_eq!(short(&bench.met(second, false)), ["answer -"]);
    let out = short(&bench.closed(first));
    assert_eq!(out[..2], [format!("choose {}", second.0), format!("open {} Direct", second.0)]);
}

/// Soon after the race it may be a spare one of that race.
#[test]
fn the_chooser_holds_a_second_connection_and_then_takes_it() {
    for stays in [true, false] {
        let mut bench = Bench::new(true);
        let (old, _) = bench.came(NONE, false, true);
        bench.now += MS * 10;
        let (new, out) = bench.came(NONE, false, false);
        assert_eq!(short(&out), ["answer -"]);
        bench.give(Input::Verdict { conn: new, chosen: false });
        assert_eq!(short(&bench.pass(MS * 1900)), [""; 0]);
        if stays {
            let expected = [
                format!("choose {}", new.0),
                format!("close {} Replaced", old.0),
                format!("open {} Accept", new.0),
            ];
            assert_eq!(short(&bench.pass(MS * 200)), expected);
        } else {
            bench.closed(new);
            assert_eq!(short(&bench.pass(MS * 9000)), [""; 0]);
            assert_eq!(bench.connector.open(&bench.key()), Some(old));
        }
    }
}

/// Later, or if it is for the session that we hold, it is not: the peer has lost the open one, or wants another.
#[test]
fn the_chooser_takes_a_new_connection_of_the_peer_at_once() {
    for (later, session) in [(5000, NONE), (10, [8; 16])] {
        let mut bench = Bench::new(true);
        let (old, _) = bench.came(NONE, false, true);
        bench.connector.set_session(bench.now, bench.key(), Some([8; 16]));
        bench.now += MS * later;
        let (new, out) = bench.came(session, false, false);
        assert_eq!(short(&out), ["answer -"], "it may be a recording");
        let expected = [
            format!("choose {}", new.0),
            format!("close {} Replaced", old.0),
            format!("open {} Accept", new.0),
        ];
        assert_eq!(short(&bench.give(Input::Verdict { conn: new, chosen: false })), expected);
    }
}

#[test]
fn the_follower_drops_what_is_not_chosen_and_follows_what_is() {
    let mut bench = Bench::new(false);
    let (old, out) = bench.came(NONE, true, true);
    assert_eq!(short(&out), ["answer -".to_owned(), format!("open {} Accept", old.0)]);
    let (spare, _) = bench.came(NONE, false, false);
    bench.give(Input::Verdict { conn: spare, chosen: false });
    assert_eq!(short(&bench.pass(MS * 1100)), [format!("close {} Beaten", spare.0)]);
    let (new, out) = bench.came(NONE, true, false);
    assert_eq!(short(&out), ["answer -"], "it may be a recording");
    let out = bench.give(Input::Verdict { conn: new, chosen: true });
    assert_eq!(short(&out), [format!("close {} Replaced", old.0), format!("open {} Accept", new.0)]);
}

/// Without a locator at hand (XX): the node has dialled on its own account.
#[test]
fn connections_of_the_nodes_own_take_part() {
    let mut bench = Bench::new(true);
    let conn = bench.connector.next_conn();
    let expected = ["answer chosen".to_owned(), format!("open {} Direct", conn.0)];
    assert_eq!(short(&bench.met(conn, false)), expected);
    let (other, out) = bench.came(NONE, false, true);
    assert_eq!(short(&out), ["answer -"]);
    assert_eq!(
        short(&bench.closed(conn)),
        [format!("choose {}", other.0), format!("open {} Accept", other.0)]
    );
}

/// The node has dialled an address, and who is there is connected already: that is told at once. The connection is held for the
/// case that the other end has lost the open one.
#[test]
fn who_dials_a_connected_peer_hears_it_at_once() {
    for chooser in [true, false] {
        let mut bench = Bench::new(chooser);
        let (open, _) = bench.came(NONE, true, true);
        assert_eq!(bench.connector.open(&bench.key()), Some(open));
        let conn = bench.connector.next_conn();
        let spare = format!("spare {}", conn.0);
        assert_eq!(short(&bench.met(conn, false)), ["answer -".to_owned(), spare]);
        let later = bench.pass(MS * 2100);
        if chooser {
            assert_eq!(bench.connector.open(&bench.key()), Some(conn), "{:?}", short(&later));
        } else {
            assert_eq!(short(&later), [format!("close {} Beaten", conn.0)]);
        }
    }
    // With a locator it is an attempt's, and that has been told.
    let mut bench = Bench::new(true);
    let unl = bench.passive();
    let mine = dialled(&bench.connect(1, &unl));
    bench.give(Input::Connected { conn: mine });
    let (theirs, _) = bench.came(NONE, false, true);
    assert_eq!(bench.connector.open(&bench.key()), None);
    let out = short(&bench.met(mine, false));
    assert!(!out.iter().any(|text| text.starts_with("spare")), "{out:?} beside {theirs:?}");
}

/// Shared addresses (RFC 6598) are a provider's own network: whoever comes from there comes from within.
#[test]
fn what_is_inside() {
    for (ip, inside) in [
        ("100.64.0.1", true),
        ("100.127.255.254", true),
        ("100.63.0.1", false),
        ("100.128.0.1", false),
        ("192.168.1.2", true),
        ("127.0.0.1", true),
        ("fe80::1", true),
        ("fd00::1", true),
        ("203.0.113.7", false),
        ("2001:db8::1", false),
    ] {
        assert_eq!(super::super::link::inside(ip.parse().unwrap()), inside, "{ip}");
    }
}

fn offer(token: u8) -> punch::Message {
    let side = Side { outside_ip: "203.0.113.7".parse().ok(), ..Side::default() };
    punch::Message { token: punch::Token([token; 16]), round: 1, body: Body::Offer(side) }
}

/// Both punch: the chooser's goes on.
#[test]
fn two_punches_become_one() {
    for chooser in [true, false] {
        let mut bench = Bench::new(chooser);
        let unl = bench.unl(&["wan 203.0.113.7:0"]);
        assert_eq!(short(&bench.connect(1, &unl)), ["punch"]);
        bench.pass(MS * 110);
        let out = bench.hears(&Message::Punch(offer(9)));
        let expected: &[&str] = if chooser { &[] } else { &["punch off", "punch back"] };
        assert_eq!(short(&out), expected);
        assert_eq!(short(&bench.hears(&Message::Punch(offer(9)))).len(), usize::from(!chooser));
    }
}

#[test]
fn a_punch_is_the_peers_if_it_comes_first_and_ours_if_that_one_is_called_off() {
    let mut bench = Bench::new(true);
    let unl = bench.unl(&["wan 203.0.113.7:0"]);
    let locator = unl.text().to_owned();
    let out = bench.hears(&Message::Call { token: [8; 16], locator, punch: Some(offer(9)) });
    assert_eq!(short(&out), ["answer by signal, 0 dials", "punch back"]);
    let punch = out.iter().find_map(|output| match output {
        Output::Punch { punch, .. } => Some(*punch),
        _ => None,
    });
    assert_eq!(short(&bench.connect(1, &unl)), ["call"], "one punch at a time");
    let called_off = crate::proto::punch::Failure { reason: punch::Reason::Cancelled, by_peer: true };
    bench.give(Input::Punched { punch: punch.unwrap(), outcome: Err(called_off), text: String::new() });
    assert_eq!(short(&bench.pass(MS * 250)), ["punch"]);
}

#[test]
fn a_peer_that_has_moved_is_aimed_at_where_it_is() {
    let mut bench = Bench::new(true);
    let unl = bench.unl(&["wan 203.0.113.7:0"]);
    bench.connect(1, &unl);
    let (token, _) = call(&bench.pass(MS * 110));
    let locator = bench.unl(&["wan 203.0.113.99:0"]).text().to_owned();
    let out = bench.hears(&Message::Answer { token, dials: 0, locator });
    assert_eq!(short(&out), ["punch off", "punch"]);
    let Some(Output::Punch { begin, .. }) = out.last() else { panic!() };
    let Begin::Initiate { setup, .. } = &**begin else { panic!() };
    assert_eq!(setup.peer_ip.to_string(), "203.0.113.99");
}
