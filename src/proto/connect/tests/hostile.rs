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
        let bytes = Message::Call { token: [n; 16], locator, punch: None }.encode();
        let from = identity.public();
        out.extend(bench.give(Input::Message { server: SERVER.to_owned(), from, bytes }));
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
    let from = bench.key();
    let junk = Input::Message { server: SERVER.to_owned(), from, bytes: vec![9; 40] };
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
