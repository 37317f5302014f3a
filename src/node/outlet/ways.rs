//! How a caller's thread writes: the classic dialect's way, and the secure one's.

use std::io::IoSlice;

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::{Outlet, Seal};
use crate::node::sendbuf::{Way, Wrote};
use crate::os::sock;
use crate::proto::session::Piece;

/// So much a caller lets come together rather than wait for the writer to have finished encrypting.
const PATIENCE: usize = 120 << 10;

/// The classic dialect's way for callers: what the socket takes now.
pub(super) struct Plain<'a>(pub(super) &'a Outlet);

impl Way for Plain<'_> {
    const STOWS: bool = false;

    fn pending(&mut self, pending: &mut Piece) -> Wrote {
        let by_system = self.direct([pending.bytes(), &[]]).unwrap_or(0);
        pending.drop_front(by_system);
        Wrote { by_system, waiting: 0 }
    }

    fn direct(&mut self, [a, b]: [&[u8]; 2]) -> Option<usize> {
        let stream = self.0.stream.lock();
        let written = match &*stream {
            None => return Some(0),
            Some(stream) if b.is_empty() => stream.try_write(a),
            // Not by writev, which std uses for this: here, on the host's thread, its SIGPIPE would end the host.
            Some(stream) => stream.try_io(Interest::WRITABLE, || {
                let parts = [IoSlice::new(a), IoSlice::new(b)];
                SockRef::from(&**stream).send_vectored_with_flags(&parts, sock::NO_SIGPIPE)
            }),
        };
        // An error of the system is left to the task: it meets the same one and closes the connection with it.
        Some(written.unwrap_or(0))
    }
}

/// The secure dialect's: all that is pending, encrypted; nothing, if it may not be sent now.
pub(super) struct Kept<'a>(pub(super) &'a Outlet, pub(super) &'a Mutex<Seal>);

impl Way for Kept<'_> {
    const STOWS: bool = true;

    fn pending(&mut self, pending: &mut Piece) -> Wrote {
        let stream = self.0.stream.lock();
        match &*stream {
            Some(stream) => self.1.lock().write(stream, pending),
            None => Wrote::default(),
        }
    }

    fn direct(&mut self, _: [&[u8]; 2]) -> Option<usize> {
        None
    }

    fn stow(&mut self, pending: &mut Piece) -> usize {
        let len = pending.len();
        let seal = if len < PATIENCE { self.1.try_lock() } else { Some(self.1.lock()) };
        seal.map_or(0, |mut seal| {
            seal.session.put(pending);
            len
        })
    }
}

impl Seal {
    /// Encrypts what is pending, all of it, and writes what the socket takes. The rest stays for the writer.
    fn write(&mut self, stream: &TcpStream, piece: &mut Piece) -> Wrote {
        let (Some(sealer), true) = (&mut self.sealer, self.session.may_send()) else {
            return Wrote::default();
        };
        debug_assert!(self.frames.is_empty(), "nobody writes while frames wait");
        if piece.seal(0, piece.len(), sealer, &mut self.frames).is_err() {
            // Left to the task, which meets the same error and gives the link up.
            self.frames.clear();
            return Wrote::default();
        }
        self.session.sent(piece);
        let by_system = stream.try_write(&self.frames).unwrap_or(0);
        self.frames.drop_front(by_system);
        Wrote { by_system, waiting: self.frames.len() }
    }
}
