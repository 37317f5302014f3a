#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::proto::handshake::Control;

const MS: Duration = Duration::from_millis(1);

fn lines(text: &[u8]) -> Piece {
    let mut piece = Piece::default();
    piece.push_lines(text);
    piece
}

/// What is sent again from a place on, as parts.
fn again(window: &mut Window, most: usize) -> Vec<(Vec<u8>, bool, bool)> {
    let mut all = Vec::new();
    while let Some((piece, from, to)) = window.again(most, u64::MAX) {
        let mut units = 0;
        for part in piece.parts(from, to) {
            units += part.units();
            all.push(match part {
                Part::Lines(bytes) => (bytes.to_vec(), false, false),
                Part::Message { part, last } => (part.to_vec(), true, last),
            });
        }
        assert_eq!(units, to - from);
    }
    all
}

#[test]
fn what_is_not_acknowledged_is_sent_again() {
    let mut window = Window::default();
    window.push(&mut lines(b"one\r\ntwo\r\n"));
    let mut piece = lines(b"three\r\n");
    piece.push_message(b"m");
    piece.push_message(b"");
    window.push(&mut piece);
    assert!(piece.is_empty());
    assert_eq!((window.end(), window.len(), window.behind()), (20, 20, 0));
    assert_eq!(window.unsettled(), Unsettled { lines: 5, bytes: 20 });
    window.ack(5).unwrap();
    assert_eq!(window.unsettled(), Unsettled { lines: 4, bytes: 15 });
    // Part of a line: it counts as not acknowledged.
    window.ack(7).unwrap();
    assert_eq!(window.unsettled().lines, 4);
    window.resume(9).unwrap();
    assert_eq!(window.behind(), 11);
    assert!(window.ack(10).is_err(), "not sent on this link yet");
    let whole = again(&mut window, 1000);
    let expected: [(&[u8], bool, bool); 3] =
        [(b"\nthree\r\n", false, false), (b"m", true, true), (b"", true, true)];
    assert!(whole.iter().map(|(b, m, l)| (&b[..], *m, *l)).eq(expected), "{whole:?}");
    assert_eq!(window.behind(), 0);
    // In the middle of a message: its end only.
    window.resume(18).unwrap();
    assert_eq!(again(&mut window, 1), [(vec![], true, true), (vec![], true, true)]);
    assert!(window.resume(17).is_err() && window.resume(21).is_err());
    window.ack(20).unwrap();
    assert!(window.is_empty());
    assert_eq!(window.unsettled(), Unsettled::default());
}

#[test]
fn large_pieces_are_moved_and_their_memory_comes_back() {
    let mut window = Window::default();
    let mut piece = lines(&vec![b'x'; 100_000]);
    let at = piece.parts(0, 1).next().map(|part| match part {
        Part::Lines(bytes) | Part::Message { part: bytes, .. } => bytes.as_ptr(),
    });
    window.push(&mut piece);
    window.push(&mut lines(&vec![b'y'; 50_000]));
    let kept = window.again(1, u64::MAX).is_none().then_some(()).and_then(|()| {
        window.resume(0).unwrap();
        window.again(1, u64::MAX).map(|(piece, ..)| match piece.parts(0, 1).next().unwrap() {
            Part::Lines(bytes) | Part::Message { part: bytes, .. } => bytes.as_ptr(),
        })
    });
    assert_eq!(at, kept, "the same memory");
    while window.again(usize::MAX, u64::MAX).is_some() {}
    window.ack(100_000).unwrap();
    let mut next = lines(&vec![b'z'; 5000]);
    window.push(&mut next);
    assert!(next.capacity() >= 100_000, "recycled");
}

fn settings() -> Settings {
    Settings { window: 1000, silence: MS * 9000, idle: Some(MS * 15_000) }
}

fn pair(now: Instant) -> [Session; 2] {
    let mut pair = [0, 1].map(|_| Session::begin(now, [7; 16], settings(), false));
    for session in &mut pair {
        assert_eq!(session.control(now, true), Some(Control::Session { id: NONE, received: 0 }));
        assert_eq!(session.control(now, true), Some(Control::Ping { number: 1 }));
        assert_eq!(session.control(now, true), None);
    }
    pair
}

#[test]
fn acknowledgements_are_few() {
    let now = Instant::now();
    let [mut a, _] = pair(now);
    assert_eq!(a.heard(now + MS * 30, &Control::Pong { number: 1 }), Ok(Heard::Nothing));
    assert_eq!(a.rtt(), Some(MS * 30));
    a.received(now + MS * 31, 10);
    assert_eq!(a.control(now + MS * 31, true), None);
    assert_eq!(a.deadline(true), Some(now + MS * 131));
    a.received(now + MS * 50, 20);
    assert_eq!(a.due(now + MS * 130, true), Due::Nothing);
    assert_eq!(a.due(now + MS * 131, true), Due::Say);
    assert_eq!(a.control(now + MS * 131, true), Some(Control::Ack { received: 20 }));
    assert_eq!(a.control(now + MS * 131, true), None);
    // Much is acknowledged at once.
    a.received(now + MS * 132, 20 + machine::ACK_AFTER);
    assert_eq!(a.control(now + MS * 132, true), Some(Control::Ack { received: 20 + machine::ACK_AFTER }));
}

/// Each costs the sender a wake-up.
#[test]
fn where_much_comes_acknowledgements_are_apart() {
    use machine::{ACK_AFTER, ACK_APART, ACK_MOST};
    let now = Instant::now();
    let [mut a, _] = pair(now);
    a.received(now, ACK_AFTER);
    assert_eq!(a.control(now, true), Some(Control::Ack { received: ACK_AFTER }));
    let soon = now + ACK_APART / 3;
    a.received(soon, 2 * ACK_AFTER);
    assert_eq!((a.control(soon, true), a.due(soon, true)), (None, Due::Nothing));
    assert_eq!(a.deadline(true), Some(now + ACK_APART), "a sender with a small window waits for it");
    assert_eq!(a.due(now + ACK_APART, true), Due::Say);
    assert_eq!(a.control(now + ACK_APART, true), Some(Control::Ack { received: 2 * ACK_AFTER }));
    let (soon, all) = (now + ACK_APART * 4 / 3, 2 * ACK_AFTER + ACK_MOST);
    a.received(soon, all - 1);
    assert_eq!(a.control(soon, true), None);
    a.received(soon, all);
    assert_eq!(a.control(soon, true), Some(Control::Ack { received: all }));
    // What had been due meanwhile is said with it.
    assert_eq!(a.due(now + ACK_APART * 3, true), Due::Nothing);
}

#[test]
fn what_is_put_aside_is_sent_as_the_window_lets_it() {
    let mut window = Window::default();
    let text: Vec<u8> = (0..100).collect();
    window.push(&mut lines(&text[..10]));
    window.put(&mut lines(&text[10..]));
    assert_eq!((window.end(), window.unsent(), window.behind(), window.repeated()), (100, 90, 90, 0));
    let sent = |window: &mut Window, most, width| {
        window.again(most, width).map(|(piece, from, to)| match piece.parts(from, to).next() {
            Some(Part::Lines(bytes)) => bytes.to_vec(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(sent(&mut window, 30, 50), Some(text[10..40].to_vec()));
    assert!(window.ack(41).is_err(), "nobody can have had that");
    // The last piece may exceed it.
    assert_eq!(sent(&mut window, 30, 50), Some(text[40..70].to_vec()));
    assert_eq!(sent(&mut window, 30, 50), None);
    window.ack(25).unwrap();
    assert_eq!((sent(&mut window, 5, 50), window.unsent()), (Some(text[70..75].to_vec()), 25));
    // On another link: what was sent comes again, whatever the window says, and then the rest.
    assert!(window.resume(76).is_err());
    window.resume(30).unwrap();
    assert_eq!((window.repeated(), window.unsent(), window.behind()), (45, 25, 70));
    let mut got = Vec::new();
    while let Some(piece) = sent(&mut window, 7, 20) {
        got.extend(piece);
    }
    assert_eq!(got, text[30..75]);
    window.ack(75).unwrap();
    got.clear();
    while let Some(piece) = sent(&mut window, 7, 20) {
        got.extend(piece);
    }
    assert_eq!(got, text[75..96], "20, and what a piece has more");
    assert_eq!(window.unsettled().bytes, 25);
}

#[test]
fn a_full_window_stops_the_sender_until_there_is_room() {
    let now = Instant::now();
    let [mut a, _] = pair(now);
    assert!(a.may_send());
    a.sent(&mut lines(&[b'x'; 1500]));
    assert!(!a.may_send(), "one piece may be more than it holds, the next may not");
    assert_eq!(a.heard(now, &Control::Ack { received: 600 }), Ok(Heard::Room));
    assert!(a.may_send());
    assert!(a.heard(now, &Control::Ack { received: 500 }).is_err());
    assert!(a.heard(now, &Control::Ack { received: 1501 }).is_err());
}

#[test]
fn silence_where_an_answer_is_owed_ends_a_link() {
    let now = Instant::now();
    let [mut a, _] = pair(now);
    a.heard(now, &Control::Pong { number: 1 }).unwrap();
    assert_eq!(a.deadline(true), Some(now + MS * 15_000), "idle");
    a.sent(&mut lines(b"x\r\n"));
    assert_eq!(a.deadline(true), Some(now + MS * 3000));
    assert_eq!(a.due(now + MS * 3000, true), Due::Say);
    // It may not get out, for the socket is full: that is silence, too.
    assert_eq!(a.deadline(true), Some(now + MS * 12_000));
    assert_eq!(a.control(now + MS * 3000, true), Some(Control::Ping { number: 2 }));
    // While the program takes nothing, nobody listens: nobody can judge, and the peer is told that we are here.
    assert_eq!(a.due(now + MS * 50_000, false), Due::Say);
    assert_eq!(a.control(now + MS * 50_000, true), Some(Control::Ack { received: 0 }));
    assert_eq!(a.deadline(false), Some(now + MS * 51_000));
    assert_eq!(a.due(now + MS * 50_500, false), Due::Nothing);
    assert_eq!(a.due(now + MS * 50_501, true), Due::Nothing, "heard from when it was last not read");
    assert_eq!(a.due(now + MS * 59_500, true), Due::Silent);
}

#[test]
fn who_closes_waits_until_everything_is_acknowledged() {
    let now = Instant::now();
    let [mut a, mut b] = pair(now);
    a.sent(&mut lines(b"last\r\n"));
    a.close();
    assert_eq!(a.control(now, false), None, "more waits to be sent");
    assert_eq!(a.control(now, true), Some(Control::Close { sent: 6 }));
    assert!(!a.is_done() && !a.may_send());
    b.received(now, 6);
    assert_eq!(b.heard(now, &Control::Close { sent: 6 }), Ok(Heard::Closed { missing: 0 }));
    assert_eq!(b.control(now, true), Some(Control::Ack { received: 6 }));
    // The answer is lost, and said again by what is left of the session.
    a.lost();
    assert!(!a.is_done());
    let [Control::Session { id, received }, close] = b.epitaph().words() else { panic!() };
    assert_eq!((id, received, close), (a.id(), 6, Control::Close { sent: 0 }));
    a.resume(now, received).unwrap();
    a.heard(now, &close).unwrap();
    assert!(a.is_done());
}

/// Else the peer would have to think that what it sent last was lost.
#[test]
fn who_closes_acknowledges_first() {
    let now = Instant::now();
    let [_, mut b] = pair(now);
    b.received(now, 6);
    b.close();
    assert_eq!(b.control(now, true), Some(Control::Ack { received: 6 }));
    assert_eq!(b.control(now, true), Some(Control::Close { sent: 0 }));
    assert_eq!(b.control(now, true), None);
}

#[test]
fn what_may_come_when() {
    let hello = Control::Session { id: NONE, received: 0 };
    let mut incoming = Incoming::default();
    assert_eq!(incoming.lines(1), Err(Violation::Unannounced));
    assert_eq!(incoming.control(&Control::Ack { received: 0 }), Err(Violation::Unannounced));
    incoming.control(&Control::Choose).unwrap();
    incoming.control(&hello).unwrap();
    assert_eq!(incoming.control(&hello), Err(Violation::Twice));
    incoming.lines(10).unwrap();
    incoming.part(4, false).unwrap();
    assert_eq!(incoming.lines(1), Err(Violation::Mixed));
    // A message goes on where it was, on the next link.
    incoming.new_link(true);
    assert_eq!(incoming.control(&Control::Close { sent: 13 }), Err(Violation::Sent { found: 13, least: 14 }));
    incoming.part(0, true).unwrap();
    assert_eq!(incoming.received(), 15);
    incoming.control(&Control::Close { sent: 15 }).unwrap();
    assert_eq!(incoming.lines(1), Err(Violation::AfterClose));
}

proptest! {
    /// However a stream is cut into pieces, acknowledged and taken up again: its parts from any place on are its rest.
    #[test]
    fn a_window_gives_the_rest_of_the_stream(
        items in prop::collection::vec((any::<bool>(), 0..9000usize), 1..30),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 1..20_000usize), 1..12),
        joined in 1..6usize,
    ) {
        let (mut window, mut piece) = (Window::default(), Piece::default());
        // Units: lines' bytes, messages' bytes, a message's end.
        let mut stream: Vec<(u8, u8)> = Vec::new();
        let mut ends = Vec::new();
        for (i, (message, len)) in items.iter().enumerate() {
            let bytes = vec![b'a' + (i % 26) as u8; *len + usize::from(!message)];
            if *message {
                piece.push_message(&bytes);
                stream.extend(bytes.iter().map(|b| (1, *b)));
                stream.push((2, 0));
            } else {
                piece.push_lines(&bytes);
                piece.push_lines(b"\r\n");
                stream.extend(bytes.iter().chain(b"\r\n").map(|b| (0, *b)));
            }
            ends.push(stream.len() as u64);
            if i % joined == 0 {
                window.push(&mut piece);
            }
        }
        window.push(&mut piece);
        prop_assert_eq!(window.end(), stream.len() as u64);
        let mut acked = 0;
        for (at, most) in cuts {
            acked += at.index(stream.len() - acked + 1);
            window.resume(acked as u64).unwrap();
            let expected = ends.iter().filter(|end| **end > acked as u64).count() as u64;
            prop_assert_eq!(window.unsettled(), Unsettled { lines: expected, bytes: (stream.len() - acked) as u64 });
            let mut got: Vec<(u8, u8)> = Vec::new();
            for (bytes, message, last) in again(&mut window, most) {
                prop_assert!(bytes.len() <= crate::proto::handshake::transport::MAX_DATA);
                prop_assert!(message || !bytes.is_empty());
                got.extend(bytes.iter().map(|b| (u8::from(message), *b)));
                if last {
                    got.push((2, 0));
                }
            }
            prop_assert!(got == stream[acked..], "from {}", acked);
        }
    }
}

#[test]
fn where_a_node_relays_is_said_once_on_each_link_and_not_behind_the_end() {
    let (now, at) = (Instant::now(), "192.0.2.1:7".parse().unwrap());
    let mut a = Session::begin(now, [1; 16], Settings::default(), true);
    a.set_relays(Some(at));
    let words = |a: &mut Session| -> Vec<Control> { std::iter::from_fn(|| a.control(now, true)).collect() };
    let said = |words: &[Control]| words.iter().filter(|word| **word == Control::Relays { at }).count();
    assert!(a.has_word());
    assert_eq!(said(&words(&mut a)), 1);
    a.set_relays(Some(at));
    assert_eq!(said(&words(&mut a)), 0, "nothing new");
    a.lost();
    a.resume(now, 0).unwrap();
    assert_eq!(said(&words(&mut a)), 1);
    let mut b = Session::begin(now, [1; 16], Settings::default(), true);
    assert_eq!(b.heard(now, &Control::Relays { at }), Ok(Heard::Relays(at)));
    a.close();
    words(&mut a);
    a.set_relays(None);
    a.set_relays(Some(at));
    assert_eq!(words(&mut a), []);
}
