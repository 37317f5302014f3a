//! Who can be reached by signalling, on which connection, and what waits to be confirmed.

use super::super::limits::{Bucket, account_of};
use super::limits::{Buckets, SignalLimits};
use crate::proto::identity::PublicKey;
use crate::proto::rdv_msg::signal::Network;
use crate::proto::rdv_server::ConnId;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

/// A node for as long as it stays: leaving and entering again on one connection makes another one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) conn: ConnId,
    pub(super) stay: u64,
}

/// A message that its receiver was sent and has not confirmed.
#[derive(Debug)]
pub(super) struct Waiting {
    number: u64,
    pub(super) from: Sender,
    pub(super) tag: u64,
    bytes: usize,
    since: Instant,
}

/// A node that has proved who it is.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: PublicKey,
    pub(super) network: Network,
    /// Unlike that of any other node that ever entered.
    pub(super) stay: u64,
    account: IpAddr,
    lines: Bucket,
    messages: Bucket,
    received: Bucket,
    /// From whom it gets messages: by node, and by address.
    senders: Buckets<PublicKey>,
    addresses: Buckets<IpAddr>,
    /// The last message's.
    number: u64,
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
}

impl Node {
    pub(super) fn new(
        now: Instant,
        limits: &SignalLimits,
        id: PublicKey,
        network: Network,
        stay: u64,
        ip: IpAddr,
    ) -> Node {
        Node {
            id,
            network,
            stay,
            account: account_of(ip),
            lines: limits.lines.bucket(now),
            messages: limits.messages.bucket(now),
            received: limits.receiver.bucket(now),
            senders: Buckets::new(limits.pair),
            addresses: Buckets::new(limits.pair.times(4)),
            number: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// Whether it may say one more line now.
    pub(super) fn may_say(&mut self, now: Instant, limits: &SignalLimits) -> bool {
        limits.lines.take(&mut self.lines, now)
    }

    /// Whether it may send one more message now.
    pub(super) fn may_tell(&mut self, now: Instant, limits: &SignalLimits) -> bool {
        limits.messages.take(&mut self.messages, now)
    }

    /// Whether it may be sent one more message by `from` at `ip` now; the word says which limit it is otherwise.
    pub(super) fn may_get(
        &mut self,
        now: Instant,
        limits: &SignalLimits,
        from: PublicKey,
        ip: IpAddr,
    ) -> Result<(), &'static str> {
        if !self.senders.take(now, from) {
            return Err("from one node to another");
        }
        if !self.addresses.take(now, account_of(ip)) {
            return Err("from all nodes of an address to another node");
        }
        limits.receiver.take(&mut self.received, now).then_some(()).ok_or("from all nodes to another one")
    }

    /// Whether a message of so many bytes may wait here.
    pub(super) fn has_room(&self, limits: &SignalLimits, bytes: usize) -> bool {
        self.waiting.len() < limits.queue && self.waiting_bytes + bytes <= limits.queue_bytes
    }

    /// A message is sent to it; returns its number.
    pub(super) fn add(&mut self, now: Instant, from: Sender, tag: u64, bytes: usize) -> u64 {
        self.number += 1;
        self.waiting_bytes += bytes;
        self.waiting.push_back(Waiting { number: self.number, from, tag, bytes, since: now });
        self.number
    }

    /// Whether HEARD with this number says something new.
    pub(super) fn is_news(&self, upto: u64) -> bool {
        upto <= self.number && self.waiting.front().is_some_and(|first| first.number <= upto)
    }

    /// The number of the last message it was sent.
    pub(super) fn last(&self) -> u64 {
        self.number
    }

    /// It has confirmed all messages up to this number: the next of those that waited.
    pub(super) fn pop(&mut self, upto: u64) -> Option<Waiting> {
        if self.waiting.front()?.number > upto {
            return None;
        }
        let first = self.waiting.pop_front()?;
        self.waiting_bytes -= first.bytes;
        Some(first)
    }

    /// Since when the oldest message waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.waiting.front().map(|first| first.since)
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets what is of no use any more, from time to time.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.senders.sweep(now);
        self.addresses.sweep(now);
    }
}

/// All nodes that can be reached.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    by_conn: BTreeMap<ConnId, Node>,
    /// Never holds an empty network.
    by_id: BTreeMap<Network, BTreeMap<PublicKey, ConnId>>,
    /// Never holds a zero.
    of_account: BTreeMap<IpAddr, usize>,
}

impl Nodes {
    pub(super) fn get(&self, conn: ConnId) -> Option<&Node> {
        self.by_conn.get(&conn)
    }

    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Node> {
        self.by_conn.get_mut(&conn)
    }

    /// The connection on which the node can be reached.
    pub(super) fn find(&self, network: &Network, id: &PublicKey) -> Option<ConnId> {
        self.by_id.get(network)?.get(id).copied()
    }

    /// Whether one more can enter from `ip`, if `instead` leaves.
    pub(super) fn have_room(&self, limits: &SignalLimits, ip: IpAddr, instead: Option<ConnId>) -> bool {
        let account = account_of(ip);
        let leaving = instead.and_then(|conn| self.get(conn));
        let here = self.of_account.get(&account).copied().unwrap_or(0);
        let leaving_here = leaving.is_some_and(|node| node.account == account);
        self.len() - usize::from(leaving.is_some()) < limits.nodes
            && here - usize::from(leaving_here) < limits.nodes_per_address
    }

    /// A node has entered. There must be none of that id and network, and none on that connection.
    pub(super) fn insert(&mut self, conn: ConnId, node: Node) {
        *self.of_account.entry(node.account).or_default() += 1;
        self.by_id.entry(node.network.clone()).or_default().insert(node.id, conn);
        self.by_conn.insert(conn, node);
    }

    /// The node on this connection has gone.
    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Node> {
        let node = self.by_conn.remove(&conn)?;
        if let Some(network) = self.by_id.get_mut(&node.network) {
            network.remove(&node.id);
            if network.is_empty() {
                self.by_id.remove(&node.network);
            }
        }
        if let Some(n) = self.of_account.get_mut(&node.account) {
            *n -= 1;
            if *n == 0 {
                self.of_account.remove(&node.account);
            }
        }
        Some(node)
    }

    pub(super) fn len(&self) -> usize {
        self.by_conn.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.by_conn.values().map(Node::waiting).sum()
    }

    pub(super) fn sweep(&mut self, now: Instant) {
        self.by_conn.values_mut().for_each(|node| node.sweep(now));
    }

    /// The three tables say the same, and no queue is longer than it may be.
    #[cfg(test)]
    pub(super) fn is_consistent(&self, limits: &SignalLimits) -> bool {
        let listed: usize = self.by_id.values().map(BTreeMap::len).sum();
        let counted: usize = self.of_account.values().sum();
        listed == self.len()
            && counted == self.len()
            && self.by_id.values().all(|network| !network.is_empty())
            && self.of_account.values().all(|n| (1..=limits.nodes_per_address).contains(n))
            && self.by_conn.iter().all(|(conn, node)| {
                self.find(&node.network, &node.id) == Some(*conn)
                    && node.waiting.len() <= limits.queue
                    && node.waiting_bytes == node.waiting.iter().map(|w| w.bytes).sum::<usize>()
                    && node.waiting_bytes <= limits.queue_bytes
            })
    }
}
