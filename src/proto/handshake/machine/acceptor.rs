//! The acceptor's side of a handshake: has the greeting, and with XX the third message.

use super::{Handshake, Side, State, check_identity};
use crate::proto::handshake::noise::{KEY, Pattern};
use crate::proto::handshake::wire::{self, Answer, Hello, Refusal, Token};
use crate::proto::handshake::{HandshakeError, Myself, Peer};
use crate::proto::identity::PublicKey;

impl Handshake {
    /// The acceptor's. `ephemeral`: 32 bytes that nobody can guess and nobody uses again.
    pub fn accept(me: &Myself, ephemeral: &[u8; KEY]) -> Handshake {
        let hello =
            Hello { network: me.network, token: Token::default(), chosen: false, fast_aes: me.fast_aes };
        Handshake::new(me, State::Greeting, hello, ephemeral)
    }

    /// An acceptor that has no room for strangers turns greetings away of who does not know its key. (Who does may be one that
    /// it has room for.)
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    /// While busy, an acceptor turns greetings away before anything is computed for them but a few hashes.
    pub fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
    }

    /// Whether an acceptor has computed on the curve for this peer, which is what [`Budget`](crate::proto::handshake::Budget) counts.
    pub fn was_costly(&self) -> bool {
        self.costly
    }

    /// The acceptor has the greeting.
    pub(super) fn greeted(&mut self, body: &[u8]) -> Result<(), HandshakeError> {
        let (signed, mac) = body.split_last_chunk::<{ wire::MAC }>().ok_or(HandshakeError::Malformed)?;
        let (pattern, acceptor) = match (signed.first(), body.len()) {
            (Some(&wire::PATTERN_IK), wire::IK_GREETING) => (Pattern::Ik, Some(&self.me.public)),
            (Some(&wire::PATTERN_XX), wire::XX_GREETING | wire::XX_KEYED_GREETING) => (Pattern::Xx, None),
            _ => return Err(HandshakeError::Malformed),
        };
        if !wire::same(
            mac,
            &wire::greeting_mac(acceptor, self.me.network, self.me.network_key.as_deref(), signed),
        ) {
            self.out = Some(Refusal::NotForUs.message().to_vec());
            return Err(HandshakeError::NotForUs);
        }
        if self.busy || self.full && pattern == Pattern::Xx {
            self.out = Some(Refusal::Busy.message().to_vec());
            return Err(HandshakeError::Busy);
        }
        self.costly = true;
        let mut noise = self.setup(pattern, false, None)?;
        let payload = noise.read(signed.get(1..).unwrap_or_default()).map_err(|_| HandshakeError::Forged)?;
        match pattern {
            Pattern::Ik => {
                let remote = noise.remote();
                self.noise = Some(noise);
                let hello = self.hello_of(&payload)?;
                self.meet(hello, remote, false)?;
                self.state = State::Asking(pattern, Side::Acceptor);
            }
            Pattern::Xx => {
                let mut reply = Vec::with_capacity(wire::XX_REPLY);
                let payload = wire::encode_key(&self.me.public, self.me.fast_aes);
                noise.write(&payload, &mut reply).map_err(|_| HandshakeError::Forged)?;
                self.say(&reply);
                self.noise = Some(noise);
                self.state = State::Third;
            }
        }
        Ok(())
    }

    /// The acceptor has the third message of XX.
    pub(super) fn third(&mut self, body: &[u8]) -> Result<(), HandshakeError> {
        let payload = self.decrypt(body)?;
        let remote = self.noise.as_ref().and_then(|noise| noise.remote());
        let hello = self.hello_of(&payload)?;
        self.split(Side::Acceptor)?;
        self.meet(hello, remote, true)?;
        self.state = State::Asking(Pattern::Xx, Side::Acceptor);
        Ok(())
    }

    /// What the connector says of itself, and its machine.
    fn hello_of(&mut self, payload: &[u8]) -> Result<(PublicKey, Hello), HandshakeError> {
        let said = wire::decode_hello(payload).ok_or(HandshakeError::Malformed)?;
        self.theirs_is_fast = said.1.fast_aes;
        Ok(said)
    }

    /// The acceptor learns who is there.
    fn meet(
        &mut self,
        (key, hello): (PublicKey, Hello),
        remote: Option<[u8; KEY]>,
        live: bool,
    ) -> Result<(), HandshakeError> {
        check_identity(&self.me, &key, remote)?;
        if hello.network != self.me.network {
            self.last_word(Answer::OtherNetwork);
            return Err(HandshakeError::OtherNetwork { peer: Some(hello.network) });
        }
        self.peer = Some(Peer { key, token: hello.token, chosen: hello.chosen, live });
        Ok(())
    }

    /// Writes the reply of IK.
    pub(super) fn reply(&mut self, answer: Answer) -> Result<(), HandshakeError> {
        let noise = self.noise.as_mut().ok_or(HandshakeError::OutOfOrder)?;
        let mut reply = Vec::with_capacity(wire::IK_REPLY);
        noise
            .write(&wire::encode_reply(answer, self.me.fast_aes), &mut reply)
            .map_err(|_| HandshakeError::OutOfOrder)?;
        self.say(&reply);
        Ok(())
    }
}
