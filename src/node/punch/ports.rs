//! The local ports of a punch: bound, with a listener each if that is wanted, and asked about.
//!
//! A port without a listener is held by a bound socket, which the first attempt from it uses up: a spray has hundreds of
//! them, and descriptors are few.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use socket2::Socket;
use tokio::net::{TcpListener, TcpStream};

use super::ask::{Asked, Servers};
use crate::config::source_for;
use crate::os::sock;

/// Connections that may wait to be accepted. A spray may bring several at once.
const BACKLOG: i32 = 32;

/// How far a SYN gets that is only to open the way through the router in front of us.
const HOPS: u8 = 2;

/// Where connections to `peer` come from.
pub(super) fn source(bound: Option<IpAddr>, peer: IpAddr) -> IpAddr {
    let any = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    source_for(bound, SocketAddr::new(peer, 0)).unwrap_or(any)
}

type Asking = Pin<Box<dyn Future<Output = Option<Asked>> + Send>>;

/// A local port.
pub(super) struct Port {
    at: SocketAddr,
    held: Option<Socket>,
    listener: Option<(TcpListener, Waker)>,
    asking: Option<(Asking, Waker)>,
    /// The connection to the server, which keeps the mapping.
    _asked: Option<Asked>,
}

impl Port {
    /// Binds one (0: any that is free).
    pub(super) fn bind(at: SocketAddr) -> io::Result<Port> {
        let held = sock::shared(at)?;
        let at = held.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Port { at, held: Some(held), listener: None, asking: None, _asked: None })
    }

    /// Listens on it; the bell rings when somebody comes.
    pub(super) fn listen(&mut self, bell: Waker) -> io::Result<()> {
        let socket = match self.held.take() {
            Some(held) => held,
            None => sock::shared(self.at)?,
        };
        socket.listen(BACKLOG)?;
        self.listener = Some((TcpListener::from_std(socket.into())?, bell));
        Ok(())
    }

    pub(super) fn number(&self) -> u16 {
        self.at.port()
    }

    /// Begins to connect from here; `short`: by a SYN that ends behind our own router.
    pub(super) fn connect(&mut self, to: SocketAddr, short: bool) -> io::Result<TcpStream> {
        let socket = match self.held.take() {
            Some(held) => held,
            None => sock::shared(self.at)?,
        };
        TcpStream::from_std(sock::connect_from(socket, to, short.then_some(HOPS))?)
    }

    /// Somebody who has come in.
    pub(super) fn accept(&mut self) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        match &self.listener {
            Some((listener, bell)) => listener.poll_accept(&mut Context::from_waker(bell)),
            None => Poll::Pending,
        }
    }

    /// Rings the listener's bell: it is to be looked at again.
    pub(super) fn ring(&self) {
        if let Some((_, bell)) = &self.listener {
            bell.wake_by_ref();
        }
    }

    /// Begins to ask which outside port it has.
    pub(super) fn ask(&mut self, servers: Arc<Servers>, limit: Duration, bell: Waker) {
        let asking = servers.ask(self.at, limit);
        self.asking = Some((Box::pin(asking), bell));
    }

    /// What the servers have said, once.
    pub(super) fn poll_asked(&mut self) -> Poll<Option<u16>> {
        let Some((asking, bell)) = &mut self.asking else { return Poll::Pending };
        let Poll::Ready(asked) = asking.as_mut().poll(&mut Context::from_waker(bell)) else {
            return Poll::Pending;
        };
        self.asking = None;
        let port = asked.as_ref().map(Asked::port);
        self._asked = asked;
        Poll::Ready(port)
    }
}
