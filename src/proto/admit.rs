//! Who may connect: a pure rule over addresses, asked before we dial and when somebody has connected.
//!
//! PyP2P 0.8.3 (`Net.validate_node`) refuses on a p2p net: its own LAN and WAN address, 127.0.0.1, and any address that
//! is connected already. The purpose is twofold, to keep a node from talking to itself and to keep one party from
//! taking all places. The same rule is kept here, made right where an address alone does not tell nodes apart:
//!
//! * Several nodes on one host: a node bound to one address has that address for its own, not the whole machine's.
//!   127.0.0.1 is its own only if it listens there.
//! * Where one address may hold several connections, only the own address *and port* is refused.
//! * IPv6: a subscriber holds a /64 and changes addresses inside it, so on global addresses the first 64 bits count as
//!   "the same address", as one IPv4 address does for all hosts behind a home router. Link-local, unique local and
//!   loopback addresses count whole.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What a node knows of itself when it judges an address.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The addresses it listens on (unspecified = all of that family) with the port.
    pub listen: Vec<SocketAddr>,
    /// Its address on the local network, as far as known.
    pub lan_ip: Option<IpAddr>,
    /// Its address as the internet sees it, as far as known.
    pub wan_ip: Option<IpAddr>,
    /// Whether one address may hold several connections.
    pub allow_duplicate_ip: bool,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No address that a peer can have (unspecified, multicast, broadcast, port 0).
    NotAPeer,
    /// It is this node itself.
    Own,
    /// That address is connected already.
    Duplicate,
}

impl Refusal {
    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Refusal::NotAPeer => "not an address a peer can have",
            Refusal::Own => {
                "that address is this node's own (to run two nets on one machine give each its own passive_bind)"
            }
            Refusal::Duplicate => "that address is connected already",
        }
    }
}

/// An IPv4 address that arrived on an IPv6 socket is an IPv4 address.
pub fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

/// What counts as one address for the duplicate rule, and wherever one party is to have its share only.
pub fn party(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) if !is_local_v6(v6) => {
            let bits = u128::from(v6) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(bits))
        }
        other => other,
    }
}

fn is_local_v6(ip: Ipv6Addr) -> bool {
    ip.is_loopback() || ip.is_unicast_link_local() || ip.is_unique_local() || ip.is_unspecified()
}

fn can_be_a_peer(ip: IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

impl Own {
    /// Whether `ip` is one that connections to us arrive at.
    fn is_own_ip(&self, ip: IpAddr) -> bool {
        let listens_on_all = |own: &SocketAddr| own.ip().is_unspecified() && own.is_ipv4() == ip.is_ipv4();
        self.wan_ip == Some(ip)
            || self.listen.iter().any(|own| own.ip() == ip)
            || (self.listen.iter().any(listens_on_all)
                && (self.lan_ip == Some(ip)
                    || ip == IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)
                    || ip == IpAddr::V6(Ipv6Addr::LOCALHOST)))
    }

    fn is_own_port(&self, port: u16) -> bool {
        self.listen.iter().any(|own| own.port() == port)
    }

    /// Whether we may dial `to`, given the addresses that are connected or being dialled.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub fn may_dial(
        &self,
        to: SocketAddr,
        mut connected: impl Iterator<Item = IpAddr>,
    ) -> Result<(), Refusal> {
        let to = canonical(to);
        if to.port() == 0 || !can_be_a_peer(to.ip()) {
            return Err(Refusal::NotAPeer);
        }
        if self.is_own_ip(to.ip()) && (!self.allow_duplicate_ip || self.is_own_port(to.port())) {
            return Err(Refusal::Own);
        }
        if !self.allow_duplicate_ip && connected.any(|ip| party(ip) == party(to.ip())) {
            return Err(Refusal::Duplicate);
        }
        Ok(())
    }

    /// Whether a peer that has connected from `from` may stay. Its port says nothing: it is not the one it listens on.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub fn may_stay(
        &self,
        from: SocketAddr,
        mut connected: impl Iterator<Item = IpAddr>,
    ) -> Result<(), Refusal> {
        let from = canonical(from);
        if self.allow_duplicate_ip {
            return Ok(());
        }
        if self.is_own_ip(from.ip()) {
            return Err(Refusal::Own);
        }
        if connected.any(|ip| party(ip) == party(from.ip())) {
            return Err(Refusal::Duplicate);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(listen: &[&str], allow: bool) -> Own {
        Own {
            listen: listen.iter().map(|a| a.parse().unwrap()).collect(),
            lan_ip: Some("192.168.0.5".parse().unwrap()),
            wan_ip: Some("203.0.113.7".parse().unwrap()),
            allow_duplicate_ip: allow,
        }
    }

    fn dial(own: &Own, to: &str, connected: &[&str]) -> Result<(), Refusal> {
        own.may_dial(to.parse().unwrap(), connected.iter().map(|a| a.parse().unwrap()))
    }

    fn stay(own: &Own, from: &str, connected: &[&str]) -> Result<(), Refusal> {
        own.may_stay(from.parse().unwrap(), connected.iter().map(|a| a.parse().unwrap()))
    }

    #[test]
    fn a_node_on_all_addresses_refuses_every_name_of_itself() {
        let node = own(&["0.0.0.0:50500", "[::]:50500"], false);
        for me in ["127.0.0.1:9", "192.168.0.5:9", "203.0.113.7:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert_eq!(dial(&node, me, &[]), Err(Refusal::Own), "{me}");
            assert_eq!(stay(&node, me, &[]), Err(Refusal::Own), "{me}");
        }
        assert_eq!(dial(&node, "192.168.0.6:9", &[]), Ok(()));
    }

    #[test]
    fn nodes_on_one_host_with_addresses_of_their_own_may_meet() {
        let alice = own(&["127.0.0.2:44444"], false);
        assert_eq!(dial(&alice, "127.0.0.3:44445", &[]), Ok(()));
        assert_eq!(dial(&alice, "127.0.0.1:44445", &[]), Ok(()));
        assert_eq!(dial(&alice, "127.0.0.2:1", &[]), Err(Refusal::Own));
    }

    #[test]
    fn with_duplicates_allowed_only_the_own_port_is_refused() {
        let node = own(&["127.0.0.1:7000"], true);
        assert_eq!(dial(&node, "127.0.0.1:7000", &[]), Err(Refusal::Own));
        assert_eq!(dial(&node, "127.0.0.1:7001", &["127.0.0.1"]), Ok(()));
        assert_eq!(stay(&node, "127.0.0.1:61234", &["127.0.0.1"]), Ok(()));
    }

    #[test]
    fn one_connection_per_party() {
        let node = own(&["0.0.0.0:1", "[::]:1"], false);
        assert_eq!(dial(&node, "198.51.100.1:5", &["198.51.100.1"]), Err(Refusal::Duplicate));
        assert_eq!(dial(&node, "198.51.100.1:5", &["::ffff:198.51.100.1"]), Err(Refusal::Duplicate));
        assert_eq!(stay(&node, "[2001:db8::1]:5", &["2001:db8::2"]), Err(Refusal::Duplicate));
        assert_eq!(stay(&node, "[2001:db8:0:1::1]:5", &["2001:db8::2"]), Ok(()));
        assert_eq!(stay(&node, "[fe80::1]:5", &["fe80::2"]), Ok(()));
        assert_eq!(stay(&node, "[fd00::1]:5", &["fd00::2"]), Ok(()));
    }

    #[test]
    fn what_is_no_peer_is_not_dialled() {
        let node = own(&[], true);
        for bad in ["0.0.0.0:1", "255.255.255.255:1", "224.0.0.1:1", "[::]:1", "[ff02::1]:1", "192.0.2.1:0"] {
            assert_eq!(dial(&node, bad, &[]), Err(Refusal::NotAPeer), "{bad}");
        }
    }
}
