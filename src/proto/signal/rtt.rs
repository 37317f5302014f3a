//! How far away a server is: the least of the last round trips.
//!
//! A round trip is the time of the way plus whatever held it up, and what holds up only ever adds: the least of a few is
//! close to the way itself. Old samples have to go, as the way may have changed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Samples that are kept.
const MOST: usize = 8;
/// For how long one counts.
const FRESH: Duration = Duration::from_secs(300);

/// The last round trips.
#[derive(Debug, Default)]
pub struct Rtt {
    samples: VecDeque<(Instant, Duration)>,
}

impl Rtt {
    /// Takes a sample and gives the least of those that count.
    pub fn add(&mut self, now: Instant, sample: Duration) -> Duration {
        if self.samples.len() == MOST {
            self.samples.pop_front();
        }
        self.samples.push_back((now, sample));
        self.least(now).unwrap_or(sample)
    }

    /// The least of the samples that count.
    pub fn least(&self, now: Instant) -> Option<Duration> {
        let fresh = self.samples.iter().filter(|(at, _)| now.saturating_duration_since(*at) < FRESH);
        fresh.map(|(_, sample)| *sample).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_the_last_few_counts() {
        let (mut rtt, now) = (Rtt::default(), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(rtt.least(now), None);
        assert_eq!([30, 20, 50].map(|n| rtt.add(now, ms(n))), [30, 20, 20].map(ms));
        for _ in 0..MOST - 2 {
            assert_eq!(rtt.add(now, ms(40)), ms(20));
        }
        assert_eq!(rtt.add(now, ms(40)), ms(40), "20 and 50 have gone");
        assert_eq!(rtt.add(now + FRESH, ms(90)), ms(90), "the way may have become longer");
        assert_eq!(rtt.least(now + 2 * FRESH), None);
    }
}
