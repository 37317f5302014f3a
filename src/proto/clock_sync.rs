//! What time it is, from what several servers say: who agrees is found out, who does not is dropped.
//!
//! Of each server the exchange that took the shortest counts, for it was held up the least (the clock filter of RFC
//! 5905, section 10). Each server then claims an interval that true time lies in: its offset, give or take half the
//! exchange and what it says of its own error. The intersection algorithm of RFC 5905, section 11.2.1 (after Marzullo)
//! finds the largest group whose intervals meet and whose offsets lie where they meet. Two honest servers with lopsided
//! ways may fail the second part, so if there is no such group, intervals that meet are enough. The group has to be a
//! majority; its mean, weighted by how sure each is, is the result (section 11.2.3), kept to where all meet.
//!
//! As long as most servers are honest, no lie moves the result farther from true time than twice what the least sure of
//! them leaves open. One of three that lies by more is outside the group and moves nothing.
//!
//! PyP2P takes fifty samples from random servers one after the other and throws out what is far from their mean
//! ([`crate::proto::clock`]). The result here is the same kind of number, an [`Estimate`] of the local clock's error.

use std::time::Instant;

use super::clock::Estimate;
use super::ntp::Sample;
use crate::small;

/// Servers that are looked at.
pub const MAX_SERVERS: usize = 64;
/// What every claim is unsure by, for the local system is not always quick to take a packet. Microseconds.
const LOCAL_US: i64 = 1000;

/// What the servers agree on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// True time minus local time, 0 if not `reliable`. Microseconds.
    pub offset_us: i64,
    /// How far from it the offset of an agreeing server is at the most. Microseconds.
    pub spread_us: i64,
    /// How wrong it may be, if the agreeing servers tell the truth. Microseconds.
    pub error_us: i64,
    /// Servers that agree.
    pub servers: usize,
    /// Servers that gave a sample.
    pub answered: usize,
    /// Samples of the servers that agree.
    pub samples: usize,
    /// Whether enough servers agree, and more than half of those that answered.
    pub reliable: bool,
}

impl Agreement {
    /// The number PyP2P's `SysClock` would use: how far the local clock is ahead.
    pub fn estimate(&self) -> Estimate {
        Estimate { skew_us: -self.offset_us, kept: self.samples, reliable: self.reliable }
    }
}

/// One server's claim: true time is local time plus something between `offset - error` and `offset + error`.
#[derive(Clone, Copy, Debug)]
struct Claim {
    offset: i128,
    error: i128,
    samples: usize,
}

impl Claim {
    fn of(samples: &[Sample]) -> Option<Claim> {
        let best = samples.iter().min_by_key(|s| s.delay_us)?;
        let error = i128::from(best.delay_us.max(0)) / 2 + i128::from(best.distance_us.max(0));
        Some(Claim {
            offset: best.offset_us.into(),
            error: error + i128::from(LOCAL_US),
            samples: samples.len(),
        })
    }
}

/// Judges the samples of several servers, by server. `need` servers have to agree, at least one; with one or two no lie
/// can be noticed.
pub fn agree(servers: &[Vec<Sample>], need: usize) -> Agreement {
    let claims: Vec<Claim> = servers.iter().take(MAX_SERVERS).filter_map(|s| Claim::of(s)).collect();
    let nothing = Agreement { answered: claims.len(), ..Agreement::default() };
    let Some((members, low, high)) = majority(&claims) else { return nothing };
    let servers = members.len();
    if servers < need.max(1) || 2 * servers <= nothing.answered {
        return Agreement { servers, ..nothing };
    }
    // Relative to the lower end, so that the numbers stay small: weights are at most 10⁹, distances below 2⁶⁵.
    let weight = |c: &Claim| 1_000_000_000_000 / c.error.max(1000);
    let all: i128 = members.iter().map(weight).sum::<i128>().max(1);
    let mean = |of: &dyn Fn(&Claim) -> i128| members.iter().map(|c| weight(c) * of(c)).sum::<i128>() / all;
    let offset = (low + mean(&|c| c.offset - low)).clamp(low, high);
    let spread = members.iter().map(|c| (c.offset - offset).abs()).max().unwrap_or(0);
    let error = mean(&|c| c.error);
    let samples = members.iter().map(|c| c.samples).sum();
    let [Ok(offset_us), Ok(spread_us), Ok(error_us)] = [offset, spread, error].map(i64::try_from) else {
        return nothing;
    };
    Agreement { offset_us, spread_us, error_us, servers, samples, reliable: true, ..nothing }
}

/// The claims that agree, and the interval in which all of them meet: all claims but for a minority.
fn majority(claims: &[Claim]) -> Option<(Vec<Claim>, i128, i128)> {
    let n = claims.len();
    // Lower ends (-1), offsets (0) and upper ends (1), in order; of equal ones the lower end comes first.
    let ends = |c: &Claim| [(c.offset - c.error, -1), (c.offset, 0), (c.offset + c.error, 1)];
    let mut points: Vec<(i128, i32)> = claims.iter().flat_map(ends).collect();
    small::sort(&mut points);
    let from_above: Vec<(i128, i32)> = points.iter().rev().map(|(at, kind)| (*at, -kind)).collect();
    let meeting = |false_ones: usize| {
        let enough = i32::try_from(n - false_ones).ok()?;
        let (low, below) = edge(&points, enough)?;
        let (high, above) = edge(&from_above, enough)?;
        (low <= high).then_some((low, high, below + above))
    };
    let minorities = || (0..n).take_while(|f| 2 * f < n);
    let members = |is_one: &dyn Fn(&Claim) -> bool| claims.iter().copied().filter(is_one).collect();
    let strict = minorities().find_map(|f| meeting(f).filter(|(_, _, outside)| *outside <= f));
    if let Some((low, high, _)) = strict {
        return Some((members(&|c| (low..=high).contains(&c.offset)), low, high));
    }
    let (low, high, _) = minorities().find_map(meeting)?;
    Some((members(&|c| c.offset - c.error <= low && high <= c.offset + c.error), low, high))
}

/// From one side: the point where `enough` intervals are open, and the offsets passed on the way there.
fn edge(points: &[(i128, i32)], enough: i32) -> Option<(i128, usize)> {
    let (mut open, mut passed) = (0, 0);
    for (at, kind) in points {
        open -= kind;
        passed += usize::from(*kind == 0);
        if open >= enough {
            return Some((*at, passed));
        }
    }
    None
}

/// True time, carried on by a clock that nobody sets.
///
/// It is anchored on an [`Instant`]: when the system's clock is stepped, this one does not notice. It does not run
/// while the machine sleeps; after that it has to be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetClock {
    anchor: Instant,
    /// True time at the anchor, in microseconds since 1970.
    unix_us: i64,
}

impl NetClock {
    /// From local time at `anchor`, in microseconds since 1970, and how far true time is ahead of it.
    pub fn new(anchor: Instant, local_us: i64, offset_us: i64) -> NetClock {
        NetClock { anchor, unix_us: local_us.saturating_add(offset_us) }
    }

    /// True time at `now`, in microseconds since 1970.
    pub fn now_ntp(&self, now: Instant) -> i64 {
        let micros = |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        match now.checked_duration_since(self.anchor) {
            Some(after) => self.unix_us.saturating_add(micros(after)),
            None => self.unix_us.saturating_sub(micros(self.anchor.duration_since(now))),
        }
    }

    /// How long ago it was set: crystals drift by up to 50 µs a second.
    pub fn age(&self, now: Instant) -> std::time::Duration {
        now.saturating_duration_since(self.anchor)
    }
}

#[cfg(test)]
mod tests;
