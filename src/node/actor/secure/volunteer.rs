//! Relaying for the network: the node's own relay, if it volunteers, and those of its peers that do.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::super::Actor;
use crate::error::{Code, Error};
use crate::node::log::log;
use crate::node::volunteer::{Guest, Volunteer};
use crate::proto::connect::ConnId;
use crate::proto::unl::UnlV3;

impl Actor {
    /// Is ready for those who want to be relayed, if this node volunteers.
    pub(super) fn begin_volunteering(&mut self) {
        let Some(volunteer) = Volunteer::new(&self.shared) else { return };
        let timer = Arc::clone(&volunteer);
        self.spawn(async move {
            timer.run_timer().await;
            None
        });
        if let Some(secure) = &mut self.secure {
            secure.volunteer = Some(volunteer);
        }
    }

    /// One who has come by the listener wants to be relayed, and is of the network. From now on the relay's limits count.
    pub(super) fn leave_to_relay(&mut self, conn: ConnId, guest: Guest) {
        let Some(secure) = self.secure.as_ref().filter(|secure| secure.links.contains_key(&conn)) else {
            return;
        };
        let Some(volunteer) = secure.volunteer.clone() else { return };
        self.let_go(conn, Error::new(Code::Closed, "it has come to be relayed"));
        self.spawn(async move {
            volunteer.attend(guest).await;
            None
        });
    }

    /// Tells the program whether its node relays, as it has learned now by its own locator.
    pub(super) fn note_volunteering(&mut self, locator: Option<&UnlV3>) {
        let is_ready = self.shared.ready.load(Relaxed);
        let Some(secure) = self.secure.as_mut().filter(|secure| secure.volunteer.is_some()) else { return };
        let at = locator.and_then(|unl| unl.record().relays_first());
        let relays = at.is_some();
        if at != std::mem::replace(&mut secure.relays_at, at) {
            self.say_relays(at);
        }
        let Some(secure) = &mut self.secure else { return };
        // A node that has not found out yet may still turn out to be reachable.
        if secure.relays_itself == Some(relays) || !relays && !is_ready {
            return;
        }
        secure.relays_itself = Some(relays);
        let text = match at {
            Some(at) => format!("this node relays for its network at {at}"),
            None => "this node would relay for its network, but nobody can reach it (it is not passive, or does not know its \
                     address from outside)"
                .to_owned(),
        };
        log!(self.shared, Info, "{text}");
        self.shared.step("relay", Instant::now(), relays, text);
    }

    /// Other volunteers are known than before: the own locator names them from now on.
    pub(super) fn renew_volunteers(&mut self) {
        let Some(named) = self.secure.as_mut().and_then(|secure| secure.connector.take_volunteers()) else {
            return;
        };
        if self.shared.config.relay {
            *self.shared.volunteers.lock() = named;
            self.secure_refresh();
        }
    }
}
