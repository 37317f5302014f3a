//! Events as the program takes them itself, one or many at a time, and waiting for them. ([`super::poll`]: by callbacks.)

use std::ffi::c_char;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use super::guard::{Count, guard};
use super::net::{Inner, inner, p2p_net};
use super::structs::*;
use super::types::*;
use crate::error::Code;
use crate::event::Kind;
use crate::node::conn::Conn;
use crate::queue::view::{Run, Taker, View};

/// An event as C sees it.
pub(super) fn as_c(view: &View<'_>) -> p2p_event {
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

/// What the events of some lines have in common; each has its own data, len and conn_user.
pub(super) fn of_run(run: &Run<'_>) -> p2p_event {
    p2p_event {
        struct_size: size_of::<p2p_event>() as u32,
        kind: Kind::Line.into(),
        conn: run.conn.id,
        request: 0,
        result: p2p_result::P2P_OK,
        os_error: 0,
        code: 0,
        reserved: 0,
        data: std::ptr::null(),
        len: 0,
        peer: run.conn.peer.as_ptr(),
        conn_user: std::ptr::null_mut(),
        time_ms: run.at_ms,
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
            will_be_taken(inner, view);
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

/// Before an event is given to the program otherwise than by a callback.
fn will_be_taken(inner: &Inner, view: &View<'_>) {
    match view.kind {
        Kind::Done => drop(inner.waiting.lock().remove(&view.request)),
        Kind::DhtSend => inner.net.dht_sent(view.request, Ok(())),
        _ => {}
    }
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

/// Fills an array of cap with the next events and returns how many there were, 0 if none wait. Nothing is copied:
/// data and peer of all of them stay until the next call of p2p_next_events(), p2p_next_event() or p2p_poll() of this net, on
/// whichever thread, or p2p_net_free(). What came in on connections counts in P2P_OPT_RECV_BUFFER until then, and p2p_wait()
/// and p2p_fd() say that events wait: take events until there are 0, and then wait. cap 0 gives back what the last call
/// gave, and takes nothing. Set struct_size of the first one to sizeof(p2p_event); so it is in each event filled in, and once is
/// enough. P2P_ERR_INVALID: it is not set. DONE events and errors otherwise as p2p_next_event(); p2p_event_free() is not
/// for these events.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_next_events(net: *mut p2p_net, events: *mut p2p_event, cap: u32) -> i32 {
    let next = || {
        // SAFETY: the caller's duty, passed on.
        let inner = unsafe { inner(net) }?;
        if cap == 0 {
            return inner.net.take_kept(0, |_: &View<'_>| false);
        }
        // SAFETY: null, or an array of at least one by contract.
        let size = unsafe { events.as_ref() }.ok_or(Code::Invalid)?.struct_size as usize;
        // It grows at its tail, and in steps of its alignment.
        if !(size_of::<p2p_event>()..=1 << 16).contains(&size)
            || !size.is_multiple_of(align_of::<p2p_event>())
        {
            return Err(Code::Invalid);
        }
        // A count above this one could not be returned.
        let most = cap.min(i32::MAX as u32);
        inner.net.take_kept(most, Fill { inner, at: events.cast(), size })
    };
    guard(|| match next() {
        Ok(count) => Count(i32::try_from(count).unwrap_or(i32::MAX)),
        Err(code) => Count(code as i32),
    })
    .0
}

/// Writes events into an array of the program's.
struct Fill<'a> {
    inner: &'a Inner,
    /// Where the next one goes. There are as many places as are asked of the inbox.
    at: *mut u8,
    /// Of one of them, as the program knows it: no less than ours.
    size: usize,
}

impl Fill<'_> {
    #[inline(always)]
    fn put(&mut self, event: &p2p_event) {
        const OURS: usize = size_of::<p2p_event>();
        // SAFETY: `size` bytes at `at` are the program's, aligned and writable by contract, and no more events are asked for
        // than there are such places; one behind the last is still of the array.
        unsafe {
            self.at.cast::<p2p_event>().write(*event);
            if self.size > OURS {
                self.at.add(OURS).write_bytes(0, self.size - OURS);
            }
            self.at = self.at.add(self.size);
        }
    }
}

impl Taker for Fill<'_> {
    fn event(&mut self, view: &View<'_>) -> bool {
        will_be_taken(self.inner, view);
        self.put(&p2p_event { struct_size: self.size as u32, ..as_c(view) });
        true
    }

    fn lines(&mut self, run: &mut Run<'_>) -> bool {
        let mut event = p2p_event { struct_size: self.size as u32, ..of_run(run) };
        let conn = run.conn;
        while let Some(line) = run.next() {
            event.data = line.as_ptr().cast();
            event.len = line.len() - 1;
            event.conn_user = conn.user.load(SeqCst);
            self.put(&event);
        }
        true
    }
}

/// Sleeps until events wait (1), or timeout_ms has passed or p2p_wake() was called (0). timeout_ms 0 only looks, -1 waits
/// for ever. After 1 a poll may still find nothing: what came in held no event (line ends only, duplicates).
/// P2P_ERR_CLOSED: the net has stopped and you have taken every event. Several threads may wait at once, also while
/// another polls. P2P_ERR_REENTRANT: called from inside a callback. A signal does not end it: to stop at Ctrl-C wait for
/// short times and look at a flag of yours, or wait for p2p_fd() with ppoll() or signalfd().
/// While it sleeps, the calling thread does the node's own work (P2P_OPT_LEASE); nothing of yours is called. A stack of
/// 128 KiB is enough for that.
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
