//! The classic dialect's rules against vectors made by the original, PyP2P 0.8.3 (see `data/README.md`).
//!
//! Every section of the file is run, and a section nobody runs is a failure. `--nocapture` shows the counts.

#![allow(clippy::unwrap_used)] // in helpers of tests

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::{Duration, Instant};

use p2pnet::proto::clock::{self, ClockError};
use p2pnet::proto::conn_id::conn_id;
use p2pnet::proto::dedup::Dedup;
use p2pnet::proto::dht_msg::{self, Value};
use p2pnet::proto::line::{LineScan, split};
use p2pnet::proto::nat::{Classification, NatType, Probe, classify, delta_test};
use p2pnet::proto::punch::classic::predict;
use p2pnet::proto::unl::{ForwardingType, Info, NodeType, Overrides, UnlV2, v2};
use serde_json::Value as Json;

#[test]
fn every_section() {
    let file: Json = serde_json::from_str(include_str!("data/pyp2p-0.8.3-vectors.json")).unwrap();
    let mut checks: BTreeMap<&str, fn(&Json)> = BTreeMap::from([
        ("unl", unl as fn(&Json)),
        ("unl_validity", unl_validity),
        ("unl_construct", unl_construct),
        ("unl_equal", unl_equal),
        ("is_master", is_master),
        ("con_id", con_id),
        ("nat_delta", nat_delta),
        ("nat_full", nat_full),
        ("predict", prediction),
        ("sys_clock", sys_clock),
        ("dht_serialize", dht_serialize),
        ("parse_buf", parse_buf),
    ]);
    for (section, content) in file.as_object().unwrap() {
        let count = match (section.as_str(), content) {
            ("pyp2p", version) => {
                assert_eq!(version, "0.8.3");
                continue;
            }
            ("python", _) => continue,
            // One history, in which each step depends on those before.
            ("dedupe", steps) => dedupe(steps),
            (name, cases) => {
                let check = checks.remove(name).unwrap_or_else(|| panic!("nobody checks section {name}"));
                cases.as_array().unwrap().iter().for_each(check);
                cases.as_array().unwrap().len()
            }
        };
        println!("{section:>14}: {count} vectors");
        assert!(count > 0, "{section} is empty");
    }
    assert!(checks.is_empty(), "no vectors for {:?}", checks.keys());
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{key} in {case}"))
}

fn number(case: &Json, key: &str) -> i64 {
    case[key].as_i64().unwrap_or_else(|| panic!("{key} in {case}"))
}

fn ip(case: &Json, key: &str) -> Ipv4Addr {
    text(case, key).parse().unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// A UNL from its fields. The machine that made the vectors put its own LAN address in place of an unspecific
/// one (0.0.0.0, 127.0.0.1), as a node does with the address it is bound to; so for these `lan_ip` is what it
/// put.
fn unl_of(fields: &Json, lan_ip: Ipv4Addr) -> UnlV2 {
    UnlV2 {
        node_id: v2::node_id(&fields["node_id"].as_str().map(hex).unwrap_or_default()),
        node_type: NodeType::from_name(text(fields, "node_type")).unwrap(),
        nat_type: NatType::from_name(text(fields, "nat_type")).unwrap(),
        forwarding_type: ForwardingType::from_name(text(fields, "forwarding_type")).unwrap(),
        listen_port: number(fields, "listen_port").try_into().unwrap(),
        wan_ip: ip(fields, "wan_ip"),
        lan_ip,
        version: 2,
    }
}

fn unl(case: &Json) {
    let (input, output) = (&case["input"], &case["deconstructed"]);
    let (lan_in, lan_out) = (ip(input, "lan_ip"), ip(output, "lan_ip"));
    let unspecific = lan_in.is_unspecified() || lan_in.is_loopback();
    assert_eq!(lan_in != lan_out, unspecific, "{case}");

    let ours = unl_of(input, lan_out);
    assert_eq!(ours.to_bytes()[..], hex(text(case, "raw")), "{case}");
    assert_eq!(ours.encode(), text(case, "unl"));
    let read = UnlV2::decode(text(case, "unl")).unwrap();
    assert_eq!(read, ours);
    assert_eq!(read, unl_of(output, lan_out));
    assert_eq!(i64::from(read.version), number(output, "version"));
}

fn unl_validity(case: &Json) {
    let read = UnlV2::decode(text(case, "unl"));
    assert_eq!(read.is_ok(), case["accepted"].as_bool().unwrap(), "{case}: {read:?}");
}

fn unl_construct(case: &Json) {
    let own = unl_of(&case["own"], ip(&case["own"], "lan_ip"));
    let mut overrides = Overrides::default();
    for (name, value) in case["details"].as_object().unwrap() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        overrides.set(name, &value).unwrap();
    }
    let made = overrides.apply_v2(own).unwrap();
    assert_eq!(made.encode(), text(case, "unl"), "{case}");
    let info = Info::parse(text(case, "unl")).unwrap();
    assert_eq!((info.version, info.node_type), (made.version, Some(made.node_type)));
}

fn unl_equal(case: &Json) {
    let read = |key| UnlV2::decode(text(case, key)).unwrap();
    let same = read("ours").is_same_node(&read("theirs"));
    assert_eq!(same, case["equal"].as_bool().unwrap(), "{case}");
    assert_eq!(!same, case["unequal"].as_bool().unwrap(), "{case}");
}

fn is_master(case: &Json) {
    assert_eq!(
        i64::from(v2::is_master(text(case, "ours"), text(case, "theirs"))),
        number(case, "master"),
        "{case}"
    );
}

fn con_id(case: &Json) {
    let nonce = text(case, "nonce").as_bytes().try_into().unwrap();
    let id = conn_id(&nonce, ip(case, "their_wan_ip"), ip(case, "our_wan_ip"));
    assert_eq!(id.to_string(), text(case, "con_id"));
}

fn judgement(case: &Json) -> Classification {
    Classification {
        nat_type: NatType::from_name(text(case, "nat_type")).unwrap(),
        delta: number(case, "delta").try_into().unwrap(),
    }
}

fn nat_delta(case: &Json) {
    let remotes: Vec<u16> = serde_json::from_value(case["remote"].clone()).unwrap();
    assert_eq!(delta_test(&remotes), judgement(case), "{case}");
}

fn nat_full(case: &Json) {
    let pairs: Vec<(u16, u16)> = serde_json::from_value(case["source_remote"].clone()).unwrap();
    let probes: Vec<Probe> = pairs.into_iter().map(|(source, remote)| Probe { source, remote }).collect();
    assert_eq!(classify(&probes), judgement(case), "{case}");
}

fn prediction(case: &Json) {
    let Classification { nat_type, delta } = judgement(case);
    let sources: Vec<u16> = serde_json::from_value(case["sources"].clone()).unwrap();
    let remotes: Vec<String> =
        sources.iter().map(|&source| predict(nat_type, delta, source).unwrap().to_string()).collect();
    assert_eq!(Json::from(remotes), case["remotes"], "{case}");
}

/// Decimal seconds as microseconds.
fn micros(seconds: &str) -> i64 {
    let (sign, digits) = seconds.strip_prefix('-').map_or((1, seconds), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    assert!(fraction.len() <= 6, "{seconds} has more than microseconds");
    sign * i64::from_str(&format!("{whole}{fraction:0<6}")).unwrap()
}

fn sys_clock(case: &Json) {
    let points: Vec<i64> =
        case["points"].as_array().unwrap().iter().map(|p| micros(p.as_str().unwrap())).collect();
    match clock::estimate(&points) {
        Err(error) => {
            assert_eq!(error, ClockError::OneSample);
            assert!(text(case, "error").starts_with("ValueError"), "{case}");
        }
        Ok(estimate) => {
            assert_eq!(estimate.skew_us, micros(text(case, "skew")), "{case}");
            assert_eq!(estimate.kept, number(case, "kept") as usize, "{case}");
        }
    }
}

fn dedupe(steps: &Json) -> usize {
    let mut now = Instant::now();
    let mut seen = Dedup::new(1000, None);
    let steps = steps.as_array().unwrap();
    for step in steps {
        now += Duration::from_secs(number(step, "advance").try_into().unwrap());
        let old = seen.check(now, text(step, "msg").as_bytes(), number(step, "record_seen") == 1);
        assert_eq!(i64::from(old), number(step, "is_old"), "{step}");
    }
    steps.len()
}

fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(n) => n.as_i64().map_or(Value::Float(n.as_f64().unwrap()), |n| Value::Int(n.into())),
        Json::String(text) => Value::Str(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(value_of).collect()),
        Json::Object(map) => {
            Value::Map(map.iter().map(|(k, v)| (Value::Str(k.clone()), value_of(v))).collect())
        }
    }
}

fn dht_serialize(case: &Json) {
    let sent = value_of(&case["msg"]);
    let wire = text(case, "hex");
    assert_eq!(dht_msg::serialize(&sent).as_deref(), Ok(wire), "{case}");
    assert_eq!(dht_msg::deserialize(wire).as_ref(), Ok(&sent), "{case}");
    if let Some(sent) = sent.as_str() {
        assert_eq!(dht_msg::serialize_text(sent).as_deref(), Ok(wire), "{case}");
    }
    let back = dht_msg::deserialize_evaluated(wire).unwrap();
    assert_eq!(back, value_of(&case["back"]), "{case}");
    let kind = match back {
        Value::Str(_) => "str",
        Value::Int(_) => "int",
        Value::List(_) => "list",
        Value::Map(_) => "dict",
        other => panic!("no vector has {other:?}"),
    };
    assert_eq!(kind, text(case, "back_type"));
}

fn parse_buf(case: &Json) {
    let (mut buf, mut scan) = (Vec::new(), LineScan::new());
    let (chunks, replies) = (case["chunks"].as_array().unwrap(), case["replies"].as_array().unwrap());
    assert_eq!(chunks.len(), replies.len());
    for (chunk, reply) in chunks.iter().zip(replies) {
        buf.extend_from_slice(chunk.as_str().unwrap().as_bytes());
        let run: Vec<u8> = scan.feed(&buf).map(|end| buf.drain(..end).collect()).unwrap_or_default();
        let lines: Vec<&str> = split(&run).map(|line| std::str::from_utf8(line).unwrap()).collect();
        assert_eq!(&Json::from(lines), reply, "{case}");
    }
    assert_eq!(buf, text(case, "left").as_bytes(), "{case}");
}
