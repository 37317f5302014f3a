//! What wakes a connection's task: a bell that any thread rings and one task listens for.
//!
//! As tokio's `Notify` with one waiter and `notify_one`, but nothing of it lives in the waiting task: that has to exist for each
//! idle connection. All of it is behind one lock, so a ring is either seen by the poll that follows or finds its waker.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// See the module.
#[derive(Default)]
pub(crate) struct Bell {
    listener: Mutex<Option<Waker>>,
    /// Changed with the lock held only; inside of it would be 8 bytes more.
    rung: AtomicBool,
}

impl Bell {
    /// Wakes the task, or keeps it from sleeping if it does not sleep yet. Rings that nobody has heard count as one.
    pub(crate) fn notify_one(&self) {
        let mut listener = self.listener.lock();
        self.rung.store(true, Relaxed);
        let sleeper = listener.take();
        drop(listener);
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// Ready once for all rings since the last time. Else the task is woken by the next.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut listener = self.listener.lock();
        if self.rung.load(Relaxed) {
            self.rung.store(false, Relaxed);
            return Poll::Ready(());
        }
        match &mut *listener {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Whether there is a ring that was not heard, or may be one soon.
    pub(crate) fn has_rung(&self) -> bool {
        self.rung.load(Relaxed)
    }

    /// Nobody listens any more.
    pub(crate) fn leave(&self) {
        let listener = self.listener.lock().take();
        drop(listener);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::Wake;
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_ring_before_the_poll_is_heard_and_several_count_as_one() {
        let (bell, woken) = (Bell::default(), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        bell.notify_one();
        bell.notify_one();
        assert!(bell.poll(&cx).is_ready());
        assert!(bell.poll(&cx).is_pending());
        assert_eq!(woken.0.load(SeqCst), 0);
    }

    #[test]
    fn a_sleeper_is_woken_once_and_by_its_newest_waker() {
        let (bell, old, new) = (Bell::default(), Arc::new(Woken::default()), Arc::new(Woken::default()));
        for woken in [&old, &new] {
            let waker = Waker::from(Arc::clone(woken));
            assert!(bell.poll(&Context::from_waker(&waker)).is_pending());
        }
        bell.notify_one();
        bell.notify_one();
        assert_eq!((old.0.load(SeqCst), new.0.load(SeqCst)), (0, 1));
        // Nothing is kept of who was woken, or has left.
        let waker = Waker::from(Arc::clone(&old));
        assert!(bell.poll(&Context::from_waker(&waker)).is_ready());
        assert!(bell.poll(&Context::from_waker(&waker)).is_pending());
        drop(waker);
        bell.leave();
        assert_eq!(Arc::strong_count(&old), 1);
        assert_eq!(Arc::strong_count(&new), 1);
    }

    /// A listener that sleeps after each ring is never left asleep: it counts as many steps as the ringer takes, each of
    /// which waits for the one before to be heard. One lost ring would leave both waiting for ever.
    #[test]
    fn no_ring_is_lost_between_threads() {
        const STEPS: usize = 20_000;
        let (bell, asked, heard) = (Bell::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                for step in 1..=STEPS {
                    asked.store(step, SeqCst);
                    bell.notify_one();
                    while heard.load(SeqCst) < step {
                        thread::yield_now();
                    }
                }
            });
            let listen = async {
                while heard.load(SeqCst) < STEPS {
                    poll_fn(|cx| bell.poll(cx)).await;
                    heard.store(asked.load(SeqCst), SeqCst);
                }
            };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(pin!(listen));
        });
        assert_eq!(heard.load(SeqCst), STEPS);
    }
}
