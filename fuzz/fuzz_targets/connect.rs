//! What a peer may say by the signalling to connect: bytes as a message, which is written again as it was read, and as a sealed
//! one, which nothing is but what was sealed; and a script of messages, connections and time for the connector, which ends every
//! request once, opens one connection with a peer at a time, dials only what the locators name, and forgets everything in the end.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::connect::message::Message;
use p2pnet::proto::connect::sealed;
use p2pnet::proto::connect::{ConnId, Connector, Input, Output, Own, PunchId, Seals, Settings, Token};
use p2pnet::proto::handshake::Myself;
use p2pnet::proto::identity::{Identity, PublicKey};
use p2pnet::proto::punch::{Failure, Reason, Side};
use p2pnet::proto::signal::Outcome;
use p2pnet::proto::unl::{Record, UnlV3};

const SERVER: &str = "s.example:8000";
/// Where peers say that they relay; the last one is where the peer itself is.
const VOLUNTEERS: [&str; 4] = ["192.0.2.8:7", "192.0.2.9:7", "[2001:db8::9]:7", "203.0.113.7:7000"];
const WHERE: [&str; 3] = ["wan 203.0.113.7:7000", "mapped 203.0.113.8:7000", "lan 192.168.1.9:7000"];

struct Node {
    key: PublicKey,
    /// What it may say of itself.
    says: Vec<UnlV3>,
    myself: Myself,
}

/// Two nodes. Made once: signing takes longer than all the rest.
static NODES: LazyLock<[Node; 2]> = LazyLock::new(|| {
    [1, 2].map(|n| {
        let identity = Identity::from_secret(&[n; 32]);
        let says = (0..=WHERE.len()).map(|count| unl(&identity, &WHERE[..count])).collect();
        Node { key: identity.public(), says, myself: Myself::new(&identity) }
    })
});

struct Bench {
    connector: Connector,
    now: Instant,
    me: &'static Node,
    peer: &'static Node,
    /// The peer's.
    seals: Seals,
    conns: Vec<ConnId>,
    ended: BTreeSet<ConnId>,
    open: BTreeSet<ConnId>,
    punches: BTreeSet<PunchId>,
    tags: Vec<u64>,
    tokens: Vec<Token>,
    requests: BTreeMap<u64, usize>,
    own: Own,
    secret: u8,
}

fn unl(identity: &Identity, places: &[&str]) -> UnlV3 {
    let candidates = places.iter().filter_map(|text| text.parse().ok()).collect();
    let servers = SERVER.parse().into_iter().collect();
    UnlV3::sign(Record { candidates, servers, ..Record::default() }, identity).expect("a locator")
}

impl Bench {
    fn new(first: u8) -> Bench {
        let (me, peer) = if first % 2 == 0 { (&NODES[0], &NODES[1]) } else { (&NODES[1], &NODES[0]) };
        let own = Own {
            locator: Some(me.says[0].clone()),
            side: Side::untranslated([198, 51, 100, 1].into()),
            addresses: vec![[192, 168, 1, 5].into()],
            relays: vec![SERVER.to_owned()],
            ..Own::default()
        };
        let secret = 1 + first % 2;
        let now = Instant::now();
        let seals = |node: &Node| Seals::new(now, node.myself.clone(), *node.key.as_bytes());
        Bench {
            connector: Connector::new(Settings::new(me.key, None), own.clone(), seals(me), [7; 32]),
            now,
            me,
            peer,
            seals: seals(peer),
            conns: Vec::new(),
            ended: BTreeSet::new(),
            open: BTreeSet::new(),
            punches: BTreeSet::new(),
            tags: Vec::new(),
            tokens: vec![[3; 16]],
            requests: BTreeMap::new(),
            own,
            secret,
        }
    }

    /// A peer says that it relays, and the own locator names whom it is to name.
    fn relays(&mut self, what: u8) {
        let Some(at) = VOLUNTEERS.get(usize::from(what % 4)).and_then(|at| at.parse().ok()) else { return };
        let peer = self.peer.key;
        self.connector.relays(&peer, at);
        let Some(relays) = self.connector.take_volunteers() else { return };
        assert!(relays.len() <= 2, "two are named");
        let record = Record { relays, servers: SERVER.parse().into_iter().collect(), ..Record::default() };
        self.own.locator = UnlV3::sign(record, &Identity::from_secret(&[self.secret; 32])).ok();
        self.connector.set_own(self.now, self.own.clone());
        self.drain();
    }

    fn give(&mut self, input: Input) {
        self.connector.handle(self.now, input);
        self.drain();
    }

    /// The peer says something, as it is or sealed.
    fn says(&mut self, plain: &[u8], sealed: bool) {
        let bytes = match sealed {
            true => self.seals.seal(&self.me.key, plain).expect("a key"),
            false => plain.to_vec(),
        };
        self.give(Input::Message { server: SERVER.to_owned(), from: self.peer.key, bytes });
    }

    fn drain(&mut self) {
        while let Some(output) = self.connector.poll_output() {
            match output {
                Output::Dial { conn, to, .. } => {
                    assert!(WHERE.iter().any(|place| place.ends_with(&to.to_string())), "{to}");
                    self.conns.push(conn);
                }
                Output::Relay { conn, server, token, prove, .. } => {
                    let volunteer = VOLUNTEERS.contains(&server.as_str());
                    assert!(volunteer || server == SERVER, "a server of the two's locators, or a volunteer");
                    assert_eq!(prove, volunteer);
                    self.conns.push(conn);
                    self.tokens.push(token.0);
                }
                Output::Open { conn, .. } => {
                    assert!(self.open.is_empty() && !self.ended.contains(&conn));
                    self.open.insert(conn);
                }
                Output::Close { conn, .. } => {
                    self.open.remove(&conn);
                    self.ended.insert(conn);
                }
                Output::Tell { tag, message, .. } => {
                    assert!(message.len() <= sealed::MAX_LEN);
                    let plain = self.seals.open(SERVER, &self.me.key, &message).expect("sealed to the peer");
                    if let Message::Call { token, .. } = Message::decode(&plain).expect("a message") {
                        self.tags.push(tag);
                        self.tokens.push(token);
                    }
                }
                Output::Punch { punch, .. } => drop(self.punches.insert(punch)),
                Output::Done { request, .. } => *self.requests.entry(request).or_default() += 1,
                _ => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.connector.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.give(Input::Wake);
        }
        self.now = end;
    }

    fn punched(&mut self, punch: PunchId, reason: Reason) {
        self.punches.remove(&punch);
        let outcome = Err(Failure { reason, by_peer: true });
        self.give(Input::Punched { punch, outcome, text: String::new() });
    }

    fn step(&mut self, step: &[u8]) {
        let [kind, which, what, rest @ ..] = step else { return };
        let (n, chosen) = (usize::from(*which), what % 2 == 0);
        let pick = |len: usize| n.checked_rem(len).unwrap_or(0);
        let token = self.tokens[pick(self.tokens.len())];
        let conn = self.conns.get(pick(self.conns.len())).copied().filter(|conn| !self.ended.contains(conn));
        let peer = self.peer.key;
        let from = std::net::SocketAddr::from(([203, 0, 113, 7], 40_000));
        match (kind % 14, conn) {
            (13, _) => self.relays(*what),
            (12, Some(conn)) => self.give(Input::Relayed { conn, at: from }),
            (0, _) => {
                let request = self.requests.len() as u64 + 1;
                self.requests.insert(request, 0);
                let unl = &self.peer.says[usize::from(what % 4)];
                self.connector.connect(self.now, request, unl, None);
                self.drain();
            }
            (1, _) => {
                self.connector.cancel(self.now, u64::from(*which));
                self.drain();
            }
            (2, Some(conn)) => self.give(Input::Connected { conn }),
            (3, _) => {
                let conn = self.connector.next_conn();
                self.conns.push(conn);
                self.give(Input::Came { conn, peer, from, token, chosen, live: what % 5 == 0 });
            }
            (4, Some(conn)) => self.give(Input::Met { conn, peer, at: from, chosen }),
            (5, Some(conn)) => self.give(Input::Verdict { conn, chosen }),
            (6, Some(conn)) => self.give(Input::Chosen { conn }),
            (7, Some(conn)) => {
                self.ended.insert(conn);
                self.open.remove(&conn);
                self.give(Input::Closed { conn, os_error: 0, text: "broken".to_owned() });
            }
            (8, _) => {
                let Some(tag) = self.tags.get(pick(self.tags.len())).copied() else { return };
                let heard = Outcome::Heard { server: SERVER.to_owned(), rtt: Duration::from_millis(50) };
                self.give(Input::Outcome { tag, outcome: if chosen { heard } else { Outcome::Absent } });
            }
            (9, _) => {
                let Some(punch) = self.punches.iter().nth(pick(self.punches.len())).copied() else { return };
                self.punched(punch, Reason::from_number(*what));
            }
            // A message: as it is, sealed, or with a token that is known and a locator that is the peer's.
            (10, _) if chosen => self.says(&[&[2 + what % 3][..], &token, rest].concat(), true),
            (10, _) => self.says(rest, what % 3 == 0),
            (11, _) if chosen => {
                let locator = self.peer.says[usize::from(what % 4)].text().to_owned();
                let message = match what % 3 {
                    0 => Message::Answer { token, dials: what % 9, locator },
                    _ => Message::Call { token, locator, punch: None },
                };
                self.says(&message.encode(), true);
            }
            _ => self.pass(Duration::from_millis(u64::from(*what) * 8)),
        }
    }
}

/// No bytes are a message of the peer's; nor is one of the peer's that was changed.
fn not_sealed(bench: &mut Bench, data: &[u8]) {
    let (me, peer) = (bench.me, bench.peer);
    let mut seals = Seals::new(bench.now, me.myself.clone(), [9; 32]);
    assert!(seals.open(SERVER, &peer.key, data).is_err());
    if let [at, bit, plain @ ..] = data
        && (1..=16).contains(&plain.len())
    {
        let good = bench.seals.seal(&me.key, plain).expect("a key");
        let mut changed = good.clone();
        let at = usize::from(*at) % changed.len();
        changed[at] ^= 1 << (bit % 8);
        assert!(seals.open(SERVER, &peer.key, &changed).is_err());
        assert_eq!(seals.open(SERVER, &peer.key, &good).as_deref(), Ok(plain));
        assert!(seals.open(SERVER, &peer.key, &good).is_err());
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::decode(data) {
        assert_eq!(message.encode(), data);
    }
    let Some((first, script)) = data.split_first() else { return };
    let mut bench = Bench::new(*first);
    not_sealed(&mut bench, data);
    script.chunks(24).take(100).for_each(|step| bench.step(step));
    // Sessions end by themselves at last.
    bench.pass(Duration::from_secs(15));
    while let Some(punch) = bench.punches.first().copied() {
        bench.punched(punch, Reason::TooLong);
    }
    bench.pass(Duration::from_secs(60));
    assert!(bench.requests.values().all(|ends| *ends == 1), "{:?}", bench.requests);
    assert_eq!(bench.connector.len(), bench.open.len());
    assert_eq!(bench.connector.deadline(), None);
});
