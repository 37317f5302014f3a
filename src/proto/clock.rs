//! How far the system clock is off, from samples against NTP: the filter of PyP2P's `SysClock`.
//!
//! A sample is *local time minus NTP time*, in microseconds. Samples outside one standard deviation of the
//! mean are thrown out, up to three times over; what then is still scattered, or too little, corrects
//! nothing. The original counts in decimal fractions of 28 digits; here every comparison is made on whole
//! numbers and is exact.

use std::fmt;

/// Samples PyP2P takes.
pub const SAMPLES: usize = 50;
/// Fewer than this many surviving samples correct nothing.
pub const MIN_KEPT: usize = 20;
/// A standard deviation above this corrects nothing. Microseconds (60 s).
pub const MAX_DEVIATION_US: i64 = 60_000_000;
/// The most samples [`estimate`] takes.
pub const MAX_SAMPLES: usize = 1000;
/// The largest sample [`estimate`] takes, of either sign. Microseconds (more than a hundred years).
pub const MAX_SAMPLE_US: i64 = 1 << 52;

/// Times the filter runs.
const CLEAN_STEPS: usize = 3;

/// What the samples say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// What to subtract from the local clock, in microseconds, rounded to the nearest; 0 if not `reliable`.
    pub skew_us: i64,
    /// Samples that survived the filter.
    pub kept: usize,
    /// Whether enough samples agreed closely enough to correct the clock by them.
    pub reliable: bool,
}

/// Why samples cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockError {
    /// One sample has no deviation (the original fails with a `ValueError`).
    OneSample,
    /// More than [`MAX_SAMPLES`].
    TooMany {
        /// Samples given.
        given: usize,
    },
    /// A sample beyond [`MAX_SAMPLE_US`].
    OutOfRange {
        /// The sample, in microseconds.
        sample_us: i64,
    },
}

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneSample => write!(f, "one clock sample; expected none or at least two"),
            Self::TooMany { given } => write!(f, "{given} clock samples; expected at most {MAX_SAMPLES}"),
            Self::OutOfRange { sample_us } => {
                write!(f, "a clock sample of {sample_us} us; expected at most {MAX_SAMPLE_US} of either sign")
            }
        }
    }
}

impl std::error::Error for ClockError {}

/// Judges samples of *local minus NTP time*, in microseconds.
///
/// No samples: nothing is known, which is not an error but not reliable either.
///
/// # Errors
/// One sample, more than [`MAX_SAMPLES`], or one beyond [`MAX_SAMPLE_US`].
pub fn estimate(samples: &[i64]) -> Result<Estimate, ClockError> {
    if samples.len() > MAX_SAMPLES {
        return Err(ClockError::TooMany { given: samples.len() });
    }
    if let Some(&sample_us) = samples.iter().find(|s| s.unsigned_abs() > MAX_SAMPLE_US.unsigned_abs()) {
        return Err(ClockError::OutOfRange { sample_us });
    }
    match samples.len() {
        0 => return Ok(Estimate { skew_us: 0, kept: 0, reliable: false }),
        1 => return Err(ClockError::OneSample),
        _ => {}
    }
    let mut kept = samples.to_vec();
    let mut sums = Sums::of(&kept);
    for _ in 0..CLEAN_STEPS {
        kept.retain(|&sample| sums.holds(sample));
        if kept.len() < 2 {
            break; // too few for a deviation, and in any case too few to be reliable
        }
        sums = Sums::of(&kept);
        if !sums.is_scattered() || kept.len() < MIN_KEPT {
            break;
        }
    }
    let reliable = !sums.is_scattered() && kept.len() >= MIN_KEPT;
    Ok(Estimate { skew_us: if reliable { sums.mean() } else { 0 }, kept: kept.len(), reliable })
}

/// Count, sum and n² times the population variance of samples. With the limits above nothing here overflows:
/// n·Σx² stays under 1000² · 2¹⁰⁴ < 2¹²⁴.
struct Sums {
    n: i128,
    sum: i128,
    n2_variance: i128,
}

impl Sums {
    fn of(samples: &[i64]) -> Self {
        let n = samples.len() as i128;
        let sum: i128 = samples.iter().map(|&x| i128::from(x)).sum();
        let squares: i128 = samples.iter().map(|&x| i128::from(x) * i128::from(x)).sum();
        Self { n, sum, n2_variance: n * squares - sum * sum }
    }

    /// Within one standard deviation of the mean, the border included: |x - mean| <= deviation, times n,
    /// squared.
    fn holds(&self, sample: i64) -> bool {
        let distance = self.n * i128::from(sample) - self.sum;
        distance * distance <= self.n2_variance
    }

    fn is_scattered(&self) -> bool {
        let limit = self.n * i128::from(MAX_DEVIATION_US);
        self.n2_variance > limit * limit
    }

    /// Rounded to the nearest microsecond, halves away from zero.
    fn mean(&self) -> i64 {
        let half = self.n / 2 * self.sum.signum();
        i64::try_from((self.sum + half) / self.n.max(1)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn borders_of_the_input() {
        assert_eq!(estimate(&[]), Ok(Estimate { skew_us: 0, kept: 0, reliable: false }));
        assert_eq!(estimate(&[7]), Err(ClockError::OneSample));
        assert_eq!(estimate(&[0; 1001]), Err(ClockError::TooMany { given: 1001 }));
        assert_eq!(estimate(&[0, i64::MIN]), Err(ClockError::OutOfRange { sample_us: i64::MIN }));
        let far: Vec<i64> =
            (0..1000).map(|i| if i % 2 == 0 { MAX_SAMPLE_US } else { -MAX_SAMPLE_US }).collect();
        assert_eq!(estimate(&far), Ok(Estimate { skew_us: 0, kept: 1000, reliable: false }));
        assert_eq!(estimate(&[MAX_SAMPLE_US; 1000]).map(|e| e.skew_us), Ok(MAX_SAMPLE_US));
    }

    #[test]
    fn nearest_microsecond() {
        let mut samples = vec![10; 10];
        samples.extend([11; 10]);
        assert_eq!(estimate(&samples).map(|e| e.skew_us), Ok(11));
        samples.iter_mut().for_each(|s| *s = -*s);
        assert_eq!(estimate(&samples).map(|e| e.skew_us), Ok(-11));
    }

    /// What the original answered to samples that take exactly three runs of the filter, and four.
    #[test]
    fn three_runs() {
        let seconds = |groups: &[(usize, i64)]| -> Vec<i64> {
            groups.iter().flat_map(|&(n, s)| std::iter::repeat_n(s * 1_000_000, n)).collect()
        };
        let three = seconds(&[(39, 7), (5, 807), (6, 3930), (1, 74_473)]);
        assert_eq!(estimate(&three), Ok(Estimate { skew_us: 7_000_000, kept: 39, reliable: true }));
        let four = seconds(&[(49, 7), (1, 555), (3, 5690), (6, 18_709), (4, 212_963)]);
        assert_eq!(estimate(&four), Ok(Estimate { skew_us: 0, kept: 50, reliable: false }));
    }

    proptest! {
        #[test]
        fn mirrors(samples in prop::collection::vec(-200_000_000..200_000_000i64, 2..60)) {
            let mirrored: Vec<i64> = samples.iter().map(|s| -s).collect();
            let (a, b) = (estimate(&samples).unwrap(), estimate(&mirrored).unwrap());
            prop_assert_eq!((a.skew_us, a.kept, a.reliable), (-b.skew_us, b.kept, b.reliable));
            prop_assert!(a.kept >= 1 && a.kept <= samples.len());
        }
    }
}
