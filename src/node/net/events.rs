//! The handle's side of events: take them, wait for them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::Net;
use crate::error::{Code, Error};
use crate::event::{Event, Kind};
use crate::os;
use crate::queue::inbox::View;

type Result<T> = std::result::Result<T, Code>;

impl Net {
    /// Takes up to `max` events (0 = what is queued now) and shows each to `show`, until that says false.
    pub(crate) fn take(&self, max: u32, mut show: impl FnMut(&View<'_>) -> bool) -> Result<u32> {
        let me = os::thread::current();
        if !self.shared.queue.is_ready() && self.taker.load(Relaxed) != me {
            return Ok(0);
        }
        let Some(mut inbox) = self.inbox.try_lock() else {
            return Err(if self.taker.load(Relaxed) == me { Code::Reentrant } else { Code::Busy });
        };
        let _taking = Taking::new(&self.taker, me);
        // No more elements than there are now: what comes in meanwhile may hold no event (line ends only, duplicates),
        // and a peer that sends enough of that must not keep the program in here.
        let (mut count, mut budget) = (0, self.shared.queue.len());
        while max == 0 || count < max {
            let Some(view) = inbox.next(&self.shared, &mut budget) else { break };
            count += 1;
            if !show(&view) {
                break;
            }
        }
        inbox.settle_if_used_up(&self.shared);
        Ok(count)
    }

    /// Takes the next event, if there is one.
    ///
    /// # Errors
    /// [`Code::Busy`] if another thread takes events at this moment.
    pub fn next_event(&self) -> Result<Option<Event>> {
        let mut taken = None;
        self.take(1, |view| {
            if view.kind == Kind::DhtSend {
                self.dht_sent(view.request, Ok(()));
            }
            taken = Some(Event {
                kind: view.kind,
                conn: view.conn.map_or(0, |c| c.id),
                request: view.request,
                result: view.result,
                os_error: view.os_error,
                code: view.code,
                data: view.data_nul[..view.data_nul.len() - 1].to_vec(),
                peer: view.peer().to_string_lossy().into_owned(),
                time_ms: view.at_ms,
            });
            true
        })?;
        Ok(taken)
    }

    /// Whether the calling thread is inside a callback of this net.
    pub(crate) fn in_callback(&self) -> bool {
        self.taker.load(Relaxed) == os::thread::current()
    }

    /// Sleeps until there are events (`Ok(true)`), a wake or the time-out (`Ok(false)`; `None` = no time-out).
    ///
    /// # Errors
    /// [`Code::Closed`] when the net has stopped and every event was taken; [`Code::Reentrant`] in a callback.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        if self.in_callback() {
            return Err(Code::Reentrant);
        }
        if self.shared.queue.wait(timeout) {
            return Ok(true);
        }
        if self.shared.queue.has_ended() && !self.shared.queue.is_ready() {
            Err(Code::Closed)
        } else {
            Ok(false)
        }
    }

    /// Ends one [`Net::wait`], the current or the next.
    pub fn wake(&self) {
        self.shared.queue.wake();
    }

    /// A descriptor that is readable while events wait; it belongs to the net.
    ///
    /// # Errors
    /// [`Code::Io`] if the system gives none.
    pub fn fd(&self) -> crate::error::Result<i32> {
        self.shared.queue.fd().map_err(|e| Error::io("making the event descriptor", &e))
    }
}

/// Marks the thread that takes events, also if a callback of Rust unwinds.
struct Taking<'a>(&'a AtomicUsize);

impl<'a> Taking<'a> {
    fn new(taker: &'a AtomicUsize, me: usize) -> Taking<'a> {
        taker.store(me, Relaxed);
        Taking(taker)
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.store(0, Relaxed);
    }
}
