//! When something is written into the DHT, and under which number.

use std::time::{Duration, Instant};

use super::settings::{Job, QueryError, Time};

/// Pause after the first failure; doubled after each further one.
const FIRST_RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(900);

/// One thing that is kept published.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) salt: Vec<u8>,
    value: Option<Vec<u8>>,
    /// Unix time from which on it is of no use.
    expires: Option<u64>,
    /// It is not what was published last.
    changed: bool,
    /// The least number that may still be used.
    least_seq: i64,
    begun: Option<Instant>,
    due: Option<Instant>,
    job: Option<Job>,
    failures: u32,
    republish: Duration,
    gap: Duration,
}

impl Publication {
    pub(super) fn new(salt: Vec<u8>, republish: Duration, gap: Duration) -> Publication {
        Publication {
            salt,
            value: None,
            expires: None,
            changed: false,
            least_seq: 0,
            begun: None,
            due: None,
            job: None,
            failures: 0,
            republish,
            gap,
        }
    }

    /// From now on it is this.
    pub(super) fn set(&mut self, now: Time, value: Vec<u8>, expires: Option<u64>) {
        let is_new = self.value.as_ref() != Some(&value);
        self.expires = expires;
        if is_new {
            self.value = Some(value);
            self.changed = true;
            if self.job.is_none() {
                self.due = Some(self.not_before(now.at));
            }
        }
    }

    /// There is nothing to be kept published for now; what comes next is written at once.
    pub(super) fn clear(&mut self) {
        (self.value, self.expires, self.begun) = (None, None, None);
        self.pause();
    }

    /// All that was written may be out of reach: write it at once.
    pub(super) fn renew(&mut self, now: Time) {
        self.job = None;
        self.failures = 0;
        self.due = self.value.is_some().then_some(now.at);
    }

    /// Nothing can be written for now.
    pub(super) fn pause(&mut self) {
        self.job = None;
        self.due = None;
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| self.job.is_none())
    }

    /// What is to be written now, if anything: value and sequence number.
    pub(super) fn write(&mut self, now: Time, job: Job) -> Option<(Vec<u8>, i64)> {
        if self.poll_timeout().is_none_or(|due| due > now.at) {
            return None;
        }
        if self.expires.is_some_and(|end| end <= now.unix) {
            self.due = None;
            return None;
        }
        let value = self.value.clone()?;
        let seq = i64::try_from(now.unix).unwrap_or(i64::MAX).max(self.least_seq);
        // The number just used may be used again only for the same; what is next has a higher one.
        self.least_seq = seq.saturating_add(1);
        (self.job, self.begun, self.changed) = (Some(job), Some(now.at), false);
        Some((value, seq))
    }

    /// What became of writing. `true`: the DHT has something newer; find out its number ([`Publication::found`]).
    pub(super) fn finished(&mut self, now: Time, job: Job, outcome: &Result<(), QueryError>) -> bool {
        if self.job != Some(job) {
            return false;
        }
        self.job = None;
        match outcome {
            Ok(()) => {
                self.failures = 0;
                let next = if self.changed { self.not_before(now.at) } else { now.at + self.period(now) };
                self.due = Some(next);
            }
            Err(why) => {
                self.changed = true;
                self.due = Some(now.at + self.retry());
                return *why == QueryError::Older;
            }
        }
        false
    }

    /// The DHT has something of this number: ours gets a higher one, at once the first time.
    pub(super) fn found(&mut self, now: Time, seq: i64) {
        if seq >= self.least_seq {
            self.least_seq = seq.saturating_add(1);
            if self.failures <= 1 && self.job.is_none() && self.value.is_some() {
                self.due = Some(now.at);
            }
        }
    }

    fn not_before(&self, now: Instant) -> Instant {
        self.begun.map_or(now, |begun| now.max(begun + self.gap))
    }

    /// Again when half of its time is over, or when the DHT is about to forget it.
    fn period(&self, now: Time) -> Duration {
        let left = self.expires.map(|end| Duration::from_secs(end.saturating_sub(now.unix) / 2));
        left.map_or(self.republish, |half| half.min(self.republish)).max(self.gap)
    }

    fn retry(&mut self) -> Duration {
        let pause = FIRST_RETRY.saturating_mul(1 << self.failures.min(10)).min(LONGEST_RETRY);
        self.failures = self.failures.saturating_add(1);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const GAP: Duration = Duration::from_secs(120);

    fn later(now: Time, by: Duration) -> Time {
        Time { at: now.at + by, unix: now.unix + by.as_secs() }
    }

    fn start() -> (Publication, Time) {
        let now = Time { at: Instant::now(), unix: 1_800_000_000 };
        (Publication::new(b"salt".to_vec(), HOUR, GAP), now)
    }

    fn next(publication: &Publication, now: Time) -> Option<Duration> {
        publication.poll_timeout().map(|due| due - now.at)
    }

    #[test]
    fn at_once_then_every_hour() {
        let (mut it, now) = start();
        assert_eq!(it.write(now, 1), None, "nothing to say yet");
        it.set(now, b"one".to_vec(), None);
        assert_eq!(it.write(now, 1), Some((b"one".to_vec(), 1_800_000_000)));
        assert_eq!(it.write(now, 2), None, "it is being written");
        assert!(!it.finished(now, 1, &Ok(())));
        assert_eq!(next(&it, now), Some(HOUR));
        it.set(now, b"one".to_vec(), None);
        assert_eq!(next(&it, now), Some(HOUR), "nothing has changed");
        let now = later(now, HOUR);
        assert_eq!(it.write(now, 3), Some((b"one".to_vec(), 1_800_003_600)));
    }

    #[test]
    fn a_change_goes_out_but_not_too_often() {
        let (mut it, now) = start();
        it.set(now, b"one".to_vec(), None);
        it.write(now, 1).unwrap();
        it.set(now, b"two".to_vec(), None);
        it.finished(now, 1, &Ok(()));
        assert_eq!(next(&it, now), Some(GAP));
        let now = later(now, GAP);
        assert_eq!(it.write(now, 2).unwrap().0, b"two");
    }

    #[test]
    fn what_is_withheld_is_not_written_and_the_next_is_at_once() {
        let (mut it, now) = start();
        it.set(now, b"old".to_vec(), None);
        it.write(now, 1).unwrap();
        it.clear();
        assert!(!it.finished(now, 1, &Ok(())), "that is history");
        it.renew(now);
        assert_eq!((it.poll_timeout(), it.write(now, 2)), (None, None));
        it.set(now, b"new".to_vec(), None);
        assert_eq!(it.write(now, 3), Some((b"new".to_vec(), 1_800_000_001)), "and outbids the old");
    }

    #[test]
    fn half_of_its_time() {
        let (mut it, now) = start();
        it.set(now, b"one".to_vec(), Some(now.unix + 1000));
        it.write(now, 1).unwrap();
        it.finished(now, 1, &Ok(()));
        assert_eq!(next(&it, now), Some(Duration::from_secs(500)));
        let over = later(now, Duration::from_secs(1000));
        assert_eq!(it.write(over, 2), None, "an expired one is not written");
        assert_eq!(next(&it, over), None);
    }

    #[test]
    fn failures_are_tried_again_ever_later() {
        let (mut it, mut now) = start();
        it.set(now, b"one".to_vec(), None);
        let mut pauses = Vec::new();
        for job in 0..9 {
            it.write(now, job).unwrap();
            assert!(!it.finished(now, job, &Err(QueryError::Failed("no".into()))));
            pauses.push(next(&it, now).unwrap().as_secs());
            now = later(now, Duration::from_secs(*pauses.last().unwrap()));
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
    }

    /// The clock was set back, or another machine has used our key: its number is outbid, once at a time.
    #[test]
    fn a_newer_one_is_outbid() {
        let (mut it, now) = start();
        it.set(now, b"one".to_vec(), None);
        it.write(now, 1).unwrap();
        assert!(it.finished(now, 1, &Err(QueryError::Older)));
        it.found(now, 1_900_000_000);
        assert_eq!(next(&it, now), Some(Duration::ZERO));
        assert_eq!(it.write(now, 2), Some((b"one".to_vec(), 1_900_000_001)));
        assert!(it.finished(now, 2, &Err(QueryError::Older)));
        it.found(now, i64::MAX);
        assert_eq!(next(&it, now), Some(Duration::from_secs(20)), "no game of ping-pong");
    }
}
