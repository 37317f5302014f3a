//! The handle's side of events: take them, wait for them.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::Net;
use crate::error::{Code, Error};
use crate::event::{Event, EventRef, Kind};
use crate::os;
use crate::queue::view::{Taker, View};

type Result<T> = std::result::Result<T, Code>;

impl Net {
    /// Takes up to `max` events (0 = what is queued now) and shows each to `show`, until that says false.
    pub(crate) fn take(&self, max: u32, show: impl FnMut(&View<'_>) -> bool) -> Result<u32> {
        self.take_by(max, show)
    }

    /// The same for who takes lines together.
    pub(crate) fn take_by(&self, max: u32, taker: impl Taker) -> Result<u32> {
        self.take_and(false, if max == 0 { u32::MAX } else { max }, taker)
    }

    /// Takes up to `most` events. What they were shown from stays as it is until anybody takes events again.
    pub(crate) fn take_kept(&self, most: u32, taker: impl Taker) -> Result<u32> {
        self.take_and(true, most, taker)
    }

    fn take_and(&self, keep: bool, most: u32, mut taker: impl Taker) -> Result<u32> {
        let me = os::thread::current();
        if !self.shared.queue.is_ready() && self.taker.load(Relaxed) != me {
            return Ok(0);
        }
        let Some(mut inbox) = self.inbox.try_lock() else {
            return Err(if self.taker.load(Relaxed) == me { Code::Reentrant } else { Code::Busy });
        };
        let _taking = Taking::new(&self.taker, me);
        Ok(inbox.take(&self.shared, most, keep, &mut taker))
    }

    /// Takes the next event, if there is one. It owns what it holds; [`Net::poll`] does without that.
    ///
    /// # Errors
    /// [`Code::Busy`] if another thread takes events at this moment; [`Code::Reentrant`] inside [`Net::poll`].
    pub fn next_event(&self) -> Result<Option<Event>> {
        let mut taken = None;
        self.poll(1, |event| {
            taken = Some(event.to_owned());
            true
        })?;
        Ok(taken)
    }

    /// Shows up to `max` events (0 = all that are queued now) to `show` where they lie, without copying or allocating, until
    /// that says false. How many it were. Never waits. Each event is gone when `show` returns.
    ///
    /// # Errors
    /// As [`Net::next_event`].
    pub fn poll(&self, max: u32, mut show: impl FnMut(&EventRef<'_>) -> bool) -> Result<u32> {
        self.take(max, |view| {
            if view.kind == Kind::DhtSend {
                self.dht_sent(view.request, Ok(()));
            }
            show(&EventRef {
                kind: view.kind,
                conn: view.conn.map_or(0, |c| c.id),
                request: view.request,
                result: view.result,
                os_error: view.os_error,
                code: view.code,
                data: view.data_nul.split_last().map_or(&[], |(_, data)| data),
                peer: view.peer(),
                time_ms: view.at_ms,
            })
        })
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
        if self.shared.lease.wait(&self.shared, timeout) {
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
