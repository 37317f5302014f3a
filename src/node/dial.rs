//! Opening TCP connections: one address, or several of one host with short staggers (RFC 8305).

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::boxed::boxed;
use crate::config::source_for;
use crate::error::{Code, Error, Result};
use crate::os::sock;

/// The pause before the next address of a host is tried beside the one before (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one host that are tried.
const MOST: usize = 8;

/// One attempt, begun: gives the connection once that stands. Whose connection it is, [`not_itself`] tells.
pub(crate) struct One {
    to: SocketAddr,
    stream: Option<TcpStream>,
}

impl One {
    /// Begins to connect.
    ///
    /// # Errors
    /// What the system says at once.
    pub(crate) fn begin(to: SocketAddr, bound: Option<IpAddr>) -> Result<One> {
        let begun = sock::outgoing(to, source_for(bound, to))
            .and_then(|socket| sock::connect_from(socket.into(), to, None))
            .and_then(TcpStream::from_std);
        Ok(One { to, stream: Some(begun.map_err(|e| trying(to, &e))?) })
    }
}

fn trying(to: SocketAddr, e: &io::Error) -> Error {
    Error::io(format_args!("connecting to {to}"), e)
}

impl Future for One {
    type Output = Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<TcpStream>> {
        let to = self.to;
        let Some(stream) = &self.stream else { return Poll::Pending };
        let stands = ready!(stream.poll_write_ready(cx)).and_then(|()| stream.take_error());
        if let Some(e) = stands.unwrap_or_else(Some) {
            return Poll::Ready(Err(trying(to, &e)));
        }
        self.stream.take().map_or(Poll::Pending, |stream| Poll::Ready(Ok(stream)))
    }
}

/// A connect to a port of our own range may meet itself (RFC 793 simultaneous open): it leaves from where it goes. Nobody else is there.
pub(crate) fn not_itself(from: Option<SocketAddr>, to: SocketAddr) -> Result<()> {
    if from == Some(to) {
        let message = format!("connecting to {to}: nobody listens there");
        return Err(Error::new(Code::Refused, message));
    }
    Ok(())
}

/// One attempt.
pub(crate) async fn dial_one(to: SocketAddr, bound: Option<IpAddr>) -> Result<TcpStream> {
    let stream = One::begin(to, bound)?.await?;
    not_itself(stream.local_addr().ok(), to)?;
    Ok(stream)
}

/// The first of `addrs` that answers. The rest is given up.
pub(crate) async fn dial(addrs: Vec<SocketAddr>, bound: Option<IpAddr>) -> Result<(TcpStream, SocketAddr)> {
    match addrs[..] {
        // Nearly always there is one, and nothing to race: no tasks, no channel, no timer.
        [only] => Ok((dial_one(only, bound).await?, only)),
        // Boxed: what waits for one address is not to have the size of this.
        _ => Box::pin(race(addrs, bound)).await,
    }
}

async fn race(addrs: Vec<SocketAddr>, bound: Option<IpAddr>) -> Result<(TcpStream, SocketAddr)> {
    let (tx, mut rx) = mpsc::unbounded_channel();
    let mut attempts = tokio::task::JoinSet::new();
    let mut waiting = addrs.into_iter().take(MOST);
    let mut last = Error::new(Code::NoPath, "there is no address to connect to");
    loop {
        let more = match waiting.next() {
            Some(to) => {
                let tx = tx.clone();
                attempts.spawn(boxed(async move {
                    let _ = tx.send(dial_one(to, bound).await.map(|stream| (stream, to)));
                }));
                true
            }
            None => false,
        };
        loop {
            let answer = if more {
                match tokio::time::timeout(STAGGER, rx.recv()).await {
                    Ok(answer) => answer,
                    Err(_) => break,
                }
            } else if attempts.is_empty() {
                return Err(last);
            } else {
                rx.recv().await
            };
            match answer {
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(e)) => {
                    last = e;
                    attempts.join_next().await;
                    if more {
                        break;
                    }
                }
                None => return Err(last),
            }
        }
    }
}
