//! Small things every part of the server needs: listening sockets, racing two futures, the stop signal.

use super::StartError;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

pub(super) use crate::wait::{Either, due, race};

/// Connections the kernel holds for us until we accept them.
const BACKLOG: i32 = 1024;

/// Listens on `addr`; `[::]` takes IPv4 as well. `purpose` and `flag` are for the error.
pub(super) fn listen(
    addr: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
) -> Result<TcpListener, StartError> {
    let open = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if addr.is_ipv6() {
            socket.set_only_v6(!addr.ip().is_unspecified())?;
        }
        // A restarted server gets its port back at once; two servers still cannot share it.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if HANDED_ON {
            tune(&socket);
        }
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|source| StartError::Listen { addr, purpose, flag, source })
}

/// Whether the system gives a listening socket's options to the connections it accepts, which saves four system calls for each.
const HANDED_ON: bool = cfg!(target_os = "linux");

/// An accepted connection finds a dead peer within about two minutes, and sends small lines at once.
pub(super) fn accepted(stream: &TcpStream) {
    if !HANDED_ON {
        tune(&SockRef::from(stream));
    }
}

fn tune(socket: &Socket) {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    // Best effort: without them the connection still works.
    let _ = socket.set_tcp_keepalive(&keepalive);
    let _ = socket.set_tcp_nodelay(true);
}

/// What each task of the server holds: it hears of the stop, and the server hears when the last one is gone.
#[derive(Clone)]
pub(super) struct Life {
    stop: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
}

/// The server's end of [`Life`].
pub(super) struct Lives {
    stop: watch::Sender<bool>,
    gone: mpsc::Receiver<()>,
}

impl Life {
    pub(super) fn new() -> (Lives, Life) {
        let (stop, heard) = watch::channel(false);
        let (alive, gone) = mpsc::channel(1);
        (Lives { stop, gone }, Life { stop: heard, _alive: alive })
    }

    /// Completes when the server stops, or is dropped.
    pub(super) async fn stopped(&self) {
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    /// Runs `task` until it ends or the server stops.
    pub(super) async fn run(&self, task: impl Future<Output = ()>) {
        race(self.stopped(), task).await;
    }
}

impl Lives {
    /// Tells all tasks to end and waits for them, at most `patience`.
    pub(super) async fn stop(mut self, patience: Duration) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(patience, self.gone.recv()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted_connections_are_tuned() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = listen(([127, 0, 0, 1], 0).into(), "test", "--test").unwrap();
            let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            accepted(&stream);
            let socket = SockRef::from(&stream);
            assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
            #[cfg(target_os = "linux")]
            assert_eq!(
                (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap()),
                (Duration::from_secs(60), Duration::from_secs(15))
            );
            drop(client);
        });
    }
}
