//! A link that has broken while there is a session on it: another one is made, by whoever knows a way.
//!
//! What is tried is what had led to the peer before: the address that was dialled, and the whole ladder if its locator is
//! known, from our request or from its call. Again and again, with growing pauses, until the session is given up. A side that
//! knows no way waits for the other; if both try, the race decides as ever.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::core::Core;
use super::pair::{Link, Pair};
use super::report::Technique;
use super::rungs::Rung;
use super::types::Token;
use crate::proto::unl::UnlV3;

/// The pause after the first try, and the longest.
const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(4);

/// How the peer was reached last.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    /// Its newest locator that we have seen.
    unl: Option<Box<UnlV3>>,
    /// The address that we dialled last.
    address: Option<(SocketAddr, Technique)>,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    /// When the session is given up.
    until: Instant,
    /// When the next try begins.
    next: Instant,
    pause: Duration,
    /// When the try under way is given up.
    ends: Option<Instant>,
}

impl Recovery {
    pub(super) fn deadline(&self) -> Instant {
        self.ends.unwrap_or(self.next).min(self.until)
    }
}

impl Pair {
    /// Remembers how this link came about, for when it breaks.
    pub(super) fn remember_way(&mut self, link: &Link) {
        if link.ours && link.punch.is_none() {
            self.way.address = Some((link.at, link.technique));
        }
        let unl = self.attempt.as_ref().map(|attempt| &attempt.unl);
        if let Some(unl) = unl.or(self.called.as_ref().map(|called| &called.unl)) {
            self.way.unl = Some(Box::new(unl.clone()));
        }
    }

    /// There is a session with the peer, or none any more.
    pub(super) fn set_session(&mut self, session: Option<Token>) {
        self.session = session;
        if session.is_none() {
            self.recovery = None;
        }
    }

    /// The session's link is gone: makes another one until then.
    pub(super) fn recover(&mut self, now: Instant, until: Instant) {
        if self.open.is_none() {
            let before = self.recovery.map_or(Duration::ZERO, |recovery| recovery.pause);
            self.recovery =
                Some(Recovery { until, next: now + before, pause: before.max(FIRST), ends: None });
        }
    }

    /// There is a link again.
    pub(super) fn recovered(&mut self) {
        self.recovery = None;
    }

    /// Begins a try, ends one.
    pub(super) fn recover_if_due(&mut self, now: Instant, core: &mut Core) {
        let Some(mut recovery) = self.recovery.take() else { return };
        let wanted = self.attempt.as_ref().is_some_and(|attempt| !attempt.waiting.is_empty());
        if recovery.until <= now {
            if !wanted {
                self.abandon(now, core);
            }
            return;
        }
        if self.attempt.is_some() || !self.links.is_empty() || !self.rungs.is_empty() {
            let late = recovery.ends.is_some_and(|at| at <= now);
            if late && !wanted {
                self.abandon(now, core);
            }
            recovery.ends = recovery.ends.filter(|_| !late).or(Some(now + core.settings.limit));
            self.recovery = Some(recovery);
            return;
        }
        recovery.ends = None;
        if recovery.next <= now {
            recovery.next = now + recovery.pause;
            recovery.pause = (recovery.pause * 2).min(LONGEST);
            if self.way.unl.is_none() && self.way.address.is_none() {
                // The peer has to come.
                recovery.next = recovery.until;
            }
            self.try_again(now, core);
        }
        self.recovery = Some(recovery);
    }

    fn try_again(&mut self, now: Instant, core: &mut Core) {
        self.dialled.clear();
        if let Some(unl) = self.way.unl.clone() {
            self.begin(now, &unl, core);
        }
        if let Some((to, technique)) = self.way.address {
            self.rungs.retain(|(_, rung)| rung.to != to);
            self.rungs.insert(0, (now, Rung { to, technique, after: Duration::ZERO }));
        }
    }
}
