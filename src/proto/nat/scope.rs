//! How far an address reaches: what a NAT's outside address tells, and which second addresses a server may
//! name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches, from near to far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// No address of a host: unspecified, multicast, broadcast.
    None,
    /// 127/8, ::1.
    Loopback,
    /// 169.254/16, fe80::/10 (RFC 3927, RFC 4291).
    Link,
    /// 10/8, 172.16/12, 192.168/16, fc00::/7 (RFC 1918, RFC 4193).
    Private,
    /// 100.64/10: between a provider's NAT and its customers (RFC 6598).
    Shared,
    /// Everything else.
    Global,
}

impl Scope {
    /// The scope of an address; a v4-mapped one has that of the IPv4 address.
    pub fn of(ip: IpAddr) -> Scope {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Scope::of_v4(ip),
            IpAddr::V6(ip) => Scope::of_v6(ip),
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Scope {
        match ip.octets() {
            [0 | 224..=255, ..] => Scope::None,
            [127, ..] => Scope::Loopback,
            [169, 254, ..] => Scope::Link,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Scope::Private,
            [100, 64..=127, ..] => Scope::Shared,
            _ => Scope::Global,
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Scope {
        if ip.is_unspecified() || ip.is_multicast() {
            Scope::None
        } else if ip.is_loopback() {
            Scope::Loopback
        } else if ip.is_unicast_link_local() {
            Scope::Link
        } else if ip.is_unique_local() {
            Scope::Private
        } else {
            Scope::Global
        }
    }

    /// Whether an address behind which there must be a further NAT before the internet: private or shared.
    pub fn is_behind_nat(self) -> bool {
        matches!(self, Scope::Private | Scope::Shared)
    }
}

/// Whether a server at `server` may send us to `other`: to the internet always, else only to where it is
/// itself. A stranger's server must not make us connect to hosts of our own network.
pub fn may_name(server: IpAddr, other: IpAddr) -> bool {
    let scope = Scope::of(other);
    scope == Scope::Global || (scope == Scope::of(server) && scope != Scope::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        for (text, scope) in [
            ("0.0.0.0", Scope::None),
            ("239.255.255.250", Scope::None),
            ("255.255.255.255", Scope::None),
            ("ff02::1", Scope::None),
            ("127.9.9.9", Scope::Loopback),
            ("::1", Scope::Loopback),
            ("169.254.1.1", Scope::Link),
            ("fe80::1", Scope::Link),
            ("10.255.0.1", Scope::Private),
            ("172.31.0.1", Scope::Private),
            ("172.32.0.1", Scope::Global),
            ("192.168.0.1", Scope::Private),
            ("fd00::1", Scope::Private),
            ("100.63.0.1", Scope::Global),
            ("100.64.0.1", Scope::Shared),
            ("100.127.255.255", Scope::Shared),
            ("100.128.0.0", Scope::Global),
            ("::ffff:10.0.0.1", Scope::Private),
            ("2001:db8::1", Scope::Global),
        ] {
            assert_eq!(Scope::of(text.parse().unwrap()), scope, "{text}");
        }
    }

    #[test]
    fn a_server_names_no_nearer_hosts() {
        let may = |server: &str, other: &str| may_name(server.parse().unwrap(), other.parse().unwrap());
        assert!(may("198.51.100.1", "198.51.100.2"));
        assert!(may("127.0.0.1", "127.0.0.2"));
        assert!(may("192.168.0.1", "10.0.0.1"));
        assert!(may("10.0.0.1", "198.51.100.2"));
        for near in ["192.168.0.1", "127.0.0.1", "100.64.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0"] {
            assert!(!may("198.51.100.1", near), "{near}");
        }
        assert!(!may("224.0.0.1", "224.0.0.1"));
    }
}
