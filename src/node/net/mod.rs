//! The handle: what a program holds of its node. Every method may be called from any thread.
//!
//! Here is the life of a node and the thread it lives on; [`conns`] is about connections, [`events`] about what comes back,
//! [`look`] about its state, [`unl`] about locators.

mod conns;
mod dht;
mod events;
mod look;
mod unl;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::{Config, Dialect, NetType, NodeType, ServerKind};
use crate::error::{Code, Error, Result};
use crate::event::Kind;
use crate::node::actor::{Actor, Command, Target};
use crate::node::lease;
use crate::node::listen::listen;
use crate::node::shared::Shared;
use crate::os;
use crate::queue::inbox::Inbox;
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
    /// [`Code::Invalid`] if two options contradict each other, [`Code::Unsupported`] for one that this build has no use for.
    pub fn new(config: Config) -> Result<Net> {
        if config.volunteer.is_on() && config.dialect != Dialect::Secure {
            let message = "to relay for a network (option relay_sessions) is the secure dialect's, and this net speaks the \
                           classic one (option dialect)";
            return Err(Error::new(Code::Invalid, message));
        }
        if config.volunteer.is_on() && !cfg!(feature = "relay") {
            let message = "relay_sessions: this build does not relay (cargo feature \"relay\")";
            return Err(Error::new(Code::Unsupported, message));
        }
        if config.own_dht.is_some() && config.servers_of(ServerKind::Dht).next().is_some() {
            let message = "p2p_config_set_dht and P2P_SERVER_DHT exclude each other: messages are carried by one of them";
            return Err(Error::new(Code::Invalid, message));
        }
        if config.dialect != Dialect::Secure && config.servers_of(ServerKind::Mainline).next().is_some() {
            let message = "BitTorrent's DHT (P2P_SERVER_MAINLINE) is the secure dialect's, and this net speaks the classic \
                           one (P2P_OPT_DIALECT)";
            return Err(Error::new(Code::Invalid, message));
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
        if config.dialect == Dialect::Secure {
            // Early: a key file that cannot be read is the program's to mend.
            self.shared.identity()?;
        }
        let sockets = listen(config, interface)?;
        if let Some(socket) = sockets.first() {
            os::limits::make_room_for_files(socket, config.max_inbound.saturating_add(config.max_outbound));
        }
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
        // Handed over once the thread is there: if there is none, the start can be tried again.
        let (hand_over, take) = std::sync::mpsc::sync_channel(1);
        // std's default, said here: std would look for RUST_MIN_STACK in the environment.
        let thread = std::thread::Builder::new().name("p2pnet".into()).stack_size(2 << 20);
        let body = move || {
            if let Ok((runtime, commands, listeners)) = take.recv() {
                main(runtime, shared, commands, listeners, bound);
            }
        };
        let thread = os::thread::with_signals_blocked(|| thread.spawn(body))
            .map_err(|e| Error::io("starting the node's thread", &e))?;
        let commands = std::mem::replace(receiver, unbounded_channel().1);
        let _ = hand_over.send((runtime, commands, listeners));
        *life = Life::Running(thread);
        Ok(())
    }

    fn note_addresses(&self, sockets: &[std::net::TcpListener], bound: Option<IpAddr>) {
        let mut info = self.shared.info.lock();
        info.passive_port = sockets.iter().find_map(|s| s.local_addr().ok()).map_or(0, |a| a.port());
        info.lan_ip = bound.or_else(os::iface::lan_ip);
    }

    fn running(&self) -> Result<()> {
        match &*self.life.lock() {
            Life::Running(_) if !self.shared.queue.has_ended() => Ok(()),
            Life::New(_) => Err(Error::new(Code::State, "the net is not started (p2p_net_start)")),
            _ => Err(Error::new(Code::Closed, "the net is stopped")),
        }
    }

    /// Tells the actor. False: it is no more.
    fn command(&self, command: Command) -> bool {
        let told = self.commands.send(command).is_ok();
        // At this moment there may be nobody to drive it.
        self.shared.lease.press();
        told
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
        if !self.command(command(request)) {
            let mut requests = self.shared.requests.lock();
            // Unless the stop has met it already: then its DONE is on its way.
            if requests.get(&request) == Some(&false) {
                requests.remove(&request);
                return Err(Error::new(Code::Closed, "the net is stopped"));
            }
        }
        Ok(request)
    }

    /// `otherwise`: it can be done without a rendezvous server.
    fn needs_servers(&self, what: &str, allowed: bool, otherwise: bool) -> Result<()> {
        let config = &self.shared.config;
        if config.net_type == NetType::Direct {
            return Err(Error::new(Code::Unsupported, format!("a direct net does not {what}")));
        }
        if !allowed {
            return Err(Error::new(Code::State, format!("option {what} is switched off")));
        }
        if config.rendezvous().next().is_none() && !otherwise {
            let message =
                format!("cannot {what}: no rendezvous server is configured (p2p_config_add_server)");
            return Err(Error::new(Code::NoServer, message));
        }
        Ok(())
    }

    /// Asks the rendezvous servers for nodes and connects to them; DONE tells how many were named. If there is no server, or none
    /// names any, BitTorrent's DHT is asked, if the net uses it.
    ///
    /// # Errors
    /// [`Code::NoServer`], [`Code::Unsupported`] on a direct net, [`Code::State`], [`Code::Closed`], [`Code::Limit`].
    pub fn bootstrap(&self) -> Result<u64> {
        let config = &self.shared.config;
        self.needs_servers("bootstrap", config.bootstrap, config.uses_mainline())?;
        self.request(|request| Command::Bootstrap { request })
    }

    /// Registers at the rendezvous servers, so that others find this node; DONE tells when a server has done it. Without a
    /// server: when BitTorrent's DHT has our address, if the net announces it there.
    ///
    /// # Errors
    /// As [`Net::bootstrap`]; [`Code::State`] also if the program has set a node type that is not passive. If it is to be
    /// found out, DONE waits for that, and tells [`Code::State`] if the node turns out not to be.
    pub fn advertise(&self) -> Result<u64> {
        let config = &self.shared.config;
        self.needs_servers("advertise", config.advertise, config.announces())?;
        if matches!(config.node_type, NodeType::Active | NodeType::Simultaneous) {
            let message = "only a passive node can be listed: set node_type to P2P_NODE_PASSIVE if others reach this one, or \
                           to P2P_NODE_UNKNOWN to find out";
            return Err(Error::new(Code::State, message));
        }
        self.request(|request| Command::Advertise { request })
    }

    /// Says that the machine's network is another one now: everything about it is found out anew.
    ///
    /// # Errors
    /// [`Code::State`] before the start, [`Code::Closed`] after the end.
    pub fn network_changed(&self) -> Result<()> {
        self.running()?;
        // One word is enough, however often it is said before the actor hears it.
        if !self.shared.change_waits.swap(true, SeqCst) {
            self.command(Command::NetworkChanged);
        }
        Ok(())
    }

    /// Connects to `host:port`; DONE tells the outcome, OPENED comes before it.
    ///
    /// # Errors
    /// [`Code::Invalid`] for a malformed address, [`Code::State`], [`Code::Closed`], [`Code::Limit`].
    pub fn connect(&self, host_port: &str) -> Result<u64> {
        crate::config::text::split_host_port(host_port)?;
        self.request(|request| Command::Connect { request, to: Target::new(host_port) })
    }

    /// Gives a request up; its DONE comes with [`Code::Canceled`], unless it had ended before.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such request.
    pub fn cancel(&self, request: u64) -> std::result::Result<(), Code> {
        if !self.shared.requests.lock().contains_key(&request) {
            return Err(Code::NotFound);
        }
        self.command(Command::Cancel { request });
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
        self.command(Command::Stop);
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
}

impl Drop for Net {
    fn drop(&mut self) {
        self.join();
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
    let actor = Actor::new(Arc::clone(&shared), commands, listeners, bound);
    let ended = lease::keep(runtime, &shared, actor.run());
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
