//! What a thread holds on to: who sends many lines on one connection finds it once.
//!
//! Finding a connection by its number takes a lock that all threads share and a look into a table; for short lines that
//! is a third of what sending costs. So each thread remembers the last connection it has sent on. That keeps the place in memory,
//! but neither the socket nor the buffer: the connection gives them up when its task and the program are done with it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::Outlet;
use crate::node::conn::Conn;
use crate::os::biased::Desk;
use crate::proto::line::CRLF;

/// So much of its memory for a line to all a thread keeps.
const WHOLE_KEPT: usize = 64 << 10;

/// What a thread remembers.
pub(super) struct Last {
    net: u64,
    pub(super) conn: Arc<Conn>,
    desk: Desk,
    /// Lines of up to so many bytes are looked at while they are copied.
    quick: usize,
}

thread_local! {
    pub(super) static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    /// The thread's memory for a line to all.
    static WHOLE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Does `send` by the outlet that this thread has used last, if it is that of connection `conn` of the net `net`. `None`: it is
/// another.
#[inline]
pub(crate) fn by_last<T>(net: u64, conn: u64, send: impl FnOnce(&Outlet, &Desk) -> T) -> Option<T> {
    let send = |last: &RefCell<Option<Last>>| match &*last.borrow() {
        Some(last) if (last.net, last.conn.id) == (net, conn) => Some(send(&last.conn.out, &last.desk)),
        _ => None,
    };
    // During a thread's very end there is nothing left to remember in.
    LAST.try_with(send).ok().flatten()
}

/// Sends a line that was not looked at yet by that outlet, if that is as simple as it mostly is. False: it is not, and nothing was
/// done.
#[inline(always)]
pub(crate) fn send_quickly(net: u64, conn: u64, line: &[u8]) -> bool {
    let send = |last: &RefCell<Option<Last>>| match &*last.borrow() {
        Some(last) if (last.net, last.conn.id) == (net, conn) && line.len() <= last.quick => {
            last.conn.out.buf.with_own(&last.desk, |buf| buf.append_quickly(line)) == Some(true)
        }
        _ => false,
    };
    LAST.try_with(send).unwrap_or(false)
}

/// Remembers the connection `conn` of the net `net` for this thread, and up to which length lines may go by [`send_quickly`].
pub(crate) fn remember(net: u64, conn: &Arc<Conn>, quick: usize) {
    let _ = LAST.try_with(|last| {
        let before = last.take();
        let desk = before.map_or_else(Desk::new, |last| last.desk);
        last.replace(Some(Last { net, conn: Arc::clone(conn), desk, quick }));
    });
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
