//! The words of the situation: what there is to ask and to do, and what an answer may be.

use std::net::IpAddr;
use std::time::Duration;

use crate::config::{NetType, NodeType};
use crate::event::Forwarding;
use crate::proto::nat::NatType;
use crate::proto::nat::behaviour::Unsolicited;

/// Which of our own addresses are the same after a change of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Same {
    /// The one that the NAT, our port and its mapping belong to: that of IPv4, if there is one.
    pub v4: bool,
    /// That of IPv6.
    pub v6: bool,
}

/// What the program allows and what there is to ask.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// The node type the program has set.
    pub node_type: NodeType,
    /// The kind of NAT the program has set.
    pub nat_type: NatType,
    /// What the net is for.
    pub net_type: NetType,
    /// Whether it may take part in hole punching.
    pub simultaneous: bool,
    /// Servers are there that show our NAT.
    pub can_probe: bool,
    /// A router is there that may be asked for the port.
    pub can_map: bool,
    /// Servers are there that can knock on our port, by IPv4. More may be learned from the probe.
    pub can_check: bool,
    /// The same by IPv6, and we have an address of that family.
    pub can_check_v6: bool,
    /// We are part of the IPv4 internet; else there is no port to map, only pinholes.
    pub v4: bool,
    /// The start is finished after this long, whatever is open.
    pub start_timeout: Duration,
    /// Between two looks whether a mapped port is still open; zero: never.
    pub verify_interval: Duration,
}

/// Something to do. Each is answered by one call of the method named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Measure the NAT: [`probed`](super::Situation::probed).
    Probe,
    /// Ask the routers for the port, and keep it: [`mapped`](super::Situation::mapped), [`unmapped`](super::Situation::unmapped).
    Map,
    /// The mapping is listed and does not work: delete it and ask again.
    Remap,
    /// The mapping is not needed.
    Unmap,
    /// Have somebody outside knock: [`checked`](super::Situation::checked).
    Check(Door),
    /// See whether we reach ourselves by the outside address: [`hairpinned`](super::Situation::hairpinned).
    Hairpin,
    /// The start is finished.
    Ready,
}

/// Where to knock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Door {
    /// Our own port, by IPv4.
    Own,
    /// The port that the router gave us.
    Mapped,
    /// Our own port, by IPv6.
    OwnV6,
}

/// What a knock came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Knock {
    /// Nobody could be asked, or the answer is worth nothing.
    #[default]
    Unknown,
    /// The connection arrived here.
    Open,
    /// It did not, and this is what the knocker met.
    Closed(Unsolicited),
}

/// A port that a router has given us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// By which protocol.
    pub by: Forwarding,
    /// The router's outside address, if it told.
    pub external_ip: Option<IpAddr>,
    /// The outside port.
    pub external_port: u16,
}

/// What the node is, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Unknown while something is being asked that decides it.
    pub node_type: NodeType,
    /// How the port came to be open.
    pub forwarding: Forwarding,
    /// The port by which others reach us, 0 = not known.
    pub external_port: u16,
    /// Whether others reach us by IPv4.
    pub reachable: Option<bool>,
    /// Whether others reach us by IPv6.
    pub reachable_v6: Option<bool>,
    /// What our NAT does with those who were not asked.
    pub unsolicited: Unsolicited,
    /// Whether there are two NATs one behind the other.
    pub double_nat: Option<bool>,
    /// Whether we reach ourselves by the outside address.
    pub hairpin: Option<bool>,
}

/// The NAT as measured, what of it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Seen {
    /// Its kind.
    pub nat: NatType,
    /// Our address as the servers see it.
    pub wan_ip: Option<IpAddr>,
    /// Whether a server was met that can knock on our port.
    pub can_check: bool,
    /// The same by IPv6.
    pub can_check_v6: bool,
}

/// What has become of something that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Asked<T> {
    /// Not asked, and nobody will.
    #[default]
    Not,
    Waiting,
    Done(T),
}

impl<T: Copy> Asked<T> {
    pub(super) fn get(self) -> Option<T> {
        if let Asked::Done(value) = self { Some(value) } else { None }
    }
    pub(super) fn is_waiting(self) -> bool {
        matches!(self, Asked::Waiting)
    }
}
