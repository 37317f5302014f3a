//! One connection to a rendezvous port: reads lines, writes what is in its outbox.

use super::lines::Lines;
use super::net::{Either, race};
use super::rendezvous::Hub;
use crate::proto::rdv_msg::{RelayToken, Reply};
use crate::proto::rdv_server::{CloseReason, ConnId};
use parking_lot::Mutex;
use std::io::{self, Write};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// How long a connection that is being ended may take to read its last lines.
const FAREWELL: Duration = Duration::from_secs(5);

/// What is to be sent on a connection.
#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<Pending>,
    changed: Notify,
    finishing: Notify,
}

#[derive(Default)]
struct Pending {
    data: Vec<u8>,
    /// Bytes taken out by the writer but not yet written.
    in_flight: usize,
    end: End,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    AfterData,
    AtOnce,
}

impl Outbox {
    /// Adds a line. `false`: more than `most` bytes are waiting, and this line is not among them.
    pub(super) fn push(&self, reply: &Reply, most: usize) -> bool {
        let mut state = self.state.lock();
        let before = state.data.len();
        // Writing to memory does not fail.
        let _ = write!(state.data, "{reply}\r\n");
        if state.data.len() + state.in_flight > most {
            state.data.truncate(before);
            return false;
        }
        drop(state);
        self.changed.notify_one();
        true
    }

    /// Nothing more will come: the connection ends when all is written, or `at_once`.
    pub(super) fn finish(&self, at_once: bool) {
        self.state.lock().end = if at_once { End::AtOnce } else { End::AfterData };
        self.finishing.notify_one();
        self.changed.notify_one();
    }

    fn end(&self) -> End {
        self.state.lock().end
    }

    /// Completes when the connection has to end, whatever is still unwritten.
    async fn over(&self) {
        self.finishing.notified().await;
        if self.end() == End::AfterData {
            tokio::time::sleep(FAREWELL).await;
        }
    }

    fn take(&self) -> Vec<u8> {
        let mut state = self.state.lock();
        let data = std::mem::take(&mut state.data);
        state.in_flight = data.len();
        data
    }

    fn written(&self, n: usize) {
        let mut state = self.state.lock();
        state.in_flight = state.in_flight.saturating_sub(n);
    }

    /// Writes until there is nothing left.
    async fn flush(&self, stream: &TcpStream) -> io::Result<()> {
        loop {
            let data = self.take();
            if data.is_empty() {
                return Ok(());
            }
            let mut rest = &data[..];
            while !rest.is_empty() {
                stream.writable().await?;
                tokio::task::coop::consume_budget().await;
                match stream.try_write(rest) {
                    Ok(n) => {
                        self.written(n);
                        rest = rest.get(n..).unwrap_or_default();
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

/// A connection that has said RELAY, and what has come behind that.
pub(super) struct ForRelay {
    pub(super) stream: TcpStream,
    pub(super) token: RelayToken,
    pub(super) early: Vec<u8>,
}

/// Serves a connection until either side ends it, or until it is the relay's.
pub(super) async fn serve(hub: &Hub, id: ConnId, outbox: &Outbox, stream: TcpStream) -> Option<ForRelay> {
    let writing = async {
        loop {
            outbox.flush(&stream).await?;
            if outbox.end() != End::Open {
                return io::Result::Ok(());
            }
            outbox.changed.notified().await;
        }
    };
    // The writer ends a connection that the server wants to end; until then there may be more to read.
    let both = race(writing, read(hub, id, &stream));
    match race(both, outbox.over()).await {
        // Nothing was sent on it before, so nothing is half written.
        Either::Left(Either::Right(Ok(Some((token, early))))) => Some(ForRelay { stream, token, early }),
        Either::Left(Either::Right(Ok(None))) => {
            let _ = tokio::time::timeout(FAREWELL, outbox.flush(&stream)).await;
            None
        }
        _ => None,
    }
}

/// Reads lines until the peer ends the connection (`Ok`), or the server wants to, or one says RELAY.
async fn read(hub: &Hub, id: ConnId, stream: &TcpStream) -> io::Result<Option<(RelayToken, Vec<u8>)>> {
    let mut lines = Lines::default();
    loop {
        stream.readable().await?;
        // A client that always has more to say must not keep the thread from all others.
        tokio::task::coop::consume_budget().await;
        match read_some(hub, id, stream, &mut lines) {
            Ok(Read::Lines) => {}
            Ok(Read::End) => return Ok(None),
            Ok(Read::Relay(token)) => return Ok(Some((token, lines.into_rest()))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// What has been read.
enum Read {
    Lines,
    End,
    Relay(RelayToken),
}

/// Reads once. A function of its own, so that the buffer is on the stack and not in 20,000 tasks.
fn read_some(hub: &Hub, id: ConnId, stream: &TcpStream, lines: &mut Lines) -> io::Result<Read> {
    let mut buffer = [0u8; 4096];
    let n = stream.try_read(&mut buffer)?;
    let data = buffer.get(..n).unwrap_or_default();
    let mut token = None;
    let line = |line: &[u8]| {
        token = hub.line(id, line);
        token.is_none()
    };
    if lines.push(data, line).is_err() {
        hub.close(id, CloseReason::LongLine);
        return Ok(Read::End);
    }
    Ok(match token {
        Some(token) => Read::Relay(token),
        None if n > 0 => Read::Lines,
        None => Read::End,
    })
}
