//! Telling the program that events wait: a condition variable for `p2p_wait`, a file descriptor for `p2p_fd`.
//!
//! Both are touched only when the queue turns from empty to non-empty (and back, for the descriptor), and the descriptor
//! is made only when somebody asks for it, so a program that polls pays nothing.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::os::wake::WakeFd;

#[derive(Default)]
pub(crate) struct Signal {
    sleepers: AtomicU32,
    /// `p2p_wake` was called and no `p2p_wait` has ended by it yet.
    woken: Mutex<bool>,
    awake: Condvar,
    /// A thread waits by driving the runtime, and is woken by this.
    leads: AtomicBool,
    leader: Mutex<Option<Waker>>,
    fd: OnceLock<WakeFd>,
    has_fd: AtomicBool,
    /// Whether the descriptor is readable. The lock makes "look and switch" one step.
    raised: Mutex<bool>,
}

impl Signal {
    /// The queue has turned non-empty, or the net has ended. `ready` is asked again before the descriptor is raised: the
    /// program may have taken everything by then, and nothing would ever lower it.
    pub(crate) fn raise(&self, ready: impl Fn() -> bool) {
        if self.sleepers.load(SeqCst) != 0 {
            // Taking the lock makes sure that a waiter is either before its look at the queue or in its sleep.
            drop(self.woken.lock());
            self.awake.notify_all();
        }
        self.wake_leader();
        if self.has_fd.load(SeqCst) {
            self.raise_fd(ready);
        }
    }

    fn raise_fd(&self, ready: impl Fn() -> bool) {
        if let Some(fd) = self.fd.get() {
            let mut raised = self.raised.lock();
            if !*raised && ready() {
                fd.raise();
                *raised = true;
            }
        }
    }

    /// The queue has been found empty. `still_ready` is asked again once the descriptor is down, so that an event that
    /// came in between raises it again.
    pub(crate) fn lower(&self, still_ready: impl Fn() -> bool) {
        let Some(fd) = self.fd.get() else { return };
        {
            let mut raised = self.raised.lock();
            if *raised {
                fd.lower();
                *raised = false;
            }
        }
        self.raise_fd(still_ready);
    }

    /// Ends one [`Signal::wait`], the current or the next.
    pub(crate) fn wake(&self) {
        *self.woken.lock() = true;
        self.awake.notify_all();
        self.wake_leader();
    }

    fn wake_leader(&self) {
        if self.leads.load(SeqCst)
            && let Some(leader) = self.leader.lock().take()
        {
            leader.wake();
        }
    }

    /// Whether a thread waits by driving the runtime.
    pub(crate) fn is_led(&self) -> bool {
        self.leads.load(SeqCst)
    }

    /// As [`Signal::wait`], for the thread that drives the runtime meanwhile. `None`: it is to let go.
    pub(crate) fn poll_wait(
        &self,
        cx: &Context<'_>,
        ready: impl Fn() -> bool,
        let_go: impl Fn() -> bool,
    ) -> Poll<Option<bool>> {
        if ready() {
            return Poll::Ready(Some(true));
        }
        *self.leader.lock() = Some(cx.waker().clone());
        self.leads.store(true, SeqCst);
        // What came before the waker was there has woken nobody.
        if ready() {
            Poll::Ready(Some(true))
        } else if std::mem::take(&mut *self.woken.lock()) {
            Poll::Ready(Some(false))
        } else if let_go() {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    }

    /// The thread that has waited so goes.
    pub(crate) fn stop_leading(&self) {
        self.leads.store(false, SeqCst);
        *self.leader.lock() = None;
    }

    /// Whoever drives the runtime asks `let_go` again.
    pub(crate) fn let_go(&self) {
        self.wake_leader();
    }

    /// Sleeps until `ready`, a wake or the time-out (`None` = for ever). True if `ready`.
    pub(crate) fn wait(&self, timeout: Option<Duration>, ready: impl Fn() -> bool) -> bool {
        if ready() {
            return true;
        }
        let until = timeout.and_then(|t| Instant::now().checked_add(t));
        self.sleepers.fetch_add(1, SeqCst);
        let mut woken = self.woken.lock();
        let found = loop {
            if ready() {
                break true;
            }
            if std::mem::take(&mut *woken) {
                break false;
            }
            match until {
                None => self.awake.wait(&mut woken),
                Some(t) => {
                    if self.awake.wait_until(&mut woken, t).timed_out() {
                        break ready();
                    }
                }
            }
        };
        drop(woken);
        self.sleepers.fetch_sub(1, SeqCst);
        found
    }

    /// The descriptor that is readable while `ready`; made on the first call.
    pub(crate) fn fd(&self, ready: impl Fn() -> bool) -> io::Result<i32> {
        if self.fd.get().is_none() {
            // Two threads may both make one; the second is dropped.
            let _ = self.fd.set(WakeFd::new()?);
        }
        self.has_fd.store(true, SeqCst);
        self.raise_fd(ready);
        Ok(self.fd.get().map_or(-1, WakeFd::readable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_wake_before_the_wait_is_not_lost_and_ends_one_wait_only() {
        let s = Signal::default();
        s.wake();
        assert!(!s.wait(None, || false));
        assert!(!s.wait(Some(Duration::ZERO), || false));
    }

    #[test]
    fn a_raise_ends_the_wait_of_every_thread() {
        let s = Arc::new(Signal::default());
        let flag = Arc::new(AtomicBool::new(false));
        let waiters: Vec<_> = (0..4)
            .map(|_| {
                let (s, flag) = (Arc::clone(&s), Arc::clone(&flag));
                std::thread::spawn(move || s.wait(None, || flag.load(SeqCst)))
            })
            .collect();
        flag.store(true, SeqCst);
        s.raise(|| true);
        for w in waiters {
            assert!(w.join().unwrap());
        }
    }

    #[test]
    fn the_descriptor_follows_the_queue() {
        let s = Signal::default();
        let fd = s.fd(|| false).unwrap();
        let readable = || crate::os::wake::is_readable(fd);
        assert!(!readable());
        s.raise(|| false);
        assert!(!readable(), "the program had taken it before it was told");
        s.raise(|| true);
        s.raise(|| true);
        assert!(readable());
        s.lower(|| true);
        assert!(readable(), "an event came while it was lowered");
        s.lower(|| false);
        assert!(!readable());
        assert_eq!(s.fd(|| true).unwrap(), fd, "one descriptor per net");
        assert!(readable());
    }
}
