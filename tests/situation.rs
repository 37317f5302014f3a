//! How a node learns its situation, on loopback: what programs see of it, and that nothing piles up.
#![cfg(all(feature = "server", feature = "testing", feature = "reach"))]
#![allow(clippy::unwrap_used, reason = "in a test that is a failure")]

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use p2pnet::config::{Config, Dialect, NodeType, ServerKind};
use p2pnet::event::Kind;
use p2pnet::server::{Server, ServerConfig, ServerThread};
use p2pnet::testing::{TestNode, Testnet};
use p2pnet::{Code, Net};
use socket2::{Domain, Socket, Type};

/// A node of the test network that finds everything out by itself.
fn curious(testnet: &Testnet) -> Config {
    Config { node_type: NodeType::Unknown, ..testnet.config().unwrap() }
}

/// A server that takes connections and never says a word; how many it has taken.
fn silent(ip: IpAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let (at, taken) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            count.fetch_add(1, SeqCst);
            held.push(stream);
        }
    });
    (at, taken)
}

fn connect_from(ip: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(ip.into(), 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

fn listed(testnet: &Testnet) -> Vec<String> {
    let mut server = TcpStream::connect(testnet.server()).unwrap();
    // Of the network without a name, as the nodes here.
    server.write_all(b"NETWORK -\r\nBOOTSTRAP 100\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(server).read_line(&mut line).unwrap();
    line.split_whitespace().filter_map(|w| w.strip_prefix("p:")).map(str::to_owned).collect()
}

fn count(node: &TestNode, topic: &str) -> usize {
    node.net.report().steps.iter().filter(|s| s.topic == topic).count()
}

#[test]
fn ten_thousand_changes_are_a_few() {
    let testnet = Testnet::start().unwrap();
    let (server, taken) = silent(testnet.address());
    let mut config = curious(&testnet);
    config.servers.clear();
    config.add_server(ServerKind::Rendezvous, &server.to_string()).unwrap();
    config.add_server(ServerKind::Reachability, &server.to_string()).unwrap();
    config.start_timeout = Duration::ZERO;
    let node = TestNode::start(config).unwrap();
    let begun = Instant::now();
    for _ in 0..100 {
        for _ in 0..100 {
            node.net.network_changed().unwrap();
        }
        // Its DONE comes after the actor has heard of the change.
        let _ = node.request(|net| net.connect("127.0.0.1:1"));
    }
    let most = 2 + begun.elapsed().as_secs() as usize;
    assert!(count(&node, "network") <= most, "{} looks", count(&node, "network"));
    assert!(taken.load(SeqCst) <= 60 * most, "{} connections to one server", taken.load(SeqCst));
    assert!(count(&node, "network") >= 1);
    // The last of them counts: it is looked at when its time has come.
    let looks = count(&node, "network");
    node.net.network_changed().unwrap();
    node.net.network_changed().unwrap();
    while count(&node, "network") == looks {
        assert!(begun.elapsed() < Duration::from_secs(60), "hung: the change is not looked at");
        std::thread::yield_now();
    }
    assert!(node.net.join());
}

#[test]
fn a_request_to_be_listed_that_was_cancelled_in_time_lists_nobody() {
    let begun = Instant::now();
    while !was_cancelled_in_time() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it is too late each time");
    }
}

/// False: before this thread could cancel, the node was found to be reachable, and listed.
fn was_cancelled_in_time() -> bool {
    let testnet = Testnet::start().unwrap();
    let (nobody, _) = silent(testnet.address());
    let mut config = curious(&testnet);
    // The knock is delayed: the rendezvous server's own HTTP comes after the one that keeps silent.
    config.add_server(ServerKind::Reachability, &nobody.to_string()).unwrap();
    config.start_timeout = Duration::from_secs(60);
    let net = Net::new(config).unwrap();
    net.start().unwrap();
    let requests = [net.advertise().unwrap(), net.advertise().unwrap()];
    let cancelled = requests.map(|r| net.cancel(r).is_ok());
    let (mut done, mut ready) = (Vec::new(), false);
    while !ready || done.len() < 2 {
        assert_ne!(net.wait(Some(Duration::from_secs(60))), Ok(false), "hung: no event");
        while let Some(event) = net.next_event().unwrap() {
            ready |= event.kind == Kind::Ready;
            if event.kind == Kind::Done {
                done.push((event.request, event.result));
            }
        }
    }
    if cancelled != [true; 2] || done.iter().any(|(_, result)| result.is_ok()) {
        return false;
    }
    assert_eq!(done, requests.map(|r| (r, Err(Code::Canceled))));
    assert_eq!(net.info().node_type, NodeType::Passive, "{}", net.report().to_json());
    // Who asks after that is listed; nothing was on its way before.
    assert_eq!(listed(&testnet), [""; 0]);
    let net = TestNode::start(curious(&testnet)).unwrap();
    net.request(Net::advertise).unwrap();
    assert_eq!(listed(&testnet).len(), 1);
    true
}

#[test]
fn a_request_to_be_listed_waits_for_the_type_also_when_ready_is_not_waited_for() {
    let testnet = Testnet::start().unwrap();
    let net = TestNode::start(Config { start_timeout: Duration::ZERO, ..curious(&testnet) }).unwrap();
    net.request(Net::advertise).unwrap();
    assert_eq!(listed(&testnet), [net.listens().to_string()]);
}

#[test]
fn stopping_ends_requests_that_wait_for_the_type() {
    let testnet = Testnet::start().unwrap();
    let (nobody, _) = silent(testnet.address());
    let mut config = curious(&testnet);
    config.servers.clear();
    config.add_server(ServerKind::Rendezvous, &nobody.to_string()).unwrap();
    config.server_timeout = Duration::from_secs(600);
    let net = Net::new(config).unwrap();
    net.start().unwrap();
    let request = net.advertise().unwrap();
    net.stop();
    let mut done = 0;
    loop {
        assert_ne!(net.wait(Some(Duration::from_secs(60))), Ok(false), "hung: no event");
        let Some(event) = net.next_event().unwrap() else { continue };
        match event.kind {
            Kind::Done => {
                assert_eq!((event.request, event.result), (request, Err(Code::Canceled)));
                done += 1;
            }
            Kind::Stopped => break,
            _ => {}
        }
    }
    assert_eq!(done, 1);
    assert!(net.join(), "it took more than twice the close time-out and a second");
}

fn knocker() -> ServerThread {
    Server::spawn(ServerConfig::on("127.0.0.1".parse().unwrap())).unwrap()
}

/// A node that has found out that it can be reached. A server that does not get the CPU for two seconds and a half was asked in vain;
/// then another node asks anew.
fn open_node(config: &Config) -> TestNode {
    let begun = Instant::now();
    loop {
        let node = TestNode::start(config.clone()).unwrap();
        if node.net.info().node_type == NodeType::Passive {
            return node;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "never: {}", node.net.report().to_json());
    }
}

/// Several servers are asked; the first yes is enough, and the others' knocks come after it.
#[test]
fn knocks_are_no_connections() {
    let testnet = Testnet::start().unwrap();
    let servers: Vec<ServerThread> = (0..4).map(|_| knocker()).collect();
    for round in 0..20 {
        let dialect = if round % 2 == 0 { Dialect::Secure } else { Dialect::Classic };
        let mut config = Config { dialect, ..curious(&testnet) };
        for server in &servers {
            let at = server.local_addrs().http[0].to_string();
            config.add_server(ServerKind::Reachability, &at).unwrap();
        }
        let node = open_node(&config);
        if dialect == Dialect::Secure {
            // Nothing is a connection before it has shown who it is.
            assert_eq!(node.net.stats().opened, 0);
            continue;
        }
        // A peer that speaks at once is a connection, with its first bytes; what came before it was accepted before.
        // From an address of its own: a server that is still knocking holds the place of its address.
        let mut peer = connect_from(Ipv4Addr::new(127, 0, 77, 1), node.listens());
        peer.write_all(b"hello\r\n").unwrap();
        let opened = node.expect(Kind::Opened);
        assert_eq!(node.expect(Kind::Line).text(), "hello");
        assert_eq!(opened.peer.to_string(), peer.local_addr().unwrap().to_string());
        assert_eq!(node.net.stats().opened, 1);
    }
}
