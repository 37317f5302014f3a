//! The machine's gateways: the routers that a port can be opened on.
//!
//! On Linux they are read from the kernel's tables in /proc, which have the routes' order of preference and multipath
//! routes; netdev leaves these out and adds half as much again to the library, so there it is asked only with the feature
//! `netdev`. On other systems netdev knows them.
//!
//! Every default route counts, not only the preferred one. With a VPN up the default route is often the VPN's, which
//! has no gateway at all or one that maps no ports; the router at home is then the second. But when the program chose
//! an interface, only gateways on that interface are named: to ask another one from this interface's address would be
//! wrong, and to ask it from its own address would open a port to a machine that does not listen there.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod proc;

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::iface::{self, IfaceAddr};
use crate::small;

/// The most gateways that are looked at.
const MOST: usize = 16;

/// A router of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gateway {
    /// Its address on our side.
    pub(crate) ip: IpAddr,
    /// The interface's index if `ip` is an IPv6 link-local address, which means nothing without; else 0.
    pub(crate) scope: u32,
    /// Our address on that interface, of the same family: the one that outgoing connections have, if it is there. For
    /// IPv6 a global address if there is one, for a pinhole is opened to the address that asks.
    pub(crate) local: IpAddr,
    /// The interface's name, without an alias label; empty if it is not known (an override that no interface is near).
    pub(crate) interface: String,
}

/// A default route, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    /// Smaller is preferred.
    metric: u32,
    interface: String,
    ip: IpAddr,
}

/// The gateways, the preferred one first; none is not an error (a machine without a network).
///
/// `interface` is what the program chose, as [`iface::find`] takes it: a name, an alias label, or an address. With
/// `overrides` nothing is discovered: they are the gateways, and those of another family than the chosen address, or
/// that no address of ours leads to, are left out. Takes some milliseconds.
pub(crate) fn gateways(interface: Option<&str>, overrides: &[IpAddr]) -> Vec<Gateway> {
    let addrs = iface::addresses().unwrap_or_default();
    let chosen = interface.and_then(|wanted| Chosen::find(wanted, &addrs));
    if interface.is_some() && chosen.is_none() {
        return Vec::new();
    }
    let routes =
        if overrides.is_empty() || overrides.iter().any(is_link_local) { discover() } else { Vec::new() };
    let mut found: Vec<Gateway> = Vec::new();
    if overrides.is_empty() {
        for route in routes {
            if chosen.as_ref().is_none_or(|c| c.interface == route.interface) {
                found.extend(complete(route.ip, &route.interface, chosen.as_ref(), &addrs));
            }
        }
    } else {
        for ip in overrides {
            let name = match &chosen {
                Some(chosen) => Some(chosen.interface.clone()),
                // Only the interface tells which link is meant; the one towards a router is the best guess.
                None if is_link_local(ip) => {
                    routes.iter().find(|r| r.ip.is_ipv6()).map(|r| r.interface.clone())
                }
                None => towards(*ip, 0).and_then(|local| name_of(local, &addrs)),
            };
            found.extend(complete(*ip, &name.unwrap_or_default(), chosen.as_ref(), &addrs));
        }
    }
    let mut unique: Vec<Gateway> = Vec::new();
    for gateway in found {
        if unique.len() < MOST && !unique.iter().any(|u| (u.ip, u.scope) == (gateway.ip, gateway.scope)) {
            unique.push(gateway);
        }
    }
    unique
}

/// What decides whether the machine has another place in the network: compare two to see whether anything changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Situation {
    /// Addresses but for loopback and link-local ones.
    addresses: Vec<(String, IpAddr)>,
    routes: Vec<Route>,
    /// Our address towards the internet, by each family: another default route, even one without a gateway.
    leaving: [Option<IpAddr>; 2],
}

/// The situation now. Takes some milliseconds.
pub(crate) fn situation() -> Situation {
    let addrs = iface::addresses().unwrap_or_default();
    let mut addresses: Vec<(String, IpAddr)> = addrs
        .into_iter()
        .filter(|a| !a.ip.is_loopback() && !is_link_local(&a.ip))
        .map(|a| (a.name, a.ip))
        .collect();
    small::sort(&mut addresses);
    Situation { addresses, routes: discover(), leaving: [outside_v4(), outside_v6()] }
}

/// The interface the program chose.
struct Chosen {
    /// Its name without an alias label.
    interface: String,
    /// The address, if the program named one (by itself or by a label).
    address: Option<IpAddr>,
}

impl Chosen {
    fn find(wanted: &str, addrs: &[IfaceAddr]) -> Option<Chosen> {
        let ip = wanted.parse::<IpAddr>().ok();
        if let Some(IpAddr::V4(v4)) = ip.filter(IpAddr::is_loopback) {
            // All of 127/8 is this machine's, though only 127.0.0.1 is listed.
            let entry = addrs.iter().find(|a| a.ip.is_loopback() && a.ip.is_ipv4())?;
            return Some(Chosen { interface: base(&entry.name).to_owned(), address: Some(v4.into()) });
        }
        let entry = addrs.iter().find(|a| ip.map_or(a.name == wanted, |ip| a.ip == ip))?;
        let interface = base(&entry.name).to_owned();
        let address = ip.or_else(|| Some(entry.ip).filter(|_| entry.name.contains(':')));
        Some(Chosen { interface, address })
    }
}

/// An interface's name without the label of an alias (`eth0:2`).
fn base(name: &str) -> &str {
    name.split_once(':').map_or(name, |(base, _)| base)
}

fn name_of(ip: IpAddr, addrs: &[IfaceAddr]) -> Option<String> {
    addrs.iter().find(|a| a.ip == ip).map(|a| base(&a.name).to_owned())
}

/// Adds our side to a gateway; `None` if there is no address to ask it from.
fn complete(ip: IpAddr, interface: &str, chosen: Option<&Chosen>, addrs: &[IfaceAddr]) -> Option<Gateway> {
    let scope = if is_link_local(&ip) { iface::index(interface)? } else { 0 };
    let gateway = |local| Some(Gateway { ip, scope, local, interface: interface.to_owned() });
    if let Some(named) = chosen.and_then(|c| c.address) {
        return if named.is_ipv4() == ip.is_ipv4() { gateway(named) } else { None };
    }
    let mine: Vec<IpAddr> = addrs
        .iter()
        .filter(|a| base(&a.name) == interface && a.ip.is_ipv4() == ip.is_ipv4())
        .map(|a| a.ip)
        .collect();
    let outgoing = if ip.is_ipv4() { towards(ip, scope) } else { outside_v6() };
    if let Some(local) = outgoing.filter(|local| mine.contains(local)) {
        return gateway(local);
    }
    let first = mine.iter().find(|a| !is_link_local(a)).or(mine.first()).copied();
    gateway(first.or_else(|| towards(ip, scope).filter(|_| interface.is_empty()))?)
}

fn at(ip: IpAddr, scope: u32, port: u16) -> SocketAddr {
    match ip {
        IpAddr::V4(v4) => (v4, port).into(),
        IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, scope).into(),
    }
}

fn towards(ip: IpAddr, scope: u32) -> Option<IpAddr> {
    iface::source_towards(at(ip, scope, 9))
}

/// Our address on connections to the internet; these only ask the routing table.
fn outside_v4() -> Option<IpAddr> {
    towards(IpAddr::from([1, 0, 0, 0]), 0)
}

fn outside_v6() -> Option<IpAddr> {
    towards(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1).into(), 0)
}

fn is_link_local(ip: &IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The default routes with a gateway, the preferred one first.
fn discover() -> Vec<Route> {
    let mut routes = Vec::new();
    #[cfg(any(target_os = "linux", target_os = "android"))]
    routes.extend(proc::routes());
    #[cfg(any(feature = "netdev", not(any(target_os = "linux", target_os = "android"))))]
    for interface in netdev::get_interfaces() {
        let Some(device) = interface.gateway else { continue };
        let ips = device.ipv4.into_iter().map(IpAddr::V4).chain(device.ipv6.into_iter().map(IpAddr::V6));
        for ip in ips {
            let known = |r: &Route| r.ip == ip && r.interface == interface.name;
            if !ip.is_unspecified() && !routes.iter().any(known) {
                // netdev does not say the order, only which interface is preferred. What /proc knows comes before.
                let metric = if interface.default { u32::MAX - 1 } else { u32::MAX };
                routes.push(Route { metric, interface: interface.name.clone(), ip });
            }
        }
    }
    small::sort(&mut routes);
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_replace_what_is_found() {
        let ip: IpAddr = "127.0.0.1".parse().unwrap();
        let found = gateways(None, &[ip, ip]);
        let lo = Gateway { ip, scope: 0, local: ip, interface: "lo".into() };
        assert_eq!(found, std::slice::from_ref(&lo));
        assert_eq!(gateways(Some("lo"), &[ip]), std::slice::from_ref(&lo));
        let local = "127.0.0.77".parse().unwrap();
        assert_eq!(gateways(Some("127.0.0.77"), &[ip]), [Gateway { local, ..lo }]);
    }

    #[test]
    fn an_interface_without_a_gateway_has_none() {
        assert_eq!(gateways(Some("lo"), &[]), []);
        assert_eq!(gateways(Some("nosuch0"), &[]), []);
        assert_eq!(gateways(Some("nosuch0"), &["127.0.0.1".parse().unwrap()]), []);
    }

    #[test]
    fn the_chosen_addresss_family_decides() {
        let six: IpAddr = "fe80::1".parse().unwrap();
        assert_eq!(gateways(Some("127.0.0.1"), &[six]), []);
    }

    #[test]
    fn nothing_has_changed_between_two_looks() {
        assert_eq!(situation(), situation());
    }
}
