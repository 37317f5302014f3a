use super::*;
use crate::proto::clock;
use proptest::prelude::*;
use std::time::Duration;

/// A server with one exchange.
fn says(offset_us: i64, delay_us: i64, distance_us: i64) -> Vec<Sample> {
    vec![Sample { offset_us, delay_us, distance_us }]
}

const DAY: i64 = 86_400_000_000;

#[test]
fn nobody_and_one() {
    assert_eq!(agree(&[], 1), Agreement::default());
    assert_eq!(agree(&[vec![], vec![]], 1), Agreement::default());
    let one = agree(&[says(5_000_000, 20_000, 1000), vec![]], 1);
    assert_eq!((one.offset_us, one.servers, one.answered, one.reliable), (5_000_000, 1, 1, true));
    assert_eq!((one.spread_us, one.error_us), (0, 12_000));
    assert_eq!(one.estimate(), Estimate { skew_us: -5_000_000, kept: 1, reliable: true });
    let too_few = agree(&[says(5_000_000, 20_000, 1000)], 2);
    assert_eq!((too_few.offset_us, too_few.servers, too_few.reliable), (0, 1, false));
}

#[test]
fn one_liar_of_three_moves_nothing() {
    let honest = [says(1000, 20_000, 0), says(3000, 20_000, 0)];
    let truth = agree(&honest, 2);
    assert_eq!((truth.offset_us, truth.spread_us, truth.servers), (2000, 1000, 2));
    // By a day; by little, beside what the others leave open; with an interval that covers everything; with one that
    // cuts off all but the edge of the others'.
    for lie in
        [says(DAY, 1000, 0), says(-60_000, 1000, 0), says(900_000, 0, 1_000_000), says(700_000, 0, 690_000)]
    {
        let got = agree(&[honest[0].clone(), lie.clone(), honest[1].clone()], 2);
        let moved = (got.offset_us - truth.offset_us).abs();
        assert!(got.reliable && got.servers == 2 && got.answered == 3 && moved == 0, "{lie:?}: {got:?}");
    }
}

#[test]
fn no_majority_no_time() {
    let pairs = [says(0, 1000, 0), says(0, 1000, 0), says(DAY, 1000, 0), says(DAY, 1000, 0)];
    for servers in [&pairs[..], &pairs[1..3]] {
        let got = agree(servers, 1);
        assert_eq!((got.offset_us, got.reliable), (0, false), "{got:?}");
    }
    assert!(agree(&pairs[..3], 2).reliable);
    assert!(!agree(&pairs[..3], 3).reliable);
}

#[test]
fn the_quickest_exchange_counts_and_the_surest_server_weighs_most() {
    let mut held_up = says(0, 10_000, 0);
    held_up.extend(says(400_000, 810_000, 0));
    assert_eq!(agree(std::slice::from_ref(&held_up), 1).offset_us, 0);
    held_up.reverse();
    let got = agree(&[held_up], 1);
    assert_eq!((got.offset_us, got.samples), (0, 2));
    let got = agree(&[says(0, 2000, 0), says(10_000, 36_000, 0)], 2);
    assert!((900..1100).contains(&got.offset_us), "2 ms against 19 ms: {got:?}");
}

#[test]
fn the_clock_does_not_look_at_the_systems() {
    let start = Instant::now();
    let clock = NetClock::new(start, 1000, 5_000_000);
    assert_eq!(clock.now_ntp(start), 5_001_000);
    assert_eq!(clock.now_ntp(start + Duration::from_secs(3)), 8_001_000);
    assert_eq!(clock.age(start + Duration::from_secs(3)), Duration::from_secs(3));
    let later = NetClock::new(start + Duration::from_secs(1), 1000, 0);
    assert_eq!(later.now_ntp(start), 1000 - 1_000_000);
    assert_eq!(NetClock::new(start, i64::MAX, 1).now_ntp(start + Duration::from_secs(9)), i64::MAX);
}

/// An honest server: its offset is wrong by less than it admits.
fn honest(truth: i64) -> impl Strategy<Value = Vec<Sample>> {
    let exchange = (0i64..200_000, 0i64..50_000, -100i64..=100);
    prop::collection::vec(exchange, 1..6).prop_map(move |exchanges| {
        let sample = |(delay_us, distance_us, wrong): (i64, i64, i64)| Sample {
            offset_us: truth + (delay_us / 2 + distance_us) * wrong / 100,
            delay_us,
            distance_us,
        };
        exchanges.into_iter().map(sample).collect()
    })
}

fn anything() -> impl Strategy<Value = Vec<Sample>> {
    let number = prop_oneof![any::<i64>(), -1000i64..1000, Just(i64::MIN), Just(i64::MAX)];
    let sample = (number.clone(), number.clone(), number)
        .prop_map(|(offset_us, delay_us, distance_us)| Sample { offset_us, delay_us, distance_us });
    prop::collection::vec(sample, 0..4)
}

proptest! {
    #[test]
    fn anything_is_judged(servers in prop::collection::vec(anything(), 0..8), need in 0usize..5) {
        let got = agree(&servers, need);
        prop_assert!(got.servers <= got.answered && got.answered <= servers.len());
        if got.reliable {
            prop_assert!(got.servers >= need.max(1) && 2 * got.servers > got.answered && got.spread_us >= 0);
        } else {
            prop_assert_eq!(got.offset_us, 0);
        }
    }

    #[test]
    fn honest_servers_tell_the_truth_within_the_error(
        (truth, servers) in (-DAY..DAY).prop_flat_map(|t| (Just(t), prop::collection::vec(honest(t), 1..9)))
    ) {
        let got = agree(&servers, 1);
        prop_assert!(got.reliable, "{:?}", got);
        prop_assert!((got.offset_us - truth).abs() <= got.error_us + 1, "{} {:?}", truth, got);
    }

    /// Fewer liars than honest servers, whatever they say: the result stays within the honest ones' own uncertainty.
    #[test]
    fn a_minority_cannot_move_it(
        (truth, servers) in (-DAY..DAY).prop_flat_map(|t| (Just(t), prop::collection::vec(honest(t), 2..6))),
        lies in prop::collection::vec(anything(), 1..5),
        at in any::<prop::sample::Index>(),
    ) {
        let widest = servers.iter().filter_map(|s| Claim::of(s)).map(|c| c.error).max().unwrap_or(0);
        let lies: Vec<_> = lies.into_iter().take(servers.len() - 1).collect();
        let mut all = servers.clone();
        let at = at.index(all.len());
        all.splice(at..at, lies);
        let got = agree(&all, 2);
        if got.reliable {
            let off = (i128::from(got.offset_us) - i128::from(truth)).abs();
            prop_assert!(off <= 2 * widest, "{off} {widest} {got:?}");
        }
    }

    /// On what PyP2P would take, fifty samples with small errors, its filter and this one say the same.
    #[test]
    fn the_same_kind_of_number_as_pyp2ps(
        skew in -DAY..DAY,
        noise in prop::collection::vec((-2000i64..2000, 20_000i64..60_000), 50),
    ) {
        let servers: Vec<Vec<Sample>> = noise
            .chunks(10)
            .map(|ten| ten.iter().map(|(n, delay_us)| Sample { offset_us: n - skew, delay_us: *delay_us, distance_us: 0 }).collect())
            .collect();
        let samples: Vec<i64> = servers.iter().flatten().map(|s| -s.offset_us).collect();
        let (theirs, ours) = (clock::estimate(&samples).unwrap(), agree(&servers, 3).estimate());
        prop_assert!(ours.reliable && ours.kept == 50);
        if theirs.reliable {
            prop_assert!((theirs.skew_us - ours.skew_us).abs() < 4000, "{theirs:?} {ours:?}");
        }
    }
}
