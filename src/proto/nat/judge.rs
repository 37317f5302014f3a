//! From what servers saw to a verdict: [`judge`].

use std::net::{IpAddr, SocketAddr};

use super::behaviour::{Allocation, Mapping};
use super::report::{Confidence, Evidence, NatReport};
use super::scope::{Scope, may_name};
use super::{NatType, PROBES, Probe, allocation, classify, mapping};
use crate::small::SmallMap;

/// Most observations that are looked at; a full measurement makes about fifteen.
pub const MAX_OBSERVATIONS: usize = 64;

/// A probe that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Our side of the connection.
    pub local: SocketAddr,
    /// The server's side.
    pub server: SocketAddr,
    /// Our port as the server saw it.
    pub outside_port: u16,
    /// Our address as the server saw it; old servers do not tell.
    pub outside_ip: Option<IpAddr>,
}

/// The verdict on observations of IPv4 connections, in the order in which the connections were started. What
/// they do not show stays unknown.
pub fn judge(observations: &[Observation]) -> NatReport {
    let all = observations.get(..MAX_OBSERVATIONS).unwrap_or(observations);
    let pairs = fresh(all);
    let mapped = mapping::judge(all);
    let remotes: Vec<u16> = pairs.iter().map(|probe| probe.remote).collect();
    // Where a local port keeps its outside port, only its first connection makes a mapping.
    let keeps = mapped.mapping == Mapping::EndpointIndependent;
    let new = if keeps { remotes.clone() } else { new_mappings(all) };
    let ports = allocation::judge(&pairs, &new);
    // A row that goes on only towards one place is no help in predicting what another place will see.
    let row_per_place = ports.allocation == Allocation::Random && allocation::row(&remotes).is_some();
    let local_ip = all.first().map(|seen| seen.local.ip());
    let wan_ip = most_frequent(all.iter().filter_map(|seen| seen.outside_ip));
    let is_local = wan_ip.is_some() && wan_ip == local_ip;
    let nat = name(ports.allocation, mapped.mapping, is_local);
    let evidence = Evidence {
        observations: all.len(),
        fits: ports.fits,
        of: ports.of,
        others: ports.others,
        other_port: mapped.other_port,
        other_address: mapped.other_address,
        row_per_place,
        outside_addresses: count(all.iter().filter_map(|seen| seen.outside_ip)),
        last_outside: new.last().copied(),
        pyp2p: classify(pairs.get(..PROBES).unwrap_or(&pairs)),
        ports: pairs,
    };
    let mut report = NatReport {
        nat,
        delta: ports.delta + ports.step,
        mapping: mapped.mapping,
        allocation: ports.allocation,
        step: ports.step,
        wan_ip,
        local_ip,
        double_nat: (nat == NatType::None).then_some(false),
        confidence: confidence(&ports, &mapped),
        evidence,
        ..NatReport::default()
    };
    // A server that sees us come from an address nearer than its own sits between two NATs.
    let between = |seen: &Observation| {
        seen.outside_ip.is_some_and(|ip| Scope::of(ip).is_behind_nat() && !may_name(seen.server.ip(), ip))
    };
    if nat != NatType::None && all.iter().any(between) {
        report.double_nat = Some(true);
    }
    report.shared = wan_ip.into_iter().chain(local_ip).any(|ip| Scope::of(ip) == Scope::Shared);
    report
}

/// Each local port with the outside port it had first.
fn fresh(all: &[Observation]) -> Vec<Probe> {
    let mut known: Vec<SocketAddr> = Vec::new();
    let mut pairs = Vec::new();
    for seen in all {
        if !known.contains(&seen.local) {
            known.push(seen.local);
            pairs.push(Probe { source: seen.local.port(), remote: seen.outside_port });
        }
    }
    pairs
}

/// The outside ports in order, without those that a local port had before.
fn new_mappings(all: &[Observation]) -> Vec<u16> {
    let mut known: Vec<(SocketAddr, u16)> = Vec::new();
    let mut ports = Vec::new();
    for mapped in all.iter().map(|seen| (seen.local, seen.outside_port)) {
        if !known.contains(&mapped) {
            known.push(mapped);
            ports.push(mapped.1);
        }
    }
    ports
}

/// PyP2P's name for what was found.
fn name(allocation: Allocation, mapping: Mapping, is_local: bool) -> NatType {
    match allocation {
        Allocation::Unknown => NatType::Unknown,
        Allocation::Preserving if is_local => NatType::None,
        Allocation::Preserving => NatType::Preserving,
        Allocation::Delta | Allocation::Sequential => NatType::Delta,
        Allocation::Random if mapping == Mapping::EndpointIndependent => NatType::Reuse,
        Allocation::Random => NatType::Random,
    }
}

fn confidence(ports: &allocation::Finding, mapped: &mapping::Finding) -> Confidence {
    let clear = |kept: mapping::Kept| kept.of >= 2 && (kept.same == 0 || kept.same == kept.of);
    let ports_are_clear = match ports.allocation {
        Allocation::Unknown => return Confidence::None,
        Allocation::Random => ports.of >= PROBES,
        _ => ports.of >= PROBES - 1 && ports.fits * 4 >= ports.of * 3 && ports.others <= ports.of,
    };
    match (ports_are_clear, mapped.is_complete() && clear(mapped.other_port) && clear(mapped.other_address)) {
        (true, true) => Confidence::High,
        (false, false) => Confidence::Low,
        _ => Confidence::Medium,
    }
}

fn counts<T: Ord>(items: impl Iterator<Item = T>) -> SmallMap<T, usize> {
    let mut counts = SmallMap::new();
    for item in items {
        *counts.get_or_insert_with(item, || 0) += 1;
    }
    counts
}

fn most_frequent<T: Ord>(items: impl Iterator<Item = T>) -> Option<T> {
    counts(items).into_iter().max_by_key(|(_, n)| *n).map(|(item, _)| item)
}

fn count<T: Ord>(items: impl Iterator<Item = T>) -> usize {
    counts(items).len()
}
