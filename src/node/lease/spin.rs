//! Looking for events without sleeping, as long as it pays (option `spin_us`).
//!
//! To be woken takes longer than many an answer. Who looks instead has it at once, but burns its CPU meanwhile, and nothing at
//! all comes of it when nothing comes: after a few vain tries the next ones are left out, ever more of them. And if the one
//! who is to answer waits for this very CPU, looking keeps him from it: the spinner yields at every look.

use std::time::{Duration, Instant};

/// After so many vain tries in a row some are left out,
const PATIENCE: u32 = 2;
/// at most so many at a time.
const MOST: u32 = 1024;

/// What came of looking so far.
#[derive(Debug, Default)]
pub(super) struct Spin {
    vain: u32,
    /// How many waits begin without a look from now on.
    leave_out: u32,
}

impl Spin {
    /// Until when the wait that begins `now` may look without sleeping, if it may.
    pub(super) fn begin(&mut self, now: Instant, limit: Duration) -> Option<Instant> {
        if limit.is_zero() {
            return None;
        }
        if self.leave_out > 0 {
            self.leave_out -= 1;
            return None;
        }
        Some(now + limit)
    }

    /// That wait found something while it looked, or did not.
    pub(super) fn end(&mut self, found: bool) {
        if found {
            *self = Spin::default();
            return;
        }
        self.vain = (self.vain + 1).min(PATIENCE + MOST.ilog2());
        if self.vain >= PATIENCE {
            self.leave_out = 1 << (self.vain - PATIENCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_micros(20);

    /// How many of `waits` look if none finds anything.
    fn looks_in_vain(spin: &mut Spin, waits: u32) -> u32 {
        let looks = |_: &u32| {
            let looks = spin.begin(Instant::now(), LIMIT).is_some();
            if looks {
                spin.end(false);
            }
            looks
        };
        (0..waits).filter(looks).count() as u32
    }

    #[test]
    fn who_never_finds_anything_hardly_looks() {
        let mut spin = Spin::default();
        assert_eq!(looks_in_vain(&mut spin, PATIENCE), PATIENCE, "it tries");
        assert!(looks_in_vain(&mut spin, 100_000) <= 100_000 / MOST + 12, "and gives up");
    }

    #[test]
    fn who_finds_something_looks_again() {
        let mut spin = Spin::default();
        looks_in_vain(&mut spin, 10_000);
        while spin.begin(Instant::now(), LIMIT).is_none() {}
        spin.end(true);
        for _ in 0..100 {
            assert!(spin.begin(Instant::now(), LIMIT).is_some());
            spin.end(true);
        }
    }

    #[test]
    fn without_the_option_nobody_looks() {
        assert_eq!(Spin::default().begin(Instant::now(), Duration::ZERO), None);
    }
}
