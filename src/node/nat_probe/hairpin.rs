//! Whether two hosts behind our NAT could meet at its outside address (RFC 5382, REQ-8: they should).
//!
//! We play both hosts, on two local ports. Each asks a server how it is seen, keeps that connection so that
//! its mapping stays, listens, and connects to the other's outside address. Both sides do, so each opens the
//! NAT's filter for the other: a connection that then does not come about was not turned round.
//!
//! That holds where a local port has one outside port for all destinations; where that is not known, only success
//! proves something. Where each destination gets another port, the addresses we know are not those towards each
//! other, and nothing would be proved: `None`, without a try. Worse, each connection of a try takes an outside port,
//! and whoever punches just then, right after the start, has foreseen that port for itself.
//!
//! An arrival counts only with the word that the other side has sent: strangers may connect, too.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout_at};

use super::ask::{self, Asker};
use crate::node::rendezvous::Reach;
use crate::node::stream::{connected, read_some, write_all};
use crate::os::sock;
use crate::proto::nat::behaviour::Mapping;
use crate::proto::nat::plan::LocalPorts;
use crate::proto::nat::report::NatReport;

/// Pause before the next attempt after one was refused: the other side may not have been ready.
const PAUSE: Duration = Duration::from_millis(50);

/// Bytes of the word by which the other side is known.
const WORD: usize = 16;

/// Tries whether our NAT turns connections to its outside address round, within `limit`. `report` is what is
/// known of the NAT. `None`: it cannot be told.
pub(crate) async fn hairpin(
    reach: &Reach,
    server: &str,
    report: &NatReport,
    limit: Duration,
) -> Option<bool> {
    if matches!(report.mapping, Mapping::AddressDependent | Mapping::AddressAndPortDependent) {
        return None;
    }
    let deadline = Instant::now() + limit;
    let asker = Asker::new(reach.clone());
    let mut ports = LocalPorts::new(fastrand::Rng::new());
    let both = async {
        let a = asker.ask_server(server, ports.by_ref().take(ask::TRIES)).await.ok()?;
        let b = asker.ask_server(server, ports.by_ref().take(ask::TRIES)).await.ok()?;
        Some((a, b))
    };
    let (a, b) = timeout_at(deadline, both).await.ok()??;
    let (outside_a, outside_b) = (a.seen.client()?, b.seen.client()?);
    let word: [u8; WORD] = std::array::from_fn(|_| fastrand::u8(..));
    let side = |local, outside| Side { local, outside, word };
    let (a_side, b_side) = (side(a.local, outside_b), side(b.local, outside_a));
    let met = either(a_side.meet(), b_side.meet());
    match timeout_at(deadline, met).await {
        Ok(()) => Some(true),
        Err(_) if report.probe_holds_everywhere() => Some(false),
        Err(_) => None,
    }
}

/// One of the two hosts that we play.
struct Side {
    local: SocketAddr,
    /// The other one, as the server sees it.
    outside: SocketAddr,
    word: [u8; WORD],
}

impl Side {
    /// Completes when the word has come in, by either way.
    async fn meet(&self) {
        either(self.accept(), self.connect()).await;
    }

    async fn accept(&self) {
        let listener = sock::listen_shared(self.local).and_then(TcpListener::from_std);
        let Ok(listener) = listener else { return pending().await };
        loop {
            // One at a time: a stranger that keeps silent can spoil the test, and does no other harm.
            if let Ok((stream, _)) = listener.accept().await
                && self.hear(&stream).await.is_ok()
            {
                return;
            }
        }
    }

    async fn connect(&self) {
        loop {
            if self.attempt().await.is_ok() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    async fn attempt(&self) -> io::Result<()> {
        let stream = sock::connecting(self.outside, self.local).and_then(TcpStream::from_std)?;
        connected(&stream).await?;
        write_all(&stream, &self.word).await?;
        // If both attempts have become one connection (RFC 793, simultaneous open), this is its other end,
        // too.
        self.hear(&stream).await
    }

    async fn hear(&self, stream: &TcpStream) -> io::Result<()> {
        let mut got = [0; WORD];
        let mut filled = 0;
        while let Some(room) = got.get_mut(filled..).filter(|room| !room.is_empty()) {
            filled += read_some(stream, room).await?;
        }
        if got == self.word { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }
}

/// Completes with the first of two.
async fn either(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    std::future::poll_fn(|cx| {
        if a.as_mut().poll(cx).is_ready() { std::task::Poll::Ready(()) } else { b.as_mut().poll(cx) }
    })
    .await;
}
