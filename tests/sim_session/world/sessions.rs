//! Sessions as their owners keep them: what is said and when, and how they end.

use std::time::{Duration, Instant};

use p2pnet::proto::session::Due;

use super::{Event, TROUBLE, World};
use crate::side::{Item, Why};

impl World {
    /// Says what there is to say.
    pub(super) fn pump(&mut self, side: usize) {
        let now = self.now;
        if let Some(held) = &mut self.sides[side].held
            && let Some(link) = held.link
        {
            let room = self.links[link].room.saturating_sub(self.links[link].ways[1 - side].len());
            for frame in held.speak(now, room) {
                self.send(link, side, frame);
            }
        }
        if self.sides[side].held.as_ref().is_some_and(|held| held.session.is_done()) {
            let held = self.sides[side].held.as_ref();
            let (link, left) = held.map_or((None, 0), |held| (held.link, held.unsettled().bytes));
            // If anything has not arrived, the peer has closed as well.
            self.over(side, if left == 0 { Why::Closed } else { Why::ClosedByPeer { missing: 0 } });
            if let Some(link) = link {
                self.leave(link, side);
            }
        }
        self.plan(side);
    }

    pub(super) fn over(&mut self, side: usize, why: Why) {
        if let Some((link, _)) = self.sides[side].held.as_ref().and_then(|held| held.asking) {
            self.leave(link, side);
        }
        self.sides[side].end(why);
        // The program wants another one, some time.
        let after = self.rng.u64(100..3000);
        self.later(after, Event::Redial { side });
    }

    pub(super) fn plan(&mut self, side: usize) {
        let reading = !self.sides[side].stalled;
        let due = self.sides[side].held.as_ref().and_then(|held| held.deadline(reading));
        if let Some(due) = due
            && self.sides[side].wake.is_none_or(|wake| due < wake)
        {
            let at = due.max(self.now + Duration::from_millis(1));
            self.sides[side].wake = Some(at);
            self.at(at, Event::Wake { side });
        }
    }

    pub(super) fn wake(&mut self, side: usize) {
        let (now, reading) = (self.now, !self.sides[side].stalled);
        if self.sides[side].wake.is_none_or(|wake| wake > now) {
            return;
        }
        self.sides[side].wake = None;
        let Some(held) = &mut self.sides[side].held else { return };
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let late =
            if passed(held.closing) { Some(Why::TooLate) } else { passed(held.grace).then_some(Why::Grace) };
        if let Some(why) = late {
            let link = held.link;
            self.over(side, why);
            if let Some(link) = link {
                self.leave(link, side);
            }
            return;
        }
        if let Some((link, _)) = held.asking.filter(|(_, at)| *at <= now) {
            self.gone(link, side);
        } else if held.session.due(now, reading) == Due::Silent {
            let link = held.link.unwrap();
            self.counts.silent += 1;
            self.gone(link, side);
        }
        self.pump(side);
    }

    pub(super) fn talk(&mut self, side: usize) {
        if self.now < self.start + Duration::from_millis(TROUBLE) {
            let pause = self.rng.u64(1..800);
            self.later(pause, Event::Talk { side });
        }
        let life = self.sides[side].life;
        for _ in 0..self.rng.usize(..6) {
            self.said += 1;
            let mut bytes = format!("{} ", self.said).into_bytes();
            let len = [self.rng.usize(..30), self.rng.usize(..2000)][self.rng.usize(..2)];
            bytes.extend((0..len).map(|_| self.rng.u8(b'a'..=b'z')));
            let item = if self.rng.bool() {
                if self.rng.u8(..8) == 0 {
                    bytes.clear();
                }
                Item::Message(bytes)
            } else {
                Item::Line(bytes)
            };
            let state = &mut self.sides[side];
            let Some(held) = state.held.as_mut().filter(|held| held.closing.is_none()) else { break };
            held.send(&item);
            state.stories.get_mut(&(held.session.id(), life)).unwrap().sent.push(item);
        }
        self.pump(side);
    }
}
