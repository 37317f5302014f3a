//! Events by callbacks.
//!
//! Nearly all events are lines, and nearly all of these come with others: what the lines of one read have in common is
//! written once, and between two of them one number is looked at, `Inner::handler_changes`.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::dht;
use super::event::{as_c, of_run};
use super::guard::{Count, guard};
use super::net::{Callback, Inner, inner, p2p_net};
use super::structs::*;
use super::types::*;
use crate::error::Code;
use crate::event::Kind;
use crate::queue::view::{Run, Taker, View};

/// Sets the function that p2p_poll() calls for events (NULL = none), and what it gets as user. DONE events of requests
/// with a callback of their own go there instead.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_on_event(net: *mut p2p_net, fun: p2p_event_fn, user: *mut c_void) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duty, passed on.
        let set = unsafe { inner(net) }.map(|i| {
            let mut handler = i.handler.lock();
            *handler = fun.map(|function| Callback { function, user });
            i.handler_changes.fetch_add(1, SeqCst);
        });
        set.into()
    })
}

/// Calls your functions for up to max events (0 = all that are queued now), on this thread, and returns how many there
/// were. Never blocks. P2P_ERR_STATE: events wait and p2p_on_event() has set no function. P2P_ERR_BUSY: another thread
/// takes events. P2P_ERR_REENTRANT: called from inside a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_poll(net: *mut p2p_net, max: u32) -> i32 {
    let poll = || {
        // SAFETY: null or live by contract.
        let Some(handle) = (unsafe { net.as_ref() }) else { return Err(Code::Invalid) };
        if !handle.inner.net.shared.queue.is_ready() && !handle.inner.net.in_callback() {
            return Ok(0);
        }
        // A callback may free the net; what we work with lives until we are back.
        let inner = Arc::clone(&handle.inner);
        let Some(handler) = Handler::of(&inner) else {
            return Err(if inner.net.in_callback() { Code::Reentrant } else { Code::State });
        };
        inner.net.take_by(max, Calls { inner: &inner, net, handler })
    };
    guard(|| match poll() {
        Ok(count) => Count(i32::try_from(count).unwrap_or(i32::MAX)),
        Err(code) => Count(code as i32),
    })
    .0
}

/// The program's function as a poll has last seen it.
struct Handler {
    callback: Callback,
    changes: u32,
}

impl Handler {
    fn of(inner: &Inner) -> Option<Handler> {
        let callback = inner.handler.lock();
        // Both under the lock, as they are written.
        callback.map(|callback| Handler { callback, changes: inner.handler_changes.load(SeqCst) })
    }
}

/// Gives events to whom they are for: the handler, or a request's own callback.
struct Calls<'a> {
    inner: &'a Inner,
    net: *mut p2p_net,
    handler: Handler,
}

impl Calls<'_> {
    /// Looked at before the next event is taken: with nobody to give it to, it stays where it is.
    #[inline(always)]
    fn go_on(&mut self) -> bool {
        self.inner.handler_changes.load(SeqCst) == self.handler.changes || self.go_on_otherwise()
    }

    /// A callback, or another thread, has set another function, or taken it away, or freed the net.
    #[cold]
    fn go_on_otherwise(&mut self) -> bool {
        !self.inner.freed.load(Relaxed)
            && Handler::of(self.inner).map(|renewed| self.handler = renewed).is_some()
    }
}

impl Taker for Calls<'_> {
    fn event(&mut self, view: &View<'_>) -> bool {
        if view.kind == Kind::DhtSend && dht::carry(self.inner, view) {
            return self.go_on();
        }
        let done = view.kind == Kind::Done;
        let own = if done { self.inner.waiting.lock().remove(&view.request) } else { None };
        let callback = own.unwrap_or(self.handler.callback);
        let event = as_c(view);
        // SAFETY: a function of the program with the pointer it gave for it, as documented; no lock is held.
        unsafe { (callback.function)(self.net, &event, callback.user) };
        self.go_on()
    }

    fn lines(&mut self, run: &mut Run<'_>) -> bool {
        let mut event = of_run(run);
        let conn = run.conn;
        while let Some(line) = run.next() {
            event.data = line.as_ptr().cast();
            event.len = line.len() - 1;
            event.conn_user = conn.user.load(SeqCst);
            // SAFETY: as above.
            unsafe { (self.handler.callback.function)(self.net, &event, self.handler.callback.user) };
            if !self.go_on() {
                return false;
            }
        }
        true
    }
}
