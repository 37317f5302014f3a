//! Asking NTP servers what time it is: the sockets around [`crate::proto::ntp`] and [`crate::proto::clock_sync`].
//!
//! All servers are asked at once, each a few times some ten milliseconds apart, so the whole takes little more than the
//! slowest round trip. Sockets are connected, so datagrams of other senders never get here. Local times are those of a
//! monotonic clock: a step of the system's clock in between changes nothing.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::resolve::Resolver;
use crate::boxed::boxed;
use crate::error::{Code, Error, Result};
use crate::proto::clock_sync::{Agreement, NetClock, agree};
use crate::proto::ntp::{self, Refused, Sample};
use crate::small::SmallSet;

/// Servers that are asked; further ones are ignored.
pub(crate) const MOST_SERVERS: usize = 16;
/// Samples that are enough of one server.
const SAMPLES: usize = 4;
/// When questions are sent, in milliseconds from the beginning: those of the samples, then some for what was lost.
const SCHEDULE: [u64; 8] = [0, 30, 60, 90, 250, 500, 1000, 2000];
/// How long others are waited for when most of those that were asked agree.
const GRACE: Duration = Duration::from_millis(100);

/// What asking brought.
#[derive(Clone, Debug)]
pub(crate) struct Synced {
    /// True time; `None` if the servers do not agree.
    pub(crate) clock: Option<NetClock>,
    /// What they say. Its local clock is the system's at the beginning, carried on by the monotonic one: so
    /// [`Agreement::estimate`] is how far the system's clock was ahead.
    pub(crate) agreement: Agreement,
    /// Servers that brought no sample, and why.
    pub(crate) failed: Vec<String>,
}

/// Local time: the system's at the beginning, then nobody's.
#[derive(Clone, Copy)]
struct Local {
    anchor: Instant,
    unix_us: i64,
}

impl Local {
    fn begin() -> Local {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // A clock that is beyond the year 3000 is as good as none.
        let unix_us = i64::try_from(now.as_micros()).unwrap_or(0).min(32_503_680_000_000_000);
        Local { anchor: Instant::now(), unix_us }
    }

    fn now(&self) -> i64 {
        let since = i64::try_from(self.anchor.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.unix_us.saturating_add(since)
    }
}

/// What a server's task tells, with the server's place in the list.
enum Told {
    Sample(usize, Sample),
    /// Why there is no sample so far.
    Trouble(usize, Error),
    End(usize),
}

/// What is known of a server.
#[derive(Default)]
struct Asked {
    samples: Vec<Sample>,
    trouble: Option<Error>,
    ended: bool,
}

/// What the tasks have in common.
struct Common {
    resolver: Resolver,
    source: Option<IpAddr>,
    local: Local,
    cookies: RandomState,
    /// Each address has one vote, however many names it has.
    taken: Mutex<SmallSet<SocketAddr>>,
    tell: UnboundedSender<Told>,
}

/// Asks `servers`, each `host` or `host:port` (port 123), from `source` if given; its family decides between IPv4 and
/// IPv6. `need` of them have to agree. Takes at most `limit`, and less when most have answered alike.
///
/// # Errors
/// [`Code::NoServer`] if no server gave a usable answer (or there is none), with each one's reason.
pub(crate) async fn sync(
    resolver: &Resolver,
    servers: &[String],
    source: Option<IpAddr>,
    need: usize,
    limit: Duration,
) -> Result<Synced> {
    let local = Local::begin();
    let deadline = tokio::time::Instant::from_std(local.anchor) + limit;
    let (tell, mut told) = mpsc::unbounded_channel();
    let (resolver, taken) = (resolver.clone(), Mutex::default());
    let common = Arc::new(Common { resolver, source, local, cookies: RandomState::new(), taken, tell });
    let mut tasks = JoinSet::new();
    let mut asked = Vec::new();
    for (i, name) in servers.iter().take(MOST_SERVERS).enumerate() {
        let (common, name) = (Arc::clone(&common), name.clone());
        asked.push(Asked::default());
        tasks.spawn(boxed(async move {
            if let Err(e) = common.ask(i, &name).await {
                let _ = common.tell.send(Told::Trouble(i, e));
            }
            let _ = common.tell.send(Told::End(i));
        }));
    }
    drop(common);
    let mut until = deadline;
    while let Ok(Some(told)) = timeout_at(until, told.recv()).await {
        let (Told::Sample(i, _) | Told::Trouble(i, _) | Told::End(i)) = told;
        let Some(server) = asked.get_mut(i) else { continue };
        match told {
            Told::Sample(_, sample) => server.samples.push(sample),
            Told::Trouble(_, e) => server.trouble = Some(e),
            Told::End(_) => {
                server.ended = true;
                let done: Vec<_> = asked.iter().filter(|a| a.ended).map(|a| a.samples.clone()).collect();
                let agreed = agree(&done, need);
                if agreed.reliable && 2 * agreed.servers > asked.len() {
                    until = until.min(tokio::time::Instant::now() + GRACE);
                }
            }
        }
    }
    let mut failed = Vec::new();
    for (name, server) in servers.iter().zip(&asked).filter(|(_, a)| a.samples.is_empty()) {
        let ms = local.anchor.elapsed().as_millis();
        failed.push(match &server.trouble {
            Some(e) => format!("{name}: {e}"),
            None => format!("{name}: no answer within {ms} ms"),
        });
    }
    let samples: Vec<_> = asked.into_iter().map(|a| a.samples).collect();
    let agreement = agree(&samples, need);
    if agreement.answered == 0 {
        let why = if failed.is_empty() { "there is none".to_owned() } else { failed.join("; ") };
        return Err(Error::new(Code::NoServer, format!("no time server could be asked: {why}")));
    }
    let clock = agreement.reliable.then(|| NetClock::new(local.anchor, local.unix_us, agreement.offset_us));
    Ok(Synced { clock, agreement, failed })
}

impl Common {
    /// Asks one server until it has given enough samples, refuses, or is given up.
    async fn ask(&self, place: usize, name: &str) -> Result<()> {
        let at = self.address(name).await?;
        let io = |e: io::Error| Error::io(format_args!("asking {at}"), &e);
        let socket = open(at, self.source).map_err(io)?;
        let begun = tokio::time::Instant::now();
        let mut schedule = SCHEDULE.iter().map(|ms| begun + Duration::from_millis(*ms)).enumerate();
        let mut next = schedule.next();
        // Cookie and time of each question that is not answered; the schedule bounds them.
        let mut questions: Vec<(u64, i64)> = Vec::new();
        let mut buffer = [0; 512];
        let mut got = 0;
        while got < SAMPLES {
            let received = match next {
                Some((number, due)) => match timeout_at(due, socket.recv(&mut buffer)).await {
                    Ok(received) => received,
                    Err(_) => {
                        next = schedule.next();
                        // One server must not learn from its cookies what another's are: a keyed hash, no generator.
                        let cookie = self.cookies.hash_one((place, number));
                        questions.push((cookie, self.local.now()));
                        socket.send(&ntp::request(cookie)).await.map_err(io)?;
                        continue;
                    }
                },
                // All has been asked; the caller limits how long the rest may take.
                None => socket.recv(&mut buffer).await,
            };
            let now = self.local.now();
            let datagram = buffer.get(..received.map_err(io)?).unwrap_or_default();
            match answer(datagram, &mut questions, now) {
                Ok(sample) => {
                    got += 1;
                    let _ = self.tell.send(Told::Sample(place, sample));
                }
                Err(why) if why.is_final() && got > 0 => break,
                Err(why) => {
                    let e = Error::new(Code::Protocol, why.to_string());
                    if why.is_final() {
                        return Err(e);
                    }
                    let _ = self.tell.send(Told::Trouble(place, e));
                }
            }
        }
        Ok(())
    }

    /// The first address of a name that no other server has.
    async fn address(&self, name: &str) -> Result<SocketAddr> {
        let addrs = self.resolver.resolve(&with_port(name)).await?;
        let of_family: Vec<_> =
            addrs.into_iter().filter(|a| self.source.is_none_or(|ip| ip.is_ipv4() == a.is_ipv4())).collect();
        if of_family.is_empty() {
            let family = if self.source.is_some_and(|ip| ip.is_ipv4()) { "IPv4" } else { "IPv6" };
            return Err(Error::new(Code::NoPath, format!("has no {family} address")));
        }
        let mut taken = self.taken.lock();
        let free = of_family.into_iter().find(|a| taken.insert(*a));
        free.ok_or_else(|| Error::new(Code::Duplicate, "is the same as another server in the list"))
    }
}

/// Finds the question that a datagram answers, and measures. That question is over then: the same datagram once more is
/// nobody's.
fn answer(
    datagram: &[u8],
    questions: &mut Vec<(u64, i64)>,
    now: i64,
) -> std::result::Result<Sample, Refused> {
    for (i, (cookie, sent)) in questions.iter().enumerate() {
        match ntp::reply(datagram, *cookie).and_then(|reply| ntp::measure(*sent, &reply, now)) {
            Err(Refused::NotOurs) => {}
            said => {
                questions.swap_remove(i);
                return said;
            }
        }
    }
    Err(Refused::NotOurs)
}

fn open(to: SocketAddr, source: Option<IpAddr>) -> io::Result<UdpSocket> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((source.unwrap_or(any), 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(to)?;
    UdpSocket::from_std(socket)
}

/// `host:port`, with NTP's port if `name` has none.
fn with_port(name: &str) -> String {
    if name.parse::<Ipv6Addr>().is_ok() {
        return format!("[{name}]:{}", ntp::PORT);
    }
    let has_port = name.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    if has_port { name.to_owned() } else { format!("{name}:{}", ntp::PORT) }
}

#[cfg(test)]
mod tests;
