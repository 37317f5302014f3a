//! Why a handshake failed.

use std::fmt;

use super::wire::Refusal;
use crate::proto::identity::PublicKey;
use crate::proto::network::NetworkId;

/// Why a handshake failed. The connection is of no more use, once what [`super::Handshake::output`] still has is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// What arrived does not begin as a handshake's message does.
    NotAHandshake {
        /// The length it says.
        found: usize,
        /// The length that was expected.
        expected: usize,
    },
    /// A greeting for another node, another network or by somebody who has not the network's key.
    NotForUs,
    /// A message does not decrypt: it is not by who it should be, or somebody changed it on the way.
    Forged,
    /// A message decrypts and says nothing that this version knows.
    Malformed,
    /// The peer's identity is not the one whose key encrypts.
    WrongIdentity {
        /// Who it says it is.
        claimed: PublicKey,
    },
    /// The peer is this node.
    Ourselves,
    /// The peer is of another network.
    OtherNetwork {
        /// The peer's; only the acceptor is told.
        peer: Option<NetworkId>,
    },
    /// This acceptor turned the greeting away: there were too many.
    Busy,
    /// The acceptor turned us away, not proving that it was it.
    Refused(Refusal),
    /// The acceptor does not let us in.
    TurnedAway,
    /// The acceptor has no room.
    Full,
    /// The key to greet is none.
    NotAKey,
    /// The handshake has ended or is not there yet.
    OutOfOrder,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAHandshake { found, expected } => write!(
                f,
                "no handshake of the secure dialect: a message of {found} bytes where one of {expected} is expected"
            ),
            Self::NotForUs => write!(
                f,
                "the peer's greeting is not for this node: expected this node's key, network and network key"
            ),
            Self::Forged => write!(
                f,
                "a handshake message does not decrypt: the peer has not the key it should have, or it was changed on the way"
            ),
            Self::Malformed => write!(f, "a handshake message says nothing that this version knows"),
            Self::WrongIdentity { claimed } => {
                write!(f, "the peer says it is {claimed}, and encrypts with another key")
            }
            Self::Ourselves => write!(f, "the peer is this node itself"),
            Self::OtherNetwork { peer: Some(network) } => {
                write!(f, "the peer belongs to another network ({network})")
            }
            Self::OtherNetwork { peer: None } => write!(f, "the peer belongs to another network"),
            Self::Busy => write!(f, "too many handshakes at the moment"),
            Self::Refused(Refusal::NotForUs) => write!(
                f,
                "the peer says the greeting is not for it: it has another key, is of another network or has another network key \
                 (P2P_OPT_NETWORK, P2P_OPT_NETWORK_KEY)"
            ),
            Self::Refused(Refusal::Busy) => write!(f, "the peer is busy, or has no room for strangers"),
            Self::Refused(Refusal::NoGreeting) => write!(f, "the peer has not understood the greeting"),
            Self::TurnedAway => write!(f, "the peer does not let this node in"),
            Self::Full => write!(f, "the peer has no room for another connection"),
            Self::NotAKey => {
                write!(f, "the peer's key is not a point of the curve that anybody can own alone")
            }
            Self::OutOfOrder => write!(f, "the handshake has ended, or has not got that far"),
        }
    }
}

impl std::error::Error for HandshakeError {}
