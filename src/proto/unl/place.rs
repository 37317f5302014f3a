//! Where a node can be met: candidate addresses of its own, and rendezvous servers that know it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What kind of address a candidate is. The numbers are those of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CandidateKind {
    /// An address in the node's own network: for peers in the same one.
    Lan = 1,
    /// The node as the internet sees it. Whether connections get in is another question.
    Wan = 2,
    /// A port that the node's router was asked to pass on.
    Mapped = 3,
}

impl CandidateKind {
    pub(super) const ALL: [Self; 3] = [Self::Lan, Self::Wan, Self::Mapped];

    /// A short name, lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Wan => "wan",
            Self::Mapped => "mapped",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// An address at which a node may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Candidate {
    /// What kind of address it is.
    pub kind: CandidateKind,
    /// The address, IPv4 or IPv6.
    pub ip: IpAddr,
    /// The TCP port; 0 if nobody listens there. (The address alone still tells who is in one's own network.)
    pub port: u16,
}

impl Candidate {
    /// A candidate.
    pub fn new(kind: CandidateKind, ip: impl Into<IpAddr>, port: u16) -> Candidate {
        Candidate { kind, ip: ip.into(), port }
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), std::net::SocketAddr::new(self.ip, self.port))
    }
}

/// Whether an address may stand in a locator at all: that of one host, written in one way. Not "any" (0.0.0.0, ::), no
/// multicast, no broadcast, no IPv4 in the clothes of IPv6 (which would be a second spelling).
///
/// This is about form. Whether one *should* connect to it (to a private address far away, to oneself) depends on who
/// asks and is not decided here.
pub fn is_host(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast()),
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast() || v6.to_ipv4_mapped().is_some()),
    }
}

/// A rendezvous server: address or name, and port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server {
    /// Which machine.
    pub host: Host,
    /// TCP port, not 0.
    pub port: u16,
}

/// A machine, by address or by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// By address.
    Ip(IpAddr),
    /// By name: see [`is_name`].
    Name(String),
}

/// Longest host name in the DNS, in characters.
pub const MAX_NAME: usize = 253;

/// Whether text is a host name as locators have it: letters in lower case, digits, hyphens and dots as RFC 1123 allows
/// them (underscores too, as some have them), at most 253 characters, no dot at the end, and not a number at the end
/// (or it could be taken for an address).
pub fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= MAX_NAME && name.split('.').all(label) && last.bytes().any(|c| !c.is_ascii_digit())
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => write!(f, "{}", std::net::SocketAddr::new(*ip, self.port)),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

/// Text that names no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAPlace {
    /// What was given.
    pub text: String,
    /// What was expected.
    pub expected: &'static str,
}

impl fmt::Display for NotAPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever sent it decides how long it is; a message does not have to repeat all of it.
        let shown: String = self.text.chars().take(80).collect();
        write!(f, "'{}' is no such place; expected {}", shown.escape_debug(), self.expected)
    }
}

impl std::error::Error for NotAPlace {}

impl FromStr for Server {
    type Err = NotAPlace;

    /// Reads `host:port`, `1.2.3.4:port` or `[v6]:port`. Capitals in names are made small.
    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let wrong =
            || NotAPlace { text: text.to_owned(), expected: "HOST:PORT, ADDRESS:PORT or [IPV6]:PORT" };
        let server = match text.parse::<std::net::SocketAddr>() {
            Ok(addr) => Server { host: Host::Ip(addr.ip()), port: addr.port() },
            Err(_) => {
                let (name, port) = text.rsplit_once(':').ok_or_else(wrong)?;
                let port = port.parse().map_err(|_| wrong())?;
                Server { host: Host::Name(name.to_ascii_lowercase()), port }
            }
        };
        if server.is_sound() { Ok(server) } else { Err(wrong()) }
    }
}

impl Server {
    /// Whether it may stand in a locator: a host's address or name, and a port.
    pub fn is_sound(&self) -> bool {
        self.port != 0
            && match &self.host {
                Host::Ip(ip) => is_host(*ip),
                Host::Name(name) => is_name(name),
            }
    }
}

impl FromStr for Candidate {
    type Err = NotAPlace;

    /// Reads what `Display` writes: `lan 192.168.1.2:50500`, `wan [2001:db8::1]:50500`.
    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let read = || {
            let (kind, addr) = text.split_once(' ')?;
            let addr: std::net::SocketAddr = addr.parse().ok()?;
            let candidate = Candidate::new(CandidateKind::from_name(kind)?, addr.ip(), addr.port());
            is_host(candidate.ip).then_some(candidate)
        };
        read().ok_or_else(|| NotAPlace {
            text: text.to_owned(),
            expected: "lan, wan or mapped, a blank, and ADDRESS:PORT or [IPV6]:PORT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn servers_as_text() {
        for text in ["rendezvous.example.org:8000", "203.0.113.5:1", "[2001:db8::7]:65535", "a-1.b_2:9"] {
            assert_eq!(text.parse::<Server>().unwrap().to_string(), text);
        }
        assert_eq!(
            "Big.Example.ORG:80".parse::<Server>().unwrap().host,
            Host::Name("big.example.org".into())
        );
        for text in [
            "",
            "host",
            "host:",
            ":80",
            "host:0",
            "host:70000",
            "-a:1",
            "a-:1",
            "a..b:1",
            "a.:1",
            "1.2.3.4.5:1",
            "9:1",
            "1.2.3.256:1",
            "0.0.0.0:1",
            "[::]:1",
            "224.0.0.1:1",
            "[::ffff:1.2.3.4]:1",
            "münchen.example:1",
            "a b:1",
        ] {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
        let error = "a b:1".parse::<Server>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "'a b:1' is no such place; expected HOST:PORT, ADDRESS:PORT or [IPV6]:PORT"
        );
    }

    #[test]
    fn names_have_their_lengths() {
        let label = "a".repeat(63);
        assert!(is_name(&label) && !is_name(&format!("{label}a")));
        let name = [&label[..], &label, &label, &label[..61]].join(".");
        assert_eq!(name.len(), MAX_NAME);
        assert!(is_name(&name) && !is_name(&format!("{name}a")));
    }

    #[test]
    fn candidates_as_text() {
        for text in ["lan 192.168.1.2:50500", "wan [2001:db8::1]:0", "mapped 203.0.113.7:6881"] {
            assert_eq!(text.parse::<Candidate>().unwrap().to_string(), text);
        }
        for text in ["", "lan", "LAN 1.2.3.4:5", "lan 1.2.3.4", "lan 255.255.255.255:1", "moon 1.2.3.4:5"] {
            assert!(text.parse::<Candidate>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text: String) {
            if let Ok(server) = text.parse::<Server>() {
                prop_assert_eq!(server.to_string().parse(), Ok(server));
            }
            let _ = text.parse::<Candidate>();
        }
    }
}
