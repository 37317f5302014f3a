//! The node's situation: carries out what [`crate::proto::situation`] wants to know, and tells the program what came of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

use super::{Actor, Msg};
use crate::config::{Config, NodeType, ServerKind};
use crate::error::{Code, Error, Result};
use crate::event::{Kind, NetInfo};
use crate::node::log::log;
use crate::node::measure::{self, Knocked, News, Probed};
use crate::os;
use crate::portmap::{Happening, Order};
use crate::proto::clock_sync::NetClock;
use crate::proto::nat::NatType;
use crate::proto::nat::behaviour::Mapping;
use crate::proto::nat::scope::Scope;
use crate::proto::situation::{Action, Door, Granted, Knock, Means, Seen, Situation};
use crate::proto::upkeep::Chore;
use crate::queue::{Item, Notice};
use crate::report::node_type_name;

/// A router that speaks any of the protocols has said so by then.
const MAPPING: Duration = Duration::from_secs(2);

/// Changes of the network that come sooner after one another than this are looked at together.
const BETWEEN_CHANGES: Duration = Duration::from_secs(1);

/// What is known beyond the state machine, and what is under way.
pub(super) struct Standpoint {
    machine: Situation,
    /// Goes up when the network changes: answers about an earlier one are dropped.
    network: u32,
    /// Our address on the IPv6 internet.
    lan_ip6: Option<IpAddr>,
    /// The NAT as measured last.
    probed: Option<Probed>,
    granted: Option<Granted>,
    clock_offset_us: Option<i64>,
    /// When the last change was looked at, and when the next one is to be.
    changed: Option<Instant>,
    change_due: Option<Instant>,
    /// What asks about this network.
    tasks: Vec<AbortHandle>,
    /// The last question for each door; the answer to an earlier one is about something else by now.
    knocks: BTreeMap<Door, u64>,
    mapper: Option<Mapper>,
    /// Mappers that are taking down what they have opened.
    leaving: Vec<Mapper>,
    /// For what may hang in the system.
    places: measure::Places,
    /// Requests to be listed, waiting for the node to know whether it can be.
    advertise: Vec<u64>,
}

/// Where a mapper takes its orders; it has ended when that is closed.
#[derive(Clone)]
struct Mapper {
    number: u64,
    orders: UnboundedSender<Order>,
}

impl Standpoint {
    /// When [`Actor::situation_due`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.machine.deadline(), self.change_due].into_iter().flatten().min()
    }

    /// Gives up a request to be listed that is still waiting. Whether it was.
    pub(super) fn forget_advertise(&mut self, request: u64) -> bool {
        let before = self.advertise.len();
        self.advertise.retain(|r| *r != request);
        self.advertise.len() < before
    }
}

/// What a task of this part reports.
pub(crate) enum Found {
    Nat { network: u32, since: Instant, outcome: Result<Probed> },
    Port { mapper: u64, happening: Happening },
    Knock { number: u64, since: Instant, door: Door, port: u16, outcome: Result<Knocked> },
    Hairpin { network: u32, since: Instant, works: Option<bool> },
    Clock { since: Instant, outcome: Result<NetClock> },
    NetworkChanged,
}

impl Actor {
    pub(super) fn standpoint(shared: &crate::node::shared::Shared, bound: Option<IpAddr>) -> Standpoint {
        let port = shared.info.lock().passive_port;
        Standpoint {
            machine: Situation::begin(means(shared, bound), port, Instant::now()),
            network: 0,
            lan_ip6: own_v6(&shared.config, bound),
            probed: None,
            granted: None,
            clock_offset_us: None,
            changed: None,
            change_due: None,
            tasks: Vec::new(),
            knocks: BTreeMap::new(),
            mapper: None,
            leaving: Vec::new(),
            places: measure::Places::default(),
            advertise: Vec::new(),
        }
    }

    /// The first questions of the net's life.
    pub(super) fn begin_situation(&mut self) {
        *self.shared.info.lock() = self.info_now();
        self.ask_the_time();
        if self.shared.config.network_monitor {
            self.watch_network();
        }
        self.act();
    }

    /// The program says, or the system does, that the network is another one. However often they do: it is looked at
    /// at once, and then not again for a while.
    pub(super) fn network_changed(&mut self) {
        let now = Instant::now();
        // What is said from here on is another change.
        self.shared.change_waits.store(false, SeqCst);
        match self.at.changed.map(|last| last + BETWEEN_CHANGES).filter(|t| *t > now) {
            Some(later) => self.at.change_due = Some(later),
            None => self.look_again(now),
        }
    }

    fn look_again(&mut self, now: Instant) {
        (self.at.changed, self.at.change_due) = (Some(now), None);
        self.at.network += 1;
        for task in self.at.tasks.drain(..) {
            task.abort();
        }
        self.shared.step("network", Instant::now(), true, "the network has changed; looking again".into());
        log!(self.shared, Info, "the network has changed; looking again");
        self.order_dht(crate::dht::Order::NetworkChanged);
        let bound = self.reach.bound;
        let lan_ip = bound.or_else(os::iface::lan_ip);
        let lan_ip6 = own_v6(&self.shared.config, bound);
        let same = (self.own.lan_ip, self.at.lan_ip6) == (lan_ip, lan_ip6);
        (self.own.lan_ip, self.at.lan_ip6) = (lan_ip, lan_ip6);
        self.at.machine.renew(means(&self.shared, bound), same, now);
        if self.at.clock_offset_us.is_none() {
            self.ask_the_time();
        }
        self.act();
    }

    /// Does what the state machine wants done.
    pub(super) fn act(&mut self) {
        while let Some(action) = self.at.machine.next_action() {
            match action {
                Action::Probe => self.probe(),
                Action::Map => self.map(),
                Action::Remap => self.order(Order::Dead { pinhole: false }),
                Action::Unmap => {
                    self.at.granted = None;
                    self.order(Order::Remove);
                    self.at.leaving.extend(self.at.mapper.take());
                }
                Action::Check(door) => self.knock(door),
                Action::Hairpin => self.hairpin(),
                Action::Ready => self.ready(),
            }
        }
        self.publish();
        if !self.at.advertise.is_empty() && (self.is_passive() || !self.at.machine.is_deciding()) {
            for request in std::mem::take(&mut self.at.advertise) {
                self.advertise(request);
            }
        }
    }

    fn ready(&mut self) {
        self.publish();
        self.shared.ready.store(true, Relaxed);
        let text = summary(&self.shared.info.lock());
        self.shared
            .queue
            .push(Item::Notice(Box::new(Notice { text, ..self.shared.queue.notice(Kind::Ready) })));
    }

    /// Being listed makes sense only for a node that others reach.
    pub(super) fn advertise(&mut self, request: u64) {
        match self.at.machine.standing().node_type {
            NodeType::Passive => self.begin(Chore::Advertise, request),
            _ if self.at.machine.is_deciding() => self.at.advertise.push(request),
            other => {
                let other = node_type_name(other);
                let message = format!(
                    "only a passive node can be listed, and this one is {other}: nobody outside has reached its port \
                     (p2p_net_report tells what was tried; set node_type to P2P_NODE_PASSIVE if you know better)"
                );
                self.shared.done(request, Error::new(Code::State, message).into());
            }
        }
    }

    /// Whether others can reach this node, as far as is known.
    pub(super) fn is_passive(&self) -> bool {
        self.at.machine.standing().node_type == NodeType::Passive
    }

    /// The net stops: what was opened on routers is closed. The task that is returned ends when that is done.
    pub(super) fn end_situation(&mut self) -> tokio::task::JoinHandle<()> {
        for request in std::mem::take(&mut self.at.advertise) {
            self.shared.done(request, Error::new(Code::Canceled, "the net was stopped").into());
        }
        self.order(Order::Remove);
        let mut mappers = std::mem::take(&mut self.at.leaving);
        mappers.extend(self.at.mapper.take());
        tokio::spawn(async move {
            for mapper in mappers {
                mapper.orders.closed().await;
            }
        })
    }

    /// Does what has become due.
    pub(super) fn situation_due(&mut self, now: Instant) {
        if self.at.change_due.is_some_and(|t| t <= now) {
            self.look_again(now);
        }
        if self.at.machine.deadline().is_some_and(|t| t <= now) {
            self.at.machine.timeout(now);
            self.act();
        }
    }

    fn order(&self, order: Order) {
        if let Some(mapper) = &self.at.mapper {
            // A mapper that has ended has nothing left to do.
            let _ = mapper.orders.send(order);
        }
    }

    /// Starts a task that asks about this network.
    fn ask(&mut self, task: impl Future<Output = Option<Msg>> + Send + 'static) {
        self.at.tasks.retain(|t| !t.is_finished());
        self.at.tasks.push(self.spawn(task));
    }

    fn probe(&mut self) {
        let (reach, network, since) = (self.reach.clone(), self.at.network, Instant::now());
        let servers: Vec<String> = self.shared.config.rendezvous().map(str::to_owned).collect();
        let (limit, seed) = (self.shared.config.server_timeout, self.shared.config.seed);
        self.ask(async move {
            let outcome = measure::nat(&reach, &servers, limit, seed).await;
            Some(Msg::Found(Found::Nat { network, since, outcome }))
        });
    }

    fn map(&mut self) {
        let config = &self.shared.config;
        let wish = measure::Wish {
            port: self.shared.info.lock().passive_port,
            protocols: config.forwarding,
            lease: config.mapping_lease,
            state_dir: config.state_dir.clone(),
            gateways: config.gateways.clone(),
            // A particular address is a choice of interface as well.
            interface: config.interface.clone().or_else(|| self.reach.bound.map(|ip| ip.to_string())),
            limit: MAPPING,
        };
        let places = self.at.places.clone();
        if let Some(mapper) = self.at.mapper.clone() {
            self.ask(async move {
                let _ = mapper.orders.send(Order::Gateways(measure::gateways(&wish, &places).await));
                None
            });
            return;
        }
        let (orders, taken) = tokio::sync::mpsc::unbounded_channel();
        let number = self.shared.new_id();
        self.at.mapper = Some(Mapper { number, orders });
        self.at.leaving.retain(|m| !m.orders.is_closed());
        let (report, leaving) = (self.report.clone(), self.at.leaving.clone());
        self.spawn(async move {
            // The one before must not take down what this one opens; it ends within about a second.
            for earlier in leaving {
                earlier.orders.closed().await;
            }
            measure::keep_mapped(wish, &places, taken, move |happening| {
                let _ = report.send(Msg::Found(Found::Port { mapper: number, happening }));
            })
            .await;
            None
        });
    }

    fn knock(&mut self, door: Door) {
        let port = match (door, self.at.granted) {
            (Door::Mapped, Some(granted)) => granted.external_port,
            _ => self.shared.info.lock().passive_port,
        };
        let v6 = door == Door::OwnV6;
        let source = if v6 {
            own_v6(&self.shared.config, self.reach.bound)
        } else {
            // The answer is about IPv4, so it is asked for by IPv4.
            self.own.lan_ip.filter(IpAddr::is_ipv4).or(Some(Ipv4Addr::UNSPECIFIED.into()))
        };
        let mut servers: Vec<String> =
            self.shared.config.servers_of(ServerKind::Reachability).map(str::to_owned).collect();
        let learned = self.at.probed.iter().flat_map(|p| &p.http).filter(|at| at.is_ipv6() == v6);
        servers.extend(learned.map(ToString::to_string).filter(|s| !servers.contains(s)).collect::<Vec<_>>());
        let (number, knocker, since) = (self.shared.new_id(), self.knocker.clone(), Instant::now());
        self.at.knocks.insert(door, number);
        self.ask(async move {
            let outcome = knocker.knock(&servers, port, source).await;
            Some(Msg::Found(Found::Knock { number, since, door, port, outcome }))
        });
    }

    fn hairpin(&mut self) {
        let (network, since) = (self.at.network, Instant::now());
        let Some(report) = self.at.probed.as_ref().map(|p| p.report.clone()) else { return };
        let servers: Vec<String> = self.shared.config.rendezvous().map(str::to_owned).collect();
        let reach = self.reach.clone();
        self.ask(async move {
            let works = measure::hairpin(&reach, &servers, &report).await;
            Some(Msg::Found(Found::Hairpin { network, since, works }))
        });
    }

    fn ask_the_time(&mut self) {
        let servers: Vec<String> =
            self.shared.config.servers_of(ServerKind::Ntp).map(str::to_owned).collect();
        if servers.is_empty() {
            return;
        }
        let (reach, since) = (self.reach.clone(), Instant::now());
        self.ask(async move {
            let outcome = measure::clock(&reach, &servers).await;
            Some(Msg::Found(Found::Clock { since, outcome }))
        });
    }

    fn watch_network(&self) {
        // The loopback interface does not change.
        if self.reach.bound.is_some_and(|ip| ip.is_loopback()) {
            return;
        }
        let (report, shared) = (self.report.clone(), Arc::clone(&self.shared));
        let places = self.at.places.clone();
        self.spawn(async move {
            let changed = || report.send(Msg::Found(Found::NetworkChanged)).is_ok();
            measure::watch_network(&shared, &places, changed).await;
            None
        });
    }

    /// Takes an answer.
    pub(super) fn found(&mut self, found: Found) {
        let now = Instant::now();
        let here = self.at.network;
        match found {
            Found::Nat { network, since, outcome } if network == here => self.nat_found(since, outcome),
            Found::Port { mapper, happening } => self.port_happened(mapper, happening),
            Found::Knock { number, since, door, port, outcome }
                if self.at.knocks.get(&door) == Some(&number) =>
            {
                self.knocked(since, door, port, outcome);
            }
            Found::Hairpin { network, since, works } if network == here => {
                let text = match works {
                    Some(true) => "this node reaches itself by its outside address",
                    Some(false) => {
                        "the NAT does not lead its own hosts back by the outside address (no hairpin)"
                    }
                    None => "whether the NAT leads its own hosts back cannot be told",
                };
                self.shared.step("hairpin", since, works != Some(false), text.into());
                self.at.machine.hairpinned(works);
            }
            Found::Clock { since, outcome } => match outcome {
                Ok(clock) => {
                    let us = measure::offset_us(&clock);
                    let text = format!("the system's clock is {} ms off", us / 1000);
                    self.shared.step("clock", since, us.abs() < 1_000_000, text);
                    self.at.clock_offset_us = Some(us);
                }
                Err(e) => self.shared.step("clock", since, false, e.to_string()),
            },
            Found::NetworkChanged => self.network_changed(),
            // About a network we have left.
            Found::Nat { .. } | Found::Knock { .. } | Found::Hairpin { .. } => {}
        }
        self.at.machine.timeout(now);
        self.act();
    }

    fn nat_found(&mut self, since: Instant, outcome: Result<Probed>) {
        match outcome {
            Ok(probed) => {
                let r = &probed.report;
                self.shared.step("nat", since, r.nat != NatType::Unknown, r.to_string());
                let met =
                    |v6: bool| cfg!(feature = "reach") && probed.http.iter().any(|at| at.is_ipv6() == v6);
                let seen = Seen {
                    nat: r.nat,
                    wan_ip: r.wan_ip,
                    can_check: met(false) && is_in_v4(&self.shared.config, self.reach.bound, self.own.lan_ip),
                    can_check_v6: met(true) && own_v6(&self.shared.config, self.reach.bound).is_some(),
                };
                self.at.probed = Some(probed);
                self.at.machine.probed(seen);
            }
            Err(e) => {
                log!(self.shared, Info, "the NAT could not be measured: {e}");
                self.shared.step("nat", since, false, e.to_string());
                self.at.probed = None;
                self.at.machine.probed(Seen::default());
            }
        }
    }

    fn port_happened(&mut self, mapper: u64, happening: Happening) {
        if self.at.mapper.as_ref().is_none_or(|m| m.number != mapper) {
            if let Happening::Note(text) = happening {
                log!(self.shared, Info, "port mapping: {text}");
            }
            return;
        }
        let (news, good, text, took) = measure::news(&happening);
        if let Some(text) = text {
            log!(self.shared, Info, "port mapping: {text}");
            let since = Instant::now().checked_sub(took).unwrap_or_else(Instant::now);
            self.shared.step("mapping", since, good, text);
        }
        match news {
            News::Granted(granted) => {
                self.at.granted = Some(granted);
                self.at.machine.mapped(granted);
            }
            News::Pinhole => self.at.machine.pinholed(),
            News::NoPinhole => self.at.machine.unpinholed(),
            News::Lost => {
                self.at.granted = None;
                self.at.machine.lost(Instant::now());
            }
            News::None => {
                self.at.granted = None;
                self.at.machine.unmapped();
            }
            News::Nothing => {}
        }
    }

    fn knocked(&mut self, since: Instant, door: Door, port: u16, outcome: Result<Knocked>) {
        let knock = match outcome {
            Ok(knocked) => {
                let open = knocked.knock == Knock::Open;
                self.shared.step("reachability", since, open, format!("port {port}: {}", knocked.text));
                knocked.knock
            }
            Err(e) => {
                self.shared.step("reachability", since, false, format!("port {port}: {e}"));
                Knock::Unknown
            }
        };
        self.at.machine.checked(door, knock, Instant::now());
    }

    /// What is to be told of the situation now.
    fn info_now(&self) -> NetInfo {
        let (config, at) = (&self.shared.config, &self.at);
        let standing = at.machine.standing();
        let probed = at.probed.as_ref().filter(|_| at.machine.is_nat_known());
        let report = probed.map(|p| &p.report);
        let outside = at.granted.and_then(|g| g.external_ip).filter(|ip| Scope::of(*ip) == Scope::Global);
        let before = self.shared.info.lock().clone();
        NetInfo {
            node_type: standing.node_type,
            nat: at.machine.nat(),
            nat_delta: report.map_or(0, |r| r.delta),
            mapping: report.map_or(Mapping::Unknown, |r| r.mapping),
            allocation: report.map_or_else(Default::default, |r| r.allocation),
            unsolicited: standing.unsolicited,
            hairpin: standing.hairpin,
            double_nat: standing.double_nat,
            forwarding: standing.forwarding,
            external_port: standing.external_port,
            reachable: standing.reachable,
            reachable_v6: standing.reachable_v6,
            lan_ip: self.own.lan_ip,
            wan_ip: config.wan_ip.or_else(|| report.and_then(|r| r.wan_ip)).or(outside),
            wan_ip6: report.and_then(|r| r.wan_ip6).map(IpAddr::V6),
            clock_offset_us: at.clock_offset_us,
            ..before
        }
    }

    /// Tells the program, if there is something new to tell.
    fn publish(&mut self) {
        let now = self.info_now();
        let before = std::mem::replace(&mut *self.shared.info.lock(), now.clone());
        if before == now {
            return;
        }
        self.own.wan_ip = now.wan_ip;
        self.shared.info_changed(summary(&now));
        // Who is listed under another address or port has to say so.
        let known = |i: &NetInfo| (i.external_port, i.wan_ip);
        if known(&before) != known(&now) && now.external_port != 0 {
            self.upkeep.moved();
        }
    }
}

/// What may be asked, of whom.
fn means(shared: &crate::node::shared::Shared, bound: Option<IpAddr>) -> Means {
    let config = &shared.config;
    let on_loopback = bound.is_some_and(|ip| ip.is_loopback());
    let told = config.nat_type != NatType::Unknown && config.wan_ip.is_some();
    let can_check = cfg!(feature = "reach") && config.servers_of(ServerKind::Reachability).next().is_some();
    let v4 = is_in_v4(config, bound, bound.or_else(os::iface::lan_ip));
    Means {
        node_type: config.node_type,
        nat_type: config.nat_type,
        net_type: config.net_type,
        simultaneous: config.simultaneous,
        can_probe: config.rendezvous().next().is_some() && !told,
        // A router is not asked to open a port that only this machine can reach.
        can_map: config.forwarding & measure::PROTOCOLS != 0 && !on_loopback,
        can_check: can_check && v4,
        can_check_v6: can_check && own_v6(config, bound).is_some(),
        v4,
        start_timeout: config.start_timeout,
        verify_interval: config.verify_interval,
    }
}

/// Whether the node listens for IPv4 and may have a way to it. Without any address we may be on a network that has no
/// way out, and have servers in it.
fn is_in_v4(config: &Config, bound: Option<IpAddr>, lan_ip: Option<IpAddr>) -> bool {
    config.listen_ips(bound).iter().any(IpAddr::is_ipv4) && lan_ip.is_none_or(|ip| ip.is_ipv4())
}

/// Our address on the IPv6 internet, if the node listens on it.
fn own_v6(config: &Config, bound: Option<IpAddr>) -> Option<IpAddr> {
    let listens = config.listen_ips(bound).iter().any(IpAddr::is_ipv6);
    let ours = bound.or_else(os::iface::lan_ip6);
    ours.filter(|ip| listens && ip.is_ipv6() && Scope::of(*ip) == Scope::Global)
}

/// The situation in a sentence.
fn summary(i: &NetInfo) -> String {
    let mut text = node_type_name(i.node_type).to_owned();
    match i.nat {
        NatType::Unknown => {}
        NatType::None => text += "; no NAT",
        nat => {
            text += &format!("; {nat} NAT");
            if i.double_nat == Some(true) {
                text += " behind another";
            }
        }
    }
    if let Some(ip) = i.wan_ip {
        text += &format!("; seen as {ip}");
    }
    match i.reachable {
        Some(true) => text += &format!("; port {} is open", i.external_port),
        Some(false) => text += "; not reachable from outside",
        None => {}
    }
    if i.forwarding as i32 > 1 {
        text += &format!(" by {}", i.forwarding.name());
    }
    text
}
