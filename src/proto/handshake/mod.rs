//! The opening of a link in the secure dialect: who is there, for which network, and the keys for what follows.
//!
//! ```text
//!   connector                                   acceptor
//!      │ ── greeting: Hello (IK) ────────────────▶ │  knows the peer, decides, Handshake::answer
//!      │ ◀──────────────────────── reply: Answer ─ │
//!      │ ── frame: Verdict ──────────────────────▶ │  the peer is live: the greeting was no replay
//!
//!      │ ── greeting (XX) ───────────────────────▶ │
//!      │ ◀────────────────────────── reply: key ── │
//!      │ ── third: Hello ────────────────────────▶ │  knows the peer, decides
//!      │ ◀──────────── frame: Choose, or nothing ─ │
//! ```
//!
//! The Noise protocol (revision 34): IK if the connector knows the acceptor's key, as with every locator; XX if not. Both
//! prove both identities: the X25519 keys that Noise works with are made from the Ed25519 keys that nodes are known by, which
//! travel inside and are compared. A network's key, if there is one, is mixed in as the patterns' variants with a pre-shared
//! key say. The pattern is not negotiated, nor is anything else but the frames' cipher: each side says, sealed with the rest, whether its
//! machine has instructions for AES, and both draw the same conclusion ([`Cipher`]). What is not understood ends the connection.
//!
//! [`Handshake`] is the state machine (`machine`): it is given what arrives, and 32 random bytes when it is made. `wire` has the
//! bytes of the messages, `noise` the cryptography, [`transport`] what comes after, [`budget`] how many there may be. `docs/security.md` says what this
//! protects against and what not.

pub mod budget;
mod control;
pub mod error;
mod machine;
mod noise;
pub(in crate::proto) mod one_way;
pub mod transport;
pub mod wire;

use zeroize::Zeroizing;

pub use budget::Budget;
pub use control::{Control, Encoded};
pub use error::HandshakeError;
pub use machine::Handshake;
pub(crate) use machine::welcome;
pub use transport::{FrameError, Opened, Opener, Sealer, Transport, Wire};
pub(crate) use wire::sent_by_secure;
pub use wire::{Answer, Hello, Refusal, Token};

use super::identity::{Identity, PublicKey};
use super::network::{NETWORK_ID_LEN, NetworkId};
pub(in crate::proto) use noise::hmac;
pub use noise::{Cipher, aes_is_fast};
use noise::{KEY, StaticKeys};

/// The network of nodes that have none.
pub const NO_NETWORK: NetworkId = NetworkId([0; NETWORK_ID_LEN]);
/// The most bytes that a handshake ever holds of what arrived.
pub const MAX_MESSAGE: usize = wire::HEAD + wire::LONGEST;

/// What a node brings to every handshake: who it is, and in which network. Made once; a handshake takes a copy.
#[derive(Clone)]
pub struct Myself {
    public: PublicKey,
    keys: StaticKeys,
    network: NetworkId,
    network_key: Option<Zeroizing<[u8; KEY]>>,
    fast_aes: bool,
}

impl Myself {
    /// A node of no network, on a machine that has no instructions for AES.
    pub fn new(me: &Identity) -> Myself {
        let public = me.public();
        // An identity made from a secret is never one of the weak keys that have no X25519 form.
        let keys = StaticKeys {
            secret: Zeroizing::new(me.x25519_secret()),
            public: public.x25519().unwrap_or_default(),
        };
        Myself { public, keys, network: NO_NETWORK, network_key: None, fast_aes: false }
    }

    /// The same node in `network`, whose members know each other by `key` if there is one: 32 bytes that nobody can guess.
    pub fn in_network(mut self, network: NetworkId, key: Option<&[u8; KEY]>) -> Myself {
        self.network = network;
        self.network_key = key.map(|key| Zeroizing::new(*key));
        self
    }

    /// The same node on a machine of which [`aes_is_fast`] says this. Tests say what they like; in a program, anything else would have
    /// AES computed in software, slowly, or not used where it could be.
    pub fn with_fast_aes(mut self, fast: bool) -> Myself {
        self.fast_aes = fast;
        self
    }

    /// The node's public key.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The node's network.
    pub fn network(&self) -> NetworkId {
        self.network
    }
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its identity, proved.
    pub key: PublicKey,
    /// The attempt that this connection belongs to: the peer's word on the acceptor, our own on the connector.
    pub token: Token,
    /// Whether the peer has chosen this connection, as far as it has said so.
    pub chosen: bool,
    /// Whether the peer has shown that it is there now. Else what it said may be a recording: an IK greeting can be sent
    /// again by anybody who saw it, though nobody else can go on from there.
    pub live: bool,
}

/// What [`Handshake::input`] did with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// So many of them were taken; the others come after the handshake.
    pub used: usize,
}

#[cfg(test)]
mod tests;
