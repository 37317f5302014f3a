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

/// How long NAT-PMP leaves PCP the first word.
pub const AFTER_PCP: Duration = Duration::from_millis(100);

/// How long UPnP leaves it to the other two.
pub const AFTER_BOTH: Duration = Duration::from_millis(250);

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
    Running,
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
        let ways = ways.into_iter().map(|(gateway, protocol)| (gateway, protocol, State::Running)).collect();
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

    /// When a way may ask for its mapping. `None`: not at all, a better protocol of its gateway has
    /// succeeded.
    pub fn may_map(&self, way: usize) -> Option<Instant> {
        let (gateway, protocol, _) = self.ways.get(way)?;
        let mut at = self.started;
        let head_start = if *protocol == Protocol::Upnp { AFTER_BOTH } else { AFTER_PCP };
        for (other, better, state) in &self.ways {
            if other != gateway || better >= protocol {
                continue;
            }
            match state {
                State::Succeeded(_) => return None,
                State::Running => at = self.started + head_start,
                State::Failed => {}
            }
        }
        Some(at)
    }

    /// Who has won, as far as is known at `now`.
    pub fn decide(&self, now: Instant) -> Decision {
        let running = self.ways.iter().any(|(.., state)| *state == State::Running);
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
