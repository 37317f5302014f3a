//! Tasks and root futures polled by hand.

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;
use std::thread;

use super::*;

/// Counts how often it was woken.
#[derive(Default)]
struct Root(AtomicUsize);

impl Wake for Root {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A root future that is polled by hand.
fn root() -> (Arc<Root>, Waker) {
    let root = Arc::new(Root::default());
    (Arc::clone(&root), Waker::from(root))
}

/// Counts its polls; says whether it was dropped.
#[derive(Clone, Default)]
struct Seen {
    polls: Arc<AtomicUsize>,
    alive: Arc<()>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Seen {
    fn task<P>(&self, mut poll: P) -> impl Future<Output = ()> + Unpin + use<P>
    where
        P: FnMut(&Context<'_>) -> Poll<()> + Unpin,
    {
        let seen = self.clone();
        poll_fn(move |cx| {
            // All of it moves in, to be dropped with the task.
            let seen = &seen;
            seen.polls.fetch_add(1, SeqCst);
            // A circle, as a connection has it: what wakes it is its own.
            *seen.waker.lock() = Some(cx.waker().clone());
            poll(cx)
        })
    }

    fn polls(&self) -> usize {
        self.polls.load(SeqCst)
    }

    fn wake(&self) {
        let waker = self.waker.lock().clone();
        waker.unwrap().wake();
    }

    fn is_dropped(&self) -> bool {
        Arc::strong_count(&self.alive) == 1
    }
}

#[test]
fn a_task_is_polled_when_it_begins_and_when_it_is_woken() {
    let (executor, seen, (root, waker)) = (Executor::default(), Seen::default(), root());
    let cx = Context::from_waker(&waker);
    executor.poll(&cx);
    executor.start(seen.task(|_| Poll::Pending));
    assert_eq!((root.0.load(SeqCst), seen.polls()), (1, 0), "whoever drives is woken, and polls it then");
    executor.poll(&cx);
    assert_eq!(seen.polls(), 1);
    executor.poll(&cx);
    assert_eq!(seen.polls(), 1, "nobody has woken it");
    seen.wake();
    seen.wake();
    assert_eq!(root.0.load(SeqCst), 2, "once is enough");
    executor.poll(&cx);
    assert_eq!(seen.polls(), 2);
}

#[test]
fn a_task_that_wakes_itself_comes_behind_the_others_and_not_for_ever() {
    let (executor, own, other, (root, waker)) =
        (Executor::default(), Seen::default(), Seen::default(), root());
    let cx = Context::from_waker(&waker);
    executor.start(own.task(|cx| {
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    executor.start(other.task(|_| Poll::Pending));
    executor.poll(&cx);
    assert_eq!((own.polls(), other.polls()), (AT_ONCE - 1, 1));
    assert_eq!(root.0.load(SeqCst), 1, "there is more to do, behind what else the runtime does");
}

#[test]
fn what_has_ended_is_dropped_and_its_number_taken_again() {
    let (executor, seen, (_, waker)) = (Executor::default(), Seen::default(), root());
    let cx = Context::from_waker(&waker);
    for _ in 0..3 {
        executor.start(seen.task(|_| Poll::Ready(())));
        executor.poll(&cx);
        assert!(seen.is_dropped());
        seen.wake();
        executor.poll(&cx);
    }
    assert_eq!((seen.polls(), executor.0.all.lock().tasks.len()), (3, 1));
}

#[test]
fn a_task_can_be_ended_before_its_time_once() {
    let (executor, [first, second], (_, waker)) = (Executor::default(), <[Seen; 2]>::default(), root());
    let cx = Context::from_waker(&waker);
    let ender = executor.start(first.task(|_| Poll::Pending));
    ender.abort();
    assert!(first.is_dropped());
    executor.poll(&cx);
    assert_eq!(first.polls(), 0, "it was in the line");
    // Another has its number now.
    executor.start(second.task(|_| Poll::Pending));
    ender.abort();
    executor.poll(&cx);
    assert!(!second.is_dropped());
    assert_eq!((second.polls(), executor.0.all.lock().tasks.len()), (1, 1));
}

#[test]
fn the_end_drops_all_that_are_left() {
    let (executor, seen, (_, waker)) = (Executor::default(), Seen::default(), root());
    executor.start(seen.task(|_| Poll::Pending));
    executor.start(Box::pin(pending()));
    executor.poll(&Context::from_waker(&waker));
    assert!(!seen.is_dropped());
    executor.clear();
    assert!(seen.is_dropped());
    seen.wake();
    executor.poll(&Context::from_waker(&waker));
    assert_eq!((seen.polls(), Arc::strong_count(&executor.0)), (1, 2), "the waker that the test holds");
}

#[test]
fn no_wake_from_another_thread_is_lost() {
    let executor = Executor::default();
    let (said, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let bell = Arc::new(crate::node::bell::Bell::default());
    let (heard, ring) = (Arc::clone(&bell), Arc::clone(&said));
    let last = Arc::clone(&seen);
    executor.start(poll_fn(move |cx| {
        while heard.poll(cx).is_ready() {
            last.store(ring.load(SeqCst), SeqCst);
        }
        Poll::Pending
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    said.fetch_add(1, SeqCst);
                    bell.notify_one();
                }
            });
        }
        // Hangs if one was lost.
        runtime.block_on(poll_fn(|cx| {
            executor.poll(cx);
            if seen.load(SeqCst) == 4000 { Poll::Ready(()) } else { Poll::Pending }
        }));
    });
}

#[test]
fn a_task_that_is_put_off_by_the_runtime_is_not_lost_when_who_drives_goes() {
    const TIMES: usize = 1000;
    let (executor, done) = (Executor::default(), Arc::new(AtomicUsize::new(0)));
    let times = Arc::clone(&done);
    executor.start(poll_fn(move |cx| {
        while times.load(SeqCst) < TIMES {
            // Puts the task off when it has been had too often.
            if pin!(coop::consume_budget()).poll(cx).is_pending() {
                return Poll::Pending;
            }
            times.fetch_add(1, SeqCst);
        }
        Poll::Ready(())
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut turns, mut polls) = (0, 0);
    while done.load(SeqCst) < TIMES {
        turns += 1;
        assert!(turns < 2 * TIMES, "lost: {done:?}");
        // Who drives goes as soon as he may.
        runtime.block_on(poll_fn(|cx| {
            polls += 1;
            if executor.poll(cx) { Poll::Ready(()) } else { Poll::Pending }
        }));
    }
    assert!(polls > 1, "it was never put off");
}
