//! Port mapping by itself, for tests that have a router of their own: a thread with a runtime around
//! the library's port mapping, and what it reports as plain values.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Gateway, Happening, Mapped, Order, Ports, Transport, Wish, run};
pub use crate::proto::portmap::Protocol;

/// When nothing is reported for so long, nothing will be.
const HUNG: Duration = Duration::from_secs(60);

/// All protocols: the `P2P_FWD_*` bits of [`Options::protocols`].
pub const ALL: u32 = super::FWD_UPNP | super::FWD_NATPMP | super::FWD_PCP;
/// UPnP alone.
pub const UPNP: u32 = super::FWD_UPNP;
/// NAT-PMP alone.
pub const NATPMP: u32 = super::FWD_NATPMP;
/// PCP alone.
pub const PCP: u32 = super::FWD_PCP;

/// What to map.
#[derive(Clone, Debug)]
pub struct Options {
    /// Each gateway, its scope (the interface's number, for a link-local IPv6 address; else 0) and our
    /// address there.
    pub gateways: Vec<(IpAddr, u32, IpAddr)>,
    /// Our TCP port.
    pub port: u16,
    /// Which protocols may be tried, as `P2P_FWD_*` bits.
    pub protocols: u32,
    /// How long a mapping is asked for.
    pub lease: Duration,
    /// Where the journal lies.
    pub state_dir: Option<PathBuf>,
}

impl Options {
    /// One gateway, all protocols, an hour, no journal.
    pub fn new(gateway: impl Into<IpAddr>, local: impl Into<IpAddr>, port: u16) -> Options {
        let (gateways, lease) = (vec![(gateway.into(), 0, local.into())], Duration::from_secs(3600));
        Options { gateways, port, protocols: ALL, lease, state_dir: None }
    }
}

/// A mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// What made it.
    pub protocol: Protocol,
    /// On which gateway.
    pub gateway: IpAddr,
    /// Our end.
    pub internal: SocketAddr,
    /// The address outside, if the gateway knows it.
    pub external_ip: Option<IpAddr>,
    /// The port outside.
    pub external_port: u16,
    /// How long; zero is without an end.
    pub lease: Duration,
    /// A hole in an IPv6 firewall.
    pub pinhole: bool,
}

impl From<Mapped> for Mapping {
    fn from(mapped: Mapped) -> Mapping {
        let Mapped { protocol, gateway, internal, external_ip, external_port, lease, pinhole } = mapped;
        Mapping { protocol, gateway, internal, external_ip, external_port, lease, pinhole }
    }
}

/// What was reported.
#[derive(Clone, Debug)]
pub enum Heard {
    /// There is a mapping.
    Mapped(Mapping),
    /// It has another external address or port.
    Moved(Mapping),
    /// It is gone, and why.
    Lost(String),
    /// No way worked; each with its reason.
    Failed(Vec<String>),
    /// Taken down; the last report.
    Removed,
}

/// A running port mapping. Dropped without [`PortMapper::stop`] it ends as in a crash: the router is told
/// nothing.
pub struct PortMapper {
    orders: UnboundedSender<Order>,
    heard: Receiver<Heard>,
    crash: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Attempts and notes, as text.
    told: Receiver<String>,
}

impl PortMapper {
    /// Starts it. The thread is started from the calling one, so it is in the same network namespace.
    ///
    /// # Errors
    /// The system's, if there is no thread or no runtime to be had.
    pub fn start(options: Options) -> std::io::Result<PortMapper> {
        let gateways = options.gateways.into_iter().map(|(ip, scope, local)| Gateway { ip, scope, local });
        let wish = Wish {
            port: options.port,
            transport: Transport::Tcp,
            protocols: options.protocols,
            lease: options.lease,
            gateways: gateways.collect(),
            description: format!("p2pnet {}", options.port),
            state_dir: options.state_dir,
            limit: Duration::from_secs(3),
            ports: Ports::default(),
        };
        let ((orders, taken), (teller, heard), (noter, told)) = (unbounded_channel(), channel(), channel());
        let (crash, crashed) = tokio::sync::oneshot::channel::<()>();
        let report = move |happening| {
            let heard = match happening {
                Happening::Mapped(mapped) => Heard::Mapped(mapped.into()),
                Happening::Moved(mapped) => Heard::Moved(mapped.into()),
                Happening::Lost { why, .. } => Heard::Lost(why),
                Happening::Failed { attempts } => {
                    Heard::Failed(attempts.iter().map(ToString::to_string).collect())
                }
                Happening::Tried(attempt) => return drop(noter.send(attempt.to_string())),
                Happening::Note(note) => return drop(noter.send(note)),
                Happening::Removed => Heard::Removed,
            };
            // Nobody listens any more after a crash.
            let _ = teller.send(heard);
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("p2pnet-portmap".into()).spawn(move || {
            runtime.block_on(async {
                let task = tokio::spawn(run(wish, taken, report));
                let stopper = task.abort_handle();
                tokio::spawn(async move {
                    if crashed.await.is_ok() {
                        stopper.abort();
                    }
                });
                let _ = task.await;
            });
        })?;
        Ok(PortMapper { orders, heard, crash: Some(crash), thread: Some(thread), told })
    }

    /// The next report.
    ///
    /// # Panics
    /// If there is none for a minute, or it has ended.
    pub fn next(&self) -> Heard {
        match self.heard.recv_timeout(HUNG) {
            Ok(heard) => heard,
            Err(RecvTimeoutError::Timeout) => panic!("hung; told so far: {:?}", self.told()),
            Err(RecvTimeoutError::Disconnected) => panic!("it has ended; told so far: {:?}", self.told()),
        }
    }

    /// The mapping that is reported next.
    ///
    /// # Panics
    /// If something else is reported, or nothing.
    pub fn mapped(&self) -> Mapping {
        match self.next() {
            Heard::Mapped(mapping) => mapping,
            other => panic!("{other:?}; told so far: {:?}", self.told()),
        }
    }

    /// Attempts and notes since the last call, as a person reads them.
    pub fn told(&self) -> Vec<String> {
        self.told.try_iter().collect()
    }

    /// Seen from outside, the mapping does not work.
    pub fn dead(&self) {
        let _ = self.orders.send(Order::Dead { pinhole: false });
    }

    /// Takes the mappings down and ends. Gives the attempts and notes since [`PortMapper::told`].
    ///
    /// # Panics
    /// If it does not end, or reports something else last.
    pub fn stop(mut self) -> Vec<String> {
        let _ = self.orders.send(Order::Remove);
        while !matches!(self.next(), Heard::Removed) {}
        self.join();
        self.told()
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for PortMapper {
    fn drop(&mut self) {
        if let Some(crash) = self.crash.take() {
            let _ = crash.send(());
        }
        self.join();
    }
}
