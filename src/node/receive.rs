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
//!
//! In the secure dialect messages may stand between the lines, and what is unfinished may be one. [`super::frames`] opens frames.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::TcpStream;

use super::conn::Conn;
use super::frames::{Frames, Opening, Read};
use crate::config::{Config, Framing};
use crate::proto::handshake::transport::{HEAD, Head};
use crate::proto::handshake::{self, FrameError, HandshakeError};
use crate::proto::line::{self, LineScan};
use crate::proto::session::Violation;
use crate::queue::chunk::{Chunk, LARGEST, Pool, SMALLEST};
use crate::queue::{Batch, Item, Messages, Queue};

/// Why a connection, or the link that carries it, delivers no more.
pub(crate) enum End {
    /// The peer's FIN, with so many bytes of a line that was not finished.
    Peer {
        unfinished: usize,
    },
    /// A line longer than the limit.
    TooLong,
    /// A message longer than the limit.
    MessageTooLong,
    /// Something that is no frame, or not the next one of the peer.
    Frame(FrameError),
    /// Something that must not come at this point.
    Violation(Violation),
    /// The peer has closed the session; so many bytes that it had accepted will never come.
    Closed {
        missing: u64,
    },
    /// The peer has told that it does not want this connection.
    Unwelcome(HandshakeError),
    Io(io::Error),
}

/// A buffer that waits for more.
struct Partial {
    chunk: Chunk,
    /// The unfinished line, or message, at its front.
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
    frames: Option<Box<Frames>>,
}

impl Receiver {
    pub(crate) fn new(config: &Config, pool: Arc<Pool>, opening: Option<Opening>) -> Receiver {
        let mut receiver = Receiver {
            pool,
            framing: config.framing,
            max_line: config.max_line,
            scan: LineScan::new(),
            partial: None,
            read_size: SMALLEST,
            frames: None,
        };
        if let Some(opening) = opening {
            receiver.frames = Some(Box::new(Frames::new(config)));
            receiver.next_link(opening);
        }
        receiver
    }

    /// What comes now, comes by another link. What had come of a line or a message stays.
    pub(crate) fn next_link(&mut self, opening: Opening) {
        self.link_lost();
        let Opening { opener, rest, announced } = opening;
        let Some(frames) = &mut self.frames else { return };
        frames.next_link(opener, announced);
        if rest.is_empty() {
            return;
        }
        let (line, raw) = (self.partial.as_ref().map_or(0, |p| p.line), rest.len());
        let mut chunk = self.pool.take(line + raw + 1);
        if let Some(before) = &self.partial {
            chunk[..line].copy_from_slice(&before.chunk[..line]);
        }
        chunk[line..line + raw].copy_from_slice(&rest);
        self.partial = Some(Partial { chunk, line, raw });
    }

    /// The link is gone, and with it the beginning of a frame.
    pub(crate) fn link_lost(&mut self) {
        self.partial = self.partial.take().filter(|partial| partial.line > 0);
        if let Some(partial) = &mut self.partial {
            partial.raw = 0;
        }
    }

    /// Nobody wants what comes now.
    pub(crate) fn discard(&mut self) {
        if let Some(frames) = &mut self.frames {
            frames.incoming.discard();
        }
    }

    /// Where the peer relays, if it has said so since the last time.
    pub(crate) fn take_relays(&mut self) -> Option<SocketAddr> {
        self.frames.as_mut().and_then(|frames| frames.take_relays())
    }

    /// Bytes of a line or a message that has not come whole.
    pub(crate) fn unfinished(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.line)
    }

    /// Whether `bytes` bytes are all that ever came, and look like the secure dialect's (classic dialect).
    pub(crate) fn sent_by_secure(&self, bytes: u64) -> bool {
        self.partial.as_ref().is_some_and(|Partial { chunk, line, .. }| {
            *line as u64 == bytes && chunk.get(..*line).is_some_and(handshake::sent_by_secure)
        })
    }

    /// What was read of an unfinished line, for whoever reads on (classic dialect).
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        self.partial.take().map_or_else(Vec::new, |Partial { chunk, line, raw }| chunk[..line + raw].to_vec())
    }

    /// One read of the socket; queues what it completes.
    pub(crate) fn read(&mut self, stream: &TcpStream, conn: &Arc<Conn>, queue: &Queue) -> Result<(), End> {
        let Partial { mut chunk, line, raw } = match self.partial.take() {
            Some(partial) => with_room(partial),
            None => Partial { chunk: self.pool.take(self.read_size), line: 0, raw: 0 },
        };
        let old = line + raw;
        // One byte stays free for the NUL behind the last event of the buffer.
        let space = chunk.len() - 1 - old;
        let n = match stream.try_read(&mut chunk[old..old + space]) {
            Ok(0) => {
                if old > 0 {
                    self.partial = Some(Partial { chunk, line, raw });
                }
                return Err(End::Peer { unfinished: old });
            }
            Ok(n) => n,
            Err(e) => {
                if old > 0 {
                    self.partial = Some(Partial { chunk, line, raw });
                }
                return match e.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
                    _ => Err(End::Io(e)),
                };
            }
        };
        conn.bytes_in.fetch_add(n as u64, Relaxed);
        if n == space {
            self.read_size = (self.read_size * 2).min(LARGEST);
        } else if n < self.read_size / 4 {
            self.read_size = (self.read_size / 2).max(SMALLEST);
        }
        let filled = old + n;
        let Some(frames) = &mut self.frames else {
            return self.deliver(conn, queue, chunk, filled, filled..filled);
        };
        let Read { text, begun, messages, rest, end } = frames.open(&mut chunk, line, filled, &conn.out);
        // What was good before something broke is the program's.
        let delivered = if text == line && messages.is_empty() {
            self.keep(chunk, line, rest);
            Ok(())
        } else if messages.is_empty() && begun.is_none() {
            self.deliver(conn, queue, chunk, text, rest)
        } else {
            self.mixed(conn, queue, chunk, (text, begun), rest, messages)
        };
        delivered.and(end)
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

    /// Lines, with `messages` between them, each of which begins where a line could. The last one may have begun only.
    fn mixed(
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
        let mut too_long = begun.is_none() && filled - end > self.max_line + 1;
        let mut good_end = end;
        let (mut from, mut good) = (0, 0);
        for (begin, after) in messages.iter().map(|(b, e)| (*b, e + 1)).chain([(end, end)]) {
            let run = &chunk[from..begin.max(from)];
            if run.len() > self.max_line + 2 {
                let found = end_before_long_line(run, self.max_line);
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
            self.keep_copy(&chunk, end..filled, rest);
        }
        if good_end > 0 {
            conn.queued_for_program(good_end);
            let batch =
                Batch { conn: Arc::clone(conn), chunk, start: 0, end: good_end, at_ms: queue.now_ms() };
            queue.push(Item::Mixed(batch, messages));
        }
        if too_long { Err(End::TooLong) } else { Ok(()) }
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
