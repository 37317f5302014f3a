//! SSDP, the search for UPnP routers: the question and the parser of its answers.
//!
//! An answer is a small HTTP response in a datagram whose LOCATION says where the description lies. Anybody on the network
//! can send one, so it may name only the machine it came from, by its address; a host name, another host, another
//! scheme, credentials and control characters are refused. A fetch somewhere else would be an attack, not a router.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// SSDP's port.
pub const PORT: u16 = 1900;

/// The multicast group for IPv4.
pub const GROUP_V4: std::net::Ipv4Addr = std::net::Ipv4Addr::new(239, 255, 255, 250);

/// The multicast group of an IPv6 link.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x0c);

/// An answer is one datagram; longer ones are refused.
pub const LONGEST: usize = 2048;

/// What is searched for: gateways of both versions, and the services themselves, because some routers answer only to those.
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

/// Reads the answer that came from `from`. The location has to be the sender; an IPv6 router answers from its link-local
/// address and names its global one, which may be any of the network (/64) that `ours` belongs to.
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

/// Whether a search target is one of ours, of whatever version. Routers may answer with a higher or lower one.
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn from() -> SocketAddr {
        "192.168.1.1:1900".parse().unwrap()
    }

    fn ours() -> IpAddr {
        "192.168.1.5".parse().unwrap()
    }

    fn answer(location: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {}\r\n{location}\r\n\r\n", TARGETS[0])
    }

    fn located(location: &str) -> Result<Location, Unfit> {
        read(answer(&format!("Location:{location}")).as_bytes(), from(), ours())
    }

    #[test]
    fn a_search_is_as_upnp_wants_it() {
        let text = search(TARGETS[1], GROUP_V4.into());
        assert_eq!(
            text,
            "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
             ST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\n\r\n"
        );
        assert!(search("x", GROUP_V6.into()).contains("HOST: [ff02::c]:1900\r\n"));
    }

    #[test]
    fn a_routers_answer_is_read() {
        let found = located(" http://192.168.1.1:5000/rootDesc.xml").unwrap();
        assert_eq!(found.addr, "192.168.1.1:5000".parse().unwrap());
        assert_eq!(
            (found.path.as_str(), &*found.to_string()),
            ("/rootDesc.xml", "http://192.168.1.1:5000/rootDesc.xml")
        );
        assert_eq!(located("HTTP://192.168.1.1").unwrap().to_string(), "http://192.168.1.1:80/");
        assert_eq!(located("http://192.168.1.1?a=b").unwrap().path, "/?a=b");
        let bare = "HTTP/1.1 200 OK\nlocation: http://192.168.1.1:1/x\n";
        assert!(
            read(bare.as_bytes(), from(), ours()).is_ok(),
            "bare line feeds, no ST: real routers do that"
        );
    }

    #[test]
    fn a_link_local_location_gets_the_senders_scope() {
        let from = "[fe80::1%3]:1900".parse().unwrap();
        let ours = "2001:db8::5".parse().unwrap();
        let found = read(answer("LOCATION: http://[fe80::1]:5000/d").as_bytes(), from, ours).unwrap();
        assert_eq!(found.addr, "[fe80::1%3]:5000".parse().unwrap());
        assert_eq!(found.to_string(), "http://[fe80::1]:5000/d");
        assert_eq!(parse_url("http://fe80::1/", from), None);
    }

    #[test]
    fn an_ipv6_router_may_name_its_global_address() {
        let (from, ours) = ("[fe80::1%3]:1900".parse().unwrap(), "2001:db8::5".parse().unwrap());
        let say = |location: &str| read(answer(location).as_bytes(), from, ours);
        assert_eq!(
            say("LOCATION: http://[2001:db8::1]:80/d").unwrap().addr,
            "[2001:db8::1]:80".parse().unwrap()
        );
        assert_eq!(say("LOCATION: http://[2001:db8:0:1::1]:80/d"), Err(Unfit::Elsewhere), "another network");
        assert_eq!(say("LOCATION: http://[2001:db8::5]:80/d"), Err(Unfit::Elsewhere), "ourselves");
        assert_eq!(say("LOCATION: http://192.168.1.1:80/d"), Err(Unfit::Elsewhere));
    }

    #[test]
    fn tricks_are_refused() {
        for location in [
            "https://192.168.1.1/",
            "http://router.lan/",
            "http://192.168.1.1:0/",
            "http://192.168.1.1:70000/",
            "http://a@192.168.1.1/",
            "http://192.168.1.1\\@10.0.0.1/",
            "http://192.168.1.1/#x",
            "file:///etc/passwd",
            "http://192.168.1.1/a b",
            "http://192.168.1.1/\u{e9}",
            "http:/192.168.1.1/",
            "http://[192.168.1.1]/",
            "",
            "http://3232235777/",
            "http://0xc0.168.1.1/",
            "http://192.168.1/",
        ] {
            assert_eq!(located(location), Err(Unfit::BadLocation), "{location}");
        }
        assert_eq!(located("http://192.168.1.2:5000/d"), Err(Unfit::Elsewhere));
        assert_eq!(located("http://127.0.0.1:631/"), Err(Unfit::Elsewhere));
    }

    #[test]
    fn other_answers_are_not_ours() {
        let say = |text: &str| read(text.as_bytes(), from(), ours());
        assert_eq!(say(""), Err(Unfit::NotOk));
        assert_eq!(say("NOTIFY * HTTP/1.1\r\nLOCATION: http://192.168.1.1/\r\n\r\n"), Err(Unfit::NotOk));
        assert_eq!(say("HTTP/1.1 404 No\r\nLOCATION: http://192.168.1.1/\r\n\r\n"), Err(Unfit::NotOk));
        let printer = "HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:Printer:1\r\nLOCATION: http://192.168.1.1/\r\n\r\n";
        assert_eq!(say(printer), Err(Unfit::Target));
        assert_eq!(say("HTTP/1.1 200 OK\r\n\r\nLOCATION: http://192.168.1.1/"), Err(Unfit::NoLocation));
        let two = answer("LOCATION: http://192.168.1.1/\r\nLocation: http://192.168.1.1/");
        assert_eq!(say(&two), Err(Unfit::NoLocation));
        assert_eq!(read(&[0xff; 9], from(), ours()), Err(Unfit::NotText));
        assert_eq!(read(&[b'a'; LONGEST + 1], from(), ours()), Err(Unfit::NotText));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_the_senders_and_reads_the_same_again(url in "(http://)?(192\\.168\\.1\\.1|\\[fe80::1\\]|[a-z0-9.@:\\[\\]]{0,12})(:[0-9]{0,6})?[/?]?[ -~]{0,20}") {
            if let Ok(found) = located(&url) {
                prop_assert_eq!(found.addr.ip(), from().ip());
                prop_assert!(found.path.starts_with('/') && found.path.bytes().all(|b| b.is_ascii_graphic()));
                prop_assert_eq!(parse_url(&found.to_string(), from()), Some(found));
            }
        }

        #[test]
        fn random_bytes_do_no_harm(datagram in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&datagram, from(), ours());
        }
    }
}
