//! A mapping's life: renewals, looks at the gateway, its loss.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::removing::removed;
use super::state::State;
use super::{AFTER_RESTART, Keeper, LOOK, Note, REMOVAL, RENEWAL, jittered};
use crate::portmap::race::Way;
use crate::portmap::way::{Mapping, News, Trouble};
use crate::portmap::{Happening, Mapped, now};
use crate::proto::portmap::Protocol;
use crate::proto::portmap::epoch::Epoch;
use crate::proto::portmap::lease::Lease;

impl<F: Fn(Happening) + Send + 'static> Keeper<F> {
    pub(super) fn look_after(&mut self, at: usize) {
        let now = now();
        let State::Hold(hold) = &mut self.seats[at].state else { return };
        if hold.busy {
            return;
        }
        if hold.lease.is_over(now) {
            return self.lose(at, "its lease is over and the gateway did not renew it".into());
        }
        let (renew, look) = (hold.renew_at <= now, hold.look_at <= now);
        if !renew && !look {
            return;
        }
        hold.busy = true;
        hold.look_at = now + jittered(LOOK, &mut self.rng);
        let left = hold.lease.ends_at().map_or(RENEWAL, |end| end.saturating_duration_since(now));
        let (id, mapping, ctx) = (hold.id, hold.mapping.clone(), Arc::clone(&self.ctx));
        if renew {
            // A little longer than the lease, so that an answer just before its end still counts.
            let limit = RENEWAL.min(left + Duration::from_secs(1));
            self.spawn(async move {
                // Sent once more after the removal it would bring the mapping back. A thread of UPnP's is not to be
                // stopped; the end waits for it.
                let renewing = mapping.renew(&ctx, limit);
                let result = match mapping.protocol() {
                    Protocol::Upnp => renewing.await,
                    Protocol::Pcp | Protocol::NatPmp => match ctx.unheard.until_the_end(renewing).await {
                        Some(result) => result,
                        None => return Note::Dropped(None),
                    },
                };
                if let Ok(renewed) = &result {
                    if renewed.grant.external_port != mapping.grant.external_port {
                        mapping.forget(&ctx).await;
                    }
                    renewed.note_down(&ctx).await;
                }
                Note::Renewed { seat: at, hold: id, result }
            });
        } else {
            self.spawn(async move {
                let result = mapping.look(&ctx, RENEWAL).await;
                Note::Looked { seat: at, hold: id, result }
            });
        }
    }

    /// The mapping is gone: says so and tries for a new one.
    pub(super) fn lose(&mut self, at: usize, why: String) {
        let state = std::mem::replace(&mut self.seats[at].state, State::Pause { until: now() });
        if let State::Hold(hold) = state {
            let ctx = Arc::clone(&self.ctx);
            self.spawn(async move {
                hold.mapping.forget(&ctx).await;
                for twin in &hold.twins {
                    twin.forget(&ctx).await;
                }
                Note::Dropped(None)
            });
        }
        (self.report)(Happening::Lost { pinhole: at == 1, why });
    }

    pub(super) fn dead(&mut self, at: usize) {
        let State::Hold(hold) = &mut self.seats[at].state else { return };
        if hold.busy {
            // A renewal that crosses the removal would bring the mapping back.
            hold.dead = true;
            return;
        }
        let (id, mapping, twins) = (hold.id, hold.mapping.clone(), std::mem::take(&mut hold.twins));
        let way = Way { gateway: mapping.gateway, protocol: mapping.protocol() };
        let again = (self.seats[at].distrust.add(way.key()) == 1).then_some(way);
        self.seats[at].state = State::Removing { hold: id, until: now() + REMOVAL, again };
        let ctx = Arc::clone(&self.ctx);
        self.spawn(async move {
            let mut removals = JoinSet::new();
            for mapping in twins.into_iter().chain([mapping]) {
                let ctx = Arc::clone(&ctx);
                removals.spawn(async move { removed(&ctx, &mapping).await });
            }
            while removals.join_next().await.is_some() {}
            Note::Removed { seat: at, hold: id }
        });
    }

    pub(super) fn renewed(&mut self, at: usize, id: u64, result: Result<Mapping, Trouble>) {
        let State::Hold(hold) = &mut self.seats[at].state else { return };
        if hold.id != id {
            return;
        }
        hold.busy = false;
        let dead = std::mem::take(&mut hold.dead);
        match result {
            Ok(renewed) => {
                let before = hold.mapping.mapped();
                hold.lease = Lease::new(renewed.grant.asked, renewed.grant.lease, self.rng.fork());
                hold.renew_at = hold.lease.renew_at();
                // A restart since the last look does no harm: this renewal has made the mapping anew.
                if let (Some(epoch), Some(clock)) = (&mut hold.epoch, renewed.grant.epoch) {
                    epoch.goes_on(now(), clock);
                }
                hold.mapping = renewed;
                self.tell_move(at, &before);
            }
            Err(trouble) if trouble.gone => match hold.twins.pop() {
                // The router takes another protocol's request for the maker of the entry: that one renews it.
                Some(twin) => {
                    let old = std::mem::replace(&mut hold.mapping, twin);
                    hold.epoch = hold.mapping.clock_rule().map(Epoch::new);
                    hold.renew_at = now();
                    let ctx = Arc::clone(&self.ctx);
                    self.spawn(async move {
                        old.forget(&ctx).await;
                        Note::Dropped(None)
                    });
                }
                None => self.lose(at, trouble.why),
            },
            Err(trouble) => {
                hold.lease.not_renewed(now());
                hold.renew_at = hold.lease.renew_at();
                (self.report)(Happening::Note(format!("the mapping was not renewed: {}", trouble.why)));
            }
        }
        if dead {
            self.dead(at);
        }
    }

    pub(super) fn looked(&mut self, at: usize, id: u64, result: Result<News, String>) {
        let State::Hold(hold) = &mut self.seats[at].state else { return };
        if hold.id != id {
            return;
        }
        hold.busy = false;
        if std::mem::take(&mut hold.dead) {
            return self.dead(at);
        }
        // A gateway that is silent once may be asleep; the renewals notice if it stays so.
        let Ok(news) = result else { return };
        let before = hold.mapping.mapped();
        let now = now();
        if let (Some(epoch), Some(clock)) = (&mut hold.epoch, news.epoch)
            && !epoch.goes_on(now, clock)
        {
            hold.renew_at = now + AFTER_RESTART.mul_f64(self.rng.f64());
            (self.report)(Happening::Note("the gateway was restarted: mapping again".into()));
        }
        if let Some(ip) = news.external_ip
            && before.external_ip != Some(ip)
        {
            hold.mapping.grant.external_ip = Some(ip);
            // Whoever dialled in anew may have lost its mappings as well.
            hold.renew_at = hold.renew_at.min(now + AFTER_RESTART);
            self.tell_move(at, &before);
        }
    }

    pub(super) fn tell_move(&self, at: usize, before: &Mapped) {
        let State::Hold(hold) = &self.seats[at].state else { return };
        let after = hold.mapping.mapped();
        if (after.external_ip, after.external_port) != (before.external_ip, before.external_port) {
            (self.report)(Happening::Moved(after));
        }
    }
}
