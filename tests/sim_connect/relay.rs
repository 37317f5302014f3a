//! Relays: the servers', half-way between all nodes, and nodes that relay for their network, or say so. An honest one connects two
//! that name the same token, and passes on what they send, in order and without loss, as TCP does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use p2pnet::proto::connect::{ConnId, Input};
use p2pnet::proto::rdv_msg::RelayToken;

use crate::node::{Data, Event, Link, Name, Step};
use crate::plan::Volunteer;
use crate::world::{PORT, World};

/// How long one waits there for the other.
const WAIT: Duration = Duration::from_secs(10);
/// How long the I/O waits for a relay's first word.
const FIRST_WORD: Duration = Duration::from_secs(3);

/// A connection of a node.
pub type End = (usize, u64);

/// Where a connection has gone to be relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Server,
    /// A host that is to relay for its network.
    Node(usize),
    /// Somebody's address.
    Stranger,
}

#[derive(Default)]
pub struct Relay {
    waiting: BTreeMap<(Place, RelayToken), End>,
    places: BTreeMap<End, Place>,
    /// The other end, once there is one. What is not in here has ended.
    ends: BTreeMap<End, Option<End>>,
}

impl Relay {
    pub fn has(&self, end: End) -> bool {
        self.ends.contains_key(&end)
    }

    /// The connections of a node, and whether each is joined to another one that lives.
    pub fn of(&self, i: usize) -> impl Iterator<Item = (u64, Option<End>)> {
        self.ends.iter().filter(move |((node, _), _)| *node == i).map(|((_, conn), other)| (*conn, *other))
    }

    /// The other end, if that lives.
    pub fn other(&self, end: End) -> Option<End> {
        self.ends.get(&end).copied().flatten().filter(|other| self.ends.contains_key(other))
    }

    /// Where that connection has gone, also when it has ended.
    pub fn place(&self, end: End) -> Option<Place> {
        self.places.get(&end).copied()
    }

    /// A node has gone without a word.
    pub fn forget(&mut self, i: usize) {
        self.ends.retain(|(node, _), _| *node != i);
    }
}

impl World {
    pub fn go_to_relay(
        &mut self,
        i: usize,
        conn: ConnId,
        (server, prove): (&str, bool),
        token: RelayToken,
        ours: bool,
        peer: usize,
    ) {
        let place = self.place_of(server, [i, peer]);
        assert_eq!(
            prove,
            place != Place::Server,
            "it shows nodes that it is of the network, and nobody else"
        );
        let (since, key) = (self.net.now, self.nodes[peer].key);
        let link = Link { ours, step: Step::Dialling, peer: Some(key), since, line: None };
        self.nodes[i].links.insert(conn.0, link);
        self.relay.ends.insert((i, conn.0), None);
        self.relay.places.insert((i, conn.0), place);
        // There, back, and there with the token.
        self.net.later(self.leg(place) * 3, Event::AtRelay((i, conn.0), token));
    }

    fn place_of(&self, server: &str, both: [usize; 2]) -> Place {
        let named =
            |n: &usize| self.nodes[*n].locator.record().servers.iter().any(|s| s.to_string() == server);
        let Ok(at) = server.parse::<SocketAddr>() else {
            assert!(both.iter().any(named), "{server} is a server of neither");
            return Place::Server;
        };
        let said = |n: &usize| self.nodes[*n].named.contains(server);
        assert!(both.iter().any(said), "{server} was named by neither");
        let own = |n: &usize| self.net.outside(*n) == at.ip();
        assert!(!both.iter().any(own), "{server} is one of the two");
        let there = |n: &usize| self.net.outside(*n) == at.ip() && at.port() == PORT;
        (0..self.nodes.len()).find(there).map_or(Place::Stranger, Place::Node)
    }

    /// The way to a relay: a server is half-way.
    fn leg(&self, place: Place) -> Duration {
        let way = self.plan.way.delay;
        if place == Place::Server { way / 2 } else { way }
    }

    fn leg_of(&self, end: End) -> Duration {
        self.leg(self.relay.place(end).unwrap_or(Place::Server))
    }

    /// What a relay does with one who has come: it takes it, refuses it, or says nothing.
    fn takes(&mut self, end: End, token: RelayToken) -> Option<Result<(), &'static str>> {
        match self.relay.place(end)? {
            Place::Server => Some(match self.net.unlucky(self.plan.relay_refuses) {
                true => Err("it is full"),
                false => Ok(()),
            }),
            Place::Stranger => None,
            Place::Node(n) if !self.net.homes[n].alive => None,
            Place::Node(n) => match self.plan.hosts[n].volunteer {
                Volunteer::Honest => Some(Ok(())),
                Volunteer::Mute => None,
                Volunteer::TwoFaced if self.relay.waiting.contains_key(&(Place::Node(n), token)) => {
                    Some(Err("two have met by this token"))
                }
                Volunteer::TwoFaced => Some(Ok(())),
                _ => Some(Err("it is full")),
            },
        }
    }

    /// A node relays no more: all whom it relays are cut off.
    pub fn stop_relaying(&mut self, node: usize) {
        self.plan.hosts[node].volunteer = Volunteer::Full;
        let place = Place::Node(node);
        let ends: Vec<End> =
            self.relay.ends.keys().copied().filter(|end| self.relay.place(*end) == Some(place)).collect();
        for end in ends {
            self.net.later(self.leg(place), Event::RelayEnd(end, "reset by the relay"));
        }
    }

    pub fn relay_event(&mut self, event: Event) {
        match event {
            Event::AtRelay(end, token) if self.relay.has(end) => {
                let leg = self.leg_of(end);
                match self.takes(end, token) {
                    Some(Ok(())) => {}
                    Some(Err(why)) => return self.net.later(leg, Event::RelayEnd(end, why)),
                    // By then so much of it has passed.
                    None => {
                        let silence = FIRST_WORD.saturating_sub(leg * 3);
                        return self.net.later(silence, Event::RelayEnd(end, "no answer within 3000 ms"));
                    }
                }
                let meeting = (self.relay.places[&end], token);
                let first = self.relay.waiting.remove(&meeting).filter(|first| self.relay.has(*first));
                let Some(first) = first else {
                    self.relay.waiting.insert(meeting, end);
                    return self.net.later(WAIT, Event::RelayLate(end));
                };
                self.relay.ends.insert(first, Some(end));
                self.relay.ends.insert(end, Some(first));
                self.net.later(leg, Event::RelayGo(first));
                self.net.later(leg, Event::RelayGo(end));
            }
            Event::RelayLate(end) if self.relay.ends.get(&end) == Some(&None) => {
                let leg = self.leg_of(end);
                self.net.later(leg, Event::RelayEnd(end, "the peer did not come there in time"));
            }
            Event::RelayGo(end @ (i, conn)) if self.relay.has(end) => {
                self.input(i, Input::Relayed { conn: ConnId(conn), at: self.relay_address(end) });
                let link = self.nodes[i].links.get(&conn).filter(|link| !link.ours);
                if link.is_some_and(|link| link.step == Step::Dialling) {
                    self.accepted(i, conn);
                }
            }
            Event::RelayData(end @ (i, conn), data) if self.relay.has(end) => {
                self.data(i, Name::Conn(conn), *data);
            }
            Event::RelayEnd(end @ (i, conn), why) => {
                let was_there = self.relay.ends.remove(&end).is_some();
                if was_there && self.net.homes[i].alive {
                    self.ended(i, conn, why);
                }
            }
            _ => {}
        }
    }

    /// Sends, if that is a connection by the relay.
    pub fn send_by_relay(&mut self, end: End, data: &Data) -> bool {
        let gone = matches!(self.relay.place(end), Some(Place::Node(n)) if !self.net.homes[n].alive);
        if let Some(other) = self.relay.other(end).filter(|_| !gone) {
            self.net.later(self.leg_of(end) * 2, Event::RelayData(other, Box::new(data.clone())));
        }
        self.relay.has(end)
    }

    /// Closes, if that is a connection by the relay.
    pub fn leave_relay(&mut self, end: End) -> bool {
        if let Some(other) = self.relay.other(end) {
            self.net.later(self.leg_of(end) * 2, Event::RelayEnd(other, "closed by the peer"));
        }
        self.relay.ends.remove(&end).is_some()
    }

    pub fn relay_address(&self, end: End) -> SocketAddr {
        match self.relay.place(end) {
            Some(Place::Node(n)) => SocketAddr::new(self.net.outside(n), PORT),
            _ => ([203, 0, 113, 50], 8000).into(),
        }
    }
}
