//! What a node may cost the server by signalling, and how often it may do what.

use super::super::limits::Bucket;
use crate::proto::identity::{PublicKey, Signature};
use crate::proto::rdv_msg::signal::MAX_MESSAGE;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Whether `signature` is by `id`, of `text`. [`PublicKey::verify`] is one.
pub type Verify = fn(id: &PublicKey, text: &[u8], signature: &Signature) -> bool;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once after a quiet time; at least 1.
    pub burst: u32,
}

impl Rate {
    /// `per_second` in the long run, `burst` at once.
    pub const fn new(per_second: u32, burst: u32) -> Rate {
        Rate { per_second, burst }
    }

    /// The same, `n` times.
    pub(super) fn times(self, n: u32) -> Rate {
        Rate::new(self.per_second.saturating_mul(n), self.burst.saturating_mul(n))
    }

    pub(super) fn bucket(self, now: Instant) -> Bucket {
        Bucket::new(now, f64::from(self.burst.max(1)))
    }

    pub(super) fn take(self, bucket: &mut Bucket, now: Instant) -> bool {
        bucket.take(now, f64::from(self.per_second), f64::from(self.burst.max(1)))
    }

    fn is_full(self, bucket: &mut Bucket, now: Instant) -> bool {
        bucket.is_full(now, f64::from(self.per_second), f64::from(self.burst.max(1)))
    }
}

/// The limits of signalling. "Address" means an IPv4 address or an IPv6 /64 network. [`Default`] suits a public server on a
/// small machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalLimits {
    /// Nodes that can be reached here, all together. Default 16,000; 0 switches signalling off.
    pub nodes: usize,
    /// Nodes from one address. Default 128.
    pub nodes_per_address: usize,
    /// From ENTER to PROVE. Default 10 s.
    pub prove: Duration,
    /// Proofs from one address; each costs the server about 0.1 ms. Default 10 per second, 150 at once.
    pub proofs: Rate,
    /// Proofs from all together. Default 2,000 per second, 2,000 at once.
    pub proofs_in_all: Rate,
    /// A node that says nothing for so long is thrown out; ECHO is enough. Default 60 s.
    pub idle: Duration,
    /// Lines of one node; one that says more is closed. A HEARD that reports something new does not count. Default 50 per
    /// second, 200 at once.
    pub lines: Rate,
    /// Messages from one node. Default 20 per second, 60 at once.
    pub messages: Rate,
    /// Messages from one node to one other. From all nodes of an address to one node it may be four times as many.
    /// Default 5 per second, 20 at once.
    pub pair: Rate,
    /// Messages from one address. Default 200 per second, 600 at once.
    pub address: Rate,
    /// Messages to one node. Default 50 per second, 200 at once.
    pub receiver: Rate,
    /// Bytes of a message; [`MAX_MESSAGE`] at most. Default 2048.
    pub message_bytes: usize,
    /// Messages that wait for one receiver's HEARD. Default 32.
    pub queue: usize,
    /// Their bytes. Default 32 KiB.
    pub queue_bytes: usize,
    /// A receiver that has not said HEARD after so long is thrown out. Default 20 s.
    pub heard: Duration,
}

impl Default for SignalLimits {
    fn default() -> SignalLimits {
        SignalLimits {
            nodes: 16_000,
            nodes_per_address: 128,
            prove: Duration::from_secs(10),
            proofs: Rate::new(10, 150),
            proofs_in_all: Rate::new(2_000, 2_000),
            idle: Duration::from_secs(60),
            lines: Rate::new(50, 200),
            messages: Rate::new(20, 60),
            pair: Rate::new(5, 20),
            address: Rate::new(200, 600),
            receiver: Rate::new(50, 200),
            message_bytes: 2048,
            queue: 32,
            queue_bytes: 32 * 1024,
            heard: Duration::from_secs(20),
        }
    }
}

impl SignalLimits {
    /// The most bytes that a message may really have.
    pub fn size(&self) -> usize {
        self.message_bytes.min(MAX_MESSAGE)
    }
}

/// Most buckets that are kept in one table. Only those that are not full have to be, so honest use needs few.
const MOST_BUCKETS: usize = 4096;

/// A bucket for each of many.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    table: BTreeMap<K, Bucket>,
    /// How many may be in the table before it is looked through.
    look: usize,
}

impl<K: Ord + Copy> Buckets<K> {
    pub(super) fn new(rate: Rate) -> Buckets<K> {
        Buckets { rate, table: BTreeMap::new(), look: 16 }
    }

    /// Takes one from the bucket of `key`; `false` if there is none left.
    pub(super) fn take(&mut self, now: Instant, key: K) -> bool {
        if self.table.len() >= self.look {
            self.sweep(now);
            // Looking through it costs as much as it has entries, so it has to happen the more seldom.
            self.look = (self.table.len() * 2).clamp(16, MOST_BUCKETS);
            if self.table.len() >= MOST_BUCKETS && !self.table.contains_key(&key) {
                return false;
            }
        }
        let rate = self.rate;
        rate.take(self.table.entry(key).or_insert_with(|| rate.bucket(now)), now)
    }

    /// Forgets the full ones.
    pub(super) fn sweep(&mut self, now: Instant) {
        let rate = self.rate;
        self.table.retain(|_, bucket| !rate.is_full(bucket, now));
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_own_bucket_and_full_ones_are_forgotten() {
        let now = Instant::now();
        let mut buckets = Buckets::new(Rate::new(1, 2));
        assert!(buckets.take(now, 'a') && buckets.take(now, 'a') && !buckets.take(now, 'a'));
        assert!(buckets.take(now, 'b'));
        assert_eq!(buckets.len(), 2);
        let later = now + Duration::from_secs(1);
        buckets.sweep(later);
        assert_eq!(buckets.len(), 1, "b is full again");
        assert!(buckets.take(later, 'a') && !buckets.take(later, 'a'));
    }

    #[test]
    fn the_table_is_bounded() {
        let now = Instant::now();
        let mut buckets = Buckets::new(Rate::new(1, 2));
        let granted = (0..10_000).filter(|n| buckets.take(now, *n)).count();
        assert_eq!((granted, buckets.len()), (MOST_BUCKETS, MOST_BUCKETS));
        assert!(buckets.take(now, 5), "who has a bucket keeps it");
        assert!(buckets.take(now + Duration::from_secs(2), 10_000), "and there is room when they are full");
    }
}
