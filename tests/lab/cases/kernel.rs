//! Does each NAT of the kernel do what its name says? Measured with plain sockets.

use std::net::{Ipv4Addr, SocketAddr};

use crate::Result;
use crate::kernel_nat::{DELTA, EIM_PORTS, Kind, SEQ_PORTS};
use crate::network::Network;
use crate::probe::{self, observe, observe_udp, udp};
use crate::runner::{Case, Notes};
use crate::topology::{Lab, Nat};

pub(crate) fn cases() -> Vec<Case> {
    let one = |kind: Kind| {
        let what = "external ports over TCP and UDP, and who may send in";
        Case::new(format!("kernel::{}", kind.name()), what, move |notes| nat(kind, notes))
    };
    Kind::ALL.into_iter().map(one).collect()
}

/// Unevenly spaced, so that "source + n" and "last + 1" do not look alike.
const SOURCES: [u16; 5] = [40_000, 40_003, 40_010, 40_021, 40_055];

fn nat(kind: Kind, notes: &Notes) -> Result {
    let net = Lab::new().home("a", Nat::kernel(kind)).build()?;
    tcp(kind, &net, notes)?;
    datagrams(kind, &net)
}

/// What the server should see of connections from this port: first to one address and port, then to others.
fn expect(kind: Kind, source: u16, seen: &[u16]) -> bool {
    let same = seen.iter().all(|&port| port == seen[0]);
    match kind {
        Kind::Preserve | Kind::Cone => same && seen[0] == source,
        Kind::Delta => same && seen[0] == source + DELTA,
        Kind::Eim => same && EIM_PORTS.contains(&seen[0]),
        Kind::Seq => {
            seen.windows(2).all(|w| w[1] == w[0] + 1)
                && (SEQ_PORTS.0..SEQ_PORTS.0 + SEQ_PORTS.1).contains(&seen[0])
        }
        Kind::Random => seen.windows(2).any(|w| w[1].abs_diff(w[0]) > 1),
    }
}

fn tcp(kind: Kind, net: &Network, notes: &Notes) -> Result {
    let (host, server) = (net.host("a"), net.server());
    let places = [net.server4(0, 7001), net.server4(0, 7002), net.server4(1, 7001)];
    let listeners = places.map(|place| probe::listen(&server, place));
    let mut told = Vec::new();
    for source in SOURCES {
        let mut seen = Vec::new();
        let mut open = Vec::new();
        for listener in &listeners {
            let connection = observe(&host, source, listener.as_ref().map_err(ToString::to_string)?)?;
            assert_eq!(connection.from.ip(), net.wan("a"), "the source address");
            seen.push(connection.from.port());
            open.push(connection);
        }
        assert!(expect(kind, source, &seen), "TCP from {source} was seen from {seen:?}");
        told.push(format!("{source}>{seen:?}"));
    }
    notes.note("ports", told.last().cloned().unwrap_or_default());
    Ok(())
}

fn datagrams(kind: Kind, net: &Network) -> Result {
    let (host, server) = (net.host("a"), net.server());
    let [first, second, third] =
        [net.server4(0, 7001), net.server4(0, 7002), net.server4(1, 7001)].map(|place| udp(&server, place));
    let (first, second, third) = (first?, second?, third?);
    let mut seen = Vec::new();
    let client = udp(&host, (Ipv4Addr::UNSPECIFIED, SOURCES[0]))?;
    for to in [&first, &second, &third] {
        seen.push(observe_udp(&client, to)?.port());
    }
    assert!(expect(kind, SOURCES[0], &seen), "UDP from {} was seen from {seen:?}", SOURCES[0]);

    // The stranger sends first; what comes from the acquaintance afterwards shows that it had its chance.
    let stranger = udp(&server, net.server4(1, 7003))?;
    let hole: SocketAddr = (net.wan("a"), seen[2]).into();
    stranger.send_to(b"stranger", hole)?;
    third.send_to(b"acquaintance", hole)?;
    let (text, _) = probe::receive(&client)?;
    let came = if kind == Kind::Cone { "stranger" } else { "acquaintance" };
    assert_eq!(text, came, "who may send in");
    Ok(())
}
