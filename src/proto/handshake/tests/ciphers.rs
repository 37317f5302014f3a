//! By which cipher the frames go: whatever the two machines have, whoever is between them.

use super::*;

const ALL: [[bool; 2]; 4] = [[false, false], [true, false], [false, true], [true, true]];

/// Every pair, by either pattern: each has drawn the same conclusion, and frames get through both ways, past changes of the key.
#[test]
fn aes_is_used_if_both_have_it_and_only_then() {
    for (ik, fast) in [true, false].into_iter().flat_map(|ik| ALL.map(|fast| (ik, fast))) {
        let (said, [(_, mut c), (_, mut a)]) = run_on(ik, [YES, NO], fast);
        let cipher = if fast == [true, true] { Cipher::AesGcm } else { Cipher::ChaChaPoly };
        assert_eq!((c.cipher, a.cipher), (cipher, cipher), "{ik} {fast:?}");
        let lengths: Vec<_> = said.iter().map(Vec::len).collect();
        assert_eq!(lengths, if ik { [181, 52, 20] } else { [51, 131, 132] }, "the same whoever says it");
        if let Some(mut verdict) = ik.then(|| said[2].clone()) {
            open(&mut a.opener, &mut verdict).unwrap();
        }
        for count in [1, (1 << 16) - 1, (1 << 17) - 1] {
            for back in [false, true] {
                let (from, to) = if back { (&mut a, &mut c) } else { (&mut c, &mut a) };
                from.sealer.state().set_count(count);
                to.opener.state().set_count(count);
                let mut frames = Vec::new();
                from.sealer.seal(b"one", &mut frames).unwrap();
                from.sealer.seal(b"two", &mut frames).unwrap();
                for text in [b"one", b"two"] {
                    assert_eq!(open(&mut to.opener, &mut frames), Ok((Kind::Data, text.to_vec())));
                }
            }
        }
    }
}

/// What is said before the first frame goes by the agreed cipher as well: an acceptor's last word in XX.
#[test]
fn last_words_are_understood() {
    for fast in ALL {
        let [c, a] = sides(fast);
        let a = a.in_network(NetworkId::of("go"), Some(&[9; 32]));
        let c = c.in_network(NetworkId::of("go"), Some(&[9; 32]));
        let (mut c, mut a) = (begin(&c, None), Handshake::accept(&a, &[22; 32]));
        pass(&mut c, &mut a).unwrap();
        pass(&mut a, &mut c).unwrap();
        c.answer(NO).unwrap();
        pass(&mut c, &mut a).unwrap();
        a.answer(Answer::Full).unwrap();
        let (mut word, (_, mut c)) = (a.output().unwrap(), c.into_transport().unwrap());
        let head = Head::parse([word[0], word[1]]).unwrap();
        assert_eq!(c.opener.open_control(head, &mut word[2..]), Ok(Control::Unwelcome(Answer::Full)));
    }
}

/// The place in each message where a side says what its machine has: from the end of it, tags and the code behind that not counted.
/// The messages of machines that have AES and those of machines that have not differ there, by that bit, and behind it in what
/// authenticates it.
fn place(with: &[u8], without: &[u8]) -> usize {
    let at = with.iter().zip(without).position(|(a, b)| a != b).unwrap();
    assert_eq!(with[at] ^ without[at], 1, "it is the bit");
    at
}

/// A cipher of this kind adds its key stream to the text: who changes that bit on the way would change what it says. The tag behind it
/// tells, and there is no link; neither with the one nor with the other cipher.
#[test]
fn who_turns_the_flag_in_the_middle_ends_the_handshake() {
    for ik in [true, false] {
        let (said, _) = run_on(ik, [NO, NO], [true, true]);
        let (plain, _) = run_on(ik, [NO, NO], [false, false]);
        for fast in [true, false] {
            let said = if fast { &said } else { &plain };
            let sides = sides([fast, fast]);
            let c = || begin(&sides[0], ik.then_some(2));
            let a = || Handshake::accept(&sides[1], &[22; 32]);
            // The one that the connector says it in, and the acceptor's.
            let (connectors, acceptors) = if ik { (0, 1) } else { (2, 1) };
            let at = {
                let (with, _) = run_on(ik, [NO, NO], [true, false]);
                let (without, _) = run_on(ik, [NO, NO], [false, false]);
                place(&with[connectors], &without[connectors])
            };
            let mut turned = said[connectors].clone();
            assert_eq!(at, turned.len() - if ik { TAG + 16 + 1 } else { TAG + 1 });
            turned[at] ^= 1;
            let mut a = a();
            if ik {
                // The code over the whole stops it already; who can make it, as every node can that knows the acceptor's key, no further.
                assert_eq!(a.input(&turned), Err(HandshakeError::NotForUs));
                let (signed, mac) = turned[2..].split_last_chunk_mut::<16>().unwrap();
                let acceptor = sides[1].public();
                *mac = wire::greeting_mac(Some(&acceptor), sides[1].network(), None, signed);
                a = Handshake::accept(&sides[1], &[22; 32]);
            } else {
                a.input(&said[0]).unwrap();
            }
            assert_eq!(a.input(&turned), Err(HandshakeError::Forged));
            assert!(a.peer().is_none() && a.into_transport().is_err());

            let at = {
                let (with, _) = run_on(ik, [NO, NO], [false, true]);
                place(&with[acceptors], &plain[acceptors])
            };
            let mut turned = said[acceptors].clone();
            assert_eq!(at, turned.len() - TAG - 1);
            turned[at] ^= 1;
            let mut c = c();
            drop(c.output());
            assert_eq!(c.input(&turned), Err(HandshakeError::Forged));
            assert!(c.peer().is_none() && c.into_transport().is_err());
        }
    }
}

/// The words of one talk do not make another cipher of a second one, though all else is the same, even what is to be drawn anew each time.
#[test]
fn what_another_pair_has_said_is_of_no_use() {
    let (slow, _) = run_on(true, [NO, NO], [false, false]);
    let (fast, _) = run_on(true, [NO, NO], [true, true]);
    // The reply of an acceptor without AES, to a greeting of a machine that has it.
    let sides = sides([true, true]);
    let mut c = begin(&sides[0], Some(2));
    assert_eq!(c.output().as_ref(), Some(&fast[0]));
    assert_eq!(c.input(&slow[1]), Err(HandshakeError::Forged));
}

/// Bits of versions to come are not looked at, and no room is left for bytes of them.
#[test]
fn ciphers_to_come_are_passed_over() {
    for bits in 0..=255u8 {
        assert_eq!(wire::decode_ciphers(bits), bits % 2 == 1);
        let hello = Hello { network: NO_NETWORK, token: TOKEN, chosen: true, fast_aes: bits % 2 == 1 };
        let mut bytes = wire::encode_hello(&id(1).public(), &hello);
        *bytes.last_mut().unwrap() |= bits & 0xfe;
        assert_eq!(wire::decode_hello(&bytes), Some((id(1).public(), hello)));
        assert_eq!(wire::decode_reply(&[1, bits]), Some((YES, bits % 2 == 1)));
        bytes.push(0);
        assert_eq!(wire::decode_hello(&bytes), None);
    }
    let key = wire::encode_key(&id(1).public(), true);
    assert_eq!(wire::decode_key(&key), Some((id(1).public(), true)));
    assert_eq!(wire::decode_key(&key[..32]), None);
    assert_eq!((wire::decode_reply(&[1]), wire::decode_reply(&[9, 0])), (None, None));
}
