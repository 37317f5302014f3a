//! A network in virtual time: the rendezvous server's state machine, nodes made of the pure parts of `proto` (upkeep,
//! exchanges, admission), a clock that jumps from event to event, and a seed that decides latency, losses, a server that
//! is down now and then, and nodes that leave. What must hold, holds for every seed, and a seed that fails can be run
//! again: `SIM_SEED=n cargo test --test sim`. `SIM_SEEDS=n` runs that many instead of 400.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use p2pnet::proto::admit::Own;
use p2pnet::proto::line;
use p2pnet::proto::rdv_client::{Answer, Ask, Exchange};
use p2pnet::proto::rdv_server::{Limits, Output, Rendezvous};
use p2pnet::proto::upkeep::{Chore, Intervals, Load, Upkeep};

const NODES: usize = 14;
/// Until then the world is unkind; afterwards it must come to rest.
const TROUBLE: Duration = Duration::from_secs(600);
const END: Duration = Duration::from_secs(2 * 3600);

struct Node {
    at: SocketAddr,
    own: Own,
    upkeep: Upkeep,
    load: Load,
    /// Who is connected, and whether they opened it.
    links: BTreeMap<usize, bool>,
    dialling: BTreeSet<usize>,
    alive: bool,
}

impl Node {
    fn new(index: usize, rng: &mut fastrand::Rng) -> Node {
        let ip = IpAddr::V4(Ipv4Addr::new(198, 51, 100, index as u8 + 1));
        let at = SocketAddr::new(ip, 40_000 + index as u16);
        let every = Intervals {
            bootstrap: Duration::from_secs(1800),
            advertise: Duration::from_secs(43_200),
            retry: Duration::from_secs(5),
        };
        let load = Load {
            max_inbound: rng.usize(2..6),
            max_outbound: rng.usize(2..5),
            min_connected: 3,
            ..Load::default()
        };
        let own = Own { listen: vec![at], ..Own::default() };
        let upkeep = Upkeep::new(every, rng.fork());
        Node { at, own, upkeep, load, links: BTreeMap::new(), dialling: BTreeSet::new(), alive: true }
    }

    fn load(&self) -> Load {
        let inbound = self.links.values().filter(|they| **they).count();
        Load { inbound, outbound: self.links.len() - inbound, ..self.load }
    }
}

/// What happens at a time.
enum Happening {
    /// The node looks what is due.
    Look(usize),
    /// The server has answered, or not.
    Answer(usize, Chore, Option<Answer>),
    /// A dial arrives.
    Arrive(usize, usize),
    /// A connection breaks.
    Break(usize, usize),
}

struct World {
    start: Instant,
    now: Instant,
    rng: fastrand::Rng,
    server: Rendezvous,
    server_up: bool,
    nodes: Vec<Node>,
    agenda: BTreeMap<(Instant, u64), Happening>,
    next: u64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let nodes = (0..NODES).map(|i| Node::new(i, &mut rng)).collect();
        let server = Rendezvous::new(Limits::default(), seed);
        let agenda = BTreeMap::new();
        let mut world = World { start: now, now, rng, server, server_up: true, nodes, agenda, next: 0 };
        for i in 0..NODES {
            // As the guide's programs: bootstrap, then advertise, at some moment.
            let at = world.rng.u64(0..20_000);
            world.later(at, Happening::Answer(i, Chore::Bootstrap, None));
            world.later(at + 1, Happening::Answer(i, Chore::Advertise, None));
            world.nodes[i].upkeep.begun(Chore::Bootstrap);
            world.nodes[i].upkeep.begun(Chore::Advertise);
        }
        world
    }

    fn in_trouble(&self) -> bool {
        self.now - self.start < TROUBLE
    }

    fn later(&mut self, ms: u64, what: Happening) {
        self.next += 1;
        self.agenda.insert((self.now + Duration::from_millis(ms), self.next), what);
    }

    fn run(&mut self) {
        while let Some((&key, _)) = self.agenda.first_key_value() {
            if key.0 - self.start > END {
                break;
            }
            let what = self.agenda.remove(&key).expect("just seen");
            self.now = key.0;
            self.server.on_timeout(self.now);
            if self.in_trouble() {
                self.server_up = self.rng.u8(..) > 60;
                self.trouble();
            } else {
                self.server_up = true;
            }
            match what {
                Happening::Look(i) => self.look(i),
                Happening::Answer(i, chore, answer) => self.answer(i, chore, answer),
                Happening::Arrive(from, to) => self.arrive(from, to),
                Happening::Break(a, b) => self.unlink(a, b),
            }
            self.check();
        }
    }

    /// Now and then a connection breaks, and seldom a node is gone without a word.
    fn trouble(&mut self) {
        let i = self.rng.usize(..NODES);
        if self.rng.u8(..) < 8
            && let Some((&other, _)) = self.nodes[i].links.iter().next()
        {
            self.later(1, Happening::Break(i, other));
        }
        if self.rng.u16(..) < 40 && self.nodes.iter().filter(|n| n.alive).count() > NODES - 3 {
            self.nodes[i].alive = false;
            for other in 0..NODES {
                self.unlink(i, other);
            }
        }
    }

    fn look(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        if !node.alive {
            return;
        }
        let load = node.load();
        if let Some(chore) = node.upkeep.due(self.now, &load) {
            node.upkeep.begun(chore);
            let answer = self.ask(i, chore);
            let ms = self.rng.u64(1..200);
            self.later(ms, Happening::Answer(i, chore, answer));
        } else if let Some(at) = node.upkeep.deadline(&load) {
            let ms = at.saturating_duration_since(self.now).as_millis() as u64 + 1;
            self.later(ms, Happening::Look(i));
        }
    }

    /// The whole exchange with the server, over the real state machines and the real lines.
    fn ask(&mut self, i: usize, chore: Chore) -> Option<Answer> {
        // What is lost is the way there, or the way back: then the server has done it all the same.
        let lost = |world: &mut World| world.in_trouble() && world.rng.u8(..) < 25;
        if !self.server_up || lost(self) {
            return None;
        }
        let answer_lost = lost(self);
        let node = &self.nodes[i];
        let ask = match chore {
            Chore::Bootstrap => Ask::Nodes { want: node.load.max_outbound * 2 },
            Chore::Advertise => Ask::List { port: node.at.port(), max_inbound: node.load.max_inbound },
            Chore::Clear => Ask::Unlist,
        };
        let exchange = Exchange::new(ask);
        let from = SocketAddr::new(node.at.ip(), self.rng.u16(50_000..60_000));
        let conn = self.server.open(self.now, from).ok()?;
        for text in line::split(exchange.opening(from.port()).as_bytes()) {
            self.server.line(self.now, 1.7e9, conn, text);
        }
        let mut answer = None;
        while let Some(output) = self.server.poll_output() {
            if let Output::Send { conn: to, reply } = output
                && to == conn
            {
                answer = answer.or_else(|| exchange.input(&reply.to_string()));
            }
        }
        self.server.closed(self.now, conn);
        answer.filter(|_| !answer_lost)
    }

    fn answer(&mut self, i: usize, chore: Chore, answer: Option<Answer>) {
        if !self.nodes[i].alive {
            return;
        }
        self.nodes[i].upkeep.ended(chore, answer.is_some(), self.now);
        if let Some(Answer::Nodes(named)) = answer {
            for to in named {
                self.dial(i, to);
            }
        }
        self.later(1, Happening::Look(i));
    }

    fn dial(&mut self, i: usize, to: SocketAddr) {
        let node = &self.nodes[i];
        let taken = node.dialling.len() + node.load().outbound;
        let busy: Vec<IpAddr> =
            node.links.keys().chain(&node.dialling).map(|k| self.nodes[*k].at.ip()).collect();
        if taken >= node.load.max_outbound || node.own.may_dial(to, busy.into_iter()).is_err() {
            return;
        }
        if let Some(j) = self.nodes.iter().position(|n| n.at == to) {
            self.nodes[i].dialling.insert(j);
            let ms = self.rng.u64(1..300);
            self.later(ms, Happening::Arrive(i, j));
        }
    }

    fn arrive(&mut self, from: usize, to: usize) {
        self.nodes[from].dialling.remove(&to);
        let target = &self.nodes[to];
        let there: Vec<IpAddr> = target.links.keys().map(|k| self.nodes[*k].at.ip()).collect();
        let admitted = target.alive
            && self.nodes[from].alive
            && target.load().inbound < target.load.max_inbound
            && target.own.may_stay(self.nodes[from].at, there.into_iter()).is_ok();
        if admitted {
            self.nodes[from].links.insert(to, false);
            self.nodes[to].links.insert(from, true);
            self.nodes[from].upkeep.connected();
            self.nodes[to].upkeep.connected();
        }
        for i in [from, to] {
            self.later(1, Happening::Look(i));
        }
    }

    fn unlink(&mut self, a: usize, b: usize) {
        let (one, other) = (self.nodes[a].links.remove(&b), self.nodes[b].links.remove(&a));
        assert_eq!(one.is_some(), other.is_some(), "a connection has two ends");
        if one.is_some() {
            self.later(1, Happening::Look(a));
            self.later(1, Happening::Look(b));
        }
    }

    /// What holds at every moment.
    fn check(&self) {
        for (i, node) in self.nodes.iter().enumerate() {
            let load = node.load();
            assert!(!node.links.contains_key(&i), "connected to itself");
            assert!(load.inbound <= load.max_inbound && load.outbound <= load.max_outbound, "over a limit");
            for (other, they_opened) in &node.links {
                assert_eq!(
                    self.nodes[*other].links.get(&i),
                    Some(&!they_opened),
                    "two views of one connection"
                );
            }
        }
        assert!(self.server.passive_nodes().0 <= NODES);
    }

    /// What holds once the world has been kind for a while.
    fn check_end(&mut self) {
        for i in 0..NODES {
            let node = &self.nodes[i];
            if !node.alive {
                continue;
            }
            assert!(!node.links.is_empty(), "node {i} is alone");
            let listed = match self.ask_who_is_listed() {
                Answer::Nodes(named) => named.contains(&self.nodes[i].at),
                Answer::Done => unreachable!("nodes were asked for"),
            };
            let load = self.nodes[i].load();
            assert_eq!(
                listed,
                load.inbound < load.max_inbound,
                "node {i} is listed if and only if it has room"
            );
        }
    }

    fn ask_who_is_listed(&mut self) -> Answer {
        let exchange = Exchange::new(Ask::Nodes { want: 100 });
        let conn = self.server.open(self.now, "203.0.113.9:9".parse().expect("an address")).expect("a place");
        self.now += Duration::from_secs(1);
        for text in line::split(exchange.opening(9).as_bytes()) {
            self.server.line(self.now, 1.7e9, conn, text);
        }
        let mut answer = None;
        while let Some(output) = self.server.poll_output() {
            if let Output::Send { reply, .. } = output {
                answer = answer.or_else(|| exchange.input(&reply.to_string()));
            }
        }
        self.server.closed(self.now, conn);
        answer.expect("an answer")
    }
}

#[test]
fn every_seed_ends_with_everybody_connected_and_the_list_true() {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let seeds = number("SIM_SEED").map_or(0..number("SIM_SEEDS").unwrap_or(400), |seed| seed..seed + 1);
    for seed in seeds {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            world.run();
            world.check_end();
        });
        assert!(run.is_ok(), "SIM_SEED={seed} fails");
    }
}
