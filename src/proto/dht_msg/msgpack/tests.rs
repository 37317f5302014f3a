use super::*;
use proptest::prelude::*;

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| Value::Int(n.into())),
        any::<u64>().prop_map(|n| Value::Int(n.into())),
        (-300..300i128).prop_map(Value::Int),
        (-1e9..1e9f64).prop_map(Value::Float),
        any::<String>().prop_map(Value::Str),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 40, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::List),
            prop::collection::vec((inner.clone(), inner), 0..18).prop_map(Value::Map),
        ]
    })
}

#[test]
fn integers_take_their_shortest_form() {
    for (number, bytes) in [
        (127i128, &[0x7f][..]),
        (128, &[0xcc, 0x80]),
        (-32, &[0xe0]),
        (-33, &[0xd0, 0xdf]),
        (-128, &[0xd0, 0x80]),
        (-129, &[0xd1, 0xff, 0x7f]),
        (65535, &[0xcd, 0xff, 0xff]),
        (65536, &[0xce, 0, 1, 0, 0]),
        (u64::MAX.into(), &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]),
        (i64::MIN.into(), &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(pack(&Value::Int(number)).as_deref(), Ok(bytes));
    }
    assert_eq!(pack(&Value::Int(1 << 64)), Err(DhtError::IntTooLarge));
}

#[test]
fn lengths_at_their_borders() {
    for (len, head) in [(31, vec![0xbf]), (32, vec![0xd9, 32]), (256, vec![0xda, 1, 0])] {
        let packed = pack_text(&"x".repeat(len)).unwrap();
        assert_eq!(packed[..packed.len() - len], head);
        assert_eq!(unpack(&packed), Ok(Value::Str("x".repeat(len))));
    }
    for (len, head) in [(15, vec![0x9f]), (16, vec![0xdc, 0, 16])] {
        assert!(pack(&Value::List(vec![Value::Nil; len])).unwrap().starts_with(&head));
    }
    assert!(pack_text(&"x".repeat(MAX_PACKED - 3)).is_ok());
    assert_eq!(pack_text(&"x".repeat(MAX_PACKED)), Err(DhtError::TooLarge));
}

#[test]
fn hostile_input() {
    assert_eq!(unpack(&[0xdd, 255, 255, 255, 255, 0]), Err(DhtError::Truncated));
    assert_eq!(unpack(&[0xdf, 255, 255, 255, 255, 0]), Err(DhtError::Truncated));
    assert_eq!(unpack(&[0xdb, 255, 255, 255, 255, 0]), Err(DhtError::Truncated));
    assert_eq!(unpack(&[0x91; 60_000]), Err(DhtError::TooDeep));
    assert_eq!(unpack(&[0x81; 60_000]), Err(DhtError::TooDeep));
    assert_eq!(unpack(&[0xa1, 0xff]), Err(DhtError::NotUtf8));
    assert_eq!(unpack(&[0xd4, 0, 0]), Err(DhtError::Unsupported { byte: 0xd4 }));
    assert_eq!(unpack(&vec![0; MAX_PACKED + 1]), Err(DhtError::TooLarge));
    let mut deepest = Value::Nil;
    (0..MAX_DEPTH).for_each(|_| deepest = Value::List(vec![std::mem::replace(&mut deepest, Value::Nil)]));
    assert_eq!(unpack(&pack(&deepest).unwrap()), Ok(deepest.clone()));
    assert_eq!(pack(&Value::List(vec![deepest])), Err(DhtError::TooDeep));
}

proptest! {
    #[test]
    fn there_and_back(value in any_value()) {
        let packed = pack(&value).unwrap();
        prop_assert_eq!(unpack(&packed), Ok(value));
        if let Some((_, cut)) = packed.split_last() {
            prop_assert_eq!(unpack(cut), Err(DhtError::Truncated));
        }
    }

    #[test]
    fn any_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = unpack(&bytes);
    }
}
