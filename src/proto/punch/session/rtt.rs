//! The round trip of the signalling: the least of a few samples, as what delays a message only ever adds.

use std::time::{Duration, Instant};

/// Most samples of a session.
const MOST: usize = 12;

/// Samples.
#[derive(Debug, Default)]
pub(super) struct Rtt {
    /// When each ping was sent; none once it was answered.
    sent: Vec<Option<Instant>>,
    best: Option<Duration>,
    /// Not less than it, for want of better: how long the answer to an offer took.
    bound: Option<Duration>,
    /// When the next ping is due.
    pub(super) next: Option<Instant>,
}

impl Rtt {
    /// The number for a ping that leaves now; none if there were enough.
    pub(super) fn ping(&mut self, now: Instant) -> Option<u8> {
        if self.sent.len() >= MOST {
            return None;
        }
        let number = u8::try_from(self.sent.len()).ok()?;
        self.sent.push(Some(now));
        Some(number)
    }

    /// A pong has come.
    pub(super) fn pong(&mut self, now: Instant, number: u8) {
        if let Some(sent) = self.sent.get_mut(usize::from(number)).and_then(Option::take) {
            self.sample(now.saturating_duration_since(sent));
        }
    }

    /// A round trip measured otherwise.
    pub(super) fn sample(&mut self, rtt: Duration) {
        self.best = Some(self.best.map_or(rtt, |best| best.min(rtt)));
    }

    /// The peer has answered an offer of that age.
    pub(super) fn at_most(&mut self, rtt: Duration) {
        self.bound = Some(rtt);
    }

    /// What there is to go by, if no better is to be expected.
    pub(super) fn usable(&self) -> Option<Duration> {
        self.best.or(self.bound.filter(|_| self.next.is_none()))
    }

    pub(super) fn best(&self) -> Option<Duration> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_counts_and_each_pong_once() {
        let (mut rtt, start) = (Rtt::default(), Instant::now());
        let ms = Duration::from_millis;
        let (a, b) = (rtt.ping(start).unwrap(), rtt.ping(start + ms(30)).unwrap());
        rtt.pong(start + ms(80), a);
        assert_eq!(rtt.best(), Some(ms(80)));
        rtt.pong(start + ms(82), b);
        assert_eq!(rtt.best(), Some(ms(52)));
        rtt.pong(start + ms(30), b);
        rtt.pong(start, 200);
        assert_eq!(rtt.best(), Some(ms(52)));
        assert_eq!(rtt.usable(), Some(ms(52)));
        assert_eq!((0..50).filter_map(|_| rtt.ping(start)).count(), MOST - 2);
    }
}
