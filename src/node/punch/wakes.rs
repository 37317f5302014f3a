//! Which of many sockets have something to say. Each gets a bell of its own in place of the task's waker; those that
//! have rung are looked at, in that order, and no others. So one task serves hundreds of sockets at a cost that goes by
//! what happens, not by how many there are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

/// The bells of one task.
pub(super) struct Wakes<K>(Arc<Mutex<Queue<K>>>);

struct Queue<K> {
    rung: VecDeque<Arc<Bell<K>>>,
    /// Who waits, if nobody has rung.
    task: Option<Waker>,
}

/// Weak: what the reactor still knows of must not keep all else alive.
struct Bell<K> {
    key: K,
    rung: AtomicBool,
    queue: Weak<Mutex<Queue<K>>>,
}

impl<K: Copy + Send + Sync + 'static> Wakes<K> {
    pub(super) fn new() -> Wakes<K> {
        Wakes(Arc::new(Mutex::new(Queue { rung: VecDeque::new(), task: None })))
    }

    /// A bell that has rung already: what is new is looked at once.
    pub(super) fn bell(&self, key: K) -> Waker {
        let bell = Arc::new(Bell { key, rung: AtomicBool::new(false), queue: Arc::downgrade(&self.0) });
        let waker = Waker::from(bell);
        waker.wake_by_ref();
        waker
    }

    /// The next that has rung. It may belong to what is gone by now.
    pub(super) fn poll_rung(&self, cx: &Context<'_>) -> Poll<K> {
        let mut queue = self.0.lock();
        match queue.rung.pop_front() {
            Some(bell) => {
                // Before the look, so that what happens during it rings again.
                bell.rung.store(false, Ordering::Release);
                Poll::Ready(bell.key)
            }
            None => {
                if queue.task.as_ref().is_none_or(|task| !task.will_wake(cx.waker())) {
                    queue.task = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl<K: Copy + Send + Sync + 'static> Wake for Bell<K> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(queue) = self.queue.upgrade() else { return };
        let task = {
            let mut queue = queue.lock();
            queue.rung.push_back(Arc::clone(self));
            queue.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rung_ones_come_once_each_in_their_order() {
        let wakes: Wakes<u8> = Wakes::new();
        let cx = Context::from_waker(Waker::noop());
        let (one, two) = (wakes.bell(1), wakes.bell(2));
        assert_eq!([wakes.poll_rung(&cx), wakes.poll_rung(&cx)], [Poll::Ready(1), Poll::Ready(2)]);
        assert!(wakes.poll_rung(&cx).is_pending());
        two.wake_by_ref();
        one.wake_by_ref();
        two.wake_by_ref();
        assert_eq!([wakes.poll_rung(&cx), wakes.poll_rung(&cx)], [Poll::Ready(2), Poll::Ready(1)]);
        assert!(wakes.poll_rung(&cx).is_pending());
        drop(wakes);
        one.wake();
    }
}
