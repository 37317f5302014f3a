//! Unit and property tests of the box's thinking parts. They need no lab and no root.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use proptest::prelude::*;

use crate::natbox::NatBox;
use crate::natbox::mapping::{By, Inbound, Ports, Rules, Table};
use crate::natbox::packet::{self, End, Protocol::Udp};
use crate::natbox::translate::{Exit, Translator};
use crate::runner::Case;
use crate::topology::Unsolicited;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::pure("unit::mapping-timeout", mapping_timeout),
        Case::pure("unit::ports-go-round", ports_go_round),
        Case::pure("unit::every-port-taken", every_port_taken),
        Case::pure("unit::mappings-are-one-to-one", one_to_one),
        Case::pure("unit::packets-of-anything", anything),
        Case::pure("unit::checksums-stay-right", checksums),
        Case::pure("unit::errors-are-rewritten-inside", errors),
    ]
}

fn rules(mapping: By, ports: Ports) -> Rules {
    NatBox::new(mapping, By::Endpoint, ports).timeout_ms(1000).seed(7).rules
}

fn inside(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 10), port)
}

fn remote(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(11, 255, 0, 2), port)
}

const WAN: Ipv4Addr = Ipv4Addr::new(11, 0, 1, 2);

fn mapping_timeout() {
    let mut table = Table::new(rules(By::Endpoint, Ports::Sequential { step: 1, noise: 0 }));
    let at = Duration::from_millis;
    let port = table.outbound(at(0), Udp, inside(5000), remote(1)).expect("a port");
    assert_eq!(
        table.inbound(at(900), Udp, port, remote(1)),
        Inbound::To(inside(5000)),
        "and it is used by that"
    );
    assert_eq!(table.outbound(at(1800), Udp, inside(5000), remote(2)), Some(port));
    assert_eq!(table.inbound(at(2799), Udp, port, remote(3)), Inbound::To(inside(5000)));
    assert_eq!(table.inbound(at(3799), Udp, port, remote(3)), Inbound::Unmapped);
    assert_eq!(table.outbound(at(3800), Udp, inside(5000), remote(2)), Some(port + 1));
}

fn ports_go_round() {
    let first = |ports, source| {
        Table::new(rules(By::Endpoint, ports)).outbound(Duration::ZERO, Udp, inside(source), remote(1))
    };
    assert_eq!(first(Ports::Delta(7), 65_530), Some(1025));
    assert_eq!(first(Ports::Delta(-7), 1024), Some(65_529));
    assert_eq!(first(Ports::Preserving, 80), Some(64_592), "a port below 1024 is moved into the range");
}

fn every_port_taken() {
    let mut table = Table::new(rules(By::AddressAndPort, Ports::Sequential { step: 1, noise: 0 }));
    for n in 0..64_512_u16 {
        assert!(table.outbound(Duration::ZERO, Udp, inside(5000), remote(n)).is_some());
    }
    assert_eq!(table.outbound(Duration::ZERO, Udp, inside(5000), remote(65_000)), None);
    // Old ones make room.
    assert!(table.outbound(Duration::from_secs(2), Udp, inside(5000), remote(65_001)).is_some());
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let by = || prop_oneof![Just(By::Endpoint), Just(By::Address), Just(By::AddressAndPort)];
    let ports = prop_oneof![
        Just(Ports::Preserving),
        (-50..50_i32).prop_map(Ports::Delta),
        (-5..5_i32, 0..3_u32).prop_map(|(step, noise)| Ports::Sequential { step, noise }),
        Just(Ports::Random)
    ];
    (by(), by(), ports, any::<u64>())
        .prop_map(|(mapping, filtering, ports, seed)| NatBox::new(mapping, filtering, ports).seed(seed).rules)
}

/// Whatever the rules: two inside addresses never share a port, and an answer always finds its way back.
fn one_to_one() {
    proptest!(|(rules in any_rules(), flows in prop::collection::vec((40_000..40_020_u16, 1..5_u16), 1..60))| {
        let mut table = Table::new(rules);
        let mut owners = std::collections::BTreeMap::new();
        for (source, to) in flows {
            let port = table.outbound(Duration::ZERO, Udp, inside(source), remote(to)).expect("a port");
            prop_assert_eq!(*owners.entry(port).or_insert(source), source);
            prop_assert_eq!(table.inbound(Duration::ZERO, Udp, port, remote(to)), Inbound::To(inside(source)));
        }
    });
}

fn translator() -> Translator {
    let nat = NatBox::new(By::Endpoint, By::Endpoint, Ports::Delta(7)).hairpin();
    Translator::new(&nat, WAN, Unsolicited::Rst)
}

/// No packet, however broken, is more than dropped.
fn anything() {
    proptest!(|(mut data in prop::collection::vec(any::<u8>(), 0..120), protocol in prop_oneof![Just(1_u8), Just(6), Just(17)])| {
        let mut translator = translator();
        translator.outward(Duration::ZERO, data.clone());
        translator.inward(Duration::ZERO, data.clone());
        // And one that gets further.
        for (at, value) in [(0, 0x45), (6, 0), (7, 0), (9, protocol), (20, 3)] {
            if let Some(byte) = data.get_mut(at) {
                *byte = value;
            }
        }
        translator.outward(Duration::ZERO, data.clone());
        translator.inward(Duration::ZERO, data);
    });
}

fn checksums() {
    proptest!(|(source in 1024_u16.., to in any::<u16>(), data in prop::collection::vec(any::<u8>(), 0..99))| {
        let packet = packet::udp_packet(inside(source), remote(to), &data).expect("a packet");
        prop_assert!(packet::is_sound(&packet));
        let Some(Exit::Outside(out)) = translator().outward(Duration::ZERO, packet) else {
            return Err(TestCaseError::fail("dropped"));
        };
        prop_assert!(packet::is_sound(&out), "{:?}", out);
        prop_assert_eq!(packet::flow(&out).map(|f| *f.source.ip()), Some(WAN));
    });
}

fn errors() {
    let mut translator = translator();
    let out = packet::udp_packet(inside(5000), remote(9), b"anybody there?").expect("a packet");
    let Some(Exit::Outside(out)) = translator.outward(Duration::ZERO, out) else { panic!("dropped") };
    let error = packet::unreachable_for(&out).expect("an error");
    assert!(packet::is_sound(&error));
    let Some(Exit::Inside(mut error)) = translator.inward(Duration::ZERO, error) else { panic!("dropped") };
    assert!(packet::is_sound(&error), "{error:?}");
    let about = packet::flow(packet::quoted(&mut error).expect("a quote")).expect("a flow");
    assert_eq!((about.source, about.destination), (inside(5000), remote(9)));
    let mut moved = error.clone();
    assert!(
        packet::rewrite(&mut moved, End::Source, inside(1)).is_none(),
        "an error has no ports of its own"
    );
}
