//! A connection of the secure dialect from its TCP handshake to the moment when it is the program's: says who is there, and
//! waits until it is decided which of the connections between two nodes is kept.
//!
//! ```text
//!   actor ── Word (answer, choose, pass on) ─▶ usher: handshake, then control frames
//!     ◀── Step (met, verdict, chosen, closed) ─┘ ──▶ Passed: socket, keys, what has been read already
//! ```
//!
//! One task per connection. Everything that could be decided is decided in [`crate::proto::connect`].

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use crate::proto::handshake::transport::{HEAD, Head, Kind};
use crate::proto::handshake::{Answer, Control, Handshake, Peer, Transport};
use crate::proto::identity::PublicKey;

/// Most bytes that are read ahead of a decision: a few frames. The rest waits in the kernel.
const READ_AHEAD: usize = 4096;

/// What the actor says to a connection.
#[derive(Debug)]
pub(crate) enum Word {
    /// The peer, which is known now, is welcome; and whether this is the connection.
    Answer { chosen: bool },
    /// The peer is not welcome: it is told why, and the connection ends.
    TurnAway(Answer),
    /// This is the connection: tell the peer.
    Choose,
    /// This is the connection: it is the program's from here on.
    Pass,
}

/// What a connection says to the actor.
pub(crate) enum Step {
    /// The peer is known; it awaits an answer.
    Met(Peer),
    /// The peer is there, and says whether this is the connection.
    Verdict { chosen: bool },
    /// The peer has chosen this connection.
    Chosen,
    /// It has ended, or failed.
    Closed { os_error: i32, text: String },
    /// As it was asked for.
    Passed(Box<Passed>),
}

/// A connection on its way to the program.
pub(crate) struct Passed {
    pub(crate) stream: TcpStream,
    pub(crate) peer: PublicKey,
    pub(crate) transport: Transport,
    /// What has been read beyond the handshake: frames, whole or begun.
    pub(crate) rest: Vec<u8>,
}

/// Why a connection has ended.
struct End {
    os_error: i32,
    text: String,
}

impl From<io::Error> for End {
    fn from(e: io::Error) -> End {
        End { os_error: e.raw_os_error().unwrap_or(0), text: e.to_string() }
    }
}

impl End {
    fn because(text: impl ToString) -> End {
        End { os_error: 0, text: text.to_string() }
    }
}

/// Sees a connection through. It ends with [`Step::Closed`] or [`Step::Passed`], or without a word when nobody gives it
/// words any more. `patience`: how long a peer may take to say who it is.
pub(crate) async fn usher(
    stream: TcpStream,
    handshake: Handshake,
    patience: Duration,
    words: UnboundedReceiver<Word>,
    mut report: impl FnMut(Step),
) {
    let mut usher = Usher { stream, words, rest: Vec::new() };
    let last = match usher.work(handshake, patience, &mut report).await {
        Ok(Some((peer, transport))) => {
            let Usher { stream, rest, .. } = usher;
            Step::Passed(Box::new(Passed { stream, peer, transport, rest }))
        }
        Ok(None) => return,
        Err(End { os_error, text }) => Step::Closed { os_error, text },
    };
    report(last);
}

struct Usher {
    stream: TcpStream,
    words: UnboundedReceiver<Word>,
    rest: Vec<u8>,
}

impl Usher {
    async fn work(
        &mut self,
        mut handshake: Handshake,
        patience: Duration,
        report: &mut impl FnMut(Step),
    ) -> Result<Option<(PublicKey, Transport)>, End> {
        match timeout(patience, self.meet(&mut handshake)).await {
            Ok(met) => met?,
            Err(_) => {
                let ms = patience.as_millis();
                let text = format!("the peer did not say who it is within {ms} ms (handshake_timeout_ms)");
                return Err(End::because(text));
            }
        }
        if let Some(peer) = handshake.peer() {
            report(Step::Met(*peer));
        }
        let answer = match self.words.recv().await {
            Some(Word::Answer { chosen }) => Answer::Welcome { chosen },
            Some(Word::TurnAway(why)) => why,
            Some(Word::Choose | Word::Pass) | None => return Ok(None),
        };
        handshake.answer(answer).map_err(End::because)?;
        self.say(handshake.output()).await?;
        if !handshake.is_done() {
            return Err(End::because("this node has turned the peer away"));
        }
        let (peer, mut transport) = handshake.into_transport().map_err(End::because)?;
        let passed = self.wait(&mut transport, report).await?;
        Ok(passed.then_some((peer.key, transport)))
    }

    /// Talks until the peer is known.
    async fn meet(&mut self, handshake: &mut Handshake) -> Result<(), End> {
        loop {
            self.say(handshake.output()).await?;
            if handshake.is_asking() {
                return Ok(());
            }
            let mut buf = [0; 512];
            let room = handshake.wants().min(buf.len());
            let n = self.read(&mut buf[..room]).await?;
            if let Err(e) = handshake.input(&buf[..n]) {
                // A last word to the peer, if there is one; it may be gone.
                let _ = self.say(handshake.output()).await;
                return Err(End::because(e));
            }
        }
    }

    /// Waits for what is decided. True: it is to be passed on.
    async fn wait(&mut self, transport: &mut Transport, report: &mut impl FnMut(Step)) -> Result<bool, End> {
        loop {
            let ahead = self.control(transport, report)?;
            let listening = !ahead && self.rest.len() < READ_AHEAD;
            let (words, stream) = (&mut self.words, &self.stream);
            let word = poll_fn(|cx| {
                if let Poll::Ready(word) = words.poll_recv(cx) {
                    return Poll::Ready(Some(word));
                }
                // An error of readiness shows again, with its name, in the read that follows.
                if listening && stream.poll_read_ready(cx).is_ready() {
                    return Poll::Ready(None);
                }
                Poll::Pending
            })
            .await;
            let Some(word) = word else {
                self.read_ahead()?;
                continue;
            };
            match word {
                Some(Word::Choose) => {
                    let mut frame = Vec::new();
                    transport.sealer.seal_control(Control::Choose, &mut frame).map_err(End::because)?;
                    self.say(Some(frame)).await?;
                }
                Some(Word::Pass) => return Ok(true),
                Some(Word::Answer { .. } | Word::TurnAway(_)) => {}
                None => return Ok(false),
            }
        }
    }

    /// Takes the control frames off the front of what was read. True: data comes next, which is not ours to read.
    fn control(&mut self, transport: &mut Transport, report: &mut impl FnMut(Step)) -> Result<bool, End> {
        while let Some(head) = self.rest.first_chunk::<HEAD>() {
            let head = Head::parse(*head).map_err(End::because)?;
            if head.kind == Kind::Data {
                return Ok(true);
            }
            let Some(body) = self.rest.get_mut(HEAD..HEAD + head.body) else { return Ok(false) };
            match transport.opener.open_control(head, body).map_err(End::because)? {
                Control::Verdict { chosen } => report(Step::Verdict { chosen }),
                Control::Choose => report(Step::Chosen),
                Control::Unwelcome(why) => {
                    return Err(End::because(match why {
                        Answer::Full => "the peer has no room",
                        Answer::OtherNetwork => "the peer is of another network",
                        Answer::TurnedAway | Answer::Welcome { .. } => "the peer has turned this node away",
                    }));
                }
            }
            self.rest.drain(..HEAD + head.body);
        }
        Ok(false)
    }

    fn read_ahead(&mut self) -> Result<(), End> {
        let mut buf = [0; READ_AHEAD];
        match self.stream.try_read(&mut buf) {
            Ok(0) => Err(End::because("closed by the peer")),
            Ok(n) => {
                self.rest.extend_from_slice(&buf[..n]);
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, End> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(buf) {
                Ok(0) => return Err(End::because("closed by the peer")),
                Ok(n) => return Ok(n),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    async fn say(&mut self, bytes: Option<Vec<u8>>) -> Result<(), End> {
        let bytes = bytes.unwrap_or_default();
        let mut left = &bytes[..];
        while !left.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(left) {
                Ok(n) => left = &left[n..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}
