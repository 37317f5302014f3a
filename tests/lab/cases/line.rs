//! Delay, loss, and what routers answer to those who come unasked.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::Result;
use crate::host::Host;
use crate::kernel_nat::Kind;
use crate::natbox::{By, NatBox, Ports};
use crate::network::Network;
use crate::probe::{self, HUNG, observe, receive, udp};
use crate::runner::{Case, Notes};
use crate::topology::{Home, Lab, Nat, Unsolicited};

fn kernel() -> Nat {
    Nat::kernel(Kind::Preserve)
}

fn boxed() -> Nat {
    Nat::boxed(NatBox::new(By::AddressAndPort, By::AddressAndPort, Ports::Random))
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = vec![
        Case::new("line::delay-kernel", "a round trip to the server is two delays", |n| delay(kernel(), n)),
        Case::new("line::delay-box", "a round trip to the server is two delays", |n| delay(boxed(), n)),
        Case::new("line::loss-kernel", "about so many packets are lost", |n| loss(kernel(), n)),
        Case::new("line::loss-box", "about so many packets are lost", |n| loss(boxed(), n)),
        Case::new("line::ipv6", "IPv6 over a delayed line, and nobody comes in unasked", |_| ipv6()),
        Case::new("line::new-address", "the provider gives another address", |_| new_address()),
    ];
    let answers = [Unsolicited::Drop, Unsolicited::Rst, Unsolicited::Icmp, Unsolicited::OwnStack];
    for answer in answers {
        let name = format!("unsolicited::kernel-{answer:?}").to_lowercase();
        all.push(Case::new(name, "a SYN from outside without a mapping", move |_| {
            unsolicited(kernel(), answer)
        }));
        let name = format!("unsolicited::firewall-{answer:?}").to_lowercase();
        all.push(Case::new(name, "a SYN from outside", move |_| unsolicited(Nat::Firewall, answer)));
    }
    for answer in &answers[..3] {
        let name = format!("unsolicited::box-{answer:?}").to_lowercase();
        let answer = *answer;
        all.push(Case::new(name, "a SYN from outside without a mapping", move |_| {
            unsolicited(boxed(), answer)
        }));
    }
    all
}

fn delay(nat: Nat, notes: &Notes) -> Result {
    const DELAY: Duration = Duration::from_millis(15);
    let net = Lab::new().home("a", nat).delay_ms(15).build()?;
    let listener = probe::listen(&net.server(), net.server4(0, 7001))?;
    let mut fastest = HUNG;
    for _ in 0..3 {
        let begun = Instant::now();
        probe::connect(&net.host("a"), 0, listener.local_addr()?)?;
        fastest = fastest.min(begun.elapsed());
    }
    notes.note("connect_ms", format!("{:.2}", fastest.as_secs_f64() * 1e3));
    assert!(fastest >= 2 * DELAY, "a connection after {fastest:?}");
    Ok(())
}

fn loss(nat: Nat, notes: &Notes) -> Result {
    const PACKETS: usize = 1000;
    let net = Lab::new().with(Home::new("a", nat).loss_percent(30.0)).build()?;
    let server = udp(&net.server(), net.server4(0, 7001))?;
    let client = udp(&net.host("a"), (Ipv4Addr::UNSPECIFIED, 0))?;
    let to = server.local_addr()?;
    // After which the end of a round is sent again.
    server.set_read_timeout(Some(Duration::from_millis(5)))?;
    let mut arrived = 0;
    for round in 0..PACKETS / 50 {
        for _ in 0..50 {
            client.send_to(b"packet", to)?;
        }
        // Packets do not overtake each other: when one of these is there, the others were or are lost.
        let end = format!("end of {round}");
        let begun = Instant::now();
        'round: loop {
            client.send_to(end.as_bytes(), to)?;
            while let Ok((text, _)) = receive(&server) {
                if text == end {
                    break 'round;
                }
                arrived += usize::from(text == "packet");
            }
            assert!(begun.elapsed() < HUNG, "hung: nothing arrives");
        }
    }
    notes.note("lost_percent", format!("{:.1}", 100.0 - arrived as f64 * 100.0 / PACKETS as f64));
    // 700 expected; the standard deviation is 14.
    assert!((600..800).contains(&arrived), "{arrived} of {PACKETS} arrived");
    Ok(())
}

/// How often this host got an ICMP error "destination unreachable".
fn unreachables(host: &Host) -> Result<u64> {
    let table = host.enter(|| std::fs::read_to_string("/proc/net/snmp"))?;
    let mut lines = table.lines().filter_map(|l| l.strip_prefix("Icmp: "));
    let (names, values) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let found = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "InDestUnreachs");
    Ok(found.ok_or("no counter of ICMP errors")?.1.parse()?)
}

/// Waits until something is said to an attempt to connect.
fn verdict(socket: &Socket) -> Result<std::io::Error> {
    let begun = Instant::now();
    loop {
        if let Some(error) = socket.take_error()? {
            return Ok(error);
        }
        assert!(begun.elapsed() < HUNG, "hung: no answer to a SYN");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Nothing was said to an attempt to connect, although an exchange over the same line has ended since.
fn is_silent(net: &Network, home: &str, socket: &Socket) -> Result {
    let listener = probe::listen(&net.server(), net.server4(0, 7099))?;
    observe(&net.host(home), 0, &listener)?;
    assert!(socket.take_error()?.is_none() && socket.peer_addr().is_err(), "there was an answer");
    Ok(())
}

fn unsolicited(nat: Nat, answer: Unsolicited) -> Result {
    let transparent = nat.is_transparent();
    let net = Lab::new().with(Home::new("a", nat).unsolicited(answer)).build()?;
    let server = net.server();
    let before = unreachables(&server)?;
    let knock = probe::connect_later(&server, 0, (net.public("a"), 4000).into())?;
    // The router's own stack knows nothing of what it only forwards, and the firewall takes that away.
    let answer = if transparent && answer == Unsolicited::OwnStack { Unsolicited::Drop } else { answer };
    if answer == Unsolicited::Drop {
        return is_silent(&net, "a", &knock);
    }
    assert_eq!(verdict(&knock)?.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(unreachables(&server)? > before, answer == Unsolicited::Icmp, "by ICMP or by a reset");
    Ok(())
}

fn ipv6() -> Result {
    let net = Lab::new().with(Home::new("a", boxed()).ipv6().delay_ms(5)).build()?;
    let (host, server) = (net.host("a"), net.server());
    let listener = probe::listen(&server, net.server6(0, 7001))?;
    assert_eq!(observe(&host, 0, &listener)?.from.ip(), host.ip6());
    let knock = probe::connect_later(&server, 0, SocketAddr::new(host.ip6().into(), 4000))?;
    is_silent(&net, "a", &knock)?;

    let net = Lab::new().with(Home::new("a", kernel()).ipv6_open()).build()?;
    let host = net.host("a");
    let listener = probe::listen(&host, (host.ip6(), 4000))?;
    probe::connect(&net.server(), 0, (host.ip6(), 4000).into())?;
    listener.accept()?;
    Ok(())
}

fn new_address() -> Result {
    let mut net = Lab::new().home("a", kernel()).build()?;
    let listener = probe::listen(&net.server(), net.server4(0, 7001))?;
    let before = observe(&net.host("a"), 41_000, &listener)?.from;
    let new = net.change_wan("a")?;
    assert_ne!(before.ip(), new);
    assert_eq!(observe(&net.host("a"), 41_001, &listener)?.from, (new, 41_001).into());
    Ok(())
}
