//! Messages over the DHT as a program sees them: through the mailbox of our server, and through a DHT of its own.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::io::Read;
use std::net::{IpAddr, TcpListener};
use std::time::{Duration, Instant};

use p2pnet::config::{Config, NodeType, ServerKind};
use p2pnet::error::Code;
use p2pnet::event::Kind;
use p2pnet::node::Net;
use p2pnet::proto::dht_id::NodeId;
use p2pnet::server::{Server, ServerConfig, ServerThread};
use p2pnet::testing::{TestNode, patient};

fn server(host: u8) -> (ServerThread, String) {
    let server = Server::spawn(ServerConfig::on([127, 89, 0, host].into())).unwrap();
    let at = server.local_addrs().http[0].to_string();
    (server, at)
}

fn config(host: u8) -> Config {
    let ip: IpAddr = [127, 89, 1, host].into();
    let mut config = Config { passive_bind: Some(ip), node_type: NodeType::Passive, ..Config::default() };
    patient(&mut config);
    config.close_timeout = Duration::from_secs(5);
    config
}

fn with_mailbox(host: u8, at: &str) -> TestNode {
    let mut config = config(host);
    config.add_server(ServerKind::Dht, at).unwrap();
    TestNode::start(config).unwrap()
}

fn own(host: u8, id: u8) -> TestNode {
    TestNode::start(Config { own_dht: Some(NodeId([id; 20])), ..config(host) }).unwrap()
}

#[test]
fn messages_through_a_mailbox() {
    let (_server, at) = server(1);
    let (alice, bob) = (with_mailbox(1, &at), with_mailbox(2, &format!("http://{at}/dht_msg.php")));
    let bob_id = bob.net.dht_id().unwrap();
    assert!(bob_id.0.iter().all(u8::is_ascii_alphanumeric) && alice.net.dht_id() != Some(bob_id));
    for text in ["hello", "gr\u{fc}\u{df} \u{1f980}", "[1, 2]", "a\0b"] {
        alice.request(|net| net.dht_put(bob_id, text)).unwrap();
        let event = bob.expect(Kind::DhtMessage);
        assert_eq!((event.text().as_ref(), event.peer.as_str()), (text, ""));
    }
}

#[test]
fn what_is_refused() {
    let (_server, at) = server(2);
    let alice = with_mailbox(3, &at);
    let to = NodeId([1; 20]);
    assert_eq!(alice.net.dht_put(to, "").unwrap_err().code, Code::Invalid);
    assert_eq!(alice.net.dht_put(to, &"x".repeat(8001)).unwrap_err().code, Code::TooLarge);
    assert_eq!(alice.net.dht_deliver("", "x"), Err(Code::Unsupported), "the mailbox is not the program's");
    let without = TestNode::start(config(4)).unwrap();
    assert_eq!(without.net.dht_put(to, "x").unwrap_err().code, Code::Unsupported);
    assert_eq!(without.net.dht_id(), None);
    let mut both = Config { own_dht: Some(to), ..config(5) };
    both.add_server(ServerKind::Dht, &at).unwrap();
    assert!(Net::new(both).is_err_and(|e| e.message.contains("exclude each other")));
    assert!(config(5).add_server(ServerKind::Dht, "https://h.example/x").is_err());
}

#[test]
fn the_net_stops_at_once_while_long_polls_hang() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = hanging.local_addr().unwrap().to_string();
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in hanging.incoming() {
            tx.send(()).unwrap();
            std::thread::spawn(move || while stream.as_ref().unwrap().read(&mut [0]).is_ok_and(|n| n > 0) {});
        }
    });
    for at in [at.clone(), format!("http://{at}/dht_msg.php")] {
        let alice = with_mailbox(6, &at);
        let put = alice.net.dht_put(NodeId([1; 20]), "x").unwrap();
        rx.recv_timeout(Duration::from_secs(60)).expect("hung");
        let begun = Instant::now();
        alice.net.stop();
        let done = alice.wait_for("DONE", |e| e.kind == Kind::Done && e.request == put);
        assert_eq!(done.result, Err(Code::Canceled));
        assert!(alice.net.join());
        // Nothing here decides a test by time; this is what was promised, with room for a slow machine.
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        println!("stopped in {:?}", begun.elapsed());
    }
}

#[test]
fn a_dht_of_the_programs_own() {
    let (alice, bob) = (own(7, 0xa), own(8, 0xb));
    let put = alice.net.dht_put(NodeId([0xb; 20]), "hello").unwrap();
    let send = alice.expect(Kind::DhtSend);
    assert_eq!(
        (send.request, send.text().as_ref(), send.peer.as_str()),
        (put, "hello", "0b".repeat(20).as_str())
    );
    let done = alice.wait_for("DONE", |e| e.kind == Kind::Done);
    assert_eq!((done.request, done.result), (put, Ok(())));
    bob.net.dht_deliver("somebody", "hello").unwrap();
    let came = bob.expect(Kind::DhtMessage);
    assert_eq!((came.text().as_ref(), came.peer.as_str()), ("hello", "somebody"));
    // What looks like a control message is none of the program's.
    bob.net.dht_deliver("", "REVERSE_QUERY:nonsense").unwrap();
    bob.net.dht_deliver("", "last").unwrap();
    assert_eq!(bob.expect(Kind::DhtMessage).text(), "last");
    assert_eq!(bob.net.dht_deliver("", ""), Err(Code::Invalid));
    assert_eq!(bob.net.dht_deliver("a\0", "x"), Err(Code::Invalid));
    assert_eq!(bob.net.dht_deliver("", &"x".repeat(70_000)), Err(Code::TooLarge));
    bob.net.stop();
    assert!(bob.net.join());
    assert_eq!(bob.net.dht_deliver("", "x"), Err(Code::Closed));
    let never = Net::new(Config { own_dht: Some(NodeId([1; 20])), ..config(9) }).unwrap();
    assert_eq!(never.dht_deliver("", "x"), Err(Code::State));
}

#[test]
fn what_nobody_takes_is_limited() {
    let alice = TestNode::start(Config {
        own_dht: Some(NodeId([1; 20])),
        event_queue: 16,
        max_requests: 4096,
        ..config(10)
    })
    .unwrap();
    // In: what the program hands in and does not take.
    let mut taken = 0;
    loop {
        match alice.net.dht_deliver("", &taken.to_string()) {
            Ok(()) => taken += 1,
            Err(code) => {
                assert_eq!(code, Code::WouldBlock);
                break;
            }
        }
        assert!(taken < 1000, "there is no limit");
    }
    for n in 0..taken {
        assert_eq!(alice.expect(Kind::DhtMessage).text(), n.to_string());
    }
    // Out: what the program is to carry and does not.
    let puts: Vec<u64> = (0..300).map(|_| alice.net.dht_put(NodeId([2; 20]), "x").unwrap()).collect();
    let begun = Instant::now();
    while alice.net.stats().events_queued < 300 {
        assert!(begun.elapsed() < Duration::from_secs(60), "hung");
        std::thread::yield_now();
    }
    let mut refused = 0;
    for put in puts {
        let done = alice.wait_for("DONE", |e| e.kind == Kind::Done && e.request == put);
        refused += usize::from(done.result == Err(Code::Limit));
    }
    assert_eq!(refused, 300 - 256);
}
