//! The own thread's watch while a thread of the program drives: does that come back, or is there nobody?
//!
//! A wake-up of the own thread for every event would cost what the lease saves. So it looks only now and then, while the
//! program's thread comes and goes; and sleeps for good while that thread stays inside, as in an idle net, where nothing may
//! tick. Then the next to leave wakes it, so that it looks again.

use std::time::Duration;

use super::sync::{AtomicBool, AtomicU64, Condvar, Mutex, Ordering::SeqCst, fence};

/// So long nobody drives at most, or twice that.
const LOOK: Duration = Duration::from_millis(10);
/// The same while a program lives by its events: then nobody has long been missing so far, and a look costs a context switch, which is
/// not to show in the slowest hundredth of its round trips.
const RARE: Duration = Duration::from_millis(40);
/// So many turns between two looks are such a program's.
const MANY: u64 = 64;
/// The same where something waits to be done; a program that handles an event is mostly back sooner.
const SHORT: Duration = Duration::from_micros(200);

/// When to look again, after a look by which there had been so many turns since the last.
fn next_look(look: Duration, turns: u64) -> Duration {
    if turns < MANY { LOOK } else { (look * 2).min(RARE) }
}

#[derive(Default)]
pub(super) struct Turns {
    /// A thread of the program has its turn. Changed by swaps only, as the next but one, whose order loom knows.
    inside: AtomicBool,
    /// How many turns have ended.
    left: AtomicU64,
    /// The own thread sleeps until the present turn ends.
    asleep: AtomicBool,
    /// Something waits to be done while nobody may be inside.
    pressing: AtomicBool,
    bed: Mutex<()>,
    rouse: Condvar,
}

/// A turn of a thread of the program; dropping it ends it.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Begins a turn. `None`: another thread has one.
    pub(super) fn enter(&self) -> Option<Turn<'_>> {
        // Made only when it is had: dropping one ends the turn.
        (!self.inside.swap(true, SeqCst)).then(|| Turn(self))
    }

    /// Sleeps until nobody has been inside for a while, or `over`; whoever makes it so calls [`Turns::rouse`].
    pub(super) fn stand_by(&self, over: impl Fn() -> bool) {
        let mut bed = self.bed.lock();
        let mut look = LOOK;
        while !over() {
            let left = self.left.load(SeqCst);
            let pressed = self.pressing.swap(false, SeqCst);
            self.rouse.wait_for(&mut bed, if pressed { SHORT } else { look });
            let turns = self.left.load(SeqCst).wrapping_sub(left);
            if !pressed {
                look = next_look(look, turns);
            }
            if self.pressing.load(SeqCst) || turns != 0 {
                // There is something to do, or they come and go.
                continue;
            }
            if !self.inside.load(SeqCst) {
                return;
            }
            self.asleep.swap(true, SeqCst);
            fence(SeqCst);
            // Whoever has left before he could see that I sleep, I see to have left.
            let still = self.inside.load(SeqCst) && self.left.load(SeqCst) == left;
            if still && !over() {
                self.rouse.wait(&mut bed);
            }
            self.asleep.swap(false, SeqCst);
        }
    }

    /// Something waits for whoever drives: the own thread looks sooner whether there is anybody.
    pub(super) fn press(&self) {
        if !self.inside.load(SeqCst) && !self.pressing.swap(true, SeqCst) {
            self.rouse();
        }
    }

    #[cfg(test)]
    pub(super) fn is_inside(&self) -> bool {
        self.inside.load(SeqCst)
    }

    /// Somebody is inside, and the own thread sleeps until he leaves.
    #[cfg(test)]
    pub(super) fn is_watched(&self) -> bool {
        self.asleep.load(SeqCst) && self.inside.load(SeqCst)
    }

    /// Wakes the own thread.
    pub(super) fn rouse(&self) {
        // With the lock it is either before its look or in its sleep.
        drop(self.bed.lock());
        self.rouse.notify_all();
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let turns = self.0;
        turns.left.fetch_add(1, SeqCst);
        turns.inside.swap(false, SeqCst);
        fence(SeqCst);
        if turns.asleep.swap(false, SeqCst) {
            turns.rouse();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_and_goes_all_the_time_is_looked_after_less_often_but_never_rarely() {
        let mut look = LOOK;
        for _ in 0..100 {
            look = next_look(look, MANY);
            assert!(look <= RARE);
        }
        assert_eq!(look, RARE);
        assert_eq!(next_look(look, MANY - 1), LOOK);
    }
}
