//! The talk over the signalling: offer, answer, pings, go.
//!
//! Messages may be lost, doubled or late. The initiator repeats what is not answered; the responder answers
//! whatever it is asked again. What belongs to another round than the present one is ignored.

use std::time::{Duration, Instant};

use super::state::{Phase, Round};
use super::{Role, Session};
use crate::proto::punch::budget::Budget;
use crate::proto::punch::message::{Body, Message};
use crate::proto::punch::reason::{Failure, Reason};
use crate::proto::punch::side::Side;
use crate::proto::punch::target;
use crate::proto::punch::technique::{Hopeless, Technique};

/// A peer that says more than this is not listened to any more.
const MAX_MESSAGES: u32 = 300;
/// Between pings.
const PING_EVERY: Duration = Duration::from_millis(30);
/// Pings sent without a pause before the first round, and later ones.
const PINGS: usize = 4;
/// Between repetitions, besides two round trips.
const AGAIN_AFTER: Duration = Duration::from_millis(60);
/// How long the responder has at least to fire first. Less than the way there takes, as a rule. Four times as long in each
/// further round: where machines are near each other, and busy, it may have been too late.
const HEAD_START: Duration = Duration::from_millis(5);
/// Between repetitions as long as nothing is known of the round trip.
const AGAIN_UNKNOWN: Duration = Duration::from_millis(300);

impl Session {
    /// Begins a round: as initiator by an offer, as responder on one.
    pub(super) fn begin_round(&mut self, now: Instant, number: u8, budget: &mut Budget) {
        let slots = self.guessing_ports();
        self.retire(now, budget);
        self.round = Round { number, begun: Some(now), slots, ..Round::default() };
        self.phase = Phase::Preparing;
        self.until = now + self.options.silence;
        self.prepare(now);
        if self.role == Role::Initiator {
            self.send(Body::Offer(self.ours));
            self.rtt.next = Some(now);
            self.ping_if_due(now);
            self.resend = Some(now + self.pause());
        }
    }

    fn pause(&self) -> Duration {
        self.rtt.best().map_or(AGAIN_UNKNOWN, |rtt| rtt * 2 + AGAIN_AFTER)
    }

    pub(super) fn send_again(&mut self, now: Instant) {
        self.resend = Some(now + self.pause());
        match self.phase {
            Phase::Fired => self.send_go(),
            _ if !self.round.answered => self.send(Body::Offer(self.ours)),
            _ => self.resend = None,
        }
    }

    pub(super) fn ping_at(&self) -> Option<Instant> {
        self.rtt.next
    }

    pub(super) fn ping_if_due(&mut self, now: Instant) {
        if self.rtt.next.is_none_or(|at| now < at) {
            return;
        }
        let number = self.rtt.ping(now);
        if let Some(number) = number {
            self.send(Body::Ping(number));
        }
        let enough = PINGS * usize::from(self.round.number);
        self.rtt.next = number
            .filter(|n| usize::from(*n) + 1 < enough || self.rtt.best().is_none())
            .map(|_| now + PING_EVERY);
    }

    pub(super) fn message(&mut self, now: Instant, message: Message, budget: &mut Budget) {
        self.heard += 1;
        if message.token != self.token || self.heard > MAX_MESSAGES {
            return;
        }
        let current = message.round == self.round.number;
        match (self.role, message.body) {
            (_, Body::GaveUp(number)) => {
                let failure = Failure { reason: Reason::from_number(number), by_peer: true };
                self.finish(now, Err(failure), budget);
            }
            (Role::Initiator, Body::Pong(number)) => self.rtt.pong(now, number),
            (Role::Initiator, Body::Answer(side, ports)) if current && !self.round.answered => {
                self.answered(now, side, &ports, budget);
            }
            (Role::Initiator, Body::Going) if current => self.resend = None,
            (Role::Initiator, Body::Again) if current && self.phase == Phase::Fired => {
                self.until = self.until.min(now + self.settle());
            }
            (Role::Responder, Body::Ping(number)) => self.send(Body::Pong(number)),
            (Role::Responder, Body::Offer(side)) => self.offered(now, message.round, side, budget),
            (Role::Responder, Body::Go(ports, rtt)) if current => self.told_to_go(now, &ports, rtt, budget),
            _ => {}
        }
    }

    /// Takes what the peer says of its NAT. False if that ended the session.
    fn learn(&mut self, now: Instant, side: Side, budget: &mut Budget) -> bool {
        let reason = match side.outside_ip {
            None => Some(Reason::Hopeless(Hopeless::NoAddress)),
            Some(ip) => target::agree(self.peer_ip, ip).err().map(Reason::Target),
        };
        let reason = reason.or_else(|| match Technique::choose(&self.ours, &side) {
            Technique::Hopeless(why) => Some(Reason::Hopeless(why)),
            _ => None,
        });
        self.theirs = Some(side);
        if let Some(reason) = reason {
            self.fail(now, reason, budget);
        }
        reason.is_none()
    }

    fn answered(&mut self, now: Instant, side: Side, ports: &[u16], budget: &mut Budget) {
        if !self.learn(now, side, budget) {
            return;
        }
        self.round.answered = true;
        self.rtt.at_most(now.saturating_duration_since(self.round.begun.unwrap_or(now)));
        self.round.their_ports = target::ports(ports, crate::proto::punch::MAX_PORTS);
        self.resend = None;
        self.until = now + self.options.silence;
        self.foresee_again();
        // Only now is it known whether many ports are needed.
        self.add_spray_slots(now);
    }

    fn offered(&mut self, now: Instant, round: u8, side: Side, budget: &mut Budget) {
        if round == self.round.number {
            if matches!(self.phase, Phase::Ready | Phase::Fired) {
                self.send_answer();
            }
        } else if round > self.options.rounds {
            self.fail(now, Reason::Unmet, budget);
        } else if round > self.round.number && self.learn(now, side, budget) {
            self.begin_round(now, round, budget);
        }
    }

    fn send_answer(&mut self) {
        self.send(Body::Answer(self.ours, self.round.our_ports.clone()));
    }

    fn told_to_go(&mut self, now: Instant, ports: &[u16], rtt: Duration, budget: &mut Budget) {
        match self.phase {
            Phase::Ready => {
                self.rtt.sample(rtt);
                self.round.their_ports = target::ports(ports, crate::proto::punch::MAX_PORTS);
                self.send(Body::Going);
                self.fire(now, now, budget);
            }
            Phase::Fired => self.send(Body::Going),
            _ => {}
        }
    }

    /// The ports of the round are known.
    pub(super) fn ready(&mut self, now: Instant) {
        self.phase = Phase::Ready;
        if self.role == Role::Responder {
            self.until = now + self.options.silence;
            self.send_answer();
        }
    }

    /// Initiator: fires if both sides are ready and the round trip is known.
    pub(super) fn go_if_possible(&mut self, now: Instant, budget: &mut Budget) {
        let possible = self.role == Role::Initiator && self.phase == Phase::Ready && self.round.answered;
        let Some(rtt) = self.rtt.usable().filter(|_| possible) else { return };
        self.rtt.sample(rtt);
        self.send_go();
        self.resend = Some(now + self.pause());
        self.rtt.next = None;
        // When the message arrives there, if it takes half of what it takes there and back; not before the other side, if that
        // is the one which opens the way.
        let least = if self.opens_ways() { Duration::ZERO } else { self.head_start() };
        self.fire(now, now + (rtt / 2).max(least), budget);
    }

    pub(super) fn head_start(&self) -> Duration {
        HEAD_START * 4_u32.pow(self.round.number.clamp(1, 3).into()) / 4
    }

    fn send_go(&mut self) {
        let rtt = self.rtt.best().unwrap_or_default();
        self.send(Body::Go(self.round.our_ports.clone(), rtt));
    }

    /// Responder: tells the initiator that nothing is left of this round.
    pub(super) fn say_again(&mut self) {
        if self.role == Role::Responder && !self.round.said_again {
            self.round.said_again = true;
            self.send(Body::Again);
        }
    }

    /// How long after firing a connection may take to show.
    pub(super) fn settle(&self) -> Duration {
        self.rtt.best().unwrap_or_default() * 4 + self.options.grace
    }
}
