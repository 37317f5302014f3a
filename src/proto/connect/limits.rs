//! How much strangers can make us do: calls answered, dials made for others, lines logged.

use std::time::{Duration, Instant};

use crate::proto::identity::PublicKey;
use crate::small::SmallMap;

/// Calls of one peer: so many at once, and one more each so often.
const OF_ONE: Rate = Rate { burst: 6, every: Duration::from_secs(2) };
/// Calls of all.
const OF_ALL: Rate = Rate { burst: 40, every: Duration::from_millis(250) };
/// Lines logged.
const LOGGED: Rate = Rate { burst: 10, every: Duration::from_secs(1) };

/// How often something may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// So often at once,
    pub(super) burst: u32,
    /// and once more after each of these.
    pub(super) every: Duration,
}

/// A bucket that is emptied by use and fills with time. What is kept is when it will be full.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket(Option<Instant>);

impl Bucket {
    /// Takes one, if one is left.
    pub(super) fn take(&mut self, now: Instant, rate: Rate) -> bool {
        let full = self.0.filter(|at| *at > now).unwrap_or(now);
        let room = rate.every.saturating_mul(rate.burst.saturating_sub(1));
        let left = full.saturating_duration_since(now) <= room && rate.burst > 0;
        if left {
            self.0 = Some(full + rate.every);
        }
        left
    }

    /// Whether it is as if it had never been used.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.0.is_none_or(|at| at <= now)
    }
}

/// All of a node's buckets.
#[derive(Debug)]
pub(super) struct Limits {
    callers: SmallMap<PublicKey, Bucket>,
    calls: Bucket,
    dials: Bucket,
    dial_rate: Rate,
    log: Bucket,
}

impl Limits {
    /// `dials`: most dials that others may ask for in any minute.
    pub(super) fn new(dials: u32) -> Limits {
        let half = (dials / 2).max(1);
        let burst = dials.min(half);
        let dial_rate = Rate { burst, every: Duration::from_secs(60) / half };
        Limits {
            callers: SmallMap::new(),
            calls: Bucket::default(),
            dials: Bucket::default(),
            dial_rate,
            log: Bucket::default(),
        }
    }

    /// Whether a call of this peer is looked at.
    pub(super) fn may_call(&mut self, now: Instant, peer: PublicKey) -> bool {
        // Those whose buckets are full again are forgotten; as all together are limited, few are left.
        self.callers.retain(|_, bucket| !bucket.is_full(now));
        let mut own = self.callers.get(&peer).copied().unwrap_or_default();
        let may = own.take(now, OF_ONE) && self.calls.take(now, OF_ALL);
        if may {
            self.callers.insert(peer, own);
        }
        may
    }

    /// Whether somewhere may be dialled because somebody else wants it.
    pub(super) fn may_dial(&mut self, now: Instant) -> bool {
        self.dials.take(now, self.dial_rate)
    }

    /// Whether a line may be logged.
    pub(super) fn may_log(&mut self, now: Instant) -> bool {
        self.log.take(now, LOGGED)
    }

    /// Peers whose calls are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.callers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_a_trickle() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let rate = Rate { burst: 3, every: Duration::from_secs(2) };
        let taken = |bucket: &mut Bucket, at: Instant| (0..9).filter(|_| bucket.take(at, rate)).count();
        assert_eq!(taken(&mut bucket, start), 3);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(1)), 0);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(4)), 2);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(400)), 3);
        assert!(!Bucket::default().take(start, Rate { burst: 0, every: Duration::from_secs(1) }));
    }

    #[test]
    fn callers_are_limited_one_by_one_and_in_all_and_forgotten() {
        let (mut limits, start) = (Limits::new(120), Instant::now());
        let one = PublicKey([0; 32]);
        assert_eq!((0..20).filter(|_| limits.may_call(start, one)).count(), 6);
        let many = (0..=255u8).filter(|n| limits.may_call(start, PublicKey([*n; 32]))).count();
        assert_eq!(many, 34, "what is left of 40");
        assert!(limits.len() <= 40);
        assert!(limits.may_call(start + Duration::from_secs(60), one));
        assert_eq!(limits.len(), 1);
    }

    #[test]
    fn dials_for_others_in_a_minute() {
        let (mut limits, start) = (Limits::new(120), Instant::now());
        let in_minute = (0..600).filter(|n| limits.may_dial(start + Duration::from_millis(n * 100))).count();
        assert!((100..=120).contains(&in_minute), "{in_minute}");
        assert_eq!((0..9).filter(|_| Limits::new(0).may_dial(start)).count(), 0);
    }
}
