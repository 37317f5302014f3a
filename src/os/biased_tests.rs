use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::biased::{Biased, Desk};

/// Takes the lock until it is the owner, which needs the barrier to be ready. Whether the system has one.
fn become_owner(lock: &Biased<u64>, me: &Desk) -> bool {
    let until = Instant::now() + Duration::from_secs(20);
    while !lock.is_owned() && Instant::now() < until {
        *lock.lock_by(me) += 1;
    }
    lock.is_owned()
}

#[test]
fn who_takes_it_often_becomes_the_owner_until_another_comes() {
    let (lock, me) = (Biased::new(0), Desk::new());
    if !become_owner(&lock, &me) {
        println!("skipped: the system has no membarrier(2)");
        return;
    }
    let before = *lock.lock_by(&me);
    *lock.lock_as_owner(&me).unwrap() += 1;
    assert!(lock.is_owned());
    let own = lock.lock_by(&me);
    assert!(lock.lock_as_owner(&me).is_none(), "it is taken");
    drop(own);
    assert_eq!(*lock.lock(), before + 1);
    assert!(!lock.is_owned(), "another has taken it");
    assert!(lock.lock_as_owner(&me).is_none());
    assert!(become_owner(&lock, &me));
    let other = Desk::new();
    assert!(*lock.lock_by(&other) > before);
    assert!(!lock.is_owned());
}

/// The owner, others who take the ownership away, and another who becomes the owner in between: nothing is counted twice or
/// not at all. (`tests/loom` goes through all that can happen; this is about the system's barrier.)
#[test]
fn nobody_is_in_at_once_with_another() {
    const TIMES: u64 = 100_000;
    let (lock, done, others) = (Biased::new(0_u64), AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|s| {
        let owners = [(); 2].map(|()| {
            s.spawn(|| {
                let me = Desk::new();
                for i in 0..TIMES {
                    let add = |n: &mut u64| {
                        let before = *n;
                        std::hint::black_box(&mut *n);
                        *n = before + 1;
                    };
                    if i % 2 == 0
                        && let Some(mut n) = lock.lock_as_owner(&me)
                    {
                        add(&mut n);
                        continue;
                    }
                    add(&mut lock.lock_by(&me));
                }
            })
        });
        for _ in 0..2 {
            s.spawn(|| {
                while !done.load(SeqCst) {
                    *lock.lock() += 1;
                    others.fetch_add(1, SeqCst);
                    std::thread::yield_now();
                }
            });
        }
        owners.into_iter().for_each(|owner| owner.join().unwrap());
        done.store(true, SeqCst);
    });
    assert_eq!(*lock.lock(), 2 * TIMES + others.load(SeqCst));
}
