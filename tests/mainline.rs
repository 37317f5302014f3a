//! Whole nodes that have no rendezvous server, only BitTorrent's DHT: one of our own, on loopback.
#![allow(clippy::unwrap_used, reason = "in a test that is a failure")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use mainline::{Dht, Testnet};
use p2pnet::config::{ANNOUNCE, Config, Dialect, LETTERS, NodeType, PUBLISH, ServerKind};
use p2pnet::error::Code;
use p2pnet::event::{Kind, LogLevel, Via};
use p2pnet::proto::connect::report::{Result as Ended, Technique};
use p2pnet::proto::identity::Identity;
use p2pnet::proto::network::NetworkId;
use p2pnet::proto::unl::{Candidate, CandidateKind, Record, UnlV3};
use p2pnet::testing::{TestNode, loopback, patient, talk};

fn dht() -> Testnet {
    Testnet::builder(6).bind_address(Ipv4Addr::LOCALHOST).build().unwrap()
}

fn network() -> Option<NetworkId> {
    Some(NetworkId::of("chess"))
}

fn somebody() -> Arc<Identity> {
    Arc::new(Identity::from_secret(&std::array::from_fn(|_| fastrand::u8(..))))
}

/// A node that knows these nodes of the DHT, and nobody else.
fn node(dht: &[String], change: impl FnOnce(&mut Config)) -> TestNode {
    let mut config = Config {
        dialect: Dialect::Secure,
        network: network(),
        passive_bind: Some(loopback()),
        node_type: NodeType::Passive,
        log_level: LogLevel::Info,
        retry_interval: Duration::from_millis(200),
        mainline_poll: Duration::from_millis(300),
        ..Config::default()
    };
    patient(&mut config);
    dht.iter().for_each(|at| config.add_server(ServerKind::Mainline, at).unwrap());
    change(&mut config);
    TestNode::start(config).unwrap()
}

/// A locator of this node that says that it listens there.
fn locator_of(identity: &Identity, at: Option<SocketAddr>) -> String {
    let candidates = at.iter().map(|at| Candidate::new(CandidateKind::Lan, at.ip(), at.port())).collect();
    let record = Record { network: network(), candidates, ..Record::default() };
    UnlV3::sign(record, identity).unwrap().text().to_owned()
}

/// Where nobody listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind((loopback(), 0)).unwrap().local_addr().unwrap()
}

#[test]
fn nodes_of_a_network_find_each_other() {
    let dht = dht();
    let (alice, bob) = (node(&dht.bootstrap, |_| {}), node(&dht.bootstrap, |_| {}));
    let end = alice.request(|net| net.advertise()).unwrap();
    assert!(end.text().contains("announced"), "{end:?}");
    let end = bob.request(|net| net.bootstrap()).unwrap();
    assert!(end.code >= 1, "{end:?}");
    let (b, a) = (bob.expect(Kind::Opened).conn, alice.expect(Kind::Opened).conn);
    talk(&alice, a, &bob, b, 1);
    // Who belongs to another network is not even knocked at.
    let carol = node(&dht.bootstrap, |c| c.network = Some(NetworkId::of("go")));
    assert_eq!(carol.request(|net| net.bootstrap()).unwrap().code, 0);
    // Nor is whoever lacks a network's key.
    let dave = node(&dht.bootstrap, |c| c.set_str(1009, &"d7".repeat(32)).unwrap());
    assert_eq!(dave.request(|net| net.bootstrap()).unwrap().code, 0);
    assert_eq!((alice.net.stats().opened, alice.net.stats().rejected), (1, 0));
}

/// The first one there finds nobody, asks again by itself, and needs no second word of the program.
#[test]
fn who_comes_first_finds_who_comes_later() {
    let dht = dht();
    let alice = node(&dht.bootstrap, |c| c.mainline = 0);
    assert_eq!(alice.request(|net| net.bootstrap()).unwrap().code, 0);
    let e = alice.net.advertise().unwrap_err();
    assert!(e.code == Code::NoServer && e.message.contains("advertise"), "{e}");
    let bob = node(&dht.bootstrap, |c| c.mainline = ANNOUNCE);
    let (a, b) = (alice.expect(Kind::Opened), bob.expect(Kind::Opened));
    assert_eq!(a.request, 0);
    talk(&alice, a.conn, &bob, b.conn, 1);
    assert!(alice.net.conn_info(a.conn).is_ok_and(|info| !info.inbound));
}

#[test]
fn an_old_locator_leads_to_where_the_peer_is_now() {
    let (dht, key) = (dht(), somebody());
    let with_key = |c: &mut Config| (c.key, c.mainline) = (Some(Arc::clone(&key)), PUBLISH);
    let bob = node(&dht.bootstrap, with_key);
    bob.logged("our locator lies");
    let old = bob.net.unl().unwrap();
    assert!(bob.net.join());
    let bob = node(&dht.bootstrap, with_key);
    bob.logged("our locator lies");
    let alice = node(&dht.bootstrap, |c| c.mainline = 0);
    let only_key = locator_of(&key, None);
    for unl in [old, only_key] {
        let request = alice.net.unl_connect(&unl).unwrap();
        let end = alice.done(request);
        let told = alice.story(request);
        assert_eq!(end.result, Ok(()), "{end:?}\n{told}");
        assert!(told.contains("looking in BitTorrent's DHT") && told.contains("another locator"), "{told}");
        let there = bob.expect(Kind::Opened).conn;
        talk(&alice, end.conn, &bob, there, 1);
        alice.net.close(end.conn).unwrap();
        bob.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == there);
    }
}

/// Nobody gets in at the called node, and no server knows it: it comes to the caller, who has asked it to by a letter.
#[test]
fn a_peer_that_cannot_be_reached_comes_by_itself() {
    let (dht, key) = (dht(), somebody());
    let bob = node(&dht.bootstrap, |c| {
        (c.key, c.mainline, c.node_type) = (Some(Arc::clone(&key)), LETTERS, NodeType::Active);
    });
    bob.logged("our mailbox");
    let alice = node(&dht.bootstrap, |c| c.mainline = LETTERS);
    let request = alice.net.unl_connect(&locator_of(&key, Some(nowhere()))).unwrap();
    let end = alice.done(request);
    assert_eq!(end.result, Ok(()), "{end:?}\n{}", alice.story(request));
    let info = alice.net.conn_info(end.conn).unwrap();
    assert_eq!((info.via, info.inbound), (Via::Reverse, true));
    talk(&alice, end.conn, &bob, bob.expect(Kind::Opened).conn, 1);
    let story = alice.net.explain(request).unwrap();
    let reverse = story.attempts.iter().find(|attempt| attempt.technique == Technique::Reverse);
    assert_eq!(reverse.map(|attempt| attempt.result), Some(Ended::Won), "{story:?}");
    assert!(story.notes.iter().any(|note| note.text.contains("a letter lies")), "{story:?}");
}

/// A locator that leads nowhere, of somebody of whom the DHT knows nothing either.
#[test]
fn the_reason_names_the_dht_as_well() {
    let dht = dht();
    let alice = node(&dht.bootstrap, |_| {});
    let request = alice.net.unl_connect(&locator_of(&somebody(), Some(nowhere()))).unwrap();
    let end = alice.done(request);
    assert_eq!(end.result, Err(Code::NoPath));
    for part in ["looked up in BitTorrent's DHT: the DHT has nothing of it", "a letter", "takes no messages"]
    {
        assert!(end.text().contains(part), "{end:?}");
    }
    // One that nobody can come to asks nobody to.
    let active = node(&dht.bootstrap, |c| c.node_type = NodeType::Active);
    let end = active.done(active.net.unl_connect(&locator_of(&somebody(), Some(nowhere()))).unwrap());
    assert!(end.text().contains("nobody reaches this node"), "{end:?}");
}

#[test]
fn cancelled_and_stopped_while_the_dht_is_asked() {
    let (dht, key) = (dht(), somebody());
    // It has a mailbox, and looks into it once an hour.
    let bob = node(&dht.bootstrap, |c| {
        (c.key, c.mainline, c.mainline_poll) = (Some(Arc::clone(&key)), LETTERS, Duration::from_secs(3600));
    });
    bob.logged("our mailbox");
    let alice = node(&dht.bootstrap, |_| {});
    let unl = locator_of(&key, Some(nowhere()));
    let [first, second] = [(); 2].map(|()| alice.net.unl_connect(&unl).unwrap());
    alice.net.cancel(first).unwrap();
    assert_eq!(alice.done(first).result, Err(Code::Canceled));
    let find = alice.net.bootstrap().unwrap();
    alice.net.stop();
    for request in [second, find] {
        assert_eq!(alice.done(request).result, Err(Code::Canceled));
    }
    assert!(alice.net.join());
}

/// Nodes of a DHT at places that are theirs, to go away and come back.
fn begin_dht(at: &[SocketAddr]) -> Vec<Dht> {
    let names: Vec<String> = at.iter().map(ToString::to_string).collect();
    let start = |at: &SocketAddr| {
        let IpAddr::V4(ip) = at.ip() else { unreachable!() };
        Dht::builder().bootstrap(&names).bind_address(ip).port(at.port()).server_mode().build()
    };
    at.iter()
        .map(|at| {
            loop {
                // The thread of the one before may still be ending.
                match start(at) {
                    Ok(node) => break node,
                    Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::AddrInUse),
                }
            }
        })
        .collect()
}

/// Until the threads of all of them have ended, and their sockets are closed.
fn gone(at: &[SocketAddr]) {
    for at in at {
        while UdpSocket::bind(at).is_err() {
            std::thread::yield_now();
        }
    }
}

#[test]
fn the_dht_comes_and_goes() {
    let at: Vec<SocketAddr> = (0..4).map(|_| SocketAddr::new(loopback(), 6881)).collect();
    let names: Vec<String> = at.iter().map(ToString::to_string).collect();
    let key = somebody();
    let unl = locator_of(&key, Some(nowhere()));
    let bob = node(&names, |c| (c.key, c.mainline) = (Some(Arc::clone(&key)), PUBLISH));
    let alice = node(&names, |c| c.mainline = 0);
    // Nobody is there yet.
    bob.logged("publishing the locator in the DHT");
    for round in 0..2 {
        let dht = begin_dht(&at);
        // As soon as the node hears that things are different; else when its pause is over.
        bob.net.network_changed().unwrap();
        alice.net.network_changed().unwrap();
        bob.logged("our locator lies");
        let request = alice.net.unl_connect(&unl).unwrap();
        let end = alice.done(request);
        assert_eq!(end.result, Ok(()), "round {round}: {end:?}\n{}", alice.story(request));
        let there = bob.expect(Kind::Opened).conn;
        drop(dht);
        gone(&at);
        // Connections need no DHT.
        talk(&alice, end.conn, &bob, there, 1);
        alice.net.close(end.conn).unwrap();
        bob.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == there);
        if round == 0 {
            let end = alice.done(alice.net.unl_connect(&unl).unwrap());
            assert_eq!(end.result, Err(Code::NoPath), "{end:?}");
            assert!(end.text().contains("BitTorrent's DHT"), "{end:?}");
        }
    }
}

#[test]
fn it_is_the_secure_dialects() {
    let mut config = Config { dialect: Dialect::Classic, ..Config::default() };
    config.add_server(ServerKind::Mainline, "public").unwrap();
    let e = p2pnet::Net::new(config).err().unwrap();
    assert!(e.code == Code::Invalid && e.message.contains("dialect"), "{e}");
}
