//! PCP: one exchange makes a mapping, the same one renews it.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::udp::{Fail, ask};
use super::way::{Grant, seconds};
use super::{Context, Gateway, now};
use crate::proto::portmap::exchange::Schedule;
use crate::proto::portmap::pcp::{Announce, Map, Nonce};

/// A nonce that others cannot guess: the standard library's keyed hash, whose key comes from the system.
pub(super) fn nonce() -> Nonce {
    let secret = RandomState::new();
    let mut nonce = Nonce::default();
    let bytes = (0u8..2).flat_map(|n| secret.hash_one(n).to_be_bytes());
    nonce.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = byte);
    nonce
}

fn request(ctx: &Context, gateway: &Gateway, nonce: Nonce, have: Option<&Grant>) -> Map {
    Map {
        client: gateway.local,
        nonce,
        transport: ctx.transport,
        internal_port: ctx.port,
        // A renewal asks for what it has.
        external_port: have.map_or(ctx.port, |have| have.external_port),
        external_ip: have.and_then(|have| have.external_ip),
        lifetime: seconds(ctx.lease),
    }
}

/// Makes a mapping, or renews the one that `have` describes.
pub(super) async fn map(
    ctx: &Context,
    gateway: &Gateway,
    nonce: Nonce,
    have: Option<&Grant>,
    limit: Duration,
) -> Result<Grant, Fail> {
    let schedule = if have.is_some() { Schedule::PCP } else { Schedule::PCP_FIRST };
    let asked = now();
    let mapped = ask(gateway, ctx.ports.gateway, request(ctx, gateway, nonce, have), schedule, limit).await?;
    Ok(Grant {
        external_ip: Some(mapped.external_ip),
        external_port: mapped.external_port,
        lease: Duration::from_secs(mapped.lifetime.into()),
        asked,
        epoch: Some(mapped.epoch),
    })
}

/// Removes the mapping of `port`.
pub(super) async fn unmap(
    ctx: &Context,
    gateway: &Gateway,
    nonce: Nonce,
    port: u16,
    limit: Duration,
) -> Result<(), Fail> {
    let map = Map { internal_port: port, ..request(ctx, gateway, nonce, None) };
    ask(gateway, ctx.ports.gateway, map.unmap(), Schedule::PCP_FIRST, limit).await.map(drop)
}

/// The gateway's clock.
pub(super) async fn clock(ctx: &Context, gateway: &Gateway, limit: Duration) -> Result<u32, Fail> {
    ask(gateway, ctx.ports.gateway, Announce { client: gateway.local }, Schedule::PCP, limit).await
}
