//! The links, the trouble, and what must hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use p2pnet::proto::handshake::Control;
use p2pnet::proto::session::{Due, Heard, NONE, SessionId, Settings};

use crate::side::{Frame, Item, Side, Why};

/// Until then the world is unkind.
const TROUBLE: u64 = 120_000;
/// Then everything has so long to arrive.
const CALM: u64 = 240_000;
/// How long the peer's word is awaited where a session is taken up.
const WORD: Duration = Duration::from_secs(10);
const CLOSING: Duration = Duration::from_secs(1);

/// A link: two ways, each in order, each with room for so many frames.
struct Link {
    id: SessionId,
    dialler: usize,
    /// On their way to each side.
    ways: [VecDeque<Frame>; 2],
    /// Arrived there and not read.
    arrived: [usize; 2],
    /// What is sent on to there is lost from now on.
    cut: bool,
    /// The side has no more to do with it.
    left: [bool; 2],
    room: usize,
    delay: u64,
}

enum Event {
    Open {
        link: usize,
        side: usize,
    },
    Arrive {
        link: usize,
        side: usize,
    },
    /// A side notices that the link is gone.
    Notice {
        link: usize,
        side: usize,
    },
    Wake {
        side: usize,
    },
    Talk {
        side: usize,
    },
    Trouble,
    Redial {
        side: usize,
    },
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub sessions: u64,
    pub resumptions: u64,
    pub closed: u64,
    pub closed_by_peer: u64,
    pub closed_early: u64,
    pub anew: u64,
    pub grace: u64,
    pub too_late: u64,
    pub silent: u64,
    pub moved: u64,
    pub both: u64,
    pub unsettled: u64,
}

impl Counts {
    fn all(&mut self) -> [&mut u64; 12] {
        [
            &mut self.sessions,
            &mut self.resumptions,
            &mut self.closed,
            &mut self.closed_by_peer,
            &mut self.closed_early,
            &mut self.anew,
            &mut self.grace,
            &mut self.too_late,
            &mut self.silent,
            &mut self.moved,
            &mut self.both,
            &mut self.unsettled,
        ]
    }

    pub fn add(&mut self, other: &Counts) {
        let mut other = *other;
        self.all().into_iter().zip(other.all()).for_each(|(sum, n)| *sum += *n);
    }

    pub fn least(mut self) -> u64 {
        self.all().into_iter().map(|n| *n).min().unwrap()
    }
}

pub struct World {
    rng: fastrand::Rng,
    start: Instant,
    now: Instant,
    events: BinaryHeap<Reverse<(Instant, u64)>>,
    what: BTreeMap<u64, Event>,
    next: u64,
    links: Vec<Link>,
    sides: [Side; 2],
    calm: bool,
    counts: Counts,
    said: u64,
    /// No link comes about before.
    outage: Instant,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let start = Instant::now();
        let sides = [0, 1].map(|_| {
            Side::new(Settings {
                window: [300, 3000, 100_000][rng.usize(..3)],
                silence: Duration::from_millis(rng.u64(3000..10_000)),
                idle: Some(Duration::from_millis(rng.u64(5000..15_000))),
            })
        });
        World {
            rng,
            start,
            now: start,
            events: BinaryHeap::new(),
            what: BTreeMap::new(),
            next: 0,
            links: Vec::new(),
            sides,
            calm: false,
            counts: Counts::default(),
            said: 0,
            outage: start,
        }
    }

    pub fn run(mut self) -> Counts {
        self.link();
        for side in 0..2 {
            self.later(0, Event::Talk { side });
        }
        self.later(500, Event::Trouble);
        while let Some(Reverse((at, number))) = self.events.pop() {
            if at > self.start + Duration::from_millis(CALM) {
                break;
            }
            self.now = at;
            let event = self.what.remove(&number).unwrap();
            self.happen(event);
        }
        self.check();
        self.counts
    }

    fn later(&mut self, ms: u64, event: Event) {
        self.at(self.now + Duration::from_millis(ms), event);
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.next += 1;
        self.events.push(Reverse((at, self.next)));
        self.what.insert(self.next, event);
    }

    /// A new link comes about; its ends open it at different times, or never hear of it.
    fn link(&mut self) -> usize {
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
    fn cut(&mut self, link: usize) {
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

    fn happen(&mut self, event: Event) {
        match event {
            Event::Open { link, side } => self.open(link, side),
            Event::Arrive { link, side } => {
                self.links[link].arrived[side] += 1;
                self.read(link, side);
                self.pump(side);
            }
            Event::Notice { link, side } => self.gone(link, side),
            Event::Wake { side } => self.wake(side),
            Event::Talk { side } => self.talk(side),
            Event::Trouble => self.trouble(),
            Event::Redial { side } => {
                let lacks = self.sides[side].held.as_ref().is_none_or(|held| held.link.is_none());
                if lacks {
                    self.link();
                    let pause = self.rng.u64(200..4000);
                    self.later(pause, Event::Redial { side });
                }
            }
        }
    }

    // ---- links ----

    fn send(&mut self, link: usize, side: usize, frame: Frame) {
        let other = 1 - side;
        if self.links[link].cut || self.links[link].left[side] {
            return;
        }
        self.links[link].ways[other].push_back(frame);
        let delay = self.links[link].delay;
        self.later(delay, Event::Arrive { link, side: other });
    }

    /// A side closes its end.
    fn leave(&mut self, link: usize, side: usize) {
        self.send(link, side, Frame::Fin);
        self.links[link].left[side] = true;
        self.links[link].arrived[side] = 0;
    }

    fn open(&mut self, link: usize, side: usize) {
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
    fn read(&mut self, link: usize, side: usize) {
        loop {
            if self.links[link].arrived[side] == 0 || self.links[link].left[side] {
                return;
            }
            let carries = |held: &crate::side::Held| held.link == Some(link);
            let asks = |held: &crate::side::Held| held.asking.is_some_and(|(asking, _)| asking == link);
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
    fn word(&mut self, link: usize, side: usize, frame: Frame) {
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

    fn hear(&mut self, link: usize, side: usize, frame: Frame) {
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
    fn gone(&mut self, link: usize, side: usize) {
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

    // ---- sessions ----

    /// Says what there is to say.
    fn pump(&mut self, side: usize) {
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

    fn over(&mut self, side: usize, why: Why) {
        if let Some((link, _)) = self.sides[side].held.as_ref().and_then(|held| held.asking) {
            self.leave(link, side);
        }
        self.sides[side].end(why);
        // The program wants another one, some time.
        let after = self.rng.u64(100..3000);
        self.later(after, Event::Redial { side });
    }

    fn plan(&mut self, side: usize) {
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

    fn wake(&mut self, side: usize) {
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

    fn talk(&mut self, side: usize) {
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

    // ---- trouble ----

    fn trouble(&mut self) {
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

    fn stall(&mut self, side: usize, stalled: bool) {
        self.sides[side].stalled = stalled;
        if let Some(link) = self.sides[side].held.as_ref().and_then(|held| held.link) {
            self.read(link, side);
        }
        self.pump(side);
    }

    fn close(&mut self, side: usize) {
        let Some(held) = self.sides[side].held.as_mut().filter(|held| held.closing.is_none()) else { return };
        held.session.close();
        held.incoming.discard();
        held.closing = Some(self.now + CLOSING);
        if let Some(link) = held.link {
            self.read(link, side);
        }
        self.pump(side);
    }

    fn restart(&mut self, side: usize) {
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

    // ---- what must hold ----

    fn check(&mut self) {
        let [a, b] = &self.sides;
        let (x, y) = (a.held.as_ref().expect("no session"), b.held.as_ref().expect("no session"));
        assert_eq!(x.session.id(), y.session.id(), "two sessions");
        assert!(x.link.is_some() && x.link == y.link, "{:?} and {:?}", x.link, y.link);
        for (held, side) in [(x, 0), (y, 1)] {
            assert!(held.unsettled().bytes == 0, "{side} has not got rid of {:?}", held.unsettled());
            self.counts.resumptions += held.session.resumptions();
        }
        for side in 0..2 {
            self.counts.resumptions += self.sides[side].resumptions;
            for ((id, life), story) in &self.sides[side].stories {
                self.compare(side, *id, *life);
                let Some((why, unsettled)) = story.end else { continue };
                let count = match why {
                    Why::Closed => &mut self.counts.closed,
                    Why::ClosedByPeer { missing: 0 } => &mut self.counts.closed_by_peer,
                    Why::ClosedByPeer { .. } => &mut self.counts.closed_early,
                    Why::Anew => &mut self.counts.anew,
                    Why::Grace => &mut self.counts.grace,
                    Why::TooLate => &mut self.counts.too_late,
                    Why::Restart => continue,
                };
                *count += 1;
                self.counts.unsettled += u64::from(unsettled.lines > 0);
            }
        }
    }

    /// What one has sent in a session, and what the other got of it.
    fn compare(&self, side: usize, id: SessionId, life: u64) {
        let ours = &self.sides[side].stories[&(id, life)];
        let theirs = self.sides[1 - side].stories.iter().filter(|((other, _), _)| *other == id);
        let theirs: Vec<_> = theirs.map(|(_, story)| story).collect();
        let got = match theirs[..] {
            [] => &[][..],
            [one] => &one.got[..],
            _ => panic!("a session of two lives"),
        };
        assert!(ours.sent.starts_with(got), "lost, repeated, or out of order");
        let missing = (ours.sent.len() - got.len()) as u64;
        match ours.end {
            None => assert_eq!(missing, 0),
            Some((why, unsettled)) => {
                assert!(missing <= unsettled.lines, "{missing} are missing, {unsettled:?} told: {why:?}");
                assert!((unsettled.lines == 0) == (unsettled.bytes == 0));
                // An orderly end is one at which everything had arrived.
                assert!(why != Why::Closed || unsettled.bytes == 0, "{unsettled:?}");
            }
        }
    }
}
