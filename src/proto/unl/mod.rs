//! UNLs (*universal node locators*): one string that tells another node how to reach us.
//!
//! [`v2`] is PyP2P's format, 52 characters of base64: two IPv4 addresses and a port. [`v3`] is that of the secure dialect:
//! the node's key, up to eight addresses, servers, an expiry, signed. [`Info`] is what is common to both, for whoever
//! only wants to read one; [`Overrides`] changes what a node says of itself. The words all of them use are here.
//!
//! The format of both, byte by byte: `docs/unl.md`.

mod base64;
pub mod construct;
mod crc;
pub mod info;
mod place;
pub mod v2;
pub mod v3;

use std::fmt;

use super::nat::NatType;
use super::nat::behaviour::{Allocation, Mapping};

pub use construct::Overrides;
pub use info::Info;
pub use place::{Candidate, CandidateKind, Host, MAX_NAME, NotAPlace, Server, is_host, is_name};
pub use v2::{UnlError, UnlV2};
pub use v3::{Check, Record, RecordError, UnlV3, V3Error};

/// The NAT in front of a node, as far as a peer has to know it to predict ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Nat {
    /// In PyP2P's words.
    pub nat_type: NatType,
    /// How long an outside port holds.
    pub mapping: Mapping,
    /// How outside ports are chosen.
    pub allocation: Allocation,
    /// The constant of delta and sequential NATs, -65535 to 65535; 0 for others.
    pub delta: i32,
}

/// How a node can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeType {
    /// Anybody can connect to it.
    Passive,
    /// Nobody can; it connects to others.
    Active,
    /// Nobody can without help, but its NAT can be punched.
    Simultaneous,
}

impl NodeType {
    const ALL: [Self; 3] = [Self::Passive, Self::Active, Self::Simultaneous];

    /// The name PyP2P's programs know.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passive => "passive",
            Self::Active => "active",
            Self::Simultaneous => "simultaneous",
        }
    }

    /// The type with this name (exact, lower case).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for NodeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a passive node's port is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ForwardingType {
    /// Nobody opened it, or nobody had to. Version 2 has no word for it and says manual.
    #[default]
    None,
    /// The program said so, or there is nothing to open.
    Manual,
    /// It was found open from outside.
    Forwarded,
    /// Mapped by UPnP.
    Upnp,
    /// Mapped by NAT-PMP.
    NatPmp,
    /// Mapped by PCP. Version 2 says NAT-PMP, its forerunner.
    Pcp,
}

impl ForwardingType {
    const ALL: [Self; 6] = [Self::None, Self::Manual, Self::Forwarded, Self::Upnp, Self::NatPmp, Self::Pcp];

    /// The name PyP2P's programs know; `none` and `PCP` are ours.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pcp => "PCP",
            Self::Manual => "manual",
            Self::Forwarded => "forwarded",
            Self::Upnp => "UPnP",
            Self::NatPmp => "NATPMP",
        }
    }

    /// The type with this name (exact).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl From<crate::event::Forwarding> for ForwardingType {
    fn from(forwarding: crate::event::Forwarding) -> Self {
        use crate::event::Forwarding;
        match forwarding {
            Forwarding::None => Self::None,
            Forwarding::Manual => Self::Manual,
            Forwarding::Upnp => Self::Upnp,
            Forwarding::NatPmp => Self::NatPmp,
            Forwarding::Pcp => Self::Pcp,
        }
    }
}

impl fmt::Display for ForwardingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for kind in NodeType::ALL {
            assert_eq!(NodeType::from_name(kind.name()), Some(kind));
        }
        for kind in ForwardingType::ALL {
            assert_eq!(ForwardingType::from_name(kind.name()), Some(kind));
        }
        assert_eq!(NodeType::from_name("unknown"), None);
        assert_eq!(ForwardingType::from_name("upnp"), None);
    }
}
