use proptest::prelude::*;

use super::noise::TAG;
use super::transport::{FRAME_OVERHEAD, HEAD, Head, Kind, MAX_DATA, MAX_PART, sealed_len};
use super::*;

mod ciphers;
mod frames;

fn id(n: u8) -> Identity {
    Identity::from_secret(&[n; 32])
}

fn me(n: u8) -> Myself {
    Myself::new(&id(n)).in_network(NetworkId::of("chess"), None)
}

const TOKEN: Token = [5; 16];
const YES: Answer = Answer::Welcome { chosen: true };
const NO: Answer = Answer::Welcome { chosen: false };

fn connect(to: Option<u8>) -> Handshake {
    begin(&me(1), to)
}

fn begin(me: &Myself, to: Option<u8>) -> Handshake {
    Handshake::connect(me, to.map(|n| id(n).public()), TOKEN, false, &[11; 32]).unwrap()
}

/// Connector and acceptor, on machines that have instructions for AES or not.
fn sides(fast: [bool; 2]) -> [Myself; 2] {
    [me(1).with_fast_aes(fast[0]), me(2).with_fast_aes(fast[1])]
}

fn accept() -> Handshake {
    Handshake::accept(&me(2), &[22; 32])
}

/// Everything there is to send, to the other.
fn pass(from: &mut Handshake, to: &mut Handshake) -> Result<Progress, HandshakeError> {
    let bytes = from.output().expect("something to send");
    assert_eq!(to.wants().min(2), 2);
    to.input(&bytes).inspect(|progress| assert_eq!(progress.used, bytes.len()))
}

/// A complete handshake; what was said, and both ends.
fn run(ik: bool, answers: [Answer; 2]) -> (Vec<Vec<u8>>, [(Peer, Transport); 2]) {
    run_on(ik, answers, [false, false])
}

fn run_on(ik: bool, answers: [Answer; 2], fast: [bool; 2]) -> (Vec<Vec<u8>>, [(Peer, Transport); 2]) {
    let [c, a] = sides(fast);
    let (mut c, mut a) = (begin(&c, ik.then_some(2)), Handshake::accept(&a, &[22; 32]));
    let mut said = Vec::new();
    while !(c.is_done() && a.is_done()) {
        for (who, answer) in [(0, answers[0]), (1, answers[1])] {
            let (from, to) = if who == 0 { (&mut c, &mut a) } else { (&mut a, &mut c) };
            if from.is_asking() {
                assert!(from.peer().is_some());
                from.answer(answer).unwrap();
            }
            if let Some(bytes) = from.output() {
                if !to.is_done() {
                    assert_eq!(to.input(&bytes), Ok(Progress { used: bytes.len() }));
                }
                said.push(bytes);
            }
        }
    }
    (said, [c.into_transport().unwrap(), a.into_transport().unwrap()])
}

/// Takes one frame off the front of `bytes`.
fn open(opener: &mut Opener, bytes: &mut Vec<u8>) -> Result<(Kind, Vec<u8>), FrameError> {
    let head = Head::parse([bytes[0], bytes[1]])?;
    let mut body: Vec<u8> = bytes.drain(..2 + head.body).skip(2).collect();
    let len = opener.open(head, &mut body)?;
    body.truncate(len);
    Ok((head.kind, body))
}

#[test]
fn with_the_key_both_know_each_other_after_one_round_trip() {
    let (mut c, mut a) = (connect(Some(2)), accept());
    assert_eq!(pass(&mut c, &mut a), Ok(Progress { used: MAX_MESSAGE }));
    let peer = Peer { key: id(1).public(), token: TOKEN, chosen: false, live: false };
    assert_eq!(a.peer(), Some(&peer));
    assert_eq!((a.wants(), a.output()), (0, None), "our answer is what is missing");
    assert!(c.peer().is_none());
    a.answer(YES).unwrap();
    pass(&mut a, &mut c).unwrap();
    assert!(a.is_done() && !c.is_done());
    assert_eq!(c.peer(), Some(&Peer { key: id(2).public(), token: TOKEN, chosen: true, live: true }));
    c.answer(NO).unwrap();
    let mut verdict = c.output().unwrap();
    let (_, mut a) = a.into_transport().unwrap();
    let head = Head::parse([verdict[0], verdict[1]]).unwrap();
    assert_eq!(a.opener.open_control(head, &mut verdict[2..]), Ok(Control::Verdict { chosen: false }));
    assert_eq!(c.into_transport().unwrap().1.binding, a.binding);
}

#[test]
fn without_the_key_both_know_each_other_after_three_messages() {
    for (first, second) in [(NO, NO), (NO, YES), (YES, NO)] {
        let (mut c, mut a) = (connect(None), accept());
        pass(&mut c, &mut a).unwrap();
        assert!(a.peer().is_none());
        pass(&mut a, &mut c).unwrap();
        assert_eq!(c.peer(), Some(&Peer { key: id(2).public(), token: TOKEN, chosen: false, live: true }));
        c.answer(first).unwrap();
        pass(&mut c, &mut a).unwrap();
        let peer = Peer { key: id(1).public(), token: TOKEN, chosen: first == YES, live: true };
        assert_eq!(a.peer(), Some(&peer));
        a.answer(second).unwrap();
        let (word, (_, mut c)) = (a.output(), c.into_transport().unwrap());
        assert_eq!(word.is_some(), second == YES);
        if let Some(mut word) = word {
            let head = Head::parse([word[0], word[1]]).unwrap();
            assert_eq!(c.opener.open_control(head, &mut word[2..]), Ok(Control::Choose));
        }
        assert_eq!(c.binding, a.into_transport().unwrap().1.binding);
    }
}

#[test]
fn the_bytes_arrive_in_any_pieces_and_none_too_many_are_taken() {
    for ik in [true, false] {
        let (said, _) = run(ik, [NO, NO]);
        for piece in 1..=90 {
            let (mut c, mut a) = (connect(ik.then_some(2)), accept());
            let feed = |to: &mut Handshake, bytes: &[u8]| {
                let whole = [bytes, &b"and what follows"[..]].concat();
                let mut at = 0;
                while at < bytes.len() {
                    // Who waits for another message would take what follows for it.
                    let end =
                        if to.state == machine::State::Greeting && !ik { bytes.len() } else { whole.len() };
                    at += to.input(&whole[at..(at + piece).min(end)]).unwrap().used;
                }
                assert_eq!(at, bytes.len());
            };
            feed(&mut a, &said[0]);
            if ik {
                a.answer(NO).unwrap();
            }
            assert_eq!(a.output().as_ref(), Some(&said[1]), "the same randomness makes the same messages");
            feed(&mut c, &said[1]);
            c.answer(NO).unwrap();
        }
    }
}

#[test]
fn another_node_another_network_and_another_network_key_are_told_apart() {
    let key = |n: u8| Some([n; 32]);
    let node = |n: u8, network: &str, key: Option<[u8; 32]>| {
        Myself::new(&id(n)).in_network(NetworkId::of(network), key.as_ref())
    };
    let refused = HandshakeError::Refused(Refusal::NotForUs);
    for (what, ik, acceptor, at_acceptor, at_connector) in [
        ("another node", true, node(3, "chess", None), HandshakeError::NotForUs, refused),
        ("a network key", true, node(2, "chess", key(9)), HandshakeError::NotForUs, refused),
        ("a network key", false, node(2, "chess", key(9)), HandshakeError::NotForUs, refused),
        ("another network", false, node(2, "go", None), HandshakeError::NotForUs, refused),
        (
            "another network",
            true,
            node(2, "go", None),
            HandshakeError::OtherNetwork { peer: Some(NetworkId::of("chess")) },
            HandshakeError::OtherNetwork { peer: None },
        ),
    ] {
        let (mut c, mut a) = (connect(ik.then_some(2)), Handshake::accept(&acceptor, &[22; 32]));
        assert_eq!(pass(&mut c, &mut a), Err(at_acceptor), "{what}");
        assert_eq!(pass(&mut a, &mut c), Err(at_connector), "{what}");
        assert!(a.peer().is_none() && c.peer().is_none());
        assert!(a.input(b"more").is_ok_and(|p| p.used == 0) && a.output().is_none());
    }
    // The right key, both ways.
    for ik in [true, false] {
        let (c, a) = (node(1, "chess", key(9)), node(2, "chess", key(9)));
        let to = ik.then(|| a.public());
        let mut c = Handshake::connect(&c, to, TOKEN, false, &[11; 32]).unwrap();
        let mut a = Handshake::accept(&a, &[22; 32]);
        pass(&mut c, &mut a).unwrap();
        if ik {
            a.answer(NO).unwrap();
        }
        pass(&mut a, &mut c).unwrap();
        assert!(c.peer().is_some());
    }
}

#[test]
fn who_is_not_welcome_is_told_why() {
    for (answer, error) in [
        (Answer::TurnedAway, HandshakeError::TurnedAway),
        (Answer::Full, HandshakeError::Full),
        (Answer::OtherNetwork, HandshakeError::OtherNetwork { peer: None }),
    ] {
        let (mut c, mut a) = (connect(Some(2)), accept());
        pass(&mut c, &mut a).unwrap();
        a.answer(answer).unwrap();
        assert_eq!(pass(&mut a, &mut c), Err(error));
        assert!(!a.is_done() && a.into_transport().is_err());

        let (mut c, mut a) = (connect(None), accept());
        pass(&mut c, &mut a).unwrap();
        pass(&mut a, &mut c).unwrap();
        c.answer(NO).unwrap();
        pass(&mut c, &mut a).unwrap();
        a.answer(answer).unwrap();
        let (mut word, (_, mut c)) = (a.output().unwrap(), c.into_transport().unwrap());
        let head = Head::parse([word[0], word[1]]).unwrap();
        assert_eq!(c.opener.open_control(head, &mut word[2..]), Ok(Control::Unwelcome(answer)));
    }
}

#[test]
fn a_node_does_not_talk_to_itself() {
    let me = me(2);
    assert_eq!(
        Handshake::connect(&me, Some(me.public()), TOKEN, false, &[1; 32]).err(),
        Some(HandshakeError::Ourselves)
    );
    // Somebody led our own connection back to us.
    let mut c = Handshake::connect(&me, None, TOKEN, false, &[1; 32]).unwrap();
    let mut a = accept();
    pass(&mut c, &mut a).unwrap();
    assert_eq!(pass(&mut a, &mut c), Err(HandshakeError::Ourselves));
    // And our own messages come back as if they were the peer's.
    for ik in [true, false] {
        let (said, _) = run(ik, [NO, NO]);
        let mut c = connect(ik.then_some(2));
        assert!(matches!(c.input(&said[0]), Err(HandshakeError::NotAHandshake { .. })));
        let mut c = connect(ik.then_some(2));
        let greeting = c.output().unwrap();
        let mut back = said[1].clone();
        back[2..34].copy_from_slice(&greeting[3..35]);
        assert_eq!(c.input(&back), Err(HandshakeError::Forged));
        assert!(c.peer().is_none());
    }
    let (_, [(_, mut c), _]) = run(false, [NO, NO]);
    let mut frame = Vec::new();
    c.sealer.seal(b"mirror", &mut frame).unwrap();
    assert_eq!(open(&mut c.opener, &mut frame), Err(FrameError::Forged));
}

/// Every bit of every message, one at a time. Whoever reads it notices at once.
#[test]
fn every_changed_bit_is_noticed() {
    for (ik, aes) in [(true, true), (false, false)] {
        let sides = sides([aes, aes]);
        let connect = |to| begin(&sides[0], to);
        let accept = || Handshake::accept(&sides[1], &[22; 32]);
        let (said, _) = run_on(ik, [NO, NO], [aes, aes]);
        for (n, message) in said.iter().enumerate() {
            for bit in 0..8 * message.len() {
                // All bits of the first byte of each field, one bit of the others: each handshake costs a millisecond.
                if bit % 8 != bit / 8 % 8 && bit >= 32 {
                    continue;
                }
                let mut changed = message.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let (mut c, mut a) = (connect(ik.then_some(2)), accept());
                let error = match (ik, n) {
                    (_, 0) => a.input(&changed).err(),
                    (true, 1) | (false, 1) => c.input(&changed).err(),
                    (false, 2) => {
                        a.input(&said[0]).unwrap();
                        a.input(&changed).err()
                    }
                    _ => {
                        a.input(&said[0]).unwrap();
                        a.answer(NO).unwrap();
                        drop(a.output());
                        let mut opener = a.into_transport().unwrap().1.opener;
                        let head = Head::parse([changed[0], changed[1]]);
                        let forged = match head {
                            Ok(head) if head.body == changed.len() - 2 => {
                                opener.open(head, &mut changed[2..]).is_err()
                            }
                            _ => true,
                        };
                        forged.then_some(HandshakeError::Forged)
                    }
                };
                assert!(error.is_some(), "ik {ik}, message {n}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_shortened_message_leads_nowhere() {
    for ik in [true, false] {
        let (said, _) = run(ik, [NO, NO]);
        for len in 0..said[0].len() {
            let mut a = accept();
            assert_eq!(a.input(&said[0][..len]), Ok(Progress { used: len }));
            assert!(a.peer().is_none() && a.output().is_none() && a.wants() > 0);
        }
        for len in 0..said[1].len() {
            let mut c = connect(ik.then_some(2));
            assert_eq!(c.input(&said[1][..len]), Ok(Progress { used: len }));
            assert!(c.peer().is_none() && c.wants() > 0);
        }
    }
}

/// What was recorded gets an answer that the one who replays it cannot read: nothing of the second connection decrypts with
/// the first one's messages, and `live` says so meanwhile.
#[test]
fn a_replayed_greeting_goes_no_further() {
    let (said, _) = run(true, [NO, NO]);
    let mut a = Handshake::accept(&me(2), &[23; 32]);
    a.input(&said[0]).unwrap();
    assert!(!a.peer().unwrap().live);
    a.answer(NO).unwrap();
    assert_ne!(a.output().as_ref(), Some(&said[1]));
    let (_, mut a) = a.into_transport().unwrap();
    assert_eq!(open(&mut a.opener, &mut said[2].clone()), Err(FrameError::Forged));

    let (said, _) = run(false, [NO, NO]);
    let mut a = Handshake::accept(&me(2), &[23; 32]);
    a.input(&said[0]).unwrap();
    drop(a.output());
    assert_eq!(a.input(&said[2]), Err(HandshakeError::Forged));
}

#[test]
fn calls_out_of_order_are_errors() {
    let mut c = connect(Some(2));
    assert_eq!(c.answer(NO), Err(HandshakeError::OutOfOrder));
    assert!(connect(Some(2)).into_transport().is_err());
    let mut a = accept();
    pass(&mut c, &mut a).unwrap();
    a.answer(NO).unwrap();
    assert_eq!(a.answer(NO), Err(HandshakeError::OutOfOrder));
    assert!(a.into_transport().is_err(), "its reply was not sent");
    for weak in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let to = Some(PublicKey(weak));
        let refused = Handshake::connect(&me(1), to, TOKEN, false, &[1; 32]).err();
        assert_eq!(refused, Some(HandshakeError::NotAKey));
    }
}

#[test]
fn who_does_not_greet_is_told_so_and_a_classic_node_knows_the_words() {
    for bytes in [&b"hello\r\n"[..], b"GET / HTTP/1.1\r\n", &[b'0'; 64], &[0, 0], &[0xff, 0xff]] {
        let mut a = accept();
        assert!(matches!(a.input(bytes), Err(HandshakeError::NotAHandshake { .. })));
        let word = a.output().unwrap();
        assert_eq!(word, [0, 1, 3]);
        assert!(sent_by_secure(&word) && !sent_by_secure(bytes) && !sent_by_secure(b""));
        let mut c = connect(None);
        drop(c.output());
        assert_eq!(c.input(&word), Err(HandshakeError::Refused(Refusal::NoGreeting)));
    }
    let keyed = Myself::new(&id(1)).in_network(NetworkId::of("chess"), Some(&[9; 32]));
    let keyed = Handshake::connect(&keyed, None, TOKEN, false, &[11; 32]).unwrap();
    for mut c in [connect(Some(2)), connect(None), keyed] {
        let greeting = c.output().unwrap();
        assert!(sent_by_secure(&greeting));
        assert!((0..greeting.len()).all(|len| !sent_by_secure(&greeting[..len])));
        assert!(!sent_by_secure(&[&greeting[..], b"x"].concat()));
        // Only who accepts says it: a connector that hears no reply hangs up.
        assert!(c.input(b"hello\r\n").is_err() && c.output().is_none());
    }
}

/// An acceptor whose identity in XX is not the one that encrypts.
#[test]
fn nobody_borrows_an_identity() {
    let liar = Myself { public: id(3).public(), ..me(2) };
    let (mut c, mut a) = (connect(None), Handshake::accept(&liar, &[22; 32]));
    pass(&mut c, &mut a).unwrap();
    assert_eq!(pass(&mut a, &mut c), Err(HandshakeError::WrongIdentity { claimed: id(3).public() }));
    let liar = Myself { public: id(3).public(), ..me(1) };
    let mut c = Handshake::connect(&liar, Some(id(2).public()), TOKEN, false, &[1; 32]).unwrap();
    assert_eq!(pass(&mut c, &mut accept()), Err(HandshakeError::WrongIdentity { claimed: id(3).public() }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever arrives, nobody is authenticated by it, and no more is kept than a message.
    #[test]
    fn noise_authenticates_nobody(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        right_length in any::<bool>(),
        acceptor in any::<bool>(),
        ik in any::<bool>(),
        piece in 1..200usize,
    ) {
        let mut side = if acceptor { accept() } else { connect(ik.then_some(2)) };
        let mut bytes = bytes;
        if right_length && bytes.len() > 3 {
            let length: usize = match (acceptor, ik) {
                (true, true) => 179,
                (true, false) => 49,
                (false, true) => 50,
                (false, false) => 129,
            };
            bytes[..2].copy_from_slice(&(length as u16).to_be_bytes());
            bytes[2] = if ik { 1 } else { 2 };
        }
        for part in bytes.chunks(piece) {
            if side.input(part).is_err() {
                prop_assert_eq!(side.wants(), 0);
            }
            prop_assert!(side.received.len() <= MAX_MESSAGE);
            prop_assert!(side.peer().is_none() && !side.is_done());
        }
    }

}
