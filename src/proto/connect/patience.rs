//! How long connections are waited for in the race.

use std::time::{Duration, Instant};

use super::core::Core;
use super::link::{Link, Step};
use super::pair::Pair;
use super::race::SPARE;
use super::report::Result;
use super::types::Closing;

/// How much longer than two round trips a chosen connection may take to prove alive when another one is.
const PATIENCE: Duration = Duration::from_millis(250);
/// A round trip that was not measured.
const FAR: Duration = Duration::from_millis(500);

impl Pair {
    /// When a chosen connection is let go of because another one is alive.
    pub(super) fn impatient_at(&self) -> Option<Instant> {
        let choice = self.links.get(&self.choice?).filter(|link| link.step < Step::Proved)?;
        let alive = self.links.values().filter(|link| link.step == Step::Proved);
        let trips: Vec<Option<Duration>> = alive.map(|link| link.trip).collect();
        let known = trips.iter().flatten().chain(&choice.trip).max();
        (!trips.is_empty()).then(|| choice.greeted + known.copied().unwrap_or(FAR) * 2 + PATIENCE)
    }

    /// Ends what has said nothing for too long, and lets what was held take the open one's place.
    pub(super) fn expire_links(&mut self, now: Instant, core: &mut Core) {
        if let (Some(choice), true) = (self.choice, self.impatient_at().is_some_and(|at| at <= now)) {
            self.tale.note(now, "the chosen connection is silent, another one is alive");
            self.close_link(now, choice, Closing::Silent, Result::Failed, core);
            self.after_losses(now, core);
        }
        if self.confirm_at().is_some_and(|at| at <= now) {
            self.confirm(now, core);
        }
        let late = |link: &Link| link.until.is_some_and(|at| at <= now);
        while let Some(conn) = self.links.find(late) {
            let Some(link) = self.links.get(&conn).cloned() else { return };
            if link.step == Step::Proved && self.open.is_some() && (self.chooser || link.chosen) {
                match self.chooser {
                    true => self.choose(now, conn, core),
                    false => self.open_link(now, conn, true, core),
                }
                continue;
            }
            let why = if self.open.is_some() { Closing::Beaten } else { Closing::Silent };
            self.close_link(now, conn, why, Result::Failed, core);
            self.failed_dial(&link, "no answer in time");
            self.after_losses(now, core);
        }
    }

    /// When the open connection counts as confirmed, whatever is heard.
    pub(super) fn confirm_at(&self) -> Option<Instant> {
        self.open.filter(|_| !self.confirmed).map(|(_, since)| since + SPARE)
    }
}
