//! Who is let in by a node of the secure dialect: members of its network, those who have the network's key, those whom the
//! program has named.
#![cfg(all(feature = "server", feature = "testing"))]
#![allow(clippy::unwrap_used, reason = "in a test that is a failure")]

use std::time::Duration;

use p2pnet::config::{Dialect, NetType, NodeType};
use p2pnet::event::Kind;
use p2pnet::proto::identity::{Identity, PublicKey};
use p2pnet::testing::{TestNode, Testnet};
use p2pnet::{Code, Config};

/// The key of node `n`.
fn key(n: u8) -> PublicKey {
    Identity::from_secret(&[n; 32]).public()
}

/// Node `n`, with these text options and these peers allowed.
fn node(n: u8, texts: &[(i32, &str)], allowed: &[String]) -> TestNode {
    let change = |config: &mut Config| {
        config.set_str(1007, &format!("{n:02x}").repeat(32)).unwrap();
        texts.iter().for_each(|(key, value)| config.set_str(*key, value).unwrap());
        allowed.iter().for_each(|who| config.allow_peer(who).unwrap());
    };
    TestNode::alone(change).unwrap()
}

const NETWORK: i32 = 1006;
const NETWORK_KEY: i32 = 1009;
const SECRET: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OTHER: &str = "f0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What comes of connecting by address.
fn by_address(from: &TestNode, to: &TestNode) -> Result<(), (Code, String)> {
    let at = to.listens().to_string();
    from.request(|net| net.connect(&at)).map(drop).map_err(|e| (e.code, e.message.into_owned()))
}

/// What comes of connecting by locator.
fn by_locator(from: &TestNode, to: &TestNode) -> Result<(), (Code, String)> {
    let unl = to.net.unl().unwrap();
    from.request(|net| net.unl_connect(&unl)).map(drop).map_err(|e| (e.code, e.message.into_owned()))
}

#[test]
fn those_with_the_networks_key_meet() {
    let texts = [(NETWORK, "chess"), (NETWORK_KEY, SECRET)];
    let (alice, bob) = (node(1, &texts, &[]), node(2, &texts, &[]));
    assert_eq!(by_locator(&alice, &bob), Ok(()));
    assert_eq!(bob.expect(Kind::Opened).result, Ok(()));
}

#[test]
fn those_without_it_do_not_get_in_by_address_nor_by_locator() {
    let member = node(1, &[(NETWORK, "chess"), (NETWORK_KEY, SECRET)], &[]);
    for texts in [&[(NETWORK, "chess")][..], &[(NETWORK, "chess"), (NETWORK_KEY, OTHER)]] {
        let stranger = node(2, texts, &[]);
        for outcome in [by_address(&stranger, &member), by_locator(&stranger, &member)] {
            assert!(outcome.is_err(), "a stranger got in with {texts:?}");
        }
        // Nor do members fall for a stranger's node.
        assert!(by_locator(&member, &stranger).is_err());
    }
    assert_eq!(member.net.info().inbound, 0);
}

#[test]
fn only_those_who_are_named_get_in() {
    let bob = node(2, &[], &[]);
    let bobs = bob.net.unl().unwrap();
    // By its key as text, or by any locator of it.
    let alice = node(1, &[], &[bobs, key(3).to_string()]);
    let (carol, dave) = (node(3, &[], &[]), node(4, &[], &[]));
    assert_eq!(by_locator(&bob, &alice), Ok(()));
    assert_eq!(by_address(&carol, &alice), Ok(()));
    let (code, text) = by_address(&dave, &alice).unwrap_err();
    assert_eq!(code, Code::Refused, "{text}");
    let (code, text) = by_locator(&dave, &alice).unwrap_err();
    assert!(matches!(code, Code::Refused | Code::NoPath), "{code:?} {text}");
    assert_eq!(alice.net.info().inbound, 2);
}

#[test]
fn others_are_not_connected_to_either() {
    let alice = node(1, &[], &[key(3).to_string()]);
    let dave = node(4, &[], &[]);
    let (code, text) = by_locator(&alice, &dave).unwrap_err();
    assert_eq!(code, Code::Refused);
    assert!(text.contains(&key(4).to_string()) && text.contains("p2p_config_allow_peer"), "{text}");
    let (code, text) = by_address(&alice, &dave).unwrap_err();
    assert_eq!(code, Code::Refused, "{text}");
    assert_eq!(dave.net.info().inbound, 0);
}

/// A server's list is of one network, and of those who have its key: nobody knocks at others in vain.
#[test]
fn nodes_of_other_networks_are_not_named() {
    let testnet = Testnet::start().unwrap();
    let member = |dialect: Dialect, texts: &[(i32, &str)], listed: bool| {
        let set = |c: &mut Config| {
            (c.dialect, c.net_type, c.node_type) = (dialect, NetType::P2p, NodeType::Passive);
            (c.bootstrap, c.advertise) = (!listed, listed);
            // Only when it is asked to.
            (c.bootstrap_interval, c.advertise_interval) =
                (Duration::from_secs(3600), Duration::from_secs(3600));
            texts.iter().for_each(|(key, value)| c.set_str(*key, value).unwrap());
        };
        testnet.node(set).unwrap()
    };
    let (chess, keyed) = ([(NETWORK, "chess")], [(NETWORK, "chess"), (NETWORK_KEY, SECRET)]);
    let kinds: [(Dialect, &[(i32, &str)]); 4] = [
        (Dialect::Secure, &[]),
        (Dialect::Secure, &chess),
        (Dialect::Secure, &keyed),
        (Dialect::Classic, &[]),
    ];
    let first: Vec<TestNode> = kinds.iter().map(|(dialect, texts)| member(*dialect, texts, true)).collect();
    first.iter().for_each(|node| drop(node.request(|net| net.advertise()).unwrap()));
    for ((dialect, texts), listed) in kinds.iter().zip(&first) {
        let node = member(*dialect, texts, false);
        let named = node.request(|net| net.bootstrap()).unwrap();
        assert_eq!(named.text(), "1 nodes named", "{dialect:?} {texts:?}");
        assert_eq!(node.expect(Kind::Opened).peer, listed.listens().to_string());
        listed.expect(Kind::Opened);
    }
    assert!(first.iter().all(|node| node.net.stats().rejected == 0));
}

#[test]
fn what_is_neither_a_key_nor_a_locator_is_refused() {
    let mut config = Config::default();
    let e = config.allow_peer("bob").unwrap_err();
    assert_eq!(e.code, Code::Invalid);
    assert!(e.message.contains("43 letters") && e.message.contains("locator"), "{e}");
    let e = config.set_str(NETWORK_KEY, "not hexadecimal").unwrap_err();
    assert!(e.message.contains("64 hexadecimal") && !e.message.contains("not hexadecimal"), "{e}");
    config.set_str(NETWORK_KEY, SECRET).unwrap();
    assert!(!format!("{config:?}").contains("0011"), "secrets are not shown");
}
