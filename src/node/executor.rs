//! The connections' tasks: polled by whoever drives the runtime, as the first thing after it has slept.
//!
//! ```text
//!   runtime's driver ── the socket is readable ─▶ ready list ─▶ root future ── polls the connection ─▶ event queue
//!   program's thread ── there is more to send ──────┘    └─ whoever drives: own thread, or a thread in p2p_wait
//! ```
//!
//! A task of tokio's would do, but the future that `block_on` waits for is polled only after the driver has looked at its sockets once
//! more: a thread that drives in order to get an event paid a system call for having it, and then could not go. So the root future
//! of whoever drives polls the connections itself, and ends as soon as there is something. It is also smaller: tokio's task stands
//! on a boundary of 128 bytes. All else (the actor, timers, sockets' readiness, what is rare) is tokio's.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};

use parking_lot::Mutex;
use tokio::task::coop;

use crate::queue::Queue;

/// So many are polled before the rest of the runtime has its turn; as tokio does it with its tasks.
const AT_ONCE: usize = 61;

/// See the module.
#[derive(Default)]
pub(crate) struct Executor(Arc<Inner>);

#[derive(Default)]
struct Inner {
    line: Mutex<Line>,
    all: Mutex<All>,
    /// Whoever drives is to go, before the next is polled.
    go: AtomicBool,
}

/// Those that are to be polled, and the future that does it, if it waits for the first of them.
#[derive(Default)]
struct Line {
    ready: VecDeque<Arc<dyn Run>>,
    root: Option<Waker>,
}

/// Every task, by its number. What would wake a task is mostly its own, so it lives until it ends or is ended here.
#[derive(Default)]
struct All {
    tasks: Vec<Option<Arc<dyn Run>>>,
    free: Vec<u32>,
}

/// A task of whatever type.
trait Run: Send + Sync {
    /// Whether it is in the line. Only with the lock on that, which makes it more than a hint.
    fn is_in_line(&self) -> &AtomicBool;
    fn run(self: Arc<Self>);
    /// Drops what there is of it. False: it had ended.
    fn end(&self) -> bool;
    /// Has ended it: nothing is known of it any more.
    fn leave(&self);
}

struct Task<F> {
    inner: Arc<Inner>,
    number: u32,
    is_in_line: AtomicBool,
    /// `None`: it has ended.
    future: Mutex<Option<F>>,
}

/// Ends a task before its time.
pub(crate) struct Ender(Arc<dyn Run>);

impl Ender {
    /// Drops it where it stands. Not for the task itself to call.
    pub(crate) fn abort(&self) {
        if self.0.end() {
            self.0.leave();
        }
    }
}

impl Executor {
    /// Begins a task. It is polled where the runtime is driven.
    pub(crate) fn start<F>(&self, future: F) -> Ender
    where
        F: Future<Output = ()> + Unpin + Send + 'static,
    {
        let task: Arc<dyn Run> = {
            let mut all = self.0.all.lock();
            let number = all.free.pop().unwrap_or(all.tasks.len() as u32);
            let inner = Arc::clone(&self.0);
            let (is_in_line, future) = (AtomicBool::new(false), Mutex::new(Some(future)));
            let task: Arc<dyn Run> = Arc::new(Task { inner, number, is_in_line, future });
            match all.tasks.get_mut(number as usize) {
                Some(place) => *place = Some(Arc::clone(&task)),
                None => all.tasks.push(Some(Arc::clone(&task))),
            }
            task
        };
        self.0.enlist(Arc::clone(&task));
        Ender(task)
    }

    /// Polls the tasks that have been woken: what the root future of whoever drives begins with. That is polled again for the next.
    /// False: it may not end by this poll. A task that has used up what tokio allows at a time is woken when the driver has looked
    /// at the sockets again, and would not be if that did not happen.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> bool {
        for _ in 0..AT_ONCE {
            let Some(task) = self.0.next(cx) else { return true };
            task.run();
            if self.0.go.swap(false, Relaxed) || !coop::has_budget_remaining() {
                break;
            }
        }
        cx.waker().wake_by_ref();
        coop::has_budget_remaining()
    }

    /// If the thread that drives the runtime is one of the program's and there is something for it now, it is to go and take
    /// that while it is in the cache: the task that asks, and has brought it, comes back later (true) before it reads more.
    pub(crate) fn lets_taker_go(&self, queue: &Queue, cx: &Context<'_>) -> bool {
        let go = queue.is_led() && queue.is_ready();
        if go {
            self.0.go.store(true, Relaxed);
            cx.waker().wake_by_ref();
        }
        go
    }

    /// Ends all tasks. The net is over: nobody drives any more.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *self.0.all.lock());
        for task in all.tasks.iter().flatten() {
            task.end();
        }
        *self.0.line.lock() = Line::default();
    }
}

impl Inner {
    fn enlist(&self, task: Arc<dyn Run>) {
        let mut line = self.line.lock();
        if task.is_in_line().load(Relaxed) {
            return;
        }
        task.is_in_line().store(true, Relaxed);
        line.ready.push_back(task);
        let root = line.root.take();
        drop(line);
        if let Some(root) = root {
            root.wake();
        }
    }

    /// The first of the line. `None`: there is nobody, and `cx` is woken by the next.
    fn next(&self, cx: &Context<'_>) -> Option<Arc<dyn Run>> {
        let mut line = self.line.lock();
        let task = line.ready.pop_front();
        match &task {
            // From now on it can be woken again.
            Some(task) => task.is_in_line().store(false, Relaxed),
            None => line.root = Some(cx.waker().clone()),
        }
        task
    }
}

impl<F: Future<Output = ()> + Unpin + Send + 'static> Run for Task<F> {
    fn is_in_line(&self) -> &AtomicBool {
        &self.is_in_line
    }

    fn run(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut future = self.future.lock();
        let Some(running) = &mut *future else { return };
        if Pin::new(running).poll(&mut Context::from_waker(&waker)).is_pending() {
            return;
        }
        *future = None;
        drop(future);
        self.leave();
    }

    fn leave(&self) {
        let mut all = self.inner.all.lock();
        if let Some(place) = all.tasks.get_mut(self.number as usize)
            && place.take().is_some()
        {
            all.free.push(self.number);
        }
    }

    fn end(&self) -> bool {
        // Dropped without the lock: what it owns may wake it.
        let future = self.future.lock().take();
        future.is_some()
    }
}

impl<F: Future<Output = ()> + Unpin + Send + 'static> Wake for Task<F> {
    fn wake(self: Arc<Self>) {
        let inner = Arc::clone(&self.inner);
        inner.enlist(self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let task: Arc<dyn Run> = Arc::<Self>::clone(self);
        self.inner.enlist(task);
    }
}

#[cfg(test)]
mod tests;
