//! The server's relay: [`crate::relay`] with the places among the server's connections, and the server's log.

use super::log::{Level, Log};
use super::rendezvous::Hub;
use crate::proto::rdv_msg::RelayReason;
use crate::proto::rdv_server::ConnId;
use crate::proto::relay::{End, RelayLimits};
use crate::relay::{RelayHub, Told};
use std::sync::Arc;

/// A relay that writes the server's log.
pub(super) fn new(limits: RelayLimits, log: Log) -> RelayHub {
    RelayHub::new(limits, move |told| match told {
        Told::Begun { session, first, second } => log.line(Level::Debug, "relay-begun", |field| {
            field("session", &session.0);
            field("first", &first);
            field("second", &second);
        }),
        Told::Refused { peer, why } => {
            let grave = matches!(why, RelayReason::Full | RelayReason::Address);
            log.line(if grave { Level::Warn } else { Level::Debug }, "not-relayed", |field| {
                field("peer", &peer);
                field("why", &why);
            });
        }
        Told::Ended { session, summary } => {
            let level = if summary.end == End::Bytes { Level::Warn } else { Level::Debug };
            log.line(level, "relay-ended", |field| {
                field("session", &session.0);
                field("why", &summary.end.word());
                field("bytes", &summary.bytes);
                field("seconds", &summary.lasted.as_secs_f32());
            });
        }
    })
}

/// A place among the connections of the server, given back when it is dropped.
pub(super) struct Place {
    hub: Arc<Hub>,
    id: ConnId,
}

impl Place {
    pub(super) fn new(hub: Arc<Hub>, id: ConnId) -> Place {
        Place { hub, id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.closed(self.id);
    }
}
