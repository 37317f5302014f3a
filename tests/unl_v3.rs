//! Locators of version 3 against `data/unl-v3-vectors.json`, and that file against a decoder that shares no line with the
//! library (`unl_v3.py`). `UPDATE_VECTORS=1 cargo test --test unl_v3` writes the file anew: that is a change of the format.

#![allow(clippy::unwrap_used)] // in helpers of tests

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use p2pnet::proto::identity::Identity;
use p2pnet::proto::nat::NatType;
use p2pnet::proto::nat::behaviour::{Allocation, Mapping};
use p2pnet::proto::network::NetworkId;
use p2pnet::proto::unl::v3::{self, MAX_EXPIRES};
use p2pnet::proto::unl::{ForwardingType, Nat, NodeType, Record, UnlV3};
use serde_json::{Value as Json, json};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of base64url, without the library's help.
fn base64url(text: &str) -> Vec<u8> {
    let letters = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['-', '_']).collect::<String>();
    let bits: String = text.chars().map(|c| format!("{:06b}", letters.find(c).unwrap())).collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

/// Candidates or servers, from text.
fn places<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn common() -> Record {
    Record {
        network: Some(NetworkId::of("chess")),
        expires: Some(1_795_375_044),
        node_type: Some(NodeType::Simultaneous),
        nat: Nat {
            nat_type: NatType::Delta,
            mapping: Mapping::AddressAndPortDependent,
            allocation: Allocation::Sequential,
            delta: -2,
        },
        candidates: places(&["lan 192.168.1.20:50500", "wan 203.0.113.7:50500", "wan [2001:db8::20]:50500"]),
        servers: places(&["198.51.100.1:8000"]),
        ..Record::default()
    }
}

fn records() -> Vec<(String, Record)> {
    let plain = Record::default;
    let nat = |nat_type, mapping, allocation, delta| Nat { nat_type, mapping, allocation, delta };
    let mut all = vec![
        ("the common case".to_owned(), common()),
        ("only the key".to_owned(), plain()),
        (
            "a public node under a name".to_owned(),
            Record {
                node_type: Some(NodeType::Passive),
                nat: nat(NatType::None, Mapping::EndpointIndependent, Allocation::Preserving, 0),
                candidates: places(&["wan 203.0.113.9:6881", "wan [2001:db8:9::1]:6881"]),
                servers: places(&["rendezvous.example.org:8000", "[2001:db8::53]:65535", "a:1"]),
                ..common()
            },
        ),
        (
            "eight candidates, ports 0 to 65535".to_owned(),
            Record {
                candidates: places(&[
                    "lan 10.0.0.1:0",
                    "lan 127.0.0.1:1",
                    "lan [fe80::1]:255",
                    "wan 1.2.3.4:256",
                    "mapped 1.2.3.4:256",
                    "wan 1.2.3.4:257",
                    "wan [2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                    "mapped [2001:db8::1]:65535",
                ]),
                ..plain()
            },
        ),
    ];
    for expires in [1, 255, 256, u64::from(u32::MAX), MAX_EXPIRES] {
        all.push((format!("expires at {expires}"), Record { expires: Some(expires), ..plain() }));
    }
    for delta in [0, 1, -1, 63, -64, 127, -128, 128, 32767, -65535, 65535] {
        let nat = nat(NatType::Delta, Mapping::AddressDependent, Allocation::Delta, delta);
        all.push((format!("delta {delta}"), Record { nat, ..plain() }));
    }
    for nat_type in [NatType::None, NatType::Preserving, NatType::Reuse, NatType::Random] {
        let nat = nat(nat_type, Mapping::Unknown, Allocation::Random, 0);
        all.push((format!("NAT {nat_type}"), Record { nat, ..plain() }));
    }
    for forwarding in [
        ForwardingType::Manual,
        ForwardingType::Forwarded,
        ForwardingType::Upnp,
        ForwardingType::NatPmp,
        ForwardingType::Pcp,
    ] {
        let record = Record { forwarding, node_type: Some(NodeType::Passive), ..plain() };
        all.push((format!("forwarding {forwarding}"), record));
    }
    let active = Record { node_type: Some(NodeType::Active), ..plain() };
    all.push(("active".to_owned(), active));
    let relays =
        places(&["203.0.113.7:50500", "[2001:db8::9]:1", "relay.example.org:65535", "192.0.2.1:8000"]);
    all.push(("relays, the first one itself".to_owned(), Record { relays, ..common() }));
    all
}

fn as_json(record: &Record) -> Json {
    let texts = |list: Vec<String>| Json::from(list);
    json!({
        "network": record.network.map(|id| id.to_string()),
        "expires": record.expires,
        "node_type": record.node_type.map(NodeType::name),
        "forwarding": record.forwarding.name(),
        "nat_type": record.nat.nat_type.name(),
        "mapping": record.nat.mapping as i32,
        "allocation": record.nat.allocation as i32,
        "delta": record.nat.delta,
        "candidates": texts(record.candidates.iter().map(ToString::to_string).collect()),
        "servers": texts(record.servers.iter().map(ToString::to_string).collect()),
        "relays": texts(record.relays.iter().map(ToString::to_string).collect()),
    })
}

/// A locator with fields from a later version: tags 9 and 200.
fn later(identity: &Identity) -> String {
    let expiry_and_unknown = [2, 1, 5, 9, 2, 1, 2, 200, 3, 0, 0, 0];
    v3::seal(identity, &expiry_and_unknown).unwrap()
}

fn locators() -> Json {
    let mut all = Vec::new();
    let mut push = |what: &str, secret: [u8; 32], unl: &UnlV3| {
        assert_eq!(UnlV3::decode(unl.text()).as_ref(), Ok(unl), "{what}");
        all.push(json!({
            "what": what,
            "secret": hex(&secret),
            "identity": hex(unl.identity().as_bytes()),
            "record": as_json(unl.record()),
            "record_hex": hex(&base64url(&unl.text()[v3::PREFIX.len()..])),
            "text": unl.text(),
            "length": unl.text().len(),
        }));
    };
    for (i, (what, record)) in records().into_iter().enumerate() {
        let secret = [i as u8; 32];
        push(&what, secret, &UnlV3::sign(record, &Identity::from_secret(&secret)).unwrap());
    }
    let unl = UnlV3::decode(&later(&Identity::from_secret(&[7; 32]))).unwrap();
    assert_eq!(unl.record(), &Record { expires: Some(5), ..Record::default() });
    push("fields of a later version", [7; 32], &unl);
    Json::from(all)
}

fn refused() -> Json {
    let identity = Identity::from_secret(&[7; 32]);
    let good = UnlV3::sign(common(), &identity).unwrap().text().to_owned();
    let sealed = |fields: &[u8]| v3::seal(&identity, fields).unwrap();
    let mut texts = vec![
        String::new(),
        "p2p3".to_owned(),
        good.replace("p2p3", "p2p4"),
        good[..good.len() - 1].to_owned(),
        good.clone() + "A",
        good.clone() + "=",
        format!("{}\n{}", &good[..76], &good[76..]),
        format!("{}{}{}", &good[..60], if &good[60..61] == "A" { "B" } else { "A" }, &good[61..]),
    ];
    for fields in [
        &[3, 1, 1, 2, 1, 5][..],
        &[2, 1, 5, 2, 1, 5],
        &[2, 0],
        &[2, 2, 0, 5],
        &[2, 2, 5],
        &[3, 2, 1, 1],
        &[3, 1, 0x61],
        &[4, 2, 0, 0],
        &[5, 7, 0x44, 1, 2, 3, 4, 0, 1],
        &[5, 7, 0x41, 0, 0, 0, 0, 0, 1],
        &[5, 7, 0x41, 224, 0, 0, 1, 0, 1],
        &[5, 14, 0x42, 1, 2, 3, 4, 0, 1, 0x42, 1, 2, 3, 4, 0, 1],
        &[6, 7, 0x40, 1, 2, 3, 4, 0, 0],
        &[6, 5, 0, 1, b'A', 0, 1],
        &[7, 14, 0x40, 1, 2, 3, 4, 0, 1, 0x40, 1, 2, 3, 4, 0, 1],
        &[
            7, 35, 64, 1, 2, 3, 4, 0, 1, 64, 1, 2, 3, 4, 0, 2, 64, 1, 2, 3, 4, 0, 3, 64, 1, 2, 3, 4, 0, 4,
            64, 1, 2, 3, 4, 0, 5,
        ],
    ] {
        texts.push(sealed(fields));
    }
    let refused = texts.iter().map(|text| {
        let error = UnlV3::decode(text).unwrap_err();
        json!({ "text": text, "says": error.to_string() })
    });
    Json::from(refused.collect::<Vec<Json>>())
}

#[test]
fn the_vectors_are_what_we_make() {
    let ours = json!({ "locators": locators(), "refused": refused() });
    let file = path("data/unl-v3-vectors.json");
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&file, serde_json::to_string_pretty(&ours).unwrap() + "\n").unwrap();
    }
    let theirs: Json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    for section in ["locators", "refused"] {
        let (ours, theirs) = (ours[section].as_array().unwrap(), theirs[section].as_array().unwrap());
        assert_eq!(ours.len(), theirs.len(), "{section}");
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert_eq!(ours, theirs, "the format has changed");
        }
    }
}

#[test]
fn another_decoder_reads_them() {
    let run = Command::new("python3").arg(path("unl_v3.py")).arg(path("data/unl-v3-vectors.json")).output();
    let Ok(run) = run else {
        // Past the test harness, which would swallow it.
        let _ = writeln!(std::io::stderr(), "skipped: another_decoder_reads_them: python3 is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success());
    let wanted = format!(
        "{} passed, 0 failed",
        locators().as_array().unwrap().len() + refused().as_array().unwrap().len()
    );
    assert!(said.contains(&wanted), "expected '{wanted}'");
}

/// The example in the documentation is the first vector, as text and byte by byte.
#[test]
fn the_documented_example() {
    let page = std::fs::read_to_string(path("../docs/unl.md")).unwrap();
    let example = page.split("## An example").nth(1).unwrap();
    let mut blocks = example.split("```").skip(1).step_by(2);
    let text: String = blocks.next().unwrap().split_whitespace().collect();
    assert_eq!(text, UnlV3::sign(common(), &Identity::from_secret(&[0; 32])).unwrap().text());

    let is_hex = |word: &&str| word.len().is_multiple_of(2) && word.chars().all(|c| c.is_ascii_hexdigit());
    let bytes: String =
        blocks.next().unwrap().lines().flat_map(|line| line.split_whitespace().take_while(is_hex)).collect();
    let vectors: Json =
        serde_json::from_str(&std::fs::read_to_string(path("data/unl-v3-vectors.json")).unwrap()).unwrap();
    assert_eq!(vectors["locators"][0]["record_hex"], Json::from(bytes));
}
