//! A memory barrier that costs only one of two sides.
//!
//! Where one thread says something and then looks at what another has said, and the other does it the other way round, each
//! needs a full barrier between the two, or both may look too early. A barrier costs as much as an atomic operation. If one
//! side does it millions of times a second and the other seldom, the other can pay for both: [`heavy`] makes the system
//! run a barrier on every CPU that runs a thread of this process, between whatever that thread does; [`light`] is then
//! nothing but the compiler's promise to keep the order. (Linux: membarrier(2), since 4.14. Elsewhere [`ready`] says no.)

use std::sync::atomic::{AtomicU8, Ordering::SeqCst, compiler_fence};

/// Nobody has asked for it; being made ready; there is none; it works.
const UNASKED: u8 = 0;
const ASKED: u8 = 1;
const NONE: u8 = 2;
const READY: u8 = 3;

/// So many takings of an ordinary lock are worth a [`heavy`], several times over.
pub(super) const WORTH: u32 = if cfg!(test) { 4 } else { 64 };

static STATE: AtomicU8 = AtomicU8::new(UNASKED);

/// The side that pays nothing, once [`ready`] has said yes.
#[inline(always)]
pub(super) fn light() {
    compiler_fence(SeqCst);
}

/// Whether [`heavy`] works. The first to ask has it made ready: the system takes some milliseconds for that, so a thread of
/// its own waits for it, once in a process.
pub(super) fn ready() -> bool {
    match STATE.load(SeqCst) {
        READY => true,
        UNASKED => {
            if STATE.compare_exchange(UNASKED, ASKED, SeqCst, SeqCst).is_ok() {
                let register = || STATE.store(if system::register() { READY } else { NONE }, SeqCst);
                let thread = std::thread::Builder::new().name("p2pnet-barrier".into()).stack_size(64 << 10);
                if super::thread::with_signals_blocked(|| thread.spawn(register)).is_err() {
                    STATE.store(NONE, SeqCst);
                }
            }
            false
        }
        _ => false,
    }
}

/// The side that pays for both, some microseconds.
pub(super) fn heavy() {
    std::sync::atomic::fence(SeqCst);
    if !system::barrier() {
        // It did work when it was made ready. Whatever forbids it now, no CPU keeps to itself for as long as this what a
        // thread has stored.
        STATE.store(NONE, SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::sync::atomic::fence(SeqCst);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes numbers only, and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub(super) fn register() -> bool {
        membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED)
    }

    pub(super) fn barrier() -> bool {
        membarrier(PRIVATE_EXPEDITED)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn barrier() -> bool {
        false
    }
}
