//! The handle's view of the node as a whole.

use std::sync::atomic::Ordering::Relaxed;

use super::Net;
use crate::event::{NetInfo, Stats};
use crate::report::Report;

impl Net {
    /// The net's situation.
    pub fn info(&self) -> NetInfo {
        self.shared.info.lock().clone()
    }

    /// The net's situation with its story: what was asked, of whom, what came of it.
    pub fn report(&self) -> Report {
        Report {
            ready: self.shared.ready.load(Relaxed),
            info: self.info(),
            steps: self.shared.steps.lock().iter().cloned().collect(),
        }
    }

    /// The net's counters.
    pub fn stats(&self) -> Stats {
        let c = &self.shared.counters;
        let mut stats = Stats {
            lines_in: c.lines_in.get(),
            lines_out: c.lines_out.get(),
            bytes_in: c.bytes_in.get(),
            bytes_out: c.bytes_out.get(),
            duplicates: c.duplicates.get(),
            opened: c.opened.get(),
            closed: c.closed.get(),
            rejected: c.rejected.get(),
            log_dropped: self.shared.queue.log_dropped.load(Relaxed),
            events_queued: self.shared.queue.len(),
        };
        for conn in self.shared.conns.read().values().filter(|c| !c.closed.load(Relaxed)) {
            let out = conn.out.lock();
            stats.lines_out += out.lines;
            stats.bytes_out += out.bytes_written;
            stats.bytes_in += conn.bytes_in.load(Relaxed);
        }
        stats
    }
}
