use super::*;
use crate::proto::nat::NatType;
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::network::NetworkId;
use crate::proto::unl::{Candidate, CandidateKind, ForwardingType, Host, Nat, NodeType, Server};

mod random;
mod spelling;

fn me() -> Identity {
    Identity::from_secret(&[7; 32])
}

fn list<T: FromStr<Err: fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// The common case: a home node that knows all of itself, with one server.
fn sample() -> Record {
    Record {
        network: Some(NetworkId::of("chess")),
        expires: Some(1_795_375_044),
        node_type: Some(NodeType::Simultaneous),
        forwarding: ForwardingType::None,
        nat: Nat {
            nat_type: NatType::Delta,
            mapping: Mapping::AddressAndPortDependent,
            allocation: Allocation::Sequential,
            delta: -2,
        },
        candidates: list(&["lan 192.168.1.20:50500", "wan 203.0.113.7:50500", "wan [2001:db8::20]:50500"]),
        servers: list(&["198.51.100.1:8000"]),
        relays: Vec::new(),
    }
}

fn signed(record: Record) -> UnlV3 {
    UnlV3::sign(record, &me()).unwrap()
}

/// A text for fields that no record gives.
fn sealed(fields: &[u8]) -> Result<UnlV3, V3Error> {
    UnlV3::decode(&seal(&me(), fields).unwrap())
}

#[test]
fn the_common_case_is_short() {
    let unl = signed(sample());
    assert_eq!(unl.text().len(), 243);
    let v4 = Record {
        candidates: list(&["lan 192.168.1.20:50500", "wan 203.0.113.7:50500", "mapped 203.0.113.7:6881"]),
        ..sample()
    };
    assert_eq!(signed(v4).text().len(), 227);
    let all_v6 = Record {
        candidates: list(&["lan [fd00::1]:50500", "wan [2001:db8::20]:50500", "mapped [2001:db8::20]:6881"]),
        servers: list(&["[2001:db8::53]:8000"]),
        ..sample()
    };
    assert_eq!(signed(all_v6).text().len(), 291);
    let named = Record { servers: list(&["rendezvous.example.org:8000"]), ..sample() };
    assert_eq!(signed(named).text().len(), 268);
    assert_eq!(signed(Record::default()).text().len(), MIN_TEXT);
}

#[test]
fn the_longest_is_read() {
    let server = |end: &str| Server { host: Host::Name("a.".repeat(125) + end), port: 1 };
    let record = Record {
        candidates: (0..8)
            .map(|i| Candidate::new(CandidateKind::Wan, std::net::Ipv6Addr::from(1 << 100 | i), 1))
            .collect(),
        servers: vec![server("a")],
        ..sample()
    };
    assert_eq!(UnlV3::decode(signed(record.clone()).text()).unwrap().record(), &record);
    let more = Record { servers: vec![server("aa")], ..record };
    assert_eq!(UnlV3::sign(more, &me()), Err(RecordError::TooLong));
    assert!(seal(&me(), &vec![0; MAX_RECORD - MIN_RECORD]).is_some_and(|text| text.len() == MAX_TEXT));
    assert_eq!(seal(&me(), &vec![0; MAX_RECORD - MIN_RECORD + 1]), None);
}

#[test]
fn comparing() {
    let (ours, other) = (signed(sample()), Identity::from_secret(&[8; 32]));
    let mut moved = sample();
    moved.candidates.reverse();
    moved.expires = Some(1_795_375_045);
    let later = signed(moved.clone());
    assert!(ours != later && ours == signed(sample()));
    assert!(ours.is_same_node(&later) && ours.has_same_addresses(&later));
    assert!(later.supersedes(&ours) && !ours.supersedes(&later) && !ours.supersedes(&ours));
    let theirs = UnlV3::sign(moved.clone(), &other).unwrap();
    assert!(!ours.is_same_node(&theirs) && ours.has_same_addresses(&theirs) && !theirs.supersedes(&ours));
    moved.candidates.pop();
    assert!(!ours.has_same_addresses(&signed(moved)));
    let for_ever = signed(Record { expires: None, ..sample() });
    assert!(for_ever.supersedes(&later) && !for_ever.supersedes(&for_ever));
}

#[test]
fn expiry_and_network() {
    let unl = signed(sample());
    let end = 1_795_375_044;
    assert_eq!(unl.check(&Check::at(end - 1)), Ok(()));
    assert_eq!(unl.check(&Check::at(end)), Err(V3Error::Expired { since: end, now: end }));
    assert_eq!(unl.check(&Check::at(end + 59).tolerance(60)), Ok(()));
    assert!(unl.check(&Check::at(end + 60).tolerance(60)).is_err());
    assert_eq!(
        unl.check(&Check::at(u64::MAX).tolerance(u64::MAX)),
        Err(V3Error::Expired { since: end, now: u64::MAX })
    );
    assert_eq!(signed(Record { expires: None, ..sample() }).check(&Check::at(u64::MAX)), Ok(()));
    let (chess, go) = (Some(NetworkId::of("chess")), Some(NetworkId::of("go")));
    assert_eq!(unl.check(&Check::at(0).network(chess)), Ok(()));
    for ours in [go, None] {
        let other = V3Error::OtherNetwork { theirs: chess, ours };
        assert_eq!(unl.check(&Check::at(u64::MAX).network(ours)), Err(other));
    }
    let nameless = signed(Record { network: None, ..sample() });
    assert_eq!(nameless.check(&Check::at(0).network(None)), Ok(()));
    assert!(nameless.check(&Check::at(0).network(chess)).is_err());
}

/// What a person is told.
#[test]
fn each_fault_in_words() {
    let text = signed(sample()).text().to_owned();
    let says = |text: &str| UnlV3::decode(text).unwrap_err().to_string();
    assert_eq!(says("P2P3AA"), "not a locator; expected text that begins with p2p3");
    assert_eq!(says(&text[..100]), "the locator is cut off: it has 100 letters; expected 243");
    assert_eq!(says("p2p3AQ"), "the locator is cut off: it has 6 letters; expected 142");
    assert_eq!(
        says(&format!("{text}.")),
        "letter 244 of the locator is '.'; expected A-Z, a-z, 0-9, - and _ in one piece"
    );
    assert_eq!(
        says(&format!("{}\n{}", &text[..76], &text[76..])),
        "letter 77 of the locator is a line break; expected A-Z, a-z, 0-9, - and _ in one piece"
    );
    assert!(says(&text.replace("p2p3A", "p2p3 A")).contains("letter 5 of the locator is a blank;"));
    assert_eq!(
        says(&format!("{text}{text}")),
        "something follows the locator: there are 486 letters; expected 243"
    );
    assert_eq!(
        says(&("p2p3".to_owned() + &"A".repeat(961))),
        "too long for a locator; expected at most 964 letters"
    );
    let swapped = [&text[..50], &text[51..52], &text[50..51], &text[52..]].concat();
    assert_ne!(swapped, text);
    assert_eq!(says(&swapped), "a letter of the locator is wrong; expected an unchanged copy");

    let expired = signed(sample()).check(&Check::at(1_795_375_044 + 3 * 86400 + 7)).unwrap_err();
    assert_eq!(
        expired.to_string(),
        "the locator expired 2026-11-22 19:17:24 UTC (3 days ago); expected a newer one (or is the clock wrong?)"
    );
    let other = signed(sample()).check(&Check::at(0).network(None)).unwrap_err();
    let chess = NetworkId::of("chess");
    assert_eq!(
        other.to_string(),
        format!("the locator was made for network {chess}; expected the network without a name")
    );
}

/// Changes the record of a text, and mends the checksum.
fn tampered(text: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut record = base64url::decode(&text[PREFIX.len()..]).unwrap();
    record.truncate(record.len() - CRC_LEN);
    change(&mut record);
    let crc = crc32(&record).to_be_bytes();
    record.extend(crc);
    format!("{PREFIX}{}", base64url::encode(&record))
}

#[test]
fn a_later_layout_is_called_so() {
    let later = tampered(signed(sample()).text(), |record| record[0] = 2);
    assert_eq!(UnlV3::decode(&later), Err(V3Error::Newer { format: 2 }));
    assert!(UnlV3::decode(&later).unwrap_err().to_string().contains("layout 2, of a newer version"));
}

/// Whoever changes something, mends the checksum and cannot sign, is found out, at every byte.
#[test]
fn the_signature_covers_all_of_it() {
    let text = signed(sample()).text().to_owned();
    let len = base64url::decode(&text[PREFIX.len()..]).unwrap().len() - CRC_LEN;
    for at in HEAD_LEN..len {
        let changed = tampered(&text, |record| record[at] ^= 1);
        assert_eq!(UnlV3::decode(&changed), Err(V3Error::Signature), "byte {at}");
    }
    // A signature of the same bytes for another purpose does not fit.
    let elsewhere = tampered(&text, |record| {
        let end = record.len() - SIGNATURE_LEN;
        let signature = me().sign(&record[..end]);
        record[end..].copy_from_slice(&signature);
    });
    assert_eq!(UnlV3::decode(&elsewhere), Err(V3Error::Signature));
    // Another's key in it, signed by us.
    let anothers = tampered(&text, |record| {
        record[HEAD_LEN..HEAD_LEN + KEY_LEN].copy_from_slice(&Identity::from_secret(&[8; 32]).public().0);
        let end = record.len() - SIGNATURE_LEN;
        let signature = me().sign(&[DOMAIN, &record[..end]].concat());
        record[end..].copy_from_slice(&signature);
    });
    assert_eq!(UnlV3::decode(&anothers), Err(V3Error::Signature));
    assert!(V3Error::Signature.to_string().contains("signature does not match: it was changed"));
}

#[test]
fn whether_a_node_relays_itself_shows_by_its_address() {
    let relays =
        list(&["203.0.113.7:50500", "203.0.113.7:50501", "relay.example:50500", "192.168.1.20:50500"]);
    let unl = signed(Record { relays, ..sample() });
    assert_eq!(unl.text().len(), 296);
    let read = UnlV3::decode(unl.text()).unwrap();
    let own: Vec<String> = read.record().relays_at().map(ToString::to_string).collect();
    assert_eq!(own, ["203.0.113.7:50500", "192.168.1.20:50500"]);
    assert_eq!(signed(sample()).record().relays_at().next(), None);
}

#[test]
fn unknown_fields_are_skipped_and_signed() {
    let known = fields::write(&sample()).unwrap();
    let text = seal(&me(), &[&known[..], &[9, 2, 1, 2, 200, 1, 0]].concat()).unwrap();
    let unl = UnlV3::decode(&text).unwrap();
    assert_eq!(unl.record(), &sample());
    assert_eq!(unl.text(), text);
    assert_ne!(unl, signed(sample()));
    let at = HEAD_LEN + KEY_LEN + known.len() + 2;
    assert_eq!(UnlV3::decode(&tampered(&text, |record| record[at] ^= 1)), Err(V3Error::Signature));
    assert_eq!(sealed(&[200, 3, 1, 2, 3]).unwrap().record(), &Record::default());
}
