//! What the server tells about a connection in its OBSERVED reply: how it sees the client, and where else it
//! can be asked.

use super::{ip, port};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Most second addresses one OBSERVED may carry.
pub const MAX_ALTERNATES: usize = 4;

/// The answer to OBSERVE: `OBSERVED ip port [next=port] [http=port] [alt=ip[:port]]...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The client as the server sees it.
    pub client: SocketAddr,
    /// Another port, on the address that the client connected to, where the same protocol is spoken.
    pub next: Option<u16>,
    /// The server's HTTP port on that address.
    pub http: Option<u16>,
    /// Other addresses of the same server, of the same family.
    pub alternates: Vec<Alternate>,
}

impl Observed {
    /// Reads what follows the verb. Fields of a name that this version does not know are skipped, so that
    /// later servers may say more; one that it knows and cannot read is left out, and so are addresses after
    /// the first [`MAX_ALTERNATES`].
    pub(super) fn parse(rest: &str) -> Option<Observed> {
        let mut fields = rest.split(' ');
        let client = SocketAddr::new(ip(fields.next()?)?, port(fields.next()?)?);
        let mut observed = Observed { client, next: None, http: None, alternates: Vec::new() };
        for (name, value) in fields.filter_map(|field| field.split_once('=')) {
            match name {
                "next" => observed.next = port(value),
                "http" => observed.http = port(value),
                "alt" if observed.alternates.len() < MAX_ALTERNATES => {
                    observed.alternates.extend(value.parse::<Alternate>().ok());
                }
                _ => {}
            }
        }
        Some(observed)
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OBSERVED {} {}", self.client.ip(), self.client.port())?;
        if let Some(port) = self.next {
            write!(f, " next={port}")?;
        }
        if let Some(port) = self.http {
            write!(f, " http={port}")?;
        }
        self.alternates.iter().try_for_each(|alternate| write!(f, " alt={alternate}"))
    }
}

/// Another address of a server: `ip` or `ip:port`, an IPv6 address in brackets. Without a port it is the one
/// that the client used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alternate {
    /// The address.
    pub ip: IpAddr,
    /// The rendezvous port there, if it is another one.
    pub port: Option<u16>,
}

impl Alternate {
    /// The whole address for a client that reached the server at `used_port`.
    pub fn at(&self, used_port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, self.port.unwrap_or(used_port))
    }
}

impl fmt::Display for Alternate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            IpAddr::V4(ip) => write!(f, "{ip}")?,
            IpAddr::V6(ip) => write!(f, "[{ip}]")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A text that is no [`Alternate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAlternate;

impl fmt::Display for NotAnAlternate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "expected an address, with a port if it is another one: 192.0.2.2, 192.0.2.2:8000 or [2001:db8::2]:8000",
        )
    }
}

impl std::error::Error for NotAnAlternate {}

impl FromStr for Alternate {
    type Err = NotAnAlternate;

    fn from_str(text: &str) -> Result<Alternate, NotAnAlternate> {
        let (host, port_text) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(NotAnAlternate)?;
                let after = Some(after).filter(|after| !after.is_empty());
                (host, after.map(|text| text.strip_prefix(':').ok_or(NotAnAlternate)).transpose()?)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = port_text.map(|text| port(text).ok_or(NotAnAlternate)).transpose()?;
        Ok(Alternate { ip: ip(host).ok_or(NotAnAlternate)?, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_addresses() {
        for text in ["192.0.2.2", "192.0.2.2:80", "[2001:db8::2]", "[2001:db8::2]:65535"] {
            assert_eq!(text.parse::<Alternate>().map(|a| a.to_string()).as_deref(), Ok(text));
        }
        for bad in [
            "",
            "host",
            "2001:db8::2",
            "192.0.2.2:",
            "192.0.2.2:0",
            "192.0.2.2:65536",
            "[::1",
            "[::1]5",
            ":5",
        ] {
            assert_eq!(bad.parse::<Alternate>(), Err(NotAnAlternate), "{bad:?}");
        }
        let mapped: Alternate = "[::ffff:192.0.2.2]:80".parse().unwrap();
        assert_eq!(mapped.to_string(), "192.0.2.2:80", "a v4-mapped address is the v4 address");
        assert_eq!(mapped.at(5), "192.0.2.2:80".parse().unwrap());
        assert_eq!(Alternate { port: None, ..mapped }.at(5), "192.0.2.2:5".parse().unwrap());
    }

    #[test]
    fn what_is_not_understood_is_skipped() {
        let read = |rest: &str| Observed::parse(rest).map(|o| o.to_string());
        assert_eq!(
            read("192.0.2.1 5 next=x color=blue http=80 alt=nowhere alt=192.0.2.2 = alt").as_deref(),
            Some("OBSERVED 192.0.2.1 5 http=80 alt=192.0.2.2")
        );
        let many = format!("192.0.2.1 5{}", " alt=192.0.2.2".repeat(MAX_ALTERNATES + 1));
        assert_eq!(Observed::parse(&many).map(|o| o.alternates.len()), Some(MAX_ALTERNATES));
        for bad in ["", "192.0.2.1", "192.0.2.1 0", "192.0.2.1 65536", "host 5", "192.0.2.1  5", "[::1] 5"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
