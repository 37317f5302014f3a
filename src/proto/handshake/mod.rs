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
//! key say. Neither the pattern nor anything else is negotiated: what is not understood ends the connection.
//!
//! [`Handshake`] is the state machine: it is given what arrives, and 32 random bytes when it is made. `wire` has the
//! bytes of the messages, `noise` the cryptography, [`transport`] what comes after, [`budget`] how many there may be. `docs/security.md` says what this
//! protects against and what not.

pub mod budget;
mod control;
pub mod error;
mod noise;
pub(in crate::proto) mod one_way;
pub mod transport;
pub mod wire;

use zeroize::Zeroizing;

pub use budget::Budget;
pub use control::{Control, Encoded};
pub use error::HandshakeError;
pub use transport::{FrameError, Opened, Opener, Sealer, Transport};
pub(crate) use wire::sent_by_secure;
pub use wire::{Answer, Hello, Refusal, Token};

use super::identity::{Identity, PublicKey};
use super::network::{NETWORK_ID_LEN, NetworkId};
pub(in crate::proto) use noise::hmac;
use noise::{KEY, Noise, Pattern, Setup, StaticKeys};

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
}

impl Myself {
    /// A node of no network.
    pub fn new(me: &Identity) -> Myself {
        let public = me.public();
        // An identity made from a secret is never one of the weak keys that have no X25519 form.
        let keys = StaticKeys {
            secret: Zeroizing::new(me.x25519_secret()),
            public: public.x25519().unwrap_or_default(),
        };
        Myself { public, keys, network: NO_NETWORK, network_key: None }
    }

    /// The same node in `network`, whose members know each other by `key` if there is one: 32 bytes that nobody can guess.
    pub fn in_network(mut self, network: NetworkId, key: Option<&[u8; KEY]>) -> Myself {
        self.network = network;
        self.network_key = key.map(|key| Zeroizing::new(*key));
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

/// One handshake, as a state machine. In turns: send what [`Handshake::output`] has, feed [`Handshake::input`] what arrives,
/// and as soon as [`Handshake::peer`] is known give the [`Handshake::answer`]. When [`Handshake::is_done`],
/// [`Handshake::into_transport`].
pub struct Handshake {
    me: Myself,
    ephemeral: Zeroizing<[u8; KEY]>,
    state: State,
    noise: Option<Box<Noise>>,
    /// The greeting's, on the connector until it is to be sent.
    hello: Hello,
    received: Vec<u8>,
    out: Option<Vec<u8>>,
    peer: Option<Peer>,
    transport: Option<Box<Transport>>,
    busy: bool,
    full: bool,
    costly: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
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
enum Side {
    Connector,
    Acceptor,
}

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
        let hello = Hello { network: me.network, token, chosen };
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

    /// The acceptor's. `ephemeral`: 32 bytes that nobody can guess and nobody uses again.
    pub fn accept(me: &Myself, ephemeral: &[u8; KEY]) -> Handshake {
        let hello = Hello { network: me.network, token: Token::default(), chosen: false };
        Handshake::new(me, State::Greeting, hello, ephemeral)
    }

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
            busy: false,
            full: false,
            costly: false,
        }
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

    /// Whether an acceptor has computed on the curve for this peer, which is what [`Budget`] counts.
    pub fn was_costly(&self) -> bool {
        self.costly
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

    /// The acceptor has the greeting.
    fn greeted(&mut self, body: &[u8]) -> Result<(), HandshakeError> {
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
                self.meet(&payload, remote, false)?;
                self.state = State::Asking(pattern, Side::Acceptor);
            }
            Pattern::Xx => {
                let mut reply = Vec::with_capacity(wire::XX_REPLY);
                noise.write(self.me.public.as_bytes(), &mut reply).map_err(|_| HandshakeError::Forged)?;
                self.say(&reply);
                self.noise = Some(noise);
                self.state = State::Third;
            }
        }
        Ok(())
    }

    /// The acceptor has the third message of XX.
    fn third(&mut self, body: &[u8]) -> Result<(), HandshakeError> {
        let payload = self.decrypt(body)?;
        let remote = self.noise.as_ref().and_then(|noise| noise.remote());
        self.split(Side::Acceptor)?;
        self.meet(&payload, remote, true)?;
        self.state = State::Asking(Pattern::Xx, Side::Acceptor);
        Ok(())
    }

    /// The acceptor learns who is there.
    fn meet(&mut self, payload: &[u8], remote: Option<[u8; KEY]>, live: bool) -> Result<(), HandshakeError> {
        let (key, hello) = wire::decode_hello(payload).ok_or(HandshakeError::Malformed)?;
        check_identity(&self.me, &key, remote)?;
        if hello.network != self.me.network {
            self.last_word(Answer::OtherNetwork);
            return Err(HandshakeError::OtherNetwork { peer: Some(hello.network) });
        }
        self.peer = Some(Peer { key, token: hello.token, chosen: hello.chosen, live });
        Ok(())
    }

    /// The connector has the reply.
    fn replied(&mut self, to: Option<PublicKey>, body: &[u8]) -> Result<(), HandshakeError> {
        if let [reason] = body {
            let reason = Refusal::decode(*reason).ok_or(HandshakeError::Malformed)?;
            return Err(HandshakeError::Refused(reason));
        }
        let payload = self.decrypt(body)?;
        let peer = |key, chosen| Peer { key, token: self.hello.token, chosen, live: true };
        match to {
            Some(key) => {
                let answer = payload
                    .first()
                    .and_then(|byte| Answer::decode(*byte))
                    .ok_or(HandshakeError::Malformed)?;
                let chosen = welcome(answer)?;
                self.peer = Some(peer(key, chosen));
                self.split(Side::Connector)?;
                self.state = State::Asking(Pattern::Ik, Side::Connector);
            }
            None => {
                let key = PublicKey(payload.try_into().map_err(|_| HandshakeError::Malformed)?);
                check_identity(&self.me, &key, self.noise.as_ref().and_then(|noise| noise.remote()))?;
                self.peer = Some(peer(key, false));
                self.state = State::Asking(Pattern::Xx, Side::Connector);
            }
        }
        Ok(())
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

    /// Writes the reply of IK.
    fn reply(&mut self, answer: Answer) -> Result<(), HandshakeError> {
        let noise = self.noise.as_mut().ok_or(HandshakeError::OutOfOrder)?;
        let mut reply = Vec::with_capacity(wire::IK_REPLY);
        noise.write(&[answer.encode()], &mut reply).map_err(|_| HandshakeError::OutOfOrder)?;
        self.say(&reply);
        Ok(())
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

    /// Noise is through: what follows is frames.
    fn split(&mut self, side: Side) -> Result<(), HandshakeError> {
        let (ours, theirs, binding) = self.noise.take().ok_or(HandshakeError::OutOfOrder)?.split();
        let (send, receive) = if side == Side::Connector { (&ours, &theirs) } else { (&theirs, &ours) };
        self.transport = Some(Box::new(Transport::new(send, receive, binding)));
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

#[cfg(test)]
mod tests;
