//! Dialling: what is due, within the limits; earlier than planned if all that was dialled before has failed.

use std::time::{Duration, Instant};

use super::core::Core;
use super::link::{Link, Step};
use super::pair::Pair;
use super::report::Technique;
use super::rungs::{Ladder, Rung};
use super::types::{ConnId, Output};
use crate::small;

/// How long to wait for others' dials to end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Pair {
    /// Adds a peer's addresses that are not being dialled yet. How many of them are, or will be.
    pub(super) fn add_rungs(&mut self, now: Instant, ladder: &Ladder, core: &Core) -> usize {
        let mut count = 0;
        for rung in &ladder.rungs {
            let known = self.rungs.iter().any(|(_, other)| other.to == rung.to);
            if known || self.dialled.contains(&rung.to) {
                count += usize::from(known || self.links.values().any(|l| l.ours && l.at == rung.to));
            } else if self.rungs.len() + self.dialled.len() < core.settings.dials {
                self.rungs.push((now + rung.after, *rung));
                count += 1;
            }
        }
        small::sort_by_key(&mut self.rungs, |(at, _)| *at);
        count
    }

    /// Dials what is due.
    pub(super) fn launch(&mut self, now: Instant, core: &mut Core) {
        loop {
            // Nothing dialled is under way any more: why wait?
            let idle = !self.links.values().any(|link| link.step == Step::Proved) && !self.is_dialling();
            let Some((at, rung)) = self.rungs.first().copied() else { return };
            if at > now && !idle {
                return;
            }
            if core.dialling >= core.settings.dials_in_all {
                if let Some(first) = self.rungs.first_mut() {
                    first.0 = now + LOOK_AGAIN;
                }
                return;
            }
            self.rungs.remove(0);
            self.dialled.insert(rung.to);
            if !self.is_on_our_account(core) && !core.limits.may_dial(now) {
                self.tale.note(now, format!("{} is not dialled: too much is dialled for others", rung.to));
                continue;
            }
            self.dial(now, rung, core);
        }
    }

    /// Whether a dial is one that an attempt of ours has to spare. Else it is one that the peer asks for: it may name addresses
    /// again and again by calling us, also while we want to be connected to it.
    fn is_on_our_account(&mut self, core: &Core) -> bool {
        // A connection of the program's is made again.
        if self.recovery.is_some() {
            return true;
        }
        let spare = self.attempt.as_mut().filter(|attempt| attempt.dials < core.settings.dials);
        spare.map(|attempt| attempt.dials += 1).is_some()
    }

    fn dial(&mut self, now: Instant, rung: Rung, core: &mut Core) {
        let conn = ConnId(core.name());
        let entry = self.tale.began(now, rung.technique, Some(rung.to));
        let link = Link {
            step: Step::Dialling,
            ours: true,
            until: Some(now + core.settings.dial),
            entry,
            ..Link::new(now, rung.to, rung.technique)
        };
        self.add_link(conn, link, core);
        core.dialling += 1;
        core.push(Output::Dial { conn, to: rung.to, peer: self.peer });
    }

    /// A dial has succeeded.
    pub(super) fn connected(&mut self, now: Instant, conn: ConnId, core: &mut Core) {
        if self.links.get(&conn).is_some_and(|link| link.step == Step::Dialling) {
            core.dialling = core.dialling.saturating_sub(1);
            self.greet(now, conn, core);
        }
    }

    /// Remembers what came of a dial, or a connection that came otherwise, for the reason that a request fails for.
    pub(super) fn failed_dial(&mut self, link: &Link, text: &str) {
        if link.relay.is_some() {
            self.relay_lost(link, text);
            return;
        }
        let Some(attempt) = &mut self.attempt else { return };
        if link.ours && link.punch.is_none() {
            attempt.failed_dials.push((link.at, text.to_owned()));
        } else {
            attempt.broken = Some((link.at, text.to_owned()));
        }
    }

    /// Tells a caller that none of its addresses was reached, once.
    pub(super) fn report_vain(&mut self, core: &mut Core) {
        let busy = self.links.values().any(|link| link.step < Step::Open) || !self.rungs.is_empty();
        let Some(called) = self.called.as_mut().filter(|called| called.dials > 0 && !called.in_vain && !busy)
        else {
            return;
        };
        called.in_vain = true;
        let (token, server) = (called.token, called.server.clone());
        let reason = super::message::Refusal::NotReached;
        core.tell(self.peer, vec![server], &super::message::Message::Refuse { token, reason });
    }

    /// Whether anything near is dialled.
    pub(super) fn dials_near(&self) -> bool {
        let near = |technique: Technique| technique == Technique::Lan;
        self.rungs.iter().any(|(_, rung)| near(rung.technique))
            || self.links.values().any(|link| link.ours && near(link.technique))
    }
}
