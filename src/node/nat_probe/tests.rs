//! Probing over loopback: servers old, silent, broken and hostile; NATs played by a server that does not tell
//! the truth. The real server is in `with_server`.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use super::*;
use crate::node::resolve::Resolver;
use crate::proto::nat::NatType;
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::nat::mapping::Kept;
use crate::proto::nat::report::Confidence;

/// Only to turn a hang into a failure.
const HUNG: Duration = Duration::from_secs(60);

fn reach() -> Reach {
    Reach { resolver: Resolver::new(), bound: None, limit: HUNG }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A machine may be so busy that a server that answers at once has not answered for seconds: so it is waited for where all answer.
const PATIENCE: u32 = 80;
/// And so where some keep silent, for whom each test would take as long.
const LITTLE: u32 = 10;

fn options(limit: Duration) -> ProbeOptions {
    ProbeOptions { limit, patience: PATIENCE, ..ProbeOptions::default() }
}

/// Probes with all the time in the world: what ends must end by itself.
fn probe_all(servers: &[String]) -> Result<NatReport> {
    probe_patiently(servers, PATIENCE)
}

fn probe_patiently(servers: &[String], patience: u32) -> Result<NatReport> {
    let started = Instant::now();
    let report = run(probe(&reach(), servers, &ProbeOptions { patience, ..options(4 * HUNG) }));
    assert!(started.elapsed() < 2 * HUNG, "hung");
    report.map(|probed| probed.report)
}

/// On a busy machine the first answer may be so late that a server is asked a second time.
fn is_or_one_more(number: usize, expected: usize) -> bool {
    assert!((expected..=expected + 1).contains(&number), "{number}, not {expected}");
    true
}

/// A server on an address of 127/8 of its own, a thread for each connection.
struct Stub {
    at: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Stub {
    /// `serve` gets each connection and its number, from 0.
    fn start(serve: impl Fn(TcpStream, usize) + Clone + Send + 'static) -> Stub {
        let ip = IpAddr::from([127, fastrand::u8(1..=254), fastrand::u8(..), fastrand::u8(1..=254)]);
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let at = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let serve = serve.clone();
                let n = count.fetch_add(1, SeqCst);
                std::thread::spawn(move || serve(stream, n));
            }
        });
        Stub { at, connections }
    }

    /// Answers the lines that `answer` has an answer for; it gets the peer and the connection's number, too.
    fn answering(
        answer: impl Fn(&str, SocketAddr, usize) -> Option<String> + Clone + Send + 'static,
    ) -> Stub {
        Stub::start(move |mut stream, n| {
            let peer = stream.peer_addr().unwrap();
            let (mut buf, mut seen) = ([0; 256], Vec::new());
            while let Ok(got @ 1..) = stream.read(&mut buf) {
                seen.extend_from_slice(&buf[..got]);
                while let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") {
                    let line: Vec<u8> = seen.drain(..end + 2).collect();
                    let line = String::from_utf8_lossy(&line[..end]).into_owned();
                    if let Some(answer) = answer(&line, peer, n) {
                        let _ = stream.write_all(format!("{answer}\r\n").as_bytes());
                    }
                }
            }
        })
    }

    /// PyP2P's server: silent to OBSERVE.
    fn old() -> Stub {
        Stub::answering(|line, peer, _| {
            line.starts_with("SOURCE TCP").then(|| format!("REMOTE TCP {}", peer.port()))
        })
    }

    /// Pretends that there is a NAT which gives this outside port, by local port and number of the
    /// connection.
    fn nat(port: impl Fn(u16, usize) -> u16 + Clone + Send + 'static) -> Stub {
        Stub::answering(move |line, peer, n| {
            (line == "OBSERVE").then(|| format!("OBSERVED 198.51.100.7 {}", port(peer.port(), n)))
        })
    }

    fn name(&self) -> String {
        self.at.to_string()
    }

    fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }
}

/// Writes the same over and over until nobody takes it.
fn pour(stream: &mut TcpStream, text: &[u8]) {
    while stream.write_all(text).is_ok() {}
}

#[test]
fn an_old_server_shows_what_five_ports_show() {
    let server = Stub::old();
    let report = probe_all(&[server.name()]).unwrap();
    assert_eq!((report.nat, report.allocation), (NatType::Preserving, Allocation::Preserving));
    assert_eq!((report.wan_ip, report.mapping), (None, Mapping::Unknown));
    assert_eq!(report.evidence.pyp2p.nat_type, NatType::Preserving);
    assert!(is_or_one_more(report.evidence.ports.len(), PROBES));
    assert!(is_or_one_more(server.connections(), PROBES));
}

#[test]
fn a_second_old_server_is_a_second_address() {
    let servers = [Stub::old(), Stub::old()];
    let report = probe_all(&servers.each_ref().map(Stub::name)).unwrap();
    assert_eq!(report.mapping, Mapping::EndpointIndependent);
    assert_eq!(report.evidence.other_address, Kept { same: 3, of: 3 });
    assert!(report.evidence.ports.len() > PROBES);
}

#[test]
fn nats_are_named_in_the_order_of_connections() {
    let check = |port: fn(u16, usize) -> u16, nat, allocation, delta| {
        let report = probe_all(&[Stub::nat(port).name()]).unwrap();
        assert_eq!((report.nat, report.allocation, report.delta), (nat, allocation, delta), "{report:?}");
        assert_eq!(report.wan_ip, Some("198.51.100.7".parse().unwrap()));
        assert!(is_or_one_more(report.evidence.ports.len(), FRESH + 1));
        assert_eq!(report.confidence, Confidence::Medium, "there is nowhere else to ask");
    };
    check(|local, _| local, NatType::Preserving, Allocation::Preserving, 0);
    check(|local, _| local + 7, NatType::Delta, Allocation::Delta, 7);
    check(|_, n| 20_000 + 3 * n as u16, NatType::Delta, Allocation::Sequential, 3);
    check(|_, n| 20_000 - n as u16, NatType::Delta, Allocation::Sequential, -1);
    check(
        |local, _| (u32::from(local) * 48_271 % 60_000) as u16 + 1024,
        NatType::Random,
        Allocation::Random,
        0,
    );
}

/// What servers may do wrong; none of them ever answers.
fn wrong_servers() -> Vec<(&'static str, Stub)> {
    let says = |text: &'static [u8]| {
        Stub::start(move |mut stream, _| {
            let _ = stream.write_all(text);
            let _ = stream.read_to_end(&mut Vec::new());
        })
    };
    vec![
        ("silent", says(b"")),
        (
            "wrong answers",
            says(b"REMOTE TCP 99999\r\nREMOTE TCP 0\r\nOBSERVED x 5\r\nOBSERVED 1.2.3.4 0\r\n\xff\r\n"),
        ),
        ("endless line", Stub::start(|mut stream, _| pour(&mut stream, &[b'x'; 4096]))),
        ("endless talk", Stub::start(|mut stream, _| pour(&mut stream, b"NODES EMPTY\r\n"))),
        ("endless nothing", Stub::start(|mut stream, _| pour(&mut stream, b"\r\n"))),
        ("hangs up", Stub::start(|stream, _| drop(stream))),
        ("web server", says(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    ]
}

#[test]
fn a_wrong_server_alone_is_no_server() {
    for (what, server) in wrong_servers() {
        let opts = options(Duration::from_millis(300));
        let error = run(probe(&reach(), &[server.name()], &opts)).unwrap_err();
        assert_eq!(error.code, Code::NoServer, "{what}: {error}");
    }
    let nobody = IpAddr::from([127, fastrand::u8(1..=254), fastrand::u8(..), fastrand::u8(1..=254)]);
    let closed = TcpListener::bind((nobody, 0)).unwrap().local_addr().unwrap().to_string();
    let error = probe_all(std::slice::from_ref(&closed)).unwrap_err();
    assert!(error.code == Code::NoServer && error.message.contains(&closed), "{error}");
    assert_eq!(probe_all(&[]).unwrap_err().code, Code::NoServer);
    assert_eq!(probe_all(&["not an address".to_owned()]).unwrap_err().code, Code::NoServer);
}

#[test]
fn wrong_servers_do_not_stop_a_good_one() {
    for (what, server) in wrong_servers() {
        let good = Stub::nat(|local, _| local + 7);
        let report = probe_patiently(&[server.name(), good.name()], LITTLE).unwrap();
        assert_eq!(report.delta, 7, "{what}");
        assert!(report.evidence.ports.len() > FRESH, "{what}");
    }
    let good = Stub::nat(|local, _| local + 7);
    let wrong = wrong_servers();
    let mut names: Vec<String> = wrong.iter().take(3).map(|(_, server)| server.name()).collect();
    names.push(good.name());
    assert_eq!(probe_patiently(&names, LITTLE).unwrap().delta, 7);
}

#[test]
fn who_answers_only_once_gives_a_weak_verdict() {
    let server = Stub::answering(|line, peer, n| {
        (n == 0 && line == "OBSERVE").then(|| format!("OBSERVED 198.51.100.7 {} next=1", peer.port() + 9))
    });
    let opts = ProbeOptions { patience: LITTLE, ..options(Duration::from_secs(8)) };
    let report = run(probe(&reach(), &[server.name()], &opts)).unwrap().report;
    assert_eq!((report.nat, report.confidence), (NatType::Unknown, Confidence::None));
    assert_eq!(report.wan_ip, Some("198.51.100.7".parse().unwrap()));
    assert!(is_or_one_more(server.connections(), 1 + FRESH));
}

#[test]
fn a_server_cannot_send_us_into_our_own_network() {
    let server = Stub::answering(|line, peer, _| {
        let text = format!("OBSERVED 198.51.100.7 {} alt=10.0.0.1 alt=192.168.1.1:80 alt=[::1]", peer.port());
        (line == "OBSERVE").then_some(text)
    });
    let report = probe_all(&[server.name()]).unwrap();
    assert_eq!(report.evidence.other_address, Kept::default());
    assert!(is_or_one_more(report.evidence.observations, FRESH + 1));
}

#[test]
fn half_of_the_answers_lost() {
    let server = Stub::start(|mut stream, n| {
        let port = stream.peer_addr().unwrap().port();
        if n % 2 == 0 {
            let _ = stream.write_all(format!("OBSERVED 198.51.100.7 {port}\r\n").as_bytes());
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let report = probe_all(&[server.name()]).unwrap();
    assert_eq!(report.nat, NatType::Preserving);
    assert!(is_or_one_more(report.evidence.ports.len(), 4));
}

#[test]
fn a_mapping_that_leads_nowhere_is_no_hairpin() {
    // Nobody is at the outside address that this server tells.
    let server = Stub::answering(|line, peer, _| {
        (line == "OBSERVE").then(|| format!("OBSERVED 127.0.0.1 {}", peer.port()))
    });
    // It sees us at 127.0.0.1, which is where we are.
    let limit = Duration::from_secs(2);
    let nat = |mapping| NatReport { mapping, ..NatReport::default() };
    let known = nat(Mapping::EndpointIndependent);
    assert_eq!(run(hairpin(&reach(), &server.name(), &known, HUNG)), Some(true));
    let elsewhere = Stub::answering(|line, peer, _| {
        (line == "OBSERVE").then(|| format!("OBSERVED 127.77.7.7 {}", peer.port()))
    });
    // Nothing is told if the server itself is too slow.
    let mut patience = limit;
    let told = loop {
        match run(hairpin(&reach(), &elsewhere.name(), &known, patience)) {
            None if patience < HUNG => patience *= 2,
            told => break told,
        }
    };
    assert_eq!(told, Some(false));
    let other = nat(Mapping::AddressAndPortDependent);
    assert_eq!(run(hairpin(&reach(), &elsewhere.name(), &other, limit)), None);
    assert_eq!(run(hairpin(&reach(), &Stub::old().name(), &known, limit)), None, "the address is not told");
}

#[cfg(feature = "server")]
mod with_server {
    use super::*;
    use crate::server::{NatPort, Server, ServerConfig, ServerThread};

    fn start(change: impl FnOnce(&mut ServerConfig)) -> (ServerThread, String) {
        let ip = IpAddr::from([127, fastrand::u8(1..=254), fastrand::u8(..), fastrand::u8(1..=254)]);
        let mut config = ServerConfig::on(ip);
        change(&mut config);
        let server = Server::spawn(config).unwrap();
        let name = server.local_addrs().rendezvous[0].to_string();
        (server, name)
    }

    #[test]
    fn no_nat_by_both_ports_and_both_addresses() {
        let (_server, name) = start(|config| config.listen.push("127.0.0.1:0".parse().unwrap()));
        let report = probe_all(&[name]).unwrap();
        assert_eq!((report.nat, report.mapping), (NatType::None, Mapping::EndpointIndependent));
        assert_eq!((report.double_nat, report.confidence), (Some(false), Confidence::High));
        assert_eq!(report.wan_ip, Some("127.0.0.1".parse().unwrap()));
        let all = Kept { same: 3, of: 3 };
        assert_eq!((report.evidence.other_port, report.evidence.other_address), (all, all));
        assert!(is_or_one_more(report.evidence.observations, 1 + FRESH + 6));
    }

    #[test]
    fn from_the_address_that_was_chosen() {
        let (_server, name) = start(|config| config.nat = NatPort::Off);
        let reach = Reach { bound: Some("127.0.0.9".parse().unwrap()), ..reach() };
        let report = run(probe(&reach, std::slice::from_ref(&name), &options(HUNG))).unwrap().report;
        assert_eq!(report.wan_ip, Some("127.0.0.9".parse().unwrap()));
        assert_eq!((report.nat, report.mapping), (NatType::None, Mapping::Unknown));
        assert_eq!(run(hairpin(&reach, &name, &report, HUNG)), Some(true));
    }

    #[test]
    fn an_old_server_helps_a_new_one() {
        let (_server, name) = start(|_| {});
        for servers in [[Stub::old().name(), name.clone()], [name.clone(), Stub::old().name()]] {
            let report = probe_all(&servers).unwrap();
            assert_eq!((report.nat, report.mapping), (NatType::None, Mapping::EndpointIndependent));
            assert!(report.evidence.ports.len() > FRESH, "the new one leads");
        }
    }

    #[test]
    fn ipv6_is_looked_at_too() {
        if TcpListener::bind("[::1]:0").is_err() {
            eprintln!("SKIPPED: this machine has no IPv6");
            return;
        }
        let (server, name) = start(|config| config.listen.push("[::1]:0".parse().unwrap()));
        let v6 = server.local_addrs().rendezvous[1].to_string();
        let report = probe_all(std::slice::from_ref(&v6)).unwrap();
        assert_eq!((report.nat, report.wan_ip), (NatType::Unknown, None));
        assert_eq!((report.wan_ip6, report.wan_ip6_is_local), (Some("::1".parse().unwrap()), Some(true)));
        let report = probe_all(&[name, v6]).unwrap();
        assert_eq!((report.nat, report.wan_ip6_is_local), (NatType::None, Some(true)));
    }
}
