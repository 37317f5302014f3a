//! A session whose link has broken.

use super::*;
use crate::proto::punch::{Failure, Reason};

const NONE: Token = [0; 16];
const SESSION: Token = [8; 16];

/// With a link to a peer that we have dialled, and a session on it.
fn with_session(chooser: bool) -> (Bench, ConnId) {
    let mut bench = Bench::new(chooser);
    let unl = bench.passive();
    let conn = dialled(&bench.connect(1, &unl));
    bench.give(Input::Connected { conn });
    bench.met(conn, !chooser);
    assert_eq!(bench.connector.open(&bench.key()), Some(conn));
    bench.connector.set_session(bench.now, bench.key(), Some(SESSION));
    bench.now += MS * 5000;
    (bench, conn)
}

fn lose(bench: &mut Bench, conn: ConnId, until: Duration) -> Vec<Output> {
    bench.closed(conn);
    bench.connector.recover(bench.now, bench.key(), bench.now + until);
    bench.out()
}

fn silent() -> Failure {
    Failure { reason: Reason::Silent, by_peer: false }
}

fn dials(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::Dial { .. })).count()
}

#[test]
fn the_side_that_has_dialled_dials_again_and_names_the_session() {
    for chooser in [true, false] {
        let (mut bench, conn) = with_session(chooser);
        let out = lose(&mut bench, conn, MS * 30_000);
        let again = dialled(&out);
        let out = bench.give(Input::Connected { conn: again });
        assert!(matches!(&out[..], [Output::Greet { token, .. }] if *token == SESSION), "{out:?}");
        let out = short(&bench.met(again, !chooser));
        assert!(out.contains(&format!("open {} Direct", again.0)), "{out:?}");
        assert!(!out.iter().any(|o| o.starts_with("done")), "nobody has asked");
        // Nothing more is tried.
        assert_eq!(dials(&bench.pass(MS * 20_000)), 0);
    }
}

#[test]
fn it_is_tried_again_with_pauses_until_the_session_is_given_up() {
    let (mut bench, conn) = with_session(true);
    let mut out = lose(&mut bench, conn, MS * 30_000);
    let (mut tries, start) = (Vec::new(), bench.now);
    for _ in 0..300 {
        while let Some(output) = out.pop() {
            match output {
                Output::Dial { conn, .. } => {
                    tries.push((bench.now - start).as_millis());
                    let text = "refused".to_owned();
                    out.extend(bench.give(Input::DialFailed { conn, os_error: 111, text }));
                }
                Output::Punch { punch, .. } => {
                    let (outcome, text) = (Err(silent()), String::new());
                    out.extend(bench.give(Input::Punched { punch, outcome, text }));
                }
                Output::Tell { tag, .. } => {
                    out.extend(bench.give(Input::Outcome { tag, outcome: Outcome::Absent }));
                }
                _ => {}
            }
        }
        out = bench.pass(MS * 200);
    }
    assert!((6..20).contains(&tries.len()), "{tries:?}");
    assert!(
        tries[0] < 300 && *tries.last().unwrap() < 30_000 && *tries.last().unwrap() > 20_000,
        "{tries:?}"
    );
    bench.connector.set_session(bench.now, bench.key(), None);
    assert!(bench.connector.is_empty() && bench.connector.is_at_rest());
}

/// Links that are cut as soon as they are made do not keep a node busy.
#[test]
fn links_that_break_all_the_time_are_not_made_all_the_time() {
    let (mut bench, mut conn) = with_session(true);
    let (mut made, end) = (0, bench.now + MS * 60_000);
    let mut out = lose(&mut bench, conn, MS * 30_000);
    while bench.now < end {
        if let Some(Output::Dial { conn: next, .. }) = out.iter().find(|o| matches!(o, Output::Dial { .. })) {
            conn = *next;
            made += 1;
            assert!(made < 1000, "{:?} {:?}", short(&out), end - bench.now);
            bench.give(Input::Connected { conn });
            bench.met(conn, false);
            out = lose(&mut bench, conn, MS * 30_000);
        } else {
            out = bench.pass(MS * 20);
        }
    }
    assert!((50..250).contains(&made), "{made}");
}

#[test]
fn who_knows_no_way_waits_for_the_peer() {
    for chooser in [true, false] {
        let mut bench = Bench::with(chooser, |_, own| own.full = true);
        bench.connector.set_full(false);
        let (old, _) = bench.came(NONE, true, true);
        assert_eq!(bench.connector.open(&bench.key()), Some(old));
        bench.connector.set_session(bench.now, bench.key(), Some(SESSION));
        bench.connector.set_full(true);
        assert_eq!(short(&lose(&mut bench, old, MS * 30_000)), [""; 0]);
        assert_eq!(short(&bench.pass(MS * 10_000)), [""; 0]);
        // There is no room for others, but for this one.
        let (new, out) = bench.came(SESSION, !chooser, true);
        assert!(short(&out).contains(&format!("open {} Accept", new.0)), "{:?}", short(&out));
    }
}

#[test]
fn a_request_while_there_is_no_link_gets_the_next_one() {
    let (mut bench, conn) = with_session(true);
    let again = dialled(&lose(&mut bench, conn, MS * 30_000));
    let unl = bench.passive();
    assert_eq!(dials(&bench.connect(2, &unl)), 0, "that is under way");
    bench.give(Input::Connected { conn: again });
    let out = short(&bench.met(again, false));
    assert!(out.contains(&format!("done 2 {}", again.0)), "{out:?}");
}

#[test]
fn a_session_that_ends_stops_all_that() {
    let (mut bench, conn) = with_session(true);
    let out = lose(&mut bench, conn, MS * 30_000);
    assert!(!out.iter().any(|o| matches!(o, Output::Punch { .. })));
    bench.connector.set_session(bench.now, bench.key(), None);
    bench.pass(MS * 20_000);
    assert!(bench.connector.is_empty(), "{:?}", bench.connector);
}

/// What has cut the link has cut the way to the servers as well, and that is noticed later: calls went nowhere.
#[test]
fn at_a_server_again_the_peer_is_called_at_once() {
    let calls = |outputs: &[Output]| {
        let is_call = |output: &&Output| match output {
            Output::Tell { message, .. } => matches!(Message::decode(message), Ok(Message::Call { .. })),
            _ => false,
        };
        outputs.iter().filter(is_call).count()
    };
    for recovering in [true, false] {
        let (mut bench, conn) = with_session(true);
        if recovering {
            assert_eq!(calls(&lose(&mut bench, conn, MS * 30_000)), 1);
            bench.pass(MS * 5500);
            bench.connector.entered(bench.now);
            assert_eq!(calls(&bench.out()), 1, "and not seconds later");
        }
        // Nobody is called twice for that, nor who has a link.
        bench.connector.entered(bench.now);
        assert_eq!(calls(&bench.out()), 0);
    }
}
