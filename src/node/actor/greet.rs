//! From a TCP connection to a link: the dialect's opening, and who is let in.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::accept::was_a_knock;
use super::{Actor, Msg};
use crate::config::{Dialect, NetType};
use crate::error::{Code, Error};
use crate::event::Via;
use crate::node::greet::{Greeting, Role, greet};
use crate::node::link;
use crate::node::table::{Entry, State};
use crate::proto::admit::party;
use crate::proto::handshake::{Answer, Token};

/// Strangers in the middle of a handshake. One more, and the oldest of the address that has most of them has to go: who
/// opens many gets in his own way first.
pub(super) const MAX_HALF_OPEN: usize = 128;

impl Actor {
    /// Starts the opening of the link on a fresh connection.
    pub(super) fn open_link(
        &self,
        id: u64,
        via: Via,
        at: SocketAddr,
        stream: TcpStream,
        may_be_a_knock: bool,
    ) -> AbortHandle {
        let shared = Arc::clone(&self.shared);
        if shared.config.dialect == Dialect::Secure {
            return self.spawn(async move {
                let role = match via {
                    Via::Accept => Role::Accept,
                    _ => Role::Connect { to: None, token: Token::default(), chosen: false },
                };
                Some(match greet(&shared, stream, at, role).await {
                    Ok(greeting) => Msg::Greeted { id, via, greeting: Box::new(greeting) },
                    Err(e) => Msg::Opened { id, outcome: Err(e) },
                })
            });
        }
        let may_be_a_knock = may_be_a_knock && shared.config.net_type == NetType::P2p;
        self.spawn(async move {
            if may_be_a_knock && was_a_knock(&stream).await {
                let e = Error::new(Code::Closed, format!("{at} was only looking whether the port is open"));
                return Some(Msg::Opened { id, outcome: Err(e) });
            }
            let outcome = link::open(&shared, id, via, at, stream).await;
            Some(Msg::Opened { id, outcome })
        })
    }

    /// A peer is known by its key now, and waits for our answer.
    pub(super) fn greeted(&mut self, id: u64, via: Via, greeting: Greeting) {
        let Some(inbound) = self.table.get_mut(id).map(|e| e.inbound) else { return };
        let shared = Arc::clone(&self.shared);
        let Ok(me) = shared.myself().map(|me| me.public()) else { return };
        let table = &mut self.table;
        self.welcomed.retain(|id| table.get_mut(*id).is_some_and(|e| opening(e)));
        let answer = if inbound && self.table.open(true) + self.welcomed.len() >= shared.config.max_inbound {
            Answer::Full
        } else {
            Answer::Welcome { chosen: me < greeting.peer.key }
        };
        if inbound {
            self.welcomed.insert(id);
        }
        let task = self.spawn(async move {
            let open = async {
                let mut greeted = greeting.answer(answer).await?;
                greeted.verdict().await?;
                Ok(greeted.into_conn(id, via, &shared))
            };
            Some(Msg::Opened { id, outcome: open.await })
        });
        if let Some(entry) = self.table.get_mut(id) {
            entry.state = State::Opening(task);
        }
    }

    /// Makes room for another stranger.
    pub(super) fn displace_half_open(&mut self) {
        if self.table.taken(true) - self.table.open(true) < MAX_HALF_OPEN {
            return;
        }
        let half_open = || self.table.iter().filter(|(_, e)| e.inbound && opening(e));
        let address = |e: &Entry| e.ips.first().map(|ip| party(*ip));
        let mut each: Vec<Option<IpAddr>> = half_open().map(|(_, e)| address(e)).collect();
        each.sort_unstable();
        let most = each.chunk_by(|a, b| a == b).max_by_key(|same| same.len()).and_then(|same| same.first());
        let oldest = half_open().find(|(_, e)| Some(&address(e)) == most).map(|(id, _)| id);
        let Some(id) = oldest else { return };
        if let Some(State::Opening(task)) = self.table.get_mut(id).map(|e| &e.state) {
            task.abort();
        }
        self.shared.counters.rejected.add(1);
        self.fail(
            id,
            Error::new(Code::Limit, "another stranger took its place in the middle of the handshake"),
        );
    }
}

fn opening(entry: &Entry) -> bool {
    matches!(entry.state, State::Opening(_))
}
