//! A host's TCP, as much of it as a punch meets: the handshake with simultaneous open (RFC 9293, 3.5),
//! listeners, which RST counts, repetition of what was lost, and frames of data in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use p2pnet::proto::punch::{ConnId, Frame};

use super::packet::{Packet, What};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    SynSent,
    SynReceived,
    Established,
}

#[derive(Debug)]
pub struct Socket<C = ConnId, D = Frame> {
    pub conn: Option<C>,
    pub state: State,
    pub iss: u32,
    pub irs: u32,
    unacked: VecDeque<(u32, Box<D>)>,
    sent: u32,
    next: u32,
    early: BTreeMap<u32, Box<D>>,
    pub resends: u32,
}

/// A socket's place: local port, remote end.
pub type Key = (u16, SocketAddr);

/// What TCP tells the program.
#[derive(Debug)]
pub enum Notice<C = ConnId, D = Frame> {
    Connected(C),
    /// Somebody is there, on this listener.
    Accepted(Key),
    Refused(C),
    Unreachable(C),
    Closed(C),
    TimedOut(C),
    Data(C, Box<D>),
}

/// A host; `C` is what its programs call a connection, `D` what they send.
#[derive(Debug)]
pub struct Host<C = ConnId, D = Frame> {
    pub ip: IpAddr,
    pub ip6: Option<IpAddr>,
    pub listeners: BTreeSet<u16>,
    pub sockets: BTreeMap<Key, Socket<C, D>>,
    pub conns: BTreeMap<C, Key>,
    pub out: Vec<Packet<D>>,
    pub notices: VecDeque<Notice<C, D>>,
    /// Sockets whose SYN, SYN-ACK or data must be looked after.
    pub started: Vec<Key>,
    /// Told apart by these, so no two of a world may be the same.
    pub next_iss: u32,
}

/// When the n-th repetition follows the one before.
pub fn resend_after(state: State, n: u32) -> Duration {
    let first = if state == State::Established { 300 } else { 1000 };
    Duration::from_millis(first << n.min(6))
}

impl<C: Copy + Ord, D: Clone> Host<C, D> {
    pub fn new(ip: IpAddr) -> Host<C, D> {
        Host {
            ip,
            ip6: None,
            listeners: BTreeSet::new(),
            sockets: BTreeMap::new(),
            conns: BTreeMap::new(),
            out: Vec::new(),
            notices: VecDeque::new(),
            started: Vec::new(),
            next_iss: 1000,
        }
    }

    fn fresh(&mut self, conn: Option<C>, state: State, irs: u32) -> Socket<C, D> {
        self.next_iss += 7919;
        Socket {
            conn,
            state,
            iss: self.next_iss,
            irs,
            unacked: VecDeque::new(),
            sent: 0,
            next: 0,
            early: BTreeMap::new(),
            resends: 0,
        }
    }

    fn emit(&mut self, key: Key, what: What<D>) {
        let ip = self.ip6.filter(|_| key.1.is_ipv6()).unwrap_or(self.ip);
        self.out.push(Packet { from: SocketAddr::new(ip, key.0), to: key.1, what });
    }

    /// False: EADDRNOTAVAIL.
    pub fn connect(&mut self, conn: C, key: Key) -> bool {
        if self.sockets.contains_key(&key) {
            return false;
        }
        let socket = self.fresh(Some(conn), State::SynSent, 0);
        self.emit(key, What::Syn { iss: socket.iss });
        self.sockets.insert(key, socket);
        self.conns.insert(conn, key);
        self.started.push(key);
        true
    }

    pub fn send(&mut self, conn: C, data: D) {
        let Some(key) = self.conns.get(&conn).copied() else { return };
        let Some(socket) = self.sockets.get_mut(&key) else { return };
        let (number, data) = (socket.sent, Box::new(data));
        socket.sent += 1;
        if socket.unacked.is_empty() {
            socket.resends = 0;
            self.started.push(key);
        }
        socket.unacked.push_back((number, data.clone()));
        let (iss, ack) = (socket.iss, socket.irs + 1);
        self.emit(key, What::Data { iss, ack, number, data });
    }

    pub fn close(&mut self, conn: C) {
        let Some(key) = self.conns.remove(&conn) else { return };
        if let Some(socket) = self.sockets.remove(&key)
            && socket.state != State::SynSent
        {
            self.emit(key, What::Fin { ack: socket.irs + 1 });
        }
    }

    pub fn close_listener(&mut self, port: u16) {
        self.listeners.remove(&port);
        self.sockets.retain(|key, socket| key.0 != port || socket.conn.is_some());
    }

    pub fn state(&self, conn: C) -> Option<&Socket<C, D>> {
        self.conns.get(&conn).and_then(|key| self.sockets.get(key))
    }

    /// Repeats what is unanswered. False: nothing is.
    pub fn resend(&mut self, key: Key) -> Option<(State, u32)> {
        let socket = self.sockets.get_mut(&key)?;
        let (iss, ack) = (socket.iss, socket.irs + 1);
        socket.resends += 1;
        let (state, n) = (socket.state, socket.resends);
        match state {
            State::SynSent => self.emit(key, What::Syn { iss }),
            State::SynReceived => self.emit(key, What::SynAck { iss, ack }),
            State::Established => {
                let again: Vec<_> = socket.unacked.iter().cloned().collect();
                if again.is_empty() {
                    return None;
                }
                for (number, data) in again {
                    self.emit(key, What::Data { iss, ack, number, data });
                }
            }
        }
        Some((state, n))
    }

    /// Ends a socket by itself.
    pub fn kill(&mut self, key: Key) -> Option<C> {
        let conn = self.sockets.remove(&key)?.conn?;
        self.conns.remove(&conn);
        Some(conn)
    }

    pub fn receive(&mut self, packet: &Packet<D>) {
        let key = (packet.to.port(), packet.from);
        let listening = self.listeners.contains(&key.0);
        let Some(socket) = self.sockets.get_mut(&key) else {
            match packet.what {
                What::Syn { iss } if listening => {
                    let socket = self.fresh(None, State::SynReceived, iss);
                    self.emit(key, What::SynAck { iss: socket.iss, ack: iss + 1 });
                    self.sockets.insert(key, socket);
                    self.started.push(key);
                }
                _ => self.out.extend(packet.refusal()),
            }
            return;
        };
        let (mine, theirs) = (socket.iss + 1, socket.irs + 1);
        match (&packet.what, socket.state) {
            (What::Syn { iss }, State::SynSent) => {
                // Both have called: each answers the other's SYN.
                (socket.irs, socket.state, socket.resends) = (*iss, State::SynReceived, 0);
                self.emit(key, What::SynAck { iss: mine - 1, ack: iss + 1 });
            }
            (What::Syn { iss }, State::SynReceived) if *iss + 1 == theirs => {
                self.emit(key, What::SynAck { iss: mine - 1, ack: theirs });
            }
            (What::Syn { .. }, _) => self.emit(key, What::Ack { ack: theirs }),
            (What::SynAck { iss, ack }, State::SynSent | State::SynReceived) if *ack == mine => {
                socket.irs = *iss;
                self.emit(key, What::Ack { ack: iss + 1 });
                self.establish(key);
            }
            (What::SynAck { .. } | What::Ack { .. }, State::SynSent) => self.out.extend(packet.refusal()),
            (What::SynAck { .. }, State::Established) => self.emit(key, What::Ack { ack: theirs }),
            (What::Ack { ack }, State::SynReceived) if *ack == mine => self.establish(key),
            (What::Data { iss, ack, number, data }, State::SynReceived | State::Established)
                if *iss + 1 == theirs && *ack == mine =>
            {
                if *number >= socket.next {
                    socket.early.insert(*number, data.clone());
                }
                self.establish(key);
                self.deliver(key);
            }
            (What::DataAck { ack, next }, State::SynReceived | State::Established) if *ack == mine => {
                while socket.unacked.front().is_some_and(|(number, _)| number < next) {
                    socket.unacked.pop_front();
                }
                self.establish(key);
            }
            (What::Fin { ack }, State::SynReceived | State::Established) if *ack == mine => {
                if let Some(conn) = self.kill(key) {
                    self.notices.push_back(Notice::Closed(conn));
                }
            }
            (What::Rst { ack: Some(ack), .. }, State::SynSent) if *ack == mine => {
                if let Some(conn) = self.kill(key) {
                    self.notices.push_back(Notice::Refused(conn));
                }
            }
            (What::Rst { seq: Some(seq), .. }, State::SynReceived | State::Established) if *seq == theirs => {
                if let Some(conn) = self.kill(key) {
                    self.notices.push_back(Notice::Closed(conn));
                }
            }
            (What::Unreachable, State::SynSent) => {
                if let Some(conn) = self.kill(key) {
                    self.notices.push_back(Notice::Unreachable(conn));
                }
            }
            _ => {}
        }
    }

    fn establish(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(&key).filter(|s| s.state != State::Established) else {
            return;
        };
        (socket.state, socket.resends) = (State::Established, 0);
        self.notices.push_back(match socket.conn {
            Some(conn) => Notice::Connected(conn),
            None => Notice::Accepted(key),
        });
    }

    pub fn deliver(&mut self, key: Key) {
        let Some(socket) = self.sockets.get_mut(&key) else { return };
        // Not yet taken from the listener: kept until it is.
        while let Some(conn) = socket.conn
            && let Some(data) = socket.early.remove(&socket.next)
        {
            socket.next += 1;
            self.notices.push_back(Notice::Data(conn, data));
        }
        let (ack, next) = (socket.irs + 1, socket.next);
        self.emit(key, What::DataAck { ack, next });
    }

    /// Takes a connection from a listener; [`Host::deliver`] gives what it has brought along.
    pub fn take(&mut self, key: Key, conn: C) {
        if let Some(socket) = self.sockets.get_mut(&key) {
            socket.conn = Some(conn);
            self.conns.insert(conn, key);
        }
    }

    /// Calls a connection something else from now on.
    #[allow(dead_code, reason = "not every simulator hands connections over")]
    pub fn rename(&mut self, old: C, new: C) {
        if let Some(key) = self.conns.remove(&old) {
            self.conns.insert(new, key);
            if let Some(socket) = self.sockets.get_mut(&key) {
                socket.conn = Some(new);
            }
        }
    }
}
