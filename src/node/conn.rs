//! A connection as any thread sees it: send, close, look at it. The task that works for it is in [`super::link`], in the
//! secure dialect in [`super::session`].

use std::net::SocketAddr;
use std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst,
};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::moment::Moment;
use super::outlet::Outlet;
use super::peer_text::PeerText;
use super::session::{Order, Orders};
use super::takeover::Takeover;
use crate::config::Config;
use crate::event::{ConnInfo, Path, Via};
use crate::proto::conn_id::{ConnId, Nonce};
use crate::proto::handshake::Sealer;
use crate::proto::identity::PublicKey;
use crate::proto::session::Session;

/// One open connection. There may be many, most of them idle: what only some of them need is boxed.
pub(crate) struct Conn {
    pub(crate) id: u64,
    pub(crate) via: Via,
    /// Whether the peer opened it.
    pub(crate) inbound: bool,
    /// The program does not want more for the moment.
    held: AtomicBool,
    /// The task has stopped reading and waits for `unread` to fall, or for the program to want more.
    paused: AtomicBool,
    /// Set when the connection's CLOSED event is on its way.
    pub(crate) closed: AtomicBool,
    /// Who is done with it, of [`TASK`] and [`PROGRAM`].
    done_with: AtomicU8,
    /// `ip:port` as C reads it, where the connection was opened.
    pub(crate) peer: PeerText,
    pub(crate) out: Outlet,
    /// Received bytes that are in the queue or in the program's hands.
    unread: AtomicUsize,
    recv_limit: u32,
    pub(crate) bytes_in: AtomicU64,
    opened: Moment,
    /// The program's pointer for this connection; never looked into.
    pub(crate) user: AtomicPtr<std::ffi::c_void>,
    /// In the secure dialect.
    secure: Option<Box<Encrypted>>,
    /// In the classic dialect, what few have.
    rare: OnceLock<Box<Rare>>,
}

/// The connection's task is done with it: see [`Conn::done_with`].
pub(crate) const TASK: u8 = 1;
/// The program has taken its CLOSED event.
pub(crate) const PROGRAM: u8 = 2;

/// What few connections of the classic dialect have.
#[derive(Default)]
struct Rare {
    /// On direct nets.
    direct: Option<Direct>,
    /// The program takes its socket over.
    takeover: Takeover,
}

/// What a connection of the secure dialect has beside.
struct Encrypted {
    /// Who is at the other end.
    peer: PublicKey,
    /// The link that carries it now.
    now: Mutex<Carrier>,
    /// PATH events that the program has not taken.
    paths_waiting: AtomicUsize,
    /// Why the library closes it, if not because the program wants that.
    closed_for: OnceLock<&'static str>,
    /// What the actor says to the session.
    orders: Orders,
}

/// What a connection of a classic direct net has beside.
struct Direct {
    /// What its connector has sent before the first line.
    nonce: Nonce,
    /// What both ends call it.
    con_id: Option<ConnId>,
}

/// What carries a connection at the moment.
struct Carrier {
    via: Via,
    /// The relay by which it goes.
    relay: Option<Arc<str>>,
    peer: SocketAddr,
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
        let encrypted = |peer_key| Encrypted {
            peer: peer_key,
            now: Mutex::new(Carrier { via, relay: None, peer, path: Path::First }),
            paths_waiting: AtomicUsize::new(0),
            closed_for: OnceLock::new(),
            orders: Orders::new(),
        };
        Conn {
            id,
            via,
            inbound,
            held: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            done_with: AtomicU8::new(0),
            peer: PeerText::new(peer),
            out: Outlet::new(stream, config.send_buffer, session),
            unread: AtomicUsize::new(0),
            recv_limit: u32::try_from(config.recv_buffer).unwrap_or(u32::MAX),
            bytes_in: AtomicU64::new(0),
            opened: Moment::now(),
            user: AtomicPtr::default(),
            secure: peer_key.map(|key| Box::new(encrypted(key))),
            rare: OnceLock::new(),
        }
    }

    /// Who is at the other end, in the secure dialect.
    pub(crate) fn peer_key(&self) -> Option<PublicKey> {
        self.secure.as_ref().map(|secure| secure.peer)
    }

    /// What its connector has sent before the first line (classic direct nets).
    pub(crate) fn nonce(&self) -> Option<Nonce> {
        self.direct().map(|direct| direct.nonce)
    }

    pub(crate) fn set_nonce(&mut self, nonce: Option<Nonce>) {
        let direct = nonce.map(|nonce| Direct { nonce, con_id: None });
        self.rare = direct.map_or_else(OnceLock::new, |direct| {
            OnceLock::from(Box::new(Rare { direct: Some(direct), takeover: Takeover::default() }))
        });
    }

    fn direct(&self) -> Option<&Direct> {
        self.rare.get().and_then(|rare| rare.direct.as_ref())
    }

    /// Where its socket is handed over, if that was ever asked for.
    pub(crate) fn takeover(&self) -> Option<&Takeover> {
        self.rare.get().map(|rare| &rare.takeover)
    }

    /// Where its socket is handed over.
    pub(crate) fn new_takeover(&self) -> &Takeover {
        &self.rare.get_or_init(Box::default).takeover
    }

    /// What both ends call it, once the nonce is there.
    pub(crate) fn set_con_id(&mut self, con_id: ConnId) {
        if let Some(direct) = self.rare.get_mut().and_then(|rare| rare.direct.as_mut()) {
            direct.con_id = Some(con_id);
        }
    }

    /// What carries it, or will from now on, goes by this relay, or by none.
    pub(crate) fn set_relay(&self, relay: Option<Arc<str>>) {
        if let Some(secure) = &self.secure {
            secure.now.lock().relay = relay;
        }
    }

    /// What carries it has changed. Whether the program is to be told by an event.
    pub(crate) fn path_changed(&self, path: Path, link: Option<(Via, SocketAddr)>) -> bool {
        let Some(secure) = &self.secure else { return false };
        let mut now = secure.now.lock();
        now.path = path;
        if let Some((via, peer)) = link {
            (now.via, now.peer) = (via, peer);
        }
        drop(now);
        let tell = secure.paths_waiting.load(SeqCst) < PATHS;
        if tell {
            secure.paths_waiting.fetch_add(1, SeqCst);
        }
        tell
    }

    /// The other end of what carries it.
    #[cfg(feature = "mainline")]
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.secure.as_ref().map(|secure| secure.now.lock().peer)
    }

    /// The program has taken a PATH event.
    pub(crate) fn path_told(&self) {
        if let Some(secure) = &self.secure {
            secure.paths_waiting.fetch_sub(1, SeqCst);
        }
    }

    /// Says something to the session.
    ///
    /// # Errors
    /// What was said, if the session has ended, or there is none.
    pub(crate) fn order(&self, order: Order) -> Result<(), Order> {
        let Some(secure) = &self.secure else { return Err(order) };
        secure.orders.put(order)?;
        self.out.wake.notify_one();
        Ok(())
    }

    /// What is said to the session, for its task.
    pub(super) fn orders(&self) -> Option<&Orders> {
        self.secure.as_ref().map(|secure| &secure.orders)
    }

    /// Closes it for the library's own reasons.
    pub(crate) fn close_for(&self, why: &'static str) {
        if let Some(secure) = &self.secure {
            let _ = secure.closed_for.set(why);
        }
        self.close();
    }

    /// Why the library closes it, if not because the program wants that.
    pub(crate) fn closed_for(&self) -> Option<&'static str> {
        self.secure.as_ref().and_then(|secure| secure.closed_for.get().copied())
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

    /// Its task, or the program, is done with it; when both are, it has nothing more to send and no socket, whoever still
    /// remembers where it was (see [`super::outlet`]).
    pub(crate) fn done_with(&self, who: u8) {
        if self.done_with.fetch_or(who, SeqCst) | who == TASK | PROGRAM {
            self.out.end();
        }
    }

    // ---- receive accounting ----

    /// The task has queued `n` bytes for the program.
    pub(crate) fn queued_for_program(&self, n: usize) {
        self.unread.fetch_add(n, SeqCst);
    }

    /// Whether the task has to stop reading; the program's [`Conn::taken`] or [`Conn::hold`] wakes it.
    pub(crate) fn must_pause(&self) -> bool {
        let full = || self.held.load(SeqCst) || self.unread.load(SeqCst) >= self.recv_limit();
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

    fn recv_limit(&self) -> usize {
        self.recv_limit as usize
    }

    /// The program wants no more for the moment, or more again.
    pub(crate) fn hold(&self, on: bool) {
        self.held.store(on, SeqCst);
        if !on && self.unread.load(SeqCst) <= self.recv_limit() / 2 && self.paused.swap(false, SeqCst) {
            self.out.wake.notify_one();
        }
    }

    /// The program is done with `n` bytes.
    pub(crate) fn taken(&self, n: usize) {
        let before = self.unread.fetch_sub(n, SeqCst);
        if before - n <= self.recv_limit() / 2 && self.paused.swap(false, SeqCst) {
            self.out.wake.notify_one();
        }
    }

    pub(crate) fn info(&self) -> ConnInfo {
        let (via, peer, path, relay) = match &self.secure {
            Some(secure) => {
                let now = secure.now.lock();
                let relay = now.relay.as_deref().unwrap_or_default().to_owned();
                (now.via, now.peer.to_string(), now.path, relay)
            }
            None => (self.via, self.peer.to_string_lossy().into_owned(), Path::First, String::new()),
        };
        let out = self.out.lock();
        let mut info = ConnInfo {
            via,
            inbound: self.inbound,
            con_id: self.direct().and_then(|direct| direct.con_id),
            peer_key: self.peer_key(),
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
