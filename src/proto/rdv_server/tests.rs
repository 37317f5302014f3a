//! Each rule of the rendezvous server on its own: addresses, lists, connections. What simultaneous nodes do is in [`fights`], the two ways
//! to be answered in [`answers`],
//! signalling in [`signal`], random use of it all in [`random`].

use super::*;
use crate::proto::rdv_msg::MAX_LINE;

mod answers;
mod fights;
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
fn quit_closes() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    assert_eq!(w.ask(conn, "QUIT"), ["<quit>"]);
    assert!(w.ask(conn, "SOURCE TCP").is_empty());
    assert_eq!(w.server.connections(), 0);
}

#[test]
fn who_asks_again_has_his_whole_time_again() {
    let mut w = World::new();
    let conn = w.open("1.1.1.1");
    for _ in 0..5 {
        assert_eq!(w.ask(conn, "SOURCE TCP"), ["REMOTE TCP 1025"]);
        w.pass(100);
        w.server.on_timeout(w.now);
        assert_eq!(w.said(), []);
        assert!(w.server.poll_timeout().unwrap() > w.now);
    }
    w.pass(19);
    w.server.on_timeout(w.now);
    assert_eq!((w.said(), w.server.poll_timeout()), (vec![], Some(w.now + Duration::from_secs(1))));
    w.pass(1);
    w.server.on_timeout(w.now);
    assert_eq!(w.said(), lines(conn, &["<idle>"]));
    assert!(w.server.deadlines.is_empty());
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
