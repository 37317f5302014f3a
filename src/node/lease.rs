//! Who drives the node's runtime: its own thread, or a thread of the program that waits for events anyway.
//!
//! ```text
//!   own thread     drives ── asked ─┐                                              ┌─ nobody has come back: drives
//!                                   └─ looks now and then, or sleeps ─────────────┘
//!   program's          p2p_wait: asks ─ drives ─ event ┐    ┌ drives ─ event ┐
//!                                                      └poll┘                └ is busy with something else ...
//! ```
//!
//! An event that one thread reads and another takes costs two context switches on its way. A thread in `p2p_wait` has nothing
//! to do: it takes the lease, drives the runtime itself (sockets, timers, the actor and all tasks) and comes back with the
//! event in its hands. It does so only while it waits; its own code is never run by us. When it comes back to wait at once,
//! as programs do that live by their events, nobody else has been woken. When it does not, the own thread takes over again, some
//! milliseconds later ([`turns`]). Nothing of a program that only polls, or sleeps on `p2p_fd`, changes by this.
//!
//! Of several threads that wait one drives; the others sleep until there is something. ("Leader/followers": Schmidt and
//! others, Pattern-Oriented Software Architecture, volume 2.) Tokio's current_thread runtime is made to be driven by one
//! thread after another; whoever holds the lock on it drives.

mod spin;
mod sync;
mod turns;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Notify;

use super::actor::panic_text;
use super::shared::Shared;
use crate::os;
use crate::queue::Queue;
use spin::Spin;
use turns::Turns;

/// Who waits again so soon after a wait lives by what comes, and gets the lease.
const SOON_MS: u64 = 2;

/// Why the actor has ended: as it was told to, or by a failure of its own.
pub(crate) type End = Result<(), String>;

/// The right to drive the runtime, and the runtime.
#[derive(Default)]
pub(crate) struct Lease {
    /// Locked by whoever drives. `None` before the start and after the end.
    runtime: Mutex<Option<Runtime>>,
    turns: Turns,
    /// The own thread is to let go.
    asked: Notify,
    ended: OnceLock<End>,
    /// The own thread's network namespace, which the net's sockets are to be made in.
    network: OnceLock<Option<u64>>,
    /// When a wait has last slept, on the clock of the queue's events; 0 = never.
    slept: AtomicU64,
    spin: Mutex<Spin>,
}

/// The own thread: drives `shared`'s runtime, or lets the program's threads, until `actor` ends. Says what has ended it;
/// nothing runs any more then.
pub(crate) fn keep(
    runtime: Runtime,
    shared: &Arc<Shared>,
    actor: impl Future<Output = End> + Send + 'static,
) -> End {
    let (lease, over) = (&shared.lease, Arc::clone(shared));
    // Boxed: what the runtime makes of a task has room for all of it on the stack, several times, of whoever drives.
    let actor = runtime.spawn(Box::pin(actor));
    runtime.spawn(async move {
        let ended = actor.await.unwrap_or_else(|e| {
            Err(e.try_into_panic().map_or_else(|e| e.to_string(), |panic| panic_text(&*panic)))
        });
        over.lease.end(ended, &over.queue);
    });
    let _ = lease.network.set(os::thread::network());
    *lease.runtime.lock() = Some(runtime);
    while !lease.has_ended() {
        // Held by a thread of the program that was faster: it has the next turn, too.
        if let Some(runtime) = lease.runtime.try_lock()
            && let Some(runtime) = &*runtime
        {
            let mut asked = pin!(lease.asked.notified());
            runtime.block_on(poll_fn(|cx| {
                if shared.executor.poll(cx) { asked.as_mut().poll(cx) } else { Poll::Pending }
            }));
        }
        lease.turns.stand_by(|| lease.has_ended());
    }
    let runtime = lease.runtime.lock().take();
    shared.executor.clear();
    if let Some(runtime) = runtime {
        runtime.shutdown_background();
    }
    lease.ended.get().cloned().unwrap_or(Ok(()))
}

impl Lease {
    /// The actor has ended. Whoever drives lets go, for [`keep`] to clear up.
    fn end(&self, why: End, queue: &Queue) {
        let _ = self.ended.set(why);
        self.asked.notify_one();
        queue.let_go();
        self.turns.rouse();
    }

    fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Something was left to whoever drives, at a moment in which that may be nobody.
    pub(crate) fn press(&self) {
        self.turns.press();
    }

    /// Sleeps until there is something, a wake, the end of the net, or the time-out, and drives the runtime meanwhile if that
    /// is worth it. True if there is something.
    pub(crate) fn wait(&self, shared: &Shared, timeout: Option<Duration>) -> bool {
        let queue = &shared.queue;
        if queue.is_ready() {
            return true;
        }
        if timeout == Some(Duration::ZERO) || !shared.config.lease {
            return queue.wait(timeout);
        }
        let until = timeout.and_then(|t| Instant::now().checked_add(t));
        let found = self
            .drive(shared, until)
            .unwrap_or_else(|| queue.wait(until.map(|t| t.saturating_duration_since(Instant::now()))));
        self.slept.store(queue.now_ms() + 1, Relaxed);
        found
    }

    /// Drives the runtime until there is something (true), a wake or the time-out (false). `None`: somebody else does, or the
    /// net has ended.
    fn drive(&self, shared: &Shared, until: Option<Instant>) -> Option<bool> {
        // A thread that is inside of a runtime already (a program in Rust) cannot drive another; one of another network namespace
        // would make its sockets there.
        let is_foreign =
            || self.network.get() != Some(&os::thread::network()) || Handle::try_current().is_ok();
        if self.has_ended() || is_foreign() {
            return None;
        }
        let queue = &shared.queue;
        let _turn = self.turns.enter()?;
        let runtime = self.take(shared)?;
        let mut look_until = match shared.config.spin {
            Duration::ZERO => None,
            limit => self.spin.lock().begin(Instant::now(), limit),
        };
        let looks = look_until.is_some();
        let (mut is_first, mut enough) = (true, false);
        let found = async {
            // Made here, where the runtime's clock is.
            let mut late = pin!(until.map(|until| tokio::time::sleep_until(until.into())));
            poll_fn(|cx| {
                let is_first = std::mem::take(&mut is_first);
                match if enough { Poll::Pending } else { queue.poll_wait(cx, || self.has_ended()) } {
                    Poll::Ready(Some(false)) => enough = true,
                    Poll::Pending => {}
                    found => return found,
                }
                let may_go = shared.executor.poll(cx);
                if may_go && queue.is_ready() {
                    return Poll::Ready(Some(true));
                }
                enough |= may_go && late.as_mut().as_pin_mut().is_some_and(|late| late.poll(cx).is_ready());
                if enough && may_go && !is_first {
                    return Poll::Ready(Some(false));
                }
                if enough {
                    // Each turn drives for a round: else nobody would, while a program wakes itself and waits and wakes itself.
                    cx.waker().wake_by_ref();
                } else if look_until.is_some_and(|until| Instant::now() < until) {
                    // Whoever is to answer may wait for this CPU. Then the runtime looks at its sockets, without sleeping.
                    std::thread::yield_now();
                    cx.waker().wake_by_ref();
                } else {
                    look_until = None;
                }
                Poll::Pending
            })
            .await
        };
        let found = runtime.as_ref()?.block_on(found);
        queue.stop_leading();
        if looks {
            self.spin.lock().end(look_until.is_some() && found == Some(true));
        }
        found
    }

    /// The runtime, if nobody drives it or its own thread is worth being asked.
    fn take(&self, shared: &Shared) -> Option<MutexGuard<'_, Option<Runtime>>> {
        if let Some(runtime) = self.runtime.try_lock() {
            return Some(runtime);
        }
        let slept = self.slept.load(Relaxed);
        let soon = slept > 0 && shared.queue.now_ms() < slept + SOON_MS;
        (soon || !shared.config.spin.is_zero()).then(|| {
            self.asked.notify_one();
            self.runtime.lock()
        })
    }
}

#[cfg(test)]
mod tests;
