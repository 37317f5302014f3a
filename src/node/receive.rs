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

mod deliver;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::net::TcpStream;

use super::conn::Conn;
use super::frames::{Frames, Opening, Read};
use super::stream;
use crate::config::{Config, Framing};
use crate::proto::handshake::transport::{HEAD, Head};
use crate::proto::handshake::{self, FrameError, HandshakeError};
use crate::proto::line::LineScan;
use crate::proto::session::Violation;
use crate::queue::Queue;
use crate::queue::chunk::{Chunk, LARGEST, Pool, SMALLEST};

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
    line: u32,
    raw: u32,
}

impl Partial {
    /// `line`: the unfinished line, or message, at its front. `raw`: bytes of an unfinished frame behind that; none in the classic
    /// dialect. Both are far smaller than 4 GiB, as what is unfinished is bounded.
    fn new(chunk: Chunk, line: usize, raw: usize) -> Partial {
        Partial { chunk, line: line as u32, raw: raw as u32 }
    }

    fn line(&self) -> usize {
        self.line as usize
    }

    fn raw(&self) -> usize {
        self.raw as usize
    }
}

/// Each idle connection has one.
pub(crate) struct Receiver {
    scan: LineScan,
    partial: Option<Partial>,
    /// Decrypts, in the secure dialect.
    frames: Option<Box<Frames>>,
    /// How much the next read may take.
    read_size: u32,
    max_line: u32,
    framing: Framing,
    /// The last read took all that it could: there is more, most likely.
    filled: bool,
}

impl Receiver {
    pub(crate) fn new(config: &Config, pool: &Arc<Pool>, opening: Option<Opening>) -> Receiver {
        let mut receiver = Receiver {
            scan: LineScan::new(),
            partial: None,
            frames: None,
            read_size: SMALLEST as u32,
            max_line: u32::try_from(config.max_line).unwrap_or(u32::MAX),
            framing: config.framing,
            filled: false,
        };
        if let Some(opening) = opening {
            receiver.frames = Some(Box::new(Frames::new(config)));
            receiver.next_link(opening, pool);
        }
        receiver
    }

    /// What comes now, comes by another link. What had come of a line or a message stays.
    pub(crate) fn next_link(&mut self, opening: Opening, pool: &Arc<Pool>) {
        self.link_lost();
        let Opening { opener, rest, announced } = opening;
        let Some(frames) = &mut self.frames else { return };
        frames.next_link(opener, announced);
        if rest.is_empty() {
            return;
        }
        let (line, raw) = (self.unfinished(), rest.len());
        let mut chunk = pool.take(line + raw + 1);
        if let Some(before) = &self.partial {
            chunk[..line].copy_from_slice(&before.chunk[..line]);
        }
        chunk[line..line + raw].copy_from_slice(&rest);
        self.partial = Some(Partial::new(chunk, line, raw));
    }

    /// The link is gone, and with it the beginning of a frame.
    pub(crate) fn link_lost(&mut self) {
        self.partial.take_if(|partial| partial.line == 0);
        if let Some(partial) = &mut self.partial {
            partial.raw = 0;
        }
    }

    fn max_line(&self) -> usize {
        self.max_line as usize
    }

    /// Whether the last read took all that it could.
    pub(crate) fn has_filled(&self) -> bool {
        self.filled
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
        self.partial.as_ref().map_or(0, Partial::line)
    }

    /// Whether `bytes` bytes are all that ever came, and look like the secure dialect's (classic dialect).
    pub(crate) fn sent_by_secure(&self, bytes: u64) -> bool {
        self.partial.as_ref().is_some_and(|partial| {
            let line = partial.line();
            line as u64 == bytes && partial.chunk.get(..line).is_some_and(handshake::sent_by_secure)
        })
    }

    /// What was read of an unfinished line, for whoever reads on (classic dialect).
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        self.partial.take().map_or_else(Vec::new, |p| p.chunk[..p.line() + p.raw()].to_vec())
    }

    /// One read of the socket; queues what it completes.
    pub(crate) fn read(&mut self, stream: &TcpStream, conn: &Arc<Conn>, queue: &Queue) -> Result<(), End> {
        let (mut chunk, line, raw) = match self.partial.take() {
            Some(partial) => with_room(partial),
            None => (queue.pool.take(self.read_size as usize), 0, 0),
        };
        let old = line + raw;
        // One byte stays free for the NUL behind the last event of the buffer.
        let space = chunk.len() - 1 - old;
        let n = match stream.try_read(&mut chunk[old..old + space]) {
            Ok(0) => {
                if old > 0 {
                    self.partial = Some(Partial::new(chunk, line, raw));
                }
                return Err(End::Peer { unfinished: old });
            }
            Ok(n) => n,
            Err(e) => {
                if old > 0 {
                    self.partial = Some(Partial::new(chunk, line, raw));
                }
                return match e.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(()),
                    _ => Err(End::Io(e)),
                };
            }
        };
        conn.bytes_in.fetch_add(n as u64, Relaxed);
        self.filled = n == space;
        if !self.filled {
            stream::has_given_all(stream);
        }
        if self.filled {
            self.read_size = (self.read_size * 2).min(LARGEST as u32);
        } else if n < self.read_size as usize / 4 {
            self.read_size = (self.read_size / 2).max(SMALLEST as u32);
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
}

/// The same buffer or a larger one, with room for a byte more, or for all of the frame that has begun; the line and the part of a
/// frame in it.
fn with_room(partial: Partial) -> (Chunk, usize, usize) {
    let (line, raw) = (partial.line(), partial.raw());
    let chunk = partial.chunk;
    let body = |head: &[u8; HEAD]| Head::parse(*head).map_or(0, |head| head.body);
    let frame = chunk[line..line + raw].first_chunk().map_or(0, |head| HEAD + body(head));
    let used = line + raw;
    let needed = (used + 1).max(line + frame);
    let chunk = if chunk.len() > needed { chunk } else { chunk.grown(used, needed + 1) };
    (chunk, line, raw)
}
