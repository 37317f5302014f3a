//! The way out of a connection: its buffer, what encrypts it, its socket, and who writes.
//!
//! ```text
//!   your thread ─ last (the connection it sent on last) ─▶ outlet ─ lock ─▶ sendbuf ─ ways: plain, kept ─▶ socket
//!                                       the connection's task ─▶ take, kept::take_kept ─▶ socket
//! ```
//!
//! The lock of the buffer is nearly free for the thread that sends most ([`crate::os::biased`]).

mod kept;
mod last;
mod ways;

use std::net::Shutdown;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use socket2::SockRef;
use tokio::net::TcpStream;

use super::bell::Bell;
use super::sendbuf::{After, KEEP, SendBuf};
use crate::error::Code;
use crate::os::biased::{Biased, Desk, Guard};
use crate::proto::handshake::{Sealer, Wire};
use crate::proto::session::Session;
use ways::{Kept, Plain};

pub(crate) use last::{QUICK, by_last, remember, send_quickly, with_whole};

pub(crate) struct Outlet {
    buf: Biased<SendBuf>,
    /// In the secure dialect. Locked inside of `buf`'s lock, or by the writer while its bytes are in flight: so frames are
    /// made in the order in which they are sent.
    seal: Option<Box<Mutex<Seal>>>,
    /// `None` while there is no link, and once the connection is no more.
    stream: Mutex<Option<Arc<TcpStream>>>,
    /// Wakes the connection's task: something to write, to close, or room to read again.
    pub(crate) wake: Bell,
}

/// The secure dialect's part: the session, and what makes frames of what is sent.
pub(crate) struct Seal {
    /// `None` while there is no link.
    sealer: Option<Sealer>,
    /// Frames a caller made, which the writer has to send first.
    frames: Wire,
    pub(crate) session: Session,
}

impl Outlet {
    pub(crate) fn new(stream: Arc<TcpStream>, limit: usize, session: Option<(Sealer, Session)>) -> Outlet {
        let seal = |(sealer, session)| Seal { sealer: Some(sealer), frames: Wire::default(), session };
        Outlet {
            buf: Biased::new(SendBuf::new(limit)),
            seal: session.map(|session| Box::new(Mutex::new(seal(session)))),
            stream: Mutex::new(Some(stream)),
            wake: Bell::default(),
        }
    }

    /// The buffer, for anybody but who sends.
    pub(crate) fn lock(&self) -> Guard<'_, SendBuf> {
        let mut buf = self.buf.lock();
        buf.interrupted();
        buf
    }

    /// The session, in the secure dialect. Whoever needs [`Outlet::lock`] as well takes that first.
    pub(crate) fn session(&self) -> Option<MutexGuard<'_, Seal>> {
        self.seal.as_ref().map(|seal| seal.lock())
    }

    /// The socket, while there is one.
    pub(crate) fn stream(&self) -> Option<Arc<TcpStream>> {
        self.stream.lock().clone()
    }

    /// Queues `text` with its `end`, or writes it at once if that is better; what is left to the task, is told. `me` is the
    /// calling thread's, if it sends much.
    #[inline]
    pub(crate) fn send<const N: usize>(
        &self,
        me: Option<&Desk>,
        text: &[u8],
        end: &[u8; N],
    ) -> Result<After, Code> {
        let mut buf = self.lock_for(me);
        let after = match &self.seal {
            None => buf.append(text, end, &mut Plain(self)),
            Some(seal) => buf.append(text, end, &mut Kept(self, seal)),
        };
        drop(buf);
        after.map(|after| self.wake_if(after))
    }

    /// The same for many lines: how many were taken, and why not the next one.
    pub(crate) fn send_lines<'a>(
        &self,
        me: Option<&Desk>,
        lines: impl Iterator<Item = Result<&'a [u8], Code>>,
    ) -> (usize, After, Result<(), Code>) {
        let mut buf = self.lock_for(me);
        let (taken, after, outcome) = match &self.seal {
            None => buf.append_lines(lines, &mut Plain(self)),
            Some(seal) => buf.append_lines(lines, &mut Kept(self, seal)),
        };
        drop(buf);
        (taken, self.wake_if(after), outcome)
    }

    /// Queues a message, or writes it at once if that is better. Only in the secure dialect.
    pub(crate) fn send_message(&self, message: &[u8]) -> Result<After, Code> {
        let Some(seal) = &self.seal else { return Err(Code::Unsupported) };
        let after = self.lock().append_message(message, &mut Kept(self, seal));
        after.map(|after| self.wake_if(after))
    }

    #[inline]
    fn lock_for<'a>(&'a self, me: Option<&'a Desk>) -> Guard<'a, SendBuf> {
        match me {
            Some(me) => self.buf.lock_by(me),
            None => self.lock(),
        }
    }

    #[inline]
    fn wake_if(&self, after: After) -> After {
        if after == After::WakeWriter {
            self.wake.notify_one();
        }
        after
    }

    /// The writer takes what is to be written next. False: there is nothing.
    pub(crate) fn take(&self, mut buf: Guard<'_, SendBuf>, wire: &mut Vec<u8>) -> Taken {
        let nothing = !buf.take(wire);
        let untidy = nothing && (buf.is_large() || wire.capacity() > KEEP);
        Taken { nothing, quiet: nothing, untidy, room_is_news: nothing && buf.room_is_news() }
    }

    /// Nothing has been sent for a while: gives memory back, the writer's as well.
    pub(crate) fn tidy(&self, wire: Option<&mut Wire>) {
        let mut buf = self.lock();
        buf.tidy();
        if let Some(mut seal) = self.session() {
            for wire in wire.into_iter().chain([&mut seal.frames]).filter(|wire| wire.is_empty()) {
                *wire = Wire::default();
            }
            seal.session.tidy();
        }
    }

    /// The socket is somebody else's from now on.
    pub(crate) fn detach(&self) {
        *self.stream.lock() = None;
    }

    /// Whoever waits on the socket sees its end.
    pub(crate) fn shut(&self) {
        if let Some(stream) = &*self.stream.lock() {
            let _ = SockRef::from(&**stream).shutdown(Shutdown::Both);
        }
    }

    /// The connection is no more: nothing is accepted from now on, and who still holds the outlet holds nothing else.
    pub(crate) fn end(&self) {
        self.lock().end();
        *self.stream.lock() = None;
    }
}

/// What the writer finds.
pub(crate) struct Taken {
    pub(crate) nothing: bool,
    /// Nor is there anything that has to wait: who leaves the next, rings.
    pub(crate) quiet: bool,
    /// It holds memory that is to be given back once the connection has been quiet for a while.
    pub(crate) untidy: bool,
    pub(crate) room_is_news: bool,
}

#[cfg(test)]
mod tests;
