//! A connection as any thread sees it: send, close, look at it. The task that works for it is in [`super::link`], in the
//! secure dialect in [`super::session`].

use std::ffi::CString;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::outlet::Outlet;
use super::takeover::Takeover;
use crate::config::Config;
use crate::event::{ConnInfo, Path, Via};
use crate::proto::conn_id::{ConnId, Nonce};
use crate::proto::handshake::Sealer;
use crate::proto::identity::PublicKey;
use crate::proto::session::Session;

/// One open connection.
pub(crate) struct Conn {
    pub(crate) id: u64,
    pub(crate) via: Via,
    /// Who is at the other end, in the secure dialect.
    pub(crate) peer_key: Option<PublicKey>,
    /// The link that carries it now, in the secure dialect.
    now: Mutex<Carrier>,
    /// PATH events that the program has not taken.
    paths_waiting: AtomicUsize,
    /// Whether the peer opened it.
    pub(crate) inbound: bool,
    /// What its connector has sent before the first line (classic direct nets).
    pub(crate) nonce: Option<Nonce>,
    /// What both ends call it (classic direct nets).
    pub(crate) con_id: Option<ConnId>,
    /// `ip:port` as C reads it, where the connection was opened.
    pub(crate) peer: CString,
    pub(crate) out: Arc<Outlet>,
    /// Received bytes that are in the queue or in the program's hands.
    unread: AtomicUsize,
    /// The program does not want more for the moment.
    held: AtomicBool,
    /// The task has stopped reading and waits for `unread` to fall, or for the program to want more.
    paused: AtomicBool,
    recv_limit: usize,
    pub(crate) bytes_in: AtomicU64,
    opened: Instant,
    /// The program's pointer for this connection; never looked into.
    pub(crate) user: AtomicPtr<std::ffi::c_void>,
    /// Set when the connection's CLOSED event is on its way.
    pub(crate) closed: AtomicBool,
    /// Why the library closes it, if not because the program wants that.
    pub(crate) closed_for: OnceLock<&'static str>,
    /// The program takes its socket over (classic dialect).
    pub(crate) takeover: OnceLock<Box<Takeover>>,
}

/// What carries a connection at the moment.
struct Carrier {
    via: Via,
    /// The relay by which it goes.
    relay: Option<Arc<str>>,
    peer: String,
    path: Path,
}

/// PATH events that may wait for the program to take one; what happens beyond that is seen in [`ConnInfo`].
const PATHS: usize = 16;

impl Conn {
    /// A connection without encryption.
    pub(crate) fn new(id: u64, via: Via, peer: SocketAddr, stream: TcpStream, config: &Config) -> Conn {
        Conn::with((id, via, via == Via::Accept, peer), Arc::new(stream), config, None, None)
    }

    /// A connection to the node `key`, encrypted: the session that begins with this link.
    pub(crate) fn secure(
        (id, via, inbound, peer): (u64, Via, bool, SocketAddr),
        stream: Arc<TcpStream>,
        config: &Config,
        key: PublicKey,
        sealer: Sealer,
        session: Session,
    ) -> Conn {
        Conn::with((id, via, inbound, peer), stream, config, Some(key), Some((sealer, session)))
    }

    fn with(
        (id, via, inbound, peer): (u64, Via, bool, SocketAddr),
        stream: Arc<TcpStream>,
        config: &Config,
        peer_key: Option<PublicKey>,
        session: Option<(Sealer, Session)>,
    ) -> Conn {
        let peer = peer.to_string();
        Conn {
            id,
            via,
            peer_key,
            inbound,
            nonce: None,
            con_id: None,
            peer: CString::new(peer.as_str()).unwrap_or_default(),
            now: Mutex::new(Carrier { via, relay: None, peer, path: Path::First }),
            paths_waiting: AtomicUsize::new(0),
            out: Arc::new(Outlet::new(stream, config.send_buffer, session)),
            unread: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            recv_limit: config.recv_buffer,
            bytes_in: AtomicU64::new(0),
            opened: Instant::now(),
            user: AtomicPtr::default(),
            closed: AtomicBool::new(false),
            closed_for: OnceLock::new(),
            takeover: OnceLock::new(),
        }
    }

    /// What carries it, or will from now on, goes by this relay, or by none.
    pub(crate) fn set_relay(&self, relay: Option<Arc<str>>) {
        self.now.lock().relay = relay;
    }

    /// What carries it has changed. Whether the program is to be told by an event.
    pub(crate) fn path_changed(&self, path: Path, link: Option<(Via, SocketAddr)>) -> bool {
        let mut now = self.now.lock();
        now.path = path;
        if let Some((via, peer)) = link {
            (now.via, now.peer) = (via, peer.to_string());
        }
        drop(now);
        let tell = self.paths_waiting.load(SeqCst) < PATHS;
        if tell {
            self.paths_waiting.fetch_add(1, SeqCst);
        }
        tell
    }

    /// The other end of what carries it.
    #[cfg(feature = "mainline")]
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.now.lock().peer.parse().ok()
    }

    /// The program has taken a PATH event.
    pub(crate) fn path_told(&self) {
        self.paths_waiting.fetch_sub(1, SeqCst);
    }

    /// Closes once everything queued is written.
    pub(crate) fn close(&self) {
        self.out.lock().close();
        self.out.wake.notify_one();
    }

    /// No more data either way; whoever waits on the socket sees its end.
    pub(crate) fn shut(&self) {
        self.out.shut();
    }

    // ---- receive accounting ----

    /// The task has queued `n` bytes for the program.
    pub(crate) fn queued_for_program(&self, n: usize) {
        self.unread.fetch_add(n, SeqCst);
    }

    /// Whether the task has to stop reading; the program's [`Conn::taken`] or [`Conn::hold`] wakes it.
    pub(crate) fn must_pause(&self) -> bool {
        let full = || self.held.load(SeqCst) || self.unread.load(SeqCst) >= self.recv_limit;
        if !full() {
            return false;
        }
        self.paused.store(true, SeqCst);
        // The program may have taken everything between the two looks.
        if !full() {
            self.paused.store(false, SeqCst);
            return false;
        }
        true
    }

    /// The program wants no more for the moment, or more again.
    pub(crate) fn hold(&self, on: bool) {
        self.held.store(on, SeqCst);
        if !on && self.unread.load(SeqCst) <= self.recv_limit / 2 && self.paused.swap(false, SeqCst) {
            self.out.wake.notify_one();
        }
    }

    /// The program is done with `n` bytes.
    pub(crate) fn taken(&self, n: usize) {
        let before = self.unread.fetch_sub(n, SeqCst);
        if before - n <= self.recv_limit / 2 && self.paused.swap(false, SeqCst) {
            self.out.wake.notify_one();
        }
    }

    pub(crate) fn info(&self) -> ConnInfo {
        let (via, peer, path, relay) = match self.peer_key {
            Some(_) => {
                let now = self.now.lock();
                (now.via, now.peer.clone(), now.path, now.relay.as_deref().unwrap_or_default().to_owned())
            }
            None => (self.via, self.peer.to_string_lossy().into_owned(), Path::First, String::new()),
        };
        let out = self.out.lock();
        let mut info = ConnInfo {
            via,
            inbound: self.inbound,
            con_id: self.con_id,
            peer_key: self.peer_key,
            peer,
            queued_bytes: out.queued() as u64,
            unread_bytes: self.unread.load(Relaxed) as u64,
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: out.bytes_written,
            age_ms: self.opened.elapsed().as_millis() as u64,
            path,
            relay,
            rtt_us: 0,
            unacked_bytes: 0,
            resends: 0,
            resumptions: 0,
        };
        if let Some(seal) = self.out.session() {
            let rtt = seal.session.rtt().map_or(0, |rtt| rtt.as_micros());
            info.rtt_us = u64::try_from(rtt).unwrap_or(u64::MAX);
            info.unacked_bytes = seal.session.unacked();
            (info.resends, info.resumptions) = (seal.session.resent(), seal.session.resumptions());
        }
        info
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.out.end();
    }
}
