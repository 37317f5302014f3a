//! The bytes of the handshake's messages around and inside what Noise makes, and how long each of them is.
//!
//! ```text
//! message  = length(2, big-endian) body
//! greeting = pattern(1) noise mac(16)          connector to acceptor: pattern 1 IK, 2 XX
//! reply    = noise                             acceptor to connector
//! refusal  = reason(1)                         instead of a reply, the only message of one byte
//! third    = noise                             connector to acceptor, XX only
//!
//! inside:  Hello (greeting of IK, third)  key(32) network(16) token(16) chosen(1) ciphers(1)
//!          reply of IK                    answer(1) ciphers(1)
//!          reply of XX                    key(32) ciphers(1)
//! ciphers: bit 0, AES-256-GCM is fast here; the others are for ciphers to come: 0, and not looked at
//! ```
//!
//! Each has exactly one length, so two bytes are enough to turn away what is no peer.

use super::noise::{self, KEY, TAG};
use crate::proto::identity::PublicKey;
use crate::proto::network::{NETWORK_ID_LEN, NetworkId};
use sha2::{Digest, Sha256};

/// What both ends must have in mind, or nothing decrypts: what is spoken, its version, and by which pattern.
pub(super) const PROLOGUE: &[u8] = b"p2pnet secure 1";

/// Bytes of a message's length.
pub(super) const HEAD: usize = 2;
/// Bytes of the code at the end of a greeting.
pub(super) const MAC: usize = 16;

const CIPHERS: usize = 1;
const HELLO: usize = KEY + NETWORK_ID_LEN + TOKEN_LEN + 1 + CIPHERS;
pub(super) const IK_GREETING: usize = 1 + KEY + (KEY + TAG) + (HELLO + TAG) + MAC;
pub(super) const XX_GREETING: usize = 1 + KEY + MAC;
/// With a network key already the greeting, though it says nothing, is encrypted.
pub(super) const XX_KEYED_GREETING: usize = XX_GREETING + TAG;
pub(super) const IK_REPLY: usize = KEY + (1 + CIPHERS + TAG);
pub(super) const XX_REPLY: usize = KEY + (KEY + TAG) + (KEY + CIPHERS + TAG);
pub(super) const XX_THIRD: usize = (KEY + TAG) + (HELLO + TAG);
pub(super) const REFUSAL: usize = 1;
/// The longest of them.
pub(super) const LONGEST: usize = IK_GREETING;

pub(super) const PATTERN_IK: u8 = 1;
pub(super) const PATTERN_XX: u8 = 2;

/// Bytes of a token.
pub const TOKEN_LEN: usize = 16;

/// Names the attempt to connect that a connection belongs to. All zeros: none.
pub type Token = [u8; TOKEN_LEN];

/// What a connector says of itself, sealed for the acceptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The network it belongs to; all zeros: none.
    pub network: NetworkId,
    /// The attempt this connection belongs to.
    pub token: Token,
    /// Whether it has chosen this connection.
    pub chosen: bool,
    /// Whether its machine has instructions for AES-256-GCM.
    pub fast_aes: bool,
}

/// What a side says of its machine, so that both choose the same cipher for the frames.
pub(super) fn encode_ciphers(fast_aes: bool) -> u8 {
    fast_aes.into()
}

/// Whether the side that said so has instructions for AES-256-GCM. Other bits are of versions that know more ciphers.
pub(super) fn decode_ciphers(ciphers: u8) -> bool {
    ciphers & 1 != 0
}

/// `hello` with the key of who says it.
pub(super) fn encode_hello(key: &PublicKey, hello: &Hello) -> Vec<u8> {
    [
        &key.as_bytes()[..],
        &hello.network.0,
        &hello.token,
        &[hello.chosen.into(), encode_ciphers(hello.fast_aes)],
    ]
    .concat()
}

/// Reads what [`encode_hello`] wrote; `None` if it is something else.
pub(super) fn decode_hello(bytes: &[u8]) -> Option<(PublicKey, Hello)> {
    let (key, rest) = bytes.split_first_chunk()?;
    let (network, rest) = rest.split_first_chunk()?;
    let (token, rest) = rest.split_first_chunk()?;
    let (chosen, ciphers) = match rest {
        [chosen @ (0 | 1), ciphers] => (*chosen == 1, *ciphers),
        _ => return None,
    };
    let fast_aes = decode_ciphers(ciphers);
    Some((PublicKey(*key), Hello { network: NetworkId(*network), token: *token, chosen, fast_aes }))
}

/// What an acceptor, or whoever decides for it, says to a peer that it knows by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Welcome. `chosen`: this is the connection to keep; else that is to be seen.
    Welcome {
        /// Whether this is the connection to keep.
        chosen: bool,
    },
    /// Not welcome: it is of another network.
    OtherNetwork,
    /// Not welcome: this peer is not let in.
    TurnedAway,
    /// Not welcome now: there is no room.
    Full,
}

impl Answer {
    pub(super) fn encode(self) -> u8 {
        match self {
            Answer::Welcome { chosen } => chosen.into(),
            Answer::OtherNetwork => 2,
            Answer::TurnedAway => 3,
            Answer::Full => 4,
        }
    }

    pub(super) fn decode(byte: u8) -> Option<Answer> {
        match byte {
            0 => Some(Answer::Welcome { chosen: false }),
            1 => Some(Answer::Welcome { chosen: true }),
            2 => Some(Answer::OtherNetwork),
            3 => Some(Answer::TurnedAway),
            4 => Some(Answer::Full),
            _ => None,
        }
    }
}

/// The payload of IK's reply.
pub(super) fn encode_reply(answer: Answer, fast_aes: bool) -> [u8; 2] {
    [answer.encode(), encode_ciphers(fast_aes)]
}

/// Reads what [`encode_reply`] wrote.
pub(super) fn decode_reply(bytes: &[u8]) -> Option<(Answer, bool)> {
    match bytes {
        [answer, ciphers] => Some((Answer::decode(*answer)?, decode_ciphers(*ciphers))),
        _ => None,
    }
}

/// The payload of XX's reply.
pub(super) fn encode_key(key: &PublicKey, fast_aes: bool) -> Vec<u8> {
    [&key.as_bytes()[..], &[encode_ciphers(fast_aes)]].concat()
}

/// Reads what [`encode_key`] wrote.
pub(super) fn decode_key(bytes: &[u8]) -> Option<(PublicKey, bool)> {
    match bytes.split_first_chunk()? {
        (key, [ciphers]) => Some((PublicKey(*key), decode_ciphers(*ciphers))),
        _ => None,
    }
}

/// Why an acceptor does not even answer a greeting. Nothing proves that it is the acceptor who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The greeting is for another node, another network or other members: its code is wrong.
    NotForUs,
    /// Too many handshakes at the moment.
    Busy,
    /// What came is no greeting, or nothing came. Said to whoever speaks another language, so that a classic node of ours can
    /// tell its program why there is no talk (`sent_by_secure`).
    NoGreeting,
}

impl Refusal {
    /// The whole message that says so.
    pub fn message(self) -> [u8; HEAD + REFUSAL] {
        let reason = match self {
            Refusal::NotForUs => 1,
            Refusal::Busy => 2,
            Refusal::NoGreeting => 3,
        };
        [0, REFUSAL as u8, reason]
    }

    pub(super) fn decode(byte: u8) -> Option<Refusal> {
        match byte {
            1 => Some(Refusal::NotForUs),
            2 => Some(Refusal::Busy),
            3 => Some(Refusal::NoGreeting),
            _ => None,
        }
    }
}

/// Whether all that a peer has sent looks like what a node of the secure dialect says to somebody who answers nothing that it
/// understands: a greeting, or that it has got none. For the classic dialect, to which it is the beginning of a line.
pub(crate) fn sent_by_secure(bytes: &[u8]) -> bool {
    let Some((head, body)) = bytes.split_first_chunk::<HEAD>() else { return false };
    let greeting = match body.first() {
        Some(&PATTERN_IK) => body.len() == IK_GREETING,
        Some(&PATTERN_XX) => body.len() == XX_GREETING || body.len() == XX_KEYED_GREETING,
        _ => false,
    };
    usize::from(u16::from_be_bytes(*head)) == body.len() && greeting || bytes == Refusal::NoGreeting.message()
}

/// The code at the end of a greeting: shows for the price of a few hashes that the connector knows whom it greets (IK), or in
/// which network (XX), and the network's key if there is one. Whoever does not is turned away before a curve is touched.
pub(super) fn greeting_mac(
    acceptor: Option<&PublicKey>,
    network: NetworkId,
    network_key: Option<&[u8; KEY]>,
    greeting: &[u8],
) -> [u8; MAC] {
    let mut key = Sha256::new()
        .chain_update(b"p2pnet secure 1 greeting\0")
        .chain_update(network_key.unwrap_or(&[0; KEY]));
    match acceptor {
        Some(acceptor) => key.update(acceptor.as_bytes()),
        None => key.update(network.0),
    }
    let code = noise::hmac(&key.finalize().into(), greeting);
    std::array::from_fn(|i| code.get(i).copied().unwrap_or_default())
}

/// Compares without telling by its time where the difference is.
pub(super) fn same(a: &[u8; MAC], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
