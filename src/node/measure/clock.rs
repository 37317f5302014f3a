//! How wrong is the system's clock?

use std::time::Duration;

use crate::error::{Code, Error, Result};
use crate::node::ntp;
use crate::node::rendezvous::Reach;
use crate::proto::clock_sync::NetClock;

/// The clock is asked for in the background: nothing waits for it.
const LIMIT: Duration = Duration::from_secs(3);

/// True time, as most of the servers tell it.
pub(crate) async fn clock(reach: &Reach, servers: &[String]) -> Result<NetClock> {
    // One server has to be believed; of more, two have to agree.
    let need = servers.len().min(2);
    let synced = ntp::sync(&reach.resolver, servers, reach.bound, need, LIMIT).await?;
    if let Some(clock) = synced.clock {
        return Ok(clock);
    }
    let mut text = format!("{} NTP servers answered and do not agree on the time", synced.agreement.answered);
    if !synced.failed.is_empty() {
        text += &format!("; {}", synced.failed.join("; "));
    }
    Err(Error::new(Code::Protocol, text))
}

/// True time minus the system's clock, in microseconds.
pub(crate) fn offset_us(clock: &NetClock) -> i64 {
    let system = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    clock.now_ntp(std::time::Instant::now()) - i64::try_from(system.as_micros()).unwrap_or(i64::MAX)
}
