//! Whole nodes that no other way connects, on loopback: by our relay, and by hostile ones.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use p2pnet::config::{Config, NodeType, ServerKind};
use p2pnet::error::Code;
use p2pnet::event::{Event, Kind, LogLevel, Via};
use p2pnet::testing::{TestNode, Testnet, hidden, loopback, talk};

/// A node that can be reached by nobody, and reaches nobody, when the server knows it.
fn member(testnet: &Testnet, change: impl FnOnce(&mut Config)) -> TestNode {
    let node = testnet
        .node(|config| {
            hidden(config);
            (config.log_level, config.unl_connect_timeout) = (LogLevel::Info, Duration::from_secs(20));
            change(config);
        })
        .unwrap();
    node.logged("signalling: entered");
    node
}

fn connect(from: &TestNode, to: &TestNode) -> (u64, Event) {
    let request = from.net.unl_connect(&to.net.unl().unwrap()).unwrap();
    (request, from.done(request))
}

#[test]
fn nodes_that_reach_nobody_are_connected_by_the_server() {
    let testnet = Testnet::start().unwrap();
    let (alice, bob) = (member(&testnet, |_| {}), member(&testnet, |_| {}));
    let (request, end) = connect(&alice, &bob);
    assert_eq!(end.result, Ok(()), "{end:?}\n{}", alice.story(request));
    let b = bob.expect(Kind::Opened).conn;
    let (here, there) = (alice.net.conn_info(end.conn).unwrap(), bob.net.conn_info(b).unwrap());
    assert_eq!((here.via, there.via), (Via::Relay, Via::Relay));
    assert_eq!((here.inbound, there.inbound), (false, true));
    let told = alice.story(request);
    assert!(told.contains("\"relay\"") && told.contains(&testnet.server().to_string()), "{told}");
    talk(&alice, end.conn, &bob, b, 200);
    // The end is passed on.
    alice.net.close(end.conn).unwrap();
    bob.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == b);
    // And they find each other again, the other way round as well.
    let (request, end) = connect(&bob, &alice);
    assert_eq!(end.result, Ok(()), "{end:?}\n{}", bob.story(request));
}

/// The way opens while both send without pause: the connection goes over to it, and nobody else notices.
#[test]
fn a_relayed_connection_becomes_a_direct_one_under_traffic() {
    for at_caller in [true, false] {
        let testnet = Testnet::start().unwrap();
        let walls: [Arc<AtomicBool>; 2] = Default::default();
        let [alice, bob] = [0, 1].map(|n| {
            member(&testnet, |config| {
                // Somebody has to be dialled.
                config.node_type = NodeType::Passive;
                walls[n].store(true, SeqCst);
                config.test_unreachable = walls[n].clone();
            })
        });
        let (request, end) = connect(&alice, &bob);
        assert_eq!(end.result, Ok(()), "{end:?}\n{}", alice.story(request));
        let conns = [end.conn, bob.expect(Kind::Opened).conn];
        let via = || [alice.net.conn_info(conns[0]).unwrap().via, bob.net.conn_info(conns[1]).unwrap().via];
        assert_eq!(via(), [Via::Relay; 2]);
        walls[usize::from(!at_caller)].store(false, SeqCst);
        let line = |n: u64| format!("{n} {}", "x".repeat(n as usize % 100));
        let (mut sent, mut got, mut moved) = ([0u64; 2], [0u64; 2], [false; 2]);
        let begun = Instant::now();
        // Some more behind it.
        let mut rest = 1000;
        while rest > 0 || got != [sent[1], sent[0]] {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "hung: {sent:?} {got:?} {moved:?} {:?}",
                via()
            );
            for (n, node) in [&alice, &bob].into_iter().enumerate() {
                if rest > 0 && node.net.send_line(conns[n], line(sent[n]).as_bytes()).is_ok() {
                    sent[n] += 1;
                    rest -= u64::from(moved == [true; 2]);
                }
                while let Some(event) = node.net.next_event().unwrap() {
                    match event.kind {
                        Kind::Line => {
                            assert_eq!(event.text(), line(got[n]));
                            got[n] += 1;
                        }
                        Kind::Path => moved[n] |= via()[n] != Via::Relay,
                        Kind::Closed => panic!("{event:?}"),
                        _ => {}
                    }
                }
            }
        }
        assert!(via().iter().all(|via| *via != Via::Relay), "{:?}", via());
        assert_eq!(alice.net.conns().len() + bob.net.conns().len(), 2);
    }
}

#[test]
fn several_peers_by_one_relay_and_both_at_once() {
    let testnet = Testnet::start().unwrap();
    let nodes = [(); 4].map(|()| member(&testnet, |_| {}));
    let mut requests = Vec::new();
    for (i, from) in nodes.iter().enumerate() {
        for to in nodes.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, to)| to) {
            requests.push((from, from.net.unl_connect(&to.net.unl().unwrap()).unwrap()));
        }
    }
    for (node, request) in requests {
        let end = node.wait_for("DONE", |e| e.kind == Kind::Done && e.request == request);
        assert_eq!(end.result, Ok(()), "{end:?}\n{}", node.story(request));
    }
    for node in &nodes {
        assert_eq!(node.net.conns().len(), 3, "one with each");
    }
}

#[test]
fn without_a_relay_the_reason_is_told() {
    let off = |config: &mut p2pnet::server::ServerConfig| config.limits.relay.sessions = 0;
    let testnet = Testnet::with(off).unwrap();
    let (alice, bob) = (member(&testnet, |_| {}), member(&testnet, |_| {}));
    let (_, end) = connect(&alice, &bob);
    assert_eq!(end.result, Err(Code::NoPath));
    assert!(end.text().contains("no relay: none of the signalling servers"), "{end:?}");
    // Whoever does not want one does not use one, and says so.
    let testnet = Testnet::start().unwrap();
    let (alice, bob) = (member(&testnet, |c| c.relay = false), member(&testnet, |_| {}));
    let (_, end) = connect(&alice, &bob);
    assert!(end.text().contains("no relay: this node uses none"), "{end:?}");
    let (_, end) = connect(&bob, &alice);
    assert!(end.text().contains("does not go to that relay"), "{end:?}");
}

#[test]
fn a_full_relay_is_a_reason_too() {
    let small = |config: &mut p2pnet::server::ServerConfig| config.limits.relay.per_address = 1;
    let testnet = Testnet::with(small).unwrap();
    let both = testnet.address();
    let here = |c: &mut Config| c.passive_bind = Some(both);
    let (alice, bob) = (member(&testnet, here), member(&testnet, here));
    let (_, end) = connect(&alice, &bob);
    assert!(end.result.is_err(), "{end:?}");
    assert!(end.text().contains("relay"), "{end:?}");
}

/// What a hostile relay does when it has both.
type Evil = Arc<dyn Fn(Vec<TcpStream>) + Send + Sync>;

/// A relay that meets `count` connections, whatever they name, says GO, and then does as it likes.
fn hostile(count: usize, evil: Evil) -> String {
    let ip = loopback();
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let at = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        loop {
            let mut waiting = Vec::new();
            while waiting.len() < count {
                let Ok((stream, _)) = listener.accept() else { return };
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                if reader.read_line(&mut line).is_ok() && line.starts_with("RELAY ") {
                    waiting.push(reader.into_inner());
                }
            }
            for stream in &mut waiting {
                let _ = stream.write_all(b"RELAY WAIT\r\nRELAY GO\r\n");
            }
            let evil = evil.clone();
            std::thread::spawn(move || evil(waiting));
        }
    });
    at
}

/// Passes bytes from one to the other through `change`, which may also end it.
fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    mut change: impl FnMut(&mut Vec<u8>) -> bool + Send + 'static,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let mut bytes = buffer[..n].to_vec();
            let go_on = change(&mut bytes);
            if to.write_all(&bytes).is_err() || !go_on {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    })
}

fn both_ways(pair: &[TcpStream]) -> (TcpStream, TcpStream, TcpStream, TcpStream) {
    let [a, b] = pair else { panic!("not two") };
    let copy = |stream: &TcpStream| stream.try_clone().unwrap();
    (copy(a), copy(b), copy(b), copy(a))
}

/// Two nodes whose only relay is that one, and who do not wait for it for long.
fn at(relay: &str) -> (Testnet, TestNode, TestNode) {
    at_in(relay, Duration::from_secs(2), Duration::from_secs(6))
}

/// The same with these limits, of a handshake and of a request.
fn at_in(relay: &str, handshake: Duration, request: Duration) -> (Testnet, TestNode, TestNode) {
    let testnet = Testnet::with(|config| config.limits.relay.sessions = 0).unwrap();
    let named = |config: &mut Config| {
        config.add_server(ServerKind::Relay, relay).unwrap();
        // What such a relay breaks is to end, not to be made again by it.
        config.resume_grace = Duration::ZERO;
        (config.handshake_timeout, config.unl_connect_timeout) = (handshake, request);
        // What it swallows is not waited for.
        config.close_timeout = Duration::from_secs(1);
    };
    let (alice, bob) = (member(&testnet, named), member(&testnet, named));
    (testnet, alice, bob)
}

/// Sends lines until the connection ends or all have arrived; what arrives is a beginning of what was sent, to the byte.
fn only_right_lines(alice: &TestNode, bob: &TestNode) -> (usize, bool) {
    let request = alice.net.unl_connect(&bob.net.unl().unwrap()).unwrap();
    let end = alice.wait_for("DONE", |e| e.kind == Kind::Done && e.request == request);
    if end.result.is_err() {
        return (0, false);
    }
    let line = |n: usize| format!("{n} and some more to make it longer");
    for n in 0..50 {
        if alice.net.send_line(end.conn, line(n).as_bytes()).is_err() {
            break;
        }
    }
    let (mut got, mut over) = (0, false);
    let begun = Instant::now();
    while got < 50 {
        let Some(event) = bob.net.next_event().unwrap() else {
            // If it was Alice's last word of the handshake that did not arrive, it ends at her and never began at Bob.
            if over && bob.net.conns().is_empty() {
                return (got, false);
            }
            let ended = |e: Event| e.kind == Kind::Closed && e.conn == end.conn;
            over = over || alice.net.next_event().unwrap().is_some_and(ended);
            assert!(begun.elapsed() < Duration::from_secs(60), "hung: {got} lines and no end");
            std::thread::yield_now();
            continue;
        };
        match event.kind {
            Kind::Closed => return (got, false),
            Kind::Line => {
                assert_eq!(event.text(), line(got));
                got += 1;
            }
            _ => {}
        }
    }
    (got, true)
}

#[test]
fn an_honest_relay_of_the_programs_own() {
    let relay = hostile(
        2,
        Arc::new(|pair| {
            let (a, b, c, d) = both_ways(&pair);
            pass(a, b, |_| true);
            pass(c, d, |_| true);
        }),
    );
    let (_testnet, alice, bob) = at_in(&relay, Duration::from_secs(60), Duration::from_secs(60));
    assert_eq!(only_right_lines(&alice, &bob), (50, true));
}

#[test]
fn whatever_byte_a_relay_changes_no_wrong_line_arrives() {
    // The next byte to be changed; its direction is that of the last bit. Greeting, reply, verdict and lines have some 2,500.
    let next = Arc::new(AtomicUsize::new(0));
    let places: Vec<usize> = (0..80).map(|n| n * 4).chain((0..30).map(|n| 320 + n * 61)).collect();
    let of = places.clone();
    let count = next.clone();
    let relay = hostile(
        2,
        Arc::new(move |pair| {
            let place = of[count.load(SeqCst) % of.len()];
            let (a, b, c, d) = both_ways(&pair);
            let flip = |wanted: bool| {
                let mut seen = 0;
                move |bytes: &mut Vec<u8>| {
                    if let Some(byte) =
                        place.checked_sub(seen).and_then(|at| bytes.get_mut(at)).filter(|_| wanted)
                    {
                        *byte ^= 1;
                    }
                    seen += bytes.len();
                    true
                }
            };
            let first = place.is_multiple_of(2);
            pass(a, b, flip(first));
            pass(c, d, flip(!first));
        }),
    );
    let mut broken = 0;
    for (n, chunk) in places.chunks(5).enumerate() {
        // Others for every five: a node takes no more calls of one peer at a time.
        let (_testnet, alice, bob) = at(&relay);
        for m in 0..chunk.len() {
            next.store(n * 5 + m, SeqCst);
            let (got, whole) = only_right_lines(&alice, &bob);
            broken += usize::from(!whole);
            assert!(got <= 50);
            for node in [&alice, &bob] {
                node.net.conns().into_iter().for_each(|conn| node.net.close(conn).unwrap_or(()));
            }
            while !alice.net.conns().is_empty() || !bob.net.conns().is_empty() {
                std::thread::yield_now();
                while bob.net.next_event().unwrap().is_some() || alice.net.next_event().unwrap().is_some() {}
            }
        }
    }
    // A byte behind the last one that was sent changes nothing; most were not.
    assert!(broken >= places.len() / 2, "{broken} of {} were broken", places.len());
}

#[test]
fn a_relay_that_cuts_repeats_reflects_or_mixes() {
    let evils: [(&str, usize, Evil); 4] = [
        (
            "cuts",
            2,
            Arc::new(|pair| {
                let (a, b, c, d) = both_ways(&pair);
                let mut left = 700usize;
                pass(a, b, move |bytes| {
                    bytes.truncate(left);
                    left -= bytes.len();
                    left > 0
                });
                pass(c, d, |_| true);
            }),
        ),
        (
            "repeats",
            2,
            Arc::new(|pair| {
                let (a, b, c, d) = both_ways(&pair);
                let mut left = 700usize;
                pass(a, b, move |bytes| {
                    // In the middle of the talk, however it comes in pieces: some bytes once more.
                    if left > 0 && bytes.len() >= left {
                        let again = bytes[..left].to_vec();
                        let at = left;
                        bytes.splice(at..at, again);
                    }
                    left = left.saturating_sub(bytes.len());
                    true
                });
                pass(c, d, |_| true);
            }),
        ),
        (
            "reflects",
            2,
            Arc::new(|pair| {
                let (a, _, c, _) = both_ways(&pair);
                let (b, d) = (a.try_clone().unwrap(), c.try_clone().unwrap());
                pass(a, b, |_| true);
                pass(c, d, |_| true);
            }),
        ),
        ("says nothing", 3, Arc::new(|_| {})),
    ];
    for (what, count, evil) in evils {
        let (_testnet, alice, bob) = at(&hostile(count, evil));
        let (got, whole) = only_right_lines(&alice, &bob);
        assert!(!whole && got < 50, "{what}: {got}");
    }
}

#[test]
fn a_relay_that_brings_somebody_else() {
    // Two attempts, their four ends crossed: everybody meets another one than the one it wants.
    let relay = hostile(
        4,
        Arc::new(|all| {
            // In the order of coming they may be anybody: each is joined to another attempt's end in one of the two ways.
            for [i, j] in [[0, 2], [1, 3]] {
                let (a, b, c, d) = both_ways(&[all[i].try_clone().unwrap(), all[j].try_clone().unwrap()]);
                pass(a, b, |_| true);
                pass(c, d, |_| true);
            }
        }),
    );
    let (testnet, alice, bob) = at(&relay);
    let named = |config: &mut Config| config.add_server(ServerKind::Relay, &relay).unwrap();
    let (carol, dave) = (member(&testnet, named), member(&testnet, named));
    let requests = [(&alice, &bob), (&carol, &dave)]
        .map(|(from, to)| (from, to, from.net.unl_connect(&to.net.unl().unwrap()).unwrap()));
    for (from, to, request) in requests {
        let end = from.wait_for("DONE", |e| e.kind == Kind::Done && e.request == request);
        // By chance they were not crossed; then it is the right one.
        if end.result.is_ok() {
            let opened = to.expect(Kind::Opened);
            let key = to.net.conn_info(opened.conn).unwrap();
            assert_eq!(key.via, Via::Relay);
            from.net.send_line(end.conn, b"only for you").unwrap();
            assert_eq!(to.expect(Kind::Line).text(), "only for you");
        }
    }
}

#[test]
fn servers_that_are_no_relays() {
    for said in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"RELAY REFUSED FULL expected fewer\r\n",
        &[b'x'; 5000],
        b"",
    ] {
        let ip = loopback();
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let relay = listener.local_addr().unwrap().to_string();
        let said = said.to_vec();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.write_all(&said);
            }
        });
        let (_testnet, alice, bob) = at(&relay);
        let (_, end) = connect(&alice, &bob);
        assert_eq!(end.result, Err(Code::NoPath), "{end:?}");
        assert!(end.text().contains(&format!("no relay: {relay}")), "{end:?}");
    }
}
