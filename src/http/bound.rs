//! The transport under ureq: connections that leave from a chosen address and can be broken from another thread.
//!
//! ureq does HTTP; what it does not know is where a connection should leave from, so its connector and transport are
//! replaced here by ones that bind first.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use ureq::Timeout;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport,
};

use super::Ends;
use crate::os::sock;

/// Addresses of one server that are tried, one after the other.
const MOST_ADDRESSES: usize = 4;
/// A server that is gone is noticed by these, also while nothing is to be said for minutes.
const KEEP_ALIVE: sock::KeepAlive =
    sock::KeepAlive { idle: Duration::from_secs(30), dead: Duration::from_secs(60) };

/// The addresses that were looked up.
#[derive(Debug)]
pub(super) struct Known(pub(super) Vec<SocketAddr>);

impl Resolver for Known {
    fn resolve(
        &self,
        _: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        for addr in self.0.iter().take(MOST_ADDRESSES) {
            found.push(*addr);
        }
        if found.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(found) }
    }
}

/// Opens connections from `source`.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) source: Option<IpAddr>,
    pub(super) ends: Arc<OnceLock<Ends>>,
}

impl Connector<()> for Bound {
    type Out = BoundTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> std::result::Result<Option<BoundTransport>, ureq::Error> {
        let mut budget = *details.timeout.after;
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for (i, addr) in details.addrs.iter().enumerate() {
            // The addresses that are left share the time that is left.
            let begun = Instant::now();
            let sharing = u32::try_from(details.addrs.len() - i).unwrap_or(1);
            let opened = self.open(*addr, budget / sharing);
            budget = budget.saturating_sub(begun.elapsed());
            match opened {
                Ok((stream, ends)) => {
                    let _ = self.ends.set(ends);
                    let stream = Arc::new(stream);
                    let handle = Arc::new(Shut(Arc::downgrade(&stream)));
                    let weak: Weak<dyn ShutdownHandle> = Arc::downgrade(&handle) as Weak<dyn ShutdownHandle>;
                    (details.register_shutdown)(weak)?;
                    let config = details.config;
                    let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
                    return Ok(Some(BoundTransport { stream, _handle: handle, buffers }));
                }
                Err(e) => last = e,
            }
        }
        match last.kind() {
            io::ErrorKind::TimedOut => Err(ureq::Error::Timeout(Timeout::Connect)),
            _ => Err(ureq::Error::Io(last)),
        }
    }
}

impl Bound {
    fn open(&self, to: SocketAddr, limit: Duration) -> io::Result<(TcpStream, Ends)> {
        if limit.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let socket = socket2::Socket::from(sock::outgoing(to, self.source)?);
        socket.connect_timeout(&to.into(), limit)?;
        let stream = TcpStream::from(socket);
        sock::tune(&stream, KEEP_ALIVE)?;
        let ip = |addr: SocketAddr| addr.ip().to_canonical();
        let ends = Ends { local: ip(stream.local_addr()?), server: ip(stream.peer_addr()?) };
        Ok((stream, ends))
    }
}

/// Breaks a connection from another thread.
struct Shut(Weak<TcpStream>);

impl ShutdownHandle for Shut {
    fn shutdown(&self) {
        if let Some(stream) = self.0.upgrade() {
            // It fails if the connection has ended, which is what was wanted.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

pub(super) struct BoundTransport {
    stream: Arc<TcpStream>,
    /// Lives as long as the connection; ureq holds it weakly.
    _handle: Arc<Shut>,
    buffers: LazyBuffers,
}

impl std::fmt::Debug for BoundTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.stream)
    }
}

/// What is left of a time limit; std takes no zero.
fn left(timeout: NextTimeout) -> std::result::Result<Option<Duration>, ureq::Error> {
    match timeout.after {
        after if after.is_not_happening() => Ok(None),
        after if after.is_zero() => Err(ureq::Error::Timeout(timeout.reason)),
        after => Ok(Some(*after)),
    }
}

fn failed(e: io::Error, timeout: NextTimeout) -> ureq::Error {
    match e.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
        _ => ureq::Error::Io(e),
    }
}

impl Transport for BoundTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(
        &mut self,
        amount: usize,
        timeout: NextTimeout,
    ) -> std::result::Result<(), ureq::Error> {
        self.stream.set_write_timeout(left(timeout)?)?;
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        // A request is a few hundred bytes: it goes out at once or not at all.
        (&*self.stream).write_all(output).map_err(|e| failed(e, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> std::result::Result<bool, ureq::Error> {
        self.stream.set_read_timeout(left(timeout)?)?;
        let n = (&*self.stream).read(self.buffers.input_append_buf()).map_err(|e| failed(e, timeout))?;
        self.buffers.input_appended(n);
        Ok(n > 0)
    }

    fn is_open(&mut self) -> bool {
        // An idle connection has nothing to read: neither an end nor something that was not asked for.
        let nothing = |e: io::Error| e.kind() == io::ErrorKind::WouldBlock;
        let quiet =
            self.stream.set_nonblocking(true).is_ok() && self.stream.peek(&mut [0]).is_err_and(nothing);
        self.stream.set_nonblocking(false).is_ok() && quiet
    }
}
