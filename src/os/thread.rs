//! Threads of ours, and keeping the host's signals away from them.

use std::io;

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

/// Runs `f` with every signal blocked in the calling thread, and gives it its own mask back. A thread that `f` starts
/// inherits the block: there is no first moment in which it could be handed one of the host's signals.
pub(crate) fn with_signals_blocked<T>(f: impl FnOnce() -> T) -> T {
    // SAFETY: pthread_sigmask only stores the calling thread's mask in the set it is given.
    let before = unsafe {
        let mut before = std::mem::zeroed::<libc::sigset_t>();
        libc::pthread_sigmask(libc::SIG_SETMASK, std::ptr::null(), &mut before);
        before
    };
    block_signals();
    let done = f();
    // SAFETY: pthread_sigmask reads the mask that was this thread's and changes only this thread.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    done
}

/// Starts a thread of ours, on which no signal is ever handled. It is left to itself: whoever wants to know of its end lets it tell.
///
/// # Errors
/// The system's, if it gives no thread.
pub(crate) fn start(name: &str, stack: usize, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = std::thread::Builder::new().name(name.into()).stack_size(stack);
    // Behind one type: of each type of body std makes some kilobytes of code.
    let body: Box<dyn FnOnce() + Send> = Box::new(body);
    // Whoever starts it may be a thread of the program's (node/lease.rs).
    with_signals_blocked(|| thread.spawn(body)).map(drop)
}

/// The network namespace of the calling thread, as it was when it first asked: what sockets it makes belong to. `None`: the system has
/// no such thing, or does not tell.
pub(crate) fn network() -> Option<u64> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use std::os::unix::fs::MetadataExt;
        thread_local!(static MINE: Option<u64> =
            std::fs::metadata("/proc/thread-self/ns/net").ok().map(|file| file.ino()));
        MINE.try_with(|mine| *mine).ok().flatten()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    None
}

/// A number that is the same for one thread and different for any two that live at once; never 0.
pub(crate) fn current() -> usize {
    thread_local!(static MARK: u8 = const { 0 });
    // During a thread's very end its marks may be gone; 1 is no address of a mark.
    MARK.try_with(|mark| std::ptr::from_ref(mark) as usize).unwrap_or(1)
}
