//! The program's end of the queue: takes elements apart into single events, without copying.
//!
//! A line is handed out where it lies in its receive buffer; its CR is overwritten by a NUL so that C can read it as a
//! string. The view lives until the next call; then the buffer goes back to the pool and the connection learns that
//! there is room again.

use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use super::{Batch, Item, Messages, Notice};
use crate::error::Code;
use crate::event::Kind;
use crate::node::conn::Conn;
use crate::node::shared::Shared;
use crate::proto::line;

/// One event, borrowed from the inbox until its next call.
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

/// What the last view was taken from.
enum Current {
    Nothing,
    /// Up to `until` there are lines. `kind` is that of the last view: a line, or a message.
    Lines {
        batch: Batch,
        pos: usize,
        until: usize,
        count: u64,
        kind: Kind,
    },
    Data(Batch),
    Notice(Box<Notice>),
}

pub(crate) struct Inbox {
    current: Current,
    /// The messages of the current batch that have not been shown, the next one last.
    messages: Messages,
}

impl View<'_> {
    /// Whom it is about: a connection's other end, a node; "" if neither.
    #[inline(always)]
    pub(crate) fn peer(&self) -> &CStr {
        match (self.name, self.conn) {
            (Some(name), _) => name,
            (None, conn) => conn.map_or(c"", |c| &c.peer),
        }
    }
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox { current: Current::Nothing, messages: Vec::new() }
    }

    /// The next event. `budget` is how many more elements may be taken from the queue; `None` when none is left.
    #[inline(always)]
    pub(crate) fn next(&mut self, net: &Shared, budget: &mut u64) -> Option<View<'_>> {
        // Nearly every event is the next line of the batch at hand. All else is kept out of the way, so that this small
        // part becomes one piece with the loop that asks, and a view needs no memory.
        let (from, to) = match self.next_line(net) {
            Some(line) => line,
            None => self.next_element(net, budget)?,
        };
        Some(self.view(from, to))
    }

    /// Where the next line of the current batch stands, if that has one.
    #[inline(always)]
    fn next_line(&mut self, net: &Shared) -> Option<(usize, usize)> {
        let Current::Lines { batch, pos, until, count, .. } = &mut self.current else { return None };
        loop {
            let (found, used) = line::next_line(&batch.chunk[*pos..*until])?;
            let (from, to) = (*pos + found.start, *pos + found.end);
            *pos += used;
            if net.dedup.is_none() || !is_old(net, &batch.chunk[from..to]) {
                *count += 1;
                return Some((from, to));
            }
        }
    }

    /// Finishes the current element and goes on to the next that holds an event; where its data stands.
    #[inline(never)]
    fn next_element(&mut self, net: &Shared, budget: &mut u64) -> Option<(usize, usize)> {
        loop {
            if let Some(found) = self.rest_of_mixed(net) {
                return Some(found);
            }
            self.settle(net);
            *budget = budget.checked_sub(1)?;
            match net.queue.pop()? {
                Item::Mixed(batch, mut messages) => {
                    messages.reverse();
                    let (pos, until) = (batch.start, messages.last().map_or(batch.end, |(begin, _)| *begin));
                    self.messages = messages;
                    self.current = Current::Lines { batch, pos, until, count: 0, kind: Kind::Line };
                    if let Some(line) = self.next_line(net) {
                        return Some(line);
                    }
                }
                Item::Lines(batch) => {
                    let (pos, until) = (batch.start, batch.end);
                    self.current = Current::Lines { batch, pos, until, count: 0, kind: Kind::Line };
                    if let Some(line) = self.next_line(net) {
                        return Some(line);
                    }
                }
                Item::Data(batch) => {
                    let range = (batch.start, batch.end);
                    self.current = Current::Data(batch);
                    return Some(range);
                }
                Item::Notice(mut notice) => {
                    notice.text.push('\0');
                    if let (Kind::Writable, Some(conn)) = (notice.kind, &notice.conn) {
                        // Before the program sees it: what it is refused from now on is worth another one.
                        conn.out.lock().told();
                    }
                    if let (Kind::Path, Some(conn)) = (notice.kind, &notice.conn) {
                        conn.path_told();
                    }
                    if notice.kind == Kind::Info {
                        // Before the program looks: a change that it may not see is worth another event.
                        net.info_waits.store(false, SeqCst);
                    }
                    self.current = Current::Notice(notice);
                    return Some((0, 0));
                }
            }
        }
    }

    /// What follows in a batch with messages when the lines before the next message have been shown.
    fn rest_of_mixed(&mut self, net: &Shared) -> Option<(usize, usize)> {
        let Current::Lines { batch, pos, until, count, kind } = &mut self.current else { return None };
        if *kind == Kind::Message {
            // Back to the lines behind it.
            *kind = Kind::Line;
            *until = self.messages.last().map_or(batch.end, |(begin, _)| *begin);
            if let Some(line) = self.next_line(net) {
                return Some(line);
            }
            return self.rest_of_mixed(net);
        }
        let (from, to) = self.messages.pop()?;
        (*pos, *until, *kind) = (to + 1, to + 1, Kind::Message);
        *count += 1;
        Some((from, to))
    }

    #[inline(always)]
    fn view(&mut self, from: usize, to: usize) -> View<'_> {
        match &mut self.current {
            Current::Lines { batch, kind, .. } => of_batch(*kind, batch, from, to),
            Current::Data(batch) => of_batch(Kind::Data, batch, from, to),
            Current::Notice(n) => View {
                kind: n.kind,
                conn: n.conn.as_ref(),
                request: n.request,
                result: n.result,
                os_error: n.os_error,
                code: n.code,
                data_nul: n.text.as_bytes(),
                name: n.peer.as_deref(),
                at_ms: n.at_ms,
            },
            Current::Nothing => unreachable!("a view is asked for only after something was taken"),
        }
    }

    /// Finishes the current element if nothing of it is left. Call it when the last view is no longer used.
    pub(crate) fn settle_if_used_up(&mut self, net: &Shared) {
        let used_up = match &self.current {
            Current::Lines { batch, pos, .. } => *pos >= batch.end,
            Current::Nothing => false,
            _ => true,
        };
        if used_up {
            self.settle(net);
        }
    }

    fn settle(&mut self, net: &Shared) {
        match std::mem::replace(&mut self.current, Current::Nothing) {
            Current::Nothing => return,
            Current::Lines { batch, count, .. } => {
                net.counters.lines_in.add(count);
                batch.conn.taken(batch.end - batch.start);
            }
            Current::Data(batch) => batch.conn.taken(batch.end - batch.start),
            Current::Notice(notice) => match (notice.kind, &notice.conn) {
                (Kind::Closed, Some(conn)) => drop(net.conns.write().remove(&conn.id)),
                (Kind::Done, _) => drop(net.requests.lock().remove(&notice.request)),
                _ => {}
            },
        }
        net.queue.finish_one();
    }
}

#[inline(always)]
fn of_batch(kind: Kind, batch: &mut Batch, from: usize, to: usize) -> View<'_> {
    // For a line this is its CR; for raw data and messages the reader left one byte free.
    batch.chunk[to] = 0;
    View {
        kind,
        conn: Some(&batch.conn),
        request: 0,
        result: Ok(()),
        os_error: 0,
        code: 0,
        data_nul: &batch.chunk[from..=to],
        name: None,
        at_ms: batch.at_ms,
    }
}

fn is_old(net: &Shared, text: &[u8]) -> bool {
    let old = net.dedup.as_ref().is_some_and(|d| d.lock().check(Instant::now(), text, true));
    if old {
        net.counters.duplicates.add(1);
    }
    old
}
