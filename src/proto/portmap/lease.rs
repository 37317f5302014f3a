//! How long a mapping lasts and when to ask for more: RFC 6887 11.2.1, applied to all three protocols.
//!
//! The first renewal is asked for between 1/2 and 5/8 of the lease, the second between 3/4 and 13/16, the
//! next ones closer and closer to its end, but never less than 4 s apart.

use std::time::{Duration, Instant};

/// Renewals are at least this far apart.
pub const SHORTEST_PAUSE: Duration = Duration::from_secs(4);

/// A longer lease is renewed as if it were this long: what a router forgets is noticed within half of it.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A mapping without an end is looked after this often. Some routers wipe their table without saying so.
pub const PERMANENT_PAUSE: Duration = Duration::from_secs(30 * 60);

/// The lease of one mapping.
#[derive(Clone, Debug)]
pub struct Lease {
    from: Instant,
    /// `None`: without an end.
    granted: Option<Duration>,
    /// Renewals tried since it was granted.
    tried: u32,
    renew_at: Instant,
    rng: fastrand::Rng,
}

impl Lease {
    /// A lease of `granted` (zero: without an end) that was asked for at `asked`. Counting from the question,
    /// not from the answer, is on the safe side.
    pub fn new(asked: Instant, granted: Duration, rng: fastrand::Rng) -> Lease {
        let granted = (!granted.is_zero()).then_some(granted.min(LONGEST));
        let mut lease = Lease { from: asked, granted, tried: 0, renew_at: asked, rng };
        lease.renew_at = lease.next(asked);
        lease
    }

    /// When to ask for more.
    pub fn renew_at(&self) -> Instant {
        self.renew_at
    }

    /// When it ends, if it ends.
    pub fn ends_at(&self) -> Option<Instant> {
        self.granted.map(|granted| self.from + granted)
    }

    /// Whether it has ended.
    pub fn is_over(&self, now: Instant) -> bool {
        self.ends_at().is_some_and(|end| now >= end)
    }

    /// A renewal was tried at `now` and brought nothing: chooses the next time.
    pub fn not_renewed(&mut self, now: Instant) {
        self.tried = self.tried.saturating_add(1);
        self.renew_at = self.next(now);
    }

    fn next(&mut self, now: Instant) -> Instant {
        let Some(granted) = self.granted else {
            let early = PERMANENT_PAUSE.mul_f64(0.1 * self.rng.f64());
            return now + (PERMANENT_PAUSE - early);
        };
        // 1 - 2^-n of the lease, and up to 2^-(n+2) later so that many nodes do not come at once.
        let n = self.tried.min(20) as i32 + 1;
        let fraction = 1.0 - 0.5f64.powi(n) + 0.5f64.powi(n + 2) * self.rng.f64();
        (self.from + granted.mul_f64(fraction)).max(now + SHORTEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rng() -> fastrand::Rng {
        fastrand::Rng::with_seed(3)
    }

    #[test]
    fn a_lease_without_an_end_is_looked_after() {
        let now = Instant::now();
        let lease = Lease::new(now, Duration::ZERO, rng());
        assert_eq!(lease.ends_at(), None);
        assert!(!lease.is_over(now + LONGEST * 1000));
        assert!(lease.renew_at() <= now + PERMANENT_PAUSE && lease.renew_at() > now + PERMANENT_PAUSE / 2);
    }

    #[test]
    fn a_very_short_lease_does_not_make_a_storm() {
        let now = Instant::now();
        let lease = Lease::new(now, Duration::from_secs(1), rng());
        assert_eq!(lease.renew_at(), now + SHORTEST_PAUSE);
        assert!(lease.is_over(now + Duration::from_secs(1)));
    }

    #[test]
    fn an_absurdly_long_lease_is_cut() {
        let now = Instant::now();
        let lease = Lease::new(now, Duration::from_secs(u32::MAX.into()), rng());
        assert_eq!(lease.ends_at(), Some(now + LONGEST));
    }

    proptest! {
        #[test]
        fn renewals_fall_where_the_rfc_wants_them(seconds in 64u64..86_400, seed in any::<u64>()) {
            let (now, granted) = (Instant::now(), Duration::from_secs(seconds));
            let mut lease = Lease::new(now, granted, fastrand::Rng::with_seed(seed));
            let mut before = now;
            for (n, (from, to)) in [(0.5, 0.625), (0.75, 0.8125), (0.875, 0.90625)].into_iter().enumerate() {
                let at = lease.renew_at();
                let fraction = (at - now).as_secs_f64() / granted.as_secs_f64();
                // In a short lease the 4 s push the later ones back.
                prop_assert!(fraction >= from - 1e-9, "{n}: {fraction}");
                prop_assert!(fraction <= to + 1e-9 || at == before + SHORTEST_PAUSE, "{n}: {fraction}");
                before = at;
                lease.not_renewed(at);
            }
        }

        #[test]
        fn renewals_go_on_but_never_fast(
            seconds in any::<u32>(), late in proptest::collection::vec(0u64..10_000, 0..40),
        ) {
            let mut now = Instant::now();
            let mut lease = Lease::new(now, Duration::from_secs(seconds.into()), rng());
            for late in late {
                let at = lease.renew_at().max(now) + Duration::from_millis(late);
                lease.not_renewed(at);
                prop_assert!(lease.renew_at() >= at + SHORTEST_PAUSE);
                now = at;
            }
        }
    }
}
