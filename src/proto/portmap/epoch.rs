//! A gateway's clock, from which one sees that it was restarted and forgot its mappings.
//!
//! Every PCP and NAT-PMP answer holds the seconds since the gateway set up its table. When that clock does
//! not go on as ours does, the table is gone and everything is to be mapped again at once.

use std::time::{Duration, Instant};

/// Which RFC's rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// RFC 6886 3.6: the gateway's clock may be up to 1/8 slow, and 2 s late.
    NatPmp,
    /// RFC 6887 8.5: up to 1/16 slow or fast, and 2 s off; 1 s backwards happens when answers overtake one
    /// another.
    Pcp,
}

/// What was seen of one gateway's clock.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    rule: Rule,
    last: Option<(Instant, u32)>,
}

impl Epoch {
    /// Nothing seen yet.
    pub const fn new(rule: Rule) -> Epoch {
        Epoch { rule, last: None }
    }

    /// Takes the clock of an answer that came `now`; `false` means that the gateway has forgotten its
    /// mappings. The new value is what later ones are compared with, so that one restart is told once.
    pub fn goes_on(&mut self, now: Instant, clock: u32) -> bool {
        let Some((then, before)) = self.last.replace((now, clock)) else { return true };
        let ours = now.saturating_duration_since(then).as_secs_f64();
        let theirs = f64::from(clock) - f64::from(before);
        match self.rule {
            Rule::NatPmp => theirs >= ours * 7.0 / 8.0 - 2.0,
            Rule::Pcp => {
                theirs >= -1.0 && ours + 2.0 >= theirs - theirs / 16.0 && theirs + 2.0 >= ours - ours / 16.0
            }
        }
    }

    /// The seconds since the last answer, for those who want to ask only when it is long ago.
    pub fn seen(&self, now: Instant) -> Option<Duration> {
        self.last.map(|(then, _)| now.saturating_duration_since(then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether the gateway's clock at `after` seconds, `clock`, goes on from 1000 at 0 seconds.
    fn goes_on(rule: Rule, after: u64, clock: u32) -> bool {
        let start = Instant::now();
        let mut epoch = Epoch::new(rule);
        assert!(epoch.goes_on(start, 1000), "the first value is as good as any");
        epoch.goes_on(start + Duration::from_secs(after), clock)
    }

    #[test]
    fn a_clock_that_keeps_up_is_fine() {
        for rule in [Rule::NatPmp, Rule::Pcp] {
            assert!(goes_on(rule, 0, 1000));
            assert!(goes_on(rule, 1800, 2800));
            assert!(goes_on(rule, 1, 999 + 1), "answers may overtake one another");
            assert!(goes_on(rule, 1800, 2800 - 110), "1/16 slow");
        }
    }

    #[test]
    fn a_restart_is_seen() {
        for rule in [Rule::NatPmp, Rule::Pcp] {
            assert!(!goes_on(rule, 1800, 5), "from the start again");
            assert!(!goes_on(rule, 1800, 1000), "stands still");
            assert!(!goes_on(rule, 10_000, 1100), "restarted long enough ago to be past the old value");
            assert!(!goes_on(rule, 5, 0));
        }
    }

    #[test]
    fn the_rules_differ_where_the_rfcs_do() {
        assert!(goes_on(Rule::NatPmp, 100, 9000), "running ahead is no loss to NAT-PMP");
        assert!(!goes_on(Rule::Pcp, 100, 9000), "but another table to PCP");
        assert!(goes_on(Rule::NatPmp, 1600, 1000 + 1400));
        assert!(!goes_on(Rule::Pcp, 1600, 1000 + 1400), "1/8 slow");
    }

    #[test]
    fn one_restart_is_told_once() {
        let start = Instant::now();
        let mut epoch = Epoch::new(Rule::Pcp);
        epoch.goes_on(start, 1000);
        assert!(!epoch.goes_on(start + Duration::from_secs(10), 3));
        assert!(epoch.goes_on(start + Duration::from_secs(20), 13));
    }

    proptest! {
        #[test]
        fn any_clock_is_judged_without_harm(
            clocks in proptest::collection::vec((any::<u32>(), 0u64..1 << 40), 0..8),
        ) {
            for rule in [Rule::NatPmp, Rule::Pcp] {
                let (mut now, mut epoch) = (Instant::now(), Epoch::new(rule));
                for (clock, pause) in &clocks {
                    now += Duration::from_millis(*pause);
                    epoch.goes_on(now, *clock);
                }
            }
        }

        #[test]
        fn an_honest_clock_is_never_doubted(
            before in 0u32..1 << 30, pauses in proptest::collection::vec(0u64..5_000_000, 1..20),
        ) {
            let start = Instant::now();
            for rule in [Rule::NatPmp, Rule::Pcp] {
                let mut epoch = Epoch::new(rule);
                let mut ms = 0;
                for pause in &pauses {
                    ms += pause;
                    let clock = before + (ms / 1000) as u32;
                    prop_assert!(epoch.goes_on(start + Duration::from_millis(ms), clock));
                }
            }
        }
    }
}
