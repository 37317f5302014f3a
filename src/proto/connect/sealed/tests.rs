use super::*;
use crate::proto::connect::message::Message;
use crate::proto::identity::Identity;
use crate::proto::network::NetworkId;
use proptest::prelude::*;

fn me(n: u8) -> Myself {
    Myself::new(&Identity::from_secret(&[n; 32])).in_network(NetworkId::of("chess"), None)
}

fn head(from: &Myself, to: &Myself) -> Ours {
    Ours::new(from, &to.public(), &[9; 32]).unwrap()
}

/// Opens one message, knowing nothing.
fn open(to: &Myself, from: &PublicKey, bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
    let parts = parts(bytes)?;
    Theirs::open_head(to, from, parts.head)?.open(&parts)
}

#[test]
fn only_the_receiver_reads_it_and_knows_who_wrote_it() {
    let (a, b, c) = (me(1), me(2), me(3));
    let plain = b"a message that is long enough to be found";
    let sealed = head(&a, &b).seal(plain).unwrap();
    assert_eq!((sealed.len(), OVERHEAD), (plain.len() + OVERHEAD, 115));
    assert_eq!(open(&b, &a.public(), &sealed), Ok(plain.to_vec()));
    for what in [&plain[..12], a.public().as_bytes(), &a.public().x25519().unwrap()] {
        assert!(!sealed.windows(what.len()).any(|window| window == what));
    }
    let forged = Err(OpenError::Forged);
    assert_eq!(open(&c, &a.public(), &sealed), forged, "given to another");
    assert_eq!(open(&a, &a.public(), &sealed), forged, "given back");
    assert_eq!(open(&a, &b.public(), &sealed), forged, "given back as an answer");
    assert_eq!(open(&b, &c.public(), &sealed), forged, "as if from another");
    let identity = Identity::from_secret(&[2; 32]);
    let elsewhere = Myself::new(&identity).in_network(NetworkId::of("go"), None);
    assert_eq!(open(&elsewhere, &a.public(), &sealed), forged, "in another network");
    let keyed = Myself::new(&identity).in_network(NetworkId::of("chess"), Some(&[7; 32]));
    assert_eq!(open(&keyed, &a.public(), &sealed), forged, "by a member of a closed network, from outside");
}

#[test]
fn a_closed_network_takes_its_key() {
    let node = |n: u8, key: u8| {
        Myself::new(&Identity::from_secret(&[n; 32])).in_network(NetworkId::of("chess"), Some(&[key; 32]))
    };
    let sealed = head(&node(1, 7), &node(2, 7)).seal(b"hello").unwrap();
    assert_eq!(open(&node(2, 7), &node(1, 7).public(), &sealed), Ok(b"hello".to_vec()));
    assert_eq!(open(&node(2, 8), &node(1, 7).public(), &sealed), Err(OpenError::Forged));
    assert_eq!(open(&me(2), &node(1, 7).public(), &sealed), Err(OpenError::Forged));
}

/// The second name that an owner of a key has (the point's negative) is not the one that was said.
#[test]
fn the_other_name_of_a_key_is_another_sender() {
    let (a, b) = (me(1), me(2));
    let mut negative = a.public();
    negative.0[31] ^= 0x80;
    assert_eq!(negative.x25519(), a.public().x25519());
    let sealed = head(&a, &b).seal(b"hello").unwrap();
    assert_eq!(open(&b, &negative, &sealed), Err(OpenError::Forged));
}

#[test]
fn what_is_not_sealed_or_of_another_version() {
    let (a, b) = (me(1), me(2));
    let good = head(&a, &b).seal(b"x").unwrap();
    for len in 0..good.len() {
        assert_eq!(open(&b, &a.public(), &good[..len]), Err(OpenError::Layout));
    }
    assert_eq!(open(&b, &a.public(), &[&[2], &good[1..]].concat()), Err(OpenError::Layout));
    let long = head(&a, &b).seal(&[7; message::MAX_LEN + 1]).unwrap();
    assert_eq!(open(&b, &a.public(), &long), Err(OpenError::Layout));
    let longest = head(&a, &b).seal(&[7; message::MAX_LEN]).unwrap();
    assert_eq!((longest.len(), MAX_LEN), (MAX_LEN, 1201));
    assert!(open(&b, &a.public(), &longest).is_ok());
    // What nodes said before messages were sealed.
    let refuse = Message::Refuse { token: [7; 16], reason: message::Refusal::Busy };
    assert_eq!(open(&b, &a.public(), &refuse.encode()), Err(OpenError::Layout));
    assert_eq!(open(&b, &a.public(), &[1; 200]), Err(OpenError::Forged));
    assert_eq!(open(&b, &PublicKey([0; 32]), &good), Err(OpenError::Forged), "no key at all");
    // Ours fit what servers take, and leave room.
    const { assert!(MAX_LEN <= 1800) }
}

#[test]
fn each_message_is_taken_once_in_any_order() {
    let (a, b) = (me(1), me(2));
    let mut ours = head(&a, &b);
    let sealed: Vec<Vec<u8>> = (0..400u16).map(|n| ours.seal(&n.to_be_bytes()).unwrap()).collect();
    let mut theirs = Theirs::open_head(&b, &a.public(), parts(&sealed[0]).unwrap().head).unwrap();
    let mut give = |n: u16| theirs.open(&parts(&sealed[usize::from(n)]).unwrap());
    for n in [3, 0, 1, 2, 130, 200, 199, 73] {
        assert_eq!(give(n), Ok(n.to_be_bytes().to_vec()));
    }
    for n in [0, 1, 2, 3, 72, 73, 130, 199, 200] {
        assert_eq!(give(n), Err(OpenError::Again), "{n}");
    }
    assert_eq!(give(74), Ok(74u16.to_be_bytes().to_vec()));
    assert_eq!(give(399), Ok(399u16.to_be_bytes().to_vec()));
    assert_eq!(give(201), Err(OpenError::Again), "too long ago to be remembered");
}

/// What is forged does not make what is real look as if it had been here.
#[test]
fn a_forged_number_does_no_harm() {
    let (a, b) = (me(1), me(2));
    let mut ours = head(&a, &b);
    let (first, second) = (ours.seal(b"first").unwrap(), ours.seal(b"second").unwrap());
    let mut theirs = Theirs::open_head(&b, &a.public(), parts(&first).unwrap().head).unwrap();
    let mut forged = first.clone();
    forged[1 + HEAD..][..2].fill(0xff);
    assert_eq!(theirs.open(&parts(&forged).unwrap()), Err(OpenError::Forged));
    forged[1 + HEAD..][..2].copy_from_slice(&[0, 1]);
    assert_eq!(theirs.open(&parts(&forged).unwrap()), Err(OpenError::Forged), "moved");
    assert_eq!(theirs.open(&parts(&first).unwrap()), Ok(b"first".to_vec()));
    assert_eq!(theirs.open(&parts(&second).unwrap()), Ok(b"second".to_vec()));
}

#[test]
fn numbers_are_never_used_twice() {
    let mut ours = head(&me(1), &me(2));
    ours.skip_to(u16::MAX);
    assert!(ours.seal(b"last").is_some());
    assert_eq!(ours.seal(b"more"), None);
}

#[test]
fn keys_of_small_order_are_not_sealed_to() {
    assert!(Ours::new(&me(1), &PublicKey([0; 32]), &[9; 32]).is_none());
    let mut neutral = [0; 32];
    neutral[0] = 1;
    assert!(Ours::new(&me(1), &PublicKey(neutral), &[9; 32]).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_is_opened(plain in proptest::collection::vec(any::<u8>(), 1..message::MAX_LEN)) {
        let (a, b) = (me(1), me(2));
        let sealed = head(&a, &b).seal(&plain).unwrap();
        prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
        prop_assert_eq!(open(&b, &a.public(), &sealed), Ok(plain));
    }

    #[test]
    fn one_flipped_bit_is_noticed(at in 0..8 * (OVERHEAD + 8)) {
        let (a, b) = (me(1), me(2));
        let mut sealed = head(&a, &b).seal(b"Call me.").unwrap();
        sealed[at / 8] ^= 1 << (at % 8);
        prop_assert!(open(&b, &a.public(), &sealed).is_err());
    }

    /// Against a simple memory of all numbers.
    #[test]
    fn the_window(numbers in proptest::collection::vec(0..600u16, 0..200)) {
        let (a, b) = (me(1), me(2));
        let mut ours = head(&a, &b);
        let head = *parts(&ours.seal(b"x").unwrap()).unwrap().head;
        let mut theirs = Theirs::open_head(&b, &a.public(), &head).unwrap();
        let mut been = std::collections::BTreeSet::new();
        for number in numbers {
            ours.skip_to(number);
            let sealed = ours.seal(b"x").unwrap();
            let old = been.last().is_some_and(|last: &u16| number + 128 <= *last);
            let fresh = !old && been.insert(number);
            prop_assert_eq!(theirs.open(&parts(&sealed).unwrap()).is_ok(), fresh, "{}", number);
        }
    }

    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&me(2), &me(1).public(), &bytes).is_err());
    }
}
