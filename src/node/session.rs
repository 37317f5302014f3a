//! The task behind a connection of the secure dialect: one session, over one link after the other.
//!
//! ```text
//!              handed over by the actor            the peer holds the same session
//!   no link ───────────────────────────▶ asking ───────────────────────────────────▶ link
//!      ▲  │                               │  │ another one, or none                  │  │
//!      │  └─ grace over: CLOSED           │  └─ CLOSED; a new session begins with it │  │ CLOSE said, or heard: CLOSED
//!      └──────────────────────────────────┴──────────────── broken, cut, silent ◀────┘  │
//!                                                                another one handed over └─▶ asking
//! ```
//!
//! What is sent and heard is [`crate::proto::session`]'s. The connection keeps its number, its place and what the program
//! knows of it all the while; what the program sends waits in its buffer while there is no link.

mod carry;
mod orders;
mod over;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time::{Sleep, timeout};

use super::conn::{Conn, TASK};
use super::frames::Opening;
use super::greet::{Greeted, Made};
use super::receive::Receiver;
use super::room::Room;
use super::shared::Shared;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::event::{Kind, Path, Via};
use crate::proto::connect::ConnId;
use crate::proto::handshake::{Control, Sealer, Wire};
use crate::proto::session::{Epitaph, NONE, SessionId, Settings};
use crate::queue::{Item, Notice};

pub(crate) use orders::Orders;
pub(crate) use over::meet_ended;

/// A link for a session that is there.
pub(crate) struct Handed {
    pub(crate) conn: ConnId,
    pub(crate) via: Via,
    /// The relay by which it goes.
    pub(crate) relay: Option<Arc<str>>,
    /// Whether we made it.
    pub(crate) ours: bool,
    pub(crate) greeted: Box<Greeted>,
    /// The requests that are to have the connection.
    pub(crate) requests: Vec<u64>,
}

/// What the actor says to a session.
pub(crate) enum Order {
    /// Here is another link.
    Link(Handed),
    /// Give the link up, for this reason.
    Cut(&'static str),
}

/// What the actor hears of a session.
pub(crate) enum Report {
    /// That link is of no use (any more): another one is needed. These requests were waiting for it.
    Lost { conn: ConnId, requests: Vec<u64> },
    /// A link has been taken into use that these requests were waiting for.
    Carried { requests: Vec<u64> },
    /// The peer relays for the network, there.
    Relays { at: SocketAddr },
    /// The session is over, as the peer does not have it. A new one begins with this link, on which both have said so.
    Anew(Handed),
    /// The session is over. A peer that does not know that is told so.
    Over(Epitaph),
    /// So is what these requests were waiting for: a link that would have carried it.
    Stranded { requests: Vec<u64> },
}

impl Report {
    /// The requests that it is about.
    pub(crate) fn into_requests(self) -> Vec<u64> {
        match self {
            Report::Lost { requests, .. }
            | Report::Carried { requests }
            | Report::Stranded { requests }
            | Report::Anew(Handed { requests, .. }) => requests,
            Report::Relays { .. } | Report::Over(_) => Vec::new(),
        }
    }
}

/// How a session goes by the configuration.
pub(crate) fn settings(config: &Config) -> Settings {
    let grace = Some(config.resume_grace / 2).filter(|half| !half.is_zero());
    let idle = Some(config.keepalive).filter(|idle| !idle.is_zero());
    Settings {
        window: config.resend_window as u64,
        silence: config.link_timeout,
        // Early enough to make another link before the other side gives the session up.
        idle: idle.map(|idle| grace.map_or(idle, |half| half.min(idle))),
    }
}

/// A session from its first link to its end; gives its number. `closed` is called right before the CLOSED event.
///
/// Written as a state that is polled, as [`super::link::Life`] is.
pub(crate) struct Life<R, C> {
    keeper: Keeper<R>,
    closed: Option<C>,
    /// What is said to the peer behind the end.
    leave: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<R: Fn(Report) + Unpin, C: FnOnce() + Unpin> Life<R, C> {
    pub(crate) fn new(
        shared: Arc<Shared>,
        conn: Arc<Conn>,
        (link, opening): (ConnId, Opening),
        report: R,
        closed: C,
    ) -> Life<R, C> {
        let stream = conn.out.stream();
        let receiver = Receiver::new(&shared.config, &shared.queue.pool, Some(opening));
        let keeper = Keeper {
            shared,
            conn,
            receiver,
            link,
            stream,
            retired: None,
            asking: None,
            why: None,
            grace: None,
            closing: None,
            timer: None,
            tidy: None,
            armed: None,
            waiting: None,
            quiet: false,
            writing: Wire::default(),
            written: 0,
            room: Room::default(),
            broken: None,
            report,
        };
        Life { keeper, closed: Some(closed), leave: None }
    }
}

impl<R, C> Drop for Life<R, C> {
    fn drop(&mut self) {
        self.keeper.conn.done_with(TASK);
    }
}

impl<R: Fn(Report) + Unpin, C: FnOnce() + Unpin> Future for Life<R, C> {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        let Life { keeper, closed, leave } = &mut *self;
        if closed.is_some() {
            let over = ready!(keeper.poll_work(cx));
            if let Some(closed) = closed.take() {
                *leave = Some(keeper.finish(over, closed));
            }
        }
        if let Some(leave) = leave {
            ready!(leave.as_mut().poll(cx));
        }
        keeper.conn.shut();
        keeper.conn.out.wake.leave();
        Poll::Ready(keeper.conn.id)
    }
}

/// How a session ends.
enum Over {
    /// The program has closed it, and everything has arrived, unless the peer did not want it any more.
    Program,
    /// The program has closed it, and the rest found no way in time.
    TooLate,
    Peer {
        missing: u64,
    },
    Failed(Error),
    /// No link could be made again.
    Lost(Error),
    /// The peer does not have it.
    Anew(Handed),
}

/// A link that has been left, and what is needed to say a last word on it.
struct Retired {
    stream: Arc<TcpStream>,
    sealer: Option<Sealer>,
    /// What was made for it and not written.
    wire: Vec<u8>,
}

/// The peer's word: which session it holds, and how much of our stream it has.
type Word = (Box<Greeted>, SessionId, u64);

/// A link on which it is being asked whether the peer holds the session.
struct Asking {
    conn: ConnId,
    via: Via,
    relay: Option<Arc<str>>,
    ours: bool,
    at: SocketAddr,
    requests: Vec<u64>,
    /// Whether there was one before it that lived.
    moved: bool,
    word: Pin<Box<dyn Future<Output = Result<Word>> + Send>>,
}

struct Keeper<R> {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    receiver: Receiver,
    report: R,
    /// The link that carries it, or did last.
    link: ConnId,
    stream: Option<Arc<TcpStream>>,
    /// The one before, until the next one carries: so the peer is not told of its end before it has the other.
    retired: Option<Box<Retired>>,
    asking: Option<Box<Asking>>,
    /// Why the last link ended.
    why: Option<Box<Error>>,
    /// When it is given up for want of a link.
    grace: Option<Instant>,
    /// When a closing one is given up.
    closing: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// When memory is to be given back.
    tidy: Option<Instant>,
    /// What the timer is set to.
    armed: Option<Instant>,
    /// What is waited for, once there is nothing to be done.
    waiting: Option<Waiting>,
    /// Nothing waits to be written, and who leaves something, or closes, rings.
    quiet: bool,
    /// What the writer holds, and how much of it the system has.
    writing: Wire,
    written: usize,
    room: Room,
    /// Why nothing can be sent any more on this link. What had arrived before is still read.
    broken: Option<Box<Error>>,
}

/// What is waited for, beside what always is.
#[derive(Clone, Copy)]
struct Waiting {
    /// The socket takes no more for the moment.
    blocked: bool,
    reading: bool,
}

impl<R: Fn(Report)> Keeper<R> {
    /// The link is gone. The end of the session, if it does not outlive that.
    fn lose(&mut self, why: Error) -> Option<Over> {
        self.stream.take()?;
        drop(self.forget_link());
        self.after_loss(self.link, why, Vec::new())
    }

    /// The actor wants another link instead of this one.
    pub(super) fn cut(&mut self, why: &'static str) -> Option<Over> {
        if self.stream.is_none() && self.asking.is_none() {
            (self.report)(Report::Lost { conn: self.link, requests: Vec::new() });
        }
        self.lose(Error::new(Code::Reset, why))
    }

    /// What was made for the link and not written, and what makes more.
    fn forget_link(&mut self) -> (Option<Sealer>, Vec<u8>) {
        let left = self.conn.out.link_lost();
        self.receiver.link_lost();
        let mut wire = std::mem::take(&mut self.writing).into_rest(self.written);
        (self.written, self.broken) = (0, None);
        let (sealer, frames) =
            left.map_or((None, Wire::default()), |(sealer, frames)| (Some(sealer), frames));
        wire.extend_from_slice(&frames);
        (sealer, wire)
    }

    fn after_loss(&mut self, conn: ConnId, why: Error, requests: Vec<u64>) -> Option<Over> {
        let grace = self.shared.config.resume_grace;
        let end = *self.grace.get_or_insert_with(|| Instant::now() + grace);
        if grace.is_zero() || self.shared.is_stopping() || end <= Instant::now() {
            self.strand(requests);
            return Some(if self.closing.is_some() { Over::TooLate } else { Over::Lost(why) });
        }
        self.tell_path(Path::Lost, None, &why.message);
        self.why = Some(Box::new(why));
        (self.report)(Report::Lost { conn, requests });
        None
    }

    /// Another link: asks the peer whether it holds the session. From now on nothing is taken from the old one.
    fn ask(&mut self, handed: Handed) {
        let Handed { conn, via, relay, ours, mut greeted, mut requests } = handed;
        let lived = self.stream.is_some();
        if let Some(stream) = self.stream.take() {
            let (sealer, wire) = self.forget_link();
            self.retired = Some(Box::new(Retired { stream, sealer, wire }));
        }
        self.grace.get_or_insert_with(|| Instant::now() + self.shared.config.resume_grace);
        let mut moved = lived;
        if let Some(before) = self.asking.take() {
            requests.extend(before.requests);
            moved |= before.moved;
        }
        let hello = self.conn.out.session().map(|seal| seal.session.hello());
        let limit = self.shared.config.handshake_timeout;
        let at = greeted.at;
        let word = Box::pin(async move {
            let ask = async {
                greeted.tell(hello.unwrap_or(Control::Session { id: NONE, received: 0 })).await?;
                greeted.session().await
            };
            let late = || Error::new(Code::Timeout, format!("{at} did not say which session it holds"));
            let (id, received) = timeout(limit, ask).await.map_err(|_| late())??;
            Ok((greeted, id, received))
        });
        self.asking = Some(Box::new(Asking { conn, via, relay, ours, at, requests, moved, word }));
    }

    /// The peer has answered.
    fn answered(&mut self, word: Result<Word>) -> Option<Over> {
        let Asking { conn, via, relay, ours, at, requests, moved, .. } = *self.asking.take()?;
        let (greeted, id, received) = match word {
            Ok(word) => word,
            Err(e) => {
                self.retired = None;
                return self.after_loss(conn, e, requests);
            }
        };
        let taken_up = self.conn.out.session().map(|mut seal| {
            let session = &mut seal.session;
            (session.id() == id).then(|| session.resume(Instant::now(), received))
        });
        match taken_up.flatten() {
            None => return Some(Over::Anew(Handed { conn, via, relay, ours, greeted, requests })),
            Some(Err(violation)) => {
                self.strand(requests);
                let message = format!("the peer broke the protocol: {violation}");
                return Some(Over::Failed(Error::new(Code::Protocol, message)));
            }
            Some(Ok(())) => {}
        }
        let Made { stream, sealer, opening, .. } = greeted.into_link();
        self.receiver.next_link(Opening { announced: true, ..opening }, &self.shared.queue.pool);
        self.conn.out.link_made(Arc::clone(&stream), sealer);
        (self.stream, self.link, self.retired) = (Some(stream), conn, None);
        (self.grace, self.why) = (None, None);
        let path = if moved { Path::Moved } else { Path::Resumed };
        let text = match &relay {
            Some(relay) => format!("by the relay {relay}"),
            None => format!("by {} with {at}", via.name()),
        };
        self.conn.set_relay(relay);
        self.tell_path(path, Some((via, at)), &text);
        (self.report)(Report::Carried { requests });
        None
    }

    /// Requests that wait for a link will not be told by it: the session ends.
    fn strand(&self, requests: Vec<u64>) {
        if !requests.is_empty() {
            (self.report)(Report::Stranded { requests });
        }
    }

    fn tell_path(&self, path: Path, link: Option<(Via, SocketAddr)>, text: &str) {
        if self.conn.path_changed(path, link) {
            let notice = self.shared.notice(Kind::Path, &self.conn);
            let peer = link.and_then(|(_, at)| std::ffi::CString::new(at.to_string()).ok());
            let notice = Notice { code: path as i32, text: text.to_owned(), peer, ..notice };
            self.shared.queue.push(Item::Notice(Box::new(notice)));
        }
    }
}
