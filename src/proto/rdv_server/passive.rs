//! The passive nodes a rendezvous server knows: found by address, drawn at random, dropped when old.
//!
//! Nodes of one family and network stand in a plain list, so that what drawing some of them costs does not depend on how many
//! there are.

mod list;

use super::limits::account_of;
use crate::proto::rdv_msg::MAX_NODES;
use crate::proto::rdv_msg::signal::Network;
use list::List;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Whose nodes stand in one list: a network's (none: PyP2P's nodes, who do not say), and a family's.
type Group = (Option<Network>, bool);

#[derive(Debug)]
struct Place {
    group: Group,
    index: usize,
    since: Instant,
}

/// Passive nodes, at most one per address.
#[derive(Debug)]
pub(super) struct Passive {
    most: usize,
    per_network: usize,
    places: BTreeMap<IpAddr, Place>,
    by_age: BTreeSet<(Instant, IpAddr)>,
    /// None of them is empty.
    groups: BTreeMap<Group, List>,
    v6: usize,
    /// Nodes per IPv6 /64; an IPv4 address is its own network.
    networks: BTreeMap<IpAddr, usize>,
}

impl Passive {
    pub(super) fn new(most: usize, per_network: usize) -> Passive {
        Passive {
            most: most.max(1),
            per_network,
            places: BTreeMap::new(),
            by_age: BTreeSet::new(),
            groups: BTreeMap::new(),
            v6: 0,
            networks: BTreeMap::new(),
        }
    }

    /// Adds or renews a node of a network. `false`: there are too many in its IPv6 /64 already.
    pub(super) fn insert(&mut self, now: Instant, node: SocketAddr, of: Option<Network>) -> bool {
        let ip = node.ip();
        self.remove(ip);
        let network = account_of(ip);
        if ip.is_ipv6() && self.networks.get(&network).is_some_and(|&n| n >= self.per_network) {
            return false;
        }
        if self.places.len() >= self.most
            && let Some(&(_, oldest)) = self.by_age.first()
        {
            self.remove(oldest);
        }
        let group = (of, ip.is_ipv6());
        let list = self.groups.entry(group.clone()).or_insert_with(|| List::new(group.1));
        let index = list.len();
        list.push(node);
        self.places.insert(ip, Place { group, index, since: now });
        self.by_age.insert((now, ip));
        if ip.is_ipv6() {
            self.v6 += 1;
            *self.networks.entry(network).or_insert(0) += 1;
        }
        true
    }

    /// Forgets the node at `ip`; `false` if there was none.
    pub(super) fn remove(&mut self, ip: IpAddr) -> bool {
        let Some(Place { group, index, since }) = self.places.remove(&ip) else { return false };
        self.by_age.remove(&(since, ip));
        let list = self.groups.entry(group.clone()).or_insert_with(|| List::new(group.1));
        list.swap_remove(index);
        // The last node has moved into the gap.
        let moved = list.get(index).map(|node| node.ip());
        if list.len() == 0 {
            self.groups.remove(&group);
        }
        if let Some(place) = moved.and_then(|moved| self.places.get_mut(&moved)) {
            place.index = index;
        }
        self.v6 -= usize::from(group.1);
        let network = account_of(ip);
        if let Some(n) = self.networks.get_mut(&network) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.networks.remove(&network);
            }
        }
        true
    }

    /// Up to `n` (at most [`MAX_NODES`]) different nodes of the asker's family and of a network in random order, never the
    /// asker's own.
    pub(super) fn draw(
        &mut self,
        rng: &mut fastrand::Rng,
        asker: IpAddr,
        of: Option<&Network>,
        n: usize,
    ) -> Vec<SocketAddr> {
        self.list_for(asker, of).map(|list| list.draw(rng, asker, n.min(MAX_NODES))).unwrap_or_default()
    }

    /// As [`Passive::draw`], as the entries of NODES, written behind what is there. How many there were.
    pub(super) fn write(
        &mut self,
        rng: &mut fastrand::Rng,
        asker: IpAddr,
        of: Option<&Network>,
        n: usize,
        out: &mut Vec<u8>,
    ) -> usize {
        self.list_for(asker, of).map_or(0, |list| list.write(rng, asker, n.min(MAX_NODES), out))
    }

    /// What `asker` may be told of: the nodes of his family and of a network.
    fn list_for(&mut self, asker: IpAddr, of: Option<&Network>) -> Option<&mut List> {
        self.groups.get_mut(&(of.cloned(), asker.is_ipv6()))
    }

    /// Forgets one node that is older than `lifetime` and returns it; call again until there is none.
    pub(super) fn expire(&mut self, now: Instant, lifetime: Duration) -> Option<IpAddr> {
        let &(since, ip) = self.by_age.first()?;
        if now.saturating_duration_since(since) < lifetime {
            return None;
        }
        self.remove(ip);
        Some(ip)
    }

    /// When the oldest node registered.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.by_age.first().map(|&(since, _)| since)
    }

    pub(super) fn len_v4(&self) -> usize {
        self.places.len() - self.v6
    }

    pub(super) fn len_v6(&self) -> usize {
        self.v6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn node(n: u32) -> SocketAddr {
        SocketAddr::from(((n + 0x0a00_0000).to_be_bytes(), 1000 + (n % 1000) as u16))
    }

    #[test]
    fn draws_do_not_repeat_and_leave_out_the_asker() {
        let now = Instant::now();
        let mut table = Passive::new(1000, 64);
        (0..50).for_each(|n| assert!(table.insert(now, node(n), None)));
        let mut rng = fastrand::Rng::with_seed(1);
        for n in [1, 2, 49, 50, 100, 1000] {
            let drawn = table.draw(&mut rng, node(7).ip(), None, n);
            let different: BTreeSet<_> = drawn.iter().collect();
            assert_eq!(drawn.len(), n.min(49), "as many as there are");
            assert_eq!(different.len(), drawn.len());
            assert!(!drawn.contains(&node(7)));
        }
        assert!(table.draw(&mut rng, "::1".parse().unwrap(), None, 10).is_empty(), "another family");
    }

    #[test]
    fn every_node_is_drawn_about_equally_often() {
        let now = Instant::now();
        let mut table = Passive::new(1000, 64);
        (0..20).for_each(|n| assert!(table.insert(now, node(n), None)));
        let mut rng = fastrand::Rng::with_seed(2);
        let mut counts = [0u32; 20];
        for _ in 0..20_000 {
            for drawn in table.draw(&mut rng, "1.1.1.1".parse().unwrap(), None, 5) {
                counts[(drawn.port() - 1000) as usize] += 1;
            }
        }
        assert!(counts.iter().all(|&c| (4500..5500).contains(&c)), "{counts:?}");
    }

    #[test]
    fn few_of_many_are_drawn_as_evenly() {
        let now = Instant::now();
        let mut table = Passive::new(1000, 64);
        (0..100).for_each(|n| assert!(table.insert(now, node(n), None)));
        let mut rng = fastrand::Rng::with_seed(6);
        let mut counts = [0u32; 100];
        for round in 0..20_000 {
            // Now and then the asker is one of them.
            let drawn = table.draw(&mut rng, node(round % 300).ip(), None, 20);
            assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), 20, "all different");
            assert!(!drawn.contains(&node(round % 300)));
            drawn.iter().for_each(|node| counts[(node.port() - 1000) as usize] += 1);
        }
        assert!(counts.iter().all(|&c| (3700..4300).contains(&c)), "{counts:?}");
    }

    #[test]
    fn a_draw_costs_what_it_asks_for() {
        let now = Instant::now();
        let mut table = Passive::new(200_000, 64);
        (0..100_000).for_each(|n| assert!(table.insert(now, node(n), None)));
        let mut rng = fastrand::Rng::with_seed(4);
        // Looking at the whole table each time would take minutes.
        for _ in 0..5_000 {
            assert_eq!(table.draw(&mut rng, "1.1.1.1".parse().unwrap(), None, 20).len(), 20);
        }
    }

    #[test]
    fn networks_have_lists_of_their_own() {
        let now = Instant::now();
        let mut table = Passive::new(1000, 64);
        let network =
            |n: u32| [None, "a".parse().ok(), "b".parse().ok()].get(n as usize % 3).cloned().flatten();
        (0..60).for_each(|n| assert!(table.insert(now, node(n), network(n))));
        let mut rng = fastrand::Rng::with_seed(5);
        let mut drawn = |table: &mut Passive, n| -> BTreeSet<SocketAddr> {
            table.draw(&mut rng, "1.1.1.1".parse().unwrap(), network(n).as_ref(), 100).into_iter().collect()
        };
        for n in 0..3 {
            assert_eq!(drawn(&mut table, n), (n..60).step_by(3).map(node).collect());
        }
        // It goes over to another one; the others of its own stay.
        assert!(table.insert(now, node(3), network(1)));
        assert_eq!(
            (drawn(&mut table, 0).len(), drawn(&mut table, 1).len(), drawn(&mut table, 2).len()),
            (19, 21, 20)
        );
        (0..60).for_each(|n| assert!(table.remove(node(n).ip())));
        assert!(table.groups.is_empty() && table.len_v4() == 0, "nothing stays of a network without nodes");
    }

    #[test]
    fn a_full_table_drops_the_oldest() {
        let now = Instant::now();
        let mut table = Passive::new(3, 64);
        for n in 0..4 {
            table.insert(now + Duration::from_secs(u64::from(n)), node(n), None);
        }
        let mut rng = fastrand::Rng::with_seed(3);
        let drawn: BTreeSet<_> =
            table.draw(&mut rng, "1.1.1.1".parse().unwrap(), None, 10).into_iter().collect();
        assert_eq!(drawn, (1..4).map(node).collect());
    }

    #[test]
    fn one_v6_network_cannot_fill_the_table() {
        let now = Instant::now();
        let mut table = Passive::new(1000, 2);
        let at = |text: &str| SocketAddr::new(text.parse().unwrap(), 5);
        assert!(table.insert(now, at("2001:db8::1"), None));
        assert!(table.insert(now, at("2001:db8::2"), None));
        assert!(!table.insert(now, at("2001:db8::3"), None));
        assert!(table.insert(now, at("2001:db8::2"), None), "renewing is no new node");
        assert!(table.insert(now, at("2001:db8:0:1::1"), None));
        assert!(table.remove("2001:db8::1".parse().unwrap()));
        assert!(table.insert(now, at("2001:db8::3"), None));
    }

    proptest! {
        #[test]
        fn the_table_is_a_map_with_a_limit(ops in prop::collection::vec((0..3u8, 0..30u32, 0..20u64), 0..200)) {
            let start = Instant::now();
            let mut now = start;
            let mut table = Passive::new(20, 64);
            let mut model: BTreeMap<IpAddr, Instant> = BTreeMap::new();
            for (op, n, step) in ops {
                now += Duration::from_secs(step);
                let ip = node(n).ip();
                match op {
                    0 => {
                        model.remove(&ip);
                        if model.len() == 20 {
                            let oldest = model.iter().map(|(ip, at)| (*at, *ip)).min().unwrap();
                            model.remove(&oldest.1);
                        }
                        model.insert(ip, now);
                        prop_assert!(table.insert(now, node(n), None));
                    }
                    1 => prop_assert_eq!(table.remove(ip), model.remove(&ip).is_some()),
                    _ => {
                        while table.expire(now, Duration::from_secs(60)).is_some() {}
                        model.retain(|_, at| now - *at < Duration::from_secs(60));
                    }
                }
                let mut rng = fastrand::Rng::with_seed(u64::from(n));
                let all = table.draw(&mut rng, "1.1.1.1".parse().unwrap(), None, 100);
                let all: BTreeSet<IpAddr> = all.iter().map(SocketAddr::ip).collect();
                prop_assert_eq!(all, model.keys().copied().collect::<BTreeSet<_>>());
                prop_assert_eq!(table.oldest(), model.values().min().copied());
            }
        }
    }
}
