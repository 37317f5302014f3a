//! Connections that we open: at the program's request, and to nodes a server has named.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Actor, Msg};
use crate::error::{Code, Error, Result};
use crate::event::Via;
use crate::node::dial::dial;
use crate::node::link;
use crate::node::log::log;
use crate::node::table::{Entry, State};
use crate::os::sock;
use crate::proto::admit::{Refusal, canonical};

impl Actor {
    /// The program wants a connection to `host:port`.
    pub(super) fn connect(&mut self, request: u64, to: String) {
        if let Err(e) = self.has_outbound_place() {
            return self.shared.done(request, e.into());
        }
        let id = self.shared.new_id();
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
        let state = State::Opening(task);
        let since = Instant::now();
        self.table.insert(id, Entry { ips: vec![], inbound: false, request, since, dialler: None, state });
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
        let found = match found {
            Ok(found) => found,
            Err(e) => return self.fail(id, e),
        };
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
            return self.fail(id, Error::new(code, format!("not connecting to {to}: {}", refusal.text())));
        }
        self.table.remove(id);
        self.dial(id, allowed, request, since);
    }

    /// Dials `to` for the entry `id`, which is made anew.
    pub(super) fn dial(&mut self, id: u64, to: Vec<SocketAddr>, request: u64, since: Instant) {
        let ips = to.iter().map(SocketAddr::ip).collect();
        let (bound, limit) = (self.reach.bound, self.shared.config.connect_timeout);
        let first = to.first().copied();
        let task = self.spawn(async move {
            let outcome = match timeout(limit.saturating_sub(since.elapsed()), dial(to, bound)).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let to = first.map_or_else(String::new, |a| a.to_string());
                    let ms = limit.as_millis();
                    let message =
                        format!("connecting to {to}: no answer within {ms} ms (connect_timeout_ms)");
                    Err(Error::new(Code::Timeout, message))
                }
            };
            Some(Msg::Dialled { id, outcome })
        });
        let state = State::Opening(task);
        self.table.insert(id, Entry { ips, inbound: false, request, since, dialler: None, state });
    }

    pub(super) fn dialled(&mut self, id: u64, outcome: Result<(TcpStream, SocketAddr)>) {
        let keep_alive = self.keep_alive();
        if self.table.get_mut(id).is_none() {
            return;
        }
        let prepared = outcome.and_then(|(stream, to)| match sock::prepare(&stream, keep_alive) {
            Ok(()) => Ok((stream, to)),
            Err(e) => Err(Error::io(format_args!("preparing the connection to {to}"), &e)),
        });
        let (stream, to) = match prepared {
            Ok(connected) => connected,
            Err(e) => {
                log!(self.shared, Debug, "{e}");
                return self.fail(id, e);
            }
        };
        let dialler = stream.local_addr().map(canonical).ok();
        if dialler.is_some_and(|own| self.table.is_other_end(false, own)) {
            let message = format!("not connecting to {to}: {}", Refusal::Own.text());
            return self.fail(id, Error::new(Code::SelfConnect, message));
        }
        if self.secure.is_some() {
            return self.secure_own_dial(id, stream, to);
        }
        let (shared, nonce) = (Arc::clone(&self.shared), self.classic.nonce_of(id));
        let task = self.spawn(async move {
            let outcome = link::open(&shared, id, Via::Direct, to, stream, nonce).await;
            Some(Msg::Opened { id, outcome })
        });
        self.table.dialled(id, to.ip(), dialler, task);
    }

    /// Dials nodes that servers have named, as many as are wanted.
    pub(super) fn dial_candidates(&mut self) {
        let max = self.shared.config.max_outbound;
        while self.table.taken(false) < max && self.shared.queue.has_room() {
            let Some(to) = self.candidates.pop() else { return };
            match self.own.may_dial(to, self.table.ips()) {
                Ok(()) => {
                    let id = self.shared.new_id();
                    self.dial(id, vec![canonical(to)], 0, Instant::now());
                }
                Err(refusal) => log!(self.shared, Debug, "not dialling {to}: {}", refusal.text()),
            }
        }
    }
}
