//! From a lab's description to addresses, cables and commands, before anything is made.
//!
//! | network            | IPv4           | IPv6                |
//! |--------------------|----------------|---------------------|
//! | the server's       | 11.255.0.0/24, 11.255.1.0/24 | 2600:ff::/64, 2600:ff:0:1::/64 |
//! | home n, WAN        | 11.0.n.0/24 (behind a carrier: 100.64.n.0/24) | 2600:1:n::/64 |
//! | home n, LAN        | 192.168.n.0/24 (without NAT: 11.1.n.0/24)     | 2600:2:n::/64 |
//!
//! The addresses look public because miniupnpd and others refuse the ones set aside for tests and documentation.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::Result;
use crate::host::Addresses;
use crate::kernel_nat;
use crate::natbox::NatBox;
use crate::natbox::wire::Line;
use crate::network::Node;
use crate::topology::{Home, Lab, Nat, Unsolicited, host_name};

/// The internet's router.
pub(crate) const NET: &str = "net";
/// The server host.
pub(crate) const SERVER: &str = "s";
/// Its IPv4 addresses.
pub(crate) const SERVER4: [Ipv4Addr; 2] = [Ipv4Addr::new(11, 255, 0, 2), Ipv4Addr::new(11, 255, 1, 2)];
/// Its IPv6 addresses.
pub(crate) const SERVER6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0x2600, 0xff, 0, 0, 0, 0, 0, 2), Ipv6Addr::new(0x2600, 0xff, 0, 1, 0, 0, 0, 2)];

/// A cable, or with a delay, a loss or a translation a pair of TUN devices with our thread in between.
pub(crate) struct Link {
    /// Node and interface; of a home's line the router's side.
    pub(crate) at: (String, String),
    pub(crate) to: (String, String),
    pub(crate) wire: Option<WirePlan>,
}

/// A line with our thread in it.
pub(crate) struct WirePlan {
    pub(crate) line: Line,
    /// The translation, and what it makes of its address outside.
    pub(crate) nat: Option<(NatBox, Ipv4Addr, Unsolicited)>,
}

/// Everything that will be made.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) nodes: Vec<Node>,
    pub(crate) links: Vec<Link>,
    pub(crate) summary: String,
    homes: Vec<Numbers>,
}

/// A home's addresses.
struct Numbers {
    name: String,
    members: Vec<String>,
    wan4: Ipv4Addr,
    lan4: Ipv4Addr,
    wan6: Ipv6Addr,
    lan6: Ipv6Addr,
    /// What is outside: its home's place, or none for the internet.
    behind: Option<usize>,
}

/// Another host of the same /24.
pub(crate) fn at4(prefix: Ipv4Addr, host: u8) -> Ipv4Addr {
    let [a, b, c, _] = prefix.octets();
    Ipv4Addr::new(a, b, c, host)
}

fn at6(prefix: Ipv6Addr, host: u16) -> Ipv6Addr {
    let mut parts = prefix.segments();
    parts[7] = host;
    parts.into()
}

impl Plan {
    pub(crate) fn of(lab: &Lab) -> Result<Plan> {
        let mut plan = Plan { summary: lab.to_string(), ..Plan::default() };
        plan.internet(lab.has_ipv6());
        for (index, home) in lab.homes.iter().enumerate() {
            lab.check(home)?;
            let numbers = plan.number(index, home)?;
            plan.homes.push(numbers);
            plan.add_home(lab, index, home);
        }
        Ok(plan)
    }

    /// The name of a home's router; a carrier is its router.
    pub(crate) fn router(&self, home: &str) -> String {
        let is_carrier = self.homes.iter().any(|h| h.name == home && h.members.is_empty());
        if is_carrier { home.into() } else { format!("r{home}") }
    }

    pub(crate) fn members(&self, home: &str) -> impl Iterator<Item = &str> {
        self.homes.iter().filter(move |h| h.name == home).flat_map(|h| h.members.iter().map(String::as_str))
    }

    pub(crate) fn wan4(&self, home: &str) -> Option<Ipv4Addr> {
        self.homes.iter().find(|h| h.name == home).map(|h| at4(h.wan4, 2))
    }

    /// The interfaces of a home's router that are not towards the internet.
    pub(crate) fn inside(&self, home: &str) -> Vec<String> {
        let own = self.homes.iter().position(|h| h.name == home);
        let lan = self.homes.iter().any(|h| h.name == home && !h.members.is_empty());
        let behind = self.homes.iter().filter(|h| own.is_some() && h.behind == own);
        lan.then(|| "lan".to_owned()).into_iter().chain(behind.map(|h| format!("to-{}", h.name))).collect()
    }

    fn internet(&mut self, ipv6: bool) {
        let mut net = "link set lo up\nlink set s up\n".to_owned();
        let mut server = "link set lo up\nlink set eth0 up\n".to_owned();
        for ip in SERVER4 {
            net += &format!("addr add {}/24 dev s\n", at4(ip, 1));
            server += &format!("addr add {ip}/24 dev eth0\n");
        }
        server += &format!("route add default via {}\n", at4(SERVER4[0], 1));
        if ipv6 {
            for ip in SERVER6 {
                net += &format!("addr add {}/64 dev s nodad\n", at6(ip, 1));
                server += &format!("addr add {ip}/64 dev eth0 nodad\n");
            }
            server += &format!("route add default via {}\n", at6(SERVER6[0], 1));
        }
        let v6 = |which: usize| ipv6.then_some(SERVER6[which]);
        self.node(NET, true, Addresses { v4: Some(at4(SERVER4[0], 1)), v6: None }, net);
        self.node(SERVER, false, Addresses { v4: Some(SERVER4[0]), v6: v6(0) }, server);
        self.link((NET, "s"), (SERVER, "eth0"), None);
    }

    fn node(&mut self, name: &str, forwards: bool, addresses: Addresses, ip: String) {
        self.nodes.push(Node { name: name.into(), forwards, addresses, ip, nft: String::new() });
    }

    fn link(&mut self, at: (&str, &str), to: (&str, &str), wire: Option<WirePlan>) {
        let own = |(node, interface): (&str, &str)| (node.to_owned(), interface.to_owned());
        self.links.push(Link { at: own(at), to: own(to), wire });
    }

    fn number(&self, index: usize, home: &Home) -> Result<Numbers> {
        let n = u8::try_from(index + 1).map_err(|_| "too many homes")?;
        let position = |name: &String| self.homes.iter().position(|h| h.name == *name);
        let behind = match &home.behind {
            Some(name) => Some(position(name).ok_or_else(|| format!("no home {name} before {}", home.name))?),
            None => None,
        };
        let taken = self.nodes.iter().any(|node| node.name == home.name);
        if taken || home.name.len() > 10 {
            return Err(format!("home name {:?}: taken, or longer than 10", home.name).into());
        }
        let lan4 = match home.lan {
            Some(lan) => lan,
            None if home.nat.is_transparent() => Ipv4Addr::new(11, 1, n, 0),
            None => Ipv4Addr::new(192, 168, n, 0),
        };
        Ok(Numbers {
            name: home.name.clone(),
            members: (1..=home.hosts).map(|k| host_name(&home.name, k)).collect(),
            wan4: if behind.is_some() { Ipv4Addr::new(100, 64, n, 0) } else { Ipv4Addr::new(11, 0, n, 0) },
            lan4,
            wan6: Ipv6Addr::new(0x2600, 1, n.into(), 0, 0, 0, 0, 0),
            lan6: Ipv6Addr::new(0x2600, 2, n.into(), 0, 0, 0, 0, 0),
            behind,
        })
    }

    fn add_home(&mut self, lab: &Lab, index: usize, home: &Home) {
        let Numbers { wan4, lan4, wan6, lan6, behind, .. } = self.homes[index];
        let (upstream, down) = (self.upstream_of(behind), format!("to-{}", home.name));
        let boxed = matches!(home.nat, Nat::Boxed(_));
        let delay = lab.delay_of(home);
        let wired = boxed || !delay.is_zero() || home.loss_percent > 0.0;

        // The router, its WAN side first.
        let mut ip = "link set lo up\nlink set wan up\n".to_owned();
        let mut above = format!("link set {down} up\n");
        if wired {
            // The usual 500 packets are soon too few.
            ip += "link set wan txqueuelen 10000\n";
            above += &format!("link set {down} txqueuelen 10000\n");
        }
        if home.ipv4 {
            above += &format!("addr add {}/24 dev {down}\n", at4(wan4, 1));
            if boxed {
                // The address outside is the box's.
                ip += "route add default dev wan\n";
            } else {
                ip += &format!("addr add {}/24 dev wan\n", at4(wan4, 2));
                ip += &format!("route add default via {}\n", at4(wan4, 1));
            }
            if home.nat.is_transparent() {
                above += &format!("route add {lan4}/24 via {}\n", at4(wan4, 2));
            }
        }
        if home.ipv6 {
            above += &format!("addr add {}/64 dev {down} nodad\n", at6(wan6, 1));
            above += &format!("route add {lan6}/64 via {}\n", at6(wan6, 2));
            ip += &format!("addr add {}/64 dev wan nodad\n", at6(wan6, 2));
            ip += &format!("route add default via {}\n", at6(wan6, 1));
        }
        ip += &self.lan_commands(index, home);
        let router = self.router(&home.name);
        let side = Addresses { v4: home.ipv4.then(|| at4(lan4, 1)), v6: home.ipv6.then(|| at6(lan6, 1)) };
        self.node(&router, true, side, ip);
        let wan = (home.ipv4 && !boxed).then(|| at4(wan4, 2));
        if let Some(node) = self.nodes.last_mut() {
            node.nft = kernel_nat::ruleset(home, wan);
        }
        let nat = match &home.nat {
            Nat::Boxed(nat) => Some((nat.clone(), at4(wan4, 2), home.unsolicited)),
            _ => None,
        };
        let line = Line { delay, loss_percent: home.loss_percent };
        let wire = wired.then_some(WirePlan { line, nat });
        self.link((&router, "wan"), (&upstream, &down), wire);
        self.append(&upstream, &above);
        self.route_from_further_up(index, home);
        self.add_members(index, home, &router);
    }

    /// The router's side of the LAN: one cable, or a bridge of several.
    fn lan_commands(&self, index: usize, home: &Home) -> String {
        let Numbers { lan4, lan6, ref members, .. } = self.homes[index];
        let mut ip = String::new();
        match members.len() {
            0 => return ip,
            1 => {}
            number => {
                ip += "link add lan type bridge stp_state 0\n";
                for port in 1..=number {
                    ip += &format!("link set lan{port} up master lan\n");
                }
            }
        }
        ip += "link set lan up\n";
        if home.ipv4 {
            ip += &format!("addr add {}/24 dev lan\n", at4(lan4, 1));
        }
        if home.ipv6 {
            ip += &format!("addr add {}/64 dev lan nodad\n", at6(lan6, 1));
        }
        ip
    }

    fn add_members(&mut self, index: usize, home: &Home, router: &str) {
        let Numbers { lan4, lan6, ref members, .. } = self.homes[index];
        let members = members.clone();
        for (k, name) in members.iter().enumerate() {
            let own4 = at4(lan4, 10 + k as u8);
            let own6 = at6(lan6, 0x10 + k as u16);
            let mut ip = "link set lo up\nlink set eth0 up\n".to_owned();
            if home.ipv4 {
                ip += &format!("addr add {own4}/24 dev eth0\nroute add default via {}\n", at4(lan4, 1));
            }
            if home.ipv6 {
                ip += &format!("addr add {own6}/64 dev eth0 nodad\n");
                ip += &format!("route add default via {}\n", at6(lan6, 1));
            }
            let own = Addresses { v4: home.ipv4.then_some(own4), v6: home.ipv6.then_some(own6) };
            self.node(name, false, own, ip);
            let port = if members.len() == 1 { "lan".to_owned() } else { format!("lan{}", k + 1) };
            self.link((router, &port), (name, "eth0"), None);
        }
    }

    /// Lets those beyond the next router find what is not hidden behind a NAT.
    fn route_from_further_up(&mut self, index: usize, home: &Home) {
        let Numbers { lan4, wan6, lan6, behind, .. } = self.homes[index];
        let mut next = behind;
        while let Some(via) = next {
            let Numbers { wan4: via4, wan6: via6, behind, .. } = self.homes[via];
            let mut ip = String::new();
            if home.ipv4 && home.nat.is_transparent() {
                ip += &format!("route add {lan4}/24 via {}\n", at4(via4, 2));
            }
            if home.ipv6 {
                ip += &format!("route add {wan6}/64 via {}\n", at6(via6, 2));
                ip += &format!("route add {lan6}/64 via {}\n", at6(via6, 2));
            }
            let upstream = self.upstream_of(behind);
            self.append(&upstream, &ip);
            next = behind;
        }
    }

    fn upstream_of(&self, behind: Option<usize>) -> String {
        behind.map_or(NET.into(), |index| self.router(&self.homes[index].name))
    }

    fn append(&mut self, node: &str, commands: &str) {
        if let Some(node) = self.nodes.iter_mut().find(|n| n.name == node) {
            node.ip += commands;
        }
    }
}
