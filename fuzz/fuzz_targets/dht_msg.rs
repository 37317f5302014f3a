//! The input as a DHT message three times over: as digits, as MessagePack, and as text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::dht_msg::{self, Reverse, Value, literal, msgpack};

fuzz_target!(|data: &[u8]| {
    if let Ok(value) = msgpack::unpack(data)
        && !holds_nan(&value)
        && let Ok(packed) = msgpack::pack(&value)
    {
        assert_eq!(msgpack::unpack(&packed).as_ref(), Ok(&value));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = (dht_msg::deserialize_evaluated(text), literal::evaluate(text));
    if let Some(Ok(message)) = Reverse::parse(text) {
        assert_eq!(message.to_string(), text);
        assert!(message.is_from(message.unl));
    }
    if let Ok(digits) = dht_msg::serialize_text(text) {
        assert_eq!(dht_msg::deserialize(&digits), Ok(Value::Str(text.to_owned())));
    }
});

/// NaN does not equal itself.
fn holds_nan(value: &Value) -> bool {
    match value {
        Value::Float(number) => number.is_nan(),
        Value::List(items) => items.iter().any(holds_nan),
        Value::Map(pairs) => pairs.iter().any(|(key, item)| holds_nan(key) || holds_nan(item)),
        _ => false,
    }
}
