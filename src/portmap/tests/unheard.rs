//! What a router has done without our hearing of it is taken down with the rest.

use tokio::time::sleep;

use super::model::Fake;
use super::*;

/// A gateway whose PCP answers are so late that NAT-PMP is asked as well, whose table then takes NAT-PMP for the
/// entry's maker, and which tells `after` so long that NAT-PMP has mapped; `None`: never.
async fn two_faced_and_slow(after: Option<Duration>) -> Fake {
    Fake::with(move |model, q| {
        let Some(answer) = model.answer(q) else { return Vec::new() };
        let pause = match q {
            [2, ..] => Some(Duration::from_millis(150)),
            [0, 2, ..] if q[8..12] != [0; 4] => after,
            _ => Some(Duration::from_millis(20)),
        };
        pause.map(|pause| (pause, answer)).into_iter().collect()
    })
    .await
}

#[test]
fn what_was_mapped_without_a_word_goes_with_the_rest() {
    for (after, stop_after) in [(None, 4000), (None, 0), (Some(2500), 0), (Some(2500), 500), (Some(300), 0)] {
        with_stopped_clock(async move {
            let fake = two_faced_and_slow(after.map(Duration::from_millis)).await;
            let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
            assert_eq!(rig.mapped().await.protocol, Protocol::Pcp);
            sleep(Duration::from_millis(stop_after)).await;
            assert!(fake.asked().contains(&"natpmp map 4020".into()), "{:?}", fake.asked());
            let took = rig.stop().await;
            // Whatever is still on its way must not come after it.
            sleep(Duration::from_secs(10)).await;
            assert_eq!(fake.mapped(), [0; 0], "{after:?} {stop_after}: {:?}", fake.asked());
            assert!(took <= Duration::from_millis(1100), "{took:?}");
        });
    }
}

#[test]
fn what_was_mapped_without_a_word_in_a_race_that_is_broken_off_goes() {
    for bit in [FWD_PCP, FWD_NATPMP] {
        with_stopped_clock(async move {
            let fake = Fake::with(|model, q| {
                let Some(answer) = model.answer(q) else { return Vec::new() };
                let maps = if q[0] == 2 { q[4..8] != [0; 4] } else { q[1] == 2 && q[8..12] != [0; 4] };
                let pause = Duration::from_millis(if maps { 2500 } else { 20 });
                vec![(pause, answer)]
            })
            .await;
            let rig = Rig::start(fake.wish(bit));
            sleep(Duration::from_millis(300)).await;
            assert_eq!(fake.mapped(), [4020]);
            rig.stop().await;
            sleep(Duration::from_secs(10)).await;
            assert_eq!(fake.mapped(), [0; 0], "{:?}", fake.asked());
        });
    }
}

#[test]
fn a_renewal_under_way_does_not_bring_back_what_is_taken_down() {
    for bit in [FWD_PCP, FWD_NATPMP] {
        with_stopped_clock(async move {
            // It does what it is asked, and does not say so of a renewal.
            let fake = Fake::with(|model, q| {
                let maps = if q[0] == 2 { q[4..8] != [0; 4] } else { q[1] == 2 && q[8..12] != [0; 4] };
                let again = maps && model.asked.iter().any(|q| q.contains(" map "));
                let answer = model.answer(q).filter(|_| !again);
                answer.map(|a| (Duration::ZERO, a)).into_iter().collect()
            })
            .await;
            let mut rig = Rig::start(fake.wish(bit));
            rig.mapped().await;
            let begun = fake.asked().len();
            let renews = |asked: &[String]| asked.iter().skip(begun).any(|q| q.contains(" map "));
            while !renews(&fake.asked()) {
                sleep(Duration::from_millis(100)).await;
            }
            rig.stop().await;
            sleep(Duration::from_secs(60)).await;
            assert_eq!(fake.mapped(), [0; 0], "{:?}", fake.asked());
        });
    }
}
