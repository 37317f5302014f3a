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
//!
//! `words` are the questions and answers, `doors` the knocks from outside, `mapping` the router's port, `standing` what
//! follows from them; here is how a network is begun and finished with.

mod doors;
mod mapping;
mod standing;
#[cfg(test)]
mod tests;
mod words;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::doors::Doubt;
use self::words::Asked;
pub use self::words::{Action, Door, Granted, Knock, Means, Same, Seen, Standing};
use super::nat::NatType;
use crate::config::{NetType, NodeType};
use crate::event::Forwarding;

/// How long what was known of the network before holds after a change, if nothing contradicts it.
const HOLD: Duration = Duration::from_secs(3);

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
    actions: VecDeque<Action>,
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
            actions: VecDeque::new(),
        };
        s.ask(now);
        s.settle();
        s
    }

    /// The network has changed: everything is asked again. If our own address of a family is the `same`, this may be the
    /// network it was, for that family: what was said of that one holds until it is answered, but not long.
    pub fn renew(&mut self, means: Means, same: Same, now: Instant) {
        let before = Before {
            seen: self.seen().filter(|_| same.v4),
            own: self.knock(Door::Own).filter(|_| same.v4),
            own_v6: self.knock(Door::OwnV6).filter(|_| same.v6),
            mapped: self.knock(Door::Mapped).filter(|_| same.v4),
            by_hand: same.v4 && self.standing().forwarding == Forwarding::Manual,
            // Changes that follow one another do not prolong it.
            until: self.before.until.or(Some(now + HOLD)),
        };
        let granted = self.map.get().flatten().filter(|_| same.v4);
        // The start does not take longer for a change.
        let (was_ready, ready_by, turns_round) = (self.ready, self.ready_by, self.turns_round);
        *self = Situation { ready_by, turns_round, ..Situation::begin(means, self.port, now) };
        if was_ready {
            self.ready = true;
            self.actions.retain(|a| *a != Action::Ready);
        }
        if !same.v4 {
            self.turns_round = None;
        }
        if !same.v4 && !same.v6 || !self.is_asking() {
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
        // A program that says "passive" is believed, as PyP2P does. All that is to be found out then is the address that
        // belongs into its locator, which p2p nets have no use for.
        let passive = self.means.node_type == NodeType::Passive;
        if passive && self.means.net_type == NetType::P2p {
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
}
