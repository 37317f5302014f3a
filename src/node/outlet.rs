//! The way out of a connection, which a thread holds on to: who sends many lines on one connection finds it once.
//!
//! Finding a connection by its number takes a lock that all threads share and a look into a table; for short lines that
//! is a third of what sending costs. So each thread remembers the last outlet it has used. What it remembers must not
//! keep anything alive: the socket and the buffer belong to the connection, which takes them back when it ends.

use std::cell::RefCell;
use std::io::IoSlice;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::sendbuf::{After, SendBuf, Wrote, give_back_if_large};
use crate::error::Code;
use crate::os::sock;
use crate::proto::handshake::{Control, FrameError, Sealer};
use crate::proto::session::{Piece, Session, Unsettled};

/// So much is sent again before it is looked whether there is something else to do.
const AGAIN: usize = 64 << 10;

pub(crate) struct Outlet {
    buf: Mutex<SendBuf>,
    /// In the secure dialect. Locked inside of `buf`'s lock, or by the writer while its bytes are in flight: so frames are
    /// made in the order in which they are sent.
    seal: Option<Box<Mutex<Seal>>>,
    /// `None` while there is no link, and once the connection is no more.
    stream: Mutex<Option<Arc<TcpStream>>>,
    /// Wakes the connection's task: something to write, to close, or room to read again.
    pub(crate) wake: Notify,
}

/// The secure dialect's part: the session, and what makes frames of what is sent.
pub(crate) struct Seal {
    /// `None` while there is no link.
    sealer: Option<Sealer>,
    /// Frames a caller made, which the writer has to send first.
    frames: Vec<u8>,
    pub(crate) session: Session,
}

impl Outlet {
    pub(crate) fn new(stream: Arc<TcpStream>, limit: usize, session: Option<(Sealer, Session)>) -> Outlet {
        let seal = |(sealer, session)| Seal { sealer: Some(sealer), frames: Vec::new(), session };
        Outlet {
            buf: Mutex::new(SendBuf::new(limit)),
            seal: session.map(|session| Box::new(Mutex::new(seal(session)))),
            stream: Mutex::new(Some(stream)),
            wake: Notify::new(),
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, SendBuf> {
        self.buf.lock()
    }

    /// The session, in the secure dialect. Whoever needs [`Outlet::lock`] as well takes that first.
    pub(crate) fn session(&self) -> Option<MutexGuard<'_, Seal>> {
        self.seal.as_ref().map(|seal| seal.lock())
    }

    /// The socket, while there is one.
    pub(crate) fn stream(&self) -> Option<Arc<TcpStream>> {
        self.stream.lock().clone()
    }

    /// Queues `a` and `b` as one piece, or writes it at once if that is better.
    #[inline]
    pub(crate) fn send(&self, a: &[u8], b: &[u8]) -> Result<(), Code> {
        let after = match &self.seal {
            None => self.buf.lock().append([a, b], |parts| self.write(parts))?,
            Some(seal) => self.buf.lock().append_kept([a, b], false, |piece| self.write_kept(seal, piece))?,
        };
        if after == After::WakeWriter {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Queues a message, or writes it at once if that is better. Only in the secure dialect.
    pub(crate) fn send_message(&self, message: &[u8]) -> Result<(), Code> {
        let Some(seal) = &self.seal else { return Err(Code::Unsupported) };
        let write = |piece: &mut Piece| self.write_kept(seal, piece);
        if self.buf.lock().append_kept([message, &[]], true, write)? == After::WakeWriter {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// What the socket takes of it now.
    fn write(&self, [a, b]: [&[u8]; 2]) -> Wrote {
        let stream = self.stream.lock();
        let Some(stream) = &*stream else { return Wrote::default() };
        let written = if b.is_empty() {
            stream.try_write(a)
        } else {
            // Not by writev, which std uses for this: here, on the host's thread, its SIGPIPE would end the host.
            stream.try_io(Interest::WRITABLE, || {
                let parts = [IoSlice::new(a), IoSlice::new(b)];
                SockRef::from(&**stream).send_vectored_with_flags(&parts, sock::NO_SIGPIPE)
            })
        };
        // An error of the system is left to the task: it meets the same one and closes the connection with it.
        Wrote::plain(written.unwrap_or(0))
    }

    /// Encrypts what is pending and writes what the socket takes; nothing, if it may not be sent now.
    fn write_kept(&self, seal: &Mutex<Seal>, piece: &mut Piece) -> Wrote {
        let stream = self.stream.lock();
        match &*stream {
            Some(stream) => seal.lock().write(stream, piece),
            None => Wrote::default(),
        }
    }

    /// The writer takes what is to be written next. False: there is nothing.
    pub(crate) fn take(&self, mut buf: MutexGuard<'_, SendBuf>, wire: &mut Vec<u8>) -> Taken {
        let nothing = !buf.take(wire);
        Taken { nothing, room_is_news: nothing && buf.room_is_news() }
    }

    /// The same in the secure dialect, as it goes to the socket; `plain` is the writer's memory for what comes before
    /// encryption.
    ///
    /// # Errors
    /// Nothing can be encrypted any more on this link.
    pub(crate) fn take_kept<'a>(
        &'a self,
        mut buf: MutexGuard<'a, SendBuf>,
        plain: &mut Piece,
        wire: &mut Vec<u8>,
    ) -> Result<Taken, FrameError> {
        wire.clear();
        let Some(seal) = &self.seal else { return Ok(Taken { nothing: true, room_is_news: false }) };
        let mut guard = seal.lock();
        let Seal { sealer: Some(sealer), frames, session } = &mut *guard else {
            return Ok(Taken { nothing: true, room_is_news: buf.room_is_news() });
        };
        if !frames.is_empty() {
            std::mem::swap(wire, frames);
            buf.adopted();
            return Ok(Taken { nothing: false, room_is_news: false });
        }
        let now = Instant::now();
        let rest = buf.is_rest();
        while let Some(control) = session.control(now, rest) {
            sealer.seal_control(control, wire)?;
        }
        while wire.len() < AGAIN
            && let Some((piece, from, to)) = session.again(AGAIN)
        {
            piece.seal(from, to, sealer, wire)?;
        }
        if !rest && session.may_send() {
            buf.take_kept(plain);
            // Others may append meanwhile; as long as this is in flight, none of them writes.
            drop(buf);
            let sealed = plain.seal(0, plain.len(), sealer, wire);
            // Kept in any case: what cannot be sent on this link is sent on the next.
            session.sent(plain);
            drop(guard);
            sealed?;
            buf = self.buf.lock();
        }
        if wire.is_empty() {
            buf.nothing_kept();
            give_back_if_large(wire);
            return Ok(Taken { nothing: true, room_is_news: buf.room_is_news() });
        }
        buf.sealed(wire.len());
        Ok(Taken { nothing: false, room_is_news: false })
    }

    /// There is no link any more. What is in flight on it is lost, and will be sent again. Gives what made its frames, and
    /// those that the writer had not taken.
    pub(crate) fn link_lost(&self) -> Option<(Sealer, Vec<u8>)> {
        let mut buf = self.buf.lock();
        let left = self.session().and_then(|mut seal| {
            seal.session.lost();
            let frames = std::mem::take(&mut seal.frames);
            seal.sealer.take().map(|sealer| (sealer, frames))
        });
        buf.link_lost();
        drop(buf);
        *self.stream.lock() = None;
        left
    }

    /// There is another link. The session has been taken up on it.
    pub(crate) fn link_made(&self, stream: Arc<TcpStream>, sealer: Sealer) {
        if let Some(seal) = &self.seal {
            seal.lock().sealer = Some(sealer);
        }
        *self.stream.lock() = Some(stream);
    }

    /// Encrypts what is to be said, without anything of the program's.
    pub(crate) fn words(&self, wire: &mut Vec<u8>) {
        let Some(mut seal) = self.session() else { return };
        let Seal { sealer: Some(sealer), frames, session } = &mut *seal else { return };
        wire.append(frames);
        while let Some(control) = session.control(Instant::now(), false) {
            if sealer.seal_control(control, wire).is_err() {
                return;
            }
        }
    }

    /// Encrypts the last word of a session that ends out of order, if there is a link to say it on. Nothing may follow.
    pub(crate) fn last_word(&self, wire: &mut Vec<u8>) {
        let Some(mut seal) = self.session() else { return };
        let Seal { sealer: Some(sealer), frames, session } = &mut *seal else { return };
        wire.append(frames);
        let _ = sealer.seal_control(Control::Close { sent: session.epitaph().sent }, wire);
    }

    /// What was accepted and is not known to have arrived.
    pub(crate) fn unsettled(&self) -> Unsettled {
        let buf = self.buf.lock();
        let mut unsettled = self.session().map_or_else(Unsettled::default, |seal| seal.session.unsettled());
        unsettled.lines += buf.waiting_lines();
        unsettled.bytes += buf.waiting() as u64;
        unsettled
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
        self.buf.lock().end();
        *self.stream.lock() = None;
    }
}

impl Seal {
    /// Encrypts what is pending, all of it, and writes what the socket takes. The rest stays for the writer.
    fn write(&mut self, stream: &TcpStream, piece: &mut Piece) -> Wrote {
        let (Some(sealer), true) = (&mut self.sealer, self.session.may_send()) else {
            return Wrote::default();
        };
        debug_assert!(self.frames.is_empty(), "nobody writes while frames wait");
        let units = piece.len();
        if piece.seal(0, units, sealer, &mut self.frames).is_err() {
            // Left to the task, which meets the same error and gives the link up.
            self.frames.clear();
            return Wrote::default();
        }
        self.session.sent(piece);
        let by_system = stream.try_write(&self.frames).unwrap_or(0);
        self.frames.drain(..by_system);
        give_back_if_large(&mut self.frames);
        Wrote { taken: units, by_system, waiting: self.frames.len() }
    }
}

/// What the writer finds.
pub(crate) struct Taken {
    pub(crate) nothing: bool,
    pub(crate) room_is_news: bool,
}

/// What a thread remembers: which net, which connection, and its outlet.
type Last = Option<(u64, u64, Arc<Outlet>)>;

thread_local!(static LAST: RefCell<Last> = const { RefCell::new(None) });

/// Sends by the outlet that this thread has used last, if it is that of connection `conn` of the net `net`.
/// `None`: it is another, or it has ended.
#[inline]
pub(crate) fn send_by_last(net: u64, conn: u64, a: &[u8], b: &[u8]) -> Option<Result<(), Code>> {
    let send = |last: &RefCell<Last>| match &*last.borrow() {
        Some((n, c, outlet)) if (*n, *c) == (net, conn) => Some(outlet.send(a, b)),
        _ => None,
    };
    // During a thread's very end there is nothing left to remember in.
    LAST.try_with(send).ok().flatten().filter(|sent| *sent != Err(Code::Closed))
}

/// Remembers the outlet of connection `conn` of the net `net` for this thread.
pub(crate) fn remember(net: u64, conn: u64, outlet: &Arc<Outlet>) {
    let _ = LAST.try_with(|last| last.replace(Some((net, conn, Arc::clone(outlet)))));
}

#[cfg(test)]
mod tests;
