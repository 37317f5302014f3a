//! Connections that we open: at the program's request, and to nodes a server has named.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::inputs::Target;
use super::{Actor, Msg};
use crate::config::{Dialect, NetType};
use crate::error::{Code, Error, Result};
use crate::event::Via;
use crate::node::conn::Conn;
use crate::node::dial::{One, dial, not_itself};
use crate::node::log::log;
use crate::node::moment::Moment;
use crate::node::opening;
use crate::node::table::{Entry, Opening, State};
use crate::os::sock;
use crate::proto::admit::{Refusal, canonical};

impl Actor {
    /// The program wants a connection to an address, or a name and a port.
    pub(super) fn connect(&mut self, request: u64, to: Target) {
        if let Err(e) = self.has_outbound_place() {
            return self.shared.done(request, e.into());
        }
        let (id, since) = (self.shared.new_id(), Moment::now());
        let to = match to {
            Target::Address(at) => return self.dial_found(id, &[at], request, since),
            Target::Name(to) => to,
        };
        let (resolver, limit) = (self.reach.resolver.clone(), self.shared.config.connect_timeout);
        let task = self.spawn(async move {
            let found = match timeout(limit, resolver.resolve(&to)).await {
                Ok(found) => found,
                Err(_) => Err(Error::new(
                    Code::Timeout,
                    format!(
                        "looking up {to}: no answer within {} ms (connect_timeout_ms)",
                        limit.as_millis()
                    ),
                )),
            };
            Some(Msg::Resolved { id, found })
        });
        self.table.insert(id, Entry::new([], None, false, State::Opening(task.into())).of(request, since));
    }

    /// Whether nothing comes before the first line (classic p2p nets).
    pub(super) fn opens_at_once(&self) -> bool {
        let config = &self.shared.config;
        config.dialect == Dialect::Classic && config.net_type == NetType::P2p
    }

    pub(super) fn has_outbound_place(&self) -> Result<()> {
        self.has_outbound_place_beside(0)
    }

    /// The same if so many more are on their way that are not in the table.
    pub(super) fn has_outbound_place_beside(&self, others: usize) -> Result<()> {
        let max = self.shared.config.max_outbound;
        if self.table.taken(false) + others < max {
            return Ok(());
        }
        Err(Error::new(Code::Limit, format!("there are {max} outbound connections already (max_outbound)")))
    }

    pub(super) fn resolved(&mut self, id: u64, found: Result<Vec<SocketAddr>>) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let (request, since) = (entry.request, entry.since);
        match found {
            Ok(found) => {
                self.table.remove(id);
                self.dial_found(id, &found, request, since);
            }
            Err(e) => self.fail(id, e),
        }
    }

    /// Dials for the program what a name stands for, or what it has said itself.
    fn dial_found(&mut self, id: u64, found: &[SocketAddr], request: u64, since: Moment) {
        let mut refusal = None;
        let allowed: Vec<_> = found
            .iter()
            .map(|a| canonical(*a))
            .filter(|to| {
                self.own.may_dial(*to, self.table.ips()).map_err(|r| refusal = Some((*to, r))).is_ok()
            })
            .collect();
        if let (true, Some((to, refusal))) = (allowed.is_empty(), refusal) {
            let code = match refusal {
                Refusal::NotAPeer => Code::Invalid,
                Refusal::Own => Code::SelfConnect,
                Refusal::Duplicate => Code::Duplicate,
            };
            let message = format!("not connecting to {to}: {}", refusal.text());
            return self.shared.done(request, Error::new(code, message).into());
        }
        self.dial(id, allowed, request, since);
    }

    /// Dials `to` for the entry `id`, which is made anew.
    pub(super) fn dial(&mut self, id: u64, to: Vec<SocketAddr>, request: u64, since: Moment) {
        let ips: Vec<IpAddr> = to.iter().map(SocketAddr::ip).collect();
        let (bound, limit) = (self.reach.bound, self.shared.config.connect_timeout);
        let left = limit.saturating_sub(since.elapsed());
        let first = to.first().copied();
        let late = move || {
            let (to, ms) = (first.map_or_else(String::new, |a| a.to_string()), limit.as_millis());
            let message = format!("connecting to {to}: no answer within {ms} ms (connect_timeout_ms)");
            Error::new(Code::Timeout, message)
        };
        let task: Opening = match to[..] {
            [only] => {
                let one = One::begin(only, bound);
                self.spawn_own(async move {
                    let outcome = match one {
                        Ok(one) => timeout(left, one).await.unwrap_or_else(|_| Err(late())),
                        Err(e) => Err(e),
                    };
                    Some(Msg::Dialled { id, outcome: outcome.map(|stream| (stream, only)) })
                })
                .into()
            }
            _ => self
                .spawn(async move {
                    let outcome = timeout(left, dial(to, bound)).await.unwrap_or_else(|_| Err(late()));
                    Some(Msg::Dialled { id, outcome })
                })
                .into(),
        };
        self.table.insert(id, Entry::new(ips, None, false, State::Opening(task)).of(request, since));
    }

    pub(super) fn dialled(&mut self, id: u64, outcome: Result<(TcpStream, SocketAddr)>) {
        let keep_alive = self.keep_alive();
        if self.table.get_mut(id).is_none() {
            return;
        }
        let prepared = outcome.and_then(|(stream, to)| {
            let from = stream.local_addr().ok();
            not_itself(from, to)?;
            match sock::prepare(&stream, keep_alive) {
                Ok(()) => Ok((stream, to, from.map(canonical))),
                Err(e) => Err(Error::io(format_args!("preparing the connection to {to}"), &e)),
            }
        });
        let (stream, to, dialler) = match prepared {
            Ok(connected) => connected,
            Err(e) => {
                log!(self.shared, Debug, "{e}");
                return self.fail(id, e);
            }
        };
        if dialler.is_some_and(|own| self.table.is_other_end(false, own)) {
            let message = format!("not connecting to {to}: {}", Refusal::Own.text());
            return self.fail(id, Error::new(Code::SelfConnect, message));
        }
        if self.secure.is_some() {
            return self.secure_own_dial(id, stream, to);
        }
        if self.opens_at_once() {
            self.table.dialled(id, to.ip(), dialler, None);
            let conn = Conn::new(id, Via::Direct, to, stream, &self.shared.config);
            return self.opened(id, Ok(Arc::new(conn)));
        }
        let (shared, nonce) = (Arc::clone(&self.shared), self.classic.nonce_of(id));
        let task = self.spawn(async move {
            let outcome = opening::open(&shared, id, Via::Direct, to, stream, nonce).await;
            Some(Msg::Opened { id, outcome })
        });
        self.table.dialled(id, to.ip(), dialler, Some(task));
    }

    /// Dials nodes that servers have named, as many as are wanted.
    pub(super) fn dial_candidates(&mut self) {
        let max = self.shared.config.max_outbound;
        while self.table.taken(false) < max && self.shared.queue.has_room() {
            let Some(to) = self.candidates.pop() else { return };
            match self.own.may_dial(to, self.table.ips()) {
                Ok(()) => {
                    let id = self.shared.new_id();
                    self.dial(id, vec![canonical(to)], 0, Moment::now());
                }
                Err(refusal) => log!(self.shared, Debug, "not dialling {to}: {}", refusal.text()),
            }
        }
    }
}
