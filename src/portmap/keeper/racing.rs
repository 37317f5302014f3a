//! The start of a race and its end.

use std::sync::Arc;

use tokio::time::timeout_at;

use super::state::{Hold, Race, Seat, State};
use super::{Keeper, LONGEST_PAUSE, LOOK, Note, PAUSE, family_of, jittered};
use crate::portmap::race::{Shared, Way, attempt, ways};
use crate::portmap::way::Mapping;
use crate::portmap::{Attempt, Happening, now};
use crate::proto::portmap::epoch::Epoch;
use crate::proto::portmap::lease::Lease;

impl<F: Fn(Happening) + Send + 'static> Keeper<F> {
    pub(super) fn start_race(&mut self, at: usize, only: Option<Way>) {
        let gateways: Vec<_> = self.gateways.iter().filter(|g| family_of(g) == at).copied().collect();
        let all = ways(&gateways, self.protocols);
        let ways = match only {
            Some(way) => vec![way],
            None => self.seats[at].distrust.filter(all),
        };
        let id = self.new_id();
        let shared = Shared::new(id, &ways, self.ctx.limit);
        // The ways end before the race, so that its report is complete.
        let limit = self.ctx.limit.mul_f64(0.95);
        for (number, way) in ways.iter().copied().enumerate() {
            let (ctx, shared) = (Arc::clone(&self.ctx), Arc::clone(&shared));
            self.spawn(async move {
                let started = now();
                let trying = attempt(&ctx, &shared, number, way, limit);
                // Every part has a limit; this one holds even if their sum is more.
                let result = match timeout_at((started + limit.mul_f64(1.03)).into(), trying).await {
                    Ok(result) => result,
                    Err(_) => Err(format!("nothing came of it within {:.1} s", limit.as_secs_f64())),
                };
                Note::Way { seat: at, race: id, number, way, result, took: now() - started }
            });
        }
        let got = ways.iter().map(|_| None).collect();
        self.seats[at].attempts.clear();
        self.seats[at].state =
            State::Race(Race { id, shared, got, unheard: Vec::new(), repair: only.is_some() });
        // Without any way it is lost already.
        if ways.is_empty() {
            self.lost_race(at);
        }
    }

    pub(super) fn won(&mut self, at: usize, way: usize) {
        let id = self.new_id();
        let State::Race(race) = &mut self.seats[at].state else { return };
        race.shared.end();
        let Some(mapping) = race.got.get_mut(way).and_then(Option::take) else { return self.lost_race(at) };
        let losers: Vec<_> = race.got.drain(..).flatten().collect();
        let unheard = std::mem::take(&mut race.unheard);
        let lease = Lease::new(mapping.grant.asked, mapping.grant.lease, self.rng.fork());
        let mut epoch = mapping.clock_rule().map(Epoch::new);
        if let (Some(epoch), Some(clock)) = (&mut epoch, mapping.grant.epoch) {
            epoch.goes_on(mapping.grant.asked, clock);
        }
        let (renew_at, look_at) = (lease.renew_at(), now() + jittered(LOOK, &mut self.rng));
        let mapped = mapping.mapped();
        let seat = &mut self.seats[at];
        (seat.pause, seat.failed) = (PAUSE, false);
        let (busy, dead, twins) = (false, false, Vec::new());
        let hold = Hold { id, mapping, lease, epoch, renew_at, look_at, busy, dead, twins };
        seat.state = State::Hold(Box::new(hold));
        for loser in losers {
            self.drop_loser(at, loser);
        }
        for loser in unheard {
            self.keep_unheard(at, loser);
        }
        self.failure_told = false;
        (self.report)(Happening::Mapped(mapped));
    }

    pub(super) fn lost_race(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        let State::Race(race) = &seat.state else { return };
        race.shared.end();
        if race.repair {
            // The way that was repaired once does not work any more: all ways, at once.
            let why = "after it was found dead it could not be made again".into();
            seat.state = State::Pause { until: now() };
            return (self.report)(Happening::Lost { pinhole: at == 1, why });
        }
        seat.distrust.clear();
        let until = now() + jittered(seat.pause, &mut self.rng);
        seat.state = State::Pause { until };
        seat.pause = (seat.pause * 2).min(LONGEST_PAUSE);
        seat.failed = true;
        self.tell_failure();
    }

    /// Reports FAILED once every family has failed.
    pub(super) fn tell_failure(&mut self) {
        let hopeless = |seat: &Seat| seat.failed || matches!(seat.state, State::Empty);
        if !self.failure_told && self.seats.iter().all(hopeless) {
            self.failure_told = true;
            let attempts = self.seats.iter().flat_map(|seat| seat.attempts.iter().cloned()).collect();
            (self.report)(Happening::Failed { attempts });
        }
    }

    pub(super) fn way_ended(
        &mut self,
        at: usize,
        race: u64,
        number: usize,
        result: Result<Mapping, String>,
        attempt: Attempt,
    ) {
        (self.report)(Happening::Tried(attempt.clone()));
        self.seats[at].attempts.push(attempt);
        let unheard = self.ctx.unheard.take((race, number));
        match (&mut self.seats[at].state, result) {
            (State::Race(current), Ok(mapping)) if current.id == race => {
                current.shared.succeeded(number, &mapping);
                if let Some(slot) = current.got.get_mut(number) {
                    *slot = Some(mapping);
                }
            }
            (State::Race(current), Err(_)) if current.id == race => {
                current.shared.failed(number);
                current.unheard.extend(unheard);
            }
            // Too late for its race.
            (State::Hold(_), Ok(mapping)) => self.drop_loser(at, mapping),
            (_, Ok(mapping)) => self.drop_mapping(mapping),
            (_, Err(_)) => {
                if let Some(mapping) = unheard {
                    self.keep_unheard(at, mapping);
                }
            }
        }
    }
}
