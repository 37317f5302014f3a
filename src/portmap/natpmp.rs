//! NAT-PMP: the address outside and the mapping are two questions.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::udp::{Fail, ask};
use super::way::{Grant, seconds};
use super::{Context, Gateway, now};
use crate::proto::portmap::exchange::Schedule;
use crate::proto::portmap::natpmp::{Answer, Request};

/// The gateway's clock and address.
pub(super) async fn outside(
    ctx: &Context,
    gateway: &Gateway,
    limit: Duration,
) -> Result<(u32, Ipv4Addr), Fail> {
    match ask(gateway, ctx.ports.gateway, Request::ExternalAddress, Schedule::NATPMP, limit).await? {
        Answer::ExternalAddress { epoch, ip } => Ok((epoch, ip)),
        Answer::Mapped { .. } => Err(Fail::Silent("an answer to another question".into())),
    }
}

/// Makes a mapping or renews it; `external_port` is what is wanted, or what we have.
pub(super) async fn map(
    ctx: &Context,
    gateway: &Gateway,
    external_port: u16,
    limit: Duration,
) -> Result<Grant, Fail> {
    let (transport, internal_port, lifetime) = (ctx.transport, ctx.port, seconds(ctx.lease));
    let wish = Request::Map { transport, internal_port, external_port, lifetime };
    let asked = now();
    match ask(gateway, ctx.ports.gateway, wish, Schedule::NATPMP, limit).await? {
        Answer::Mapped { epoch, external_port, lifetime } => {
            let lease = Duration::from_secs(lifetime.into());
            Ok(Grant { external_ip: None, external_port, lease, asked, epoch: Some(epoch) })
        }
        Answer::ExternalAddress { .. } => Err(Fail::Silent("an answer to another question".into())),
    }
}

/// Removes the mapping of `port`.
pub(super) async fn unmap(ctx: &Context, gateway: &Gateway, port: u16, limit: Duration) -> Result<(), Fail> {
    let wish = Request::unmap(ctx.transport, port);
    ask(gateway, ctx.ports.gateway, wish, Schedule::NATPMP, limit).await.map(drop)
}
