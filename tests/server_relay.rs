//! The relay with the real program, over loopback.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod server_support;

use server_support::*;
use socket2::SockRef;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn token(n: u32) -> String {
    format!("{:032x}", u128::from(n) + 1)
}

fn ask(server: &Daemon, from: &str, n: u32) -> Client {
    let mut client = server.client(from);
    client.say(&format!("RELAY {}", token(n)));
    client
}

/// Nothing was read ahead.
fn raw(client: Client) -> TcpStream {
    assert!(client.stream.buffer().is_empty());
    client.stream.into_inner()
}

/// Two clients between which the server passes bytes.
fn pair(server: &Daemon, n: u32) -> (TcpStream, TcpStream) {
    let mut a = ask(server, "127.0.0.2", n);
    assert_eq!(a.hear().unwrap(), "RELAY WAIT");
    let mut b = ask(server, "127.0.0.3", n);
    let go = b.hear().unwrap();
    assert!(go.starts_with("RELAY GO"), "{go}");
    assert_eq!(a.hear().unwrap(), go);
    (raw(a), raw(b))
}

fn number(server: &Daemon, name: &str) -> u64 {
    let page = server.get("/metrics").1;
    let line = page.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{name} in {page}"))
}

/// Until a number is what it should be; a watchdog and no more.
fn until(server: &Daemon, name: &str, is: u64) {
    let begin = Instant::now();
    loop {
        let n = number(server, name);
        if n == is {
            return;
        }
        assert!(begin.elapsed() < WATCHDOG, "hung: {name} is {n} and not {is}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn read(stream: &mut TcpStream, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// The next read meets a RST.
fn assert_reset(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let error = stream.read_to_end(&mut rest).expect_err("an orderly end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..n).map(|_| rng.u8(..)).collect()
}

#[test]
fn bytes_pass_both_ways_unchanged_and_ends_too() {
    let server = Daemon::start(&["--relay-rate", "0", "--relay-max-rate", "0"]);
    let (a, b) = pair(&server, 1);
    let n = 3_000_000;
    let talk = |stream: &TcpStream, seed: u64, expected: u64| {
        let (mut reader, mut writer) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
        let writing = thread::spawn(move || {
            for piece in noise(n, seed).chunks(70_001) {
                writer.write_all(piece).unwrap();
            }
            writer.shutdown(Shutdown::Write).unwrap();
        });
        thread::spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            writing.join().unwrap();
            assert!(got == noise(n, expected), "other bytes");
        })
    };
    let (first, second) = (talk(&a, 1, 2), talk(&b, 2, 1));
    first.join().unwrap();
    second.join().unwrap();
    until(&server, "p2p_relay_sessions", 0);
    assert_eq!(number(&server, "p2p_relay_ended_total{reason=\"closed\"}"), 1);
    assert!(number(&server, "p2p_relay_bytes_total") >= 2 * n as u64);
    until(&server, "p2p_rendezvous_connections", 0);
}

#[test]
fn what_is_sent_ahead_arrives_behind_go() {
    let server = Daemon::start(&[]);
    let mut a = server.client("127.0.0.2");
    // In one piece with the line, so that the server reads both at once; and more than it keeps while nobody is there.
    let ahead = noise(20_000, 3);
    let line = format!("RELAY {}\r\n", token(5));
    a.stream.get_mut().write_all(&[line.as_bytes(), &ahead].concat()).unwrap();
    assert_eq!(a.hear().unwrap(), "RELAY WAIT");
    let mut b = ask(&server, "127.0.0.3", 5);
    assert!(b.hear().unwrap().starts_with("RELAY GO"));
    let mut got = vec![0; ahead.len()];
    b.stream.read_exact(&mut got).unwrap();
    assert!(got == ahead, "other bytes");
}

#[test]
fn one_may_say_all_and_go_on_listening() {
    let server = Daemon::start(&[]);
    let (mut a, mut b) = pair(&server, 1);
    a.write_all(b"question").unwrap();
    a.shutdown(Shutdown::Write).unwrap();
    let mut got = String::new();
    b.read_to_string(&mut got).unwrap();
    assert_eq!(got, "question");
    b.write_all(b"answer").unwrap();
    assert_eq!(read(&mut a, 6), b"answer");
    assert_eq!(number(&server, "p2p_relay_sessions"), 1);
    drop(b);
    assert_eq!(a.read(&mut [0; 1]).unwrap(), 0);
    until(&server, "p2p_relay_sessions", 0);
}

#[test]
fn a_broken_connection_breaks_the_other() {
    let server = Daemon::start(&[]);
    let (a, mut b) = pair(&server, 1);
    SockRef::from(&a).set_linger(Some(Duration::ZERO)).unwrap();
    drop(a);
    assert_reset(&mut b);
    until(&server, "p2p_relay_ended_total{reason=\"reset\"}", 1);
}

#[test]
fn a_third_comer_other_tokens_and_unreadable_lines() {
    let server = Daemon::start(&[]);
    let (mut a, mut b) = pair(&server, 1);
    let mut third = ask(&server, "127.0.0.4", 1);
    assert!(third.hear().unwrap().starts_with("RELAY REFUSED TOKEN expected another token"));
    assert_eq!(third.hear(), None);
    let mut other = ask(&server, "127.0.0.4", 2);
    assert_eq!(other.hear().unwrap(), "RELAY WAIT", "another token is another meeting");
    for line in ["RELAY", "RELAY x", &format!("RELAY {}0", token(3)), &format!("RELAY {} ", token(3))] {
        let mut client = server.client("127.0.0.5");
        assert!(client.ask(line).starts_with("RELAY REFUSED LINE expected RELAY TOKEN"), "{line:?}");
        assert_eq!(client.hear(), None);
    }
    // Behind another request there is no telling what else is under way.
    let mut late = server.client("127.0.0.5");
    late.sync();
    assert!(late.ask(&format!("RELAY {}", token(2))).starts_with("RELAY REFUSED ORDER "));
    late.sync();
    // Lines are nothing special any more.
    a.write_all(b"QUIT\r\nRELAY WAIT\r\n").unwrap();
    assert_eq!(read(&mut b, 18), b"QUIT\r\nRELAY WAIT\r\n");
    assert_eq!(number(&server, "p2p_relay_refused_total{reason=\"token\"}"), 1);
    assert_eq!(number(&server, "p2p_relay_refused_total{reason=\"line\"}"), 4);
    assert_eq!(number(&server, "p2p_relay_waiting"), 1);
}

#[test]
fn hostile_bytes_do_no_harm() {
    let server = Daemon::start(&[]);
    let mut flood = server.client("127.0.0.5");
    // A line without end.
    let _ = flood.stream.get_mut().write_all(&vec![b'R'; 40_000]);
    assert_eq!(flood.hear(), None);
    for seed in 0..50 {
        let mut client = server.client("127.0.0.6");
        let junk = noise(2_000, seed);
        let _ = client.stream.get_mut().write_all(&[b"RELAY ", &junk[..], b"\r\n"].concat());
        drop(client);
    }
    let (mut a, mut b) = pair(&server, 1);
    a.write_all(b"still here").unwrap();
    assert_eq!(read(&mut b, 10), b"still here");
    let hasty = Daemon::start(&["--first-request-timeout", "1"]);
    let mut half = hasty.client("127.0.0.5");
    half.stream.get_mut().write_all(b"RELAY 0000").unwrap();
    assert_eq!(half.hear(), None, "its time is up");
}

#[test]
fn limits_of_waiting() {
    let server = Daemon::start(&["--relay-max-waiting", "3", "--relay-max-per-address", "2"]);
    let mut here: Vec<Client> = (0..2).map(|n| ask(&server, "127.0.0.2", n)).collect();
    here.iter_mut().for_each(|client| assert_eq!(client.hear().unwrap(), "RELAY WAIT"));
    assert!(ask(&server, "127.0.0.2", 9).hear().unwrap().starts_with("RELAY REFUSED ADDRESS "));
    let mut other = ask(&server, "127.0.0.3", 5);
    assert_eq!(other.hear().unwrap(), "RELAY WAIT");
    assert!(ask(&server, "127.0.0.3", 6).hear().unwrap().starts_with("RELAY REFUSED FULL "));
    // One that vanishes makes room.
    drop(here.pop());
    until(&server, "p2p_relay_waiting", 2);
    assert_eq!(ask(&server, "127.0.0.3", 6).hear().unwrap(), "RELAY WAIT");
}

#[test]
fn whoever_waits_in_vain_is_told() {
    let server = Daemon::start(&["--relay-wait-timeout", "0.3"]);
    let mut a = ask(&server, "127.0.0.2", 1);
    assert_eq!(a.hear().unwrap(), "RELAY WAIT");
    assert_eq!(a.hear().unwrap(), "RELAY REFUSED TIME expected the other one within 0.3 s");
    assert_eq!(a.hear(), None);
    until(&server, "p2p_rendezvous_connections", 0);
}

#[test]
fn a_dead_end_and_a_silent_session_are_cut() {
    let server = Daemon::start(&["--relay-idle-timeout", "0.5", "--relay-rate", "0"]);
    let (mut a, mut b) = pair(&server, 1);
    assert_reset(&mut a);
    assert_reset(&mut b);
    // One end takes nothing: the other one may send until all buffers are full, and is cut then.
    let (mut a, b) = pair(&server, 2);
    let piece = vec![1; 65_536];
    let error = loop {
        if let Err(error) = a.write_all(&piece) {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    drop(b);
    until(&server, "p2p_relay_ended_total{reason=\"idle\"}", 2);
}

#[test]
fn a_session_that_has_had_its_bytes_is_cut() {
    let server = Daemon::start(&["--relay-max-bytes", "100000", "--relay-rate", "0"]);
    let (mut a, mut b) = pair(&server, 1);
    let _ = a.write_all(&vec![7; 400_000]);
    let mut got = Vec::new();
    let mut buffer = [0; 65_536];
    while let Ok(n @ 1..) = b.read(&mut buffer) {
        got.extend_from_slice(&buffer[..n]);
    }
    assert!(got.len() <= 100_000 + 32_768, "{}", got.len());
    assert!(got.iter().all(|byte| *byte == 7));
    until(&server, "p2p_relay_ended_total{reason=\"bytes\"}", 1);
}

/// How long it takes to pass so many bytes.
fn pass(from: &TcpStream, to: &mut TcpStream, n: usize) -> Duration {
    let begin = Instant::now();
    let mut from = from.try_clone().unwrap();
    let writing = thread::spawn(move || from.write_all(&vec![3; n]).unwrap());
    read(to, n);
    writing.join().unwrap();
    begin.elapsed()
}

#[test]
fn no_faster_than_the_rate() {
    let server = Daemon::start(&["--relay-rate", "200000", "--relay-burst", "100000"]);
    let (a, mut b) = pair(&server, 1);
    // 100,000 at once, the rest at the rate. (Slower it may be: the machine is not ours alone.)
    let took = pass(&a, &mut b, 300_000);
    assert!(took >= Duration::from_millis(800), "{took:?}");
    let all = Daemon::start(&["--relay-rate", "0", "--relay-max-rate", "200000"]);
    let (a, mut b) = pair(&all, 1);
    let (c, mut d) = pair(&all, 2);
    let begin = Instant::now();
    let other = thread::spawn(move || pass(&c, &mut d, 100_000));
    pass(&a, &mut b, 100_000);
    other.join().unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(700), "{:?}", begin.elapsed());
}

/// A quiet session is served while others send all they can, and those share what there is.
#[test]
fn floods_take_turns_and_do_not_hold_up_a_quiet_one() {
    let server = Daemon::start(&["--relay-rate", "0", "--relay-max-rate", "2000000"]);
    let floods: Vec<_> = (0..8).map(|n| pair(&server, n)).collect();
    let (mut a, mut b) = pair(&server, 100);
    static STOP: AtomicBool = AtomicBool::new(false);
    let shares: Arc<[AtomicUsize]> = floods.iter().map(|_| AtomicUsize::new(0)).collect();
    let floods: Vec<_> = floods
        .into_iter()
        .enumerate()
        .map(|(i, (mut from, mut to))| {
            let shares = Arc::clone(&shares);
            thread::spawn(move || {
                while !STOP.load(Ordering::Relaxed) {
                    let _ = from.write_all(&[9; 65_536]);
                }
            });
            thread::spawn(move || {
                let mut buffer = vec![0; 65_536];
                while !STOP.load(Ordering::Relaxed) {
                    shares[i].fetch_add(to.read(&mut buffer).unwrap_or(0), Ordering::Relaxed);
                }
            })
        })
        .collect();
    // Thirty round trips: behind the floods, in a queue of their own bytes, each would take seconds.
    let begin = Instant::now();
    for n in 0..30u8 {
        a.write_all(&[n]).unwrap();
        assert_eq!(read(&mut b, 1), [n]);
        b.write_all(&[n]).unwrap();
        assert_eq!(read(&mut a, 1), [n]);
    }
    let quiet = begin.elapsed();
    // Whose threads do not get the CPU for a while takes less meanwhile, and that is not the relay's doing. So a while is looked for in
    // which all of them took; where turns are not fair, there is none.
    let (mut before, mut passed) = (vec![0; shares.len()], 0);
    loop {
        passed += 6_000_000;
        until_at_least(&server, "p2p_relay_bytes_total", passed);
        let now: Vec<usize> = shares.iter().map(|share| share.load(Ordering::Relaxed)).collect();
        let got: Vec<usize> = now.iter().zip(&before).map(|(now, before)| now - before).collect();
        let (least, most) = (*got.iter().min().unwrap(), *got.iter().max().unwrap());
        if least * 2 > most {
            eprintln!("30 round trips beside 8 floods: {quiet:?}; the floods had {least} to {most} bytes");
            break;
        }
        assert!(begin.elapsed() < WATCHDOG, "{got:?}");
        (before, passed) = (now, passed.max(number(&server, "p2p_relay_bytes_total")));
    }
    STOP.store(true, Ordering::Relaxed);
    floods.into_iter().for_each(|flood| flood.join().unwrap());
    assert!(quiet < WATCHDOG, "{quiet:?}");
}

fn until_at_least(server: &Daemon, name: &str, least: u64) {
    let begin = Instant::now();
    while number(server, name) < least {
        assert!(begin.elapsed() < WATCHDOG, "hung: {name}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_thousand_sessions_at_once_cost_little() {
    let options = ["--relay-max-per-address", "2000", "--relay-max-sessions", "2000"];
    let rates = ["--max-connections-per-address", "3000", "--request-burst", "100000"];
    let server = Daemon::start(&[&options[..], &rates].concat());
    // 2,000 sockets here, and as many there.
    let files = p2pnet::server::raise_open_files();
    let sessions = if files.is_some_and(|files| files < 2_500) { 400 } else { 1_000 };
    let (mut a, mut b) = pair(&server, 1_000_000);
    a.write_all(b"warm").unwrap();
    assert_eq!(read(&mut b, 4), b"warm");
    let before = memory(&server);
    let mut pairs: Vec<_> = (0..sessions).map(|n| pair(&server, n)).collect();
    for (n, (a, b)) in pairs.iter_mut().enumerate() {
        a.write_all(&n.to_be_bytes()).unwrap();
        assert_eq!(read(b, 8), n.to_be_bytes());
    }
    assert_eq!(number(&server, "p2p_relay_sessions"), u64::from(sessions) + 1);
    let each = (memory(&server) - before) / u64::from(sessions);
    eprintln!("{each} bytes for each of {sessions} sessions");
    assert!(each < 16_384, "{each} bytes for each session");
    drop(pairs);
    until(&server, "p2p_relay_sessions", 1);
    until(&server, "p2p_rendezvous_connections", 2);
}

/// What the server's process holds.
fn memory(server: &Daemon) -> u64 {
    let page = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
fn switched_off() {
    let server = Daemon::start(&["--no-relay"]);
    let mut a = ask(&server, "127.0.0.2", 1);
    assert!(a.hear().unwrap().starts_with("RELAY REFUSED OFF expected another server"));
    assert_eq!(a.hear(), None);
}

#[test]
fn a_server_that_stops_ends_sessions_and_those_who_wait() {
    let mut server = Daemon::start(&[]);
    let (mut a, mut b) = pair(&server, 1);
    let mut c = ask(&server, "127.0.0.2", 2);
    assert_eq!(c.hear().unwrap(), "RELAY WAIT");
    server.signal("TERM");
    assert!(server.wait().success());
    assert_eq!(c.hear(), None);
    assert!(matches!(a.read(&mut [0; 1]), Ok(0) | Err(_)));
    assert!(matches!(b.read(&mut [0; 1]), Ok(0) | Err(_)));
}
