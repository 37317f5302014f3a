//! The questions: each is a task that asks, and reports its answer as a [`Found`].

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Actor, Msg};
use super::{Found, Mapper};
use crate::config::{Config, ServerKind};
use crate::node::measure;
use crate::os;
use crate::portmap::Order;
use crate::proto::nat::NatType;
use crate::proto::nat::scope::Scope;
use crate::proto::situation::{Door, Means};

/// A router that speaks any of the protocols has said so by then.
const MAPPING: Duration = Duration::from_secs(2);

impl Actor {
    pub(super) fn order(&self, order: Order) {
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

    pub(super) fn probe(&mut self) {
        let (reach, network, since) = (self.reach.clone(), self.at.network, Instant::now());
        let servers: Vec<String> = self.shared.config.rendezvous().map(str::to_owned).collect();
        let (limit, seed) = (self.shared.config.server_timeout, self.shared.config.seed);
        self.ask(async move {
            let outcome = measure::nat(&reach, &servers, limit, seed).await;
            Some(Msg::Found(Found::Nat { network, since, outcome }))
        });
    }

    pub(super) fn map(&mut self) {
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

    pub(super) fn knock(&mut self, door: Door) {
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

    pub(super) fn hairpin(&mut self) {
        let (network, since) = (self.at.network, Instant::now());
        let Some(report) = self.at.probed.as_ref().map(|p| p.report.clone()) else { return };
        let servers: Vec<String> = self.shared.config.rendezvous().map(str::to_owned).collect();
        let reach = self.reach.clone();
        self.ask(async move {
            let works = measure::hairpin(&reach, &servers, &report).await;
            Some(Msg::Found(Found::Hairpin { network, since, works }))
        });
    }

    pub(super) fn ask_the_time(&mut self) {
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

    pub(super) fn watch_network(&self) {
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
}

/// What may be asked, of whom.
pub(super) fn means(shared: &crate::node::shared::Shared, bound: Option<IpAddr>) -> Means {
    let config = &shared.config;
    let on_loopback = bound.is_some_and(|ip| ip.is_loopback());
    // Of a passive node nobody has to know what its NAT does.
    let nat_matters = config.node_type != crate::config::NodeType::Passive;
    let told = (config.nat_type != NatType::Unknown || !nat_matters) && config.wan_ip.is_some();
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
pub(super) fn is_in_v4(config: &Config, bound: Option<IpAddr>, lan_ip: Option<IpAddr>) -> bool {
    config.listen_ips(bound).iter().any(IpAddr::is_ipv4) && lan_ip.is_none_or(|ip| ip.is_ipv4())
}

/// Our address on the IPv6 internet, if the node listens on it.
pub(super) fn own_v6(config: &Config, bound: Option<IpAddr>) -> Option<IpAddr> {
    let listens = config.listen_ips(bound).iter().any(IpAddr::is_ipv6);
    let ours = bound.or_else(os::iface::lan_ip6);
    ours.filter(|ip| listens && ip.is_ipv6() && Scope::of(*ip) == Scope::Global)
}
