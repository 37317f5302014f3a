//! A letter: a message sealed so that only the owner of a mailbox can read it and learn who wrote it.
//!
//! ```text
//!   layout 1 │ ephemeral key 32 │ sender's X25519 key, sealed 48 │ sealed: token 16, sender's Ed25519 key 32, message │ tag 16
//! ```
//!
//! It fits one slot of one mailbox only: receiver, network, mailbox's key and slot are part of what is authenticated.

use std::fmt;

use super::item::MAX_VALUE;
use super::mailbox::Mailbox;
use super::names::bytes;
use crate::proto::handshake::{Myself, one_way};
use crate::proto::identity::{Identity, KEY_LEN, PublicKey};

/// What tells one message from another, whichever letters carry it: 16 random bytes.
pub type Token = [u8; 16];

/// Bytes of a letter beside the message.
pub const OVERHEAD: usize = 1 + one_way::OVERHEAD + 16 + KEY_LEN;
/// Longest message in bytes.
pub const MAX_MESSAGE: usize = MAX_VALUE - OVERHEAD;

/// The layout this code knows.
const FORMAT: u8 = 1;
const DOMAIN: &[u8] = b"p2pnet mainline letter\0";

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Who wrote it: proven.
    pub from: PublicKey,
    /// The message's name.
    pub token: Token,
    /// The message, 1 to [`MAX_MESSAGE`] bytes.
    pub message: Vec<u8>,
}

/// Why a message cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// It is empty or too long.
    Size,
    /// The mailbox's key is none that can be sealed to.
    Key,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SealError::Size => write!(f, "expected a message of 1 to {MAX_MESSAGE} bytes"),
            SealError::Key => f.write_str("the peer's mailbox has no key that a message can be sealed to"),
        }
    }
}

impl std::error::Error for SealError {}

fn prologue(mailbox: &Mailbox, owner: &PublicKey, slot: u8) -> Vec<u8> {
    [DOMAIN, owner.as_bytes(), &bytes(mailbox.network), &mailbox.key, &[slot]].concat()
}

/// Seals a message for one slot of `owner`'s mailbox. `ephemeral` are 32 random bytes that nobody knows and that are used
/// once.
///
/// # Errors
/// Its length; a mailbox that was made badly.
pub fn seal(
    from: &Identity,
    owner: &PublicKey,
    mailbox: &Mailbox,
    slot: u8,
    ephemeral: &[u8; 32],
    token: &Token,
    message: &[u8],
) -> Result<Vec<u8>, SealError> {
    if message.is_empty() || message.len() > MAX_MESSAGE {
        return Err(SealError::Size);
    }
    let payload = [token, &from.public().as_bytes()[..], message].concat();
    let prologue = prologue(mailbox, owner, slot);
    let (sealed, _) = one_way::seal(&Myself::new(from), &mailbox.key, ephemeral, &prologue, &payload)
        .map_err(|_| SealError::Key)?;
    Ok([&[FORMAT], &sealed[..]].concat())
}

/// Opens what lies in a slot of our own mailbox. `None`: it is not for us, not for this slot, or no letter at all.
/// `secret` is the pair whose X25519 half the mailbox names.
pub fn open(
    secret: &Identity,
    owner: &PublicKey,
    mailbox: &Mailbox,
    slot: u8,
    value: &[u8],
) -> Option<Letter> {
    let (&FORMAT, sealed) = value.split_first()? else { return None };
    let (sender, payload, _) =
        one_way::open(&Myself::new(secret), &prologue(mailbox, owner, slot), sealed).ok()?;
    let (token, rest) = payload.split_first_chunk::<16>()?;
    let (key, message) = rest.split_first_chunk::<KEY_LEN>()?;
    let from = PublicKey(*key);
    let is_sound = sender.is(&from) && !message.is_empty() && message.len() <= MAX_MESSAGE;
    is_sound.then(|| Letter { from, token: *token, message: message.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::network::NetworkId;
    use proptest::prelude::*;

    struct Case {
        sender: Identity,
        owner: Identity,
        secret: Identity,
        mailbox: Mailbox,
    }

    fn case() -> Case {
        let secret = Identity::from_secret(&[9; 32]);
        let key = secret.public().x25519().unwrap();
        let mailbox = Mailbox { slots: 2, network: Some(NetworkId::of("chess")), key };
        let (sender, owner) = (Identity::from_secret(&[1; 32]), Identity::from_secret(&[2; 32]));
        Case { sender, owner, secret, mailbox }
    }

    fn sealed(case: &Case, message: &[u8]) -> Result<Vec<u8>, SealError> {
        seal(&case.sender, &case.owner.public(), &case.mailbox, 1, &[5; 32], &[6; 16], message)
    }

    fn opened(case: &Case, value: &[u8]) -> Option<Letter> {
        open(&case.secret, &case.owner.public(), &case.mailbox, 1, value)
    }

    #[test]
    fn a_letter_is_opened_where_it_belongs_and_nowhere_else() {
        let case = case();
        let value = sealed(&case, b"Call me.").unwrap();
        let letter = Letter { from: case.sender.public(), token: [6; 16], message: b"Call me.".to_vec() };
        assert_eq!(opened(&case, &value), Some(letter));
        let (secret, owner, box_) = (&case.secret, case.owner.public(), case.mailbox);
        assert_eq!(open(secret, &owner, &box_, 0, &value), None, "another slot");
        assert_eq!(open(secret, &case.sender.public(), &box_, 1, &value), None, "another owner");
        assert_eq!(open(&case.owner, &owner, &box_, 1, &value), None, "another key");
        let other = Mailbox { network: None, ..box_ };
        assert_eq!(open(secret, &owner, &other, 1, &value), None, "another network");
        let other = Mailbox { key: [1; 32], ..box_ };
        assert_eq!(open(secret, &owner, &other, 1, &value), None, "another half hour");
    }

    #[test]
    fn nothing_of_it_can_be_read_by_others() {
        let case = case();
        let value = sealed(&case, b"a message that is long enough to be found").unwrap();
        let holds = |what: &[u8]| value.windows(what.len()).any(|window| window == what);
        assert!(!holds(b"a message that"));
        assert!(!holds(case.sender.public().as_bytes()));
        assert!(!holds(&case.sender.public().x25519().unwrap()));
        assert!(!holds(&[6; 16]));
    }

    #[test]
    fn lengths() {
        let case = case();
        assert_eq!(sealed(&case, b""), Err(SealError::Size));
        assert_eq!(sealed(&case, &[0; MAX_MESSAGE + 1]), Err(SealError::Size));
        let longest = sealed(&case, &[7; MAX_MESSAGE]).unwrap();
        assert_eq!(longest.len(), MAX_VALUE);
        assert_eq!(opened(&case, &longest).unwrap().message, [7; MAX_MESSAGE]);
    }

    /// A key of small order has a shared secret that everybody knows.
    #[test]
    fn keys_of_small_order_are_refused() {
        let mut case = case();
        case.mailbox.key = [0; 32];
        assert_eq!(sealed(&case, b"x"), Err(SealError::Key));
    }

    /// The sender's name is not its to choose.
    #[test]
    fn nobody_can_write_in_anothers_name() {
        let case = case();
        let payload = [&[6; 16][..], case.owner.public().as_bytes(), b"I am you."].concat();
        let prologue = prologue(&case.mailbox, &case.owner.public(), 1);
        let sender = Myself::new(&case.sender);
        let forged = one_way::seal(&sender, &case.mailbox.key, &[5; 32], &prologue, &payload).unwrap();
        let value = [&[FORMAT], &forged.0[..]].concat();
        assert_eq!(opened(&case, &value), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_sealed_is_opened(message in proptest::collection::vec(any::<u8>(), 1..MAX_MESSAGE), token: [u8; 16]) {
            let case = case();
            let value =
                seal(&case.sender, &case.owner.public(), &case.mailbox, 1, &[5; 32], &token, &message).unwrap();
            prop_assert_eq!(value.len(), message.len() + OVERHEAD);
            prop_assert_eq!(opened(&case, &value), Some(Letter { from: case.sender.public(), token, message }));
        }

        #[test]
        fn one_flipped_bit_is_noticed(at in 0..8 * (OVERHEAD + 8)) {
            let case = case();
            let mut value = sealed(&case, b"Call me.").unwrap();
            value[at / 8] ^= 1 << (at % 8);
            // The highest bit of an X25519 key is not part of it (RFC 7748), but the whole key is authenticated.
            prop_assert_eq!(opened(&case, &value), None);
        }

        #[test]
        fn any_bytes_are_judged(value in proptest::collection::vec(any::<u8>(), 0..1100)) {
            prop_assert_eq!(opened(&case(), &value), None);
        }
    }
}
