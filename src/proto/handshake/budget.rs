//! How many handshakes a node answers: the curve costs a fifth of a millisecond each, and a greeting can be sent again by
//! anybody who saw it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::proto::admit::party;

/// Handshakes answered in a second: a tenth of a processor.
pub const PER_SECOND: u32 = 500;
/// Handshakes answered in a second to one address, or one /64 of IPv6.
pub const PER_SECOND_EACH: u32 = 50;

/// Counts the handshakes of the running second. Its memory is bounded by [`PER_SECOND`].
#[derive(Debug, Default)]
pub struct Budget {
    since: Option<Instant>,
    all: u32,
    each: Vec<(IpAddr, u32)>,
}

impl Budget {
    /// Whether a handshake with `from` may be answered now.
    pub fn allows(&mut self, now: Instant, from: IpAddr) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1)) {
            *self = Budget { since: Some(now), ..Budget::default() };
        }
        let party = party(from);
        self.all < PER_SECOND && !self.each.iter().any(|(ip, n)| *ip == party && *n >= PER_SECOND_EACH)
    }

    /// One was answered.
    pub fn spend(&mut self, from: IpAddr) {
        self.all = self.all.saturating_add(1);
        // What was under way when the budget ran out is not counted to the address.
        if self.all > PER_SECOND {
            return;
        }
        let party = party(from);
        match self.each.iter_mut().find(|(ip, _)| *ip == party) {
            Some((_, n)) => *n += 1,
            None => self.each.push((party, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_share_and_all_have_theirs() {
        let (mut budget, start) = (Budget::default(), Instant::now());
        let ip = |n: u16| IpAddr::from([0x2001, 0xdb8, n, 0, 0, 0, 0, 9]);
        let mut answered = 0;
        for n in 0..1000 {
            for host in 0..100u16 {
                let from = IpAddr::from([0x2001, 0xdb8, n, 0, 0, 0, 0, host]);
                if budget.allows(start, from) {
                    budget.spend(from);
                    answered += 1;
                }
            }
            assert_eq!(answered, (u32::from(n) + 1).saturating_mul(PER_SECOND_EACH).min(PER_SECOND));
        }
        assert!(budget.each.len() <= PER_SECOND as usize);
        assert!(!budget.allows(start + Duration::from_millis(999), ip(5000)));
        assert!(budget.allows(start + Duration::from_secs(1), ip(0)));
    }
}
