use super::*;
use crate::proto::identity::Identity;
use crate::proto::punch::Body;
use crate::proto::unl::{Record, UnlV3};
use proptest::prelude::*;

const TOKEN: Token = [7; 16];

fn locator() -> String {
    UnlV3::sign(Record::default(), &Identity::from_secret(&[1; 32])).unwrap().text().to_owned()
}

fn ping() -> punch::Message {
    punch::Message { token: punch::Token([9; 16]), round: 1, body: Body::Ping(5) }
}

fn messages() -> Vec<Message> {
    vec![
        Message::Punch(ping()),
        Message::Call { token: TOKEN, locator: locator(), punch: None },
        Message::Call { token: TOKEN, locator: locator(), punch: Some(ping()) },
        Message::Answer { token: TOKEN, dials: 8, locator: locator() },
        Message::Refuse { token: TOKEN, reason: Refusal::Busy },
        Message::Refuse { token: TOKEN, reason: Refusal::Other(200) },
        Message::Relay { token: TOKEN, relay: [8; 16], server: "r.example:8000".to_owned() },
    ]
}

#[test]
fn the_bytes() {
    let refuse = Message::Refuse { token: TOKEN, reason: Refusal::NotReached }.encode();
    assert_eq!(refuse, [&[4][..], &TOKEN, &[5]].concat());
    let call = Message::Call { token: TOKEN, locator: locator(), punch: Some(ping()) }.encode();
    assert_eq!(call[..17], [&[2][..], &TOKEN].concat());
    assert_eq!(call[17..19], [0, 142]);
    assert_eq!(&call[19..23], b"p2p3");
    assert_eq!(call[161..163], [1, 5], "a punch's ping");
    assert_eq!(call.len(), 161 + 20);
    let answer = Message::Answer { token: TOKEN, dials: 3, locator: locator() }.encode();
    assert_eq!(answer[..18], [&[3][..], &TOKEN, &[3]].concat());
    const { assert!(MAX_LEN <= 1800) }
}

#[test]
fn what_is_written_is_read() {
    for message in messages() {
        assert_eq!(Message::decode(&message.encode()), Ok(message));
    }
}

#[test]
fn what_is_refused() {
    for message in messages() {
        let bytes = message.encode();
        for len in 0..bytes.len() {
            // A call without its punch is a call.
            let whole = matches!(message, Message::Call { punch: Some(_), .. }) && len == 161
                // And of a server's name any beginning may be one.
                || matches!(message, Message::Relay { .. }) && len > 33;
            if !whole {
                assert!(Message::decode(&bytes[..len]).is_err(), "{len} of {message:?}");
            }
        }
    }
    let good = Message::Refuse { token: TOKEN, reason: Refusal::Busy }.encode();
    let refused = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Message::decode(&bytes).unwrap_err()
    };
    assert_eq!(refused(&|b| b[0] = 6), MessageError::Kind(6));
    assert_eq!(refused(&|b| b[0] = 5), MessageError::Short);
    for server in ["R.example:1", "r example:1", "r.exämple:1", "", &"r".repeat(MAX_SERVER + 1)] {
        let bytes = [&[5][..], &TOKEN, &[8; 16], server.as_bytes()].concat();
        assert!(matches!(Message::decode(&bytes), Err(MessageError::Field(_))), "{server}");
    }
    let relay = [&[5][..], &TOKEN, &[0; 16], b"r.example:1"].concat();
    assert_eq!(Message::decode(&relay), Err(MessageError::Field("no token for the relay")));
    assert_eq!(refused(&|b| b[1..17].fill(0)), MessageError::Field("no token"));
    assert_eq!(refused(&|b| b.push(0)), MessageError::Long);
    let mut answer = Message::Answer { token: TOKEN, dials: 0, locator: locator() }.encode();
    answer[17] = 9;
    assert_eq!(Message::decode(&answer), Err(MessageError::Field("more than 8 dials")));
    answer[17] = 0;
    answer[30] = b'=';
    let locator = Err(MessageError::Field("something in the place of a locator"));
    assert_eq!(Message::decode(&answer), locator);
}

#[test]
fn reasons_come_back_and_differ() {
    let mut texts = std::collections::BTreeSet::new();
    for number in 0..=255 {
        let reason = Refusal::from_number(number);
        assert_eq!(reason.number(), number);
        assert!(texts.insert(reason.to_string()));
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_the_same(which in 0..7usize, at in 0..400usize, byte: u8, more: bool) {
        let mut bytes = messages()[which].encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        if more {
            bytes.push(byte);
        }
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn never_panics(kind in 0..7u8, mut bytes: Vec<u8>) {
        bytes.insert(0, kind);
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}
