//! Which of the ways to the outside is used, when several are tried at once.
//!
//! Questions are asked on all ways at the same time; only the step that changes the router waits, for a moment, for a
//! better protocol of the *same* gateway. The reason: one daemon often serves all three protocols from one table, where
//! the second request for the same port either fails because of the first or shares its fate when it is removed.
//!
//! The first success with a public address wins at once. One without (unknown, or private: another NAT further out) wins
//! after a short wait for a better one.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Protocol;

/// How long NAT-PMP leaves PCP the first word.
pub const AFTER_PCP: Duration = Duration::from_millis(100);

/// How long UPnP leaves it to the other two.
pub const AFTER_BOTH: Duration = Duration::from_millis(250);

/// How long a success without a public address waits for a better one.
pub const GRACE: Duration = Duration::from_millis(400);

/// A way's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Success {
    /// Address outside, if the gateway told.
    pub external_ip: Option<IpAddr>,
    /// Port outside.
    pub external_port: u16,
    /// When it came.
    pub at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Failed,
    Succeeded(Success),
}

/// The ways and how far they are.
#[derive(Debug)]
pub struct Contest {
    ways: Vec<(IpAddr, Protocol, State)>,
    started: Instant,
    until: Instant,
}

/// What is known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing; look again when something happens, or then.
    Open(Instant),
    /// The way with this number.
    Winner(usize),
    /// No way worked within the limit.
    AllFailed,
}

impl Contest {
    /// Ways are numbered from 0 in this order.
    pub fn new(ways: impl IntoIterator<Item = (IpAddr, Protocol)>, now: Instant, limit: Duration) -> Contest {
        let ways = ways.into_iter().map(|(gateway, protocol)| (gateway, protocol, State::Running)).collect();
        Contest { ways, started: now, until: now + limit }
    }

    /// A way worked.
    pub fn succeeded(&mut self, way: usize, success: Success) {
        if let Some((.., state)) = self.ways.get_mut(way) {
            *state = State::Succeeded(success);
        }
    }

    /// A way did not work.
    pub fn failed(&mut self, way: usize) {
        if let Some((.., state)) = self.ways.get_mut(way) {
            *state = State::Failed;
        }
    }

    /// When a way may ask for its mapping. `None`: not at all, a better protocol of its gateway has succeeded.
    pub fn may_map(&self, way: usize) -> Option<Instant> {
        let (gateway, protocol, _) = self.ways.get(way)?;
        let mut at = self.started;
        let head_start = if *protocol == Protocol::Upnp { AFTER_BOTH } else { AFTER_PCP };
        for (other, better, state) in &self.ways {
            if other != gateway || better >= protocol {
                continue;
            }
            match state {
                State::Succeeded(_) => return None,
                State::Running => at = self.started + head_start,
                State::Failed => {}
            }
        }
        Some(at)
    }

    /// Who has won, as far as is known at `now`.
    pub fn decide(&self, now: Instant) -> Decision {
        let running = self.ways.iter().any(|(.., state)| *state == State::Running);
        let successes = self.ways.iter().enumerate().filter_map(|(way, (_, protocol, state))| match state {
            State::Succeeded(success) => {
                Some((!success.external_ip.is_some_and(is_public), success.at, *protocol, way))
            }
            _ => None,
        });
        // Public before others, then the earliest, then the better protocol.
        match successes.min() {
            Some((false, .., way)) => Decision::Winner(way),
            Some((true, at, _, way)) => {
                let until = (at + GRACE).min(self.until);
                if !running || now >= until { Decision::Winner(way) } else { Decision::Open(until) }
            }
            None if !running || now >= self.until => Decision::AllFailed,
            None => Decision::Open(self.until),
        }
    }
}

/// Whether two mappings, each by gateway and external port, are one entry of one router's table, made by two protocols.
/// The removal of either then removes both, so the loser of a contest is left alone.
pub fn same_entry(one: (IpAddr, u16), other: (IpAddr, u16)) -> bool {
    one == other
}

/// Whether an address can be reached from the internet: not private, shared (100.64/10, RFC 6598: there is a carrier's NAT
/// further out), local, reserved or for documentation.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            let protocol_use = [a, b, c] == [192, 0, 0];
            let benchmark = a == 198 && b & 0xfe == 18;
            !(a == 0
                || a >= 224
                || shared
                || protocol_use
                || benchmark
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation())
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // 2000::/3 is what is given out; 2001:db8::/32 is for documentation.
            first & 0xe000 == 0x2000 && !(first == 0x2001 && second == 0x0db8)
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!((ways.may_map(0), ways.may_map(1)), (Some(now), Some(now + AFTER_PCP)));
        assert_eq!(ways.may_map(2), Some(now + AFTER_BOTH));
        ways.failed(0);
        assert_eq!((ways.may_map(1), ways.may_map(2)), (Some(now), Some(now + AFTER_BOTH)));
        ways.failed(1);
        assert_eq!(ways.may_map(2), Some(now));
        let mut ways = contest(now);
        ways.succeeded(0, at(now, 5, "11.0.0.1"));
        assert_eq!((ways.may_map(1), ways.may_map(2)), (None, None));
        let mut two = Contest::new([(gateway(1), Protocol::Pcp), (gateway(2), Protocol::NatPmp)], now, LIMIT);
        two.succeeded(0, at(now, 5, "11.0.0.1"));
        assert_eq!(two.may_map(1), Some(now), "another gateway is another table");
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
}
