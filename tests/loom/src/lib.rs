//! What the library's threads agree on without a lock, as it stands in the library, run by loom through the interleavings of
//! the threads and through what their loads may see of stores in them: the lock of a connection (`src/os/biased.rs`), and the
//! turns of those who drive the runtime (`src/node/lease/turns.rs`).
//!
//! What differs from the library: atomics and ordinary locks are loom's, and both sides of the barrier are an ordinary
//! full one, which is what the system's makes of them. That the barrier is needed is shown by leaving it out.
#![cfg(test)]

#[path = "../../../src/os/biased.rs"]
mod biased;

mod lease {
    #[path = "../../../../src/node/lease/turns.rs"]
    #[allow(dead_code, reason = "what the library's own tests look at")]
    mod turns;

    /// A wait with a limit is over at once: whatever else may run first, does in some interleaving.
    mod sync {
        pub(crate) use crate::sync::{Condvar, Mutex, Ordering};
        pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, fence};
    }

    mod tests;
}

mod barrier {
    use std::cell::Cell;

    use loom::sync::atomic::{Ordering::SeqCst, fence};

    pub(crate) const WORTH: u32 = 1;

    std::thread_local!(pub(crate) static LEFT_OUT: Cell<bool> = const { Cell::new(false) });

    pub(crate) fn light() {
        if !LEFT_OUT.get() {
            fence(SeqCst);
        }
    }

    pub(crate) fn heavy() {
        fence(SeqCst);
    }

    pub(crate) fn ready() -> bool {
        true
    }
}

/// Loom's, with the face of parking_lot's.
mod sync {
    use std::ops::{Deref, DerefMut};

    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);
    pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>, &'a loom::sync::Mutex<T>);
    pub(crate) struct Condvar(loom::sync::Condvar);

    impl Default for Condvar {
        fn default() -> Condvar {
            Condvar::new()
        }
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap()), &self.0)
        }
    }

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Mutex<T> {
            Mutex::new(T::default())
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            self.0.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().unwrap()
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Condvar {
            Condvar(loom::sync::Condvar::new())
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            guard.0 = Some(self.0.wait(guard.0.take().unwrap()).unwrap());
        }

        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: std::time::Duration) {
            drop(guard.0.take());
            loom::thread::yield_now();
            guard.0 = Some(guard.1.lock().unwrap());
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}

mod tests;
