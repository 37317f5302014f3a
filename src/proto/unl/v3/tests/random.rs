//! Locators of all sorts, and text of all sorts.

use proptest::prelude::*;

use super::*;
use crate::proto::unl::is_host;

fn one_of<T: Clone + fmt::Debug + 'static>(list: &[T]) -> impl Strategy<Value = T> + use<T> {
    prop::sample::select(list.to_vec())
}

fn any_ip() -> impl Strategy<Value = std::net::IpAddr> {
    let v4 = any::<[u8; 4]>().prop_map(std::net::IpAddr::from);
    let v6 = any::<[u8; 16]>().prop_map(std::net::IpAddr::from);
    prop_oneof![v4, v6].prop_filter("a host", |ip| is_host(*ip))
}

fn any_nat() -> impl Strategy<Value = Nat> {
    use Allocation as A;
    use Mapping as M;
    use NatType as N;
    (
        one_of(&[N::Unknown, N::None, N::Preserving, N::Delta, N::Reuse, N::Random]),
        one_of(&[M::Unknown, M::EndpointIndependent, M::AddressDependent, M::AddressAndPortDependent]),
        one_of(&[A::Unknown, A::Preserving, A::Delta, A::Sequential, A::Random]),
        prop_oneof![Just(0), -3..4, -MAX_DELTA..=MAX_DELTA],
    )
        .prop_map(|(nat_type, mapping, allocation, delta)| Nat { nat_type, mapping, allocation, delta })
}

fn any_server() -> impl Strategy<Value = Server> {
    let name = "[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{2,9}){0,2}".prop_map(Host::Name);
    (prop_oneof![any_ip().prop_map(Host::Ip), name], 1..=u16::MAX)
        .prop_map(|(host, port)| Server { host, port })
}

pub(super) fn any_record() -> impl Strategy<Value = Record> {
    let kind = one_of(&CandidateKind::ALL);
    let candidate = (kind, any_ip(), any::<u16>()).prop_map(|(kind, ip, port)| Candidate { kind, ip, port });
    let candidates = prop::collection::vec(candidate, 0..=MAX_CANDIDATES);
    let servers = prop::collection::vec(any_server(), 0..=MAX_SERVERS);
    let relays = prop::collection::vec(any_server(), 0..=MAX_RELAYS);
    let (passive, active) = (NodeType::Passive, NodeType::Active);
    use ForwardingType as F;
    (
        (any::<Option<[u8; 16]>>(), prop::option::of(1..=MAX_EXPIRES)),
        one_of(&[None, Some(passive), Some(active), Some(NodeType::Simultaneous)]),
        one_of(&[F::None, F::Manual, F::Forwarded, F::Upnp, F::NatPmp, F::Pcp]),
        any_nat(),
        candidates,
        (servers, relays),
    )
        .prop_map(|((network, expires), node_type, forwarding, nat, candidates, (servers, relays))| Record {
            network: network.map(NetworkId),
            expires,
            node_type,
            forwarding,
            nat,
            candidates,
            servers,
            relays,
        })
        .prop_filter("no place twice", |record| record.validate().is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn there_and_back(record in any_record(), secret: [u8; 32]) {
        let identity = Identity::from_secret(&secret);
        let unl = UnlV3::sign(record.clone(), &identity).unwrap();
        let read = UnlV3::decode(unl.text()).unwrap();
        prop_assert_eq!(&read, &unl);
        prop_assert_eq!(read.record(), &record);
        prop_assert_eq!(read.identity(), &identity.public());
        prop_assert_eq!(UnlV3::sign(read.record().clone(), &identity).unwrap(), unl);
    }

    /// Fields of whatever content, well signed: what is read is said again in the same letters, but for what is not
    /// known.
    #[test]
    fn signed_nonsense(tags in prop::collection::btree_map(1..9u8, prop::collection::vec(any::<u8>(), 1..24), 0..4)) {
        let fields: Vec<u8> =
            tags.iter().flat_map(|(tag, value)| [&[*tag, value.len() as u8], &value[..]].concat()).collect();
        let known = tags.keys().all(|tag| *tag < 8);
        if let Ok(unl) = sealed(&fields) {
            let again = signed(unl.record().clone());
            prop_assert_eq!(again.record(), unl.record());
            prop_assert_eq!(again.text() == unl.text(), known);
        }
    }

    /// The same with fields that are nearly right.
    #[test]
    fn signed_mutations(record in any_record(), at: prop::sample::Index, byte: u8) {
        let mut fields = fields::write(&record).unwrap();
        if !fields.is_empty() {
            *at.get_mut(&mut fields) = byte;
        }
        if let Ok(unl) = sealed(&fields) {
            let again = fields::write(unl.record()).unwrap();
            prop_assert!(again == fields || again.len() < fields.len());
        }
    }

    #[test]
    fn cut_anywhere(record in any_record()) {
        let text = signed(record).text().to_owned();
        for len in 0..text.len() {
            let fault = UnlV3::decode(&text[..len]).unwrap_err();
            let cut = matches!(fault, V3Error::CutOff { have, .. } if have == len);
            prop_assert!(cut || len < PREFIX.len(), "{len}: {fault:?}");
        }
    }
}

proptest! {
    // Each of them is thirty thousand texts.
    #![proptest_config(ProptestConfig::with_cases(4))]

    /// Every letter, replaced by every other: refused before the signature is looked at, so it is quick.
    #[test]
    fn every_wrong_letter(record in any_record()) {
        let text = signed(record).text().to_owned();
        let mut changed = text.clone().into_bytes();
        for at in 0..text.len() {
            for letter in b' '..=b'~' {
                if letter == text.as_bytes()[at] {
                    continue;
                }
                changed[at] = letter;
                let fault = UnlV3::decode(str::from_utf8(&changed).unwrap()).unwrap_err();
                prop_assert!(!matches!(fault, V3Error::Signature), "letter {at}: {fault:?}");
            }
            changed[at] = text.as_bytes()[at];
        }
    }

    /// Two letters swapped, one doubled, one lost.
    #[test]
    fn slips_of_the_hand(record in any_record()) {
        let text = signed(record).text().to_owned();
        for at in PREFIX.len()..text.len() - 1 {
            let (before, pair, after) = (&text[..at], &text[at..at + 2], &text[at + 2..]);
            let swapped: String = pair.chars().rev().collect();
            let slips = [[before, &swapped, after].concat(), [before, &pair[..1], pair, after].concat(),
                [before, &pair[1..], after].concat()];
            for slip in slips.iter().filter(|slip| **slip != text) {
                let fault = UnlV3::decode(slip).unwrap_err();
                prop_assert!(!matches!(fault, V3Error::Signature), "letter {at}: {fault:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_judged(text: String) {
        prop_assert!(UnlV3::decode(&text).is_err());
        let prefixed = [PREFIX, &text].concat();
        prop_assert!(UnlV3::decode(&prefixed).is_err());
    }

    #[test]
    fn any_letters_are_judged(letters in "[A-Za-z0-9_-]{0,1000}") {
        let text = [PREFIX, &letters].concat();
        prop_assert!(UnlV3::decode(&text).is_err());
    }

    /// With a length and a checksum that fit.
    #[test]
    fn any_bytes_are_judged(mut record in prop::collection::vec(any::<u8>(), MIN_RECORD - CRC_LEN..MAX_RECORD)) {
        let len = (record.len() + CRC_LEN) as u16;
        record[0] = FORMAT;
        record[1..3].copy_from_slice(&len.to_be_bytes());
        let crc = crc32(&record);
        record.extend(crc.to_be_bytes());
        let text = format!("{PREFIX}{}", base64url::encode(&record));
        let fault = UnlV3::decode(&text).unwrap_err();
        prop_assert!(matches!(fault, V3Error::Signature | V3Error::TooLong), "{fault:?}");
    }

    #[test]
    fn any_fields_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(record) = fields::read(&bytes) {
            prop_assert_eq!(record.validate(), Ok(()));
        }
    }
}
