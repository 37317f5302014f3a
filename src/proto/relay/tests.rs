//! Each rule of the relay on its own, and random use of it.

use super::*;
use crate::proto::rdv_msg::{RelayReason, RelayToken};
use crate::proto::rdv_server::ConnId;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

fn token(n: u8) -> RelayToken {
    RelayToken([n; 16])
}

fn ip(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, n])
}

fn small() -> RelayLimits {
    RelayLimits {
        sessions: 2,
        waiting: 3,
        per_address: 3,
        rate: 1000,
        burst: 2000,
        rate_in_all: 0,
        bytes: 10_000,
        ..RelayLimits::default()
    }
}

fn reason(asked: Result<Asked, Refusal>) -> RelayReason {
    let refusal = asked.unwrap_err();
    assert!(refusal.expected.starts_with("expected "), "{}", refusal.expected);
    refusal.reason
}

#[test]
fn two_meet_and_a_third_is_refused() {
    let now = Instant::now();
    let mut relay = Relay::new(small());
    assert_eq!(relay.ask(now, ConnId(1), ip(1), token(1)), Ok(Asked::Wait));
    assert_eq!(relay.ask(now, ConnId(2), ip(2), token(2)), Ok(Asked::Wait), "another token, another meeting");
    let Ok(Asked::Go { session, other: ConnId(1) }) = relay.ask(now, ConnId(3), ip(3), token(1)) else {
        panic!("not met");
    };
    assert_eq!(reason(relay.ask(now, ConnId(4), ip(4), token(1))), RelayReason::Token);
    assert_eq!((relay.sessions(), relay.waiting()), (1, 1));
    let later = now + Duration::from_secs(3);
    assert_eq!(relay.moved(later, session, 700), Next::Go);
    let summary = relay.ended(later, session, End::Closed).unwrap();
    assert_eq!(summary, Summary { end: End::Closed, bytes: 700, lasted: Duration::from_secs(3) });
    assert_eq!(relay.ended(later, session, End::Closed), None);
    assert_eq!(relay.ask(later, ConnId(5), ip(4), token(1)), Ok(Asked::Wait), "that meeting is over");
    assert!(relay.is_consistent());
}

#[test]
fn limits_are_kept_and_given_back() {
    let now = Instant::now();
    let mut relay = Relay::new(small());
    for n in 1..=3 {
        assert_eq!(relay.ask(now, ConnId(n), ip(1), token(n as u8)), Ok(Asked::Wait));
    }
    assert_eq!(reason(relay.ask(now, ConnId(4), ip(1), token(1))), RelayReason::Address);
    assert_eq!(reason(relay.ask(now, ConnId(4), ip(2), token(4))), RelayReason::Full);
    relay.left(ConnId(3));
    relay.left(ConnId(3));
    for n in 1..=2 {
        let met = relay.ask(now, ConnId(10 + n), ip(2), token(n as u8));
        assert!(matches!(met, Ok(Asked::Go { .. })), "{met:?}");
    }
    assert_eq!(reason(relay.ask(now, ConnId(5), ip(3), token(5))), RelayReason::Full, "sessions");
    assert_eq!(relay.counters().sessions, 2);
    assert_eq!(relay.counters().refused[RelayReason::Full.index()], 2);
    assert!(relay.is_consistent());
    let mut off = Relay::new(RelayLimits { sessions: 0, ..small() });
    assert_eq!(reason(off.ask(now, ConnId(1), ip(1), token(1))), RelayReason::Off);
}

#[test]
fn one_ipv6_network_is_one_address() {
    let now = Instant::now();
    let mut relay = Relay::new(RelayLimits { per_address: 1, ..small() });
    let at = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(relay.ask(now, ConnId(1), at("2001:db8::1"), token(1)).is_ok());
    assert_eq!(reason(relay.ask(now, ConnId(2), at("2001:db8::2"), token(1))), RelayReason::Address);
    assert!(relay.ask(now, ConnId(2), at("2001:db8:0:1::2"), token(1)).is_ok());
}

#[test]
fn whoever_waits_too_long_is_told() {
    let now = Instant::now();
    let mut relay = Relay::new(small());
    relay.ask(now, ConnId(1), ip(1), token(1)).unwrap();
    let late = now + small().wait;
    assert_eq!(relay.poll_timeout(), Some(late));
    relay.on_timeout(late - Duration::from_millis(1));
    assert_eq!(relay.poll_output(), None);
    relay.on_timeout(late);
    assert_eq!(relay.poll_output(), Some(Output::Late { conn: ConnId(1) }));
    assert_eq!((relay.poll_timeout(), relay.waiting()), (None, 0));
    assert_eq!(relay.ask(late, ConnId(2), ip(1), token(1)), Ok(Asked::Wait), "it is forgotten");
}

fn meet(relay: &mut Relay, now: Instant, n: u8) -> SessionId {
    relay.ask(now, ConnId(u64::from(n) * 2), ip(1), token(n)).unwrap();
    match relay.ask(now, ConnId(u64::from(n) * 2 + 1), ip(2), token(n)) {
        Ok(Asked::Go { session, .. }) => session,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_quiet_session_ends_and_one_through_which_something_gets_does_not() {
    let now = Instant::now();
    let mut relay = Relay::new(small());
    let (quiet, busy) = (meet(&mut relay, now, 1), meet(&mut relay, now, 2));
    let half = now + small().idle / 2;
    relay.moved(half, busy, 1);
    relay.on_timeout(now + small().idle);
    assert_eq!(relay.poll_output(), Some(Output::Over { session: quiet, why: End::Idle }));
    assert_eq!(relay.poll_output(), None);
    // The I/O says that it broke off; why it did counts.
    assert_eq!(relay.ended(now, quiet, End::Reset).map(|s| s.end), Some(End::Idle));
    relay.on_timeout(half + small().idle);
    assert_eq!(relay.poll_output(), Some(Output::Over { session: busy, why: End::Idle }));
    assert!(relay.is_consistent());
}

#[test]
fn our_own_pauses_are_not_idleness() {
    let now = Instant::now();
    let idle = Duration::from_secs(2);
    let mut relay = Relay::new(RelayLimits { idle, rate: 10, burst: 1, ..small() });
    let session = meet(&mut relay, now, 1);
    let Next::Pause(until) = relay.moved(now, session, 100) else { panic!("no pause") };
    assert!(until > now + idle * 4);
    relay.on_timeout(until);
    assert_eq!(relay.poll_output(), None);
    relay.on_timeout(until + idle);
    assert!(relay.poll_output().is_some());
}

#[test]
fn a_session_that_has_had_its_bytes_ends() {
    let now = Instant::now();
    let mut relay = Relay::new(small());
    let session = meet(&mut relay, now, 1);
    assert!(matches!(relay.moved(now, session, 9_999), Next::Pause(_)));
    assert_eq!(relay.moved(now, session, 1), Next::Over);
    assert_eq!(relay.moved(now, session, 1), Next::Over);
    assert_eq!(relay.poll_output(), Some(Output::Over { session, why: End::Bytes }));
    assert_eq!(relay.poll_output(), None, "said once");
    relay.on_timeout(now + small().idle * 9);
    assert_eq!(relay.poll_output(), None);
    assert_eq!(relay.ended(now, session, End::Reset).map(|s| s.end), Some(End::Bytes));
}

/// Sessions that always have more share the rate in all evenly, and one that says something now and then does not wait.
#[test]
fn busy_sessions_take_turns_and_quiet_ones_go_at_once() {
    let begin = Instant::now();
    let rate = 1_000_000;
    let mut relay = Relay::new(RelayLimits {
        sessions: 100,
        per_address: 100,
        rate: 0,
        rate_in_all: rate,
        bytes: 0,
        waiting: 100,
        ..small()
    });
    let most = 10_000;
    let busy: Vec<SessionId> = (1..=20).map(|n| meet(&mut relay, begin, n)).collect();
    let quiet = meet(&mut relay, begin, 99);
    let mut turn = 0;
    let mut ready: BTreeMap<(Instant, u32), SessionId> =
        (1..).zip(busy).map(|(n, id)| ((begin, n), id)).collect();
    let mut passed: BTreeMap<SessionId, usize> = BTreeMap::new();
    let end = begin + Duration::from_secs(10);
    let (mut said, mut waited) = (0, 0);
    let mut now = begin;
    while now < end {
        if now >= begin + Duration::from_millis(100 * said) {
            said += 1;
            waited += u32::from(relay.moved(now, quiet, 1000) != Next::Go);
        }
        let ((at, n), id) = ready.pop_first().unwrap();
        now = now.max(at);
        // Some say their bytes in smaller pieces.
        let piece = if n % 2 == 0 { most } else { most / 10 };
        *passed.entry(id).or_default() += piece;
        turn += 1;
        match relay.moved(now, id, piece) {
            Next::Pause(until) => ready.insert((until, turn * 2 + n % 2), id),
            _ => ready.insert((now, turn * 2 + n % 2), id),
        };
    }
    assert!(said > 90 && waited <= 4, "{waited} of {said}");
    let total: usize = passed.values().sum();
    assert!((9 * rate..=11 * rate).contains(&(total as u64)), "{total} in 10 s");
    let (least, most) = (passed.values().min().unwrap(), passed.values().max().unwrap());
    assert!(most - least <= 3 * 32_768, "{least} to {most}");
}

proptest! {
    #[test]
    fn any_use_keeps_the_promises(
        ops in prop::collection::vec((0..9u8, 0..5u8, 0..6u8, 0..3_000u64), 0..200),
    ) {
        let mut now = Instant::now();
        let limits = small();
        let mut relay = Relay::new(limits.clone());
        // Who waits by which token; which sessions there are, by which token, and what they have moved.
        let mut waiting: BTreeMap<ConnId, u8> = BTreeMap::new();
        let mut sessions: BTreeMap<SessionId, (u8, u64)> = BTreeMap::new();
        let mut over: BTreeSet<SessionId> = BTreeSet::new();
        let mut next = 1;
        for (op, a, b, n) in ops {
            let some = sessions.keys().nth(usize::from(a)).copied().unwrap_or(SessionId(0));
            match op {
                0..=3 => {
                    let conn = ConnId(next);
                    next += 1;
                    match relay.ask(now, conn, ip(b), token(a + 1)) {
                        Ok(Asked::Wait) => {
                            prop_assert!(waiting.values().all(|t| *t != a) && sessions.values().all(|(t, _)| *t != a));
                            waiting.insert(conn, a);
                        }
                        Ok(Asked::Go { session, other }) => {
                            prop_assert_eq!(waiting.remove(&other), Some(a), "the one who named the same");
                            prop_assert!(sessions.insert(session, (a, 0)).is_none());
                        }
                        Err(refusal) => prop_assert!(refusal.reason != RelayReason::Off),
                    }
                }
                4 => {
                    let conn = waiting.keys().nth(usize::from(a)).copied().unwrap_or(ConnId(0));
                    relay.left(conn);
                    waiting.remove(&conn);
                }
                5 | 6 => {
                    let next = relay.moved(now, some, n as usize);
                    match sessions.get_mut(&some) {
                        None => prop_assert_eq!(next, Next::Over),
                        Some((_, bytes)) => {
                            *bytes += n;
                            prop_assert_eq!(*bytes >= limits.bytes, next == Next::Over);
                        }
                    }
                }
                7 => {
                    let known = sessions.remove(&some).map(|(_, bytes)| bytes);
                    prop_assert_eq!(relay.ended(now, some, End::Closed).map(|s| s.bytes), known);
                    over.remove(&some);
                }
                _ => {
                    now += Duration::from_millis(n * u64::from(b) * u64::from(b) * 10);
                    relay.on_timeout(now);
                    prop_assert!(relay.poll_timeout().is_none_or(|at| at > now), "all that was due is done");
                }
            }
            while let Some(output) = relay.poll_output() {
                match output {
                    Output::Late { conn } => prop_assert!(waiting.remove(&conn).is_some()),
                    Output::Over { session, .. } => {
                        prop_assert!(sessions.contains_key(&session) && over.insert(session), "said once");
                    }
                }
            }
            prop_assert!(relay.is_consistent());
            prop_assert_eq!(relay.waiting(), waiting.len());
            prop_assert_eq!(relay.sessions(), sessions.len());
        }
        // When all have left, nothing stays.
        waiting.into_keys().for_each(|conn| relay.left(conn));
        for session in sessions.into_keys() {
            prop_assert!(relay.ended(now, session, End::Closed).is_some());
        }
        prop_assert!(relay.is_consistent());
        prop_assert_eq!((relay.poll_timeout(), relay.sessions(), relay.waiting()), (None, 0, 0));
    }
}
