//! Several connections may come of a punch. Both sides say hello on each; the initiator selects one, and says
//! done when it has the responder's hello on that one. Only then does each side close the rest: the initiator
//! as it says done, the responder when it hears it. So there is never more than one survivor, and it has
//! carried a message both ways.
//!
//! ```text
//!   initiator   hello, select ─▶              done ─▶   wins here, closes the rest
//!   responder                   ◀─ hello             wins as done arrives, closes the rest
//! ```
//!
//! The initiator selects the first connection it has, without waiting for the other side's hello. If the
//! selected connection dies before that has come, or stays silent while another one speaks, the initiator lets
//! go of it for good and selects another. Until done the responder follows whatever is selected last.

use std::time::{Duration, Instant};

use super::state::Open;
use super::{ConnId, Output, Role, Session, SlotId, Socket};
use crate::proto::punch::budget::Budget;
use crate::proto::punch::hello::{self, Frame, What};

/// Strangers who may be let in at a time by the listeners.
const MAX_UNGREETED: usize = 16;

impl Session {
    pub(super) fn connected(&mut self, now: Instant, conn: ConnId, budget: &mut Budget) {
        if let Some(slot) = self.half.get(&conn).map(|half| half.slot) {
            self.drop_half(conn, budget);
            self.opened(now, conn, slot);
        }
    }

    pub(super) fn accepted(&mut self, now: Instant, conn: ConnId, slot: SlotId) {
        let ungreeted = self.open.values().filter(|open| !open.greeted).count();
        if self.slots.contains_key(&slot) && ungreeted < MAX_UNGREETED {
            self.opened(now, conn, slot);
        } else {
            self.outputs.push_back(Output::Close(Socket::Conn(conn)));
        }
    }

    fn opened(&mut self, now: Instant, conn: ConnId, slot: SlotId) {
        self.open.insert(conn, Open { slot, since: now, greeted: false, selected: false });
        self.report(|report| report.opened += 1);
        self.say(conn, What::Hello);
        self.select(now);
    }

    /// Initiator: it is settled if the selected connection has proved to be the peer's.
    fn settled(&mut self, now: Instant, budget: &mut Budget) {
        let proved =
            |(conn, _): (ConnId, Instant)| self.open.get(&conn).filter(|open| open.greeted).map(|_| conn);
        if let Some(conn) = self.chosen.and_then(proved) {
            self.say(conn, What::Done);
            self.finish(now, Ok(conn), budget);
        }
    }

    fn say(&mut self, conn: ConnId, what: What) {
        if let Some(open) = self.open.get(&conn) {
            let frame = hello::write(self.token, what, self.role, open.slot.0);
            self.outputs.push_back(Output::Frame { conn, frame });
        }
    }

    pub(super) fn frame(&mut self, now: Instant, conn: ConnId, frame: &Frame, budget: &mut Budget) {
        let Some(open) = self.open.get_mut(&conn) else { return };
        let said = hello::read(self.token, self.role.other(), frame).map(|(what, _)| what);
        match (self.role, said) {
            (_, Some(What::Hello)) if !open.greeted => {
                open.greeted = true;
                self.met = true;
                self.settled(now, budget);
            }
            (Role::Responder, Some(What::Select)) if open.greeted && !open.selected => open.selected = true,
            (Role::Responder, Some(What::Done)) if open.selected => self.finish(now, Ok(conn), budget),
            // A stranger, or nonsense.
            _ => self.let_go(now, conn, budget),
        }
    }

    /// Initiator: selects the first that has proved to be the peer's, else the first, if none is selected.
    fn select(&mut self, now: Instant) {
        if self.role != Role::Initiator || self.chosen.is_some() {
            return;
        }
        let greeted = self.open.iter().find(|(_, open)| open.greeted);
        if let Some(conn) = greeted.or(self.open.first_key_value()).map(|(conn, _)| *conn) {
            self.chosen = Some((conn, now));
            self.say(conn, What::Select);
        }
    }

    /// An attempt or a connection has ended by itself.
    pub(super) fn ended(&mut self, now: Instant, conn: ConnId, budget: &mut Budget) {
        if !self.drop_half(conn, budget) && self.open.remove(&conn).is_some() {
            self.unchoose(now, conn, budget);
        }
    }

    fn let_go(&mut self, now: Instant, conn: ConnId, budget: &mut Budget) {
        self.open.remove(&conn);
        self.outputs.push_back(Output::Close(Socket::Conn(conn)));
        self.unchoose(now, conn, budget);
    }

    fn unchoose(&mut self, now: Instant, conn: ConnId, budget: &mut Budget) {
        if self.chosen.is_some_and(|(chosen, _)| chosen == conn) {
            self.chosen = None;
            self.select(now);
            self.settled(now, budget);
        }
    }

    fn hello_time(&self) -> Duration {
        self.options.hello + self.rtt.best().unwrap_or_default() * 4
    }

    /// Since when we wait for a word on a connection, if we do.
    fn waits_since(&self, conn: ConnId, open: &Open) -> Option<Instant> {
        let since = self.chosen.filter(|(chosen, _)| *chosen == conn).map_or(open.since, |(_, since)| since);
        (!open.greeted).then_some(since)
    }

    /// When the selected connection has been silent for too long, if there is one that is not.
    fn passed_over_at(&self) -> Option<Instant> {
        let (chosen, since) = self.chosen?;
        let silent = self.open.get(&chosen).is_some_and(|open| !open.greeted);
        let other = silent && self.open.values().any(|open| open.greeted);
        other.then(|| since + self.settle())
    }

    pub(super) fn hello_at(&self) -> Option<Instant> {
        let waits = self.open.iter().filter_map(|(conn, open)| self.waits_since(*conn, open));
        let late = waits.min().map(|since| since + self.hello_time());
        late.into_iter().chain(self.passed_over_at()).min()
    }

    /// Lets go of connections on which the awaited word did not come in time.
    pub(super) fn hello_timeouts(&mut self, now: Instant, budget: &mut Budget) {
        if let Some((conn, _)) = self.chosen.filter(|_| self.passed_over_at().is_some_and(|at| now >= at)) {
            self.let_go(now, conn, budget);
        }
        let time = self.hello_time();
        let late = |(conn, open): (&ConnId, &Open)| {
            self.waits_since(*conn, open).filter(|since| *since + time <= now).map(|_| *conn)
        };
        let late: Vec<ConnId> = self.open.iter().filter_map(late).collect();
        for conn in late {
            self.let_go(now, conn, budget);
        }
    }
}
