//! Tests of the machine: here each rule by itself, in `world` two nodes in a network of their own.

mod reverse;
mod world;

use std::time::{Duration, Instant};

use super::{Claim, Classic, Failure, Limits, Link, Options, Output, Us};
use crate::error::Code;
use crate::event::Via;
use crate::proto::admit::Own;
use crate::proto::conn_id::{NONCE_LEN, Nonce, ZERO_NONCE};
use crate::proto::connect::report::{End, Story};
use crate::proto::nat::NatType;
use crate::proto::unl::{ForwardingType, NodeType, UnlV2};

/// A node with these addresses that listens on port 50500, and can do everything.
pub(super) fn us(wan: &str, lan: &str, node_type: NodeType) -> Us {
    let (wan_ip, lan_ip) = (wan.parse().unwrap(), lan.parse().unwrap());
    let mut node_id = [b'a'; 20];
    node_id.iter_mut().zip(wan.bytes()).for_each(|(to, from)| *to = from);
    let unl = UnlV2 {
        node_id,
        node_type,
        nat_type: NatType::Preserving,
        forwarding_type: ForwardingType::Manual,
        listen_port: 50500,
        wan_ip,
        lan_ip,
        version: 2,
    };
    let listen = vec!["0.0.0.0:50500".parse().unwrap()];
    Us {
        text: Some(unl.encode()),
        own: Own {
            listen,
            lan_ip: Some(lan_ip.into()),
            wan_ip: Some(wan_ip.into()),
            allow_duplicate_ip: true,
        },
        unl,
        local_peers: false,
        dht: true,
        no_punch: None,
        clock: true,
        punches: 1,
    }
}

fn text(us: &Us) -> String {
    us.text.clone().unwrap()
}

/// What a machine wants, but for notes.
fn wants(machine: &mut Classic) -> Vec<Output> {
    let all = std::iter::from_fn(|| machine.poll_output());
    all.filter(|o| !matches!(o, Output::Note(_))).collect()
}

fn failure(text: &str) -> Failure {
    Failure { code: Code::Refused, os_error: 111, text: text.into(), again: true }
}

const FRESH: [u8; 32] = [0xab; 32];
const FRESH_NONCE: Nonce = *b"abababababababababababababababababababababababababababababababab";

struct Bench {
    now: Instant,
    us: Us,
    them: Us,
    machine: Classic,
}

impl Bench {
    fn new(ours: NodeType, theirs: NodeType) -> Bench {
        let (us, them) = (us("8.8.8.8", "192.168.0.2", ours), us("9.9.9.9", "10.0.0.2", theirs));
        Bench { now: Instant::now(), us, them, machine: Classic::new(Limits::default()) }
    }

    fn connect(&mut self, request: u64, options: Options) -> Vec<Output> {
        self.machine.connect(self.now, &self.us, request, &text(&self.them), options, FRESH);
        wants(&mut self.machine)
    }

    fn after(&mut self, time: Duration) -> Vec<Output> {
        self.now += time;
        self.machine.wake(self.now, &self.us);
        wants(&mut self.machine)
    }

    fn inbound(&mut self, conn: u64, from: &str, nonce: Nonce) -> Claim {
        let link = Link { conn, attempt: None, from: from.parse().unwrap(), nonce, punched: false };
        self.machine.opened(self.now, &self.us, link)
    }

    fn fail(&mut self, attempt: u64, text: &str) -> Vec<Output> {
        self.machine.failed(self.now, &self.us, attempt, failure(text));
        wants(&mut self.machine)
    }
}

fn failed(outputs: &[Output], code: Code, says: &str) {
    match outputs {
        [.., Output::Done { outcome: Err((of, _, text)), .. }] if *of == code && text.contains(says) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn to_a_passive_node_with_a_nonce_of_our_own() {
    let mut b = Bench::new(NodeType::Active, NodeType::Passive);
    let wanted = b.connect(5, Options::default());
    let [Output::Dial { attempt, to, nonce }] = wanted[..] else { panic!("{wanted:?}") };
    assert_eq!((to.to_string().as_str(), nonce), ("9.9.9.9:50500", FRESH_NONCE));
    let link = Link { conn: 1, attempt: Some(attempt), from: to, nonce, punched: false };
    let claim = b.machine.opened(b.now, &b.us, link);
    assert_eq!(claim, Claim::Request { request: 5, via: Via::Direct });
    let stories: Vec<Story> = std::iter::from_fn(|| b.machine.poll_story()).collect();
    assert!(
        matches!(stories.last().map(|s| &s.end), Some(End::Connected { via: Via::Direct, .. })),
        "{stories:?}"
    );
    assert!(b.machine.is_empty() && b.machine.deadline().is_none());
}

#[test]
fn two_nodes_that_nobody_reaches_fail_at_once() {
    let mut b = Bench::new(NodeType::Active, NodeType::Active);
    failed(&b.connect(5, Options::default()), Code::NoPath, "both are active");
}

#[test]
fn what_is_no_locator_and_our_own_fail_at_once() {
    let mut b = Bench::new(NodeType::Active, NodeType::Passive);
    b.machine.connect(b.now, &b.us, 1, "nonsense", Options::default(), FRESH);
    failed(&wants(&mut b.machine), Code::Invalid, "UNL");
    b.them = b.us.clone();
    failed(&b.connect(2, Options::default()), Code::SelfConnect, "own");
}

#[test]
fn a_refused_dial_tells_why() {
    let mut b = Bench::new(NodeType::Active, NodeType::Passive);
    let [Output::Dial { attempt, .. }] = b.connect(5, Options::default())[..] else { panic!() };
    failed(&b.fail(attempt, "connection refused"), Code::Refused, "connection refused");
}

#[test]
fn a_passive_node_that_is_not_reached_is_asked_to_come() {
    let mut b = Bench::new(NodeType::Passive, NodeType::Passive);
    let [Output::Dial { attempt, .. }] = b.connect(5, Options::default())[..] else { panic!() };
    assert!(matches!(&b.fail(attempt, "no")[..], [Output::Put { .. }]));
    assert_eq!(b.inbound(3, "9.9.9.9:7", FRESH_NONCE), Claim::Request { request: 5, via: Via::Reverse });
    b.us.dht = false;
    let [Output::Dial { attempt, .. }] = b.connect(6, Options::default())[..] else { panic!() };
    failed(&b.fail(attempt, "refused"), Code::Refused, "refused");
}

#[test]
fn one_locator_at_a_time() {
    let mut b = Bench::new(NodeType::Active, NodeType::Passive);
    let [Output::Dial { attempt, .. }] = b.connect(1, Options::default())[..] else { panic!() };
    assert_eq!(b.connect(2, Options::default()), []);
    let next = b.fail(attempt, "no");
    assert!(matches!(next[..], [Output::Done { request: 1, .. }, Output::Dial { .. }]), "{next:?}");
    assert!(b.machine.cancel(b.now, &b.us, 2, "enough"));
    let next = wants(&mut b.machine);
    assert!(matches!(next[0], Output::Abandon { .. }), "{next:?}");
    failed(&next, Code::Canceled, "enough");
    assert!(!b.machine.cancel(b.now, &b.us, 2, "enough"));
}

#[test]
fn waiting_finds_the_connection_when_it_opens() {
    let mut b = Bench::new(NodeType::Passive, NodeType::Active);
    let [Output::Put { to, ref text, .. }] = b.connect(5, Options::default())[..] else { panic!() };
    assert_eq!(to, b.them.unl.node_id);
    assert!(text.starts_with("REVERSE_CONNECT:"));
    assert_eq!(b.inbound(1, "9.9.9.9:4000", ZERO_NONCE), Claim::Nobody);
    assert_eq!(b.inbound(2, "9.9.9.9:4001", FRESH_NONCE), Claim::Request { request: 5, via: Via::Reverse });
    assert_eq!(b.inbound(3, "9.9.9.9:4002", FRESH_NONCE), Claim::Nobody, "it was not late: it was first");
}

#[test]
fn who_comes_too_late_is_not_wanted() {
    let mut b = Bench::new(NodeType::Passive, NodeType::Active);
    b.connect(5, Options::default());
    failed(&b.after(Duration::from_secs(60)), Code::Timeout, "was asked to connect and did not");
    assert!(matches!(b.inbound(2, "9.9.9.9:4001", FRESH_NONCE), Claim::Unwanted(_)));
}

#[test]
fn without_messages_the_address_counts() {
    let mut b = Bench::new(NodeType::Passive, NodeType::Active);
    b.us.dht = false;
    assert_eq!(b.connect(5, Options::default()), []);
    assert_eq!(b.inbound(1, "9.9.9.8:4000", [b'1'; NONCE_LEN]), Claim::Nobody);
    let by_peer = [b'2'; NONCE_LEN];
    assert_eq!(b.inbound(2, "9.9.9.9:4000", by_peer), Claim::Request { request: 5, via: Via::Accept });
    // One that was there before will do as well.
    assert_eq!(b.inbound(3, "9.9.9.9:4001", by_peer), Claim::Nobody);
    assert_eq!(b.connect(6, Options::default()), [Output::Done { request: 6, outcome: Ok(3) }]);
    assert_eq!(b.connect(7, Options::default()), [], "it belongs to request 6");
}

#[test]
fn a_nonce_both_have_agreed_on() {
    let agreed = [b'c'; NONCE_LEN];
    let options = Options { nonce: Some(agreed), force_master: false, ..Options::default() };
    let mut b = Bench::new(NodeType::Passive, NodeType::Passive);
    let master = text(&b.us) > text(&b.them);
    if master {
        std::mem::swap(&mut b.us, &mut b.them);
    }
    assert_eq!(b.connect(1, options), [], "the other one dials");
    let from = format!("{}:9", b.them.unl.wan_ip);
    assert_eq!(b.inbound(1, "7.7.7.7:9", agreed), Claim::Nobody, "another address makes another id");
    assert_eq!(b.inbound(2, &from, agreed), Claim::Request { request: 1, via: Via::Accept });
    std::mem::swap(&mut b.us, &mut b.them);
    assert!(matches!(b.connect(2, options)[..], [Output::Dial { nonce, .. }] if nonce == agreed));
}

#[test]
fn a_simultaneous_node_is_asked_and_then_punched_to() {
    let mut b = Bench::new(NodeType::Passive, NodeType::Simultaneous);
    let [Output::Put { tag, .. }] = b.connect(5, Options::default())[..] else { panic!() };
    assert_eq!(b.after(Duration::from_secs(3)), []);
    let fight = b.after(Duration::from_secs(1));
    let [Output::Fight { attempt, peer, .. }] = fight[..] else { panic!("{fight:?}") };
    assert_eq!(peer, b.them.unl.wan_ip);
    // It may still come by itself; then the punch is not needed.
    b.machine.sent(b.now, &b.us, tag, Ok(()));
    assert_eq!(b.inbound(2, "9.9.9.9:4001", FRESH_NONCE), Claim::Request { request: 5, via: Via::Reverse });
    assert_eq!(wants(&mut b.machine), [Output::Abandon { attempt }]);
}

#[test]
fn a_message_that_cannot_be_sent_is_not_waited_for() {
    let mut b = Bench::new(NodeType::Passive, NodeType::Active);
    let [Output::Put { tag, .. }] = b.connect(5, Options::default())[..] else { panic!() };
    b.machine.sent(b.now, &b.us, tag, Err("the mailbox is down"));
    failed(&wants(&mut b.machine), Code::NoPath, "the mailbox is down");
}

#[test]
fn punches_are_tried_again_but_not_for_ever() {
    let mut b = Bench::new(NodeType::Simultaneous, NodeType::Simultaneous);
    let mut next = b.connect(5, Options::default());
    for round in 1..=3 {
        let [Output::Fight { attempt, .. }] = next[..] else { panic!("{round}: {next:?}") };
        b.now += Duration::from_secs(7);
        next = b.fail(attempt, "nobody came through");
        if round < 3 {
            assert_eq!(next, []);
            next = b.after(Duration::from_secs(2));
        }
    }
    failed(&next, Code::Refused, "nobody came through");
}

#[test]
fn punches_to_one_address_one_after_the_other() {
    let mut b = Bench::new(NodeType::Simultaneous, NodeType::Simultaneous);
    b.us.punches = 4;
    let [Output::Fight { attempt, .. }] = b.connect(1, Options::default())[..] else { panic!() };
    b.them.unl.listen_port = 7;
    b.them.text = Some(b.them.unl.encode());
    assert_eq!(b.connect(2, Options::default()), []);
    let link = Link {
        conn: 1,
        attempt: Some(attempt),
        from: "9.9.9.9:4".parse().unwrap(),
        nonce: FRESH_NONCE,
        punched: true,
    };
    assert_eq!(b.machine.opened(b.now, &b.us, link), Claim::Request { request: 1, via: Via::Punch });
    assert!(matches!(wants(&mut b.machine)[..], [Output::Fight { .. }]));
}

#[test]
fn who_cannot_punch_says_why() {
    let mut b = Bench::new(NodeType::Active, NodeType::Simultaneous);
    b.us.no_punch = Some("the ports of our NAT cannot be foreseen");
    failed(&b.connect(5, Options::default()), Code::NoPath, "cannot be foreseen");
}

#[test]
fn behind_one_address_we_meet_inside() {
    let mut b = Bench::new(NodeType::Active, NodeType::Active);
    b.them = us("8.8.8.8", "192.168.0.3", NodeType::Active);
    let wanted = b.connect(5, Options::default());
    let [Output::Dial { attempt, to, nonce }] = wanted[..] else { panic!("{wanted:?}") };
    assert_eq!(to.to_string(), "192.168.0.3:50500");
    let link = Link { conn: 1, attempt: Some(attempt), from: to, nonce, punched: false };
    assert_eq!(b.machine.opened(b.now, &b.us, link), Claim::Request { request: 5, via: Via::Lan });
    failed(&b.connect(6, Options { hairpin: false, ..Options::default() }), Code::NoPath, "both are active");
}

#[test]
fn a_hostile_locator_makes_us_dial_nobody() {
    let mut b = Bench::new(NodeType::Active, NodeType::Passive);
    for ip in ["127.0.0.1", "192.168.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0", "169.254.169.254"] {
        b.them.unl.wan_ip = ip.parse().unwrap();
        b.them.text = Some(b.them.unl.encode());
        let ends = b.connect(5, Options::default());
        let code = if ip == "127.0.0.1" { Code::SelfConnect } else { Code::NoPath };
        failed(&ends, code, "not connecting");
    }
}

#[test]
fn the_end_of_the_net_ends_everything() {
    let mut b = Bench::new(NodeType::Active, NodeType::Passive);
    b.connect(1, Options::default());
    b.connect(2, Options::default());
    b.machine.stop(b.now);
    let ends = wants(&mut b.machine);
    assert_eq!(ends.iter().filter(|o| matches!(o, Output::Done { .. })).count(), 2);
    assert!(b.machine.is_empty());
}
