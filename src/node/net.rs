//! The handle: what a program holds of its node. Every method may be called from any thread.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::actor::{Actor, Command, panic_text};
use super::conn::Conn;
use super::listen::listen;
use super::outlet;
use super::shared::Shared;
use crate::config::{Config, Framing, NetType, NodeType};
use crate::error::{Code, Error, Result};
use crate::event::{ConnInfo, Kind, NetInfo, Stats};
use crate::os;
use crate::proto::line::{self, CRLF, LineError};
use crate::queue::inbox::{Inbox, View};
use crate::queue::{Item, Notice};

/// How far a net's life has come.
enum Life {
    New(UnboundedReceiver<Command>),
    Running(JoinHandle<()>),
    Stopped,
}

/// One node. Dropping it stops the node, bounded in time.
pub struct Net {
    pub(crate) shared: Arc<Shared>,
    commands: UnboundedSender<Command>,
    life: Mutex<Life>,
    inbox: Mutex<Inbox>,
    /// The thread that takes events at the moment, 0 = none.
    taker: AtomicUsize,
}

impl Net {
    /// A node that does nothing yet.
    ///
    /// # Errors
    /// A message that names the option, if two of them contradict each other.
    pub fn new(config: Config) -> Result<Net> {
        if let (Some(wan), NetType::P2p) = (config.wan_ip, config.net_type)
            && (wan.is_unspecified() || wan.is_multicast())
        {
            return Err(Error::new(Code::Invalid, format!("wan_ip is {wan}, which no peer can connect to")));
        }
        let (commands, receiver) = unbounded_channel();
        Ok(Net {
            shared: Arc::new(Shared::new(config)),
            commands,
            life: Mutex::new(Life::New(receiver)),
            inbox: Mutex::new(Inbox::new()),
            taker: AtomicUsize::new(0),
        })
    }

    /// Opens the listening sockets and starts the runtime thread. READY follows as an event.
    ///
    /// # Errors
    /// [`Code::State`] if started before; [`Code::Invalid`] or [`Code::Io`] with the address or interface that failed.
    pub fn start(&self) -> Result<()> {
        let mut life = self.life.lock();
        let Life::New(receiver) = &mut *life else {
            return Err(Error::new(Code::State, "the net was started before; make a new one"));
        };
        let config = &self.shared.config;
        let interface = config
            .interface
            .as_deref()
            .map(os::iface::find)
            .transpose()
            .map_err(|e| Error::new(Code::Invalid, e))?;
        let sockets = listen(config, interface)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|e| Error::io("starting the runtime", &e))?;
        let bound = interface.or(config.passive_bind).filter(|ip| !ip.is_unspecified());
        self.note_addresses(&sockets, bound);
        let listeners = {
            let _inside = runtime.enter();
            let into = |s| tokio::net::TcpListener::from_std(s).map_err(|e| Error::io("listening", &e));
            sockets.into_iter().map(into).collect::<Result<Vec<_>>>()?
        };
        let shared = Arc::clone(&self.shared);
        let (closed_sender, closed) = unbounded_channel();
        drop(closed_sender);
        let commands = std::mem::replace(receiver, closed);
        let thread = std::thread::Builder::new().name("p2pnet".into());
        let running = thread.spawn(move || main(runtime, shared, commands, listeners, bound));
        match running {
            Ok(thread) => {
                *life = Life::Running(thread);
                Ok(())
            }
            Err(e) => {
                *life = Life::Stopped;
                Err(Error::io("starting the node's thread", &e))
            }
        }
    }

    fn note_addresses(&self, sockets: &[std::net::TcpListener], bound: Option<IpAddr>) {
        let mut info = self.shared.info.lock();
        info.passive_port = sockets.iter().find_map(|s| s.local_addr().ok()).map_or(0, |a| a.port());
        // Where a packet to the internet would leave; 192.0.2.1 is nobody's (RFC 5737) and nothing is sent.
        let route = || os::iface::source_towards(std::net::SocketAddr::from(([192, 0, 2, 1], 9)));
        info.lan_ip = bound.or_else(route);
        if info.node_type == NodeType::Unknown {
            // Whether others can reach us is not measured yet; claiming it would put a dead address on the list.
            info.node_type = NodeType::Active;
        }
    }

    fn running(&self) -> Result<()> {
        match &*self.life.lock() {
            Life::Running(_) if !self.shared.queue.has_ended() => Ok(()),
            Life::New(_) => Err(Error::new(Code::State, "the net is not started (p2p_net_start)")),
            _ => Err(Error::new(Code::Closed, "the net is stopped")),
        }
    }

    fn request(&self, command: impl FnOnce(u64) -> Command) -> Result<u64> {
        self.running()?;
        let max = self.shared.config.max_requests;
        let request = self.shared.new_request().map_err(|code| {
            Error::new(
                code,
                format!("{max} requests are under way or not taken by p2p_poll yet (max_requests)"),
            )
        })?;
        if self.commands.send(command(request)).is_err() {
            self.shared.requests.lock().remove(&request);
            return Err(Error::new(Code::Closed, "the net is stopped"));
        }
        Ok(request)
    }

    fn needs_servers(&self, what: &str, allowed: bool) -> Result<()> {
        let config = &self.shared.config;
        if config.net_type == NetType::Direct {
            return Err(Error::new(Code::Unsupported, format!("a direct net does not {what}")));
        }
        if !allowed {
            return Err(Error::new(Code::State, format!("option {what} is switched off")));
        }
        if config.rendezvous().next().is_none() {
            let message =
                format!("cannot {what}: no rendezvous server is configured (p2p_config_add_server)");
            return Err(Error::new(Code::NoServer, message));
        }
        Ok(())
    }

    /// Asks the rendezvous servers for nodes and connects to them; DONE tells how many were named.
    ///
    /// # Errors
    /// [`Code::NoServer`], [`Code::Unsupported`] on a direct net, [`Code::State`], [`Code::Closed`], [`Code::Limit`].
    pub fn bootstrap(&self) -> Result<u64> {
        self.needs_servers("bootstrap", self.shared.config.bootstrap)?;
        self.request(|request| Command::Bootstrap { request })
    }

    /// Registers at the rendezvous servers, so that others find this node; DONE tells when a server has done it.
    ///
    /// # Errors
    /// As [`Net::bootstrap`]; [`Code::State`] also if the node is not passive.
    pub fn advertise(&self) -> Result<u64> {
        self.needs_servers("advertise", self.shared.config.advertise)?;
        if self.shared.config.node_type != NodeType::Passive {
            let message = "only a passive node can be listed: set node_type to P2P_NODE_PASSIVE if others reach this one";
            return Err(Error::new(Code::State, message));
        }
        self.request(|request| Command::Advertise { request })
    }

    /// Connects to `host:port`; DONE tells the outcome, OPENED comes before it.
    ///
    /// # Errors
    /// [`Code::Invalid`] for a malformed address, [`Code::State`], [`Code::Closed`], [`Code::Limit`].
    pub fn connect(&self, host_port: &str) -> Result<u64> {
        crate::config::text::split_host_port(host_port)?;
        self.request(|request| Command::Connect { request, to: host_port.to_owned() })
    }

    /// Gives a request up; its DONE comes with [`Code::Canceled`], unless it had ended before.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such request.
    pub fn cancel(&self, request: u64) -> std::result::Result<(), Code> {
        if !self.shared.requests.lock().contains_key(&request) {
            return Err(Code::NotFound);
        }
        let _ = self.commands.send(Command::Cancel { request });
        Ok(())
    }

    /// Begins to stop, and returns at once. STOPPED is the last event.
    pub fn stop(&self) {
        let mut life = self.life.lock();
        if let Life::New(_) = &*life {
            *life = Life::Stopped;
            self.shared.queue.push(Item::Notice(Box::new(self.shared.queue.notice(Kind::Stopped))));
            self.shared.queue.end();
            return;
        }
        // A net that ended by itself no longer listens; that is as good as stopped.
        let _ = self.commands.send(Command::Stop);
    }

    /// Stops and waits for the runtime thread, at most twice the close time-out and a second. False: it hangs in the
    /// system and was left to itself; it holds nothing of the program.
    pub fn join(&self) -> bool {
        self.stop();
        let thread = match std::mem::replace(&mut *self.life.lock(), Life::Stopped) {
            Life::Running(thread) => thread,
            _ => return true,
        };
        let limit = self.shared.config.close_timeout * 2 + Duration::from_secs(1);
        let finished = self.shared.wait_finished(limit);
        if finished {
            let _ = thread.join();
        }
        finished
    }

    // ---- connections ----

    fn with_conn<T>(
        &self,
        id: u64,
        f: impl FnOnce(&Conn) -> std::result::Result<T, Code>,
    ) -> std::result::Result<T, Code> {
        match self.shared.conns.read().get(&id) {
            Some(conn) => f(conn),
            None => Err(Code::NotFound),
        }
    }

    #[inline]
    fn send_on(&self, conn: u64, a: &[u8], b: &[u8]) -> std::result::Result<(), Code> {
        let net = self.shared.number;
        if let Some(sent) = outlet::send_by_last(net, conn, a, b) {
            return sent;
        }
        self.with_conn(conn, |c| {
            outlet::remember(net, conn, &c.out);
            c.out.send(a, b)
        })
    }

    fn checked<'a>(&self, text: &'a [u8]) -> std::result::Result<&'a [u8], Code> {
        match line::check_outgoing(text, self.shared.config.max_line) {
            Ok(()) => Ok(text),
            Err(LineError::TooLong { .. }) => Err(Code::TooLarge),
            Err(LineError::Empty | LineError::HoldsCrlf { .. }) => Err(Code::Invalid),
        }
    }

    /// Sends one line; CR LF is added.
    ///
    /// # Errors
    /// [`Code::WouldBlock`] (WRITABLE follows), [`Code::TooLarge`], [`Code::Invalid`] (empty, or CR LF inside),
    /// [`Code::Closed`], [`Code::NotFound`], [`Code::Unsupported`] with raw framing.
    pub fn send_line(&self, conn: u64, text: &[u8]) -> std::result::Result<(), Code> {
        if self.shared.config.framing != Framing::Lines {
            return Err(Code::Unsupported);
        }
        let text = self.checked(text)?;
        self.send_on(conn, text, CRLF)
    }

    /// Sends bytes as they are, all or nothing (raw framing).
    ///
    /// # Errors
    /// As [`Net::send_line`]; [`Code::Unsupported`] with line framing.
    pub fn send(&self, conn: u64, data: &[u8]) -> std::result::Result<(), Code> {
        if self.shared.config.framing != Framing::Raw {
            return Err(Code::Unsupported);
        }
        if data.is_empty() {
            return Err(Code::Invalid);
        }
        self.send_on(conn, data, &[])
    }

    /// Sends one line to every open connection but `except` (0 = all). How many took it.
    ///
    /// # Errors
    /// [`Code::WouldBlock`] if some had no room (they did not get it), and what [`Net::send_line`] says of the line.
    pub fn broadcast_line(&self, text: &[u8], except: u64) -> (usize, std::result::Result<(), Code>) {
        if self.shared.config.framing != Framing::Lines {
            return (0, Err(Code::Unsupported));
        }
        let text = match self.checked(text) {
            Ok(text) => text,
            Err(code) => return (0, Err(code)),
        };
        if let Some(dedup) = &self.shared.dedup {
            dedup.lock().record(Instant::now(), text);
        }
        let (mut sent, mut outcome) = (0, Ok(()));
        for conn in self.shared.conns.read().values().filter(|c| c.id != except) {
            match conn.out.send(text, CRLF) {
                Ok(()) => sent += 1,
                Err(Code::WouldBlock) => outcome = Err(Code::WouldBlock),
                Err(_) => {}
            }
        }
        (sent, outcome)
    }

    /// Closes a connection once what is queued is sent; CLOSED follows.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn close(&self, conn: u64) -> std::result::Result<(), Code> {
        self.with_conn(conn, |c| {
            c.close();
            Ok(())
        })
    }

    /// The ids of the open connections, in the order they were opened.
    pub fn conns(&self) -> Vec<u64> {
        let is_open = |c: &&Arc<Conn>| !c.closed.load(Relaxed);
        let mut ids: Vec<u64> = self.shared.conns.read().values().filter(is_open).map(|c| c.id).collect();
        ids.sort_unstable();
        ids
    }

    /// A connection's situation.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn conn_info(&self, conn: u64) -> std::result::Result<ConnInfo, Code> {
        self.with_conn(conn, |c| Ok(c.info()))
    }

    /// The net's situation.
    pub fn info(&self) -> NetInfo {
        self.shared.info.lock().clone()
    }

    /// The net's counters.
    pub fn stats(&self) -> Stats {
        let c = &self.shared.counters;
        let mut stats = Stats {
            lines_in: c.lines_in.get(),
            lines_out: c.lines_out.get(),
            bytes_in: c.bytes_in.get(),
            bytes_out: c.bytes_out.get(),
            duplicates: c.duplicates.get(),
            opened: c.opened.get(),
            closed: c.closed.get(),
            rejected: c.rejected.get(),
            log_dropped: self.shared.queue.log_dropped.load(Relaxed),
            events_queued: self.shared.queue.len(),
        };
        for conn in self.shared.conns.read().values().filter(|c| !c.closed.load(Relaxed)) {
            let out = conn.out.lock();
            stats.lines_out += out.lines;
            stats.bytes_out += out.bytes_written;
            stats.bytes_in += conn.bytes_in.load(Relaxed);
        }
        stats
    }

    // ---- events ----

    /// Takes up to `max` events (0 = what is queued now) and shows each to `show`, until that says false.
    pub(crate) fn take(
        &self,
        max: u32,
        mut show: impl FnMut(&View<'_>) -> bool,
    ) -> std::result::Result<u32, Code> {
        let me = os::thread::current();
        if !self.shared.queue.is_ready() && self.taker.load(Relaxed) != me {
            return Ok(0);
        }
        let Some(mut inbox) = self.inbox.try_lock() else {
            return Err(if self.taker.load(Relaxed) == me { Code::Reentrant } else { Code::Busy });
        };
        let _taking = Taking::new(&self.taker, me);
        let (mut count, mut budget) = (0, if max == 0 { self.shared.queue.len() } else { u64::MAX });
        while max == 0 || count < max {
            let Some(view) = inbox.next(&self.shared, &mut budget) else { break };
            count += 1;
            if !show(&view) {
                break;
            }
        }
        inbox.settle_if_used_up(&self.shared);
        Ok(count)
    }

    /// Whether the calling thread is inside a callback of this net.
    pub(crate) fn in_callback(&self) -> bool {
        self.taker.load(Relaxed) == os::thread::current()
    }

    /// Sleeps until there are events (`Ok(true)`), a wake or the time-out (`Ok(false)`; `None` = no time-out).
    ///
    /// # Errors
    /// [`Code::Closed`] when the net has stopped and every event was taken; [`Code::Reentrant`] in a callback.
    pub fn wait(&self, timeout: Option<Duration>) -> std::result::Result<bool, Code> {
        if self.in_callback() {
            return Err(Code::Reentrant);
        }
        if self.shared.queue.wait(timeout) {
            return Ok(true);
        }
        if self.shared.queue.has_ended() && !self.shared.queue.is_ready() {
            Err(Code::Closed)
        } else {
            Ok(false)
        }
    }

    /// Ends one [`Net::wait`], the current or the next.
    pub fn wake(&self) {
        self.shared.queue.wake();
    }

    /// A descriptor that is readable while events wait; it belongs to the net.
    ///
    /// # Errors
    /// [`Code::Io`] if the system gives none.
    pub fn fd(&self) -> Result<i32> {
        self.shared.queue.fd().map_err(|e| Error::io("making the event descriptor", &e))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        self.join();
    }
}

/// Marks the thread that takes events, also if a callback of Rust unwinds.
struct Taking<'a>(&'a AtomicUsize);

impl<'a> Taking<'a> {
    fn new(taker: &'a AtomicUsize, me: usize) -> Taking<'a> {
        taker.store(me, Relaxed);
        Taking(taker)
    }
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.0.store(0, Relaxed);
    }
}

/// The runtime thread.
fn main(
    runtime: Runtime,
    shared: Arc<Shared>,
    commands: UnboundedReceiver<Command>,
    listeners: Vec<tokio::net::TcpListener>,
    bound: Option<IpAddr>,
) {
    os::thread::block_signals();
    let run = AssertUnwindSafe(|| {
        runtime.block_on(Actor::new(Arc::clone(&shared), commands, listeners, bound).run())
    });
    let ended = std::panic::catch_unwind(run).unwrap_or_else(|panic| Err(panic_text(&*panic)));
    runtime.shutdown_background();
    let why = match ended {
        Ok(()) => Error::new(Code::Canceled, "the net was stopped"),
        Err(what) => Error::new(Code::Panic, format!("internal failure, please report it: {what}")),
    };
    shared.sweep(&why);
    let mut stopped = Notice { ..shared.queue.notice(Kind::Stopped) };
    if why.code == Code::Panic {
        stopped.result = Err(Code::Panic);
        stopped.text = why.message.into_owned();
    }
    shared.queue.push(Item::Notice(Box::new(stopped)));
    shared.queue.end();
    shared.set_finished();
}
