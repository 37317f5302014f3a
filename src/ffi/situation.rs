//! How a node stands in its network, in the constants of the C ABI.

use crate::config::NodeType;
use crate::event::{Allocation, Forwarding, Mapping, NatType, Unsolicited};

/// How others reach a node; PyP2P's names.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_node_type {
    /// Not told, or not found out yet.
    P2P_NODE_UNKNOWN = 0,
    /// Accepts connections from outside.
    P2P_NODE_PASSIVE = 1,
    /// Only connects out.
    P2P_NODE_ACTIVE = 2,
    /// Behind a NAT whose ports can be predicted: reachable by hole punching.
    P2P_NODE_SIMULTANEOUS = 3,
}

impl From<NodeType> for p2p_node_type {
    fn from(t: NodeType) -> p2p_node_type {
        use p2p_node_type::*;
        match t {
            NodeType::Unknown => P2P_NODE_UNKNOWN,
            NodeType::Passive => P2P_NODE_PASSIVE,
            NodeType::Active => P2P_NODE_ACTIVE,
            NodeType::Simultaneous => P2P_NODE_SIMULTANEOUS,
        }
    }
}

/// The NAT in front of a node; PyP2P's names.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_nat {
    /// Not known.
    P2P_NAT_UNKNOWN = 0,
    /// There is none.
    P2P_NAT_NONE = 1,
    /// The external port is the internal one.
    P2P_NAT_PRESERVING = 2,
    /// External ports follow one another at a constant distance.
    P2P_NAT_DELTA = 3,
    /// One internal port keeps one external port towards all destinations.
    P2P_NAT_REUSE = 4,
    /// External ports cannot be foreseen.
    P2P_NAT_RANDOM = 5,
}

impl From<NatType> for p2p_nat {
    fn from(t: NatType) -> p2p_nat {
        use p2p_nat::*;
        match t {
            NatType::Unknown => P2P_NAT_UNKNOWN,
            NatType::None => P2P_NAT_NONE,
            NatType::Preserving => P2P_NAT_PRESERVING,
            NatType::Delta => P2P_NAT_DELTA,
            NatType::Reuse => P2P_NAT_REUSE,
            NatType::Random => P2P_NAT_RANDOM,
        }
    }
}

/// Ways to open a port on the router, as bits.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_fwd {
    /// None.
    P2P_FWD_NONE = 0,
    /// The router was set up by hand.
    P2P_FWD_MANUAL = 1,
    /// UPnP IGD.
    P2P_FWD_UPNP = 2,
    /// NAT-PMP (RFC 6886).
    P2P_FWD_NATPMP = 4,
    /// PCP (RFC 6887).
    P2P_FWD_PCP = 8,
}

impl From<Forwarding> for p2p_fwd {
    fn from(f: Forwarding) -> p2p_fwd {
        use p2p_fwd::*;
        match f {
            Forwarding::None => P2P_FWD_NONE,
            Forwarding::Manual => P2P_FWD_MANUAL,
            Forwarding::Upnp => P2P_FWD_UPNP,
            Forwarding::NatPmp => P2P_FWD_NATPMP,
            Forwarding::Pcp => P2P_FWD_PCP,
        }
    }
}

/// How long the NAT keeps one outside port for one local port (RFC 4787, section 4.1).
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_mapping {
    /// Not known.
    P2P_MAPPING_UNKNOWN = 0,
    /// For all destinations.
    P2P_MAPPING_ENDPOINT_INDEPENDENT = 1,
    /// For one destination address.
    P2P_MAPPING_ADDRESS_DEPENDENT = 2,
    /// For one destination address and port.
    P2P_MAPPING_ADDRESS_AND_PORT_DEPENDENT = 3,
}

impl From<Mapping> for p2p_mapping {
    fn from(m: Mapping) -> p2p_mapping {
        use p2p_mapping::*;
        match m {
            Mapping::Unknown => P2P_MAPPING_UNKNOWN,
            Mapping::EndpointIndependent => P2P_MAPPING_ENDPOINT_INDEPENDENT,
            Mapping::AddressDependent => P2P_MAPPING_ADDRESS_DEPENDENT,
            Mapping::AddressAndPortDependent => P2P_MAPPING_ADDRESS_AND_PORT_DEPENDENT,
        }
    }
}

/// How the NAT chooses an outside port (RFC 4787, section 4.2).
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_allocation {
    /// Not known.
    P2P_ALLOCATION_UNKNOWN = 0,
    /// The local port.
    P2P_ALLOCATION_PRESERVING = 1,
    /// The local port plus nat_delta.
    P2P_ALLOCATION_DELTA = 2,
    /// The last one given plus nat_delta.
    P2P_ALLOCATION_SEQUENTIAL = 3,
    /// No rule was found.
    P2P_ALLOCATION_RANDOM = 4,
}

impl From<Allocation> for p2p_allocation {
    fn from(a: Allocation) -> p2p_allocation {
        use p2p_allocation::*;
        match a {
            Allocation::Unknown => P2P_ALLOCATION_UNKNOWN,
            Allocation::Preserving => P2P_ALLOCATION_PRESERVING,
            Allocation::Delta => P2P_ALLOCATION_DELTA,
            Allocation::Sequential => P2P_ALLOCATION_SEQUENTIAL,
            Allocation::Random => P2P_ALLOCATION_RANDOM,
        }
    }
}

/// What becomes of a connection from outside that nobody here asked for.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum p2p_unsolicited {
    /// Not known.
    P2P_UNSOLICITED_UNKNOWN = 0,
    /// Nothing comes back.
    P2P_UNSOLICITED_DROPPED = 1,
    /// It is refused (a TCP RST).
    P2P_UNSOLICITED_RESET = 2,
    /// An ICMP error comes back.
    P2P_UNSOLICITED_UNREACHABLE = 3,
}

impl From<Unsolicited> for p2p_unsolicited {
    fn from(u: Unsolicited) -> p2p_unsolicited {
        use p2p_unsolicited::*;
        match u {
            Unsolicited::Unknown => P2P_UNSOLICITED_UNKNOWN,
            Unsolicited::Dropped => P2P_UNSOLICITED_DROPPED,
            Unsolicited::Reset => P2P_UNSOLICITED_RESET,
            Unsolicited::Unreachable => P2P_UNSOLICITED_UNREACHABLE,
        }
    }
}
