//! When to ask for nodes, when to be listed, when to be taken off the list.
//!
//! PyP2P does this in `Net.synchronize`, whenever the program happens to look at the net. Its rules: bootstrap again
//! every 30 minutes while outbound connections are wanted; advertise again every 12 hours while under `min_connected`
//! inbound connections; tell the server to forget us when inbound is full. Three things are better here: a full node
//! says so once (not at every look), it is listed again once there is room, and a node with too few connections asks
//! again soon, with a doubling pause, instead of sitting alone for half an hour.
//!
//! Nothing happens by itself before the program has called bootstrap or advertise for the first time.

use std::time::{Duration, Instant};

/// The intervals, from the configuration.
#[derive(Clone, Debug)]
pub struct Intervals {
    /// Between two bootstraps.
    pub bootstrap: Duration,
    /// Between two advertisements.
    pub advertise: Duration,
    /// Before the first early bootstrap; doubles.
    pub retry: Duration,
}

/// How many connections there are and may be.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the names are the options'")]
pub struct Load {
    pub inbound: usize,
    pub outbound: usize,
    pub max_inbound: usize,
    pub max_outbound: usize,
    pub min_connected: usize,
}

impl Load {
    fn is_full(&self) -> bool {
        self.inbound >= self.max_inbound
    }

    fn is_poor(&self) -> bool {
        self.inbound + self.outbound < self.min_connected
    }

    fn wants_outbound(&self) -> bool {
        self.outbound < self.max_outbound
    }
}

/// Something to do with the rendezvous servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Ask for nodes.
    Bootstrap,
    /// Be listed.
    Advertise,
    /// Be taken off the list.
    Clear,
}

/// Early repetitions come this much sooner or later, at random, so that the nodes of a network that lost its server do
/// not come back in step, and two that dialled each other at once do not do it again.
const JITTER: f64 = 0.25;

/// The state of a node's upkeep.
#[derive(Debug)]
pub struct Upkeep {
    every: Intervals,
    rng: fastrand::Rng,
    /// What the next early repetition's pause is multiplied by.
    jitter: f64,
    /// When the last bootstrap ended; `None` before the first.
    bootstrapped: Option<Instant>,
    bootstrapping: bool,
    /// The pause before the next early bootstrap.
    pause: Duration,
    /// When the last chore that changes the listing ended; `None` before the first.
    relisted: Option<Instant>,
    /// The pause before such a chore is repeated because it failed or was undone.
    listing_pause: Duration,
    /// Such a chore is under way.
    listing: bool,
    /// The last such chore was done by a server.
    settled: bool,
    /// Whether a server may have us on its list: also when its answer to an advertisement was lost.
    listed: bool,
    /// Whether the last advertisement was answered and not undone since.
    confirmed: bool,
    /// Whether the program has asked us to be listed.
    wants_listing: bool,
    /// What the list says of us is no longer true.
    moved: bool,
}

impl Upkeep {
    /// The upkeep of a node that has done nothing yet.
    pub fn new(every: Intervals, rng: fastrand::Rng) -> Upkeep {
        let (pause, every_retry) = (every.retry, every.retry);
        Upkeep {
            every,
            rng,
            jitter: 1.0,
            bootstrapped: None,
            bootstrapping: false,
            pause,
            relisted: None,
            listing_pause: every_retry,
            listing: false,
            settled: true,
            listed: false,
            confirmed: false,
            wants_listing: false,
            moved: false,
        }
    }

    /// Others reach us by another address or port than before: a list that has us is told, as soon as nothing else is
    /// being told.
    pub fn moved(&mut self) {
        self.moved = self.listed;
    }

    /// A chore has begun, by our own decision or the program's.
    pub fn begun(&mut self, chore: Chore) {
        self.moved &= chore == Chore::Bootstrap;
        match chore {
            Chore::Bootstrap => self.bootstrapping = true,
            Chore::Advertise => {
                self.wants_listing = true;
                self.listing = true;
                self.listed = true;
            }
            Chore::Clear => self.listing = true,
        }
    }

    /// A chore has ended. `done`: at least one server did it.
    pub fn ended(&mut self, chore: Chore, done: bool, now: Instant) {
        self.jitter = 1.0 - JITTER + 2.0 * JITTER * self.rng.f64();
        match chore {
            Chore::Bootstrap => {
                self.bootstrapping = false;
                if self.bootstrapped.is_some() {
                    self.pause = (self.pause * 2).min(self.every.bootstrap);
                }
                self.bootstrapped = Some(now);
            }
            Chore::Advertise | Chore::Clear => {
                self.listing = false;
                self.settled = done;
                self.confirmed = done && chore == Chore::Advertise;
                // A server that did not answer a CLEAR may have us still.
                self.listed &= !(done && chore == Chore::Clear);
                self.listing_pause =
                    if done { self.every.retry } else { (self.listing_pause * 2).min(self.every.advertise) };
                self.relisted = Some(now);
            }
        }
    }

    /// Whether a server may still have us on its list, so that stopping has to clear it.
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// A connection was opened: the next shortage starts with the short pause again.
    pub fn connected(&mut self) {
        self.pause = self.every.retry;
    }

    fn early(&self, pause: Duration, most: Duration) -> Duration {
        pause.min(most).mul_f64(self.jitter)
    }

    /// When to bootstrap next, given the load.
    fn bootstrap_at(&self, load: &Load) -> Option<Instant> {
        let last = self.bootstrapped.filter(|_| !self.bootstrapping && load.wants_outbound())?;
        Some(
            last + if load.is_poor() {
                self.early(self.pause, self.every.bootstrap)
            } else {
                self.every.bootstrap
            },
        )
    }

    /// When to advertise next, given the load.
    fn advertise_at(&self, load: &Load) -> Option<Instant> {
        let last = self.relisted.filter(|_| self.wants_listing && !self.listing && !load.is_full())?;
        if self.moved {
            return Some(last);
        }
        if !self.confirmed {
            // We left because we were full, or no server answered: back soon.
            return Some(last + self.early(self.listing_pause, self.every.advertise));
        }
        (load.inbound < load.min_connected).then(|| last + self.every.advertise)
    }

    /// When to be taken off the list, given the load.
    fn clear_at(&self, load: &Load) -> Option<Instant> {
        let last = self.relisted.filter(|_| self.listed && !self.listing && load.is_full())?;
        Some(if self.settled { last } else { last + self.early(self.listing_pause, self.every.advertise) })
    }

    /// The chore that is due, if any. Tell [`Upkeep::begun`] when it begins.
    pub fn due(&self, now: Instant, load: &Load) -> Option<Chore> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.clear_at(load)) {
            return Some(Chore::Clear);
        }
        if is_due(self.bootstrap_at(load)) {
            return Some(Chore::Bootstrap);
        }
        is_due(self.advertise_at(load)).then_some(Chore::Advertise)
    }

    /// When to ask [`Upkeep::due`] again if nothing else happens.
    pub fn deadline(&self, load: &Load) -> Option<Instant> {
        [self.bootstrap_at(load), self.advertise_at(load), self.clear_at(load)].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    fn upkeep() -> (Upkeep, Instant) {
        let every = Intervals { bootstrap: 1800 * SEC, advertise: 43_200 * SEC, retry: 5 * SEC };
        (Upkeep::new(every, fastrand::Rng::with_seed(7)), Instant::now())
    }

    fn load(inbound: usize, outbound: usize) -> Load {
        Load { inbound, outbound, max_inbound: 10, max_outbound: 10, min_connected: 3 }
    }

    fn do_it(u: &mut Upkeep, chore: Chore, now: Instant) {
        u.begun(chore);
        u.ended(chore, true, now);
    }

    #[test]
    fn nothing_happens_before_the_program_asks() {
        let (u, t) = upkeep();
        assert_eq!(u.due(t + 100_000 * SEC, &load(0, 0)), None);
        assert_eq!(u.deadline(&load(0, 0)), None);
        assert!(!u.is_listed());
    }

    #[test]
    fn a_well_connected_node_bootstraps_every_half_hour() {
        let (mut u, t) = upkeep();
        do_it(&mut u, Chore::Bootstrap, t);
        assert_eq!(u.due(t + 1799 * SEC, &load(0, 3)), None);
        assert_eq!(u.due(t + 1800 * SEC, &load(0, 3)), Some(Chore::Bootstrap));
        assert_eq!(u.deadline(&load(0, 3)), Some(t + 1800 * SEC));
        assert_eq!(u.due(t + 1800 * SEC, &load(0, 10)), None, "no more outbound connections wanted");
    }

    #[test]
    fn a_lonely_node_asks_again_with_doubling_pauses() {
        let (mut u, mut now) = upkeep();
        do_it(&mut u, Chore::Bootstrap, now);
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let next = u.deadline(&load(0, 0)).unwrap();
            pauses.push((next - now).as_secs_f64());
            now = next;
            assert_eq!(u.due(now, &load(0, 0)), Some(Chore::Bootstrap));
            do_it(&mut u, Chore::Bootstrap, now);
        }
        let plain = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800].map(f64::from);
        for (pause, plain) in pauses.iter().zip(plain) {
            assert!((plain * 0.75..=plain * 1.25).contains(pause), "{pauses:?}");
        }
        assert!(pauses.iter().zip(plain).any(|(a, b)| (a - b).abs() > 0.01), "no jitter in {pauses:?}");
        u.connected();
        assert!(u.deadline(&load(0, 0)) <= Some(now + 7 * SEC));
    }

    #[test]
    fn one_chore_of_a_kind_at_a_time() {
        let (mut u, t) = upkeep();
        do_it(&mut u, Chore::Bootstrap, t);
        u.begun(Chore::Bootstrap);
        assert_eq!(u.due(t + 9999 * SEC, &load(0, 0)), None);
    }

    #[test]
    fn a_full_node_leaves_the_list_once_and_comes_back_when_there_is_room() {
        let (mut u, t) = upkeep();
        do_it(&mut u, Chore::Advertise, t);
        assert!(u.is_listed());
        assert_eq!(u.due(t, &load(10, 0)), Some(Chore::Clear));
        do_it(&mut u, Chore::Clear, t);
        assert!(!u.is_listed());
        assert_eq!(u.due(t + 99_999 * SEC, &load(10, 0)), None);
        assert_eq!(u.due(t + 7 * SEC, &load(9, 0)), Some(Chore::Advertise));
    }

    #[test]
    fn a_node_that_moved_says_so_once_after_what_is_under_way() {
        let (mut u, t) = upkeep();
        u.moved();
        assert_eq!(u.due(t, &load(0, 0)), None, "nobody has us on a list");
        u.begun(Chore::Advertise);
        u.moved();
        assert_eq!(u.due(t, &load(0, 0)), None, "two at once might arrive in any order");
        u.ended(Chore::Advertise, true, t);
        assert_eq!(u.due(t, &load(9, 0)), Some(Chore::Advertise));
        do_it(&mut u, Chore::Advertise, t);
        assert_eq!(u.due(t + SEC, &load(0, 0)), None);
        u.moved();
        assert_eq!(u.due(t + SEC, &load(10, 0)), Some(Chore::Clear), "a full node leaves");
        do_it(&mut u, Chore::Clear, t + SEC);
        u.moved();
        assert_eq!(u.due(t + SEC, &load(9, 0)), None, "it is listed again in its own time, as it is then");
    }

    #[test]
    fn a_clear_that_no_server_answered_is_tried_again() {
        let (mut u, t) = upkeep();
        do_it(&mut u, Chore::Advertise, t);
        u.begun(Chore::Clear);
        u.ended(Chore::Clear, false, t);
        assert!(u.is_listed());
        assert_eq!(u.due(t + 7 * SEC, &load(10, 0)), None, "not at once");
        assert_eq!(u.due(t + 13 * SEC, &load(10, 0)), Some(Chore::Clear));
        do_it(&mut u, Chore::Clear, t);
        assert!(!u.is_listed());
    }

    #[test]
    fn an_advertisement_whose_answer_was_lost_may_have_worked() {
        let (mut u, t) = upkeep();
        u.begun(Chore::Advertise);
        u.ended(Chore::Advertise, false, t);
        assert!(u.is_listed(), "stopping has to clear it");
    }

    #[test]
    fn advertises_again_only_while_few_have_come() {
        let (mut u, t) = upkeep();
        do_it(&mut u, Chore::Advertise, t);
        assert_eq!(u.due(t + 43_200 * SEC, &load(2, 0)), Some(Chore::Advertise));
        assert_eq!(u.due(t + 43_200 * SEC, &load(3, 0)), None);
    }

    #[test]
    fn an_advertisement_that_no_server_took_is_tried_again() {
        let (mut u, t) = upkeep();
        u.begun(Chore::Advertise);
        u.ended(Chore::Advertise, false, t);
        assert_eq!(u.due(t + 7 * SEC, &load(0, 0)), None);
        assert_eq!(u.due(t + 13 * SEC, &load(0, 0)), Some(Chore::Advertise));
        u.begun(Chore::Advertise);
        u.ended(Chore::Advertise, false, t);
        assert!(u.deadline(&load(0, 0)) >= Some(t + 15 * SEC));
    }
}
