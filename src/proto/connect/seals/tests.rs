use super::*;
use crate::proto::connect::sealed::MAX_LEN;
use crate::proto::identity::Identity;
use crate::proto::network::NetworkId;

const SERVER: &str = "s.example:8000";

fn seals(n: u8, start: Instant) -> Seals {
    with_secret(n, start, [n; 32])
}

fn with_secret(n: u8, start: Instant, secret: [u8; 32]) -> Seals {
    let me = Myself::new(&Identity::from_secret(&[n; 32])).in_network(NetworkId::of("chess"), None);
    Seals::new(start, me, secret)
}

fn key(n: u8) -> PublicKey {
    Identity::from_secret(&[n; 32]).public()
}

fn head_of(sealed: &[u8]) -> Vec<u8> {
    parts(sealed).unwrap().head.to_vec()
}

#[test]
fn a_talk_under_one_head_each() {
    let start = Instant::now();
    let (mut a, mut b) = (seals(1, start), seals(2, start));
    let (first, second) = (a.seal(&key(2), b"one").unwrap(), a.seal(&key(2), b"two").unwrap());
    assert_eq!(head_of(&first), head_of(&second));
    assert_eq!(b.open(SERVER, &key(1), &second), Ok(b"two".to_vec()), "whichever comes first");
    assert_eq!(b.open(SERVER, &key(1), &first), Ok(b"one".to_vec()));
    assert_eq!(b.open(SERVER, &key(1), &first), Err(OpenError::Again));
    let answer = b.seal(&key(1), b"three").unwrap();
    assert_eq!(a.open(SERVER, &key(2), &answer), Ok(b"three".to_vec()));
    // For somebody else it is another one.
    assert_ne!(head_of(&a.seal(&key(3), b"one").unwrap()), head_of(&first));
}

#[test]
fn heads_are_replaced_after_a_while_or_when_their_numbers_are_used_up() {
    let start = Instant::now();
    let (mut a, mut b) = (seals(1, start), seals(2, start));
    let first = a.seal(&key(2), b"one").unwrap();
    a.pass(start + OURS);
    let second = a.seal(&key(2), b"two").unwrap();
    assert_ne!(head_of(&first), head_of(&second));
    a.said.get_mut(&key(2)).unwrap().head.skip_to(u16::MAX);
    let last = a.seal(&key(2), b"three").unwrap();
    let third = a.seal(&key(2), b"four").unwrap();
    assert_eq!(head_of(&last), head_of(&second));
    assert_ne!(head_of(&third), head_of(&second));
    for (sealed, plain) in [(second, "two"), (first, "one"), (third, "four"), (last, "three")] {
        assert_eq!(b.open(SERVER, &key(1), &sealed), Ok(plain.as_bytes().to_vec()));
    }
}

/// Either side may lose all that it knew, in the middle of a talk: the next message is understood.
#[test]
fn who_was_started_anew_is_understood_and_understands() {
    let start = Instant::now();
    let (mut a, mut b) = (seals(1, start), seals(2, start));
    let (one, two) = (a.seal(&key(2), b"one").unwrap(), a.seal(&key(2), b"two").unwrap());
    assert!(b.open(SERVER, &key(1), &one).is_ok());
    let mut b = with_secret(2, start, [22; 32]);
    assert_eq!(b.open(SERVER, &key(1), &two), Ok(b"two".to_vec()));
    let mut a = with_secret(1, start, [11; 32]);
    let three = a.seal(&key(2), b"three").unwrap();
    assert_eq!(b.open(SERVER, &key(1), &three), Ok(b"three".to_vec()));
    let answer = b.seal(&key(1), b"four").unwrap();
    assert_eq!(a.open(SERVER, &key(2), &answer), Ok(b"four".to_vec()));
}

#[test]
fn what_is_remembered_is_bounded_and_forgotten() {
    let start = Instant::now();
    let mut b = seals(200, start);
    for n in 0..100u8 {
        b.pass(start + Duration::from_millis(n.into()));
        assert!(b.seal(&key(n), b"x").is_some());
        for secret in 0..4 {
            let sealed = with_secret(n, start, [secret; 32]).seal(&key(200), b"x").unwrap();
            // The limit of one server is another test's.
            assert_eq!(b.open(&format!("s{n}"), &key(n), &sealed), Ok(b"x".to_vec()));
        }
        assert!(b.heard.values().all(|heard| heard.heads.len() <= EACH));
    }
    assert_eq!(b.len(), (PEERS, PEERS));
    assert!(b.said.contains_key(&key(99)) && !b.said.contains_key(&key(0)), "the oldest went");
    b.pass(start + THEIRS + Duration::from_millis(100));
    assert_eq!(b.len(), (0, 0));
}

/// What a server forges costs a bounded time, and keeps nobody out but what it passes on itself.
#[test]
fn a_server_has_so_much_opened_and_no_more() {
    let start = Instant::now();
    let (mut a, mut b) = (seals(1, start), seals(2, start));
    let junk: Vec<u8> = [1].into_iter().chain((0..200).map(|n| n as u8)).collect();
    let mut forged = 0;
    while b.open("evil", &key(1), &junk) == Err(OpenError::Forged) {
        forged += 1;
    }
    assert_eq!((forged, b.open("evil", &key(1), &junk)), (OPENED.burst, Err(OpenError::Busy)));
    let good = a.seal(&key(2), b"one").unwrap();
    assert_eq!(b.open("evil", &key(1), &good), Err(OpenError::Busy));
    assert_eq!(b.open(SERVER, &key(1), &good), Ok(b"one".to_vec()));
    // What belongs to a head that is known costs nothing.
    let good = a.seal(&key(2), b"two").unwrap();
    assert_eq!(b.open("evil", &key(1), &good), Ok(b"two".to_vec()));
    // Nor do its many names help it.
    for n in 0..1000 {
        let _ = b.open(&format!("evil{n}"), &key(1), &junk);
    }
    assert!(b.servers.len() <= SERVERS + 1);
    b.pass(start + Duration::from_secs(1));
    assert_eq!((0..300).filter(|_| b.open("evil", &key(1), &junk) == Err(OpenError::Forged)).count(), 50);
}

#[test]
fn layout_is_looked_at_first() {
    let start = Instant::now();
    let mut b = seals(2, start);
    for bytes in [vec![], vec![1; 20], vec![0; 200], vec![1; MAX_LEN + 1]] {
        assert_eq!(b.open(SERVER, &key(1), &bytes), Err(OpenError::Layout));
    }
    assert!(b.servers.is_empty());
    assert_eq!(b.seal(&PublicKey([0; 32]), b"x"), None);
}
