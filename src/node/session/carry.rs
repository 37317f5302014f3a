//! The session at work: reads, writes, waits for whatever comes first.

use std::future::Future;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::{Keeper, Order, Orders, Over, Report, Waiting, Word};
use crate::error::{Code, Error, Result};
use crate::node::receive::End;
use crate::node::sendbuf::TIDY;
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

/// What a turn has come to.
enum Turn {
    /// There is nothing to be done but to wait.
    Wait(Waiting),
    /// Something has changed: another turn.
    Again,
    End(Over),
}

impl<R: Fn(Report)> Keeper<R> {
    pub(super) fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        loop {
            let waiting = match self.waiting {
                Some(waiting) => waiting,
                None => match self.turn() {
                    Turn::Wait(waiting) => waiting,
                    Turn::Again => continue,
                    Turn::End(over) => return Poll::Ready(over),
                },
            };
            self.waiting = Some(waiting);
            let ready = ready!(self.poll_ready(cx, waiting));
            self.waiting = None;
            self.quiet &= matches!(ready, Ready::Read);
            let over = match ready {
                Ready::Write | Ready::Woken | Ready::Room => None,
                Ready::Read => {
                    let over = self.read();
                    if over.is_none() && self.receiver.has_filled() && self.shared.lets_taker_go(cx) {
                        return Poll::Pending;
                    }
                    over
                }
                Ready::Time => self.time(waiting.reading),
                Ready::Word(word) => self.answered(word),
                Ready::Order(Order::Link(handed)) => {
                    self.ask(handed);
                    None
                }
                Ready::Order(Order::Cut(why)) => self.cut(why),
            };
            if let Some(over) = over {
                return Poll::Ready(over);
            }
        }
    }

    /// Says and writes what there is, and sees whether that was all.
    fn turn(&mut self) -> Turn {
        let mut blocked = false;
        let mut all_written = true;
        let to_do = self.has_to_write();
        if to_do && self.closing.is_none() && self.conn.out.lock().is_closing() {
            self.begin_to_close();
        }
        if to_do && self.stream.is_some() && self.broken.is_none() {
            match self.write_out(&mut blocked) {
                Ok(all) => all_written = all,
                Err(e) => self.broken = Some(Box::new(e)),
            }
        }
        if self.closing.is_some() {
            let done = self.conn.out.session().is_some_and(|seal| seal.session.is_done());
            if done && all_written {
                return Turn::End(Over::Program);
            }
            if self.stream.is_none() && self.asking.is_none() && self.shared.is_stopping() {
                return Turn::End(Over::TooLate);
            }
        }
        let reading = self.is_reading();
        if !reading && let Some(e) = self.broken.take() {
            return self.lose(*e).map_or(Turn::Again, Turn::End);
        }
        self.set_timer(reading);
        Turn::Wait(Waiting { blocked, reading })
    }

    /// Whether to look for something to be written. After most reads, which bring the peer's acknowledgements to who sends, there is
    /// nothing; and the look would take the buffer's lock from the thread that sends, to whom it belongs.
    fn has_to_write(&self) -> bool {
        let has_word = || self.conn.out.session().is_none_or(|seal| seal.session.has_word());
        !self.quiet || self.closing.is_some() || self.conn.out.wake.has_rung() || has_word()
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

    /// Waits for whatever comes first.
    fn poll_ready(&mut self, cx: &mut Context<'_>, Waiting { blocked, reading }: Waiting) -> Poll<Ready> {
        if let Some(stream) = &self.stream {
            // Reading first: each turn writes anyway, so a program that sends without pause does not keep us from it.
            if reading && stream.poll_read_ready(cx).is_ready() {
                return Poll::Ready(Ready::Read);
            }
            // An error of readiness shows again, with its name, in the read or write that follows.
            if blocked && stream.poll_write_ready(cx).is_ready() {
                return Poll::Ready(Ready::Write);
            }
        }
        // Rings for orders, too: what was ordered before it is looked for once more before the task sleeps.
        if self.conn.out.wake.poll(cx).is_ready() {
            return Poll::Ready(Ready::Woken);
        }
        if let Some(order) = self.conn.orders().and_then(Orders::take) {
            return Poll::Ready(Ready::Order(order));
        }
        if let Some(asking) = &mut self.asking
            && let Poll::Ready(word) = asking.word.as_mut().poll(cx)
        {
            return Poll::Ready(Ready::Word(word));
        }
        if let (Some(timer), true) = (&mut self.timer, self.armed.is_some())
            && timer.as_mut().poll(cx).is_ready()
        {
            self.armed = None;
            return Poll::Ready(Ready::Time);
        }
        self.room.poll(cx).map(|()| Ready::Room)
    }

    /// Sets the timer, unless it comes earlier anyway: then it is looked at again.
    fn set_timer(&mut self, reading: bool) {
        let session = self.conn.out.session().and_then(|seal| seal.session.deadline(reading));
        let grace = self.grace.filter(|_| self.asking.is_none());
        let Some(due) = [session, grace, self.closing, self.tidy].into_iter().flatten().min() else { return };
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
            return Some(Over::Lost(self.why.take().map_or_else(lost, |why| *why)));
        }
        if self.tidy.take_if(|at| *at <= now).is_some() {
            self.conn.out.tidy(Some(&mut self.writing));
        }
        let due = self.conn.out.session().map(|mut seal| seal.session.due(now, reading));
        if due == Some(Due::Silent) {
            let ms = self.shared.config.link_timeout.as_millis();
            let message = format!("nothing was heard from the peer for {ms} ms (link_timeout_ms)");
            let why = self.broken.as_deref().cloned();
            return self.lose(why.unwrap_or_else(|| Error::new(Code::Timeout, message)));
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
                let taken = self.conn.out.take_kept(out, &mut self.writing);
                let taken =
                    taken.map_err(|e| Error::new(Code::Protocol, format!("nothing can be sent: {e}")))?;
                self.quiet = taken.quiet;
                if taken.room_is_news {
                    self.shared.tell_writable(&self.conn);
                }
                if taken.nothing {
                    if taken.untidy && self.tidy.is_none() {
                        self.tidy = Some(Instant::now() + TIDY);
                    }
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
        let why = self.broken.take().map_or(broken, |broken| *broken);
        self.lose(why)
    }
}
