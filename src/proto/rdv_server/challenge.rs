//! Who wants to punch a hole to whom: the simultaneous nodes and the candidates waiting for each.
//!
//! Timers are PyP2P's: a candidate is told to the node again and again for 120 s or until the node accepts; a node
//! that has not been heard of for more than 120 s has to reconnect first, as the mappings of its NAT may be gone.

use super::ConnId;
use crate::proto::rdv_msg::{Reply, Transport};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How old a node's last connection may be before it has to reconnect, and how long a candidate is told.
const FRESH: Duration = Duration::from_secs(120);

/// A candidate that neither left nor was taken is forgotten after this.
const CANDIDATE_LIFETIME: Duration = Duration::from_secs(600);

#[derive(Debug)]
struct Node {
    conn: ConnId,
    /// Of the last connection from the node's address.
    heard: Instant,
}

#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) ip: IpAddr,
    pub(super) conn: ConnId,
    pub(super) since: Instant,
    pub(super) predictions: Vec<u16>,
    pub(super) transport: Transport,
    pub(super) accepted: bool,
}

/// Simultaneous nodes and their candidates, both by the node's address.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    nodes: BTreeMap<IpAddr, Node>,
    /// Never holds an empty list.
    candidates: BTreeMap<IpAddr, Vec<Candidate>>,
    count: usize,
}

impl Challenges {
    /// `conn` from `ip` is from now on the channel of the simultaneous node at `ip`. Returns the channel and the
    /// challenges to send on it.
    pub(super) fn register(&mut self, now: Instant, ip: IpAddr, conn: ConnId) -> Vec<Reply> {
        self.nodes.insert(ip, Node { conn, heard: now });
        self.drop_candidates(ip, |c| is_fresh(now, c));
        self.pending(ip)
    }

    /// Something connected from `ip`. If a node lives there, this is what to send on its channel.
    pub(super) fn heard(&mut self, now: Instant, ip: IpAddr) -> Option<(ConnId, Vec<Reply>)> {
        self.nodes.get_mut(&ip)?.heard = now;
        self.synchronize(now, ip)
    }

    /// The channel of the node at `ip`.
    pub(super) fn channel(&self, ip: IpAddr) -> Option<ConnId> {
        self.nodes.get(&ip).map(|node| node.conn)
    }

    /// Adds a candidate for the node at `node`, in place of an earlier one from the same address. `false`: the node
    /// has `most` already.
    pub(super) fn add(&mut self, node: IpAddr, candidate: Candidate, most: usize) -> bool {
        self.drop_candidates(node, |c| c.ip != candidate.ip);
        let list = self.candidates.entry(node).or_default();
        let room = list.len() < most;
        if room {
            list.push(candidate);
            self.count += 1;
        }
        if list.is_empty() {
            self.candidates.remove(&node);
        }
        room
    }

    /// What the node at `ip` has to be told now: to reconnect, or all its open challenges.
    pub(super) fn synchronize(&mut self, now: Instant, ip: IpAddr) -> Option<(ConnId, Vec<Reply>)> {
        let node = self.nodes.get(&ip)?;
        let (conn, heard) = (node.conn, node.heard);
        let stale = |c: &Candidate| c.since.saturating_duration_since(heard) > FRESH;
        if self.candidates.get(&ip).is_some_and(|list| list.iter().any(stale)) {
            return Some((conn, vec![Reply::Reconnect]));
        }
        self.drop_candidates(ip, |c| is_fresh(now, c));
        Some((conn, self.pending(ip)))
    }

    /// The node at `node` accepts the challenge of `challenger`. Returns the challenger's connection.
    pub(super) fn accept(&mut self, node: IpAddr, challenger: IpAddr) -> Option<ConnId> {
        let candidate = self.candidates.get_mut(&node)?.iter_mut().find(|c| c.ip == challenger)?;
        candidate.accepted = true;
        Some(candidate.conn)
    }

    /// Whether `conn` is waiting for the node at `node`.
    pub(super) fn is_candidate(&self, node: IpAddr, conn: ConnId) -> bool {
        self.candidates.get(&node).is_some_and(|list| list.iter().any(|c| c.conn == conn))
    }

    /// Forgets the node at `ip`, not its candidates. `false`: there was none.
    pub(super) fn clear(&mut self, ip: IpAddr) -> bool {
        self.nodes.remove(&ip).is_some()
    }

    /// `conn` from `ip` has ended: it is no longer a channel, nor a candidate for any of `nodes`.
    pub(super) fn closed(&mut self, ip: IpAddr, conn: ConnId, nodes: &[IpAddr]) {
        if self.channel(ip) == Some(conn) {
            self.nodes.remove(&ip);
        }
        for &node in nodes {
            self.drop_candidates(node, |c| c.conn != conn);
        }
    }

    /// Forgets candidates that were neither taken nor left for long.
    pub(super) fn expire(&mut self, now: Instant) {
        let keys: Vec<IpAddr> = self.candidates.keys().copied().collect();
        for node in keys {
            self.drop_candidates(node, |c| now.saturating_duration_since(c.since) < CANDIDATE_LIFETIME);
        }
    }

    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn candidates(&self) -> usize {
        self.count
    }

    /// The list of every node is within its limit, none is empty and the total is right.
    #[cfg(test)]
    pub(super) fn is_consistent(&self, most: usize) -> bool {
        let sizes = || self.candidates.values().map(Vec::len);
        sizes().all(|n| n > 0 && n <= most) && sizes().sum::<usize>() == self.count
    }

    fn pending(&self, ip: IpAddr) -> Vec<Reply> {
        let open = self.candidates.get(&ip).into_iter().flatten().filter(|c| !c.accepted);
        open.map(|c| Reply::Challenge {
            ip: c.ip,
            predictions: c.predictions.clone(),
            transport: c.transport,
        })
        .collect()
    }

    fn drop_candidates(&mut self, node: IpAddr, keep: impl Fn(&Candidate) -> bool) {
        if let Some(list) = self.candidates.get_mut(&node) {
            let before = list.len();
            list.retain(keep);
            self.count -= before - list.len();
            if list.is_empty() {
                self.candidates.remove(&node);
            }
        }
    }
}

/// PyP2P compares whole seconds here: a candidate is fresh through its 121st second.
fn is_fresh(now: Instant, candidate: &Candidate) -> bool {
    now.saturating_duration_since(candidate.since).as_secs() <= FRESH.as_secs()
}
