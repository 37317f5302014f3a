//! A relayed connection is to become a direct one: a relay is slower, costs others, and may go away.
//!
//! A punch that goes on when the relay has won goes on behind it. Then whoever arranged the relay tries the whole ladder behind it, but for the relay, again and again with growing pauses; what
//! has failed by chance or because of a limit may succeed, and networks change. The peer takes part as in any call. What comes
//! of it takes the relayed link's place in the race (`race`), and the session goes over to it without losing anything.

use std::time::{Duration, Instant};

use super::core::Core;
use super::pair::Pair;

/// How long after the connection was opened the first try comes, and the pause between the first two.
const FIRST: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(8);
/// The longest pause: a call and its answer, about two kilobytes, every five minutes.
const LONGEST: Duration = Duration::from_secs(300);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Better {
    /// When the next try begins, or this one ends at the latest.
    due: Instant,
    /// The pause behind the try that goes on, or comes next.
    pause: Duration,
    /// Whether one goes on.
    trying: bool,
}

impl Pair {
    /// Whether the open connection goes by a relay.
    pub(super) fn is_relayed(&self) -> bool {
        let open = self.open.and_then(|(conn, _)| self.links.get(&conn));
        open.is_some_and(|link| link.relay.is_some())
    }

    /// There is an open connection: a better one is wanted if it goes by a relay, and we have arranged that.
    pub(super) fn want_better(&mut self, now: Instant, arranged: bool) {
        let wanted = arranged && self.is_relayed();
        self.better = wanted.then(|| Box::new(Better { due: now + FIRST, pause: PAUSE, trying: false }));
    }

    /// This node has moved: what was in vain may not be now.
    pub(super) fn hurry_better(&mut self, now: Instant) {
        if let Some(better) = self.better.as_mut().filter(|better| !better.trying) {
            (better.due, better.pause) = (better.due.min(now + FIRST), PAUSE);
        }
    }

    /// When there is something to do.
    pub(super) fn better_at(&self) -> Option<Instant> {
        // A session goes over to another link; nothing else would.
        self.better.as_ref().filter(|_| self.session.is_some()).map(|better| better.due)
    }

    /// Begins a try, or ends one.
    pub(super) fn better_if_due(&mut self, now: Instant, core: &mut Core) {
        let Some(mut better) = self.better.as_deref().copied() else { return };
        if self.open.is_none() || self.session.is_none() && better.trying {
            // The relayed link has gone, and what was tried behind it goes with it: whatever follows begins anew.
            self.better = None;
            return self.abandon(now, core);
        }
        let over = better.trying && (self.attempt.is_none() || better.due <= now);
        if over {
            self.abandon(now, core);
            (better.trying, better.due) = (false, now + better.pause);
            better.pause = (better.pause * 2).min(LONGEST);
        } else if !better.trying && better.due <= now {
            better.due = now + better.pause;
            let unl = self.way.unl.clone().filter(|_| self.session.is_some() && self.attempt.is_none());
            if let Some(unl) = unl {
                (better.trying, better.due) = (true, now + core.settings.limit);
                self.dialled.clear();
                self.begin(now, &unl, core);
                if let Some(attempt) = &mut self.attempt {
                    // The peer is at a server, or there would be no relayed connection.
                    attempt.search = None;
                }
                self.tale.note(now, "the connection goes by a relay: looking for a better way");
            }
        }
        self.better = Some(Box::new(better));
    }
}
