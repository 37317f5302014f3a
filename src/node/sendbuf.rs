//! The send side of a connection: one buffer that any thread appends to, one writer that empties it.
//!
//! ```text
//!   your thread ── append ─▶ pending ── swap ─▶ the connection's task ── write ─▶ socket
//!        └──────────── write at once, if the connection has been quiet ──────────▶┘
//! ```
//!
//! Under load lines are joined: while the task writes one buffer, the next fills. A line on a quiet connection does not
//! wait for another thread to wake up: the caller's thread writes it. Which of the two it is depends on how long ago the
//! last write was, so a burst of lines costs one system call and not one each.

use std::time::{Duration, Instant};

use crate::error::Code;

/// A connection that has not written for this long is quiet.
const QUIET: Duration = Duration::from_micros(8);
/// A buffer larger than this is given back to the system when it has been written.
const KEEP: usize = 64 << 10;

/// The sending half of a connection, behind its lock.
pub(crate) struct SendBuf {
    /// Accepted and not taken by the writer yet.
    pending: Vec<u8>,
    /// Taken by the writer and not yet by the system.
    in_flight: usize,
    /// The writer will look at `pending` again without being woken.
    writer_awake: bool,
    /// The program was told that the buffer is full and has not been told that it is no more.
    wants_writable: bool,
    /// A WRITABLE event is on its way: one at a time, or a program that sends and takes no events would pile them up.
    telling: bool,
    closing: bool,
    last_write: Option<Instant>,
    limit: usize,
    pub(crate) lines: u64,
    pub(crate) bytes_written: u64,
}

/// What the caller has to do after an append, without the lock.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub(crate) enum After {
    Nothing,
    WakeWriter,
}

impl SendBuf {
    pub(crate) fn new(limit: usize) -> SendBuf {
        SendBuf {
            pending: Vec::new(),
            in_flight: 0,
            writer_awake: false,
            wants_writable: false,
            telling: false,
            closing: false,
            last_write: None,
            limit,
            lines: 0,
            bytes_written: 0,
        }
    }

    /// Bytes accepted and not yet taken by the system.
    pub(crate) fn queued(&self) -> usize {
        self.pending.len() + self.in_flight
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Accepts `parts` whole or not at all, and tries to send it with `write` if the connection has been quiet.
    ///
    /// A single piece larger than the whole buffer is accepted when nothing else is queued.
    pub(crate) fn append(
        &mut self,
        parts: [&[u8]; 2],
        write: impl FnOnce(&[u8]) -> usize,
    ) -> Result<After, Code> {
        if self.closing {
            return Err(Code::Closed);
        }
        let len = parts[0].len() + parts[1].len();
        let queued = self.queued();
        if queued > 0 && queued + len > self.limit {
            self.wants_writable = true;
            return Err(Code::WouldBlock);
        }
        self.lines += 1;
        self.pending.extend_from_slice(parts[0]);
        self.pending.extend_from_slice(parts[1]);
        if self.writer_awake {
            return Ok(After::Nothing);
        }
        if queued == 0 {
            let now = Instant::now();
            let quiet = self.last_write.is_none_or(|t| now.saturating_duration_since(t) > QUIET);
            self.last_write = Some(now);
            if quiet {
                let written = write(&self.pending);
                self.bytes_written += written as u64;
                self.pending.drain(..written);
                if self.pending.is_empty() {
                    return Ok(After::Nothing);
                }
            }
        }
        self.writer_awake = true;
        Ok(After::WakeWriter)
    }

    /// No more is accepted; what is queued will still be written.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    /// The writer exchanges its empty buffer for the pending one. False: there is nothing, and the writer has to be
    /// woken for the next.
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        if self.pending.is_empty() {
            if buffer.capacity() > KEEP {
                *buffer = Vec::new();
            }
            self.writer_awake = false;
            return false;
        }
        std::mem::swap(&mut self.pending, buffer);
        self.in_flight = buffer.len();
        self.writer_awake = true;
        true
    }

    /// The system has taken `n` bytes of what the writer holds. True: the program waits for room and there is some.
    pub(crate) fn written(&mut self, n: usize) -> bool {
        self.in_flight -= n;
        self.bytes_written += n as u64;
        if self.in_flight == 0 {
            self.last_write = Some(Instant::now());
        }
        let tell = self.wants_writable && !self.telling && !self.closing && self.queued() <= self.limit / 2;
        self.telling |= tell;
        tell
    }

    /// The program takes the WRITABLE event, and with it the answer to every refusal so far.
    pub(crate) fn told(&mut self) {
        self.telling = false;
        self.wants_writable = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &[u8]) -> usize {
        0
    }

    #[test]
    fn a_quiet_connection_writes_at_once_and_a_burst_is_joined() {
        let mut b = SendBuf::new(1000);
        assert_eq!(b.append([b"one", b"\r\n"], <[u8]>::len), Ok(After::Nothing));
        assert_eq!((b.queued(), b.bytes_written), (0, 5));
        b.last_write = Some(Instant::now() + Duration::from_secs(3600));
        assert_eq!(b.append([b"two", b"\r\n"], |_| panic!("not quiet")), Ok(After::WakeWriter));
        assert_eq!(b.append([b"three", b"\r\n"], |_| panic!("writer awake")), Ok(After::Nothing));
        let mut out = Vec::new();
        assert!(b.take(&mut out));
        assert_eq!(out, b"two\r\nthree\r\n");
        assert_eq!(b.append([b"four", b"\r\n"], |_| panic!("not empty")), Ok(After::Nothing));
        assert!(!b.written(12));
        assert!(b.take(&mut out));
        b.written(6);
        assert!(!b.take(&mut out));
        assert_eq!(b.queued(), 0);
    }

    #[test]
    fn a_partial_direct_write_leaves_the_rest_in_order() {
        let mut b = SendBuf::new(1000);
        assert_eq!(b.append([b"abcdef", b""], |_| 2), Ok(After::WakeWriter));
        assert_eq!(b.append([b"gh", b""], nothing), Ok(After::Nothing));
        let mut out = Vec::new();
        assert!(b.take(&mut out));
        assert_eq!(out, b"cdefgh");
    }

    #[test]
    fn full_is_all_or_nothing_and_room_is_told_once() {
        let mut b = SendBuf::new(10);
        assert_eq!(
            b.append([&[b'x'; 50], b""], nothing),
            Ok(After::WakeWriter),
            "one large piece fits alone"
        );
        assert_eq!(b.append([b"y", b""], nothing), Err(Code::WouldBlock));
        assert_eq!(b.queued(), 50);
        let mut out = Vec::new();
        assert!(b.take(&mut out));
        assert!(!b.written(40));
        assert!(b.written(7), "3 of 10 left");
        assert!(!b.written(3));
    }

    #[test]
    fn one_writable_event_is_under_way_at_a_time() {
        let (mut b, mut out) = (SendBuf::new(10), Vec::new());
        let mut fill_and_empty = |b: &mut SendBuf| {
            while b.append([b"xxxx", b""], nothing).is_ok() {}
            b.take(&mut out);
            b.written(out.len())
        };
        assert!(fill_and_empty(&mut b));
        assert!(!fill_and_empty(&mut b), "the first has not been taken");
        b.told();
        assert!(fill_and_empty(&mut b));
    }

    #[test]
    fn nothing_is_accepted_after_close_but_the_rest_is_written() {
        let mut b = SendBuf::new(10);
        b.append([b"x", b""], nothing).unwrap();
        b.close();
        assert_eq!(b.append([b"y", b""], nothing), Err(Code::Closed));
        assert!(b.take(&mut Vec::new()));
    }
}
