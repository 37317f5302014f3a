//! A node that volunteers to relay for its network: tells those who say RELAY from those who come for the node itself, and
//! leaves them to [`crate::relay`], the same relay as the rendezvous server's.
//!
//! ```text
//!   listener ─▶ sort ─ a greeting (its first byte is 0) ─▶ usher
//!                 └── RELAY token proof ─▶ attend ─▶ waits, or is passed on
//! ```
//!
//! Until its line is there and shows that it is of the network, whoever comes is a stranger in the middle of a handshake, and
//! counts as one. From then on the relay's limits count.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::log::log;
use super::shared::Shared;
use crate::error::{Code, Error};
use crate::proto::rdv_msg::{NotAToken, RelayReason, RelayReply, parse_relay};
use crate::proto::rdv_server::ConnId;
use crate::proto::relay::{Membership, Seen};
use crate::relay::{RelayHub, Told};

pub(crate) use crate::relay::Guest;

/// Longest line that is waited for, in bytes.
const MAX_LINE: usize = 256;

/// What came in by the listener.
pub(crate) enum Came {
    /// Somebody who wants the node itself, as far as one byte shows.
    Peer(TcpStream),
    /// One of the network, to be relayed.
    Relay(Box<Guest>),
    /// Nobody any more.
    Nobody(Error),
}

/// The relay of a node.
pub(crate) struct Volunteer {
    hub: Arc<RelayHub>,
    membership: Membership,
    seen: Mutex<Seen>,
    /// For a line to come.
    limit: Duration,
    names: AtomicU64,
}

impl Volunteer {
    /// `None` if this node relays for nobody.
    pub(crate) fn new(shared: &Arc<Shared>) -> Option<Arc<Volunteer>> {
        let config = &shared.config;
        if !config.volunteers() {
            return None;
        }
        let logs = Arc::clone(shared);
        let hub = RelayHub::new(config.volunteer.clone(), move |told| match told {
            Told::Begun { session, first, second } => {
                log!(logs, Info, "relaying between {first} and {second} ({})", session.0);
            }
            Told::Refused { peer, why } => log!(logs, Debug, "not relaying {peer}: {why}"),
            Told::Ended { session, summary } => {
                let (why, seconds) = (summary.end.word(), summary.lasted.as_secs());
                let bytes = summary.bytes;
                log!(logs, Info, "relayed {bytes} bytes in {seconds} s, then: {why} ({})", session.0);
            }
        });
        Some(Arc::new(Volunteer {
            hub: Arc::new(hub),
            membership: shared.membership(),
            seen: Mutex::default(),
            limit: config.handshake_timeout,
            names: AtomicU64::new(1),
        }))
    }

    /// Tells by the first byte what somebody wants who has just come, and reads the line of one who is to be relayed.
    pub(crate) async fn sort(&self, stream: TcpStream, from: SocketAddr) -> Came {
        let mut first = [0];
        let coming = timeout(self.limit, stream.peek(&mut first)).await;
        let reading = match coming {
            Ok(Ok(1)) if first == *b"R" => timeout(self.limit, read_line(&stream)).await,
            // Whatever there is to say of it is said there.
            Ok(_) => return Came::Peer(stream),
            Err(late) => Err(late),
        };
        let (line, early) = match reading {
            Ok(Ok(line)) => line,
            Ok(Err(e)) => return Came::Nobody(Error::io(format_args!("reading what {from} says"), &e)),
            Err(_) => {
                let ms = self.limit.as_millis();
                let message =
                    format!("{from} did not say within {ms} ms what it wants (handshake_timeout_ms)");
                return Came::Nobody(Error::new(Code::Timeout, message));
            }
        };
        let refuse = |reason, expected: String| {
            let reply = RelayReply::Refused { reason, expected: expected.clone().into() };
            // It fits into the empty buffer of a fresh connection.
            let _ = stream.try_write(format!("{reply}\r\n").as_bytes());
            Came::Nobody(Error::new(Code::Refused, format!("not relaying {from}: {expected}")))
        };
        let asked = std::str::from_utf8(&line).ok().and_then(|line| line.strip_prefix("RELAY "));
        let Some((Some(token), proof)) = asked.map(parse_relay) else {
            return refuse(RelayReason::Line, NotAToken.to_string());
        };
        if !self.membership.is_shown(token, proof) {
            return refuse(RelayReason::Member, "expected a node of the same network".to_owned());
        }
        if !self.seen.lock().note(token) {
            let expected = "expected another token: two have met by this one";
            return refuse(RelayReason::Token, expected.to_owned());
        }
        let id = ConnId(self.names.fetch_add(1, Relaxed));
        Came::Relay(Box::new(Guest { id, stream, peer: from, token, early, place: Box::new(()) }))
    }

    /// Sees one of the two through, to its end or until the other one's task has it.
    pub(crate) async fn attend(&self, guest: Guest) {
        // Boxed, as each function that it passes through would make room for it again.
        Box::pin(Arc::clone(&self.hub).attend(guest)).await;
    }

    /// Works for all of them. Never ends.
    pub(crate) async fn run_timer(&self) {
        self.hub.run_timer().await;
    }

    /// The node stops: cuts all off, so that they look for another relay.
    pub(crate) fn stop(&self) {
        self.hub.cut_all();
    }
}

/// A line without its end, and what has come behind it.
async fn read_line(stream: &TcpStream) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let mut line = Vec::new();
    loop {
        stream.readable().await?;
        match read_some(stream, &mut line) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(e),
        }
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let early = line.split_off(end + 1);
            line.truncate(end);
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            return Ok((line, early));
        }
        if line.len() >= MAX_LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Reads once. A function of its own, so that the buffer is not in the task.
fn read_some(stream: &TcpStream, line: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 2 * MAX_LINE];
    match stream.try_read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        n => {
            line.extend_from_slice(buffer.get(..n).unwrap_or_default());
            Ok(())
        }
    }
}
