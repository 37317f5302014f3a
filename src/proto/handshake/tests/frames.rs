//! What comes behind a handshake: frames, in order and whole, by either cipher.

use super::*;

#[test]
fn what_was_sealed_is_opened_whole_and_in_order() {
    for (ik, aes) in [(true, false), (true, true), (false, false), (false, true)] {
        let (said, [(_, mut c), (_, mut a)]) = run_on(ik, [NO, NO], [aes, aes]);
        if ik {
            let verdict = open(&mut a.opener, &mut said[2].clone()).unwrap();
            assert_eq!(verdict, (Kind::Control, Control::Verdict { chosen: false }.encode().to_vec()));
        }
        let long: Vec<u8> = (0..2 * MAX_DATA + 1).map(|i| i as u8).collect();
        let mut wire = Vec::new();
        c.sealer.seal(b"", &mut wire).unwrap();
        assert!(wire.is_empty(), "there are no empty frames");
        c.sealer.seal(b"hello", &mut wire).unwrap();
        assert_eq!(wire.len(), sealed_len(5));
        assert_eq!(sealed_len(5), 5 + FRAME_OVERHEAD);
        c.sealer.seal(&long, &mut wire).unwrap();
        assert_eq!(wire.len(), sealed_len(5) + sealed_len(long.len()));
        assert_eq!(open(&mut a.opener, &mut wire), Ok((Kind::Data, b"hello".to_vec())));
        let mut got = Vec::new();
        while !wire.is_empty() {
            got.extend(open(&mut a.opener, &mut wire).unwrap().1);
        }
        assert!(got == long);
        a.sealer.seal(b"back", &mut wire).unwrap();
        assert_eq!(open(&mut c.opener, &mut wire), Ok((Kind::Data, b"back".to_vec())));
    }
}

#[test]
fn frames_are_not_repeated_skipped_moved_or_renamed() {
    let frames = |c: &mut Transport| -> Vec<Vec<u8>> {
        (0..4u8)
            .map(|i| {
                let mut frame = Vec::new();
                c.sealer.seal(&[i; 9], &mut frame).unwrap();
                frame
            })
            .collect()
    };
    let orders = [[0, 0, 1], [1, 0, 2], [0, 2, 1]];
    for (order, aes) in orders.into_iter().flat_map(|order| [(order, true), (order, false)]) {
        let (_, [(_, mut c), (_, mut a)]) = run_on(false, [NO, NO], [aes, aes]);
        let sent = frames(&mut c);
        let got: Vec<_> = order.iter().map(|i| open(&mut a.opener, &mut sent[*i].clone())).collect();
        let wrong = order.iter().enumerate().position(|(i, n)| i != *n).unwrap();
        assert!(got[..wrong].iter().all(Result::is_ok));
        assert_eq!(got[wrong], Err(FrameError::Forged), "{order:?}");
    }
    for aes in [true, false] {
        let (_, [(_, mut c), (_, mut a)]) = run_on(false, [NO, NO], [aes, aes]);
        let mut frame = frames(&mut c).remove(0);
        frame[0] ^= 0x80;
        assert_eq!(open(&mut a.opener, &mut frame), Err(FrameError::Forged), "data is not control");
    }
}

#[test]
fn keys_are_replaced_on_both_sides_at_once_and_numbers_run_out() {
    for aes in [true, false] {
        let (_, [(_, mut c), (_, mut a)]) = run_on(false, [NO, NO], [aes, aes]);
        for count in [(1 << 16) - 2, (1 << 17) - 2, (1 << 40) - 2] {
            c.sealer.state().set_count(count);
            a.opener.state().set_count(count);
            for i in 0..4u8 {
                let mut frame = Vec::new();
                c.sealer.seal(&[i], &mut frame).unwrap();
                assert_eq!(open(&mut a.opener, &mut frame), Ok((Kind::Data, vec![i])));
            }
        }
        // Who has not changed the key cannot read on.
        let (_, [(_, mut c), (_, mut a)]) = run_on(false, [NO, NO], [aes, aes]);
        c.sealer.state().set_count((1 << 16) - 1);
        let mut frames = Vec::new();
        c.sealer.seal(b"x", &mut frames).unwrap();
        frames.clear();
        c.sealer.seal(b"y", &mut frames).unwrap();
        a.opener.state().set_count(1 << 16);
        assert_eq!(open(&mut a.opener, &mut frames), Err(FrameError::Forged));

        c.sealer.state().set_count(u64::MAX);
        let mut frames = b"kept".to_vec();
        assert_eq!(c.sealer.seal(b"z", &mut frames), Err(FrameError::Exhausted));
        assert_eq!(frames, b"kept");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn frames_hold_what_was_put_in(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20_000), 1..4),
        flip in any::<prop::sample::Index>(),
        aes in any::<bool>(),
    ) {
        let (_, [(_, mut c), (_, mut a)]) = run_on(false, [NO, NO], [aes, aes]);
        let (mut wire, mut want) = (Vec::new(), Vec::new());
        for piece in &pieces {
            c.sealer.seal(piece, &mut wire).unwrap();
            want.extend_from_slice(piece);
        }
        let mut broken = wire.clone();
        let mut got = Vec::new();
        while !wire.is_empty() {
            got.extend(open(&mut a.opener, &mut wire).unwrap().1);
        }
        prop_assert!(got == want);
        if !broken.is_empty() {
            let (_, [_, (_, mut a)]) = run_on(false, [NO, NO], [aes, aes]);
            let at = flip.index(broken.len());
            broken[at] ^= 0x10;
            let mut got = Vec::new();
            let mut noticed = false;
            while broken.len() >= 2 {
                let whole = Head::parse([broken[0], broken[1]]).is_ok_and(|head| head.body + 2 <= broken.len());
                match if whole { open(&mut a.opener, &mut broken) } else { Err(FrameError::Forged) } {
                    Ok((_, data)) => got.extend(data),
                    Err(_) => { noticed = true; break; }
                }
            }
            prop_assert!(noticed && want.starts_with(&got));
        }
    }

    /// Parts of messages, and lines and words between them.
    #[test]
    fn frames_of_every_kind_are_opened_as_what_they_are(
        parts in prop::collection::vec((0..4u8, prop::collection::vec(any::<u8>(), 0..300)), 0..20),
        aes in any::<bool>(),
    ) {
        let (_, [(_, mut a), (_, mut b)]) = run_on(false, [NO, NO], [aes, aes]);
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        for (kind, bytes) in &parts {
            match kind {
                0 if !bytes.is_empty() => a.sealer.seal(bytes, &mut wire).unwrap(),
                1 | 2 if *kind == 2 || !bytes.is_empty() => a.sealer.seal_part(bytes, *kind == 2, &mut wire).unwrap(),
                _ => a.sealer.seal_control(Control::Ping { number: 7 }, &mut wire).unwrap(),
            }
            expected.push((*kind, bytes.clone()));
        }
        for (kind, bytes) in expected {
            let head = Head::parse([wire[0], wire[1]]).unwrap();
            let mut body: Vec<u8> = wire.drain(..HEAD + head.body).skip(HEAD).collect();
            match b.opener.open_any(head, &mut body).unwrap() {
                Opened::Data(len) => prop_assert_eq!((0, &body[..len]), (kind, &bytes[..])),
                Opened::Part { end, last } => prop_assert_eq!((1 + u8::from(last), &body[1..end]), (kind, &bytes[..])),
                Opened::Control(control) => prop_assert_eq!(control, Control::Ping { number: 7 }),
            }
        }
        prop_assert!(wire.is_empty());
        prop_assert!(a.sealer.seal_part(&vec![0; MAX_PART + 1], true, &mut wire).is_err());
    }

    #[test]
    fn controls_have_one_spelling(
        kind in 0..12u8,
        rest in prop::sample::select(vec![0usize, 1, 4, 8, 24, 25]).prop_flat_map(|len| prop::collection::vec(0..6u8, len)),
    ) {
        let bytes = [vec![kind], rest].concat();
        if let Some(control) = Control::decode(&bytes) {
            prop_assert_eq!(control.encode().to_vec(), bytes);
        }
    }
}
