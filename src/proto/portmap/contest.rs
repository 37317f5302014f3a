//! Which of the ways to the outside is used, when several are tried at once.
//!
//! Questions are asked on all ways at the same time; only the step that changes the router waits, for a
//! moment, for a better protocol of the *same* gateway. The reason: one daemon often serves all three
//! protocols from one table, where the second request for the same port either fails because of the first or
//! shares its fate when it is removed.
//!
//! The first success with a public address wins at once. One without (unknown, or private: another NAT
//! further out) wins after a short wait for a better one.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Protocol;

/// How long a better protocol, once it has asked for a mapping, is left to hear the answer.
pub const ANSWER: Duration = Duration::from_millis(100);

/// How long NAT-PMP is left to hear the gateway's address, before it asks for a mapping.
pub const QUESTION: Duration = Duration::from_millis(150);

/// How long a protocol that writes the journal first is left to do so.
pub const JOURNAL: Duration = Duration::from_secs(1);

/// How long UPnP's search, which is noise on the whole network and work for the daemon that may serve the
/// others, is put off while they have not answered. Most that answer do so within this time.
pub const BEFORE_SEARCH: Duration = Duration::from_millis(50);

/// When a way has its own first answer, others of the same gateway are on their way: a moment for them, too.
pub const SETTLE: Duration = Duration::from_millis(20);

/// How long a success without a public address waits for a better one.
pub const GRACE: Duration = Duration::from_millis(400);

/// A way's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Success {
    /// Address outside, if the gateway told.
    pub external_ip: Option<IpAddr>,
    /// Port outside.
    pub external_port: u16,
    /// When it came.
    pub at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has asked for its mapping then, or not yet.
    Running(Option<Instant>),
    /// It has heard that it has it.
    Granted,
    /// It has heard that it does not get it, or nothing.
    Denied,
    Failed,
    Succeeded(Success),
}

/// The ways and how far they are.
#[derive(Debug)]
pub struct Contest {
    ways: Vec<(IpAddr, Protocol, State)>,
    started: Instant,
    until: Instant,
}

/// What is known now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing; look again when something happens, or then.
    Open(Instant),
    /// The way with this number.
    Winner(usize),
    /// No way worked within the limit.
    AllFailed,
}

impl Contest {
    /// Ways are numbered from 0 in this order.
    pub fn new(ways: impl IntoIterator<Item = (IpAddr, Protocol)>, now: Instant, limit: Duration) -> Contest {
        let ways =
            ways.into_iter().map(|(gateway, protocol)| (gateway, protocol, State::Running(None))).collect();
        Contest { ways, started: now, until: now + limit }
    }

    /// A way worked.
    pub fn succeeded(&mut self, way: usize, success: Success) {
        if let Some((.., state)) = self.ways.get_mut(way) {
            *state = State::Succeeded(success);
        }
    }

    /// A way did not work.
    pub fn failed(&mut self, way: usize) {
        if let Some((.., state)) = self.ways.get_mut(way) {
            *state = State::Failed;
        }
    }

    /// A way asks for its mapping, that is changes the router, now.
    pub fn asks(&mut self, way: usize, now: Instant) {
        if let Some((.., state @ State::Running(None))) = self.ways.get_mut(way) {
            *state = State::Running(Some(now));
        }
    }

    /// A way has its mapping; [`Contest::succeeded`] follows when it has been written down.
    pub fn granted(&mut self, way: usize) {
        if let Some((.., state @ State::Running(_))) = self.ways.get_mut(way) {
            *state = State::Granted;
        }
    }

    /// A way does not get its mapping; [`Contest::failed`] follows.
    pub fn denied(&mut self, way: usize) {
        if let Some((.., state @ State::Running(_))) = self.ways.get_mut(way) {
            *state = State::Denied;
        }
    }

    /// When a way may search for its router. `None`: not at all, a better protocol of its gateway has got a
    /// mapping.
    pub fn may_search(&self, way: usize) -> Option<Instant> {
        let (gateway, protocol, _) = self.ways.get(way)?;
        let better = self.ways.iter().filter(|(ip, other, _)| ip == gateway && other < protocol);
        let (mut running, mut got) = (false, false);
        better.for_each(|(_, _, state)| match state {
            State::Running(_) => running = true,
            State::Granted | State::Succeeded(_) => got = true,
            State::Failed | State::Denied => {}
        });
        (!got).then_some(if running { self.started + BEFORE_SEARCH } else { self.started })
    }

    /// When a way that is `ready` since then may ask for its mapping. `None`: not at all, a better protocol
    /// of its gateway has got one.
    pub fn may_map(&self, way: usize, ready: Instant) -> Option<Instant> {
        let (gateway, protocol, _) = self.ways.get(way)?;
        let mut wait = None::<Instant>;
        for better in Protocol::ALL.into_iter().filter(|better| better < protocol) {
            for (_, _, state) in self.ways.iter().filter(|(ip, other, _)| ip == gateway && *other == better) {
                let until = match (state, better) {
                    (State::Succeeded(_) | State::Granted, _) => return None,
                    (State::Failed | State::Denied, _) => continue,
                    (State::Running(Some(asked)), _) => *asked + ANSWER,
                    (State::Running(None), Protocol::NatPmp) => {
                        // It waits for PCP itself.
                        wait.unwrap_or(self.started).max(self.started + QUESTION) + ANSWER
                    }
                    (State::Running(None), _) => self.started + JOURNAL,
                };
                wait = wait.max(Some(until));
            }
        }
        Some(wait.map_or(ready, |wait| wait.max(ready + SETTLE)))
    }

    /// Who has won, as far as is known at `now`.
    pub fn decide(&self, now: Instant) -> Decision {
        let running =
            self.ways.iter().any(|(.., state)| !matches!(state, State::Succeeded(_) | State::Failed));
        let successes = self.ways.iter().enumerate().filter_map(|(way, (_, protocol, state))| match state {
            State::Succeeded(success) => {
                Some((!success.external_ip.is_some_and(is_public), success.at, *protocol, way))
            }
            _ => None,
        });
        // Public before others, then the earliest, then the better protocol.
        match successes.min() {
            Some((false, .., way)) => Decision::Winner(way),
            Some((true, at, _, way)) => {
                let until = (at + GRACE).min(self.until);
                if !running || now >= until { Decision::Winner(way) } else { Decision::Open(until) }
            }
            None if !running || now >= self.until => Decision::AllFailed,
            None => Decision::Open(self.until),
        }
    }
}

/// Whether two mappings, each by gateway and external port, are one entry of one router's table, made by two
/// protocols. The removal of either then removes both, so the loser of a contest is left alone.
pub fn same_entry(one: (IpAddr, u16), other: (IpAddr, u16)) -> bool {
    one == other
}

/// Whether an address can be reached from the internet: not private, shared (100.64/10, RFC 6598: there is a
/// carrier's NAT further out), local, reserved or for documentation.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let shared = a == 100 && b & 0xc0 == 64;
            let protocol_use = [a, b, c] == [192, 0, 0];
            let benchmark = a == 198 && b & 0xfe == 18;
            !(a == 0
                || a >= 224
                || shared
                || protocol_use
                || benchmark
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation())
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // 2000::/3 is what is given out; 2001:db8::/32 is for documentation.
            first & 0xe000 == 0x2000 && !(first == 0x2001 && second == 0x0db8)
        }
    }
}

#[cfg(test)]
mod tests;
