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
    assert_eq!(b.append([&[b'x'; 50], b""], nothing), Ok(After::WakeWriter), "one large piece fits alone");
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
    let sealed =
        |by_system, waiting| move |[a, b]: [&[u8]; 2]| Wrote { taken: a.len() + b.len(), by_system, waiting };
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
