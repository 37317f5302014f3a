//! What is said around relays: by a node that volunteers (control kind 11), to a relay, by a relay; and a script of tokens, bytes
//! and time for the relay itself, the server's or a volunteer's. Nobody is of a network without its proof, a token is good for
//! two, everybody who waits is met, told or forgotten, and the tables stay within their limits.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::handshake::Control;
use p2pnet::proto::network::{NetworkId, NetworkKey};
use p2pnet::proto::rdv_msg::{RelayProof, RelayReason, RelayToken, Request, parse_relay};
use p2pnet::proto::rdv_server::ConnId;
use p2pnet::proto::relay::{
    Asked, Client, End, Membership, Next, Output, Relay, RelayLimits, Seen, SessionId,
};
use p2pnet::proto::unl::is_host;

static NETWORKS: LazyLock<[Membership; 2]> = LazyLock::new(|| {
    let chess = Some(NetworkId::of("chess"));
    [Membership::new(chess, None), Membership::new(chess, Some(&NetworkKey::new([7; 32])))]
});

/// A peer says where it relays.
fn word(data: &[u8]) {
    let bytes = [&[11], data].concat();
    match Control::decode(&bytes) {
        Some(Control::Relays { at }) => {
            assert!(data.len() == 18 && is_host(at.ip()) && at.port() != 0);
            assert_eq!(&*Control::Relays { at }.encode(), bytes, "one spelling");
        }
        Some(other) => panic!("kind 11 is {other:?}"),
        None => {}
    }
}

/// Who comes to a relay says which meeting, and shows that it is of the network.
fn request(text: &str) {
    let (token, proof) = parse_relay(text);
    // The same by words: the first is the token, the second the proof, of the others nothing is known.
    let words: Vec<&str> = text.split(' ').collect();
    let digits = |n: usize| {
        let word = words.get(n)?;
        let mut bytes = [0; 16];
        for (to, pair) in bytes.iter_mut().zip(word.as_bytes().chunks(2)) {
            *to = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        (word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit())).then_some(bytes)
    };
    let first =
        digits(0).filter(|bytes| *bytes != [0; 16] && words.get(1).is_none_or(|word| !word.is_empty()));
    assert_eq!(token, first.map(RelayToken));
    assert_eq!(proof, digits(1).map(RelayProof).filter(|_| token.is_some()));
    let Some(token) = token else { return };
    let written = Request::Relay { token: Some(token), proof }.to_string();
    assert_eq!(Request::parse(&written), Some(Request::Relay { token: Some(token), proof }));
    for network in &*NETWORKS {
        assert_eq!(network.is_shown(token, proof), proof == Some(network.proof(token)));
    }
}

/// A proof with one bit changed, and one of the other network, show nothing.
fn proofs(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk::<16>() else { return };
    let (token, bit) = (RelayToken(*head), usize::from(rest.first().copied().unwrap_or(0)));
    for (network, other) in [(0, 1), (1, 0)].map(|(a, b)| (&NETWORKS[a], &NETWORKS[b])) {
        let right = network.proof(token);
        assert!(network.is_shown(token, Some(right)) && !other.is_shown(token, Some(right)));
        let mut wrong = right;
        wrong.0[bit / 8 % 16] ^= 1 << (bit % 8);
        assert!(!network.is_shown(token, Some(wrong)) && !network.is_shown(token, None));
    }
}

/// Less tokens than are remembered: each may be named twice.
fn tokens(data: &[u8]) {
    let (mut seen, mut times) = (Seen::default(), BTreeMap::new());
    for byte in data.iter().take(2000) {
        let count = times.entry(*byte).or_insert(0);
        *count += 1;
        assert_eq!(seen.note(RelayToken([*byte; 16])), *count <= 2);
    }
}

/// What a relay says means the same in pieces, and nothing behind GO is taken.
fn reply(piece: usize, said: &[u8]) {
    let whole = Client::default().read(said);
    let (mut client, mut taken) = (Client::default(), 0);
    let mut last = Ok((0, None));
    while taken < said.len() {
        let there = &said[taken..(taken + piece).min(said.len())];
        last = client.read(there);
        match &last {
            Ok((n, terms)) => {
                assert!(*n <= there.len() && (terms.is_some() || *n == there.len()));
                taken += n;
                if terms.is_some() {
                    break;
                }
            }
            Err(_) => break,
        }
    }
    match (whole, last) {
        (Ok((n, terms)), Ok((_, last))) => assert_eq!((n, terms), (taken, last)),
        (whole, last) => assert_eq!(whole.err(), last.err()),
    }
}

/// The relay, as those who use it see it.
#[derive(Default)]
struct Users {
    waiting: BTreeMap<ConnId, u8>,
    sessions: BTreeMap<SessionId, (u8, u64)>,
    over: BTreeSet<SessionId>,
}

fn relay(script: &[u8]) {
    let limits = RelayLimits {
        sessions: 2,
        waiting: 3,
        per_address: 3,
        rate: 1000,
        burst: 2000,
        rate_in_all: 1500,
        bytes: 10_000,
        idle: Duration::from_secs(60),
        ..RelayLimits::of_a_volunteer()
    };
    let (mut now, mut relay, mut users) = (Instant::now(), Relay::new(limits.clone()), Users::default());
    for (step, conn) in script.chunks_exact(4).take(300).zip((1..).map(ConnId)) {
        let [what, a, b, c] = *step else { continue };
        let (token, n) = (a % 5 + 1, u64::from(u16::from_be_bytes([b, c])));
        let some = users.sessions.keys().nth(usize::from(a % 3)).copied().unwrap_or(SessionId(0));
        match what % 8 {
            0..=2 => match relay.ask(now, conn, IpAddr::from([192, 0, 2, b % 3]), RelayToken([token; 16])) {
                Ok(Asked::Wait) => {
                    assert!(users.waiting.values().all(|other| *other != token));
                    users.waiting.insert(conn, token);
                }
                Ok(Asked::Go { session, other }) => {
                    assert_eq!(users.waiting.remove(&other), Some(token), "the one who named the same");
                    assert!(users.sessions.insert(session, (token, 0)).is_none());
                }
                Err(refusal) => assert!(refusal.reason != RelayReason::Off && !refusal.expected.is_empty()),
            },
            3 => {
                let conn = users.waiting.keys().nth(usize::from(a % 3)).copied().unwrap_or(ConnId(0));
                relay.left(conn);
                users.waiting.remove(&conn);
            }
            4 | 5 => {
                let next = relay.moved(now, some, n as usize);
                assert!(!matches!(next, Next::Pause(until) if until <= now));
                match users.sessions.get_mut(&some) {
                    None => assert_eq!(next, Next::Over),
                    Some((_, bytes)) => {
                        *bytes += n;
                        assert_eq!(*bytes >= limits.bytes, next == Next::Over);
                    }
                }
            }
            6 => {
                let known = users.sessions.remove(&some).map(|(_, bytes)| bytes);
                assert_eq!(relay.ended(now, some, End::Closed).map(|summary| summary.bytes), known);
                users.over.remove(&some);
            }
            _ => {
                now += Duration::from_millis(n);
                relay.on_timeout(now);
                assert!(relay.poll_timeout().is_none_or(|at| at > now));
            }
        }
        while let Some(output) = relay.poll_output() {
            match output {
                Output::Late { conn } => assert!(users.waiting.remove(&conn).is_some()),
                Output::Over { session, .. } => {
                    assert!(users.sessions.contains_key(&session) && users.over.insert(session), "said once");
                }
            }
        }
        assert_eq!((relay.waiting(), relay.sessions()), (users.waiting.len(), users.sessions.len()));
        assert!(relay.waiting() <= limits.waiting && relay.sessions() <= limits.sessions);
    }
    users.waiting.into_keys().for_each(|conn| relay.left(conn));
    for session in users.sessions.into_keys() {
        assert!(relay.ended(now, session, End::Closed).is_some());
    }
    assert_eq!((relay.poll_timeout(), relay.waiting(), relay.sessions()), (None, 0, 0), "nothing stays");
}

fuzz_target!(|data: &[u8]| {
    let Some((how, rest)) = data.split_first() else { return };
    match how % 4 {
        0 => word(rest),
        1 => {
            if let Ok(text) = std::str::from_utf8(rest) {
                request(text);
            }
            proofs(rest);
        }
        2 => reply(1 + usize::from(how >> 2), rest),
        _ => {
            tokens(rest);
            relay(rest);
        }
    }
});
