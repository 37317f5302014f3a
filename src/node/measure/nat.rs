//! What NAT is in front of us, and does it lead its own hosts back?

use std::time::Duration;

use crate::error::Result;
pub(crate) use crate::node::nat_probe::Probed;
use crate::node::nat_probe::{self, ProbeOptions};
use crate::node::rendezvous::Reach;
use crate::proto::nat::report::NatReport;

/// Two connections through the NAT take some round trips; where there is no way back nothing answers at all.
const HAIRPIN: Duration = Duration::from_millis(1500);

/// Measures the NAT at the rendezvous servers.
pub(crate) async fn nat(reach: &Reach, servers: &[String], limit: Duration, seed: u64) -> Result<Probed> {
    let seed = Some(seed).filter(|s| *s != 0);
    nat_probe::probe(reach, servers, &ProbeOptions { limit, seed, ..ProbeOptions::default() }).await
}

/// Whether two hosts behind this NAT meet at its outside address; `None` = it cannot be told.
pub(crate) async fn hairpin(reach: &Reach, servers: &[String], report: &NatReport) -> Option<bool> {
    nat_probe::hairpin(reach, servers.first()?, report, HAIRPIN).await
}
