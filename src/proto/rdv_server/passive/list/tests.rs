//! Which nodes are named, and that each is as often as the others.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn v4(n: usize) -> SocketAddr {
    ([10, (n >> 16) as u8, (n >> 8) as u8, n as u8], 1000 + (n % 50_000) as u16).into()
}

fn list(len: usize) -> List {
    let mut list = List::new(false);
    (0..len).for_each(|n| list.push(v4(n)));
    list
}

proptest! {
    #[test]
    fn nodes_are_different_and_as_many_as_there_are(
        seed: u64,
        len in 0..300usize,
        gone in prop::collection::vec(0..300usize, 0..200),
        n in 0..120usize,
        asker in 0..400usize,
    ) {
        let mut list = list(len);
        let mut model: Vec<SocketAddr> = (0..len).map(v4).collect();
        for index in gone {
            list.swap_remove(index);
            if index < model.len() {
                model.swap_remove(index);
            }
        }
        prop_assert_eq!((0..list.len()).filter_map(|index| list.get(index)).collect::<Vec<_>>(), model.clone());
        model.retain(|node| *node != v4(asker));
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut same, mut again) = (rng.clone(), list.clone());
        let drawn = list.draw(&mut rng, v4(asker).ip(), n);
        prop_assert_eq!(drawn.len(), n.min(model.len()));
        prop_assert!(drawn.iter().all(|node| model.contains(node)));
        prop_assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
        let mut text = b"before".to_vec();
        prop_assert_eq!(again.write(&mut same, v4(asker).ip(), n, &mut text), drawn.len());
        let expected: String = drawn.iter().map(|node| format!("p:{node} ")).collect();
        prop_assert_eq!(String::from_utf8(text), Ok(format!("before{expected}")), "the same, as text");
    }

    #[test]
    fn a_node_is_what_it_was(ip: IpAddr, port: u16) {
        // Nodes of IPv4 are known as such.
        let ip = ip.to_canonical();
        let (mut list, mut rng) = (List::new(ip.is_ipv6()), fastrand::Rng::with_seed(1));
        let node = SocketAddr::new(ip, port);
        list.push(node);
        prop_assert_eq!(list.get(0), Some(node));
        prop_assert_eq!((list.len(), list.get(1)), (1, None));
        let other = if ip.is_ipv6() { "::2" } else { "0.0.0.2" }.parse().unwrap();
        prop_assert_eq!(list.draw(&mut rng, other, 9), if ip == other { vec![] } else { vec![node] });
        prop_assert_eq!(list.draw(&mut rng, ip, 9), vec![]);
        prop_assert_eq!(list.draw(&mut rng, other, 0), vec![]);
        let mut text = Vec::new();
        list.write(&mut rng, other, 9, &mut text);
        prop_assert_eq!(String::from_utf8(text), Ok(if ip == other { String::new() } else { format!("p:{node} ") }));
        list.swap_remove(0);
        prop_assert_eq!(list.len(), 0);
    }
}

#[test]
fn each_node_stands_everywhere_equally_often_and_pairs_are_together_nearly_so() {
    // Around primes, and with several places that are not in the round.
    for len in [1, 2, 8, 20, 23, 24, 30, 126] {
        let mut list = list(len);
        let mut rng = fastrand::Rng::with_seed(len as u64);
        let named = len.min(7);
        let (mut pairs, mut places) = (vec![vec![0u32; len]; len], vec![vec![0u32; len]; named]);
        let rounds = 60_000;
        for _ in 0..rounds {
            let drawn = list.draw(&mut rng, [1, 1, 1, 1].into(), 7);
            let drawn: Vec<usize> = drawn.iter().map(|node| usize::from(node.port()) - 1000).collect();
            assert_eq!(drawn.len(), named);
            for (place, &a) in drawn.iter().enumerate() {
                places[place][a] += 1;
                drawn.iter().filter(|&&b| b != a).for_each(|&b| pairs[a][b] += 1);
            }
        }
        // Five times the deviation of as many throws of a coin.
        let near = |count: u32, share: f64| {
            let expected = f64::from(rounds) * share;
            (f64::from(count) - expected).abs() <= 5.0 * expected.sqrt()
        };
        let (n, named) = (len as f64, named as f64);
        for place in &places {
            assert!(place.iter().all(|&count| near(count, 1.0 / n)), "of {len}: {place:?}");
        }
        for (a, pairs) in pairs.iter().enumerate() {
            let share = named * (named - 1.0) / n / (n - 1.0);
            for together in (0..len).filter(|&b| b != a).map(|b| pairs[b]) {
                let ratio = f64::from(together) / (f64::from(rounds) * share);
                let right =
                    near(together, share) || list.round as usize != len && (0.7..1.3).contains(&ratio);
                assert!(right, "{a} and others, of {len}: {pairs:?}");
            }
        }
    }
}

#[test]
fn an_asker_on_the_list_makes_no_difference_to_the_others() {
    let mut list = list(30);
    let mut rng = fastrand::Rng::with_seed(9);
    let mut counts = [0u32; 30];
    for _ in 0..60_000 {
        for node in list.draw(&mut rng, v4(11).ip(), 7) {
            counts[usize::from(node.port()) - 1000] += 1;
        }
    }
    assert_eq!(counts[11], 0);
    let expected = 60_000.0 * 7.0 / 29.0_f64;
    let near = |count: u32| (f64::from(count) - expected).abs() < 5.0 * expected.sqrt();
    assert!((0..30).all(|n| n == 11 || near(counts[n])), "{counts:?}");
}

#[test]
fn a_round_is_a_prime_and_hardly_shorter_than_the_list() {
    let primes: Vec<u32> = [0, 1, 2, 4, 10, 96, 200_000].into_iter().map(prime_upto).collect();
    assert_eq!(primes, [1, 1, 2, 3, 7, 89, 199_999]);
    let mut list = List::new(false);
    let fits = |list: &List| {
        let (len, round) = (list.len() as u32, list.round);
        assert_eq!(prime_upto(round), round);
        assert!(round <= len.max(1) && round >= prime_upto(len).min(len - len / 64), "{round} for {len}");
    };
    for n in 0..2000 {
        list.push(v4(n));
        fits(&list);
    }
    for _ in 0..2000 {
        list.swap_remove(0);
        fits(&list);
    }
}

#[test]
fn a_node_of_four_bytes_takes_half_a_cache_line() {
    assert_eq!((size_of::<V4>(), size_of::<V6>()), (32, 96));
}
