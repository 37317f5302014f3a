//! Which outside ports the next connections will get, after a NAT was measured.

use super::behaviour::Allocation;
use super::report::NatReport;

/// Ports below this are not given out by NATs that have gone round.
const LOWEST: i32 = 1024;

impl NatReport {
    /// The outside ports to expect for a new connection from `local_port`, a port not measured before, the
    /// likeliest first. `before`: how many other new connections of ours leave ahead of it after the
    /// measurement. `window`: how many ports to name where others may take some in between.
    ///
    /// Empty if there is no telling. If [`NatReport::probe_holds_everywhere`], the port can still be learned
    /// by asking a server from it.
    pub fn predict(&self, local_port: u16, before: usize, window: usize) -> Vec<u16> {
        let window = i32::try_from(window.min(1024)).unwrap_or(0);
        let before = i32::try_from(before.min(65_536)).unwrap_or(0);
        match (self.allocation, self.evidence.last_outside) {
            (Allocation::Preserving, _) => vec![local_port],
            (Allocation::Delta, _) => port(i32::from(local_port) + self.delta).into_iter().collect(),
            (Allocation::Sequential, Some(last)) => (1..=window)
                .filter_map(|n| port(i32::from(last).saturating_add(self.step.saturating_mul(before + n))))
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// Beyond either end of the ports, NATs go on at the other; where exactly is unknown, so a guess.
fn port(number: i32) -> Option<u16> {
    let around = if (LOWEST..65_536).contains(&number) {
        number
    } else {
        LOWEST + (number - LOWEST).rem_euclid(65_536 - LOWEST)
    };
    u16::try_from(around).ok()
}

#[cfg(test)]
mod tests {
    use super::super::report::Evidence;
    use super::*;
    use proptest::prelude::*;

    fn report(allocation: Allocation, number: i32, last: u16) -> NatReport {
        let evidence = Evidence { last_outside: Some(last), ..Evidence::default() };
        NatReport { allocation, delta: number, step: number, evidence, ..NatReport::default() }
    }

    #[test]
    fn by_rule() {
        assert_eq!(report(Allocation::Preserving, 0, 5).predict(40_000, 3, 6), [40_000]);
        assert_eq!(report(Allocation::Delta, -7, 5).predict(40_000, 3, 6), [39_993]);
        assert_eq!(report(Allocation::Sequential, 2, 50_000).predict(40_000, 0, 3), [50_002, 50_004, 50_006]);
        assert_eq!(report(Allocation::Sequential, -1, 50_000).predict(40_000, 4, 2), [49_995, 49_994]);
        assert_eq!(report(Allocation::Random, 0, 5).predict(40_000, 0, 6), [0u16; 0]);
        assert_eq!(NatReport::default().predict(40_000, 0, 6), [0u16; 0]);
    }

    #[test]
    fn beyond_the_ends() {
        assert_eq!(report(Allocation::Sequential, 1, 65_534).predict(1, 0, 3), [65_535, 1024, 1025]);
        assert_eq!(report(Allocation::Sequential, -1, 1025).predict(1, 0, 3), [1024, 65_535, 65_534]);
        assert_eq!(report(Allocation::Delta, 7, 5).predict(65_530, 0, 1), [1025]);
    }

    proptest! {
        #[test]
        fn always_ports(
            kind in 0..4, number in any::<i16>(), last in any::<u16>(), local in any::<u16>(),
            before in any::<usize>(), window in 0..50usize,
        ) {
            let kinds = [Allocation::Preserving, Allocation::Delta, Allocation::Sequential, Allocation::Random];
            let ports = report(kinds[kind as usize], number.into(), last).predict(local, before, window);
            prop_assert!(ports.len() <= window.max(1));
        }
    }
}
