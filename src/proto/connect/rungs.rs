//! Which of a peer's addresses may be dialled, in which order and when, and why others are left out.
//!
//! A locator is somebody else's word. Its owner may be hostile, or have been somewhere else when it was written. So an address
//! of a local network is dialled only if there is reason to believe that the peer is in that same network, nothing is dialled
//! that cannot be a host's, and never ourselves. Where the connection then leads is proved by the handshake.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::report::{Choice, Technique};
use super::settings::{Own, Settings};
use crate::proto::nat::scope::Scope;
use crate::proto::unl::{Candidate, CandidateKind, NodeType, Record};
use crate::small;

/// The lowest port that is dialled in a local network: what listens below is a service, not a peer.
const LOWEST_LOCAL_PORT: u16 = 1024;

/// An address to dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// Where to.
    pub to: SocketAddr,
    /// Within one's own network, or not.
    pub technique: Technique,
    /// How long after the attempt's begin. Earlier if everything dialled before has failed.
    pub after: Duration,
}

/// What to do with a peer's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// What is dialled, in the order of time.
    pub rungs: Vec<Rung>,
    /// All of the peer's addresses, in its order.
    pub choices: Vec<Choice>,
    /// Whether the peer says that it can be connected to.
    pub reachable: bool,
    /// Whether both seem to be behind the same outside address, or in the same IPv6 network.
    pub same_site: bool,
}

/// Judges all addresses of a peer.
pub fn plan(record: &Record, own: &Own, settings: &Settings) -> Ladder {
    let site = Site::of(record, own);
    let mut ladder = Ladder {
        reachable: record.node_type == Some(NodeType::Passive)
            || record.candidates.iter().any(|c| c.kind == CandidateKind::Mapped),
        same_site: site.same,
        ..Ladder::default()
    };
    let mut good: Vec<(Candidate, Technique)> = Vec::new();
    for candidate in &record.candidates {
        let at = SocketAddr::new(candidate.ip.to_canonical(), candidate.port);
        let judged = judge(candidate, record, own, settings, &site).and_then(|technique| {
            match good.iter().any(|(other, _)| other.ip == candidate.ip && other.port == candidate.port) {
                true => Err("it is named twice".to_owned()),
                false if good.len() >= settings.dials => Err("enough others are tried".to_owned()),
                false => Ok(technique),
            }
        });
        if let Ok(technique) = judged {
            good.push((*candidate, technique));
        }
        ladder.choices.push(Choice { kind: candidate.kind, at, left_out: judged.err() });
    }
    ladder.rungs = stagger(&good, own, settings, ladder.reachable);
    ladder
}

/// In which order, and when: first what is near, each family's first one together if the peer says that it can be reached
/// (else IPv6 first), what would have to come back through our own NAT last.
fn stagger(good: &[(Candidate, Technique)], own: &Own, settings: &Settings, reachable: bool) -> Vec<Rung> {
    let hairpin = |candidate: &Candidate| own.side.outside_ip == Some(candidate.ip);
    let place = |(candidate, technique): &(Candidate, Technique)| {
        let near = *technique == Technique::Lan;
        (hairpin(candidate), !near, candidate.ip.is_ipv4())
    };
    let mut order: Vec<&(Candidate, Technique)> = good.iter().collect();
    small::sort_by_key(&mut order, |rung| place(rung));
    let (mut far, mut seen_v4) = (0, false);
    let mut rungs = Vec::new();
    for (candidate, technique) in order {
        let v4 = candidate.ip.is_ipv4();
        let after = if *technique == Technique::Lan {
            Duration::ZERO
        } else {
            let at_once = reachable && v4 && !seen_v4 && !hairpin(candidate);
            let nth = if at_once { 0 } else { far + u32::from(hairpin(candidate)) };
            far = if at_once { far.max(1) } else { far + 1 };
            seen_v4 |= v4;
            settings.stagger * nth
        };
        let to = SocketAddr::new(candidate.ip.to_canonical(), candidate.port);
        rungs.push(Rung { to, technique: *technique, after });
    }
    small::sort_by_key(&mut rungs, |rung| rung.after);
    rungs
}

/// Where the peer is, seen from us.
struct Site {
    /// In the same site, as far as can be seen.
    same: bool,
    /// Nothing tells that it is not.
    maybe: bool,
    /// On this very machine.
    machine: bool,
}

impl Site {
    fn of(record: &Record, own: &Own) -> Site {
        let outside = |c: &&Candidate| c.kind != CandidateKind::Lan && c.ip.is_ipv4();
        let theirs = || record.candidates.iter().filter(outside);
        let ours = own.side.outside_ip.map(|ip| ip.to_canonical());
        let prefix = |ip: IpAddr| match ip.to_canonical() {
            IpAddr::V6(ip) if Scope::of(IpAddr::V6(ip)) == Scope::Global => Some(u128::from(ip) >> 64),
            _ => None,
        };
        let networks: Vec<u128> =
            own.addresses.iter().copied().chain(own.outside6.map(IpAddr::V6)).filter_map(prefix).collect();
        let same = theirs().any(|c| ours == Some(c.ip))
            || record.candidates.iter().any(|c| prefix(c.ip).is_some_and(|n| networks.contains(&n)));
        // A node that knows where it is believes nobody to be near who does not say the same.
        let unknown = ours.is_none();
        let machine = record.candidates.iter().any(|c| {
            c.kind == CandidateKind::Lan && !c.ip.is_loopback() && own.has_address(c.ip.to_canonical())
        });
        let maybe = same || unknown;
        Site { same, maybe, machine: machine && maybe }
    }
}

fn judge(
    candidate: &Candidate,
    record: &Record,
    own: &Own,
    settings: &Settings,
    site: &Site,
) -> Result<Technique, String> {
    let ip = candidate.ip.to_canonical();
    let to = SocketAddr::new(ip, candidate.port);
    let scope = Scope::of(ip);
    if scope == Scope::None {
        return Err("it is not an address that a host can have".to_owned());
    }
    if candidate.port == 0 {
        return Err("nobody listens there".to_owned());
    }
    if own.listens_at(to) {
        return Err("it is this node's own".to_owned());
    }
    if scope != Scope::Global {
        return local(to, scope, own, settings, site).map(|()| Technique::Lan);
    }
    let known_outside = own.side.outside_ip.map(|ip| ip.to_canonical());
    if own.has_address(ip) || candidate.kind == CandidateKind::Lan && site.same {
        return Ok(Technique::Lan);
    }
    if known_outside == Some(ip) {
        return match own.hairpin {
            Some(false) => {
                Err("it is our own outside address too, and our router does not lead back in there"
                    .to_owned())
            }
            _ if candidate.kind == CandidateKind::Wan && is_closed(record) => Err(closed()),
            _ => Ok(Technique::Direct),
        };
    }
    if ip.is_ipv6() {
        let has_v6 = own.outside6.is_some()
            || own.addresses.iter().any(|ip| ip.is_ipv6() && Scope::of(*ip) == Scope::Global);
        // A firewall says nothing here: those for IPv6 are often open, and nobody measures them.
        return if has_v6 { Ok(Technique::Direct) } else { Err("this node has no IPv6".to_owned()) };
    }
    if candidate.kind == CandidateKind::Wan && is_closed(record) {
        return Err(closed());
    }
    Ok(Technique::Direct)
}

fn is_closed(record: &Record) -> bool {
    matches!(record.node_type, Some(NodeType::Active | NodeType::Simultaneous))
}

fn closed() -> String {
    "the peer has found that nobody gets in there".to_owned()
}

/// Whether an address of a local network may be dialled.
fn local(to: SocketAddr, scope: Scope, own: &Own, settings: &Settings, site: &Site) -> Result<(), String> {
    let ip = to.ip();
    if matches!(ip, IpAddr::V6(_)) && scope == Scope::Link {
        return Err("a link-local address does not tell by which interface".to_owned());
    }
    if settings.local_peers {
        return Ok(());
    }
    if to.port() < LOWEST_LOCAL_PORT {
        return Err("in a local network, services listen at such a port".to_owned());
    }
    if scope == Scope::Loopback {
        return match own.is_on_loopback() || site.machine {
            true => Ok(()),
            false => Err("it is inside another machine".to_owned()),
        };
    }
    let near = |other: &IpAddr| {
        let other = other.to_canonical();
        other.is_ipv4() == ip.is_ipv4() && Scope::of(other) == scope
    };
    if !own.addresses.iter().any(near) {
        return Err("this node is in no network of that kind".to_owned());
    }
    if site.maybe {
        Ok(())
    } else {
        Err("it belongs to another local network: the peer's outside address is not ours".to_owned())
    }
}

#[cfg(test)]
mod tests;
