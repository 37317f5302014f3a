//! The program's end of the queue: takes elements apart into single events, without copying.
//!
//! A line is shown where it lies in its receive buffer; its CR is overwritten by a NUL so that C can read it as a string. It
//! lives until the next event is shown, or, if that is asked for, until the next call. Then the buffer goes back to the
//! pool, and the connection learns that there is room again.

use std::sync::atomic::Ordering::SeqCst;

use super::view::{Run, Taker, View};
use super::{Batch, Item, Messages, Notice};
use crate::event::Kind;
use crate::node::conn::PROGRAM;
use crate::node::shared::Shared;
use crate::proto::line::LineFinder;

/// An element of the queue whose events are being shown.
enum Current {
    Nothing,
    /// Up to `until` there are lines, and behind that perhaps a message.
    Lines {
        batch: Batch,
        finder: LineFinder,
        until: usize,
        count: u64,
    },
    Data(Batch),
    Notice(Box<Notice>),
}

pub(crate) struct Inbox {
    current: Current,
    /// The messages of the current batch that have not been shown, the next one last.
    messages: Messages,
    /// What the program has been shown and may still look at, besides the current element.
    kept: Vec<Current>,
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox { current: Current::Nothing, messages: Vec::new(), kept: Vec::new() }
    }

    /// Shows up to `most` events to `taker` and says how many it were. With `keep` what they were shown from stays where it
    /// is until the next call. Until then the queue does not count as empty: nobody shall sleep on what has to be given
    /// back before more can come.
    pub(crate) fn take(&mut self, net: &Shared, most: u32, keep: bool, taker: &mut impl Taker) -> u32 {
        self.release(net);
        // No more elements than there are now: what comes in meanwhile may hold no event (line ends only, duplicates),
        // and a peer that sends enough of that must not keep the program in here.
        let (mut left, mut budget) = (most, net.queue.len());
        while left > 0 {
            let before = left;
            if !self.show(net, &mut left, taker) || left == 0 {
                break;
            }
            self.finish(net, keep && left < before);
            let Some(less) = budget.checked_sub(1) else { break };
            budget = less;
            if !self.next_element(net) {
                break;
            }
        }
        if keep {
            net.queue.kept.store(self.kept.len() + usize::from(self.is_used_up()), SeqCst);
        } else {
            self.settle_if_used_up(net);
        }
        most - left
    }

    /// Shows what is left of the current element, `left` events at most. False: `taker` wants no more.
    fn show(&mut self, net: &Shared, left: &mut u32, taker: &mut impl Taker) -> bool {
        match &mut self.current {
            Current::Nothing => true,
            Current::Lines { batch, finder, until, count } => loop {
                let Batch { conn, chunk, at_ms, .. } = batch;
                let dedup = net.dedup.is_some().then_some(net);
                let (at_ms, until_now) = (*at_ms, *until);
                let mut run = Run { conn, at_ms, chunk, until: until_now, finder, count, left, dedup };
                if !taker.lines(&mut run) {
                    return false;
                }
                if *left == 0 {
                    return true;
                }
                let Some((from, to)) = self.messages.pop() else { return true };
                *finder = LineFinder::starting(to + 1);
                *until = self.messages.last().map_or(batch.end, |(begin, _)| *begin);
                (*count, *left) = (*count + 1, *left - 1);
                if !taker.event(&of_batch(Kind::Message, batch, from, to)) {
                    return false;
                }
            },
            Current::Data(batch) => {
                *left -= 1;
                let end = batch.end;
                taker.event(&of_batch(Kind::Data, batch, 0, end))
            }
            Current::Notice(n) => {
                *left -= 1;
                taker.event(&View {
                    kind: n.kind,
                    conn: n.conn.as_ref(),
                    request: n.request,
                    result: n.result,
                    os_error: n.os_error,
                    code: n.code,
                    data_nul: n.text.as_bytes(),
                    name: n.peer.as_deref(),
                    at_ms: n.at_ms,
                })
            }
        }
    }

    /// The next element of the queue becomes the current one; false if there is none.
    fn next_element(&mut self, net: &Shared) -> bool {
        self.current = match net.queue.pop() {
            None => return false,
            Some(Item::Lines(batch)) => Current::lines(batch, None),
            Some(Item::Mixed(batch, mut messages)) => {
                messages.reverse();
                self.messages = messages;
                Current::lines(batch, self.messages.last().map(|(begin, _)| *begin))
            }
            Some(Item::Data(batch)) => Current::Data(batch),
            Some(Item::Notice(mut notice)) => {
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
                Current::Notice(notice)
            }
        };
        true
    }

    /// What was shown before is no longer looked at.
    fn release(&mut self, net: &Shared) {
        for element in self.kept.drain(..) {
            element.settle(net);
        }
        self.settle_if_used_up(net);
        if net.queue.kept.load(SeqCst) > 0 {
            net.queue.kept.store(0, SeqCst);
        }
    }

    /// Whether nothing of the current element is left.
    fn is_used_up(&self) -> bool {
        match &self.current {
            Current::Lines { batch, finder, .. } => finder.position() >= batch.end,
            Current::Nothing => false,
            Current::Data(_) | Current::Notice(_) => true,
        }
    }

    fn settle_if_used_up(&mut self, net: &Shared) {
        if self.is_used_up() {
            self.finish(net, false);
        }
    }

    /// Finishes the current element, now or with the next call.
    fn finish(&mut self, net: &Shared, keep: bool) {
        match std::mem::replace(&mut self.current, Current::Nothing) {
            element if keep => self.kept.push(element),
            element => element.settle(net),
        }
    }
}

impl Current {
    fn lines(batch: Batch, until: Option<usize>) -> Current {
        let finder = LineFinder::new(batch.seen);
        Current::Lines { until: until.unwrap_or(batch.end), batch, finder, count: 0 }
    }

    /// The program is done with it.
    fn settle(self, net: &Shared) {
        match self {
            Current::Nothing => return,
            Current::Lines { batch, count, .. } => {
                net.counters.lines_in.add(count);
                batch.conn.taken(batch.end);
            }
            Current::Data(batch) => batch.conn.taken(batch.end),
            Current::Notice(notice) => match (notice.kind, &notice.conn) {
                (Kind::Closed, Some(conn)) => {
                    net.conns.write().remove(&conn.id);
                    conn.done_with(PROGRAM);
                }
                (Kind::Done, _) => net.forget_request(notice.request),
                _ => {}
            },
        }
        net.queue.finish_one();
    }
}

fn of_batch(kind: Kind, batch: &mut Batch, from: usize, to: usize) -> View<'_> {
    // The reader left one byte free.
    batch.chunk[to] = 0;
    View::of(kind, &batch.conn, &batch.chunk[from..=to], batch.at_ms)
}
