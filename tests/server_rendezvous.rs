//! The rendezvous ports of the real program, over loopback. Nodes are told apart by their addresses 127.0.0.x.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod server_support;

use p2pnet::server::{NatPort, Server, ServerConfig};
use server_support::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

const HUNG: Duration = Duration::from_secs(60);

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn nodes_find_each_other() {
    let server = Daemon::start(&[]);
    let mut a = server.client("127.0.0.2");
    assert_eq!(a.ask("BOOTSTRAP 10"), "NODES EMPTY");
    a.say("PASSIVE READY 50500 10");
    a.sync();
    let mut b = server.client("127.0.0.3");
    assert_eq!(b.ask("BOOTSTRAP 10"), "NODES p:127.0.0.2:50500 ");
    assert_eq!(a.ask("BOOTSTRAP 10"), "NODES EMPTY");
    // A new connection from the same address is the same node.
    let mut again = server.client("127.0.0.2");
    again.say("CLEAR");
    again.sync();
    assert_eq!(b.ask("BOOTSTRAP 10"), "NODES EMPTY");
    b.say("QUIT");
    assert_eq!(b.hear(), None);
}

#[test]
fn a_hole_punch_is_arranged() {
    let server = Daemon::start(&[]);
    let mut node = server.client("127.0.0.2");
    node.say("SIMULTANEOUS READY 0 0");
    node.sync();
    let mut asker = server.client("127.0.0.3");
    assert_eq!(asker.ask("CANDIDATE 127.0.0.2 TCP 11 12 13 14"), "PREDICTION SET");
    assert_eq!(node.hear().unwrap(), "CHALLENGE 127.0.0.3 11 12 13 14 TCP");
    let accept = format!("21 22 23 24 TCP {}.123456", now());
    node.say(&format!("ACCEPT 127.0.0.3 {accept}"));
    assert_eq!(asker.hear().unwrap(), format!("FIGHT 127.0.0.2 {accept}"));
    // Another connection from the node's address asks for open challenges; there is none.
    let mut second = server.client("127.0.0.2");
    second.sync();
    node.sync();
}

#[test]
fn a_candidate_learns_of_nothing_when_the_node_is_gone() {
    let server = Daemon::start(&[]);
    let mut node = server.client("127.0.0.2");
    node.say("SIMULTANEOUS READY 0 0");
    node.sync();
    let mut asker = server.client("127.0.0.3");
    assert_eq!(asker.ask("CANDIDATE 127.0.0.2 TCP 11"), "PREDICTION SET");
    node.say("QUIT");
    while node.hear().is_some() {}
    assert_eq!(server.client("127.0.0.2").ask("BOOTSTRAP 5"), "NODES EMPTY", "no panic on the way");
    asker.say("CANDIDATE 127.0.0.2 TCP 11");
    asker.sync();
}

#[test]
fn both_ports_tell_the_source_port() {
    let server = Daemon::start(&[]);
    assert_ne!(server.rendezvous.port(), server.nat.port());
    for to in [server.rendezvous, server.nat] {
        let mut client = Client::connect(to, "127.0.0.2");
        let port = client.port();
        assert_eq!(client.ask("SOURCE TCP 4"), format!("REMOTE TCP {port}"));
    }
    // They share their tables.
    let mut node = Client::connect(server.nat, "127.0.0.2");
    node.say("PASSIVE READY 5 1");
    node.sync();
    assert_eq!(server.client("127.0.0.3").ask("BOOTSTRAP 1"), "NODES p:127.0.0.2:5 ");
}

#[test]
fn observe_tells_address_port_and_where_else_to_ask() {
    let server = Daemon::start(&["--alternate-address", "127.0.0.77", "--alternate-address", "127.0.0.1"]);
    let (first, second, http) = (server.rendezvous.port(), server.nat.port(), server.http.port());
    for (to, next) in [(server.rendezvous, second), (server.nat, first)] {
        let mut client = Client::connect(to, "127.0.0.2");
        let port = client.port();
        let expected = format!("OBSERVED 127.0.0.2 {port} next={next} http={http} alt=127.0.0.77");
        assert_eq!(client.ask("OBSERVE"), expected);
        // As our nodes ask: an old server leaves out the first answer.
        client.stream.get_mut().write_all(format!("OBSERVE\r\nSOURCE TCP {port}\r\n").as_bytes()).unwrap();
        assert_eq!(client.hear().unwrap(), expected);
        assert_eq!(client.hear().unwrap(), format!("REMOTE TCP {port}"));
    }
    let count = server.get("/metrics").1;
    assert!(count.contains("p2p_rendezvous_requests_total{verb=\"observe\"} 4"), "{count}");
}

#[test]
fn addresses_listened_on_are_each_others_alternates() {
    let listen =
        ["--listen", "127.0.0.5:0", "--listen", "127.0.0.6:0", "--nat-listen", "off", "--http", "off"];
    let mut command = command();
    let mut child = command
        .args(listen)
        .args(["--print-addrs", "--store", "memory"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let at = |n: usize| value["rendezvous"][n].as_str().unwrap().parse::<SocketAddr>().unwrap();
    for (to, other) in [(at(0), at(1)), (at(1), at(0))] {
        let mut client = Client::connect(to, "127.0.0.2");
        assert_eq!(client.ask("OBSERVE"), format!("OBSERVED 127.0.0.2 {} alt={other}", client.port()));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn ipv6_and_ipv4_on_one_port() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let server = Daemon::start(&["--listen", "[::]:0"]);
    let mut v6 = Client::connect(SocketAddr::new("::1".parse().unwrap(), server.rendezvous.port()), "::1");
    v6.sync();
    let (port, next) = (v6.port(), server.nat.port());
    assert_eq!(v6.ask("OBSERVE"), format!("OBSERVED ::1 {port} next={next}"));
    let to = SocketAddr::new("127.0.0.1".parse().unwrap(), server.rendezvous.port());
    let mut node = Client::connect(to, "127.0.0.2");
    node.say("PASSIVE READY 5 1");
    node.sync();
    assert_eq!(Client::connect(to, "127.0.0.3").ask("BOOTSTRAP 9"), "NODES p:127.0.0.2:5 ");
    assert_eq!(v6.ask("BOOTSTRAP 9"), "NODES EMPTY", "no IPv4 node for an IPv6 one");
}

#[test]
fn pieces_and_heaps_of_lines() {
    let server = Daemon::start(&[]);
    let mut client = server.client("127.0.0.2");
    for byte in b"BOOTSTRAP 5\r\n" {
        client.stream.get_mut().write_all(&[*byte]).unwrap();
    }
    assert_eq!(client.hear().unwrap(), "NODES EMPTY");
    let heap = "BOOTSTRAP 5\r\n\r\nrubbish\r\n\u{e4}\r\n".repeat(50);
    client.stream.get_mut().write_all(heap.as_bytes()).unwrap();
    (0..50).for_each(|_| assert_eq!(client.hear().unwrap(), "NODES EMPTY"));
    client.stream.get_mut().write_all(b"\xff\xfe\r\n").unwrap();
    client.sync();
}

#[test]
fn the_answer_comes_even_if_the_client_has_nothing_more_to_say() {
    let server = Daemon::start(&[]);
    let mut client = server.client("127.0.0.2");
    client.say("BOOTSTRAP 5");
    client.stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.hear().unwrap(), "NODES EMPTY");
    assert_eq!(client.hear(), None);
}

#[test]
fn a_line_of_16384_bytes_passes_and_a_longer_one_ends_the_connection() {
    let server = Daemon::start(&[]);
    let mut client = server.client("127.0.0.2");
    assert_eq!(client.ask(&format!("BOOTSTRAP 5{}", " ".repeat(16_384 - 11))), "NODES EMPTY");
    client.say(&format!("BOOTSTRAP 5{}", " ".repeat(16_385 - 11)));
    assert_eq!(client.hear(), None);
    let mut endless = server.client("127.0.0.2");
    endless.stream.get_mut().write_all(&[b'x'; 20_000]).unwrap();
    assert_eq!(endless.hear(), None);
}

#[test]
fn too_many_connections_of_one_address() {
    let server = Daemon::start(&["--max-connections-per-address", "2"]);
    let mut kept = [server.client("127.0.0.2"), server.client("127.0.0.2")];
    kept.iter_mut().for_each(Client::sync);
    assert_eq!(server.client("127.0.0.2").hear(), None);
    server.client("127.0.0.3").sync();
    kept.iter_mut().for_each(Client::sync);
}

#[test]
fn too_many_connections_in_all() {
    let server = Daemon::start(&["--max-connections", "2"]);
    let mut kept = [server.client("127.0.0.2"), server.client("127.0.0.3")];
    kept.iter_mut().for_each(Client::sync);
    assert_eq!(server.client("127.0.0.4").hear(), None);
    let [mut leaving, mut staying] = kept;
    leaving.say("QUIT");
    assert_eq!(leaving.hear(), None);
    server.client("127.0.0.4").sync();
    staying.sync();
}

#[test]
fn too_many_requests() {
    let server = Daemon::start(&["--requests-per-second", "1", "--request-burst", "20"]);
    let mut client = server.client("127.0.0.2");
    client.stream.get_mut().write_all("SOURCE TCP\r\n".repeat(1000).as_bytes()).unwrap();
    let answered = std::iter::from_fn(|| client.hear()).count();
    assert!(answered < 100, "{answered} answers");
    server.client("127.0.0.3").sync();
}

#[test]
fn a_client_that_never_asks_is_closed() {
    let server = Daemon::start(&["--first-request-timeout", "0.2"]);
    assert_eq!(server.client("127.0.0.3").hear(), None);
}

#[test]
fn a_client_that_stops_asking_is_closed_and_a_registered_node_is_not() {
    let server = Daemon::start(&["--idle-timeout", "0.3"]);
    let mut node = server.client("127.0.0.2");
    node.say("SIMULTANEOUS READY 0 0");
    let mut idle = server.client("127.0.0.4");
    idle.sync();
    assert_eq!(idle.hear(), None);
    node.sync();
}

#[test]
fn a_client_that_does_not_read_is_closed() {
    let server = Daemon::start(&[
        "--write-buffer",
        "65536",
        "--requests-per-second",
        "1000000000",
        "--request-burst",
        "1000000000",
    ]);
    for n in 1..=100 {
        let mut node = server.client(&format!("127.0.1.{n}"));
        node.say("PASSIVE READY 50000 1");
        node.sync();
    }
    let mut stream = server.client("127.0.0.2").stream.into_inner();
    let heap = "BOOTSTRAP 100\r\n".repeat(1000);
    // Each request of 15 bytes makes an answer of 2 KB, so this ends soon; without the limit it would not.
    let closed = (0..1000).any(|_| stream.write_all(heap.as_bytes()).is_err());
    assert!(closed);
    server.client("127.0.0.3").sync();
}

#[test]
fn answers_that_had_to_wait_for_the_client_come_whole_and_in_order() {
    let unlimited = "1000000000";
    let server = Daemon::start(&[
        "--write-buffer",
        unlimited,
        "--requests-per-second",
        unlimited,
        "--request-burst",
        unlimited,
    ]);
    for n in 1..=100 {
        let mut node = server.client(&format!("127.0.1.{n}"));
        node.say("PASSIVE READY 50000 1");
        node.sync();
    }
    let mut client = server.client("127.0.0.2");
    // 12 MB of answers, which is more than the system keeps for a client that does not read.
    let heap: String = (0..6000).map(|n| format!("BOOTSTRAP 100\r\nECHO {n}\r\n")).collect();
    client.stream.get_mut().write_all(heap.as_bytes()).unwrap();
    // All have been read once the server says nothing more of this one's lines, which it counts.
    while !server.get("/metrics").1.contains("p2p_rendezvous_requests_total{verb=\"echo\"} 6000") {
        std::thread::yield_now();
    }
    for n in 0..6000 {
        let nodes = client.hear().unwrap();
        assert_eq!((nodes.split(' ').count(), nodes.ends_with("0 ")), (102, true), "{nodes}");
        assert_eq!(client.hear().unwrap(), format!("ECHO {n}"));
    }
    client.sync();
}

#[test]
fn a_thousand_connections_come_and_go() {
    let server = Daemon::start(&["--request-burst", "100000"]);
    for _ in 0..1000 {
        server.client("127.0.0.2").say("PASSIVE READY 5 1");
    }
    let mut client = server.client("127.0.0.3");
    assert_eq!(client.ask("BOOTSTRAP 5"), "NODES p:127.0.0.2:5 ");
}

#[test]
fn sigterm_and_sigint_stop_it_cleanly() {
    for signal in ["TERM", "INT"] {
        let mut server = Daemon::start(&[]);
        let mut client = server.client("127.0.0.2");
        client.sync();
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0), "SIG{signal}");
        assert_eq!(client.hear(), None);
    }
}

#[test]
fn a_port_in_use_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--nat-listen", "--http"] {
        let mut command = command();
        command.args(["--store", "memory", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        let output = command.args([flag, &addr]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&addr) && text.contains("in use") && text.contains(flag), "{text}");
    }
}

#[test]
fn wrong_options_are_explained() {
    for (options, expected) in [
        (&["--listen", "8000"][..], "--listen"),
        (&["--http", "x"], "off"),
        (&["--idle-timeout", "soon"], "seconds"),
        (&["--store", "/", "--listen", "127.0.0.1:0", "--http", "off"], "--store"),
    ] {
        let output = command().args(options).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_log_can_be_read_by_programs() {
    let mut command = command();
    command.args(["--listen", "127.0.0.1:0", "--http", "off", "--store", "memory"]);
    command.args(["--log-format", "json", "--log-level", "debug"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut log, &mut line).unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()
    };
    let mut ready = next();
    while ready["what"] != "ready" {
        ready = next();
    }
    let addr: SocketAddr = ready["rendezvous"].as_str().unwrap().parse().unwrap();
    let mut client = Client::connect(addr, "127.0.0.2");
    client.say("PASSIVE READY 5 1");
    client.sync();
    let registered = std::iter::from_fn(|| Some(next())).find(|line| line["what"] == "registered").unwrap();
    assert_eq!((&registered["kind"], &registered["port"]), (&"passive".into(), &"5".into()));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Nobody listens there. Not at once: a program that another test starts has a copy of each of our sockets, until it is one.
fn is_closed(addr: SocketAddr) {
    let begun = Instant::now();
    while TcpStream::connect(addr).is_ok() {
        assert!(begun.elapsed() < HUNG, "somebody still listens at {addr}");
    }
}

#[test]
fn a_server_can_be_embedded_and_stopped() {
    let server = Server::spawn(ServerConfig::on("127.213.7.1".parse().unwrap())).unwrap();
    let addrs = server.local_addrs().clone();
    assert_eq!((addrs.rendezvous.len(), addrs.nat.len(), addrs.http.len()), (1, 1, 1));
    let mut client = Client::connect(addrs.rendezvous[0], "127.0.0.2");
    client.sync();
    server.stop();
    assert_eq!(client.hear(), None);
    is_closed(addrs.rendezvous[0]);
    // The address is free again. It is this test's alone, so no other has taken its port meanwhile.
    let config =
        ServerConfig { listen: vec![addrs.rendezvous[0]], nat: NatPort::Off, ..ServerConfig::default() };
    let again = Server::spawn(config.clone()).unwrap();
    assert!(Server::spawn(config).err().unwrap().to_string().contains("in use"));
    drop(again);
    assert!(Server::spawn(ServerConfig::default()).is_err());
}

#[test]
fn a_server_runs_in_a_runtime_of_others() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // An address of this test's own: on 127.0.0.1 another one may get the port that is free again.
        let server = Server::start(ServerConfig::on("127.213.7.2".parse().unwrap())).await.unwrap();
        let addr = server.local_addrs().rendezvous[0];
        tokio::task::spawn_blocking(move || Client::connect(addr, "127.0.0.2").sync()).await.unwrap();
        server.stop().await;
        tokio::task::spawn_blocking(move || is_closed(addr)).await.unwrap();
    });
}

#[test]
fn a_web_browser_at_the_wrong_port_is_no_harm() {
    let server = Daemon::start(&["--first-request-timeout", "0.2"]);
    let mut stream = connect(server.rendezvous, "127.0.0.2");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.is_empty());
}
