//! Opening TCP connections: one address, or several of one host with short staggers (RFC 8305).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

use crate::config::source_for;
use crate::error::{Code, Error, Result};
use crate::os::sock;

/// The pause before the next address of a host is tried beside the one before (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of one host that are tried.
const MOST: usize = 8;

/// One attempt.
pub(crate) async fn dial_one(to: SocketAddr, bound: Option<IpAddr>) -> Result<TcpStream> {
    let trying = |e: std::io::Error| Error::io(format_args!("connecting to {to}"), &e);
    let socket = sock::outgoing(to, source_for(bound, to)).map_err(trying)?;
    let stream = TcpSocket::from_std_stream(socket).connect(to).await.map_err(trying)?;
    // A connect to a port of our own range may meet itself (RFC 793 simultaneous open); nobody else is there.
    if stream.local_addr().ok() == Some(to) {
        return Err(Error::new(Code::Refused, format!("connecting to {to}: nobody listens there")));
    }
    Ok(stream)
}

/// The first of `addrs` that answers. The rest is given up.
pub(crate) async fn dial(addrs: Vec<SocketAddr>, bound: Option<IpAddr>) -> Result<(TcpStream, SocketAddr)> {
    // Nearly always there is one, and nothing to race: no tasks, no channel, no timer.
    if let [only] = addrs[..] {
        return Ok((dial_one(only, bound).await?, only));
    }
    let (tx, mut rx) = mpsc::unbounded_channel();
    let mut attempts = tokio::task::JoinSet::new();
    let mut waiting = addrs.into_iter().take(MOST);
    let mut last = Error::new(Code::NoPath, "there is no address to connect to");
    loop {
        let more = match waiting.next() {
            Some(to) => {
                let tx = tx.clone();
                attempts.spawn(async move {
                    let _ = tx.send(dial_one(to, bound).await.map(|stream| (stream, to)));
                });
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
