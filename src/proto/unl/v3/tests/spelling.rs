//! What may not be said, and the one way in which the rest is.

use super::*;

/// What is well signed and still no locator: everything that would be a second spelling, or that nobody should say.
#[test]
fn one_spelling() {
    let malformed = |fields: &[u8]| match sealed(fields) {
        Err(V3Error::Malformed { what }) => what,
        other => panic!("{fields:?}: {other:?}"),
    };
    for (fields, what) in [
        (&[2, 1, 5, 2, 1, 5][..], "fields in ascending order, each once"),
        (&[3, 1, 1, 2, 1, 5], "fields in ascending order, each once"),
        (&[0, 1, 5], "fields in ascending order, each once"),
        (&[2, 0], "no empty field"),
        (&[200, 0], "no empty field"),
        (&[2], "fields that are whole"),
        (&[2, 2, 5], "fields that are whole"),
        (&[200, 9, 5], "fields that are whole"),
        (&[1, 8, 1, 2, 3, 4, 5, 6, 7, 8], "fields that are whole"),
        (&[3, 2, 1, 1], "fields of the length they have"),
        (&[2, 2, 0, 5], "numbers in their range, without leading zeros"),
        (&[2, 6, 1, 0, 0, 0, 0, 0], "numbers in their range, without leading zeros"),
        (&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0], "numbers in their range, without leading zeros"),
        (&[3, 1, 0], "a known node type and forwarding type"),
        (&[3, 1, 4], "a known node type and forwarding type"),
        (&[3, 1, 0x61], "a known node type and forwarding type"),
        (&[4, 1, 2], "fields that are whole"),
        (&[4, 2, 0, 0], "a known kind of NAT"),
        (&[4, 2, 6, 0], "a known kind of NAT"),
        (&[4, 2, 2, 0x40], "a known kind of NAT"),
        (&[4, 2, 2, 0x05], "a known kind of NAT"),
        (&[4, 3, 3, 0, 0], "numbers in their range, without leading zeros"),
        (&[4, 7, 3, 0, 1, 0, 0, 0, 0], "numbers in their range, without leading zeros"),
        (&[5, 7, 0x40, 1, 2, 3, 4, 0, 1], "known kinds of addresses"),
        (&[5, 7, 0x44, 1, 2, 3, 4, 0, 1], "known kinds of addresses"),
        (&[5, 7, 0x51, 1, 2, 3, 4, 0, 1], "IPv4 or IPv6 addresses"),
        (&[5, 6, 0x41, 1, 2, 3, 4, 0], "fields that are whole"),
        (&[6, 7, 0x41, 1, 2, 3, 4, 0, 1], "known kinds of servers"),
        (&[6, 7, 0x50, 1, 2, 3, 4, 0, 1], "IPv4 or IPv6 addresses"),
        (&[6, 5, 0x00, 1, 0xff, 0, 1], "host names"),
        (&[6, 5, 0x00, 2, b'a', 0, 1], "fields that are whole"),
        (&[7, 7, 0x41, 1, 2, 3, 4, 0, 1], "known kinds of servers"),
        (&[7, 6, 0x40, 1, 2, 3, 4, 0], "fields that are whole"),
    ] {
        assert_eq!(malformed(fields), what, "{fields:?}");
    }
    let content = |fields: &[u8]| match sealed(fields) {
        Err(V3Error::Content(error)) => error.to_string(),
        other => panic!("{fields:?}: {other:?}"),
    };
    for (fields, says) in [
        (
            &[5, 7, 0x41, 0, 0, 0, 0, 0, 1][..],
            "'lan 0.0.0.0:1' is not the address of a host; expected one, IPv4 or IPv6",
        ),
        (
            &[5, 14, 0x42, 1, 2, 3, 4, 0, 1, 0x42, 1, 2, 3, 4, 0, 1],
            "'wan 1.2.3.4:1' is named twice; expected once",
        ),
        (
            &[6, 7, 0x40, 1, 2, 3, 4, 0, 0],
            "'1.2.3.4' port 0 is no server's address; expected that of a host, and a port",
        ),
        (
            &[6, 5, 0x00, 1, b'A', 0, 1],
            "'A' port 1 is no server; expected a host name in lower case, and a port",
        ),
        (&[4, 5, 3, 0, 2, 0, 0], "the NAT's delta is 65536; expected -65535 to 65535"),
    ] {
        assert_eq!(content(fields), says, "{fields:?}");
    }
    let candidates: Vec<u8> = (1..=9).flat_map(|port| [0x41, 1, 2, 3, 4, 0, port]).collect();
    assert!(content(&[&[5, 63], &candidates[..]].concat()).starts_with("too many addresses"));
    let servers: Vec<u8> = (1..=4).flat_map(|port| [0x40, 1, 2, 3, 4, 0, port]).collect();
    assert!(content(&[&[6, 28], &servers[..]].concat()).starts_with("too many rendezvous servers"));
    let relays: Vec<u8> = (1..=5).flat_map(|port| [0x40, 1, 2, 3, 4, 0, port]).collect();
    assert!(content(&[&[7, 35], &relays[..]].concat()).starts_with("too many relays"));
    let twice = content(&[7, 14, 0x40, 1, 2, 3, 4, 0, 1, 0x40, 1, 2, 3, 4, 0, 1]);
    assert_eq!(twice, "'1.2.3.4:1' is named twice; expected once");
}

#[test]
fn what_cannot_be_said_is_not_signed() {
    let refused = |record: Record| UnlV3::sign(record, &me()).unwrap_err();
    assert_eq!(refused(Record { expires: Some(0), ..sample() }), RecordError::Expires);
    assert_eq!(refused(Record { expires: Some(MAX_EXPIRES + 1), ..sample() }), RecordError::Expires);
    let far = Nat { delta: i32::MIN, ..Nat::default() };
    assert_eq!(refused(Record { nat: far, ..sample() }), RecordError::Delta { delta: i32::MIN });
    let mapped: Candidate = Candidate::new(CandidateKind::Wan, [0, 0, 0, 0, 0, 0xffff, 0x102, 0x304], 1);
    assert!(matches!(
        refused(Record { candidates: vec![mapped], ..sample() }),
        RecordError::Candidate { .. }
    ));
    let names = (0..3).map(|i| Server { host: Host::Name(format!("{i}{}", "a.".repeat(50) + "b")), port: 1 });
    assert_eq!(refused(Record { servers: names.collect(), ..sample() }), RecordError::TooLong);
}
