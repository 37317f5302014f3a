//! The 20-byte name of a node in a DHT, written as 40 hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use super::hex;

/// A node's name. UNLs of version 2 hold it; all zero means that a node has none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 20]);

/// Letters and digits, of which PyP2P makes names and passwords.
const ALPHANUMERICS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl NodeId {
    /// A name of 20 random letters and digits, as PyP2P's are by default.
    pub fn random(rng: &mut fastrand::Rng) -> NodeId {
        NodeId(std::array::from_fn(|_| alphanumeric(rng)))
    }

    /// Whether it is the name of no node.
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 20]
    }
}

fn alphanumeric(rng: &mut fastrand::Rng) -> u8 {
    ALPHANUMERICS.get(rng.usize(..ALPHANUMERICS.len())).copied().unwrap_or(b'0')
}

/// `len` random letters and digits.
pub fn random_word(rng: &mut fastrand::Rng, len: usize) -> String {
    (0..len).map(|_| char::from(alphanumeric(rng))).collect()
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no node's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadNodeId;

impl fmt::Display for BadNodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a node id; expected 40 hexadecimal digits, not all zero")
    }
}

impl std::error::Error for BadNodeId {}

impl FromStr for NodeId {
    type Err = BadNodeId;

    /// Digits of either case. The zero name is refused: nobody has it.
    fn from_str(text: &str) -> Result<NodeId, BadNodeId> {
        let mut id = [0; 20];
        if hex::read(text, &mut id) && id != [0; 20] { Ok(NodeId(id)) } else { Err(BadNodeId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_name() {
        for bad in
            ["", "00", &"0".repeat(40), &"a".repeat(39), &"a".repeat(41), &"g".repeat(40), &"é".repeat(20)]
        {
            assert_eq!(bad.parse::<NodeId>(), Err(BadNodeId), "{bad}");
        }
    }

    #[test]
    fn random_names_are_letters_and_digits_and_differ() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (a, b) = (NodeId::random(&mut rng), NodeId::random(&mut rng));
        assert!(a != b && a.0.iter().all(u8::is_ascii_alphanumeric));
        assert_eq!(random_word(&mut rng, 30).len(), 30);
    }

    proptest! {
        #[test]
        fn there_and_back(id: [u8; 20]) {
            prop_assume!(id != [0; 20]);
            let text = NodeId(id).to_string();
            prop_assert_eq!(text.parse(), Ok(NodeId(id)));
            prop_assert_eq!(text.to_uppercase().parse(), Ok(NodeId(id)));
        }

        #[test]
        fn any_text_is_judged(text: String) {
            if let Ok(id) = text.parse::<NodeId>() {
                prop_assert_eq!(id.to_string(), text.to_lowercase());
            }
        }
    }
}
