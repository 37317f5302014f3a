//! The machine's addresses, by interface.
//!
//! getifaddrs(3) is used directly: it is the one source that knows an IPv4 alias by its label (`eth0:2`), which the
//! crates that read netlink or /sys leave out.

use std::ffi::{CStr, CString};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::proto::nat::scope::Scope;
use crate::small;

/// One address of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IfaceAddr {
    pub(crate) name: String,
    pub(crate) ip: IpAddr,
}

/// Every address of every interface that is up.
pub(crate) fn addresses() -> io::Result<Vec<IfaceAddr>> {
    let mut head: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs stores a list in the pointer it is given.
    if unsafe { libc::getifaddrs(&mut head) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut at = head;
    while !at.is_null() {
        // SAFETY: `at` is an element of the list, which lives until freeifaddrs below.
        let entry = unsafe { &*at };
        if entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0 {
            // SAFETY: ifa_addr is null or points at a socket address of the family it names.
            if let Some(ip) = unsafe { ip_of(entry.ifa_addr) } {
                // SAFETY: ifa_name is a string of the list.
                let name = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
                found.push(IfaceAddr { name, ip });
            }
        }
        at = entry.ifa_next;
    }
    // SAFETY: the list came from getifaddrs and is not used after this.
    unsafe { libc::freeifaddrs(head) };
    Ok(found)
}

/// Every address with the number of its interface, as routes and notices of the system name it.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn indexed() -> io::Result<Vec<(u32, IpAddr)>> {
    let all = addresses()?.into_iter();
    Ok(all.filter_map(|a| Some((index(a.name.split(':').next()?)?, a.ip))).collect())
}

/// The number of an interface.
pub(crate) fn index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is a string that ends with a NUL.
    Some(unsafe { libc::if_nametoindex(name.as_ptr()) }).filter(|i| *i != 0)
}

/// The IP address in a socket address, if it holds one.
///
/// # Safety
/// `addr` must be null or point at a socket address as large as its family says.
unsafe fn ip_of(addr: *const libc::sockaddr) -> Option<IpAddr> {
    if addr.is_null() {
        return None;
    }
    // SAFETY: not null, and every socket address starts with its family; the casts follow what the family says. The
    // reads are unaligned because nothing promises the alignment of the larger type.
    unsafe {
        match i32::from((*addr).sa_family) {
            libc::AF_INET => {
                let v4 = addr.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let v6 = addr.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

/// The address that connections leave from when the program names an interface: by its name, its alias label or one of
/// its addresses. An IPv4 address is preferred, then a global IPv6 one.
pub(crate) fn find(wanted: &str) -> Result<IpAddr, String> {
    let all = addresses().map_err(|e| format!("listing the machine's interfaces: {e}"))?;
    if let Ok(ip) = wanted.parse::<IpAddr>() {
        // All of 127/8 is this machine's, though only 127.0.0.1 is listed.
        let loopback = matches!(ip, IpAddr::V4(v4) if v4.is_loopback());
        return if loopback || all.iter().any(|a| a.ip == ip) {
            Ok(ip)
        } else {
            Err(format!("interface is \"{wanted}\", which is no address of this machine"))
        };
    }
    let rank = |ip: &IpAddr| match ip {
        IpAddr::V4(_) => 0,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => 2,
        IpAddr::V6(_) => 1,
    };
    let mine = all.iter().filter(|a| a.name == wanted).map(|a| a.ip).min_by_key(rank);
    mine.ok_or_else(|| {
        let mut names: Vec<_> = all.iter().map(|a| a.name.as_str()).collect();
        small::sort(&mut names);
        names.dedup();
        format!(
            "there is no interface \"{wanted}\" with an address that is up; there are: {}",
            names.join(", ")
        )
    })
}

/// The address from which the system would reach `to`. Asks the routing table, sends nothing.
pub(crate) fn source_towards(to: std::net::SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let probe = std::net::UdpSocket::bind((any, 0)).ok()?;
    probe.connect(to).ok()?;
    probe.local_addr().ok().map(|a| a.ip())
}

/// The address from which a packet to the IPv4 internet would leave; failing that, to the IPv6 one. The destinations are
/// nobody's (RFC 5737, RFC 3849) and nothing is sent.
pub(crate) fn lan_ip() -> Option<IpAddr> {
    source_towards(std::net::SocketAddr::from(([192, 0, 2, 1], 9))).or_else(lan_ip6)
}

/// The global address from which a packet to the IPv6 internet would leave.
pub(crate) fn lan_ip6() -> Option<IpAddr> {
    let to = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    source_towards(std::net::SocketAddr::from((to, 9))).filter(|ip| Scope::of(*ip) == Scope::Global)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_by_name_and_by_address() {
        assert_eq!(find("lo"), Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(find("127.0.0.1"), Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert_eq!(find("127.0.0.77"), Ok("127.0.0.77".parse().unwrap()));
    }

    #[test]
    fn an_unknown_interface_is_refused_with_the_list_of_those_there_are() {
        let e = find("nosuch0").unwrap_err();
        let (_, names) = e.rsplit_once("there are: ").unwrap();
        let mut names: Vec<_> = names.split(", ").collect();
        assert!(e.contains("nosuch0") && names.contains(&"lo"), "{e}");
        let listed = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), listed, "an interface has several addresses and is named once: {e}");
        assert!(find("192.0.2.99").unwrap_err().contains("no address of this machine"));
    }

    #[test]
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn interfaces_have_numbers() {
        let lo = index("lo").unwrap();
        assert!(indexed().unwrap().contains(&(lo, Ipv4Addr::LOCALHOST.into())));
        assert_eq!(index("nosuch0"), None);
    }

    #[test]
    fn the_way_to_loopback_is_loopback() {
        let to = "127.0.0.9:9".parse().unwrap();
        assert_eq!(source_towards(to), Some("127.0.0.1".parse().unwrap()));
    }
}
