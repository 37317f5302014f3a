//! Nodes that relay for their network, on loopback: peers that nothing else connects, and strangers.
#![cfg(all(feature = "server", feature = "testing", feature = "relay"))]
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use p2pnet::config::{Config, Dialect, ServerKind};
use p2pnet::error::Code;
use p2pnet::event::{Event, Kind, LogLevel, Path, Via};
use p2pnet::proto::network::{NetworkId, NetworkKey};
use p2pnet::proto::rdv_msg::{RelayProof, RelayToken};
use p2pnet::proto::relay::Membership;
use p2pnet::proto::unl::Info;
use p2pnet::testing::{self, TestNode, Testnet, quiet, talk, until};

fn basics(config: &mut Config) {
    quiet(config);
    config.log_level = LogLevel::Debug;
    config.unl_connect_timeout = Duration::from_secs(20);
    // Volunteers are named by others, and here they are all on loopback.
    config.local_peers = true;
}

/// What whoever says something else than a greeting is told.
const NO_GREETING: &str = "\0\u{1}\u{3}";

/// A server that does not relay.
fn testnet() -> Testnet {
    Testnet::with(|config| config.limits.relay.sessions = 0).unwrap()
}

/// A node that cannot be reached, and reaches nobody by itself; who can be reached may connect to it at its wish.
fn hidden(testnet: &Testnet, change: impl FnOnce(&mut Config)) -> TestNode {
    let node = testnet
        .node(|config| {
            basics(config);
            testing::hidden(config);
            change(config);
        })
        .unwrap();
    node.logged("signalling: entered");
    node
}

/// A node that relays, and where.
fn volunteer(testnet: &Testnet, change: impl FnOnce(&mut Config)) -> (TestNode, String) {
    let node = testnet
        .node(|config| {
            basics(config);
            config.volunteer.sessions = 4;
            config.volunteer.waiting = 4;
            // No server tells it: on loopback there is no outside.
            config.wan_ip = config.passive_bind;
            change(config);
        })
        .unwrap();
    node.logged("this node relays for its network at ");
    let at = node.listens().to_string();
    assert_eq!(relays(&node), [&at[..]]);
    (node, at)
}

/// The relays that a node's locator names.
fn relays(node: &TestNode) -> Vec<String> {
    let info = Info::parse(&node.net.unl().unwrap()).unwrap();
    info.relays.iter().map(ToString::to_string).collect()
}

fn connect(from: &TestNode, to: &TestNode) -> (u64, Event) {
    let request = from.net.unl_connect(&to.net.unl().unwrap()).unwrap();
    (request, from.done(request))
}

/// Connects a hidden node to one that relays; its own locator names that one then.
fn meet(node: &TestNode, volunteer: &TestNode, at: &str) {
    let (request, end) = connect(node, volunteer);
    assert_eq!(end.result, Ok(()), "{end:?}\n{}", node.story(request));
    until("the locator names it", || relays(node).first().is_some_and(|first| first == at));
    volunteer.wait_for("OPENED", |e| e.kind == Kind::Opened);
    node.wait_for("OPENED", |e| e.kind == Kind::Opened);
}

/// Two are connected by the relay at `at`, and can talk.
fn relayed(alice: &TestNode, bob: &TestNode, at: &str) -> (u64, u64) {
    let (request, end) = connect(alice, bob);
    assert_eq!(end.result, Ok(()), "{end:?}\n{}", alice.story(request));
    let b = bob.wait_for("OPENED", |e| e.kind == Kind::Opened).conn;
    alice.wait_for("OPENED", |e| e.kind == Kind::Opened);
    for (node, conn) in [(alice, end.conn), (bob, b)] {
        let info = node.net.conn_info(conn).unwrap();
        assert_eq!((info.via, info.relay.as_str(), info.path), (Via::Relay, at, Path::First));
    }
    talk(alice, end.conn, bob, b, 100);
    (end.conn, b)
}

/// Somebody who says RELAY without being a node.
struct Raw(BufReader<TcpStream>);

impl Raw {
    fn to(at: &str) -> Raw {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Raw(BufReader::new(stream))
    }

    fn says(at: &str, line: &str) -> Raw {
        let mut raw = Raw::to(at);
        raw.write(format!("{line}\r\n").as_bytes());
        raw
    }

    /// As a node of that network.
    fn asks(at: &str, token: u8, of: &Membership) -> Raw {
        let token = RelayToken([token; 16]);
        Raw::says(at, &format!("RELAY {token} {}", of.proof(token)))
    }

    fn write(&mut self, bytes: &[u8]) {
        // It may have been cut off meanwhile.
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// The next line; "" when it was closed or reset.
    fn hears(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => panic!("hung: nothing was said"),
            _ => line.trim_end().to_owned(),
        }
    }
}

/// Two of a network that nobody else names meet there.
fn pair(at: &str, token: u8, of: &Membership) -> (Raw, Raw) {
    let mut first = Raw::asks(at, token, of);
    assert_eq!(first.hears(), "RELAY WAIT");
    let mut second = Raw::asks(at, token, of);
    assert!(second.hears().starts_with("RELAY GO"));
    assert!(first.hears().starts_with("RELAY GO"));
    (first, second)
}

/// A relay did not take the two, in its words or, where it has told the called one first, in that one's.
fn turned_away(text: &str, expected: &str) -> bool {
    let said =
        [format!("it does not relay us: {expected}"), "the peer refused: that relay did not take it".into()];
    said.iter().any(|said| text.contains(said))
}

fn nobody() -> Membership {
    Membership::new(None, None)
}

#[test]
fn a_node_relays_for_two_that_know_it() {
    let testnet = testnet();
    let (carol, at) = volunteer(&testnet, |_| {});
    let (alice, bob) = (hidden(&testnet, |_| {}), hidden(&testnet, |_| {}));
    // Before, there is no way, and the reason is told.
    let (_, end) = connect(&alice, &bob);
    assert_eq!(end.result, Err(Code::NoPath));
    assert!(end.text().contains("no relay: none of the signalling servers"), "{end:?}");
    meet(&alice, &carol, &at);
    meet(&bob, &carol, &at);
    let (a, b) = relayed(&alice, &bob, &at);
    carol.logged("relaying between ");
    assert_eq!(carol.net.conns().len(), 2, "the relayed one is none of its own");
    // The end is passed on, and all of it is given back.
    alice.net.close(a).unwrap();
    bob.wait_for("CLOSED", |e| e.kind == Kind::Closed && e.conn == b);
    carol.logged(", then: closed");
    // And once more, the other way round.
    relayed(&bob, &alice, &at);
}

#[test]
fn it_is_enough_that_one_of_the_two_knows_it() {
    let testnet = testnet();
    let (carol, at) = volunteer(&testnet, |_| {});
    let (alice, bob, dave) = (hidden(&testnet, |_| {}), hidden(&testnet, |_| {}), hidden(&testnet, |_| {}));
    meet(&alice, &carol, &at);
    // The caller; then the called one, whose answer names it.
    relayed(&alice, &bob, &at);
    relayed(&dave, &alice, &at);
    assert_eq!(relays(&bob), [""; 0], "what others say of others is not passed on");
}

#[test]
fn a_peer_that_was_found_by_its_address_says_so_itself() {
    let testnet = testnet();
    let (carol, at) = volunteer(&testnet, |_| {});
    let (alice, bob) = (hidden(&testnet, |_| {}), hidden(&testnet, |_| {}));
    alice.request(|net| net.connect(&at)).unwrap();
    until("the locator names it", || relays(&alice) == [&at[..]]);
    alice.expect(Kind::Opened);
    relayed(&bob, &alice, &at);
    drop(carol);
}

#[test]
fn one_that_is_full_is_passed_by() {
    let testnet = testnet();
    let (carol, at_carol) = volunteer(&testnet, |_| {});
    let (dave, at_dave) = volunteer(&testnet, |config| {
        (config.volunteer.sessions, config.volunteer.waiting) = (1, 1);
    });
    let (alice, bob) = (hidden(&testnet, |_| {}), hidden(&testnet, |_| {}));
    meet(&alice, &carol, &at_carol);
    // The last one is tried first.
    meet(&alice, &dave, &at_dave);
    assert_eq!(relays(&alice), [&at_dave[..], &at_carol[..]]);
    let _busy = pair(&at_dave, 1, &nobody());
    let (request, end) = connect(&alice, &bob);
    let told = alice.story(request);
    assert_eq!(end.result, Ok(()), "{end:?}\n{told}");
    assert_eq!(alice.net.conn_info(end.conn).unwrap().relay, at_carol);
    assert!(turned_away(&told, "expected at most 1 relayed connections"), "{told}");
    until("it is not the first any more", || relays(&alice) == [&at_carol[..], &at_dave[..]]);
}

/// Somebody who takes connections and says nothing, as a volunteer that hangs, or an address that a liar has named.
#[test]
fn one_that_says_nothing_is_passed_by() {
    let testnet = testnet();
    let (_carol, at) = volunteer(&testnet, |_| {});
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let named = |config: &mut Config| {
        config.add_server(ServerKind::Relay, &mute.local_addr().unwrap().to_string()).unwrap();
        config.add_server(ServerKind::Relay, &at).unwrap();
    };
    let (alice, bob) = (hidden(&testnet, named), hidden(&testnet, named));
    let (request, end) = connect(&alice, &bob);
    let told = alice.story(request);
    assert_eq!(end.result, Ok(()), "{end:?}\n{told}");
    assert_eq!(alice.net.conn_info(end.conn).unwrap().relay, at);
    assert!(told.contains("no answer within 3000 ms"), "{told}");
}

#[test]
fn when_it_stops_the_session_goes_on_by_another() {
    let testnet = testnet();
    let (carol, at_carol) = volunteer(&testnet, |_| {});
    let (dave, at_dave) = volunteer(&testnet, |_| {});
    let (alice, bob) = (hidden(&testnet, |_| {}), hidden(&testnet, |_| {}));
    for node in [&alice, &bob] {
        meet(node, &carol, &at_carol);
        meet(node, &dave, &at_dave);
    }
    let (a, b) = relayed(&alice, &bob, &at_dave);
    dave.net.stop();
    for (node, conn) in [(&alice, a), (&bob, b)] {
        let path =
            |code: Path| move |e: &Event| e.kind == Kind::Path && e.conn == conn && e.code == code as i32;
        node.wait_for("PATH lost", path(Path::Lost));
        let resumed = node.wait_for("PATH resumed", path(Path::Resumed));
        assert!(resumed.text().contains(&format!("by the relay {at_carol}")), "{resumed:?}");
        assert_eq!(node.net.conn_info(conn).unwrap().relay, at_carol);
    }
    talk(&alice, a, &bob, b, 100);
}

#[test]
fn with_a_network_key_strangers_are_not_relayed() {
    let testnet = testnet();
    let key = |n: u8| NetworkKey::new([n; 32]);
    let chess = Some(NetworkId::of("chess"));
    let of = |n: u8| move |config: &mut Config| (config.network, config.network_key) = (chess, Some(key(n)));
    let (carol, at) = volunteer(&testnet, of(1));
    // Lines that show nothing, or something else.
    let right = Membership::new(chess, Some(&key(1)));
    let token = RelayToken([1; 16]);
    let wrong = [
        format!("RELAY {token}"),
        format!("RELAY {token} {}", RelayProof([0; 16])),
        format!("RELAY {token} {}", right.proof(RelayToken([2; 16]))),
        format!("RELAY {token} {}", Membership::new(chess, None).proof(token)),
        format!("RELAY {token} {}", Membership::new(chess, Some(&key(2))).proof(token)),
        format!("RELAY {token} {}", Membership::new(None, Some(&key(1))).proof(token)),
    ];
    for line in wrong {
        let mut raw = Raw::says(&at, &line);
        assert_eq!(raw.hears(), "RELAY REFUSED MEMBER expected a node of the same network", "{line}");
        assert_eq!(raw.hears(), "");
    }
    drop(pair(&at, 3, &right));
    // Whole nodes whose programs name it.
    let named = |n: u8| {
        let at = at.clone();
        move |config: &mut Config| {
            of(n)(config);
            config.add_server(ServerKind::Relay, &at).unwrap();
        }
    };
    let (mallory, trudy) = (hidden(&testnet, named(2)), hidden(&testnet, named(2)));
    let (_, end) = connect(&mallory, &trudy);
    assert_eq!(end.result, Err(Code::NoPath));
    assert!(turned_away(&end.text(), "expected a node of the same network"), "{end:?}");
    let (alice, bob) = (hidden(&testnet, named(1)), hidden(&testnet, named(1)));
    relayed(&alice, &bob, &at);
    assert_eq!(carol.net.conns().len(), 0);
}

#[test]
fn off_by_default_and_of_no_use_where_nobody_gets_in() {
    let testnet = testnet();
    let carol = testnet.node(basics).unwrap();
    carol.logged("signalling: entered");
    assert_eq!(relays(&carol), [""; 0]);
    let mut raw = Raw::asks(&carol.listens().to_string(), 1, &nobody());
    assert_eq!(raw.hears(), NO_GREETING, "two bytes of that are enough");
    carol.logged("no handshake");
    // One that wants to, and cannot.
    let dave = hidden(&testnet, |config| config.volunteer.sessions = 4);
    dave.logged("this node would relay for its network, but nobody can reach it");
    assert_eq!(relays(&dave), [""; 0]);
    assert!(dave.net.report().to_json().contains("\"relay\""));
    // Classic nets have no relays.
    let classic = |config: &mut Config| {
        (config.dialect, config.volunteer.sessions) = (Dialect::Classic, 4);
    };
    let e = testnet.node(classic).err().unwrap();
    assert_eq!(e.code, Code::Invalid, "{e}");
}

#[test]
fn limits_and_tokens() {
    let testnet = testnet();
    let (_carol, at) = volunteer(&testnet, |config| config.volunteer.per_address = 3);
    let (mut a, mut b) = pair(&at, 1, &nobody());
    a.write(b"anything at all");
    let mut got = [0; 15];
    b.0.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"anything at all");
    // A third, while they are there.
    let mut third = Raw::asks(&at, 1, &nobody());
    assert_eq!(third.hears(), "RELAY REFUSED TOKEN expected another token: two have met by this one");
    let mut waits = Raw::asks(&at, 2, &nobody());
    assert_eq!(waits.hears(), "RELAY WAIT");
    assert!(Raw::asks(&at, 3, &nobody()).hears().starts_with("RELAY REFUSED ADDRESS expected at most 3"));
    // Nothing gets through: it is over for both, and the token stays used up.
    let (_dave, at) = volunteer(&testnet, |config| config.volunteer.idle = Duration::from_secs(1));
    let (mut a, mut b) = pair(&at, 1, &nobody());
    assert_eq!((a.hears(), b.hears()), (String::new(), String::new()));
    let mut late = Raw::asks(&at, 1, &nobody());
    assert!(late.hears().starts_with("RELAY REFUSED TOKEN"));
}

#[test]
fn garbage_and_floods_do_no_harm() {
    let testnet = testnet();
    let (carol, at) = volunteer(&testnet, |_| {});
    for said in [&b"RELAY\r\n"[..], b"RELAY x\r\n", b"REMOTE TCP 5\r\n", b"R\n", b"R\xff\xfe\r\n"] {
        let mut raw = Raw::to(&at);
        raw.write(said);
        let heard = raw.hears();
        assert!(heard.starts_with("RELAY REFUSED LINE expected RELAY TOKEN"), "{said:?}: {heard:?}");
    }
    // Who says nothing that is whole is waited for, by this one not for long.
    let (_dave, hasty) = volunteer(&testnet, |config| config.handshake_timeout = Duration::from_secs(2));
    for said in [&[b'R'; 5000][..], b"GET / HTTP/1.1\r\n\r\n", b"\0", b"R", b""] {
        let mut raw = Raw::to(&hasty);
        raw.write(said);
        assert_eq!(raw.hears().replace(NO_GREETING, ""), "", "{said:?}");
    }
    // Half a line each, more than may be in the middle of a handshake.
    let half: Vec<Raw> = (0..300)
        .map(|_| {
            let mut raw = Raw::to(&at);
            raw.write(b"RELAY 00");
            raw
        })
        .collect();
    let (alice, bob) = (hidden(&testnet, |_| {}), hidden(&testnet, |_| {}));
    meet(&alice, &carol, &at);
    relayed(&alice, &bob, &at);
    drop(half);
    let address: SocketAddr = at.parse().unwrap();
    assert_eq!(carol.listens(), address);
}
