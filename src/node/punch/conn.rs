//! One socket of a punch: an attempt that becomes a connection, on which frames go to and fro.
//!
//! Never more is read than the frame that is awaited: what follows the last one belongs to the link.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use tokio::io::{Interest, ReadBuf};
use tokio::net::TcpStream;

use super::answer::{Answer, answer};
use crate::proto::punch::{FRAME_LEN, Frame};

/// Octets that may wait to be sent. The talk of a whole punch has fewer.
const MOST_OUT: usize = 16 * FRAME_LEN;

/// What a connection is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Frames.
    Frames,
    /// Only whether the other side closes it; what it says is left alone.
    Closing,
}

/// What a look at a socket has shown.
#[derive(Debug)]
pub(super) enum Seen {
    /// The attempt has succeeded.
    Connected,
    /// It has failed.
    Failed(Answer, Option<i32>),
    /// A frame has come.
    Frame(Box<Frame>),
    /// The connection has ended.
    Closed,
}

/// A socket.
pub(super) struct Conn {
    stream: TcpStream,
    /// Where it leads.
    to: SocketAddr,
    bell: Waker,
    open: bool,
    look: Look,
    frame: Box<Frame>,
    filled: usize,
    out: Vec<u8>,
}

impl Conn {
    /// An attempt that is on its way.
    pub(super) fn dialing(stream: TcpStream, to: SocketAddr, bell: Waker, look: Look) -> Conn {
        Conn {
            stream,
            to,
            bell,
            open: false,
            look,
            frame: Box::new([0; FRAME_LEN]),
            filled: 0,
            out: Vec::new(),
        }
    }

    /// A connection that has come in.
    pub(super) fn arrived(stream: TcpStream, from: SocketAddr, bell: Waker, look: Look) -> Conn {
        let conn = Conn { open: true, ..Conn::dialing(stream, from, bell, look) };
        conn.hurry();
        conn
    }

    /// Frames are answered at once; waiting to fill a packet would cost a round trip each.
    fn hurry(&self) {
        // Slower without it, but it works.
        let _ = self.stream.set_nodelay(true);
    }

    /// What has happened since the last look. After `Some` there may be more: the bell rings again.
    pub(super) fn look(&mut self) -> Option<Seen> {
        let bell = self.bell.clone();
        let seen = self.look_with(&mut Context::from_waker(&bell));
        if seen.is_some() {
            self.bell.wake_by_ref();
        }
        seen
    }

    fn look_with(&mut self, cx: &mut Context<'_>) -> Option<Seen> {
        if !self.open {
            return self.outcome(cx);
        }
        if self.write(cx).is_err() {
            return Some(Seen::Closed);
        }
        match self.look {
            Look::Frames => self.read(cx),
            Look::Closing => self.peek(cx),
        }
    }

    /// Whether the attempt has come to an end.
    fn outcome(&mut self, cx: &mut Context<'_>) -> Option<Seen> {
        let failed = |e: io::Error| Some(Seen::Failed(answer(&e), e.raw_os_error()));
        loop {
            match self.stream.poll_write_ready(cx) {
                Poll::Pending => return None,
                Poll::Ready(Err(e)) => return failed(e),
                Poll::Ready(Ok(())) => {}
            }
            let checked = self.stream.try_io(Interest::WRITABLE, || {
                match self.stream.take_error()? {
                    Some(e) => Err(e),
                    None => self.stream.peer_addr(),
                }
                .map_err(|e| match e.kind() {
                    // Not yet, whatever the readiness says.
                    io::ErrorKind::NotConnected => io::ErrorKind::WouldBlock.into(),
                    _ => e,
                })
            });
            match checked {
                Ok(_) => {
                    self.open = true;
                    self.hurry();
                    return Some(Seen::Connected);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return failed(e),
            }
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Option<Seen> {
        loop {
            match self.stream.poll_read_ready(cx) {
                Poll::Pending => return None,
                Poll::Ready(Err(_)) => return Some(Seen::Closed),
                Poll::Ready(Ok(())) => {}
            }
            let rest = self.frame.get_mut(self.filled..).unwrap_or_default();
            match self.stream.try_read(rest) {
                Ok(0) => return Some(Seen::Closed),
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return Some(Seen::Closed),
            }
            if self.filled >= FRAME_LEN {
                self.filled = 0;
                return Some(Seen::Frame(self.frame.clone()));
            }
        }
    }

    fn peek(&mut self, cx: &mut Context<'_>) -> Option<Seen> {
        let mut octet = [0];
        match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut octet)) {
            // With something to say it is alive. That it closes afterwards shows when the link reads it.
            Poll::Pending | Poll::Ready(Ok(1..)) => None,
            Poll::Ready(_) => Some(Seen::Closed),
        }
    }

    /// Sends these octets, now or when there is room. False: the connection is of no use any more.
    pub(super) fn say(&mut self, octets: &[u8]) -> bool {
        self.out.extend_from_slice(octets);
        let bell = self.bell.clone();
        self.out.len() <= MOST_OUT && self.write(&mut Context::from_waker(&bell)).is_ok()
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(n) => drop(self.out.drain(..n.min(self.out.len()))),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => match self.stream.poll_write_ready(cx)? {
                    Poll::Pending => break,
                    Poll::Ready(()) => {}
                },
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// The connection itself, when everything that was said has left.
    pub(super) async fn into_stream(mut self) -> io::Result<(TcpStream, SocketAddr)> {
        std::future::poll_fn(|cx| match self.write(cx) {
            Ok(()) if self.out.is_empty() => Poll::Ready(Ok(())),
            Ok(()) => Poll::Pending,
            Err(e) => Poll::Ready(Err(e)),
        })
        .await?;
        Ok((self.stream, self.to))
    }
}
