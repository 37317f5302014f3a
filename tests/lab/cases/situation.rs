//! What a node finds out about its network, and what it opens, behind each kind of router.

use p2pnet::config::NodeType;
use p2pnet::event::{Allocation, Forwarding, Mapping, NatType, NetInfo};

use crate::Result;
use crate::kernel_nat::{DELTA, Kind};
use crate::node::{Node, serve, stranger_gets_in};
use crate::runner::{Case, Notes};
use crate::topology::{Home, Lab, Nat};
use crate::upnpd::Upnpd;

/// How often each kind has to be told right.
const RUNS: usize = 20;

pub(crate) fn cases() -> Vec<Case> {
    let mut all: Vec<Case> = kinds()
        .into_iter()
        .map(|(nat, expect)| {
            let name = format!("situation::nat::{}", expect.name);
            let what = "classified right in 20 of 20 runs";
            Case::new(name, what, move |notes| classified(&nat, &expect, notes))
        })
        .collect();
    let ways = [
        ("upnp", Upnpd::upnp(), Some(Forwarding::Upnp)),
        ("natpmp", Upnpd::natpmp(), Some(Forwarding::NatPmp)),
        ("pcp", Upnpd::pcp(), Some(Forwarding::Pcp)),
        ("all", Upnpd::all(), None),
    ];
    all.extend(ways.map(|(name, daemon, by)| {
        let what = "the port is opened, reached from outside, and closed at the stop";
        Case::new(format!("situation::mapped::{name}"), what, move |n| mapped(&daemon, by, n))
    }));
    all
}

/// What is expected of a kind of NAT.
#[derive(Clone)]
pub(crate) struct Expected {
    pub(crate) name: String,
    pub(crate) nat: NatType,
    pub(crate) mapping: Mapping,
    pub(crate) allocation: Allocation,
    pub(crate) delta: i32,
}

impl Expected {
    fn new(name: &str, nat: NatType, mapping: Mapping, allocation: Allocation, delta: i32) -> Expected {
        Expected { name: name.into(), nat, mapping, allocation, delta }
    }

    fn check(&self, i: &NetInfo) -> Result {
        let found = (i.nat, i.mapping, i.allocation, i.nat_delta);
        let wanted = (self.nat, self.mapping, self.allocation, self.delta);
        if found == wanted { Ok(()) } else { Err(format!("expected {wanted:?}, found {found:?}").into()) }
    }
}

/// Every kind of NAT with what is to be found out about it.
pub(crate) fn kinds() -> Vec<(Nat, Expected)> {
    use {Allocation as A, Mapping as M, NatType as N};
    let (ei, apd) = (M::EndpointIndependent, M::AddressAndPortDependent);
    vec![
        (Nat::Public, Expected::new("public", N::None, ei, A::Preserving, 0)),
        (Nat::Firewall, Expected::new("firewall", N::None, ei, A::Preserving, 0)),
        (Nat::kernel(Kind::Preserve), Expected::new("preserve", N::Preserving, ei, A::Preserving, 0)),
        (Nat::kernel(Kind::Cone), Expected::new("cone", N::Preserving, ei, A::Preserving, 0)),
        (Nat::kernel(Kind::Delta), Expected::new("delta", N::Delta, ei, A::Delta, DELTA.into())),
        (Nat::kernel(Kind::Eim), Expected::new("eim", N::Reuse, ei, A::Random, 0)),
        (Nat::kernel(Kind::Seq), Expected::new("seq", N::Delta, apd, A::Sequential, 1)),
        (Nat::kernel(Kind::Random), Expected::new("random", N::Random, apd, A::Random, 0)),
    ]
}

fn classified(nat: &Nat, expected: &Expected, notes: &Notes) -> Result {
    let network = Lab::new().home("a", nat.clone()).build()?;
    let _server = serve(&network)?;
    let mut slowest = 0;
    for run in 1..=RUNS {
        // All but one do not ask whether the port is open: behind a silent NAT the answer takes a second.
        let node_type = if run == 1 { NodeType::Unknown } else { NodeType::Active };
        let mut node = Node::start(&network, "a", |c| (c.forwarding, c.node_type) = (0, node_type))?;
        let report = node.ready()?;
        expected.check(&report.info).map_err(|e| format!("run {run}: {e}\n{}", report.to_json()))?;
        assert_eq!(report.info.wan_ip, Some(network.public("a").into()), "the outside address");
        slowest = slowest.max(node.ready.map_or(0, |t| t.as_millis() as u64));
        node.stop()?;
    }
    notes.note("right", RUNS as u64);
    notes.note("slowest_ready_ms", slowest);
    Ok(())
}

fn mapped(daemon: &Upnpd, by: Option<Forwarding>, notes: &Notes) -> Result {
    let home = Home::new("a", Nat::kernel(Kind::Random)).upnpd(daemon.clone());
    let network = Lab::new().with(home).build()?;
    let _server = serve(&network)?;
    let mut node = Node::start(&network, "a", |_| {})?;
    let report = node.ready()?;
    let info = &report.info;
    let story = report.to_json();
    assert_eq!((info.node_type, info.reachable), (NodeType::Passive, Some(true)), "{story}");
    match by {
        Some(by) => assert_eq!(info.forwarding, by, "{story}"),
        None => assert!(info.forwarding as i32 > 1, "{story}"),
    }
    notes.note("by", info.forwarding.name());
    notes.note("ready_ms", node.ready.map_or(0, |t| t.as_millis() as u64));
    let door = (network.wan("a"), info.external_port).into();
    assert!(stranger_gets_in(&network, door), "nobody gets in by {door}: {story}");
    assert!(!network.upnpd("a").mappings()?.is_empty(), "the router lists no mapping");
    node.stop()?;
    network.upnpd("a").until_closed()?;
    assert!(!stranger_gets_in(&network, door), "strangers still get in by {door}");
    Ok(())
}
