//! Every way at once: one task per gateway and protocol, which asks, and waits for its turn to change the
//! router.

use std::net::IpAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::timeout_at;

use super::udp::Fail;
#[cfg(feature = "upnp")]
use super::upnp;
use super::way::{Grant, Held, Mapping};
use super::{Context, FWD_NATPMP, FWD_PCP, FWD_UPNP, Gateway, natpmp, now, pcp};
use crate::proto::portmap::Protocol;
use crate::proto::portmap::contest::{Contest, Decision, Success};
use crate::small::SmallMap;

/// Gateways of one family that are tried; a machine with more has them for other reasons than the internet.
const GATEWAYS: usize = 4;

/// One gateway, one protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) gateway: Gateway,
    pub(super) protocol: Protocol,
}

impl Way {
    pub(super) fn key(&self) -> (IpAddr, Protocol) {
        (self.gateway.ip, self.protocol)
    }
}

/// All ways that the wish and the build allow.
pub(super) fn ways(gateways: &[Gateway], protocols: u32) -> Vec<Way> {
    let allowed = |protocol: &Protocol, gateway: &Gateway| match protocol {
        Protocol::Pcp => protocols & FWD_PCP != 0,
        // NAT-PMP knows IPv4 only.
        Protocol::NatPmp => protocols & FWD_NATPMP != 0 && gateway.ip.is_ipv4(),
        Protocol::Upnp => protocols & FWD_UPNP != 0 && cfg!(feature = "upnp"),
    };
    let gateways = gateways.iter().take(GATEWAYS);
    let all = gateways.flat_map(|gateway| Protocol::ALL.map(|protocol| Way { gateway: *gateway, protocol }));
    all.filter(|way| allowed(&way.protocol, &way.gateway)).collect()
}

/// What the tasks of a race share with the keeper.
pub(super) struct Shared {
    id: u64,
    contest: Mutex<Contest>,
    over: std::sync::atomic::AtomicBool,
    changed: Notify,
}

impl Shared {
    pub(super) fn new(id: u64, ways: &[Way], limit: Duration) -> Arc<Shared> {
        let contest = Contest::new(ways.iter().map(Way::key), now(), limit);
        Arc::new(Shared { id, contest: Mutex::new(contest), over: false.into(), changed: Notify::new() })
    }

    pub(super) fn succeeded(&self, way: usize, mapping: &Mapping) {
        let (external_ip, external_port) = (mapping.grant.external_ip, mapping.grant.external_port);
        self.contest.lock().succeeded(way, Success { external_ip, external_port, at: now() });
        self.changed.notify_waiters();
    }

    pub(super) fn failed(&self, way: usize) {
        self.contest.lock().failed(way);
        self.changed.notify_waiters();
    }

    /// The request that changes the router: others leave it time for the answer, and give up if that is good.
    async fn change<T>(
        &self,
        ctx: &Context,
        way: usize,
        wanted: Option<Mapping>,
        ask: impl Future<Output = Result<T, Fail>>,
    ) -> Result<T, Fail> {
        // Time has passed since it was its turn, with the journal.
        let pointless = self.contest.lock().may_map(way, now()).is_none();
        if pointless || self.over.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(Fail::Io("not needed any more".into()));
        }
        self.contest.lock().asks(way, now());
        let answer = ctx.unheard.ask((self.id, way), wanted, ask).await;
        match &answer {
            Ok(_) => self.contest.lock().granted(way),
            Err(_) => self.contest.lock().denied(way),
        }
        self.changed.notify_waiters();
        answer
    }

    pub(super) fn decide(&self) -> Decision {
        self.contest.lock().decide(now())
    }

    /// Nobody is to change a router any more.
    pub(super) fn end(&self) {
        self.over.store(true, std::sync::atomic::Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Does something that changes nothing, and leaves it undone when the race is over.
    async fn meanwhile<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let mut work = std::pin::pin!(work);
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            if self.over.load(std::sync::atomic::Ordering::Relaxed) {
                return Err("not needed any more".into());
            }
            let done = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending => changed.as_mut().poll(cx).map(|()| None),
            });
            if let Some(done) = done.await {
                return done;
            }
        }
    }

    /// Waits for a way's turn to change its router.
    ///
    /// # Errors
    /// It has become pointless.
    async fn turn(&self, way: usize) -> Result<(), String> {
        let ready = now();
        self.until(|contest| contest.may_map(way, ready)).await
    }

    /// Waits until the contest lets something happen.
    ///
    /// # Errors
    /// It has become pointless.
    async fn until(&self, may: impl Fn(&Contest) -> Option<Instant>) -> Result<(), String> {
        loop {
            let changed = self.changed.notified();
            if self.over.load(std::sync::atomic::Ordering::Relaxed) {
                return Err("not needed any more".into());
            }
            let at = may(&self.contest.lock());
            match at {
                None => return Err("not needed: a better protocol of this gateway worked".into()),
                Some(at) if at <= now() => return Ok(()),
                Some(at) => drop(timeout_at(at.into(), changed).await),
            }
        }
    }
}

/// Tries one way. What it asks for is in the journal before it asks: a crash in between leaves nothing
/// behind.
pub(super) async fn attempt(
    ctx: &Context,
    shared: &Shared,
    number: usize,
    way: Way,
    limit: Duration,
) -> Result<Mapping, String> {
    let (gateway, turn, started) = (way.gateway, shared.turn(number), now());
    let left = || limit.saturating_sub(now().saturating_duration_since(started));
    match way.protocol {
        Protocol::Pcp => {
            turn.await?;
            let nonce = pcp::nonce();
            let wanted = Mapping::wanted(ctx, gateway, Held::Pcp(nonce), None);
            let asked = Some(wanted.clone());
            let make = async {
                let map = pcp::map(ctx, &gateway, nonce, None, left());
                Ok((Held::Pcp(nonce), shared.change(ctx, number, asked, map).await?))
            };
            wanted.journalled(ctx, make).await
        }
        Protocol::NatPmp => {
            let outside = async { natpmp::outside(ctx, &gateway, limit).await.map_err(|f| f.to_string()) };
            let (_, ip) = shared.meanwhile(outside).await?;
            turn.await?;
            let wanted = Mapping::wanted(ctx, gateway, Held::NatPmp, Some(ip.into()));
            let asked = Some(wanted.clone());
            let make = async {
                let map = natpmp::map(ctx, &gateway, ctx.port, left());
                let grant = shared.change(ctx, number, asked, map).await?;
                Ok((Held::NatPmp, Grant { external_ip: Some(ip.into()), ..grant }))
            };
            wanted.journalled(ctx, make).await
        }
        #[cfg(feature = "upnp")]
        Protocol::Upnp => {
            shared.until(|contest| contest.may_search(number)).await?;
            let (job, found) = shared.meanwhile(upnp::find(ctx, &gateway, left())).await?;
            turn.await?;
            let wanted = found.wanted().map(|held| Mapping::wanted(ctx, gateway, Held::Upnp(held), None));
            let make = async {
                let map = async { upnp::map(ctx, job, found).await.map_err(Fail::Io) };
                let (held, grant) = shared.change(ctx, number, None, map).await?;
                Ok((Held::Upnp(held), grant))
            };
            let Some(wanted) = wanted else {
                let (held, grant) = make.await.map_err(|fail: Fail| fail.to_string())?;
                let mapping = Mapping { gateway, internal: gateway.ours(ctx.port), held, grant };
                mapping.note_down(ctx).await;
                return Ok(mapping);
            };
            wanted.journalled(ctx, make).await
        }
        #[cfg(not(feature = "upnp"))]
        Protocol::Upnp => Err("not built in".into()),
    }
}

/// How often each way's mapping was said to be dead, seen from outside.
#[derive(Default)]
pub(super) struct Distrust {
    dead: SmallMap<(IpAddr, Protocol), u32>,
}

impl Distrust {
    /// Once more; how often now.
    pub(super) fn add(&mut self, way: (IpAddr, Protocol)) -> u32 {
        let times = self.dead.get_or_insert_with(way, || 0);
        *times = times.saturating_add(1);
        *times
    }

    pub(super) fn clear(&mut self) {
        self.dead.clear();
    }

    /// The ways to try: those whose mapping was not dead twice, or all if none is left.
    pub(super) fn filter(&self, ways: Vec<Way>) -> Vec<Way> {
        let trusted = |way: &&Way| self.dead.get(&way.key()).is_none_or(|times| *times < 2);
        let left: Vec<Way> = ways.iter().filter(trusted).copied().collect();
        if left.is_empty() { ways } else { left }
    }
}
