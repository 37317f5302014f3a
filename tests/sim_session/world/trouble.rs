//! What goes wrong, by chance.

use std::time::Duration;

use super::{CLOSING, Event, TROUBLE, World};

impl World {
    pub(super) fn trouble(&mut self) {
        if self.now >= self.start + Duration::from_millis(TROUBLE) {
            self.calm = true;
            for side in 0..2 {
                self.stall(side, false);
                // Whoever has no session wants one.
                let after = self.rng.u64(0..2000);
                self.later(after, Event::Redial { side });
            }
            return;
        }
        let side = self.rng.usize(..2);
        match self.rng.u8(..100) {
            0..45 => {
                if let Some(link) = self.links.len().checked_sub(1) {
                    self.cut(link);
                }
            }
            45..60 => drop(self.link()),
            60..70 => {
                self.counts.both += 1;
                self.link();
                self.link();
            }
            70..80 => {
                let stalled = self.sides[side].stalled;
                self.stall(side, !stalled);
            }
            80..90 => self.close(side),
            90..94 => self.restart(side),
            94..97 => {
                self.outage = self.now + Duration::from_secs(40);
                for link in 0..self.links.len() {
                    self.cut(link);
                }
            }
            _ => {}
        }
        let pause =
            [self.rng.u64(0..50), self.rng.u64(0..3000), self.rng.u64(0..50_000)][self.rng.usize(..3)];
        let left = TROUBLE.saturating_sub((self.now - self.start).as_millis() as u64);
        self.later(pause.min(left.max(1)), Event::Trouble);
    }

    pub(super) fn stall(&mut self, side: usize, stalled: bool) {
        self.sides[side].stalled = stalled;
        if let Some(link) = self.sides[side].held.as_ref().and_then(|held| held.link) {
            self.read(link, side);
        }
        self.pump(side);
    }

    pub(super) fn close(&mut self, side: usize) {
        let Some(held) = self.sides[side].held.as_mut().filter(|held| held.closing.is_none()) else { return };
        held.session.close();
        held.incoming.discard();
        held.closing = Some(self.now + CLOSING);
        if let Some(link) = held.link {
            self.read(link, side);
        }
        self.pump(side);
    }

    pub(super) fn restart(&mut self, side: usize) {
        self.sides[side].restart();
        for link in 0..self.links.len() {
            if !self.links[link].left[side] {
                self.cut(link);
                self.links[link].left[side] = true;
            }
        }
        let after = self.rng.u64(100..5000);
        self.later(after, Event::Redial { side });
    }
}
