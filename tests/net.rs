//! Whole nodes and the real server, on loopback: what programs rely on, end to end.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "in a test that is a failure")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use p2pnet::config::{Config, Dialect, DuplicateIp};
use p2pnet::event::Kind;
use p2pnet::testing::{TestNode, Testnet, loopback, until};
use p2pnet::{Code, Net};

fn quick(config: &mut Config) {
    config.retry_interval = Duration::from_millis(50);
}

/// What the server names when somebody from another address asks it.
fn listed(testnet: &Testnet) -> Vec<String> {
    let mut server = TcpStream::connect(testnet.server()).unwrap();
    // Of the network without a name, as the nodes here.
    server.write_all(b"NETWORK -\r\nBOOTSTRAP 100\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(server).read_line(&mut line).unwrap();
    line.split_whitespace().filter_map(|w| w.strip_prefix("p:")).map(str::to_owned).collect()
}

#[test]
fn a_node_is_listed_found_and_taken_off_when_it_stops() {
    let testnet = Testnet::start().unwrap();
    let alice = testnet.node(quick).unwrap();
    assert_eq!(listed(&testnet), [""; 0]);
    alice.request(Net::advertise).unwrap();
    assert_eq!(listed(&testnet), [alice.listens().to_string()]);
    let bob = testnet.node(quick).unwrap();
    assert_eq!(bob.request(Net::bootstrap).unwrap().code, 1, "one node was named");
    let to_alice = bob.expect(Kind::Opened).conn;
    let to_bob = alice.expect(Kind::Opened).conn;
    bob.net.send_line(to_alice, "grüß dich".as_bytes()).unwrap();
    alice.net.send_line(to_bob, b"hello").unwrap();
    assert_eq!(alice.expect(Kind::Line).text(), "grüß dich");
    assert_eq!(bob.expect(Kind::Line).text(), "hello");
    alice.net.stop();
    assert_eq!(bob.expect(Kind::Closed).result, Err(Code::Closed));
    alice.expect(Kind::Stopped);
    assert_eq!(listed(&testnet), [""; 0]);
}

#[test]
fn a_full_node_leaves_the_list_and_returns_when_a_place_is_free() {
    let testnet = Testnet::start().unwrap();
    let alice = testnet.node(|c| (c.max_inbound, c.retry_interval) = (1, Duration::from_millis(20))).unwrap();
    alice.request(Net::advertise).unwrap();
    let bob = testnet.node(quick).unwrap();
    let to_alice = alice.listens().to_string();
    let conn = bob.request(|net| net.connect(&to_alice)).unwrap().conn;
    let off_the_list = || listed(&testnet).is_empty();
    until("off the list", off_the_list);
    bob.net.close(conn).unwrap();
    alice.expect(Kind::Closed);
    until("back on the list", || !off_the_list());
}

#[test]
fn a_flooded_line_reaches_every_node_once() {
    const NODES: usize = 12;
    let testnet = Testnet::start().unwrap();
    let mut nodes: Vec<TestNode> = Vec::new();
    for _ in 0..NODES {
        let node = testnet.node(|c| (c.dedup, c.max_outbound) = (true, 3)).unwrap();
        node.request(Net::bootstrap).unwrap();
        if !nodes.is_empty() {
            node.expect(Kind::Opened);
        }
        node.request(Net::advertise).unwrap();
        nodes.push(node);
    }
    nodes[0].net.broadcast_line(b"flood", 0).1.unwrap();
    for node in &nodes[1..] {
        let line = node.expect(Kind::Line);
        assert_eq!(line.text(), "flood");
        node.net.broadcast_line(b"flood", line.conn).1.unwrap();
    }
    // Closing sends what is queued first, so by the end every copy that was on its way has arrived.
    for node in &nodes {
        node.net.stop();
    }
    let mut copies = 0;
    for node in &nodes {
        node.wait_for("the end", |e| {
            assert_ne!(e.kind, Kind::Line, "a second time: {e:?}");
            e.kind == Kind::Stopped
        });
        copies += node.net.stats().duplicates;
    }
    assert!(copies > 0, "no copy ever arrived: nothing was suppressed");
}

#[test]
fn nodes_that_dial_each_other_at_once_end_with_one_connection() {
    let testnet = Testnet::start().unwrap();
    for _ in 0..30 {
        let nodes = [testnet.node(|_| {}).unwrap(), testnet.node(|_| {}).unwrap()];
        let addresses = [nodes[1].listens().to_string(), nodes[0].listens().to_string()];
        std::thread::scope(|scope| {
            for (node, to) in nodes.iter().zip(&addresses) {
                scope.spawn(move || node.request(|net| net.connect(to)).is_ok());
            }
        });
        let [a, b] = &nodes;
        // The one connection that both have: one end of it was opened, the other accepted.
        let ends = |n: &TestNode| {
            let ids = n.net.conns();
            Vec::from_iter(ids.iter().filter_map(|id| n.net.conn_info(*id).ok()).map(|i| i.inbound))
        };
        until("one connection", || matches!((&*ends(a), &*ends(b)), ([true], [false]) | ([false], [true])));
        a.net.send_line(a.net.conns()[0], b"still there?").unwrap();
        assert_eq!(b.expect(Kind::Line).text(), "still there?");
    }
}

/// Secure ones by their keys, classic ones if they are told to.
#[test]
fn several_nodes_share_one_address() {
    let testnet = Testnet::start().unwrap();
    share_one_address(&testnet, |_| ());
    share_one_address(&testnet, |c| (c.dialect, c.duplicate_ip) = (Dialect::Classic, DuplicateIp::Allow));
}

fn share_one_address(testnet: &Testnet, tell: impl Fn(&mut Config)) {
    let ip = testnet.address();
    let share = |c: &mut Config| {
        c.passive_bind = Some(ip);
        tell(c);
    };
    let nodes: Vec<_> = (0..3).map(|_| testnet.node(share).unwrap()).collect();
    let own = nodes[0].listens().to_string();
    assert_eq!(nodes[0].request(|net| net.connect(&own)).unwrap_err().code, Code::SelfConnect);
    let ids: BTreeSet<u64> = nodes[1..]
        .iter()
        .map(|n| nodes[0].request(|net| net.connect(&n.listens().to_string())).unwrap().conn)
        .collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_lonely_node_finds_the_one_that_comes_later() {
    let testnet = Testnet::start().unwrap();
    let bob = testnet.node(quick).unwrap();
    assert_eq!(bob.request(Net::bootstrap).unwrap().code, 0);
    let alice = testnet.node(quick).unwrap();
    alice.request(Net::advertise).unwrap();
    bob.expect(Kind::Opened);
}

#[test]
fn a_server_that_is_not_there_is_named_in_the_error() {
    let testnet = Testnet::start().unwrap();
    let dead = std::net::TcpListener::bind((loopback(), 0)).unwrap().local_addr().unwrap().to_string();
    let node = testnet
        .node(|c| {
            c.servers.clear();
            c.add_server(p2pnet::config::ServerKind::Rendezvous, &dead).unwrap();
        })
        .unwrap();
    let e = node.request(Net::bootstrap).unwrap_err();
    assert_eq!(e.code, Code::NoServer);
    assert!(e.message.contains(&dead) && e.message.contains("refused"), "{e}");
}

#[test]
fn ipv6_nodes_meet() {
    let testnet = Testnet::start().unwrap();
    let on_v6 = |c: &mut Config| c.passive_bind = "::1".parse().ok();
    let (alice, bob) = (testnet.node(on_v6).unwrap(), testnet.node(on_v6).unwrap());
    let conn = bob.request(|net| net.connect(&alice.listens().to_string())).unwrap().conn;
    bob.net.send_line(conn, b"six").unwrap();
    let line = alice.expect(Kind::Line);
    assert_eq!((line.text().as_ref(), line.peer.starts_with("[::1]:")), ("six", true));
}
