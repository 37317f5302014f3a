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

/// Ports asked for to see where a row is and how fast it moves.
const SCOUTS: usize = 3;
/// How many next ports of a busy row the many ports of the other side are spread over.
const SPREAD: usize = 3;

impl Session {
    /// How many ports are told where some may be off the mark; more from round to round.
    fn window(&self) -> usize {
        self.options.window.saturating_mul(self.round.number.into()).clamp(1, MAX_PORTS)
    }

    /// The local ports from which a spray's guesses come, for the next round: the ways that the other side has opened lead
    /// back to their outside port and to no other. A row's next ports have to be told anew.
    pub(super) fn guessing_ports(&mut self) -> Vec<SlotId> {
        let guesses = self.technique() == Some(Technique::Spray { we_guess: true });
        let stays =
            matches!(self.ours.foresight(), Foresight::Asked | Foresight::Computed { first_only: false });
        if guesses && stays { std::mem::take(&mut self.round.slots) } else { Vec::new() }
    }

    /// Binds what the round needs. What the peer is like may not be known yet; then many ports come later.
    pub(super) fn prepare(&mut self, now: Instant) {
        let foresight = self.ours.foresight();
        let count = match foresight {
            Foresight::Asked | Foresight::Computed { first_only: false } => {
                self.options.ports.clamp(1, MAX_PORTS)
            }
            Foresight::Computed { first_only: true } => self.window(),
            // Only the first connects. Where the others come out tells how busy the row is.
            Foresight::Row { .. } => SCOUTS,
            Foresight::Blind => 0,
        };
        // In later rounds arithmetic has failed once: ask, where the answer holds for everybody.
        let keeps = self.ours.mapping == Mapping::EndpointIndependent && self.round.number > 1;
        let ask = matches!(foresight, Foresight::Asked | Foresight::Row { .. }) || keeps;
        for id in self.round.slots.clone() {
            let Some(slot) = self.slots.get_mut(&id).filter(|slot| ask && slot.outside.is_none()) else {
                continue;
            };
            slot.step = Step::Asking;
            self.pending += 1;
            self.outputs.push_back(Output::Ask { slot: id });
        }
        for _ in self.round.slots.len()..count {
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
        self.pending += 1;
        self.slots.insert(slot, Slot { step: Step::Binding, ask, local: None, outside: None });
        self.round.slots.push(slot);
        self.outputs.push_back(Output::Bind { slot, listen });
    }

    pub(super) fn bound(&mut self, slot: SlotId, port: u16) {
        if port == 0 {
            return self.slot_failed(slot);
        }
        let Some(known) = self.slots.get_mut(&slot).filter(|slot| slot.step == Step::Binding) else { return };
        known.local = Some(port);
        if known.ask {
            known.step = Step::Asking;
            self.outputs.push_back(Output::Ask { slot });
        } else {
            known.step = Step::Usable;
            self.pending -= 1;
        }
    }

    pub(super) fn slot_failed(&mut self, slot: SlotId) {
        if let Some(known) = self.slots.get_mut(&slot).filter(|slot| slot.step == Step::Binding) {
            known.step = Step::Failed;
            self.pending -= 1;
        }
    }

    pub(super) fn asked(&mut self, slot: SlotId, port: Option<u16>) {
        if let Some(known) = self.slots.get_mut(&slot).filter(|slot| slot.step == Step::Asking) {
            known.outside = port.filter(|port| *port != 0);
            known.step = Step::Usable;
            self.pending -= 1;
        }
    }

    /// Goes on with what is known.
    pub(super) fn stop_asking(&mut self) {
        self.prepared_by = None;
        self.pending = 0;
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
            if self.pending > 0 {
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

    /// Now that the peer's NAT is known, other ports may be better told.
    pub(super) fn foresee_again(&mut self) {
        if self.phase == Phase::Ready {
            // It went well before, with the same ports.
            let _ = self.foresee();
        }
    }

    /// Settles which local ports are used and which outside ports the peer is told.
    fn foresee(&mut self) -> Result<(), Reason> {
        let foresight = self.ours.foresight();
        let bound: Vec<SlotId> = self.round.slots.clone();
        let wanted = !bound.is_empty();
        let mut usable = Vec::new();
        let (mut ports, mut seen) = (Vec::new(), Vec::new());
        for id in bound {
            let Some(slot) = self.slots.get(&id).filter(|slot| slot.step == Step::Usable) else { continue };
            let computed = slot.local.and_then(|local| self.ours.compute(local));
            match foresight {
                Foresight::Blind => usable.push(id),
                Foresight::Row { .. } => {
                    seen.extend(slot.outside);
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
        if let Foresight::Row { shared } = foresight {
            ports = self.row_ports(&seen, shared);
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

    /// The ports to tell of a row, in the order in which our connections are expected to get them; then those
    /// that others are expected to take, in case they do not.
    fn row_ports(&self, seen: &[u16], shared: bool) -> Vec<u16> {
        // Older knowledge is better than none, but only as long as we have not used it up.
        let old = self.ours.last_outside.filter(|_| self.round.number == 1).map(|last| (last, 1));
        let Some((last, pace)) = self.ours.pace(seen).or(old) else { return Vec::new() };
        let window = self.window();
        if shared {
            // All our connections will have one of these. Many ports of the other side are not to be wasted
            // on late ones.
            let guess = self.technique() == Some(Technique::Spray { we_guess: true });
            let few = if pace == 1 { 1 } else { SPREAD };
            return self.ours.row(last, if guess { few } else { window });
        }
        let expected = (1..=window).map(|n| n * pace);
        let between = (1..=window).filter(|n| n % pace != 0);
        expected.chain(between).take(MAX_PORTS).map(|n| self.ours.in_row(last, n)).collect()
    }

    fn is_bound(&self, id: SlotId) -> bool {
        self.slots.get(&id).is_some_and(|slot| slot.local.is_some())
    }

    /// Ends what must not go on beside the next round: attempts that would be repeated (in a row of ports
    /// each takes one), and in a spray all attempts, as there may only be so many.
    pub(super) fn retire(&mut self, now: Instant, budget: &mut Budget) {
        let technique = self.technique();
        let spray = matches!(technique, Some(Technique::Spray { .. }));
        if technique == Some(Technique::Spray { we_guess: false }) {
            // The ways that were opened stay open in the NAT: the guesses of the next round may meet them, too. Of one round,
            // as each takes a descriptor.
            for slot in std::mem::replace(&mut self.kept, std::mem::take(&mut self.round.slots)) {
                self.slots.remove(&slot);
                self.outputs.push_back(Output::Close(Socket::Slot(slot)));
            }
            self.outputs.extend(self.kept.iter().map(|slot| Output::Listen { slot: *slot }));
        }
        let old: Vec<_> =
            self.half.iter().filter(|(_, half)| spray || half.at > now).map(|(conn, _)| *conn).collect();
        for conn in old {
            self.outputs.push_back(Output::Close(Socket::Conn(conn)));
            self.drop_half(conn, budget);
        }
    }
}
