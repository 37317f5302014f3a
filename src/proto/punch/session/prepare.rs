//! Getting the local ports of a round, and knowing the outside ports they will have.

use std::time::Instant;

use super::state::{Phase, Slot, Step};
use super::{Output, Session, SlotId, Socket};
use crate::proto::nat::behaviour::Mapping;
use crate::proto::punch::budget::Budget;
use crate::proto::punch::message::MAX_PORTS;
use crate::proto::punch::reason::Reason;
use crate::proto::punch::side::Foresight;
use crate::proto::punch::technique::Technique;

impl Session {
    /// Binds what the round needs. What the peer is like may not be known yet; then many ports come later.
    pub(super) fn prepare(&mut self, now: Instant) {
        let foresight = self.ours.foresight();
        let count = match foresight {
            _ if matches!(self.technique(), Some(Technique::Spray { we_guess: true })) => 1,
            Foresight::Asked | Foresight::Computed { first_only: false } => self.options.ports.max(1),
            Foresight::Computed { first_only: true } => self.options.window.clamp(1, MAX_PORTS),
            Foresight::Row { .. } => 1,
            Foresight::Blind => 0,
        };
        // In later rounds arithmetic has failed once: ask, where the answer holds for everybody.
        let keeps = self.ours.mapping == Mapping::EndpointIndependent && self.round.number > 1;
        let ask = matches!(foresight, Foresight::Asked | Foresight::Row { .. }) || keeps;
        for _ in 0..count {
            self.bind(true, ask);
        }
        self.prepared_by = Some(now + self.options.ask);
        self.add_spray_slots(now);
    }

    /// Binds many ports, if ours cannot be foreseen.
    pub(super) fn add_spray_slots(&mut self, now: Instant) {
        if self.technique() != Some(Technique::Spray { we_guess: false }) {
            return;
        }
        for _ in self.round.slots.len()..self.options.spray_sockets {
            // Without a listener each: the attempt itself holds the port open.
            self.bind(false, false);
        }
        self.phase = Phase::Preparing;
        self.prepared_by = Some(now + self.options.ask);
    }

    fn bind(&mut self, listen: bool, ask: bool) {
        let slot = SlotId(self.next_slot);
        self.next_slot = self.next_slot.saturating_add(1);
        self.slots.insert(slot, Slot { step: Step::Binding, ask, local: None, outside: None });
        self.round.slots.push(slot);
        self.outputs.push_back(Output::Bind { slot, listen });
    }

    pub(super) fn bound(&mut self, slot: SlotId, port: u16) {
        let Some(known) = self.slots.get_mut(&slot).filter(|slot| slot.step == Step::Binding) else { return };
        known.local = Some(port);
        known.step = if known.ask { Step::Asking } else { Step::Usable };
        if known.ask {
            self.outputs.push_back(Output::Ask { slot });
        }
    }

    pub(super) fn slot_failed(&mut self, slot: SlotId) {
        if let Some(known) = self.slots.get_mut(&slot) {
            known.step = Step::Failed;
        }
    }

    pub(super) fn asked(&mut self, slot: SlotId, port: Option<u16>) {
        if let Some(known) = self.slots.get_mut(&slot).filter(|slot| slot.step == Step::Asking) {
            known.outside = port;
            known.step = Step::Usable;
        }
    }

    /// Goes on with what is known.
    pub(super) fn stop_asking(&mut self) {
        self.prepared_by = None;
        for slot in self.slots.values_mut() {
            match slot.step {
                Step::Asking => slot.step = Step::Usable,
                Step::Binding => slot.step = Step::Failed,
                _ => {}
            }
        }
    }

    /// Goes on if everything that the round needs is there.
    pub(super) fn check_ready(&mut self, now: Instant, budget: &mut Budget) {
        if self.phase == Phase::Preparing && self.round.number > 0 {
            let pending = |slot: &Slot| matches!(slot.step, Step::Binding | Step::Asking);
            if self.round.slots.iter().filter_map(|slot| self.slots.get(slot)).any(pending) {
                return;
            }
            self.prepared_by = None;
            if let Err(reason) = self.foresee() {
                return self.fail(now, reason, budget);
            }
            self.ready(now);
        }
        self.go_if_possible(now, budget);
    }

    /// Settles which local ports are used and which outside ports the peer is told.
    fn foresee(&mut self) -> Result<(), Reason> {
        let foresight = self.ours.foresight();
        let bound: Vec<SlotId> = self.round.slots.clone();
        let wanted = !bound.is_empty();
        let mut usable = Vec::new();
        let mut ports = Vec::new();
        for id in bound {
            let Some(slot) = self.slots.get(&id).filter(|slot| slot.step == Step::Usable) else { continue };
            let computed = slot.local.and_then(|local| self.ours.compute(local));
            match foresight {
                Foresight::Blind => usable.push(id),
                Foresight::Row { .. } => {
                    // Older knowledge is better than none, but only as long as we have not used it up.
                    let last = slot.outside.or(self.ours.last_outside.filter(|_| self.round.number == 1));
                    let window = self.options.window.saturating_mul(self.round.number.into());
                    ports = last.map(|last| self.ours.row(last, window.min(MAX_PORTS))).unwrap_or_default();
                    usable.push(id);
                }
                Foresight::Asked | Foresight::Computed { .. } => {
                    if let Some(port) = slot.outside.or(computed) {
                        ports.push(port);
                        usable.push(id);
                    }
                }
            }
        }
        if wanted && !self.round.slots.iter().any(|id| self.is_bound(*id)) {
            return Err(Reason::NoLocalPort);
        }
        if ports.is_empty() && foresight != Foresight::Blind {
            return Err(Reason::NoOutsidePort);
        }
        self.round.slots = usable;
        self.round.our_ports = ports;
        Ok(())
    }

    fn is_bound(&self, id: SlotId) -> bool {
        self.slots.get(&id).is_some_and(|slot| slot.local.is_some())
    }

    /// Ends what must not go on beside the next round: attempts that would be repeated (in a row of ports each takes one),
    /// and in a spray all attempts, as there may only be so many.
    pub(super) fn retire(&mut self, now: Instant, budget: &mut Budget) {
        let technique = self.technique();
        let spray = matches!(technique, Some(Technique::Spray { .. }));
        let old: Vec<_> =
            self.half.iter().filter(|(_, half)| spray || half.at > now).map(|(conn, _)| *conn).collect();
        for conn in old {
            self.outputs.push_back(Output::Close(Socket::Conn(conn)));
            self.drop_half(conn, budget);
        }
        if technique == Some(Technique::Spray { we_guess: false }) {
            for slot in std::mem::take(&mut self.round.slots) {
                self.slots.remove(&slot);
                self.outputs.push_back(Output::Close(Socket::Slot(slot)));
            }
        }
    }
}
