//! Opening our port on the router: PCP, NAT-PMP and UPnP, tried at once on every gateway, kept alive, taken
//! down again.
//!
//! [`run`] is the whole of it: a task that is told what is wished ([`Wish`]) and takes orders ([`Order`]),
//! and reports what happens ([`Happening`]). It decides by the rules of [`crate::proto::portmap`].
//!
//! ```text
//!   run ─ keeper ── one seat for IPv4, one for IPv6: pause ▶ race ▶ hold ▶ …
//!            │ starts tasks, gets notes
//!            ├─ race     every way at once; who may change the router, and when
//!            ├─ way      a mapping: make, renew, look after, remove
//!            │    ├─ pcp, natpmp   datagrams (udp) from the interface's own address
//!            │    └─ upnp          igd-next on threads that can be left behind (threads)
//!            ├─ unheard  what routers were asked to change, and have not answered
//!            └─ journal  what we have mapped, for the time after a crash
//! ```
//!
//! No wait here is without a limit, and nothing blocks the runtime thread: files and HTTP have threads of
//! their own.

mod journal;
mod keeper;
mod natpmp;
mod pcp;
mod race;
#[cfg(all(feature = "server", feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod threads;
mod udp;
mod unheard;
#[cfg(feature = "upnp")]
mod upnp;
mod way;

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use crate::proto::portmap::{GATEWAY_PORT, ssdp};
pub(crate) use crate::proto::portmap::{Protocol, Transport};

/// A router, and our address on its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gateway {
    pub(crate) ip: IpAddr,
    /// The interface's number, for a link-local IPv6 address; else 0.
    pub(crate) scope: u32,
    /// The address from which it is asked and to which it shall forward: ours, of the same family, for IPv6 a
    /// global one.
    pub(crate) local: IpAddr,
}

impl Gateway {
    /// Where a service of the gateway is.
    pub(crate) fn service(&self, port: u16) -> SocketAddr {
        socket_addr(self.ip, port, self.scope)
    }

    /// One of our ports, as the gateway's network sees it.
    pub(crate) fn ours(&self, port: u16) -> SocketAddr {
        socket_addr(self.local, port, self.scope)
    }
}

/// Puts the scope where it belongs and nowhere else.
fn socket_addr(ip: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, scope).into(),
        ip => SocketAddr::new(ip, port),
    }
}

/// What is to be mapped, and how.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// Our port; the same is wanted outside.
    pub(crate) port: u16,
    pub(crate) transport: Transport,
    /// `P2P_FWD_*` bits: [`FWD_UPNP`], [`FWD_NATPMP`], [`FWD_PCP`].
    pub(crate) protocols: u32,
    /// How long a mapping is asked for; renewed at half of it.
    pub(crate) lease: Duration,
    pub(crate) gateways: Vec<Gateway>,
    /// What UPnP routers show in their tables.
    pub(crate) description: String,
    /// Where the journal lies; without it a crash leaves the mapping to its lease.
    pub(crate) state_dir: Option<PathBuf>,
    /// Until the first outcome is reported.
    pub(crate) limit: Duration,
    pub(crate) ports: Ports,
}

pub(crate) const FWD_UPNP: u32 = 2;
pub(crate) const FWD_NATPMP: u32 = 4;
pub(crate) const FWD_PCP: u32 = 8;

/// Where gateways are asked; other ports only in tests, whose routers stand on loopback.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "upnp"), allow(dead_code, reason = "UPnP's part of it"))]
pub(crate) struct Ports {
    pub(crate) gateway: u16,
    pub(crate) ssdp: u16,
    /// Whether UPnP routers are searched by multicast, besides asking the gateway itself.
    pub(crate) multicast: bool,
}

impl Default for Ports {
    fn default() -> Ports {
        Ports { gateway: GATEWAY_PORT, ssdp: ssdp::PORT, multicast: true }
    }
}

/// What the caller wants done.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// The network has changed and these are the gateways now. Mappings on gateways that are gone are
    /// dropped, others renewed at once.
    Gateways(Vec<Gateway>),
    /// Seen from outside the mapping does not work: remove it and make it again, the second time in another
    /// way.
    Dead {
        /// The IPv6 pinhole, not the IPv4 mapping.
        pinhole: bool,
    },
    /// Remove what is ours and end, within about a second.
    Remove,
}

/// What has happened.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// There is a mapping now.
    Mapped(Mapped),
    /// The mapping has another external address or port now.
    Moved(Mapped),
    /// The mapping is gone; a new one is being tried for.
    Lost { pinhole: bool, why: String },
    /// No way worked. It goes on in the background, more and more rarely; this is not repeated.
    Failed { attempts: Vec<Attempt> },
    /// One way was tried, with this result. Every attempt is reported, also those of a successful race.
    Tried(Attempt),
    /// For the log.
    Note(String),
    /// After [`Order::Remove`], the last report.
    Removed,
}

/// A mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    pub(crate) protocol: Protocol,
    pub(crate) gateway: IpAddr,
    pub(crate) internal: SocketAddr,
    /// As the gateway says, whatever it is; a private one means another NAT further out. `None`: it does not
    /// know.
    pub(crate) external_ip: Option<IpAddr>,
    pub(crate) external_port: u16,
    /// Zero: without an end.
    pub(crate) lease: Duration,
    /// A hole in an IPv6 firewall instead of a translation.
    pub(crate) pinhole: bool,
}

/// One way that was tried, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) protocol: Protocol,
    pub(crate) gateway: IpAddr,
    /// What was mapped, or why not.
    pub(crate) outcome: Result<String, String>,
    pub(crate) took: Duration,
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match &self.outcome {
            Ok(text) | Err(text) => text,
        };
        write!(f, "{} to {}: {text} ({} ms)", self.protocol, self.gateway, self.took.as_millis())
    }
}

/// What all parts share.
#[cfg_attr(not(feature = "upnp"), allow(dead_code, reason = "UPnP's part of it"))]
struct Context {
    port: u16,
    transport: Transport,
    lease: Duration,
    description: String,
    limit: Duration,
    ports: Ports,
    threads: threads::Threads,
    journal: journal::Journal,
    unheard: unheard::Unheard,
}

/// Maps the port and keeps it mapped until [`Order::Remove`] or until the other end of `orders` is dropped.
///
/// Runs on the runtime thread; `report` is called there, too.
pub(crate) async fn run(
    wish: Wish,
    orders: UnboundedReceiver<Order>,
    report: impl Fn(Happening) + Send + 'static,
) {
    keeper::Keeper::new(wish, orders, report).run().await;
}

/// The time as the rules want it and as tokio's timers (which tests can stop) have it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A text from outside, for a report: one line, not long.
#[cfg(feature = "upnp")]
fn one_line(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = clean.take(200).collect();
    if text.chars().nth(200).is_some() {
        line.push('…');
    }
    line
}
