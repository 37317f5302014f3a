//! Bytes from a socket to batches of whole lines.
//!
//! A read fills a pooled buffer behind the unfinished line of the read before; up to the last line end the buffer goes
//! to the program as it is, the rest is copied to the next buffer. The buffer grows with what the socket delivers and
//! with the length of a line, and an idle connection holds none.
//!
//! ```text
//!   classic   [ unfinished line | what arrived .......................... ]
//!   secure    [ unfinished line | frame | frame | frame | part of a frame ]   as it arrived
//!             [ unfinished line   text    text    text  | part of a frame ]   decrypted where it lay, and closed up
//! ```

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::conn::{Conn, Opening};
use crate::config::{Config, Framing};
use crate::proto::handshake::transport::{HEAD, Head, Kind};
use crate::proto::handshake::{Control, FrameError, HandshakeError, Opener, welcome};
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
    /// Something that is no frame, or not the next one of the peer.
    Frame(FrameError),
    /// The peer has told that it does not want this connection.
    Unwelcome(HandshakeError),
    Io(io::Error),
}

/// A buffer that waits for more.
struct Partial {
    chunk: Chunk,
    /// The unfinished line at its front.
    line: usize,
    /// Bytes of an unfinished frame behind that; none in the classic dialect.
    raw: usize,
}

pub(crate) struct Receiver {
    pool: Arc<Pool>,
    framing: Framing,
    max_line: usize,
    scan: LineScan,
    partial: Option<Partial>,
    /// How much the next read may take.
    read_size: usize,
    /// Decrypts, in the secure dialect.
    opener: Option<Opener>,
}

impl Receiver {
    pub(crate) fn new(config: &Config, pool: Arc<Pool>, opening: Option<Box<Opening>>) -> Receiver {
        let (opener, rest) = opening.map_or((None, Vec::new()), |o| (Some(o.opener), o.rest));
        let partial = (!rest.is_empty()).then(|| {
            let mut chunk = pool.take(rest.len() + 1);
            chunk[..rest.len()].copy_from_slice(&rest);
            Partial { chunk, line: 0, raw: rest.len() }
        });
        Receiver {
            pool,
            framing: config.framing,
            max_line: config.max_line,
            scan: LineScan::new(),
            partial,
            read_size: SMALLEST,
            opener,
        }
    }

    /// One read of the socket; queues what it completes.
    pub(crate) fn read(&mut self, conn: &Arc<Conn>, queue: &Queue) -> Result<(), End> {
        let Partial { mut chunk, line, raw } = match self.partial.take() {
            Some(partial) => with_room(partial),
            None => Partial { chunk: self.pool.take(self.read_size), line: 0, raw: 0 },
        };
        let old = line + raw;
        // One byte stays free for the NUL behind the last event of the buffer.
        let space = chunk.len() - 1 - old;
        let n = match conn.stream.try_read(&mut chunk[old..old + space]) {
            Ok(0) => return Err(End::Peer { unfinished: old }),
            Ok(n) => n,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                if old > 0 {
                    self.partial = Some(Partial { chunk, line, raw });
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
        let Some(opener) = &mut self.opener else {
            return self.deliver(conn, queue, chunk, filled, filled..filled);
        };
        let (text, rest, end) = open_frames(opener, &mut chunk, line, filled);
        // What was good before something broke is the program's.
        if text == line {
            self.keep(chunk, line, rest);
        } else {
            self.deliver(conn, queue, chunk, text, rest)?;
        }
        end
    }

    /// `chunk` is readable up to `filled`; `rest` is the part of a frame behind that.
    fn deliver(
        &mut self,
        conn: &Arc<Conn>,
        queue: &Queue,
        chunk: Chunk,
        filled: usize,
        rest: Range<usize>,
    ) -> Result<(), End> {
        match self.framing {
            Framing::Raw => {
                self.keep_copy(&chunk, filled..filled, rest);
                self.hand_over(conn, queue, chunk, filled);
                Ok(())
            }
            Framing::Lines => self.lines(conn, queue, chunk, filled, rest),
        }
    }

    fn lines(
        &mut self,
        conn: &Arc<Conn>,
        queue: &Queue,
        chunk: Chunk,
        filled: usize,
        rest: Range<usize>,
    ) -> Result<(), End> {
        let end = self.scan.feed(&chunk[..filled]).unwrap_or(0);
        let tail = filled - end;
        // An unfinished line may be one CR longer than the limit: its LF may follow.
        let tail_too_long = tail > self.max_line + 1;
        if end == 0 {
            if tail_too_long {
                return Err(End::TooLong);
            }
            self.keep(chunk, filled, rest);
            return Ok(());
        }
        // Only a buffer longer than the limit can hold a line longer than the limit.
        let good_end =
            if end > self.max_line + 2 { end_before_long_line(&chunk[..end], self.max_line) } else { end };
        if !tail_too_long && good_end == end {
            self.keep_copy(&chunk, end..filled, rest);
        }
        if good_end > 0 {
            self.hand_over(conn, queue, chunk, good_end);
        }
        if tail_too_long || good_end < end { Err(End::TooLong) } else { Ok(()) }
    }

    /// Keeps the buffer with the unfinished line at its front, and the part of a frame moved up behind it.
    fn keep(&mut self, mut chunk: Chunk, line: usize, rest: Range<usize>) {
        let raw = rest.len();
        if raw > 0 && rest.start != line {
            chunk.copy_within(rest, line);
        }
        if line + raw > 0 {
            self.partial = Some(Partial { chunk, line, raw });
        }
    }

    /// Keeps the unfinished line and the part of a frame in a buffer of their own.
    fn keep_copy(&mut self, chunk: &Chunk, line: Range<usize>, rest: Range<usize>) {
        let kept = line.len() + rest.len();
        if kept > 0 {
            let mut next = self.pool.take((kept + SMALLEST / 2).max(self.read_size));
            let (line_len, raw) = (line.len(), rest.len());
            next[..line_len].copy_from_slice(&chunk[line]);
            next[line_len..kept].copy_from_slice(&chunk[rest]);
            self.partial = Some(Partial { chunk: next, line: line_len, raw });
        }
    }

    fn hand_over(&self, conn: &Arc<Conn>, queue: &Queue, chunk: Chunk, end: usize) {
        conn.queued_for_program(end);
        let batch = Batch { conn: Arc::clone(conn), chunk, start: 0, end, at_ms: queue.now_ms() };
        queue.push(if self.framing == Framing::Lines { Item::Lines(batch) } else { Item::Data(batch) });
    }
}

/// The same buffer or a larger one, with room for a byte more, or for all of the frame that has begun.
fn with_room(partial: Partial) -> Partial {
    let Partial { chunk, line, raw } = partial;
    let body = |head: &[u8; HEAD]| Head::parse(*head).map_or(0, |head| head.body);
    let frame = chunk[line..line + raw].first_chunk().map_or(0, |head| HEAD + body(head));
    let used = line + raw;
    let needed = (used + 1).max(line + frame);
    let chunk = if chunk.len() > needed { chunk } else { chunk.grown(used, needed + 1) };
    Partial { chunk, line, raw }
}

/// Decrypts the whole frames of `chunk[line..filled]` and closes up what they hold behind the line. Gives where the readable
/// part ends, where the frame stands that is not whole, and what came in between that ends the connection.
fn open_frames(
    opener: &mut Opener,
    chunk: &mut [u8],
    line: usize,
    filled: usize,
) -> (usize, Range<usize>, Result<(), End>) {
    let (mut text, mut at) = (line, line);
    let end = loop {
        let Some((head, frames)) = chunk[at..filled].split_first_chunk_mut() else { break Ok(()) };
        let head = match Head::parse(*head) {
            Ok(head) => head,
            Err(e) => break Err(End::Frame(e)),
        };
        let Some(body) = frames.get_mut(..head.body) else { break Ok(()) };
        let len = match head.kind {
            Kind::Data => opener.open(head, body),
            Kind::Control => match opener.open_control(head, body) {
                Ok(Control::Unwelcome(why)) => {
                    let why = welcome(why).err().unwrap_or(HandshakeError::TurnedAway);
                    break Err(End::Unwelcome(why));
                }
                // This connection is open at both ends: what it is told of is so.
                Ok(Control::Verdict { .. } | Control::Choose) => Ok(0),
                Ok(_) => Err(FrameError::Unknown),
                Err(e) => Err(e),
            },
        };
        match len {
            Ok(len) => {
                let from = at + HEAD;
                chunk.copy_within(from..from + len, text);
                text += len;
                at = from + head.body;
            }
            Err(e) => break Err(End::Frame(e)),
        }
    };
    (text, at..filled, end)
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
