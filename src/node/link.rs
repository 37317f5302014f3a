//! The task behind one open connection of the classic dialect: reading and writing until the end.
//!
//! One task per socket, no thread, no buffer while idle. Reading stops when the program does not take what was read
//! (its own limit) or the event queue is full (the net's limit); what is not read waits in the kernel, and TCP slows the
//! peer. The end is always one CLOSED event with the reason.
//!
//! Written as a state that is polled, not as an `async fn`: thousands of them are idle at a time, and what the compiler makes
//! of one is three times as large as what it has to remember.

mod handover;
mod write;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::conn::{Conn, TASK};
use super::mismatch;
use super::receive::Receiver;
use super::room::Room;
use super::shared::Shared;
use super::stream;
use crate::error::{Code, Error};
use crate::event::Kind;
use crate::queue::{Item, Notice};

/// What the task has been woken for.
enum Ready {
    Read,
    Write,
    Woken,
    Room,
    TooLate,
    Tidy,
}

/// What a turn has come to.
enum Turn {
    /// There is nothing to be done but to wait.
    Wait(Waiting),
    /// Something has changed: another turn.
    Again,
    End(Result<(), Error>),
}

/// What is waited for, beside what always is.
#[derive(Clone, Copy)]
struct Waiting {
    /// The socket takes no more for the moment.
    blocked: bool,
    reading: bool,
}

/// A connection's life from its opening to its end. Each is the state of a task, and there may be thousands: with the
/// runtime's part it has to fit into 256 bytes.
pub(crate) struct Life {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    stream: Arc<TcpStream>,
    receiver: Receiver,
    writer: Option<Box<Writer>>,
    rare: Option<Box<Rare>>,
    waiting: Option<Waiting>,
    /// The program has been told of the end. What is left to do is for the peer's sake.
    over: bool,
}

/// What the writer holds, and how much of it the system has.
struct Writer {
    bytes: Vec<u8>,
    written: usize,
}

/// What most connections do not have most of the time.
#[derive(Default)]
struct Rare {
    room: Room,
    /// Why nothing can be sent any more. What had arrived before is still read; then the connection ends with this.
    broken: Option<Error>,
    /// The time that a closing connection has to send the rest; then, taking leave of the peer.
    ending: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// When memory for sending is given back.
    tidy: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Life {
    /// The life of a connection that has been opened; `None`: it has no socket.
    pub(crate) fn new(shared: Arc<Shared>, conn: Arc<Conn>) -> Option<Life> {
        let stream = conn.out.stream()?;
        let receiver = Receiver::new(&shared.config, &shared.queue.pool, None);
        Some(Life { shared, conn, stream, receiver, writer: None, rare: None, waiting: None, over: false })
    }

    /// Lives on until there is something to wait for; the connection's number at the end. `closed` is called with it right
    /// before the CLOSED event.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, closed: impl FnOnce(u64)) -> Poll<u64> {
        let id = self.conn.id;
        if !self.over {
            let end = ready!(self.poll_work(cx));
            self.over = true;
            self.end(end, || closed(id));
        }
        if let Some(leave) = self.rare.as_mut().and_then(|rare| rare.ending.as_mut()) {
            ready!(leave.as_mut().poll(cx));
        }
        self.conn.shut();
        self.conn.out.wake.leave();
        Poll::Ready(id)
    }

    /// Why nothing can be sent any more, once.
    fn take_broken(&mut self) -> Option<Error> {
        self.rare.as_mut().and_then(|rare| rare.broken.take())
    }

    /// Whether the event queue has room.
    fn has_room(&mut self) -> bool {
        if self.rare.is_none() && self.shared.queue.has_room() {
            return true;
        }
        self.rare.get_or_insert_default().room.is_there(&self.shared)
    }

    /// Tells the program that it is over. What is left is [`Rare::ending`].
    fn end(&mut self, end: Result<(), Error>, closed: impl FnOnce()) {
        let closing = self.conn.out.lock().is_closing();
        let unsent = self.conn.out.lock().queued();
        let handed_over = self.hand_over(end.as_ref().err().map(|e| e.code));
        {
            let mut out = self.conn.out.lock();
            self.shared.close_books(&self.conn, &mut out);
            if !handed_over && let (Some(_), Some(takeover)) = (out.handing_over(), self.conn.takeover()) {
                // Asked for when it was over.
                takeover.answer(Err(Code::Closed.into()));
            }
        }
        self.conn.closed.store(true, SeqCst);
        let mut notice = Notice { ..self.shared.notice(Kind::Closed, &self.conn) };
        match end {
            Ok(()) if handed_over => notice.text = "taken over by this program".into(),
            Ok(()) => notice.text = "closed by this program".into(),
            Err(e) => {
                let foreign = self.receiver.sent_by_secure(self.conn.bytes_in.load(Relaxed));
                let e = if foreign { mismatch::explained(&self.shared, e) } else { e };
                notice.result = Err(e.code);
                notice.os_error = e.os_error;
                notice.text = e.message.into_owned();
            }
        }
        if unsent > 0 {
            notice.text += &format!(" ({unsent} bytes were not sent)");
        }
        closed();
        self.shared.queue.push(Item::Notice(Box::new(notice)));
        let (stream, limit) = (Arc::clone(&self.stream), self.shared.config.close_timeout);
        let linger = async move { drop(timeout(limit, stream::linger(&stream)).await) };
        let leave = (closing && !handed_over).then(|| Box::pin(linger) as _);
        if leave.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().ending = leave;
        }
    }

    /// Reads and writes until the program closes (`Ok`) or something ends the connection.
    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            let waiting = match self.waiting {
                Some(waiting) => waiting,
                None => match self.turn() {
                    Turn::Wait(waiting) => waiting,
                    Turn::Again => continue,
                    Turn::End(end) => return Poll::Ready(end),
                },
            };
            self.waiting = Some(waiting);
            let ready = ready!(self.poll_ready(cx, waiting));
            self.waiting = None;
            match ready {
                Ready::Write | Ready::Woken | Ready::Room => {}
                Ready::Read => {
                    if let Err(e) = self.read() {
                        return Poll::Ready(Err(self.take_broken().unwrap_or(e)));
                    }
                    if self.receiver.has_filled() && self.shared.lets_taker_go(cx) {
                        return Poll::Pending;
                    }
                }
                Ready::Tidy => self.tidy(),
                Ready::TooLate if self.conn.out.lock().handing_over().is_some() => {
                    self.go_on(Code::Timeout.into());
                }
                Ready::TooLate => {
                    let ms = self.shared.config.close_timeout.as_millis();
                    let message =
                        format!("closed by this program; the peer did not take the rest within {ms} ms");
                    return Poll::Ready(Err(Error::new(Code::Timeout, message)));
                }
            }
        }
    }

    /// Writes what there is, and sees whether that was all.
    fn turn(&mut self) -> Turn {
        let mut blocked = false;
        let broken = self.rare.as_ref().is_some_and(|rare| rare.broken.is_some());
        let all_sent = !broken && self.try_write_out(&mut blocked);
        let closing = self.conn.out.lock().is_closing();
        if closing {
            if let Some(e) = self.take_broken() {
                return Turn::End(Err(e));
            }
            if all_sent && self.conn.out.lock().handing_over().is_some() {
                return if self.may_hand_over() { Turn::End(Ok(())) } else { Turn::Again };
            }
            if all_sent {
                stream::end(&self.stream);
                return Turn::End(Ok(()));
            }
            let limit = self.shared.config.close_timeout;
            let ending = &mut self.rare.get_or_insert_default().ending;
            ending.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        }
        let reading = !closing && !self.conn.must_pause() && self.has_room();
        Turn::Wait(Waiting { blocked, reading })
    }

    /// Waits for whatever comes first.
    fn poll_ready(&mut self, cx: &mut Context<'_>, Waiting { blocked, reading }: Waiting) -> Poll<Ready> {
        // Reading first: each turn writes anyway, so a program that sends without pause does not keep us from it.
        if reading && self.stream.poll_read_ready(cx).is_ready() {
            return Poll::Ready(Ready::Read);
        }
        if self.conn.out.wake.poll(cx).is_ready() {
            return Poll::Ready(Ready::Woken);
        }
        // An error of readiness shows again, with its name, in the read or write that follows.
        if blocked && self.stream.poll_write_ready(cx).is_ready() {
            return Poll::Ready(Ready::Write);
        }
        let Some(rare) = &mut self.rare else { return Poll::Pending };
        if let Some(deadline) = &mut rare.ending
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Ready::TooLate);
        }
        if let Some(tidy) = &mut rare.tidy
            && tidy.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Ready::Tidy);
        }
        rare.room.poll(cx).map(|()| Ready::Room)
    }

    /// Gives back memory for sending that is not used any more.
    fn tidy(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.tidy = None;
        }
        // Nothing of what a writer with nothing left to write holds is needed.
        self.writer.take_if(|writer| writer.written == writer.bytes.len());
        self.conn.out.tidy(None);
    }

    fn read(&mut self) -> Result<(), Error> {
        match self.receiver.read(&self.stream, &self.conn, &self.shared.queue) {
            Ok(()) => Ok(()),
            Err(super::receive::End::Peer { unfinished: 0 }) => {
                Err(Error::new(Code::Closed, "closed by the peer"))
            }
            Err(super::receive::End::Peer { unfinished }) => {
                let message =
                    format!("closed by the peer in the middle of a line ({unfinished} bytes of it lost)");
                Err(Error::new(Code::Closed, message))
            }
            Err(super::receive::End::TooLong) => {
                let message = format!(
                    "the peer sent a line longer than {} bytes (max_line)",
                    self.shared.config.max_line
                );
                Err(Error::new(Code::Protocol, message))
            }
            Err(super::receive::End::Io(e)) => Err(self.broken("receiving from", &e)),
            // Of the secure dialect, which has a task of its own.
            Err(_) => Err(Error::new(Code::Protocol, "the peer broke the protocol")),
        }
    }

    fn broken(&self, doing: &str, e: &io::Error) -> Error {
        Error::io(format_args!("{doing} {}", self.conn.peer.to_string_lossy()), e)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.conn.done_with(TASK);
    }
}
