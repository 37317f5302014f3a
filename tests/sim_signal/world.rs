//! Servers and nodes, the connections between them, and what goes wrong.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use p2pnet::proto::identity::{PublicKey, Signature};
use p2pnet::proto::rdv_server::{ConnId, Limits, Output as ServerOutput, Rendezvous};
use p2pnet::proto::signal::{Happening, LinkId, Outcome, Output, Settings, Signalling};

use crate::{NODES, SERVERS};

/// Not a signature anybody could trust, but one that is wrong for any other key or text.
fn fake_sign(id: &PublicKey, text: &[u8]) -> Signature {
    let mut sums = [0u64; 8];
    for (i, byte) in id.as_bytes().iter().chain(text).enumerate() {
        sums[i % 8] = sums[i % 8].wrapping_mul(0x100_0000_01b3).wrapping_add(u64::from(*byte) + 1 + i as u64);
    }
    let mut signature = [0; 64];
    for (out, sum) in signature.chunks_exact_mut(8).zip(sums) {
        out.copy_from_slice(&sum.to_be_bytes());
    }
    signature
}

fn fake_verify(id: &PublicKey, text: &[u8], signature: &Signature) -> bool {
    fake_sign(id, text) == *signature
}

pub struct Node {
    pub machine: Signalling,
    network: &'static str,
    /// What its locator would name: kept although it may be old by the time it is used.
    locator: Vec<String>,
}

struct Wire {
    node: usize,
    link: LinkId,
    server: usize,
    /// To its second port.
    second: bool,
    conn: Option<ConnId>,
    ms: u64,
    /// Neither end is told anything any more.
    dead: bool,
    /// What was sent arrives in its order: not before these.
    last: [Instant; 2],
}

enum Event {
    Dial { wire: usize },
    Dialled { wire: usize },
    Refused { node: usize, link: LinkId },
    ToServer { wire: usize, line: String },
    ToNode { wire: usize, line: String },
    ServerHearsEnd { wire: usize },
    NodeHearsEnd { wire: usize },
    Talk,
    Trouble,
}

#[derive(Default)]
pub struct Sent {
    pub from: usize,
    pub to: usize,
    pub received: usize,
    pub outcome: Option<Outcome>,
}

pub struct World {
    now: Instant,
    start: Instant,
    rng: fastrand::Rng,
    pub servers: Vec<(Rendezvous, bool)>,
    pub nodes: Vec<Node>,
    wires: Vec<Wire>,
    agenda: BTreeMap<(Instant, u64), Event>,
    next: u64,
    pub sent: BTreeMap<u64, Sent>,
    pub calm: bool,
}

fn address(server: usize) -> SocketAddr {
    (Ipv4Addr::new(203, 0, 113, server as u8 + 1), 8000).into()
}

fn id(node: usize) -> PublicKey {
    PublicKey([node as u8 + 1; 32])
}

fn new_server(seed: u64) -> Rendezvous {
    let mut server = Rendezvous::new(Limits::default(), seed);
    let mut secret = [0; 32];
    secret[..8].copy_from_slice(&seed.to_be_bytes());
    server.set_signal(fake_verify, secret);
    server
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let servers = (0..SERVERS).map(|_| (new_server(rng.u64(..)), true)).collect();
        let mut nodes = Vec::new();
        for n in 0..NODES {
            // Some know a server by its name, some by its address or its second port, and a few by two of them.
            let mut names: Vec<String> = (0..SERVERS)
                .flat_map(|s| {
                    let (name, address) = (format!("Server{s}.example:8000"), address(s).to_string());
                    let second = format!("server{s}.example:8001");
                    match rng.u8(..8) {
                        0 => vec![name, address],
                        1 => vec![name, second],
                        2 => vec![second],
                        3 | 4 => vec![address],
                        _ => vec![name],
                    }
                })
                .collect();
            rng.shuffle(&mut names);
            let network = if n == NODES - 1 { "other" } else { "net" };
            let settings = Settings::new(id(n), network.parse().unwrap(), names);
            let sign = Box::new(move |text: &[u8]| fake_sign(&id(n), text));
            let machine = Signalling::new(now, settings, sign, rng.u64(..));
            nodes.push(Node { machine, network, locator: Vec::new() });
        }
        let (wires, agenda, sent) = Default::default();
        let mut world =
            World { now, start: now, rng, servers, nodes, wires, agenda, next: 0, sent, calm: false };
        world.later(500, Event::Talk);
        world.later(3000, Event::Trouble);
        (0..NODES).for_each(|n| world.settle_node(n));
        world
    }

    fn later(&mut self, ms: u64, event: Event) {
        self.at(self.now + Duration::from_millis(ms), event);
    }

    fn at(&mut self, at: Instant, event: Event) {
        self.next += 1;
        self.agenda.insert((at, self.next), event);
    }

    /// Queues what travels on a wire, in order. `way` 0 is to the server, 1 to the node.
    fn travel(&mut self, wire: usize, way: usize, event: Event) {
        let slack = self.rng.u64(0..self.wires[wire].ms / 4 + 1);
        let w = &mut self.wires[wire];
        let at = (self.now + Duration::from_millis(w.ms + slack)).max(w.last[way]);
        w.last[way] = at;
        self.at(at, event);
    }

    pub fn run(&mut self, until: Duration) {
        let end = self.start + until;
        loop {
            let timers = self.nodes.iter().map(|n| n.machine.poll_timeout());
            let timers = timers.chain(self.servers.iter().map(|s| s.0.poll_timeout())).flatten();
            let next = self.agenda.keys().next().map(|(at, _)| *at).into_iter().chain(timers).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            for n in 0..NODES {
                if self.nodes[n].machine.poll_timeout().is_some_and(|at| at <= self.now) {
                    self.nodes[n].machine.on_timeout(self.now);
                    self.settle_node(n);
                    let again = self.nodes[n].machine.poll_timeout();
                    assert!(again.is_none_or(|at| at > self.now), "node {n} has something left to do");
                }
            }
            for s in 0..SERVERS {
                self.servers[s].0.on_timeout(self.now);
                self.settle_server(s);
            }
            if let Some(entry) = self.agenda.first_entry()
                && entry.key().0 <= self.now
            {
                let event = entry.remove();
                self.happen(event);
            }
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Dial { wire } => {
                let (server, node) = (self.wires[wire].server, self.wires[wire].node);
                if !self.servers[server].1 {
                    let link = self.wires[wire].link;
                    self.later(self.wires[wire].ms, Event::Refused { node, link });
                    return;
                }
                // Two nodes share an address.
                let ip = Ipv4Addr::new(198, 51, 100, (node / 2) as u8 + 1);
                let peer = (ip, 40_000 + wire as u16 % 20_000).into();
                let conn = self.servers[server].0.open_at(self.now, peer, Some(address(server)));
                self.wires[wire].conn = Some(conn.expect("there is room"));
                self.travel(wire, 1, Event::Dialled { wire });
            }
            Event::Dialled { wire } if !self.wires[wire].dead => {
                let Wire { node, link, server, second, .. } = self.wires[wire];
                let at = SocketAddr::new(address(server).ip(), if second { 8001 } else { 8000 });
                self.nodes[node].machine.dialled(self.now, link, Ok(at));
                self.settle_node(node);
            }
            Event::Refused { node, link } => {
                self.nodes[node].machine.dialled(self.now, link, Err("connection refused".into()));
                self.settle_node(node);
            }
            Event::ToServer { wire, line } if !self.wires[wire].dead => {
                let Wire { server, conn, .. } = self.wires[wire];
                self.servers[server].0.line(self.now, 1.7e9, conn.unwrap(), line.as_bytes());
                self.settle_server(server);
                self.maybe_break(wire);
            }
            Event::ToNode { wire, line } if !self.wires[wire].dead => {
                let Wire { node, link, .. } = self.wires[wire];
                self.nodes[node].machine.line(self.now, link, line.as_bytes());
                self.settle_node(node);
                self.maybe_break(wire);
            }
            Event::ServerHearsEnd { wire } => {
                let Wire { server, conn, .. } = self.wires[wire];
                if let Some(conn) = conn {
                    self.servers[server].0.closed(self.now, conn);
                    self.settle_server(server);
                }
            }
            Event::NodeHearsEnd { wire } => {
                let Wire { node, link, .. } = self.wires[wire];
                self.nodes[node].machine.closed(self.now, link, "connection reset");
                self.settle_node(node);
            }
            Event::Talk => {
                self.talk();
                if !self.calm {
                    let ms = self.rng.u64(50..2000);
                    self.later(ms, Event::Talk);
                }
            }
            Event::Trouble if !self.calm => {
                self.trouble();
                let ms = self.rng.u64(1000..20_000);
                self.later(ms, Event::Trouble);
            }
            _ => {}
        }
    }

    fn maybe_break(&mut self, wire: usize) {
        if !self.calm && self.rng.u8(..) < 3 {
            self.cut(wire);
        }
    }

    /// The connection breaks: what is under way is lost. Each end learns of it some time, or never.
    fn cut(&mut self, wire: usize) {
        self.wires[wire].dead = true;
        if self.rng.u8(..4) > 0 {
            let ms = self.rng.u64(0..3000);
            self.later(ms, Event::NodeHearsEnd { wire });
        }
        if self.rng.u8(..4) > 0 {
            let ms = self.rng.u64(0..3000);
            self.later(ms, Event::ServerHearsEnd { wire });
        }
    }

    fn trouble(&mut self) {
        match self.rng.u8(..4) {
            0 => {
                let server = self.rng.usize(..SERVERS);
                // Down, or up again as another one that knows of nobody.
                let (_, up) = self.servers[server];
                self.servers[server] = (new_server(self.rng.u64(..)), !up);
                for wire in 0..self.wires.len() {
                    if self.wires[wire].server == server && !self.wires[wire].dead {
                        self.wires[wire].dead = true;
                        let ms = self.rng.u64(0..100);
                        self.later(ms, Event::NodeHearsEnd { wire });
                    }
                }
            }
            1 => {
                let n = self.rng.usize(..NODES);
                // Its connections are dead, and no server knows.
                self.wires.iter_mut().filter(|w| w.node == n).for_each(|w| w.dead = true);
                self.nodes[n].machine.network_changed(self.now);
                self.settle_node(n);
            }
            2 => (0..NODES).for_each(|n| {
                self.nodes[n].machine.measure(self.now);
                self.settle_node(n);
            }),
            _ => {}
        }
    }

    fn talk(&mut self) {
        let (from, to) = (self.rng.usize(..NODES), self.rng.usize(..NODES));
        self.tell(from, to);
    }

    pub fn tell(&mut self, from: usize, to: usize) -> u64 {
        self.next += 1;
        let tag = self.next;
        let via = self.nodes[to].locator.clone();
        let taken = self.nodes[from].machine.tell(self.now, tag, id(to), &via, tag.to_string().as_bytes());
        if taken.is_ok() {
            self.sent.insert(tag, Sent { from, to, ..Sent::default() });
        }
        self.settle_node(from);
        tag
    }

    fn settle_node(&mut self, n: usize) {
        while let Some(output) = self.nodes[n].machine.poll_output() {
            match output {
                Output::Dial { link, server, .. } => {
                    let number = (0..SERVERS).find(|s| {
                        server == address(*s).to_string()
                            || server.starts_with(&format!("server{s}.example:"))
                    });
                    let second = server.ends_with(":8001");
                    let (ms, last) = (self.rng.u64(1..150), [self.now; 2]);
                    let wire = self.wires.len();
                    let server = number.expect("a server's name");
                    self.wires.push(Wire {
                        node: n,
                        link,
                        server,
                        second,
                        conn: None,
                        ms,
                        dead: false,
                        last,
                    });
                    self.later(ms, Event::Dial { wire });
                }
                Output::Write { link, text } => {
                    if let Some(wire) = self.wire(n, link) {
                        for line in text.split_terminator("\r\n") {
                            self.travel(wire, 0, Event::ToServer { wire, line: line.to_owned() });
                        }
                    }
                }
                Output::HangUp { link } => {
                    if let Some(wire) = self.wire(n, link)
                        && !self.wires[wire].dead
                    {
                        self.travel(wire, 0, Event::ServerHearsEnd { wire });
                    }
                }
                Output::Happening(what) => self.told(n, what),
            }
        }
        let homes: Vec<String> = self.nodes[n].machine.homes().map(str::to_owned).collect();
        assert!(homes.len() <= 2);
        if !homes.is_empty() {
            self.nodes[n].locator = homes;
        }
    }

    fn told(&mut self, n: usize, what: Happening) {
        if std::env::var("SIM_TRACE").is_ok_and(|t| t.parse() == Ok(n)) {
            eprintln!("{:>9.3} node {n}: {what:?}", (self.now - self.start).as_secs_f64());
        }
        match what {
            Happening::Message { from, message, .. } => {
                let tag: u64 = String::from_utf8(message).unwrap().parse().unwrap();
                let sent = self.sent.get_mut(&tag).expect("nobody makes up a message");
                assert_eq!((sent.to, id(sent.from)), (n, from), "to whom it was sent, from whom it came");
                assert_eq!(self.nodes[sent.from].network, self.nodes[n].network);
                sent.received += 1;
                assert_eq!(sent.received, 1, "delivered once");
            }
            Happening::Done { tag, outcome } => {
                let sent = self.sent.get_mut(&tag).expect("a message");
                assert_eq!(sent.from, n);
                if let Outcome::Heard { .. } = outcome {
                    assert_eq!(sent.received, 1, "what was heard has arrived");
                }
                assert_eq!(sent.outcome.replace(outcome), None, "reported once");
            }
            _ => {}
        }
    }

    fn settle_server(&mut self, s: usize) {
        while let Some(output) = self.servers[s].0.poll_output() {
            let find = |world: &World, conn| {
                world.wires.iter().rposition(|w| w.server == s && w.conn == Some(conn) && !w.dead)
            };
            match output {
                ServerOutput::Send { conn, reply } => {
                    if let Some(wire) = find(self, conn) {
                        self.travel(wire, 1, Event::ToNode { wire, line: reply.to_string() });
                    }
                }
                ServerOutput::Close { conn, .. } => {
                    if let Some(wire) = find(self, conn) {
                        self.travel(wire, 1, Event::NodeHearsEnd { wire });
                    }
                }
                // No node of this world asks for a relay.
                ServerOutput::Relay { .. } | ServerOutput::Log(_) => {}
            }
        }
    }

    fn wire(&self, n: usize, link: LinkId) -> Option<usize> {
        self.wires.iter().rposition(|w| w.node == n && w.link == link)
    }

    pub fn outcomes(&self, tags: &[u64]) -> Vec<&Outcome> {
        tags.iter().map(|tag| self.sent[tag].outcome.as_ref().expect("reported")).collect()
    }
}
