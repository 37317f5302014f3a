//! A connection as any thread sees it: send, close, look at it. The task that owns its socket is in [`super::link`].

use std::ffi::CString;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::outlet::Outlet;
use crate::config::Config;
use crate::event::{ConnInfo, Via};
use crate::proto::conn_id::{ConnId, Nonce};
use crate::proto::handshake::{Opener, Sealer, Transport};
use crate::proto::identity::PublicKey;

/// One open connection.
pub(crate) struct Conn {
    pub(crate) id: u64,
    pub(crate) via: Via,
    /// Who is at the other end, in the secure dialect.
    pub(crate) peer_key: Option<PublicKey>,
    /// What decrypts what arrives, until the connection's task takes it.
    opening: Mutex<Option<Box<Opening>>>,
    /// Whether the peer opened it.
    pub(crate) inbound: bool,
    /// What its connector has sent before the first line (classic direct nets).
    pub(crate) nonce: Option<Nonce>,
    /// What both ends call it (classic direct nets).
    pub(crate) con_id: Option<ConnId>,
    /// `ip:port` as C reads it.
    pub(crate) peer: CString,
    pub(crate) stream: Arc<TcpStream>,
    pub(crate) out: Arc<Outlet>,
    /// Received bytes that are in the queue or in the program's hands.
    unread: AtomicUsize,
    /// The task has stopped reading and waits for `unread` to fall.
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
}

/// What the receiving half of a link in the secure dialect begins with.
pub(crate) struct Opening {
    pub(crate) opener: Opener,
    /// The beginning of a frame that was read already.
    pub(crate) rest: Vec<u8>,
}

impl Conn {
    /// A connection without encryption.
    pub(crate) fn new(id: u64, via: Via, peer: SocketAddr, stream: TcpStream, config: &Config) -> Conn {
        Conn::with(id, via, peer, stream, config, None, None)
    }

    /// A connection to the node `key`, encrypted.
    pub(crate) fn secure(
        (id, via, inbound, peer): (u64, Via, bool, SocketAddr),
        stream: TcpStream,
        config: &Config,
        key: PublicKey,
        transport: Transport,
        rest: Vec<u8>,
    ) -> Conn {
        let Transport { sealer, opener, .. } = transport;
        let mut conn = Conn::with(id, via, peer, stream, config, Some(key), Some(sealer));
        conn.inbound = inbound;
        *conn.opening.lock() = Some(Box::new(Opening { opener, rest }));
        conn
    }

    fn with(
        id: u64,
        via: Via,
        peer: SocketAddr,
        stream: TcpStream,
        config: &Config,
        peer_key: Option<PublicKey>,
        sealer: Option<Sealer>,
    ) -> Conn {
        let stream = Arc::new(stream);
        Conn {
            id,
            via,
            peer_key,
            opening: Mutex::default(),
            inbound: via == Via::Accept,
            nonce: None,
            con_id: None,
            peer: CString::new(peer.to_string()).unwrap_or_default(),
            out: Arc::new(Outlet::new(Arc::clone(&stream), config.send_buffer, sealer)),
            stream,
            unread: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            recv_limit: config.recv_buffer,
            bytes_in: AtomicU64::new(0),
            opened: Instant::now(),
            user: AtomicPtr::default(),
            closed: AtomicBool::new(false),
            closed_for: OnceLock::new(),
        }
    }

    /// What decrypts what arrives, once.
    pub(crate) fn take_opening(&self) -> Option<Box<Opening>> {
        self.opening.lock().take()
    }

    /// Closes once everything queued is written.
    pub(crate) fn close(&self) {
        self.out.lock().close();
        self.out.wake.notify_one();
    }

    /// No more data either way; whoever waits on the socket sees its end.
    pub(crate) fn shut(&self) {
        let _ = socket2::SockRef::from(&*self.stream).shutdown(Shutdown::Both);
    }

    // ---- receive accounting ----

    /// The task has queued `n` bytes for the program.
    pub(crate) fn queued_for_program(&self, n: usize) {
        self.unread.fetch_add(n, SeqCst);
    }

    /// Whether the task has to stop reading; the program's [`Conn::taken`] wakes it.
    pub(crate) fn must_pause(&self) -> bool {
        if self.unread.load(SeqCst) < self.recv_limit {
            return false;
        }
        self.paused.store(true, SeqCst);
        // The program may have taken everything between the two looks.
        if self.unread.load(SeqCst) < self.recv_limit {
            self.paused.store(false, SeqCst);
            return false;
        }
        true
    }

    /// The program is done with `n` bytes.
    pub(crate) fn taken(&self, n: usize) {
        let before = self.unread.fetch_sub(n, SeqCst);
        if before - n <= self.recv_limit / 2 && self.paused.swap(false, SeqCst) {
            self.out.wake.notify_one();
        }
    }

    pub(crate) fn info(&self) -> ConnInfo {
        let out = self.out.lock();
        ConnInfo {
            via: self.via,
            inbound: self.inbound,
            con_id: self.con_id,
            peer_key: self.peer_key,
            peer: self.peer.to_string_lossy().into_owned(),
            queued_bytes: out.queued() as u64,
            unread_bytes: self.unread.load(Relaxed) as u64,
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: out.bytes_written,
            age_ms: self.opened.elapsed().as_millis() as u64,
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.out.end();
    }
}
