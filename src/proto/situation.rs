//! How a node stands in its network, decided from what was measured: who asks what when, what type the node is, when the
//! start is finished.
//!
//! The order is PyP2P's (`Net.determine_node`): a port that is open by itself makes a passive node, then one that a router
//! opened, then a NAT whose kind is known makes a simultaneous one, else it is active; what the program says goes before
//! all. PyP2P asks one after the other, 14 s when nobody answers. Here everything is asked at once, and the answers are
//! put together in whatever order they come:
//!
//! ```text
//!   begin ─┬─ Probe ──────────────── report ──┬──────────────────────────▶ NAT, outside address
//!          ├─ Map ── granted ── Check(mapped) ┼─ closed ── Remap, once ──▶ passive, by whom
//!          └─ Check(own) ─────────────────────┴──────────────────────────▶ passive, by hand
//! ```
//!
//! A port counts as open only when a connection from outside has arrived on it; that is [`Situation::checked`]'s `open`.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::nat::NatType;
use super::nat::behaviour::Unsolicited;
use super::nat::scope::Scope;
use crate::config::{NetType, NodeType};
use crate::event::Forwarding;

#[cfg(test)]
mod tests;

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
    /// The start is finished after this long, whatever is open.
    pub start_timeout: Duration,
    /// Between two looks whether a mapped port is still open; zero: never.
    pub verify_interval: Duration,
}

/// Something to do. Each is answered by one call of the method named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Measure the NAT: [`Situation::probed`].
    Probe,
    /// Ask the routers for the port, and keep it: [`Situation::mapped`], [`Situation::unmapped`].
    Map,
    /// The mapping is listed and does not work: delete it and ask again.
    Remap,
    /// The mapping is not needed.
    Unmap,
    /// Have somebody outside knock: [`Situation::checked`].
    Check(Door),
    /// See whether we reach ourselves by the outside address: [`Situation::hairpinned`].
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

/// What has become of something that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Asked<T> {
    /// Not asked, and nobody will.
    #[default]
    Not,
    Waiting,
    Done(T),
}

impl<T: Copy> Asked<T> {
    fn get(self) -> Option<T> {
        if let Asked::Done(value) = self { Some(value) } else { None }
    }
    fn is_waiting(self) -> bool {
        matches!(self, Asked::Waiting)
    }
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

/// The state of the questions about one network. Give it what happens, take [`Situation::next_action`] until it has none.
#[derive(Debug)]
pub struct Situation {
    means: Means,
    port: u16,
    probe: Asked<Seen>,
    map: Asked<Option<Granted>>,
    own: Asked<Knock>,
    own_v6: Asked<Knock>,
    mapped: Asked<Knock>,
    hairpin: Asked<Option<bool>>,
    /// A dead mapping has been asked for anew; it is not done twice in a row.
    remapped: bool,
    ready: bool,
    ready_by: Instant,
    verify_at: Option<Instant>,
    actions: std::collections::VecDeque<Action>,
}

impl Situation {
    /// Begins to ask, for a node that listens on `port`.
    pub fn begin(means: Means, port: u16, now: Instant) -> Situation {
        let mut s = Situation {
            means,
            port,
            probe: Asked::Not,
            map: Asked::Not,
            own: Asked::Not,
            own_v6: Asked::Not,
            mapped: Asked::Not,
            hairpin: Asked::Not,
            remapped: false,
            ready: false,
            ready_by: now + means.start_timeout,
            verify_at: None,
            actions: std::collections::VecDeque::new(),
        };
        s.ask();
        s.settle();
        s
    }

    /// The network has changed: everything is asked again. The start does not take longer for that.
    pub fn renew(&mut self, means: Means, now: Instant) {
        let (was_ready, ready_by) = (self.ready, self.ready_by);
        *self = Situation { ready_by, ..Situation::begin(means, self.port, now) };
        if was_ready {
            self.ready = true;
            self.actions.retain(|a| *a != Action::Ready);
        }
    }

    fn ask(&mut self) {
        // A program that says "passive" is believed, as PyP2P does; there is nothing to find out that it wants to know.
        if self.means.node_type == NodeType::Passive {
            return;
        }
        if self.means.can_probe {
            self.probe = Asked::Waiting;
            self.actions.push_back(Action::Probe);
        }
        if self.means.node_type != NodeType::Unknown {
            return;
        }
        if self.means.can_map {
            self.map = Asked::Waiting;
            self.actions.push_back(Action::Map);
        }
        self.knock_on_own();
    }

    fn knock_on_own(&mut self) {
        if self.means.can_check && self.own == Asked::Not {
            self.own = Asked::Waiting;
            self.actions.push_back(Action::Check(Door::Own));
        }
        if self.means.can_check_v6 && self.own_v6 == Asked::Not {
            self.own_v6 = Asked::Waiting;
            self.actions.push_back(Action::Check(Door::OwnV6));
        }
    }

    fn knock_on_mapped(&mut self) {
        if self.means.can_check && self.map.get().flatten().is_some() && !self.mapped.is_waiting() {
            self.mapped = Asked::Waiting;
            self.actions.push_back(Action::Check(Door::Mapped));
        }
    }

    /// The NAT was measured, or could not be (`Seen::default()`).
    pub fn probed(&mut self, seen: Seen) {
        self.probe = Asked::Done(seen);
        if self.means.node_type == NodeType::Unknown {
            self.means.can_check |= seen.can_check;
            self.means.can_check_v6 |= seen.can_check_v6;
            // Those who were asked before could not tell; the ones that were met now may.
            if seen.can_check && self.own.get() == Some(Knock::Unknown) {
                self.own = Asked::Not;
            }
            if seen.can_check_v6 && self.own_v6.get() == Some(Knock::Unknown) {
                self.own_v6 = Asked::Not;
            }
            self.knock_on_own();
            if self.mapped == Asked::Not {
                self.knock_on_mapped();
            }
        }
        self.settle();
    }

    /// A router has given us a port, another one than before, or again.
    pub fn mapped(&mut self, granted: Granted) {
        self.map = Asked::Done(Some(granted));
        self.mapped = Asked::Not;
        self.knock_on_mapped();
        self.settle();
    }

    /// No router gives us a port, or the one we had is gone.
    pub fn unmapped(&mut self) {
        self.map = Asked::Done(None);
        self.mapped = Asked::Not;
        self.verify_at = None;
        self.settle();
    }

    /// A router lets strangers in to our IPv6 address now.
    pub fn pinholed(&mut self) {
        if self.means.can_check_v6 && self.own_v6.get() != Some(Knock::Open) {
            self.own_v6 = Asked::Not;
            self.knock_on_own();
        }
        self.settle();
    }

    /// What a knock came to.
    pub fn checked(&mut self, door: Door, knock: Knock, now: Instant) {
        let place = match door {
            Door::Own => &mut self.own,
            Door::OwnV6 => &mut self.own_v6,
            Door::Mapped => &mut self.mapped,
        };
        // An answer about a mapping that has gone meanwhile is worth nothing.
        if !place.is_waiting() {
            return;
        }
        *place = Asked::Done(knock);
        if door == Door::Mapped {
            self.mapping_checked(knock, now);
        }
        self.settle();
    }

    fn mapping_checked(&mut self, knock: Knock, now: Instant) {
        let every = self.means.verify_interval;
        self.verify_at = Some(now + every).filter(|_| !every.is_zero());
        match knock {
            Knock::Open => self.remapped = false,
            // A second NAT in front of the router is nothing that asking the router again would mend.
            Knock::Closed(_) if !self.remapped && self.double_nat() != Some(true) => {
                self.remapped = true;
                self.mapped = Asked::Waiting;
                self.actions.push_back(Action::Remap);
            }
            Knock::Closed(_) | Knock::Unknown => {}
        }
    }

    /// Whether we reached ourselves by the outside address.
    pub fn hairpinned(&mut self, works: Option<bool>) {
        self.hairpin = Asked::Done(works);
    }

    /// When [`Situation::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let start = (!self.ready).then_some(self.ready_by);
        [start, self.verify_at].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Instant) {
        if self.verify_at.is_some_and(|t| t <= now) {
            self.verify_at = None;
            self.knock_on_mapped();
        }
        if now >= self.ready_by {
            self.be_ready();
        }
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn be_ready(&mut self) {
        if !self.ready {
            self.ready = true;
            self.actions.push_back(Action::Ready);
        }
    }

    /// Draws the conclusions of what has come in.
    fn settle(&mut self) {
        let public = self.nat() == NatType::None;
        if public && self.own.get() == Some(Knock::Open) && !matches!(self.map, Asked::Not) {
            self.map = Asked::Not;
            self.mapped = Asked::Not;
            self.actions.push_back(Action::Unmap);
        }
        let open = self.standing().reachable == Some(true);
        let waiting = [self.own, self.own_v6, self.mapped].iter().any(|k| k.is_waiting());
        let decided = open || !self.map.is_waiting() && !waiting;
        if decided && !self.probe.is_waiting() {
            let outside = self.probe.get().and_then(|p| p.wan_ip);
            if self.hairpin == Asked::Not && outside.is_some() && !public {
                self.hairpin = Asked::Waiting;
                self.actions.push_back(Action::Hairpin);
            }
            self.be_ready();
        }
    }

    fn double_nat(&self) -> Option<bool> {
        let outside = self.map.get().flatten().and_then(|g| g.external_ip)?;
        let seen = self.probe.get().and_then(|p| p.wan_ip).filter(|ip| ip.is_ipv4() == outside.is_ipv4());
        match seen {
            Some(seen) => Some(seen != outside),
            None => Scope::of(outside).is_behind_nat().then_some(true),
        }
    }

    /// What the node is, from what is known now.
    pub fn standing(&self) -> Standing {
        let told = self.means.node_type;
        let granted = self.map.get().flatten();
        let mapped_open = self.mapped.get() == Some(Knock::Open);
        let own_open = self.own.get() == Some(Knock::Open);
        let closed = |k: Asked<Knock>| matches!(k.get(), Some(Knock::Closed(_)));
        let reachable = if mapped_open || own_open {
            Some(true)
        } else if closed(self.own) && !self.map.is_waiting() && (granted.is_none() || closed(self.mapped)) {
            Some(false)
        } else {
            None
        };
        // A port that was found open after a router had given us the same one is open because of that router.
        let (forwarding, external_port) = match granted {
            Some(g) if mapped_open || own_open && g.external_port == self.port => (g.by, g.external_port),
            _ if told == NodeType::Passive => (Forwarding::Manual, self.port),
            _ if own_open && self.nat() == NatType::None => (Forwarding::None, self.port),
            _ if own_open => (Forwarding::Manual, self.port),
            _ => (Forwarding::None, 0),
        };
        let reachable_v6 = match self.own_v6.get() {
            Some(Knock::Open) => Some(true),
            Some(Knock::Closed(_)) => Some(false),
            _ => None,
        };
        let unsolicited = match self.own.get() {
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
            hairpin: self.hairpin.get().flatten(),
        }
    }

    /// The kind of NAT: what the program says goes before what was measured.
    pub fn nat(&self) -> NatType {
        match self.means.nat_type {
            NatType::Unknown => self.probe.get().map_or(NatType::Unknown, |p| p.nat),
            told => told,
        }
    }

    fn node_type(&self, reachable: Option<bool>, reachable_v6: Option<bool>) -> NodeType {
        let nat = self.nat();
        let punches = self.means.net_type == NetType::Direct && self.means.simultaneous;
        let unpredictable = matches!(nat, NatType::Random | NatType::Unknown) && !self.probe.is_waiting();
        match self.means.node_type {
            NodeType::Simultaneous if !punches || unpredictable => NodeType::Active,
            NodeType::Unknown => {
                let no_v4 = self.probe.get().is_none_or(|p| p.wan_ip.is_none());
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

    fn is_asking(&self) -> bool {
        self.probe.is_waiting()
            || self.map.is_waiting()
            || [self.own, self.own_v6, self.mapped].iter().any(|k| k.is_waiting())
    }
}
