//! The attempts of a round: sending them off, repeating the refused ones, counting them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::state::{Half, Phase};
use super::{ConnId, Output, Role, RoundReport, Session, Socket};
use crate::proto::punch::aim::{Aim, Situation};
use crate::proto::punch::budget::Budget;
use crate::proto::punch::side::Foresight;
use crate::proto::punch::technique::Technique;

/// How often attempts that wait for the budget look again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// The least round trip repetitions go by.
const LEAST_RTT: Duration = Duration::from_millis(10);
/// By how much the attempts that go all the way are later than those that only open it, if the peer is next to us.
const FULL_LATER: Duration = Duration::from_millis(50);
/// How long a guess is given before another may take its place, besides two round trips.
const GUESS_TIME: Duration = Duration::from_millis(150);

impl Session {
    /// Sends off the attempts of the round from `at` on.
    pub(super) fn fire(&mut self, now: Instant, at: Instant, budget: &mut Budget) {
        let (Some(technique), Some(theirs)) = (self.technique(), self.theirs) else { return };
        let situation = Situation {
            technique,
            ours: self.ours.foresight(),
            theirs: theirs.foresight(),
            initiator: self.role == Role::Initiator,
            slots: self.round.slots.len(),
            ports: &self.round.their_ports,
            guesses: self.options.spray_guesses,
        };
        let mut aims = situation.aims(&mut self.rng);
        // Behind one NAT with the peer: not to ourselves.
        if self.ours.outside_ip.is_some_and(|ip| ip.to_canonical() == self.peer_ip) {
            aims.retain(|aim| !self.round.our_ports.contains(&aim.port));
        }
        let lasts = |count: usize| self.options.pace.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        // Guesses come when the ways they are to meet are open.
        let guess = technique == (Technique::Spray { we_guess: true });
        let at = if guess { at + lasts(self.options.spray_sockets) + self.head_start() } else { at };
        let lasts = lasts(aims.len());
        self.round.backlog = (0u32..).map(|n| at + self.options.pace.saturating_mul(n)).zip(aims).collect();
        self.round.fired = Some(at);
        self.phase = Phase::Fired;
        let last = self.role == Role::Responder || self.round.number >= self.options.rounds;
        let held = if last { self.options.hold } else { self.options.round };
        let held = if guess && self.role == Role::Initiator { self.options.round } else { held };
        self.until = at + lasts + held + self.settle();
        self.reports.push(RoundReport {
            round: self.round.number,
            fired: at,
            rtt: self.rtt.best(),
            our_ports: self.round.our_ports.clone(),
            their_ports: self.round.their_ports.clone(),
            flows: 0,
            refused: 0,
            unreachable: 0,
            opened: 0,
        });
        self.launch(now, budget);
    }

    /// Sends off as many of the waiting attempts as the budget allows.
    pub(super) fn launch(&mut self, now: Instant, budget: &mut Budget) {
        if self.round.backlog.is_empty() {
            return self.check_exhausted(now);
        }
        if budget.left(now) == 0 && self.look.is_none_or(|at| now >= at) {
            self.look = Some(now + LOOK_AGAIN);
            self.end_old_guesses(now, budget);
        }
        for _ in 0..budget.take(now, self.round.backlog.len()) {
            let Some((due, aim)) = self.round.backlog.pop_front() else { break };
            if !self.attempt(due.max(now), aim) {
                budget.end(1);
            }
        }
        self.look = self.look.filter(|at| now < *at).or(Some(now + LOOK_AGAIN));
        self.check_exhausted(now);
    }

    fn attempt(&mut self, at: Instant, aim: Aim) -> bool {
        let Some(slot) = self.round.slots.get(aim.slot).copied() else { return false };
        let (conn, to) = (self.next_conn(), SocketAddr::new(self.peer_ip, aim.port));
        let guess = self.technique() == Some(Technique::Spray { we_guess: true });
        let short = self.is_short();
        let at = if short { at } else { at + self.put_off() };
        self.half.insert(conn, Half { slot, to, round: self.round.number, at, tries: 1, guess, short });
        self.outputs.push_back(Output::Connect { conn, slot, to, at, short });
        self.report(|report| report.flows += 1);
        true
    }

    /// Whether the next attempt only opens the way. A NAT that refuses what nobody asked for thus gets nothing to refuse:
    /// the side that fires first opens its ways, and the other side comes in by them, whenever that is. Where there is
    /// another NAT beyond the first this fails (until TCP repeats it a second later), so it is every second one; of many
    /// all, once something has been refused. Not again if nobody refuses anything.
    fn is_short(&self) -> bool {
        let all = matches!(self.technique(), Some(Technique::Spray { .. })) && self.round.number > 1;
        let earlier = self.reports.iter().rev().skip(1);
        let refused = self.round.number == 1 || earlier.map(|round| round.refused).sum::<usize>() > 0;
        let even = self.reports.last().is_some_and(|round| round.flows % 2 == 0);
        self.may_be_short() && refused && (even || all)
    }

    /// Whether attempts may only open the way. Not by IPv6: Linux ends the attempt there when the router says that the SYN is
    /// dead (it looks at the hops of that message, not of the packet that it is about). The listener then answers the peer with
    /// numbers that our firewall has not seen, and it does not let the connection's end pass.
    fn may_be_short(&self) -> bool {
        self.opens_ways() && self.peer_ip.is_ipv4()
    }

    /// By how much the other attempts of that side are put off, so that they do not arrive before the initiator has
    /// fired, however near it is and however busy. A refused SYN can take a port of the row from a NAT.
    fn put_off(&self) -> Duration {
        let predict = self.technique() == Some(Technique::Predict);
        let trip = self.rtt.best().unwrap_or_default();
        let most = FULL_LATER.max(self.head_start() * 2);
        if predict && self.opens_ways() { most.saturating_sub(trip) } else { Duration::ZERO }
    }

    /// Whether we are the side that opens its ways for the other to come in by: the one with many ports, or else the
    /// one that fires on the other's word.
    pub(super) fn opens_ways(&self) -> bool {
        match self.technique() {
            Some(Technique::Spray { we_guess }) => !we_guess,
            _ => self.role == Role::Responder,
        }
    }

    /// Guesses that would have been answered by now make room for others. The NAT remembers them, and the
    /// listener on their port takes whoever comes by them later.
    fn end_old_guesses(&mut self, now: Instant, budget: &mut Budget) {
        let age = self.rtt.best().unwrap_or_default() * 2 + GUESS_TIME;
        let old = |half: &Half| half.guess && half.at + age <= now;
        let conns: Vec<ConnId> =
            self.half.iter().filter(|(_, half)| old(half)).map(|(conn, _)| *conn).collect();
        for conn in conns {
            self.outputs.push_back(Output::Close(Socket::Conn(conn)));
            self.drop_half(conn, budget);
        }
    }

    /// When waiting attempts look for room again.
    pub(super) fn launch_at(&self) -> Option<Instant> {
        self.look.filter(|_| self.phase == Phase::Fired && !self.round.backlog.is_empty())
    }

    /// An attempt was answered by a refusal: again from the same port after a random time. A fixed one would
    /// keep two sides that refuse each other in step for ever.
    pub(super) fn refused(&mut self, now: Instant, conn: ConnId, unreachable: bool, budget: &mut Budget) {
        if self.open.contains_key(&conn) {
            return self.ended(now, conn, budget);
        }
        let may_be_short = self.may_be_short();
        let Some(half) = self.half.get_mut(&conn) else { return };
        let current = half.round == self.round.number && self.phase == Phase::Fired;
        // An error message from where it ended; the way is open, and the listener takes who comes by it.
        let as_meant = half.short && unreachable;
        // Each takes another port of the row, and only so many were told.
        let row = self.ours.foresight() == Foresight::Row { shared: false };
        let used_up = row && self.round.repeated * 2 >= self.round.our_ports.len();
        if as_meant || used_up || half.guess || !current || half.tries >= self.options.tries {
            self.drop_half(conn, budget);
        } else {
            let rtt = self.rtt.best().unwrap_or_default().max(LEAST_RTT);
            let most = u64::try_from(rtt.as_micros() * 2).unwrap_or(u64::MAX);
            half.at = now + Duration::from_micros(self.rng.u64(0..=most));
            half.tries += 1;
            // The one that was refused in full opens the way now; the one that got further than it was meant to goes all
            // of it.
            half.short = !half.short && may_be_short;
            let (slot, to, at, short) = (half.slot, half.to, half.at, half.short);
            self.outputs.push_back(Output::Connect { conn, slot, to, at, short });
            self.round.repeated += 1;
        }
        self.report(|report| if unreachable { report.unreachable += 1 } else { report.refused += 1 });
    }

    /// Forgets an attempt. False if there was none.
    pub(super) fn drop_half(&mut self, conn: ConnId, budget: &mut Budget) -> bool {
        let known = self.half.remove(&conn).is_some();
        budget.end(usize::from(known));
        known
    }

    pub(super) fn report(&mut self, change: impl FnOnce(&mut RoundReport)) {
        if let Some(report) = self.reports.last_mut() {
            change(report);
        }
    }

    fn check_exhausted(&mut self, now: Instant) {
        let left = self.half.values().any(|half| half.round == self.round.number);
        let fired = self.phase == Phase::Fired && self.round.fired.is_some_and(|at| now >= at);
        if fired && !left && self.round.backlog.is_empty() && self.open.is_empty() {
            self.say_again();
        }
    }
}
