//! A mapping, whatever protocol made it: make, renew, look after, remove.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::udp::Fail;
#[cfg(feature = "upnp")]
use super::upnp;
use super::{Context, Gateway, Mapped, natpmp, now, pcp};
use crate::proto::portmap::epoch::Rule;
use crate::proto::portmap::journal::{Entry, Key};
use crate::proto::portmap::{Protocol, pcp::Nonce};

/// What a gateway has granted.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) external_ip: Option<IpAddr>,
    pub(super) external_port: u16,
    /// Zero: without an end.
    pub(super) lease: Duration,
    pub(super) asked: Instant,
    pub(super) epoch: Option<u32>,
}

/// What is needed to renew and remove a mapping.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Pcp(Nonce),
    NatPmp,
    #[cfg(feature = "upnp")]
    Upnp(upnp::Held),
}

/// A mapping of ours.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) gateway: Gateway,
    pub(super) internal: SocketAddr,
    pub(super) held: Held,
    pub(super) grant: Grant,
}

/// Why a mapping was not renewed.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) why: String,
    /// The gateway does not want it any more; asking again later is of no use.
    pub(super) gone: bool,
}

impl From<Fail> for Trouble {
    fn from(fail: Fail) -> Trouble {
        Trouble { why: fail.to_string(), gone: matches!(fail, Fail::Refused(_)) }
    }
}

/// What a look at a gateway brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    pub(super) external_ip: Option<IpAddr>,
    pub(super) epoch: Option<u32>,
}

impl Mapping {
    /// What is about to be asked for: enough to remove it, should we not live to hear the answer.
    pub(super) fn wanted(
        ctx: &Context,
        gateway: Gateway,
        held: Held,
        external_ip: Option<IpAddr>,
    ) -> Mapping {
        let (external_port, epoch) = (ctx.port, None);
        let grant = Grant { external_ip, external_port, lease: ctx.lease, asked: now(), epoch };
        Mapping { gateway, internal: gateway.ours(ctx.port), held, grant }
    }

    /// Makes what is wanted, with the journal written before.
    pub(super) async fn journalled(
        self,
        ctx: &Context,
        make: impl Future<Output = Result<(Held, Grant), Fail>>,
    ) -> Result<Mapping, String> {
        self.note_down(ctx).await;
        match make.await {
            Ok((held, grant)) => {
                let made = Mapping { held, grant, ..self.clone() };
                let (wanted, got) = (self.entry(ctx), made.entry(ctx));
                let same = |one: &Entry, other: &Entry| {
                    let sooner = one.expires != 0 && one.expires <= other.expires;
                    sooner && one.external_port == other.external_port && one.key == other.key
                };
                if !got.as_ref().zip(wanted.as_ref()).is_some_and(|(got, wanted)| same(got, wanted)) {
                    self.forget(ctx).await;
                    made.note_down(ctx).await;
                }
                Ok(made)
            }
            Err(fail) => {
                self.forget(ctx).await;
                Err(fail.to_string())
            }
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self.held {
            Held::Pcp(_) => Protocol::Pcp,
            Held::NatPmp => Protocol::NatPmp,
            #[cfg(feature = "upnp")]
            Held::Upnp(_) => Protocol::Upnp,
        }
    }

    /// The rule for the gateway's clock, if the protocol has one.
    pub(super) fn clock_rule(&self) -> Option<Rule> {
        match self.held {
            Held::Pcp(_) => Some(Rule::Pcp),
            Held::NatPmp => Some(Rule::NatPmp),
            #[cfg(feature = "upnp")]
            Held::Upnp(_) => None,
        }
    }

    pub(super) fn mapped(&self) -> Mapped {
        Mapped {
            protocol: self.protocol(),
            gateway: self.gateway.ip,
            internal: self.internal,
            external_ip: self.grant.external_ip,
            external_port: self.grant.external_port,
            lease: self.grant.lease,
            pinhole: self.gateway.ip.is_ipv6(),
        }
    }

    /// Asks for more time.
    pub(super) async fn renew(&self, ctx: &Context, limit: Duration) -> Result<Mapping, Trouble> {
        let have = &self.grant;
        let mut renewed = self.clone();
        renewed.grant = match &self.held {
            Held::Pcp(nonce) => pcp::map(ctx, &self.gateway, *nonce, Some(have), limit).await?,
            Held::NatPmp => {
                let grant = natpmp::map(ctx, &self.gateway, have.external_port, limit).await?;
                // The mapping answer has no address; if this question fails, the old one is the best we know.
                let outside = natpmp::outside(ctx, &self.gateway, limit).await;
                let external_ip = outside.map_or(have.external_ip, |(_, ip)| Some(ip.into()));
                Grant { external_ip, ..grant }
            }
            #[cfg(feature = "upnp")]
            Held::Upnp(held) => {
                let (held, grant) = upnp::renew(ctx, &self.gateway, held, have, limit).await?;
                renewed.held = Held::Upnp(held);
                grant
            }
        };
        Ok(renewed)
    }

    /// Looks whether the gateway still has its memory and its address.
    pub(super) async fn look(&self, ctx: &Context, limit: Duration) -> Result<News, String> {
        let looked = match &self.held {
            Held::Pcp(_) => {
                let epoch = pcp::clock(ctx, &self.gateway, limit).await;
                epoch.map(|epoch| News { external_ip: None, epoch: Some(epoch) })
            }
            Held::NatPmp => {
                let outside = natpmp::outside(ctx, &self.gateway, limit).await;
                outside.map(|(epoch, ip)| News { external_ip: Some(ip.into()), epoch: Some(epoch) })
            }
            #[cfg(feature = "upnp")]
            Held::Upnp(held) => return upnp::look(ctx, held, limit).await,
        };
        looked.map_err(|fail| fail.to_string())
    }

    /// Removes it from the gateway and from the journal.
    pub(super) async fn remove(&self, ctx: &Context, limit: Duration) -> Result<(), String> {
        let port = self.internal.port();
        let removed = match &self.held {
            Held::Pcp(nonce) => pcp::unmap(ctx, &self.gateway, *nonce, port, limit).await,
            Held::NatPmp => natpmp::unmap(ctx, &self.gateway, port, limit).await,
            #[cfg(feature = "upnp")]
            Held::Upnp(held) => {
                match upnp::remove(ctx, held, self.internal, self.grant.external_port, limit).await {
                    Ok(()) => Ok(()),
                    Err(why) => Err(Fail::Io(why)),
                }
            }
        };
        match removed {
            // A refusal means that there is nothing of ours any more; silence means that it may still be
            // there.
            Ok(()) | Err(Fail::Refused(_)) => {
                self.forget(ctx).await;
                Ok(())
            }
            Err(fail) => Err(fail.to_string()),
        }
    }

    /// Writes it into the journal. A mapping that was there before us is not ours to remove and not written.
    pub(super) async fn note_down(&self, ctx: &Context) {
        if let Some(entry) = self.entry(ctx) {
            ctx.journal.add(&ctx.threads, entry).await;
        }
    }

    /// Strikes it out of the journal.
    pub(super) async fn forget(&self, ctx: &Context) {
        if let Some(entry) = self.entry(ctx) {
            ctx.journal.strike(&ctx.threads, entry).await;
        }
    }

    fn entry(&self, ctx: &Context) -> Option<Entry> {
        let key = match &self.held {
            Held::Pcp(nonce) => Key::Pcp(*nonce),
            Held::NatPmp => Key::NatPmp,
            #[cfg(feature = "upnp")]
            Held::Upnp(held) => held.key()?,
        };
        let left = (self.grant.asked + self.grant.lease).saturating_duration_since(now());
        let expires = if self.grant.lease.is_zero() { 0 } else { unix_seconds() + left.as_secs() };
        Some(Entry {
            owner: ctx.journal.owner().into(),
            transport: ctx.transport,
            gateway: self.gateway.ip,
            scope: self.gateway.scope,
            internal: self.internal,
            external_port: self.grant.external_port,
            expires,
            key,
        })
    }

    /// A mapping that a node left behind, as the journal has it.
    pub(super) fn left_behind(entry: &Entry, gateway: Gateway) -> Option<Mapping> {
        let held = match &entry.key {
            Key::Pcp(nonce) => Held::Pcp(*nonce),
            Key::NatPmp => Held::NatPmp,
            #[cfg(feature = "upnp")]
            Key::Upnp(_) | Key::Pinhole(..) => Held::Upnp(upnp::Held::from_key(&entry.key)?),
            #[cfg(not(feature = "upnp"))]
            Key::Upnp(_) | Key::Pinhole(..) => return None,
        };
        let (external_ip, external_port, epoch) = (None, entry.external_port, None);
        let grant = Grant { external_ip, external_port, lease: Duration::ZERO, asked: now(), epoch };
        Some(Mapping { gateway, internal: entry.internal, held, grant })
    }
}

/// Seconds since 1970, by a clock that may be wrong: only for entries that another start may read.
pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A lease as the protocols write it: at least a second, since 0 means something else to each of them.
pub(super) fn seconds(lease: Duration) -> u32 {
    u32::try_from(lease.as_secs()).unwrap_or(u32::MAX).max(1)
}
