//! Either end of a handshake, and the frames after it, given bytes that the fuzzer made or changed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::handshake::transport::{HEAD, Head};
use p2pnet::proto::handshake::{Answer, Handshake, MAX_MESSAGE, Myself};
use p2pnet::proto::identity::Identity;

const WELCOME: Answer = Answer::Welcome { chosen: false };

fn sides(ik: bool, fast_aes: bool) -> (Handshake, Handshake) {
    let [me, peer] = [1, 2].map(|n| Myself::new(&Identity::from_secret(&[n; 32])).with_fast_aes(fast_aes));
    let connector = Handshake::connect(&me, ik.then(|| peer.public()), [5; 16], false, &[11; 32]);
    (connector.expect("a key"), Handshake::accept(&peer, &[22; 32]))
}

fuzz_target!(|data: &[u8]| {
    let Some((how, bytes)) = data.split_first() else { return };
    let (mut connector, mut acceptor) = sides(how & 1 != 0, how & 4 != 0);
    if how & 2 != 0 {
        // As they come, to one side.
        let side = if how & 4 != 0 { &mut connector } else { &mut acceptor };
        for piece in bytes.chunks(1 + usize::from(how >> 3)) {
            let wants = side.wants();
            assert!(wants <= MAX_MESSAGE);
            if let Ok(progress) = side.input(piece) {
                assert!(progress.used <= piece.len());
            }
            assert!(!side.is_done() && side.peer().is_none());
        }
        return;
    }
    // Changes to a real handshake: who changed nothing gets through, who changed anything does not.
    let (mut changes, mut changed) = (bytes.iter(), false);
    for turn in 0..3 {
        let (from, to) =
            if turn % 2 == 0 { (&mut connector, &mut acceptor) } else { (&mut acceptor, &mut connector) };
        if from.is_asking() {
            from.answer(WELCOME).expect("asked");
        }
        let Some(mut message) = from.output() else { return };
        if to.is_done() {
            break;
        }
        for byte in &mut message {
            let change = changes.next().copied().unwrap_or(0);
            changed |= change != 0;
            *byte ^= change;
        }
        let taken = to.input(&message);
        assert!(!changed || to.peer().is_none());
        if taken.is_err() || changed {
            return;
        }
    }
    if connector.is_asking() {
        connector.answer(WELCOME).expect("asked");
    }
    if acceptor.is_asking() {
        acceptor.answer(WELCOME).expect("asked");
    }
    let _ = (connector.output(), acceptor.output());
    let (Ok((_, mut c)), Ok((_, mut a))) = (connector.into_transport(), acceptor.into_transport()) else {
        panic!("nothing was changed, and there is no link");
    };
    let rest = changes.as_slice();
    let mut frames = Vec::new();
    a.sealer.seal(rest, &mut frames).expect("numbers are left");
    let mut plain = Vec::new();
    while let Some(head) = frames.first_chunk::<HEAD>() {
        let head = Head::parse(*head).expect("our own");
        let mut body: Vec<u8> = frames.drain(..HEAD + head.body).skip(HEAD).collect();
        let len = c.opener.open(head, &mut body).expect("our own");
        plain.extend_from_slice(&body[..len]);
    }
    assert_eq!(plain, rest);
    if let Some((head, body)) = rest.split_first_chunk::<HEAD>()
        && let Ok(head) = Head::parse(*head)
    {
        assert!(c.opener.open(head, &mut body.to_vec()).is_err());
    }
});
