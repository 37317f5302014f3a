//! The challenger's conversation with a rendezvous server, from the first of its ports.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::net::TcpStream;

use crate::node::nat_probe::ask::Asker;
use crate::node::rendezvous::Reach;
use crate::node::stream::connected;
use crate::proto::line::{self, LineScan};
use crate::proto::rdv_msg::{MAX_LINE, Reply};

/// Octets that may wait to be sent.
const MOST_OUT: usize = 8 * 1024;

type Opening = Pin<Box<dyn Future<Output = Option<TcpStream>> + Send>>;

enum State {
    Opening(Opening),
    Open(TcpStream),
    Lost,
}

/// What has come of a look.
pub(super) enum Said {
    Reply(Box<Reply>),
    /// The server could not be reached, or has hung up.
    Lost,
}

/// The connection.
pub(super) struct ServerLine {
    state: State,
    bell: Waker,
    buf: Vec<u8>,
    filled: usize,
    scan: LineScan,
    /// Where the complete lines end that have not been read.
    lines: usize,
    out: Vec<u8>,
}

impl ServerLine {
    /// Begins to connect to `server` from the local port `from`.
    pub(super) fn open(reach: Reach, server: String, from: SocketAddr, bell: Waker) -> ServerLine {
        let opening = async move {
            let asker = Asker::new(reach.clone());
            let found = reach.resolver.resolve(&server).await.ok()?;
            let to = found.into_iter().find(|at| at.is_ipv4() == from.is_ipv4() && asker.may_reach(*at))?;
            let stream = asker.start(to, [from.port()]).ok()?.stream;
            connected(&stream).await.ok().map(|()| stream)
        };
        ServerLine {
            state: State::Opening(Box::pin(opening)),
            bell,
            buf: vec![0; MAX_LINE + 2],
            filled: 0,
            scan: LineScan::new(),
            lines: 0,
            out: Vec::new(),
        }
    }

    /// Whether the server has been reached.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Sends a line, now or when the connection stands.
    pub(super) fn say(&mut self, text: &str) {
        if self.out.len() + text.len() <= MOST_OUT {
            self.out.extend_from_slice(text.as_bytes());
            self.out.extend_from_slice(line::CRLF);
            self.bell.wake_by_ref();
        }
    }

    /// The next that the server has said. After `Some` there may be more: the bell rings again.
    pub(super) fn look(&mut self) -> Option<Said> {
        let bell = self.bell.clone();
        let mut cx = Context::from_waker(&bell);
        if let State::Opening(opening) = &mut self.state {
            match opening.as_mut().poll(&mut cx) {
                Poll::Pending => return None,
                Poll::Ready(Some(stream)) => self.state = State::Open(stream),
                Poll::Ready(None) => return Some(self.lose()),
            }
        }
        loop {
            if let Some(reply) = self.next_reply() {
                self.bell.wake_by_ref();
                return Some(Said::Reply(Box::new(reply)));
            }
            let State::Open(stream) = &self.state else { return None };
            let gone = Self::write(stream, &mut self.out, &mut cx).is_err();
            let read = match stream.poll_read_ready(&mut cx) {
                _ if gone => return Some(self.lose()),
                Poll::Pending => return None,
                Poll::Ready(Err(_)) => return Some(self.lose()),
                Poll::Ready(Ok(())) => stream.try_read(self.buf.get_mut(self.filled..).unwrap_or_default()),
            };
            match read {
                // Closed, or a line that is too long.
                Ok(0) => return Some(self.lose()),
                Ok(n) => self.filled += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Err(_) => return Some(self.lose()),
            }
            self.lines = self.scan.feed(self.buf.get(..self.filled).unwrap_or_default()).unwrap_or(0);
        }
    }

    fn lose(&mut self) -> Said {
        self.state = State::Lost;
        Said::Lost
    }

    /// Takes lines until one can be read; what is no reply is passed over.
    fn next_reply(&mut self) -> Option<Reply> {
        while self.lines > 0 {
            let run = self.buf.get(..self.lines).unwrap_or_default();
            let (reply, taken) = match line::next_line(run) {
                Some((range, next)) => {
                    let text = run.get(range).and_then(|text| std::str::from_utf8(text).ok());
                    (text.and_then(Reply::parse), next)
                }
                None => (None, self.lines),
            };
            self.buf.copy_within(taken..self.filled, 0);
            self.filled -= taken;
            self.lines -= taken;
            if reply.is_some() {
                return reply;
            }
        }
        None
    }

    fn write(stream: &TcpStream, out: &mut Vec<u8>, cx: &mut Context<'_>) -> io::Result<()> {
        while !out.is_empty() {
            match stream.try_write(out) {
                Ok(n) => drop(out.drain(..n.min(out.len()))),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => match stream.poll_write_ready(cx)? {
                    Poll::Pending => break,
                    Poll::Ready(()) => {}
                },
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }
}
