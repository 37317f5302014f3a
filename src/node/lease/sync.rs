//! What [`super::turns`] is made of. `tests/loom` puts other things of the same names in its place.

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

pub(super) use parking_lot::{Condvar, Mutex};
