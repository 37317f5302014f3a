//! A model of a gateway that speaks PCP and NAT-PMP, and sockets on loopback that answer as it does, or
//! worse.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};

use super::*;

/// A mapping as the model has it: internal port to external port, nonce and end.
pub(super) type Table = BTreeMap<u16, (u16, [u8; 12], Instant)>;

/// A gateway that speaks PCP, NAT-PMP or both, from one table, and keeps what it was asked.
pub(super) struct Model {
    pub(super) pcp: bool,
    pub(super) natpmp: bool,
    pub(super) outside: Ipv4Addr,
    pub(super) booted: Instant,
    pub(super) longest: u32,
    pub(super) table: Table,
    /// External ports that other hosts have.
    pub(super) taken: Vec<u16>,
    /// Result code for every mapping.
    pub(super) refuses: u8,
    /// Takes no notice of anything.
    pub(super) silent: bool,
    /// What it was asked, in order: `pcp map 4020`, `natpmp unmap 4020`, ...
    pub(super) asked: Vec<String>,
}

impl Model {
    pub(super) fn new() -> Model {
        Model {
            pcp: true,
            natpmp: true,
            outside: Ipv4Addr::new(11, 0, 0, 1),
            booted: Instant::now(),
            longest: 7200,
            table: Table::new(),
            taken: Vec::new(),
            refuses: 0,
            silent: false,
            asked: Vec::new(),
        }
    }

    pub(super) fn clock(&self) -> [u8; 4] {
        (self.booted.elapsed().as_secs() as u32 + 1000).to_be_bytes()
    }

    pub(super) fn reboot(&mut self) {
        (self.booted, self.table) = (Instant::now(), Table::new());
    }

    pub(super) fn answer(&mut self, q: &[u8]) -> Option<Vec<u8>> {
        let [version, op, ..] = *q else { return None };
        let protocol = if version == 2 { "pcp" } else { "natpmp" };
        let port_at = if version == 2 { 40 } else { 4 };
        let port = q.get(port_at..port_at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
        let life = if version == 2 { q.get(4..8) } else { q.get(8..12) };
        let life = life.map(|b| u32::from_be_bytes(b.try_into().unwrap()));
        self.asked.push(match (version, op, port, life) {
            (2, 0, ..) => "pcp clock".into(),
            (0, 0, ..) => "natpmp outside".into(),
            (_, _, Some(port), Some(0)) => format!("{protocol} unmap {port}"),
            (_, _, Some(port), _) => format!("{protocol} map {port}"),
            _ => "?".into(),
        });
        if self.silent || !(self.pcp || self.natpmp) {
            return None;
        }
        match (version, op) {
            (2, _) if !self.pcp => Some([&[0, 0x80 | op, 0, 1][..], &self.clock()].concat()),
            (0, _) if !self.natpmp => {
                let mut out = vec![2, 0x80 | op, 0, 1, 0, 0, 0, 0];
                out.extend(self.clock());
                out.resize(24, 0);
                Some(out)
            }
            (2, 0) => Some(self.pcp_head(0, 0, 0)),
            (2, 1) => Some(self.pcp_map(q, port?, life?)),
            (0, 0) => Some([&[0, 128, 0, 0][..], &self.clock(), &self.outside.octets()].concat()),
            (0, 2) => Some(self.natpmp_map(q, port?, life?)),
            _ => None,
        }
    }

    pub(super) fn pcp_head(&self, op: u8, result: u8, life: u32) -> Vec<u8> {
        let mut out = vec![2, 0x80 | op, 0, result];
        out.extend(life.to_be_bytes());
        out.extend(self.clock());
        out.resize(24, 0);
        out
    }

    /// The external port for an internal one: the wanted one, or the next that is free.
    pub(super) fn choose(&self, wanted: u16) -> u16 {
        (wanted.max(1)..).find(|port| !self.taken.contains(port)).unwrap()
    }

    pub(super) fn pcp_map(&mut self, q: &[u8], port: u16, life: u32) -> Vec<u8> {
        let nonce: [u8; 12] = q[24..36].try_into().unwrap();
        let other = self.table.get(&port).is_some_and(|(_, theirs, _)| *theirs != nonce);
        let refuses = if other { 2 } else { self.refuses };
        let life = life.min(self.longest);
        let external = match self.table.get(&port) {
            Some((external, ..)) => *external,
            None => self.choose(u16::from_be_bytes([q[42], q[43]])),
        };
        if refuses == 0 {
            self.store(port, external, nonce, life);
        }
        let mut out = self.pcp_head(1, refuses, if refuses == 0 { life } else { 30 });
        out.extend(&q[24..42]);
        out.extend(external.to_be_bytes());
        out.extend(self.outside.to_ipv6_mapped().octets());
        out
    }

    pub(super) fn natpmp_map(&mut self, q: &[u8], port: u16, life: u32) -> Vec<u8> {
        let life = life.min(self.longest);
        let external = self.choose(u16::from_be_bytes([q[6], q[7]]));
        if self.refuses == 0 {
            self.store(port, external, [0; 12], life);
        }
        let mut out = vec![0, 130, 0, self.refuses];
        out.extend(self.clock());
        out.extend(&q[4..6]);
        out.extend(if life == 0 { [0; 2] } else { external.to_be_bytes() });
        out.extend(life.to_be_bytes());
        out
    }

    pub(super) fn store(&mut self, port: u16, external: u16, nonce: [u8; 12], life: u32) {
        let end = Instant::now() + Duration::from_secs(life.into());
        self.table.insert(port, (external, nonce, end));
        if life == 0 {
            self.table.remove(&port);
        }
    }
}

/// What a fake does with each datagram: the answers, each after a pause.
pub(super) type Answers = Vec<(Duration, Vec<u8>)>;

/// A gateway on an address of its own.
pub(super) struct Fake {
    pub(super) ip: IpAddr,
    pub(super) ports: Ports,
    pub(super) model: Arc<Mutex<Model>>,
}

impl Fake {
    /// One that answers as its model does.
    pub(super) async fn good() -> Fake {
        Fake::with(|model, q| model.answer(q).map(|a| (Duration::ZERO, a)).into_iter().collect()).await
    }

    pub(super) async fn with(answers: impl FnMut(&mut Model, &[u8]) -> Answers + Send + 'static) -> Fake {
        Fake::on(own_address(), 0, answers).await
    }

    pub(super) async fn on(
        ip: IpAddr,
        port: u16,
        mut answers: impl FnMut(&mut Model, &[u8]) -> Answers + Send + 'static,
    ) -> Fake {
        let socket = Arc::new(UdpSocket::bind((ip, port)).await.unwrap());
        let ports = Ports { gateway: socket.local_addr().unwrap().port(), ssdp: 9, multicast: false };
        let model = Arc::new(Mutex::new(Model::new()));
        let shared = Arc::clone(&model);
        tokio::spawn(async move {
            let mut q = [0; 1200];
            loop {
                let (len, from) = socket.recv_from(&mut q).await.unwrap();
                let all = answers(&mut shared.lock(), &q[..len]);
                for (pause, answer) in all {
                    let socket = Arc::clone(&socket);
                    tokio::spawn(async move {
                        sleep(pause).await;
                        let _ = socket.send_to(&answer, from).await;
                    });
                }
            }
        });
        Fake { ip, ports, model }
    }

    pub(super) fn wish(&self, protocols: u32) -> Wish {
        wish(protocols, &[self.ip], self.ports)
    }

    /// The internal ports in its table.
    pub(super) fn mapped(&self) -> Vec<u16> {
        self.model.lock().table.keys().copied().collect()
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.model.lock().asked.clone()
    }
}

/// The protocols that the model speaks.
pub(super) const EACH: [(u32, Protocol); 2] = [(FWD_PCP, Protocol::Pcp), (FWD_NATPMP, Protocol::NatPmp)];
