//! One server, asked over one HTTP connection from a given address, within limits.
//!
//! ureq does HTTP; what it does not know is where a connection should leave from, so its connector and transport are
//! replaced here by ones that bind first. Names have been looked up before: nothing in here can hang longer than the
//! deadline. No redirect is followed, no proxy of the environment is used, nothing is kept.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport,
};
use ureq::{Agent, Timeout};

use super::backs::Ends;
use super::server::Server;
use crate::error::{Code, Error, Result};
use crate::os::sock;
use crate::proto::reach::{self, Answer, MAX_ANSWER};

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 8 << 10;
/// Addresses of one server that are tried, one after the other.
const MOST_ADDRESSES: usize = 4;

/// What a server said, on its word alone.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) answer: Answer,
    pub(super) seen_ip: Option<IpAddr>,
    pub(super) ends: Ends,
}

/// A server to be asked; runs on a thread of its own.
pub(super) struct Job {
    agent: Agent,
    port_check: String,
    wan_ip: String,
    ends: Arc<OnceLock<Ends>>,
    until: Instant,
}

impl Job {
    pub(super) fn new(
        server: &Server,
        port: u16,
        addrs: Vec<SocketAddr>,
        source: Option<IpAddr>,
        until: Instant,
    ) -> Job {
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("p2pnet/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_response_header_size(MAX_HEAD)
            .input_buffer_size(2 * MAX_HEAD)
            .output_buffer_size(4096)
            .max_idle_connections(1)
            .build();
        let ends = Arc::new(OnceLock::new());
        let connector = Bound { source, ends: Arc::clone(&ends) };
        let agent = Agent::with_parts(config, connector, Known(addrs));
        Job { agent, port_check: server.port_check(port), wan_ip: server.wan_ip(), ends, until }
    }

    /// Breaks the connection when it is dropped.
    pub(super) fn abandon_on_drop(&self) -> Abandon {
        Abandon(Some(self.agent.clone()))
    }

    /// Asks for our address, then for the port: on one connection if the server keeps it.
    pub(super) fn run(&self) -> Result<Said> {
        // What goes wrong here shows again below, or did not matter.
        let half = self.left() / 2;
        let seen_ip = self.get(&self.wan_ip, half).ok().and_then(|body| reach::wan_ip(&body).ok());
        let body = match self.get(&self.port_check, self.left()) {
            // The server may have closed the kept connection just when it was used again.
            Err(e) if e.code == Code::Reset => self.get(&self.port_check, self.left())?,
            done => done?,
        };
        let answer = reach::port_check(&body).map_err(|e| Error::new(Code::Protocol, e.to_string()))?;
        let ends = self.ends.get().ok_or_else(|| Error::new(Code::Io, "there was no connection"))?;
        Ok(Said { answer, seen_ip, ends: *ends })
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn get(&self, url: &str, limit: Duration) -> Result<Vec<u8>> {
        if limit.is_zero() {
            return Err(Error::new(Code::Timeout, "did not answer in time"));
        }
        let call = self.agent.get(url).config().timeout_global(Some(limit)).build();
        let response = call.call().map_err(explain)?;
        let status = response.status().as_u16();
        if status != 200 {
            return Err(Error::new(Code::Protocol, format!("answered with status {status}; expected 200")));
        }
        if response.headers().get("content-encoding").is_some_and(|e| e != "identity") {
            return Err(Error::new(Code::Protocol, "sent a compressed answer, which was not asked for"));
        }
        let mut body = Vec::new();
        let mut reader = response.into_body().into_reader().take(MAX_ANSWER as u64 + 1);
        reader.read_to_end(&mut body).map_err(|e| explain(ureq::Error::from(e)))?;
        if body.len() > MAX_ANSWER {
            return Err(Error::new(Code::Protocol, format!("sent more than {MAX_ANSWER} bytes")));
        }
        Ok(body)
    }
}

/// See [`Job::abandon_on_drop`].
pub(super) struct Abandon(Option<Agent>);

impl Drop for Abandon {
    fn drop(&mut self) {
        if let Some(agent) = self.0.take() {
            agent.shutdown();
        }
    }
}

fn explain(e: ureq::Error) -> Error {
    match e {
        ureq::Error::Timeout(_) => Error::new(Code::Timeout, "did not answer in time"),
        ureq::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Error::new(Code::Reset, "closed the connection without a whole answer")
        }
        ureq::Error::Io(e) => Error::io("the connection failed", &e),
        e => {
            // Parts of what the server sent may be in it.
            let text: String = e.to_string().chars().filter(|c| !c.is_control()).take(120).collect();
            Error::new(Code::Protocol, format!("sent no proper answer: {text}"))
        }
    }
}

/// The addresses that were looked up.
#[derive(Debug)]
struct Known(Vec<SocketAddr>);

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
struct Bound {
    source: Option<IpAddr>,
    ends: Arc<OnceLock<Ends>>,
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
        stream.set_nodelay(true)?;
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

struct BoundTransport {
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
