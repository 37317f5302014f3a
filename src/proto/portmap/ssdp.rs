//! SSDP, the search for UPnP routers: the question and the parser of its answers.
//!
//! An answer is a small HTTP response in a datagram whose LOCATION says where the description lies. Anybody
//! on the network can send one, so it may name only the machine it came from, by its address; a host name,
//! another host, another scheme, credentials and control characters are refused. A fetch somewhere else would
//! be an attack, not a router.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// SSDP's port.
pub const PORT: u16 = 1900;

/// The multicast group for IPv4.
pub const GROUP_V4: std::net::Ipv4Addr = std::net::Ipv4Addr::new(239, 255, 255, 250);

/// The multicast group of an IPv6 link.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x0c);

/// An answer is one datagram; longer ones are refused.
pub const LONGEST: usize = 2048;

/// What is searched for: gateways of both versions, and the services themselves, because some routers answer
/// only to those.
pub const TARGETS: [&str; 5] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPConnection:1",
    "urn:schemas-upnp-org:service:WANIPConnection:2",
    "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/// What is searched for on IPv6, where only the firewall is of use.
pub const TARGETS_V6: [&str; 2] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1",
];

/// Where a router's description lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The router. An IPv6 one has the scope of the answer's sender.
    pub addr: SocketAddr,
    /// Path and query, starting with a slash; printable ASCII.
    pub path: String,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A URL has no place for the scope.
        match self.addr {
            SocketAddr::V4(v4) => write!(f, "http://{v4}{}", self.path),
            SocketAddr::V6(v6) => write!(f, "http://[{}]:{}{}", v6.ip(), v6.port(), self.path),
        }
    }
}

/// Why an answer is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Longer than [`LONGEST`], or not text.
    NotText,
    /// It does not begin with `HTTP/1.x 200`.
    NotOk,
    /// It is the answer to somebody else's search for something else.
    Target,
    /// There is no LOCATION, or more than one.
    NoLocation,
    /// The location is no `http://address[:port]/path`.
    BadLocation,
    /// The location is another machine than the sender.
    Elsewhere,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotText => "it is no text",
            Self::NotOk => "it does not say 200",
            Self::Target => "it is about another kind of device",
            Self::NoLocation => "it has no LOCATION, or several",
            Self::BadLocation => "its LOCATION is no http URL of an address",
            Self::Elsewhere => "its LOCATION is another machine",
        })
    }
}

/// The question for one target; `host` is the group, also when it is sent to the gateway alone.
pub fn search(target: &str, host: IpAddr) -> String {
    let host = SocketAddr::new(host, PORT);
    format!("M-SEARCH * HTTP/1.1\r\nHOST: {host}\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {target}\r\n\r\n")
}

/// Reads the answer that came from `from`. The location has to be the sender; an IPv6 router answers from its
/// link-local address and names its global one, which may be any of the network (/64) that `ours` belongs to.
///
/// # Errors
/// Why it is not used.
pub fn read(datagram: &[u8], from: SocketAddr, ours: IpAddr) -> Result<Location, Unfit> {
    if datagram.len() > LONGEST {
        return Err(Unfit::NotText);
    }
    let text = std::str::from_utf8(datagram).map_err(|_| Unfit::NotText)?;
    let mut lines = text.lines();
    let mut status = lines.next().unwrap_or_default().split_ascii_whitespace();
    let version = status.next().unwrap_or_default();
    if !version.starts_with("HTTP/1.") || status.next() != Some("200") {
        return Err(Unfit::NotOk);
    }
    let (mut location, mut target_fits) = (None, true);
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim(), value.trim());
        if name.eq_ignore_ascii_case("location") && location.replace(value).is_some() {
            return Err(Unfit::NoLocation);
        }
        if name.eq_ignore_ascii_case("st") {
            target_fits = is_ours(value);
        }
    }
    if !target_fits {
        return Err(Unfit::Target);
    }
    let location = parse_url(location.ok_or(Unfit::NoLocation)?, from).ok_or(Unfit::BadLocation)?;
    let fits = match (location.addr.ip(), ours) {
        (ip, _) if ip == from.ip() => true,
        (IpAddr::V6(ip), IpAddr::V6(ours)) => {
            ip != ours && from.is_ipv6() && !ours.is_loopback() && network(ip) == network(ours)
        }
        _ => false,
    };
    if fits { Ok(location) } else { Err(Unfit::Elsewhere) }
}

/// The first half of an IPv6 address.
fn network(ip: Ipv6Addr) -> u128 {
    u128::from(ip) >> 64
}

/// Whether a search target is one of ours, of whatever version. Routers may answer with a higher or lower
/// one.
fn is_ours(target: &str) -> bool {
    let kind = |target: &str| target.rsplit_once(':').map(|(kind, _)| kind.to_ascii_lowercase());
    let wanted = kind(target);
    wanted.is_some() && TARGETS.iter().chain(&TARGETS_V6).any(|ours| kind(ours) == wanted)
}

/// Reads `http://address[:port][/path]`; nothing else is a location to us.
pub fn parse_url(url: &str, from: SocketAddr) -> Option<Location> {
    let rest = url.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://")).and(url.get(7..))?;
    // A backslash is a slash to some parsers of URLs, and credentials or a fragment have no business here.
    if !rest.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'\\' | b'@' | b'#' | b'"' | b'<' | b'>')) {
        return None;
    }
    let split = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(split);
    let addr = match authority.parse::<SocketAddr>() {
        Ok(addr) => addr,
        Err(_) => {
            let bare = authority.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(authority);
            let ip: IpAddr = bare.parse().ok()?;
            // An IPv6 address needs its brackets, an IPv4 one has none.
            if ip.is_ipv6() != authority.starts_with('[') {
                return None;
            }
            SocketAddr::new(ip, 80)
        }
    };
    let addr = match (addr, from) {
        // A link-local address means the link it came from; which that is, only the receiving socket knows.
        (SocketAddr::V6(mut v6), SocketAddr::V6(sender)) => {
            v6.set_scope_id(if v6.ip().is_unicast_link_local() { sender.scope_id() } else { 0 });
            v6.into()
        }
        (other, _) => other,
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    (addr.port() != 0).then_some(Location { addr, path })
}

#[cfg(test)]
mod tests;
