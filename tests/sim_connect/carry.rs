//! The I/O of a node: does what the connector says, and tells it what came of it.

use std::time::Duration;

use p2pnet::proto::connect::{Closing, Input, Output};

use crate::node::{Data, Event, Link, Name, Opened, Step};
use crate::sim_net::tcp::{Key, Notice};
use crate::world::{PORT, World};

impl World {
    pub fn carry_out(&mut self, i: usize) {
        while let Some(output) = self.nodes[i].connector.poll_output() {
            self.output(i, output);
        }
        self.renew_volunteers(i);
        while let Some(output) = self.nodes[i].connector.poll_output() {
            self.output(i, output);
        }
        let node = &mut self.nodes[i];
        if let Some(at) = node.connector.deadline().filter(|at| node.wake != Some(*at)) {
            node.wake = Some(at);
            self.net.at(at, Event::Wake(i));
        }
        self.net.flush(i);
    }

    fn output(&mut self, i: usize, output: Output) {
        let now = self.net.now;
        self.trace(i, "   -->", &output);
        match output {
            Output::Dial { conn, to, peer } => {
                let known = self.nodes.iter().find(|node| node.key == peer).expect("a node");
                let named =
                    known.locator.record().candidates.iter().any(|c| c.ip == to.ip() && c.port == to.port());
                assert!(named, "{to} is not the peer's");
                self.nodes[i].dials.push((peer, to));
                let link =
                    Link { ours: true, step: Step::Dialling, peer: Some(peer), since: now, line: None };
                self.nodes[i].links.insert(conn.0, link);
                let local = loop {
                    let port = self.net.rng.u16(20_000..32_000);
                    if !self.net.homes[i].host.sockets.contains_key(&(port, to)) {
                        break port;
                    }
                };
                self.net.homes[i].host.connect(Name::Conn(conn.0), (local, to));
            }
            Output::Relay { conn, peer, server, token, prove, ours, .. } => {
                let peer = self.nodes.iter().position(|node| node.key == peer).expect("a node");
                self.go_to_relay(i, conn, (&server, prove), token, ours, peer);
            }
            Output::Greet { conn, peer, token, chosen } => {
                let link = self.nodes[i].links.get_mut(&conn.0).expect("a connection to greet on");
                assert!(link.ours && link.step == Step::Dialling, "greeted twice");
                (link.step, link.peer) = (Step::Shaking, Some(peer));
                let from = self.nodes[i].key;
                let greeting = Data::Greeting { from, to: peer, token, chosen };
                self.said.insert(peer, greeting.clone());
                self.send(i, conn.0, greeting);
            }
            Output::Answer { conn, chosen } => {
                let link = self.nodes[i].links.get(&conn.0).expect("a connection to answer on");
                let ours = link.ours;
                self.send(i, conn.0, if ours { Data::Third { chosen } } else { Data::Reply { chosen } });
            }
            Output::Choose { conn } => self.send(i, conn.0, Data::Choose),
            Output::Open { conn, peer, via, .. } => {
                let node = &mut self.nodes[i];
                let others = node.opened.values().filter(|open| open.peer == peer && open.closed.is_none());
                assert_eq!(others.count(), 0, "two connections with one peer");
                let link = node.links.get_mut(&conn.0).expect("a connection to open");
                assert_ne!(link.step, Step::Open, "opened twice");
                assert_eq!(link.peer, Some(peer));
                link.step = Step::Open;
                let line = link.line;
                node.opened.insert(conn.0, Opened { peer, via, at: now, line, closed: None });
                self.send(i, conn.0, Data::Line);
                if let Some(at) = self.relays_at(i) {
                    self.send(i, conn.0, Data::Relays(at));
                }
            }
            Output::Spare { .. } => {}
            Output::Close { conn, why } => {
                self.hang_up(i, conn.0);
                self.nodes[i].links.remove(&conn.0);
                if let Some(open) = self.nodes[i].opened.get_mut(&conn.0) {
                    assert_eq!(why, Closing::Replaced, "an open connection");
                    open.closed = Some(now);
                }
            }
            Output::Tell { tag, to, via, message } => {
                let to = self.nodes.iter().position(|node| node.key == to).expect("a node");
                self.tell(i, tag, to, &via, message);
            }
            Output::Punch { punch, begin } => self.begin_punch(i, punch, *begin),
            Output::PunchMessage { punch, message } => {
                self.punch_input(i, punch, p2pnet::proto::punch::Input::Message(message));
            }
            Output::PunchCancel { punch } => {
                self.punch_input(i, punch, p2pnet::proto::punch::Input::Cancel);
            }
            Output::Done { request, outcome, story } => {
                if let Ok(conn) = &outcome {
                    let open = self.nodes[i].opened.get(&conn.0).expect("done before it is open");
                    assert!(open.closed.is_none());
                }
                let request = self.nodes[i].requests.get_mut(&request).expect("a request");
                assert!(request.done.is_none(), "done twice");
                request.done = Some((now, outcome.map(|conn| conn.0), *story));
            }
            // Only where there is a DHT.
            Output::LookUp { .. } | Output::Log(_) => {}
        }
    }

    fn send(&mut self, i: usize, conn: u64, data: Data) {
        if !self.send_by_relay((i, conn), &data) {
            self.net.homes[i].host.send(Name::Conn(conn), data);
        }
    }

    pub fn notice(&mut self, i: usize, notice: Notice<Name, Data>) {
        match notice {
            Notice::Connected(Name::Conn(conn)) => {
                self.input(i, Input::Connected { conn: p2pnet::proto::connect::ConnId(conn) });
            }
            Notice::Refused(Name::Conn(conn)) => self.ended(i, conn, "refused"),
            Notice::Unreachable(Name::Conn(conn)) => self.ended(i, conn, "unreachable"),
            Notice::TimedOut(Name::Conn(conn)) => self.ended(i, conn, "timed out"),
            Notice::Closed(Name::Conn(conn)) => self.ended(i, conn, "closed by the peer"),
            Notice::Accepted(key) if key.0 == PORT => self.accept(i, key),
            Notice::Data(name, data) => self.data(i, name, *data),
            other => self.punch_notice(i, other),
        }
    }

    fn accept(&mut self, i: usize, key: Key) {
        let conn = self.nodes[i].connector.next_conn().0;
        self.net.homes[i].host.take(key, Name::Conn(conn));
        self.accepted(i, conn);
        self.net.homes[i].host.deliver(key);
        self.net.flush(i);
    }

    /// Closes. The model does not repeat a FIN that was lost, as TCP would, so it is said a few times at once.
    pub fn hang_up(&mut self, i: usize, conn: u64) {
        if self.leave_relay((i, conn)) {
            return;
        }
        let host = &mut self.net.homes[i].host;
        let before = host.out.len();
        host.close(Name::Conn(conn));
        if let Some(fin) = host.out.get(before).cloned() {
            host.out.extend(std::iter::repeat_n(fin, 4));
        }
    }

    /// From now on a greeting is awaited.
    pub fn accepted(&mut self, i: usize, conn: u64) {
        let since = self.net.now;
        let link = Link { ours: false, step: Step::Accepted, peer: None, since, line: None };
        self.nodes[i].links.insert(conn, link);
        self.net.later(Duration::from_secs(5), Event::NoGreeting(i, conn));
    }

    pub fn no_greeting(&mut self, i: usize, conn: u64) {
        if self.nodes[i].links.get(&conn).is_some_and(|link| link.step == Step::Accepted) {
            self.hang_up(i, conn);
            self.ended(i, conn, "no greeting");
            self.net.flush(i);
        }
    }

    /// A connection has ended by itself, or the program has ended it.
    pub fn ended(&mut self, i: usize, conn: u64, text: &str) {
        let Some(link) = self.nodes[i].links.remove(&conn) else { return };
        if let Some(open) = self.nodes[i].opened.get_mut(&conn) {
            open.closed.get_or_insert(self.net.now);
        }
        let (conn, text) = (p2pnet::proto::connect::ConnId(conn), text.to_owned());
        self.input(
            i,
            match link.step {
                Step::Dialling => Input::DialFailed { conn, os_error: 111, text },
                _ => Input::Closed { conn, os_error: 0, text },
            },
        );
    }

    /// Where a connection leads.
    fn other_end(&self, i: usize, conn: u64) -> std::net::SocketAddr {
        match self.relay.has((i, conn)) {
            true => self.relay_address((i, conn)),
            false => self.net.homes[i].host.conns[&Name::Conn(conn)].1,
        }
    }

    pub fn data(&mut self, i: usize, name: Name, data: Data) {
        let Some(conn) = self.named(i, name, &data) else { return };
        let now = self.net.now;
        let id = p2pnet::proto::connect::ConnId(conn);
        let me = self.nodes[i].key;
        let Some(link) = self.nodes[i].links.get_mut(&conn) else { return };
        match data {
            Data::Greeting { from, to, token, chosen } => {
                assert_eq!(link.step, Step::Accepted);
                if to != me {
                    self.hang_up(i, conn);
                    self.ended(i, conn, "meant for somebody else");
                    return self.net.flush(i);
                }
                (link.step, link.peer) = (Step::Shaking, Some(from));
                let at = self.other_end(i, conn);
                self.input(i, Input::Came { conn: id, peer: from, from: at, token, chosen, live: false });
            }
            Data::Reply { chosen } => {
                let peer = link.peer.expect("greeted");
                let at = self.other_end(i, conn);
                self.input(i, Input::Met { conn: id, peer, at, chosen });
            }
            Data::Third { .. } if link.step == Step::Open && self.plan.deaf => {}
            Data::Third { chosen } => self.input(i, Input::Verdict { conn: id, chosen }),
            Data::Choose => self.input(i, Input::Chosen { conn: id }),
            Data::Line => {
                link.line.get_or_insert(now);
                if let Some(open) = self.nodes[i].opened.get_mut(&conn) {
                    open.line.get_or_insert(now);
                }
            }
            Data::Relays(at) => {
                if let Some(peer) = link.peer {
                    self.nodes[i].connector.relays(&peer, at);
                    self.carry_out(i);
                }
            }
            Data::Frame(_) => panic!("a punch's frame behind its end"),
        }
    }
}
