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
//! not taken by the system counts as in flight: nothing may overtake it. What it has sent it keeps, by taking the whole of the
//! buffer; and when more comes together than can be written, it takes that before, so that all pieces have one size, and
//! their memory serves the next ones.

mod append;

use std::time::Duration;

use super::moment::Moment;
use crate::proto::session::Piece;

/// A connection that has not written for this long is quiet.
const QUIET: Duration = Duration::from_micros(8);
/// After so long without a write a burst is over. (Not after [`QUIET`]: whoever sends may have waited for the CPU that the writer
/// had.)
const CALM: Duration = Duration::from_millis(1);
/// So much is worth a system call of the caller's own. (With one line more it still fits into 128 KiB.)
const MUCH: usize = 96 << 10;
/// So long is a line that is worth one alone, from where it lies.
const LONG: usize = 64 << 10;
/// A task that gets to write no more than this each time is woken too early.
const LITTLE: usize = 4 << 10;
/// So many small writes in a burst are no chance.
const EARLY: u8 = 3;
/// Memory beyond this is given back to the system when it has not been needed for [`TIDY`]: not at once, for who sends much
/// needs it again, and the system makes each of its pages anew then.
pub(crate) const KEEP: usize = 4 << 10;
/// See [`KEEP`].
pub(crate) const TIDY: Duration = Duration::from_secs(1);

/// The sending half of a connection, behind its lock.
pub(crate) struct SendBuf {
    /// Accepted and not taken by the writer yet.
    pending: Piece,
    /// Taken by the writer, or put aside for it, and not yet taken by the system.
    in_flight: usize,
    /// The writer will look at `pending` again without being woken.
    writer_awake: bool,
    /// The socket was full at the last write by a caller; the task finds out when it no longer is.
    blocked: bool,
    /// Up to so many units pending, lines are appended without further ado ([`SendBuf::append_quickly`]); 0: not now.
    quick_until: u32,
    /// Small writes by the task in this burst.
    small_writes: u8,
    /// The program was told that the buffer is full and has not been told that it is no more.
    wants_writable: bool,
    /// The writer has been told that there is memory to be given back.
    tidying: bool,
    /// A WRITABLE event is on its way: one at a time, or a program that sends and takes no events would pile them up.
    telling: bool,
    closing: bool,
    /// The program is to get the socket, once everything is written: with so much room for what was read.
    handing_over: Option<u32>,
    limit: u32,
    last_write: Option<Moment>,
    pub(crate) lines: u64,
    pub(crate) bytes_written: u64,
}

/// What the caller has to do after an append, without the lock.
#[derive(PartialEq, Eq, Debug, Clone, Copy)]
pub(crate) enum After {
    Nothing,
    WakeWriter,
}

/// How a caller's thread writes.
pub(crate) trait Way {
    /// Whether [`Way::stow`] may do something.
    const STOWS: bool;

    /// Writes from `pending`, and takes off its front what is no longer the buffer's business.
    fn pending(&mut self, pending: &mut Piece) -> Wrote;

    /// Writes `parts` as they are: how many bytes the system has taken. `None`: they have to go by the buffer.
    fn direct(&mut self, parts: [&[u8]; 2]) -> Option<usize>;

    /// Puts all of `pending` aside for the writer, or nothing: how many units.
    fn stow(&mut self, _pending: &mut Piece) -> usize {
        0
    }
}

/// What a write by the caller has come to.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wrote {
    /// Bytes that the system has taken.
    pub(crate) by_system: usize,
    /// Encrypted bytes that wait for the writer.
    pub(crate) waiting: usize,
}

impl SendBuf {
    pub(crate) fn new(limit: usize) -> SendBuf {
        SendBuf {
            pending: Piece::default(),
            in_flight: 0,
            writer_awake: false,
            blocked: false,
            quick_until: 0,
            small_writes: 0,
            wants_writable: false,
            tidying: false,
            telling: false,
            closing: false,
            handing_over: None,
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            last_write: None,
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

    /// Whether there is memory to be given back once it is no longer needed.
    pub(crate) fn is_large(&self) -> bool {
        self.pending.capacity() > KEEP
    }

    /// Gives memory back that is not used now.
    pub(crate) fn tidy(&mut self) {
        self.tidying = false;
        self.pending.give_back_beyond(KEEP);
    }

    /// Whether the writer had better let others run before it takes: it has got a few lines at a time in this burst, so the
    /// one who sends them is waiting for the CPU that the writer has.
    pub(crate) fn is_early(&self) -> bool {
        self.small_writes >= EARLY && (1..LITTLE).contains(&self.pending.len()) && !self.blocked
    }

    /// The program is to get the socket, and has `room` for what was read: no more is accepted.
    pub(crate) fn hand_over(&mut self, room: usize) {
        (self.closing, self.handing_over) = (true, Some(u32::try_from(room).unwrap_or(u32::MAX)));
    }

    /// The room that the program has for what was read, if it is to get the socket.
    pub(crate) fn handing_over(&self) -> Option<usize> {
        self.handing_over.map(|room| room as usize)
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

    /// The writer, which keeps what it has sent, moves what is pending to where it keeps it.
    pub(crate) fn take_kept(&mut self, keep: impl FnOnce(&mut Piece)) {
        let len = self.pending.len();
        keep(&mut self.pending);
        self.small_writes = self.small_writes.saturating_add(u8::from(len < LITTLE));
        self.in_flight += len;
    }

    /// The writer finds nothing that it may send. What waits, is woken anyway by what it waits for.
    pub(crate) fn nothing_kept(&mut self) {
        self.writer_awake = false;
    }

    /// What was encrypted is lost with the link. (It is kept, and will be sent again.) `unsent` units were put aside before that.
    pub(crate) fn link_lost(&mut self, unsent: usize) {
        self.in_flight = unsent;
    }

    /// The writer exchanges its empty buffer for the pending one. False: there is nothing, and the writer has to be
    /// woken for the next.
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        if self.pending.is_empty() {
            self.writer_awake = false;
            return false;
        }
        self.pending.swap_lines(buffer);
        self.small_writes = self.small_writes.saturating_add(u8::from(buffer.len() < LITTLE));
        // From here on it shows in what is in flight.
        self.blocked = false;
        self.in_flight = buffer.len();
        self.writer_awake = true;
        true
    }

    /// The writer has something to write, and will look for more behind it.
    pub(crate) fn adopted(&mut self) {
        self.blocked = false;
        self.writer_awake = true;
    }

    /// What the writer took has become bytes by encryption; so many and what is still put aside are `n`.
    pub(crate) fn sealed(&mut self, n: usize) {
        self.in_flight = n;
    }

    /// The system has taken `n` bytes of what the writer holds.
    pub(crate) fn written(&mut self, n: usize) {
        self.in_flight -= n;
        self.bytes_written += n as u64;
        if self.in_flight == 0 {
            self.last_write = Some(Moment::now());
        }
    }

    /// Whether the program waits for room, there is some, and no WRITABLE event is on its way. The task asks whenever it
    /// has written and also when it finds nothing to write, for a caller may have written everything in the meantime. It
    /// is awake as long as anything is queued, so whoever was refused is told.
    pub(crate) fn room_is_news(&mut self) -> bool {
        let tell =
            self.wants_writable && !self.telling && !self.closing && self.queued() <= self.limit as usize / 2;
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
