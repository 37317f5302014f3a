//! The I/O around punches, as in the simulator of punches alone, for any number of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use p2pnet::proto::connect::{self, Begin, PunchId};
use p2pnet::proto::punch::{ConnId, Failure, Input, LOWEST_PORT, Output, Reason, Session, SlotId, Socket};

use crate::node::{Data, Event, Link, Name, Punch, Step};
use crate::sim_net::tcp::{Key, Notice};
use crate::world::World;

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 200)), 8000);

impl World {
    pub fn begin_punch(&mut self, i: usize, punch: PunchId, begin: Begin) {
        let now = self.net.now;
        let budget = &mut self.nodes[i].budget;
        let (Begin::Initiate { setup, .. } | Begin::Respond { setup, .. }) = &begin;
        let v6 = setup.peer_ip.is_ipv6();
        let session = match begin {
            Begin::Initiate { token, setup } => Some(Session::initiate(now, token, setup, budget)),
            Begin::Respond { offer, setup } => Session::respond(now, offer, setup, budget),
        };
        let session = session.expect("an offer");
        let (slots, due) = (BTreeMap::new(), BTreeMap::new());
        self.nodes[i].punches.insert(punch, Punch { session, slots, due, wake: None, v6 });
        self.carry_punch(i, punch);
    }

    pub fn punch_input(&mut self, i: usize, punch: PunchId, input: Input) {
        let node = &mut self.nodes[i];
        if let (true, Some(known)) = (self.net.homes[i].alive, node.punches.get_mut(&punch)) {
            known.session.handle(self.net.now, input, &mut node.budget);
            self.carry_punch(i, punch);
        }
    }

    pub fn punch_event(&mut self, event: Event) {
        match event {
            Event::PunchWake(i, punch) => {
                let Some(known) = self.nodes[i].punches.get_mut(&punch) else { return };
                if known.wake.is_some_and(|at| at <= self.net.now) {
                    known.wake = None;
                    self.punch_input(i, punch, Input::Wake);
                }
            }
            Event::PunchDial(i, punch, conn, key, short) => {
                let Some(known) = self.nodes[i].punches.get_mut(&punch) else { return };
                if known.due.get(&conn).is_some_and(|at| *at <= self.net.now) {
                    known.due.remove(&conn);
                    if !self.net.homes[i].host.connect(Name::Punch(punch, conn), key) {
                        self.punch_input(i, punch, Input::AddressTaken { conn });
                    } else if short {
                        self.net.die_young(i);
                    }
                    self.net.flush(i);
                }
            }
            Event::Bound(i, punch, slot, listen) => self.bind(i, punch, slot, listen),
            Event::Asked(i, punch, slot, port) => self.punch_input(i, punch, Input::Asked { slot, port }),
            _ => {}
        }
    }

    fn carry_punch(&mut self, i: usize, punch: PunchId) {
        while let Some(output) = self.nodes[i].punches.get_mut(&punch).and_then(|p| p.session.poll_output()) {
            self.punch_output(i, punch, output);
        }
        if let Some(known) = self.nodes[i].punches.get_mut(&punch)
            && let Some(at) = known.session.deadline().filter(|at| known.wake != Some(*at))
        {
            known.wake = Some(at);
            self.net.at(at, Event::PunchWake(i, punch));
        }
        self.net.flush(i);
    }

    fn punch_output(&mut self, i: usize, punch: PunchId, output: Output) {
        match output {
            Output::Send(message) => self.input(i, connect::Input::PunchSend { punch, message }),
            Output::Bind { slot, listen } => {
                self.net.later(Duration::from_micros(20), Event::Bound(i, punch, slot, listen));
            }
            Output::Listen { slot } => {
                let port = self.nodes[i].punches.get(&punch).and_then(|p| p.slots.get(&slot).copied());
                self.net.homes[i].host.listeners.extend(port);
            }
            Output::Ask { slot } => self.ask(i, punch, slot),
            Output::Connect { conn, slot, to, at, short } => {
                assert!(to.port() >= LOWEST_PORT);
                let Some(known) = self.nodes[i].punches.get_mut(&punch) else { return };
                known.due.insert(conn, at);
                let key = (known.slots[&slot], to);
                self.net.at(at, Event::PunchDial(i, punch, conn, key, short));
            }
            Output::Frame { conn, frame } => {
                self.net.homes[i].host.send(Name::Punch(punch, conn), Data::Frame(frame));
            }
            Output::Close(Socket::Conn(conn)) => {
                if let Some(known) = self.nodes[i].punches.get_mut(&punch) {
                    known.due.remove(&conn);
                }
                self.net.homes[i].host.close(Name::Punch(punch, conn));
            }
            Output::Close(Socket::Slot(slot)) => {
                let port = self.nodes[i].punches.get_mut(&punch).and_then(|p| p.slots.remove(&slot));
                port.into_iter().for_each(|port| self.net.homes[i].host.close_listener(port));
            }
            Output::Winner(conn) => self.punch_won(i, punch, conn),
            Output::Failed(failure) => self.punch_over(i, punch, Err(failure)),
        }
    }

    fn punch_won(&mut self, i: usize, punch: PunchId, conn: ConnId) {
        let Some(key) = self.net.homes[i].host.conns.get(&Name::Punch(punch, conn)).copied() else {
            let lost = Failure { reason: Reason::Lost, by_peer: false };
            return self.punch_over(i, punch, Err(lost));
        };
        let initiator = self.nodes[i].punches[&punch].session.role() == p2pnet::proto::punch::Role::Initiator;
        let id = self.nodes[i].connector.next_conn();
        self.nodes[i].winners.insert((punch, conn), id.0);
        self.net.homes[i].host.rename(Name::Punch(punch, conn), Name::Conn(id.0));
        if initiator {
            let since = self.net.now;
            let link = Link { ours: true, step: Step::Dialling, peer: None, since, line: None };
            self.nodes[i].links.insert(id.0, link);
        } else {
            self.accepted(i, id.0);
        }
        self.punch_over(i, punch, Ok((id, key.1)));
    }

    fn punch_over(
        &mut self,
        i: usize,
        punch: PunchId,
        outcome: Result<(connect::ConnId, SocketAddr), Failure>,
    ) {
        self.nodes[i].punches.remove(&punch);
        self.input(i, connect::Input::Punched { punch, outcome, text: String::new() });
    }

    fn bind(&mut self, i: usize, punch: PunchId, slot: SlotId, listen: bool) {
        if !self.nodes[i].punches.contains_key(&punch) || !self.net.homes[i].alive {
            return;
        }
        let port = loop {
            let port = self.net.rng.u16(32_768..50_000);
            let taken = |p: &Punch| p.slots.values().any(|other| *other == port);
            if !self.nodes[i].punches.values().any(taken) {
                break port;
            }
        };
        if let Some(known) = self.nodes[i].punches.get_mut(&punch) {
            known.slots.insert(slot, port);
        }
        if listen {
            self.net.homes[i].host.listeners.insert(port);
        }
        self.punch_input(i, punch, Input::Bound { slot, port });
    }

    /// A connection to a server: there and back for the handshake, there and back for the question.
    fn ask(&mut self, i: usize, punch: PunchId, slot: SlotId) {
        let known = &self.nodes[i].punches[&punch];
        let host = &self.net.homes[i].host;
        let ip = host.ip6.filter(|_| known.v6).unwrap_or(host.ip);
        let local = SocketAddr::new(ip, known.slots[&slot]);
        let outside = if known.v6 { local } else { self.net.connect_out(i, local, SERVER) };
        let after = self.net.about(self.plan.way.delay * 2);
        self.net.later(after, Event::Asked(i, punch, slot, outside.port()));
    }

    /// What the host tells about a punch's sockets.
    pub fn punch_notice(&mut self, i: usize, notice: Notice<Name, Data>) {
        let (name, input): (Name, fn(ConnId) -> Input) = match notice {
            Notice::Connected(name) => (name, |conn| Input::Connected { conn }),
            Notice::Refused(name) => (name, |conn| Input::Refused { conn }),
            Notice::Unreachable(name) => (name, |conn| Input::Unreachable { conn }),
            Notice::Closed(name) => (name, |conn| Input::Closed { conn }),
            Notice::TimedOut(name) => (name, |conn| Input::TimedOut { conn }),
            Notice::Accepted(key) => return self.punch_accept(i, key),
            Notice::Data(..) => return,
        };
        if let Name::Punch(punch, conn) = name {
            self.punch_input(i, punch, input(conn));
        }
    }

    fn punch_accept(&mut self, i: usize, key: Key) {
        let slot = self.nodes[i].punches.iter_mut().find_map(|(punch, known)| {
            let slot = known.slots.iter().find(|(_, port)| **port == key.0).map(|(slot, _)| *slot)?;
            Some((*punch, slot, known.session.next_conn()))
        });
        match slot {
            Some((punch, slot, conn)) => {
                self.net.homes[i].host.take(key, Name::Punch(punch, conn));
                self.punch_input(i, punch, Input::Accepted { conn, slot });
                self.net.homes[i].host.deliver(key);
            }
            None => drop(self.net.homes[i].host.kill(key)),
        }
        self.net.flush(i);
    }

    /// Whose data that is: a punch's frames go to the punch; what comes right behind its last one was told under its name.
    pub fn named(&mut self, i: usize, name: Name, data: &Data) -> Option<u64> {
        match (name, data) {
            (Name::Conn(conn), _) => Some(conn),
            (Name::Punch(punch, conn), Data::Frame(frame)) => {
                let input = Input::Frame { conn, frame: *frame };
                self.punch_input(i, punch, input);
                None
            }
            (Name::Punch(punch, conn), _) => self.nodes[i].winners.get(&(punch, conn)).copied(),
        }
    }
}
