//! Connecting by locator in the secure dialect, as a program sees it: whole nodes on loopback.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use p2pnet::config::Config;
use p2pnet::error::Code;
use p2pnet::event::{Kind, LogLevel, Via};
use p2pnet::proto::connect::report::End;
use p2pnet::proto::identity::Identity;
use p2pnet::proto::network::NetworkId;
use p2pnet::proto::unl::{Candidate, CandidateKind, Overrides, Record, UnlV3};
use p2pnet::testing::{self, TestNode, Testnet, loopback, talk};

/// A test that waits this long for something hangs.
const HUNG: Duration = Duration::from_secs(120);

fn quiet(config: &mut Config) {
    testing::quiet(config);
    config.log_level = LogLevel::Info;
}

/// A node that knows no server.
fn alone(change: impl FnOnce(&mut Config)) -> TestNode {
    let told = |config: &mut Config| {
        config.log_level = LogLevel::Info;
        change(config);
    };
    TestNode::alone(told).unwrap()
}

/// A node of a test network, when the server knows it.
fn member(testnet: &Testnet) -> TestNode {
    let node = testnet.node(quiet).unwrap();
    node.logged("signalling: entered");
    node
}

fn unl(node: &TestNode) -> String {
    node.net.unl().unwrap()
}

/// Connects, and gives the connection's number at both ends. OPENED comes before DONE.
fn connect(from: &TestNode, to: &TestNode) -> (u64, u64) {
    let request = from.net.unl_connect(&unl(to)).unwrap();
    let end = from.done(request);
    assert_eq!(end.result, Ok(()), "{end:?}\n{}", from.story(request));
    let here = from.wait_for("OPENED", |e| e.kind == Kind::Opened && e.conn == end.conn);
    assert_eq!(here.request, request);
    (end.conn, to.expect(Kind::Opened).conn)
}

/// Nothing more is said of a request.
fn ended_once(node: &TestNode, request: u64) {
    while let Some(event) = node.net.next_event().unwrap_or(None) {
        assert!(event.kind != Kind::Done || event.request != request, "{event:?}");
    }
}

fn close(alice: &TestNode, a: u64, bob: &TestNode, b: u64) {
    alice.net.close(a).unwrap();
    alice.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == a);
    bob.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == b);
}

/// A locator of a node with this key that is said to listen there.
fn locator_of(identity: &Identity, at: &[SocketAddr]) -> String {
    let candidates = at.iter().map(|at| Candidate::new(CandidateKind::Wan, at.ip(), at.port())).collect();
    let record =
        Record { node_type: Some(p2pnet::proto::unl::NodeType::Passive), candidates, ..Record::default() };
    UnlV3::sign(record, identity).unwrap().text().to_owned()
}

fn somebody() -> Identity {
    Identity::from_secret(&std::array::from_fn(|_| fastrand::u8(..)))
}

/// A peer that takes connections and never says a word, and its locator.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind((loopback(), 0)).unwrap();
    let unl = locator_of(&somebody(), &[listener.local_addr().unwrap()]);
    (listener, unl)
}

#[test]
fn by_a_rendezvous_server_and_without() {
    let testnet = Testnet::start().unwrap();
    let (alice, bob) = (member(&testnet), member(&testnet));
    let (a, b) = connect(&alice, &bob);
    talk(&alice, a, &bob, b, 1);
    let (alice, bob) = (alone(|_| {}), alone(|_| {}));
    let (a, b) = connect(&alice, &bob);
    talk(&alice, a, &bob, b, 1);
    let (here, there) = (alice.net.conn_info(a).unwrap(), bob.net.conn_info(b).unwrap());
    assert_eq!((here.inbound, there.inbound), (false, true));
    assert!(matches!(here.via, Via::Direct | Via::Lan), "{here:?}");
}

#[test]
fn three_nodes_all_with_all() {
    let testnet = Testnet::start().unwrap();
    let nodes = [(); 3].map(|()| member(&testnet));
    let requests = [(0, 1), (1, 2), (2, 0)]
        .map(|(from, to): (usize, usize)| (from, nodes[from].net.unl_connect(&unl(&nodes[to])).unwrap()));
    for (from, request) in requests {
        assert_eq!(nodes[from].done(request).result, Ok(()));
    }
    for node in &nodes {
        node.expect(Kind::Opened);
        node.expect(Kind::Opened);
        assert_eq!(node.net.conns().len(), 2);
    }
}

#[test]
fn both_at_once_have_one_connection() {
    let testnet = Testnet::start().unwrap();
    for _ in 0..20 {
        let nodes = [member(&testnet), member(&testnet)];
        let unls = [unl(&nodes[1]), unl(&nodes[0])];
        let requests = [0, 1].map(|i| nodes[i].net.unl_connect(&unls[i]).unwrap());
        let conns = [0, 1].map(|i| {
            let end = nodes[i].done(requests[i]);
            assert_eq!(end.result, Ok(()), "{end:?}");
            assert_eq!(nodes[i].expect(Kind::Opened).conn, end.conn);
            end.conn
        });
        talk(&nodes[0], conns[0], &nodes[1], conns[1], 1);
        for (node, conn) in nodes.iter().zip(conns) {
            assert_eq!((node.net.conns(), node.net.stats().opened), (vec![conn], 1));
        }
    }
}

#[test]
fn a_peer_that_is_connected_is_not_connected_again() {
    let (alice, bob) = (alone(|c| c.max_outbound = 1), alone(|_| {}));
    let first = [(); 3].map(|()| alice.net.unl_connect(&unl(&bob)).unwrap());
    let conns = first.map(|request| alice.done(request).conn);
    assert!(conns[0] != 0 && conns.iter().all(|conn| *conn == conns[0]), "{conns:?}");
    // There is no place for another one; none is needed.
    let (a, b) = (conns[0], bob.expect(Kind::Opened).conn);
    assert_eq!(alice.done(alice.net.unl_connect(&unl(&bob)).unwrap()).conn, a);
    assert_eq!(bob.done(bob.net.unl_connect(&unl(&alice)).unwrap()).conn, b);
    let other = alone(|_| {});
    assert_eq!(alice.done(alice.net.unl_connect(&unl(&other)).unwrap()).result, Err(Code::Limit));
    // By its address the peer is another one, until it says who it is.
    let roomy = alone(|_| {});
    let (a, _) = connect(&roomy, &bob);
    let e = roomy.request(|net| net.connect(&bob.listens().to_string())).unwrap_err();
    assert_eq!(e.code, Code::Duplicate, "{e}");
    assert_eq!((roomy.net.conns().len(), bob.net.conns().len()), (1, 2));
    // One that the program has closed is not had again.
    roomy.net.close(a).unwrap();
    let end = roomy.done(roomy.net.unl_connect(&unl(&bob)).unwrap());
    assert!(end.result.is_ok() && end.conn != a, "{end:?}");
}

#[test]
fn requests_on_their_way_take_places() {
    // The silent ones keep their places for as long as the test takes.
    let alice = alone(|c| (c.max_outbound, c.handshake_timeout, c.unl_connect_timeout) = (3, HUNG, HUNG));
    let peers = [(); 5].map(|()| silent());
    let requests = peers.each_ref().map(|(_, unl)| alice.net.unl_connect(unl).unwrap());
    for request in &requests[3..] {
        let end = alice.done(*request);
        assert_eq!(end.result, Err(Code::Limit));
        assert!(end.text().contains("max_outbound"), "{end:?}");
    }
    alice.net.cancel(requests[0]).unwrap();
    assert_eq!(alice.done(requests[0]).result, Err(Code::Canceled));
    let bob = alone(|_| {});
    connect(&alice, &bob);
}

#[test]
fn cancelled_in_flight() {
    let (alice, (listener, unl)) = (alone(|_| {}), silent());
    let request = alice.net.unl_connect(&unl).unwrap();
    // It has got as far as the handshake.
    let (mut stream, _) = listener.accept().unwrap();
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    let story = alice.net.explain(request);
    assert!(story.is_ok_and(|story| story.took.is_none()));
    alice.net.cancel(request).unwrap();
    let _ = alice.net.cancel(request);
    assert_eq!(alice.done(request).result, Err(Code::Canceled));
    assert!(matches!(alice.net.explain(request).unwrap().end, End::Failed { code: Code::Canceled, .. }));
    // The connection has ended with it.
    stream.set_read_timeout(Some(HUNG)).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
    ended_once(&alice, request);
}

/// Wherever a connect by address is when it is cancelled: later requests for that peer end, and well.
#[test]
fn a_cancelled_connect_by_address_leaves_nothing_behind() {
    let bob = alone(|_| {});
    let (at, locator) = (bob.listens().to_string(), unl(&bob));
    for round in 0..60u64 {
        // Each from an address of its own: a node listens to so many handshakes of one address only.
        let alice = alone(|_| {});
        let request = alice.net.connect(&at).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(round * 100) {
            std::hint::spin_loop();
        }
        let _ = alice.net.cancel(request);
        let first = alice.done(request);
        assert!(matches!(first.result, Ok(()) | Err(Code::Canceled)), "{first:?}");
        let end = alice.done(alice.net.unl_connect(&locator).unwrap());
        assert_eq!(end.result, Ok(()), "round {round}: {end:?}");
        alice.net.send_line(end.conn, b"Sup Bob.").unwrap();
        assert_eq!(bob.expect(Kind::Line).text(), "Sup Bob.");
        alice.net.close(end.conn).unwrap();
        alice.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == end.conn);
        assert!(alice.net.stats().opened <= 2);
    }
}

#[test]
fn a_peer_that_the_server_does_not_know() {
    let testnet = Testnet::start().unwrap();
    let alice = member(&testnet);
    let closed = TcpListener::bind((loopback(), 0)).unwrap().local_addr().unwrap();
    let server: p2pnet::proto::unl::Server = testnet.server().to_string().parse().unwrap();
    for at in [vec![], vec![closed]] {
        let unl = UnlV3::decode(&locator_of(&somebody(), &at)).unwrap();
        let record = Record { servers: vec![server.clone()], ..unl.record().clone() };
        let unl = UnlV3::sign(record, &somebody()).unwrap();
        let request = alice.net.unl_connect(unl.text()).unwrap();
        let end = alice.done(request);
        assert_eq!(end.result, Err(Code::NoPath));
        assert!(end.text().contains("none of its signalling servers"), "{end:?}");
        assert_eq!(end.text().contains("refused"), !at.is_empty(), "{end:?}");
        let story = alice.net.explain(request).unwrap();
        assert!(matches!(&story.end, End::Failed { code: Code::NoPath, reason } if *reason == end.text()));
        let json: serde_json::Value = serde_json::from_str(&story.to_json()).unwrap();
        assert!(!json["attempts"].as_array().unwrap().is_empty(), "{json}");
    }
}

#[test]
fn ones_own_locator_and_those_of_other_networks() {
    let alice = alone(|_| {});
    assert_eq!(alice.done(alice.net.unl_connect(&unl(&alice)).unwrap()).result, Err(Code::SelfConnect));
    let key = Arc::new(somebody());
    let other = alone(|c| (c.network, c.key) = (Some(NetworkId::of("go")), Some(Arc::clone(&key))));
    let e = alice.net.unl_connect(&unl(&other)).unwrap_err();
    assert!(e.code == Code::Invalid && e.message.contains("network"), "{e}");
    // Whoever lies about the network is asked by the peer.
    let end = alice.done(alice.net.unl_connect(&locator_of(&key, &[other.listens()])).unwrap());
    assert_eq!(end.result, Err(Code::NoPath));
    assert!(end.text().contains("network"), "{end:?}");
    // Somebody else is there.
    let end =
        alice.done(alice.net.unl_connect(&locator_of(&somebody(), &[alone(|_| {}).listens()])).unwrap());
    assert_eq!(end.result, Err(Code::NoPath), "{end:?}");
    for text in ["", "nonsense", "p2pnet:"] {
        assert_eq!(alice.net.unl_connect(text).unwrap_err().code, Code::Invalid);
    }
}

#[test]
fn a_locator_that_has_expired_works_if_the_key_answers() {
    let (alice, bob) = (alone(|_| {}), alone(|_| {}));
    let mut changes = Overrides::default();
    changes.set("expires", "1000000").unwrap();
    let request = alice.net.unl_connect(&bob.net.unl_with(&changes).unwrap()).unwrap();
    assert_eq!(alice.done(request).result, Ok(()));
    let story = alice.net.explain(request).unwrap();
    assert!(story.notes.iter().any(|note| note.text.contains("expired")), "{story:?}");
}

#[test]
fn a_peer_that_dies_while_it_is_connected_to() {
    let alice = alone(|_| {});
    // Before a word is said, and in the middle of the handshake.
    for heard in [0, 5] {
        let (listener, unl) = silent();
        let request = alice.net.unl_connect(&unl).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut vec![0; heard]).unwrap();
        drop((stream, listener));
        let end = alice.done(request);
        assert_eq!(end.result, Err(Code::NoPath));
        assert!(end.text().contains("127."), "{end:?}");
        ended_once(&alice, request);
    }
    assert!(alice.net.conns().is_empty());
}

#[test]
fn stopped_while_connecting() {
    let testnet = Testnet::start().unwrap();
    let alice = member(&testnet);
    let (_listener, unl) = silent();
    let (other, _) = silent();
    let requests = [
        alice.net.unl_connect(&unl).unwrap(),
        alice.net.unl_connect(&unl).unwrap(),
        alice.net.connect(&other.local_addr().unwrap().to_string()).unwrap(),
    ];
    let _held = other.accept().unwrap();
    alice.net.stop();
    for request in requests {
        assert_eq!(alice.done(request).result, Err(Code::Canceled));
    }
    let story = alice.net.explain(requests[0]).unwrap();
    assert!(matches!(story.end, End::Failed { code: Code::Canceled, .. }), "{story:?}");
    assert!(alice.net.join());
    requests.iter().for_each(|request| ended_once(&alice, *request));
}

/// A node that has lost its connection, or that another one has the key of: the newer connection is the one.
#[test]
fn two_nodes_with_one_key() {
    let mut keys = [[1; 32], [2; 32]].map(|secret| Arc::new(Identity::from_secret(&secret)));
    keys.sort_by_key(|key| key.public());
    // Whichever side chooses among connections.
    for [ours, theirs] in [[0, 1], [1, 0]] {
        let bob = alone(|c| c.key = Some(Arc::clone(&keys[ours])));
        let twins = [(); 2].map(|()| alone(|c| c.key = Some(Arc::clone(&keys[theirs]))));
        let (a, b) = connect(&twins[0], &bob);
        talk(&twins[0], a, &bob, b, 1);
        let (a, newer) = connect(&twins[1], &bob);
        let closed = bob.wait_for("CLOSED", |e| e.kind == Kind::Closed);
        assert_eq!((closed.conn, closed.result), (b, Err(Code::Reset)));
        assert!(closed.text().contains("without this connection"), "{closed:?}");
        talk(&twins[1], a, &bob, newer, 1);
        assert_eq!(bob.net.conns(), [newer]);
        // It does not come back, to throw out the other.
        assert_eq!(twins[0].expect(Kind::Closed).result, Err(Code::Closed));
    }
}

#[test]
fn fifty_peers_of_one_node() {
    let bob = alone(|c| c.max_inbound = 50);
    let locator = unl(&bob);
    let peers: Vec<TestNode> = (0..50).map(|_| alone(|_| {})).collect();
    let requests: Vec<u64> = peers.iter().map(|peer| peer.net.unl_connect(&locator).unwrap()).collect();
    for (peer, request) in peers.iter().zip(requests) {
        let end = peer.done(request);
        assert_eq!(end.result, Ok(()), "{end:?}");
        bob.expect(Kind::Opened);
    }
    assert_eq!((bob.net.conns().len(), bob.net.info().inbound), (50, 50));
}

#[test]
fn connections_come_and_go() {
    let testnet = Testnet::start().unwrap();
    let (alice, bob) = (member(&testnet), member(&testnet));
    for round in 0..30 {
        let (from, to) = if round % 2 == 0 { (&alice, &bob) } else { (&bob, &alice) };
        let (a, b) = connect(from, to);
        talk(from, a, to, b, 1);
        close(from, a, to, b);
    }
    assert_eq!((alice.net.stats().opened, bob.net.stats().opened), (30, 30));
}

#[test]
fn the_story_is_json_and_has_the_attempts() {
    let (alice, bob) = (alone(|_| {}), alone(|_| {}));
    let request = alice.net.unl_connect(&unl(&bob)).unwrap();
    assert_eq!(alice.done(request).result, Ok(()));
    let text = alice.story(request);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let attempts = json["attempts"].as_array().unwrap();
    assert!(!attempts.is_empty() && attempts.iter().all(|a| a["technique"].is_string()), "{text}");
    assert_eq!(alice.net.explain(request + 1).unwrap_err(), Code::NotFound);
}
