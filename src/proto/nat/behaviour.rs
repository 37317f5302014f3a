//! What can be told of a NAT in the terms of RFC 4787 and RFC 5382: how it maps, how it picks ports, what it does with
//! what nobody asked for. PyP2P's four names ([`super::NatType`]) are derived from this for locators and the API.

/// How long a mapping of one local port holds (RFC 4787, section 4.1). The numbers are the C ABI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(i32)]
pub enum Mapping {
    /// Not measured.
    #[default]
    Unknown = 0,
    /// One outside port towards all destinations.
    EndpointIndependent = 1,
    /// A new one for each destination address.
    AddressDependent = 2,
    /// A new one for each destination address and port.
    AddressAndPortDependent = 3,
}

/// How the outside port of a new mapping is chosen (RFC 4787, section 4.2). The numbers are the C ABI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(i32)]
pub enum Allocation {
    /// Not measured.
    #[default]
    Unknown = 0,
    /// The local port.
    Preserving = 1,
    /// The local port plus a constant.
    Delta = 2,
    /// The last one given plus a constant, whatever the local port.
    Sequential = 3,
    /// No rule that we found.
    Random = 4,
}

/// What becomes of a connection attempt from outside that nobody asked for. The numbers are the C ABI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(i32)]
pub enum Unsolicited {
    /// Not measured.
    #[default]
    Unknown = 0,
    /// Nothing comes back.
    Dropped = 1,
    /// A TCP RST comes back.
    Reset = 2,
    /// An ICMP error comes back.
    Unreachable = 3,
}

impl Mapping {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Mapping::Unknown => "unknown",
            Mapping::EndpointIndependent => "endpoint-independent",
            Mapping::AddressDependent => "address-dependent",
            Mapping::AddressAndPortDependent => "address-and-port-dependent",
        }
    }
}

impl Allocation {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Allocation::Unknown => "unknown",
            Allocation::Preserving => "preserving",
            Allocation::Delta => "delta",
            Allocation::Sequential => "sequential",
            Allocation::Random => "random",
        }
    }
}

impl Unsolicited {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Unsolicited::Unknown => "unknown",
            Unsolicited::Dropped => "dropped",
            Unsolicited::Reset => "reset",
            Unsolicited::Unreachable => "unreachable",
        }
    }
}
