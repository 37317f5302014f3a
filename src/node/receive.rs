//! Bytes from a socket to batches of whole lines.
//!
//! A read fills a pooled buffer behind the unfinished line of the read before; up to the last line end the buffer goes
//! to the program as it is, the rest is copied to the next buffer. The buffer grows with what the socket delivers and
//! with the length of a line, and an idle connection holds none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::conn::Conn;
use crate::config::{Config, Framing};
use crate::proto::line::{self, LineScan};
use crate::queue::chunk::{Chunk, LARGEST, Pool, SMALLEST};
use crate::queue::{Batch, Item, Queue};

/// Why a connection delivers no more.
pub(crate) enum End {
    /// The peer's FIN, with so many bytes of a line that was not finished.
    Peer {
        unfinished: usize,
    },
    /// A line longer than the limit.
    TooLong,
    Io(io::Error),
}

pub(crate) struct Receiver {
    pool: Arc<Pool>,
    framing: Framing,
    max_line: usize,
    scan: LineScan,
    /// The buffer that holds an unfinished line, and how long that is.
    partial: Option<(Chunk, usize)>,
    /// How much the next read may take.
    read_size: usize,
}

impl Receiver {
    pub(crate) fn new(config: &Config, pool: Arc<Pool>) -> Receiver {
        Receiver {
            pool,
            framing: config.framing,
            max_line: config.max_line,
            scan: LineScan::new(),
            partial: None,
            read_size: SMALLEST,
        }
    }

    /// One read of the socket; queues what it completes.
    pub(crate) fn read(&mut self, conn: &Arc<Conn>, queue: &Queue) -> Result<(), End> {
        let (mut chunk, old) = match self.partial.take() {
            Some((chunk, old)) if chunk.len() - old > 1 => (chunk, old),
            Some((chunk, old)) => (chunk.grown(old), old),
            None => (self.pool.take(self.read_size), 0),
        };
        // One byte stays free for the NUL behind the last event of the buffer.
        let space = chunk.len() - 1 - old;
        let n = match conn.stream.try_read(&mut chunk[old..old + space]) {
            Ok(0) => return Err(End::Peer { unfinished: old }),
            Ok(n) => n,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                if old > 0 {
                    self.partial = Some((chunk, old));
                }
                return Ok(());
            }
            Err(e) => return Err(End::Io(e)),
        };
        conn.bytes_in.fetch_add(n as u64, Relaxed);
        if n == space {
            self.read_size = (self.read_size * 2).min(LARGEST);
        } else if n < self.read_size / 4 {
            self.read_size = (self.read_size / 2).max(SMALLEST);
        }
        let filled = old + n;
        match self.framing {
            Framing::Raw => {
                self.hand_over(conn, queue, chunk, filled);
                Ok(())
            }
            Framing::Lines => self.lines(conn, queue, chunk, filled),
        }
    }

    fn lines(&mut self, conn: &Arc<Conn>, queue: &Queue, chunk: Chunk, filled: usize) -> Result<(), End> {
        let end = self.scan.feed(&chunk[..filled]).unwrap_or(0);
        let tail = filled - end;
        // An unfinished line may be one CR longer than the limit: its LF may follow.
        let tail_too_long = tail > self.max_line + 1;
        if end == 0 {
            if tail_too_long {
                return Err(End::TooLong);
            }
            self.partial = Some((chunk, filled));
            return Ok(());
        }
        // Only a buffer longer than the limit can hold a line longer than the limit.
        let good_end =
            if end > self.max_line + 2 { end_before_long_line(&chunk[..end], self.max_line) } else { end };
        if tail > 0 && !tail_too_long && good_end == end {
            let mut next = self.pool.take((tail + SMALLEST / 2).max(self.read_size));
            next[..tail].copy_from_slice(&chunk[end..filled]);
            self.partial = Some((next, tail));
        }
        if good_end > 0 {
            self.hand_over(conn, queue, chunk, good_end);
        }
        if tail_too_long || good_end < end { Err(End::TooLong) } else { Ok(()) }
    }

    fn hand_over(&self, conn: &Arc<Conn>, queue: &Queue, chunk: Chunk, end: usize) {
        conn.queued_for_program(end);
        let batch = Batch { conn: Arc::clone(conn), chunk, start: 0, end, at_ms: queue.now_ms() };
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
