//! One question to a gateway over UDP, by the rules of [`Exchange`].
//!
//! The socket is bound to our address on the gateway's network, so the question leaves by that interface and
//! the gateway sees the address it shall forward to; and it is connected to the gateway, so that the system
//! drops what others send and tells us when nothing listens there.

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use super::{Gateway, now};
use crate::proto::portmap::exchange::{Exchange, Schedule, Step};
use crate::proto::portmap::{Question, Refusal};

/// More than any answer has; one byte more than PCP allows, to see that it is too long.
const BUFFER: usize = 1101;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(super) enum Fail {
    /// The gateway says no.
    Refused(Refusal),
    /// It says nothing, or nothing that fits.
    Silent(String),
    /// Nothing listens on the port: the gateway sent an ICMP error.
    Closed(u16),
    /// The system does not let us ask.
    Io(String),
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fail::Refused(refusal) => refusal.fmt(f),
            Fail::Silent(report) => f.write_str(report),
            Fail::Closed(port) => write!(f, "nothing listens on its UDP port {port}"),
            Fail::Io(what) => f.write_str(what),
        }
    }
}

/// Asks until an answer comes or `limit` is over.
pub(super) async fn ask<Q: Question>(
    gateway: &Gateway,
    port: u16,
    question: Q,
    schedule: Schedule,
    limit: Duration,
) -> Result<Q::Answer, Fail> {
    let to = gateway.service(port);
    let io = |what: &str, e: &io::Error| Fail::Io(format!("{what}: {e}"));
    let socket = UdpSocket::bind(gateway.ours(0)).await.map_err(|e| io("binding a UDP socket", &e))?;
    socket.connect(to).await.map_err(|e| io("no way to the gateway", &e))?;
    let mut exchange = Exchange::new(question, to, schedule, limit, now(), fastrand::Rng::new());
    let datagram = exchange.datagram();
    let mut buffer = [0; BUFFER];
    loop {
        match exchange.step(now()) {
            Step::GiveUp => return Err(Fail::Silent(exchange.report(now()))),
            Step::Send => match socket.send(&datagram).await {
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => return Err(Fail::Closed(port)),
                // A full buffer or a link that is down for a moment: the next sending may get through.
                _ => continue,
            },
            Step::Wait(until) => match timeout_at(until.into(), socket.recv_from(&mut buffer)).await {
                Err(_elapsed) => continue,
                Ok(Err(e)) if e.kind() == ErrorKind::ConnectionRefused => return Err(Fail::Closed(port)),
                Ok(Err(e)) => return Err(io("receiving", &e)),
                Ok(Ok((len, from))) => {
                    let received = buffer.get(..len).unwrap_or_default();
                    if let Some(answer) = exchange.receive(from, received) {
                        return answer.map_err(Fail::Refused);
                    }
                }
            },
        }
    }
}
