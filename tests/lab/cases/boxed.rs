//! Does the userspace box do what it is told? Each row measured with plain sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::Result;
use crate::natbox::{By, NatBox, Ports};
use crate::network::Network;
use crate::probe::{self, observe, observe_udp, receive, udp};
use crate::runner::{Case, Notes};
use crate::topology::{Home, Lab, Nat};

const BEHAVIOURS: [By; 3] = [By::Endpoint, By::Address, By::AddressAndPort];
const ALLOCATIONS: [Ports; 7] = [
    Ports::Preserving,
    Ports::Delta(9),
    Ports::Delta(-5),
    Ports::Sequential { step: 1, noise: 0 },
    Ports::Sequential { step: -3, noise: 0 },
    Ports::Sequential { step: 2, noise: 2 },
    Ports::Random,
];

pub(crate) fn cases() -> Vec<Case> {
    let mut rows: Vec<(By, By, Ports)> = Vec::new();
    rows.extend(BEHAVIOURS.into_iter().flat_map(|m| BEHAVIOURS.map(|f| (m, f, Ports::Preserving))));
    rows.extend(BEHAVIOURS.into_iter().flat_map(|m| ALLOCATIONS[1..].iter().map(move |&p| (m, m, p))));
    let mut all: Vec<Case> = Vec::new();
    for (mapping, filtering, ports) in rows {
        // A fixed seed, or once in thousands of runs a random port looks like a rule.
        let nat = NatBox::new(mapping, filtering, ports).seed(1);
        let what = "external ports, and who may send in";
        all.push(Case::new(format!("box::{nat}"), what, move |notes| behaves(&nat, notes)));
    }
    all.extend([
        Case::new("box::hairpin", "an inside host reaches another by its address outside", |_| hairpin(true)),
        Case::new("box::no-hairpin", "without, it does not", |_| hairpin(false)),
        Case::new("box::rst-kills", "a reset ends the mapping", |_| reset(true)),
        Case::new("box::rst-spares", "without, it does not", |_| reset(false)),
        Case::new("box::timeout", "an unused mapping ends, a used one does not", |_| timeout()),
        Case::new("box::icmp", "ICMP errors find their way, in and out", |_| icmp()),
    ]);
    all
}

/// Unevenly spaced, so that "source + n" and "last + 1" do not look alike.
const SOURCES: [u16; 4] = [40_000, 40_013, 40_030, 40_071];

/// Whether the server's place is covered by the mapping of an earlier one.
fn covered(mapping: By, place: usize) -> Option<usize> {
    match (mapping, place) {
        (By::Endpoint, 1 | 2) | (By::Address, 1) => Some(0),
        _ => None,
    }
}

fn behaves(nat: &NatBox, notes: &Notes) -> Result {
    let net = Lab::new().home("a", Nat::boxed(nat.clone())).build()?;
    let (host, server) = (net.host("a"), net.server());
    let mut listeners = Vec::new();
    for place in [net.server4(0, 7001), net.server4(0, 7002), net.server4(1, 7001)] {
        listeners.push((place, probe::listen(&server, place)?));
    }
    let mut last: Option<u16> = None;
    let mut told = Vec::new();
    for source in SOURCES {
        let mut seen: Vec<u16> = Vec::new();
        let mut open = Vec::new();
        for (index, (place, listener)) in listeners.iter().enumerate() {
            let connection = observe(&host, source, listener)?;
            let port = connection.from.port();
            assert_eq!(connection.from.ip(), net.wan("a"));
            match covered(nat.rules.mapping, index) {
                Some(earlier) => assert_eq!(port, seen[earlier], "the mapping from {source} to {place}"),
                None => {
                    let fresh = seen.iter().filter(|p| **p != port).count() == seen.len();
                    assert!(fresh, "no new mapping from {source} to {place}: {seen:?}, {port}");
                    let nth = i32::try_from(index - usize::from(index == 2 && seen[0] == seen[1]))?;
                    allocated(nat.rules.ports, source, nth, last, port);
                    last = Some(port);
                }
            }
            seen.push(port);
            open.push(connection);
        }
        told.push(format!("{source}>{seen:?}"));
    }
    notes.note("ports", told.last().cloned().unwrap_or_default());
    filters(nat, &net)
}

/// Whether the `nth` new mapping of a source may have this port.
fn allocated(ports: Ports, source: u16, nth: i32, last: Option<u16>, port: u16) {
    let (source, port) = (i32::from(source), i32::from(port));
    match ports {
        Ports::Preserving => assert_eq!(port, source + nth),
        Ports::Delta(delta) => assert_eq!(port, source + delta * (nth + 1)),
        Ports::Sequential { step, noise } => {
            if let Some(last) = last {
                let steps = (port - i32::from(last)) / step;
                assert_eq!(port, i32::from(last) + steps * step);
                assert!((1..=1 + noise.cast_signed()).contains(&steps), "{steps} steps of {step}");
            }
        }
        Ports::Random => {
            let near = |p: i32| (port - p).abs() < 2;
            assert!(!near(source) && !last.is_some_and(|l| near(l.into())), "a random port: {port}");
        }
    }
}

/// Who may send in: each stranger sends before the acquaintance does, and what comes first shows whether it may.
fn filters(nat: &NatBox, net: &Network) -> Result {
    let (host, server) = (net.host("a"), net.server());
    let client = udp(&host, (Ipv4Addr::UNSPECIFIED, 41_000))?;
    let acquaintance = udp(&server, net.server4(0, 7001))?;
    let hole = observe_udp(&client, &acquaintance)?;
    let filtering = nat.rules.filtering;
    let strangers = [
        (net.server4(0, 7005), filtering != By::AddressAndPort, "another port of the same address"),
        (net.server4(1, 7001), filtering == By::Endpoint, "another address"),
    ];
    for (from, may, what) in strangers {
        udp(&server, from)?.send_to(b"stranger", hole)?;
        acquaintance.send_to(b"acquaintance", hole)?;
        let first = receive(&client)?.0;
        assert_eq!(first, if may { "stranger" } else { "acquaintance" }, "{what}");
        if may {
            receive(&client)?;
        }
    }
    Ok(())
}

fn open_sequential() -> NatBox {
    NatBox::new(By::Endpoint, By::Endpoint, Ports::Sequential { step: 1, noise: 0 })
}

fn hairpin(on: bool) -> Result {
    let nat = if on { open_sequential().hairpin() } else { open_sequential() };
    let net = Lab::new().with(Home::new("a", Nat::boxed(nat)).hosts(2)).build()?;
    let (a, a2, server) = (net.host("a"), net.host("a2"), net.server());
    let (one, two) = (udp(&a, (Ipv4Addr::UNSPECIFIED, 41_000))?, udp(&a2, (Ipv4Addr::UNSPECIFIED, 42_000))?);
    let outside = udp(&server, net.server4(0, 7001))?;
    let hole = observe_udp(&one, &outside)?;
    two.send_to(b"neighbour", hole)?;
    // The neighbour's own external address; and what it sent before has been through the box.
    let neighbour = observe_udp(&two, &outside)?;
    outside.send_to(b"outside", hole)?;
    let (text, from) = receive(&one)?;
    if on {
        assert_eq!(
            (text.as_str(), from),
            ("neighbour", neighbour),
            "it should come from its address outside"
        );
        // TCP as well.
        let listener = probe::listen(&a, (Ipv4Addr::UNSPECIFIED, 41_000))?;
        let meeting = probe::listen(&server, net.server4(0, 7002))?;
        let seen = observe(&a, 41_000, &meeting)?;
        let _connection = probe::connect(&a2, 0, seen.from)?;
        listener.accept()?;
    } else {
        assert_eq!(text, "outside");
    }
    Ok(())
}

fn reset(kills: bool) -> Result {
    let nat = if kills { open_sequential().rst_kills() } else { open_sequential() };
    let net = Lab::new().home("a", Nat::boxed(nat)).build()?;
    let (host, server) = (net.host("a"), net.server());
    let listeners = [7001, 7002, 7003].map(|port| probe::listen(&server, net.server4(0, port)));
    let [first, second, third] = listeners;
    let before = observe(&host, 41_000, &first?)?;
    let other = observe(&host, 41_000, &second?)?;
    assert_eq!(before.from, other.from, "one mapping for all");
    socket2::SockRef::from(&other.client).set_linger(Some(Duration::ZERO))?;
    drop(other.client);
    let after = observe(&host, 41_000, &third?)?;
    assert_eq!(after.from == before.from, !kills, "before {}, after the reset {}", before.from, after.from);
    Ok(())
}

fn timeout() -> Result {
    const TIMEOUT: Duration = Duration::from_millis(200);
    let nat = open_sequential().timeout_ms(TIMEOUT.as_millis() as u64);
    let net = Lab::new().home("a", Nat::boxed(nat)).build()?;
    let server = udp(&net.server(), net.server4(0, 7001))?;
    let client = udp(&net.host("a"), (Ipv4Addr::UNSPECIFIED, 41_000))?;
    let asked = Instant::now();
    let first = observe_udp(&client, &server)?;
    let second = observe_udp(&client, &server)?;
    if asked.elapsed() < TIMEOUT {
        assert_eq!(first, second, "a mapping in use");
    }
    // Not waiting for something: nothing may happen for so long.
    std::thread::sleep(TIMEOUT);
    let third = observe_udp(&client, &server)?;
    assert_ne!(second, third, "a mapping unused for {TIMEOUT:?}");
    Ok(())
}

fn icmp() -> Result {
    let net = Lab::new().home("a", Nat::boxed(open_sequential())).build()?;
    let (host, server) = (net.host("a"), net.server());
    let refused = |socket: &std::net::UdpSocket, to: SocketAddr| -> Result<bool> {
        socket.connect(to)?;
        socket.send(b"anybody there?")?;
        Ok(socket.recv(&mut [0; 64]).is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused))
    };
    let client = udp(&host, (Ipv4Addr::UNSPECIFIED, 41_000))?;
    let acquaintance = udp(&server, net.server4(0, 7001))?;
    let hole = observe_udp(&client, &acquaintance)?;
    assert!(refused(&client, net.server4(0, 7099))?, "the server's error did not come in");
    drop(client);
    assert!(refused(&acquaintance, hole)?, "the host's error did not go out");
    Ok(())
}
