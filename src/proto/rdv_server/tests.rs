//! Each rule of the rendezvous server on its own; random use of it is in [`random`], signalling
//! in [`signal`].

use super::*;
use crate::proto::rdv_msg::MAX_LINE;

mod random;
mod signal;

const UNIX: f64 = 1_700_000_000.0;

/// A server and its clock.
struct World {
    server: Rendezvous,
    now: Instant,
    start: Instant,
    port: u16,
}

impl World {
    fn new() -> World {
        World::with(Limits::default())
    }

    fn with(limits: Limits) -> World {
        let now = Instant::now();
        let mut server = Rendezvous::new(limits, 7);
        server.set_signal(signal::fake_verify, [7; 32]);
        World { server, now, start: now, port: 1024 }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn unix(&self) -> f64 {
        UNIX + (self.now - self.start).as_secs_f64()
    }

    fn open(&mut self, ip: &str) -> ConnId {
        self.port += 1;
        let peer = SocketAddr::new(ip.parse().unwrap(), self.port);
        self.server.open(self.now, peer).unwrap()
    }

    fn say(&mut self, conn: ConnId, line: &str) {
        let unix = self.unix();
        self.server.line(self.now, unix, conn, line.as_bytes());
    }

    /// Everything sent and closed since the last call.
    fn said(&mut self) -> Vec<(ConnId, String)> {
        std::iter::from_fn(|| self.server.poll_output())
            .filter_map(|output| match output {
                Output::Send { conn, reply } => Some((conn, reply.to_string())),
                Output::Close { conn, reason } => Some((conn, format!("<{}>", reason.word()))),
                Output::Relay { conn, token } => Some((conn, format!("<to relay {token}>"))),
                Output::Log(_) => None,
            })
            .collect()
    }

    /// Says one line and returns what was sent to the same connection; nothing may be sent to others.
    fn ask(&mut self, conn: ConnId, line: &str) -> Vec<String> {
        self.said();
        self.say(conn, line);
        let said = self.said();
        assert!(said.iter().all(|(to, _)| *to == conn), "{said:?}");
        said.into_iter().map(|(_, line)| line).collect()
    }

    fn node(&mut self, ip: &str) -> ConnId {
        let conn = self.open(ip);
        self.say(conn, "SIMULTANEOUS READY 0 0");
        self.said();
        conn
    }

    fn passive(&mut self, ip: &str, port: u16) {
        let conn = self.open(ip);
        self.say(conn, &format!("PASSIVE READY {port} 10"));
        self.server.closed(self.now, conn);
        self.said();
    }
}

fn lines(conn: ConnId, lines: &[&str]) -> Vec<(ConnId, String)> {
    lines.iter().map(|line| (conn, line.to_string())).collect()
}

#[test]
fn source_tcp_tells_the_port_we_see() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    assert_eq!(w.ask(conn, "SOURCE TCP 40001"), ["REMOTE TCP 1025"]);
    assert_eq!(w.ask(conn, "SOURCE TCP"), ["REMOTE TCP 1025"]);
}

#[test]
fn observe_tells_the_address_we_see_and_where_else_we_are() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    assert_eq!(w.ask(conn, "OBSERVE"), ["OBSERVED 1.1.1.1 1025"], "nothing is known of our own address");
    w.server.set_endpoints(Endpoints {
        rendezvous: vec!["0.0.0.0:8000".parse().unwrap(), "0.0.0.0:8001".parse().unwrap()],
        http: vec!["0.0.0.0:8080".parse().unwrap()],
        alternates: vec!["192.0.2.2".parse().unwrap()],
    });
    let (peer, local) = ("[::ffff:1.1.1.2]:5".parse().unwrap(), "192.0.2.1:8001".parse().unwrap());
    let conn = w.server.open_at(w.now, peer, Some(local)).unwrap();
    assert_eq!(w.ask(conn, "OBSERVE"), ["OBSERVED 1.1.1.2 5 next=8000 http=8080 alt=192.0.2.2"]);
    assert_eq!(w.ask(conn, "OBSERVE please"), ["OBSERVED 1.1.1.2 5 next=8000 http=8080 alt=192.0.2.2"]);
    assert_eq!(w.server.counters().observe, 3);
}

#[test]
fn bootstrap_names_passive_nodes_but_not_the_asker_nor_loopback() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    assert_eq!(w.ask(conn, "BOOTSTRAP 10"), ["NODES EMPTY"]);
    w.passive("1.1.1.1", 5);
    w.passive("127.0.0.1", 6);
    w.node("2.2.2.2");
    assert_eq!(w.ask(conn, "BOOTSTRAP 10"), ["NODES EMPTY"]);
    w.passive("127.0.0.2", 7);
    assert_eq!(w.ask(conn, "BOOTSTRAP 1"), ["NODES p:127.0.0.2:7 "]);
    w.passive("127.0.0.2", 8);
    assert_eq!(w.ask(conn, "BOOTSTRAP 100"), ["NODES p:127.0.0.2:8 "], "registering again replaces");
    let other = w.open("3.3.3.3");
    let answer = w.ask(other, "BOOTSTRAP 100").concat();
    assert!(answer.contains("p:1.1.1.1:5 ") && answer.contains("p:127.0.0.2:8 ") && !answer.contains(":6"));
}

#[test]
fn loopback_can_be_listed_for_tests() {
    let mut w = World::with(Limits { list_loopback: true, ..Limits::default() });
    w.passive("127.0.0.1", 6);
    let conn = w.open("127.0.0.2");
    assert_eq!(w.ask(conn, "BOOTSTRAP 5"), ["NODES p:127.0.0.1:6 "]);
}

#[test]
fn bootstrap_names_nodes_of_the_same_network() {
    let mut w = World::new();
    let listed = |w: &mut World, ip: &str, network: &str| {
        let conn = w.open(ip);
        w.say(conn, network);
        w.say(conn, "PASSIVE READY 5 10");
        w.server.closed(w.now, conn);
        w.said();
    };
    w.passive("1.1.1.1", 5);
    listed(&mut w, "2.2.2.2", "NETWORK a");
    listed(&mut w, "3.3.3.3", "NETWORK b");
    // One that cannot be read is as none.
    listed(&mut w, "4.4.4.4", "NETWORK a.b");
    let conn = w.open("9.9.9.9");
    let answer = w.ask(conn, "BOOTSTRAP 9").concat();
    assert!(
        answer.len() == "NODES p:1.1.1.1:5 p:4.4.4.4:5 ".len() && answer.contains("p:4.4.4.4:5 "),
        "{answer}"
    );
    for (network, nodes) in [("a", "NODES p:2.2.2.2:5 "), ("b", "NODES p:3.3.3.3:5 "), ("c", "NODES EMPTY")] {
        assert_eq!(w.ask(conn, &format!("NETWORK {network}")), [""; 0], "it has no answer");
        assert_eq!(w.ask(conn, "BOOTSTRAP 9"), [nodes]);
    }
    assert_eq!(w.server.passive_nodes(), (4, 0));
    // An address has one place, whatever the network.
    listed(&mut w, "2.2.2.2", "NETWORK c");
    assert_eq!(w.ask(conn, "BOOTSTRAP 9"), ["NODES p:2.2.2.2:5 "]);
    assert_eq!(w.server.passive_nodes(), (4, 0));
    w.say(conn, "CLEAR");
    let conn = w.open("2.2.2.2");
    w.say(conn, "CLEAR");
    assert_eq!(w.server.passive_nodes(), (3, 0));
}

#[test]
fn bootstrap_out_of_range_is_silent() {
    let mut w = World::new();
    w.passive("2.2.2.2", 5);
    let conn = w.open("1.1.1.1");
    for line in ["BOOTSTRAP 0", "BOOTSTRAP 101", "BOOTSTRAP 99999999999999999999", "BOOTSTRAP", "BOOTSTRAP x"]
    {
        assert!(w.ask(conn, line).is_empty(), "{line}");
    }
}

#[test]
fn bootstrap_keeps_the_families_apart() {
    let mut w = World::new();
    w.passive("2.2.2.2", 5);
    w.passive("2001:db8::2", 6);
    let (v4, v6, mapped) = (w.open("1.1.1.1"), w.open("2001:db8::1"), w.open("::ffff:1.1.1.2"));
    assert_eq!(w.ask(v4, "BOOTSTRAP 9"), ["NODES p:2.2.2.2:5 "]);
    assert_eq!(w.ask(v6, "BOOTSTRAP 9"), ["NODES p:[2001:db8::2]:6 "]);
    assert_eq!(w.ask(mapped, "BOOTSTRAP 9"), ["NODES p:2.2.2.2:5 "]);
}

#[test]
fn a_port_nobody_can_connect_to_is_not_listed() {
    let mut w = World::new();
    let node = w.open("2.2.2.2");
    let conn = w.open("1.1.1.1");
    for port in ["0", "65536", "99999999999999999999"] {
        assert!(w.ask(node, &format!("PASSIVE READY {port} 1")).is_empty());
        assert_eq!(w.ask(conn, "BOOTSTRAP 9"), ["NODES EMPTY"]);
    }
    w.say(node, "PASSIVE READY 00080 1");
    assert_eq!(w.ask(conn, "BOOTSTRAP 9"), ["NODES p:2.2.2.2:80 "]);
}

#[test]
fn clear_forgets_everything_of_the_address() {
    let mut w = World::new();
    w.passive("2.2.2.2", 5);
    w.node("2.2.2.2");
    let asker = w.open("1.1.1.1");
    let conn = w.open("2.2.2.2");
    assert!(w.ask(conn, "CLEAR").is_empty());
    assert_eq!(w.ask(asker, "BOOTSTRAP 9"), ["NODES EMPTY"]);
    assert!(w.ask(asker, "CANDIDATE 2.2.2.2 TCP 1").is_empty());
    assert_eq!(w.server.simultaneous_nodes(), 0);
}

#[test]
fn passive_nodes_are_forgotten_after_a_day() {
    let mut w = World::new();
    w.passive("2.2.2.2", 5);
    w.pass(86_399);
    w.server.on_timeout(w.now);
    assert_eq!(w.server.passive_nodes(), (1, 0));
    w.pass(1);
    assert!(w.server.poll_timeout().unwrap() <= w.now);
    w.server.on_timeout(w.now);
    assert_eq!(w.server.passive_nodes(), (0, 0));
}

#[test]
fn challenge_accept_fight() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    let asker = w.open("1.1.1.1");
    w.said();
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10 11 12 13");
    assert_eq!(
        w.said(),
        [lines(asker, &["PREDICTION SET"]), lines(node, &["CHALLENGE 1.1.1.1 10 11 12 13 TCP"])].concat()
    );
    w.say(node, "ACCEPT 1.1.1.1 20 21 TCP 1700000000.123456");
    assert_eq!(w.said(), lines(asker, &["FIGHT 2.2.2.2 20 21 TCP 1700000000.123456"]));
    w.open("2.2.2.2");
    assert!(w.said().is_empty(), "an accepted challenge is not told again");
}

#[test]
fn accept_may_come_from_any_connection_of_the_nodes_address() {
    let mut w = World::new();
    w.node("2.2.2.2");
    let asker = w.open("1.1.1.1");
    w.say(asker, "CANDIDATE 2.2.2.2 UDP 10");
    let second = w.open("2.2.2.2");
    w.said();
    w.say(second, "ACCEPT 1.1.1.1 20 UDP 1700000000");
    assert_eq!(w.said(), lines(asker, &["FIGHT 2.2.2.2 20 UDP 1700000000"]));
    let stranger = w.open("3.3.3.3");
    assert!(w.ask(stranger, "ACCEPT 1.1.1.1 20 UDP 1700000000").is_empty());
}

#[test]
fn the_time_in_accept_must_be_within_ten_minutes() {
    for (time, taken) in [
        ("1699999400", true),
        ("1699999399.999", false),
        ("1700000600.9", true),
        ("1700000601", false),
        ("0", false),
        ("99999999999999999999", false),
    ] {
        let mut w = World::new();
        let node = w.node("2.2.2.2");
        let asker = w.open("1.1.1.1");
        w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
        w.said();
        w.say(node, &format!("ACCEPT 1.1.1.1 20 TCP {time}"));
        assert_eq!(w.said().len(), usize::from(taken), "{time}");
    }
}

#[test]
fn open_challenges_are_told_again() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    let (a, b) = (w.open("1.1.1.1"), w.open("1.1.1.2"));
    w.say(a, "CANDIDATE 2.2.2.2 TCP 10");
    w.said();
    let both = ["CHALLENGE 1.1.1.1 10 TCP", "CHALLENGE 1.1.1.2 11 TCP"];
    // With every further candidate,
    w.say(b, "CANDIDATE 2.2.2.2 TCP 11");
    assert_eq!(w.said(), [lines(b, &["PREDICTION SET"]), lines(node, &both)].concat());
    // with every connection from the node's address,
    let second = w.open("2.2.2.2");
    assert_eq!(w.said(), lines(node, &both));
    // with every registration, and then on the new channel.
    w.say(second, "SIMULTANEOUS READY 0 0");
    assert_eq!(w.said(), lines(second, &both));
    // A candidate that has left is not told any more.
    w.server.closed(w.now, a);
    w.open("2.2.2.2");
    assert_eq!(w.said(), lines(second, &both[1..]));
    // Nor one that is older than 120 s.
    w.pass(121);
    w.open("2.2.2.2");
    assert!(w.said().is_empty());
}

#[test]
fn a_newer_candidate_of_an_address_replaces_the_older() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    let (a, b) = (w.open("1.1.1.1"), w.open("1.1.1.1"));
    w.say(a, "CANDIDATE 2.2.2.2 TCP 10");
    w.said();
    w.say(b, "CANDIDATE 2.2.2.2 TCP 11");
    assert_eq!(
        w.said(),
        [lines(b, &["PREDICTION SET"]), lines(node, &["CHALLENGE 1.1.1.1 11 TCP"])].concat()
    );
    // The end of the older connection does not take the newer candidate along.
    w.server.closed(w.now, a);
    w.say(node, "ACCEPT 1.1.1.1 20 TCP 1700000000");
    assert_eq!(w.said(), lines(b, &["FIGHT 2.2.2.2 20 TCP 1700000000"]));
}

#[test]
fn a_node_not_heard_of_for_two_minutes_is_told_to_reconnect() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    w.pass(120);
    let early = w.open("1.1.1.1");
    w.said();
    w.say(early, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(w.said().len(), 2, "120 s is not yet too long");
    w.server.closed(w.now, early);
    w.pass(1);
    let asker = w.open("1.1.1.1");
    w.said();
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(w.said(), [lines(asker, &["PREDICTION SET"]), lines(node, &["RECONNECT"])].concat());
    let again = w.open("2.2.2.2");
    assert_eq!(w.said(), lines(node, &["CHALLENGE 1.1.1.1 10 TCP"]), "the old channel is still there");
    w.server.closed(w.now, node);
    w.say(again, "SIMULTANEOUS READY 0 0");
    assert_eq!(w.said(), lines(again, &["CHALLENGE 1.1.1.1 10 TCP"]));
}

#[test]
fn a_candidate_needs_a_node_with_a_live_channel() {
    let mut w = World::new();
    let asker = w.open("1.1.1.1");
    assert!(w.ask(asker, "CANDIDATE 2.2.2.2 TCP 10").is_empty());
    w.passive("2.2.2.2", 5);
    assert!(w.ask(asker, "CANDIDATE 2.2.2.2 TCP 10").is_empty());
    let node = w.node("2.2.2.2");
    w.server.closed(w.now, node);
    assert!(w.ask(asker, "CANDIDATE 2.2.2.2 TCP 10").is_empty());
    // The end of an old channel leaves the new one alone.
    let (old, new) = (w.node("2.2.2.2"), w.node("2.2.2.2"));
    w.server.closed(w.now, old);
    w.said();
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(
        w.said(),
        [lines(asker, &["PREDICTION SET"]), lines(new, &["CHALLENGE 1.1.1.1 10 TCP"])].concat()
    );
}

#[test]
fn a_node_has_at_most_a_hundred_candidates() {
    let mut w = World::new();
    w.node("2.2.2.2");
    for n in 0..100 {
        let asker = w.open(&format!("1.1.1.{n}"));
        w.said();
        w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
        assert_eq!(w.said()[0], (asker, "PREDICTION SET".to_owned()));
    }
    let late = w.open("1.1.2.1");
    assert!(w.ask(late, "CANDIDATE 2.2.2.2 TCP 10").is_empty());
    let known = w.open("1.1.1.50");
    w.said();
    w.say(known, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(w.said()[0].1, "PREDICTION SET", "one of the hundred may try again");
    assert_eq!(w.server.candidates(), 100);
}

#[test]
fn a_connection_challenges_a_bounded_number_of_nodes() {
    let mut w = World::with(Limits { candidates_per_connection: 2, ..Limits::default() });
    let nodes: Vec<ConnId> = (0..3).map(|n| w.node(&format!("2.2.2.{n}"))).collect();
    let asker = w.open("1.1.1.1");
    for n in 0..3 {
        w.say(asker, &format!("CANDIDATE 2.2.2.{n} TCP 10"));
    }
    assert_eq!(w.said().iter().filter(|(to, _)| *to == asker).count(), 2);
    // Those that are over make room.
    w.pass(121);
    w.say(nodes[0], "SIMULTANEOUS READY 0 0");
    w.say(nodes[2], "SIMULTANEOUS READY 0 0");
    w.said();
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
    assert_eq!(w.said()[0], (asker, "PREDICTION SET".to_owned()));
}

#[test]
fn candidates_of_vanished_nodes_do_not_stay() {
    let mut w = World::new();
    let node = w.node("2.2.2.2");
    let asker = w.open("1.1.1.1");
    w.say(asker, "CANDIDATE 2.2.2.2 TCP 10");
    w.server.closed(w.now, node);
    // The asker stays and keeps talking.
    for _ in 0..11 {
        w.pass(60);
        w.say(asker, "SOURCE TCP");
        w.server.on_timeout(w.now);
    }
    assert_eq!(w.server.candidates(), 0);
    assert_eq!(w.server.connections(), 1);
}

#[test]
fn quit_closes() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    assert_eq!(w.ask(conn, "QUIT"), ["<quit>"]);
    assert!(w.ask(conn, "SOURCE TCP").is_empty());
    assert_eq!(w.server.connections(), 0);
}

#[test]
fn quiet_connections_are_closed_but_channels_are_not() {
    let mut w = World::new();
    let (silent, chatty, channel) = (w.open("1.1.1.1"), w.open("1.1.1.2"), w.node("2.2.2.2"));
    w.say(chatty, "SOURCE TCP");
    w.say(silent, "is this a web server?");
    w.said();
    assert_eq!(w.server.poll_timeout(), Some(w.now + Duration::from_secs(30)));
    w.pass(30);
    w.server.on_timeout(w.now);
    assert_eq!(w.said(), lines(silent, &["<no-request>"]));
    w.pass(90);
    w.server.on_timeout(w.now);
    assert_eq!(w.said(), lines(chatty, &["<idle>"]));
    w.pass(80_000);
    w.server.on_timeout(w.now);
    assert!(w.said().is_empty());
    assert_eq!(w.ask(channel, "SOURCE TCP").len(), 1);
}

#[test]
fn too_many_connections_are_refused() {
    let mut w = World::with(Limits { connections: 3, connections_per_address: 2, ..Limits::default() });
    let peer = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 9);
    let first = w.open("1.1.1.1");
    w.open("1.1.1.1");
    assert_eq!(w.server.open(w.now, peer("1.1.1.1")), Err(Refusal::ConnectionsOfAddress));
    w.open("1.1.1.2");
    assert_eq!(w.server.open(w.now, peer("1.1.1.3")), Err(Refusal::Connections));
    w.server.closed(w.now, first);
    assert!(w.server.open(w.now, peer("1.1.1.3")).is_ok());
}

#[test]
fn who_asks_too_often_is_closed() {
    let mut w = World::with(Limits { requests_per_second: 1, request_burst: 3, ..Limits::default() });
    let conn = w.open("1.1.1.1");
    assert_eq!(w.ask(conn, "SOURCE TCP").len(), 1);
    assert_eq!(w.ask(conn, "rubbish counts too").len(), 0);
    assert_eq!(w.ask(conn, "SOURCE TCP"), ["<rate>"]);
    let other = w.open("1.1.1.2");
    assert_eq!(w.ask(other, "SOURCE TCP").len(), 1);
}

#[test]
fn rubbish_is_ignored() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    w.said();
    let long = vec![b'1'; MAX_LINE];
    for line in [&b""[..], b"\xff\xfe", b"CANDIDATE 1.2.3.4 TCP \xff", &long] {
        w.server.line(w.now, UNIX, conn, line);
    }
    assert!(w.said().is_empty());
    assert_eq!(w.server.counters().ignored, 4);
    w.server.line(w.now, UNIX, ConnId(999), b"SOURCE TCP");
    assert!(w.said().is_empty());
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    let run = || {
        let mut w = World::new();
        (0..200).for_each(|n| w.passive(&format!("9.9.9.{n}"), 1000 + n));
        let conn = w.open("1.1.1.1");
        w.ask(conn, "BOOTSTRAP 20")
    };
    assert_eq!(run(), run());
}

#[test]
fn a_connection_for_the_relay_is_let_through_and_has_no_time_limit_here() {
    let mut w = World::new();
    let token = "0123456789abcdef0123456789abcdef";
    let a = w.open("1.1.1.1");
    w.say(a, "nonsense is answered by nothing");
    w.say(a, &format!("RELAY {token}"));
    assert_eq!(w.said(), [(a, format!("<to relay {token}>"))]);
    w.say(a, "OBSERVE");
    w.pass(1_000_000);
    w.server.on_timeout(w.now);
    assert_eq!(w.said(), []);
    assert_eq!(w.server.connections(), 1, "it counts");
    w.server.closed(w.now, a);
    assert_eq!(w.server.connections(), 0);
}

#[test]
fn relay_is_the_first_request_or_none() {
    let mut w = World::new();
    let (a, b) = (w.open("1.1.1.1"), w.open("1.1.1.1"));
    w.say(a, "ECHO x");
    w.said();
    w.say(a, "RELAY 0123456789abcdef0123456789abcdef");
    assert!(w.said()[0].1.starts_with("RELAY REFUSED ORDER "));
    w.say(b, "RELAY 0");
    let said = w.said();
    assert!(said[0].1.starts_with("RELAY REFUSED LINE "), "{said:?}");
    assert_eq!(said[1], (b, "<turned-away>".to_owned()));
    assert_eq!(w.server.connections(), 1);
    let mut off = World::with(Limits {
        relay: crate::proto::relay::RelayLimits { sessions: 0, ..Default::default() },
        ..Limits::default()
    });
    let a = off.open("1.1.1.1");
    off.say(a, "RELAY 0123456789abcdef0123456789abcdef");
    assert!(off.said()[0].1.starts_with("RELAY REFUSED OFF "));
}
