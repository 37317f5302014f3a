//! Looking for the peer in BitTorrent's DHT, and the letter there, when nothing else leads to it.

use super::*;
use crate::proto::connect::message::Refusal;

fn bench(change: impl FnOnce(&mut Settings, &mut Own)) -> Bench {
    Bench::with(true, |settings, own| {
        (settings.mainline, settings.letters, own.node_type) = (true, true, Some(NodeType::Passive));
        own.servers.clear();
        change(settings, own);
    })
}

/// A locator of the peer's that names no server.
fn unl(bench: &Bench, candidates: &[&str], expires: Option<u64>) -> UnlV3 {
    UnlV3::sign(Record { servers: Vec::new(), expires, ..record(candidates) }, &bench.peer).unwrap()
}

fn look_up(outputs: &[Output]) -> u64 {
    let tag = |output: &Output| match output {
        Output::LookUp { tag, .. } => Some(*tag),
        _ => None,
    };
    outputs.iter().find_map(tag).expect("a look-up")
}

fn letter(outputs: &[Output]) -> (Token, u64) {
    let by = |output: &Output| match output {
        Output::Tell { via, .. } => Some(via.clone()),
        _ => None,
    };
    assert_eq!(outputs.iter().find_map(by), Some(vec![MAINLINE.to_owned()]));
    call(outputs)
}

fn refused(conn: ConnId) -> Input {
    Input::DialFailed { conn, os_error: 111, text: "refused".into() }
}

fn by_letter(bench: &mut Bench, message: &Message) -> Vec<Output> {
    let from = bench.key();
    bench.give(Input::Message { server: MAINLINE.to_owned(), from, bytes: message.encode() })
}

fn nothing() -> Result<(), String> {
    Err("the DHT has nothing of it".to_owned())
}

#[test]
fn it_is_asked_when_all_else_has_failed_and_not_before() {
    let mut bench = bench(|_, _| {});
    let unl = unl(&bench, &["wan 203.0.113.7:7000"], None);
    let out = bench.connect(1, &unl);
    assert_eq!(short(&out), ["dial 203.0.113.7:7000"]);
    assert_eq!(short(&bench.pass(MS * 900)), [""; 0]);
    let out = bench.give(refused(dialled(&out)));
    assert_eq!(short(&out), ["look up"]);
    let tag = look_up(&out);
    let locator = Box::new(self::unl(&bench, &["wan 203.0.113.9:7001"], None));
    let out = bench.give(Input::Located { tag, locator: locator.clone() });
    assert_eq!(short(&out), ["dial 203.0.113.9:7001"]);
    assert_eq!(short(&bench.give(Input::Located { tag, locator })), [""; 0], "the same again");
    let conn = dialled(&out);
    bench.give(Input::Connected { conn });
    let out = short(&bench.met(conn, false));
    assert_eq!(out[1..], [format!("open {} Direct", conn.0), format!("done 1 {}", conn.0)]);
    bench.give(Input::Searched { tag, outcome: Ok(()) });
    bench.closed(conn);
    assert!(bench.connector.is_at_rest() && bench.connector.is_empty());
}

#[test]
fn a_silent_address_is_not_waited_for_and_an_expired_locator_not_at_all() {
    let mut bench = bench(|_, own| own.clock = Some((Instant::now(), 1_000_000)));
    let there = unl(&bench, &["wan 203.0.113.7:7000"], Some(2_000_000));
    bench.connect(1, &there);
    assert_eq!(short(&bench.pass(MS * 1100)), ["look up"], "after a second");
    let mut bench = self::bench(|_, own| own.clock = Some((Instant::now(), 1_000_000)));
    let expired = unl(&bench, &["wan 203.0.113.7:7000"], Some(900_000));
    let out = bench.connect(1, &expired);
    assert_eq!(short(&out), ["dial 203.0.113.7:7000", "look up"]);
    // An older one than that is none that helps.
    let locator = Box::new(unl(&bench, &["wan 203.0.113.9:7001"], Some(800_000)));
    assert_eq!(short(&bench.give(Input::Located { tag: look_up(&out), locator })), [""; 0]);
}

#[test]
fn it_is_not_asked_for_a_peer_that_has_answered() {
    let mut bench = bench(|_, own| own.servers.push(SERVER.to_owned()));
    let unl = bench.passive();
    let out = bench.connect(1, &unl);
    let (token, tag) = call(&out);
    let heard = Outcome::Heard { server: SERVER.to_owned(), rtt: MS };
    bench.give(Input::Outcome { tag, outcome: heard });
    assert_eq!(short(&bench.pass(MS * 1050)), ["punch"], "it may answer yet");
    let out = bench.hears(&Message::Refuse { token, reason: Refusal::Busy });
    assert!(!short(&out).contains(&"look up".to_owned()));
    let out = short(&bench.pass(MS * 8000));
    assert!(!out.contains(&"look up".to_owned()), "{out:?}");
}

#[test]
fn the_letter_is_last_and_the_peer_comes() {
    let mut bench = bench(|_, _| {});
    let unl = unl(&bench, &[], None);
    let out = bench.connect(1, &unl);
    let tag = look_up(&out);
    let out = bench.give(Input::Searched { tag, outcome: nothing() });
    assert_eq!(short(&out), ["call"]);
    let (token, tag) = letter(&out);
    bench.give(Input::Searched { tag, outcome: Ok(()) });
    // The limit of ten seconds does not count any more: the peer looks every half a minute.
    assert_eq!(short(&bench.pass(MS * 31_000)), [""; 0]);
    let (conn, out) = bench.came(token, false, false);
    let number = conn.0;
    let opened = ["answer chosen".to_owned(), format!("open {number} Reverse"), format!("done 1 {number}")];
    assert_eq!(short(&out), opened);
}

#[test]
fn a_letter_that_nobody_answers() {
    let mut bench = bench(|_, _| {});
    let unl = unl(&bench, &[], None);
    let tag = look_up(&bench.connect(1, &unl));
    let out = bench.give(Input::Searched { tag, outcome: nothing() });
    let (_, tag) = letter(&out);
    bench.give(Input::Searched { tag, outcome: Ok(()) });
    let out = bench.pass(MS * 60_000);
    let (code, reason, _) = done(&out);
    assert_eq!(code, Code::NoPath);
    assert!(reason.ends_with("a letter to it there: the peer has not come"), "{reason}");
    assert!(bench.connector.is_at_rest());
}

/// A letter that cannot be left, that is refused, and none from a node to which nobody gets through.
#[test]
fn letters_that_come_to_nothing() {
    let mut bench = bench(|_, _| {});
    let unl = unl(&bench, &[], None);
    for refuse in [false, true] {
        let tag = look_up(&bench.connect(1, &unl));
        let out = bench.give(Input::Searched { tag, outcome: nothing() });
        let (token, tag) = letter(&out);
        let out = if refuse {
            bench.give(Input::Searched { tag, outcome: Ok(()) });
            by_letter(&mut bench, &Message::Refuse { token, reason: Refusal::NotReached })
        } else {
            bench.give(Input::Searched { tag, outcome: Err("no mailbox".to_owned()) })
        };
        let (_, reason, _) = done(&out);
        assert!(reason.contains(if refuse { "in vain" } else { "no mailbox" }), "{reason}");
    }
    let mut bench = self::bench(|_, own| own.node_type = Some(NodeType::Active));
    let tag = look_up(&bench.connect(1, &unl));
    let (_, reason, _) = done(&bench.give(Input::Searched { tag, outcome: nothing() }));
    assert!(reason.contains("nobody reaches this node"), "{reason}");
}

#[test]
fn new_servers_in_the_locator_are_asked_and_a_punch_needs_them() {
    let mut bench = bench(|_, own| {
        own.node_type = Some(NodeType::Simultaneous);
        own.servers.clear();
    });
    let alone = unl(&bench, &[], None);
    let out = bench.connect(1, &alone);
    let tag = look_up(&out);
    let locator = Box::new(unl(&bench, &["wan 203.0.113.9:0"], None));
    assert_eq!(short(&bench.give(Input::Located { tag, locator })), [""; 0], "by whom?");
    let locator = Box::new(bench.unl(&["wan 203.0.113.9:0"]));
    let out = bench.give(Input::Located { tag, locator });
    assert_eq!(short(&out), ["punch"]);
    let out = bench.pass(MS * 150);
    assert_eq!(short(&out), ["call"], "with the punch's first message, or without");
    bench.give(Input::Searched { tag, outcome: Ok(()) });
}

/// Who is called by a letter comes, and says by one only that it does not.
#[test]
fn called_by_a_letter() {
    let caller = |bench: &Bench, candidates: &[&str]| {
        let locator = unl(bench, candidates, None).text().to_owned();
        Message::Call { token: [9; 16], locator, punch: None }
    };
    let mut bench = bench(|_, _| {});
    let call = caller(&bench, &["wan 203.0.113.7:7000"]);
    let out = by_letter(&mut bench, &call);
    assert_eq!(short(&out), ["dial 203.0.113.7:7000"]);
    let conn = dialled(&out);
    let greeted = bench.give(Input::Connected { conn });
    assert!(matches!(greeted[..], [Output::Greet { token: [9, ..], .. }]), "{greeted:?}");
    let out = bench.closed(conn);
    assert_eq!(short(&out), ["refuse NotReached"]);
    assert!(matches!(&out[0], Output::Tell { via, .. } if via[..] == [MAINLINE]));
    let mut bench = self::bench(|_, _| {});
    let call = caller(&bench, &[]);
    assert_eq!(short(&by_letter(&mut bench, &call)), ["answer by signal, 0 dials"]);
    // Nothing that needs a moment is arranged by letters.
    let offer = crate::proto::punch::Message {
        token: crate::proto::punch::Token([8; 16]),
        round: 1,
        body: crate::proto::punch::Body::Offer(Side::default()),
    };
    assert_eq!(short(&by_letter(&mut bench, &Message::Punch(offer))), [""; 0]);
}

#[test]
fn without_the_dht_nothing_is_asked_of_it() {
    let mut bench = bench(|settings, _| settings.mainline = false);
    let unl = unl(&bench, &[], None);
    assert_eq!(short(&bench.connect(1, &unl)), ["done 1 NoPath"]);
}

/// Whoever says what was not asked is not heard.
#[test]
fn answers_to_nothing() {
    let mut bench = bench(|_, _| {});
    let locator = Box::new(unl(&bench, &["wan 203.0.113.9:7001"], None));
    assert!(bench.give(Input::Located { tag: 77, locator: locator.clone() }).is_empty());
    assert!(bench.give(Input::Searched { tag: 77, outcome: Ok(()) }).is_empty());
    let asked = unl(&bench, &[], None);
    let tag = look_up(&bench.connect(1, &asked));
    let another = Identity::from_secret(&[9; 32]);
    let foreign = Box::new(UnlV3::sign(record(&["wan 203.0.113.9:7001"]), &another).unwrap());
    assert!(bench.give(Input::Located { tag, locator: foreign }).is_empty(), "another's");
    bench.connector.cancel(bench.now, 1);
    assert_eq!(short(&bench.out()), ["done 1 Canceled"]);
    assert!(bench.give(Input::Located { tag, locator }).is_empty(), "too late");
    assert!(bench.give(Input::Searched { tag, outcome: Ok(()) }).is_empty());
    assert!(bench.connector.is_empty() && bench.connector.is_at_rest());
}
