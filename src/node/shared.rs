//! What the program's threads and the runtime thread have in common.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::task::Context;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, RwLock};
use tokio::net::TcpStream;

use super::conn::Conn;
use super::counters::Counters;
use super::executor::Executor;
use super::lease::Lease;
use super::sendbuf::SendBuf;
use super::stories::Stories;
use crate::config::Config;
use crate::dht::{self, NodeId};
use crate::error::{Code, Error};
use crate::event::{Allocation, Forwarding, Kind, Mapping, NetInfo, Unsolicited};
use crate::proto::dedup::Dedup;
use crate::proto::handshake::{Budget, Myself, NO_NETWORK, aes_is_fast};
use crate::proto::identity::Identity;
use crate::proto::network::NetworkKey;
use crate::proto::relay::Membership;
use crate::proto::unl::Server;
use crate::queue::{Item, Notice, Queue};
use crate::report::{MAX_STEP_TEXT, MAX_STEPS, Step};

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

/// Places for requests that stay.
const KEPT_REQUESTS: usize = 64;

/// How many nets this process has made.
static NETS: AtomicU64 = AtomicU64::new(0);

/// The state of one net that more than one thread sees.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// This node's name for messages that no connection carries; `None` = it has no DHT.
    pub(crate) dht_id: Option<NodeId>,
    /// Where such messages come in.
    pub(crate) dht: dht::Inlet,
    pub(crate) queue: Queue,
    /// Who drives the runtime.
    pub(crate) lease: Lease,
    /// The connections' tasks.
    pub(crate) executor: Executor,
    pub(crate) counters: Counters,
    pub(crate) info: Mutex<NetInfo>,
    /// An INFO event waits for the program: what changes meanwhile is told by the same one.
    pub(crate) info_waits: AtomicBool,
    pub(crate) steps: Mutex<VecDeque<Step>>,
    pub(crate) ready: AtomicBool,
    /// There is no room for peers that come by themselves (secure dialect).
    pub(crate) full: AtomicBool,
    /// The net is being stopped: what breaks is not mended any more.
    pub(crate) stopping: AtomicBool,
    /// The actor has been told that the network changed and has not heard it yet.
    pub(crate) change_waits: AtomicBool,
    /// Every connection whose CLOSED event the program has not taken yet.
    pub(crate) conns: RwLock<ById<Arc<Conn>>>,
    /// Requests whose DONE event the program has not taken yet, and whether that event is on its way.
    pub(crate) requests: Mutex<ById<bool>>,
    /// The lines seen, if duplicates are not delivered.
    pub(crate) dedup: Option<Mutex<Dedup>>,
    /// Who this node is, once that was asked for.
    identity: OnceLock<Arc<Identity>>,
    /// The same, as it goes into handshakes.
    myself: OnceLock<Myself>,
    /// How many handshakes may be answered.
    pub(crate) handshakes: Mutex<Budget>,
    /// The program has been told of a peer that seems to speak the other dialect.
    pub(crate) met_other_dialect: AtomicBool,
    /// The servers at which peers find this node by its key.
    pub(crate) homes: Mutex<Vec<String>>,
    /// Other nodes that relay for the network, for the node's locator.
    pub(crate) volunteers: Mutex<Vec<Server>>,
    /// What became of the requests to connect by locator.
    pub(crate) stories: Mutex<Stories>,
    /// A number that no other net of this process has had.
    pub(crate) number: u64,
    next_id: AtomicU64,
    /// Whether the runtime thread is done, for those who wait for it.
    finished: Mutex<bool>,
    finish: Condvar,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Shared {
        let info = NetInfo {
            node_type: config.node_type,
            nat: config.nat_type,
            nat_delta: 0,
            mapping: Mapping::Unknown,
            allocation: Allocation::Unknown,
            unsolicited: Unsolicited::Unknown,
            hairpin: None,
            double_nat: None,
            forwarding: Forwarding::None,
            external_port: 0,
            reachable: None,
            reachable_v6: None,
            passive_port: 0,
            lan_ip: None,
            wan_ip: config.wan_ip,
            wan_ip6: None,
            clock_offset_us: None,
            inbound: 0,
            outbound: 0,
        };
        let ttl = Some(config.dedup_ttl).filter(|t| !t.is_zero());
        Shared {
            queue: Queue::new(config.event_queue),
            lease: Lease::default(),
            executor: Executor::default(),
            counters: Counters::default(),
            info: Mutex::new(info),
            info_waits: AtomicBool::new(false),
            steps: Mutex::default(),
            ready: AtomicBool::new(false),
            full: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            change_waits: AtomicBool::new(false),
            conns: RwLock::default(),
            requests: Mutex::default(),
            dedup: config.dedup.then(|| Mutex::new(Dedup::new(config.dedup_entries, ttl))),
            finished: Mutex::new(false),
            finish: Condvar::new(),
            identity: OnceLock::new(),
            myself: OnceLock::new(),
            handshakes: Mutex::default(),
            met_other_dialect: AtomicBool::new(false),
            homes: Mutex::default(),
            volunteers: Mutex::default(),
            stories: Mutex::default(),
            number: NETS.fetch_add(1, Relaxed),
            next_id: AtomicU64::new(1),
            dht_id: dht::name(&config),
            dht: dht::Inlet::new(),
            config,
        }
    }

    /// Who this node is: what the program has set, or made at the first time of asking.
    ///
    /// # Errors
    /// See [`super::key::identity`].
    pub(crate) fn identity(&self) -> Result<&Arc<Identity>, Error> {
        if self.identity.get().is_none() {
            // Of two that ask at once, the first sets it.
            let _ = self.identity.set(super::key::identity(&self.config)?);
        }
        self.identity.get().ok_or_else(|| Error::new(Code::State, "the node has no key"))
    }

    /// Who this node is in handshakes.
    ///
    /// # Errors
    /// As [`Shared::identity`].
    pub(crate) fn myself(&self) -> Result<&Myself, Error> {
        let identity = self.identity()?;
        Ok(self.myself.get_or_init(|| {
            let network = self.config.network.unwrap_or(NO_NETWORK);
            let key = self.config.network_key.as_ref().map(NetworkKey::as_bytes);
            let fast_aes = aes_is_fast();
            #[cfg(feature = "testing")]
            let fast_aes = self.config.test_fast_aes.unwrap_or(fast_aes);
            Myself::new(identity).in_network(network, key).with_fast_aes(fast_aes)
        }))
    }

    /// The node's network, as it is proved to nodes that relay for it.
    pub(crate) fn membership(&self) -> Membership {
        Membership::new(self.config.network, self.config.network_key.as_ref())
    }

    /// Whether the net is being stopped.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// An id that no connection or request of this net has had.
    pub(crate) fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Relaxed)
    }

    /// The connection `id`, if its CLOSED event has not been taken.
    pub(crate) fn conn(&self, id: u64) -> Option<Arc<Conn>> {
        self.conns.read().get(&id).cloned()
    }

    /// Whether the connection's task that has brought something is to come back later, as [`Executor::lets_taker_go`] says.
    pub(crate) fn lets_taker_go(&self, cx: &Context<'_>) -> bool {
        self.executor.lets_taker_go(&self.queue, cx)
    }

    /// A connection's send buffer has room again.
    pub(crate) fn tell_writable(&self, conn: &Arc<Conn>) {
        self.queue.push(Item::Notice(Box::new(self.notice(Kind::Writable, conn))));
    }

    /// Writes to a connection's socket what its buffer has given; how much of it the system has taken.
    pub(crate) fn write(&self, conn: &Arc<Conn>, stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        let n = stream.try_write(bytes)?;
        let mut out = conn.out.lock();
        out.written(n);
        let news = out.room_is_news();
        drop(out);
        if news {
            self.tell_writable(conn);
        }
        Ok(n)
    }

    /// A connection takes nothing more to send: adds up what went over it.
    pub(crate) fn close_books(&self, conn: &Conn, out: &mut SendBuf) {
        out.close();
        self.counters.lines_out.add(out.lines);
        self.counters.bytes_out.add(out.bytes_written);
        self.counters.bytes_in.add(conn.bytes_in.load(Relaxed));
        self.counters.closed.add(1);
    }

    /// Enters a new request.
    pub(crate) fn new_request(&self) -> Result<u64, Code> {
        let mut requests = self.requests.lock();
        if requests.len() >= self.config.max_requests {
            return Err(Code::Limit);
        }
        let id = self.new_id();
        requests.insert(id, false);
        Ok(id)
    }

    /// Reports the end of a request: a DONE event. Only the first end of a request counts.
    pub(crate) fn done(&self, request: u64, outcome: Outcome) {
        match self.requests.lock().get_mut(&request) {
            Some(done @ false) => *done = true,
            _ => return,
        }
        let Outcome { result, os_error, code, text, conn } = outcome;
        let notice = Notice { request, result, os_error, code, text, conn, ..self.queue.notice(Kind::Done) };
        self.queue.push(Item::Notice(Box::new(notice)));
    }

    /// The program has taken the DONE event of a request. Thousands may have been under way at once: their places are given back
    /// with the last of them.
    pub(crate) fn forget_request(&self, request: u64) {
        let mut requests = self.requests.lock();
        requests.remove(&request);
        if requests.is_empty() && requests.capacity() > KEPT_REQUESTS {
            *requests = ById::default();
        }
    }

    /// Tells the program that what [`NetInfo`] says has changed, in the words of `text`. One event waits at a time.
    pub(crate) fn info_changed(&self, text: String) {
        if !self.info_waits.swap(true, SeqCst) {
            let notice = Notice { text, ..self.queue.notice(Kind::Info) };
            self.queue.push(Item::Notice(Box::new(notice)));
        }
    }

    /// Notes one question about the node's situation with its answer.
    pub(crate) fn step(&self, topic: &'static str, since: Instant, good: bool, text: String) {
        let took_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let text = match text.char_indices().nth(MAX_STEP_TEXT) {
            Some((end, _)) => format!("{} ...", &text[..end]),
            None => text,
        };
        let mut steps = self.steps.lock();
        if steps.len() >= MAX_STEPS {
            steps.pop_front();
        }
        steps.push_back(Step { topic, at_ms: self.queue.now_ms(), took_ms, good, text });
    }

    /// Ends what nobody else will: requests without a DONE, connections without a CLOSED.
    pub(crate) fn sweep(&self, why: &Error) {
        let mut open: Vec<u64> =
            self.requests.lock().iter().filter(|(_, done)| !**done).map(|(id, _)| *id).collect();
        open.sort_unstable();
        for request in open {
            self.done(request, why.clone().into());
        }
        let conns: Vec<Arc<Conn>> = {
            let all = self.conns.read();
            let mut ids: Vec<u64> = all.keys().copied().collect();
            ids.sort_unstable();
            ids.iter().filter_map(|id| all.get(id).cloned()).collect()
        };
        for conn in conns.iter().filter(|c| !c.closed.swap(true, SeqCst)) {
            conn.close();
            conn.shut();
            let notice = Notice {
                result: Err(why.code),
                text: why.message.to_string(),
                ..self.notice(Kind::Closed, conn)
            };
            self.queue.push(Item::Notice(Box::new(notice)));
        }
    }

    /// The runtime thread is done with everything.
    pub(crate) fn set_finished(&self) {
        *self.finished.lock() = true;
        self.finish.notify_all();
    }

    /// Waits until the runtime thread is done, at most `limit`. Whether it is.
    pub(crate) fn wait_finished(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut finished = self.finished.lock();
        while !*finished {
            if self.finish.wait_until(&mut finished, until).timed_out() {
                break;
            }
        }
        *finished
    }

    /// A notice about a connection.
    pub(crate) fn notice(&self, kind: Kind, conn: &Arc<Conn>) -> Notice {
        Notice { conn: Some(Arc::clone(conn)), ..self.queue.notice(kind) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Of those whose end the program has not taken, a thread of it may remember one.
        for conn in self.conns.get_mut().values() {
            conn.out.end();
        }
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

impl From<Error> for Outcome {
    fn from(e: Error) -> Outcome {
        Outcome {
            result: Err(e.code),
            os_error: e.os_error,
            code: 0,
            text: e.message.into_owned(),
            conn: None,
        }
    }
}
