//! A lock that costs the thread that takes it all the time no atomic operation.
//!
//! An ordinary lock is taken by one and given back by another; for a short line that is a third of what sending costs. Nearly
//! always the same thread takes it. That thread becomes the lock's *owner*: it writes at its own [`Desk`] which lock it is in,
//! looks whether it is still the owner, and is in. Everybody else takes an ordinary lock and the ownership away:
//!
//! ```text
//!   owner        desk.at = lock ── light ── owner is me?  yes: in ── ... ── desk.at = 0 ── light ── owner is me?  no: wake him
//!                                                         no: desk.at = 0, as everybody else
//!   another      others.lock() ── owner = none ── heavy ── owner's desk.at = lock?  wait until it is not ── in
//! ```
//!
//! Between `light` and [`heavy`](super::barrier::heavy) at least one sees what the other has written: the owner that it is no longer
//! the owner, or the other that the owner is in. On the way out the same holds again, so who waits is woken. A thread writes
//! at its own desk only, which is why the ownership may go to any thread. `tests/loom` runs this file through all
//! interleavings of its threads.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::barrier::{WORTH, heavy, light, ready};
use super::sync::{AtomicPtr, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering};

/// A thread's own, which stays with it.
pub(crate) struct Desk(Arc<Place>, PhantomData<*const ()>);

/// In which lock a thread is as the owner.
struct Place {
    /// The lock's address, 0 = none. Written by its thread only.
    at: AtomicUsize,
    gate: Mutex<()>,
    left: Condvar,
}

impl Desk {
    pub(crate) fn new() -> Desk {
        let place = Place { at: AtomicUsize::new(0), gate: Mutex::new(()), left: Condvar::new() };
        Desk(Arc::new(place), PhantomData)
    }
}

impl Place {
    /// Waits until the thread has left that lock.
    fn wait_for_leave(&self, lock: usize) {
        let is_in = || self.at.load(Ordering::Acquire) == lock;
        if is_in() {
            let mut gate = self.gate.lock();
            while is_in() {
                self.left.wait(&mut gate);
            }
        }
    }

    /// Somebody has taken the ownership away, and may wait for it.
    #[cold]
    fn tell_left(&self) {
        drop(self.gate.lock());
        self.left.notify_all();
    }
}

/// See the module.
pub(crate) struct Biased<T> {
    /// Changed with `others` locked only: to none by anybody, to a thread's desk by that thread.
    owner: AtomicPtr<Place>,
    others: Mutex<Others>,
    value: UnsafeCell<T>,
}

/// What is known with the lock taken by the long way.
struct Others {
    /// The owner's desk lives as long as it is the owner.
    desk: Option<Arc<Place>>,
    /// Who took it last, and how often in a row; to compare with only.
    last: *const Place,
    streak: u32,
}

// SAFETY: `last` is compared and never followed; the rest goes to another thread by itself.
unsafe impl Send for Others {}
// SAFETY: a lock gives its value to one thread at a time (see the module), so that it has to be able to go from one to another.
unsafe impl<T: Send> Sync for Biased<T> {}
// SAFETY: as what it consists of; `owner` is compared and never followed.
unsafe impl<T: Send> Send for Biased<T> {}

impl<T> Biased<T> {
    pub(crate) fn new(value: T) -> Biased<T> {
        Biased {
            owner: AtomicPtr::new(std::ptr::null_mut()),
            others: Mutex::new(Others { desk: None, last: std::ptr::null(), streak: 0 }),
            value: UnsafeCell::new(value),
        }
    }

    fn number(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Takes the lock, and the ownership from whoever has it.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard { lock: self, way: Way::Long(self.long_way(None)) }
    }

    /// Takes the lock for the thread that `me` is the desk of. Who does nothing else for a while becomes the owner.
    #[inline]
    pub(crate) fn lock_by<'a>(&'a self, Desk(me, _): &'a Desk) -> Guard<'a, T> {
        if self.short_way(me) {
            return Guard { lock: self, way: Way::Short(me) };
        }
        Guard { lock: self, way: Way::Long(self.long_way(Some(me))) }
    }

    /// Takes the lock for the thread that `me` is the desk of, if that is its owner; else nothing. As [`Biased::lock_by`], in
    /// fewer steps.
    #[inline(always)]
    pub(crate) fn lock_as_owner<'a>(&'a self, Desk(me, _): &'a Desk) -> Option<Own<'a, T>> {
        if self.short_way(me) { Some(Own { lock: self, me }) } else { None }
    }

    #[inline(always)]
    fn short_way(&self, me: &Arc<Place>) -> bool {
        let desk = Arc::as_ptr(me).cast_mut();
        // One desk has place for one lock: in a second one at once its thread is as everybody else.
        if self.owner.load(Ordering::Relaxed) != desk || me.at.load(Ordering::Relaxed) != 0 {
            return false;
        }
        // Release: whoever reads this instead of the 0 before it has to see as much.
        me.at.store(self.number(), Ordering::Release);
        light();
        if self.owner.load(Ordering::Relaxed) == desk {
            return true;
        }
        self.leave(me);
        false
    }

    #[inline(always)]
    fn leave(&self, me: &Place) {
        me.at.store(0, Ordering::Release);
        light();
        if !std::ptr::eq(self.owner.load(Ordering::Relaxed), me) {
            me.tell_left();
        }
    }

    #[inline(never)]
    fn long_way(&self, me: Option<&Arc<Place>>) -> MutexGuard<'_, Others> {
        let mut others = self.others.lock();
        if let Some(owner) = others.desk.take() {
            self.owner.store(std::ptr::null_mut(), Ordering::Relaxed);
            heavy();
            owner.wait_for_leave(self.number());
        }
        let last = me.map_or(std::ptr::null(), Arc::as_ptr);
        if last.is_null() || last != others.last {
            (others.last, others.streak) = (last, 0);
            return others;
        }
        others.streak = others.streak.saturating_add(1);
        if let Some(me) = me
            && others.streak >= WORTH
            && ready()
        {
            (others.last, others.streak) = (std::ptr::null(), 0);
            others.desk = Some(Arc::clone(me));
            self.owner.store(Arc::as_ptr(me).cast_mut(), Ordering::Relaxed);
        }
        others
    }

    /// Whether it has an owner.
    #[cfg(test)]
    pub(crate) fn is_owned(&self) -> bool {
        !self.owner.load(Ordering::Relaxed).is_null()
    }
}

/// The lock is taken by the short way as long as this lives.
pub(crate) struct Own<'a, T> {
    lock: &'a Biased<T>,
    me: &'a Place,
}

impl<T> Deref for Own<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: who has come in by the short way is the only one in (see the module), until this is dropped.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Own<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and this is borrowed for as long.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Own<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.lock.leave(self.me);
    }
}

/// The lock is taken as long as this lives.
pub(crate) struct Guard<'a, T> {
    lock: &'a Biased<T>,
    way: Way<'a>,
}

enum Way<'a> {
    Short(&'a Place),
    Long(#[expect(dead_code, reason = "held")] MutexGuard<'a, Others>),
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: who has a guard is the only one to have one (see the module).
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed for as long.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Way::Short(desk) = self.way {
            self.lock.leave(desk);
        }
    }
}
