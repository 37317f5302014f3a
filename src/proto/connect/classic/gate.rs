//! Which challenges are taken. A rendezvous server repeats them, and anybody may challenge: what a challenge costs us is
//! four ports and up to eighty SYNs to one address, so there is a limit for each address and one for all.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::proto::punch::fight::BETWEEN_FIGHTS;

/// Challenges taken within any minute.
pub(super) const PER_MINUTE: usize = 20;
/// The same from one address.
pub(super) const PER_ADDRESS: usize = 6;
const MINUTE: Duration = Duration::from_secs(60);
/// For how long a challenge is repeated.
const REPEATED: Duration = Duration::from_secs(121);

/// Why a challenge is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// It is one that has been taken.
    Repeated,
    /// One with the same address is being fought, or was within two seconds.
    Fighting,
    /// Too many within a minute.
    TooMany,
}

impl Turned {
    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Turned::Repeated => "it has come before",
            Turned::Fighting => "it comes too soon after the last",
            Turned::TooMany => "too many within a minute",
        }
    }
}

#[derive(Debug)]
struct Taken {
    at: Instant,
    ip: IpAddr,
    ports: Vec<u16>,
    /// When its fight ended.
    over: Option<Instant>,
}

/// The gate.
#[derive(Debug, Default)]
pub struct Gate {
    /// In the order of their coming.
    taken: VecDeque<Taken>,
}

impl Gate {
    /// Takes a challenge, or says why not.
    ///
    /// # Errors
    /// Why not.
    pub fn challenged(&mut self, now: Instant, ip: IpAddr, ports: &[u16]) -> Result<(), Turned> {
        let age = |taken: &Taken| now.saturating_duration_since(taken.at);
        self.taken.retain(|taken| age(taken) < REPEATED);
        let mine = || self.taken.iter().filter(|taken| taken.ip == ip);
        if mine().any(|taken| taken.ports == ports) {
            return Err(Turned::Repeated);
        }
        let soon =
            |taken: &Taken| taken.over.is_none_or(|at| now.saturating_duration_since(at) < BETWEEN_FIGHTS);
        if mine().any(soon) {
            return Err(Turned::Fighting);
        }
        let lately = |taken: &&Taken| age(taken) < MINUTE;
        if mine().filter(lately).count() >= PER_ADDRESS
            || self.taken.iter().filter(lately).count() >= PER_MINUTE
        {
            return Err(Turned::TooMany);
        }
        let ports = ports.to_vec();
        self.taken.push_back(Taken { at: now, ip, ports, over: None });
        Ok(())
    }

    /// The fight with this address has ended; or it was not begun, and may be when the challenge is repeated.
    pub fn over(&mut self, now: Instant, ip: IpAddr, fought: bool) {
        let Some(index) = self.taken.iter().rposition(|taken| taken.ip == ip && taken.over.is_none()) else {
            return;
        };
        if !fought {
            self.taken.remove(index);
        } else if let Some(taken) = self.taken.get_mut(index) {
            taken.over = Some(now);
        }
    }

    /// How long after a fight the next with the same address may begin.
    pub fn pause(&self) -> Duration {
        BETWEEN_FIGHTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(n: u8) -> IpAddr {
        [100, 64, 0, n].into()
    }

    #[test]
    fn repeated_and_too_soon() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        assert_eq!(gate.challenged(now, ip(1), &[1, 2]), Ok(()));
        assert_eq!(gate.challenged(now, ip(1), &[1, 2]), Err(Turned::Repeated));
        assert_eq!(gate.challenged(now, ip(1), &[3]), Err(Turned::Fighting));
        assert_eq!(gate.challenged(now, ip(2), &[1, 2]), Ok(()));
        let later = now + Duration::from_secs(8);
        gate.over(later, ip(1), true);
        assert_eq!(gate.challenged(later, ip(1), &[3]), Err(Turned::Fighting));
        assert_eq!(gate.challenged(later + BETWEEN_FIGHTS, ip(1), &[3]), Ok(()));
        assert_eq!(gate.challenged(later + BETWEEN_FIGHTS, ip(1), &[1, 2]), Err(Turned::Repeated));
    }

    #[test]
    fn what_was_not_begun_may_come_again() {
        let (mut gate, now) = (Gate::default(), Instant::now());
        assert_eq!(gate.challenged(now, ip(1), &[1]), Ok(()));
        gate.over(now, ip(1), false);
        assert_eq!(gate.challenged(now, ip(1), &[1]), Ok(()));
    }

    proptest! {
        #[test]
        fn never_more_than_allowed(steps in prop::collection::vec((0..9000u64, 0..5u8, any::<u16>()), 1..200)) {
            let (mut gate, mut now) = (Gate::default(), Instant::now());
            let mut taken: Vec<(Instant, u8)> = Vec::new();
            for (ms, n, port) in steps {
                now += Duration::from_millis(ms);
                if gate.challenged(now, ip(n), &[port]).is_ok() {
                    taken.push((now, n));
                    gate.over(now, ip(n), true);
                }
                let lately = |(at, _): &&(Instant, u8)| now - *at < MINUTE;
                prop_assert!(taken.iter().filter(lately).count() <= PER_MINUTE);
                prop_assert!(taken.iter().filter(lately).filter(|(_, of)| *of == n).count() <= PER_ADDRESS);
                prop_assert!(gate.taken.len() <= 3 * PER_MINUTE);
            }
        }
    }
}
