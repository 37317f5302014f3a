use super::*;
use crate::proto::unl::Nat;

fn own_v2() -> UnlV2 {
    UnlV2 {
        node_id: v2::node_id(b"P2PnetworkingInRust!"),
        node_type: NodeType::Simultaneous,
        nat_type: NatType::Preserving,
        forwarding_type: ForwardingType::Manual,
        listen_port: 10234,
        wan_ip: Ipv4Addr::new(100, 64, 2, 1),
        lan_ip: Ipv4Addr::new(192, 168, 2, 10),
        version: 2,
    }
}

fn own_v3() -> Record {
    let candidates =
        ["lan 192.168.2.10:10234", "lan [fd00::2]:10234", "wan 203.0.113.1:10234", "mapped 203.0.113.1:6881"];
    Record {
        node_type: Some(NodeType::Active),
        nat: Nat { nat_type: NatType::Random, delta: 3, ..Nat::default() },
        candidates: candidates.iter().map(|text| text.parse().unwrap()).collect(),
        expires: Some(1000),
        ..Record::default()
    }
}

fn overrides(settings: &[(&str, &str)]) -> Overrides {
    let mut overrides = Overrides::default();
    for (name, value) in settings {
        overrides.set(name, value).unwrap();
    }
    overrides
}

fn candidates(settings: &[(&str, &str)]) -> Vec<String> {
    let record = overrides(settings).apply_v3(own_v3()).unwrap();
    record.candidates.iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_overridden_is_what_was() {
    assert_eq!(Overrides::default().apply_v2(own_v2()), Ok(own_v2()));
    assert_eq!(Overrides::default().apply_v3(own_v3()), Ok(own_v3()));
}

#[test]
fn all_of_version_2() {
    let all = overrides(&[
        ("wan_ip", "8.8.8.8"),
        ("lan_ip", "10.0.0.1"),
        ("node_id", "3031323334"),
        ("version", "7"),
        ("node_type", "active"),
        ("nat_type", "reuse"),
        ("forwarding_type", "UPnP"),
        ("listen_port", "0"),
    ]);
    let wanted = UnlV2 {
        node_id: v2::node_id(b"01234"),
        node_type: NodeType::Active,
        nat_type: NatType::Reuse,
        forwarding_type: ForwardingType::Upnp,
        listen_port: 0,
        wan_ip: Ipv4Addr::new(8, 8, 8, 8),
        lan_ip: Ipv4Addr::new(10, 0, 0, 1),
        version: 7,
    };
    assert_eq!(all.apply_v2(own_v2()), Ok(wanted));
    let mapped = overrides(&[("wan_ip", "::ffff:8.8.8.8")]);
    assert_eq!(mapped.apply_v2(own_v2()).unwrap().wan_ip, Ipv4Addr::new(8, 8, 8, 8));
}

#[test]
fn addresses_of_version_3() {
    assert_eq!(
        candidates(&[("wan_ip", "198.51.100.9")]),
        [
            "lan 192.168.2.10:10234",
            "lan [fd00::2]:10234",
            "wan 198.51.100.9:10234",
            "mapped 198.51.100.9:6881"
        ]
    );
    assert_eq!(candidates(&[("lan_ip", "fd00::9")])[1], "lan [fd00::9]:10234");
    assert_eq!(candidates(&[("wan_ip", "2001:db8::9")])[4], "wan [2001:db8::9]:10234");
    assert!(candidates(&[("listen_port", "1")]).iter().all(|candidate| candidate.ends_with(":1")));
    let given = [("candidate", "lan 10.0.0.1:5"), ("candidate", "lan 10.0.0.2:5"), ("lan_ip", "10.0.0.3")];
    assert_eq!(candidates(&given), ["lan 10.0.0.3:5"]);
}

#[test]
fn the_rest_of_version_3() {
    let record = overrides(&[
        ("version", "3"),
        ("node_type", "passive"),
        ("nat_type", "delta"),
        ("forwarding_type", "PCP"),
        ("network", "000102030405060708090a0b0c0d0e0f"),
        ("server", "rendezvous.example.org:8000"),
        ("expires", "0"),
    ])
    .apply_v3(own_v3())
    .unwrap();
    assert_eq!((record.node_type, record.forwarding), (Some(NodeType::Passive), ForwardingType::Pcp));
    assert_eq!((record.nat.nat_type, record.nat.delta, record.expires), (NatType::Delta, 3, None));
    assert_eq!(record.network.map(|id| id.0[15]), Some(15));
    assert_eq!(record.servers.len(), 1);
    assert_eq!(overrides(&[("expires", "5")]).apply_v3(own_v3()).unwrap().expires, Some(5));
}

#[test]
fn what_a_version_has_no_place_for() {
    for (name, value) in
        [("wan_ip", "::1"), ("server", "a:1"), ("candidate", "lan 1.2.3.4:5"), ("expires", "1")]
    {
        let error = overrides(&[(name, value)]).apply_v2(own_v2()).unwrap_err();
        assert!(matches!(error, OverrideError::NotInVersion { name: n, version: 2 } if n == name), "{error}");
    }
    let network = Overrides { network: Some(NetworkId::of("x")), ..Overrides::default() };
    assert!(network.apply_v2(own_v2()).is_err());
    let error = overrides(&[("node_id", "00")]).apply_v3(own_v3()).unwrap_err();
    assert_eq!(error.to_string(), "a locator of version 3 has no place for node_id; expected none");
    let error = overrides(&[("version", "2")]).apply_v3(own_v3()).unwrap_err();
    assert_eq!(error.to_string(), "a locator of version 3 cannot call itself another; expected version 3");
}

#[test]
fn values_that_do_not_fit() {
    for (name, value) in [
        ("wan_ip", "example.org"),
        ("lan_ip", ""),
        ("node_id", "abc"),
        ("node_id", "zz"),
        ("version", "256"),
        ("node_type", "unknown"),
        ("nat_type", "Random"),
        ("forwarding_type", "upnp"),
        ("listen_port", "65536"),
        ("candidate", "1.2.3.4:5"),
        ("server", "a"),
        ("network", "chess"),
        ("expires", "-1"),
    ] {
        let error = Overrides::default().set(name, value).unwrap_err();
        assert!(matches!(&error, OverrideError::Value { name: n, .. } if n == name), "{name} {value}");
    }
    let error = Overrides::default().set("listen_port", "x").unwrap_err();
    assert_eq!(error.to_string(), "listen_port has a value that does not fit; expected 0 to 65535");
    assert!(
        Overrides::default()
            .set("wanip", "1.2.3.4")
            .unwrap_err()
            .to_string()
            .starts_with("'wanip' is nothing")
    );
}
