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
//!
//! By whom it was opened is another question: a router may have given us the port, and its answer be slower than the
//! knock. So nobody is named, and no mapping is called off, before the routers have answered or are not waited for.
//!
//! What is known holds while it is being asked again: neither a look whether a mapped port is still open, nor a change of
//! the network that turns out to be none, makes a reachable node unreachable for a second. After a change that holds for
//! `HOLD`, and no longer than our addresses, inside and outside, stay the same.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::nat::NatType;
use super::nat::behaviour::Unsolicited;
use super::nat::scope::Scope;
use crate::config::{NetType, NodeType};
use crate::event::Forwarding;

#[cfg(test)]
mod tests;

/// How long what was known of the network before holds after a change, if nothing contradicts it.
const HOLD: Duration = Duration::from_secs(3);

/// A router that has neither given the port nor refused it by then is not waited for any longer; it may still come.
const MAPPED_BY: Duration = Duration::from_secs(4);

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

/// What was known of the network before the last change.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    seen: Option<Seen>,
    own: Option<Knock>,
    own_v6: Option<Knock>,
    mapped: Option<Knock>,
    /// Our own port was known to be open by hand.
    by_hand: bool,
    /// For how long; `None`: there is nothing.
    until: Option<Instant>,
}

/// Whether a knock on our own port may be mistaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    None,
    /// The mapped port, another one, was knocked on at the same time.
    Mixed,
    /// And the answer is that it is open.
    Open,
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
    hairpin: Asked<()>,
    before: Before,
    /// What the last look at the mapped port came to, while the next one is under way.
    verified: Option<Knock>,
    own_doubt: Doubt,
    /// The last answer about the hairpin.
    turns_round: Option<bool>,
    /// When waiting for a router ends.
    mapped_by: Option<Instant>,
    /// Servers were met while others were being asked to knock on this door; they are next if those cannot tell.
    met: Vec<Door>,
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
            before: Before::default(),
            verified: None,
            own_doubt: Doubt::None,
            turns_round: None,
            mapped_by: None,
            met: Vec::new(),
            remapped: false,
            ready: false,
            ready_by: now + means.start_timeout,
            verify_at: None,
            actions: std::collections::VecDeque::new(),
        };
        s.ask(now);
        s.settle();
        s
    }

    /// The network has changed: everything is asked again. If our own addresses are the `same`, this may be the network
    /// it was: what was said of that one holds until it is answered, but not long.
    pub fn renew(&mut self, means: Means, same: bool, now: Instant) {
        let before = Before {
            seen: self.seen(),
            own: self.knock(Door::Own),
            own_v6: self.knock(Door::OwnV6),
            mapped: self.knock(Door::Mapped),
            by_hand: self.standing().forwarding == Forwarding::Manual,
            // Changes that follow one another do not prolong it.
            until: self.before.until.or(Some(now + HOLD)),
        };
        let granted = self.map.get().flatten();
        // The start does not take longer for a change.
        let (was_ready, ready_by, turns_round) = (self.ready, self.ready_by, self.turns_round);
        *self = Situation { ready_by, turns_round, ..Situation::begin(means, self.port, now) };
        if was_ready {
            self.ready = true;
            self.actions.retain(|a| *a != Action::Ready);
        }
        if !same {
            self.turns_round = None;
        }
        if !same || !self.is_asking() {
            return;
        }
        self.before = before;
        if granted.is_some() && self.map.is_waiting() {
            // Who keeps the mapping tells only of what is different now.
            self.map = Asked::Done(granted);
            self.mapped_by = None;
            self.knock_on_mapped();
        }
    }

    fn ask(&mut self, now: Instant) {
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
            self.await_mapping(now);
            self.actions.push_back(Action::Map);
        }
        self.knock_on_own();
    }

    fn await_mapping(&mut self, now: Instant) {
        self.map = Asked::Waiting;
        self.mapped_by = Some(now + MAPPED_BY);
    }

    fn knock_on_own(&mut self) {
        if self.means.can_check && self.own == Asked::Not {
            self.own = Asked::Waiting;
            self.own_doubt = Doubt::None;
            self.doubt();
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
            self.doubt();
            self.actions.push_back(Action::Check(Door::Mapped));
        }
    }

    /// A connection that arrives while both doors are knocked on does not tell by which it came.
    fn doubt(&mut self) {
        let other = self.map.get().flatten().is_some_and(|g| g.external_port != self.port);
        if other && self.own.is_waiting() && self.mapped.is_waiting() && self.own_doubt == Doubt::None {
            self.own_doubt = Doubt::Mixed;
        }
    }

    /// Our own port is said to be open, and something has arrived. If that may have been the knock on the mapped port, the
    /// other host that has our number outside may be the one that was reached: it counts only if nothing came by the
    /// mapped port.
    fn clear_doubt(&mut self) {
        if self.own_doubt == Doubt::Open && !self.mapped.is_waiting() {
            self.own_doubt = Doubt::None;
            match self.mapped.get() {
                Some(Knock::Closed(_)) => self.own = Asked::Done(Knock::Open),
                Some(_) => self.own = Asked::Done(Knock::Unknown),
                None => {
                    self.own = Asked::Not;
                    self.knock_on_own();
                }
            }
        }
    }

    /// The NAT was measured, or could not be (`Seen::default()`).
    pub fn probed(&mut self, seen: Seen) {
        if self.before.seen.is_some_and(|before| before.wan_ip != seen.wan_ip) {
            self.forget(seen);
        }
        self.probe = Asked::Done(seen);
        if self.means.node_type == NodeType::Unknown {
            self.means.can_check |= seen.can_check;
            self.means.can_check_v6 |= seen.can_check_v6;
            // Those who were asked before could not tell; the ones that were met now may.
            for door in [Door::Own, Door::Mapped, Door::OwnV6] {
                let met = if door == Door::OwnV6 { seen.can_check_v6 } else { seen.can_check };
                let place = self.place(door);
                if met && place.is_waiting() {
                    self.met.push(door);
                } else if met && place.get() == Some(Knock::Unknown) {
                    *place = Asked::Not;
                }
            }
            self.knock_on_own();
            if self.mapped == Asked::Not {
                self.knock_on_mapped();
            }
        }
        self.settle();
    }

    /// We are seen by another address than before: what was known of that one is over.
    fn forget(&mut self, seen: Seen) {
        let before = std::mem::take(&mut self.before);
        self.turns_round = None;
        if let Asked::Done(Some(granted)) = &mut self.map
            && before.seen.is_some_and(|b| b.wan_ip == granted.external_ip)
            && seen.wan_ip.is_some_and(|ip| Some(ip) != granted.external_ip)
        {
            // The router has another one now, too, and will tell.
            granted.external_ip = None;
        }
    }

    /// A router has given us a port, another one than before, or again.
    pub fn mapped(&mut self, granted: Granted) {
        let other = self.map.get().flatten().is_none_or(|g| g.external_port != granted.external_port);
        let nobodys = self.may_be_mapped() && self.leads_here(&granted) && !self.explains(&granted);
        self.map = Asked::Done(Some(granted));
        self.mapped_by = None;
        self.mapped = Asked::Not;
        self.verified = None;
        if other {
            self.before.mapped = None;
        }
        if nobodys && self.own.get() == Some(Knock::Open) {
            // What opened it may have been another mapping, one that was not kept.
            self.own = Asked::Not;
            self.knock_on_own();
        }
        self.knock_on_mapped();
        self.settle();
    }

    /// The port that a router had given us is gone; another one is being asked for.
    pub fn lost(&mut self, now: Instant) {
        self.without_mapping();
        self.await_mapping(now);
        self.settle();
    }

    /// No router gives us a port.
    pub fn unmapped(&mut self) {
        self.without_mapping();
        self.map = Asked::Done(None);
        self.mapped_by = None;
        self.settle();
    }

    fn without_mapping(&mut self) {
        let had = self.map.get().flatten();
        self.mapped = Asked::Not;
        self.clear_doubt();
        (self.before.mapped, self.verified) = (None, None);
        self.verify_at = None;
        // Our own port may have been open only thanks to the mapping.
        if had.is_some_and(|g| self.explains(&g)) {
            self.before.own = None;
            if self.own.get() == Some(Knock::Open) {
                self.own = Asked::Not;
                self.knock_on_own();
            }
        }
    }

    /// A router lets strangers in to our IPv6 address now.
    pub fn pinholed(&mut self) {
        if !self.means.v4 && self.map.is_waiting() {
            self.map = Asked::Done(None);
            self.mapped_by = None;
        }
        if self.means.can_check_v6 && self.own_v6.get() != Some(Knock::Open) {
            self.own_v6 = Asked::Not;
            self.knock_on_own();
        }
        self.settle();
    }

    /// The hole is closed again.
    pub fn unpinholed(&mut self) {
        if self.own_v6.get() == Some(Knock::Open) {
            self.own_v6 = Asked::Not;
            self.knock_on_own();
        }
        self.settle();
    }

    /// What a knock came to.
    pub fn checked(&mut self, door: Door, knock: Knock, now: Instant) {
        let met = self.met.contains(&door);
        self.met.retain(|d| *d != door);
        let place = self.place(door);
        // An answer about a mapping that has gone meanwhile is worth nothing.
        if !place.is_waiting() {
            return;
        }
        *place = Asked::Done(knock);
        if door == Door::Own && knock == Knock::Open && self.own_doubt == Doubt::Mixed {
            (self.own, self.own_doubt) = (Asked::Waiting, Doubt::Open);
            self.clear_doubt();
            return self.settle();
        }
        if door == Door::Mapped {
            self.clear_doubt();
        }
        let place = self.place(door);
        if met && knock == Knock::Unknown {
            *place = Asked::Not;
            self.knock_on_own();
            if door == Door::Mapped {
                self.knock_on_mapped();
            }
        } else if door == Door::Mapped {
            self.mapping_checked(knock, now);
        }
        self.settle();
    }

    fn mapping_checked(&mut self, knock: Knock, now: Instant) {
        let every = self.means.verify_interval;
        self.verify_at = Some(now + every).filter(|_| !every.is_zero());
        match (knock, self.verified.take()) {
            (Knock::Open, _) => self.remapped = false,
            // Nobody could be asked: what was found at the last look is the best that is known.
            (Knock::Unknown, Some(before)) => self.mapped = Asked::Done(before),
            (Knock::Unknown, None) => {}
            (Knock::Closed(_), _) => {
                if self.map.get().flatten().is_some_and(|g| self.explains(&g))
                    && self.own.get() == Some(Knock::Open)
                {
                    // It is the same port, and that was before.
                    self.own = Asked::Done(knock);
                }
                // A second NAT in front of the router is nothing that asking the router again would mend.
                if !self.remapped && self.double_nat() != Some(true) {
                    self.remapped = true;
                    self.mapped = Asked::Waiting;
                    self.actions.push_back(Action::Remap);
                }
            }
        }
    }

    /// Whether we reached ourselves by the outside address.
    pub fn hairpinned(&mut self, works: Option<bool>) {
        self.hairpin = Asked::Done(());
        self.turns_round = works;
    }

    /// When [`Situation::timeout`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let start = (!self.ready).then_some(self.ready_by);
        [start, self.verify_at, self.mapped_by, self.before.until].into_iter().flatten().min()
    }

    /// Time has passed.
    pub fn timeout(&mut self, now: Instant) {
        if self.verify_at.is_some_and(|t| t <= now) {
            self.verify_at = None;
            let known = self.mapped.get();
            self.knock_on_mapped();
            if self.mapped.is_waiting() {
                self.verified = known;
            }
        }
        if self.mapped_by.is_some_and(|t| t <= now) {
            self.unmapped();
        }
        if self.before.until.is_some_and(|t| t <= now) {
            self.before = Before::default();
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
        let needless = self.map.get().is_some_and(|given| !given.is_some_and(|g| self.explains(&g)));
        if public && self.own.get() == Some(Knock::Open) && needless {
            self.map = Asked::Not;
            self.mapped = Asked::Not;
            self.actions.push_back(Action::Unmap);
        }
        // Without a NAT there are two answers left, by itself or by a firewall that was asked: the start need not wait.
        let open = self.standing().reachable == Some(true) && (public || !self.may_be_mapped());
        let waiting = [self.own, self.own_v6, self.mapped].iter().any(|k| k.is_waiting());
        let decided = open || !self.map.is_waiting() && !waiting;
        if decided && !self.probe.is_waiting() {
            if !waiting && !self.map.is_waiting() && self.before.until.is_some() {
                // All that can be asked is answered.
                self.before = Before::default();
            }
            let outside = self.probe.get().and_then(|p| p.wan_ip);
            if self.hairpin == Asked::Not && outside.is_some() && !public {
                self.hairpin = Asked::Waiting;
                self.actions.push_back(Action::Hairpin);
            }
            self.be_ready();
        }
    }

    /// Our own port is open, and routers have been asked for it and not answered: it may be open by a mapping that we have
    /// not heard of yet.
    fn may_be_mapped(&self) -> bool {
        self.map.is_waiting() && self.knock(Door::Own) == Some(Knock::Open) && !self.before.by_hand
    }

    /// Whether what a router has given is a way to our outside address. Without a NAT it is not, if the router has an
    /// address of its own; else it is a firewall.
    fn leads_here(&self, granted: &Granted) -> bool {
        let wan_ip = self.seen().and_then(|p| p.wan_ip);
        let elsewhere = |ip: IpAddr| wan_ip.is_some_and(|w| w != ip && w.is_ipv4() == ip.is_ipv4());
        self.nat() != NatType::None || !granted.external_ip.is_some_and(elsewhere)
    }

    /// Whether what a router has given opens our own port: then that is what it is open by.
    fn explains(&self, granted: &Granted) -> bool {
        granted.external_port == self.port && self.leads_here(granted)
    }

    fn double_nat(&self) -> Option<bool> {
        let outside = self.map.get().flatten().and_then(|g| g.external_ip)?;
        let seen = self.seen().and_then(|p| p.wan_ip).filter(|ip| ip.is_ipv4() == outside.is_ipv4());
        match seen {
            Some(seen) => Some(seen != outside),
            None => Scope::of(outside).is_behind_nat().then_some(true),
        }
    }

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

    fn place(&mut self, door: Door) -> &mut Asked<Knock> {
        match door {
            Door::Own => &mut self.own,
            Door::OwnV6 => &mut self.own_v6,
            Door::Mapped => &mut self.mapped,
        }
    }

    fn seen(&self) -> Option<Seen> {
        self.probe.get().or(self.before.seen)
    }

    fn knock(&self, door: Door) -> Option<Knock> {
        match door {
            Door::Own => self.own.get().or(self.before.own),
            Door::OwnV6 => self.own_v6.get().or(self.before.own_v6),
            Door::Mapped => self.mapped.get().or(self.verified).or(self.before.mapped),
        }
    }

    fn is_asking(&self) -> bool {
        self.probe.is_waiting()
            || self.map.is_waiting()
            || [self.own, self.own_v6, self.mapped].iter().any(|k| k.is_waiting())
    }
}
