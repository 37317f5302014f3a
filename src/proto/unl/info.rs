//! What a locator says, whichever version it is: the parsed view for programs and people.

use std::fmt;
use std::net::IpAddr;

use super::v2::{self, UnlError, UnlV2};
use super::v3::{self, Check, UnlV3, V3Error};
use super::{Candidate, CandidateKind, ForwardingType, Nat, NodeType, Server};
use crate::proto::identity::PublicKey;
use crate::proto::network::NetworkId;

/// The contents of a locator of either version. What a version has no field for is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// 3, or what a UNL of PyP2P's format says of itself: 2, though any number is read.
    pub version: u8,
    /// Whose it is: the key (version 3).
    pub identity: Option<PublicKey>,
    /// Where DHT messages for it go (version 2; `None` if it takes none).
    pub node_id: Option<[u8; 20]>,
    /// How it can be reached; `None` = it does not say.
    pub node_type: Option<NodeType>,
    /// The NAT in front of it; version 2 knows no more than the type.
    pub nat: Nat,
    /// Why its port is open.
    pub forwarding: ForwardingType,
    /// Its addresses, the best first. From version 2: WAN and LAN, as they stand, even if they are nobody's.
    pub candidates: Vec<Candidate>,
    /// Servers that know it (version 3).
    pub servers: Vec<Server>,
    /// Nodes of its network that relay, itself among them if one is at an address of its own (version 3).
    pub relays: Vec<Server>,
    /// The network it is for (version 3).
    pub network: Option<NetworkId>,
    /// Unix time in seconds from which on it is of no use (version 3).
    pub expires: Option<u64>,
}

impl Info {
    /// Reads a locator: version 3 if it begins with `p2p3`, else PyP2P's format. (Those of PyP2P's nodes begin with `Ag`,
    /// which is their version number.)
    ///
    /// # Errors
    /// What is wrong with it, by the version it seems to be.
    pub fn parse(text: &str) -> Result<Info, LocatorError> {
        if text.starts_with(v3::PREFIX) {
            UnlV3::decode(text).map(|unl| Info::from(&unl)).map_err(LocatorError::V3)
        } else {
            UnlV2::decode(text).map(|unl| Info::from(&unl)).map_err(|error| {
                // Something that is not even as long as a UNL was not meant to be one.
                let near = (v2::TEXT_LEN - 8..=v2::TEXT_LEN + 8).contains(&text.trim().len());
                if near { LocatorError::V2(error) } else { LocatorError::Neither }
            })
        }
    }

    /// Reads a locator, and looks whether it is of use. Version 2 says nothing of time or network.
    ///
    /// # Errors
    /// What is wrong with it, the reading first.
    pub fn check(text: &str, check: &Check) -> Result<Info, LocatorError> {
        if text.starts_with(v3::PREFIX) {
            let unl = UnlV3::decode(text).map_err(LocatorError::V3)?;
            unl.check(check).map_err(LocatorError::V3)?;
            return Ok(Info::from(&unl));
        }
        Info::parse(text)
    }

    /// The first address of a kind: PyP2P's `wan_ip` and `lan_ip`.
    pub fn ip(&self, kind: CandidateKind) -> Option<IpAddr> {
        self.candidates.iter().find(|candidate| candidate.kind == kind).map(|candidate| candidate.ip)
    }
}

impl From<&UnlV3> for Info {
    fn from(unl: &UnlV3) -> Info {
        let record = unl.record().clone();
        Info {
            version: 3,
            identity: Some(*unl.identity()),
            node_id: None,
            node_type: record.node_type,
            nat: record.nat,
            forwarding: record.forwarding,
            candidates: record.candidates,
            servers: record.servers,
            relays: record.relays,
            network: record.network,
            expires: record.expires,
        }
    }
}

impl From<&UnlV2> for Info {
    fn from(unl: &UnlV2) -> Info {
        Info {
            version: unl.version,
            identity: None,
            node_id: Some(unl.node_id).filter(|id| *id != [0; 20]),
            node_type: Some(unl.node_type),
            nat: Nat { nat_type: unl.nat_type, ..Nat::default() },
            forwarding: unl.forwarding_type,
            candidates: vec![
                Candidate::new(CandidateKind::Wan, unl.wan_ip, unl.listen_port),
                Candidate::new(CandidateKind::Lan, unl.lan_ip, unl.listen_port),
            ],
            servers: Vec::new(),
            relays: Vec::new(),
            network: None,
            expires: None,
        }
    }
}

/// Why text is no locator, or one that is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocatorError {
    /// It looks like nothing we know.
    Neither,
    /// It looks like PyP2P's format.
    V2(UnlError),
    /// It begins like version 3.
    V3(V3Error),
}

impl fmt::Display for LocatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Neither => write!(
                f,
                "not a locator; expected text that begins with {}, or {} letters of PyP2P's format",
                v3::PREFIX,
                v2::TEXT_LEN
            ),
            Self::V2(error) => error.fmt(f),
            Self::V3(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LocatorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Neither => None,
            Self::V2(error) => Some(error),
            Self::V3(error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::identity::Identity;
    use crate::proto::nat::NatType;
    use crate::proto::unl::Record;

    const V2: &str = "AmFiY2RlZmdoaWprbG1ub3BxcnN0cGdmnK0KAEBkCgBAZO49RNo=";

    #[test]
    fn of_version_2() {
        let info = Info::parse(V2).unwrap();
        assert_eq!(info.version, 2);
        assert_eq!(info.node_id.as_ref(), Some(b"abcdefghijklmnopqrst"));
        assert_eq!((info.node_type, info.forwarding), (Some(NodeType::Passive), ForwardingType::Forwarded));
        assert_eq!(info.nat, Nat { nat_type: NatType::Preserving, ..Nat::default() });
        let said: Vec<String> = info.candidates.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["wan 100.64.0.10:44444", "lan 100.64.0.10:44444"]);
        assert_eq!(info.ip(CandidateKind::Lan), "100.64.0.10".parse().ok());
        assert_eq!(info.ip(CandidateKind::Mapped), None);
        assert_eq!((info.identity, info.network, info.expires), (None, None, None));
        let nobody = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAcGdtRMUICAgILQCowEkZ9eM=";
        assert_eq!(Info::parse(nobody).unwrap().node_id, None);
    }

    #[test]
    fn of_version_3() {
        let identity = Identity::from_secret(&[7; 32]);
        let record = Record {
            expires: Some(100),
            candidates: vec!["wan 203.0.113.7:6881".parse().unwrap()],
            ..Record::default()
        };
        let unl = UnlV3::sign(record.clone(), &identity).unwrap();
        let info = Info::parse(unl.text()).unwrap();
        assert_eq!((info.version, info.identity), (3, Some(identity.public())));
        assert_eq!((&info.candidates, info.expires), (&record.candidates, record.expires));
        assert_eq!(Info::check(unl.text(), &Check::at(99)).as_ref(), Ok(&info));
        let expired = LocatorError::V3(V3Error::Expired { since: 100, now: 101 });
        assert_eq!(Info::check(unl.text(), &Check::at(101)), Err(expired));
        assert!(Info::check(V2, &Check::at(u64::MAX).network(Some(NetworkId::of("x")))).is_ok());
    }

    #[test]
    fn faults_are_told_by_what_it_seems_to_be() {
        assert_eq!(Info::parse("hello"), Err(LocatorError::Neither));
        assert_eq!(
            LocatorError::Neither.to_string(),
            "not a locator; expected text that begins with p2p3, or 52 letters of PyP2P's format"
        );
        assert_eq!(Info::parse(&V2[1..]), Err(LocatorError::V2(UnlError::Unfinished)));
        assert!(matches!(Info::parse("p2p3"), Err(LocatorError::V3(V3Error::CutOff { have: 4, .. }))));
    }
}
