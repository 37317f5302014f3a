//! SYNs that only open the way.

use super::*;

fn shots(bench: &Bench) -> Vec<bool> {
    let short = |output: &Output| match output {
        Output::Connect { short, .. } => Some(*short),
        _ => None,
    };
    bench.outputs.iter().filter_map(short).collect()
}

/// A responder that has fired; the peer's NAT gives ports in a row, so there is more than one attempt of each sort.
fn fired(rtt: Duration) -> Bench {
    let row = side(PEER, Mapping::AddressAndPortDependent, Allocation::Sequential);
    let mut bench = Bench::responder(setup(PEER), row);
    bench.bind_all(40_000);
    bench.hear(1, Body::Go(vec![50_000, 50_001], rtt));
    bench
}

#[test]
fn the_responder_opens_every_second_way() {
    let bench = fired(Duration::from_millis(50));
    assert_eq!(shots(&bench), [true, false, true, false]);
    assert!(bench.connects().iter().all(|(_, _, at)| *at < bench.now + Duration::from_millis(5)));
    let mut other = Bench::initiator(setup(PEER));
    other.fire();
    assert_eq!(shots(&other), [false, false]);
}

#[test]
fn a_near_initiator_fires_before_anything_can_be_refused() {
    let near = fired(Duration::from_millis(2));
    let first_full =
        near.connects().iter().zip(shots(&near)).filter(|(_, short)| !short).map(|(c, _)| c.2).min();
    let mut initiator = Bench::initiator(setup(PEER));
    initiator.bind_all(40_000);
    initiator.now += Duration::from_millis(2);
    initiator.hear(1, Body::Pong(0));
    initiator.hear(1, Body::Answer(preserving(PEER), vec![50_000]));
    let told = initiator.now;
    let fires = initiator.connects()[0].2 - told;
    // The word takes a millisecond.
    assert!(first_full.unwrap() - near.now + Duration::from_millis(1) > fires);
    assert!(fires > Duration::from_millis(1));
}

#[test]
fn what_is_refused_opens_the_way_next() {
    let mut bench = fired(Duration::from_millis(50));
    let full = bench.connects()[1].0;
    bench.give(Input::Refused { conn: full });
    assert_eq!((bench.connects().last().unwrap().0, shots(&bench).last()), (full, Some(&true)));
    bench.give(Input::Refused { conn: full });
    assert_eq!((bench.connects().last().unwrap().0, shots(&bench).last()), (full, Some(&false)));
}

/// Neither at first nor when something is refused.
#[test]
fn by_ipv6_all_go_all_the_way() {
    let (ours, theirs) = ("2001:db8::1", "2001:db8:1::9");
    let untranslated = |ip: &str| Side::untranslated(ip.parse().unwrap());
    let setup = Setup { ours: untranslated(ours), own: vec![ours.parse().unwrap()], ..setup(theirs) };
    let mut bench = Bench::responder(setup, untranslated(theirs));
    bench.bind_all(40_000);
    bench.hear(1, Body::Go(vec![50_000, 50_001], Duration::from_millis(50)));
    let first = bench.connects();
    assert!(!first.is_empty(), "{:?}", bench.outputs);
    for (conn, ..) in &first {
        bench.give(Input::Refused { conn: *conn });
    }
    assert_eq!(bench.connects().len(), 2 * first.len(), "each is repeated");
    assert!(!shots(&bench).contains(&true));
}

#[test]
fn an_error_from_on_the_way_is_as_it_was_meant() {
    let mut bench = fired(Duration::from_millis(50));
    let (count, open) = (bench.connects().len(), bench.budget.half_open());
    let short = bench.connects()[0].0;
    bench.give(Input::Unreachable { conn: short });
    assert_eq!(bench.connects().len(), count, "not repeated");
    assert_eq!(bench.budget.half_open(), open - 1);
}

#[test]
fn not_again_if_nobody_refuses_anything() {
    for refusals in [false, true] {
        let mut bench = fired(Duration::from_millis(50));
        if refusals {
            let conn = bench.connects()[1].0;
            bench.give(Input::Refused { conn });
        }
        bench.outputs.clear();
        bench.hear(2, Body::Offer(preserving(PEER)));
        bench.bind_all(41_000);
        // Computing has failed once, so servers would be asked.
        bench.after(Options::default().ask);
        bench.hear(2, Body::Go(vec![51_000, 51_001], Duration::from_millis(50)));
        assert!(!bench.connects().is_empty());
        assert_eq!(shots(&bench).contains(&true), refusals);
    }
}

#[test]
fn repetitions_do_not_run_ahead_of_the_row() {
    let row = side("198.51.100.1", Mapping::AddressAndPortDependent, Allocation::Sequential);
    let mut bench =
        Bench::initiator(Setup { ours: Side { last_outside: Some(60_000), ..row }, ..setup(PEER) });
    bench.fire();
    bench.after(Options::default().ask);
    let told = bench.session.reports()[0].our_ports.len();
    for _ in 0..200 {
        for (conn, ..) in bench.connects() {
            bench.give(Input::Refused { conn });
        }
    }
    assert!((1..=told).contains(&bench.connects().len()), "{} of {told}", bench.connects().len());
}

#[test]
fn what_its_io_has_left_is_given_back() {
    let mut bench = fired(Duration::from_millis(50));
    assert!(bench.budget.half_open() > 0);
    bench.session.release(&mut bench.budget);
    assert_eq!(bench.budget.half_open(), 0);
    assert!(bench.session.is_over() && bench.session.deadline().is_none());
}
