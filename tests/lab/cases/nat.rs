//! Does the library recognise each NAT? Twenty measurements each, by a real rendezvous server with two ports
//! and two addresses.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::{Duration, Instant};

use p2pnet::proto::nat::NatType;
use p2pnet::proto::nat::behaviour::{Allocation, Mapping};
use p2pnet::proto::nat::report::{Confidence, NatReport};
use p2pnet::server::Server;
use p2pnet::testing::{probe_hairpin, probe_nat};

use crate::Result;
use crate::kernel_nat::{DELTA, Kind};
use crate::natbox::{By, NatBox, Ports};
use crate::network::{HTTP_PORT, Network, RENDEZVOUS_PORT};
use crate::runner::{Case, Notes};
use crate::topology::{self, Home, Lab, Nat};

/// Measurements of each NAT.
const RUNS: usize = 20;

/// Only to turn a hang into a failure; a measurement ends by itself long before.
const LIMIT: Duration = Duration::from_secs(30);

/// What a measurement has to find.
#[derive(Clone, Copy)]
struct Expected {
    nat: NatType,
    delta: i32,
    mapping: Mapping,
    allocation: Allocation,
    hairpin: Option<bool>,
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let lab = Lab::new().home("a", Nat::kernel(kind));
        all.push(case(kind.name(), lab, of_kernel(kind), None));
    }
    boxes(&mut all);
    let none = Expected {
        nat: NatType::None,
        delta: 0,
        mapping: Mapping::EndpointIndependent,
        allocation: Allocation::Preserving,
        hairpin: Some(true),
    };
    all.push(case("public", Lab::new().home("a", Nat::Public), none, Some(false)));
    all.push(case("firewall", Lab::new().home("a", Nat::Firewall), none, Some(false)));
    for (inner, outer) in
        [(Kind::Preserve, Kind::Preserve), (Kind::Preserve, Kind::Eim), (Kind::Eim, Kind::Seq)]
    {
        let home = Home::new("a", Nat::kernel(inner)).behind("isp");
        let lab = Lab::new().carrier("isp", Nat::kernel(outer)).with(home);
        // What is seen is the outer NAT, as the inner one is at least as regular.
        let name = format!("double-{}-{}", inner.name(), outer.name());
        all.push(case(&name, lab, of_kernel(outer), Some(true)));
    }
    for (refusal, expected) in [
        (topology::Unsolicited::Drop, "silent"),
        (topology::Unsolicited::Rst, "refused"),
        (topology::Unsolicited::Icmp, "unreachable"),
        (topology::Unsolicited::OwnStack, "refused"),
    ] {
        let lab = Lab::new().with(Home::new("a", Nat::kernel(Kind::Preserve)).unsolicited(refusal));
        let name = format!("nat::unsolicited-{refusal:?}").to_lowercase();
        all.push(Case::new(name, "what a port check shows of the router", move |_| {
            port_check(&lab, expected)
        }));
    }
    let dual = Lab::new().with(Home::new("a", Nat::kernel(Kind::Preserve)).ipv6());
    all.push(Case::new("nat::dual-stack", "the IPv6 address as the server sees it", move |_| {
        dual_stack(&dual)
    }));
    all
}

fn of_kernel(kind: Kind) -> Expected {
    let (nat, delta, mapping, allocation) = match kind {
        Kind::Preserve | Kind::Cone => {
            (NatType::Preserving, 0, Mapping::EndpointIndependent, Allocation::Preserving)
        }
        Kind::Delta => (NatType::Delta, i32::from(DELTA), Mapping::EndpointIndependent, Allocation::Delta),
        Kind::Eim => (NatType::Reuse, 0, Mapping::EndpointIndependent, Allocation::Random),
        Kind::Seq => (NatType::Delta, 1, Mapping::AddressAndPortDependent, Allocation::Sequential),
        Kind::Random => (NatType::Random, 0, Mapping::AddressAndPortDependent, Allocation::Random),
    };
    // The kernel's source translation turns nothing round; where ports differ by destination, that does not
    // show.
    let hairpin = (mapping == Mapping::EndpointIndependent).then_some(false);
    Expected { nat, delta, mapping, allocation, hairpin }
}

fn boxes(all: &mut Vec<Case>) {
    let mappings = [By::Endpoint, By::Address, By::AddressAndPort];
    let ports = [
        Ports::Preserving,
        Ports::Delta(9),
        Ports::Delta(-5),
        Ports::Sequential { step: 1, noise: 0 },
        Ports::Sequential { step: -3, noise: 0 },
        Ports::Sequential { step: 1, noise: 2 },
        Ports::Sequential { step: 2, noise: 2 },
        Ports::Random,
    ];
    for mapping in mappings {
        for ports in ports {
            let nat = NatBox::new(mapping, By::AddressAndPort, ports);
            let lab = Lab::new().home("a", Nat::boxed(nat.clone()));
            all.push(case(&nat.to_string(), lab, of_box(&nat), None));
        }
    }
    // As far away as a server of the same continent.
    for (mapping, ports) in [
        (By::Endpoint, Ports::Random),
        (By::AddressAndPort, Ports::Preserving),
        (By::AddressAndPort, Ports::Sequential { step: 1, noise: 2 }),
    ] {
        let nat = NatBox::new(mapping, By::AddressAndPort, ports).hairpin();
        let lab = Lab::new().home("a", Nat::boxed(nat.clone())).delay_ms(25);
        all.push(case(&format!("{nat}-50ms"), lab, of_box(&nat), None));
    }
    for filtering in mappings {
        let nat = NatBox::new(By::Endpoint, filtering, Ports::Random).hairpin();
        let lab = Lab::new().home("a", Nat::boxed(nat.clone()));
        all.push(case(&nat.to_string(), lab, of_box(&nat), None));
    }
}

fn of_box(nat: &NatBox) -> Expected {
    let mapping = match nat.rules.mapping {
        By::Endpoint => Mapping::EndpointIndependent,
        By::Address => Mapping::AddressDependent,
        By::AddressAndPort => Mapping::AddressAndPortDependent,
    };
    let endpoint = mapping == Mapping::EndpointIndependent;
    let (kind, delta, allocation) = match nat.rules.ports {
        Ports::Preserving => (NatType::Preserving, 0, Allocation::Preserving),
        Ports::Delta(delta) => (NatType::Delta, delta, Allocation::Delta),
        Ports::Sequential { step, .. } => (NatType::Delta, step, Allocation::Sequential),
        Ports::Random if endpoint => (NatType::Reuse, 0, Allocation::Random),
        Ports::Random => (NatType::Random, 0, Allocation::Random),
    };
    Expected { nat: kind, delta, mapping, allocation, hairpin: endpoint.then_some(nat.hairpin) }
}

/// `double`: whether there are two NATs, told by what the first router says is its outside address.
fn case(name: &str, lab: Lab, expected: Expected, double: Option<bool>) -> Case {
    let what = "20 of 20 measurements find what it is";
    Case::new(format!("nat::{name}"), what, move |notes| classify(&lab, expected, double, notes))
}

fn measure(net: &Network) -> Result<NatReport> {
    let server = format!("{}", net.server4(0, RENDEZVOUS_PORT));
    Ok(net.host("a").enter(|| probe_nat(&[server], None, LIMIT))?)
}

fn classify(lab: &Lab, expected: Expected, double: Option<bool>, notes: &Notes) -> Result {
    let net = lab.clone().build()?;
    let mut config = net.rendezvous();
    // Twenty measurements in a second are more than a node would make.
    config.limits.request_burst = 10_000;
    let server = net.server().enter(|| Server::spawn(config))?;
    let mut slowest = Duration::ZERO;
    for run in 1..=RUNS {
        let begun = Instant::now();
        let report = measure(&net)?;
        slowest = slowest.max(begun.elapsed());
        let told = || format!("run {run}: {}", report.explain().join("; "));
        let found = (report.nat, report.delta, report.mapping, report.allocation);
        let right = (expected.nat, expected.delta, expected.mapping, expected.allocation);
        assert_eq!(found, right, "{}", told());
        // Much of others' traffic makes a row less sure, not another one.
        assert!(report.confidence >= Confidence::Medium, "{}", told());
        assert_eq!(report.wan_ip, Some(IpAddr::V4(net.public("a"))), "{}", told());
        assert_eq!(report.local_ip, Some(net.host("a").ip()), "{}", told());
        if expected.nat != NatType::None {
            let gateway = report.clone().with_gateway_external(net.wan("a").into());
            assert_eq!(gateway.double_nat, Some(double == Some(true)), "{}", told());
        }
    }
    let report = measure(&net)?;
    notes.note("found", report.to_string());
    notes.note("slowest_ms", slowest.as_millis() as u64);
    let name = format!("{}", net.server4(0, RENDEZVOUS_PORT));
    let mut patience = Duration::from_secs(2);
    let mut turned = net.host("a").enter(|| probe_hairpin(&name, &report, None, patience))?;
    // Nothing is told if the server was too slow.
    while turned.is_none() && expected.hairpin.is_some() && patience < LIMIT {
        patience *= 2;
        turned = net.host("a").enter(|| probe_hairpin(&name, &report, None, patience))?;
    }
    assert_eq!(turned, expected.hairpin, "hairpin");
    server.stop();
    Ok(())
}

fn dual_stack(lab: &Lab) -> Result {
    let net = lab.clone().build()?;
    let _server = net.server().enter(|| Server::spawn(net.rendezvous()))?;
    let servers = [net.server4(0, RENDEZVOUS_PORT).to_string(), net.server6(0, RENDEZVOUS_PORT).to_string()];
    let report = net.host("a").enter(|| probe_nat(&servers, None, LIMIT))?;
    assert_eq!(report.nat, NatType::Preserving);
    assert_eq!(report.wan_ip6, Some(net.host("a").ip6()));
    assert_eq!(report.wan_ip6_is_local, Some(true));
    Ok(())
}

/// Asks the server to connect back to a port that is not forwarded.
fn port_check(lab: &Lab, expected: &str) -> Result {
    let net = lab.clone().build()?;
    let _server = net.server().enter(|| Server::spawn(net.rendezvous()))?;
    let answer = net.host("a").enter(|| -> Result<String> {
        let mut stream = TcpStream::connect(net.server4(0, HTTP_PORT))?;
        stream
            .write_all(b"GET /v1/port-check?port=50505 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    })?;
    let json: serde_json::Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap_or_default())?;
    assert_eq!(json["reachable"], false, "{json}");
    assert_eq!(json["answer"], expected, "{json}");
    Ok(())
}
