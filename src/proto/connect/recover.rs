//! A link that has broken while there is a session on it: another one is made, by whoever knows a way.
//!
//! What is tried is what had led to the peer before: the address that was dialled, and the whole ladder if its locator is
//! known, from our request or from its call. Again and again, with growing pauses, until the session is given up. A side that
//! knows no way waits for the other; if both try, the race decides as ever.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::attempt::Attempt;
use super::call::Call;
use super::core::Core;
use super::limits::{Bucket, Rate};
use super::link::{Link, Step};
use super::pair::Pair;
use super::report::{Result, Technique};
use super::rungs::Rung;
use super::types::{Closing, Token};
use crate::proto::unl::UnlV3;

/// The pause after the first try, and the longest.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(4);

/// So often a broken link is followed by another one at once. Whoever cuts each of them would keep us busy else.
const AT_ONCE: Rate = Rate { burst: 20, every: Duration::from_millis(500) };

/// How the peer was reached last.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    /// How often links have broken.
    broken: Bucket,
    /// Its newest locator that we have seen.
    pub(super) unl: Option<Box<UnlV3>>,
    /// The address that we dialled last.
    address: Option<(SocketAddr, Technique)>,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    /// When the session is given up.
    until: Instant,
    /// When the address is dialled again, and the ladder begun if it is not under way.
    next: Instant,
    pause: Duration,
    /// When the ladder is begun anew.
    ends: Option<Instant>,
}

impl Recovery {
    pub(super) fn deadline(&self) -> Instant {
        self.ends.unwrap_or(self.until).min(self.next).min(self.until)
    }
}

impl Pair {
    /// Remembers how this link came about, for when it breaks.
    pub(super) fn remember_way(&mut self, link: &Link, core: &mut Core) {
        if link.ours && link.punch.is_none() {
            self.way.address = Some((link.at, link.technique));
        }
        let unl = self.attempt.as_ref().map(|attempt| &attempt.unl);
        if let Some(unl) = unl.or(self.called.as_ref().map(|called| &called.unl)) {
            core.volunteers.note(self.peer, unl.record().relays_first());
            self.way.unl = Some(Box::new(unl.clone()));
        }
    }

    /// There is a session with the peer, or none any more.
    pub(super) fn set_session(&mut self, now: Instant, session: Option<Token>, core: &mut Core) {
        self.session = session;
        if session.is_none() && self.recovery.take().is_some() {
            self.end_recovery(now, core);
        }
    }

    /// The session's link is gone: makes another one until then.
    pub(super) fn recover(&mut self, now: Instant, until: Instant) {
        if self.open.is_none() {
            let at_once = self.recovery.is_none() && self.way.broken.take(now, AT_ONCE);
            let pause = self.recovery.as_ref().map_or(FIRST, |recovery| recovery.pause);
            let next = if at_once { now } else { now + pause.max(Duration::from_secs(1)) };
            self.recovery = Some(Box::new(Recovery { until, next, pause, ends: None }));
        }
    }

    /// We are at a server where we were not. What has cut the link may have cut the way to the servers, too, and a call that nobody
    /// has heard may be heard now: the ladder is begun anew.
    pub(super) fn server_entered(&mut self, now: Instant, core: &mut Core) {
        let Some(recovery) = self.recovery.as_deref().copied() else { return };
        let in_vain = |a: &Attempt| a.waiting.is_empty() && matches!(a.call, Call::Over(_));
        let other_hope = self.called.is_some() || self.links.values().any(|link| link.step >= Step::Proved);
        if !other_hope && self.attempt.as_deref().is_none_or(in_vain) {
            self.abandon(now, core);
            self.recovery = Some(Box::new(Recovery { next: now, ends: None, ..recovery }));
        }
    }

    /// There is a link again.
    pub(super) fn recovered(&mut self) {
        self.recovery = None;
    }

    /// What is only tried for the session stops.
    fn end_recovery(&mut self, now: Instant, core: &mut Core) {
        if self.attempt.as_ref().is_none_or(|attempt| attempt.waiting.is_empty()) {
            self.abandon(now, core);
            if self.called.is_none() {
                self.rungs.clear();
                self.close_dials(now, core);
            }
        }
    }

    fn close_dials(&mut self, now: Instant, core: &mut Core) {
        let ours = self.links.iter().filter(|(_, link)| link.ours && link.step < Step::Proved);
        for conn in ours.map(|(conn, _)| *conn).collect::<Vec<_>>() {
            self.close_link(now, conn, Closing::GivenUp, Result::GivenUp, core);
        }
    }

    /// Dials again, begins the ladder anew, gives up.
    pub(super) fn recover_if_due(&mut self, now: Instant, core: &mut Core) {
        let Some(mut recovery) = self.recovery.as_deref().copied() else { return };
        if recovery.until <= now {
            self.recovery = None;
            return self.end_recovery(now, core);
        }
        if recovery.ends.is_some_and(|at| at <= now) {
            recovery.ends = None;
            if self.attempt.as_ref().is_some_and(|attempt| attempt.waiting.is_empty()) {
                self.abandon(now, core);
            }
        }
        if recovery.next <= now {
            recovery.next = now + recovery.pause;
            recovery.pause = (recovery.pause * 2).min(LONGEST);
            if self.way.unl.is_none() && self.way.address.is_none() {
                // The peer has to come.
                recovery.next = recovery.until;
            }
            if let Some(unl) = self.way.unl.clone().filter(|_| self.attempt.is_none()) {
                self.dialled.clear();
                recovery.ends = Some(now + core.settings.limit);
                self.begin(now, &unl, core);
            }
            self.dial_again(now);
        }
        self.recovery = Some(Box::new(recovery));
    }

    fn dial_again(&mut self, now: Instant) {
        let Some((to, technique)) = self.way.address else { return };
        if !self.links.values().any(|link| link.at == to) {
            self.rungs.retain(|(_, rung)| rung.to != to);
            self.rungs.insert(0, (now, Rung { to, technique, after: Duration::ZERO }));
        }
    }
}
