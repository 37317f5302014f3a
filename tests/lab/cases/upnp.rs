//! miniupnpd answers over each protocol, alone and together, and forwards what it says it does.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::Result;
use crate::kernel_nat::Kind;
use crate::network::Network;
use crate::probe::{self, HUNG, udp};
use crate::runner::{Case, Notes};
use crate::topology::{Home, Lab, Nat};
use crate::upnpd::{Mapping, Upnpd};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("upnpd::all", "UPnP, NAT-PMP and PCP at once", |n| speaks(&Upnpd::all(), [true; 3], n)),
        Case::new("upnpd::upnp", "UPnP alone", |n| speaks(&Upnpd::upnp(), [true, false, false], n)),
        Case::new("upnpd::natpmp", "NAT-PMP alone", |n| speaks(&Upnpd::natpmp(), [false, true, false], n)),
        Case::new("upnpd::pcp", "PCP alone", |n| speaks(&Upnpd::pcp(), [false, false, true], n)),
        Case::new("upnpd::expiry", "a lease of 8 s ends, and with it the mapping", expires),
        Case::new("upnpd::reboot", "after a reboot mappings are gone and the epoch starts anew", reboots),
        Case::new("upnpd::pinhole", "an IPv6 pinhole by PCP lets a stranger in", pinhole),
        Case::new("upnpd::delayed", "miniupnpd behind a delayed line, and on a carrier's router", elsewhere),
    ]
}

const INTERNAL: u16 = 4000;

fn home(daemon: Upnpd) -> Home {
    Home::new("a", Nat::kernel(Kind::Random)).upnpd(daemon)
}

/// Answers of the router to a datagram, until one is right or `last` answers to its own question.
fn ask(socket: &UdpSocket, to: SocketAddr, request: &[u8]) -> Result<Vec<u8>> {
    socket.send_to(request, to)?;
    let mut buffer = [0; 1500];
    let (length, _) = socket.recv_from(&mut buffer)?;
    Ok(buffer[..length].to_vec())
}

/// A NAT-PMP request to map a TCP port, and the external port granted.
fn natpmp(net: &Network, lifetime: u32) -> Result<u16> {
    let socket = udp(&net.host("a"), (Ipv4Addr::UNSPECIFIED, 0))?;
    let answer = ask(&socket, (net.gateway("a"), 5351).into(), &natpmp_request(lifetime))?;
    assert_eq!(answer[..4], [0, 130, 0, 0], "the answer to a NAT-PMP mapping: {answer:?}");
    Ok(u16::from_be_bytes([answer[10], answer[11]]))
}

fn natpmp_request(lifetime: u32) -> Vec<u8> {
    let mut request = vec![0, 2, 0, 0];
    request.extend(INTERNAL.to_be_bytes());
    request.extend((INTERNAL + 1).to_be_bytes());
    request.extend(lifetime.to_be_bytes());
    request
}

fn pcp_request(client: IpAddr, lifetime: u32) -> Vec<u8> {
    let wide = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    let none: IpAddr = if client.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { [0; 16].into() };
    let mut request = vec![2, 1, 0, 0];
    request.extend(lifetime.to_be_bytes());
    request.extend(wide(client));
    request.extend(b"twelve bytes");
    request.extend([6, 0, 0, 0]);
    request.extend(INTERNAL.to_be_bytes());
    request.extend(INTERNAL.to_be_bytes());
    request.extend(wide(none));
    request
}

fn search() -> Vec<u8> {
    let what = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
    format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {what}\r\n\r\n"
    )
    .into_bytes()
}

/// Which of UPnP, NAT-PMP and PCP answer.
fn speaks(daemon: &Upnpd, [upnp, natpmp, pcp]: [bool; 3], notes: &Notes) -> Result {
    let net = Lab::new().with(home(daemon.clone())).build()?;
    notes.note("up_ms", net.bring_up.as_millis() as u64);
    let host = net.host("a");
    let socket = udp(&host, (Ipv4Addr::UNSPECIFIED, 0))?;
    if upnp {
        let answer = ask(&socket, ([239, 255, 255, 250], 1900).into(), &search())?;
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer));
    } else {
        let groups = net.router("a").enter(|| std::fs::read_to_string("/proc/net/igmp"))?;
        assert!(!groups.contains("FAFFFFEF"), "somebody listens for SSDP:\n{groups}");
    }
    let gateway: SocketAddr = (net.gateway("a"), 5351).into();
    let requests =
        [(natpmp, natpmp_request(3600), [0, 130, 0, 0]), (pcp, pcp_request(host.ip(), 3600), [2, 129, 0, 0])];
    for (speaks, request, good) in requests {
        if speaks {
            let answer = ask(&socket, gateway, &request)?;
            assert!(answer.starts_with(&good), "version {} was answered {answer:?}", request[0]);
        } else if natpmp || pcp {
            socket.send_to(&request, gateway)?;
            let begun = Instant::now();
            while net.upnpd("a").thrown_away()? == 0 {
                assert!(begun.elapsed() < HUNG, "hung: version {} is not thrown away", request[0]);
            }
        } else {
            let alone = udp(&host, (Ipv4Addr::UNSPECIFIED, 0))?;
            alone.connect(gateway)?;
            alone.send(&request)?;
            let refused = alone.recv(&mut [0; 64]).expect_err("an answer");
            assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        }
    }
    Ok(())
}

/// A TCP connection from the server to a mapped port arrives.
fn arrives(net: &Network, to: SocketAddr) -> Result {
    let host = net.host("a");
    let listener = probe::listen(&host, SocketAddr::new(host.ip(), INTERNAL))?;
    let _connection = probe::connect(&net.server(), 0, to)?;
    listener.accept()?;
    Ok(())
}

fn expires(_: &Notes) -> Result {
    let net = Lab::new().with(home(Upnpd::natpmp())).build()?;
    let begun = Instant::now();
    let external = natpmp(&net, 8)?;
    let to = std::net::SocketAddrV4::new(net.host("a").ip4(), INTERNAL);
    assert_eq!(net.upnpd("a").mappings()?, [Mapping { tcp: true, external, to }]);
    arrives(&net, (net.wan("a"), external).into())?;
    while !net.upnpd("a").mappings()?.is_empty() {
        assert!(begun.elapsed() < HUNG, "hung: the mapping stays");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(begun.elapsed() > Duration::from_secs(7), "the mapping ended early");
    Ok(())
}

fn reboots(_: &Notes) -> Result {
    let net = Lab::new().with(home(Upnpd::natpmp())).build()?;
    natpmp(&net, 3600)?;
    let mut daemon = net.upnpd("a");
    assert_eq!(daemon.mappings()?.len(), 1);
    daemon.stop()?;
    daemon.start_again()?;
    assert_eq!(daemon.mappings()?.len(), 1, "a daemon that is started again finds its mappings");
    daemon.reboot()?;
    assert_eq!(daemon.mappings()?, []);
    drop(daemon);
    let socket = udp(&net.host("a"), (Ipv4Addr::UNSPECIFIED, 0))?;
    let answer = ask(&socket, (net.gateway("a"), 5351).into(), &[0, 0])?;
    let epoch = u32::from_be_bytes([answer[4], answer[5], answer[6], answer[7]]);
    assert!(epoch < 60, "an epoch of {epoch} s after the reboot");
    Ok(())
}

fn pinhole(_: &Notes) -> Result {
    let net = Lab::new().with(home(Upnpd::all()).ipv6()).build()?;
    let host = net.host("a");
    let socket = udp(&host, (host.ip6(), 0))?;
    let answer = ask(&socket, (net.router("a").ip6(), 5351).into(), &pcp_request(host.ip6().into(), 3600))?;
    assert_eq!(answer[..4], [2, 129, 0, 0], "{answer:?}");
    assert_eq!(net.upnpd("a").pinholes()?.len(), 1);
    let listener = probe::listen(&host, (host.ip6(), INTERNAL))?;
    let _connection = probe::connect(&net.server(), 0, (host.ip6(), INTERNAL).into())?;
    listener.accept()?;
    Ok(())
}

fn elsewhere(notes: &Notes) -> Result {
    let net = Lab::new().with(home(Upnpd::all()).delay_ms(5)).build()?;
    notes.note("up_ms", net.bring_up.as_millis() as u64);
    let begun = Instant::now();
    let external = natpmp(&net, 3600)?;
    notes.note("asked_ms", begun.elapsed().as_millis() as u64);
    arrives(&net, (net.wan("a"), external).into())?;
    notes.note("arrived_ms", begun.elapsed().as_millis() as u64);
    drop(net);
    let carrier = Home::new("isp", Nat::kernel(Kind::Preserve)).hosts(0).upnpd(Upnpd::pcp());
    let net = Lab::new().with(carrier).with(home(Upnpd::pcp()).behind("isp")).build()?;
    assert_eq!(net.upnpd("isp").mappings()?, []);
    Ok(())
}
