use std::time::Instant;

use super::*;
use crate::error::Code;
use crate::proto::line::CRLF;

/// A socket that takes what the function says.
struct Socket<F>(F);

impl<F: FnMut([&[u8]; 2]) -> usize> Way for Socket<F> {
    const STOWS: bool = false;

    fn pending(&mut self, pending: &mut Piece) -> Wrote {
        let by_system = self.0([pending.bytes(), &[]]);
        pending.drop_front(by_system);
        Wrote { by_system, waiting: 0 }
    }

    fn direct(&mut self, parts: [&[u8]; 2]) -> Option<usize> {
        Some(self.0(parts))
    }
}

/// One that encrypts: so much of it the socket takes, and so much it does not.
struct Sealed(usize, usize);

impl Way for Sealed {
    const STOWS: bool = false;

    fn pending(&mut self, pending: &mut Piece) -> Wrote {
        pending.clear();
        Wrote { by_system: self.0, waiting: self.1 }
    }

    fn direct(&mut self, _: [&[u8]; 2]) -> Option<usize> {
        None
    }
}

/// Appends as most do.
fn append<const N: usize>(
    b: &mut SendBuf,
    text: &[u8],
    end: &[u8; N],
    socket: impl FnMut([&[u8]; 2]) -> usize,
) -> Result<After, Code> {
    b.append(text, end, &mut Socket(socket))
}

fn nothing(_: [&[u8]; 2]) -> usize {
    0
}

fn everything(parts: [&[u8]; 2]) -> usize {
    parts[0].len() + parts[1].len()
}

/// Written an hour from now: not quiet, whatever the clock does meanwhile.
fn busy() -> Option<Moment> {
    Some(Moment::at(Instant::now() + Duration::from_secs(3600)))
}

#[test]
fn a_quiet_connection_writes_at_once_and_a_burst_is_joined() {
    let mut b = SendBuf::new(1000);
    assert_eq!(append(&mut b, b"one", b"\r\n", everything), Ok(After::Nothing));
    assert_eq!((b.queued(), b.bytes_written), (0, 5));
    b.last_write = busy();
    assert_eq!(append(&mut b, b"two", b"\r\n", |_| panic!("not quiet")), Ok(After::WakeWriter));
    assert_eq!(append(&mut b, b"three", b"\r\n", |_| panic!("writer awake")), Ok(After::Nothing));
    let mut out = Vec::new();
    assert!(b.take(&mut out));
    assert_eq!(out, b"two\r\nthree\r\n");
    assert_eq!(append(&mut b, b"four", b"\r\n", |_| panic!("not empty")), Ok(After::Nothing));
    b.written(12);
    assert!(b.take(&mut out));
    b.written(6);
    assert!(!b.take(&mut out));
    assert_eq!(b.queued(), 0);
}

#[test]
fn a_partial_direct_write_leaves_the_rest_in_order() {
    let mut b = SendBuf::new(1000);
    assert_eq!(append(&mut b, b"abcdef", b"", |_| 2), Ok(After::WakeWriter));
    assert_eq!(append(&mut b, b"gh", b"", nothing), Ok(After::Nothing));
    let mut out = Vec::new();
    assert!(b.take(&mut out));
    assert_eq!(out, b"cdefgh");
}

#[test]
fn much_is_written_by_the_caller_unless_the_task_is_at_it() {
    let mut b = SendBuf::new(1 << 20);
    b.last_write = busy();
    let piece = [b'x'; MUCH / 4];
    assert_eq!(append(&mut b, &piece, b"\r\n", nothing), Ok(After::WakeWriter));
    for _ in 0..2 {
        assert_eq!(append(&mut b, &piece, b"\r\n", |_| panic!("too little")), Ok(After::Nothing));
    }
    assert_eq!(append(&mut b, &piece, b"\r\n", everything), Ok(After::Nothing));
    assert_eq!((b.queued(), b.bytes_written), (0, MUCH as u64 + 8));
    // The task has been woken for it and finds nothing. The next time it is faster.
    assert_eq!(append(&mut b, &piece, b"\r\n", nothing), Ok(After::Nothing));
    let mut out = Vec::new();
    assert!(b.take(&mut out));
    for _ in 0..8 {
        assert_eq!(append(&mut b, &piece, b"\r\n", |_| panic!("out of order")), Ok(After::Nothing));
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
        1000
    };
    assert_eq!(append(&mut b, &piece, b"\r\n", some), Ok(After::WakeWriter));
    assert_eq!(append(&mut b, &piece, b"\r\n", |_| panic!("it is full")), Ok(After::Nothing));
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
        append(&mut b, &long, b"\r\n", |_| written).unwrap();
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
        append(&mut b, b"x", b"\r\n", nothing).unwrap();
        assert!(!b.is_early());
        assert!(b.take(&mut out));
        b.written(3);
        assert!(!b.take(&mut out));
    }
    b.last_write = busy();
    append(&mut b, b"x", b"\r\n", nothing).unwrap();
    assert!(b.is_early());
    append(&mut b, &[b'x'; LITTLE], b"\r\n", nothing).unwrap();
    assert!(!b.is_early(), "now it is worth it");
    assert!(b.take(&mut out));
    b.written(out.len());
    b.last_write = None;
    append(&mut b, b"x", b"\r\n", nothing).unwrap();
    assert!(!b.is_early());
}

#[test]
fn a_burst_is_over_when_nothing_was_written_for_a_while() {
    let (mut b, mut out) = (SendBuf::new(1 << 20), Vec::new());
    b.small_writes = EARLY;
    b.last_write = busy();
    append(&mut b, &[b'x'; LITTLE], b"\r\n", nothing).unwrap();
    assert!(b.take(&mut out));
    b.written(out.len());
    assert!(!b.take(&mut out));
    b.last_write = busy();
    append(&mut b, b"x", b"\r\n", nothing).unwrap();
    assert!(b.is_early(), "much in between does not end it");
    assert!(b.take(&mut out));
    b.written(out.len());
    assert!(!b.take(&mut out));
    let calm = Instant::now().checked_sub(CALM * 2).map(Moment::at);
    b.last_write = calm;
    append(&mut b, b"x", b"\r\n", nothing).unwrap();
    assert!(!b.is_early());
}

#[test]
fn the_time_that_much_takes_to_be_written_is_no_pause() {
    let (mut b, mut during) = (SendBuf::new(1 << 20), None);
    b.last_write = busy();
    append(&mut b, &[b'x'; MUCH / 2], b"\r\n", nothing).unwrap();
    b.last_write = None;
    let socket = |parts: [&[u8]; 2]| {
        during = Some(Moment::now());
        everything(parts)
    };
    append(&mut b, &[b'x'; MUCH / 2], b"\r\n", socket).unwrap();
    assert!(during.is_some() && b.last_write >= during);
}

#[test]
fn full_is_all_or_nothing_and_room_is_told_once() {
    let mut b = SendBuf::new(10);
    assert_eq!(
        append(&mut b, &[b'x'; 50], b"", nothing),
        Ok(After::WakeWriter),
        "one large piece fits alone"
    );
    assert_eq!(append(&mut b, b"y", b"", nothing), Err(Code::WouldBlock));
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
        while append(b, b"xxxx", b"", nothing).is_ok() {}
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
    append(&mut b, b"x", b"", nothing).unwrap();
    b.close();
    assert_eq!(append(&mut b, b"y", b"", nothing), Err(Code::Closed));
    assert!(b.take(&mut Vec::new()));
}

#[test]
fn room_that_a_caller_made_is_told_by_the_task() {
    let mut b = SendBuf::new(2 * MUCH);
    b.last_write = busy();
    let line = vec![b'x'; MUCH / 2 + 1];
    assert_eq!(append(&mut b, &line, b"", nothing), Ok(After::WakeWriter));
    assert_eq!(append(&mut b, &[b'y'; 2 * MUCH], b"", nothing), Err(Code::WouldBlock));
    assert_eq!(
        append(&mut b, &line, b"", everything),
        Ok(After::Nothing),
        "enough for the caller to write it all"
    );
    assert!(!b.take(&mut Vec::new()));
    assert!(b.room_is_news());
}

#[test]
fn what_was_encrypted_is_in_flight_until_the_system_has_it() {
    let mut b = SendBuf::new(1000);
    assert_eq!(b.append(b"one", b"\r\n", &mut Sealed(23, 0)), Ok(After::Nothing));
    assert_eq!((b.queued(), b.bytes_written), (0, 23));
    b.last_write = None;
    assert_eq!(b.append(b"two", b"\r\n", &mut Sealed(20, 3)), Ok(After::WakeWriter));
    assert_eq!(b.queued(), 3);
    assert_eq!(append(&mut b, b"x", b"\r\n", |_| panic!("out of order")), Ok(After::Nothing));
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
    assert_eq!(b.append(&long, b"\r\n", &mut Sealed(1000, 9)), Ok(After::WakeWriter));
    assert_eq!(b.queued(), 9);
}

/// Appends these lines: how many were taken, what the task has to do, and what became of the next one.
fn lines(
    b: &mut SendBuf,
    lines: &[&[u8]],
    socket: impl FnMut([&[u8]; 2]) -> usize,
) -> (usize, After, Result<(), Code>) {
    let checked = lines.iter().map(|line| if line.is_empty() { Err(Code::Invalid) } else { Ok(*line) });
    b.append_lines(checked, &mut Socket(socket))
}

#[test]
fn many_lines_are_one_write() {
    let mut b = SendBuf::new(1000);
    let mut wire = Vec::new();
    let mut socket = |[a, b]: [&[u8]; 2]| {
        wire.push([a, b].concat());
        a.len() + b.len()
    };
    assert_eq!(lines(&mut b, &[b"one", b"two", b"three"], &mut socket), (3, After::Nothing, Ok(())));
    assert_eq!((b.queued(), b.lines), (0, 3));
    b.last_write = busy();
    assert_eq!(lines(&mut b, &[b"four", b"five"], &mut socket), (2, After::WakeWriter, Ok(())));
    assert_eq!(lines(&mut b, &[], &mut socket), (0, After::Nothing, Ok(())));
    assert_eq!(wire, [b"one\r\ntwo\r\nthree\r\n"]);
    let mut out = Vec::new();
    assert!(b.take(&mut out));
    assert_eq!(out, b"four\r\nfive\r\n");
}

#[test]
fn of_many_lines_those_before_the_first_that_is_refused_are_taken() {
    let mut b = SendBuf::new(10);
    assert_eq!(lines(&mut b, &[b"a", b"", b"b"], everything), (1, After::Nothing, Err(Code::Invalid)));
    assert_eq!(lines(&mut b, &[b"", b"b"], everything), (0, After::Nothing, Err(Code::Invalid)));
    b.last_write = busy();
    let (taken, after, why) = lines(&mut b, &[b"four", b"4", b"fo"], everything);
    assert_eq!((taken, after, why), (2, After::WakeWriter, Err(Code::WouldBlock)));
    assert!(b.wants_writable && b.lines == 3);
    let mut out = Vec::new();
    assert!(b.take(&mut out));
    assert_eq!(out, b"four\r\n4\r\n");
    b.close();
    assert_eq!(lines(&mut b, &[b"x"], everything), (0, After::Nothing, Err(Code::Closed)));
}

#[test]
fn room_that_a_call_with_many_lines_made_itself_is_told_by_the_task() {
    let mut b = SendBuf::new(10);
    let refused = lines(&mut b, &[b"four", b"4", b"fo"], everything);
    assert_eq!(refused, (2, After::WakeWriter, Err(Code::WouldBlock)));
    assert_eq!(b.queued(), 0, "the caller has written what it could queue");
    assert!(!b.take(&mut Vec::new()));
    assert!(b.room_is_news());
}

#[test]
fn many_long_lines_keep_their_order_whatever_the_socket_takes() {
    let long = vec![b'x'; MUCH];
    let some: [&[u8]; 6] = [b"first", &long, b"short", &long, &long, b"last"];
    let whole = some.map(|line| [line, b"\r\n"].concat()).concat();
    for room in [0, 1, 7, MUCH, MUCH + 9, 2 * MUCH, 5 * MUCH] {
        let (mut b, mut wire, mut left) = (SendBuf::new(1 << 20), Vec::new(), room);
        let (taken, _, outcome) = lines(&mut b, &some, |parts| {
            let all = parts.concat();
            let n = all.len().min(left);
            wire.extend_from_slice(&all[..n]);
            left -= n;
            n
        });
        assert_eq!((taken, outcome), (6, Ok(())));
        let mut rest = Vec::new();
        b.take(&mut rest);
        assert!([wire, rest].concat() == whole, "{room}");
    }
}

#[test]
fn memory_is_given_back_when_it_has_not_been_needed_for_a_while() {
    let mut b = SendBuf::new(1 << 20);
    b.last_write = busy();
    for _ in 0..3 {
        append(&mut b, &[b'x'; MUCH / 2], b"\r\n", everything).unwrap();
    }
    let mut out = Vec::new();
    assert!(b.take(&mut out) && out.capacity() > KEEP);
    b.written(out.len());
    assert!(!b.take(&mut out));
    assert!(out.capacity() > KEEP, "as long as it may be needed again");
    b.tidy();
    // A caller that has written all of it by himself has the task tidy up, once.
    b.last_write = None;
    let some: [&[u8]; 2] = [&[b'x'; MUCH / 2], b"y"];
    assert_eq!(lines(&mut b, &some, everything), (2, After::WakeWriter, Ok(())));
    assert!(!b.take(&mut out) && b.is_large());
    b.last_write = None;
    assert_eq!(lines(&mut b, &some, everything), (2, After::Nothing, Ok(())));
    b.tidy();
    assert!(!b.is_large());
}

/// One that keeps what is sent, and takes nothing at the moment; what was put aside, and whether more may be.
struct Keeps(Vec<usize>, bool);

impl Way for Keeps {
    const STOWS: bool = true;

    fn pending(&mut self, _: &mut Piece) -> Wrote {
        Wrote::default()
    }

    fn direct(&mut self, _: [&[u8]; 2]) -> Option<usize> {
        None
    }

    fn stow(&mut self, pending: &mut Piece) -> usize {
        let len = if self.1 { pending.len() } else { 0 };
        if len > 0 {
            self.0.push(len);
            pending.clear();
        }
        len
    }
}

#[test]
fn what_cannot_be_written_is_put_aside_in_pieces_of_one_size() {
    let mut b = SendBuf::new(1 << 20);
    b.last_write = busy();
    let mut way = Keeps(Vec::new(), true);
    let line = [b'x'; 998];
    let mut accepted = 0;
    while b.append(&line, CRLF, &mut way).is_ok() {
        accepted += 1000;
        assert_eq!(b.queued(), accepted);
    }
    assert!(accepted + 1000 > 1 << 20, "up to the limit, wherever it lies: {accepted}");
    // The first time it was tried to write; it was known then that that cannot be.
    let size = MUCH.next_multiple_of(1000);
    assert_eq!(way.0, [vec![size + 1000], vec![size; (accepted - size - 1000) / size]].concat());
    // The writer seals some, and has got it off.
    b.sealed(accepted - b.waiting() - 500);
    b.written(accepted - b.waiting() - 500);
    assert_eq!(b.queued(), b.waiting());
    // Somebody is at what was put aside: later.
    let mut b = SendBuf::new(1 << 20);
    b.last_write = busy();
    let mut way = Keeps(Vec::new(), false);
    for _ in 0..=MUCH / 500 {
        b.append(&line, CRLF, &mut way).unwrap();
    }
    way.1 = true;
    b.append(&line, CRLF, &mut way).unwrap();
    assert_eq!(way.0, [(MUCH / 500 + 2) * 1000]);
}

#[test]
fn lines_are_quick_while_nothing_hinders_them() {
    let quick = cfg!(target_arch = "x86_64");
    let line = [b'x'; 98];
    let mut b = SendBuf::new(1000);
    b.last_write = busy();
    b.pending = Piece::with_capacity(2000);
    assert!(!b.append_quickly(&line), "the first one wakes the writer");
    assert_eq!(append(&mut b, &[b'y'; 300], b"\r\n", nothing), Ok(After::WakeWriter));
    assert!(!b.append_quickly(b"short") && !b.append_quickly(b"a lone\nlf, which has to be looked at"));
    assert_eq!(b.append_quickly(&line), quick);
    let before = (b.queued(), b.lines);
    assert_eq!(before, if quick { (402, 2) } else { (302, 1) });
    b.interrupted();
    assert!(!b.append_quickly(&line), "whatever was done: the next one looks");
    assert_eq!((b.queued(), b.lines), before);
    assert_eq!(append(&mut b, &line, b"\r\n", nothing), Ok(After::Nothing));
    while b.append_quickly(&line) {}
    assert!(b.queued() <= 1000);
    let mut all = Vec::new();
    assert!(b.take(&mut all));
    let want = [&[b'y'; 300][..], b"\r\n"].concat();
    assert!(all.starts_with(&want) && all[302..].chunks(100).all(|c| c == [&line[..], b"\r\n"].concat()));
    assert_eq!(all.len() as u64, 302 + 100 * (b.lines - 1));
    b.close();
    b.interrupted();
    assert!(!b.append_quickly(&line));
    // Never as much as a caller writes himself.
    let mut b = SendBuf::new(1 << 20);
    b.last_write = busy();
    b.pending = Piece::with_capacity(2 * MUCH);
    append(&mut b, &line, b"\r\n", nothing).unwrap();
    while b.append_quickly(&line) {}
    assert!(b.queued() < MUCH);
    assert_eq!(b.queued() + 100 >= MUCH, quick);
}
