//! The writer's side of the secure dialect: what is kept until it is acknowledged, encrypted as it goes to the socket; and what
//! becomes of it when a link is lost and another one is made.

use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;

use super::{Outlet, Seal, Taken};
use crate::node::sendbuf::{KEEP, SendBuf};
use crate::os::biased::Guard;
use crate::proto::handshake::{Control, FrameError, Sealer, Wire};
use crate::proto::session::Unsettled;

/// So much is encrypted and written at once, as long as it fits into the nearer caches.
const AT_ONCE: usize = 128 << 10;

impl Outlet {
    /// The writer takes what is to be written next, as it goes to the socket.
    ///
    /// # Errors
    /// Nothing can be encrypted any more on this link.
    pub(crate) fn take_kept<'a>(
        &'a self,
        mut buf: Guard<'a, SendBuf>,
        wire: &mut Wire,
    ) -> Result<Taken, FrameError> {
        wire.clear();
        let some = Taken { nothing: false, quiet: false, untidy: false, room_is_news: false };
        let Some(seal) = &self.seal else { return Ok(Taken { nothing: true, ..some }) };
        let mut guard = seal.lock();
        let Seal { sealer: Some(sealer), frames, session } = &mut *guard else {
            return Ok(Taken { nothing: true, room_is_news: buf.room_is_news(), ..some });
        };
        if !frames.is_empty() {
            std::mem::swap(wire, frames);
            buf.adopted();
            return Ok(some);
        }
        let now = Instant::now();
        while let Some(control) = session.control(now, buf.is_rest()) {
            sealer.seal_control(control, wire)?;
        }
        if !buf.is_rest() && session.may_send() {
            buf.take_kept(|pending| session.put(pending));
        }
        if session.is_behind() {
            // Others may append meanwhile; as long as something is in flight, none of them writes.
            buf.sealed(wire.len() + session.unsent().max(1) as usize);
            drop(buf);
            while let Some(most) = AT_ONCE.checked_sub(wire.len()).filter(|most| *most > 0)
                && let Some((piece, from, to)) = session.again(most)
            {
                piece.seal(from, to, sealer, wire)?;
            }
            drop(guard);
            buf = self.lock();
            guard = seal.lock();
        }
        let Seal { frames, session, .. } = &*guard;
        buf.sealed(wire.len() + session.unsent() as usize);
        if !wire.is_empty() {
            buf.adopted();
            return Ok(some);
        }
        let quiet = buf.is_rest() && !session.is_behind();
        let large = [wire.capacity(), frames.capacity(), session.spare()];
        let untidy = quiet && (buf.is_large() || large.into_iter().any(|room| room > KEEP));
        if quiet {
            buf.nothing_kept();
        }
        Ok(Taken { nothing: true, quiet, untidy, room_is_news: buf.room_is_news() })
    }

    /// There is no link any more. What is in flight on it is lost, and will be sent again. Gives what made its frames, and
    /// those that the writer had not taken.
    pub(crate) fn link_lost(&self) -> Option<(Sealer, Wire)> {
        let mut buf = self.lock();
        let left = self.session().and_then(|mut seal| {
            seal.session.lost();
            buf.link_lost(seal.session.unsent() as usize);
            let frames = std::mem::take(&mut seal.frames);
            seal.sealer.take().map(|sealer| (sealer, frames))
        });
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
    pub(crate) fn words(&self, wire: &mut Wire) {
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
    pub(crate) fn last_word(&self, wire: &mut Wire) {
        let Some(mut seal) = self.session() else { return };
        let Seal { sealer: Some(sealer), frames, session } = &mut *seal else { return };
        wire.append(frames);
        let _ = sealer.seal_control(Control::Close { sent: session.epitaph().sent }, wire);
    }

    /// What was accepted and is not known to have arrived.
    pub(crate) fn unsettled(&self) -> Unsettled {
        let buf = self.lock();
        let mut unsettled = self.session().map_or_else(Unsettled::default, |seal| seal.session.unsettled());
        unsettled.lines += buf.waiting_lines();
        unsettled.bytes += buf.waiting() as u64;
        unsettled
    }
}
