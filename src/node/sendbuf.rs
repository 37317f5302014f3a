//! The send side of a connection: one buffer that any thread appends to, and whoever writes it.
//!
//! ```text
//!   your thread ── append ─▶ pending ── swap ─▶ the connection's task ── write ─▶ socket
//!        └── write at once, if the connection has been quiet or much is pending ──▶┘
//! ```
//!
//! A line on a quiet connection does not wait for another thread to wake up: the caller's thread writes it. How long ago
//! the last write was decides what is quiet, so a burst of lines costs a system call for many and not one each: they are
//! joined, and the task writes what has gathered when it gets to it. When more has gathered than is good for the caches,
//! the caller's thread writes that too, unless the task is at it or the socket is full: it is running, and the task may
//! have to wait for the CPU it is running on.
//!
//! What a connection encrypts it encrypts when it is written, so lines are joined to frames before. What was encrypted and
//! not taken by the system counts as in flight: nothing may overtake it. What it has sent it keeps ([`SendBuf::append_kept`]),
//! by taking the whole of the buffer.

use std::time::{Duration, Instant};

use crate::error::Code;
use crate::proto::session::Piece;

/// A connection that has not written for this long is quiet.
const QUIET: Duration = Duration::from_micros(8);
/// So much is worth a system call of the caller's own.
const MUCH: usize = 64 << 10;
/// A task that gets to write no more than this each time is woken too early.
const LITTLE: usize = 4 << 10;
/// So many small writes in a row without a pause are no chance.
const EARLY: u32 = 3;
/// A buffer larger than this is given back to the system when it has been written.
const KEEP: usize = 128 << 10;

/// The sending half of a connection, behind its lock.
pub(crate) struct SendBuf {
    /// Accepted and not taken by the writer yet.
    pending: Piece,
    /// Taken by the writer and not yet by the system.
    in_flight: usize,
    /// The writer will look at `pending` again without being woken.
    writer_awake: bool,
    /// The socket was full at the last write by a caller; the task finds out when it no longer is.
    blocked: bool,
    /// Small writes by the task since the connection was last quiet.
    small_writes: u32,
    /// The program was told that the buffer is full and has not been told that it is no more.
    wants_writable: bool,
    /// A WRITABLE event is on its way: one at a time, or a program that sends and takes no events would pile them up.
    telling: bool,
    closing: bool,
    /// The program is to get the socket, once everything is written: with so much room for what was read.
    handing_over: Option<usize>,
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

/// What a write by the caller has come to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wrote {
    /// Bytes of the pieces that are no longer the buffer's business.
    pub(crate) taken: usize,
    /// Bytes that the system has taken.
    pub(crate) by_system: usize,
    /// Encrypted bytes that wait for the writer.
    pub(crate) waiting: usize,
}

impl Wrote {
    /// The system has taken `n` bytes as they were.
    #[inline]
    pub(crate) fn plain(n: usize) -> Wrote {
        Wrote { taken: n, by_system: n, waiting: 0 }
    }
}

/// Gives an empty buffer back to the system if it has grown.
pub(crate) fn give_back_if_large(buffer: &mut Vec<u8>) {
    if buffer.is_empty() && buffer.capacity() > KEEP {
        *buffer = Vec::new();
    }
}

impl SendBuf {
    pub(crate) fn new(limit: usize) -> SendBuf {
        SendBuf {
            pending: Piece::default(),
            in_flight: 0,
            writer_awake: false,
            blocked: false,
            small_writes: 0,
            wants_writable: false,
            telling: false,
            closing: false,
            handing_over: None,
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

    /// Accepts `parts` whole or not at all, and tries to send it with `write` if the connection has been quiet or enough
    /// has come together. `write` says what has become of it.
    ///
    /// A single piece larger than the whole buffer is accepted when nothing else is queued.
    #[inline]
    pub(crate) fn append(
        &mut self,
        parts: [&[u8]; 2],
        write: impl FnOnce([&[u8]; 2]) -> Wrote,
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
        if queued == 0 {
            return Ok(self.append_first(parts, write));
        }
        self.pending.push_lines(parts[0]);
        self.pending.push_lines(parts[1]);
        if self.pending.len() >= MUCH && self.in_flight == 0 && !self.blocked {
            return Ok(self.write_pending(write));
        }
        Ok(self.leave_to_task())
    }

    /// The first piece after everything was written.
    fn append_first(&mut self, parts: [&[u8]; 2], write: impl FnOnce([&[u8]; 2]) -> Wrote) -> After {
        let now = Instant::now();
        let quiet = self.last_write.is_none_or(|t| now.saturating_duration_since(t) > QUIET);
        self.last_write = Some(now);
        if quiet {
            self.small_writes = 0;
        }
        let [a, b] = parts;
        if a.len() >= MUCH {
            // From where it lies: a long line is copied only if the socket has no room for it.
            let wrote = write(parts);
            let written = wrote.taken;
            self.bytes_written += wrote.by_system as u64;
            self.in_flight = wrote.waiting;
            self.pending.push_lines(a.get(written..).unwrap_or_default());
            self.pending.push_lines(b.get(written.saturating_sub(a.len())..).unwrap_or_default());
            self.blocked = self.queued() > 0;
            return if self.blocked { self.leave_to_task() } else { After::Nothing };
        }
        self.pending.push_lines(a);
        self.pending.push_lines(b);
        if quiet && !self.writer_awake { self.write_pending(write) } else { self.leave_to_task() }
    }

    /// Writes what is pending on the caller's thread.
    fn write_pending(&mut self, write: impl FnOnce([&[u8]; 2]) -> Wrote) -> After {
        let wrote = write([self.pending.bytes(), &[]]);
        self.bytes_written += wrote.by_system as u64;
        self.in_flight = wrote.waiting;
        self.pending.drop_front(wrote.taken);
        if self.queued() == 0 {
            return After::Nothing;
        }
        self.blocked = true;
        self.leave_to_task()
    }

    /// As [`SendBuf::append`] for a connection that keeps what it has sent: `parts` are a line, or a `message`. `write`
    /// takes all that is pending, or nothing.
    #[inline]
    pub(crate) fn append_kept(
        &mut self,
        parts: [&[u8]; 2],
        message: bool,
        write: impl FnOnce(&mut Piece) -> Wrote,
    ) -> Result<After, Code> {
        if self.closing {
            return Err(Code::Closed);
        }
        let len = parts[0].len() + parts[1].len() + usize::from(message);
        let queued = self.queued();
        if queued > 0 && queued + len > self.limit {
            self.wants_writable = true;
            return Err(Code::WouldBlock);
        }
        self.lines += 1;
        if message {
            self.pending.push_message(parts[0]);
        } else {
            self.pending.push_lines(parts[0]);
            self.pending.push_lines(parts[1]);
        }
        let now = if queued == 0 {
            let now = Instant::now();
            let quiet = self.last_write.is_none_or(|t| now.saturating_duration_since(t) > QUIET);
            self.last_write = Some(now);
            if quiet {
                self.small_writes = 0;
            }
            quiet && !self.writer_awake || len >= MUCH
        } else {
            self.pending.len() >= MUCH && self.in_flight == 0 && !self.blocked
        };
        if !now {
            return Ok(self.leave_to_task());
        }
        let wrote = write(&mut self.pending);
        self.bytes_written += wrote.by_system as u64;
        self.in_flight = wrote.waiting;
        if self.queued() == 0 {
            return Ok(After::Nothing);
        }
        self.blocked = true;
        Ok(self.leave_to_task())
    }

    #[inline]
    fn leave_to_task(&mut self) -> After {
        if std::mem::replace(&mut self.writer_awake, true) { After::Nothing } else { After::WakeWriter }
    }

    /// Whether the writer had better let others run before it takes: it has got a few lines at a time for a while, so the
    /// one who sends them is waiting for the CPU that the writer has.
    pub(crate) fn is_early(&self) -> bool {
        self.small_writes >= EARLY && (1..LITTLE).contains(&self.pending.len()) && !self.blocked
    }

    /// The program is to get the socket, and has `room` for what was read: no more is accepted.
    pub(crate) fn hand_over(&mut self, room: usize) {
        (self.closing, self.handing_over) = (true, Some(room));
    }

    /// The room that the program has for what was read, if it is to get the socket.
    pub(crate) fn handing_over(&self) -> Option<usize> {
        self.handing_over
    }

    /// It is not to get it after all.
    pub(crate) fn go_on(&mut self) {
        (self.closing, self.handing_over) = (false, None);
    }

    /// No more is accepted; what is queued will still be written.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    /// The connection is gone, and with it what it did not send.
    pub(crate) fn end(&mut self) {
        self.closing = true;
        self.pending = Piece::default();
    }

    /// Whether nothing waits to be taken.
    pub(crate) fn is_rest(&self) -> bool {
        self.pending.is_empty()
    }

    /// Units of the stream that wait to be taken.
    pub(crate) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Lines and messages that wait to be taken.
    pub(crate) fn waiting_lines(&self) -> u64 {
        self.pending.ends_behind(0)
    }

    /// The writer, which keeps what it has sent, exchanges its empty piece for the pending one. It is not empty.
    pub(crate) fn take_kept(&mut self, piece: &mut Piece) {
        piece.clear();
        std::mem::swap(&mut self.pending, piece);
        self.small_writes = if piece.len() < LITTLE { self.small_writes.saturating_add(1) } else { 0 };
        self.blocked = false;
        self.in_flight = piece.len();
        self.writer_awake = true;
    }

    /// The writer finds nothing that it may send. What is pending has to wait for something that wakes it anyway.
    pub(crate) fn nothing_kept(&mut self) {
        if self.pending.is_empty() {
            self.pending.give_back_beyond(KEEP);
            self.writer_awake = false;
        }
    }

    /// What was encrypted is lost with the link. (It is kept, and will be sent again.)
    pub(crate) fn link_lost(&mut self) {
        self.in_flight = 0;
    }

    /// The writer exchanges its empty buffer for the pending one. False: there is nothing, and the writer has to be
    /// woken for the next.
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        if self.pending.is_empty() {
            give_back_if_large(buffer);
            self.writer_awake = false;
            return false;
        }
        self.pending.swap_lines(buffer);
        self.small_writes = if buffer.len() < LITTLE { self.small_writes.saturating_add(1) } else { 0 };
        // From here on it shows in what is in flight.
        self.blocked = false;
        self.in_flight = buffer.len();
        self.writer_awake = true;
        true
    }

    /// The writer has what a caller encrypted, and will look for more behind it.
    pub(crate) fn adopted(&mut self) {
        self.blocked = false;
        self.writer_awake = true;
    }

    /// What the writer took has become `n` bytes by encryption.
    pub(crate) fn sealed(&mut self, n: usize) {
        self.in_flight = n;
    }

    /// The system has taken `n` bytes of what the writer holds.
    pub(crate) fn written(&mut self, n: usize) {
        self.in_flight -= n;
        self.bytes_written += n as u64;
        if self.in_flight == 0 {
            self.last_write = Some(Instant::now());
        }
    }

    /// Whether the program waits for room, there is some, and no WRITABLE event is on its way. The task asks whenever it
    /// has written and also when it finds nothing to write, for a caller may have written everything in the meantime. It
    /// is awake as long as anything is queued, so whoever was refused is told.
    pub(crate) fn room_is_news(&mut self) -> bool {
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
mod tests;
