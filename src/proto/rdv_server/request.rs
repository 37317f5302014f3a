//! What each request does: the verbs of the rendezvous protocol, one function each.

use super::challenge::Candidate;
use super::{CloseReason, ConnId, Event, Rendezvous};
use crate::proto::rdv_msg::signal::Reason;
use crate::proto::rdv_msg::{MAX_NODES, Observed, RelayReason, Reply, Request, Transport, ntp_seconds};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

/// How far, in seconds, the time in an ACCEPT may be from the server's.
const NTP_WINDOW: f64 = 600.0;

impl Rendezvous {
    /// As [`Rendezvous::line`], but what this connection is answered is no output: it is written behind `answers`, each line with
    /// its CRLF. It comes before what the outputs say about this connection, of which none may be left from before.
    pub fn line_to(&mut self, now: Instant, unix_now: f64, conn: ConnId, line: &[u8], answers: &mut Vec<u8>) {
        self.asking = Some(conn);
        std::mem::swap(&mut self.answers, answers);
        self.line(now, unix_now, conn, line);
        std::mem::swap(&mut self.answers, answers);
        self.asking = None;
    }

    /// A line came, without its CRLF. `unix_now`: the wall clock in seconds. Lines of connections that have ended
    /// are ignored.
    pub fn line(&mut self, now: Instant, unix_now: f64, conn: ConnId, line: &[u8]) {
        let Some(peer) = self.conns.get(&conn).filter(|c| !c.relayed).map(|c| c.peer) else { return };
        let request = std::str::from_utf8(line).ok().and_then(Request::parse);
        let ours = match &request {
            Some(Request::Signal(request)) => Some(Some(request)),
            Some(Request::Misspelt(_)) => Some(None),
            _ => None,
        };
        // Many nodes may share an address, so those that have proved who they are pay for themselves.
        let by_node = ours.and_then(|request| self.signal.may_say(now, &self.limits.signal, conn, request));
        if !by_node.unwrap_or_else(|| self.accounts.request(now, peer.ip())) {
            if matches!(request, Some(Request::Relay { .. })) {
                let expected = "expected fewer requests a second from one address";
                self.refuse_relay(now, conn, RelayReason::Rate, expected);
            }
            if ours.is_some() {
                self.refuse(conn, Reason::Rate, None, "expected fewer lines a second");
            }
            self.close(now, conn, CloseReason::Rate);
            return;
        }
        let request = match request {
            None => return self.ignore(peer, "not a request"),
            Some(Request::Misspelt(misspelt)) => return self.misspelt(conn, misspelt),
            Some(Request::Relay { token, .. }) => return self.relay(now, conn, peer, token),
            Some(request) => request,
        };
        self.touch(now, conn, matches!(request, Request::SimultaneousReady { .. }));
        match request {
            Request::Bootstrap { n } => self.bootstrap(conn, peer, n),
            Request::PassiveReady { port, .. } => self.passive_ready(now, conn, peer, port),
            Request::Network { network } => {
                if let Some(conn) = self.conns.get_mut(&conn) {
                    conn.network = Some(network);
                }
            }
            Request::SimultaneousReady { port, .. } => {
                self.counters.simultaneous_ready += 1;
                self.log(Event::Registered { peer, kind: "simultaneous", port });
                let told = self.challenges.register(now, peer.ip(), conn);
                self.tell(Some((conn, told)));
            }
            Request::SourceTcp { .. } => {
                self.counters.source_tcp += 1;
                self.send(conn, Reply::RemoteTcp(peer.port()));
            }
            Request::Observe => self.observe(conn, peer),
            Request::Candidate { ip, transport, predictions } => {
                self.candidate(now, conn, peer, ip, transport, predictions);
            }
            Request::Accept { ip, predictions, transport, ntp } => {
                let reply = Reply::Fight { ip: peer.ip(), predictions, transport, ntp: ntp.to_owned() };
                let close = ntp_seconds(ntp).is_some_and(|t| (t.trunc() - unix_now).abs() <= NTP_WINDOW);
                self.accept(peer, ip, close, reply);
            }
            Request::Clear => {
                self.counters.clear += 1;
                let known = self.passive.remove(peer.ip()) | self.challenges.clear(peer.ip());
                if known {
                    self.log(Event::Cleared { peer });
                }
            }
            Request::Quit => {
                self.counters.quit += 1;
                self.close(now, conn, CloseReason::Quit);
            }
            Request::Signal(request) => self.signal(now, conn, peer, request),
            // Answered above.
            Request::Misspelt(_) | Request::Relay { .. } => {}
        }
    }

    fn observe(&mut self, conn: ConnId, peer: SocketAddr) {
        self.counters.observe += 1;
        let local = self.conns.get(&conn).and_then(|c| c.local);
        let around = local.map(|local| self.endpoints.around(local)).unwrap_or_default();
        let observed =
            Observed { client: peer, next: around.next, http: around.http, alternates: around.alternates };
        self.send(conn, Reply::Observed(Box::new(observed)));
    }

    fn bootstrap(&mut self, conn: ConnId, peer: SocketAddr, n: u32) {
        self.counters.bootstrap += 1;
        let n = usize::try_from(n).unwrap_or(usize::MAX);
        if !(1..=MAX_NODES).contains(&n) {
            self.ignore(peer, "BOOTSTRAP for less than 1 or more than 100 nodes");
            return;
        }
        let network = self.conns.get(&conn).and_then(|conn| conn.network.as_ref());
        if self.asking != Some(conn) {
            let nodes = self.passive.draw(&mut self.rng, peer.ip(), network, n);
            self.log(Event::Bootstrapped { peer, nodes: nodes.len() });
            return self.send(conn, if nodes.is_empty() { Reply::NodesEmpty } else { Reply::Nodes(nodes) });
        }
        // The texts are there already.
        let begin = self.answers.len();
        self.answers.extend_from_slice(b"NODES ");
        let nodes = self.passive.write(&mut self.rng, peer.ip(), network, n, &mut self.answers);
        self.log(Event::Bootstrapped { peer, nodes });
        if nodes == 0 {
            self.answers.truncate(begin);
            return self.send(conn, Reply::NodesEmpty);
        }
        self.counters.replies += 1;
        self.answers.extend_from_slice(b"\r\n");
    }

    fn passive_ready(&mut self, now: Instant, conn: ConnId, peer: SocketAddr, port: u32) {
        self.counters.passive_ready += 1;
        let ip = peer.ip();
        let loopback = ip == IpAddr::V4(Ipv4Addr::LOCALHOST) || ip == IpAddr::V6(Ipv6Addr::LOCALHOST);
        let Some(listen) = u16::try_from(port).ok().filter(|&port| port != 0) else {
            self.ignore(peer, "PASSIVE READY with a port outside 1-65535");
            return;
        };
        let network = self.conns.get(&conn).and_then(|conn| conn.network.clone());
        if loopback && !self.limits.list_loopback {
            self.ignore(peer, "PASSIVE READY from 127.0.0.1 or ::1, which are never listed");
        } else if self.passive.insert(now, SocketAddr::new(ip, listen), network) {
            self.log(Event::Registered { peer, kind: "passive", port });
        } else {
            self.ignore(peer, "PASSIVE READY from a network with too many nodes");
        }
    }

    fn candidate(
        &mut self,
        now: Instant,
        conn: ConnId,
        peer: SocketAddr,
        node: IpAddr,
        transport: Transport,
        predictions: Vec<u16>,
    ) {
        self.counters.candidate += 1;
        if self.challenges.channel(node).is_none() {
            self.ignore(peer, "CANDIDATE for a node that is not there");
            return;
        }
        let Some(state) = self.conns.get_mut(&conn) else { return };
        if !state.challenging.contains(&node) {
            if state.challenging.len() >= self.limits.candidates_per_connection {
                state.challenging.retain(|&node| self.challenges.is_candidate(node, conn));
            }
            if state.challenging.len() >= self.limits.candidates_per_connection {
                self.ignore(peer, "CANDIDATE from a connection that challenges too many nodes");
                return;
            }
            state.challenging.push(node);
        }
        let candidate =
            Candidate { ip: peer.ip(), conn, since: now, predictions, transport, accepted: false };
        if !self.challenges.add(node, candidate, self.limits.candidates_per_node) {
            self.ignore(peer, "CANDIDATE for a node that has too many");
            return;
        }
        self.log(Event::Candidate { peer, node });
        self.send(conn, Reply::PredictionSet);
        let told = self.challenges.synchronize(now, node);
        self.tell(told);
    }

    fn accept(&mut self, peer: SocketAddr, challenger: IpAddr, time_is_close: bool, fight: Reply) {
        self.counters.accept += 1;
        if !time_is_close {
            self.ignore(peer, "time of ACCEPT is too far from ours");
        } else if let Some(conn) = self.challenges.accept(peer.ip(), challenger) {
            self.log(Event::Fight { peer, challenger });
            self.send(conn, fight);
        } else {
            self.ignore(peer, "no such challenge to accept");
        }
    }
}
