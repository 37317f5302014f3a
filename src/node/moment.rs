//! A point in time in eight bytes: half of an [`Instant`], for what there are thousands of.

use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nanoseconds since the first of this process, and one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

impl Moment {
    pub(crate) fn now() -> Moment {
        Moment::at(Instant::now())
    }

    /// That instant. Those before the first moment of this process count as that.
    pub(crate) fn at(instant: Instant) -> Moment {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        let since = instant.saturating_duration_since(*FIRST.get_or_init(|| instant));
        let whole = since.as_secs().saturating_mul(1_000_000_000);
        let nanoseconds = whole.saturating_add(since.subsec_nanos().into());
        Moment(NonZeroU64::MIN.saturating_add(nanoseconds))
    }

    pub(crate) fn elapsed(self) -> Duration {
        Moment::now().since(self)
    }

    /// How long after `earlier`; zero if it was before.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_as_far_from_each_other_as_instants() {
        let first = Instant::now();
        let _ = Moment::at(first);
        let (a, b) = (first + Duration::from_nanos(1), first + Duration::from_secs(3 << 20));
        assert_eq!(Moment::at(b).since(Moment::at(a)), b - a);
        assert_eq!(Moment::at(a).since(Moment::at(b)), Duration::ZERO);
        assert!(Moment::at(a) < Moment::at(b) && Moment::now().elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn what_was_before_the_first_is_the_first() {
        let first = Moment::now();
        let long_ago = Instant::now().checked_sub(Duration::from_secs(1));
        assert!(long_ago.is_none_or(|long_ago| Moment::at(long_ago) <= first));
        assert_eq!(size_of::<Option<Moment>>(), 8);
    }
}
