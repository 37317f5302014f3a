//! One server, asked over one HTTP connection ([`crate::http`]), first for our address, then for the port.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::server::Server;
use crate::error::{Code, Error, Result};
use crate::http::{Abandon, Client, Ends, Limits};
use crate::proto::reach::{self, Answer, MAX_ANSWER};

/// The longest head of a request, in bytes.
const MAX_REQUEST: usize = 4096;

/// What a server said, on its word alone.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) answer: Answer,
    pub(super) seen_ip: Option<IpAddr>,
    pub(super) ends: Ends,
}

/// A server to be asked; runs on a thread of its own.
pub(super) struct Job {
    client: Client,
    port_check: String,
    wan_ip: String,
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
        let client = Client::new(addrs, source, MAX_REQUEST);
        Job { client, port_check: server.port_check(port), wan_ip: server.wan_ip(), until }
    }

    /// Breaks the connection when it is dropped.
    pub(super) fn abandon_on_drop(&self) -> Abandon {
        self.client.abandon_on_drop()
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
        let ends = self.client.ends().ok_or_else(|| Error::new(Code::Io, "there was no connection"))?;
        Ok(Said { answer, seen_ip, ends })
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn get(&self, url: &str, limit: Duration) -> Result<Vec<u8>> {
        let reply = self.client.get(url, Limits { connect: limit, whole: limit, body: MAX_ANSWER })?;
        if reply.status != 200 {
            let message = format!("answered with status {}; expected 200", reply.status);
            return Err(Error::new(Code::Protocol, message));
        }
        reply.broke.map_or(Ok(reply.body), Err)
    }
}
