//! Where a server can be reached, and what of that a client should know: the answer to OBSERVE.

use crate::proto::rdv_msg::{Alternate, MAX_ALTERNATES};
use std::net::{IpAddr, SocketAddr};

/// The addresses a server listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Where the rendezvous protocol is spoken, on first and second ports. `[::]` takes IPv4 as well.
    pub rendezvous: Vec<SocketAddr>,
    /// Where HTTP is spoken.
    pub http: Vec<SocketAddr>,
    /// Further addresses of this server, as clients have to write them. They take the place of those that
    /// could be told from `rendezvous`.
    pub alternates: Vec<Alternate>,
}

/// What a client is told besides its own address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Another rendezvous port on the address the client used.
    pub next: Option<u16>,
    /// The HTTP port on that address.
    pub http: Option<u16>,
    /// Other addresses, of the same family.
    pub alternates: Vec<Alternate>,
}

impl Endpoints {
    /// What to tell a client that connected to `local`.
    pub fn around(&self, local: SocketAddr) -> Surroundings {
        let (ip, port) = (local.ip().to_canonical(), local.port());
        let takes = |at: &&SocketAddr| takes(at.ip(), ip);
        Surroundings {
            next: self.rendezvous.iter().filter(takes).map(SocketAddr::port).find(|&other| other != port),
            http: self.http.iter().find(takes).map(SocketAddr::port),
            alternates: self.alternates(ip, port),
        }
    }

    /// Whether this server may be the one that a client reached at `ip`, when the connection came in at `local`. Behind a
    /// NAT (`local` is not an address of the internet, or not known) every address may be ours.
    pub fn may_be(&self, local: Option<SocketAddr>, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let Some(local) = local.map(|at| at.ip().to_canonical()).filter(|&local| is_public(local)) else {
            return true;
        };
        local == ip
            || self.alternates.iter().any(|a| a.ip.to_canonical() == ip)
            || self.rendezvous.iter().any(|at| at.ip().to_canonical() == ip)
    }

    fn alternates(&self, ip: IpAddr, port: u16) -> Vec<Alternate> {
        let is_other = |other: IpAddr| other.is_ipv4() == ip.is_ipv4() && other.to_canonical() != ip;
        let mut list: Vec<Alternate> = self.alternates.iter().filter(|a| is_other(a.ip)).copied().collect();
        if list.is_empty() {
            let named = self.rendezvous.iter().filter(|at| !at.ip().is_unspecified() && is_other(at.ip()));
            let mut named: Vec<SocketAddr> = named.copied().collect();
            // Of each address one port: the one the client used, if it is there.
            named.sort_by_key(|at| (at.ip(), at.port() != port));
            named.dedup_by_key(|at| at.ip());
            list.extend(named.iter().map(|at| Alternate { ip: at.ip(), port: Some(at.port()) }));
        }
        for alternate in &mut list {
            alternate.port = alternate.port.filter(|&other| other != port);
        }
        list.truncate(MAX_ALTERNATES);
        list
    }
}

/// Whether a socket that listens on `listen` takes connections to `ip`.
fn takes(listen: IpAddr, ip: IpAddr) -> bool {
    match listen.to_canonical() {
        listen if listen == ip => true,
        IpAddr::V6(listen) => listen.is_unspecified(),
        IpAddr::V4(listen) => listen.is_unspecified() && ip.is_ipv4(),
    }
}

/// Whether an address can be one of the internet, rather than one behind a NAT or of this machine alone.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let shared = ip.to_bits() >> 22 == 0x6440_0000 >> 22;
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_for_another_server_is_known_where_it_can_be() {
        let endpoints = Endpoints {
            rendezvous: vec!["192.0.2.5:8000".parse().unwrap(), "0.0.0.0:8000".parse().unwrap()],
            http: Vec::new(),
            alternates: vec!["192.0.2.6".parse().unwrap()],
        };
        let ask = |local: &str, ip: &str| endpoints.may_be(local.parse().ok(), ip.parse().unwrap());
        for ours in ["192.0.2.4", "192.0.2.5", "192.0.2.6", "::ffff:192.0.2.4"] {
            assert!(ask("192.0.2.4:8000", ours), "{ours}");
        }
        assert!(!ask("192.0.2.4:8000", "192.0.2.7") && !ask("[2001:db8::1]:1", "192.0.2.7"));
        // Whoever sits behind a NAT does not know.
        for local in ["10.0.0.1:8000", "100.127.0.1:1", "127.0.0.1:1", "[fd00::1]:1", "[::1]:1", "unknown"] {
            assert!(ask(local, "192.0.2.7"), "{local}");
        }
        assert!(!ask("100.128.0.1:1", "192.0.2.7"));
    }

    fn endpoints(rendezvous: &[&str], http: &[&str], alternates: &[&str]) -> Endpoints {
        let addrs = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Endpoints {
            rendezvous: addrs(rendezvous),
            http: addrs(http),
            alternates: alternates.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn told(endpoints: &Endpoints, local: &str) -> String {
        let Surroundings { next, http, alternates } = endpoints.around(local.parse().unwrap());
        let alternates: Vec<String> = alternates.iter().map(Alternate::to_string).collect();
        format!("{next:?} {http:?} {}", alternates.join(" "))
    }

    #[test]
    fn both_ports_name_each_other() {
        let server = endpoints(&["0.0.0.0:8000", "0.0.0.0:8001"], &["0.0.0.0:8080"], &[]);
        assert_eq!(told(&server, "192.0.2.1:8000"), "Some(8001) Some(8080) ");
        assert_eq!(told(&server, "192.0.2.1:8001"), "Some(8000) Some(8080) ");
        assert_eq!(told(&server, "[2001:db8::1]:8000"), "None None ", "that is another family");
        let dual = endpoints(&["[::]:8000", "[::]:8001"], &[], &[]);
        assert_eq!(told(&dual, "[::ffff:192.0.2.1]:8000"), "Some(8001) None ");
        assert_eq!(told(&endpoints(&["192.0.2.1:8000"], &[], &[]), "192.0.2.1:8000"), "None None ");
    }

    #[test]
    fn addresses_listened_on_are_told_to_who_uses_another_one() {
        let listen =
            ["192.0.2.1:8000", "192.0.2.2:8001", "192.0.2.2:8000", "192.0.2.3:9000", "[2001:db8::1]:8000"];
        let server = endpoints(&listen, &[], &[]);
        assert_eq!(told(&server, "192.0.2.1:8000"), "None None 192.0.2.2 192.0.2.3:9000");
        assert_eq!(told(&server, "192.0.2.2:8001"), "Some(8000) None 192.0.2.1:8000 192.0.2.3:9000");
        assert_eq!(told(&server, "[2001:db8::1]:8000"), "None None ");
    }

    #[test]
    fn what_is_configured_comes_first() {
        let alternates = ["192.0.2.1", "192.0.2.9", "192.0.2.10:8000", "[2001:db8::9]"];
        let server = endpoints(&["0.0.0.0:8000"], &[], &alternates);
        assert_eq!(told(&server, "192.0.2.1:8000"), "None None 192.0.2.9 192.0.2.10");
        assert_eq!(
            told(&server, "10.0.0.1:8000"),
            "None None 192.0.2.1 192.0.2.9 192.0.2.10",
            "behind a 1:1 NAT"
        );
        assert_eq!(told(&server, "[2001:db8::1]:8000"), "None None [2001:db8::9]");
    }

    #[test]
    fn not_too_many() {
        let many: Vec<String> = (1..100).map(|n| format!("192.0.2.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let told = endpoints(&[], &[], &many).around("198.51.100.1:8000".parse().unwrap());
        assert_eq!(told.alternates.len(), MAX_ALTERNATES);
    }
}
