//! PCP and NAT-PMP against a model of a gateway, and against broken ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};

use super::*;

/// A mapping as the model has it: internal port to external port, nonce and end.
type Table = BTreeMap<u16, (u16, [u8; 12], Instant)>;

/// A gateway that speaks PCP, NAT-PMP or both, from one table, and keeps what it was asked.
struct Model {
    pcp: bool,
    natpmp: bool,
    outside: Ipv4Addr,
    booted: Instant,
    longest: u32,
    table: Table,
    /// External ports that other hosts have.
    taken: Vec<u16>,
    /// Result code for every mapping.
    refuses: u8,
    /// Takes no notice of anything.
    silent: bool,
    /// What it was asked, in order: `pcp map 4020`, `natpmp unmap 4020`, ...
    asked: Vec<String>,
}

impl Model {
    fn new() -> Model {
        Model {
            pcp: true,
            natpmp: true,
            outside: Ipv4Addr::new(11, 0, 0, 1),
            booted: Instant::now(),
            longest: 7200,
            table: Table::new(),
            taken: Vec::new(),
            refuses: 0,
            silent: false,
            asked: Vec::new(),
        }
    }

    fn clock(&self) -> [u8; 4] {
        (self.booted.elapsed().as_secs() as u32 + 1000).to_be_bytes()
    }

    fn reboot(&mut self) {
        (self.booted, self.table) = (Instant::now(), Table::new());
    }

    fn answer(&mut self, q: &[u8]) -> Option<Vec<u8>> {
        let [version, op, ..] = *q else { return None };
        let protocol = if version == 2 { "pcp" } else { "natpmp" };
        let port_at = if version == 2 { 40 } else { 4 };
        let port = q.get(port_at..port_at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        let life = if version == 2 { q.get(4..8) } else { q.get(8..12) };
        let life = life.map(|b| u32::from_be_bytes(b.try_into().unwrap()));
        self.asked.push(match (version, op, port, life) {
            (2, 0, ..) => "pcp clock".into(),
            (0, 0, ..) => "natpmp outside".into(),
            (_, _, Some(port), Some(0)) => format!("{protocol} unmap {port}"),
            (_, _, Some(port), _) => format!("{protocol} map {port}"),
            _ => "?".into(),
        });
        if self.silent || !(self.pcp || self.natpmp) {
            return None;
        }
        match (version, op) {
            (2, _) if !self.pcp => Some([&[0, 0x80 | op, 0, 1][..], &self.clock()].concat()),
            (0, _) if !self.natpmp => {
                let mut out = vec![2, 0x80 | op, 0, 1, 0, 0, 0, 0];
                out.extend(self.clock());
                out.resize(24, 0);
                Some(out)
            }
            (2, 0) => Some(self.pcp_head(0, 0, 0)),
            (2, 1) => Some(self.pcp_map(q, port?, life?)),
            (0, 0) => Some([&[0, 128, 0, 0][..], &self.clock(), &self.outside.octets()].concat()),
            (0, 2) => Some(self.natpmp_map(q, port?, life?)),
            _ => None,
        }
    }

    fn pcp_head(&self, op: u8, result: u8, life: u32) -> Vec<u8> {
        let mut out = vec![2, 0x80 | op, 0, result];
        out.extend(life.to_be_bytes());
        out.extend(self.clock());
        out.resize(24, 0);
        out
    }

    /// The external port for an internal one: the wanted one, or the next that is free.
    fn choose(&self, wanted: u16) -> u16 {
        (wanted.max(1)..).find(|port| !self.taken.contains(port)).unwrap()
    }

    fn pcp_map(&mut self, q: &[u8], port: u16, life: u32) -> Vec<u8> {
        let nonce: [u8; 12] = q[24..36].try_into().unwrap();
        let other = self.table.get(&port).is_some_and(|(_, theirs, _)| *theirs != nonce);
        let refuses = if other { 2 } else { self.refuses };
        let life = life.min(self.longest);
        let external = match self.table.get(&port) {
            Some((external, ..)) => *external,
            None => self.choose(u16::from_be_bytes([q[42], q[43]])),
        };
        if refuses == 0 {
            self.store(port, external, nonce, life);
        }
        let mut out = self.pcp_head(1, refuses, if refuses == 0 { life } else { 30 });
        out.extend(&q[24..42]);
        out.extend(external.to_be_bytes());
        out.extend(self.outside.to_ipv6_mapped().octets());
        out
    }

    fn natpmp_map(&mut self, q: &[u8], port: u16, life: u32) -> Vec<u8> {
        let life = life.min(self.longest);
        let external = self.choose(u16::from_be_bytes([q[6], q[7]]));
        if self.refuses == 0 {
            self.store(port, external, [0; 12], life);
        }
        let mut out = vec![0, 130, 0, self.refuses];
        out.extend(self.clock());
        out.extend(&q[4..6]);
        out.extend(if life == 0 { [0; 2] } else { external.to_be_bytes() });
        out.extend(life.to_be_bytes());
        out
    }

    fn store(&mut self, port: u16, external: u16, nonce: [u8; 12], life: u32) {
        let end = Instant::now() + Duration::from_secs(life.into());
        self.table.insert(port, (external, nonce, end));
        if life == 0 {
            self.table.remove(&port);
        }
    }
}

/// What a fake does with each datagram: the answers, each after a pause.
type Answers = Vec<(Duration, Vec<u8>)>;

/// A gateway on an address of its own.
struct Fake {
    ip: IpAddr,
    ports: Ports,
    model: Arc<Mutex<Model>>,
}

impl Fake {
    /// One that answers as its model does.
    async fn good() -> Fake {
        Fake::with(|model, q| model.answer(q).map(|a| (Duration::ZERO, a)).into_iter().collect()).await
    }

    async fn with(answers: impl FnMut(&mut Model, &[u8]) -> Answers + Send + 'static) -> Fake {
        Fake::on(own_address(), 0, answers).await
    }

    async fn on(
        ip: IpAddr,
        port: u16,
        mut answers: impl FnMut(&mut Model, &[u8]) -> Answers + Send + 'static,
    ) -> Fake {
        let socket = Arc::new(UdpSocket::bind((ip, port)).await.unwrap());
        let ports = Ports { gateway: socket.local_addr().unwrap().port(), ssdp: 9, multicast: false };
        let model = Arc::new(Mutex::new(Model::new()));
        let shared = Arc::clone(&model);
        tokio::spawn(async move {
            let mut q = [0; 1200];
            loop {
                let (len, from) = socket.recv_from(&mut q).await.unwrap();
                let all = answers(&mut shared.lock(), &q[..len]);
                for (pause, answer) in all {
                    let socket = Arc::clone(&socket);
                    tokio::spawn(async move {
                        sleep(pause).await;
                        let _ = socket.send_to(&answer, from).await;
                    });
                }
            }
        });
        Fake { ip, ports, model }
    }

    fn wish(&self, protocols: u32) -> Wish {
        wish(protocols, &[self.ip], self.ports)
    }

    fn asked(&self) -> Vec<String> {
        self.model.lock().asked.clone()
    }
}

const EACH: [(u32, Protocol); 2] = [(FWD_PCP, Protocol::Pcp), (FWD_NATPMP, Protocol::NatPmp)];

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
            assert_eq!(fake.model.lock().table.len(), 1);
            let took = rig.stop().await;
            assert!(took < Duration::from_millis(100), "{took:?}");
            assert!(fake.model.lock().table.is_empty());
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
            assert!(fake.model.lock().table.is_empty());
            // A look comes every five minutes, and up to two seconds after it the mapping.
            sleep(Duration::from_secs(340)).await;
            assert_eq!(fake.model.lock().table.len(), 1, "{:?}", fake.asked());
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
        assert!(double.model.lock().table.is_empty(), "{:?}", double.asked());
        assert_eq!(public.model.lock().table.len(), 1);
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
        assert!(old.model.lock().table.is_empty());
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
        assert_eq!(fake.model.lock().table.len(), 2);
        second.stop().await;
        assert_eq!(fake.model.lock().table.len(), 1);
        // The crash: everything of the node goes, nothing is said to the gateway.
        rig.task.abort();
        let _ = rig.task.await;
        assert_eq!(fake.model.lock().table.len(), 1);
        fake.model.lock().asked.clear();
        let mut rig = Rig::start(Wish { port: 4022, ..wish });
        rig.mapped().await;
        let ports: Vec<_> = fake.model.lock().table.keys().copied().collect();
        assert_eq!(ports, [4022], "{:?}", fake.asked());
        rig.stop().await;
        let left: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["portmap.lock"]);
        std::fs::remove_dir_all(dir).unwrap();
    });
}
