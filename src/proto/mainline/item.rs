//! What the DHT stores for a key: a mutable item of BEP 44, signed by that key, of which the one with the highest sequence
//! number counts.

use crate::proto::identity::{Identity, PublicKey, Signature};

/// Most bytes of a value: BEP 44 has room for 1000, in which the value and its length (`996:`) have to fit.
pub const MAX_VALUE: usize = 996;
/// Most bytes of a salt (BEP 44).
pub const MAX_SALT: usize = 64;

/// A mutable item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Whose it is, and who has signed it.
    pub key: PublicKey,
    /// Tells the items of one key apart; empty = none.
    pub salt: Vec<u8>,
    /// Of two items the one with the higher number counts.
    pub seq: i64,
    /// What it says.
    pub value: Vec<u8>,
    /// The key's signature of [`signable`].
    pub signature: Signature,
}

impl Item {
    /// Makes one. `None` if value or salt are too long.
    pub fn sign(who: &Identity, salt: &[u8], seq: i64, value: &[u8]) -> Option<Item> {
        let fits = value.len() <= MAX_VALUE && salt.len() <= MAX_SALT;
        fits.then(|| Item {
            key: who.public(),
            salt: salt.to_vec(),
            seq,
            value: value.to_vec(),
            signature: who.sign(&signable(salt, seq, value)),
        })
    }

    /// Whether it fits into the DHT, and its key has signed it.
    pub fn verify(&self) -> bool {
        self.value.len() <= MAX_VALUE
            && self.salt.len() <= MAX_SALT
            && self.key.verify(&signable(&self.salt, self.seq, &self.value), &self.signature)
    }
}

/// What is signed of an item: salt, sequence number and value as in a bencoded dictionary, without its `d` and `e`.
///
/// It begins with `4:salt` or `3:seqi`, so none of these signatures fits anything else that a node signs.
pub fn signable(salt: &[u8], seq: i64, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64 + salt.len() + value.len());
    if !salt.is_empty() {
        bytes.extend_from_slice(format!("4:salt{}:", salt.len()).as_bytes());
        bytes.extend_from_slice(salt);
    }
    bytes.extend_from_slice(format!("3:seqi{seq}e1:v{}:", value.len()).as_bytes());
    bytes.extend_from_slice(value);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The strings of BEP 44's test vectors.
    #[test]
    fn bep_44() {
        assert_eq!(signable(b"", 1, b"Hello World!"), b"3:seqi1e1:v12:Hello World!");
        assert_eq!(signable(b"foobar", 1, b"Hello World!"), b"4:salt6:foobar3:seqi1e1:v12:Hello World!");
    }

    #[test]
    fn only_its_key_can_make_it() {
        let item = Item::sign(&Identity::from_secret(&[1; 32]), b"salt", 7, b"value").unwrap();
        assert!(item.verify());
        let other = Identity::from_secret(&[2; 32]).public();
        for wrong in [
            Item { key: other, ..item.clone() },
            Item { salt: b"sale".to_vec(), ..item.clone() },
            Item { salt: Vec::new(), ..item.clone() },
            Item { seq: 8, ..item.clone() },
            Item { value: b"valuf".to_vec(), ..item.clone() },
        ] {
            assert!(!wrong.verify(), "{wrong:?}");
        }
    }

    #[test]
    fn too_long_is_none() {
        let who = Identity::from_secret(&[1; 32]);
        assert!(Item::sign(&who, b"", 0, &[0; MAX_VALUE]).is_some());
        assert!(Item::sign(&who, b"", 0, &[0; MAX_VALUE + 1]).is_none());
        assert!(Item::sign(&who, &[0; MAX_SALT + 1], 0, b"").is_none());
    }
}
