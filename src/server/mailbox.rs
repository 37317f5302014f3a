//! The mailbox: nodes leave messages for each other by node id, and find neighbours of their network.
//!
//! This is the thinking without I/O: time comes in as Unix seconds, what has to be stored goes out through the
//! caller (see [`super::store`]). Everything is in memory as well, within [`MailboxLimits`].

use super::config::MailboxLimits;
use crate::proto::rdv_server::account_of;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

/// A node not heard of for so long (seconds) is no neighbour.
const FRESH: u64 = 600;

/// How long, in seconds, a neighbour that was given out for testing is not given out again.
const RESERVATION: u64 = 600;

/// Most neighbours in one answer.
const NEIGHBOURS: usize = 5;

/// How many nodes of a network are looked at for fresh ones.
const SAMPLE: usize = 256;

/// Cost of a message besides its text, for the limit on the total.
const OVERHEAD: usize = 128;

/// What is known of a node, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// SHA-256 of the password.
    pub(super) secret: [u8; 32],
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    pub(super) network: String,
    pub(super) last_alive: u64,
}

/// A message, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u64,
    pub(super) dest: String,
    pub(super) text: Arc<str>,
    /// Removed when it was given out; otherwise anybody may read it again and again.
    pub(super) pop: bool,
    pub(super) expiry: u64,
}

#[derive(Debug)]
struct Resident {
    node: Node,
    mutex: Option<bool>,
    reserved_until: u64,
}

#[derive(Debug)]
struct Waiting {
    message: Message,
    /// Given out in an answer that is on its way.
    leased: bool,
}

/// Somebody near in the sense of the same network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Neighbour {
    pub(super) id: String,
    pub(super) ip: IpAddr,
    pub(super) port: u16,
    pub(super) can_test: bool,
}

/// Why something is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The receiver or the asker has too much already.
    Quota(&'static str),
    /// The server has too much already, or cannot store it.
    Full(&'static str),
}

/// Messages for one node; `reserved` are being stored and will be delivered.
#[derive(Debug, Default)]
struct Inbox {
    waiting: VecDeque<Waiting>,
    reserved: usize,
}

/// All nodes and messages.
#[derive(Debug)]
pub(super) struct Mailbox {
    limits: MailboxLimits,
    rng: fastrand::Rng,
    nodes: BTreeMap<String, Resident>,
    networks: BTreeMap<String, Vec<String>>,
    per_address: BTreeMap<IpAddr, usize>,
    inboxes: BTreeMap<String, Inbox>,
    next_id: u64,
    bytes: usize,
    messages: usize,
}

/// How a password is kept and compared.
pub(super) fn secret(password: &str) -> [u8; 32] {
    Sha256::digest(password.as_bytes()).into()
}

impl Mailbox {
    pub(super) fn new(limits: MailboxLimits, seed: u64) -> Mailbox {
        Mailbox {
            limits,
            rng: fastrand::Rng::with_seed(seed),
            nodes: BTreeMap::new(),
            networks: BTreeMap::new(),
            per_address: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            next_id: 1,
            bytes: 0,
            messages: 0,
        }
    }

    /// Registers a node. `Ok(Some)`: it has to be stored; `Ok(None)`: the id belongs to somebody else.
    /// The flag: the id was known.
    pub(super) fn register(&mut self, id: &str, node: Node) -> Result<(bool, Option<Node>), Refused> {
        if let Some(known) = self.nodes.get_mut(id) {
            if known.node.secret != node.secret {
                return Ok((true, None));
            }
            if known.node.network == node.network && account_of(known.node.ip) == account_of(node.ip) {
                known.node = node.clone();
                return Ok((true, Some(node)));
            }
            self.remove_node(id);
            self.insert_node(id, node.clone());
            return Ok((true, Some(node)));
        }
        if self.nodes.len() >= self.limits.nodes {
            return Err(Refused::Full("the server has too many nodes"));
        }
        if self.per_address.get(&account_of(node.ip)).is_some_and(|&n| n >= self.limits.nodes_per_address) {
            return Err(Refused::Quota("this address has too many nodes"));
        }
        self.insert_node(id, node.clone());
        Ok((false, Some(node)))
    }

    /// Adds a node from the store.
    pub(super) fn insert_node(&mut self, id: &str, node: Node) {
        self.networks.entry(node.network.clone()).or_default().push(id.to_owned());
        *self.per_address.entry(account_of(node.ip)).or_insert(0) += 1;
        self.nodes.insert(id.to_owned(), Resident { node, mutex: None, reserved_until: 0 });
    }

    fn remove_node(&mut self, id: &str) {
        let Some(Resident { node, .. }) = self.nodes.remove(id) else { return };
        if let Some(list) = self.networks.get_mut(&node.network) {
            list.retain(|other| other != id);
            if list.is_empty() {
                self.networks.remove(&node.network);
            }
        }
        let account = account_of(node.ip);
        if let Some(n) = self.per_address.get_mut(&account) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.per_address.remove(&account);
            }
        }
    }

    /// Whether `id` is registered with this password.
    pub(super) fn is(&self, id: &str, secret: &[u8; 32]) -> bool {
        self.nodes.get(id).is_some_and(|known| known.node.secret == *secret)
    }

    /// The node has been heard of. Returns what has to be stored.
    pub(super) fn alive(&mut self, now: u64, id: &str) -> Option<Node> {
        let known = self.nodes.get_mut(id)?;
        known.node.last_alive = now;
        Some(known.node.clone())
    }

    /// Whether the node may test a neighbour's reachability: PyP2P's server gives this to about every second node.
    pub(super) fn mutex(&mut self, now: u64, id: &str) -> bool {
        let even = self.nodes.len().is_multiple_of(2);
        let coin = self.rng.bool();
        let Some(known) = self.nodes.get_mut(id) else { return false };
        known.node.last_alive = now;
        let has = if known.mutex.is_none() { even } else { coin };
        known.mutex = Some(has);
        has
    }

    /// Up to five other fresh nodes of the network, one of them to be tested if the asker has the mutex.
    pub(super) fn neighbours(&mut self, now: u64, id: &str, network: &str) -> Vec<Neighbour> {
        let mut may_test = self.nodes.get(id).is_some_and(|known| known.mutex == Some(true));
        let list = self.networks.get(network).map(Vec::as_slice).unwrap_or_default();
        let start = if list.is_empty() { 0 } else { self.rng.usize(..list.len()) };
        let (before, after) = list.split_at(start);
        let mut sample: Vec<&String> = after.iter().chain(before).take(SAMPLE).collect();
        self.rng.shuffle(&mut sample);
        let mut found = Vec::new();
        for other in sample {
            let Some(known) = self.nodes.get_mut(other).filter(|_| other != id) else { continue };
            if now.saturating_sub(known.node.last_alive) > FRESH || found.len() == NEIGHBOURS {
                continue;
            }
            let can_test = may_test && known.reserved_until <= now;
            if can_test {
                may_test = false;
                known.reserved_until = now + RESERVATION;
            }
            let Node { ip, port, .. } = known.node;
            found.push(Neighbour { id: other.clone(), ip, port, can_test });
        }
        found
    }

    /// Takes room for a message that is now to be stored and then [`Mailbox::deliver`]ed or [`Mailbox::give_up`].
    pub(super) fn reserve(
        &mut self,
        now: u64,
        dest: &str,
        text: &str,
        pop: bool,
    ) -> Result<Message, Refused> {
        let cost = text.len() + dest.len() + OVERHEAD;
        if text.len() > self.limits.message_bytes {
            return Err(Refused::Quota("the message is too long"));
        }
        if self.bytes + cost > self.limits.total_bytes {
            return Err(Refused::Full("the server has too many messages"));
        }
        let held = self.inboxes.get(dest).map_or(0, |inbox| inbox.waiting.len() + inbox.reserved);
        if held >= self.limits.messages_per_node {
            return Err(Refused::Quota("the receiver has too many messages"));
        }
        self.inboxes.entry(dest.to_owned()).or_default().reserved += 1;
        self.bytes += cost;
        let id = self.next_id;
        self.next_id += 1;
        let expiry = now + self.limits.message_lifetime.as_secs();
        Ok(Message { id, dest: dest.to_owned(), text: text.into(), pop, expiry })
    }

    /// A reserved message is stored: from now on it can be listed.
    pub(super) fn deliver(&mut self, message: Message) {
        if let Some(inbox) = self.inboxes.get_mut(&message.dest) {
            inbox.reserved = inbox.reserved.saturating_sub(1);
            inbox.waiting.push_back(Waiting { message, leased: false });
            self.messages += 1;
        }
    }

    /// A reserved message could not be stored.
    pub(super) fn give_up(&mut self, message: &Message) {
        self.bytes = self.bytes.saturating_sub(cost(message));
        if let Some(inbox) = self.inboxes.get_mut(&message.dest) {
            inbox.reserved = inbox.reserved.saturating_sub(1);
        }
        self.tidy(&message.dest);
    }

    /// Adds a message from the store.
    pub(super) fn insert_message(&mut self, message: Message) {
        self.next_id = self.next_id.max(message.id + 1);
        self.bytes += cost(&message);
        self.inboxes.entry(message.dest.clone()).or_default().reserved += 1;
        self.deliver(message);
    }

    /// The messages for `id` of one kind, oldest first, as many as fit into one answer. With `lease` they are not
    /// given out again until [`Mailbox::release`]d.
    pub(super) fn list(&mut self, now: u64, id: &str, pop: bool, lease: bool) -> Vec<(u64, Arc<str>)> {
        if let Some(known) = self.nodes.get_mut(id) {
            known.node.last_alive = now;
        }
        let mut room = self.limits.answer_bytes.max(self.limits.message_bytes);
        let mut found = Vec::new();
        for waiting in self.inboxes.get_mut(id).into_iter().flat_map(|inbox| &mut inbox.waiting) {
            let message = &waiting.message;
            if message.pop != pop || waiting.leased || message.expiry <= now {
                continue;
            }
            if message.text.len() > room {
                break;
            }
            room -= message.text.len();
            found.push((message.id, message.text.clone()));
            waiting.leased = lease;
        }
        found
    }

    /// An answer did not reach its receiver: its messages can be listed again.
    pub(super) fn release(&mut self, id: &str, messages: &[u64]) {
        for waiting in self.inboxes.get_mut(id).into_iter().flat_map(|inbox| &mut inbox.waiting) {
            if messages.contains(&waiting.message.id) {
                waiting.leased = false;
            }
        }
    }

    /// Removes messages of `id` and returns their numbers, for the store.
    pub(super) fn remove(&mut self, id: &str, which: impl Fn(&Message) -> bool) -> Vec<u64> {
        let mut removed = Vec::new();
        if let Some(inbox) = self.inboxes.get_mut(id) {
            inbox.waiting.retain(|waiting| {
                let goes = which(&waiting.message);
                if goes {
                    removed.push(waiting.message.id);
                    self.bytes = self.bytes.saturating_sub(cost(&waiting.message));
                    self.messages -= 1;
                }
                !goes
            });
        }
        self.tidy(id);
        removed
    }

    /// Forgets what is old and returns it, for the store: ids of nodes and numbers of messages.
    pub(super) fn expire(&mut self, now: u64) -> (Vec<String>, Vec<u64>) {
        let lifetime = self.limits.node_lifetime.as_secs();
        let old = |known: &Resident| now.saturating_sub(known.node.last_alive) >= lifetime;
        let nodes: Vec<String> =
            self.nodes.iter().filter(|(_, known)| old(known)).map(|(id, _)| id.clone()).collect();
        nodes.iter().for_each(|id| self.remove_node(id));
        let full: Vec<String> = self
            .inboxes
            .iter()
            .filter(|(_, inbox)| inbox.waiting.iter().any(|waiting| waiting.message.expiry <= now))
            .map(|(id, _)| id.clone())
            .collect();
        let messages = full.iter().flat_map(|id| self.remove(id, |message| message.expiry <= now)).collect();
        (nodes, messages)
    }

    /// Registered nodes, waiting messages, and the bytes these count for.
    pub(super) fn size(&self) -> (usize, usize, usize) {
        (self.nodes.len(), self.messages, self.bytes)
    }

    fn tidy(&mut self, id: &str) {
        if self.inboxes.get(id).is_some_and(|inbox| inbox.waiting.is_empty() && inbox.reserved == 0) {
            self.inboxes.remove(id);
        }
    }
}

fn cost(message: &Message) -> usize {
    message.text.len() + message.dest.len() + OVERHEAD
}

#[cfg(test)]
mod tests;
