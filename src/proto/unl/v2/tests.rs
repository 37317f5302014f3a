use super::*;
use proptest::prelude::*;

const SAMPLE: &str = "AlAyUG5ldHdvcmtpbmdJblJ1c3Qhc2dt+icBAkBkCgKowOoWOBs=";

fn sample() -> UnlV2 {
    UnlV2 {
        node_id: node_id(b"P2PnetworkingInRust!"),
        node_type: NodeType::Simultaneous,
        nat_type: NatType::Preserving,
        forwarding_type: ForwardingType::Manual,
        listen_port: 10234,
        wan_ip: Ipv4Addr::new(100, 64, 2, 1),
        lan_ip: Ipv4Addr::new(192, 168, 2, 10),
        version: 2,
    }
}

fn any_unl() -> impl Strategy<Value = UnlV2> {
    let nat = prop::sample::select(vec![
        NatType::Unknown,
        NatType::Preserving,
        NatType::Delta,
        NatType::Reuse,
        NatType::Random,
    ]);
    let kinds =
        (prop::sample::select(NodeType::ALL.to_vec()), nat, prop::sample::select(FORWARDING_TYPES.to_vec()));
    (any::<[u8; 20]>(), kinds, any::<u16>(), any::<[u8; 4]>(), any::<[u8; 4]>(), any::<u8>()).prop_map(
        |(node_id, (node_type, nat_type, forwarding_type), listen_port, wan, lan, version)| UnlV2 {
            node_id,
            node_type,
            nat_type,
            forwarding_type,
            listen_port,
            wan_ip: wan.into(),
            lan_ip: lan.into(),
            version,
        },
    )
}

#[test]
fn a_known_one() {
    assert_eq!(sample().encode(), SAMPLE);
    assert_eq!(UnlV2::decode(SAMPLE), Ok(sample()));
}

#[test]
fn node_ids_are_cut_or_filled() {
    assert_eq!(&node_id(b"short")[..6], b"short\0");
    assert_eq!(&node_id(b"0123456789abcdefghijKLMN"), b"0123456789abcdefghij");
}

/// What the original writes and cannot read is refused with the letter's name, and never written by us.
#[test]
fn the_unreadable_nat_types() {
    for (nat_type, letter) in [(NatType::Delta, b'a'), (NatType::Unknown, b'n')] {
        let ours = UnlV2 { nat_type, ..sample() };
        assert_eq!(UnlV2::decode(&ours.encode()), Ok(UnlV2 { nat_type: NatType::Random, ..sample() }));

        let mut originals = ours.to_bytes();
        originals[22] = letter;
        assert_eq!(UnlV2::from_bytes(&with_checksum(originals)), Err(UnlError::NatType { letter }));
    }
}

#[test]
fn the_words_it_lacks() {
    for (forwarding_type, read) in
        [(ForwardingType::None, ForwardingType::Manual), (ForwardingType::Pcp, ForwardingType::NatPmp)]
    {
        let unl = UnlV2::decode(&UnlV2 { forwarding_type, ..sample() }.encode());
        assert_eq!(unl, Ok(UnlV2 { forwarding_type: read, ..sample() }));
    }
}

#[test]
fn each_fault_has_its_error() {
    assert_eq!(UnlV2::decode(""), Err(UnlError::TooShort { bytes: 0 }));
    assert_eq!(UnlV2::decode("é"), Err(UnlError::NotAscii));
    assert_eq!(UnlV2::decode(SAMPLE.trim_end_matches('=')), Err(UnlError::Unfinished));
    assert_eq!(UnlV2::decode(&SAMPLE.replace('=', "A")), Err(UnlError::TooLong));
    assert_eq!(UnlV2::decode(&SAMPLE.replace("AlAy", "AlAz")), Err(UnlError::Checksum));
    assert_eq!(
        UnlError::NatType { letter: b'a' }.to_string(),
        "the UNL's NAT type is 'a'; expected g, m or e"
    );
}

#[test]
fn one_node_under_two_unls() {
    let moved = UnlV2 { node_type: NodeType::Active, node_id: [0; 20], ..sample() };
    assert!(sample().is_same_node(&moved));
    assert!(!sample().is_same_node(&UnlV2 { listen_port: 1, ..sample() }));
}

#[test]
fn master_by_number_not_by_first_letter() {
    assert!(is_master("AB", "AA"));
    assert!(!is_master("AA", "AA"));
    assert!(is_master("AAA", "Z"));
    assert!(!is_master("\0\0A", "AA"));
}

proptest! {
    #[test]
    fn there_and_back(unl in any_unl()) {
        let text = unl.encode();
        prop_assert_eq!(text.len(), TEXT_LEN);
        let readable = match unl.nat_type {
            NatType::Delta | NatType::Unknown => NatType::Random,
            other => other,
        };
        prop_assert_eq!(UnlV2::decode(&text), Ok(UnlV2 { nat_type: readable, ..unl }));
    }

    #[test]
    fn any_text_is_judged(text: String) {
        prop_assert!(UnlV2::decode(&text).is_err());
    }

    /// One changed bit is always noticed (in the base64 text a change of the unused bits is not one).
    #[test]
    fn bits_matter(unl in any_unl(), at in 0..RAW_LEN * 8) {
        let mut raw = unl.to_bytes();
        raw[at / 8] ^= 1 << (at % 8);
        prop_assert_eq!(UnlV2::from_bytes(&raw), Err(UnlError::Checksum));
    }
}
