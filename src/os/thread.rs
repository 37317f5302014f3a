//! Keeping the host's signals away from our thread.

/// Blocks every signal that can be blocked in the calling thread.
///
/// The host's handlers then run on the host's threads only, and a write to a broken connection on our thread returns
/// EPIPE instead of killing the process by SIGPIPE, whatever the host made of that signal.
pub(crate) fn block_signals() {
    // SAFETY: sigfillset fills the set it is given; pthread_sigmask reads it and changes only the calling thread.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&mut all);
        // A fault in our own thread must still be reported where it happened.
        for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP] {
            libc::sigdelset(&mut all, fault);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
    }
}

/// A number that is the same for one thread and different for any two that live at once; never 0.
pub(crate) fn current() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    // During a thread's very end its marks may be gone; 1 is no address of a mark.
    MARK.try_with(|mark| std::ptr::from_ref(mark) as usize).unwrap_or(1)
}
