//! How long a local port keeps its outside port, from connections of one local port to several places.

use std::net::{IpAddr, SocketAddr};

use super::behaviour::Mapping;
use super::judge::Observation;
use crate::small::SmallMap;

/// How often a local port kept its outside port towards another place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// So often it did.
    pub same: usize,
    /// Of so often.
    pub of: usize,
}

impl Kept {
    fn count(&mut self, same: bool) {
        self.of += 1;
        self.same += usize::from(same);
    }

    /// At least half the time. A port that is kept only sometimes is kept, and was taken at other times: two
    /// connections hardly get one port by chance.
    pub fn is_kept(self) -> Option<bool> {
        (self.of > 0).then_some(self.same > 0 && self.same * 2 >= self.of)
    }
}

/// What the connections show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub mapping: Mapping,
    /// Towards another port of the same address.
    pub other_port: Kept,
    /// Towards another address.
    pub other_address: Kept,
}

impl Finding {
    /// Whether both questions were asked.
    pub fn is_complete(&self) -> bool {
        self.other_port.of > 0 && self.other_address.of > 0
    }
}

/// Compares each observation with the first one of its local port. `observations` are in the order of their
/// sending.
pub fn judge(observations: &[Observation]) -> Finding {
    let mut first: SmallMap<SocketAddr, &Observation> = SmallMap::new();
    let mut found = Finding::default();
    for seen in observations {
        let Some(before) = first.get(&seen.local) else {
            first.insert(seen.local, seen);
            continue;
        };
        let same =
            before.outside_port == seen.outside_port && same_address(before.outside_ip, seen.outside_ip);
        if before.server.ip() != seen.server.ip() {
            found.other_address.count(same);
        } else if before.server.port() != seen.server.port() {
            found.other_port.count(same);
        }
    }
    found.mapping = rule(found.other_port.is_kept(), found.other_address.is_kept());
    found
}

/// Old servers do not tell the address; then it is taken to be one.
fn same_address(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    a.zip(b).is_none_or(|(a, b)| a == b)
}

fn rule(other_port: Option<bool>, other_address: Option<bool>) -> Mapping {
    match (other_port, other_address) {
        (None, None) => Mapping::Unknown,
        (_, Some(true)) if other_port != Some(false) => Mapping::EndpointIndependent,
        // Towards another address nothing is known. A NAT that looks at the address alone is rare.
        (Some(true), None) => Mapping::EndpointIndependent,
        (Some(true), Some(false)) => Mapping::AddressDependent,
        // A new port for another port, or for another address with the port not asked: the worse is the more
        // frequent.
        _ => Mapping::AddressAndPortDependent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Observations of `(local port, server, outside port)`.
    fn seen(list: &[(u16, &str, u16)]) -> Finding {
        let list: Vec<Observation> = list
            .iter()
            .map(|&(local, server, outside_port)| Observation {
                local: SocketAddr::from(([192, 168, 0, 2], local)),
                server: server.parse().unwrap(),
                outside_port,
                outside_ip: None,
            })
            .collect();
        judge(&list)
    }

    const A: &str = "192.0.2.1:1";
    const A2: &str = "192.0.2.1:2";
    const B: &str = "192.0.2.2:1";

    #[test]
    fn rules() {
        for (list, expected) in [
            (&[(1, A, 5)][..], Mapping::Unknown),
            (&[(1, A, 5), (2, A2, 5), (3, B, 5)], Mapping::Unknown),
            (&[(1, A, 5), (1, A, 6)], Mapping::Unknown),
            (&[(1, A, 5), (1, A2, 5)], Mapping::EndpointIndependent),
            (&[(1, A, 5), (1, B, 5)], Mapping::EndpointIndependent),
            (&[(1, A, 5), (1, A2, 5), (1, B, 5)], Mapping::EndpointIndependent),
            (&[(1, A, 5), (1, A2, 5), (1, B, 6)], Mapping::AddressDependent),
            (&[(1, A, 5), (1, A2, 6), (1, B, 7)], Mapping::AddressAndPortDependent),
            (&[(1, A, 5), (1, A2, 6)], Mapping::AddressAndPortDependent),
            (&[(1, A, 5), (1, B, 6)], Mapping::AddressAndPortDependent),
            (&[(1, A, 5), (1, A2, 6), (1, B, 5)], Mapping::AddressAndPortDependent),
        ] {
            assert_eq!(seen(list).mapping, expected, "{list:?}");
        }
    }

    #[test]
    fn a_port_that_was_taken_does_not_decide() {
        let found = seen(&[(1, A, 5), (2, A, 8), (1, A2, 5), (1, B, 5), (2, A2, 99), (2, B, 8)]);
        assert_eq!(found.mapping, Mapping::EndpointIndependent);
        assert_eq!(
            (found.other_port, found.other_address),
            (Kept { same: 1, of: 2 }, Kept { same: 2, of: 2 })
        );
        assert!(found.is_complete());
    }
}
