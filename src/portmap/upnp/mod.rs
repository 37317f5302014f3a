//! UPnP: igd-next reads the router's description and speaks SOAP; what it leaves open is done around it.
//!
//! * The search is ours ([`search`]): repeated, from the interface's own address, the gateway asked directly
//!   as well, and only the gateway's own answer counts. igd-next sends each question once and takes the first
//!   device that answers.
//! * The order of attempts is ours ([`table`]): same port first, leases and ports by the ladder, and a look
//!   at the router's table first, so that another host's mapping is neither overwritten nor removed.
//!
//! All of it blocks, so it runs on threads that can be left behind; a mapping that comes after its limit is
//! undone there.

mod search;
mod table;

pub(super) use search::Found;

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::way::{Grant, News, Trouble, seconds};
use super::{Context, Gateway, Ports, now};
use crate::proto::portmap::Transport;
use crate::proto::portmap::journal::{Control, Key};
use crate::proto::portmap::ladder::Ask;
use crate::proto::portmap::ssdp::{Location, parse_url};

/// How much later than the search on IPv4 the one on IPv6 starts.
const AFTER_IPV4: Duration = Duration::from_millis(500);

/// A pinhole's lease may be this long at most.
const LONGEST_PINHOLE: u32 = 86_400;

/// What is needed to renew and remove a UPnP mapping.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// A port mapping.
    Port { gateway: igd_next::Gateway, lease: u32, claim: Claim },
    /// A hole in the IPv6 firewall.
    Pinhole { firewall: igd_next::Ipv6FirewallGateway, id: u16, lease: u32 },
}

/// Whose a port mapping is, which decides about its removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Ours: it goes, unless the table shows another host in its place.
    Ours,
    /// The journal has it from a node that crashed, perhaps before the router took it: it goes only if the
    /// table shows it as ours.
    LeftBehind,
    /// It was there before us, made by somebody else for our port: used, but never changed.
    Borrowed,
}

/// What the threads need to know; nothing of the net.
#[derive(Clone, Debug)]
pub(super) struct Job {
    gateway: Gateway,
    ports: Ports,
    internal: SocketAddr,
    transport: Transport,
    lease: u32,
    description: String,
    until: Instant,
}

impl Job {
    fn new(ctx: &Context, gateway: &Gateway, limit: Duration) -> Job {
        // Some routers refuse or cut long descriptions, and all of it goes into XML.
        let plain = ctx.description.chars().filter(char::is_ascii_graphic).take(32);
        Job {
            gateway: *gateway,
            ports: ctx.ports,
            internal: gateway.ours(ctx.port),
            transport: ctx.transport,
            lease: seconds(ctx.lease),
            description: plain.collect(),
            // The threads' clock, not the timers' one; a little early, so that the reason is told in time.
            until: Instant::now() + limit.mul_f64(0.95),
        }
    }

    fn protocol(&self) -> igd_next::PortMappingProtocol {
        igd_protocol(self.transport)
    }

    fn time_is_up(&self, wanted: &dyn Fn() -> bool) -> bool {
        !wanted() || Instant::now() >= self.until
    }
}

fn igd_protocol(transport: Transport) -> igd_next::PortMappingProtocol {
    match transport {
        Transport::Tcp => igd_next::PortMappingProtocol::TCP,
        Transport::Udp => igd_next::PortMappingProtocol::UDP,
    }
}

fn no_thread<T>() -> Result<T, String> {
    Err("no thread could be started, or it failed".into())
}

/// Finds the router and reads its description; changes nothing.
pub(super) async fn find(ctx: &Context, gateway: &Gateway, limit: Duration) -> Result<(Job, Found), String> {
    let job = Job::new(ctx, gateway, limit);
    if gateway.ip.is_ipv6() {
        // Some routers mix up the answers to an IPv4 and an IPv6 search that come at the same time.
        tokio::time::sleep(AFTER_IPV4).await;
    }
    let find = job.clone();
    let found = ctx.threads.slow(move |wanted| search::find(&find, wanted), drop).await;
    Ok((job, found.unwrap_or_else(no_thread)?))
}

/// Asks the router that was found for the port.
pub(super) async fn map(ctx: &Context, job: Job, found: Found) -> Result<(Held, Grant), String> {
    let asked = now();
    let internal = job.internal;
    let transport = job.transport;
    let make = move |wanted: &dyn Fn() -> bool| match found {
        Found::Router(router) => table::add(&job, *router, None, wanted),
        Found::Firewall(firewall) => table::open(&job, *firewall),
    };
    let undo = move |made: Result<(Held, Made), String>| {
        if let Ok((held, made)) = made {
            let _ = table::remove(&held, transport, internal, made.external_port);
        }
    };
    let (held, made) = ctx.threads.slow(make, undo).await.unwrap_or_else(no_thread)?;
    Ok((held, made.grant(asked)))
}

/// What a thread brings back.
#[derive(Clone, Copy, Debug)]
struct Made {
    external_ip: Option<IpAddr>,
    external_port: u16,
    lease: u32,
}

impl Made {
    fn grant(self, asked: Instant) -> Grant {
        let Made { external_ip, external_port, lease } = self;
        Grant { external_ip, external_port, lease: Duration::from_secs(lease.into()), asked, epoch: None }
    }
}

/// Renews a mapping. If the router is not where it was (many choose another port for HTTP at each start), it
/// is searched for again.
pub(super) async fn renew(
    ctx: &Context,
    gateway: &Gateway,
    held: &Held,
    have: &Grant,
    limit: Duration,
) -> Result<(Held, Grant), Trouble> {
    let (job, asked, held) = (Job::new(ctx, gateway, limit), now(), held.clone());
    let before = Made { external_ip: have.external_ip, external_port: have.external_port, lease: job.lease };
    let (transport, internal) = (job.transport, job.internal);
    let work = move |wanted: &dyn Fn() -> bool| table::renew(&job, held, before, wanted);
    let undo = move |renewed: Result<(Held, Made), Trouble>| {
        // Whoever asked has given the mapping up meanwhile.
        if let Ok((held, made)) = renewed {
            let _ = table::remove(&held, transport, internal, made.external_port);
        }
    };
    let gave_up = |why: &str| Trouble { why: why.into(), gone: false };
    match timeout(limit, ctx.threads.slow(work, undo)).await {
        Ok(Some(renewed)) => renewed.map(|(held, made)| (held, made.grant(asked))),
        Ok(None) => Err(gave_up("no thread could be started")),
        Err(_) => Err(gave_up("the router did not answer in time")),
    }
}

/// The router's address.
pub(super) async fn look(ctx: &Context, held: &Held, limit: Duration) -> Result<News, String> {
    let Held::Port { gateway, .. } = held.clone() else { return Ok(News::default()) };
    let work = ctx.threads.slow(move |_| table::external_ip(&gateway), drop);
    match timeout(limit, work).await {
        Ok(Some(external_ip)) => Ok(News { external_ip, epoch: None }),
        _ => Err("the router did not answer in time".into()),
    }
}

/// Removes a mapping, if the router's table still shows it as ours.
pub(super) async fn remove(
    ctx: &Context,
    held: &Held,
    internal: SocketAddr,
    external_port: u16,
    limit: Duration,
) -> Result<(), String> {
    let (held, transport) = (held.clone(), ctx.transport);
    let work = ctx.threads.slow(move |_| table::remove(&held, transport, internal, external_port), drop);
    match timeout(limit, work).await {
        Ok(done) => done.unwrap_or_else(no_thread),
        Err(_) => Err("the router did not answer in time".into()),
    }
}

impl Held {
    /// What the journal keeps of it; `None` for what is not ours to remove.
    pub(super) fn key(&self) -> Option<Key> {
        match self {
            Held::Port { claim: Claim::Borrowed, .. } => None,
            Held::Port { gateway, .. } => {
                let at = location(gateway.addr, &gateway.control_url)?;
                Some(Key::Upnp(Control { at, service: gateway.service_type.clone() }))
            }
            Held::Pinhole { firewall, id, .. } => {
                let at = location(firewall.addr, &firewall.control_url)?;
                Some(Key::Pinhole(Control { at, service: FIREWALL.into() }, *id))
            }
        }
    }

    /// From the journal: enough to remove it.
    pub(super) fn from_key(key: &Key) -> Option<Held> {
        match key {
            Key::Upnp(Control { at, service }) => {
                let gateway = igd_next::Gateway {
                    addr: at.addr,
                    root_url: "/".into(),
                    control_url: at.path.clone(),
                    control_schema_url: "/".into(),
                    control_schema: table::removal_schema(),
                    service_type: service.clone(),
                    ipv6_firewall_control_url: None,
                };
                Some(Held::Port { gateway, lease: 0, claim: Claim::LeftBehind })
            }
            Key::Pinhole(Control { at, .. }, id) => {
                let control_url = at.path.clone();
                let firewall =
                    igd_next::Ipv6FirewallGateway { addr: at.addr, root_url: "/".into(), control_url };
                Some(Held::Pinhole { firewall, id: *id, lease: 0 })
            }
            Key::Pcp(_) | Key::NatPmp => None,
        }
    }
}

const FIREWALL: &str = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1";

/// igd-next keeps a path, or a whole URL if the service is on another port.
fn location(addr: SocketAddr, control_url: &str) -> Option<Location> {
    if control_url.starts_with('/') {
        // Through the parser, so that what it would not take is not written.
        let url = Location { addr, path: control_url.to_owned() }.to_string();
        parse_url(&url, addr)
    } else {
        parse_url(control_url, addr)
    }
}

/// The IPv6 address to open a hole for.
fn inside(internal: SocketAddr) -> Result<SocketAddrV6, String> {
    match internal {
        SocketAddr::V6(v6) => Ok(v6),
        SocketAddr::V4(_) => Err("a hole in an IPv6 firewall needs an IPv6 address".into()),
    }
}

/// A pinhole's lease.
fn pinhole_lease(lease: u32) -> u32 {
    lease.clamp(1, LONGEST_PINHOLE)
}

/// What is asked of the table, as a result.
fn made(ask: Ask, external_ip: Option<IpAddr>) -> Made {
    Made { external_ip, external_port: ask.external_port, lease: ask.lease }
}
