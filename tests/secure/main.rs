//! Whole nodes of the secure dialect on loopback, and what a hostile network does to them.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "in a test that is a failure")]

mod middle;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use p2pnet::config::{Dialect, Framing, NetType};
use p2pnet::event::{Kind, LogLevel};
use p2pnet::proto::network::NetworkId;
use p2pnet::proto::unl::Info;
use p2pnet::testing::{TestNode, loopback, talk};
use p2pnet::{Code, Config};

/// A test that waits this long for something hangs.
const HUNG: Duration = Duration::from_secs(120);

fn node(change: impl FnOnce(&mut Config)) -> TestNode {
    TestNode::alone(change).unwrap()
}

/// Connects, and gives the connection's number at both ends.
fn connect(from: &TestNode, to: &TestNode) -> (u64, u64) {
    let at = to.listens().to_string();
    let here = from.request(|net| net.connect(&at)).unwrap().conn;
    (here, to.expect(Kind::Opened).conn)
}

/// Sends, waiting for room as a program does.
fn send(node: &TestNode, conn: u64, data: &[u8], raw: bool) {
    let send = || if raw { node.net.send(conn, data) } else { node.net.send_line(conn, data) };
    while let Err(e) = send() {
        assert_eq!(e, Code::WouldBlock);
        node.expect(Kind::Writable);
    }
}

#[test]
fn lines_of_every_length_arrive_in_order_both_ways() {
    let (alice, bob) = (node(|_| {}), node(|_| {}));
    let (a, b) = connect(&alice, &bob);
    let lines: Vec<Vec<u8>> = (0..2000usize)
        .map(|i| {
            let len = match i % 200 {
                0 => 300_000,
                100 => 70_000,
                n if n % 10 == 0 => 16 * 1024 + n - 100,
                n => 1 + n * 3,
            };
            (0..len).map(|at| b'a' + ((i * 31 + at) % 26) as u8).collect()
        })
        .collect();
    std::thread::scope(|scope| {
        for (from, conn) in [(&alice, a), (&bob, b)] {
            let lines = &lines;
            scope.spawn(move || {
                // One thread per node does both, as most programs do.
                let mut got = 0;
                let mut take = || {
                    while let Some(event) = from.net.next_event().unwrap() {
                        if event.kind == Kind::Line {
                            assert!(event.data == lines[got], "line {got}");
                            got += 1;
                        }
                        assert_ne!(event.kind, Kind::Closed, "{event:?}");
                    }
                    got
                };
                let start = Instant::now();
                for line in lines {
                    while from.net.send_line(conn, line) == Err(Code::WouldBlock) {
                        take();
                        from.net.wait(Some(Duration::from_millis(5))).unwrap();
                        assert!(start.elapsed() < HUNG, "hung");
                    }
                }
                while take() < lines.len() {
                    from.net.wait(Some(Duration::from_secs(1))).unwrap();
                    assert!(start.elapsed() < HUNG, "hung");
                }
            });
        }
    });
    let total: u64 = lines.iter().map(|l| l.len() as u64 + 2).sum();
    let info = alice.net.conn_info(a).unwrap();
    assert!(info.bytes_out > total && info.bytes_out < total + total / 50 + 2000 * 18, "{info:?}");
}

/// Machines with instructions for AES and without, in every pair: both log the same cipher, and lines arrive.
#[test]
fn frames_go_by_aes_where_both_machines_have_it() {
    for (alices, bobs) in [(true, true), (true, false), (false, true), (false, false)] {
        let of = |fast: bool| {
            node(|c| {
                c.test_fast_aes = Some(fast);
                c.log_level = LogLevel::Debug;
            })
        };
        let (alice, bob) = (of(alices), of(bobs));
        let (a, b) = connect(&alice, &bob);
        let cipher = if alices && bobs { "AES-256-GCM" } else { "ChaCha20-Poly1305" };
        for one in [&alice, &bob] {
            one.wait_for(cipher, |e| e.kind == Kind::Log && e.text().ends_with(&format!("by {cipher}")));
        }
        talk(&alice, a, &bob, b, 200);
    }
}

#[test]
fn raw_bytes_arrive_whole() {
    let (alice, bob) = (node(|c| c.framing = Framing::Raw), node(|c| c.framing = Framing::Raw));
    let (a, b) = connect(&alice, &bob);
    let data: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| data.chunks(77_777).for_each(|part| send(&alice, a, part, true)));
        let mut got = Vec::new();
        while got.len() < data.len() {
            let event = bob.expect(Kind::Data);
            assert_eq!(event.conn, b);
            got.extend(event.data);
        }
        assert!(got == data);
    });
}

#[test]
fn a_peer_that_does_not_take_its_lines_slows_the_sender_and_nothing_is_lost() {
    let (alice, bob) = (node(|c| c.send_buffer = 100_000), node(|c| c.recv_buffer = 100_000));
    let (a, b) = connect(&alice, &bob);
    let mut sent = 0u32;
    while alice.net.send_line(a, format!("{sent:01000}").as_bytes()) != Err(Code::WouldBlock) {
        sent += 1;
        assert!(sent < 1_000_000, "it is never full");
    }
    let mut got = 0u32;
    let mut writable = false;
    let start = Instant::now();
    while got < sent || !writable {
        assert!(start.elapsed() < HUNG, "hung after {got} of {sent}");
        while let Some(event) = bob.net.next_event().unwrap() {
            if event.kind == Kind::Line {
                assert_eq!((event.conn, event.data), (b, format!("{got:01000}").into_bytes()));
                got += 1;
            }
        }
        while let Some(event) = alice.net.next_event().unwrap() {
            writable |= event.kind == Kind::Writable;
        }
        bob.net.wait(Some(Duration::from_millis(1))).unwrap();
    }
    assert_eq!(got, sent);
}

#[test]
fn what_was_sent_before_closing_arrives() {
    let (alice, bob) = (node(|_| {}), node(|_| {}));
    let (a, _) = connect(&alice, &bob);
    for i in 0..500 {
        send(&alice, a, format!("{i:0300}").as_bytes(), false);
    }
    alice.net.close(a).unwrap();
    for i in 0..500 {
        assert_eq!(bob.expect(Kind::Line).text(), format!("{i:0300}"));
    }
    assert_eq!(bob.expect(Kind::Closed).result, Err(Code::Closed));
    assert_eq!(alice.expect(Kind::Closed).result, Ok(()));
}

#[test]
fn a_line_longer_than_allowed_ends_the_connection() {
    let (alice, bob) = (node(|_| {}), node(|c| c.max_line = 10_000));
    let (a, _) = connect(&alice, &bob);
    send(&alice, a, b"before", false);
    send(&alice, a, &[b'x'; 10_001], false);
    assert_eq!(bob.expect(Kind::Line).text(), "before");
    let closed = bob.expect(Kind::Closed);
    assert_eq!(closed.result, Err(Code::Protocol));
    assert!(closed.text().contains("max_line"), "{closed:?}");
}

#[test]
fn networks_do_not_mix() {
    let secure = node(|_| {});
    let at = secure.listens().to_string();
    let other = node(|c| c.network = Some(NetworkId::of("go")));
    let e = other.request(|net| net.connect(&at)).unwrap_err();
    assert_eq!(e.code, Code::Refused);
    assert!(e.message.contains("P2P_OPT_NETWORK"), "{e}");
    // A connection to ourselves is seen by the addresses before anybody shakes hands.
    let e = secure.request(|net| net.connect(&at)).unwrap_err();
    assert_eq!(e.code, Code::SelfConnect);
}

/// Whoever forgot the option is told, at both ends, whoever connects, and whether anything is said or not.
#[test]
fn dialects_do_not_mix_and_say_so() {
    const WHAT: &str = "P2P_OPT_DIALECT";
    let quick = |c: &mut Config| c.handshake_timeout = Duration::from_millis(300);
    for net_type in [NetType::P2p, NetType::Direct] {
        for says in [true, false] {
            let (secure, classic) =
                (node(quick), node(|c| (c.dialect, c.net_type) = (Dialect::Classic, net_type)));
            // A classic node shows its program a connection to anybody, as ever.
            let conn = classic.request(|net| net.connect(&secure.listens().to_string())).unwrap().conn;
            if says {
                // What a direct net says first may have ended it already.
                let _ = classic.net.send_line(conn, b"hello");
            }
            let closed = classic.expect(Kind::Closed);
            assert!(closed.text().contains(WHAT), "{net_type:?} {says}: {closed:?}");
            let log = secure.expect(Kind::Log);
            assert!(log.text().contains(WHAT), "{net_type:?} {says}: {log:?}");
            assert!(secure.net.conns().is_empty() && secure.net.stats().opened == 0);
        }
        let (secure, classic) =
            (node(quick), node(|c| (c.dialect, c.net_type) = (Dialect::Classic, net_type)));
        let e = secure.request(|net| net.connect(&classic.listens().to_string())).unwrap_err();
        assert_eq!(e.code, Code::Timeout);
        assert!(e.message.contains(WHAT), "{e}");
        // On a direct net nothing is shown before the nonce is whole.
        let told = if net_type == NetType::P2p { Kind::Closed } else { Kind::Log };
        let told = classic.expect(told);
        assert!(told.text().contains(WHAT), "{net_type:?}: {told:?}");
    }
}

#[test]
fn a_node_of_defaults_is_secure() {
    let defaults =
        || TestNode::start(Config { passive_bind: Some(loopback()), ..Config::default() }).unwrap();
    let (alice, bob) = (defaults(), defaults());
    let (a, b) = connect(&alice, &bob);
    let keys =
        [(&alice, a), (&bob, b)].map(|(node, conn)| node.net.conn_info(conn).unwrap().peer_key.unwrap());
    assert_ne!(keys[0], keys[1]);
    let unl = Info::parse(&bob.net.unl().unwrap()).unwrap();
    assert_eq!((unl.version, unl.identity), (3, Some(keys[0])));
    // No file was asked for, so the key is of this run alone.
    assert_ne!(Info::parse(&defaults().net.unl().unwrap()).unwrap().identity, unl.identity);
}

/// Ten thousand strangers who say nothing, or half of a greeting, from many addresses.
#[test]
fn ten_thousand_half_open_handshakes_leave_the_node_serving() {
    let files = p2pnet::server::raise_open_files();
    assert!(files.is_none_or(|files| files > 11_000), "this test needs 11,000 open files: {files:?}");
    let alice = node(|_| {});
    let bob = node(|c| c.max_inbound = 4);
    let at = bob.listens();
    let mut strangers: Vec<TcpStream> = Vec::new();
    let mut refused = 0;
    for i in 0..10_000u32 {
        let [.., c, d] = i.to_be_bytes();
        let from = IpAddr::from([127, 200 + (i >> 12) as u8, c, d.max(1)]);
        match stranger(from, at) {
            Ok(mut stranger) => {
                let _ = stranger.write_all(&[0, 179, 1, 7][..(i % 5) as usize]);
                strangers.push(stranger);
            }
            Err(_) => refused += 1,
        }
        if i % 2000 == 1999 {
            let (a, b) = connect(&alice, &bob);
            send(&alice, a, format!("after {i}").as_bytes(), false);
            assert_eq!(bob.expect(Kind::Line).text(), format!("after {i}"));
            alice.net.close(a).unwrap();
            alice.expect(Kind::Closed);
            bob.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == b);
        }
    }
    assert_eq!((refused, strangers.len()), (0, 10_000));
    assert!(bob.net.conns().is_empty());
    // All but the last few have been closed to make room.
    let still_open = strangers.iter().filter(|s| is_open(s)).count();
    assert!(still_open <= 128, "{still_open} are still open");
    assert!(bob.net.stats().rejected >= 9_000);
}

fn stranger(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.connect(&to.into())?;
    Ok(socket.into())
}

fn is_open(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    matches!(stream.read(&mut [0; 8]), Err(e) if e.kind() == ErrorKind::WouldBlock)
}

/// Who opens many displaces himself, not others.
#[test]
fn a_flooder_does_not_displace_a_slow_stranger() {
    // He goes only if he is displaced.
    let bob = node(|c| c.handshake_timeout = HUNG);
    let at = bob.listens();
    let slow = stranger([127, 9, 9, 9].into(), at).unwrap();
    let flood: Vec<_> = (0..1000).map(|_| stranger([127, 8, 8, 8].into(), at).unwrap()).collect();
    let start = Instant::now();
    while bob.net.stats().rejected < 1000 - 128 {
        assert!(start.elapsed() < HUNG, "hung: {:?}", bob.net.stats());
        std::thread::yield_now();
    }
    assert!(is_open(&slow));
    drop(flood);
}

/// Only peers that are known take a place, and never one too many.
#[test]
fn places_are_for_known_peers() {
    let bob = node(|c| c.max_inbound = 2);
    let at = bob.listens();
    let _silent: Vec<_> = (1..20u8).map(|i| stranger([127, 7, 7, i].into(), at).unwrap()).collect();
    let peers: Vec<_> = (0..6).map(|_| node(|_| {})).collect();
    std::thread::scope(|scope| {
        for peer in &peers {
            let at = at.to_string();
            scope.spawn(move || peer.request(|net| net.connect(&at)).is_ok());
        }
    });
    bob.expect(Kind::Opened);
    bob.expect(Kind::Opened);
    assert_eq!(bob.net.conns().len(), 2);
    assert_eq!(bob.net.stats().opened, 2);
}
