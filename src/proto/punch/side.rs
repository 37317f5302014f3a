//! What one side of a punch knows of the NAT in front of it, and how it can foresee its own outside ports.

use std::net::IpAddr;

use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::nat::report::NatReport;

/// Ports below this are not given out by NATs that have gone round, and never are a target of ours: what
/// listens there is a service, not a hole.
pub const LOWEST_PORT: u16 = 1024;

/// One side's NAT, as far as a punch is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Its address as others see it.
    pub outside_ip: Option<IpAddr>,
    /// How long a local port keeps its outside port.
    pub mapping: Mapping,
    /// How outside ports are chosen.
    pub allocation: Allocation,
    /// [`Allocation::Delta`]: outside minus local port. [`Allocation::Sequential`]: from one outside port to
    /// the next.
    pub constant: i32,
    /// The outside port given last, if ports are given in a row.
    pub last_outside: Option<u16>,
}

/// How a side can know the outside port that a connection towards the peer will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foresight {
    /// By arithmetic from the local port.
    Computed {
        /// Whether that holds for the first destination of a local port only, so that each target needs a
        /// port of its own.
        first_only: bool,
    },
    /// By asking a server from the very port: everybody else will see the same.
    Asked,
    /// By asking a server from any port: the next connections come next in the row.
    Row {
        /// Whether all connections of one local port to the peer's address share one outside port.
        shared: bool,
    },
    /// Not at all.
    Blind,
}

impl Side {
    /// How this side can know its outside ports.
    ///
    /// What was not measured is taken for what most home routers do (one outside port for all destinations,
    /// RFC 5382 REQ-1): a wrong guess costs a few rounds, not trying costs the connection.
    pub fn foresight(&self) -> Foresight {
        use Allocation as A;
        use Mapping as M;
        match (self.allocation, self.mapping) {
            (A::Preserving | A::Delta, mapping) => {
                Foresight::Computed { first_only: mapping == M::AddressAndPortDependent }
            }
            (_, M::EndpointIndependent) | (A::Unknown, M::Unknown) => Foresight::Asked,
            (A::Sequential, mapping) => Foresight::Row { shared: mapping == M::AddressDependent },
            (A::Random | A::Unknown, _) => Foresight::Blind,
        }
    }

    /// The outside port of a local one, if it can be computed.
    pub fn compute(&self, local: u16) -> Option<u16> {
        match self.allocation {
            Allocation::Preserving => Some(local),
            Allocation::Delta => Some(around(i32::from(local).saturating_add(self.constant))),
            _ => None,
        }
    }

    /// The outside port that is `n` places after `last` in a row.
    pub fn in_row(&self, last: u16, n: usize) -> u16 {
        let n = i32::try_from(n).unwrap_or(i32::MAX);
        around(self.step().saturating_mul(n).saturating_add(last.into()))
    }

    /// The next `count` outside ports of a row whose last one is `last`.
    pub fn row(&self, last: u16, count: usize) -> Vec<u16> {
        (1..=count).map(|n| self.in_row(last, n)).collect()
    }

    /// From ports that our connections have just got in a row, in whatever order they were told: the last
    /// one, and how many places a connection takes on average, counting those that others take in between (at
    /// most 4).
    pub fn pace(&self, seen: &[u16]) -> Option<(u16, usize)> {
        let step = self.step();
        let places = |port: u16| i32::from(port) / step.signum();
        let last = seen.iter().copied().max_by_key(|port| places(*port))?;
        let first = seen.iter().copied().min_by_key(|port| places(*port))?;
        let between = i32::try_from(seen.len()).unwrap_or(i32::MAX).saturating_sub(1).max(1);
        let moved = (places(last) - places(first)) / step.saturating_abs();
        // Far apart, the row has gone round in between, or these are no row.
        let pace =
            usize::try_from((moved + between / 2) / between).ok().filter(|pace| (1..=4).contains(pace));
        Some((last, pace.unwrap_or(1)))
    }

    fn step(&self) -> i32 {
        if self.constant == 0 { 1 } else { self.constant }
    }
}

/// What a measurement has found, for IPv4.
impl From<&NatReport> for Side {
    fn from(report: &NatReport) -> Side {
        let constant = match report.allocation {
            Allocation::Delta => report.delta,
            Allocation::Sequential => report.step,
            _ => 0,
        };
        Side {
            outside_ip: report.wan_ip,
            mapping: report.mapping,
            allocation: report.allocation,
            constant,
            last_outside: report.evidence.last_outside,
        }
    }
}

impl Side {
    /// A host whose own address is seen outside, perhaps behind a firewall: what IPv6 hosts are, as a rule.
    pub fn untranslated(ip: IpAddr) -> Side {
        Side {
            outside_ip: Some(ip),
            mapping: Mapping::EndpointIndependent,
            allocation: Allocation::Preserving,
            ..Side::default()
        }
    }
}

/// Beyond either end of the ports, NATs go on at the other; where exactly is unknown, so a guess.
fn around(number: i32) -> u16 {
    let lowest = i32::from(LOWEST_PORT);
    let inside = if (lowest..65_536).contains(&number) {
        number
    } else {
        lowest + number.wrapping_sub(lowest).rem_euclid(65_536 - lowest)
    };
    u16::try_from(inside).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn side(mapping: Mapping, allocation: Allocation, constant: i32) -> Side {
        Side { mapping, allocation, constant, ..Side::default() }
    }

    #[test]
    fn what_can_be_foreseen() {
        use Allocation as A;
        use Mapping as M;
        for (mapping, allocation, expected) in [
            (M::EndpointIndependent, A::Preserving, Foresight::Computed { first_only: false }),
            (M::AddressAndPortDependent, A::Delta, Foresight::Computed { first_only: true }),
            (M::EndpointIndependent, A::Random, Foresight::Asked),
            (M::EndpointIndependent, A::Sequential, Foresight::Asked),
            (M::AddressDependent, A::Sequential, Foresight::Row { shared: true }),
            (M::AddressAndPortDependent, A::Sequential, Foresight::Row { shared: false }),
            (M::AddressDependent, A::Random, Foresight::Blind),
            (M::Unknown, A::Random, Foresight::Blind),
            (M::Unknown, A::Unknown, Foresight::Asked),
            (M::AddressAndPortDependent, A::Unknown, Foresight::Blind),
        ] {
            assert_eq!(side(mapping, allocation, 1).foresight(), expected, "{mapping:?} {allocation:?}");
        }
    }

    #[test]
    fn ports_by_rule_and_beyond_the_ends() {
        let delta = side(Mapping::Unknown, Allocation::Delta, 7);
        assert_eq!(delta.compute(40_000), Some(40_007));
        assert_eq!(delta.compute(65_530), Some(1025));
        let row = side(Mapping::Unknown, Allocation::Sequential, 2);
        assert_eq!(row.row(50_000, 3), [50_002, 50_004, 50_006]);
        assert_eq!(row.row(65_534, 2), [1024, 1026]);
        assert_eq!(row.compute(5), None);
        let down = side(Mapping::Unknown, Allocation::Sequential, -1);
        assert_eq!(down.pace(&[5000, 4998, 4996]), Some((4996, 2)));
        assert_eq!(row.pace(&[5004, 5000, 5002]), Some((5004, 1)));
        assert_eq!(row.pace(&[5000, 5010]), Some((5010, 1)), "too far");
        assert_eq!(row.pace(&[5000, 5005, 5009]), Some((5009, 2)));
        assert_eq!(row.pace(&[7]), Some((7, 1)));
        assert_eq!(row.pace(&[]), None);
        assert_eq!(down.row(1025, 3), [1024, 65_535, 65_534]);
    }

    #[test]
    fn from_a_measurement() {
        use crate::proto::nat::report::Evidence;
        let evidence = Evidence { last_outside: Some(5), ..Evidence::default() };
        let report = NatReport {
            delta: 7,
            step: 2,
            wan_ip: Some("198.51.100.1".parse().unwrap()),
            mapping: Mapping::AddressDependent,
            evidence,
            ..NatReport::default()
        };
        let of = |allocation| Side::from(&NatReport { allocation, ..report.clone() });
        assert_eq!(of(Allocation::Delta).constant, 7);
        assert_eq!(of(Allocation::Sequential).constant, 2);
        assert_eq!(of(Allocation::Random).constant, 0);
        let side = of(Allocation::Sequential);
        assert_eq!((side.outside_ip, side.last_outside), (report.wan_ip, Some(5)));
        assert_eq!(side.foresight(), Foresight::Row { shared: true });
    }

    proptest! {
        #[test]
        fn always_ports_a_target_may_have(constant: i32, last: u16, local: u16, count in 0..300usize) {
            let side_in_row = side(Mapping::Unknown, Allocation::Sequential, constant);
            prop_assert!(side_in_row.pace(&[last, local]).is_some());
            let row = side_in_row.row(last, count);
            prop_assert_eq!(row.len(), count);
            prop_assert!(row.iter().all(|port| *port >= LOWEST_PORT));
            let port = side(Mapping::Unknown, Allocation::Delta, constant).compute(local);
            prop_assert!(port.is_some_and(|port| port >= LOWEST_PORT));
        }
    }
}
