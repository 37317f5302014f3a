//! What a read has brought goes to the program: whole lines, raw data, or lines with messages between them; the rest is kept.

use std::ops::Range;
use std::sync::Arc;

use super::{End, Partial, Receiver};
use crate::config::Framing;
use crate::node::conn::Conn;
use crate::proto::line;
use crate::queue::chunk::{Chunk, Pool, SMALLEST};
use crate::queue::{Batch, Item, Messages, Queue};

impl Receiver {
    /// `chunk` is readable up to `filled`; `rest` is the part of a frame behind that.
    pub(super) fn deliver(
        &mut self,
        conn: &Arc<Conn>,
        queue: &Queue,
        chunk: Chunk,
        filled: usize,
        rest: Range<usize>,
    ) -> Result<(), End> {
        if self.framing == Framing::Raw {
            self.keep_copy(&queue.pool, &chunk, filled..filled, rest);
            self.hand_over(conn, queue, chunk, 0, filled);
            return Ok(());
        }
        let seen = self.scan.unfinished();
        let end = self.scan.feed(&chunk[..filled]).unwrap_or(0);
        let tail = filled - end;
        // An unfinished line may be one CR longer than the limit: its LF may follow.
        let tail_too_long = tail > self.max_line() + 1;
        if end == 0 {
            if tail_too_long {
                return Err(End::TooLong);
            }
            self.keep(chunk, filled, rest);
            return Ok(());
        }
        // Only a buffer longer than the limit can hold a line longer than the limit.
        let good_end = if end > self.max_line() + 2 {
            end_before_long_line(&chunk[..end], self.max_line())
        } else {
            end
        };
        if !tail_too_long && good_end == end {
            self.keep_copy(&queue.pool, &chunk, end..filled, rest);
        }
        if good_end > 0 {
            self.hand_over(conn, queue, chunk, seen, good_end);
        }
        if tail_too_long || good_end < end { Err(End::TooLong) } else { Ok(()) }
    }

    /// Lines, with `messages` between them, each of which begins where a line could. The last one may have begun only.
    pub(super) fn mixed(
        &mut self,
        conn: &Arc<Conn>,
        queue: &Queue,
        chunk: Chunk,
        (filled, begun): (usize, Option<usize>),
        rest: Range<usize>,
        mut messages: Messages,
    ) -> Result<(), End> {
        let behind = messages.last().map_or(0, |(_, end)| end + 1);
        if !messages.is_empty() {
            self.scan.reset();
        }
        let end = match begun {
            Some(begun) => {
                self.scan.reset();
                begun
            }
            None => behind + self.scan.feed(&chunk[behind..filled]).unwrap_or(0),
        };
        let mut too_long = begun.is_none() && filled - end > self.max_line() + 1;
        let mut good_end = end;
        let (mut from, mut good) = (0, 0);
        for (begin, after) in messages.iter().map(|(b, e)| (*b, e + 1)).chain([(end, end)]) {
            let run = &chunk[from..begin.max(from)];
            if run.len() > self.max_line() + 2 {
                let found = end_before_long_line(run, self.max_line());
                if found < run.len() {
                    (good_end, too_long) = (from + found, true);
                    break;
                }
            }
            good += 1;
            from = after;
        }
        messages.truncate(good);
        if !too_long {
            if end == 0 {
                self.keep(chunk, filled, rest);
                return Ok(());
            }
            self.keep_copy(&queue.pool, &chunk, end..filled, rest);
        }
        if good_end > 0 {
            conn.queued_for_program(good_end);
            let batch =
                Batch { conn: Arc::clone(conn), chunk, seen: 0, end: good_end, at_ms: queue.now_ms() };
            queue.push(Item::Mixed(batch, messages));
        }
        if too_long { Err(End::TooLong) } else { Ok(()) }
    }

    /// Keeps the buffer with the unfinished line at its front, and the part of a frame moved up behind it.
    pub(super) fn keep(&mut self, mut chunk: Chunk, line: usize, rest: Range<usize>) {
        let raw = rest.len();
        if raw > 0 && rest.start != line {
            chunk.copy_within(rest, line);
        }
        if line + raw > 0 {
            self.partial = Some(Partial::new(chunk, line, raw));
        }
    }

    /// Keeps the unfinished line and the part of a frame in a buffer of their own.
    fn keep_copy(&mut self, pool: &Arc<Pool>, chunk: &Chunk, line: Range<usize>, rest: Range<usize>) {
        let kept = line.len() + rest.len();
        if kept > 0 {
            // Behind half of a long line there is room for as much as without it.
            let read_size = self.read_size as usize;
            let long = kept > (read_size / 8).max(SMALLEST / 2);
            let size = if long { kept + read_size } else { read_size };
            let mut next = pool.take(size.max(kept + SMALLEST / 2));
            let (line_len, raw) = (line.len(), rest.len());
            next[..line_len].copy_from_slice(&chunk[line]);
            next[line_len..kept].copy_from_slice(&chunk[rest]);
            self.partial = Some(Partial::new(next, line_len, raw));
        }
    }

    /// Up to `seen` no line ends.
    fn hand_over(&self, conn: &Arc<Conn>, queue: &Queue, chunk: Chunk, seen: usize, end: usize) {
        conn.queued_for_program(end);
        let batch = Batch { conn: Arc::clone(conn), chunk, seen, end, at_ms: queue.now_ms() };
        queue.push(if self.framing == Framing::Lines { Item::Lines(batch) } else { Item::Data(batch) });
    }
}

/// Where the first line longer than `max` begins, or the end of the run.
fn end_before_long_line(run: &[u8], max: usize) -> usize {
    let mut at = 0;
    while let Some((found, next)) = line::next_line(&run[at..]) {
        if found.len() > max {
            return at + found.start;
        }
        at += next;
    }
    run.len()
}
