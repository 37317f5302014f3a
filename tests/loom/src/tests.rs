//! Every thread adds one as often as it has the lock. Loom fails if two are in at once, if one does not see what the one
//! before it has done, and if nobody can go on.

use std::sync::Arc;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::thread;

use crate::barrier::LEFT_OUT;
use crate::biased::{Biased, Desk, Guard};

type Lock = Arc<Biased<UnsafeCell<u32>>>;

fn lock() -> Lock {
    Arc::new(Biased::new(UnsafeCell::new(0)))
}

fn add_one(guard: Guard<'_, UnsafeCell<u32>>) -> u32 {
    guard.with_mut(|n| {
        // SAFETY: loom sees to it that there is nobody else.
        unsafe {
            *n += 1;
            *n
        }
    })
}

/// Takes it so often that the last time is by the short way, if nobody comes between.
fn owner(lock: &Lock, desk: &Desk, more: u32) {
    for _ in 0..2 + more {
        add_one(lock.lock_by(desk));
    }
}

/// Another thread, by the long way.
fn another(lock: &Lock) -> thread::JoinHandle<u32> {
    let lock = lock.clone();
    thread::spawn(move || add_one(lock.lock()))
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    // Other threads come between so often at most. (Without a bound the largest one takes a day.)
    builder.preemption_bound = None;
    builder.max_branches = 20_000;
    builder.check(model);
}

#[test]
fn one_owner_and_another() {
    explore(|| {
        let (lock, desk) = (lock(), Desk::new());
        owner(&lock, &desk, 0);
        assert!(lock.is_owned());
        let other = another(&lock);
        add_one(lock.lock_by(&desk));
        add_one(lock.lock_by(&desk));
        other.join().unwrap();
        assert_eq!(add_one(lock.lock()), 6);
    });
}

/// The way of short lines: in by the short way or not at all.
#[test]
fn the_owner_in_fewer_steps() {
    explore(|| {
        let (lock, desk) = (lock(), Desk::new());
        owner(&lock, &desk, 0);
        let other = another(&lock);
        let mut done = 0;
        for _ in 0..2 {
            if let Some(n) = lock.lock_as_owner(&desk) {
                // SAFETY: as above.
                n.with_mut(|n| unsafe { *n += 1 });
                done += 1;
            }
        }
        other.join().unwrap();
        assert_eq!(add_one(lock.lock()), 2 + done + 2);
    });
}

#[test]
fn one_owner_and_two_others() {
    explore(|| {
        let (lock, desk) = (lock(), Desk::new());
        owner(&lock, &desk, 0);
        let others = [another(&lock), another(&lock)];
        add_one(lock.lock_by(&desk));
        others.into_iter().for_each(|other| {
            other.join().unwrap();
        });
        assert_eq!(add_one(lock.lock()), 6);
    });
}

#[test]
fn the_ownership_goes_to_another_thread() {
    explore(|| {
        let (lock, desk) = (lock(), Desk::new());
        owner(&lock, &desk, 0);
        let other = {
            let lock = lock.clone();
            thread::spawn(move || owner(&lock, &Desk::new(), 1))
        };
        add_one(lock.lock_by(&desk));
        other.join().unwrap();
        assert_eq!(add_one(lock.lock()), 7);
    });
}

#[test]
fn the_owner_of_two_locks() {
    explore(|| {
        let (locks, desk) = ([lock(), lock()], Desk::new());
        locks.iter().for_each(|lock| owner(lock, &desk, 0));
        let other = another(&locks[0]);
        let first = locks[0].lock_by(&desk);
        // Within the other one: not by the short way, for which the desk has no place.
        add_one(locks[1].lock_by(&desk));
        add_one(first);
        add_one(locks[1].lock_by(&desk));
        other.join().unwrap();
        assert_eq!((add_one(locks[0].lock()), add_one(locks[1].lock())), (5, 5));
    });
}

#[test]
#[should_panic]
fn without_the_barrier_two_are_in_at_once() {
    LEFT_OUT.set(true);
    explore(|| {
        let (lock, desk) = (lock(), Desk::new());
        owner(&lock, &desk, 0);
        let other = another(&lock);
        add_one(lock.lock_by(&desk));
        other.join().unwrap();
    });
}
