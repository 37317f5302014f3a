//! What a thread holds on to: who sends many lines on one connection finds it once.
//!
//! Finding a connection by its number takes a lock that all threads share and a look into a table; for short lines that
//! is a third of what sending costs. So each thread remembers the last connection it has sent on. That keeps the place in memory,
//! but neither the socket nor the buffer: the connection gives them up when its task and the program are done with it.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Outlet;
use crate::node::conn::Conn;
use crate::os::biased::Desk;
use crate::os::simd;
use crate::proto::line::CRLF;

/// Lines of so many bytes may go by [`send_quickly`].
pub(crate) const QUICK: RangeInclusive<usize> = simd::PUSHED_FROM..=1024;
/// So much of its memory for a line to all a thread keeps.
const WHOLE_KEPT: usize = 64 << 10;

/// What a thread remembers.
pub(super) struct Last {
    net: u64,
    pub(super) conn: Arc<Conn>,
    desk: Desk,
    /// Lines of a length in [`QUICK`] are looked at while they are copied.
    is_quick: bool,
}

thread_local! {
    /// Without a destructor, for which each use would have to look whether it has run: [`FORGETS`] has it.
    pub(super) static LAST: RefCell<ManuallyDrop<Option<Last>>> = const { RefCell::new(ManuallyDrop::new(None)) };
    static FORGETS: Forgets = const { Forgets };
    /// The thread's memory for a line to all.
    static WHOLE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Made once its thread has something to remember, so that it is dropped, and that forgotten, when the thread ends.
struct Forgets;

impl Drop for Forgets {
    fn drop(&mut self) {
        drop(take());
    }
}

/// What was remembered, and no longer is.
fn take() -> Option<Last> {
    LAST.with(|last| ManuallyDrop::into_inner(last.replace(ManuallyDrop::new(None))))
}

/// Does `send` by the outlet that this thread has used last, if it is that of connection `conn` of the net `net`. `None`: it is
/// another.
#[inline]
pub(crate) fn by_last<T>(net: u64, conn: u64, send: impl FnOnce(&Outlet, &Desk) -> T) -> Option<T> {
    LAST.with(|last| match &**last.borrow() {
        Some(last) if (last.net, last.conn.id) == (net, conn) => Some(send(&last.conn.out, &last.desk)),
        _ => None,
    })
}

/// Sends a line of a length in [`QUICK`] that was not looked at yet by that outlet, if that is as simple as it mostly is. False: it is
/// not, and nothing was done. Never panics.
#[inline(always)]
pub(crate) fn send_quickly(net: u64, conn: u64, line: &[u8]) -> bool {
    LAST.with(|last| {
        if let Ok(last) = last.try_borrow()
            && let Some(last) = &**last
            && (last.net, last.conn.id, last.is_quick) == (net, conn, true)
            && let Some(mut buf) = last.conn.out.buf.lock_as_owner(&last.desk)
        {
            return buf.append_quickly(line);
        }
        false
    })
}

/// Remembers the connection `conn` of the net `net` for this thread, and whether lines may go by [`send_quickly`].
pub(crate) fn remember(net: u64, conn: &Arc<Conn>, is_quick: bool) {
    // At a thread's very end there is nobody left to forget it.
    if FORGETS.try_with(|_| ()).is_ok() {
        let desk = take().map_or_else(Desk::new, |last| last.desk);
        let last = Last { net, conn: Arc::clone(conn), desk, is_quick };
        LAST.with(|now| **now.borrow_mut() = Some(last));
    }
}

/// Shows `f` a line with its end, put together in the thread's own memory.
pub(crate) fn with_whole<T>(line: &[u8], f: impl FnOnce(&[u8]) -> T) -> T {
    let mut whole = WHOLE.try_with(Cell::take).unwrap_or_default();
    whole.clear();
    whole.reserve(line.len() + CRLF.len());
    whole.extend_from_slice(line);
    whole.extend_from_slice(CRLF);
    let done = f(&whole);
    whole.clear();
    if whole.capacity() > WHOLE_KEPT {
        whole = Vec::new();
    }
    let _ = WHOLE.try_with(|mine| mine.set(whole));
    done
}
