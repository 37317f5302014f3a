//! An event as it is shown, and who it is shown to.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::Instant;

use crate::error::Code;
use crate::event::Kind;
use crate::node::conn::Conn;
use crate::node::shared::Shared;
use crate::proto::line::LineFinder;

/// One event, borrowed from the inbox.
pub(crate) struct View<'a> {
    pub(crate) kind: Kind,
    pub(crate) conn: Option<&'a Arc<Conn>>,
    pub(crate) request: u64,
    pub(crate) result: Result<(), Code>,
    pub(crate) os_error: i32,
    pub(crate) code: i32,
    /// The bytes with a NUL behind them.
    pub(crate) data_nul: &'a [u8],
    /// Whom it is about where that is no connection.
    pub(crate) name: Option<&'a CStr>,
    pub(crate) at_ms: u64,
}

/// Who takes events.
pub(crate) trait Taker {
    /// One event. False: no more for now.
    fn event(&mut self, view: &View<'_>) -> bool;

    /// The lines of one read, which are nearly all events there ever are. False: no more for now.
    fn lines(&mut self, run: &mut Run<'_>) -> bool {
        let (conn, at_ms) = (run.conn, run.at_ms);
        while let Some(line) = run.next() {
            if !self.event(&View::of(Kind::Line, conn, line, at_ms)) {
                return false;
            }
        }
        true
    }
}

impl<F: FnMut(&View<'_>) -> bool> Taker for F {
    fn event(&mut self, view: &View<'_>) -> bool {
        self(view)
    }
}

/// Lines that came with one read, one after the other. What they have in common can be prepared once.
pub(crate) struct Run<'a> {
    pub(crate) conn: &'a Arc<Conn>,
    pub(crate) at_ms: u64,
    /// The lines stand in its first `until` bytes.
    pub(super) chunk: &'a mut [u8],
    pub(super) until: usize,
    pub(super) finder: &'a mut LineFinder,
    /// How many were shown, and how many more are wanted.
    pub(super) count: &'a mut u64,
    pub(super) left: &'a mut u32,
    /// To leave out lines that were seen before.
    pub(super) dedup: Option<&'a Shared>,
}

impl<'a> View<'a> {
    #[inline(always)]
    pub(super) fn of(kind: Kind, conn: &'a Arc<Conn>, data_nul: &'a [u8], at_ms: u64) -> View<'a> {
        View {
            kind,
            conn: Some(conn),
            request: 0,
            result: Ok(()),
            os_error: 0,
            code: 0,
            data_nul,
            name: None,
            at_ms,
        }
    }

    /// Whom it is about: a connection's other end, a node; "" if neither.
    pub(crate) fn peer(&self) -> &'a CStr {
        match (self.name, self.conn) {
            (Some(name), _) => name,
            (None, conn) => conn.map_or(c"", |c| &*c.peer),
        }
    }
}

impl Run<'_> {
    /// The next line, with a NUL behind it; `None` if there is none, or no more are wanted.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<&[u8]> {
        while *self.left > 0 {
            let line = self.finder.next(&self.chunk[..self.until])?;
            if let Some(net) = self.dedup
                && is_old(net, &self.chunk[line.clone()])
            {
                continue;
            }
            *self.left -= 1;
            *self.count += 1;
            // Its CR.
            self.chunk[line.end] = 0;
            return Some(&self.chunk[line.start..=line.end]);
        }
        None
    }
}

fn is_old(net: &Shared, text: &[u8]) -> bool {
    let old = net.dedup.as_ref().is_some_and(|d| d.lock().check(Instant::now(), text, true));
    if old {
        net.counters.duplicates.add(1);
    }
    old
}
