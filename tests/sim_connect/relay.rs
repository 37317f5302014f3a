//! A relay half-way between all nodes: it connects two that name the same token, and passes on what they send, in order and
//! without loss, as TCP does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use p2pnet::proto::connect::{ConnId, Input};
use p2pnet::proto::rdv_msg::RelayToken;

use crate::node::{Data, Event, Link, Name, Step};
use crate::world::World;

/// How long one waits there for the other.
const WAIT: Duration = Duration::from_secs(10);

/// A connection of a node.
pub type End = (usize, u64);

#[derive(Default)]
pub struct Relay {
    waiting: BTreeMap<RelayToken, End>,
    /// The other end, once there is one. What is not in here has ended.
    ends: BTreeMap<End, Option<End>>,
}

impl Relay {
    pub fn has(&self, end: End) -> bool {
        self.ends.contains_key(&end)
    }

    /// The connections of a node, and whether each is joined to another one that lives.
    pub fn of(&self, i: usize) -> impl Iterator<Item = (u64, Option<End>)> {
        self.ends.iter().filter(move |((node, _), _)| *node == i).map(|((_, conn), other)| (*conn, *other))
    }

    /// The other end, if that lives.
    pub fn other(&self, end: End) -> Option<End> {
        self.ends.get(&end).copied().flatten().filter(|other| self.ends.contains_key(other))
    }

    /// A node has gone without a word.
    pub fn forget(&mut self, i: usize) {
        self.ends.retain(|(node, _), _| *node != i);
    }
}

impl World {
    pub fn go_to_relay(
        &mut self,
        i: usize,
        conn: ConnId,
        server: &str,
        token: RelayToken,
        ours: bool,
        peer: usize,
    ) {
        let named = |n: usize| self.nodes[n].locator.record().servers.iter().any(|s| s.to_string() == server);
        assert!(named(i) || named(peer), "{server} is a server of neither");
        let (since, key) = (self.net.now, self.nodes[peer].key);
        let link = Link { ours, step: Step::Dialling, peer: Some(key), since, line: None };
        self.nodes[i].links.insert(conn.0, link);
        self.relay.ends.insert((i, conn.0), None);
        // There, back, and there with the token.
        let way = self.plan.way.delay;
        self.net.later(way * 3 / 2, Event::AtRelay((i, conn.0), token));
    }

    pub fn relay_event(&mut self, event: Event) {
        let way = self.plan.way.delay;
        match event {
            Event::AtRelay(end, token) if self.relay.has(end) => {
                if self.net.unlucky(self.plan.relay_refuses) {
                    return self.net.later(way / 2, Event::RelayEnd(end, "it is full"));
                }
                let first = self.relay.waiting.remove(&token).filter(|first| self.relay.has(*first));
                let Some(first) = first else {
                    self.relay.waiting.insert(token, end);
                    return self.net.later(WAIT, Event::RelayLate(end));
                };
                self.relay.ends.insert(first, Some(end));
                self.relay.ends.insert(end, Some(first));
                self.net.later(way / 2, Event::RelayGo(first));
                self.net.later(way / 2, Event::RelayGo(end));
            }
            Event::RelayLate(end) if self.relay.ends.get(&end) == Some(&None) => {
                self.net.later(way / 2, Event::RelayEnd(end, "the peer did not come there in time"));
            }
            Event::RelayGo(end @ (i, conn)) if self.relay.has(end) => {
                self.input(i, Input::Relayed { conn: ConnId(conn), at: self.relay_address() });
                let link = self.nodes[i].links.get(&conn).filter(|link| !link.ours);
                if link.is_some_and(|link| link.step == Step::Dialling) {
                    self.accepted(i, conn);
                }
            }
            Event::RelayData(end @ (i, conn), data) if self.relay.has(end) => {
                self.data(i, Name::Conn(conn), *data);
            }
            Event::RelayEnd(end @ (i, conn), why) => {
                let was_there = self.relay.ends.remove(&end).is_some();
                if was_there && self.net.homes[i].alive {
                    self.ended(i, conn, why);
                }
            }
            _ => {}
        }
    }

    /// Sends, if that is a connection by the relay.
    pub fn send_by_relay(&mut self, end: End, data: &Data) -> bool {
        if let Some(other) = self.relay.other(end) {
            self.net.later(self.plan.way.delay, Event::RelayData(other, Box::new(data.clone())));
        }
        self.relay.has(end)
    }

    /// Closes, if that is a connection by the relay.
    pub fn leave_relay(&mut self, end: End) -> bool {
        if let Some(other) = self.relay.other(end) {
            self.net.later(self.plan.way.delay, Event::RelayEnd(other, "closed by the peer"));
        }
        self.relay.ends.remove(&end).is_some()
    }

    pub fn relay_address(&self) -> SocketAddr {
        ([203, 0, 113, 50], 8000).into()
    }
}
