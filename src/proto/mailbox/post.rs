//! One server, as the client sees it: whether we have a mailbox there, what it is being asked, when it is asked next.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::answer::Letter;
use super::call::{Call, Style};
use super::settings::{CallId, Server};
use crate::proto::signal::backoff::Backoff;

/// Pause between an answer with messages and the next question, as in PyP2P.
const AGAIN: Duration = Duration::from_millis(100);
/// And after an answer without any that came at once: a server that does not wait is not asked ten times a second.
const IDLE: Duration = Duration::from_secs(1);

/// A server that forgets us so soon after it has registered us is not asked at once.
const FORGETFUL: Duration = Duration::from_secs(10);

/// What is asked beside messages, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chore {
    Alive,
    Mutex,
    Neighbours,
}

impl Chore {
    pub(super) fn call(self) -> Call {
        match self {
            Chore::Alive => Call::Alive,
            Chore::Mutex => Call::Mutex,
            Chore::Neighbours => Call::Neighbours,
        }
    }

    /// What comes after it; `None`: a pause.
    pub(super) fn next(self) -> Option<Chore> {
        match self {
            Chore::Alive => Some(Chore::Mutex),
            Chore::Mutex => Some(Chore::Neighbours),
            Chore::Neighbours => None,
        }
    }
}

/// Which of a server's places a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Register,
    Chore,
    List,
    Put,
}

/// What stands in the way of asking a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It does not know us.
    Unknown,
    /// It says that it has registered us. It says that to everybody who comes with a known name, so nothing is proven.
    Registered,
    /// It has answered as one that knows us.
    Known,
}

#[derive(Debug)]
pub(super) struct Post {
    pub(super) server: Server,
    standing: Standing,
    /// Goes up with every registration: a refusal of what was asked before one says nothing about it.
    pub(super) registrations: u32,
    backoff: Backoff,
    /// Nothing is asked before.
    rest_until: Instant,
    registered_at: Instant,
    /// Trouble has been told and has not ended.
    pub(super) troubled: bool,
    pub(super) register: Option<CallId>,
    pub(super) chore: Option<CallId>,
    pub(super) list: Option<CallId>,
    /// When messages are asked for next, and since when they are being asked for.
    pub(super) list_at: Instant,
    pub(super) next_chore: Chore,
    pub(super) chore_at: Instant,
    /// To be acknowledged with the next question, and then not again: it is known what the server holds only right after
    /// it has told.
    pub(super) ack: Option<u64>,
    /// Messages that were delivered and may come again, because it is not certain that they are gone from the server.
    pub(super) handed: Vec<Letter>,
}

impl Post {
    pub(super) fn new(now: Instant, server: Server) -> Post {
        Post {
            server,
            standing: Standing::Unknown,
            registrations: 0,
            backoff: Backoff::default(),
            rest_until: now,
            registered_at: now,
            troubled: false,
            register: None,
            chore: None,
            list: None,
            list_at: now,
            next_chore: Chore::Alive,
            chore_at: now,
            ack: None,
            handed: Vec::new(),
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.server.style == Style::Clean
    }

    pub(super) fn is_resting(&self, now: Instant) -> bool {
        self.rest_until > now
    }

    /// Whether messages can be left there now.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.standing != Standing::Unknown && !self.is_resting(now)
    }

    /// What is to be asked now, messages to others apart.
    pub(super) fn due(&self, now: Instant) -> Option<Place> {
        if self.is_resting(now) {
            return None;
        }
        if self.standing == Standing::Unknown {
            return self.register.is_none().then_some(Place::Register);
        }
        // First what is answered at once: it shows whether the server knows us.
        if self.chore.is_none() && self.chore_at <= now {
            return Some(Place::Chore);
        }
        (self.list.is_none() && self.list_at <= now).then_some(Place::List)
    }

    /// When [`Post::due`] has to be asked again, if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.standing == Standing::Unknown {
            return self.register.is_none().then_some(self.rest_until);
        }
        let chore = self.chore.is_none().then_some(self.chore_at);
        let list = self.list.is_none().then_some(self.list_at);
        [chore, list].into_iter().flatten().min().map(|at| at.max(self.rest_until))
    }

    /// From when on messages to others can be left there, as things stand.
    pub(super) fn opens(&self) -> Option<Instant> {
        (self.standing != Standing::Unknown).then_some(self.rest_until)
    }

    /// It says that it has registered us.
    pub(super) fn registered(&mut self, now: Instant) {
        self.standing = Standing::Registered;
        self.registered_at = now;
        self.registrations = self.registrations.wrapping_add(1);
        (self.next_chore, self.chore_at, self.list_at) = (Chore::Alive, now, now);
    }

    /// It has answered as one that knows us. Whether that is new.
    pub(super) fn knows_us(&mut self) -> bool {
        self.backoff.reset();
        self.troubled = false;
        std::mem::replace(&mut self.standing, Standing::Known) != Standing::Known
    }

    /// It does not know us. `true`: it said that it had registered us and never that it knows us, so something is wrong.
    pub(super) fn refused(&mut self, now: Instant, rng: &mut fastrand::Rng) -> bool {
        let before = std::mem::replace(&mut self.standing, Standing::Unknown);
        if before == Standing::Registered {
            self.rest(now, rng);
        } else if now.saturating_duration_since(self.registered_at) < FORGETFUL {
            // Not in a circle as fast as the network can.
            self.rest_until = self.rest_until.max(now + IDLE.mul_f64(0.5 + rng.f64()));
        }
        before == Standing::Registered
    }

    /// Leaves it in peace for a while, longer each time.
    pub(super) fn rest(&mut self, now: Instant, rng: &mut fastrand::Rng) {
        self.rest_until = self.rest_until.max(now + self.backoff.next(rng, Duration::ZERO));
    }

    /// Tries it at once.
    pub(super) fn wake(&mut self, now: Instant) {
        self.backoff.reset();
        (self.rest_until, self.troubled) = (now, false);
        self.list_at = now;
        if self.standing != Standing::Unknown {
            (self.next_chore, self.chore_at) = (Chore::Alive, now);
        }
    }

    /// A chore has been answered; the next one.
    pub(super) fn chore_done(&mut self, now: Instant, pause: Duration) {
        (self.next_chore, self.chore_at) = match self.next_chore.next() {
            Some(next) => (next, now),
            None => (Chore::Alive, now + pause),
        };
    }

    /// Messages have come, or none; when to ask for the next.
    pub(super) fn listed(&mut self, now: Instant, was_empty: bool) {
        let waited = now.saturating_duration_since(self.list_at);
        self.list_at = now + if was_empty && waited < IDLE { IDLE } else { AGAIN };
    }

    /// Takes a request out of its place. `None`: it has none of these.
    pub(super) fn vacate(&mut self, id: CallId) -> Option<Place> {
        let places = [
            (&mut self.register, Place::Register),
            (&mut self.chore, Place::Chore),
            (&mut self.list, Place::List),
        ];
        for (place, name) in places {
            if *place == Some(id) {
                *place = None;
                return Some(name);
            }
        }
        None
    }

    /// Takes all requests out of their places.
    pub(super) fn vacate_all(&mut self) -> impl Iterator<Item = CallId> {
        [self.register.take(), self.chore.take(), self.list.take()].into_iter().flatten()
    }

    /// What of `letters` has not been delivered yet.
    pub(super) fn fresh(&mut self, letters: Vec<Letter>) -> Vec<Letter> {
        if self.handed.is_empty() {
            return letters;
        }
        let mut known = BTreeMap::new();
        for Letter { number, digits } in std::mem::take(&mut self.handed) {
            *known.entry((number, digits)).or_insert(0_usize) += 1;
        }
        let mut fresh = Vec::new();
        for Letter { number, digits } in letters {
            let key = (number, digits);
            match known.get_mut(&key).filter(|left| **left > 0) {
                // One of several that say the same stands for one.
                Some(left) => *left -= 1,
                None => fresh.push(Letter { number: key.0, digits: key.1 }),
            }
        }
        fresh
    }
}
