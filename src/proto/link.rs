//! The seam between a TCP connection and what travels on it: the dialect.
//!
//! A link passes through an *opening* before the first line. In the classic dialect that is nothing at all on a p2p net,
//! and a 64-byte nonce from the connector on a direct net (PyP2P 0.8.3: read whole before the connection is shown to the
//! program, not answered, not checked). The secure dialect's opening is [`super::handshake`], which asks a question in its
//! middle. A net speaks one dialect; nothing on the wire chooses between them, so there is nothing to downgrade.

use super::conn_id::{NONCE_LEN, Nonce};

/// Who opened the TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We connected to the peer.
    Connector,
    /// The peer connected to us.
    Acceptor,
}

/// What comes before the first line, as a state machine: send [`Opening::hello`], then feed it what arrives until it is
/// [`Step::Open`].
#[derive(Debug)]
pub struct Opening {
    hello: Option<Nonce>,
    /// Bytes of the peer's nonce still to come.
    missing: usize,
    nonce: Vec<u8>,
}

/// What the bytes that arrived have led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes are needed; all given ones were taken.
    More,
    /// The link is open; that many of the given bytes were taken, the rest is data.
    Open {
        /// Bytes taken of the last input.
        used: usize,
    },
}

impl Opening {
    /// The opening of a classic link. `nonce` is what a connector on a direct net sends.
    pub fn classic(direct_net: bool, role: Role, nonce: Nonce) -> Opening {
        let (hello, missing) = match (direct_net, role) {
            (false, _) => (None, 0),
            (true, Role::Connector) => (Some(nonce), 0),
            (true, Role::Acceptor) => (None, NONCE_LEN),
        };
        Opening { hello, missing, nonce: Vec::new() }
    }

    /// What to send first.
    pub fn hello(&self) -> &[u8] {
        self.hello.as_ref().map_or(&[], |nonce| nonce.as_slice())
    }

    /// Whether the link is open.
    pub fn is_open(&self) -> bool {
        self.missing == 0
    }

    /// How many bytes may be read before the link is open; what the opening does not need stays in the socket.
    pub fn wants(&self) -> usize {
        self.missing
    }

    /// Takes what arrived.
    pub fn input(&mut self, bytes: &[u8]) -> Step {
        let used = bytes.len().min(self.missing);
        self.nonce.extend_from_slice(&bytes[..used]);
        self.missing -= used;
        if self.missing == 0 { Step::Open { used } } else { Step::More }
    }

    /// What has come of the peer's nonce.
    pub fn begun(&self) -> &[u8] {
        &self.nonce
    }

    /// The connector's nonce, once the link of a direct net is open.
    pub fn nonce(&self) -> Option<Nonce> {
        self.hello.or_else(|| self.nonce.as_slice().try_into().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::conn_id::ZERO_NONCE;

    #[test]
    fn a_p2p_link_is_open_from_the_first_byte() {
        for role in [Role::Connector, Role::Acceptor] {
            let o = Opening::classic(false, role, ZERO_NONCE);
            assert!(o.is_open() && o.hello().is_empty() && o.nonce().is_none());
        }
    }

    #[test]
    fn an_acceptor_takes_exactly_the_nonce_in_any_pieces() {
        let stream: Vec<u8> = (0..200).map(|i| i as u8).collect();
        for piece in 1..=70 {
            let mut o = Opening::classic(true, Role::Acceptor, ZERO_NONCE);
            let mut at = 0;
            loop {
                let end = (at + piece).min(stream.len());
                match o.input(&stream[at..end]) {
                    Step::More => at = end,
                    Step::Open { used } => {
                        assert_eq!(at + used, NONCE_LEN);
                        break;
                    }
                }
            }
            assert_eq!(o.nonce().as_ref().map(|nonce| &nonce[..]), Some(&stream[..NONCE_LEN]));
        }
    }

    #[test]
    fn a_connector_sends_the_nonce_and_waits_for_nothing() {
        let o = Opening::classic(true, Role::Connector, [b'7'; NONCE_LEN]);
        assert!(o.is_open());
        assert_eq!(o.hello(), [b'7'; NONCE_LEN]);
        assert_eq!(o.nonce(), Some([b'7'; NONCE_LEN]));
    }
}
