//! Waiting until a burst of changes has settled.
//!
//! A network change comes as a dozen notices within a second: the link, its addresses, its routes. Acting on the first
//! would act too early, acting on each too often; waiting for silence alone might wait for ever.

use std::time::{Duration, Instant};

/// Tells when a burst is over.
#[derive(Clone, Debug)]
pub struct Settle {
    quiet: Duration,
    most: Duration,
    /// The first and the last notice of the burst that is going on.
    burst: Option<(Instant, Instant)>,
}

impl Settle {
    /// A burst is over `quiet` after its last notice, at the latest `most` after its first.
    pub fn new(quiet: Duration, most: Duration) -> Settle {
        Settle { quiet, most, burst: None }
    }

    /// Something changed.
    pub fn note(&mut self, now: Instant) {
        let (_, last) = self.burst.get_or_insert((now, now));
        *last = now.max(*last);
    }

    /// When to ask [`Settle::settled`] next; `None` while nothing changes.
    pub fn due(&self) -> Option<Instant> {
        self.burst.map(|(first, last)| (last + self.quiet).min(first + self.most))
    }

    /// Whether a burst is over now; says so once for each.
    pub fn settled(&mut self, now: Instant) -> bool {
        let over = self.due().is_some_and(|due| now >= due);
        if over {
            self.burst = None;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUIET: Duration = Duration::from_millis(500);
    const MOST: Duration = Duration::from_secs(3);

    #[test]
    fn a_burst_is_reported_once_when_it_is_over() {
        let (start, ms) = (Instant::now(), Duration::from_millis);
        let mut settle = Settle::new(QUIET, MOST);
        assert_eq!(settle.due(), None);
        assert!(!settle.settled(start));
        settle.note(start);
        settle.note(start + ms(400));
        assert_eq!(settle.due(), Some(start + ms(900)));
        assert!(!settle.settled(start + ms(899)));
        assert!(settle.settled(start + ms(900)));
        assert!(!settle.settled(start + ms(5000)));
        assert_eq!(settle.due(), None);
    }

    proptest! {
        /// However notices come, a report follows within `MOST` of the first that has not been reported.
        #[test]
        fn no_change_is_kept_back_for_ever(steps in prop::collection::vec((1u64..700, any::<bool>()), 1..100)) {
            let mut settle = Settle::new(QUIET, MOST);
            let (mut now, mut waiting) = (Instant::now(), None);
            for (ms, change) in steps {
                let until = now + Duration::from_millis(ms);
                while let Some(due) = settle.due().filter(|due| *due <= until) {
                    let since: Instant = waiting.take().unwrap();
                    prop_assert!(due >= since + QUIET && due <= since + MOST);
                    prop_assert!(settle.settled(due));
                }
                now = until;
                if change {
                    settle.note(now);
                    waiting.get_or_insert(now);
                }
                prop_assert_eq!(settle.due().is_some(), waiting.is_some());
            }
        }
    }
}
