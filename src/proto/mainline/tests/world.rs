//! Nodes around a DHT that is a table.

use super::super::*;
use crate::proto::identity::{Identity, PublicKey};
use crate::proto::network::NetworkId;
use crate::proto::unl::{Candidate, CandidateKind, Record, UnlV3};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// What a query takes in this world.
pub(super) const WAY: Duration = Duration::from_millis(300);

pub(super) fn network() -> Option<NetworkId> {
    Some(NetworkId::of("chess"))
}

pub(super) fn identity(n: u8) -> Identity {
    Identity::from_secret(&[n; 32])
}

pub(super) fn locator(n: u8, port: u16, expires: Option<u64>, network: Option<NetworkId>) -> UnlV3 {
    let candidate = Candidate::new(CandidateKind::Wan, Ipv4Addr::new(198, 51, 100, n), port);
    let record = Record { network, expires, candidates: vec![candidate], ..Record::default() };
    UnlV3::sign(record, &identity(n)).unwrap()
}

pub(super) struct Node {
    pub(super) machine: Mainline,
    pub(super) ip: Ipv4Addr,
    pub(super) happened: Vec<Happening>,
    /// Its clock that has a date is so many seconds fast.
    pub(super) fast: i64,
}

pub(super) struct World {
    pub(super) start: Instant,
    pub(super) at: Instant,
    pub(super) nodes: Vec<Node>,
    pub(super) items: BTreeMap<(PublicKey, Vec<u8>), Item>,
    pub(super) peers: BTreeMap<InfoHash, Vec<SocketAddrV4>>,
    pub(super) under_way: BTreeMap<(Instant, u64), (usize, Job, Query)>,
    pub(super) next: u64,
    pub(super) puts: usize,
    pub(super) loss: Option<fastrand::Rng>,
}

impl World {
    pub(super) fn new(nodes: u8) -> World {
        World::with(nodes, &Settings::new(network()))
    }

    pub(super) fn with(nodes: u8, settings: &Settings) -> World {
        let at = Instant::now();
        let (items, peers, under_way) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut world =
            World { start: at, at, nodes: Vec::new(), items, peers, under_way, next: 0, puts: 0, loss: None };
        for n in 1..=nodes {
            world.nodes.push(node(n, settings, 0));
        }
        for n in 0..world.nodes.len() {
            world.with_node(n, |machine, now| machine.online(now, "127.0.0.1:6881".parse().unwrap()));
        }
        world
    }

    pub(super) fn now(&self, node: usize) -> Time {
        let unix = 1_800_000_000 + (self.at - self.start).as_secs();
        Time { at: self.at, unix: unix.saturating_add_signed(self.nodes[node].fast) }
    }

    pub(super) fn with_node(&mut self, n: usize, then: impl FnOnce(&mut Mainline, Time)) {
        let now = self.now(n);
        then(&mut self.nodes[n].machine, now);
        self.settle(n);
    }

    pub(super) fn settle(&mut self, n: usize) {
        while let Some(output) = self.nodes[n].machine.poll_output() {
            match output {
                Output::Query { job, query } => {
                    self.next += 1;
                    self.under_way.insert((self.at + WAY, self.next), (n, job, query));
                }
                Output::Happening(what) => self.nodes[n].happened.push(what),
            }
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.at + time;
        for _ in 0..200_000 {
            let timers =
                (0..self.nodes.len()).filter_map(|n| Some((self.nodes[n].machine.poll_timeout()?, n))).min();
            let answer = self.under_way.keys().next().map(|(at, _)| *at);
            let next = timers.map(|(at, _)| at).into_iter().chain(answer).min().filter(|at| *at <= end);
            let Some(next) = next else {
                self.at = end;
                return;
            };
            self.at = self.at.max(next);
            if answer.is_some_and(|at| at <= next) {
                let (_, (n, job, query)) = self.under_way.pop_first().unwrap();
                self.answer(n, job, query);
            } else if let Some((_, n)) = timers {
                self.with_node(n, Mainline::on_timeout);
            }
        }
        panic!("it never rests");
    }

    pub(super) fn answer(&mut self, n: usize, job: Job, query: Query) {
        let is_lost = self.loss.as_mut().is_some_and(|rng| rng.u8(..4) == 0);
        let mut outcome = Ok(());
        match query {
            _ if is_lost => outcome = Err(QueryError::Failed("lost".into())),
            Query::Get { key, salt } => {
                if let Some(item) = self.items.get(&(key, salt)).cloned() {
                    self.with_node(n, |machine, now| machine.item(now, job, &item));
                }
            }
            Query::Put { item } => {
                self.puts += 1;
                assert!(item.verify());
                let there = self.items.get(&(item.key, item.salt.clone())).map(|it| it.seq);
                if there.is_some_and(|seq| seq > item.seq) {
                    outcome = Err(QueryError::Older);
                } else {
                    self.items.insert((item.key, item.salt.clone()), *item);
                }
            }
            Query::Peers { hash } => {
                let peers = self.peers.get(&hash).cloned().unwrap_or_default();
                self.with_node(n, |machine, _| machine.peers(job, &peers));
            }
            Query::Announce { hash, port } => {
                let addr = SocketAddrV4::new(self.nodes[n].ip, port);
                self.peers.entry(hash).or_default().push(addr);
            }
        }
        self.with_node(n, |machine, now| machine.finished(now, job, outcome));
    }

    pub(super) fn happened(&mut self, n: usize) -> Vec<Happening> {
        std::mem::take(&mut self.nodes[n].happened)
    }

    pub(super) fn done(&mut self, n: usize) -> Vec<(u64, Result<(), Fault>)> {
        let done = |what: &Happening| match what {
            Happening::Done { tag, outcome } => Some((*tag, outcome.clone())),
            _ => None,
        };
        self.nodes[n].happened.iter().filter_map(done).collect()
    }

    pub(super) fn messages(&mut self, n: usize) -> Vec<(PublicKey, Vec<u8>)> {
        let message = |what: &Happening| match what {
            Happening::Message { from, message, .. } => Some((*from, message.clone())),
            _ => None,
        };
        self.nodes[n].happened.iter().filter_map(message).collect()
    }

    pub(super) fn located(&mut self, n: usize) -> Vec<UnlV3> {
        let located = |what: &Happening| match what {
            Happening::Located { locator, .. } => Some((**locator).clone()),
            _ => None,
        };
        self.nodes[n].happened.iter().filter_map(located).collect()
    }

    pub(super) fn found(&mut self, n: usize) -> Vec<SocketAddr> {
        let found = |what: &Happening| match what {
            Happening::Found { addrs, .. } => addrs.clone(),
            _ => Vec::new(),
        };
        self.nodes[n].happened.iter().flat_map(found).collect()
    }

    pub(super) fn restart(&mut self, n: usize, settings: &Settings) {
        self.under_way.retain(|_, (node, ..)| *node != n);
        let (number, generation) = (n as u8 + 1, self.next as u8);
        self.nodes[n] = Node { fast: self.nodes[n].fast, ..node(number, settings, generation) };
        self.with_node(n, |machine, now| machine.online(now, "127.0.0.1:6881".parse().unwrap()));
    }
}

pub(super) fn node(n: u8, settings: &Settings, generation: u8) -> Node {
    let mut count = 0u64;
    let random: Random = Box::new(move || {
        count += 1;
        let mut bytes = [n; 32];
        bytes[..8].copy_from_slice(&count.to_be_bytes());
        bytes[8] = generation;
        Some(bytes)
    });
    let may = Arc::new(|addr: SocketAddr| addr.port() != 9);
    let machine = Mainline::new(settings.clone(), Arc::new(identity(n)), may, random, u64::from(n));
    Node { machine, ip: Ipv4Addr::new(198, 51, 100, n), happened: Vec::new(), fast: 0 }
}
