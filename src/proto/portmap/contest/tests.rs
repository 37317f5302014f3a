use super::*;
use proptest::prelude::*;

const LIMIT: Duration = Duration::from_secs(3);

fn gateway(n: u8) -> IpAddr {
    IpAddr::from([192, 168, n, 1])
}

fn contest(now: Instant) -> Contest {
    Contest::new(Protocol::ALL.map(|protocol| (gateway(1), protocol)), now, LIMIT)
}

fn at(now: Instant, ms: u64, ip: &str) -> Success {
    let at = now + Duration::from_millis(ms);
    Success { external_ip: ip.parse().ok(), external_port: 4020, at }
}

#[test]
fn the_first_public_success_wins_at_once() {
    let now = Instant::now();
    let mut contest = contest(now);
    assert_eq!(contest.decide(now), Decision::Open(now + LIMIT));
    contest.succeeded(2, at(now, 50, "11.0.0.1"));
    assert_eq!(contest.decide(now + Duration::from_millis(50)), Decision::Winner(2));
}

#[test]
fn one_without_a_public_address_waits_for_a_better_one() {
    let now = Instant::now();
    for private in ["100.64.0.9", "10.0.0.1", "none"] {
        let mut contest = contest(now);
        contest.succeeded(0, at(now, 50, private));
        let until = now + Duration::from_millis(50) + GRACE;
        assert_eq!(contest.decide(now + Duration::from_millis(60)), Decision::Open(until));
        assert_eq!(contest.decide(until), Decision::Winner(0), "nothing better came");
        contest.succeeded(2, at(now, 90, "11.0.0.1"));
        assert_eq!(contest.decide(now + Duration::from_millis(90)), Decision::Winner(2));
    }
}

#[test]
fn when_nothing_runs_any_more_nobody_is_waited_for() {
    let now = Instant::now();
    let mut contest = contest(now);
    contest.succeeded(1, at(now, 5, "10.0.0.1"));
    contest.failed(0);
    contest.failed(2);
    assert_eq!(contest.decide(now + Duration::from_millis(5)), Decision::Winner(1));
    let mut contest = self::contest(now);
    (0..3).for_each(|way| contest.failed(way));
    assert_eq!(contest.decide(now), Decision::AllFailed);
    assert_eq!(self::contest(now).decide(now + LIMIT), Decision::AllFailed);
}

#[test]
fn changing_the_router_waits_for_better_protocols_of_the_same_gateway() {
    let now = Instant::now();
    let mut ways = contest(now);
    let may = |ways: &Contest, way| ways.may_map(way, now).map(|at| (at - now).as_millis());
    assert_eq!(may(&ways, 0), Some(0), "nothing is better than PCP");
    assert_eq!(may(&ways, 1), Some(1000), "PCP is still writing its journal");
    ways.asks(0, now);
    assert_eq!((may(&ways, 1), may(&ways, 2)), (Some(100), Some(250)));
    ways.asks(1, now + Duration::from_millis(200));
    assert_eq!(may(&ways, 2), Some(300), "the answer to the later question");
    ways.denied(0);
    assert_eq!((may(&ways, 1), may(&ways, 2)), (Some(0), Some(300)));
    assert_eq!(ways.decide(now), Decision::Open(now + LIMIT), "its report is still to come");
    ways.failed(1);
    assert_eq!(may(&ways, 2), Some(0));
}

#[test]
fn nobody_asks_for_what_a_better_protocol_has_got() {
    let now = Instant::now();
    let mut ways = contest(now);
    ways.granted(0);
    assert_eq!((ways.may_map(1, now), ways.may_map(2, now)), (None, None));
    assert_eq!(ways.decide(now), Decision::Open(now + LIMIT), "but only what is written down wins");
    ways.succeeded(0, at(now, 5, "11.0.0.1"));
    assert_eq!((ways.may_map(1, now), ways.may_map(2, now)), (None, None));
    let mut two = Contest::new([(gateway(1), Protocol::Pcp), (gateway(2), Protocol::NatPmp)], now, LIMIT);
    two.succeeded(0, at(now, 5, "11.0.0.1"));
    assert_eq!(two.may_map(1, now), Some(now), "another gateway is another table");
}

#[test]
fn the_search_for_upnp_waits_a_moment_for_the_others() {
    let now = Instant::now();
    let mut ways = contest(now);
    assert_eq!(ways.may_search(2), Some(now + BEFORE_SEARCH));
    ways.failed(0);
    assert_eq!(ways.may_search(2), Some(now + BEFORE_SEARCH));
    ways.denied(1);
    assert_eq!(ways.may_search(2), Some(now), "nobody to wait for");
    let mut ways = contest(now);
    ways.granted(1);
    assert_eq!(ways.may_search(2), None);
}

#[test]
fn a_gateway_that_is_slow_with_one_answer_is_slow_with_the_others() {
    let now = Instant::now();
    let mut ways = contest(now);
    ways.asks(0, now);
    let late = now + Duration::from_millis(900);
    assert_eq!(ways.may_map(1, late), Some(late + SETTLE));
}

#[test]
fn a_loser_is_the_winner_in_other_clothes_if_gateway_and_port_agree() {
    assert!(same_entry((gateway(1), 4020), (gateway(1), 4020)));
    assert!(!same_entry((gateway(1), 4020), (gateway(1), 4021)));
    assert!(!same_entry((gateway(1), 4020), (gateway(2), 4020)));
}

#[test]
fn public_is_what_the_internet_can_reach() {
    for ip in ["11.0.0.1", "100.63.255.255", "100.128.0.0", "172.32.0.1", "2a00::1", "2001:4860::1"] {
        assert!(is_public(ip.parse().unwrap()), "{ip}");
    }
    for ip in [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "169.254.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.4",
        "192.0.2.1",
        "192.168.1.1",
        "198.19.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fd00::1",
        "2001:db8::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(!is_public(ip.parse().unwrap()), "{ip}");
    }
}

proptest! {
    #[test]
    fn it_is_decided_within_the_limit_and_a_winner_has_succeeded(
        events in proptest::collection::vec((0usize..6, any::<bool>(), 0u64..3000, any::<bool>()), 0..12),
    ) {
        let now = Instant::now();
        let ways = (0..6).map(|n| (gateway((n / 3) as u8), Protocol::ALL[n % 3]));
        let mut contest = Contest::new(ways, now, LIMIT);
        let (mut wins, mut public_wins) = ([false; 6], [false; 6]);
        for (way, works, ms, public) in events {
            if works {
                contest.succeeded(way, at(now, ms, if public { "11.0.0.1" } else { "10.0.0.1" }));
            } else { contest.failed(way); }
            (wins[way], public_wins[way]) = (works, works && public);
        }
        match contest.decide(now + LIMIT) {
            Decision::Winner(way) => {
                prop_assert!(wins[way]);
                prop_assert!(public_wins[way] || !public_wins.contains(&true));
            }
            Decision::AllFailed => prop_assert!(!wins.contains(&true)),
            Decision::Open(_) => prop_assert!(false, "open at the limit"),
        }
    }
}
