//! Duplicate suppression: a line that was seen before is old.
//!
//! For nets in which lines are passed on from node to node, so that each program sees each line once. PyP2P
//! keeps the SHA-256 of every line for the life of the process; here the table is bounded in entries and, if
//! wanted, in age, and the oldest leave first. The digest rather than the line is kept so that the memory
//! does not depend on line lengths, and a cryptographic one so that nobody can have a line of somebody else's
//! dropped by making another with its hash.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

type Key = [u8; 32];

/// A bounded memory of lines.
///
/// Constant time per line. The tables grow with use up to the capacity; once it is reached nothing is
/// allocated any more.
#[derive(Debug)]
pub struct Dedup {
    capacity: usize,
    ttl: Option<Duration>,
    /// Oldest first. A line's time is that of its first sight: seeing it again does not renew it.
    order: VecDeque<(Key, Instant)>,
    /// The same keys. Nothing depends on the order of this table.
    known: HashSet<Key>,
}

impl Dedup {
    /// Remembers at most `capacity` lines (0: none at all), each for `ttl` (`None`: until pushed out).
    pub fn new(capacity: usize, ttl: Option<Duration>) -> Self {
        Self { capacity, ttl, order: VecDeque::new(), known: HashSet::new() }
    }

    /// Whether `line` is old, that is, known. A line that is not is remembered from `now` on if `record` is
    /// set.
    pub fn check(&mut self, now: Instant, line: &[u8], record: bool) -> bool {
        self.expire(now);
        let key = Sha256::digest(line).into();
        let old = self.known.contains(&key);
        if !old && record && self.capacity > 0 {
            if self.order.len() >= self.capacity {
                self.forget_oldest();
            }
            self.order.push_back((key, now));
            self.known.insert(key);
        }
        old
    }

    /// Remembers a line, as a program does with the lines it sends. `false` if it was known.
    pub fn record(&mut self, now: Instant, line: &[u8]) -> bool {
        !self.check(now, line, true)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.order.clear();
        self.known.clear();
    }

    /// Lines remembered, including those whose time has passed since the last call.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn expire(&mut self, now: Instant) {
        let Some(ttl) = self.ttl else { return };
        while self.order.front().is_some_and(|(_, seen)| now.saturating_duration_since(*seen) >= ttl) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((key, _)) = self.order.pop_front() {
            self.known.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn oldest_leaves_first() {
        let (now, mut d) = (Instant::now(), Dedup::new(2, None));
        assert!(d.record(now, b"a") && d.record(now, b"b"));
        assert!(d.check(now, b"a", true), "seeing it again does not renew it");
        assert!(d.record(now, b"c"));
        assert!(!d.check(now, b"a", false));
        assert!(d.check(now, b"b", false) && d.check(now, b"c", false));
        d.clear();
        assert!(d.is_empty() && !d.check(now, b"b", false));
    }

    #[test]
    fn time_passes() {
        let (now, mut d) = (Instant::now(), Dedup::new(9, Some(Duration::from_secs(5))));
        d.record(now, b"a");
        d.record(now + Duration::from_secs(1), b"b");
        assert!(d.check(now + Duration::from_millis(4999), b"a", true));
        assert!(!d.check(now + Duration::from_secs(5), b"a", false));
        assert_eq!(d.len(), 1);
    }

    #[test]
    fn capacity_nothing() {
        let (now, mut d) = (Instant::now(), Dedup::new(0, None));
        assert!(d.record(now, b"a") && d.record(now, b"a"));
        assert!(d.is_empty());
    }

    /// However many lines go by, the tables stay as large as they were after the first few rounds.
    #[test]
    fn stops_growing() {
        let (now, mut d) = (Instant::now(), Dedup::new(100, None));
        let mut run = |from: u32, to: u32| {
            (from..to).for_each(|i| assert!(d.record(now, &i.to_le_bytes())));
            (d.order.capacity(), d.known.capacity(), d.len())
        };
        let (ring, table, _) = run(0, 1_000);
        let (ring_later, table_later, len) = run(1_000, 20_000);
        assert_eq!((ring_later, len), (ring, 100));
        assert!(table_later <= 2 * table.max(100), "{table} -> {table_later}");
    }

    proptest! {
        /// Against the plain rule: a list of lines and times.
        #[test]
        fn as_the_plain_rule(
            steps in prop::collection::vec((0..8u8, 0..4u64, any::<bool>()), 0..200), cap in 0..6usize,
            ttl in prop::option::of(1..12u64),
        ) {
            let mut now = Instant::now();
            let mut d = Dedup::new(cap, ttl.map(Duration::from_secs));
            let mut plain: Vec<(u8, Instant)> = Vec::new();
            for (line, advance, record) in steps {
                now += Duration::from_secs(advance);
                plain.retain(|(_, t)| ttl.is_none_or(|ttl| now - *t < Duration::from_secs(ttl)));
                let old = plain.iter().any(|(l, _)| *l == line);
                if !old && record {
                    plain.push((line, now));
                    let over = plain.len().saturating_sub(cap);
                    plain.drain(..over);
                }
                prop_assert_eq!(d.check(now, &[line], record), old);
                prop_assert_eq!(d.len(), plain.len());
            }
        }
    }
}
