//! What [`super::biased`] is made of. `tests/loom` puts other things of the same names in its place.

pub(super) use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

pub(super) use parking_lot::{Condvar, Mutex, MutexGuard};
