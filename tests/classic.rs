//! Connecting by UNL in the classic dialect, as a program sees it; against the original: `tests/pyp2p`.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::net::{IpAddr, TcpListener};
use std::time::{Duration, Instant};

use p2pnet::config::{Config, Dialect, NetType, NodeType, ServerKind};
use p2pnet::error::Code;
use p2pnet::event::{Kind, NatType, Via};
use p2pnet::node::Net;
use p2pnet::proto::connect::classic::Options;
use p2pnet::proto::connect::report::End;
use p2pnet::proto::dht_id::NodeId;
use p2pnet::proto::rdv_msg::{Reply, Request};
use p2pnet::proto::unl::Overrides;
use p2pnet::server::{Server, ServerConfig};
use p2pnet::testing::{TestNode, patient};

fn config(host: u8, node_type: NodeType) -> Config {
    let ip: IpAddr = [127, 91, 1, host].into();
    let (dialect, net_type, nat_type) = (Dialect::Classic, NetType::Direct, NatType::Preserving);
    let (passive_bind, wan_ip) = (Some(ip), Some(ip));
    let mut config =
        Config { dialect, passive_bind, net_type, node_type, nat_type, wan_ip, ..Config::default() };
    patient(&mut config);
    config
}

/// A node whose messages the test carries.
fn node(host: u8, node_type: NodeType) -> TestNode {
    TestNode::start(Config { own_dht: Some(NodeId([host; 20])), ..config(host, node_type) }).unwrap()
}

fn says(unl: &str, what: &str, value: &str, net: &Net) -> String {
    assert_eq!(net.unl().unwrap(), unl);
    let mut changes = Overrides::default();
    changes.set(what, value).unwrap();
    net.unl_with(&changes).unwrap()
}

/// Carries the next message of one node to the other; gives its text.
fn carry(from: &TestNode, to: &TestNode) -> String {
    let event = from.expect(Kind::DhtSend);
    assert_eq!(event.peer, to.net.dht_id().unwrap().to_string());
    to.net.dht_deliver("", &event.text()).unwrap();
    event.text().into_owned()
}

#[test]
fn a_direct_connect_and_its_story() {
    let (alice, bob) = (node(1, NodeType::Active), node(2, NodeType::Passive));
    let request = alice.net.unl_connect(&bob.net.unl().unwrap()).unwrap();
    let opened = alice.expect(Kind::Opened);
    let end = alice.done(request);
    assert_eq!((end.result, end.conn, opened.request), (Ok(()), opened.conn, request));
    let at_bob = bob.expect(Kind::Opened).conn;
    let (here, there) = (alice.net.conn_info(end.conn).unwrap(), bob.net.conn_info(at_bob).unwrap());
    assert_eq!((here.via, here.inbound, there.via, there.inbound), (Via::Direct, false, Via::Accept, true));
    assert!(here.con_id.is_some() && here.con_id == there.con_id);
    // As soon as DONE is here, so is the whole story.
    let story = alice.net.explain(request).unwrap();
    assert!(matches!(story.end, End::Connected { via: Via::Direct, .. }), "{story:?}");
    alice.net.send_line(end.conn, b"Sup Bob.").unwrap();
    assert_eq!(bob.expect(Kind::Line).text(), "Sup Bob.");
}

#[test]
fn a_reverse_connect_by_messages_that_the_program_carries() {
    let (alice, bob) = (node(3, NodeType::Passive), node(4, NodeType::Active));
    let request = alice.net.unl_connect(&bob.net.unl().unwrap()).unwrap();
    assert!(carry(&alice, &bob).starts_with("REVERSE_CONNECT:"));
    let at_bob = bob.expect(Kind::Opened).conn;
    let end = alice.done(request);
    assert_eq!(end.result, Ok(()), "{end:?}");
    let info = alice.net.conn_info(end.conn).unwrap();
    assert_eq!((info.via, info.inbound), (Via::Reverse, true));
    assert_eq!(info.con_id, bob.net.conn_info(at_bob).unwrap().con_id);
    assert!(carry(&bob, &alice).starts_with("REVERSE_QUERY:"));
    assert!(carry(&alice, &bob).starts_with("REVERSE_ORIGIN:"));
    bob.net.send_line(at_bob, b"you called?").unwrap();
    assert_eq!(alice.expect(Kind::Line).text(), "you called?");
}

#[test]
fn cancelled_and_stopped_requests_end_once() {
    let (alice, bob) = (node(9, NodeType::Passive), node(10, NodeType::Active));
    let unl = bob.net.unl().unwrap();
    let [first, second] = [(); 2].map(|()| alice.net.unl_connect(&unl).unwrap());
    alice.net.cancel(first).unwrap();
    assert_eq!(alice.done(first).result, Err(Code::Canceled));
    alice.net.stop();
    assert_eq!(alice.done(second).result, Err(Code::Canceled));
    assert!(matches!(alice.net.explain(second).unwrap().end, End::Failed { code: Code::Canceled, .. }));
    assert!(alice.net.join());
}

#[test]
fn a_peer_that_says_nothing_back_is_still_connected_to() {
    // A listener that only takes the connection: the classic dialect expects no answer.
    let silent = TcpListener::bind("127.91.1.20:0").unwrap();
    let alice = node(11, NodeType::Active);
    let bob = node(12, NodeType::Passive);
    let mut changes = Overrides::default();
    changes.set("wan_ip", "127.91.1.20").unwrap();
    changes.set("listen_port", &silent.local_addr().unwrap().port().to_string()).unwrap();
    let unl = bob.net.unl_with(&changes).unwrap();
    let options = Options { nonce: Some([b'e'; 64]), ..Options::default() };
    let request = alice.net.unl_connect_classic(&unl, options).unwrap();
    assert_eq!(alice.done(request).result, Ok(()));
    let (mut stream, _) = silent.accept().unwrap();
    let mut nonce = [0; 64];
    std::io::Read::read_exact(&mut stream, &mut nonce).unwrap();
    assert_eq!(nonce, [b'e'; 64]);
}

#[test]
fn what_cannot_be_is_refused() {
    let alice = node(13, NodeType::Active);
    let unl = alice.net.unl().unwrap();
    let code = |unl: &str| alice.net.unl_connect(unl).map_err(|e| e.code);
    assert_eq!(code("nonsense"), Err(Code::Invalid));
    let own = alice.net.unl_connect(&unl).unwrap();
    assert_eq!(alice.done(own).result, Err(Code::SelfConnect));
    let active = says(&unl, "wan_ip", "127.91.1.99", &alice.net);
    let end = alice.done(alice.net.unl_connect(&active).unwrap());
    assert_eq!(end.result, Err(Code::NoPath), "{end:?}");
    let p2p = TestNode::start(Config { net_type: NetType::P2p, ..config(14, NodeType::Passive) }).unwrap();
    assert_eq!(p2p.net.unl_connect(&unl).unwrap_err().code, Code::Unsupported);
}

/// The channel of a simultaneous node: registered, kept, and back when the server is.
#[test]
fn a_simultaneous_node_comes_back_to_its_server() {
    let spawn = |port: u16| {
        let listen = vec![(IpAddr::from([127, 91, 0, 1]), port).into()];
        Server::spawn(ServerConfig { listen, ..ServerConfig::on([127, 91, 0, 1].into()) })
    };
    let server = spawn(0).unwrap();
    let at = server.local_addrs().rendezvous[0];
    let mut with_server = config(15, NodeType::Simultaneous);
    with_server.add_server(ServerKind::Rendezvous, &at.to_string()).unwrap();
    let _node = TestNode::start(with_server).unwrap();
    wait_registered(at, [127, 91, 1, 15].into());
    server.stop();
    let hung = Instant::now() + Duration::from_secs(60);
    let again = loop {
        match spawn(at.port()) {
            Ok(server) => break server,
            Err(e) => assert!(Instant::now() < hung, "{e}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    wait_registered(at, [127, 91, 1, 15].into());
    again.stop();
}

/// Waits until a challenge to this node is taken, which shows that it is registered.
fn wait_registered(server: std::net::SocketAddr, node: IpAddr) {
    use std::io::{BufRead, BufReader, Write};
    let hung = Instant::now() + Duration::from_secs(60);
    let transport = p2pnet::proto::rdv_msg::Transport::Tcp;
    let candidate = Request::Candidate { ip: node, transport, predictions: vec![1] };
    let source = Request::SourceTcp { local_port: None };
    loop {
        let mut stream = std::net::TcpStream::connect(server).unwrap();
        write!(stream, "{candidate}\r\n{source}\r\n").unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        if Reply::parse(&answer) == Some(Reply::PredictionSet) {
            return;
        }
        assert!(Instant::now() < hung, "not registered");
        std::thread::sleep(Duration::from_millis(20));
    }
}
