//! UNLs (*universal node locators*): one string that tells another node how to reach us.
//!
//! [`v2`] is PyP2P's format, 52 characters of base64. The words both formats use for a node are here.

mod base64;
pub mod v2;

use std::fmt;

pub use v2::{UnlError, UnlV2};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForwardingType {
    /// The program said so, or there is nothing to open.
    Manual,
    /// It was found open from outside.
    Forwarded,
    /// Mapped by UPnP.
    Upnp,
    /// Mapped by NAT-PMP (or PCP, which old nodes have no name for).
    NatPmp,
}

impl ForwardingType {
    const ALL: [Self; 4] = [Self::Manual, Self::Forwarded, Self::Upnp, Self::NatPmp];

    /// The name PyP2P's programs know.
    pub const fn name(self) -> &'static str {
        match self {
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
