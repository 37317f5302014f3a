//! Events: by callbacks, one at a time, or by waiting for them.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use super::dht;
use super::guard::{Count, guard};
use super::net::{Callback, Inner, inner, p2p_net};
use super::structs::*;
use super::types::*;
use crate::error::Code;
use crate::event::Kind;
use crate::node::conn::Conn;
use crate::queue::inbox::View;

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
        let Some(mut handler) = Handler::of(&inner) else {
            return Err(if inner.net.in_callback() { Code::Reentrant } else { Code::State });
        };
        inner.net.take(max, |view| {
            deliver(&inner, handler.callback, net, view);
            // Looked up before the next event is taken: with nobody to give it to, it stays where it is.
            handler.is_current_or_renewed(&inner) && !inner.freed.load(Relaxed)
        })
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

    /// A callback, or another thread, may have set another function; false if it has taken it away.
    #[inline]
    fn is_current_or_renewed(&mut self, inner: &Inner) -> bool {
        if inner.handler_changes.load(SeqCst) == self.changes {
            return true;
        }
        Handler::of(inner).map(|renewed| *self = renewed).is_some()
    }
}

/// Calls whom the event is for: `handler`, or the request's own callback.
#[inline]
fn deliver(inner: &Inner, handler: Callback, net: *mut p2p_net, view: &View<'_>) {
    if view.kind == Kind::DhtSend && dht::carry(inner, view) {
        return;
    }
    let own = if view.kind == Kind::Done { inner.waiting.lock().remove(&view.request) } else { None };
    let callback = own.unwrap_or(handler);
    let event = as_c(view);
    // SAFETY: a function of the program with the pointer it gave for it, as documented; no lock is held.
    unsafe { (callback.function)(net, &event, callback.user) };
}

fn as_c(view: &View<'_>) -> p2p_event {
    p2p_event {
        struct_size: size_of::<p2p_event>() as u32,
        kind: view.kind.into(),
        conn: view.conn.map_or(0, |c| c.id),
        request: view.request,
        result: view.result.into(),
        os_error: view.os_error,
        code: view.code,
        reserved: 0,
        data: view.data_nul.as_ptr().cast(),
        len: view.data_nul.len() - 1,
        peer: view.peer().as_ptr(),
        conn_user: view.conn.map_or(std::ptr::null_mut(), |c| c.user.load(SeqCst)),
        time_ms: view.at_ms,
    }
}

/// An event that the program owns. The C side sees its first field.
#[repr(C)]
struct Owned {
    event: p2p_event,
    /// The data, NUL, the peer, NUL.
    text: Vec<u8>,
    /// Dropped with the event.
    _room: Option<Room>,
}

/// What an event from a connection takes up of its receive buffer until the program frees it. Without this a program
/// that hands events on to whoever reads each connection would have no way to slow one peer but to slow all of them.
struct Room {
    conn: Arc<Conn>,
    bytes: usize,
}

impl Room {
    fn of(view: &View<'_>, text: &[u8]) -> Option<Room> {
        let conn = match view.kind {
            Kind::Line | Kind::Data | Kind::Message => view.conn?,
            _ => return None,
        };
        // With the memory that a short line takes besides: the limit is there to bound memory.
        let bytes = text.len() + size_of::<Owned>();
        conn.queued_for_program(bytes);
        Some(Room { conn: Arc::clone(conn), bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.conn.taken(self.bytes);
    }
}

/// Takes the next event: 1 and *out, or 0 if there is none, or a negative code. It is yours until p2p_event_free(), on any
/// thread, also after p2p_net_free(). What came in on a connection (LINE, MESSAGE, DATA) fills P2P_OPT_RECV_BUFFER until
/// then, so that a program may keep what it has no time for, and only that peer is slowed. DONE events of requests with
/// a callback come here too, and the callback does not run. P2P_ERR_BUSY and P2P_ERR_REENTRANT as p2p_poll().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_next_event(net: *mut p2p_net, out: *mut *const p2p_event) -> i32 {
    let next = || {
        // SAFETY: the caller's duty, passed on.
        let inner = unsafe { inner(net) }?;
        if out.is_null() {
            return Err(Code::Invalid);
        }
        let mut taken = None;
        inner.net.take(1, |view| {
            match view.kind {
                Kind::Done => drop(inner.waiting.lock().remove(&view.request)),
                Kind::DhtSend => inner.net.dht_sent(view.request, Ok(())),
                _ => {}
            }
            taken = Some(own(view));
            true
        })?;
        Ok(taken)
    };
    guard(|| match next() {
        Ok(Some(event)) => {
            // SAFETY: checked not to be null, and writable by contract. Owned begins with the event.
            unsafe { out.write(Box::into_raw(event).cast::<p2p_event>().cast_const()) };
            Count(1)
        }
        Ok(None) => Count(0),
        Err(code) => Count(code as i32),
    })
    .0
}

fn own(view: &View<'_>) -> Box<Owned> {
    let peer = view.peer().to_bytes_with_nul();
    let mut text = Vec::with_capacity(view.data_nul.len() + peer.len());
    text.extend_from_slice(view.data_nul);
    text.extend_from_slice(peer);
    let mut owned = Box::new(Owned { event: as_c(view), _room: Room::of(view, &text), text });
    let at = owned.text.as_ptr();
    owned.event.data = at.cast::<c_char>();
    owned.event.peer = at.wrapping_add(view.data_nul.len()).cast::<c_char>();
    owned
}

/// Frees an event from p2p_next_event(). NULL is fine. Not for events in callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_event_free(ev: *const p2p_event) {
    if !ev.is_null() {
        // SAFETY: it came from p2p_next_event, which made it from a Box<Owned>, and is freed once, by contract.
        drop(unsafe { Box::from_raw(ev.cast_mut().cast::<Owned>()) });
    }
}

/// Sleeps until events wait (1), or timeout_ms has passed or p2p_wake() was called (0). timeout_ms 0 only looks, -1 waits
/// for ever. After 1 a poll may still find nothing: what came in held no event (line ends only, duplicates).
/// P2P_ERR_CLOSED: the net has stopped and you have taken every event. Several threads may wait at once, also while
/// another polls. P2P_ERR_REENTRANT: called from inside a callback. A signal does not end it: to stop at Ctrl-C wait for
/// short times and look at a flag of yours, or wait for p2p_fd() with ppoll() or signalfd().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_wait(net: *mut p2p_net, timeout_ms: i32) -> i32 {
    let wait = || {
        // SAFETY: null or live by contract.
        let handle = unsafe { net.as_ref() }.ok_or(Code::Invalid)?;
        let timeout = match timeout_ms {
            -1 => None,
            ms => Some(Duration::from_millis(u64::try_from(ms).map_err(|_| Code::Invalid)?)),
        };
        // What we sleep on outlives the handle, should it be freed meanwhile against the contract.
        Arc::clone(&handle.inner).net.wait(timeout)
    };
    guard(|| match wait() {
        Ok(ready) => Count(i32::from(ready)),
        Err(code) => Count(code as i32),
    })
    .0
}

/// Ends one p2p_wait(), the current one or else the next. Any thread; not from a signal handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_wake(net: *mut p2p_net) -> p2p_result {
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { inner(net) }.map(|i| i.net.wake()).into())
}

/// Stores a file descriptor in *out that is readable while events wait, for your own poll, epoll or event loop. Level
/// triggered: it stays readable until you have taken them all, and for ever once the net has stopped. It is the net's:
/// never read, write or close it. The same one each time; made on the first call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_fd(net: *mut p2p_net, out: *mut isize) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duty, passed on.
        let fd = unsafe { inner(net) }
            .and_then(|i| if out.is_null() { Err(Code::Invalid) } else { i.net.fd().map_err(|e| e.code) });
        // SAFETY: checked not to be null, and writable by contract.
        fd.map(|fd| unsafe { out.write(fd as isize) }).into()
    })
}
