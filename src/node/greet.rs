//! The secure dialect's handshake on a TCP connection, in three steps with a decision in between.
//!
//! ```text
//!   greet ──▶ Greeting ── answer ──▶ Greeted ── into_link ──▶ session::run
//!             knows the peer         control, tell: a connection that is held until it is chosen
//! ```
//!
//! [`super::usher`] has whoever owns the node's connections look at [`Greeting::peer`] and decide; then the connection is
//! opened, held or told that it is not welcome. Nothing is read beyond what a step needs, so nothing of the program's is lost on the way.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::frames::Opening;
use super::key;
use super::mismatch;
use super::shared::Shared;
use super::stream;
use crate::error::{Code, Error, Result};
use crate::proto::handshake::transport::{HEAD, Head, Kind};
use crate::proto::handshake::{
    Answer, Cipher, Control, Handshake, HandshakeError, MAX_MESSAGE, Peer, Refusal, Sealer, Token, Transport,
};
use crate::proto::identity::PublicKey;
use crate::proto::session::{self, SessionId};

/// How long a last word may take to leave; it fits into any send buffer.
const LAST_WORD: Duration = Duration::from_millis(200);

/// Which end of the handshake, and what the connector says in it.
pub(crate) enum Role {
    /// We connected to the node `to`, or to whoever is there.
    Connect {
        to: Option<PublicKey>,
        token: Token,
        chosen: bool,
    },
    Accept,
}

/// A connection whose peer is known and waits for our answer.
pub(crate) struct Greeting {
    pub(crate) at: SocketAddr,
    pub(crate) peer: Peer,
    stream: TcpStream,
    handshake: Box<Handshake>,
    limit: Limit,
}

/// A connection with both ends known and keys agreed.
pub(crate) struct Greeted {
    pub(crate) at: SocketAddr,
    pub(crate) peer: Peer,
    stream: TcpStream,
    transport: Transport,
    /// What has arrived of the next control frame.
    received: Vec<u8>,
    /// The session that the peer holds, and how much of our stream it has, once it has said so.
    held: Option<(SessionId, u64)>,
}

/// A connection whose frames are the session's from now on.
pub(crate) struct Made {
    pub(crate) stream: Arc<TcpStream>,
    pub(crate) sealer: Sealer,
    pub(crate) opening: Opening,
    /// What a session is called that begins with it.
    pub(crate) name: SessionId,
}

/// When a handshake has taken too long, and how long that is.
#[derive(Clone, Copy)]
struct Limit {
    at: Instant,
    after: Duration,
}

/// Goes through the handshake until the peer is known.
///
/// # Errors
/// [`Code::Protocol`] if the other end speaks something else or is not who it should be, [`Code::Refused`] if it does not
/// want us, [`Code::SelfConnect`], [`Code::Timeout`] after `handshake_timeout`, and what the system says.
pub(crate) async fn greet(
    shared: &Shared,
    stream: TcpStream,
    at: SocketAddr,
    role: Role,
) -> Result<Greeting> {
    let after = shared.config.handshake_timeout;
    let limit = Limit { at: Instant::now() + after, after };
    let (me, ephemeral) = (shared.myself()?, key::random()?);
    let accepting = matches!(role, Role::Accept);
    // Whom we know by its key speaks as we do.
    let may_be_classic = !matches!(role, Role::Connect { to: Some(_), .. });
    let (mut silent, mut foreign) = (true, false);
    let mut handshake = Box::new(match role {
        Role::Accept => Handshake::accept(me, &ephemeral),
        Role::Connect { to, token, chosen } => {
            Handshake::connect(me, to, token, chosen, &ephemeral).map_err(|e| failed(at, &e))?
        }
    });
    // Boxed: it has the buffer, and goes through several hands.
    let shake = Box::pin(async {
        loop {
            if let Some(bytes) = handshake.output() {
                stream::write_all(&stream, &bytes).await.map_err(|e| broken(at, &e))?;
            }
            if handshake.is_asking() {
                return Ok(());
            }
            let mut buf = [0; MAX_MESSAGE];
            let wants = handshake.wants().min(MAX_MESSAGE);
            let n = stream::read_some(&stream, &mut buf[..wants]).await.map_err(|e| broken(at, &e))?;
            let arrived = buf.get(..n).unwrap_or_default();
            silent = false;
            if accepting {
                handshake.set_busy(!shared.handshakes.lock().allows(Instant::now(), at.ip()));
                handshake.set_full(shared.full.load(Relaxed));
            }
            let was_costly = handshake.was_costly();
            let step = handshake.input(arrived);
            if accepting && handshake.was_costly() && !was_costly {
                shared.handshakes.lock().spend(at.ip());
            }
            if let Err(e) = step {
                foreign = matches!(e, HandshakeError::NotAHandshake { .. });
                last_word(&stream, handshake.output()).await;
                return Err(failed(at, &e));
            }
        }
    });
    if let Err(e) = within(limit, at, shake).await {
        // Who only looks whether the port is open closes without a word as well.
        let silent = silent && (e.code == Code::Timeout || e.code == Code::Closed && !accepting);
        if silent && accepting {
            last_word(&stream, Some(Refusal::NoGreeting.message().to_vec())).await;
        }
        return Err(if may_be_classic && (silent || foreign) { mismatch::told(shared, e) } else { e });
    }
    match handshake.peer().copied() {
        Some(peer) => Ok(Greeting { at, peer, stream, handshake, limit }),
        None => Err(failed(at, &HandshakeError::OutOfOrder)),
    }
}

impl Greeting {
    /// Gives our answer. A peer that is not welcome is told so, and the connection is closed. Where the peer has not shown
    /// yet that it is there ([`Peer::live`]), its verdict is what [`Greeted::control`] gives first.
    ///
    /// # Errors
    /// [`Code::Refused`] if it was not welcome; else as [`greet`].
    pub(crate) async fn answer(self, answer: Answer) -> Result<Greeted> {
        let Greeting { at, peer, stream, mut handshake, limit } = self;
        handshake.answer(answer).map_err(|e| failed(at, &e))?;
        let output = handshake.output();
        if !matches!(answer, Answer::Welcome { .. }) {
            last_word(&stream, output).await;
            return Err(Error::new(Code::Refused, format!("turned {at} away ({}): {answer:?}", peer.key)));
        }
        if let Some(bytes) = output {
            let send = async { stream::write_all(&stream, &bytes).await.map_err(|e| broken(at, &e)) };
            within(limit, at, send).await?;
        }
        let (_, transport) = handshake.into_transport().map_err(|e| failed(at, &e))?;
        Ok(Greeted { at, peer, stream, transport, received: Vec::new(), held: None })
    }
}

impl Greeted {
    /// The next message of the peer's library on a connection that is not open yet; `None` if the program's bytes come next,
    /// of which nothing but the first head has been read then. Safe to be dropped while it waits.
    ///
    /// # Errors
    /// [`Code::Protocol`] if something else comes, [`Code::Refused`] if the peer does not want the connection, and what the
    /// system says.
    pub(crate) async fn control(&mut self) -> Result<Option<Control>> {
        let at = self.at;
        loop {
            let head = self.received.first_chunk().map(|head| Head::parse(*head)).transpose();
            let wanted = match head.map_err(|e| failed_with(at, e))? {
                Some(Head { kind: Kind::Data, .. }) => return Ok(None),
                Some(head) if self.received.len() >= HEAD + head.body => {
                    let mut frame = std::mem::take(&mut self.received);
                    let body = frame.get_mut(HEAD..).unwrap_or_default();
                    let control =
                        self.transport.opener.open_control(head, body).map_err(|e| failed_with(at, e))?;
                    return match control {
                        Control::Unwelcome(answer) => {
                            let why = crate::proto::handshake::welcome(answer).err();
                            Err(failed(at, &why.unwrap_or(HandshakeError::TurnedAway)))
                        }
                        other => Ok(Some(other)),
                    };
                }
                Some(head) => HEAD + head.body,
                None => HEAD,
            };
            let mut buf = [0; 64];
            let missing = (wanted - self.received.len()).min(buf.len());
            let n = stream::read_some(&self.stream, &mut buf[..missing]).await.map_err(|e| broken(at, &e))?;
            self.received.extend_from_slice(buf.get(..n).unwrap_or_default());
        }
    }

    /// Tells the peer's library something, on a connection that is not open yet.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) async fn tell(&mut self, control: Control) -> Result<()> {
        let mut frame = Vec::new();
        self.transport.sealer.seal_control(control, &mut frame).map_err(|e| failed_with(self.at, e))?;
        stream::write_all(&self.stream, &frame).await.map_err(|e| broken(self.at, &e))
    }

    /// The peer has said already which session it holds.
    pub(crate) fn holds(&mut self, id: SessionId, received: u64) {
        self.held = Some((id, received));
    }

    /// Which session the peer holds, and how much of our stream it has: its first word on a connection that is kept.
    ///
    /// # Errors
    /// As [`Greeted::control`].
    pub(crate) async fn session(&mut self) -> Result<(SessionId, u64)> {
        loop {
            if let Some(held) = self.held.take() {
                return Ok(held);
            }
            match self.control().await? {
                Some(Control::Session { id, received }) => return Ok((id, received)),
                Some(Control::Verdict { .. } | Control::Choose) => {}
                _ => return Err(failed_with(self.at, session::Violation::Unannounced)),
            }
        }
    }

    /// Closes it behind what was told.
    pub(crate) async fn close(self, limit: Duration) {
        stream::end(&self.stream);
        let _ = tokio::time::timeout(limit, stream::linger(&self.stream)).await;
    }

    /// What its frames are encrypted with.
    pub(crate) fn cipher(&self) -> Cipher {
        self.transport.cipher
    }

    /// Opens it: what was begun to be read goes along.
    pub(crate) fn into_link(self) -> Made {
        let Greeted { stream, transport: Transport { sealer, opener, binding, .. }, received, held, .. } =
            self;
        Made {
            stream: Arc::new(stream),
            sealer,
            opening: Opening { opener, rest: received, announced: held.is_some() },
            name: session::name(&binding),
        }
    }
}

async fn within<T>(limit: Limit, at: SocketAddr, what: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout_at(limit.at.into(), what).await.unwrap_or_else(|_| {
        let ms = limit.after.as_millis();
        let message =
            format!("the handshake with {at} was not complete within {ms} ms (handshake_timeout_ms)");
        Err(Error::new(Code::Timeout, message))
    })
}

/// Sends what there is to say before the connection is closed, and our end.
async fn last_word(stream: &TcpStream, word: Option<Vec<u8>>) {
    if let Some(word) = word {
        let _ = tokio::time::timeout(LAST_WORD, stream::write_all(stream, &word)).await;
        stream::end(stream);
        // What is not read would make a reset of our end, which the peer might see instead of the word.
        let _ = stream.try_read(&mut [0; 4096]);
    }
}

fn failed(at: SocketAddr, e: &HandshakeError) -> Error {
    let code = match e {
        HandshakeError::Ourselves => Code::SelfConnect,
        HandshakeError::Busy | HandshakeError::Refused(Refusal::Busy) | HandshakeError::Full => Code::Limit,
        HandshakeError::TurnedAway | HandshakeError::OtherNetwork { .. } | HandshakeError::Refused(_) => {
            Code::Refused
        }
        HandshakeError::NotAKey => Code::Invalid,
        _ => Code::Protocol,
    };
    Error::new(code, format!("the handshake with {at} failed: {e}"))
}

fn failed_with(at: SocketAddr, e: impl std::fmt::Display) -> Error {
    Error::new(Code::Protocol, format!("the handshake with {at} failed: {e}"))
}

fn broken(at: SocketAddr, e: &io::Error) -> Error {
    if e.kind() == io::ErrorKind::UnexpectedEof {
        return Error::new(
            Code::Closed,
            format!("{at} closed the connection in the middle of the handshake"),
        );
    }
    Error::io(format_args!("the handshake with {at}"), e)
}

#[cfg(test)]
mod tests;
