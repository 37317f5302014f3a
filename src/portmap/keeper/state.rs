//! What a seat is about.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::PAUSE;
use crate::portmap::race::{Distrust, Shared, Way};
use crate::portmap::way::Mapping;
use crate::portmap::{Attempt, now};
use crate::proto::portmap::contest::Decision;
use crate::proto::portmap::epoch::Epoch;
use crate::proto::portmap::lease::Lease;

pub(super) struct Race {
    pub(super) id: u64,
    pub(super) shared: Arc<Shared>,
    pub(super) got: Vec<Option<Mapping>>,
    /// What was asked for, without an answer.
    pub(super) unheard: Vec<Mapping>,
    /// Only the way whose mapping was dead is tried again.
    pub(super) repair: bool,
}

pub(super) struct Hold {
    pub(super) id: u64,
    pub(super) mapping: Mapping,
    pub(super) lease: Lease,
    pub(super) epoch: Option<Epoch>,
    pub(super) renew_at: Instant,
    pub(super) look_at: Instant,
    /// A task is at it.
    pub(super) busy: bool,
    /// It was said to be dead while a task was at it.
    pub(super) dead: bool,
    /// The same entry of the same router's table, made by other protocols before the race was over. Which of
    /// them the router takes for its maker only the router knows.
    pub(super) twins: Vec<Mapping>,
}

pub(super) enum State {
    /// There is no gateway of this family.
    Empty,
    /// Waiting before the next race.
    Pause {
        until: Instant,
    },
    /// Waiting for the removal of a dead mapping; then this way is tried again, or all.
    Removing {
        hold: u64,
        until: Instant,
        again: Option<Way>,
    },
    Race(Race),
    Hold(Box<Hold>),
}

pub(super) struct Seat {
    pub(super) state: State,
    pub(super) pause: Duration,
    pub(super) distrust: Distrust,
    /// Of the last race.
    pub(super) attempts: Vec<Attempt>,
    /// A race has ended without a winner since there last was a mapping.
    pub(super) failed: bool,
}

impl Seat {
    pub(super) fn new() -> Seat {
        let (state, pause, distrust) = (State::Empty, PAUSE, Distrust::default());
        Seat { state, pause, distrust, attempts: Vec::new(), failed: false }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Empty => None,
            State::Pause { until } | State::Removing { until, .. } => Some(*until),
            State::Race(race) => match race.shared.decide() {
                Decision::Open(until) => Some(until),
                _ => Some(now()),
            },
            State::Hold(hold) if hold.busy => None,
            State::Hold(hold) => {
                let next = hold.renew_at.min(hold.look_at);
                Some(hold.lease.ends_at().map_or(next, |end| end.min(next)))
            }
        }
    }
}
