//! What strangers and bad peers can make us do.

use super::*;
use crate::proto::connect::message::Refusal;
use crate::proto::punch::{self, Body};

fn count(outputs: &[Output], what: &str) -> usize {
    short(outputs).iter().filter(|text| text.starts_with(what)).count()
}

#[test]
fn a_call_is_checked() {
    let refused = |locator: &str, own_change: &dyn Fn(&mut Own)| {
        let mut bench = Bench::with(true, |_, own| own_change(own));
        let out = bench.hears(&Message::Call { token: [8; 16], locator: locator.to_owned(), punch: None });
        assert!(bench.connector.is_empty(), "nothing is remembered");
        short(&out)
    };
    let bench = Bench::new(true);
    let good = bench.unl(&["mapped 203.0.113.7:7000"]);
    let mut forged = good.text().to_owned();
    forged.replace_range(60..61, if &forged[60..61] == "A" { "B" } else { "A" });
    assert_eq!(refused(&forged, &|_| {}), ["log", "refuse Locator"]);
    let others = UnlV3::sign(Record::default(), &Identity::from_secret(&[77; 32])).unwrap();
    assert_eq!(refused(others.text(), &|_| {}), ["log", "refuse Locator"]);
    let sign = |record| UnlV3::sign(record, &bench.peer).unwrap();
    let foreign = sign(Record { network: Some(NetworkId::of("chess")), ..Record::default() });
    assert_eq!(refused(foreign.text(), &|_| {}), ["log", "refuse OtherNetwork"]);
    let old = sign(Record { expires: Some(1_000), ..Record::default() });
    let clock = |unix: u64| move |own: &mut Own| own.clock = Some((Instant::now(), unix));
    assert_eq!(refused(old.text(), &clock(1_000 + 3 * 86_400)), ["log", "refuse Expired"]);
    assert_eq!(refused(good.text(), &|own| own.full = true), ["log", "refuse Busy"]);
    // Clocks differ by a day.
    let mut bench = Bench::with(true, |_, own| clock(1_000 + 86_400)(own));
    let out = bench.hears(&Message::Call { token: [8; 16], locator: old.text().to_owned(), punch: None });
    assert_eq!(short(&out), ["answer by signal, 0 dials"]);
}

#[test]
fn a_caller_that_can_be_reached_is_connected_to_and_told_if_it_was_in_vain() {
    let mut bench = Bench::new(false);
    let locator = bench.unl(&["mapped 203.0.113.7:7000"]).text().to_owned();
    let call = Message::Call { token: [8; 16], locator, punch: None };
    let out = bench.hears(&call);
    assert_eq!(short(&out), ["answer by signal, 1 dials", "dial 203.0.113.7:7000"]);
    assert_eq!(short(&bench.hears(&call)), ["answer by signal, 1 dials"], "repeated: answered again");
    let conn = dialled(&out);
    let greeting = bench.give(Input::Connected { conn });
    assert!(matches!(greeting[0], Output::Greet { token: [8, ..], chosen: false, .. }));
    assert_eq!(short(&bench.closed(conn)), ["refuse NotReached"]);
    assert_eq!(short(&bench.pass(MS * 20_000)), [""; 0]);
    assert!(bench.connector.is_empty());
}

#[test]
fn floods_of_calls() {
    let mut bench = Bench::new(true);
    let locator = bench.unl(&["mapped 203.0.113.7:7000"]).text().to_owned();
    let mut out = Vec::new();
    for n in 1..=200u8 {
        out.extend(bench.hears(&Message::Call { token: [n; 16], locator: locator.clone(), punch: None }));
        bench.now += MS;
    }
    assert_eq!((count(&out, "answer by signal"), count(&out, "dial")), (6, 1));
    assert!(count(&out, "log") <= 12);
    // Of many: what is answered, dialled and remembered is bounded.
    let mut bench = Bench::new(true);
    let mut out = Vec::new();
    for n in 10..=209u8 {
        let identity = Identity::from_secret(&[n; 32]);
        let locator = UnlV3::sign(record(&["mapped 203.0.113.7:7000"]), &identity).unwrap().text().to_owned();
        let call = Message::Call { token: [n; 16], locator, punch: None }.encode();
        let input = bench.sealed(&identity, &call);
        out.extend(bench.give(input));
    }
    assert_eq!(count(&out, "answer by signal"), 32);
    assert_eq!(count(&out, "refuse Busy"), 8);
    assert!(bench.connector.len() <= 32);
    bench.pass(MS * 30_000);
    assert!(bench.connector.is_empty());
}

#[test]
fn dials_that_others_ask_for() {
    let mut bench = Bench::with(true, |settings, _| settings.dials_asked = 6);
    let candidates: Vec<String> = (0..8).map(|n| format!("mapped 203.0.113.7:700{n}")).collect();
    let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
    let locator = bench.unl(&candidates).text().to_owned();
    let mut out = bench.hears(&Message::Call { token: [8; 16], locator, punch: None });
    out.extend(bench.pass(MS * 3000));
    assert_eq!(count(&out, "dial"), 3, "half of a minute's at once");
}

/// A peer that we want to be connected to has no more of them.
#[test]
fn dials_that_a_peer_asks_for_while_we_connect_to_it() {
    let mut bench = Bench::with(true, |settings, _| settings.dials_asked = 6);
    let candidates = |first: usize| -> Vec<String> {
        (first..first + 8).map(|n| format!("mapped 203.0.113.7:{}", 7000 + n)).collect()
    };
    let unl = |bench: &Bench, first| {
        let candidates = candidates(first);
        bench.unl(&candidates.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let own = unl(&bench, 0);
    let mut out = bench.connect(1, &own);
    for n in 1..=6u8 {
        let locator = unl(&bench, usize::from(n) * 8).text().to_owned();
        let fresh = bench.hears(&Message::Call { token: [n; 16], locator, punch: None });
        let dials: Vec<ConnId> = fresh
            .iter()
            .filter_map(|output| match output {
                Output::Dial { conn, .. } => Some(*conn),
                _ => None,
            })
            .collect();
        out.extend(fresh);
        // Each fails at once, so the next may begin.
        for conn in dials {
            out.extend(bench.give(Input::DialFailed { conn, os_error: 111, text: "refused".into() }));
        }
        out.extend(bench.pass(MS * 1400));
    }
    assert_eq!(count(&out, "dial"), 8 + 3, "our own, and half of a minute's for others");
}

#[test]
fn what_concerns_nothing_is_ignored() {
    let mut bench = Bench::new(true);
    let body = Body::Offer(Side { outside_ip: "203.0.113.7".parse().ok(), ..Side::default() });
    let offer = punch::Message { token: punch::Token([9; 16]), round: 1, body };
    let locator = bench.passive().text().to_owned();
    for message in [
        Message::Punch(offer.clone()),
        Message::Answer { token: [8; 16], dials: 1, locator: locator.clone() },
        Message::Refuse { token: [8; 16], reason: Refusal::Cancelled },
    ] {
        assert_eq!(short(&bench.hears(&message)), [""; 0]);
    }
    let unl = bench.passive();
    bench.connect(1, &unl);
    assert_eq!(short(&bench.hears(&Message::Answer { token: [8; 16], dials: 1, locator })), [""; 0]);
    let reason = Refusal::Busy;
    assert_eq!(short(&bench.hears(&Message::Refuse { token: [8; 16], reason })), [""; 0]);
    let peer = Identity::from_secret(bench.peer.secret());
    let junk = bench.sealed(&peer, &[9; 40]);
    assert_eq!(short(&bench.give(junk)), ["log"]);
    for input in [
        Input::Connected { conn: ConnId(999) },
        Input::Verdict { conn: ConnId(999), chosen: true },
        Input::Chosen { conn: ConnId(999) },
        Input::Closed { conn: ConnId(999), os_error: 0, text: String::new() },
        Input::Outcome { tag: 999, outcome: Outcome::Absent },
    ] {
        assert_eq!(short(&bench.give(input)), [""; 0]);
    }
}

#[test]
fn a_peer_begins_only_so_many_punches() {
    let mut bench = Bench::new(false);
    let locator = bench.unl(&["wan 203.0.113.7:0"]).text().to_owned();
    let mut out = bench.hears(&Message::Call { token: [8; 16], locator, punch: None });
    for n in 20..60 {
        let body = Body::Offer(Side { outside_ip: "203.0.113.7".parse().ok(), ..Side::default() });
        out.extend(bench.hears(&Message::Punch(punch::Message {
            token: punch::Token([n; 16]),
            round: 1,
            body,
        })));
    }
    assert_eq!((count(&out, "punch back"), count(&out, "punch off")), (4, 3));
}

#[test]
fn another_key_on_our_connection() {
    let mut bench = Bench::new(true);
    let unl = bench.passive();
    let conn = dialled(&bench.connect(1, &unl));
    bench.give(Input::Connected { conn });
    let (peer, at) = (Identity::from_secret(&[9; 32]).public(), "203.0.113.7:7000".parse().unwrap());
    let out = short(&bench.give(Input::Met { conn, peer, at, chosen: true }));
    assert!(out.contains(&format!("close {} Unknown", conn.0)), "{out:?}");
    assert_eq!(bench.connector.open(&peer), None);
}

#[test]
fn no_room() {
    let mut bench = Bench::with(true, |_, own| own.full = true);
    let (conn, out) = bench.came([0; 16], false, false);
    assert_eq!(short(&out), [format!("close {} Full", conn.0)]);
    let unl = bench.passive();
    bench.connect(1, &unl);
    assert_eq!(short(&bench.came([0; 16], false, false).1), ["answer chosen"], "one that we want as well");
    // One peer does not take all.
    let all: Vec<Output> = (0..40).flat_map(|_| bench.came([0; 16], false, false).1).collect();
    assert!(count(&all, "answer") < 16 && count(&all, "close") > 20);
}

/// What a server does with messages that are sealed: whatever is not what the peer has said just now does nothing.
#[test]
fn a_hostile_server() {
    let mut bench = Bench::new(true);
    let (peer, stranger) = (Identity::from_secret(bench.peer.secret()), Identity::from_secret(&[9; 32]));
    let locator = bench.unl(&["mapped 203.0.113.7:7000"]).text().to_owned();
    let call = Message::Call { token: [8; 16], locator, punch: None }.encode();
    let Input::Message { server, from, bytes } = bench.sealed(&peer, &call) else { panic!() };
    let give = |bench: &mut Bench, from, bytes: &[u8]| {
        short(&bench.give(Input::Message { server: server.clone(), from, bytes: bytes.to_vec() }))
    };
    // Not sealed at all; as if from another; changed; made by another in the peer's name.
    assert_eq!(give(&mut bench, from, &call), ["log"]);
    assert_eq!(give(&mut bench, stranger.public(), &bytes), ["log"]);
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(give(&mut bench, from, &changed), ["log"]);
    let Input::Message { bytes: forged, .. } = bench.sealed(&stranger, &call) else { panic!() };
    assert_eq!(give(&mut bench, from, &forged), ["log"]);
    assert!(bench.connector.is_empty());
    let as_is = give(&mut bench, from, &bytes);
    assert_eq!(as_is, ["answer by signal, 1 dials", "dial 203.0.113.7:7000"], "what the peer has said");
    for _ in 0..6 {
        let out = give(&mut bench, from, &bytes);
        assert!(out.is_empty() || out == ["log"], "again: {out:?}");
    }
}

/// An old call, sealed once more or by a node that was started anew since: the token tells.
#[test]
fn an_old_call_is_not_a_new_one() {
    let mut bench = Bench::new(true);
    let locator = bench.unl(&["mapped 203.0.113.7:7000"]).text().to_owned();
    let call = Message::Call { token: [8; 16], locator, punch: None };
    assert_eq!(count(&bench.hears(&call), "dial"), 1);
    bench.pass(MS * 30_000);
    assert!(bench.connector.is_empty(), "the call is over");
    assert_eq!(count(&bench.hears(&call), "dial"), 1, "it may have been long on its way");
    bench.pass(MS * 30_000);
    for _ in 0..3 {
        assert_eq!(short(&bench.hears(&call)), ["log"]);
        bench.pass(MS * 86_400_000);
    }
    let Message::Call { locator, .. } = call else { panic!() };
    let withdrawn = Message::Call { token: [7; 16], locator, punch: None };
    assert_eq!(count(&bench.hears(&withdrawn), "dial"), 1);
    let out = bench.hears(&Message::Refuse { token: [7; 16], reason: Refusal::Cancelled });
    assert_eq!(count(&out, "close"), 1);
    assert_eq!(short(&bench.hears(&withdrawn)), ["log"], "called off");
    assert!(bench.connector.is_empty());
}

#[test]
fn a_request_says_who_was_deceiving() {
    let mut bench = Bench::with(true, |settings, _| settings.punching = false);
    let unl = bench.unl(&[]);
    let mut out = bench.connect(1, &unl);
    let (token, _) = call(&out);
    let answer = Message::Answer { token, dials: 0, locator: bench.unl(&[]).text().to_owned() };
    let stranger = Identity::from_secret(&[9; 32]);
    let Input::Message { bytes, .. } = bench.sealed(&stranger, &answer.encode()) else { panic!() };
    for _ in 0..3 {
        let tag = call(&out).1;
        bench.give(Input::Outcome { tag, outcome: Outcome::Heard { server: SERVER.to_owned(), rtt: MS } });
        let (server, from, bytes) = (SERVER.to_owned(), bench.key(), bytes.clone());
        bench.give(Input::Message { server, from, bytes });
        out = bench.pass(MS * 1600);
    }
    let (code, reason, story) = done(&out);
    assert_eq!(code, Code::NoPath);
    let says = "what s.example:8000 passed on as the peer's was changed, or is not the peer's";
    assert!(reason.starts_with("the peer did not answer") && reason.ends_with(says), "{reason}");
    assert_eq!(story.notes.iter().filter(|note| note.text == says).count(), 1, "{:?}", story.notes);
}
