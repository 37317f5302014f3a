//! The session at work: reads, writes, waits for whatever comes first.

use std::future::{Future, poll_fn};
use std::io;
use std::task::Poll;
use std::time::Instant;

use super::{Keeper, Order, Over, Report, Word};
use crate::error::{Code, Error, Result};
use crate::node::receive::End;
use crate::proto::handshake::FrameError;
use crate::proto::session::Due;

/// What the task has been woken for.
enum Ready {
    Read,
    Write,
    Woken,
    Room,
    Time,
    Word(Result<Word>),
    Order(Order),
}

impl<R: Fn(Report)> Keeper<R> {
    pub(super) async fn work(&mut self) -> Over {
        loop {
            if self.closing.is_none() && self.conn.out.lock().is_closing() {
                self.begin_to_close();
            }
            let mut blocked = false;
            let mut all_written = true;
            if self.stream.is_some() && self.broken.is_none() {
                match self.write_out(&mut blocked) {
                    Ok(all) => all_written = all,
                    Err(e) => self.broken = Some(e),
                }
            }
            if self.closing.is_some() {
                let done = self.conn.out.session().is_some_and(|seal| seal.session.is_done());
                if done && all_written {
                    return Over::Program;
                }
                if self.stream.is_none() && self.asking.is_none() && self.shared.is_stopping() {
                    return Over::TooLate;
                }
            }
            let reading = self.is_reading();
            if !reading && let Some(e) = self.broken.take() {
                match self.lose(e) {
                    Some(over) => return over,
                    None => continue,
                }
            }
            let over = match self.ready(blocked, reading).await {
                Ready::Write | Ready::Woken | Ready::Room => None,
                Ready::Read => self.read(),
                Ready::Time => self.time(reading),
                Ready::Word(word) => self.answered(word),
                Ready::Order(Order::Link(handed)) => {
                    self.ask(handed);
                    None
                }
                Ready::Order(Order::Cut(why)) => self.cut(why),
            };
            if let Some(over) = over {
                return over;
            }
        }
    }

    fn begin_to_close(&mut self) {
        self.closing = Some(Instant::now() + self.shared.config.close_timeout);
        self.receiver.discard();
        if let Some(mut seal) = self.conn.out.session() {
            seal.session.close();
        }
    }

    /// Whether what arrives is read: not while the program does not take it.
    fn is_reading(&mut self) -> bool {
        if self.stream.is_none() {
            return false;
        }
        if self.closing.is_some() {
            return true;
        }
        !self.conn.must_pause() && self.room.is_there(&self.shared)
    }

    /// Waits for whatever comes first. `blocked`: the socket takes no more for the moment.
    async fn ready(&mut self, blocked: bool, reading: bool) -> Ready {
        self.set_timer(reading);
        let Keeper { conn, stream, room, timer, armed, asking, orders, .. } = self;
        let woken = conn.out.wake.notified();
        tokio::pin!(woken);
        poll_fn(|cx| {
            if let Some(stream) = stream {
                // Reading first: each turn writes anyway, so a program that sends without pause does not keep us from it.
                if reading && stream.poll_read_ready(cx).is_ready() {
                    return Poll::Ready(Ready::Read);
                }
                // An error of readiness shows again, with its name, in the read or write that follows.
                if blocked && stream.poll_write_ready(cx).is_ready() {
                    return Poll::Ready(Ready::Write);
                }
            }
            if woken.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ready::Woken);
            }
            if let Poll::Ready(Some(order)) = orders.poll_recv(cx) {
                return Poll::Ready(Ready::Order(order));
            }
            if let Some(asking) = asking
                && let Poll::Ready(word) = asking.word.as_mut().poll(cx)
            {
                return Poll::Ready(Ready::Word(word));
            }
            if let (Some(timer), true) = (&mut *timer, armed.is_some())
                && timer.as_mut().poll(cx).is_ready()
            {
                *armed = None;
                return Poll::Ready(Ready::Time);
            }
            room.poll(cx).map(|()| Ready::Room)
        })
        .await
    }

    /// Sets the timer, unless it comes earlier anyway: then it is looked at again.
    fn set_timer(&mut self, reading: bool) {
        let session = self.conn.out.session().and_then(|seal| seal.session.deadline(reading));
        let grace = self.grace.filter(|_| self.asking.is_none());
        let Some(due) = [session, grace, self.closing].into_iter().flatten().min() else { return };
        if self.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        self.armed = Some(due);
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(due.into()),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(due.into()))),
        }
    }

    /// What has become due.
    fn time(&mut self, reading: bool) -> Option<Over> {
        let now = Instant::now();
        if self.closing.is_some_and(|at| at <= now) {
            return Some(Over::TooLate);
        }
        if self.asking.is_none() && self.stream.is_none() && self.grace.is_some_and(|at| at <= now) {
            let lost = || Error::new(Code::Reset, "the link broke");
            return Some(Over::Lost(self.why.take().unwrap_or_else(lost)));
        }
        let due = self.conn.out.session().map(|mut seal| seal.session.due(now, reading));
        if due == Some(Due::Silent) {
            let ms = self.shared.config.link_timeout.as_millis();
            let message = format!("nothing was heard from the peer for {ms} ms (link_timeout_ms)");
            return self.lose(self.broken.clone().unwrap_or_else(|| Error::new(Code::Timeout, message)));
        }
        None
    }

    /// Writes what is to be said and sent, as far as it goes. True: all of it.
    fn write_out(&mut self, blocked: &mut bool) -> Result<bool> {
        let Some(stream) = &self.stream else { return Ok(true) };
        loop {
            if self.written == self.writing.len() {
                self.written = 0;
                let mut out = self.conn.out.lock();
                if out.is_early() {
                    drop(out);
                    // Returns at once if nobody waits for this CPU.
                    std::thread::yield_now();
                    out = self.conn.out.lock();
                }
                let taken = self.conn.out.take_kept(out, &mut self.plain, &mut self.writing);
                let taken =
                    taken.map_err(|e| Error::new(Code::Protocol, format!("nothing can be sent: {e}")))?;
                if taken.room_is_news {
                    self.shared.tell_writable(&self.conn);
                }
                if taken.nothing {
                    return Ok(true);
                }
            }
            match self.shared.write(&self.conn, stream, self.writing.get(self.written..).unwrap_or_default())
            {
                Ok(n) => self.written += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    *blocked = true;
                    return Ok(false);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed("sending to", &e)),
            }
        }
    }

    fn failed(&self, doing: &str, e: &io::Error) -> Error {
        Error::io(format_args!("{doing} {}", self.conn.peer.to_string_lossy()), e)
    }

    fn read(&mut self) -> Option<Over> {
        let stream = self.stream.as_ref()?;
        let read = self.receiver.read(stream, &self.conn, &self.shared.queue);
        if let Some(at) = self.receiver.take_relays() {
            (self.report)(Report::Relays { at });
        }
        let Err(end) = read else { return None };
        let protocol = |message: String| Error::new(Code::Protocol, message);
        let config = &self.shared.config;
        let broken = match end {
            // Both have closed: neither wants anything more.
            End::Closed { .. } if self.closing.is_some() => return Some(Over::Program),
            End::Closed { missing } => return Some(Over::Peer { missing }),
            End::TooLong => {
                let message =
                    format!("the peer sent a line longer than {} bytes (max_line)", config.max_line);
                return Some(Over::Failed(protocol(message)));
            }
            End::MessageTooLong => {
                let most = config.max_message;
                let message = format!("the peer sent a message longer than {most} bytes (max_message)");
                return Some(Over::Failed(protocol(message)));
            }
            End::Violation(e) => {
                return Some(Over::Failed(protocol(format!("the peer broke the protocol: {e}"))));
            }
            End::Unwelcome(e) => return Some(Over::Failed(Error::new(Code::Refused, e.to_string()))),
            // Encrypted by the peer: it would come again on the next link.
            End::Frame(e @ FrameError::Unknown) => {
                return Some(Over::Failed(protocol(format!("the peer broke the protocol: {e}"))));
            }
            // Whatever comes between two nodes can do that: it costs a link, not the session.
            End::Frame(e) => protocol(format!("the link was damaged: {e}")),
            End::Peer { .. } => {
                Error::new(Code::Reset, "the link was cut: its end came without the peer's word")
            }
            End::Io(e) => self.failed("receiving from", &e),
        };
        let why = self.broken.take().unwrap_or(broken);
        self.lose(why)
    }
}
