//! What ushers report of their connections, and what the connector makes of it: until the program has the connection.

use std::net::SocketAddr;

use super::super::Actor;
use super::ends::duplicate;
use super::links::{Link, Ushered};
use crate::error::{Code, Error};
use crate::event::Via;
use crate::node::greet::Greeted;
use crate::node::log::log;
use crate::node::session::Handed;
use crate::node::usher::{Step, Word};
use crate::proto::connect::{ConnId, Input};
use crate::proto::handshake::Peer;

impl Actor {
    pub(super) fn usher_says(&mut self, conn: ConnId, step: Step) {
        // Whoever comes now is judged by the places there are now.
        self.secure_room();
        let Some(ushered) = self.ushered(conn) else { return };
        match step {
            Step::Met(Peer { key: peer, token, chosen, live }) => {
                let at = ushered.at;
                (ushered.known, ushered.peer) = (true, Some(peer));
                let input = if ushered.ours {
                    Input::Met { conn, peer, at, chosen }
                } else {
                    Input::Came { conn, peer, from: at, token, chosen, live }
                };
                if ushered.ours && ushered.id.is_some() {
                    self.forget_ending(&peer);
                }
                self.secure_input(input);
            }
            Step::Verdict { chosen } => self.secure_input(Input::Verdict { conn, chosen }),
            Step::Chosen => self.secure_input(Input::Chosen { conn }),
            Step::Closed(e) => {
                // By its address it was another one.
                let held = ushered.ours && ushered.id.is_some() && ushered.opening.is_none();
                let peer = ushered.peer.filter(|_| held);
                let twice = |peer| self.secure.as_ref().is_some_and(|s| s.connector.open(peer).is_some());
                let e = match peer.as_ref().is_some_and(twice) {
                    true => duplicate(),
                    false => e,
                };
                log!(self.shared, Debug, "{e}");
                if self.let_go(conn, e.clone()) {
                    let (os_error, text) = (e.os_error, e.message.into_owned());
                    self.secure_input(Input::Closed { conn, os_error, text });
                }
            }
            Step::Passed(passed) => self.passed(conn, *passed),
        }
    }

    /// This connection is to be the program's.
    pub(super) fn secure_open(&mut self, conn: ConnId, _at: SocketAddr, via: Via) {
        if let Some(ushered) = self.ushered(conn) {
            ushered.opening = Some((via, Vec::new()));
        }
        self.word(conn, Word::Pass);
    }

    /// A request has this connection, as soon as it is open.
    pub(super) fn secure_done(&mut self, request: u64, conn: ConnId) {
        if let Some(id) = self.secure.as_ref().and_then(|s| s.given.get(&conn)).copied() {
            return self.secure_succeeded(request, id);
        }
        match self.secure.as_mut().and_then(|s| s.links.get_mut(&conn)) {
            Some(Link::Ushered(Ushered { opening: Some((_, requests)), .. })) => requests.push(request),
            _ => {
                let e = Error::new(Code::Closed, "the connection was made, and ended before it was open");
                self.shared.done(request, e.into());
            }
        }
    }

    fn passed(&mut self, conn: ConnId, passed: Greeted) {
        let Some(Link::Ushered(ushered)) = self.secure.as_mut().and_then(|s| s.links.remove(&conn)) else {
            return;
        };
        let Ushered { ours, id, opening, relay, .. } = ushered;
        let (via, mut requests) = opening.unwrap_or((Via::Accept, Vec::new()));
        // That of a dial of ours.
        let own = id.and_then(|id| self.table.get_mut(id)).map(|entry| std::mem::take(&mut entry.request));
        requests.extend(own.filter(|request| *request != 0));
        let handed = Handed { conn, via, relay, ours, greeted: Box::new(passed), requests };
        self.link_made(id, handed);
    }

    /// The program wants a connection to an address, and has one to the node that is there, as its key shows.
    pub(super) fn secure_spare(&mut self, conn: ConnId) {
        let id = self.ushered(conn).and_then(|ushered| ushered.id);
        if let Some(entry) = id.and_then(|id| self.table.get_mut(id)) {
            let request = std::mem::take(&mut entry.request);
            self.shared.done(request, duplicate().into());
        }
    }
}
