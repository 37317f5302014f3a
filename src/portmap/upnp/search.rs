//! Finding the router: our own SSDP search, then igd-next for the description.
//!
//! igd-next has no way to be given a location, only to search for one. So its search is sent to a socket of
//! ours on this machine, which answers with the location that our search has found. igd-next then fetches the
//! description with its own checks: the control URLs have to be on the same address, 1 MiB and 64 levels of
//! XML are the limit, no redirects.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::{Claim, Job};
use crate::os::iface::source_towards;
use crate::portmap::one_line;
use crate::proto::portmap::ssdp::{
    GROUP_V4, GROUP_V6, LONGEST, Location, PORT, TARGETS, TARGETS_V6, read, search,
};

/// When the search is sent, from its start: datagrams get lost, multicast on Wi-Fi more than others.
const SENDINGS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(300), Duration::from_millis(900)];

/// Answers that are looked at; a network full of chatter does not keep us longer.
const MOST_ANSWERS: usize = 200;

/// A receive waits this long at most, to see in between whether anybody still wants to know.
const NAP: Duration = Duration::from_millis(100);

/// What a router offers.
pub(in crate::portmap) enum Found {
    Router(Box<igd_next::Gateway>),
    Firewall(Box<igd_next::Ipv6FirewallGateway>),
}

impl Found {
    /// What will be asked for, as far as it can be removed without having been answered: a hole in a firewall
    /// has no number yet.
    pub(in crate::portmap) fn wanted(&self) -> Option<super::Held> {
        match self {
            Found::Router(router) => {
                Some(super::Held::Port { gateway: (**router).clone(), lease: 0, claim: Claim::Ours })
            }
            Found::Firewall(_) => None,
        }
    }
}

/// Searches and reads the description.
pub(super) fn find(job: &Job, wanted: &dyn Fn() -> bool) -> Result<Found, String> {
    proxy_in_the_way(job.gateway.ip)?;
    let location = locate(job, wanted)?;
    describe(job, &location)
        .map_err(|e| format!("its description at {location} is not usable: {}", one_line(&e)))
}

/// igd-next's HTTP client obeys the environment's proxies and offers no way to stop it; a proxy must not be
/// asked for the router next door.
fn proxy_in_the_way(gateway: IpAddr) -> Result<(), String> {
    let get = |name: &str| {
        let value = std::env::var(name).or_else(|_| std::env::var(name.to_ascii_uppercase())).ok();
        value.filter(|value| !value.trim().is_empty())
    };
    let Some(name) = ["http_proxy", "all_proxy"].into_iter().find(|name| get(name).is_some()) else {
        return Ok(());
    };
    let (exempt, host) = (get("no_proxy").unwrap_or_default(), gateway.to_string());
    let covers = |part: &str| {
        let part = part.trim().trim_start_matches('.').to_ascii_lowercase();
        part == "*" || (!part.is_empty() && host.ends_with(&part))
    };
    if exempt.split(',').any(covers) {
        return Ok(());
    }
    Err(format!("the environment's {name} would get the router's messages; add {host} to no_proxy"))
}

/// The router's answer to our search.
fn locate(job: &Job, wanted: &dyn Fn() -> bool) -> Result<Location, String> {
    let socket = open(job).map_err(|e| format!("a socket for the UPnP search: {e}"))?;
    let started = Instant::now();
    let mut sent = 0;
    let mut strange = None;
    let mut buffer = [0; LONGEST + 1];
    for _ in 0..MOST_ANSWERS {
        while SENDINGS.get(sent).is_some_and(|at| started.elapsed() >= *at) {
            send(&socket, job, sent == 0);
            sent += 1;
        }
        if job.time_is_up(wanted) {
            break;
        }
        let next = SENDINGS.get(sent).map_or(NAP, |at| at.saturating_sub(started.elapsed()));
        let left = job.until.saturating_duration_since(Instant::now());
        let nap = NAP.min(next).min(left).max(Duration::from_millis(1));
        let received = socket.set_read_timeout(Some(nap)).and_then(|()| socket.recv_from(&mut buffer));
        // Time-outs, and ICMP errors of what was sent to the gateway alone.
        let Ok((len, from)) = received else { continue };
        let datagram = buffer.get(..len).unwrap_or_default();
        match read(datagram, from, job.gateway.local) {
            Ok(location) if from.ip() == job.gateway.ip => return Ok(location),
            Ok(_) => strange = Some(format!("{} answered, which is not our gateway", from.ip())),
            Err(why) => strange = Some(format!("what {} answered is not usable: {why}", from.ip())),
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let strange = strange.map(|what| format!("; {what}")).unwrap_or_default();
    Err(format!("no UPnP router answered within {seconds:.1} s{strange}"))
}

/// A socket on our address of the gateway's network, whose multicasts go there.
fn open(job: &Job) -> io::Result<UdpSocket> {
    let from = match job.gateway.ip {
        // A multicast on a link is sent from our address of that link.
        IpAddr::V6(_) => {
            let link = source_towards(job.gateway.service(PORT)).unwrap_or(job.gateway.local);
            crate::portmap::socket_addr(link, 0, job.gateway.scope)
        }
        IpAddr::V4(_) => job.gateway.ours(0),
    };
    let socket = Socket::new(Domain::for_address(from), Type::DGRAM, Some(Protocol::UDP))?;
    match job.gateway.local {
        IpAddr::V4(local) => {
            socket.set_multicast_if_v4(&local)?;
            // Enough for a network with a bridge or two; UPnP's own number.
            socket.set_multicast_ttl_v4(2)?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_multicast_if_v6(job.gateway.scope)?;
        }
    }
    socket.bind(&from.into())?;
    Ok(socket.into())
}

/// At first only what nearly every router answers: each question is work for it.
fn send(socket: &UdpSocket, job: &Job, first: bool) {
    let six = job.gateway.ip.is_ipv6();
    let (group, targets): (IpAddr, &[&str]) =
        if six { (GROUP_V6.into(), &TARGETS_V6) } else { (GROUP_V4.into(), &TARGETS) };
    let multicast = match group {
        IpAddr::V6(v6) => std::net::SocketAddrV6::new(v6, job.ports.ssdp, 0, job.gateway.scope).into(),
        v4 => SocketAddr::new(v4, job.ports.ssdp),
    };
    let alone = job.gateway.service(job.ports.ssdp);
    let (in_all, alone_too) = if first { (2, 1) } else { (targets.len(), 2) };
    for (n, target) in targets.iter().take(in_all).enumerate() {
        let question = search(target, group);
        // What cannot be sent now is sent again or not missed.
        if job.ports.multicast {
            let _ = socket.send_to(question.as_bytes(), multicast);
        }
        if n < alone_too {
            let _ = socket.send_to(question.as_bytes(), alone);
        }
    }
}

/// Has igd-next read the description at `location`.
fn describe(job: &Job, location: &Location) -> Result<Found, String> {
    // A link-local router is reached with the scope of whoever answers igd-next, so we answer from our
    // link-local address.
    let here = match location.addr {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => {
            let link = source_towards(location.addr).ok_or("no way to it")?;
            crate::portmap::socket_addr(link, 0, v6.scope_id())
        }
        _ => (Ipv4Addr::LOCALHOST, 0).into(),
    };
    let teller = UdpSocket::bind(here).map_err(|e| format!("a socket on this machine: {e}"))?;
    let left = job.until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let mut options = igd_next::SearchOptions::default();
    options.bind_addr = here;
    options.broadcast_address = teller.local_addr().map_err(|e| e.to_string())?;
    options.timeout = Some(left);
    // Only our own answer is waited for: if its description is not usable, no other comes.
    options.single_search_timeout = Some(left);
    options.allowed_gateway_ips = vec![location.addr.ip()];
    let answer = format!("HTTP/1.1 200 OK\r\nLOCATION: {location}\r\n\r\n");
    std::thread::scope(|scope| {
        let told = std::thread::Builder::new().name("p2pnet-upnp".into()).stack_size(64 << 10).spawn_scoped(
            scope,
            move || {
                let mut question = [0; 512];
                let asked = teller.set_read_timeout(Some(Duration::from_secs(1)));
                let asked = asked.and_then(|()| teller.recv_from(&mut question));
                asked.and_then(|(_, from)| teller.send_to(answer.as_bytes(), from)).map(drop)
            },
        );
        told.map_err(|e| e.to_string())?;
        if job.gateway.ip.is_ipv6() {
            let found = igd_next::search_ipv6_firewall_gateway(options).map_err(|e| e.to_string())?;
            Ok(Found::Firewall(Box::new(found)))
        } else {
            let found = igd_next::search_gateway(options).map_err(|e| e.to_string())?;
            Ok(Found::Router(Box::new(found)))
        }
    })
}
