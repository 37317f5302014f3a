//! The last way: when a relay is used, which one, what the peer is told, and where strangers cannot send us.

use super::*;
use crate::event::Via;
use crate::proto::connect::message::Refusal;
use crate::proto::connect::report::{Result, Technique};
use crate::proto::punch::{Failure, Hopeless, Reason};

const AT: &str = "192.0.2.1:8000";

/// A node in front of which is a NAT that cannot be punched from here, at a server that relays.
fn blind(chooser: bool) -> Bench {
    Bench::with(chooser, |_, own| {
        own.side.mapping = Mapping::AddressAndPortDependent;
        own.side.allocation = Allocation::Random;
        own.relays = vec![SERVER.to_owned()];
    })
}

/// The locator of a peer with such a NAT, with no address to be dialled.
fn blind_peer(bench: &Bench) -> UnlV3 {
    let nat = crate::proto::unl::Nat {
        mapping: Mapping::AddressAndPortDependent,
        allocation: Allocation::Random,
        ..Default::default()
    };
    let node_type = Some(NodeType::Simultaneous);
    UnlV3::sign(Record { nat, node_type, ..record(&["wan 203.0.113.7:7000"]) }, &bench.peer).unwrap()
}

/// The relay that is gone to, its name, and what was said to the peer about it.
fn meeting(outputs: &[Output]) -> (ConnId, String, Token) {
    let goes = |output: &Output| match output {
        Output::Relay { conn, server, token, .. } => Some((*conn, server.clone(), token.0)),
        _ => None,
    };
    outputs.iter().find_map(goes).expect("a relay")
}

fn answer(unl: &UnlV3, out: &[Output]) -> Message {
    Message::Answer { token: call(out).0, dials: 0, locator: unl.text().to_owned() }
}

fn relayed(bench: &mut Bench, conn: ConnId) -> Vec<Output> {
    bench.give(Input::Relayed { conn, at: AT.parse().unwrap() })
}

#[test]
fn what_cannot_be_punched_is_relayed_at_once() {
    let mut bench = blind(true);
    let unl = blind_peer(&bench);
    let mut out = bench.connect(1, &unl);
    assert_eq!(short(&out), ["punch"]);
    out.extend(bench.pass(MS * 100));
    assert_eq!(short(&out), ["punch", "call", "relay s.example:8000 as a guest", "relay by signal"]);
    let (conn, server, token) = meeting(&out);
    assert_eq!(server, SERVER);
    let told = out.iter().find_map(|output| match output {
        Output::Tell { message, .. } => match Message::decode(message) {
            Ok(Message::Relay { token, relay, server }) => Some((token, relay, server)),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(told, Some((call(&out).0, token, SERVER.to_owned())));
    let greeting = relayed(&mut bench, conn);
    assert!(matches!(&greeting[..], [Output::Greet { token: said, chosen: true, .. }] if *said == token));
    assert_eq!(short(&relayed(&mut bench, conn)), [""; 0], "once");
    let out = bench.met(conn, false);
    assert!(short(&out).contains(&format!("open {} Relay", conn.0)), "{:?}", short(&out));
    let story = out.iter().find_map(|output| match output {
        Output::Open { story, .. } => Some(story.clone()),
        _ => None,
    });
    let story = story.unwrap();
    let entry = story.attempts.iter().find(|entry| entry.technique == Technique::Relay).unwrap();
    assert_eq!(entry.result, Result::Won);
    assert!(entry.text.contains(SERVER), "{}", entry.text);
    assert_eq!(story.end, End::Connected { via: Via::Relay, peer: AT.parse().unwrap() });
}

#[test]
fn nobody_is_waited_for_at_a_relay_who_cannot_hear_of_it() {
    let mut bench = blind(true);
    let mut out = bench.connect(1, &blind_peer(&bench));
    out.extend(bench.pass(MS * 100));
    let (conn, ..) = meeting(&out);
    let punch = out.iter().find_map(|output| match output {
        Output::Punch { punch, .. } => Some(*punch),
        _ => None,
    });
    let failure = Failure { reason: Reason::Hopeless(Hopeless::BothBlind), by_peer: false };
    let hopeless = Input::Punched { punch: punch.unwrap(), outcome: Err(failure), text: String::new() };
    assert!(!short(&bench.give(hopeless)).iter().any(|what| what.starts_with("done")), "it is being called");
    let (_, tag) = call(&out);
    out = bench.give(Input::Outcome { tag, outcome: Outcome::Absent });
    assert_eq!(short(&out), [""; 0], "it may have begun at the same time");
    let (_, tag) = call(&bench.pass(MS * 800));
    out = bench.give(Input::Outcome { tag, outcome: Outcome::Absent });
    assert!(short(&out).contains(&format!("close {} GivenUp", conn.0)), "{:?}", short(&out));
    let (code, reason, _) = done(&out);
    assert_eq!(code, Code::NoPath);
    assert!(reason.starts_with("the peer is at none of its signalling servers"), "{reason}");
    assert!(!reason.contains("no relay"), "{reason}");
}

#[test]
fn it_waits_a_second_if_something_else_may_come_and_longer_for_a_punch() {
    // The addresses are dialled, and nothing answers; there is no punch.
    let mut bench = Bench::with(true, |settings, own| {
        settings.punching = false;
        own.relays = vec![SERVER.to_owned()];
    });
    let unl = bench.passive();
    let mut out = bench.connect(1, &unl);
    assert_eq!(short(&out), ["dial 203.0.113.7:7000", "call"]);
    let early = bench.pass(MS * 390);
    assert_eq!(short(&early), [""; 0], "a direct connection is better");
    assert_eq!(short(&bench.pass(MS * 20)), ["relay s.example:8000 as a guest", "relay by signal"]);
    // A punch that may succeed.
    let mut bench = Bench::with(true, |_, own| own.relays = vec![SERVER.to_owned()]);
    let unl = bench.unl(&["wan 203.0.113.7:7000"]);
    out = bench.connect(1, &unl);
    out.extend(bench.pass(MS * 1100));
    let message = answer(&unl, &out);
    out.extend(bench.hears(&message));
    assert!(!short(&out).iter().any(|what| what.starts_with("relay")), "{:?}", short(&out));
    let punch = out.iter().find_map(|output| match output {
        Output::Punch { punch, .. } => Some(*punch),
        _ => None,
    });
    let failure = Failure { reason: Reason::TooLong, by_peer: false };
    let out =
        bench.give(Input::Punched { punch: punch.unwrap(), outcome: Err(failure), text: String::new() });
    assert!(short(&out).contains(&"relay s.example:8000 as a guest".to_owned()), "{:?}", short(&out));
    // And if it does not end, it is not waited for without end.
    let mut bench = Bench::with(true, |_, own| own.relays = vec![SERVER.to_owned()]);
    let mut out = bench.connect(1, &unl);
    out.extend(bench.pass(MS * 200));
    let message = answer(&unl, &out);
    bench.hears(&message);
    let out = bench.pass(MS * 3000);
    assert!(short(&out).contains(&"relay s.example:8000 as a guest".to_owned()), "{:?}", short(&out));
}

#[test]
fn a_direct_connection_that_is_proved_before_wins() {
    let mut bench = blind(true);
    let unl = blind_peer(&bench);
    let mut out = bench.connect(1, &unl);
    out.extend(bench.pass(MS * 100));
    let (relay, ..) = meeting(&out);
    let (direct, out) = bench.came(call(&out).0, false, true);
    let said = short(&out);
    assert!(said.contains(&format!("open {} Reverse", direct.0)), "{said:?}");
    assert!(said.contains(&format!("close {} Beaten", relay.0)), "{said:?}");
}

#[test]
fn the_peer_is_told_again_and_another_relay_is_tried() {
    let mut bench = Bench::with(true, |settings, own| {
        settings.punching = false;
        own.relays = vec![SERVER.to_owned()];
        settings.relays = ["other", "third", "fourth"].map(|name| format!("{name}.example:1")).to_vec();
    });
    let unl = blind_peer(&bench);
    let mut out = bench.connect(1, &unl);
    let message = answer(&unl, &out);
    bench.hears(&message);
    out.extend(bench.pass(MS * 4000));
    let offers = short(&out).iter().filter(|what| *what == "relay by signal").count();
    assert_eq!(offers, 3, "{:?}", short(&out));
    let (first, ..) = meeting(&out);
    let fail = |bench: &mut Bench, conn, text: &str| {
        bench.give(Input::DialFailed { conn, os_error: 0, text: text.to_owned() })
    };
    let out = fail(&mut bench, first, "it is full");
    assert_eq!(short(&out)[..2], ["relay other.example:1", "relay by signal"]);
    let (second, _, token) = meeting(&out);
    // The peer does not know that one.
    let out = bench.hears(&Message::Refuse { token, reason: Refusal::NoRelay });
    let more = ["relay third.example:1", "relay by signal"].map(str::to_owned);
    assert_eq!(short(&out), [&[format!("close {} GivenUp", second.0)], &more[..]].concat());
    // And no fourth one.
    let out = fail(&mut bench, meeting(&out).0, "it is full, too");
    assert_eq!(short(&out), ["done 1 NoPath"]);
    let reason = done(&out).1;
    assert!(reason.contains("no relay: third.example:1: it is full, too"), "{reason}");
    assert!(bench.connector.is_at_rest());
}

#[test]
fn failures_say_why_there_was_no_relay() {
    for (change, expected) in [
        (
            (|settings: &mut Settings, _: &mut Own| settings.relay = false) as fn(&mut Settings, &mut Own),
            "no relay: this node uses none",
        ),
        (|_, _| {}, "no relay: none of the signalling servers of the two is known to relay"),
    ] {
        let mut bench = Bench::with(true, |settings, own| {
            settings.punching = false;
            change(settings, own);
        });
        let unl = UnlV3::sign(record(&[]), &bench.peer).unwrap();
        let out = bench.connect(1, &unl);
        let message = answer(&unl, &out);
        let out = bench.hears(&message);
        let reason = done(&out).1;
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn a_server_that_turns_out_to_relay_is_used() {
    let mut bench = Bench::with(true, |settings, _| settings.punching = false);
    let unl = blind_peer(&bench);
    let out = bench.connect(1, &unl);
    assert_eq!(short(&out), ["call"]);
    let (small, _) = identities();
    let now = bench.now;
    bench.connector.set_own(now, Own { relays: vec![SERVER.to_owned()], ..own(&small) });
    assert_eq!(short(&bench.out()), ["relay s.example:8000 as a guest", "relay by signal"]);
}

/// Bench as the one who is called, the call's token, and what came of an offer.
fn offered(change: impl FnOnce(&mut Settings, &mut Own), server: &str) -> (Bench, Vec<Output>) {
    let mut bench = Bench::with(true, change);
    let locator = blind_peer(&bench).text().to_owned();
    bench.hears(&Message::Call { token: [8; 16], locator, punch: None });
    let offer = Message::Relay { token: [8; 16], relay: [9; 16], server: server.to_owned() };
    let out = bench.hears(&offer);
    (bench, out)
}

#[test]
fn a_called_node_goes_there_and_is_greeted() {
    let (mut bench, out) = offered(|_, _| {}, SERVER);
    assert_eq!(short(&out), ["relay s.example:8000 as a guest"]);
    let (conn, _, token) = meeting(&out);
    assert_eq!(token, [9; 16]);
    let again = Message::Relay { token: [8; 16], relay: [9; 16], server: SERVER.to_owned() };
    assert_eq!(short(&bench.hears(&again)), [""; 0], "it was told again");
    assert_eq!(short(&relayed(&mut bench, conn)), [""; 0], "it waits for the greeting");
    let (peer, from) = (bench.key(), AT.parse().unwrap());
    // The first message may be a recording, but not one with this token.
    let came = Input::Came { conn, peer, from, token: [9; 16], chosen: false, live: false };
    assert_eq!(short(&bench.give(came)), ["answer chosen".to_owned(), format!("open {} Relay", conn.0)]);
}

#[test]
fn a_called_node_says_that_the_relay_did_not_take_it() {
    let fail = |bench: &mut Bench, conn| {
        bench.give(Input::DialFailed { conn, os_error: 111, text: "connection refused".to_owned() })
    };
    let (mut bench, out) = offered(|_, _| {}, SERVER);
    let conn = meeting(&out).0;
    assert_eq!(short(&fail(&mut bench, conn)), ["refuse NotRelayed"]);
    // Not when it had come so far, and the caller has gone.
    let (mut bench, out) = offered(|_, _| {}, SERVER);
    let conn = meeting(&out).0;
    relayed(&mut bench, conn);
    let gone = Input::Closed { conn, os_error: 0, text: "closed by the peer".to_owned() };
    assert_eq!(short(&bench.give(gone)), [""; 0]);
    // The caller goes on to the next one at once.
    let mut bench = Bench::with(true, |settings, own| {
        settings.relays = vec!["other.example:1".to_owned()];
        own.side.mapping = Mapping::AddressAndPortDependent;
        own.side.allocation = Allocation::Random;
        own.relays = vec![SERVER.to_owned()];
    });
    let unl = blind_peer(&bench);
    let mut out = bench.connect(1, &unl);
    out.extend(bench.pass(MS * 100));
    let (first, server, token) = meeting(&out);
    assert_eq!(server, SERVER);
    let out = bench.hears(&Message::Refuse { token, reason: Refusal::NotRelayed });
    assert!(short(&out).contains(&format!("close {} GivenUp", first.0)), "{:?}", short(&out));
    assert_eq!(meeting(&out).1, "other.example:1");
}

#[test]
fn it_goes_only_where_it_would_go_anyway() {
    let (bench, out) = offered(|_, _| {}, "elsewhere.example:22");
    assert_eq!(short(&out), ["log", "refuse NoRelay"]);
    drop(bench);
    let (_, out) = offered(|settings, _| settings.relay = false, SERVER);
    assert_eq!(short(&out), ["log", "refuse NoRelay"]);
    let (_, out) = offered(|_, _| {}, "home.example:8000");
    assert_eq!(short(&out), ["relay home.example:8000"], "one of its own");
    let (_, out) = offered(|settings, _| settings.relays = vec!["my.example:1".into()], "my.example:1");
    assert_eq!(short(&out), ["relay my.example:1"], "one that its program has named");
    // Not without a call, and not for another one.
    let mut bench = Bench::new(true);
    let offer = |token| Message::Relay { token, relay: [9; 16], server: SERVER.to_owned() };
    assert_eq!(short(&bench.hears(&offer([8; 16]))), [""; 0]);
    let locator = blind_peer(&bench).text().to_owned();
    bench.hears(&Message::Call { token: [8; 16], locator, punch: None });
    assert_eq!(short(&bench.hears(&offer([7; 16]))), [""; 0]);
}

#[test]
fn nobody_can_send_it_to_many_relays() {
    let (mut bench, _) = offered(|_, _| {}, SERVER);
    let mut relays = 0;
    for n in 10..50 {
        let offer = Message::Relay { token: [8; 16], relay: [n; 16], server: SERVER.to_owned() };
        relays += short(&bench.hears(&offer)).iter().filter(|what| what.starts_with("relay")).count();
    }
    assert_eq!(relays, 2, "three for a call");
    // When the caller does not want it any more, or its time is over, nothing is left.
    let out = bench.hears(&Message::Refuse { token: [8; 16], reason: Refusal::Cancelled });
    assert_eq!(short(&out).iter().filter(|what| what.starts_with("close")).count(), 3);
    assert!(bench.connector.is_empty());
}

#[test]
fn whoever_does_not_want_it_any_more_leaves_the_relay() {
    let mut bench = blind(true);
    let unl = blind_peer(&bench);
    let mut out = bench.connect(1, &unl);
    out.extend(bench.pass(MS * 100));
    let (conn, ..) = meeting(&out);
    bench.connector.cancel(bench.now, 1);
    let out = short(&bench.out());
    assert!(
        out.contains(&format!("close {} GivenUp", conn.0)) && out.contains(&"refuse Cancelled".to_owned())
    );
    // A relay at which the peer does not come is not waited for without end.
    let mut bench = blind(false);
    let unl = blind_peer(&bench);
    let mut out = bench.connect(1, &unl);
    out.extend(bench.pass(MS * 11_000));
    assert!(short(&out).iter().any(|what| what.starts_with("done 1")), "{:?}", short(&out));
}

/// The punch says what is known anyway.
#[test]
fn a_hopeless_punch_leads_to_the_relay_and_its_reason_stays() {
    let mut bench = blind(true);
    bench.connector.set_own(bench.now, {
        let (small, _) = identities();
        Own { relays: Vec::new(), ..own(&small) }
    });
    let unl = blind_peer(&bench);
    let mut out = bench.connect(1, &unl);
    out.extend(bench.pass(MS * 110));
    let message = answer(&unl, &out);
    let punch = out.iter().find_map(|output| match output {
        Output::Punch { punch, .. } => Some(*punch),
        _ => None,
    });
    bench.hears(&message);
    let failure = Failure { reason: Reason::Hopeless(Hopeless::BothBlind), by_peer: false };
    let out =
        bench.give(Input::Punched { punch: punch.unwrap(), outcome: Err(failure), text: String::new() });
    let reason = done(&out).1;
    assert!(reason.contains("unforeseeable") && reason.contains("no relay: none of"), "{reason}");
}

/// A locator of that node, which names these relays.
fn names(identity: &Identity, candidates: &[&str], relays: &[&str]) -> UnlV3 {
    let relays = relays.iter().map(|at| at.parse().unwrap()).collect();
    UnlV3::sign(Record { relays, ..record(candidates) }, identity).unwrap()
}

/// The relay that is gone to, and whether it is shown that we are of its network.
fn proves(outputs: &[Output]) -> Option<(String, bool)> {
    outputs.iter().find_map(|output| match output {
        Output::Relay { server, prove, .. } => Some((server.clone(), *prove)),
        _ => None,
    })
}

#[test]
fn nodes_of_the_network_relay_if_no_server_does() {
    let ours = |settings: &mut Settings, own: &mut Own| {
        settings.punching = false;
        let (me, _) = identities();
        own.locator = Some(names(&me, &["wan 198.51.100.1:50500"], &["198.51.100.1:50500", "192.0.2.9:7"]));
    };
    // One that the peer names, then one of ours; neither of the two is one for the other.
    let mut bench = Bench::with(true, ours);
    let unl = names(&bench.peer, &["wan 203.0.113.7:7000"], &["203.0.113.7:7000", "192.0.2.8:7"]);
    let mut out = bench.connect(1, &unl);
    let message = answer(&unl, &out);
    out.extend(bench.hears(&message));
    out.extend(bench.pass(MS * 1000));
    assert_eq!(proves(&out), Some(("192.0.2.8:7".to_owned(), true)));
    let fail = |bench: &mut Bench, conn| {
        bench.give(Input::DialFailed { conn, os_error: 0, text: "it is full".to_owned() })
    };
    let out = fail(&mut bench, meeting(&out).0);
    assert_eq!(proves(&out), Some(("192.0.2.9:7".to_owned(), true)));
    assert_eq!(proves(&fail(&mut bench, meeting(&out).0)), None);
    // A server that relays comes first, and gets no proof; one that the program has named may be a node.
    let mut bench = Bench::with(true, |settings, own| {
        ours(settings, own);
        settings.relays = vec!["my.example:1".to_owned()];
        own.relays = vec![SERVER.to_owned()];
    });
    let mut out = bench.connect(1, &unl);
    let message = answer(&unl, &out);
    out.extend(bench.hears(&message));
    out.extend(bench.pass(MS * 1000));
    assert_eq!(proves(&out), Some((SERVER.to_owned(), false)));
    let out = fail(&mut bench, meeting(&out).0);
    assert_eq!(proves(&out), Some(("my.example:1".to_owned(), true)));
}

#[test]
fn a_called_node_goes_to_nodes_that_either_locator_names() {
    let called = |relay: &str| {
        let mut bench = Bench::with(true, |_, own| {
            let (me, _) = identities();
            own.locator = Some(names(&me, &["wan 198.51.100.1:50500"], &["192.0.2.9:7"]));
        });
        let caller = names(&bench.peer, &[], &["192.0.2.8:7"]);
        bench.hears(&Message::Call { token: [8; 16], locator: caller.text().to_owned(), punch: None });
        let offer = Message::Relay { token: [8; 16], relay: [9; 16], server: relay.to_owned() };
        let out = bench.hears(&offer);
        (short(&out), proves(&out))
    };
    for relay in ["192.0.2.8:7", "192.0.2.9:7"] {
        let (said, proves) = called(relay);
        assert_eq!(said, [format!("relay {relay} as a guest")]);
        assert_eq!(proves, Some((relay.to_owned(), true)));
    }
    assert_eq!(called("192.0.2.10:7").0, ["log", "refuse NoRelay"]);
    assert_eq!(called(SERVER).1, Some((SERVER.to_owned(), false)));
}

#[test]
fn peers_that_relay_are_remembered_when_they_are_connected() {
    let mut bench = Bench::new(true);
    let unl = names(&bench.peer, &["wan 203.0.113.7:7000"], &["203.0.113.7:7000"]);
    let out = bench.connect(1, &unl);
    assert_eq!(bench.connector.take_volunteers(), None, "not by its locator alone");
    let conn = dialled(&out);
    bench.give(Input::Connected { conn });
    bench.met(conn, false);
    let named = bench.connector.take_volunteers();
    assert_eq!(named, Some(vec!["203.0.113.7:7000".parse().unwrap()]));
    assert_eq!(bench.connector.take_volunteers(), None);
    // By what it says itself, and as long as it is there.
    let (peer, at) = (bench.key(), "192.0.2.9:7".parse().unwrap());
    bench.connector.relays(&peer, at);
    assert_eq!(bench.connector.take_volunteers(), Some(vec!["192.0.2.9:7".parse().unwrap()]));
    let other = Identity::from_secret(&[3; 32]).public();
    bench.connector.relays(&other, "192.0.2.10:7".parse().unwrap());
    assert_eq!(bench.connector.take_volunteers(), None);
}
