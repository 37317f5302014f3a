//! The world of two sides: its events, in the order of their time.
//!
//! `links` has what goes between them, `sessions` what each does with it, `trouble` what goes wrong, `check` what must hold.

mod check;
mod links;
mod sessions;
mod trouble;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use p2pnet::proto::session::{SessionId, Settings};

use crate::side::{Frame, Side};

/// Until then the world is unkind.
const TROUBLE: u64 = 120_000;
/// Then everything has so long to arrive.
const CALM: u64 = 600_000;
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
}
