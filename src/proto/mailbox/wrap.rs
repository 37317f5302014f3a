//! How a text becomes a message in a mailbox, and how a message is known again that comes twice.
//!
//! ```text
//! message = hexadecimal digits of ( MessagePack of the text , "p2p" 0x01 , 12 bytes that no other message has )
//! ```
//!
//! A reader of MessagePack stops at the end of the value: PyP2P does not see what follows it. We do, and deliver each token
//! once. So a message may be put again whenever it is not certain that the server has it, and through another server.

use std::collections::VecDeque;

use sha2::{Digest, Sha256};

use crate::proto::dht_msg::{DhtError, Value, from_hex, msgpack, to_hex};
use crate::small::SmallSet;

/// What stands before a token.
const MARK: [u8; 4] = *b"p2p\x01";
/// Bytes of a token.
pub const TOKEN_LEN: usize = 12;

/// What makes a message of ours one of its kind.
pub type Token = [u8; TOKEN_LEN];

/// Makes tokens that nobody can foresee.
#[derive(Debug)]
pub(super) struct Mint {
    secret: [u8; 32],
    count: u64,
}

impl Mint {
    pub(super) fn new(secret: [u8; 32]) -> Mint {
        Mint { secret, count: 0 }
    }

    pub(super) fn next(&mut self) -> Token {
        self.count += 1;
        let digest: [u8; 32] =
            Sha256::new().chain_update(self.secret).chain_update(self.count.to_le_bytes()).finalize().into();
        let mut token = [0; TOKEN_LEN];
        token.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        token
    }
}

/// The message that says `text`.
///
/// # Errors
/// Larger than [`crate::proto::dht_msg::MAX_PACKED`].
pub fn wrap(text: &str, token: &Token) -> Result<String, DhtError> {
    let mut bytes = msgpack::pack_text(text)?;
    bytes.extend(MARK);
    bytes.extend(token);
    Ok(to_hex(&bytes))
}

/// What a message says, and its token if it has one. `Ok(None)`: a value that is no text.
///
/// # Errors
/// It is no message at all.
pub fn unwrap(digits: &str) -> Result<Option<(String, Option<Token>)>, DhtError> {
    let bytes = from_hex(digits)?;
    let (value, rest) = msgpack::unpack_first(&bytes)?;
    let Value::Str(text) = value else { return Ok(None) };
    Ok(Some((text, rest.strip_prefix(&MARK).and_then(|token| token.try_into().ok()))))
}

/// The tokens seen last.
#[derive(Debug)]
pub(super) struct Seen {
    set: SmallSet<Token>,
    order: VecDeque<Token>,
    most: usize,
}

impl Seen {
    pub(super) fn new(most: usize) -> Seen {
        Seen { set: SmallSet::new(), order: VecDeque::new(), most }
    }

    /// Notes a token. Whether it is new.
    pub(super) fn is_new(&mut self, token: Token) -> bool {
        if !self.set.insert(token) {
            return false;
        }
        self.order.push_back(token);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::dht_msg;
    use proptest::prelude::*;

    #[test]
    fn an_original_reads_the_text_and_nothing_else() {
        let message = wrap("test", &[0xab; TOKEN_LEN]).unwrap();
        assert_eq!(message, format!("a4746573747032700{}{}", 1, "ab".repeat(12)));
        assert_eq!(dht_msg::deserialize(&message), Ok(Value::Str("test".into())));
        assert_eq!(unwrap("a474657374"), Ok(Some(("test".into(), None))));
        assert_eq!(
            unwrap("a4746573747032700100"),
            Ok(Some(("test".into(), None))),
            "too short to be a token"
        );
        assert_eq!(unwrap("01"), Ok(None));
        assert!(unwrap("a4").is_err() && unwrap("zz").is_err() && unwrap("").is_err());
    }

    #[test]
    fn the_oldest_token_is_forgotten_first() {
        let mut seen = Seen::new(2);
        let [a, b, c] = [1, 2, 3].map(|n| [n; TOKEN_LEN]);
        assert!(seen.is_new(a) && seen.is_new(b) && !seen.is_new(a));
        assert!(seen.is_new(c) && !seen.is_new(b) && seen.is_new(a));
        assert_eq!(seen.set.len(), 2);
    }

    #[test]
    fn tokens_differ() {
        let mut mint = Mint::new([7; 32]);
        let (a, b) = (mint.next(), mint.next());
        assert!(a != b && Mint::new([8; 32]).next() != a);
    }

    proptest! {
        #[test]
        fn there_and_back(text in "\\PC{0,300}", token: Token) {
            let message = wrap(&text, &token).unwrap();
            prop_assert_eq!(unwrap(&message), Ok(Some((text, Some(token)))));
        }

        #[test]
        fn any_digits_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..100), text: String) {
            let _ = (unwrap(&to_hex(&bytes)), unwrap(&text));
        }
    }
}
