//! What happens to a mapping in its life: renewals, restarts, other addresses, death, a change of the
//! network, a crash.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::model::{EACH, Fake};
use super::*;

#[test]
fn after_a_failure_it_goes_on_quietly_and_succeeds_when_it_can() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        fake.model.lock().silent = true;
        let mut rig = Rig::start(fake.wish(FWD_PCP));
        rig.failed().await;
        let model = Arc::clone(&fake.model);
        tokio::spawn(async move {
            sleep(Duration::from_secs(3600)).await;
            model.lock().silent = false;
        });
        rig.mapped().await;
        let asked = fake.asked().len();
        assert!((10..60).contains(&asked), "an hour of silence costs few datagrams: {asked}");
    });
}

#[test]
fn a_mapping_is_renewed_at_half_its_life_for_as_long_as_it_is_wanted() {
    for (bit, _) in EACH {
        with_stopped_clock(async move {
            let fake = Fake::good().await;
            fake.model.lock().longest = 600;
            let mut rig = Rig::start(fake.wish(bit));
            assert_eq!(rig.mapped().await.lease, Duration::from_secs(600));
            for _ in 0..24 {
                sleep(Duration::from_secs(3600)).await;
                let (.., end) = fake.model.lock().table[&4020];
                assert!(end > Instant::now(), "it lapsed");
            }
            let renewals = fake.asked().iter().filter(|a| a.contains(" map ")).count();
            assert!((24 * 6..=24 * 12 + 1).contains(&renewals), "{renewals} in a day of 600 s leases");
            assert!(rig.happenings.try_recv().is_err(), "nothing to tell");
        });
    }
}

#[test]
fn a_renewal_that_is_lost_is_tried_again_before_the_lease_ends() {
    for (bit, _) in EACH {
        with_stopped_clock(async move {
            let fake = Fake::good().await;
            let mut rig = Rig::start(fake.wish(bit));
            rig.mapped().await;
            // Silent over the first renewal (1800 to 2250 s), back before the second (from 2700 s).
            sleep(Duration::from_secs(1700)).await;
            fake.model.lock().silent = true;
            sleep(Duration::from_secs(800)).await;
            fake.model.lock().silent = false;
            sleep(Duration::from_secs(1000)).await;
            let (.., end) = fake.model.lock().table[&4020];
            assert!(end > Instant::now() + Duration::from_secs(1800));
            while let Ok(happening) = rig.happenings.try_recv() {
                assert!(matches!(happening, Happening::Note(_)), "{happening:?}");
            }
        });
    }
}

#[test]
fn a_gateway_that_stays_silent_costs_the_mapping_and_its_return_brings_a_new_one() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let mut rig = Rig::start(fake.wish(FWD_PCP));
        rig.mapped().await;
        let started = Instant::now();
        fake.model.lock().silent = true;
        assert!(rig.lost().await.contains("lease is over"));
        let after = started.elapsed().as_secs();
        assert!((3590..=3620).contains(&after), "{after}");
        assert!(rig.failed().await.contains("no answer"));
        fake.model.lock().reboot();
        fake.model.lock().silent = false;
        rig.mapped().await;
    });
}

#[test]
fn a_gateway_that_was_restarted_is_mapped_again_within_minutes() {
    for (bit, _) in EACH {
        with_stopped_clock(async move {
            let fake = Fake::good().await;
            let mut rig = Rig::start(fake.wish(bit));
            rig.mapped().await;
            sleep(Duration::from_secs(700)).await;
            fake.model.lock().reboot();
            assert!(fake.mapped().is_empty());
            // A look comes every five minutes, and up to two seconds after it the mapping.
            sleep(Duration::from_secs(340)).await;
            assert_eq!(fake.mapped().len(), 1, "{:?}", fake.asked());
            rig.order(Order::Remove);
            while !matches!(rig.next().await, Happening::Removed) {}
            assert!(rig.notes.iter().any(|n| n.contains("restarted")), "{:?}", rig.notes);
        });
    }
}

#[test]
fn another_address_outside_is_told() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let mut rig = Rig::start(fake.wish(FWD_NATPMP));
        rig.mapped().await;
        fake.model.lock().outside = Ipv4Addr::new(11, 0, 0, 2);
        let started = Instant::now();
        assert_eq!(rig.moved().await.external_ip, Some([11, 0, 0, 2].into()));
        assert!(started.elapsed() < Duration::from_secs(340), "by looking, long before the renewal");
    });
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let mut rig = Rig::start(fake.wish(FWD_PCP));
        rig.mapped().await;
        fake.model.lock().outside = Ipv4Addr::new(11, 0, 0, 2);
        assert_eq!(rig.moved().await.external_ip, Some([11, 0, 0, 2].into()), "at the renewal");
    });
}

#[test]
fn another_port_at_the_renewal_is_told() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let mut rig = Rig::start(fake.wish(FWD_NATPMP));
        rig.mapped().await;
        fake.model.lock().taken = vec![4020];
        assert_eq!(rig.moved().await.external_port, 4021);
    });
}

#[test]
fn a_dead_mapping_is_removed_and_made_again() {
    for (bit, name) in [(FWD_PCP, "pcp"), (FWD_NATPMP, "natpmp")] {
        with_stopped_clock(async move {
            let fake = Fake::good().await;
            let mut rig = Rig::start(fake.wish(bit));
            let first = rig.mapped().await;
            fake.model.lock().asked.clear();
            rig.order(Order::Dead { pinhole: false });
            assert_eq!(rig.mapped().await, first);
            let asked = fake.asked();
            let order: Vec<_> = asked.iter().filter(|a| !a.contains("outside")).collect();
            assert_eq!(order, [&format!("{name} unmap 4020"), &format!("{name} map 4020")]);
        });
    }
}

#[test]
fn a_mapping_that_is_dead_twice_is_made_in_another_way() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
        assert_eq!(rig.mapped().await.protocol, Protocol::Pcp);
        rig.order(Order::Dead { pinhole: false });
        assert_eq!(rig.mapped().await.protocol, Protocol::Pcp);
        rig.order(Order::Dead { pinhole: false });
        assert_eq!(rig.mapped().await.protocol, Protocol::NatPmp);
    });
}

#[test]
fn a_dead_mapping_that_cannot_be_made_again_is_lost() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let mut rig = Rig::start(fake.wish(FWD_PCP));
        rig.mapped().await;
        fake.model.lock().refuses = 2;
        rig.order(Order::Dead { pinhole: false });
        assert!(rig.lost().await.contains("dead"));
        assert!(rig.failed().await.contains("NOT_AUTHORIZED"));
        rig.order(Order::Dead { pinhole: false });
        rig.stop().await;
    });
}

#[test]
fn a_change_of_the_network_moves_the_mapping() {
    with_stopped_clock(async {
        let old = Fake::good().await;
        let new = Fake::on(own_address(), old.ports.gateway, |model, q| {
            model.answer(q).map(|a| (Duration::ZERO, a)).into_iter().collect()
        })
        .await;
        let mut rig = Rig::start(old.wish(FWD_PCP));
        rig.mapped().await;
        rig.order(Order::Gateways(vec![Gateway { ip: new.ip, scope: 0, local: host(new.ip) }]));
        assert!(rig.lost().await.contains("network"));
        assert_eq!(rig.mapped().await.gateway, new.ip);
        sleep(Duration::from_secs(2)).await;
        assert!(old.mapped().is_empty());
        // The same gateways again: no loss, only a renewal.
        new.model.lock().asked.clear();
        rig.order(Order::Gateways(vec![Gateway { ip: new.ip, scope: 0, local: host(new.ip) }]));
        sleep(Duration::from_secs(5)).await;
        assert_eq!(new.asked(), ["pcp map 4020"]);
        rig.order(Order::Gateways(Vec::new()));
        assert!(rig.lost().await.contains("network"));
    });
}

#[test]
fn what_a_crash_left_behind_is_taken_down_at_the_next_start() {
    in_real_time(async {
        let dir = std::env::temp_dir().join(format!("p2pnet-crash-{:x}", fastrand::u64(..)));
        let fake = Fake::good().await;
        let wish = Wish { state_dir: Some(dir.clone()), ..fake.wish(FWD_PCP) };
        let mut rig = Rig::start(wish.clone());
        rig.mapped().await;
        // A second node in the same directory leaves the first one's mapping alone.
        let mut second = Rig::start(Wish { port: 4021, ..wish.clone() });
        second.mapped().await;
        assert_eq!(fake.mapped().len(), 2);
        second.stop().await;
        assert_eq!(fake.mapped().len(), 1);
        // The crash: everything of the node goes, nothing is said to the gateway.
        rig.task.abort();
        let _ = rig.task.await;
        assert_eq!(fake.mapped().len(), 1);
        fake.model.lock().asked.clear();
        let mut rig = Rig::start(Wish { port: 4022, ..wish });
        rig.mapped().await;
        assert_eq!(fake.mapped(), [4022], "{:?}", fake.asked());
        rig.stop().await;
        let left: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["portmap.lock"]);
        std::fs::remove_dir_all(dir).unwrap();
    });
}

#[test]
fn a_crash_between_question_and_answer_is_cleaned_up_as_well() {
    for (bit, _) in EACH {
        in_real_time(async move {
            let dir = std::env::temp_dir().join(format!("p2pnet-crash-{:x}", fastrand::u64(..)));
            let mut answers = false;
            let fake = Fake::with(move |model, q| {
                let answer = model.answer(q).unwrap();
                // It takes the first mapping and says nothing.
                let is_map = answer.len() == 60 || answer.len() == 16;
                let all = vec![(Duration::ZERO, answer)];
                let told = if is_map && !answers { Vec::new() } else { all };
                answers |= is_map;
                told
            })
            .await;
            let wish = Wish { state_dir: Some(dir.clone()), ..fake.wish(bit) };
            let rig = Rig::start(wish.clone());
            while fake.mapped().is_empty() {
                tokio::task::yield_now().await;
            }
            rig.task.abort();
            let _ = rig.task.await;
            let mut rig = Rig::start(Wish { port: 4022, ..wish });
            rig.mapped().await;
            assert_eq!(fake.mapped(), [4022], "{:?}", fake.asked());
            rig.stop().await;
            std::fs::remove_dir_all(dir).unwrap();
        });
    }
}
