//! One connector against a script: what it says in answer to what.

mod better;
mod hostile;
mod racing;
mod recover;
mod relay;
mod script;
#[cfg(feature = "mainline")]
mod searching;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::message::Message;
use super::report::{End, Story};
use super::*;
use crate::error::Code;
use crate::proto::handshake::Myself;
use crate::proto::identity::{Identity, PublicKey};
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::network::NetworkId;
use crate::proto::punch::Side;
use crate::proto::signal::Outcome;
use crate::proto::unl::{NodeType, Record, UnlV3};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SERVER: &str = "s.example:8000";

/// A connector and the time.
pub(super) struct Bench {
    pub(super) connector: Connector,
    pub(super) now: Instant,
    pub(super) peer: Identity,
    me: PublicKey,
    /// What others seal with.
    seals: BTreeMap<PublicKey, Seals>,
}

/// Two identities, the smaller key first.
fn identities() -> (Identity, Identity) {
    let (a, b) = (Identity::from_secret(&[1; 32]), Identity::from_secret(&[2; 32]));
    if a.public() < b.public() { (a, b) } else { (b, a) }
}

pub(super) fn record(candidates: &[&str]) -> Record {
    Record {
        candidates: candidates.iter().map(|text| text.parse().unwrap()).collect(),
        servers: vec![SERVER.parse().unwrap()],
        ..Record::default()
    }
}

pub(super) fn own(identity: &Identity) -> Own {
    Own {
        locator: UnlV3::sign(record(&["wan 198.51.100.1:50500"]), identity).ok(),
        node_type: Some(NodeType::Simultaneous),
        side: Side {
            outside_ip: "198.51.100.1".parse().ok(),
            mapping: Mapping::EndpointIndependent,
            allocation: Allocation::Preserving,
            ..Side::default()
        },
        addresses: vec!["192.168.1.5".parse().unwrap()],
        listen: vec!["0.0.0.0:50500".parse().unwrap()],
        servers: vec!["home.example:8000".to_owned()],
        ..Own::default()
    }
}

impl Bench {
    /// As the one who chooses among connections, or the other.
    pub(super) fn new(chooser: bool) -> Bench {
        Bench::with(chooser, |_, _| {})
    }

    pub(super) fn with(chooser: bool, change: impl FnOnce(&mut Settings, &mut Own)) -> Bench {
        let (small, large) = identities();
        let (me, peer) = if chooser { (small, large) } else { (large, small) };
        let (mut settings, mut own) = (Settings::new(me.public(), None), own(&me));
        change(&mut settings, &mut own);
        let (now, public) = (Instant::now(), me.public());
        let seals = Seals::new(now, Myself::new(&me), [6; 32]);
        let connector = Connector::new(settings, own, seals, [7; 32]);
        let mut bench = Bench { connector, now, peer, me: public, seals: BTreeMap::new() };
        (1..=2).for_each(|n| bench.knows(&Identity::from_secret(&[n; 32])));
        bench
    }

    /// From now on this node can say something, and can read what it is told.
    pub(super) fn knows(&mut self, identity: &Identity) {
        let seals = Seals::new(self.now, Myself::new(identity), [5; 32]);
        self.seals.entry(identity.public()).or_insert(seals);
    }

    /// What that node says, sealed.
    pub(super) fn sealed(&mut self, from: &Identity, plain: &[u8]) -> Input {
        self.knows(from);
        let from = from.public();
        let bytes = self.seals.get_mut(&from).unwrap().seal(&self.me, plain).unwrap();
        Input::Message { server: SERVER.to_owned(), from, bytes }
    }

    pub(super) fn key(&self) -> PublicKey {
        self.peer.public()
    }

    pub(super) fn unl(&self, candidates: &[&str]) -> UnlV3 {
        UnlV3::sign(record(candidates), &self.peer).unwrap()
    }

    /// A peer that can be connected to.
    pub(super) fn passive(&self) -> UnlV3 {
        let record = Record { node_type: Some(NodeType::Passive), ..record(&["wan 203.0.113.7:7000"]) };
        UnlV3::sign(record, &self.peer).unwrap()
    }

    pub(super) fn connect(&mut self, request: u64, unl: &UnlV3) -> Vec<Output> {
        self.connector.connect(self.now, request, unl, None);
        self.out()
    }

    pub(super) fn give(&mut self, input: Input) -> Vec<Output> {
        self.connector.handle(self.now, input);
        self.out()
    }

    /// What there is to do; messages as their receivers read them.
    pub(super) fn out(&mut self) -> Vec<Output> {
        let mut outputs: Vec<Output> = std::iter::from_fn(|| self.connector.poll_output()).collect();
        for output in &mut outputs {
            if let Output::Tell { to, message, via, .. } = output {
                // A letter is sealed by the mailbox.
                if via[..] == [MAINLINE] {
                    assert!(message.len() <= super::message::MAX_LEN);
                    continue;
                }
                assert!(message.len() <= sealed::MAX_LEN);
                let reader = self.seals.get_mut(to).expect("one that the bench knows");
                *message = reader.open(SERVER, &self.me, message).expect("sealed to its receiver, once");
            }
        }
        outputs
    }

    /// Lets time pass, with a wake at each deadline.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<Output> {
        let (end, mut all) = (self.now + time, Vec::new());
        while let Some(at) = self.connector.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            all.extend(self.give(Input::Wake));
        }
        self.now = end;
        all
    }

    pub(super) fn hears(&mut self, message: &Message) -> Vec<Output> {
        let peer = Identity::from_secret(self.peer.secret());
        let input = self.sealed(&peer, &message.encode());
        self.give(input)
    }

    pub(super) fn came(&mut self, token: Token, chosen: bool, live: bool) -> (ConnId, Vec<Output>) {
        let (conn, peer) = (self.connector.next_conn(), self.key());
        let from = "203.0.113.7:40000".parse().unwrap();
        (conn, self.give(Input::Came { conn, peer, from, token, chosen, live }))
    }

    pub(super) fn met(&mut self, conn: ConnId, chosen: bool) -> Vec<Output> {
        let (peer, at) = (self.key(), "203.0.113.7:7000".parse().unwrap());
        self.give(Input::Met { conn, peer, at, chosen })
    }

    pub(super) fn closed(&mut self, conn: ConnId) -> Vec<Output> {
        self.give(Input::Closed { conn, os_error: 0, text: "closed by the peer".to_owned() })
    }
}

/// An output in a few letters.
pub(super) fn short(outputs: &[Output]) -> Vec<String> {
    let one = |output: &Output| match output {
        Output::Dial { to, .. } => format!("dial {to}"),
        Output::Relay { server, guest, .. } => {
            format!("relay {server}{}", if *guest { " as a guest" } else { "" })
        }
        Output::Greet { chosen, .. } => format!("greet {}", if *chosen { "chosen" } else { "-" }),
        Output::Answer { chosen, .. } => format!("answer {}", if *chosen { "chosen" } else { "-" }),
        Output::Choose { conn } => format!("choose {}", conn.0),
        Output::Open { conn, via, .. } => format!("open {} {via:?}", conn.0),
        Output::Spare { conn } => format!("spare {}", conn.0),
        Output::Close { conn, why } => format!("close {} {why:?}", conn.0),
        Output::Tell { message, .. } => match Message::decode(message).unwrap() {
            Message::Punch(message) => message.body.name().to_owned(),
            Message::Call { .. } => "call".to_owned(),
            Message::Answer { dials, .. } => format!("answer by signal, {dials} dials"),
            Message::Relay { .. } => "relay by signal".to_owned(),
            Message::Refuse { reason, .. } => format!("refuse {reason:?}"),
        },
        Output::Punch { begin, .. } => match **begin {
            Begin::Initiate { .. } => "punch".to_owned(),
            Begin::Respond { .. } => "punch back".to_owned(),
        },
        Output::PunchMessage { message, .. } => format!("to the punch: {}", message.body.name()),
        Output::PunchCancel { .. } => "punch off".to_owned(),
        Output::Done { request, outcome, .. } => match outcome {
            Ok(conn) => format!("done {request} {}", conn.0),
            Err(error) => format!("done {request} {:?}", error.code),
        },
        Output::LookUp { .. } => "look up".to_owned(),
        Output::Log(_) => "log".to_owned(),
    };
    outputs.iter().map(one).collect()
}

pub(super) fn dialled(outputs: &[Output]) -> ConnId {
    let dial = |output: &Output| match output {
        Output::Dial { conn, .. } => Some(*conn),
        _ => None,
    };
    outputs.iter().find_map(dial).expect("a dial")
}

/// The token of the call in there, and its tag.
pub(super) fn call(outputs: &[Output]) -> (Token, u64) {
    let call = |output: &Output| match output {
        Output::Tell { tag, message, .. } => match Message::decode(message) {
            Ok(Message::Call { token, .. }) => Some((token, *tag)),
            _ => None,
        },
        _ => None,
    };
    outputs.iter().find_map(call).expect("a call")
}

fn done(outputs: &[Output]) -> (Code, String, Story) {
    let done = |output: &Output| match output {
        Output::Done { outcome: Err(error), story, .. } => {
            Some((error.code, error.message.to_string(), (**story).clone()))
        }
        _ => None,
    };
    outputs.iter().find_map(done).expect("a failure")
}

#[test]
fn what_cannot_be_asked_for() {
    let mut bench = Bench::new(true);
    let own = UnlV3::sign(Record::default(), &identities().0).unwrap();
    let out = bench.connect(1, &own);
    assert_eq!(done(&out).0, Code::SelfConnect);
    let foreign = Record { network: Some(NetworkId::of("chess")), ..Record::default() };
    let out = bench.connect(2, &UnlV3::sign(foreign, &bench.peer).unwrap());
    let (code, reason, story) = done(&out);
    assert_eq!(code, Code::Invalid);
    assert!(reason.contains("network"), "{reason}");
    assert_eq!(story.end, End::Failed { code, reason });
    assert!(bench.connector.is_empty());
}

#[test]
fn a_direct_connection_and_those_who_wait_for_it() {
    let mut bench = Bench::new(true);
    let unl = bench.passive();
    let out = bench.connect(1, &unl);
    assert_eq!(short(&out), ["dial 203.0.113.7:7000", "call"]);
    let conn = dialled(&out);
    assert_eq!(short(&bench.connect(2, &unl)), [""; 0], "joins");
    assert_eq!(bench.connector.story(2).map(|story| story.request), Some(2));
    assert_eq!(short(&bench.give(Input::Connected { conn })), ["greet chosen"]);
    let (number, out) = (conn.0, bench.met(conn, false));
    let expected = ["answer chosen".to_owned(), format!("open {number} Direct")];
    assert_eq!(short(&out)[..2], expected);
    assert_eq!(short(&out)[2..], [format!("done 1 {number}"), format!("done 2 {number}")]);
    assert_eq!(short(&bench.connect(3, &unl)), [format!("done 3 {number}")], "connected already");
    assert_eq!(bench.connector.open(&bench.key()), Some(conn));
    bench.closed(conn);
    assert!(bench.connector.is_empty());
    assert_eq!(bench.connector.deadline(), None);
}

#[test]
fn the_limit_and_the_program_end_requests_one_by_one() {
    let mut bench = Bench::new(false);
    let unl = bench.passive();
    let conn = dialled(&bench.connect(1, &unl));
    bench.connector.connect(bench.now, 2, &unl, Some(MS * 700));
    let out = bench.pass(MS * 800);
    assert!(short(&out).contains(&"done 2 Timeout".to_owned()), "{:?}", short(&out));
    assert!(done(&out).1.starts_with("it took too long: a hole punch was under way"), "{}", done(&out).1);
    bench.connector.cancel(bench.now, 1);
    let out = short(&bench.out());
    assert_eq!(out[0], "done 1 Canceled");
    assert!(out.contains(&format!("close {} GivenUp", conn.0)), "{out:?}");
    assert!(out.contains(&"punch off".to_owned()) && out.contains(&"refuse Cancelled".to_owned()));
    bench.connector.cancel(bench.now, 1);
    assert!(bench.out().is_empty() && bench.connector.is_empty());
}

#[test]
fn the_reason_is_the_true_one() {
    // Nobody at home, and an old locator.
    let mut bench = Bench::with(true, |_, own| own.clock = Some((Instant::now(), 1_000_000)));
    let record = Record { expires: Some(600_000), ..record(&["wan 203.0.113.7:7000"]) };
    let unl = UnlV3::sign(record, &bench.peer).unwrap();
    let out = bench.connect(1, &unl);
    assert_eq!(short(&out)[..2], ["dial 203.0.113.7:7000", "punch"], "tried all the same");
    let punch = out.iter().find_map(|output| match output {
        Output::Punch { punch, .. } => Some(*punch),
        _ => None,
    });
    let mut out =
        bench.give(Input::DialFailed { conn: dialled(&out), os_error: 111, text: "refused".into() });
    out.extend(bench.pass(MS * 120));
    for _ in 0..2 {
        let (_, tag) = call(&out);
        out = bench.give(Input::Outcome { tag, outcome: Outcome::Absent });
        out.extend(bench.pass(MS * 800));
    }
    let off = crate::proto::punch::Failure { reason: crate::proto::punch::Reason::Silent, by_peer: false };
    let punch = punch.expect("a punch");
    let out = bench.give(Input::Punched { punch, outcome: Err(off), text: String::new() });
    let (code, reason, _) = done(&out);
    assert_eq!(code, Code::NoPath);
    assert_eq!(
        reason,
        "the peer is at none of its signalling servers (s.example:8000): it is offline, or has moved on; no \
         connection to 203.0.113.7:7000: refused; the locator expired 4 days ago: ask the peer for a new one"
    );
}

#[test]
fn without_a_locator_of_our_own_the_call_waits_for_it() {
    let mut bench = Bench::with(true, |_, own| own.locator = None);
    let unl = bench.passive();
    assert_eq!(short(&bench.connect(1, &unl)), ["dial 203.0.113.7:7000"]);
    bench.connector.set_own(bench.now, own(&identities().0));
    assert_eq!(short(&bench.out()), ["call"]);
}

#[test]
fn dials_are_limited_in_all() {
    let mut bench = Bench::with(true, |settings, _| (settings.dials_in_all, settings.punching) = (2, false));
    let mut dials = 0;
    for n in 10..20 {
        let record = Record { node_type: Some(NodeType::Passive), ..record(&["wan 203.0.113.7:7000"]) };
        let identity = Identity::from_secret(&[n; 32]);
        bench.knows(&identity);
        let unl = UnlV3::sign(record, &identity).unwrap();
        dials += short(&bench.connect(n.into(), &unl)).iter().filter(|text| text.starts_with("dial")).count();
    }
    assert_eq!(dials, 2);
    let later = short(&bench.pass(MS * 4100));
    assert!(later.iter().filter(|text| text.starts_with("dial")).count() >= 2, "{later:?}");
}

#[test]
fn stopping_ends_everything_but_what_is_open() {
    let mut bench = Bench::new(true);
    let unl = bench.passive();
    let conn = dialled(&bench.connect(1, &unl));
    bench.give(Input::Connected { conn });
    bench.met(conn, false);
    let other = Identity::from_secret(&[9; 32]);
    bench.knows(&other);
    let other = UnlV3::sign(record(&["wan 203.0.113.8:7000"]), &other).unwrap();
    bench.connect(2, &other);
    bench.connector.stop(bench.now);
    let out = short(&bench.out());
    assert!(out.contains(&"done 2 Canceled".to_owned()) && out.contains(&"punch off".to_owned()), "{out:?}");
    assert_eq!((bench.connector.len(), bench.connector.deadline()), (1, None));
    assert_eq!(bench.connector.open(&bench.key()), Some(conn));
}
