//! Nodes in a network, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use p2pnet::proto::connect::{Connector, Input, Own, Seals, Settings};
use p2pnet::proto::handshake::Myself;
use p2pnet::proto::identity::{Identity, PublicKey};
use p2pnet::proto::signal::Outcome;
use p2pnet::proto::unl::{Candidate, CandidateKind, Host, Nat, NodeType, Record, Server, UnlV3};

use crate::net::{Net, Next};
use crate::node::{Data, Event, Name, Network, Node, Request};
use crate::plan::{Action, Plan, Stale, Volunteer};
use crate::relay::Relay;
use crate::tcp::Notice;

/// A host that is no node. It takes connections and says nothing, or what others have said.
const STRANGER: [u8; 4] = [203, 0, 113, 98];
/// Where all nodes listen.
pub const PORT: u16 = 50_500;

pub struct World {
    pub net: Network,
    pub plan: Plan,
    pub nodes: Vec<Node>,
    show: bool,
    /// Greetings, by whom they were for.
    pub said: BTreeMap<PublicKey, Data>,
    /// What the stranger is to say on a connection.
    pub stranger: BTreeMap<u64, Data>,
    pub relay: Relay,
}

impl World {
    pub fn new(plan: Plan, seed: u64) -> World {
        let mut net: Network = Net::new(&[], plan.way, seed);
        for site in &plan.sites {
            let at = net.add_site(&site.nats);
            net.sites[at].hairpin = site.hairpin;
            net.sites[at].firewall = site.firewall;
        }
        for (i, host) in plan.hosts.iter().enumerate() {
            let (n, site) = (i as u8 + 1, host.site as u8);
            let ip = match plan.sites[host.site].nats.is_empty() {
                true => [198, 51, 100, site + 1],
                // The n-th host of each local network has the same address.
                false => {
                    let nth = plan.hosts.iter().take(i).filter(|other| other.site == host.site).count();
                    [192, 168, plan.sites[host.site].lan, nth as u8 + 5]
                }
            };
            let ip6 = Ipv6Addr::new(0x2001, 0xdb8, 0, u16::from(site) + 1, 0, 0, 0, n.into());
            let at = net.add_host(host.site, ip.into(), host.v6.then_some(ip6.into()));
            net.homes[at].host.listeners.insert(PORT);
            if host.mapped {
                let (nats, inside) = (&mut net.sites[host.site].nats, SocketAddr::new(ip.into(), PORT));
                for nat in nats {
                    nat.forwards.insert(PORT + u16::from(n), inside);
                }
            }
        }
        let site = net.add_site(&[]);
        let at = net.add_host(site, STRANGER.into(), None);
        net.homes[at].host.listeners.insert(PORT);
        let mut secrets: Vec<[u8; 32]> = plan.hosts.iter().map(|_| random(&mut net.rng)).collect();
        if let Some(first) = plan.first_chooses {
            let smaller = |a: &[u8; 32], b: &[u8; 32]| {
                Identity::from_secret(a).public() < Identity::from_secret(b).public()
            };
            if smaller(&secrets[0], &secrets[1]) != first {
                secrets.swap(0, 1);
            }
        }
        let mut world = World {
            net,
            plan,
            nodes: Vec::new(),
            show: std::env::var_os("SIM_TRACE").is_some(),
            said: BTreeMap::new(),
            stranger: BTreeMap::new(),
            relay: Relay::default(),
        };
        for (i, secret) in secrets.iter().enumerate() {
            let node = world.node(i, Identity::from_secret(secret));
            world.nodes.push(node);
        }
        for (after, action) in world.plan.actions.clone() {
            world.net.later(after, Event::Action(action));
        }
        world
    }

    fn node(&mut self, i: usize, identity: Identity) -> Node {
        let locator = self.locator(i, &identity, Vec::new());
        let key = identity.public();
        // A connection is its link in here; tests/sim_session has sessions.
        let settings =
            Settings { punch: self.plan.options.clone(), sessions: false, ..Settings::new(key, None) };
        let own = self.own(i, &locator);
        let servers = own.servers.iter().cloned().collect();
        let seals = Seals::new(self.net.now, Myself::new(&identity), random(&mut self.net.rng));
        let connector = Connector::new(settings, own, seals, random(&mut self.net.rng));
        Node {
            key,
            identity,
            connector,
            locator,
            listen: PORT,
            servers,
            budget: Default::default(),
            punches: BTreeMap::new(),
            links: BTreeMap::new(),
            opened: BTreeMap::new(),
            requests: BTreeMap::new(),
            wake: None,
            winners: BTreeMap::new(),
            dials: Vec::new(),
            told: 0,
            named: BTreeSet::new(),
        }
    }

    /// The locator names other nodes that relay than before, if other ones are known.
    pub fn renew_volunteers(&mut self, i: usize) {
        let Some(named) = self.nodes[i].connector.take_volunteers() else { return };
        self.nodes[i].named.extend(named.iter().map(ToString::to_string));
        let locator = self.locator(i, &self.nodes[i].identity, named);
        let own = self.own(i, &locator);
        self.trace(i, "   own", &locator.record().relays);
        self.nodes[i].locator = locator;
        self.nodes[i].connector.set_own(self.net.now, own);
    }

    /// Where a node says that it relays.
    pub fn relays_at(&self, i: usize) -> Option<SocketAddr> {
        let ip = match self.plan.hosts[i].volunteer {
            Volunteer::No => return None,
            Volunteer::Stranger => STRANGER.into(),
            Volunteer::At(other) => self.net.outside(other),
            _ => self.net.outside(i),
        };
        Some(SocketAddr::new(ip, PORT))
    }

    fn locator(&self, i: usize, identity: &Identity, others: Vec<Server>) -> UnlV3 {
        let (host, plan) = (&self.net.homes[i].host, &self.plan.hosts[i]);
        let side = self.net.side(i);
        let mut candidates = Vec::new();
        let behind = !self.plan.sites[plan.site].nats.is_empty();
        if !plan.v6_only {
            candidates.push(Candidate::new(CandidateKind::Lan, host.ip, PORT));
            if plan.mapped {
                let port = PORT + i as u16 + 1;
                candidates.push(Candidate::new(CandidateKind::Mapped, self.net.outside(i), port));
            }
            candidates.push(Candidate::new(CandidateKind::Wan, self.net.outside(i), PORT));
        }
        candidates.extend(host.ip6.map(|ip| Candidate::new(CandidateKind::Wan, ip, PORT)));
        let stale = match plan.stale {
            Stale::None => None,
            Stale::Nothing => Some([203, 0, 113, 99]),
            Stale::Mute => Some(STRANGER),
        };
        if let Some(ip) = stale {
            candidates.insert(0, Candidate::new(CandidateKind::Mapped, IpAddr::from(ip), PORT));
        }
        let node_type = if plan.mapped || !behind { NodeType::Passive } else { NodeType::Simultaneous };
        let nat = Nat { mapping: side.mapping, allocation: side.allocation, ..Nat::default() };
        let servers = if plan.no_signalling { Vec::new() } else { vec![server(i)] };
        let servers = servers.iter().map(|text| text.parse().unwrap()).collect();
        let node_type = Some(node_type);
        let own = self.relays_at(i).map(|at| Server { host: Host::Ip(at.ip()), port: at.port() });
        let relays = own.into_iter().chain(others).collect();
        let record = Record { candidates, node_type, nat, servers, relays, ..Record::default() };
        UnlV3::sign(record, identity).unwrap()
    }

    fn own(&self, i: usize, locator: &UnlV3) -> Own {
        let (host, plan) = (&self.net.homes[i].host, &self.plan.hosts[i]);
        let outside6 = host.ip6.and_then(|ip| match ip {
            IpAddr::V6(ip) => Some(ip),
            IpAddr::V4(_) => None,
        });
        Own {
            locator: Some(locator.clone()),
            node_type: locator.record().node_type,
            side: if plan.v6_only { Default::default() } else { self.net.side(i) },
            outside6,
            hairpin: (!plan.unsure).then_some(self.plan.sites[plan.site].hairpin),
            addresses: std::iter::once(host.ip).filter(|_| !plan.v6_only).chain(host.ip6).collect(),
            listen: vec![SocketAddr::new([0, 0, 0, 0].into(), PORT), SocketAddr::new([0; 16].into(), PORT)],
            servers: if plan.no_signalling { Vec::new() } else { vec![server(i)] },
            // Where it visits it is told, too.
            relays: (0..self.plan.hosts.len()).filter(|_| self.plan.relay).map(server).collect(),
            ..Own::default()
        }
    }

    /// Runs until nothing happens any more, or long enough.
    pub fn run(&mut self) {
        while let Some(next) = self.net.next() {
            match next {
                Next::Notice(i, notice) if i < self.nodes.len() => self.notice(i, notice),
                Next::Notice(i, notice) => self.tell_stranger(i, notice),
                Next::Event(event) => self.happen(event),
            }
        }
    }

    /// `SIM_TRACE=1` shows what goes in and out.
    pub fn trace(&self, i: usize, way: &str, what: &impl std::fmt::Debug) {
        if self.show {
            let text: String = format!("{what:?}").chars().take(220).collect();
            println!("{:>9.3} {i} {way} {text}", (self.net.now - self.net.start).as_secs_f64() * 1000.0);
        }
    }

    pub fn input(&mut self, i: usize, input: Input) {
        if i < self.nodes.len() && self.net.homes[i].alive {
            self.trace(i, "-->", &input);
            self.nodes[i].connector.handle(self.net.now, input);
            self.carry_out(i);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(i) => {
                if self.nodes[i].wake.is_some_and(|at| at <= self.net.now) {
                    self.nodes[i].wake = None;
                    self.input(i, Input::Wake);
                }
            }
            Event::Message { to, from, server, bytes } => {
                self.input(to, Input::Message { server, from, bytes });
            }
            Event::Told(i, tag, server) => self.input(i, Input::Told { tag, server }),
            Event::Outcome(i, tag, outcome) => self.input(i, Input::Outcome { tag, outcome }),
            Event::NoGreeting(i, conn) => self.no_greeting(i, conn),
            Event::Action(action) => self.act(action),
            event @ (Event::AtRelay(..)
            | Event::RelayGo(_)
            | Event::RelayLate(_)
            | Event::RelayData(..)
            | Event::RelayEnd(..)) => self.relay_event(event),
            event => self.punch_event(event),
        }
    }

    fn act(&mut self, action: Action) {
        let now = self.net.now;
        self.trace(9, "***", &action);
        match action {
            Action::Connect(i, to) if self.net.homes[i].alive => {
                let request = self.nodes[i].requests.len() as u64 + 1;
                self.nodes[i].requests.insert(request, Request { to, at: now, done: None });
                let unl = self.nodes[to].locator.clone();
                self.nodes[i].connector.connect(now, request, &unl, None);
                self.carry_out(i);
            }
            Action::Cancel(i, request) => {
                self.nodes[i].connector.cancel(now, request);
                self.carry_out(i);
            }
            Action::Kill(i) => {
                self.net.kill(i);
                self.relay.forget(i);
                self.nodes[i].punches.clear();
            }
            Action::Stop(i) => self.stop_relaying(i),
            Action::Close(i) => {
                let open = self.nodes[i].opened.iter().filter(|(_, open)| open.closed.is_none());
                for conn in open.map(|(conn, _)| *conn).collect::<Vec<_>>() {
                    self.hang_up(i, conn);
                    self.ended(i, conn, "closed by the program");
                }
                self.net.flush(i);
            }
            Action::Restart(i) if self.net.homes[i].alive => {
                self.net.kill(i);
                self.relay.forget(i);
                self.net.homes[i].alive = true;
                self.net.homes[i].host.listeners.insert(PORT);
                let identity = Identity::from_secret(self.nodes[i].identity.secret());
                let mut fresh = self.node(i, identity);
                // What is still under way for the old one must not find its names here.
                for _ in 0..100_000 {
                    fresh.connector.next_conn();
                }
                self.nodes[i] = fresh;
            }
            Action::Replay(i) => self.replay(i),
            _ => {}
        }
    }

    fn replay(&mut self, i: usize) {
        let Some(greeting) = self.said.get(&self.nodes[i].key).cloned() else { return };
        let (stranger, to) = (self.nodes.len(), self.net.outside(i));
        let number = self.stranger.len() as u64 + 1;
        self.stranger.insert(number, greeting);
        let key = (1000 + number as u16, SocketAddr::new(to, PORT));
        self.net.homes[stranger].host.connect(Name::Conn(number), key);
        self.net.flush(stranger);
    }

    fn tell_stranger(&mut self, i: usize, notice: Notice<Name, Data>) {
        match notice {
            Notice::Accepted(key) => {
                self.net.homes[i].host.take(key, Name::Conn(1 << 32 | u64::from(key.1.port())))
            }
            Notice::Connected(Name::Conn(number)) => {
                let greeting = self.stranger[&number].clone();
                self.net.homes[i].host.send(Name::Conn(number), greeting);
            }
            _ => {}
        }
        self.net.flush(i);
    }

    /// A server: the receiver is there, or not.
    pub fn tell(&mut self, i: usize, tag: u64, to: usize, via: &[String], bytes: Vec<u8>) {
        assert!(bytes.len() <= 1800, "longer than any server takes");
        self.nodes[i].told += 1;
        let way = self.plan.way.delay;
        let mut one_way = || {
            let more = way * self.net.rng.u32(0..=self.plan.signal_jitter) / 1000;
            way / 2 + more + Duration::from_micros(500)
        };
        let (there, on, back) = (one_way(), one_way(), one_way());
        let via: BTreeSet<String> =
            if via.is_empty() { self.nodes[i].servers.clone() } else { via.iter().cloned().collect() };
        let here = self.nodes[to].servers.intersection(&via).next().cloned();
        // Who has no server of its own is a guest at the other's, and can be answered there.
        let here =
            here.or_else(|| via.iter().next().filter(|name| self.nodes[i].servers.contains(*name)).cloned());
        let Some(server) = here.filter(|_| self.net.homes[to].alive) else {
            return self.net.later(there * 2, Event::Outcome(i, tag, Outcome::Absent));
        };
        let from = self.nodes[i].key;
        let lost = self.net.unlucky(self.plan.signal_loss);
        let unheard = self.net.unlucky(self.plan.signal_loss);
        if lost {
            return self.net.later(Duration::from_millis(800), Event::Outcome(i, tag, Outcome::Lost));
        }
        self.net.later(there * 2, Event::Told(i, tag, server.clone()));
        self.net.later(there + on, Event::Message { to, from, server: server.clone(), bytes });
        let outcome =
            if unheard { Outcome::Unheard } else { Outcome::Heard { server, rtt: there + on + back * 2 } };
        self.net.later(there + on + back * 2, Event::Outcome(i, tag, outcome));
    }
}

pub fn server(i: usize) -> String {
    format!("s{i}.example:8000")
}

fn random(rng: &mut fastrand::Rng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill(&mut bytes);
    bytes
}
