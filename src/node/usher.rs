//! A connection of the secure dialect from its TCP handshake to the moment when it is the program's: says who is there, and
//! waits until it is decided which of the connections between two nodes is kept.
//!
//! ```text
//!   actor ── Word (answer, choose, pass) ─▶ usher ── greet, answer, control ─▶ the connection
//!     ◀── Step (met, verdict, chosen, closed) ─┘ ──▶ passed on, keys and all
//! ```
//!
//! One task per connection. What is said and waited for is [`super::greet`]'s, what is decided
//! [`crate::proto::connect`]'s.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;

use super::greet::{Greeted, Role, greet};
use super::log::log;
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::proto::handshake::{Answer, Control, Peer};

/// What the actor says to a connection.
#[derive(Debug)]
pub(crate) enum Word {
    /// What the peer, which is known now, is answered.
    Answer(Answer),
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
    Closed(Error),
    /// As it was asked for.
    Passed(Box<Greeted>),
}

/// What the usher waits for.
enum Next {
    Word(Option<Word>),
    Control(Result<Option<Control>>),
}

/// Sees a connection through. It ends with [`Step::Closed`] or [`Step::Passed`], or without a word when nobody gives it
/// words any more.
pub(crate) async fn usher(
    shared: Arc<Shared>,
    stream: TcpStream,
    at: SocketAddr,
    role: Role,
    mut words: UnboundedReceiver<Word>,
    mut report: impl FnMut(Step),
) {
    let last = match see_through(&shared, stream, at, role, &mut words, &mut report).await {
        Ok(Some(greeted)) => Step::Passed(Box::new(greeted)),
        Ok(None) => return,
        Err(e) => Step::Closed(e),
    };
    report(last);
}

async fn see_through(
    shared: &Shared,
    stream: TcpStream,
    at: SocketAddr,
    role: Role,
    words: &mut UnboundedReceiver<Word>,
    report: &mut impl FnMut(Step),
) -> Result<Option<Greeted>> {
    let greeting = greet(shared, stream, at, role).await?;
    if !shared.config.admits(&greeting.peer.key) {
        return greeting.answer(Answer::TurnedAway).await.map(Some);
    }
    report(Step::Met(greeting.peer));
    let Some(Word::Answer(answer)) = words.recv().await else { return Ok(None) };
    let mut greeted = greeting.answer(answer).await?;
    log!(shared, Debug, "the frames with {at} ({}) are encrypted by {}", greeted.peer.key, greeted.cipher());
    // What comes behind a decision may be the program's, and is not to be read here.
    let mut listening = true;
    loop {
        match next(&mut greeted, words, listening).await {
            Next::Word(Some(Word::Choose)) => greeted.tell(Control::Choose).await?,
            Next::Word(Some(Word::Pass)) => return Ok(Some(greeted)),
            Next::Word(Some(Word::Answer(_))) => {}
            Next::Word(None) => return Ok(None),
            Next::Control(control) => match control? {
                Some(Control::Verdict { chosen }) => report(Step::Verdict { chosen }),
                Some(Control::Choose) => report(Step::Chosen),
                Some(Control::Session { id, received }) => {
                    // What follows is the session's.
                    greeted.holds(id, received);
                    listening = false;
                }
                Some(_) => {}
                None => listening = false,
            },
        }
    }
}

async fn next(greeted: &mut Greeted, words: &mut UnboundedReceiver<Word>, listening: bool) -> Next {
    let mut control = pin!(greeted.control());
    poll_fn(|cx| {
        if let Poll::Ready(word) = words.poll_recv(cx) {
            return Poll::Ready(Next::Word(word));
        }
        if listening && let Poll::Ready(control) = control.as_mut().poll(cx) {
            return Poll::Ready(Next::Control(control));
        }
        Poll::Pending
    })
    .await
}
