//! The connector's side of a handshake: greets, and has the reply.

use super::{Handshake, Side, State, check_identity, welcome};
use crate::proto::handshake::noise::{KEY, Pattern};
use crate::proto::handshake::wire::{self, Hello, Refusal, Token};
use crate::proto::handshake::{HandshakeError, Myself, Peer};
use crate::proto::identity::PublicKey;

impl Handshake {
    /// The connector's: to the node `to`, or to whoever is there. `token` and `chosen` are what it says (with IK at once,
    /// with XX when it knows whom it talks to). `ephemeral`: 32 bytes that nobody can guess and nobody uses again.
    ///
    /// # Errors
    /// [`HandshakeError::NotAKey`], [`HandshakeError::Ourselves`].
    pub fn connect(
        me: &Myself,
        to: Option<PublicKey>,
        token: Token,
        chosen: bool,
        ephemeral: &[u8; KEY],
    ) -> Result<Handshake, HandshakeError> {
        if to == Some(me.public) {
            return Err(HandshakeError::Ourselves);
        }
        let hello = Hello { network: me.network, token, chosen, fast_aes: me.fast_aes };
        let mut this = Handshake::new(me, State::Reply(to), hello, ephemeral);
        let remote = to.map(|key| key.x25519().ok_or(HandshakeError::NotAKey)).transpose()?;
        let (pattern, mark) = match to {
            Some(_) => (Pattern::Ik, wire::PATTERN_IK),
            None => (Pattern::Xx, wire::PATTERN_XX),
        };
        let mut noise = this.setup(pattern, true, remote.as_ref())?;
        let payload = if to.is_some() { wire::encode_hello(&me.public, &hello) } else { Vec::new() };
        let mut body = vec![mark];
        noise.write(&payload, &mut body).map_err(|_| HandshakeError::NotAKey)?;
        let mac = wire::greeting_mac(to.as_ref(), me.network, me.network_key.as_deref(), &body);
        body.extend(mac);
        this.say(&body);
        this.noise = Some(noise);
        Ok(this)
    }

    /// The connector has the reply.
    pub(super) fn replied(&mut self, to: Option<PublicKey>, body: &[u8]) -> Result<(), HandshakeError> {
        if let [reason] = body {
            let reason = Refusal::decode(*reason).ok_or(HandshakeError::Malformed)?;
            return Err(HandshakeError::Refused(reason));
        }
        let payload = self.decrypt(body)?;
        let peer = |key, chosen| Peer { key, token: self.hello.token, chosen, live: true };
        match to {
            Some(key) => {
                let (answer, fast_aes) = wire::decode_reply(&payload).ok_or(HandshakeError::Malformed)?;
                self.theirs_is_fast = fast_aes;
                let chosen = welcome(answer)?;
                self.peer = Some(peer(key, chosen));
                self.split(Side::Connector)?;
                self.state = State::Asking(Pattern::Ik, Side::Connector);
            }
            None => {
                let (key, fast_aes) = wire::decode_key(&payload).ok_or(HandshakeError::Malformed)?;
                self.theirs_is_fast = fast_aes;
                check_identity(&self.me, &key, self.noise.as_ref().and_then(|noise| noise.remote()))?;
                self.peer = Some(peer(key, false));
                self.state = State::Asking(Pattern::Xx, Side::Connector);
            }
        }
        Ok(())
    }
}
