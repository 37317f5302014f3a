//! Asking for memory before it is needed.

/// Has the processor fetch the cache line where `at` begins, without waiting for it. A hint: where there is no such instruction
/// it does nothing.
#[inline(always)]
pub(crate) fn fetch_ahead<T>(at: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the instruction is part of every processor of this kind; it changes nothing a program can see, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>((&raw const *at).cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = at;
}
