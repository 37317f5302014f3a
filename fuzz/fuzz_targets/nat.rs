//! Whatever servers may tell a node of its outside ports: there is a verdict that makes sense in itself, and
//! predictions that are ports.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use p2pnet::proto::nat::NatType;
use p2pnet::proto::nat::ask::Seen;
use p2pnet::proto::nat::behaviour::{Allocation, Mapping};
use p2pnet::proto::nat::judge::{MAX_OBSERVATIONS, Observation, judge};

fuzz_target!(|data: &[u8]| {
    for line in data.split(|b| *b == b'\n') {
        if let Some(seen) = Seen::read(line) {
            assert!(seen.port() != 0);
        }
    }
    let observations: Vec<Observation> = data
        .chunks_exact(6)
        .map(|b| Observation {
            local: SocketAddr::from(([192, 168, 0, b[0] % 2], 40_000 + u16::from(b[1]))),
            server: SocketAddr::from(([198, 51, 100, b[2] % 3], 8000 + u16::from(b[3] % 3))),
            outside_port: u16::from_be_bytes([b[4], b[5]]),
            outside_ip: (b[0] > 128).then(|| IpAddr::V4(Ipv4Addr::new(100, b[0] % 128, 0, b[2] % 2))),
        })
        .collect();
    let report = judge(&observations);
    assert!(report.evidence.observations <= MAX_OBSERVATIONS);
    assert!(report.evidence.fits <= report.evidence.of);
    assert_eq!(report.step != 0, report.allocation == Allocation::Sequential);
    assert_eq!(report.nat == NatType::Delta, report.delta != 0);
    assert!(report.nat != NatType::Reuse || report.mapping == Mapping::EndpointIndependent);
    assert!(!report.explain().is_empty());
    for window in [0, 1, 6] {
        assert!(report.predict(50_000, 3, window).len() <= window.max(1));
    }
    let _ = report.with_gateway_external(IpAddr::V4(Ipv4Addr::new(100, 64, 0, 1)));
});
