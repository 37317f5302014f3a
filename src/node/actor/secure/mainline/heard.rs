//! What the DHT says, sorted: nodes become candidates to dial, locators and letters are the connector's, all else is logged.

use std::net::SocketAddr;
use std::time::Instant;

use super::super::super::Actor;
use super::{Happening, Order};
use crate::error::{Code, Error};
use crate::node::log::log;
use crate::node::shared::Outcome;
use crate::node::table::State;
use crate::proto::admit::canonical;
use crate::proto::connect::{Input, MAINLINE};
use crate::proto::mainline::Fault;
use crate::proto::upkeep::Chore;

/// Nodes that wait to be dialled.
const MOST_CANDIDATES: usize = 128;
/// Look-ups for nodes have names of their own beside the connector's.
const FINDS: u64 = 1 << 63;

/// A look-up for nodes, and what it is for.
pub(super) struct Find {
    request: u64,
    count: usize,
}

impl Actor {
    /// Looks for nodes of the network; `request`: for the program, 0 = by ourselves.
    pub(in super::super::super) fn find_nodes(&mut self, request: u64) {
        let Some(desk) = self.desk() else {
            return self.found_nodes(Find { request, count: 0 }, Err(Fault::Stopped));
        };
        let tag = FINDS | desk.next_find;
        desk.next_find += 1;
        let find = Find { request, count: 0 };
        if desk.order(Order::Find { tag }) {
            desk.finds.insert(tag, find);
        } else {
            self.found_nodes(find, Err(Fault::TooMany));
        }
    }

    fn found_nodes(&mut self, find: Find, outcome: Result<(), Fault>) {
        self.upkeep.ended(Chore::Bootstrap, outcome.is_ok(), Instant::now());
        let Find { request, count } = find;
        let outcome = match outcome {
            Ok(()) | Err(Fault::NotFound) => {
                let text = format!("{count} nodes named by BitTorrent's DHT");
                log!(self.shared, Info, "{text}");
                Outcome::ok(i32::try_from(count).unwrap_or(i32::MAX), text)
            }
            Err(why) => {
                let e = Error::new(Code::NoServer, format!("looking for nodes in BitTorrent's DHT: {why}"));
                log!(self.shared, Warn, "{e}");
                e.into()
            }
        };
        if request != 0 {
            self.shared.done(request, outcome);
        }
    }

    /// Strangers name these as nodes of our network: they are dialled like those that a server names.
    fn add_candidates(&mut self, addrs: &[SocketAddr]) {
        let connected = |at: SocketAddr| {
            self.table.iter().any(|(_, entry)| match &entry.state {
                State::Open(conn) => conn.peer_addr().is_some_and(|peer| canonical(peer) == at),
                _ => false,
            })
        };
        let known = &self.candidates;
        let new: Vec<_> = addrs.iter().copied().filter(|at| !known.contains(at) && !connected(*at)).collect();
        self.candidates.extend(new);
        // The newest are dialled first.
        let surplus = self.candidates.len().saturating_sub(MOST_CANDIDATES);
        self.candidates.drain(..surplus);
    }

    pub(in super::super::super) fn mainline_happened(&mut self, happening: Happening) {
        match happening {
            Happening::Online { udp } => log!(self.shared, Info, "taking part in BitTorrent's DHT at {udp}"),
            Happening::Offline { why } => self.mainline_trouble(format!("BitTorrent's DHT: {why}")),
            Happening::Trouble(what) => self.mainline_trouble(what),
            Happening::Outside { ip } => {
                log!(self.shared, Debug, "BitTorrent's DHT sees this node at {ip}");
                if let Some(desk) = self.desk() {
                    desk.outside = Some(ip);
                }
                self.publish();
            }
            Happening::Published => self.mainline_well("our locator lies in BitTorrent's DHT"),
            Happening::MailboxOpen => self.mainline_well("our mailbox in BitTorrent's DHT is open"),
            Happening::Announced => {
                self.mainline_well("our address is announced in BitTorrent's DHT");
                let Some(desk) = self.desk() else { return };
                desk.announced = desk.place.is_some_and(|(port, _)| port.is_some());
                for (request, _) in std::mem::take(&mut desk.waiting) {
                    self.announced_for(request);
                }
            }
            Happening::Renew { .. } => self.secure_refresh(),
            Happening::Located { tag, locator, .. } => self.secure_input(Input::Located { tag, locator }),
            Happening::Found { tag, addrs } => {
                if let Some(find) = self.desk().and_then(|desk| desk.finds.get_mut(&tag)) {
                    find.count += addrs.len();
                }
                self.add_candidates(&addrs);
            }
            Happening::Message { from, .. } if !self.shared.config.admits(&from) => {
                log!(self.shared, Debug, "a letter: {from} is not among the peers that are allowed");
            }
            Happening::Message { from, message, .. } => {
                self.secure_input(Input::Message { server: MAINLINE.to_owned(), from, bytes: message });
            }
            Happening::Done { tag, outcome } => match self.desk().and_then(|desk| desk.finds.remove(&tag)) {
                Some(find) => self.found_nodes(find, outcome),
                None => {
                    let outcome = outcome.map_err(|fault| fault.to_string());
                    self.secure_input(Input::Searched { tag, outcome });
                }
            },
        }
    }

    fn mainline_well(&mut self, what: &str) {
        if let Some(desk) = self.desk() {
            desk.trouble = None;
        }
        log!(self.shared, Info, "{what}");
    }

    /// Something does not work, and is tried again: told once, until it works.
    fn mainline_trouble(&mut self, what: String) {
        let Some(desk) = self.desk() else { return };
        if desk.trouble.as_ref() == Some(&what) {
            log!(self.shared, Debug, "{what}");
            return;
        }
        desk.trouble = Some(what.clone());
        log!(self.shared, Warn, "{what}");
    }
}
