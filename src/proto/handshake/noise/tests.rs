use super::primitives::X25519;
use super::*;
use curve25519_dalek::montgomery::MontgomeryPoint;
use serde_json::Value;
use snow::types::Dh;

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn key(value: &Value) -> [u8; KEY] {
    hex(value).try_into().unwrap()
}

fn keys(secret: &Value) -> StaticKeys {
    let secret = key(secret);
    StaticKeys {
        secret: Zeroizing::new(secret),
        public: MontgomeryPoint::mul_base_clamped(secret).to_bytes(),
    }
}

/// Each vector from both ends: the handshake's messages, the hash, and what follows by our own cipher states.
#[test]
fn the_published_vectors() {
    let file: Value =
        serde_json::from_str(include_str!("../../../../tests/data/noise-vectors.json")).unwrap();
    let mut names = Vec::new();
    for source in ["cacophony", "snow"] {
        for vector in file[source].as_array().unwrap() {
            names.push(vector["protocol_name"].as_str().unwrap());
            run(vector);
        }
    }
    let aes = names.iter().filter(|name| name.contains("AESGCM")).count();
    assert_eq!((names.len(), aes), (14, 7), "{names:?}");
}

fn run(v: &Value) {
    let name = v["protocol_name"].as_str().unwrap();
    let (i_keys, r_keys) = (keys(&v["init_static"]), keys(&v["resp_static"]));
    let side = |initiator: bool, who: &str, keys: &StaticKeys| {
        let psks = v[format!("{who}_psks")].as_array().cloned().unwrap_or_default();
        let psks: Vec<_> = psks.iter().map(key).collect();
        let places = name.split("psk").skip(1).map(|rest| rest.as_bytes()[0] - b'0');
        let shared: Vec<_> = places.zip(&psks).collect();
        let remote = v.get("init_remote_static").filter(|_| initiator).map(key);
        let setup = Setup {
            pattern: Pattern::Xx,
            initiator,
            prologue: &hex(&v[format!("{who}_prologue")]),
            keys,
            remote: remote.as_ref(),
            shared: None,
            ephemeral: &key(&v[format!("{who}_ephemeral")]),
        };
        Noise::with(name.parse().unwrap(), &setup, &shared).unwrap()
    };
    let (mut from, mut to) = (side(true, "init", &i_keys), side(false, "resp", &r_keys));
    let messages = v["messages"].as_array().unwrap();
    let (handshake, rest) = messages.split_at(if name.contains("IK") { 2 } else { 3 });
    for message in handshake {
        let (payload, want) = (hex(&message["payload"]), hex(&message["ciphertext"]));
        let mut got = Vec::new();
        from.write(&payload, &mut got).unwrap();
        assert_eq!(got, want, "{name}");
        assert_eq!(to.read(&want).unwrap(), payload, "{name}");
        std::mem::swap(&mut from, &mut to);
    }
    let (i, r) = if name.contains("IK") { (from, to) } else { (to, from) };
    assert_eq!((i.remote(), r.remote()), (Some(r_keys.public), Some(i_keys.public)));
    let ((a, b, hash), (a2, b2, hash2)) = (i.split(), r.split());
    assert_eq!((&a, &b, hash), (&a2, &b2, hash2));
    if let Some(want) = v.get("handshake_hash") {
        assert_eq!(hash, key(want), "{name}");
    }
    let cipher = if name.contains("AESGCM") { Cipher::AesGcm } else { Cipher::ChaChaPoly };
    let state = |key| CipherState::new(cipher, key);
    let (mut to_r, mut to_i) = (state(&a), state(&b));
    let (mut at_r, mut at_i) = (state(&a), state(&b));
    let initiator_first = handshake.len() % 2 == 0;
    for (n, message) in rest.iter().enumerate() {
        let (payload, want) = (hex(&message["payload"]), hex(&message["ciphertext"]));
        let by_initiator = (n % 2 == 0) == initiator_first;
        let (out, at) = if by_initiator { (&mut to_r, &mut at_r) } else { (&mut to_i, &mut at_i) };
        let mut text = vec![0; payload.len()];
        let tag = out.encrypt(&[], &payload, &mut text).unwrap();
        assert_eq!([&text[..], &tag].concat(), want, "{name}");
        at.decrypt(&[], &mut text, &tag).unwrap();
        assert_eq!(text, payload);
    }
}

/// With any secret they give zeros: 0, 1 and -1.
#[test]
fn points_of_small_order_are_refused() {
    let dh = X25519 {
        known: keys(&Value::from("11".repeat(32))),
        secret: Zeroizing::new([0x11; KEY]),
        public: [0; KEY],
    };
    let mut one = [0; KEY];
    one[0] = 1;
    let mut minus_one = [0xff; KEY];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    for point in [[0; KEY], one, minus_one] {
        assert_eq!(dh.dh(&point, &mut [0; 56]), Err(Error::Dh), "{point:?}");
    }
    let mut base = [0; KEY];
    base[0] = 9;
    assert_eq!(dh.dh(&base, &mut [0; 56]), Ok(()));
}

/// Another version, or another dialect, has another prologue: nothing that is encrypted can be read across.
#[test]
fn who_begins_with_other_words_is_not_understood() {
    let keys = |n: &str| keys(&Value::from(n.repeat(32)));
    let (i, r) = (keys("11"), keys("22"));
    for pattern in [Pattern::Ik, Pattern::Xx] {
        let side = |initiator: bool, prologue: &'static [u8]| {
            let (own, ephemeral) = if initiator { (&i, [3; KEY]) } else { (&r, [4; KEY]) };
            let remote = (initiator && pattern == Pattern::Ik).then_some(&r.public);
            let (keys, shared) = (own, None);
            Noise::new(&Setup { pattern, initiator, prologue, keys, remote, shared, ephemeral: &ephemeral })
                .unwrap()
        };
        for (theirs, understood) in [
            (&b"p2pnet secure 1"[..], true),
            (b"p2pnet secure 2", false),
            (b"p2pnet classic 1", false),
            (b"", false),
        ] {
            let (mut from, mut to) = (side(true, theirs), side(false, b"p2pnet secure 1"));
            // The first message of XX has nothing that is encrypted.
            let (mut first, mut second) = (Vec::new(), Vec::new());
            from.write(b"", &mut first).unwrap();
            let read = to.read(&first).and_then(|_| {
                to.write(b"", &mut second)?;
                from.read(&second)
            });
            assert_eq!(read.is_ok(), understood, "{pattern:?} {theirs:?}");
        }
    }
}
