//! How many flows punching may open: one [`Budget`] for the whole node, shared by all its punches.
//!
//! Home routers keep a table of some thousand flows, and a punch that fills it cuts the whole household off.
//! So there is a limit on attempts that are open at a time and one on new ones per minute, whoever asks for
//! them; the rounds of one attempt are limited by [`super::Options`]. Also, a node that can only be made to
//! send so much is of no use to somebody who wants to flood or scan.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// What punching may still use.
#[derive(Clone, Debug)]
pub struct Budget {
    half_open_limit: usize,
    minute_limit: usize,
    half_open: usize,
    /// When flows were begun, and how many, oldest first.
    begun: VecDeque<(Instant, usize)>,
    in_minute: usize,
}

impl Default for Budget {
    /// 256 at a time, 1,000 a minute.
    fn default() -> Budget {
        Budget::new(256, 1000)
    }
}

impl Budget {
    /// `half_open`: attempts open at a time. `per_minute`: new flows in any 60 seconds.
    pub fn new(half_open: usize, per_minute: usize) -> Budget {
        Budget {
            half_open_limit: half_open,
            minute_limit: per_minute,
            half_open: 0,
            begun: VecDeque::new(),
            in_minute: 0,
        }
    }

    /// Changes the limits; what is open stays open.
    pub fn set_limits(&mut self, half_open: usize, per_minute: usize) {
        self.half_open_limit = half_open;
        self.minute_limit = per_minute;
    }

    /// Asks for up to `want` new flows; gives how many may be opened. Each is to be given back by
    /// [`Budget::end`].
    pub fn take(&mut self, now: Instant, want: usize) -> usize {
        let granted = want.min(self.left(now));
        if granted > 0 {
            self.half_open += granted;
            self.in_minute += granted;
            self.begun.push_back((now, granted));
        }
        granted
    }

    /// Attempts have ended: connected, refused for good, or closed.
    pub fn end(&mut self, count: usize) {
        debug_assert!(count <= self.half_open, "more ended than begun");
        self.half_open = self.half_open.saturating_sub(count);
    }

    /// How many flows could be opened now.
    pub fn left(&mut self, now: Instant) -> usize {
        while let Some((at, count)) = self.begun.front().copied()
            && now.saturating_duration_since(at) >= MINUTE
        {
            self.begun.pop_front();
            self.in_minute -= count;
        }
        let open = self.half_open_limit.saturating_sub(self.half_open);
        open.min(self.minute_limit.saturating_sub(self.in_minute))
    }

    /// Attempts open now.
    pub fn half_open(&self) -> usize {
        self.half_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_limits_hold() {
        let (mut budget, start) = (Budget::new(100, 150), Instant::now());
        assert_eq!(budget.take(start, 80), 80);
        assert_eq!(budget.take(start, 80), 20);
        budget.end(100);
        assert_eq!(budget.take(start + MINUTE / 2, 80), 50);
        assert_eq!(budget.take(start + MINUTE / 2, 80), 0);
        budget.end(50);
        assert_eq!(budget.take(start + MINUTE, 200), 100);
    }

    proptest! {
        #[test]
        fn never_more_than_allowed(
            steps in prop::collection::vec((0..40u64, 0..60usize, 0..60usize), 1..60),
        ) {
            let (mut budget, mut now) = (Budget::new(50, 90), Instant::now());
            let mut taken: Vec<(Instant, usize)> = Vec::new();
            for (seconds, want, done) in steps {
                now += Duration::from_secs(seconds);
                taken.push((now, budget.take(now, want)));
                prop_assert!(budget.half_open() <= 50);
                let minute: usize =
                    taken.iter().filter(|(at, _)| now - *at < MINUTE).map(|(_, count)| count).sum();
                prop_assert!(minute <= 90);
                budget.end(done.min(budget.half_open()));
            }
        }
    }
}
