//! One probe: a connection from a chosen local port, a question, the answer. The connection stays open in the
//! [`Answer`].

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::config::source_for;
use crate::error::{Code, Error, Result};
use crate::node::rendezvous::Reach;
use crate::node::stream::{connected, write_all};
use crate::os::sock;
use crate::proto::line::{self, LineScan};
use crate::proto::nat::ask::{MAX_LINE, Seen, Server, opening};
use crate::proto::nat::judge::Observation;

/// Local ports that are tried for one connection. Most are free, but where a busy server has just been, half of them wait for the end of
/// TIME-WAIT.
pub(in crate::node) const TRIES: usize = 20;

/// Bytes of other talk that are borne from a server before its answer.
const MOST_TALK: usize = 8 * 1024;

/// Makes probes.
#[derive(Clone)]
pub(in crate::node) struct Asker {
    reach: Reach,
    /// Counts connections in the order of their SYNs.
    order: Arc<AtomicU32>,
}

/// A connection on its way.
pub(in crate::node) struct Started {
    pub(in crate::node) stream: TcpStream,
    pub(in crate::node) local: SocketAddr,
    server: SocketAddr,
    order: u32,
    at: Instant,
}

/// An answered probe.
pub(in crate::node) struct Answer {
    /// Held so that the NAT keeps the mapping; never read again.
    _stream: TcpStream,
    pub(in crate::node) local: SocketAddr,
    pub(in crate::node) server: SocketAddr,
    pub(in crate::node) order: u32,
    pub(in crate::node) seen: Seen,
    /// From the SYN to the answer: two round trips.
    pub(in crate::node) took: Duration,
}

impl Answer {
    pub(in crate::node) fn observation(&self) -> Observation {
        Observation {
            local: self.local,
            server: self.server,
            outside_port: self.seen.port(),
            outside_ip: self.seen.client().map(|at| at.ip()),
        }
    }
}

impl Asker {
    pub(in crate::node) fn new(reach: Reach) -> Asker {
        Asker { reach, order: Arc::default() }
    }

    /// Whether connections from the address we are bound to can go there.
    pub(in crate::node) fn may_reach(&self, to: SocketAddr) -> bool {
        self.reach.bound.is_none_or(|ip| ip.is_unspecified() || ip.is_ipv4() == to.is_ipv4())
    }

    /// Looks a server up and asks it over IPv4.
    pub(in crate::node) async fn ask_server(
        &self,
        server: &str,
        ports: impl IntoIterator<Item = u16>,
    ) -> Result<Answer> {
        let found = self.reach.resolver.resolve(server).await?;
        let to = found.into_iter().find(|at| at.is_ipv4() && self.may_reach(*at));
        let to = to.ok_or_else(|| Error::new(Code::NotFound, format!("{server} has no IPv4 address")))?;
        self.ask(Server::Unknown, self.start(to, ports)?).await
    }

    /// Sends a SYN to `to` from the first of `ports` that is free; none is drawn behind that.
    pub(in crate::node) fn start(
        &self,
        to: SocketAddr,
        ports: impl IntoIterator<Item = u16>,
    ) -> Result<Started> {
        let any: IpAddr =
            if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let source = source_for(self.reach.bound, to).unwrap_or(any);
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for port in ports {
            match sock::connecting(to, SocketAddr::new(source, port)) {
                Ok(stream) => {
                    let (order, at) = (self.order.fetch_add(1, Relaxed), Instant::now());
                    let trying = |e: io::Error| Error::io(format_args!("connecting to {to}"), &e);
                    let local = stream.local_addr().map_err(trying)?;
                    let stream = TcpStream::from_std(stream).map_err(trying)?;
                    return Ok(Started { stream, local, server: to, order, at });
                }
                Err(e) => last = e,
            }
            if !matches!(last.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable) {
                break;
            }
        }
        Err(Error::io(format_args!("connecting to {to}"), &last))
    }

    /// Waits for the connection, asks, and waits for the answer.
    pub(in crate::node) async fn ask(&self, kind: Server, started: Started) -> Result<Answer> {
        let Started { stream, local, server, order, at } = started;
        connected(&stream).await.map_err(|e| Error::io(format_args!("connecting to {server}"), &e))?;
        if stream.local_addr().ok() == Some(server) {
            return Err(Error::new(Code::Refused, format!("connecting to {server}: nobody listens there")));
        }
        let talking = |e: io::Error| Error::io(format_args!("talking to {server}"), &e);
        write_all(&stream, opening(kind, local.port()).as_bytes()).await.map_err(talking)?;
        let seen = read_answer(&stream, server).await?;
        Ok(Answer { _stream: stream, local, server, order, seen, took: at.elapsed() })
    }
}

async fn read_answer(stream: &TcpStream, server: SocketAddr) -> Result<Seen> {
    let broken = |why: &str| Error::new(Code::Protocol, format!("{server} {why}"));
    let mut buf = [0; MAX_LINE + 2];
    let (mut filled, mut scan, mut talk) = (0, LineScan::new(), 0);
    loop {
        stream.readable().await.map_err(|e| Error::io(format_args!("talking to {server}"), &e))?;
        // A server that always has more to say must not keep the thread.
        tokio::task::coop::consume_budget().await;
        let room = buf.get_mut(filled..).unwrap_or_default();
        if room.is_empty() {
            return Err(broken("sent an over-long line"));
        }
        match stream.try_read(room) {
            Ok(0) => return Err(broken("closed without an answer")),
            Ok(n) => (filled, talk) = (filled + n, talk + n),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(Error::io(format_args!("talking to {server}"), &e)),
        }
        if let Some(end) = scan.feed(buf.get(..filled).unwrap_or_default()) {
            if let Some(seen) = line::split(buf.get(..end).unwrap_or_default()).find_map(Seen::read) {
                return Ok(seen);
            }
            buf.copy_within(end..filled, 0);
            filled -= end;
        }
        if talk > MOST_TALK {
            return Err(broken("talks, but does not answer"));
        }
    }
}
