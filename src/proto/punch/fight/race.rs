//! The fight itself: repeating what was refused, and settling for one of the connections.

use std::time::{Duration, Instant};

use super::{ConnId, Fight, FightOutput, Phase, SlotId};
use crate::proto::punch::budget::Budget;
use crate::proto::punch::reason::Reason;

/// How often a port tries to connect.
const TRIES: u32 = 20;
/// How long the challenger looks which connections the other side closes.
const LOOK_TIME: Duration = Duration::from_secs(1);
/// The longest pause before a refused attempt is repeated; the round trip is not known here.
const PAUSE: Duration = Duration::from_millis(100);

impl Fight {
    pub(super) fn refused(&mut self, now: Instant, conn: ConnId, budget: &mut Budget) {
        let Some(attempt) = self.attempts.get_mut(&conn) else {
            self.open.remove(&conn);
            return;
        };
        if attempt.tries >= TRIES {
            self.attempts.remove(&conn);
            budget.end(1);
            return;
        }
        attempt.tries += 1;
        let (slot, to) = (attempt.slot, attempt.to);
        let most = u64::try_from(PAUSE.as_micros()).unwrap_or(u64::MAX);
        let at = now + Duration::from_micros(self.rng.u64(0..=most));
        self.outputs.push_back(FightOutput::Connect { conn, slot, to, at });
    }

    pub(super) fn opened(&mut self, now: Instant, conn: ConnId, slot: SlotId) {
        self.open.insert(conn, slot);
        if self.challenger {
            self.choose_at.get_or_insert(now + LOOK_TIME);
        }
    }

    pub(super) fn wake(&mut self, now: Instant, budget: &mut Budget) {
        if self.choose_at.is_some_and(|at| now >= at) {
            self.choose_at = None;
            // The lowest port: what the original would take.
            if let Some((conn, _)) = self.open.iter().min_by_key(|(_, slot)| **slot) {
                let conn = *conn;
                self.outputs.push_back(FightOutput::SendNonce(conn));
                return self.finish(Ok(conn), budget);
            }
        }
        if now >= self.until {
            let reason = match self.phase {
                Phase::Fighting => Reason::Unmet,
                Phase::Waiting if !self.taken && self.sources == 0 => Reason::Absent,
                _ => Reason::Silent,
            };
            self.fail(reason, budget);
        }
    }
}
