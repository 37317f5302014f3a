use super::*;
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::punch::side::Side;

const LOCAL: [u16; 5] = [5000, 5001, 5002, 5003, 5004];

/// A challenge for which the ports are bound, and the server has told the first one's or not.
fn challenge(now: Instant, remote: Option<u16>, budget: &mut Budget) -> Fight {
    let ours = Side { allocation: Allocation::Preserving, mapping: Mapping::Unknown, ..Side::default() };
    let peer_ip = [8, 8, 8, 8].into();
    let clock = (now, 1.7e9);
    let setup = FightSetup { ours, peer_ip, own: vec![], allow_inside: false, clock, seed: 1 };
    let mut fight = Fight::challenge(now, setup, budget);
    assert_eq!(fight.poll_output(), Some(FightOutput::Bind { count: 5, ask: false }));
    fight.handle(now, FightInput::Bound { local: &LOCAL, outside: &[None; 5], remote }, budget);
    let lines: Vec<FightOutput> = std::iter::from_fn(|| fight.poll_output()).collect();
    let candidate = FightOutput::Line("CANDIDATE 8.8.8.8 TCP 5001 5002 5003 5004".into());
    assert_eq!(lines, [candidate, FightOutput::Line("SOURCE TCP 5000".into())]);
    fight
}

fn failure(fight: &mut Fight) -> Option<Reason> {
    std::iter::from_fn(|| fight.poll_output()).find_map(|output| match output {
        FightOutput::Failed(failure) => Some(failure.reason),
        _ => None,
    })
}

#[test]
fn a_server_that_does_not_know_the_node_is_told_from_one_that_is_slow() {
    let (now, mut budget) = (Instant::now(), Budget::default());
    for (remote, answers) in [(Some(7), 1), (None, 2)] {
        let mut fight = challenge(now, remote, &mut budget);
        for n in 0..answers {
            assert!(fight.deadline() > Some(now + OUT_OF_ORDER), "{n}");
            fight.handle(now, FightInput::Reply(&Reply::RemoteTcp(7)), &mut budget);
        }
        assert_eq!(fight.deadline(), Some(now + OUT_OF_ORDER));
        fight.handle(now + OUT_OF_ORDER, FightInput::Wake, &mut budget);
        assert_eq!(failure(&mut fight), Some(Reason::Absent));
    }
    let mut fight = challenge(now, Some(7), &mut budget);
    fight.handle(now, FightInput::Reply(&Reply::PredictionSet), &mut budget);
    fight.handle(now, FightInput::Reply(&Reply::RemoteTcp(7)), &mut budget);
    assert_eq!(fight.deadline(), Some(now + REPLY_TIME));
    fight.handle(now + REPLY_TIME, FightInput::Wake, &mut budget);
    assert_eq!(failure(&mut fight), Some(Reason::Silent));
}

/// When the attempts leave, in seconds from now, if FIGHT names this time.
fn fires(ntp: &str) -> f64 {
    let (now, mut budget) = (Instant::now(), Budget::default());
    let mut fight = challenge(now, Some(7), &mut budget);
    let ip = [8, 8, 8, 8].into();
    let predictions = vec![6001, 6002, 6003, 6004];
    let reply = Reply::Fight { ip, predictions, transport: Transport::Tcp, ntp: ntp.into() };
    fight.handle(now, FightInput::Reply(&reply), &mut budget);
    let at = std::iter::from_fn(|| fight.poll_output()).find_map(|output| match output {
        FightOutput::Connect { at, .. } => Some(at),
        _ => None,
    });
    (at.expect("an attempt") - now).as_secs_f64()
}

#[test]
fn the_clock_counts_if_it_fits_to_when_the_message_came() {
    for (ntp, expected) in [
        ("1700000000", LEAD),
        ("1699999999.9", LEAD - 0.1),
        ("1699999999.5", LEAD - 0.5),
        ("1700000030", LEAD - TRANSIT),
        ("1699999000", LEAD - TRANSIT),
        ("99999999999999999999999999", LEAD - TRANSIT),
        ("0", LEAD - TRANSIT),
    ] {
        assert!((fires(ntp) - expected).abs() < 1e-3, "{ntp}: {}", fires(ntp));
    }
}
