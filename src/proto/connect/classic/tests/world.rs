//! Two nodes in virtual time: dials that fail, messages that get lost or come twice, punches that go wrong, programs that
//! call from both sides and give up. In each world every request ends exactly once and in time, no connection is given to
//! two requests, and nothing is left over.

use std::collections::BTreeMap;

use super::*;
use crate::proto::unl::NodeType::{Active, Passive, Simultaneous};

#[derive(Clone, Debug)]
enum Event {
    /// A dial or punch of a node has an end: `Ok(peer's connection follows)`.
    Ended {
        node: usize,
        attempt: u64,
        good: bool,
    },
    Arrived {
        node: usize,
        link: Link,
    },
    Heard {
        node: usize,
        text: String,
    },
    Sent {
        node: usize,
        tag: u64,
        good: bool,
    },
    Call {
        node: usize,
        request: u64,
    },
    Cancel {
        node: usize,
        request: u64,
    },
}

struct Node {
    us: Us,
    machine: Classic,
    /// Attempts under way: nonce, and whether they punch.
    attempts: BTreeMap<u64, (Nonce, bool)>,
    /// How each request has ended, and with which connection.
    ends: BTreeMap<u64, Vec<Option<u64>>>,
    open: Vec<u64>,
}

struct World {
    now: Instant,
    start: Instant,
    rng: fastrand::Rng,
    nodes: [Node; 2],
    due: BTreeMap<(Instant, u64), Event>,
    next: u64,
    /// Percent of what goes wrong.
    unkind: u32,
    /// Our end and theirs of each connection.
    conns: Vec<(u64, u64)>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let types = [Passive, Active, Simultaneous];
        let same = rng.u8(..4) == 0;
        let mut node = |wan: &str, lan: &str| Node {
            us: Us {
                dht: rng.bool(),
                punches: rng.usize(1..4),
                no_punch: (rng.u8(..4) == 0).then_some("it cannot"),
                ..us(wan, lan, types[rng.usize(..3)])
            },
            machine: Classic::new(Limits::default()),
            attempts: BTreeMap::new(),
            ends: BTreeMap::new(),
            open: Vec::new(),
        };
        let a = node("8.8.8.8", "192.168.0.2");
        let b = node(if same { "8.8.8.8" } else { "9.9.9.9" }, "192.168.0.3");
        let (now, unkind) = (Instant::now(), *rng.choice(&[0, 10, 50, 100]).unwrap_or(&0));
        World {
            now,
            start: now,
            rng,
            nodes: [a, b],
            due: BTreeMap::new(),
            next: 0,
            unkind,
            conns: Vec::new(),
        }
    }

    fn luck(&mut self) -> bool {
        self.rng.u32(..100) >= self.unkind
    }

    fn later(&mut self, ms: std::ops::Range<u64>, event: Event) {
        let at = self.now + Duration::from_millis(self.rng.u64(ms));
        self.next += 1;
        self.due.insert((at, self.next), event);
    }

    fn run(&mut self) {
        for request in 1..=self.rng.u64(1..6) {
            let node = self.rng.usize(..2);
            self.later(0..20_000, Event::Call { node, request });
            if self.rng.u8(..5) == 0 {
                self.later(0..90_000, Event::Cancel { node, request });
            }
        }
        for _ in 0..10_000 {
            let wake = self.nodes.iter().filter_map(|n| n.machine.deadline()).min();
            let event = self.due.keys().next().map(|(at, _)| *at);
            let Some(at) = wake.into_iter().chain(event).min() else { return };
            self.now = self.now.max(at);
            if event == Some(at)
                && let Some((_, event)) = self.due.pop_first()
            {
                self.happen(event);
            }
            for node in 0..2 {
                let n = &mut self.nodes[node];
                n.machine.wake(self.now, &n.us);
                self.carry_out(node);
            }
        }
        panic!("it does not end");
    }

    fn happen(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Call { node, request } => {
                let text = text(&self.nodes[1 - node].us);
                let nonce = [None, None, Some(ZERO_NONCE), Some([b'7'; NONCE_LEN])][self.rng.usize(..4)];
                let options = Options { nonce, force_master: self.rng.bool(), hairpin: self.rng.bool() };
                let mut fresh = [0; 32];
                self.rng.fill(&mut fresh);
                let n = &mut self.nodes[node];
                n.ends.insert(request, Vec::new());
                n.machine.connect(now, &n.us, request, &text, options, fresh);
            }
            Event::Cancel { node, request } => {
                let n = &mut self.nodes[node];
                n.machine.cancel(now, &n.us, request, "enough");
            }
            Event::Heard { node, text } => {
                let n = &mut self.nodes[node];
                n.machine.message(now, &n.us, &text);
            }
            Event::Sent { node, tag, good } => {
                let n = &mut self.nodes[node];
                n.machine.sent(now, &n.us, tag, if good { Ok(()) } else { Err("lost") });
            }
            Event::Arrived { node, link } => self.opened(node, link),
            Event::Ended { node, attempt, good } => {
                let Some((nonce, punched)) = self.nodes[node].attempts.remove(&attempt) else { return };
                if !good {
                    let n = &mut self.nodes[node];
                    return n.machine.failed(now, &n.us, attempt, failure("no"));
                }
                let [here, there] = [self.next + 1, self.next + 2];
                self.next += 2;
                self.conns.push((here, there));
                let at = |n: &Node, port| std::net::SocketAddr::new(n.us.unl.wan_ip.into(), port);
                let (ours, theirs) = (at(&self.nodes[node], 4000), at(&self.nodes[1 - node], 50500));
                let inside = ours.ip() == theirs.ip();
                let ours = if inside { (self.nodes[node].us.unl.lan_ip, 4000).into() } else { ours };
                let arrived = Link { conn: there, attempt: None, from: ours, nonce, punched };
                self.later(0..100, Event::Arrived { node: 1 - node, link: arrived });
                self.opened(node, Link { conn: here, attempt: Some(attempt), from: theirs, nonce, punched });
            }
        }
    }

    fn opened(&mut self, node: usize, link: Link) {
        let n = &mut self.nodes[node];
        match n.machine.opened(self.now, &n.us, link) {
            Claim::Request { request, .. } => {
                n.open.push(link.conn);
                n.ends.get_mut(&request).expect("a request").push(Some(link.conn));
            }
            Claim::Nobody => n.open.push(link.conn),
            Claim::Unwanted(_) => {}
        }
    }

    fn carry_out(&mut self, node: usize) {
        while let Some(story) = self.nodes[node].machine.poll_story() {
            assert!(story.request != 0, "a stranger's request has no story");
        }
        while let Some(output) = self.nodes[node].machine.poll_output() {
            match output {
                Output::Dial { attempt, nonce, .. } => {
                    let good = self.luck();
                    self.nodes[node].attempts.insert(attempt, (nonce, false));
                    self.later(1..5000, Event::Ended { node, attempt, good });
                }
                Output::Fight { attempt, nonce, .. } => {
                    let good = self.luck();
                    self.nodes[node].attempts.insert(attempt, (nonce, true));
                    let punching = self.nodes[node].attempts.values().filter(|(_, punch)| *punch).count();
                    assert!(punching <= self.nodes[node].us.punches);
                    self.later(6000..8000, Event::Ended { node, attempt, good });
                }
                Output::Abandon { attempt } => {
                    self.nodes[node].attempts.remove(&attempt);
                }
                Output::Put { tag, to, text } => {
                    let good = self.luck();
                    self.later(1..500, Event::Sent { node, tag, good });
                    let to = self.nodes.iter().position(|n| n.us.unl.node_id == to);
                    let (Some(to), true) = (to, good && self.luck()) else { continue };
                    for _ in 0..=u32::from(!self.luck()) {
                        self.later(1..3000, Event::Heard { node: to, text: text.clone() });
                    }
                }
                Output::Close { conn, .. } => {
                    self.nodes[node].open.retain(|c| *c != conn);
                    self.nodes[node].machine.closed(conn);
                }
                Output::Done { request, outcome } => {
                    let ends = self.nodes[node].ends.get_mut(&request).expect("a request");
                    ends.push(outcome.ok());
                }
                Output::Note(_) => {}
            }
        }
    }
}

#[test]
fn whatever_happens() {
    let mut connected = [0; 2];
    for seed in 0..4000 {
        let mut world = World::new(seed);
        world.run();
        let mut given = Vec::new();
        for node in &world.nodes {
            assert!(node.machine.is_empty(), "seed {seed}: something is under way for ever");
            assert!(node.attempts.is_empty(), "seed {seed}: attempts that nobody waits for");
            for (request, ends) in &node.ends {
                assert_eq!(ends.len(), 1, "seed {seed}: request {request} has ended {ends:?}");
                given.extend(ends.iter().flatten().map(|conn| (conn, request)));
                connected[usize::from(ends[0].is_some())] += 1;
            }
        }
        let mut conns: Vec<_> = given.iter().map(|(conn, _)| **conn).collect();
        conns.sort_unstable();
        conns.dedup();
        assert_eq!(conns.len(), given.len(), "seed {seed}: one connection for two requests");
        let took = world.now - world.start;
        assert!(took < Duration::from_secs(20 + 6 * 61 + 61), "seed {seed}: {took:?}");
    }
    assert!(connected.iter().all(|n| *n > 1000), "{connected:?}");
}

/// In a kind world whoever can be reached by PyP2P's rules is.
#[test]
fn in_a_kind_world_everybody_gets_through() {
    for seed in 0..500 {
        let mut world = World::new(seed);
        world.unkind = 0;
        for node in &mut world.nodes {
            (node.us.dht, node.us.no_punch) = (true, None);
        }
        let reachable = {
            let [a, b] = &world.nodes;
            a.us.unl.node_type != Active || b.us.unl.node_type != Active
        };
        let text = text(&world.nodes[1].us);
        let n = &mut world.nodes[0];
        n.ends.insert(1, Vec::new());
        n.machine.connect(world.now, &n.us, 1, &text, Options::default(), [3; 32]);
        world.carry_out(0);
        for _ in 0..1000 {
            let Some(event) = world.due.pop_first() else { break };
            world.now = event.0.0;
            world.happen(event.1);
            (0..2).for_each(|node| world.carry_out(node));
        }
        let got = world.nodes[0].ends[&1].iter().flatten().count() == 1;
        let same = world.nodes[0].us.unl.wan_ip == world.nodes[1].us.unl.wan_ip;
        assert_eq!(got, reachable || same, "seed {seed}");
    }
}
