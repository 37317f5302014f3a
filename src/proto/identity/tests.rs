use super::*;
use proptest::prelude::*;

fn hex<const N: usize>(text: &str) -> [u8; N] {
    assert_eq!(text.len(), 2 * N);
    std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
}

const SECRET_1: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const SECRET_2: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";

/// RFC 8032, section 7.1: secret, public, message, signature.
const RFC_8032: [(&str, &str, &[u8], &str); 4] = [
    (
        SECRET_1,
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        &[],
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595b\
         be24655141438e7a100b",
    ),
    (
        SECRET_2,
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        &[0x72],
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb430\
         2aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        &[0xaf, 0x82],
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716e\
         d28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        &[
            0xdd, 0xaf, 0x35, 0xa1, 0x93, 0x61, 0x7a, 0xba, 0xcc, 0x41, 0x73, 0x49, 0xae, 0x20, 0x41, 0x31,
            0x12, 0xe6, 0xfa, 0x4e, 0x89, 0xa9, 0x7e, 0xa2, 0x0a, 0x9e, 0xee, 0xe6, 0x4b, 0x55, 0xd3, 0x9a,
            0x21, 0x92, 0x99, 0x2a, 0x27, 0x4f, 0xc1, 0xa8, 0x36, 0xba, 0x3c, 0x23, 0xa3, 0xfe, 0xeb, 0xbd,
            0x45, 0x4d, 0x44, 0x23, 0x64, 0x3c, 0xe8, 0x0e, 0x2a, 0x9a, 0xc9, 0x4f, 0xa5, 0x4c, 0xa4, 0x9f,
        ],
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138a\
         c17ad9bef1177331a704",
    ),
];

#[test]
fn rfc_8032() {
    for (secret, public, message, signature) in RFC_8032 {
        let (identity, public) = (Identity::from_secret(&hex(secret)), PublicKey(hex(public)));
        let signature = hex(&signature.replace(' ', ""));
        assert_eq!(identity.public(), public);
        assert_eq!(identity.sign(message), signature);
        assert!(public.verify(message, &signature));
        assert!(!public.verify(b"another", &signature));
    }
}

/// L, the order of the group, little endian: S and S + L would both do if nobody looked.
const ORDER: [u8; 16] =
    [0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14];

#[test]
fn a_signature_has_one_spelling() {
    let identity = Identity::from_secret(&hex(SECRET_1));
    let mut signature = identity.sign(b"x");
    let mut carry = 0;
    for (i, byte) in signature[32..].iter_mut().enumerate() {
        let l = match i {
            0..16 => ORDER[i],
            31 => 0x10,
            _ => 0,
        };
        let sum = u16::from(*byte) + u16::from(l) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0);
    assert!(!identity.public().verify(b"x", &signature));
}

/// The neutral element as key and as R, S = 0: the plain equation holds for every message.
#[test]
fn keys_that_fit_every_message_are_refused() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(!PublicKey(neutral).verify(b"anything", &signature));
    assert_eq!(PublicKey(neutral).x25519(), None);
}

/// Not every 32 bytes are a point of the curve.
#[test]
fn what_is_no_key_verifies_nothing() {
    let mut none = [0; 32];
    none[0] = 2;
    assert!(!PublicKey(none).verify(b"x", &Identity::from_secret(&hex(SECRET_1)).sign(b"x")));
    assert_eq!(PublicKey(none).x25519(), None);
}

/// The public halves were computed from the secret ones by a plain RFC 7748 ladder in Python.
#[test]
fn x25519_halves_belong_together() {
    for (secret, x_secret, x_public) in [
        (
            SECRET_1,
            "357c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de90f",
            "d85e07ec22b0ad881537c2f44d662d1a143cf830c57aca4305d85c7a90f6b62e",
        ),
        (
            SECRET_2,
            "6ebd9ed75882d52815a97585caf4790a7f6c6b3b7f821c5e259a24b02e502e11",
            "25c704c594b88afc00a76b69d1ed2b984d7e22550f3ed0802d04fbcd07d38d47",
        ),
    ] {
        let identity = Identity::from_secret(&hex(secret));
        assert_eq!(identity.x25519_secret(), hex(x_secret));
        assert_eq!(identity.public().x25519(), Some(hex(x_public)));
    }
}

#[test]
fn the_secret_is_not_shown() {
    let secret = [0xab; 32];
    let identity = Identity::from_secret(&secret);
    let shown = format!("{identity:?} {identity:#?}").to_lowercase();
    for secret in ["abab", "171, 171", "q6ur"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains(&identity.public().to_string().to_lowercase()));
    assert_eq!(identity.secret(), &secret);
}

#[test]
fn keys_as_text() {
    let key = PublicKey(hex(RFC_8032[0].1));
    assert_eq!(key.to_string(), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(key.to_string().parse(), Ok(key));
    for text in
        ["", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"]
    {
        assert_eq!(text.parse::<PublicKey>(), Err(NotAKey), "{text}");
    }
    assert_eq!(NotAKey.to_string(), "not a node's public key; expected 43 letters of base64url");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_flipped_bit_is_noticed(secret: [u8; 32], message: Vec<u8>, at in 0..512usize) {
        let identity = Identity::from_secret(&secret);
        let mut signature = identity.sign(&message);
        prop_assert!(identity.public().verify(&message, &signature));
        signature[at / 8] ^= 1 << (at % 8);
        prop_assert!(!identity.public().verify(&message, &signature));
    }

    #[test]
    fn any_bytes_are_judged(key: [u8; 32], message: Vec<u8>, r: [u8; 32], s: [u8; 32]) {
        let signature = std::array::from_fn(|i| if i < 32 { r[i] } else { s[i - 32] });
        prop_assert!(!PublicKey(key).verify(&message, &signature));
    }
}
