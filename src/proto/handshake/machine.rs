//! One handshake: whose turn it is, what has arrived and what is to be sent. What each side does with the other's messages is in
//! `connector` and `acceptor`.

mod acceptor;
mod connector;

use zeroize::Zeroizing;

use super::noise::{Cipher, KEY, Noise, Pattern, Setup};
use super::wire::{self, Answer, Hello, Refusal};
use super::{Control, HandshakeError, Myself, Peer, Progress, Transport};
use crate::proto::identity::PublicKey;

/// One handshake, as a state machine. In turns: send what [`Handshake::output`] has, feed [`Handshake::input`] what arrives,
/// and as soon as [`Handshake::peer`] is known give the [`Handshake::answer`]. When [`Handshake::is_done`],
/// [`Handshake::into_transport`].
pub struct Handshake {
    me: Myself,
    ephemeral: Zeroizing<[u8; KEY]>,
    pub(super) state: State,
    noise: Option<Box<Noise>>,
    /// The greeting's, on the connector until it is to be sent.
    hello: Hello,
    pub(super) received: Vec<u8>,
    out: Option<Vec<u8>>,
    peer: Option<Peer>,
    transport: Option<Box<Transport>>,
    /// Whether the peer's machine has instructions for AES-256-GCM, once it has said so.
    theirs_is_fast: bool,
    busy: bool,
    full: bool,
    costly: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Connector: waits for the reply; of that node, or of whoever is there.
    Reply(Option<PublicKey>),
    /// Acceptor: waits for the greeting.
    Greeting,
    /// Acceptor, XX: waits for the third message.
    Third,
    /// Knows the peer, waits for our side's answer.
    Asking(Pattern, Side),
    Done,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Connector,
    Acceptor,
}

impl Handshake {
    fn new(me: &Myself, state: State, hello: Hello, ephemeral: &[u8; KEY]) -> Handshake {
        Handshake {
            me: me.clone(),
            ephemeral: Zeroizing::new(*ephemeral),
            state,
            noise: None,
            hello,
            received: Vec::new(),
            out: None,
            peer: None,
            transport: None,
            theirs_is_fast: false,
            busy: false,
            full: false,
            costly: false,
        }
    }

    fn setup(
        &self,
        pattern: Pattern,
        initiator: bool,
        remote: Option<&[u8; KEY]>,
    ) -> Result<Box<Noise>, HandshakeError> {
        let setup = Setup {
            pattern,
            initiator,
            prologue: wire::PROLOGUE,
            keys: &self.me.keys,
            remote,
            shared: self.me.network_key.as_deref(),
            ephemeral: &self.ephemeral,
        };
        Noise::new(&setup).map(Box::new).map_err(|_| HandshakeError::NotAKey)
    }

    /// What to send next, once. After an error it may be a last word to the peer.
    pub fn output(&mut self) -> Option<Vec<u8>> {
        self.out.take()
    }

    /// How many bytes [`Handshake::input`] takes at most, so that none of what comes after need be read; 0 if it is not the
    /// peer's turn.
    pub fn wants(&self) -> usize {
        match (self.expected(), self.length()) {
            (Some(_), Some(length)) => wire::HEAD + length - self.received.len().min(wire::HEAD + length),
            (Some(_), None) => wire::HEAD - self.received.len().min(wire::HEAD),
            (None, _) => 0,
        }
    }

    /// The lengths that the next message may have, or `None` if none is expected.
    fn expected(&self) -> Option<&'static [usize]> {
        match self.state {
            State::Greeting => Some(&[wire::IK_GREETING, wire::XX_GREETING, wire::XX_KEYED_GREETING]),
            State::Reply(Some(_)) => Some(&[wire::IK_REPLY, wire::REFUSAL]),
            State::Reply(None) => Some(&[wire::XX_REPLY, wire::REFUSAL]),
            State::Third => Some(&[wire::XX_THIRD]),
            State::Asking(..) | State::Done | State::Failed => None,
        }
    }

    /// The length that the message under way says it has.
    fn length(&self) -> Option<usize> {
        self.received.first_chunk().map(|head| usize::from(u16::from_be_bytes(*head)))
    }

    /// Takes what arrived, at most to the end of the message that is awaited; none if it is not the peer's turn.
    ///
    /// # Errors
    /// The handshake has failed, for good.
    pub fn input(&mut self, bytes: &[u8]) -> Result<Progress, HandshakeError> {
        let mut used = 0;
        loop {
            let wants = self.wants();
            let Some(more) = bytes.get(used..).filter(|more| wants > 0 && !more.is_empty()) else {
                return Ok(Progress { used });
            };
            let more = more.get(..wants).unwrap_or(more);
            self.received.extend_from_slice(more);
            used += more.len();
            if let Err(e) = self.look() {
                self.state = State::Failed;
                (self.noise, self.transport) = (None, None);
                return Err(e);
            }
        }
    }

    /// Goes on if a message is complete.
    fn look(&mut self) -> Result<(), HandshakeError> {
        let (Some(expected), Some(found)) = (self.expected(), self.length()) else { return Ok(()) };
        if !expected.contains(&found) {
            let expected = expected.first().copied().unwrap_or_default();
            if self.state == State::Greeting {
                self.out = Some(Refusal::NoGreeting.message().to_vec());
            }
            return Err(HandshakeError::NotAHandshake { found, expected });
        }
        if self.wants() > 0 {
            return Ok(());
        }
        let received = std::mem::take(&mut self.received);
        let body = received.get(wire::HEAD..).unwrap_or_default();
        match self.state {
            State::Greeting => self.greeted(body),
            State::Third => self.third(body),
            State::Reply(to) => self.replied(to, body),
            State::Asking(..) | State::Done | State::Failed => Err(HandshakeError::OutOfOrder),
        }
    }

    /// Who is at the other end, as soon as it is proved: on the acceptor with IK when the greeting is there, with XX when
    /// the third message is; on the connector when the reply is there.
    pub fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// Whether it is known who is there, and [`Handshake::answer`] is what comes next.
    pub fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking(..))
    }

    /// Our side's answer to the peer that is known now. Then [`Handshake::output`] has what to send, if anything; after
    /// another answer than [`Answer::Welcome`] the connection is to be closed behind it.
    ///
    /// # Errors
    /// [`HandshakeError::OutOfOrder`] if the peer is not known yet, or was answered.
    pub fn answer(&mut self, answer: Answer) -> Result<(), HandshakeError> {
        let State::Asking(pattern, side) = self.state else { return Err(HandshakeError::OutOfOrder) };
        let chosen = welcome(answer);
        if chosen.is_err() {
            self.last_word(answer);
            self.state = State::Failed;
            return Ok(());
        }
        let chosen = chosen.unwrap_or_default();
        match (pattern, side) {
            (Pattern::Ik, Side::Acceptor) => {
                self.reply(answer)?;
                self.split(Side::Acceptor)?;
            }
            (Pattern::Ik, Side::Connector) => self.tell(Control::Verdict { chosen })?,
            (Pattern::Xx, Side::Connector) => {
                let hello = wire::encode_hello(&self.me.public, &Hello { chosen, ..self.hello });
                let mut third = Vec::with_capacity(wire::XX_THIRD);
                let noise = self.noise.as_mut().ok_or(HandshakeError::OutOfOrder)?;
                noise.write(&hello, &mut third).map_err(|_| HandshakeError::OutOfOrder)?;
                self.say(&third);
                self.split(Side::Connector)?;
            }
            (Pattern::Xx, Side::Acceptor) if chosen => self.tell(Control::Choose)?,
            (Pattern::Xx, Side::Acceptor) => {}
        }
        self.state = State::Done;
        Ok(())
    }

    /// Tells the peer, if there is still a way to, why it is not welcome.
    fn last_word(&mut self, answer: Answer) {
        match (self.state, &mut self.transport) {
            (State::Greeting | State::Asking(Pattern::Ik, Side::Acceptor), _) => drop(self.reply(answer)),
            (State::Third | State::Asking(..), Some(transport)) => {
                let mut frame = Vec::new();
                if transport.sealer.seal_control(Control::Unwelcome(answer), &mut frame).is_ok() {
                    self.out = Some(frame);
                }
            }
            _ => {}
        }
    }

    fn tell(&mut self, control: Control) -> Result<(), HandshakeError> {
        let transport = self.transport.as_mut().ok_or(HandshakeError::OutOfOrder)?;
        let mut frame = Vec::new();
        transport.sealer.seal_control(control, &mut frame).map_err(|_| HandshakeError::OutOfOrder)?;
        self.out = Some(frame);
        Ok(())
    }

    fn say(&mut self, body: &[u8]) {
        let length = (body.len() as u16).to_be_bytes();
        self.out = Some([&length[..], body].concat());
    }

    fn decrypt(&mut self, body: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        let noise = self.noise.as_mut().ok_or(HandshakeError::OutOfOrder)?;
        noise.read(body).map_err(|_| HandshakeError::Forged)
    }

    /// Noise is through, and both know of each other which ciphers are fast: what follows is frames.
    fn split(&mut self, side: Side) -> Result<(), HandshakeError> {
        let (ours, theirs, binding) = self.noise.take().ok_or(HandshakeError::OutOfOrder)?.split();
        let cipher = Cipher::agreed(self.me.fast_aes, self.theirs_is_fast);
        let (send, receive) = if side == Side::Connector { (&ours, &theirs) } else { (&theirs, &ours) };
        self.transport = Some(Box::new(Transport::new(cipher, send, receive, binding)));
        Ok(())
    }

    /// Whether both have all they need: what arrives from now on is frames.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The peer, and both directions of the link.
    ///
    /// # Errors
    /// [`HandshakeError::OutOfOrder`] if the handshake is not done, or what it had to send was not taken.
    pub fn into_transport(self) -> Result<(Peer, Transport), HandshakeError> {
        match (self.state, self.out, self.peer, self.transport) {
            (State::Done, None, Some(peer), Some(transport)) => Ok((peer, *transport)),
            _ => Err(HandshakeError::OutOfOrder),
        }
    }
}

/// The identity that the peer states has to be the one whose key Noise has verified, and not our own.
fn check_identity(me: &Myself, claimed: &PublicKey, remote: Option<[u8; KEY]>) -> Result<(), HandshakeError> {
    match (claimed.x25519(), remote) {
        (Some(key), Some(remote)) if key == me.keys.public && key == remote => Err(HandshakeError::Ourselves),
        (Some(key), Some(remote)) if key == remote => Ok(()),
        _ => Err(HandshakeError::WrongIdentity { claimed: *claimed }),
    }
}

/// Whether a welcome has chosen; the error of everything else.
pub(crate) fn welcome(answer: Answer) -> Result<bool, HandshakeError> {
    match answer {
        Answer::Welcome { chosen } => Ok(chosen),
        Answer::OtherNetwork => Err(HandshakeError::OtherNetwork { peer: None }),
        Answer::TurnedAway => Err(HandshakeError::TurnedAway),
        Answer::Full => Err(HandshakeError::Full),
    }
}
