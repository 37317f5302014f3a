//! Nodes of the network that relay: those that were peers of this one and say so, in their locators or on a connection. The own locator names the
//! best of them, so that whoever is called goes to them, and whoever calls learns of them.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::core::Core;
use crate::proto::identity::PublicKey;
use crate::proto::unl::{Host, Record, Server, UnlV3};

/// Most that are remembered.
const MOST: usize = 8;
/// Most that are named.
const NAMED: usize = 2;

#[derive(Debug)]
struct Known {
    peer: PublicKey,
    at: Server,
}

/// See the module. The best first.
#[derive(Debug, Default)]
pub(super) struct Volunteers {
    known: VecDeque<Known>,
    /// What is to be named is not what was told last.
    changed: bool,
}

impl Volunteers {
    /// There is a connection with a peer that relays there, or does not, as its locator or itself says.
    pub(super) fn note(&mut self, peer: PublicKey, at: Option<SocketAddr>) {
        let before = self.named();
        self.known.retain(|known| known.peer != peer);
        if let Some(at) = at {
            let at = Server { host: Host::Ip(at.ip()), port: at.port() };
            self.known.push_front(Known { peer, at });
            self.known.truncate(MOST);
        }
        self.changed |= before != self.named();
    }

    /// A connected peer says that it relays there. If that is known, its place stays as it is.
    pub(super) fn told(&mut self, peer: PublicKey, at: SocketAddr) {
        let is_known = |known: &Known| known.peer == peer && text(&known.at) == at.to_string();
        if !self.known.iter().any(is_known) {
            self.note(peer, Some(at));
        }
    }

    /// Nothing came of going there: others are better.
    pub(super) fn failed(&mut self, relay: &str) {
        let Some(i) = self.known.iter().position(|known| text(&known.at) == relay) else { return };
        let before = self.named();
        if let Some(known) = self.known.remove(i) {
            self.known.push_back(known);
        }
        self.changed |= before != self.named();
    }

    fn named(&self) -> Vec<Server> {
        let mut named: Vec<Server> = Vec::with_capacity(NAMED);
        for Known { at, .. } in &self.known {
            // Peers that all name one place do not push out the others.
            if named.len() < NAMED && !named.contains(at) {
                named.push(at.clone());
            }
        }
        named
    }

    /// Those that the own locator is to name, if they are others than before.
    pub(super) fn take(&mut self) -> Option<Vec<Server>> {
        std::mem::take(&mut self.changed).then(|| self.named())
    }
}

impl Core {
    /// Volunteers that the peer goes to: those that its locator names, or our own. Not one of the two themselves, who cannot
    /// reach each other.
    pub(super) fn volunteers_for(&self, peer: &Record) -> Vec<String> {
        let own = self.own.locator.as_ref().map(UnlV3::record);
        let ours = own.into_iter().flat_map(|own| own.relays.iter());
        let is_one = |at: &&Server| peer.is_at(at) || own.is_some_and(|own| own.is_at(at));
        peer.relays.iter().chain(ours).filter(|at| !is_one(at)).map(text).collect()
    }

    /// Whether one of the two is signalled by that server: then it is none of the volunteers.
    pub(super) fn is_server(&self, server: &str, peer: Option<&Record>) -> bool {
        let ours =
            self.own.servers.iter().chain(&self.own.relays).any(|own| own.eq_ignore_ascii_case(server));
        ours || peer.is_some_and(|peer| peer.servers.iter().any(|named| text(named) == server))
    }
}

/// As it is compared: in lower case.
pub(super) fn text(server: &Server) -> String {
    server.to_string().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::identity::Identity;
    use crate::proto::unl::{Candidate, CandidateKind};

    /// A node at these places, of which it relays at some.
    fn node(n: u8, relays: &[&str]) -> UnlV3 {
        let wan = Candidate::new(CandidateKind::Wan, [203, 0, 113, n], 7000);
        let wan6 = Candidate::new(CandidateKind::Wan, [0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)], 7000);
        let relays = relays.iter().map(|at| at.parse().unwrap()).collect();
        let record = Record { candidates: vec![wan6, wan], relays, ..Record::default() };
        UnlV3::sign(record, &Identity::from_secret(&[n; 32])).unwrap()
    }

    fn volunteer(n: u8) -> UnlV3 {
        node(n, &[&format!("[2001:db8::{n:x}]:7000"), &format!("203.0.113.{n}:7000"), "192.0.2.1:1"])
    }

    fn note(volunteers: &mut Volunteers, unl: &UnlV3) {
        volunteers.note(*unl.identity(), unl.record().relays_first());
    }

    fn named(volunteers: &mut Volunteers) -> Option<Vec<String>> {
        volunteers.take().map(|all| all.iter().map(text).collect())
    }

    #[test]
    fn peers_that_relay_are_named_the_last_first_and_no_hearsay() {
        let mut all = Volunteers::default();
        note(&mut all, &node(1, &["192.0.2.1:1"]));
        assert_eq!(named(&mut all), None, "it only knows one");
        note(&mut all, &volunteer(2));
        assert_eq!(named(&mut all), Some(vec!["203.0.113.2:7000".into()]));
        note(&mut all, &volunteer(2));
        assert_eq!(named(&mut all), None);
        note(&mut all, &volunteer(3));
        note(&mut all, &volunteer(4));
        assert_eq!(named(&mut all), Some(vec!["203.0.113.4:7000".into(), "203.0.113.3:7000".into()]));
        all.failed("203.0.113.4:7000");
        all.failed("somewhere.example:1");
        assert_eq!(named(&mut all), Some(vec!["203.0.113.3:7000".into(), "203.0.113.2:7000".into()]));
        // It does not any more.
        note(&mut all, &node(3, &[]));
        assert_eq!(named(&mut all), Some(vec!["203.0.113.2:7000".into(), "203.0.113.4:7000".into()]));
        // Several that name one place count as one.
        let told =
            |all: &mut Volunteers, n: u8, at: &str| all.told(*node(n, &[]).identity(), at.parse().unwrap());
        (5..8).for_each(|n| told(&mut all, n, "192.0.2.1:1"));
        assert_eq!(named(&mut all), Some(vec!["192.0.2.1:1".into(), "203.0.113.2:7000".into()]));
        for n in 8..100 {
            note(&mut all, &volunteer(n));
            assert!(all.known.len() <= MOST);
        }
    }
}
