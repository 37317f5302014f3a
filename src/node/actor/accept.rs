//! Connections that others open to us.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::{Actor, Msg};
use crate::config::{Dialect, NetType};
use crate::error::{Code, Error};
use crate::event::Via;
use crate::node::conn::Conn;
use crate::node::listen::keep_alive;
use crate::node::log::log;
use crate::node::opening;
use crate::node::table::{Entry, State};
use crate::os::sock;
use crate::proto::admit::{Refusal, canonical};
use crate::proto::conn_id::ZERO_NONCE;

/// How long accepting rests when the system has no descriptors or memory left.
const REST: Duration = Duration::from_millis(100);
/// A server that only knocks hangs up within this time.
const KNOCK: Duration = Duration::from_millis(250);
/// Two nodes that have dialled each other within this time have done so at once.
const GLARE: Duration = Duration::from_secs(2);

impl Actor {
    /// Whether another connection may come in: while not, they wait in the listener's backlog.
    pub(super) fn may_accept(&self) -> bool {
        // In the secure dialect it is known only later who comes: a peer that has a place, to take up its session on another
        // link, or one that is told that there is none.
        let full = self.shared.config.dialect == Dialect::Classic
            && self.table.taken(true) >= self.shared.config.max_inbound;
        self.accept_rest.is_none() && !full && self.shared.queue.has_room()
    }

    pub(super) fn accept_failed(&mut self, e: &io::Error) {
        // Connections that died in the backlog are nothing to rest for.
        if !matches!(e.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            log!(self.shared, Error, "accepting a connection: {e}; trying again in {} ms", REST.as_millis());
            self.accept_rest = Some(Instant::now() + REST);
        }
    }

    pub(super) fn accepted(&mut self, stream: TcpStream, from: SocketAddr) {
        let from = canonical(from);
        if self.secure.is_some() {
            // Who it is shows by its key, whatever its address; a server that knocks shows none.
            self.knocker.arrived(from);
            match sock::prepare_accepted(&stream, self.keep_alive()) {
                Ok(()) => self.secure_accepted(stream, from),
                Err(e) => log!(self.shared, Debug, "{from} was gone before it could be accepted: {e}"),
            }
            return;
        }
        let may_be_a_knock = self.knocker.arrived(from) && self.shared.config.net_type == NetType::P2p;
        if let Err(refusal) = self.own.may_stay(from, self.table.ips()) {
            let local = stream.local_addr().map(|a| a.ip().to_canonical()).ok();
            if refusal == Refusal::Duplicate && self.yields_to(from.ip(), local) {
                log!(
                    self.shared,
                    Debug,
                    "{from} and this node dialled each other at once; keeping its connection"
                );
            } else {
                self.shared.counters.rejected.add(1);
                log!(self.shared, Debug, "turned {from} away: {}", refusal.text());
                return;
            }
        }
        if self.table.is_other_end(true, from) {
            self.shared.counters.rejected.add(1);
            log!(self.shared, Debug, "turned {from} away: it is a connection of this node to itself");
            return;
        }
        if let Err(e) = sock::prepare_accepted(&stream, self.keep_alive()) {
            log!(self.shared, Debug, "{from} was gone before it could be accepted: {e}");
            return;
        }
        let id = self.shared.new_id();
        let entry = |state| Entry::new([from.ip()], Some(from), true, state);
        if self.opens_at_once() && !may_be_a_knock {
            let conn = Arc::new(Conn::new(id, Via::Accept, from, stream, &self.shared.config));
            self.table.insert(id, entry(State::Open(Arc::clone(&conn))));
            return self.opened(id, Ok(conn));
        }
        let shared = Arc::clone(&self.shared);
        let task = self.spawn(async move {
            if may_be_a_knock && was_a_knock(&stream).await {
                let e = Error::new(Code::Closed, format!("{from} was only looking whether the port is open"));
                return Some(Msg::Opened { id, outcome: Err(e) });
            }
            let outcome = opening::open(&shared, id, Via::Accept, from, stream, ZERO_NONCE).await;
            Some(Msg::Opened { id, outcome })
        });
        self.table.insert(id, entry(State::Opening(task.into())));
    }

    pub(super) fn keep_alive(&self) -> sock::KeepAlive {
        keep_alive(&self.shared.config)
    }

    /// Glare: this node and `peer` have dialled each other at the same time, and each would turn the other's connection
    /// away as a duplicate of its own. Both keep the one that the larger address opened. If that is the peer's, ours is
    /// given up here.
    fn yields_to(&mut self, peer: IpAddr, local: Option<IpAddr>) -> bool {
        if local.is_none_or(|local| local >= peer) {
            return false;
        }
        let young = |e: &Entry| !e.inbound && e.is_live() && e.has(peer) && e.since.elapsed() < GLARE;
        let ours: Vec<u64> = self.table.iter().filter(|(_, e)| young(e)).map(|(id, _)| id).collect();
        let others =
            self.table.iter().filter(|(id, e)| e.is_live() && e.has(peer) && !ours.contains(id)).count();
        if ours.is_empty() || others > 0 {
            return false;
        }
        for id in ours {
            match self.table.get_mut(id).map(|e| &e.state) {
                Some(State::Opening(task)) => {
                    task.abort();
                    let e = Error::new(
                        Code::Duplicate,
                        format!("{peer} has connected to this node at the same moment"),
                    );
                    self.fail(id, e);
                }
                Some(State::Open(conn)) => conn.close(),
                Some(State::Ending(_)) | None => {}
            }
        }
        true
    }
}

/// Whether the peer closes at once without a word, as a server does that was asked to knock. A program should not see its
/// own question come back as a connection; on direct nets it does not anyway, for want of a nonce.
async fn was_a_knock(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(tokio::time::timeout(KNOCK, stream.peek(&mut first)).await, Ok(Ok(0) | Err(_)))
}
