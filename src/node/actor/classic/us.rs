//! What the node knows of itself, as connecting by UNL and punching need it.

use std::net::IpAddr;

use super::super::Actor;
use crate::config::NodeType;
use crate::node::locator;
use crate::proto::connect::classic::Us;
use crate::proto::nat::NatType;
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::punch::{Foresight, Side};

/// Punches that go on at once, where they do not disturb one another.
const PUNCHES: usize = 4;

impl Actor {
    /// What we are at the moment.
    pub(super) fn us(&self) -> Us {
        let foresight = self.side().foresight();
        let (unl, known) = locator::facts_v2(&self.shared);
        Us {
            text: known.then(|| unl.encode()),
            unl,
            own: self.own.clone(),
            local_peers: self.shared.config.local_peers,
            dht: self.shared.dht_id.is_some(),
            no_punch: self.no_punch(foresight),
            clock: self.at.clock_offset_us().is_some(),
            punches: if matches!(foresight, Foresight::Row { .. }) { 1 } else { PUNCHES },
        }
    }

    fn no_punch(&self, foresight: Foresight) -> Option<&'static str> {
        let config = &self.shared.config;
        if !config.simultaneous {
            Some("it is switched off (option simultaneous)")
        } else if config.rendezvous().next().is_none() {
            Some("no rendezvous server is configured")
        } else if foresight == Foresight::Blind {
            Some("the ports of our NAT cannot be foreseen")
        } else {
            None
        }
    }

    /// Our NAT: as measured, or as the program has told.
    pub(super) fn side(&self) -> Side {
        let measured = self.at.nat();
        let told = self.shared.config.nat_type;
        let known = self.shared.info.lock().wan_ip;
        let side = match measured {
            Some(report) if told == NatType::Unknown || told == report.nat => Side::from(report),
            _ => told_side(told),
        };
        Side { outside_ip: side.outside_ip.or(known.filter(IpAddr::is_ipv4)), ..side }
    }

    /// Whether we are a node that others can punch to, and should be told so.
    pub(super) fn takes_challenges(&self) -> bool {
        self.is_classic_direct()
            && self.shared.config.advertise
            && self.shared.info.lock().node_type == NodeType::Simultaneous
            && self.no_punch(self.side().foresight()).is_none()
    }
}

/// What PyP2P's word for a NAT promises.
fn told_side(nat: NatType) -> Side {
    let (allocation, mapping) = match nat {
        NatType::None | NatType::Preserving => (Allocation::Preserving, Mapping::Unknown),
        NatType::Reuse => (Allocation::Unknown, Mapping::EndpointIndependent),
        NatType::Random => (Allocation::Random, Mapping::AddressAndPortDependent),
        // The distance is not known: a server has to be asked for each port.
        NatType::Unknown | NatType::Delta => (Allocation::Unknown, Mapping::Unknown),
    };
    Side { allocation, mapping, ..Side::default() }
}
