//! What a net counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that is only ever added to, or read.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters of one net; lines and bytes of open connections are counted in them and added when they close.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) lines_in: Counter,
    pub(crate) lines_out: Counter,
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) opened: Counter,
    pub(crate) closed: Counter,
    pub(crate) rejected: Counter,
}
