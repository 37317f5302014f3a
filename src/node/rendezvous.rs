//! Exchanges with rendezvous servers: the socket around [`crate::proto::rdv_client`].

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dial::dial;
use super::resolve::Resolver;
use super::stream::{read_some, write_all};
use crate::error::{Code, Error, Result};
use crate::proto::line::{self, LineScan};
use crate::proto::rdv_client::{Answer, Exchange};
use crate::proto::rdv_msg;

/// How to reach servers.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) resolver: Resolver,
    pub(crate) bound: Option<IpAddr>,
    pub(crate) limit: Duration,
}

/// Asks one server one thing.
pub(crate) async fn ask(reach: &Reach, server: &str, exchange: &Exchange) -> Result<Answer> {
    let work = async {
        let addrs = reach.resolver.resolve(server).await?;
        let (stream, at) = dial(addrs, reach.bound).await?;
        talk(&stream, at, exchange).await
    };
    let wanted = exchange.wanted();
    match timeout(reach.limit, work).await {
        Ok(done) => done
            .map_err(|e| Error { message: format!("{wanted}: rendezvous server {server}: {e}").into(), ..e }),
        Err(_) => {
            let ms = reach.limit.as_millis();
            let message = format!(
                "{wanted}: rendezvous server {server} did not answer within {ms} ms (server_timeout_ms)"
            );
            Err(Error::new(Code::Timeout, message))
        }
    }
}

async fn talk(stream: &TcpStream, at: SocketAddr, exchange: &Exchange) -> Result<Answer> {
    let io = |e: io::Error| Error::io(format_args!("talking to {at}"), &e);
    let local = stream.local_addr().map_err(io)?;
    let opening = exchange.opening(local.port());
    write_all(stream, opening.as_bytes()).await.map_err(io)?;
    let mut buf = vec![0; rdv_msg::MAX_LINE + 2];
    let (mut filled, mut scan) = (0, LineScan::new());
    loop {
        let broken = |why: &str| Error::new(Code::Protocol, format!("{at} {why}"));
        if filled == buf.len() {
            return Err(broken("sent an over-long line"));
        }
        filled += read_some(stream, &mut buf[filled..]).await.map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => broken("closed without an answer"),
            _ => io(e),
        })?;
        if let Some(end) = scan.feed(&buf[..filled]) {
            for text in line::split(&buf[..end]).filter_map(|l| std::str::from_utf8(l).ok()) {
                if let Some(answer) = exchange.input(text) {
                    // Said for good manners; the answer is here whatever becomes of it.
                    let _ = stream.try_write(format!("{}\r\n", rdv_msg::Request::Quit).as_bytes());
                    return Ok(answer);
                }
            }
            buf.copy_within(end..filled, 0);
            filled -= end;
        }
    }
}

#[cfg(test)]
mod tests;
