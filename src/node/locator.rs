//! What this node's locator says: the facts of its situation, as [`crate::proto::unl`] wants them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use super::shared::Shared;
use crate::config::{Config, Dialect, NodeType, ServerKind};
use crate::error::{Code, Error, Result};
use crate::event::{Forwarding, NatType, NetInfo};
use crate::proto::nat::scope::Scope;
use crate::proto::unl::v3::RecordError;
use crate::proto::unl::{
    self, Candidate, CandidateKind, ForwardingType, Host, Nat, Overrides, Record, Server, UnlV2, UnlV3,
};

/// The node's locator, with some of its facts replaced.
///
/// # Errors
/// [`Code::State`] while our address is not known, [`Code::Invalid`] for an override that cannot be.
pub(crate) fn locator(shared: &Shared, overrides: &Overrides) -> Result<String> {
    let info = shared.info.lock().clone();
    let cannot = |e: &dyn std::fmt::Display| Error::new(Code::Invalid, e.to_string());
    match shared.config.dialect {
        Dialect::Classic => {
            let own = v2(shared, &info, overrides)?;
            overrides.apply_v2(own).map(|unl| unl.encode()).map_err(|e| cannot(&e))
        }
        Dialect::Secure => {
            let record = overrides.apply_v3(v3(shared, &info)).map_err(|e| cannot(&e))?;
            let identity = shared.identity()?;
            let signed = match UnlV3::sign(record.clone(), identity) {
                // Names of servers may be long; they are of more use than what may be known of relays.
                Err(RecordError::TooLong) => UnlV3::sign(Record { relays: Vec::new(), ..record }, identity),
                signed => signed,
            };
            signed.map(|unl| unl.text().to_owned()).map_err(|e| cannot(&e))
        }
    }
}

fn node_type(info: &NetInfo) -> Option<unl::NodeType> {
    match info.node_type {
        NodeType::Unknown => None,
        NodeType::Passive => Some(unl::NodeType::Passive),
        NodeType::Active => Some(unl::NodeType::Active),
        NodeType::Simultaneous => Some(unl::NodeType::Simultaneous),
    }
}

/// PyP2P tells a port it was told about from one it found open; for both we say manual elsewhere.
fn forwarding(config: &Config, info: &NetInfo) -> ForwardingType {
    match info.forwarding {
        Forwarding::Manual | Forwarding::None
            if info.reachable == Some(true) && config.node_type == NodeType::Unknown =>
        {
            ForwardingType::Forwarded
        }
        other => other.into(),
    }
}

/// What a locator of version 2 says of this node, and whether our address from outside is known; else it is 0.0.0.0.
pub(crate) fn facts_v2(shared: &Shared) -> (UnlV2, bool) {
    let info = shared.info.lock().clone();
    let wan_ip = wan_ip_v2(shared, &info);
    (v2_at(shared, &info, wan_ip.unwrap_or(Ipv4Addr::UNSPECIFIED)), wan_ip.is_some())
}

fn v4(ip: Option<IpAddr>) -> Option<Ipv4Addr> {
    match ip {
        Some(IpAddr::V4(ip)) => Some(ip),
        _ => None,
    }
}

fn wan_ip_v2(shared: &Shared, info: &NetInfo) -> Option<Ipv4Addr> {
    let global = |ip: &Ipv4Addr| Scope::of((*ip).into()) == Scope::Global;
    let config = &shared.config;
    let alone =
        config.rendezvous().next().is_none() && config.servers_of(ServerKind::Reachability).next().is_none();
    v4(info.wan_ip).or(v4(info.lan_ip).filter(|ip| global(ip) || alone))
}

fn v2(shared: &Shared, info: &NetInfo, overrides: &Overrides) -> Result<UnlV2> {
    let Some(wan_ip) = wan_ip_v2(shared, info).or(v4(overrides.wan_ip)) else {
        let message = "this node's IPv4 address from outside is not known (yet): a locator of version 2 needs it \
                       (wait for P2P_EVENT_READY, add a rendezvous server, or set wan_ip)";
        return Err(Error::new(Code::State, message));
    };
    Ok(v2_at(shared, info, wan_ip))
}

fn v2_at(shared: &Shared, info: &NetInfo, wan_ip: Ipv4Addr) -> UnlV2 {
    UnlV2 {
        version: UnlV2::VERSION,
        node_id: shared.dht_id.map_or([0; 20], |id| id.0),
        node_type: node_type(info).unwrap_or(unl::NodeType::Active),
        nat_type: info.nat,
        forwarding_type: forwarding(&shared.config, info),
        listen_port: if info.external_port == 0 { info.passive_port } else { info.external_port },
        wan_ip,
        lan_ip: v4(info.lan_ip).unwrap_or(wan_ip),
    }
}

fn v3(shared: &Shared, info: &NetInfo) -> Record {
    let config = &shared.config;
    let homes = shared.homes.lock().clone();
    let named = if homes.is_empty() { config.rendezvous().map(str::to_owned).collect() } else { homes };
    let mut servers: Vec<Server> = Vec::new();
    for server in named.iter().filter_map(|server| server.parse().ok()) {
        if servers.len() < unl::v3::MAX_SERVERS && !servers.contains(&server) {
            servers.push(server);
        }
    }
    let candidates = candidates(info);
    let relays = relays(shared, info, &candidates);
    Record {
        network: config.network,
        expires: Some(expires(config, SystemTime::now())),
        node_type: node_type(info),
        forwarding: forwarding(config, info),
        nat: Nat {
            nat_type: info.nat,
            mapping: info.mapping,
            allocation: info.allocation,
            delta: info.nat_delta,
        },
        candidates,
        servers,
        relays,
    }
}

/// Where this node relays, if it does and can be reached there; then others that do.
fn relays(shared: &Shared, info: &NetInfo, candidates: &[Candidate]) -> Vec<Server> {
    let passive = info.node_type == NodeType::Passive;
    let is_open = |c: &&Candidate| {
        let open = if c.ip.is_ipv6() { info.reachable_v6 == Some(true) } else { passive };
        open && c.port != 0 && c.kind != CandidateKind::Lan
    };
    let own = candidates.iter().filter(is_open).map(|c| Server { host: Host::Ip(c.ip), port: c.port });
    let others = shared.volunteers.lock().clone();
    let mut all: Vec<Server> = Vec::new();
    for relay in own.filter(|_| shared.config.volunteers()).chain(others) {
        if all.len() < unl::v3::MAX_RELAYS && !all.contains(&relay) {
            all.push(relay);
        }
    }
    all
}

/// The addresses of this node, the best first.
fn candidates(info: &NetInfo) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    let mut add = |kind, ip: Option<IpAddr>, port| {
        let Some(ip) = ip.filter(|ip| unl::is_host(*ip)) else { return };
        // One address in two kinds would be dialled twice.
        if !all.iter().any(|c| c.ip == ip && (c.port == port || port == 0)) {
            all.push(Candidate::new(kind, ip, port));
        }
    };
    let mapped = matches!(info.forwarding, Forwarding::Upnp | Forwarding::NatPmp | Forwarding::Pcp);
    let untranslated = info.nat == NatType::None || info.wan_ip == info.lan_ip;
    let outside_port = match info.external_port {
        0 if untranslated || info.node_type == NodeType::Passive => info.passive_port,
        port => port,
    };
    add(CandidateKind::Wan, info.wan_ip6.filter(|ip| ip.is_ipv6()), info.passive_port);
    add(if mapped { CandidateKind::Mapped } else { CandidateKind::Wan }, info.wan_ip, outside_port);
    add(CandidateKind::Lan, info.lan_ip, info.passive_port);
    all
}

/// Until when a locator made now holds: to a twenty-fourth of its life, so that those made soon after one another are equal.
fn expires(config: &Config, now: SystemTime) -> u64 {
    let life = config.unl_lifetime.as_secs().max(1);
    let grain = (life / 24).max(1);
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    (now + life).div_ceil(grain) * grain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dht::NodeId;
    use crate::proto::unl::{Check, Info};
    use std::time::Duration;

    fn shared(dialect: Dialect, tune: impl FnOnce(&mut NetInfo)) -> Shared {
        let shared = Shared::new(Config { dialect, ..Config::default() });
        {
            let mut info = shared.info.lock();
            info.passive_port = 50500;
            info.lan_ip = "192.168.1.10".parse().ok();
            tune(&mut info);
        }
        shared
    }

    fn said(shared: &Shared) -> Info {
        Info::parse(&locator(shared, &Overrides::default()).unwrap()).unwrap()
    }

    #[test]
    fn version_2() {
        let mut shared = shared(Dialect::Classic, |info| {
            info.wan_ip = "203.0.113.7".parse().ok();
            info.node_type = NodeType::Simultaneous;
            info.nat = NatType::Preserving;
        });
        shared.dht_id = Some(NodeId(*b"abcdefghijklmnopqrst"));
        let info = said(&shared);
        let places: Vec<String> = info.candidates.iter().map(ToString::to_string).collect();
        assert_eq!(places, ["wan 203.0.113.7:50500", "lan 192.168.1.10:50500"]);
        assert_eq!(info.node_id.as_ref(), Some(b"abcdefghijklmnopqrst"));
        assert_eq!(info.node_type, Some(unl::NodeType::Simultaneous));
    }

    #[test]
    fn version_2_without_an_outside_address() {
        let alone = shared(Dialect::Classic, |_| ());
        assert_eq!(said(&alone).candidates[0].ip.to_string(), "192.168.1.10");
        let mut config = Config { dialect: Dialect::Classic, ..Config::default() };
        config.add_server(ServerKind::Rendezvous, "203.0.113.1:8000").unwrap();
        let shared = Shared::new(config);
        shared.info.lock().lan_ip = "192.168.1.10".parse().ok();
        let e = locator(&shared, &Overrides::default()).unwrap_err();
        assert!(e.code == Code::State && e.message.contains("wan_ip"), "{e}");
        let told = Overrides { wan_ip: "203.0.113.9".parse().ok(), ..Overrides::default() };
        assert!(locator(&shared, &told).is_ok());
    }

    #[test]
    fn version_3() {
        let mapped = shared(Dialect::Secure, |info| {
            info.wan_ip = "203.0.113.7".parse().ok();
            info.node_type = NodeType::Passive;
            info.forwarding = Forwarding::Pcp;
            info.external_port = 6881;
        });
        let info = said(&mapped);
        let places: Vec<String> = info.candidates.iter().map(ToString::to_string).collect();
        assert_eq!(places, ["mapped 203.0.113.7:6881", "lan 192.168.1.10:50500"]);
        assert_eq!(info.identity, Some(mapped.identity().unwrap().public()));
        let text = locator(&mapped, &Overrides::default()).unwrap();
        let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!(Info::check(&text, &Check::at(soon + 86_399).network(None)).is_ok());
        assert!(Info::check(&text, &Check::at(soon + 2 * 86_400)).is_err());
    }

    #[test]
    fn who_volunteers_says_so_if_it_can_be_reached_and_names_others() {
        let mut config = Config { dialect: Dialect::Secure, ..Config::default() };
        config.volunteer.sessions = 1;
        let shared = Shared::new(config);
        let set = |tune: &dyn Fn(&mut NetInfo)| {
            tune(&mut shared.info.lock());
            let said = said(&shared);
            said.relays.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let at_home = |info: &mut NetInfo| {
            info.passive_port = 50500;
            info.lan_ip = "192.168.1.10".parse().ok();
            info.wan_ip = "203.0.113.7".parse().ok();
            info.wan_ip6 = "2001:db8::7".parse().ok();
        };
        assert_eq!(set(&at_home), [""; 0]);
        assert_eq!(set(&|info| info.reachable_v6 = Some(true)), ["[2001:db8::7]:50500"]);
        let both = ["[2001:db8::7]:50500", "203.0.113.7:50500"];
        assert_eq!(set(&|info| info.node_type = NodeType::Passive), both);
        let others = ["198.51.100.1:1", both[1], "198.51.100.2:1", "198.51.100.3:1"];
        *shared.volunteers.lock() = others.iter().map(|at| at.parse().unwrap()).collect();
        assert_eq!(set(&|_| ()), [both[0], both[1], others[0], others[2]]);
        // Who relays for nobody names others all the same.
        let plain = self::shared(Dialect::Secure, at_home);
        *plain.volunteers.lock() = vec!["198.51.100.1:1".parse().unwrap()];
        assert_eq!(said(&plain).relays.len(), 1);
        // They are left out if there is no room.
        let mut config = Config { dialect: Dialect::Secure, ..Config::default() };
        for n in 0..2 {
            let name = "a.".repeat(57 + n) + "example:1";
            config.add_server(ServerKind::Rendezvous, &name).unwrap();
        }
        let long = Shared::new(config);
        *long.volunteers.lock() = vec![format!("{}example:1", "b.".repeat(120)).parse().unwrap(); 1];
        let all6: Vec<Server> = (1..4).map(|n| format!("[2001:db8::{n}]:1").parse().unwrap()).collect();
        long.volunteers.lock().extend(all6);
        assert_eq!((said(&long).servers.len(), said(&long).relays.len()), (2, 0));
    }

    #[test]
    fn the_port_of_a_node_nobody_reaches_is_not_told() {
        let behind = shared(Dialect::Secure, |info| {
            info.wan_ip = "203.0.113.7".parse().ok();
            info.node_type = NodeType::Simultaneous;
            info.nat = NatType::Preserving;
        });
        assert_eq!(said(&behind).candidates[0].to_string(), "wan 203.0.113.7:0");
    }

    #[test]
    fn locators_of_one_hour_are_one() {
        let config = Config::default();
        let start = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        assert_eq!(1_800_000_000 % 3600, 0);
        assert_eq!(expires(&config, start), 1_800_086_400);
        for second in [1, 1800, 3600] {
            assert_eq!(expires(&config, start + Duration::from_secs(second)), 1_800_090_000);
        }
    }
}
