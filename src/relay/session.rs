//! A session: passes bytes both ways until both have said all, one breaks off, or it is over for another reason.
//!
//! Bytes are read into a buffer that all sessions of a thread share and written on at once; only what the receiver does not
//! take is kept, and nothing more is read from its sender meanwhile. So a quiet session has no buffer, and a slow
//! reader one of a quantum. Copying costs a processor 0.4 to 0.5 s for a gigabyte, most of it in TCP; splice(2) through
//! a pipe was measured: 10 % less for large pieces, up to 70 % more for lines, and two pipes for each session.

use super::{Leg, Running};
use crate::proto::rdv_msg::RelayReply;
use crate::proto::relay::{End, Next, RelayLimits};
use crate::wait::{Either, race};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// One direction.
struct Flow {
    /// Not taken yet by whom it is for.
    pending: Vec<u8>,
    written: usize,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// Its sender has said all.
    Ended,
    /// Its receiver has been told so.
    Told,
}

/// Runs a session to its end.
pub(super) async fn run(mut running: Running, first: Leg, second: Leg, limits: &RelayLimits) {
    let Leg { stream: mut a, early: from_a, place: _place_a, .. } = first;
    let Leg { stream: mut b, early: from_b, place: _place_b, .. } = second;
    running.end = pass(&mut running, (&mut a, from_a), (&mut b, from_b), limits).await;
    if running.end != End::Closed {
        // A peer must not take it for an end that the other one has said.
        super::break_off(&a);
        super::break_off(&b);
    }
}

async fn pass(
    running: &mut Running,
    (a, from_a): (&mut TcpStream, Vec<u8>),
    (b, from_b): (&mut TcpStream, Vec<u8>),
    limits: &RelayLimits,
) -> End {
    let go = format!("{}\r\n", RelayReply::Go(limits.terms())).into_bytes();
    let mut to_b = Flow::new([&go[..], &from_a].concat());
    let mut to_a = Flow::new([&go[..], &from_b].concat());
    drop((go, from_a, from_b));
    let (hub, id, quantum) = (running.hub.clone(), running.id, limits.quantum());
    let mut pause: Option<Pin<Box<Sleep>>> = None;
    let passing = poll_fn(|cx| {
        if pause.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready()) {
            pause = None;
        }
        let most = if pause.is_none() { quantum } else { 0 };
        let moved = match to_b.turn(cx, a, b, most).and_then(|n| Ok(n + to_a.turn(cx, b, a, most)?)) {
            Ok(moved) => moved,
            Err(_) => return Poll::Ready(End::Reset),
        };
        // The last bytes count, too.
        let next = (moved > 0).then(|| hub.moved(id, moved));
        if to_a.stage == Stage::Told && to_b.stage == Stage::Told {
            return Poll::Ready(End::Closed);
        }
        if let Some(next) = next {
            match next {
                Next::Go => {}
                Next::Pause(at) => pause = Some(Box::pin(tokio::time::sleep_until(at.into()))),
                // The reason comes on the other way.
                Next::Over => return Poll::Pending,
            }
            // There may be more, but it is the others' turn.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    });
    match race(&mut running.over, passing).await {
        Either::Left(why) => why.unwrap_or(End::Reset),
        Either::Right(end) => end,
    }
}

impl Flow {
    fn new(pending: Vec<u8>) -> Flow {
        Flow { pending, written: 0, stage: Stage::Open }
    }

    /// Passes on what waits, and up to `most` bytes more; tells how many the receiver's system has taken.
    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut TcpStream,
        to: &mut TcpStream,
        most: usize,
    ) -> io::Result<usize> {
        let mut moved = 0;
        match self.poll_turn(cx, from, to, most, &mut moved) {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(moved),
        }
    }

    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut TcpStream,
        to: &mut TcpStream,
        most: usize,
        moved: &mut usize,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            let n = ready!(write(cx, to, rest))?;
            self.written += n;
            *moved += n;
        }
        if self.written > 0 {
            (self.pending, self.written) = (Vec::new(), 0);
        }
        if self.stage == Stage::Open && most > 0 {
            ready!(BUFFER.with_borrow_mut(|buffer| {
                buffer.resize(buffer.len().max(most), 0);
                self.poll_fresh(cx, from, to, buffer.get_mut(..most).unwrap_or_default(), moved)
            }))?;
        }
        if self.stage == Stage::Ended && self.pending.is_empty() {
            ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
            self.stage = Stage::Told;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once and passes that on; keeps what the receiver does not take.
    fn poll_fresh(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut TcpStream,
        to: &mut TcpStream,
        buffer: &mut [u8],
        moved: &mut usize,
    ) -> Poll<io::Result<()>> {
        let mut space = ReadBuf::new(buffer);
        ready!(Pin::new(from).poll_read(cx, &mut space))?;
        let mut data = space.filled();
        if data.is_empty() {
            self.stage = Stage::Ended;
        }
        while !data.is_empty() {
            let Poll::Ready(n) = write(cx, to, data)? else {
                self.pending = data.to_vec();
                break;
            };
            *moved += n;
            data = data.get(n..).unwrap_or_default();
        }
        Poll::Ready(Ok(()))
    }
}

fn write(cx: &mut Context<'_>, to: &mut TcpStream, data: &[u8]) -> Poll<io::Result<usize>> {
    match ready!(Pin::new(to).poll_write(cx, data))? {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        n => Poll::Ready(Ok(n)),
    }
}
