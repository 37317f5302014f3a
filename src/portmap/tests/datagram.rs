//! The first mapping by PCP and NAT-PMP, and its end.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};

use super::model::{EACH, Fake, Model};
use super::*;

#[test]
fn each_protocol_maps_and_takes_it_down_again() {
    for (bit, protocol) in EACH {
        with_stopped_clock(async {
            let fake = Fake::good().await;
            let mut rig = Rig::start(fake.wish(bit));
            let mapped = rig.mapped().await;
            assert_eq!(
                mapped,
                Mapped {
                    protocol,
                    gateway: fake.ip,
                    internal: SocketAddr::new(host(fake.ip), 4020),
                    external_ip: Some([11, 0, 0, 1].into()),
                    external_port: 4020,
                    lease: Duration::from_secs(3600),
                    pinhole: false,
                }
            );
            assert_eq!(fake.mapped().len(), 1);
            let took = rig.stop().await;
            assert!(took < Duration::from_millis(100), "{took:?}");
            assert!(fake.mapped().is_empty());
        });
    }
}

#[test]
fn of_two_protocols_of_one_gateway_only_the_better_changes_it() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
        assert_eq!(rig.mapped().await.protocol, Protocol::Pcp);
        sleep(Duration::from_secs(60)).await;
        assert!(!fake.asked().contains(&"natpmp map 4020".into()), "{:?}", fake.asked());
    });
}

#[test]
fn a_silent_gateway_is_given_up_within_the_limit_and_stopping_is_quick() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        fake.model.lock().silent = true;
        let started = Instant::now();
        let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
        let why = rig.failed().await;
        let took = started.elapsed();
        assert!(took <= Duration::from_secs(3) + Duration::from_millis(50), "{took:?}");
        assert_eq!(why.matches("no answer to 4 datagrams in 2.").count(), 2, "{why}");
        assert!(fake.asked().len() <= 8, "{:?}", fake.asked());
        let took = rig.stop().await;
        assert!(took <= Duration::from_millis(1100), "{took:?}");
    });
}

#[test]
fn stopping_in_the_middle_of_a_race_with_silence_takes_a_second_at_most() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        fake.model.lock().silent = true;
        let rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
        sleep(Duration::from_millis(500)).await;
        assert!(rig.stop().await <= Duration::from_millis(1100));
    });
}

#[test]
fn stopping_when_the_gateway_has_gone_silent_takes_a_second_at_most() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let mut rig = Rig::start(fake.wish(FWD_PCP));
        rig.mapped().await;
        fake.model.lock().silent = true;
        assert!(rig.stop().await <= Duration::from_millis(1100));
    });
}

#[test]
fn a_gateway_without_such_a_service_says_so_at_once() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let ports = Ports { gateway: 9, ..fake.ports };
        let started = Instant::now();
        let mut rig = Rig::start(wish(FWD_PCP | FWD_NATPMP, &[own_address()], ports));
        let why = rig.failed().await;
        assert_eq!(why.matches("nothing listens on its UDP port 9").count(), 2, "{why}");
        assert!(started.elapsed() < Duration::from_millis(100));
    });
}

#[test]
fn no_gateway_is_a_failure_without_attempts() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        let mut rig = Rig::start(wish(FWD_PCP, &[], fake.ports));
        assert_eq!(rig.failed().await, "");
        let gateway = Gateway { ip: fake.ip, scope: 0, local: host(fake.ip) };
        rig.order(Order::Gateways(vec![gateway]));
        rig.mapped().await;
    });
}

#[test]
fn natpmp_waits_for_a_silent_pcp_but_not_long() {
    with_stopped_clock(async {
        let fake = Fake::with(|model, q| {
            let answer = model.answer(q).unwrap();
            if q[0] == 2 { Vec::new() } else { vec![(Duration::ZERO, answer)] }
        })
        .await;
        let started = Instant::now();
        let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
        assert_eq!(rig.mapped().await.protocol, Protocol::NatPmp);
        let took = started.elapsed();
        assert!((100..=110).contains(&took.as_millis()), "{took:?}");
    });
}

#[test]
fn a_port_that_is_taken_is_replaced_by_the_gateways_choice() {
    for (bit, _) in EACH {
        with_stopped_clock(async move {
            let fake = Fake::good().await;
            fake.model.lock().taken = vec![4020];
            let mut rig = Rig::start(fake.wish(bit));
            assert_eq!(rig.mapped().await.external_port, 4021);
        });
    }
}

#[test]
fn a_public_address_beats_a_private_one_and_the_loser_is_taken_down() {
    with_stopped_clock(async {
        let double = Fake::good().await;
        double.model.lock().outside = Ipv4Addr::new(100, 64, 0, 9);
        let slow = |model: &mut Model, q: &[u8]| {
            model.answer(q).map(|a| (Duration::from_millis(200), a)).into_iter().collect()
        };
        let public = Fake::on(own_address(), double.ports.gateway, slow).await;
        let mut rig = Rig::start(wish(FWD_PCP, &[double.ip, public.ip], double.ports));
        assert_eq!(rig.mapped().await.gateway, public.ip);
        sleep(Duration::from_secs(2)).await;
        assert!(double.mapped().is_empty(), "{:?}", double.asked());
        assert_eq!(public.mapped().len(), 1);
    });
}

#[test]
fn a_private_address_is_better_than_none_and_told_as_it_is() {
    with_stopped_clock(async {
        let fake = Fake::good().await;
        fake.model.lock().outside = Ipv4Addr::new(100, 64, 0, 9);
        let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
        assert_eq!(rig.mapped().await.external_ip, Some([100, 64, 0, 9].into()));
    });
}

#[test]
fn an_ipv6_gateway_opens_a_pinhole() {
    with_stopped_clock(async {
        let six = std::net::Ipv6Addr::LOCALHOST;
        let Ok(socket) = UdpSocket::bind((six, 0)).await else {
            eprintln!("SKIPPED: this machine has no ::1");
            return;
        };
        let ports = Ports { gateway: socket.local_addr().unwrap().port(), ssdp: 9, multicast: false };
        tokio::spawn(async move {
            let (mut model, mut q) = (Model::new(), [0; 1200]);
            loop {
                let (len, from) = socket.recv_from(&mut q).await.unwrap();
                assert_eq!(q[8..24], six.octets(), "the client's address");
                let mut answer = model.answer(&q[..len]).unwrap();
                answer[44..60].copy_from_slice(&six.octets());
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        let mut rig = Rig::start(wish(FWD_PCP | FWD_NATPMP, &[six.into()], ports));
        let mapped = rig.mapped().await;
        assert!(mapped.pinhole && mapped.external_ip == Some(six.into()) && mapped.external_port == 4020);
    });
}

/// A gateway whose PCP answers are so late that NAT-PMP is asked as well, and whose table then takes NAT-PMP
/// for the entry's maker.
async fn two_faced() -> Fake {
    Fake::with(|model, q| {
        let pause = Duration::from_millis(if q[0] == 2 { 150 } else { 80 });
        model.answer(q).map(|a| (pause, a)).into_iter().collect()
    })
    .await
}

#[test]
fn an_entry_that_two_protocols_made_goes_whoever_is_taken_for_its_maker() {
    with_stopped_clock(async {
        let fake = two_faced().await;
        let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
        assert_eq!(rig.mapped().await.protocol, Protocol::Pcp);
        sleep(Duration::from_secs(1)).await;
        assert!(fake.asked().contains(&"natpmp map 4020".into()), "{:?}", fake.asked());
        rig.stop().await;
        assert!(fake.mapped().is_empty(), "{:?}", fake.asked());
    });
}

#[test]
fn an_entry_that_two_protocols_made_is_renewed_by_the_one_that_may() {
    with_stopped_clock(async {
        let fake = two_faced().await;
        let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
        assert_eq!(rig.mapped().await.protocol, Protocol::Pcp);
        sleep(Duration::from_secs(2 * 3600)).await;
        let (.., end) = fake.model.lock().table[&4020];
        assert!(end > Instant::now(), "it lapsed");
        rig.order(Order::Remove);
        assert!(matches!(rig.next().await, Happening::Removed), "not lost in between");
        assert!(fake.mapped().is_empty());
    });
}

#[test]
fn an_entry_that_two_protocols_made_is_repaired() {
    with_stopped_clock(async {
        let fake = two_faced().await;
        let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
        let first = rig.mapped().await;
        sleep(Duration::from_secs(1)).await;
        rig.order(Order::Dead { pinhole: false });
        assert_eq!(rig.mapped().await, first);
        rig.stop().await;
        assert!(fake.mapped().is_empty());
    });
}
