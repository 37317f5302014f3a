//! When to try a server again: longer and longer pauses, never the same for two nodes.

use std::time::Duration;

/// Pauses begin with this one.
const FIRST: Duration = Duration::from_millis(500);
/// And end with this one, unless the reason asks for more.
const LONGEST: Duration = Duration::from_secs(60);

/// How many times in a row it did not work out.
#[derive(Debug, Default)]
pub(in crate::proto) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked.
    pub(in crate::proto) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after one more failure that asks for `least`: doubling, a half more or less at random, so that the nodes of
    /// a server that was restarted do not all come back at the same moment.
    pub(in crate::proto) fn next(&mut self, rng: &mut fastrand::Rng, least: Duration) -> Duration {
        let doubled = FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        let pause = doubled.min(LONGEST).max(least);
        pause.mul_f64(0.5 + rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_within_their_jitter_and_end() {
        let (mut backoff, mut rng) = (Backoff::default(), fastrand::Rng::with_seed(7));
        for seconds in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let pause = backoff.next(&mut rng, Duration::ZERO).as_secs_f64();
            assert!((seconds * 0.5..seconds * 1.5).contains(&pause), "{pause} for {seconds}");
        }
        assert!((0..100).all(|_| backoff.next(&mut rng, Duration::ZERO) <= Duration::from_secs(90)));
        backoff.reset();
        assert!(backoff.next(&mut rng, Duration::ZERO) < Duration::from_millis(750));
        assert!(backoff.next(&mut rng, Duration::from_secs(3600)) >= Duration::from_secs(1800));
    }
}
