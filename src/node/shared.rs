//! What the program's threads and the runtime thread have in common.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, RwLock};

use super::conn::Conn;
use super::counters::Counters;
use crate::config::Config;
use crate::error::Code;
use crate::event::{Kind, NetInfo};
use crate::queue::{Item, Notice, Queue};

/// Connection ids are counted up, so they spread well as they are.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 keys are hashed");
    }
    fn write_u64(&mut self, id: u64) {
        // The table takes its tag from the upper bits: give it some.
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

type ById<T> = HashMap<u64, T, BuildHasherDefault<IdHasher>>;

/// The state of one net that more than one thread sees.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) queue: Queue,
    pub(crate) counters: Counters,
    pub(crate) info: Mutex<NetInfo>,
    /// Every connection whose CLOSED event the program has not taken yet.
    pub(crate) conns: RwLock<ById<Arc<Conn>>>,
    /// Requests that are under way or whose DONE event the program has not taken yet.
    pub(crate) requests: Mutex<ById<()>>,
    next_id: AtomicU64,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Shared {
        let info = NetInfo {
            node_type: config.node_type,
            nat: config.nat_type,
            reachable: None,
            passive_port: 0,
            lan_ip: None,
            wan_ip: config.wan_ip,
            inbound: 0,
            outbound: 0,
        };
        Shared {
            queue: Queue::new(config.event_queue),
            counters: Counters::default(),
            info: Mutex::new(info),
            conns: RwLock::default(),
            requests: Mutex::default(),
            next_id: AtomicU64::new(1),
            config,
        }
    }

    /// An id that no connection or request of this net has had.
    pub(crate) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    /// The connection `id`, if its CLOSED event has not been taken.
    pub(crate) fn conn(&self, id: u64) -> Option<Arc<Conn>> {
        self.conns.read().get(&id).cloned()
    }

    /// Enters a new request.
    pub(crate) fn new_request(&self) -> Result<u64, Code> {
        let mut requests = self.requests.lock();
        if requests.len() >= self.config.max_requests {
            return Err(Code::Limit);
        }
        let id = self.new_id();
        requests.insert(id, ());
        Ok(id)
    }

    /// Reports the end of a request: a DONE event.
    pub(crate) fn done(&self, request: u64, outcome: Outcome) {
        let Outcome { result, os_error, code, text, conn } = outcome;
        let notice =
            Notice { request, result, os_error, code, text, conn, ..self.queue.notice(Kind::Done) };
        self.queue.push(Item::Notice(Box::new(notice)));
    }

    /// A notice about a connection.
    pub(crate) fn notice(&self, kind: Kind, conn: &Arc<Conn>) -> Notice {
        Notice { conn: Some(Arc::clone(conn)), ..self.queue.notice(kind) }
    }
}

/// How a request ended.
pub(crate) struct Outcome {
    pub(crate) result: Result<(), Code>,
    pub(crate) os_error: i32,
    pub(crate) code: i32,
    pub(crate) text: String,
    pub(crate) conn: Option<Arc<Conn>>,
}

impl Outcome {
    pub(crate) fn ok(code: i32, text: String) -> Outcome {
        Outcome { result: Ok(()), os_error: 0, code, text, conn: None }
    }
}

impl From<crate::error::Error> for Outcome {
    fn from(e: crate::error::Error) -> Outcome {
        Outcome {
            result: Err(e.code),
            os_error: e.os_error,
            code: 0,
            text: e.message.into_owned(),
            conn: None,
        }
    }
}
