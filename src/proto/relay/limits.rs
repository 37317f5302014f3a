//! What relaying may cost a server, or a node that volunteers.

use crate::proto::rdv_msg::RelayTerms;
use std::time::Duration;

/// The limits of a relay. "Address" means an IPv4 address or an IPv6 /64 network. [`Default`] suits a public server on a
/// small machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayLimits {
    /// Relayed connections between two nodes at once. Default 1,000; 0 switches relaying off.
    pub sessions: usize,
    /// Nodes that wait for the other one at once. Default 1,000.
    pub waiting: usize,
    /// Nodes that wait or are relayed from one address. Default 64.
    pub per_address: usize,
    /// How long one waits for the other one. Default 10 s.
    pub wait: Duration,
    /// A session is cut when nothing has got through for so long. Default 10 min.
    pub idle: Duration,
    /// Bytes per second of a session, both ways together, in the long run. Default 1 MiB; 0: no limit.
    pub rate: u64,
    /// Bytes a session may pass at once after a quiet time. Default 4 MiB.
    pub burst: u64,
    /// Bytes per second of all sessions together. Default 32 MiB; 0: no limit.
    pub rate_in_all: u64,
    /// After so many bytes a session is cut. Default 16 GiB; 0: no limit.
    pub bytes: u64,
    /// Bytes the system may keep for each direction of each of the two connections. More is faster over long distances if
    /// the rates allow it. Default 128 KiB; 0: as the system likes.
    pub buffer: usize,
}

impl Default for RelayLimits {
    fn default() -> RelayLimits {
        RelayLimits {
            sessions: 1_000,
            waiting: 1_000,
            per_address: 64,
            wait: Duration::from_secs(10),
            idle: Duration::from_secs(600),
            rate: 1024 * 1024,
            burst: 4 * 1024 * 1024,
            rate_in_all: 32 * 1024 * 1024,
            bytes: 16 * 1024 * 1024 * 1024,
            buffer: 128 * 1024,
        }
    }
}

impl RelayLimits {
    /// For a node that volunteers, on a line for other things: 256 KiB/s and 1 MiB at once for a session, 1 MiB/s in all,
    /// 8 nodes of an address, and no sessions until it is told how many.
    pub fn of_a_volunteer() -> RelayLimits {
        RelayLimits {
            sessions: 0,
            waiting: 0,
            per_address: 8,
            rate: 256 * 1024,
            burst: 1024 * 1024,
            rate_in_all: 1024 * 1024,
            ..RelayLimits::default()
        }
    }
}

/// Most bytes that a session passes before it is the others' turn. Larger pieces do not get cheaper by much.
const QUANTUM: u64 = 32 * 1024;

impl RelayLimits {
    /// Whether there is a relay at all.
    pub fn is_on(&self) -> bool {
        self.sessions > 0
    }

    /// How many bytes are moved at most before the session is charged for them: a tenth of a second's, so that slow rates
    /// do not come in lumps.
    pub fn quantum(&self) -> usize {
        let rates = [self.rate, self.rate_in_all].into_iter().filter(|rate| *rate > 0);
        let tenth = rates.min().map_or(QUANTUM, |rate| rate / 10);
        usize::try_from(tenth.clamp(512, QUANTUM)).unwrap_or(512)
    }

    /// What the two are told.
    pub fn terms(&self) -> RelayTerms {
        RelayTerms {
            idle: u32::try_from(self.idle.as_secs()).ok(),
            rate: u32::try_from(self.rate).ok().filter(|rate| *rate > 0),
            bytes: Some(self.bytes).filter(|bytes| *bytes > 0),
        }
    }

    /// What nodes are told when they enter for signalling: seconds that one waits, 0: no relay.
    pub fn told_wait(&self) -> u32 {
        let seconds = self.wait.as_secs().max(1);
        if self.is_on() { u32::try_from(seconds).unwrap_or(u32::MAX) } else { 0 }
    }
}
