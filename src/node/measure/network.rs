//! Has the network changed?

use std::time::{Duration, Instant};

use super::Places;
use crate::node::log::log;
use crate::node::shared::Shared;
use crate::os::netlink::Monitor;
use crate::os::route;
use crate::proto::settle::Settle;

/// A change comes as a burst of notices; it is over after this silence ...
const QUIET: Duration = Duration::from_millis(500);
/// ... and at the latest after this.
const MOST: Duration = Duration::from_secs(3);

/// Calls `changed` whenever addresses or routes of this machine have become others, until that says false.
pub(crate) async fn watch_network(shared: &Shared, places: &Places, changed: impl Fn() -> bool) {
    let (mut monitor, why_not) = Monitor::open();
    if let Some(why_not) = why_not {
        log!(shared, Info, "{why_not}; p2p_network_changed tells");
        return;
    }
    let mut before = places.run(route::situation).await;
    let mut settle = Settle::new(QUIET, MOST);
    loop {
        match settle.due() {
            None => monitor.changed().await,
            Some(due) => {
                if tokio::time::timeout_at(due.into(), monitor.changed()).await.is_err() {
                    settle.settled(Instant::now());
                    // What comes while this is being read is in the monitor's socket.
                    let now = places.run(route::situation).await;
                    if now != before && !changed() {
                        return;
                    }
                    before = now;
                    continue;
                }
            }
        }
        settle.note(Instant::now());
    }
}
