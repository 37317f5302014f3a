//! RELAY: the connection has come for the relay, which is another machine. Here it is only let through.

use super::{CloseReason, ConnId, Event, Output, Rendezvous};
use crate::proto::rdv_msg::{NotAToken, RelayReason, RelayReply, RelayToken, Reply};
use std::net::SocketAddr;
use std::time::Instant;

impl Rendezvous {
    pub(super) fn relay(&mut self, now: Instant, conn: ConnId, peer: SocketAddr, token: Option<RelayToken>) {
        self.counters.relay += 1;
        let Some(token) = token else {
            return self.refuse_relay(now, conn, RelayReason::Line, NotAToken.to_string());
        };
        let Some(state) = self.conns.get_mut(&conn) else { return };
        // What was asked before may still have answers under way, which must not get among the other one's bytes.
        if state.spoke {
            let expected = "expected RELAY as the first request of a connection";
            return self.refuse_relay(now, conn, RelayReason::Order, expected);
        }
        if !self.limits.relay.is_on() {
            let expected = "expected another server: this one does not relay";
            return self.refuse_relay(now, conn, RelayReason::Off, expected);
        }
        state.spoke = true;
        state.relayed = true;
        self.deadlines.remove(&(state.queued, conn));
        self.log(Event::ToRelay { peer });
        self.outputs.push_back(Output::Relay { conn, token });
    }

    /// Says no, and ends the connection if it has no other use.
    pub(super) fn refuse_relay(
        &mut self,
        now: Instant,
        conn: ConnId,
        reason: RelayReason,
        expected: impl Into<String>,
    ) {
        if let Some(n) = self.counters.relay_refused.get_mut(reason.index()) {
            *n += 1;
        }
        let Some((peer, spoke)) = self.conns.get(&conn).map(|state| (state.peer, state.spoke)) else {
            return;
        };
        self.log(Event::NotRelayed { peer, reason });
        let expected = expected.into().into();
        self.send(conn, Reply::Relay(RelayReply::Refused { reason, expected }));
        if !spoke {
            self.close(now, conn, CloseReason::TurnedAway);
        }
    }
}
