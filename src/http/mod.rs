//! HTTP for what asks servers: one request at a time, from a given address, within limits.
//!
//! Names have been looked up before: nothing in here can hang longer than its deadline. No redirect is followed, no proxy
//! of the environment is used, no cookie is kept, nothing is compressed. A request blocks, so it runs on a thread of its own
//! ([`on_thread`]) that owns nothing of the net and is left behind when nobody waits for it any more.

mod address;
mod bound;

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use ureq::Agent;

use crate::error::{Code, Error, Result};
use crate::node::resolve::Resolver;
pub(crate) use address::Address;
use bound::{Bound, Known};

/// The longest head of an answer, in bytes.
const MAX_HEAD: usize = 8 << 10;

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) local: IpAddr,
    pub(crate) server: IpAddr,
}

/// How long things may take, and how large they may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// To connect.
    pub(crate) connect: Duration,
    /// Until the whole answer is there, connecting included.
    pub(crate) whole: Duration,
    /// Bytes of an answer's body.
    pub(crate) body: usize,
}

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// What came of the body.
    pub(crate) body: Vec<u8>,
    /// Why there is no more of it: the connection broke, time was up, it is too long.
    pub(crate) broke: Option<Error>,
}

/// A server to be asked. Connections are kept for the next request if the server keeps them.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    ends: Arc<OnceLock<Ends>>,
}

impl Client {
    /// One that connects to the first of `addrs` that answers, from `source` if given. A request's head may have `head` bytes.
    pub(crate) fn new(addrs: Vec<SocketAddr>, source: Option<IpAddr>, head: usize) -> Client {
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("p2pnet/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .max_response_header_size(MAX_HEAD)
            .input_buffer_size(2 * MAX_HEAD)
            .output_buffer_size(head)
            .max_idle_connections(1)
            .build();
        let ends = Arc::new(OnceLock::new());
        let connector = Bound { source, ends: Arc::clone(&ends) };
        Client { agent: Agent::with_parts(config, connector, Known(addrs)), ends }
    }

    /// Asks. A server may have closed a kept connection just when it was used again: that is [`Code::Reset`].
    ///
    /// # Errors
    /// There is no answer, or none that is HTTP as it was asked for.
    pub(crate) fn get(&self, url: &str, limits: Limits) -> Result<Reply> {
        if limits.whole.is_zero() {
            return Err(Error::new(Code::Timeout, "did not answer in time"));
        }
        let call = self.agent.get(url).config();
        let call = call.timeout_connect(Some(limits.connect)).timeout_global(Some(limits.whole)).build();
        let response = call.call().map_err(explain)?;
        let status = response.status().as_u16();
        if response.headers().get("content-encoding").is_some_and(|e| e != "identity") {
            return Err(Error::new(Code::Protocol, "sent a compressed answer, which was not asked for"));
        }
        let mut body = Vec::new();
        let mut reader = response.into_body().into_reader().take(limits.body as u64 + 1);
        let mut broke = reader.read_to_end(&mut body).err().map(|e| explain(ureq::Error::from(e)));
        if body.len() > limits.body {
            body.truncate(limits.body);
            let message = format!("sent more than {} bytes", limits.body);
            broke = Some(Error::new(Code::Protocol, message));
        }
        Ok(Reply { status, body, broke })
    }

    /// The ends of its first connection.
    pub(crate) fn ends(&self) -> Option<Ends> {
        self.ends.get().copied()
    }

    /// Breaks its connections when that is dropped; the client is of no use afterwards.
    pub(crate) fn abandon_on_drop(&self) -> Abandon {
        Abandon(Some(self.agent.clone()))
    }
}

/// See [`Client::abandon_on_drop`].
pub(crate) struct Abandon(Option<Agent>);

impl Abandon {
    /// Lets the connections be.
    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        if let Some(agent) = self.0.take() {
            agent.shutdown();
        }
    }
}

/// The addresses of a server that can be reached from `source`: those of its family. At least one.
///
/// # Errors
/// [`Code::NoPath`] if there is none of that family, else what the look-up says.
pub(crate) async fn look_up(
    resolver: &Resolver,
    address: &Address,
    source: Option<IpAddr>,
) -> Result<Vec<SocketAddr>> {
    let mut addrs = resolver.resolve(address.host_port()).await?;
    addrs.retain(|a| source.is_none_or(|ip| ip.is_ipv4() == a.is_ipv4()));
    if addrs.is_empty() {
        let family = if source.is_some_and(|ip| ip.is_ipv4()) { "IPv4" } else { "IPv6" };
        return Err(Error::new(Code::NoPath, format!("has no {family} address")));
    }
    Ok(addrs)
}

/// Runs `work` on a thread of its own that keeps its place among those that may run at once for as long as it hangs.
pub(crate) async fn on_thread<T: Send + 'static>(
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let (tx, rx) = oneshot::channel();
    let started = crate::os::thread::start("p2pnet-http", 512 << 10, move || {
        // Nobody waits any more after a time-out; that is fine.
        let _ = tx.send(work());
        drop(place);
    });
    started.map_err(|e| Error::io("starting a thread for a request", &e))?;
    rx.await.map_err(|_| Error::new(Code::Io, "the request failed"))
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
