//! A locator with some of its facts replaced: PyP2P's `construct(details)`, for both versions.
//!
//! What the node found out about itself comes first; whatever an [`Overrides`] holds takes its place as it is, right or
//! wrong. That is for programs that know better (a port forwarded by hand, an address by DNS), and for tests.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::v2::{self, UnlV2};
use super::{Candidate, CandidateKind, ForwardingType, NodeType, Record, Server};
use crate::proto::nat::NatType;
use crate::proto::network::NetworkId;

/// What to say instead of what was found out. The first eight are PyP2P's, by its names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Overrides {
    /// The address from outside. Version 3: that of all WAN and mapped candidates of this family.
    pub wan_ip: Option<IpAddr>,
    /// The address in one's own network. Version 3: that of all LAN candidates of this family.
    pub lan_ip: Option<IpAddr>,
    /// Version 2: the DHT's node id, cut or filled up to 20 bytes.
    pub node_id: Option<Vec<u8>>,
    /// Version 2: its first byte. Version 3: only 3.
    pub version: Option<u8>,
    /// How the node can be reached.
    pub node_type: Option<NodeType>,
    /// The NAT in front of it, in PyP2P's words.
    pub nat_type: Option<NatType>,
    /// Why its port is open.
    pub forwarding_type: Option<ForwardingType>,
    /// The port. Version 3: that of all candidates.
    pub listen_port: Option<u16>,
    /// Version 3: all candidates, before the overrides above.
    pub candidates: Option<Vec<Candidate>>,
    /// Version 3: all servers.
    pub servers: Option<Vec<Server>>,
    /// Version 3: the network.
    pub network: Option<NetworkId>,
    /// Version 3: Unix time in seconds from which on the locator is of no use; 0 = it holds until another comes.
    pub expires: Option<u64>,
}

impl Overrides {
    /// Sets one by name, from text: PyP2P's names as above (`node_id` in hexadecimal), and `candidate` and `server`
    /// (each time one more), `network` (32 hexadecimal digits), `expires`.
    ///
    /// # Errors
    /// A name that is none of these, or a value that does not fit it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OverrideError> {
        let wrong = |expected| OverrideError::Value { name: name.to_owned(), expected };
        let ip = || value.parse().map_err(|_| wrong("an IP address"));
        match name {
            "wan_ip" => self.wan_ip = Some(ip()?),
            "lan_ip" => self.lan_ip = Some(ip()?),
            "node_id" => self.node_id = Some(hex(value).ok_or_else(|| wrong("hexadecimal digits"))?),
            "version" => self.version = Some(value.parse().map_err(|_| wrong("0 to 255"))?),
            "node_type" => {
                let kind = NodeType::from_name(value);
                self.node_type = Some(kind.ok_or_else(|| wrong("passive, active or simultaneous"))?);
            }
            "nat_type" => {
                let kind = NatType::from_name(value);
                let expected = "unknown, none, preserving, delta, reuse or random";
                self.nat_type = Some(kind.ok_or_else(|| wrong(expected))?);
            }
            "forwarding_type" => {
                let kind = ForwardingType::from_name(value);
                let expected = "none, manual, forwarded, UPnP, NATPMP or PCP";
                self.forwarding_type = Some(kind.ok_or_else(|| wrong(expected))?);
            }
            "listen_port" => self.listen_port = Some(value.parse().map_err(|_| wrong("0 to 65535"))?),
            "candidate" => {
                let one = value.parse().map_err(|_| wrong("lan, wan or mapped, a blank, ADDRESS:PORT"))?;
                self.candidates.get_or_insert_default().push(one);
            }
            "server" => {
                let one = value.parse().map_err(|_| wrong("HOST:PORT"))?;
                self.servers.get_or_insert_default().push(one);
            }
            "network" => {
                self.network = Some(value.parse().map_err(|_| wrong("32 hexadecimal digits"))?);
            }
            "expires" => self.expires = Some(value.parse().map_err(|_| wrong("Unix time in seconds"))?),
            _ => return Err(OverrideError::Name { name: name.to_owned() }),
        }
        Ok(())
    }

    /// The facts of a UNL of version 2, with these in place of some.
    ///
    /// # Errors
    /// An override that version 2 has no field for, an IPv6 address among them.
    pub fn apply_v2(&self, own: UnlV2) -> Result<UnlV2, OverrideError> {
        for (name, given) in [
            ("candidate", self.candidates.is_some()),
            ("server", self.servers.is_some()),
            ("network", self.network.is_some()),
            ("expires", self.expires.is_some()),
        ] {
            if given {
                return Err(OverrideError::NotInVersion { name, version: 2 });
            }
        }
        let v4 = |name, ip: Option<IpAddr>, own: Ipv4Addr| match ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => Ok(ip),
            Some(IpAddr::V6(_)) => Err(OverrideError::NotInVersion { name, version: 2 }),
            None => Ok(own),
        };
        Ok(UnlV2 {
            version: self.version.unwrap_or(own.version),
            node_id: self.node_id.as_deref().map_or(own.node_id, v2::node_id),
            node_type: self.node_type.unwrap_or(own.node_type),
            nat_type: self.nat_type.unwrap_or(own.nat_type),
            forwarding_type: self.forwarding_type.unwrap_or(own.forwarding_type),
            listen_port: self.listen_port.unwrap_or(own.listen_port),
            wan_ip: v4("wan_ip", self.wan_ip, own.wan_ip)?,
            lan_ip: v4("lan_ip", self.lan_ip, own.lan_ip)?,
        })
    }

    /// The record of a locator of version 3, with these in place of some. It is then to be signed.
    ///
    /// An address of a kind and family that the record has no candidate of is added as one. What falls together by an
    /// override (two LAN addresses made the same) is there once.
    ///
    /// # Errors
    /// An override that version 3 has no field for.
    pub fn apply_v3(&self, own: Record) -> Result<Record, OverrideError> {
        if self.node_id.is_some() {
            return Err(OverrideError::NotInVersion { name: "node_id", version: 3 });
        }
        if self.version.is_some_and(|version| version != 3) {
            return Err(OverrideError::NotInVersion { name: "version", version: 3 });
        }
        let mut record = Record {
            network: self.network.or(own.network),
            expires: self.expires.or(own.expires).filter(|&at| at != 0),
            node_type: self.node_type.or(own.node_type),
            forwarding: self.forwarding_type.unwrap_or(own.forwarding),
            nat: own.nat,
            candidates: self.candidates.clone().unwrap_or(own.candidates),
            servers: self.servers.clone().unwrap_or(own.servers),
            relays: own.relays,
        };
        if let Some(nat_type) = self.nat_type {
            record.nat.nat_type = nat_type;
        }
        if let Some(port) = self.listen_port {
            record.candidates.iter_mut().for_each(|candidate| candidate.port = port);
        }
        for (ip, kind) in [(self.wan_ip, CandidateKind::Wan), (self.lan_ip, CandidateKind::Lan)] {
            if let Some(ip) = ip {
                self.move_to(ip, kind, &mut record.candidates);
            }
        }
        let mut seen = Vec::new();
        record.candidates.retain(|candidate| {
            let first = !seen.contains(candidate);
            seen.push(*candidate);
            first
        });
        Ok(record)
    }

    fn move_to(&self, ip: IpAddr, kind: CandidateKind, candidates: &mut Vec<Candidate>) {
        let outside = |kind| kind != CandidateKind::Lan;
        let port = self.listen_port.or(candidates.first().map(|candidate| candidate.port));
        let mut moved = false;
        for candidate in candidates.iter_mut() {
            if outside(candidate.kind) == outside(kind) && candidate.ip.is_ipv4() == ip.is_ipv4() {
                candidate.ip = ip;
                moved = true;
            }
        }
        if !moved {
            candidates.push(Candidate::new(kind, ip, port.unwrap_or(0)));
        }
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    crate::proto::hex::read(text, &mut bytes).then_some(bytes)
}

/// An override that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverrideError {
    /// None has this name.
    Name {
        /// The name given.
        name: String,
    },
    /// A value that does not fit.
    Value {
        /// The override's name.
        name: String,
        /// What was expected.
        expected: &'static str,
    },
    /// That version of a UNL has no place for it.
    NotInVersion {
        /// The override's name.
        name: &'static str,
        /// The version.
        version: u8,
    },
}

impl fmt::Display for OverrideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => {
                let shown: String = name.chars().take(80).collect();
                write!(
                    f,
                    "'{}' is nothing a locator says; expected wan_ip, lan_ip, node_id, version, node_type, \
                     nat_type, forwarding_type, listen_port, candidate, server, network or expires",
                    shown.escape_debug()
                )
            }
            Self::Value { name, expected } => {
                write!(f, "{name} has a value that does not fit; expected {expected}")
            }
            Self::NotInVersion { name: "version", version } => {
                write!(
                    f,
                    "a locator of version {version} cannot call itself another; expected version {version}"
                )
            }
            Self::NotInVersion { name: name @ ("wan_ip" | "lan_ip"), version } => {
                write!(f, "{name} cannot be IPv6 in a locator of version {version}; expected IPv4")
            }
            Self::NotInVersion { name, version } => {
                write!(f, "a locator of version {version} has no place for {name}; expected none")
            }
        }
    }
}

impl std::error::Error for OverrideError {}

#[cfg(test)]
mod tests;
