//! How fast bytes may pass, counted after they have: who has moved some pauses until there is room for the next.
//!
//! One instant says it all: when the bytes moved so far would have passed at the rate. It is shared by all sessions for the
//! rate in all: each one that has moved a quantum pauses behind all that others have moved before, so a quiet one
//! goes at once and busy ones take turns.

use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Bytes per second; 0: no limit.
    rate: u64,
    /// How far it may be ahead.
    slack: Duration,
    free_at: Option<Instant>,
}

impl Pace {
    /// `burst` bytes may pass at once after a quiet time.
    pub(super) fn new(rate: u64, burst: u64) -> Pace {
        Pace { rate, slack: time_of(burst, rate), free_at: None }
    }

    /// So many bytes have passed; tells how long to pause, if it has to be.
    pub(super) fn charge(&mut self, now: Instant, bytes: u64) -> Option<Instant> {
        if self.rate == 0 {
            return None;
        }
        let begin = self.free_at.map_or(now, |at| at.max(now));
        let free_at = begin + time_of(bytes, self.rate);
        self.free_at = Some(free_at);
        free_at.checked_sub(self.slack).filter(|at| *at > now)
    }
}

/// How long bytes take at a rate, a year at most.
fn time_of(bytes: u64, rate: u64) -> Duration {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    u64::try_from(nanoseconds).map_or(YEAR, |n| Duration::from_nanos(n).min(YEAR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let now = Instant::now();
        let mut pace = Pace::new(100, 200);
        assert_eq!(pace.charge(now, 200), None);
        assert_eq!(pace.charge(now, 50), Some(now + Duration::from_millis(500)));
        let later = now + Duration::from_millis(500);
        assert_eq!(pace.charge(later, 100), Some(later + Duration::from_secs(1)));
        // A quiet time refills it, and not beyond the burst.
        let later = now + Duration::from_secs(100);
        assert_eq!(pace.charge(later, 200), None);
        assert!(pace.charge(later, 1).is_some());
    }

    #[test]
    fn no_rate_no_pause() {
        assert_eq!(Pace::new(0, 0).charge(Instant::now(), u64::MAX), None);
        let now = Instant::now();
        assert!(Pace::new(1, 0).charge(now, u64::MAX).is_some_and(|at| at > now), "no overflow");
    }
}
