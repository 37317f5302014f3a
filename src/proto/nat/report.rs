//! The verdict: what NAT a node is behind, and what speaks for it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::behaviour::{Allocation, Mapping, Unsolicited};
use super::mapping::Kept;
use super::scope::Scope;
use super::{Classification, NatType, Probe};

/// What is known of the NAT in front of a node. The default knows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatReport {
    /// PyP2P's name for it, as derived from the rest.
    pub nat: NatType,
    /// For [`NatType::Delta`]: outside minus local port ([`Allocation::Delta`]), or from one outside port to
    /// the next ([`Allocation::Sequential`]). Else 0.
    pub delta: i32,
    /// How long a local port keeps its outside port.
    pub mapping: Mapping,
    /// How outside ports are chosen.
    pub allocation: Allocation,
    /// For [`Allocation::Sequential`]: from one outside port to the next. Else 0.
    pub step: i32,
    /// Our IPv4 address as servers see it. Old servers do not tell.
    pub wan_ip: Option<IpAddr>,
    /// The IPv4 address our connections leave from.
    pub local_ip: Option<IpAddr>,
    /// Our IPv6 address as a server sees it.
    pub wan_ip6: Option<Ipv6Addr>,
    /// Whether that is an address of this machine: no translation.
    pub wan_ip6_is_local: Option<bool>,
    /// Whether there are two NATs, one behind the other.
    pub double_nat: Option<bool>,
    /// Whether an address on the way belongs to a provider's NAT (100.64/10, RFC 6598).
    pub shared: bool,
    /// Whether two hosts behind this NAT can meet at its outside address.
    pub hairpin: Option<bool>,
    /// What becomes of connection attempts nobody asked for.
    pub unsolicited: Unsolicited,
    /// How sure this is.
    pub confidence: Confidence,
    /// What it rests on.
    pub evidence: Evidence,
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// There is none.
    #[default]
    None,
    /// Little was answered, or the answers disagree.
    Low,
    /// Ports or mapping are clear, the other is not (no second address to ask, say).
    Medium,
    /// Everything was asked, and the answers agree.
    High,
}

/// What a verdict rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Probes answered.
    pub observations: usize,
    /// Local ports among them, and the outside port that each had first, in the order of the connections.
    pub ports: Vec<Probe>,
    /// So many ports (or, in a row, distances) follow the rule of the allocation.
    pub fits: usize,
    /// Of so many.
    pub of: usize,
    /// Ports in the row that others must have got meanwhile.
    pub others: usize,
    /// How often a local port kept its outside port towards another port of the server.
    pub other_port: Kept,
    /// And towards another address.
    pub other_address: Kept,
    /// Outside ports follow one another, but only towards one and the same place.
    pub row_per_place: bool,
    /// Outside addresses seen; more than one is a NAT with a pool.
    pub outside_addresses: usize,
    /// The outside port of the last new mapping.
    pub last_outside: Option<u16>,
    /// What PyP2P would have said of the first five local ports.
    pub pyp2p: Classification,
}

impl NatReport {
    /// Takes in what the gateway says its own outside address is. If servers see another one, or if it is one
    /// that is not on the internet, there is a second NAT behind the gateway.
    #[must_use]
    pub fn with_gateway_external(mut self, ip: IpAddr) -> NatReport {
        let ip = ip.to_canonical();
        let scope = Scope::of(ip);
        let seen = self.wan_ip.filter(|seen| seen.is_ipv4() == ip.is_ipv4());
        if scope == Scope::None {
            // Some routers say 0.0.0.0 when they are offline.
            return self;
        }
        self.shared |= scope == Scope::Shared;
        self.double_nat = match seen {
            Some(seen) => Some(seen != ip),
            None if scope.is_behind_nat() => Some(true),
            None => self.double_nat,
        };
        self
    }

    /// Whether the outside port that a server sees for a local port is the one everybody else would see, so
    /// that asking is better than predicting.
    pub fn probe_holds_everywhere(&self) -> bool {
        self.mapping == Mapping::EndpointIndependent
    }

    /// The verdict and what it rests on, a sentence each, for people.
    pub fn explain(&self) -> Vec<String> {
        let e = &self.evidence;
        let mut lines = vec![self.to_string()];
        let fits = format!("{} of {}", e.fits, e.of);
        lines.extend(match self.allocation {
            Allocation::Unknown => None,
            Allocation::Preserving => Some(format!("{fits} local ports kept their number")),
            Allocation::Delta => Some(format!("{fits} outside ports are the local one {:+}", self.delta)),
            Allocation::Sequential => Some(format!(
                "{fits} outside ports follow the one before by {:+} or a small multiple; others took {} in between",
                self.step, e.others
            )),
            Allocation::Random if e.row_per_place => {
                Some("outside ports follow one another only towards one destination".to_owned())
            }
            Allocation::Random => Some(format!("{} outside ports follow no rule", e.of)),
        });
        let pairs: Vec<String> = e.ports.iter().map(|p| format!("{}>{}", p.source, p.remote)).collect();
        if !pairs.is_empty() {
            lines.push(format!("local and outside ports: {}", pairs.join(" ")));
        }
        for (kept, place) in
            [(e.other_port, "another port of the server"), (e.other_address, "another address")]
        {
            lines.push(match kept.of {
                0 => format!("towards {place} nothing could be measured"),
                of => format!("towards {place} {} of {of} local ports kept their outside port", kept.same),
            });
        }
        if e.outside_addresses > 1 {
            lines.push(format!("{} outside addresses were seen", e.outside_addresses));
        }
        lines.extend(match self.double_nat {
            Some(true) => Some("there are two NATs, one behind the other".to_owned()),
            _ if self.shared => {
                Some("an address of a provider's NAT (100.64.0.0/10) is on the way".to_owned())
            }
            _ => None,
        });
        lines
    }
}

/// One line: the name, the behaviour, the addresses.
impl fmt::Display for NatReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.nat)?;
        if self.nat == NatType::Delta {
            write!(f, " {:+}", self.delta)?;
        }
        let mapping = match self.mapping {
            Mapping::Unknown => "mapping unknown",
            Mapping::EndpointIndependent => "one outside port for all destinations",
            Mapping::AddressDependent => "another outside port for each address",
            Mapping::AddressAndPortDependent => "another outside port for each destination",
        };
        let ports = match self.allocation {
            Allocation::Unknown => "port choice unknown",
            Allocation::Preserving => "keeps the local port",
            Allocation::Delta => "local port plus a constant",
            Allocation::Sequential => "ports in a row",
            Allocation::Random => "random ports",
        };
        write!(f, ": {mapping}, {ports}")?;
        if let (Some(local), Some(wan)) = (self.local_ip, self.wan_ip) {
            write!(f, " ({local} is seen as {wan})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_the_gateway_says() {
        let report = NatReport { wan_ip: Some(ip("198.51.100.1")), ..NatReport::default() };
        let double = |external: &str| report.clone().with_gateway_external(ip(external)).double_nat;
        assert_eq!(double("198.51.100.1"), Some(false));
        assert_eq!(double("::ffff:198.51.100.1"), Some(false));
        assert_eq!(double("192.168.1.2"), Some(true));
        assert_eq!(double("203.0.113.1"), Some(true));
        assert_eq!(double("0.0.0.0"), None, "the gateway does not know");
        assert_eq!(double("2001:db8::1"), None, "of another family");
        let blind = NatReport::default();
        let double = |external: &str| blind.clone().with_gateway_external(ip(external)).double_nat;
        assert_eq!(double("198.51.100.1"), None, "nothing to compare with");
        assert_eq!(double("100.64.0.1"), Some(true));
        assert!(blind.with_gateway_external(ip("100.64.0.1")).shared);
    }
}
