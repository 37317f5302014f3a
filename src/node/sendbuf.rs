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
mod tests {
    use super::*;

    fn nothing(_: [&[u8]; 2]) -> Wrote {
        Wrote::default()
    }

    fn everything(parts: [&[u8]; 2]) -> Wrote {
        Wrote::plain(parts[0].len() + parts[1].len())
    }

    /// Written an hour from now: not quiet, whatever the clock does meanwhile.
    fn busy() -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(3600))
    }

    #[test]
    fn a_quiet_connection_writes_at_once_and_a_burst_is_joined() {
        let mut b = SendBuf::new(1000);
        assert_eq!(b.append([b"one", b"\r\n"], everything), Ok(After::Nothing));
        assert_eq!((b.queued(), b.bytes_written), (0, 5));
        b.last_write = busy();
        assert_eq!(b.append([b"two", b"\r\n"], |_| panic!("not quiet")), Ok(After::WakeWriter));
        assert_eq!(b.append([b"three", b"\r\n"], |_| panic!("writer awake")), Ok(After::Nothing));
        let mut out = Vec::new();
        assert!(b.take(&mut out));
        assert_eq!(out, b"two\r\nthree\r\n");
        assert_eq!(b.append([b"four", b"\r\n"], |_| panic!("not empty")), Ok(After::Nothing));
        b.written(12);
        assert!(b.take(&mut out));
        b.written(6);
        assert!(!b.take(&mut out));
        assert_eq!(b.queued(), 0);
    }

    #[test]
    fn a_partial_direct_write_leaves_the_rest_in_order() {
        let mut b = SendBuf::new(1000);
        assert_eq!(b.append([b"abcdef", b""], |_| Wrote::plain(2)), Ok(After::WakeWriter));
        assert_eq!(b.append([b"gh", b""], nothing), Ok(After::Nothing));
        let mut out = Vec::new();
        assert!(b.take(&mut out));
        assert_eq!(out, b"cdefgh");
    }

    #[test]
    fn much_is_written_by_the_caller_unless_the_task_is_at_it() {
        let mut b = SendBuf::new(1 << 20);
        b.last_write = busy();
        let piece = [b'x'; MUCH / 4];
        assert_eq!(b.append([&piece, b"\r\n"], nothing), Ok(After::WakeWriter));
        for _ in 0..2 {
            assert_eq!(b.append([&piece, b"\r\n"], |_| panic!("too little")), Ok(After::Nothing));
        }
        assert_eq!(b.append([&piece, b"\r\n"], everything), Ok(After::Nothing));
        assert_eq!((b.queued(), b.bytes_written), (0, MUCH as u64 + 8));
        // The task has been woken for it and finds nothing. The next time it is faster.
        assert_eq!(b.append([&piece, b"\r\n"], nothing), Ok(After::Nothing));
        let mut out = Vec::new();
        assert!(b.take(&mut out));
        for _ in 0..8 {
            assert_eq!(b.append([&piece, b"\r\n"], |_| panic!("out of order")), Ok(After::Nothing));
        }
    }

    #[test]
    fn a_full_socket_is_left_to_the_task() {
        let mut b = SendBuf::new(1 << 20);
        let mut sent = Vec::new();
        let piece: Vec<u8> = (0..=255).cycle().take(MUCH).collect();
        let some = |[a, b]: [&[u8]; 2]| {
            assert_eq!((a.len(), b), (MUCH, &b"\r\n"[..]), "a long line goes out from where it lies");
            sent.extend_from_slice(&a[..1000]);
            Wrote::plain(1000)
        };
        assert_eq!(b.append([&piece, b"\r\n"], some), Ok(After::WakeWriter));
        assert_eq!(b.append([&piece, b"\r\n"], |_| panic!("it is full")), Ok(After::Nothing));
        let mut out = Vec::new();
        assert!(b.take(&mut out));
        sent.extend_from_slice(&out);
        let whole: Vec<u8> = [&piece[..], b"\r\n", &piece[..], b"\r\n"].concat();
        assert!(sent == whole, "nothing lost, doubled or out of order");
    }

    #[test]
    fn a_long_line_may_be_cut_anywhere_by_a_full_socket() {
        let long = [b'x'; MUCH];
        for written in [0, 1, MUCH - 1, MUCH, MUCH + 1, MUCH + 2] {
            let mut b = SendBuf::new(1 << 20);
            b.append([&long, b"\r\n"], |_| Wrote::plain(written)).unwrap();
            let whole = [&long[..], b"\r\n"].concat();
            let mut out = Vec::new();
            assert_eq!(b.take(&mut out), written < MUCH + 2);
            assert!(out == whole[written..], "{written}");
        }
    }

    #[test]
    fn a_writer_that_always_finds_little_is_early() {
        let (mut b, mut out) = (SendBuf::new(1 << 20), Vec::new());
        for _ in 0..EARLY {
            b.last_write = busy();
            b.append([b"x", b"\r\n"], nothing).unwrap();
            assert!(!b.is_early());
            assert!(b.take(&mut out));
            b.written(3);
            assert!(!b.take(&mut out));
        }
        b.last_write = busy();
        b.append([b"x", b"\r\n"], nothing).unwrap();
        assert!(b.is_early());
        b.append([&[b'x'; LITTLE], b"\r\n"], nothing).unwrap();
        assert!(!b.is_early(), "now it is worth it");
        assert!(b.take(&mut out));
        b.written(out.len());
        b.last_write = None;
        b.append([b"x", b"\r\n"], nothing).unwrap();
        assert!(!b.is_early());
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
        b.written(40);
        assert!(!b.room_is_news());
        b.written(7);
        assert!(b.room_is_news(), "3 of 10 left");
        b.written(3);
        assert!(!b.room_is_news());
    }

    #[test]
    fn one_writable_event_is_under_way_at_a_time() {
        let (mut b, mut out) = (SendBuf::new(10), Vec::new());
        let mut fill_and_empty = |b: &mut SendBuf| {
            while b.append([b"xxxx", b""], nothing).is_ok() {}
            b.take(&mut out);
            b.written(out.len());
            b.room_is_news()
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

    #[test]
    fn room_that_a_caller_made_is_told_by_the_task() {
        let mut b = SendBuf::new(2 * MUCH);
        b.last_write = busy();
        let line = vec![b'x'; MUCH / 2 + 1];
        assert_eq!(b.append([&line, b""], nothing), Ok(After::WakeWriter));
        assert_eq!(b.append([&[b'y'; 2 * MUCH], b""], nothing), Err(Code::WouldBlock));
        assert_eq!(
            b.append([&line, b""], everything),
            Ok(After::Nothing),
            "enough for the caller to write it all"
        );
        assert!(!b.take(&mut Vec::new()));
        assert!(b.room_is_news());
    }

    #[test]
    fn what_was_encrypted_is_in_flight_until_the_system_has_it() {
        let sealed = |by_system, waiting| {
            move |[a, b]: [&[u8]; 2]| Wrote { taken: a.len() + b.len(), by_system, waiting }
        };
        let mut b = SendBuf::new(1000);
        assert_eq!(b.append([b"one", b"\r\n"], sealed(23, 0)), Ok(After::Nothing));
        assert_eq!((b.queued(), b.bytes_written), (0, 23));
        b.last_write = None;
        assert_eq!(b.append([b"two", b"\r\n"], sealed(20, 3)), Ok(After::WakeWriter));
        assert_eq!(b.queued(), 3);
        assert_eq!(b.append([b"x", b"\r\n"], |_| panic!("out of order")), Ok(After::Nothing));
        b.adopted();
        b.written(3);
        let mut out = Vec::new();
        assert!(b.take(&mut out));
        b.sealed(21);
        assert_eq!(b.queued(), 21);
        b.written(21);
        assert!(!b.take(&mut out));
        assert_eq!((b.queued(), b.bytes_written), (0, 67));
        b.last_write = None;
        let long = [b'x'; MUCH];
        assert_eq!(b.append([&long, b"\r\n"], sealed(1000, 9)), Ok(After::WakeWriter));
        assert_eq!(b.queued(), 9);
    }
}
