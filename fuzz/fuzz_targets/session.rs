//! One side of a session, with a peer that says and sends what the fuzzer wants, and links that end when it wants.

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::handshake::Control;
use p2pnet::proto::session::{Heard, Incoming, Part, Piece, Session, Settings};

fn rest(session: &mut Session, most: usize) -> Vec<u8> {
    let mut rest = Vec::new();
    while let Some((piece, from, to)) = session.again(most) {
        for part in piece.parts(from, to) {
            match part {
                Part::Lines(bytes) => rest.extend_from_slice(bytes),
                Part::Message { part, last } => {
                    rest.extend_from_slice(part);
                    rest.extend(last.then_some(0));
                }
            }
        }
    }
    rest
}

fuzz_target!(|data: &[u8]| {
    if let Some(control) = Control::decode(data) {
        assert_eq!(&*control.encode(), data);
    }
    let mut now = Instant::now();
    let settings = Settings { window: 500, ..Settings::default() };
    let mut session = Session::begin(now, [1; 16], settings, false);
    let (mut incoming, mut stream, mut acked, mut received) = (Incoming::default(), Vec::new(), 0, 0);
    for step in data.chunks(3) {
        let [what, a, b] = [0, 1, 2].map(|i| step.get(i).copied().unwrap_or(0));
        let number = u64::from(u16::from_be_bytes([a, b]));
        let control = match what % 16 {
            0 => Control::Ack { received: number },
            1 => Control::Ping { number: number as u32 },
            2 => Control::Pong { number: number as u32 },
            3 => Control::Close { sent: number },
            4 => Control::Session { id: [a; 16], received: number },
            5 | 6 => {
                let taken = if what % 16 == 5 {
                    incoming.lines(usize::from(a))
                } else {
                    incoming.part(usize::from(a), b % 2 == 0)
                };
                if taken.is_err() {
                    return;
                }
                session.received(now, incoming.received());
                continue;
            }
            7 => {
                session.lost();
                assert!(
                    session.control(now, true).is_none() && session.again(1).is_none() && !session.may_send()
                );
                if session.resume(now, number).is_err() {
                    return;
                }
                assert!(number >= acked && number as usize <= stream.len());
                acked = number;
                incoming.new_link(true);
                assert_eq!(rest(&mut session, 1 + usize::from(what)), &stream[acked as usize..]);
                continue;
            }
            8 | 9 => {
                if session.may_send() {
                    let mut piece = Piece::default();
                    let bytes = vec![a; usize::from(b)];
                    if what % 16 == 8 {
                        piece.push_lines(&bytes);
                        stream.extend(bytes);
                    } else {
                        piece.push_message(&bytes);
                        stream.extend(bytes);
                        stream.push(0);
                    }
                    session.sent(&mut piece);
                    assert!(piece.is_empty());
                }
                continue;
            }
            10 => {
                now += Duration::from_millis(number);
                let _ = session.due(now, b % 2 == 0);
                continue;
            }
            11 => {
                session.close();
                continue;
            }
            _ => {
                let _ = session.control(now, a % 2 == 0);
                continue;
            }
        };
        if incoming.control(&control).is_err() {
            return;
        }
        match session.heard(now, &control) {
            Err(_) => return,
            Ok(Heard::Room) => acked = number,
            Ok(_) => {}
        }
        assert!(incoming.received() >= received && acked as usize <= stream.len());
        received = incoming.received();
        assert_eq!(session.unacked(), stream.len() as u64 - acked);
    }
});
