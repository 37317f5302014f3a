//! Links: they come about, carry frames, and are gone.

use std::time::Duration;

use p2pnet::proto::handshake::Control;
use p2pnet::proto::session::{Heard, NONE};

use super::{Event, Link, WORD, World};
use crate::side::{Frame, Held, Why};

impl World {
    /// A new link comes about; its ends open it at different times, or never hear of it.
    pub(super) fn link(&mut self) -> usize {
        let number = self.links.len();
        let mut id = [0; 16];
        self.rng.fill(&mut id);
        let delay = [1, 10, 60, 300][self.rng.usize(..4)];
        self.links.push(Link {
            id,
            dialler: self.rng.usize(..2),
            ways: Default::default(),
            arrived: [0; 2],
            cut: self.now < self.outage,
            left: [false; 2],
            room: [3, 10, 100][self.rng.usize(..3)],
            delay,
        });
        for side in 0..2 {
            let after = self.rng.u64(0..delay * 2);
            self.later(after, Event::Open { link: number, side });
        }
        number
    }

    /// Both ends lose it: one may learn it long before the other, or only by the silence.
    pub(super) fn cut(&mut self, link: usize) {
        if std::mem::replace(&mut self.links[link].cut, true) || self.links[link].left == [true; 2] {
            return;
        }
        for side in 0..2 {
            match self.rng.u8(..4) {
                0 => self.later(0, Event::Notice { link, side }),
                1 | 2 => {
                    let after = self.rng.u64(0..40_000);
                    self.later(after, Event::Notice { link, side });
                }
                _ => {}
            }
        }
    }

    pub(super) fn send(&mut self, link: usize, side: usize, frame: Frame) {
        let other = 1 - side;
        if self.links[link].cut || self.links[link].left[side] {
            return;
        }
        self.links[link].ways[other].push_back(frame);
        let delay = self.links[link].delay;
        self.later(delay, Event::Arrive { link, side: other });
    }

    /// A side closes its end.
    pub(super) fn leave(&mut self, link: usize, side: usize) {
        self.send(link, side, Frame::Fin);
        self.links[link].left[side] = true;
        self.links[link].arrived[side] = 0;
    }

    pub(super) fn open(&mut self, link: usize, side: usize) {
        let cut = self.links[link].cut;
        if cut || self.sides[side].opened.is_some_and(|opened| opened > link) {
            return self.leave(link, side);
        }
        self.sides[side].opened = Some(link);
        if let Some(before) = self.sides[side].listening.take() {
            self.leave(before, side);
        }
        let (id, ours) = (self.links[link].id, self.links[link].dialler == side);
        let now = self.now;
        let Some(held) = &mut self.sides[side].held else {
            if self.sides[side].ended.is_some() && !ours {
                self.sides[side].listening = Some(link);
                return self.read(link, side);
            }
            self.sides[side].begin(now, id, link, false, false);
            self.counts.sessions += 1;
            self.read(link, side);
            return self.pump(side);
        };
        // From now on nothing is taken from the old one.
        let old = held.link.take();
        let before = held.asking.replace((link, now + WORD));
        held.session.lost();
        held.grace = held.grace.or(Some(now + Duration::from_secs(30)));
        let hello = held.session.hello().encode().to_vec();
        if let Some(old) = old {
            self.counts.moved += 1;
            // It is kept until the new one carries the session; nobody reads it any more.
            self.links[old].arrived[side] = 0;
            self.links[old].left[side] = true;
        }
        if let Some((before, _)) = before {
            self.leave(before, side);
        }
        self.send(link, side, Frame::Control(hello));
        self.read(link, side);
        self.pump(side);
    }

    /// What has arrived is read, as far as anybody reads.
    pub(super) fn read(&mut self, link: usize, side: usize) {
        loop {
            if self.links[link].arrived[side] == 0 || self.links[link].left[side] {
                return;
            }
            let carries = |held: &Held| held.link == Some(link);
            let asks = |held: &Held| held.asking.is_some_and(|(asking, _)| asking == link);
            let state = &self.sides[side];
            let carried = state.held.as_ref().is_some_and(carries);
            let asked = state.held.as_ref().is_some_and(asks);
            let listened = state.listening == Some(link);
            if !(asked
                || listened
                || carried && (!state.stalled || state.held.as_ref().unwrap().closing.is_some()))
            {
                return;
            }
            self.links[link].arrived[side] -= 1;
            let frame = self.links[link].ways[side].pop_front().unwrap();
            if matches!(frame, Frame::Fin) {
                self.gone(link, side);
            } else if asked || listened {
                self.word(link, side, frame);
            } else {
                self.hear(link, side, frame);
            }
        }
    }

    /// The peer's word where a session is to be taken up, or where one has ended.
    pub(super) fn word(&mut self, link: usize, side: usize, frame: Frame) {
        let Frame::Control(bytes) = frame else { panic!("{frame:?} before SESSION") };
        let Some(Control::Session { id, received }) = Control::decode(&bytes) else { panic!("no SESSION") };
        let (now, name) = (self.now, self.links[link].id);
        if self.sides[side].listening == Some(link) {
            self.sides[side].listening = None;
            let epitaph = self.sides[side].ended.unwrap();
            if epitaph.id == id {
                for word in epitaph.words() {
                    self.send(link, side, Frame::Control(word.encode().to_vec()));
                }
                return self.leave(link, side);
            }
            let none = Control::Session { id: NONE, received: 0 };
            self.send(link, side, Frame::Control(none.encode().to_vec()));
            self.sides[side].begin(now, name, link, true, true);
            self.counts.sessions += 1;
            return self.pump(side);
        }
        let held = self.sides[side].held.as_mut().unwrap();
        held.asking = None;
        if held.session.id() == id {
            held.session.resume(now, received).unwrap();
            held.incoming.new_link(true);
            (held.link, held.grace) = (Some(link), None);
            return self.pump(side);
        }
        self.sides[side].end(Why::Anew);
        self.sides[side].begin(now, name, link, true, true);
        self.counts.sessions += 1;
        self.pump(side);
    }

    pub(super) fn hear(&mut self, link: usize, side: usize, frame: Frame) {
        let (now, life) = (self.now, self.sides[side].life);
        let side_ = &mut self.sides[side];
        let held = side_.held.as_mut().unwrap();
        let got = &mut side_.stories.get_mut(&(held.session.id(), life)).unwrap().got;
        let heard = held.hear(now, frame, got).unwrap_or_else(|e| panic!("{e}"));
        if let Heard::Closed { missing } = heard {
            // The answer goes out before the link is left.
            self.pump(side);
            if let Some(held) = &self.sides[side].held {
                // Who has closed himself wants nothing more, but to know that everything has arrived.
                let whole = held.closing.is_some() && held.unsettled().bytes == 0;
                self.over(side, if whole { Why::Closed } else { Why::ClosedByPeer { missing } });
            }
            self.leave(link, side);
        }
    }

    /// A link is gone, for this side.
    pub(super) fn gone(&mut self, link: usize, side: usize) {
        self.leave(link, side);
        if self.sides[side].listening == Some(link) {
            self.sides[side].listening = None;
        }
        let Some(held) = &mut self.sides[side].held else { return };
        let asked = held.asking.is_some_and(|(asking, _)| asking == link);
        if asked {
            held.asking = None;
        } else if held.link == Some(link) {
            held.session.lost();
            held.link = None;
            held.grace = Some(self.now + Duration::from_secs(30));
        } else {
            return;
        }
        let after = self.rng.u64(0..300);
        self.later(after, Event::Redial { side });
        self.plan(side);
    }
}
