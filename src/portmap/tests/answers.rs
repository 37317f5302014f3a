//! Answers that come late, that are wrong, that are not for us: PCP and NAT-PMP.

use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::model::{EACH, Fake, Model};
use super::*;

#[test]
fn a_lost_datagram_is_sent_again() {
    for (bit, _) in EACH {
        with_stopped_clock(async move {
            let mut seen = 0;
            let fake = Fake::with(move |model, q| {
                seen += 1;
                let answer = model.answer(q);
                if seen <= 2 { Vec::new() } else { vec![(Duration::ZERO, answer.unwrap())] }
            })
            .await;
            let mut rig = Rig::start(fake.wish(bit));
            rig.mapped().await;
        });
    }
}

#[test]
fn a_late_answer_to_an_early_question_counts() {
    for (bit, _) in EACH {
        with_stopped_clock(async move {
            // Only the first datagram of each kind is answered, after the second and third have been sent.
            let mut known: Vec<Vec<u8>> = Vec::new();
            let fake = Fake::with(move |model, q| {
                if known.iter().any(|k| *k == q) {
                    return Vec::new();
                }
                known.push(q.to_vec());
                vec![(Duration::from_millis(900), model.answer(q).unwrap())]
            })
            .await;
            let mut rig = Rig::start(fake.wish(bit));
            rig.mapped().await;
            assert_eq!(rig.attempts.iter().filter(|a| a.outcome.is_ok()).count(), 1);
        });
    }
}

/// Something that spoils an answer, what a person is told, and for which protocols it makes sense.
type Spoiler = (&'static str, fn(Vec<u8>) -> Vec<u8>, &'static str, u32);

const SPOILERS: [Spoiler; 10] = [
    ("garbage", |_| vec![0xab; 64], "ignored, the last one: ", FWD_PCP | FWD_NATPMP),
    ("an empty datagram", |_| Vec::new(), "0 bytes where at least", FWD_PCP | FWD_NATPMP),
    ("2 bytes", |a| a[..2].to_vec(), "2 bytes where at least", FWD_PCP | FWD_NATPMP),
    ("11 bytes", |a| a[..11].to_vec(), "11 bytes where at least", FWD_PCP | FWD_NATPMP),
    (
        "our question",
        |mut a| {
            a[1] &= 0x7f;
            a
        },
        "a request, not a response",
        FWD_PCP | FWD_NATPMP,
    ),
    (
        "another operation",
        |mut a| {
            a[1] ^= 4;
            a
        },
        "to another operation",
        FWD_PCP | FWD_NATPMP,
    ),
    (
        "another version",
        |mut a| {
            a[0] = 7;
            a
        },
        "of version 7",
        FWD_PCP | FWD_NATPMP,
    ),
    (
        "another nonce",
        |mut a| {
            a[30] ^= 1;
            a
        },
        "with another nonce",
        FWD_PCP,
    ),
    (
        "UDP for TCP",
        |mut a| {
            a[36] = 17;
            a
        },
        "for another protocol (number 17)",
        FWD_PCP,
    ),
    (
        "another port",
        |mut a| {
            a[41] ^= 1;
            a
        },
        "for another internal port (4021)",
        FWD_PCP,
    ),
];

#[test]
fn what_is_no_answer_is_ignored_and_told() {
    for (name, spoil, told, protocols) in SPOILERS {
        for (bit, _) in EACH.into_iter().filter(|(bit, _)| bit & protocols != 0) {
            with_stopped_clock(async move {
                let bad = move |model: &mut Model, q: &[u8]| {
                    model.answer(q).map(|a| (Duration::ZERO, spoil(a))).into_iter().collect()
                };
                let fake = Fake::with(bad).await;
                let mut rig = Rig::start(fake.wish(bit));
                let why = rig.failed().await;
                assert!(why.contains(told), "{name}: {why}");
                rig.stop().await;
            });
            with_stopped_clock(async move {
                let both = move |model: &mut Model, q: &[u8]| {
                    let good = model.answer(q).unwrap();
                    vec![(Duration::ZERO, spoil(good.clone())), (Duration::from_millis(5), good)]
                };
                let fake = Fake::with(both).await;
                let mut rig = Rig::start(fake.wish(bit));
                rig.mapped().await;
            });
        }
    }
}

#[test]
fn natpmp_mappings_with_12_bytes_for_udp_or_for_another_port_are_no_answer() {
    type Spoil = fn(Vec<u8>) -> Vec<u8>;
    let spoilers: [(Spoil, &str); 3] = [
        (|a| a[..12].to_vec(), "12 bytes where at least 16 are needed"),
        (
            |mut a| {
                a[1] = 129;
                a
            },
            "the answer to another operation (129)",
        ),
        (
            |mut a| {
                a[9] ^= 1;
                a
            },
            "for another internal port (4021)",
        ),
    ];
    for (spoil, told) in spoilers {
        with_stopped_clock(async move {
            let bad = move |model: &mut Model, q: &[u8]| {
                let answer = model.answer(q).unwrap();
                // The address is answered well, as by the routers that do this.
                vec![(Duration::ZERO, if answer.len() == 16 { spoil(answer) } else { answer })]
            };
            let fake = Fake::with(bad).await;
            let mut rig = Rig::start(fake.wish(FWD_NATPMP));
            let why = rig.failed().await;
            assert!(why.contains(told), "{why}");
        });
    }
}

#[test]
fn answers_of_others_do_not_count() {
    for other_ip in [false, true] {
        with_stopped_clock(async move {
            let ip = own_address();
            let from = if other_ip { own_address() } else { ip };
            let other = std::net::UdpSocket::bind((from, 0)).unwrap();
            let socket = UdpSocket::bind((ip, 0)).await.unwrap();
            let ports = Ports { gateway: socket.local_addr().unwrap().port(), ssdp: 9, multicast: false };
            tokio::spawn(async move {
                let (mut model, mut q) = (Model::new(), [0; 1200]);
                loop {
                    let (len, to) = socket.recv_from(&mut q).await.unwrap();
                    other.send_to(&model.answer(&q[..len]).unwrap(), to).unwrap();
                }
            });
            let mut rig = Rig::start(wish(FWD_PCP | FWD_NATPMP, &[ip], ports));
            let why = rig.failed().await;
            assert_eq!(why.matches("no answer").count(), 2, "{why}");
        });
    }
}

#[test]
fn a_gateway_with_one_of_the_two_says_which() {
    for (pcp, says) in [(false, "speaks NAT-PMP only"), (true, "speaks PCP only")] {
        with_stopped_clock(async move {
            let fake = Fake::good().await;
            (fake.model.lock().pcp, fake.model.lock().natpmp) = (pcp, !pcp);
            let mut rig = Rig::start(fake.wish(FWD_PCP | FWD_NATPMP));
            let mapped = rig.mapped().await;
            assert_eq!(mapped.protocol, if pcp { Protocol::Pcp } else { Protocol::NatPmp });
            sleep(Duration::from_secs(5)).await;
            rig.order(Order::Remove);
            while !matches!(rig.next().await, Happening::Removed) {}
            let told: Vec<_> = rig.attempts.iter().map(|a| a.to_string()).collect();
            assert!(told.iter().any(|t| t.contains(says)), "{told:?}");
        });
    }
}

#[test]
fn a_refusal_is_told_by_its_name() {
    for (bit, says) in [(FWD_PCP, "NO_RESOURCES (result 8)"), (FWD_NATPMP, "unknown (result 8)")] {
        with_stopped_clock(async move {
            let fake = Fake::good().await;
            fake.model.lock().refuses = 8;
            let mut rig = Rig::start(fake.wish(bit));
            let why = rig.failed().await;
            assert!(why.contains(says), "{why}");
        });
    }
}
