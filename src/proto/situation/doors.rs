//! The doors that are knocked on from outside: which, when, and what an answer proves.

use std::time::Instant;

use super::Situation;
use super::words::{Action, Asked, Door, Knock};

/// Whether a knock on our own port may be mistaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    None,
    /// The mapped port, another one, was knocked on at the same time.
    Mixed,
    /// And the answer is that it is open.
    Open,
}

impl Situation {
    pub(super) fn knock_on_own(&mut self) {
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

    pub(super) fn knock_on_mapped(&mut self) {
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
    pub(super) fn clear_doubt(&mut self) {
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

    pub(super) fn place(&mut self, door: Door) -> &mut Asked<Knock> {
        match door {
            Door::Own => &mut self.own,
            Door::OwnV6 => &mut self.own_v6,
            Door::Mapped => &mut self.mapped,
        }
    }

    pub(super) fn knock(&self, door: Door) -> Option<Knock> {
        match door {
            Door::Own => self.own.get().or(self.before.own),
            Door::OwnV6 => self.own_v6.get().or(self.before.own_v6),
            Door::Mapped => self.mapped.get().or(self.verified).or(self.before.mapped),
        }
    }
}
