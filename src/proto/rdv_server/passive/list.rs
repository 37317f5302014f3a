//! The nodes of one family and network: a plain list, each with its text ready to be copied into an answer, and the walk by which
//! some of them are drawn.
//!
//! A walk takes equal steps of random width from a random place, round and round. That takes three random numbers however many
//! nodes are wanted, and none is met twice. In every place of an answer each node stands equally often. Each pair of nodes is
//! named together about equally often (exactly, if the number of nodes is a prime). But only some of all sets of nodes can come
//! out, about as many as there are pairs.
//!
//! 20 of 100,000 nodes lie in 20 places that no cache has. So the next walks are settled ahead, and the processor told to
//! fetch what they lead to: naming them costs what it costs with 20 nodes.

use crate::os::cache::fetch_ahead;
use std::collections::VecDeque;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// `p:255.255.255.255:65535 `
const TEXT_V4: usize = 24;
/// `p:[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 `
const TEXT_V6: usize = 50;

/// How many answers ahead the walks are settled: in the time of one answer memory does not come on a busy machine.
const AHEAD: usize = 2;

/// A node: its text, as NODES has it, and its address. Of IPv4 it is half a cache line, and never parts of two.
#[derive(Clone, Debug)]
#[repr(align(32))]
struct Entry<const TEXT: usize, const IP: usize> {
    text: [u8; TEXT],
    len: u8,
    ip: [u8; IP],
    port: u16,
}

impl<const TEXT: usize, const IP: usize> Entry<TEXT, IP> {
    fn new(node: SocketAddr, ip: [u8; IP]) -> Self {
        let mut text = [0; TEXT];
        let mut rest = &mut text[..];
        // There is room for every address without a scope, and those of nodes have none.
        let _ = write!(rest, "p:{} ", SocketAddr::new(node.ip(), node.port()));
        let len = (TEXT - rest.len()) as u8;
        Entry { text, len, ip, port: node.port() }
    }

    /// Always as many bytes as there can be, and those too many taken back: no step depends on the text.
    fn write(&self, out: &mut Vec<u8>) {
        let end = out.len() + usize::from(self.len);
        out.extend_from_slice(&self.text);
        out.truncate(end);
    }
}

type V4 = Entry<TEXT_V4, 4>;
type V6 = Entry<TEXT_V6, 16>;

#[derive(Clone, Debug)]
enum Entries {
    V4(Vec<V4>),
    V6(Vec<V6>),
}

/// Addresses of one family with their ports. Those of the other one it takes no notice of.
#[derive(Clone, Debug)]
pub(super) struct List {
    entries: Entries,
    /// Of how many places a walk takes equal steps: a prime, so that every step leads to all of them; no more than there are nodes,
    /// and hardly fewer.
    round: u32,
    /// The next walks, as long as they lead through this list.
    ahead: VecDeque<Walk>,
}

/// The places of a list in random order, each once.
#[derive(Clone, Debug)]
struct Walk {
    len: u32,
    /// Where the round begins. Those that are not in it come last.
    begin: u32,
    round: u32,
    at: u32,
    step: u32,
    taken: u32,
}

impl Walk {
    /// `round` is a prime or 1, and at most `len`.
    fn new(rng: &mut fastrand::Rng, len: u32, round: u32) -> Walk {
        let step = if round > 1 { rng.u32(1..round) } else { 0 };
        Walk { len, begin: rng.u32(..len), round, at: rng.u32(..round), step, taken: 0 }
    }
}

impl Iterator for Walk {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.taken >= self.len {
            return None;
        }
        let place = if self.taken < self.round { self.at } else { self.taken };
        self.taken += 1;
        self.at = sum_within(self.round, self.at, self.step);
        Some(sum_within(self.len, self.begin, place) as usize)
    }
}

/// The sum of two numbers below `end`, what is behind the end from the beginning: a remainder without a division.
fn sum_within(end: u32, a: u32, b: u32) -> u32 {
    let short = end - b;
    if a >= short { a - short } else { a + b }
}

impl List {
    pub(super) fn new(v6: bool) -> List {
        let entries = if v6 { Entries::V6(Vec::new()) } else { Entries::V4(Vec::new()) };
        List { entries, round: 1, ahead: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        match &self.entries {
            Entries::V4(nodes) => nodes.len(),
            Entries::V6(nodes) => nodes.len(),
        }
    }

    pub(super) fn push(&mut self, node: SocketAddr) {
        match (&mut self.entries, node.ip()) {
            (Entries::V4(nodes), IpAddr::V4(ip)) => nodes.push(Entry::new(node, ip.octets())),
            (Entries::V6(nodes), IpAddr::V6(ip)) => nodes.push(Entry::new(node, ip.octets())),
            _ => {}
        }
        self.changed();
    }

    pub(super) fn get(&self, index: usize) -> Option<SocketAddr> {
        match &self.entries {
            Entries::V4(nodes) => nodes.get(index).map(|node| (node.ip, node.port).into()),
            Entries::V6(nodes) => nodes.get(index).map(|node| (node.ip, node.port).into()),
        }
    }

    /// Takes a node out; the last one fills the gap.
    pub(super) fn swap_remove(&mut self, index: usize) {
        if index < self.len() {
            match &mut self.entries {
                Entries::V4(nodes) => drop(nodes.swap_remove(index)),
                Entries::V6(nodes) => drop(nodes.swap_remove(index)),
            }
            self.changed();
        }
    }

    /// Up to `n` different nodes in random order, never `asker`: writes their texts. How many there were.
    pub(super) fn write(
        &mut self,
        rng: &mut fastrand::Rng,
        asker: IpAddr,
        n: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        let Some(walk) = self.walk(rng, n) else { return 0 };
        match (&self.entries, asker) {
            (Entries::V4(nodes), IpAddr::V4(asker)) => {
                others(nodes, walk, asker.octets()).take(n).map(|node| node.write(out)).count()
            }
            (Entries::V6(nodes), IpAddr::V6(asker)) => {
                others(nodes, walk, asker.octets()).take(n).map(|node| node.write(out)).count()
            }
            _ => 0,
        }
    }

    /// As [`List::write`], as addresses.
    pub(super) fn draw(&mut self, rng: &mut fastrand::Rng, asker: IpAddr, n: usize) -> Vec<SocketAddr> {
        let Some(walk) = self.walk(rng, n) else { return Vec::new() };
        match (&self.entries, asker) {
            (Entries::V4(nodes), IpAddr::V4(asker)) => {
                others(nodes, walk, asker.octets()).take(n).map(|node| (node.ip, node.port).into()).collect()
            }
            (Entries::V6(nodes), IpAddr::V6(asker)) => {
                others(nodes, walk, asker.octets()).take(n).map(|node| (node.ip, node.port).into()).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The walk to take now. Those after it are settled as well, and as many of their places are fetched.
    fn walk(&mut self, rng: &mut fastrand::Rng, n: usize) -> Option<Walk> {
        let len = u32::try_from(self.len()).ok().filter(|&len| len > 0)?;
        while self.ahead.len() <= AHEAD {
            let next = Walk::new(rng, len, self.round);
            match &self.entries {
                Entries::V4(nodes) => {
                    next.clone().take(n).filter_map(|at| nodes.get(at)).for_each(fetch_ahead);
                }
                Entries::V6(nodes) => {
                    next.clone().take(n).filter_map(|at| nodes.get(at)).for_each(fetch_ahead);
                }
            }
            self.ahead.push_back(next);
        }
        self.ahead.pop_front()
    }

    /// There are more or fewer nodes now. Finds another prime if this one is too large, or leaves out more than a few places.
    fn changed(&mut self) {
        let len = u32::try_from(self.len()).unwrap_or(u32::MAX);
        if self.round > len || len - self.round > len / 64 {
            self.round = prime_upto(len);
        }
        self.ahead.clear();
    }
}

/// The nodes at these places but `asker`.
fn others<const TEXT: usize, const IP: usize>(
    nodes: &[Entry<TEXT, IP>],
    places: impl Iterator<Item = usize>,
    asker: [u8; IP],
) -> impl Iterator<Item = &Entry<TEXT, IP>> {
    places.filter_map(|place| nodes.get(place)).filter(move |node| node.ip != asker)
}

/// The last prime up to `n`, or 1.
fn prime_upto(n: u32) -> u32 {
    let is_prime =
        |n: u32| (2..).take_while(|&d| u64::from(d).pow(2) <= n.into()).all(|d| !n.is_multiple_of(d));
    (2..=n).rev().find(|&n| is_prime(n)).unwrap_or(1)
}

#[cfg(test)]
mod tests;
