//! What the node is, from what is known now.

use super::Situation;
use super::words::{Asked, Door, Knock, Seen, Standing};
use crate::config::{NetType, NodeType};
use crate::event::Forwarding;
use crate::proto::nat::NatType;
use crate::proto::nat::behaviour::Unsolicited;

impl Situation {
    /// What the node is, from what is known now.
    pub fn standing(&self) -> Standing {
        let told = self.means.node_type;
        let granted = self.map.get().flatten();
        let [own, mapped] = [Door::Own, Door::Mapped].map(|door| self.knock(door));
        let (own_open, mapped_open) = (own == Some(Knock::Open), mapped == Some(Knock::Open));
        let closed = |k: Option<Knock>| matches!(k, Some(Knock::Closed(_)));
        let reachable = if mapped_open || own_open {
            Some(true)
        } else if closed(own) && !self.map.is_waiting() && (granted.is_none() || closed(mapped)) {
            Some(false)
        } else {
            None
        };
        // A port that is open when a router has given us the same one is open because of that router.
        let (forwarding, external_port) = match granted {
            Some(g) if mapped_open || own_open && self.explains(&g) => (g.by, g.external_port),
            _ if told == NodeType::Passive => (Forwarding::Manual, self.port),
            _ if own_open && (self.nat() == NatType::None || self.may_be_mapped()) => {
                (Forwarding::None, self.port)
            }
            _ if own_open => (Forwarding::Manual, self.port),
            _ => (Forwarding::None, 0),
        };
        let reachable_v6 = match self.knock(Door::OwnV6) {
            Some(Knock::Open) => Some(true),
            Some(Knock::Closed(_)) => Some(false),
            _ => None,
        };
        let unsolicited = match own {
            Some(Knock::Closed(met)) => met,
            _ => Unsolicited::Unknown,
        };
        Standing {
            node_type: self.node_type(reachable, reachable_v6),
            forwarding,
            external_port,
            reachable,
            reachable_v6,
            unsolicited,
            double_nat: self.double_nat(),
            // Held while it is being asked again, not where nobody asks.
            hairpin: self.turns_round.filter(|_| self.hairpin != Asked::Not || self.before.until.is_some()),
        }
    }

    /// The kind of NAT: what the program says goes before what was measured.
    pub fn nat(&self) -> NatType {
        match self.means.nat_type {
            NatType::Unknown => self.seen().map_or(NatType::Unknown, |p| p.nat),
            told => told,
        }
    }

    fn node_type(&self, reachable: Option<bool>, reachable_v6: Option<bool>) -> NodeType {
        let nat = self.nat();
        let punches = self.means.net_type == NetType::Direct && self.means.simultaneous;
        let asking = self.probe.is_waiting() && self.seen().is_none();
        let unpredictable = matches!(nat, NatType::Random | NatType::Unknown) && !asking;
        match self.means.node_type {
            NodeType::Simultaneous if !punches || unpredictable => NodeType::Active,
            NodeType::Unknown => {
                let seen = self.seen();
                let no_v4 = seen.is_none_or(|p| p.wan_ip.is_none())
                    && (seen.is_some() || !self.probe.is_waiting() || !self.means.v4);
                if reachable == Some(true) || reachable_v6 == Some(true) && no_v4 {
                    NodeType::Passive
                } else if !self.ready && self.is_asking() {
                    NodeType::Unknown
                } else if punches && nat != NatType::Unknown {
                    NodeType::Simultaneous
                } else {
                    NodeType::Active
                }
            }
            told => told,
        }
    }

    /// Whether something is being asked that may yet make this a passive node.
    pub fn is_deciding(&self) -> bool {
        self.means.node_type == NodeType::Unknown && self.is_asking()
    }

    /// Whether what the NAT was measured to be still counts.
    pub fn is_nat_known(&self) -> bool {
        self.seen().is_some()
    }

    pub(super) fn seen(&self) -> Option<Seen> {
        self.probe.get().or(self.before.seen)
    }

    pub(super) fn is_asking(&self) -> bool {
        self.probe.is_waiting()
            || self.map.is_waiting()
            || [self.own, self.own_v6, self.mapped].iter().any(|k| k.is_waiting())
    }
}
