//! Addresses of nodes, gathered from the answers of strangers: each may lie, so none may say much.

use std::net::{SocketAddr, SocketAddrV4};

/// Addresses taken of one answer.
const OF_ONE: usize = 16;
/// Answers looked at, and addresses taken, in one look-up.
const ANSWERS: usize = 64;
const MOST: usize = 64;

/// What one look-up has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    addrs: Vec<SocketAddr>,
    answers: usize,
}

impl Found {
    pub(super) fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// Takes from one answer what is new and may be visited, and returns it. Of a long answer some are taken at random, so
    /// that the order in which somebody names nodes decides nothing.
    pub(super) fn take(
        &mut self,
        answer: &[SocketAddrV4],
        may: impl Fn(SocketAddr) -> bool,
        rng: &mut fastrand::Rng,
    ) -> Vec<SocketAddr> {
        let mut new = Vec::new();
        if self.answers >= ANSWERS {
            return new;
        }
        self.answers += 1;
        let mut order: Vec<SocketAddr> = answer.iter().map(|addr| SocketAddr::V4(*addr)).collect();
        rng.shuffle(&mut order);
        for addr in order {
            if new.len() >= OF_ONE || self.addrs.len() >= MOST {
                break;
            }
            if addr.port() != 0 && !self.addrs.contains(&addr) && may(addr) {
                self.addrs.push(addr);
                new.push(addr);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    proptest! {
        #[test]
        fn bounded_distinct_and_allowed(answers in proptest::collection::vec(
            proptest::collection::vec((0u8..40, 0u16..5), 0..100), 0..90)) {
            let mut rng = fastrand::Rng::with_seed(1);
            let mut found = Found::default();
            let mut told = Vec::new();
            for answer in &answers {
                let answer: Vec<_> =
                    answer.iter().map(|(host, port)| SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, *host), *port)).collect();
                let new = found.take(&answer, |addr| addr.port() != 3, &mut rng);
                prop_assert!(new.len() <= OF_ONE);
                told.extend(new);
            }
            prop_assert_eq!(&told, found.addrs());
            prop_assert!(told.len() <= MOST);
            prop_assert!(told.iter().all(|addr| addr.port() != 0 && addr.port() != 3));
            let before = told.len();
            told.sort();
            told.dedup();
            prop_assert_eq!(told.len(), before);
        }
    }

    #[test]
    fn one_answer_cannot_take_all_places() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut found = Found::default();
        let liar: Vec<_> =
            (1..=300).map(|port| SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), port)).collect();
        assert_eq!(found.take(&liar, |_| true, &mut rng).len(), OF_ONE);
        let honest = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 50500);
        assert_eq!(found.take(&[honest], |_| true, &mut rng), [SocketAddr::V4(honest)]);
    }
}
