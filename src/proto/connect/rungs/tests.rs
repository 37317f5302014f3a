use super::*;
use crate::proto::identity::{Identity, PublicKey};
use crate::proto::punch::Side;
use crate::proto::unl::UnlV3;
use proptest::prelude::*;

fn settings() -> Settings {
    Settings::new(PublicKey([1; 32]), None)
}

fn record(node_type: Option<NodeType>, candidates: &[&str]) -> Record {
    let candidates = candidates.iter().map(|text| text.parse().unwrap()).collect();
    Record { node_type, candidates, ..Record::default() }
}

/// At home, behind 198.51.100.1, with IPv6.
fn home() -> Own {
    Own {
        side: Side { outside_ip: "198.51.100.1".parse().ok(), ..Side::default() },
        outside6: "2001:db8:1::5".parse().ok(),
        addresses: ["192.168.1.5", "2001:db8:1::5", "127.0.0.1"].map(|ip| ip.parse().unwrap()).into(),
        listen: vec!["0.0.0.0:50500".parse().unwrap(), "[::]:50500".parse().unwrap()],
        ..Own::default()
    }
}

/// What is dialled, with its milliseconds.
fn dialled(record: &Record, own: &Own) -> Vec<(String, u128)> {
    let ladder = plan(record, own, &settings());
    assert_eq!(ladder.choices.len(), record.candidates.len());
    let left = ladder.choices.iter().filter(|choice| choice.left_out.is_none()).count();
    assert_eq!(left, ladder.rungs.len());
    let shown = |rung: &Rung| (format!("{} {}", rung.technique.name(), rung.to), rung.after.as_millis());
    ladder.rungs.iter().map(shown).collect()
}

fn shown(expected: &[(&str, u128)]) -> Vec<(String, u128)> {
    expected.iter().map(|(text, ms)| ((*text).to_owned(), *ms)).collect()
}

#[test]
fn a_passive_peer_is_dialled_at_once_by_both_families() {
    let peer = record(
        Some(NodeType::Passive),
        &[
            "lan 192.168.1.9:7000",
            "wan 203.0.113.7:7000",
            "mapped 203.0.113.7:7001",
            "wan [2001:db8:2::7]:7000",
        ],
    );
    let expected = [
        ("direct [2001:db8:2::7]:7000", 0),
        ("direct 203.0.113.7:7000", 0),
        ("direct 203.0.113.7:7001", 250),
    ];
    assert_eq!(dialled(&peer, &home()), shown(&expected));
}

#[test]
fn of_a_peer_that_has_not_measured_ipv6_comes_first() {
    let peer = record(None, &["wan 203.0.113.7:7000", "wan [2001:db8:2::7]:7000"]);
    let expected = [("direct [2001:db8:2::7]:7000", 0), ("direct 203.0.113.7:7000", 250)];
    assert_eq!(dialled(&peer, &home()), shown(&expected));
    let only_v4 = record(None, &["wan 203.0.113.7:7000"]);
    assert_eq!(dialled(&only_v4, &home()), shown(&[("direct 203.0.113.7:7000", 0)]));
}

#[test]
fn where_nobody_gets_in_nobody_knocks() {
    let peer = record(Some(NodeType::Simultaneous), &["wan 203.0.113.7:7000", "wan [2001:db8:2::7]:7000"]);
    assert_eq!(dialled(&peer, &home()), shown(&[("direct [2001:db8:2::7]:7000", 0)]));
    let v4_only = Own { outside6: None, addresses: vec!["192.168.1.5".parse().unwrap()], ..home() };
    assert_eq!(dialled(&peer, &v4_only), []);
}

#[test]
fn behind_the_same_address_the_lan_comes_first_and_the_way_round_by_the_router_last() {
    let peer = record(
        Some(NodeType::Passive),
        &["mapped 198.51.100.1:7001", "lan 192.168.1.9:7000", "lan 10.0.0.9:7000"],
    );
    let expected = [("lan 192.168.1.9:7000", 0), ("lan 10.0.0.9:7000", 0), ("direct 198.51.100.1:7001", 250)];
    assert_eq!(dialled(&peer, &home()), shown(&expected));
    let own = Own { hairpin: Some(false), ..home() };
    assert_eq!(dialled(&peer, &own), shown(&expected[..2]));
}

#[test]
fn local_addresses_only_where_the_peer_may_be() {
    let at = |text: &str| record(None, &[text, "wan 203.0.113.7:0"]);
    for far in ["lan 192.168.1.9:7000", "lan 127.0.0.1:7000", "lan 169.254.1.1:7000", "lan 100.64.0.9:7000"] {
        assert_eq!(dialled(&at(far), &home()), [], "{far}");
    }
    // Nothing is known of where it is.
    assert_eq!(dialled(&record(None, &["lan 192.168.1.9:7000"]), &home()).len(), 1);
    let offline = Own { side: Side::default(), ..home() };
    assert_eq!(dialled(&at("lan 192.168.1.9:7000"), &offline).len(), 1);
    assert_eq!(dialled(&at("lan 100.64.0.9:7000"), &offline), [], "we have no such address");
    // By IPv6 it is seen that both are at home.
    let here = record(None, &["wan [2001:db8:1::77]:7000", "lan 192.168.1.9:7000", "wan 203.0.113.7:0"]);
    assert_eq!(dialled(&here, &home()).len(), 2);
    let anywhere = Settings { local_peers: true, ..settings() };
    assert_eq!(plan(&at("lan 127.0.0.1:80"), &home(), &anywhere).rungs.len(), 1);
}

#[test]
fn on_one_machine() {
    let peer = record(None, &["lan 192.168.1.5:7000", "lan 127.0.0.1:7000", "wan 203.0.113.7:0"]);
    assert_eq!(dialled(&peer, &home()).len(), 2);
    let myself = record(None, &["lan 192.168.1.5:50500", "lan 127.0.0.1:50500", "wan [2001:db8:1::5]:50500"]);
    assert_eq!(dialled(&myself, &home()), []);
    let service = record(None, &["lan 192.168.1.5:631", "lan 127.0.0.1:22"]);
    assert_eq!(dialled(&service, &home()), []);
    let test = Own { listen: vec!["127.0.0.2:50500".parse().unwrap()], ..Own::default() };
    assert_eq!(dialled(&record(None, &["lan 127.0.0.3:7000"]), &test).len(), 1);
    assert_eq!(dialled(&record(None, &["lan 127.0.0.2:50500"]), &test), []);
}

#[test]
fn our_own_outside_port_is_ours() {
    let own_record = record(Some(NodeType::Passive), &["mapped 198.51.100.1:50500"]);
    let locator = UnlV3::sign(own_record, &Identity::from_secret(&[1; 32])).ok();
    let own = Own { locator, ..home() };
    assert!(own.is_reachable());
    let peer = record(Some(NodeType::Passive), &["mapped 198.51.100.1:50500", "mapped 198.51.100.1:50501"]);
    assert_eq!(dialled(&peer, &own), shown(&[("direct 198.51.100.1:50501", 250)]));
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let v4 = prop_oneof![
        any::<[u8; 4]>(),
        (0..8u8, any::<u8>()).prop_map(|(n, last)| match n {
            0 => [127, 0, 0, last],
            1 => [192, 168, 1, last],
            2 => [10, 0, 0, last],
            3 => [169, 254, 1, last],
            4 => [100, 64, 0, last],
            5 => [224, 0, 0, last],
            6 => [255, 255, 255, 255],
            _ => [198, 51, 100, last % 4],
        })
    ];
    let ip = prop_oneof![v4.prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
    let kind = prop_oneof![Just(CandidateKind::Lan), Just(CandidateKind::Wan), Just(CandidateKind::Mapped)];
    (kind, ip, any::<u16>()).prop_map(|(kind, ip, port)| Candidate { kind, ip, port })
}

proptest! {
    /// Whatever a locator says.
    #[test]
    fn nothing_is_dialled_that_may_not_be(
        candidates in prop::collection::vec(any_candidate(), 0..12),
        node in 0..4usize,
        offline: bool,
    ) {
        let node_type =
            [None, Some(NodeType::Passive), Some(NodeType::Active), Some(NodeType::Simultaneous)][node];
        let record = Record { node_type, candidates, ..Record::default() };
        let own = if offline { Own { side: Side::default(), ..home() } } else { home() };
        let ladder = plan(&record, &own, &settings());
        prop_assert!(ladder.rungs.len() <= 8);
        let outside: Vec<IpAddr> = record
            .candidates
            .iter()
            .filter(|c| c.kind != CandidateKind::Lan && c.ip.is_ipv4())
            .map(|c| c.ip)
            .collect();
        for rung in &ladder.rungs {
            prop_assert!(rung.to.port() != 0 && !own.listens_at(rung.to));
            match Scope::of(rung.to.ip()) {
                Scope::Global => {}
                Scope::Private => {
                    let here = own.side.outside_ip;
                    prop_assert!(rung.to.port() >= 1024);
                    prop_assert!(
                        here.is_none() || outside.is_empty() || outside.contains(&here.unwrap())
                            || own.has_address(rung.to.ip())
                            || ladder.same_site
                    );
                }
                Scope::Loopback => prop_assert!(
                    record.candidates.iter().any(|c| c.kind == CandidateKind::Lan && own.has_address(c.ip))
                ),
                scope => prop_assert!(false, "{scope:?} {}", rung.to),
            }
        }
    }
}
