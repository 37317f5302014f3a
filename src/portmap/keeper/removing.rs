//! Taking mappings down: what a crash left behind, what lost a race, everything at the end.

use std::sync::Arc;
use std::task::Poll;

use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::state::{Hold, State};
use super::{FAMILIES, Keeper, Note, REMOVAL, family_of};
use crate::portmap::way::Mapping;
use crate::portmap::{Context, Gateway, Happening, now};
use crate::proto::portmap::contest::same_entry;
use crate::proto::portmap::journal::Entry;

impl<F: Fn(Happening) + Send + 'static> Keeper<F> {
    /// Has what crashed nodes left behind on the present gateways removed. The seats wait for it, not long:
    /// our own wish may be in conflict with what is still there.
    pub(super) fn clean(&mut self) {
        let until = now() + REMOVAL;
        for (family, seat) in self.seats.iter_mut().enumerate() {
            if matches!(seat.state, State::Hold(_)) {
                continue;
            }
            let any = self.gateways.iter().any(|gateway| family_of(gateway) == family);
            seat.state = if any { State::Pause { until } } else { State::Empty };
        }
        if self.gateways.is_empty() {
            self.tell_failure();
        }
        let (ctx, gateways) = (Arc::clone(&self.ctx), self.gateways.clone());
        self.spawn(async move {
            let left = ctx.journal.left_behind(&ctx.threads).await;
            let here = |entry: &&_| gateway_of(entry, &gateways).is_some();
            let (mut removals, mut removed) = (JoinSet::new(), Vec::new());
            for entry in left.iter().filter(here).cloned() {
                let mapping = gateway_of(&entry, &gateways).and_then(|g| Mapping::left_behind(&entry, g));
                let Some(mapping) = mapping else { continue };
                let ctx = Arc::clone(&ctx);
                removals.spawn(async move {
                    mapping.remove(&ctx, REMOVAL * 3 / 4).await.is_ok().then_some(entry)
                });
            }
            while let Some(done) = removals.join_next().await {
                removed.extend(done.ok().flatten());
            }
            if !removed.is_empty() {
                ctx.journal.strike_dead(&ctx.threads, removed).await;
            }
            Note::Cleaned
        });
    }

    /// What a loser mapped goes at once, unless it is the winner's entry of the router's table: then it goes
    /// when that goes.
    pub(super) fn drop_loser(&mut self, at: usize, loser: Mapping) {
        let place = |mapping: &Mapping| (mapping.gateway.ip, mapping.grant.external_port);
        match &mut self.seats[at].state {
            State::Hold(hold) if same_entry(place(&hold.mapping), place(&loser)) => hold.twins.push(loser),
            _ => self.drop_mapping(loser),
        }
    }

    /// What was asked for without an answer may be there, if its router answers others: the winner's entry of
    /// the table, made anew, and not the winner's to remove any more. A router that answers nobody does nothing.
    pub(super) fn keep_unheard(&mut self, at: usize, loser: Mapping) {
        if let State::Hold(hold) = &mut self.seats[at].state
            && hold.mapping.gateway == loser.gateway
        {
            hold.twins.push(loser);
        }
    }

    /// Removes what a seat has held.
    pub(super) fn drop_hold(&mut self, hold: Hold) {
        self.drop_mapping(hold.mapping);
        hold.twins.into_iter().for_each(|twin| self.drop_mapping(twin));
    }

    pub(super) fn drop_mapping(&mut self, mapping: Mapping) {
        let ctx = Arc::clone(&self.ctx);
        self.spawn(async move { Note::Dropped(removed(&ctx, &mapping).await.err()) });
    }

    /// Removes everything and ends, both within the limit.
    pub(super) async fn end(mut self) {
        let until = now() + REMOVAL;
        for mapping in self.ctx.unheard.end() {
            self.drop_mapping(mapping);
        }
        for at in 0..FAMILIES {
            match std::mem::replace(&mut self.seats[at].state, State::Empty) {
                State::Hold(hold) => self.drop_hold(*hold),
                State::Race(race) => {
                    race.shared.end();
                    race.got.into_iter().flatten().for_each(|mapping| self.drop_mapping(mapping));
                }
                _ => {}
            }
        }
        // What the tasks still bring is removed as well. Their notes come before their end, so an empty set
        // is the end.
        while now() < until && !(self.tasks.is_empty() && self.notes.is_empty()) {
            let next = std::future::poll_fn(|cx| {
                if let Poll::Ready(note) = self.notes.poll_recv(cx) {
                    return Poll::Ready(note);
                }
                self.tasks.poll_join_next(cx).map(|_| None)
            });
            match timeout_at(until.into(), next).await {
                Ok(Some(Note::Way { result: Ok(mapping), .. })) => self.drop_mapping(mapping),
                Ok(Some(Note::Renewed { result: Ok(mapping), .. })) => self.drop_mapping(mapping),
                Ok(Some(Note::Dropped(Some(why)))) => (self.report)(Happening::Note(why)),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        self.tasks.abort_all();
        self.ctx.journal.close(&self.ctx.threads).await;
        (self.report)(Happening::Removed);
    }
}

/// The present gateway that an entry of the journal was made on, with our present address.
fn gateway_of(entry: &Entry, gateways: &[Gateway]) -> Option<Gateway> {
    let same = |g: &&Gateway| (g.ip, g.scope, g.local) == (entry.gateway, entry.scope, entry.internal.ip());
    gateways.iter().find(same).copied()
}

/// Removes a mapping within the limit.
///
/// # Errors
/// For a person: which mapping stayed, and why.
pub(super) async fn removed(ctx: &Context, mapping: &Mapping) -> Result<(), String> {
    // The limit of the parts is below the one that the waiting side has.
    let limit = REMOVAL * 9 / 10;
    let done = timeout_at((now() + limit).into(), mapping.remove(ctx, limit)).await;
    let why = match done {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(why)) => why,
        Err(_) => "it took too long".into(),
    };
    Err(format!("the {} mapping on {} was not removed: {why}", mapping.protocol(), mapping.gateway.ip))
}
