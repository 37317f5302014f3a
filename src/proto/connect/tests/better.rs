//! A direct connection in place of a relayed one.

use super::*;
use crate::proto::punch::{Failure, Reason};

const SESSION: Token = [8; 16];
const AT: &str = "192.0.2.1:8000";

/// A connection by a relay, which this node has arranged, with a session on it. Dials are refused.
fn relayed(chooser: bool) -> (Bench, ConnId, UnlV3) {
    let mut bench = Bench::with(chooser, |settings, own| {
        settings.punching = false;
        own.relays = vec![SERVER.to_owned()];
    });
    let unl = bench.passive();
    let mut out = bench.connect(1, &unl);
    let dial = dialled(&out);
    let text = "refused".to_owned();
    out.extend(bench.give(Input::DialFailed { conn: dial, os_error: 111, text }));
    let answer = Message::Answer { token: call(&out).0, dials: 0, locator: unl.text().to_owned() };
    out.extend(bench.hears(&answer));
    out.extend(bench.pass(MS * 1000));
    let goes = |output: &Output| match output {
        Output::Relay { conn, .. } => Some(*conn),
        _ => None,
    };
    let conn = out.iter().find_map(goes).expect("a relay");
    bench.give(Input::Relayed { conn, at: AT.parse().unwrap() });
    bench.met(conn, !chooser);
    assert_eq!(bench.connector.open(&bench.key()), Some(conn));
    bench.connector.set_session(bench.now, bench.key(), Some(SESSION));
    (bench, conn, unl)
}

/// How much is done to get away from the relay: when each try begins, if all fail. Nothing of it goes to a relay.
fn tries(bench: &mut Bench, time: Duration) -> Vec<u128> {
    let (start, mut begun) = (bench.now, Vec::new());
    while bench.now < start + time {
        for output in bench.pass(MS * 100) {
            match output {
                Output::Dial { conn, .. } => {
                    begun.push((bench.now - start).as_millis() / 1000);
                    let text = "refused".to_owned();
                    bench.give(Input::DialFailed { conn, os_error: 111, text });
                }
                Output::Tell { tag, .. } => {
                    bench.give(Input::Outcome { tag, outcome: Outcome::Absent });
                }
                Output::Relay { .. } => panic!("from one relay to another"),
                Output::Punch { punch, .. } => {
                    let failure = Failure { reason: Reason::Silent, by_peer: false };
                    bench.give(Input::Punched { punch, outcome: Err(failure), text: String::new() });
                }
                _ => {}
            }
        }
    }
    begun
}

#[test]
fn a_dial_behind_it_takes_its_place_at_once() {
    for chooser in [true, false] {
        let (mut bench, old, _) = relayed(chooser);
        assert_eq!(short(&bench.pass(MS * 1900)), [""; 0]);
        let out = bench.pass(MS * 200);
        assert!(short(&out).contains(&"call".to_owned()), "{:?}", short(&out));
        let conn = dialled(&out);
        let out = bench.give(Input::Connected { conn });
        assert!(
            matches!(&out[..], [Output::Greet { token: SESSION, chosen: false, .. }]),
            "it names the session: {out:?}"
        );
        let mut out = bench.met(conn, false);
        if chooser {
            out.extend(bench.pass(MS));
        } else {
            assert_eq!(short(&out), ["answer -"], "the other one chooses");
            out.extend(bench.give(Input::Chosen { conn }));
        }
        let said = short(&out);
        let replaced = said.iter().position(|text| *text == format!("close {} Replaced", old.0));
        let opened = said.iter().position(|text| *text == format!("open {} Direct", conn.0));
        assert!(replaced.is_some() && replaced < opened, "{said:?}");
        assert!(!said.iter().any(|text| text.starts_with("done")), "nobody has asked: {said:?}");
        // That is enough.
        assert_eq!(tries(&mut bench, MS * 60_000), [0; 0]);
    }
}

#[test]
fn the_called_one_helps_and_takes_what_comes() {
    for chooser in [true, false] {
        let (mut bench, old, unl) = relayed(chooser);
        // As if it had been the other one who arranged the relay.
        let call = Message::Call { token: [5; 16], locator: unl.text().to_owned(), punch: None };
        let out = bench.hears(&call);
        assert!(short(&out).iter().any(|text| text == "answer by signal, 1 dials"), "{:?}", short(&out));
        let (direct, mut out) = bench.came(SESSION, false, false);
        assert_eq!(short(&out), ["answer -"], "it may be a recording");
        out.extend(bench.give(Input::Verdict { conn: direct, chosen: !chooser }));
        out.extend(bench.pass(MS));
        let said = short(&out);
        assert!(said.contains(&format!("open {} Accept", direct.0)), "{said:?}");
        assert!(said.contains(&format!("close {} Replaced", old.0)), "{said:?}");
    }
}

#[test]
fn it_is_tried_with_growing_pauses_and_soon_if_the_node_moves() {
    let (mut bench, conn, _) = relayed(true);
    let begun = tries(&mut bench, MS * 1000 * 1000);
    assert_eq!(begun[0], 2);
    let pauses: Vec<u128> = begun.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(pauses.is_sorted(), "{pauses:?}");
    assert!((8..12).contains(&pauses[0]) && *pauses.last().unwrap() >= 300, "{pauses:?}");
    assert!(begun.len() < 12, "{begun:?}");
    let mut own = own(&Identity::from_secret(&[1; 32]));
    own.locator = UnlV3::sign(record(&["wan 198.51.100.99:4000"]), &Identity::from_secret(&[1; 32])).ok();
    bench.connector.set_own(bench.now, own);
    assert_eq!(tries(&mut bench, MS * 5000), [2]);
    // What is tried ends with the connection.
    bench.pass(MS * 8000);
    bench.closed(conn);
    bench.connector.set_session(bench.now, bench.key(), None);
    bench.out();
    assert!(bench.connector.is_empty() && bench.connector.is_at_rest(), "{:?}", bench.connector);
}

/// The relay goes away in the middle of a try.
#[test]
fn a_relay_that_breaks_meanwhile_is_recovered_from_by_any_way() {
    let (mut bench, conn, _) = relayed(true);
    let out = bench.pass(MS * 2100);
    let dial = dialled(&out);
    let text = "refused".to_owned();
    bench.closed(conn);
    bench.connector.recover(bench.now, bench.key(), bench.now + MS * 30_000);
    let mut out = bench.out();
    bench.give(Input::DialFailed { conn: dial, os_error: 111, text });
    let mut relays = 0;
    for _ in 0..100 {
        for output in std::mem::take(&mut out) {
            match output {
                Output::Dial { conn, .. } => {
                    let text = "refused".to_owned();
                    out.extend(bench.give(Input::DialFailed { conn, os_error: 111, text }));
                }
                Output::Tell { tag, ref message, .. } => {
                    if let Ok(Message::Call { .. }) = Message::decode(message) {
                        let heard = Outcome::Heard { server: SERVER.to_owned(), rtt: MS };
                        out.extend(bench.give(Input::Outcome { tag, outcome: heard }));
                    }
                }
                Output::Relay { .. } => relays += 1,
                _ => {}
            }
        }
        out.extend(bench.pass(MS * 50));
    }
    assert!(relays > 0, "another meeting at a relay");
}

#[test]
fn who_did_not_arrange_it_waits_and_so_does_one_without_a_session() {
    let (mut bench, _, _) = relayed(true);
    bench.connector.set_session(bench.now, bench.key(), None);
    assert_eq!(tries(&mut bench, MS * 60_000), [0; 0]);
}
