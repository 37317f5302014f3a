//! The port that a router gives us: it comes, goes, is late; and what it explains.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::Situation;
use super::words::{Asked, Door, Granted, Knock};
use crate::proto::nat::NatType;
use crate::proto::nat::scope::Scope;

/// A router that has neither given the port nor refused it by then is not waited for any longer; it may still come.
pub(super) const MAPPED_BY: Duration = Duration::from_secs(4);

impl Situation {
    pub(super) fn await_mapping(&mut self, now: Instant) {
        self.map = Asked::Waiting;
        self.mapped_by = Some(now + MAPPED_BY);
    }

    /// A router has given us a port, another one than before, or again.
    pub fn mapped(&mut self, granted: Granted) {
        let other = self.map.get().flatten().is_none_or(|g| g.external_port != granted.external_port);
        let nobodys = self.may_be_mapped() && self.leads_here(&granted) && !self.explains(&granted);
        self.map = Asked::Done(Some(granted));
        self.mapped_by = None;
        self.mapped = Asked::Not;
        self.verified = None;
        if other {
            self.before.mapped = None;
        }
        if nobodys && self.own.get() == Some(Knock::Open) {
            // What opened it may have been another mapping, one that was not kept.
            self.own = Asked::Not;
            self.knock_on_own();
        }
        self.knock_on_mapped();
        self.settle();
    }

    /// The port that a router had given us is gone; another one is being asked for.
    pub fn lost(&mut self, now: Instant) {
        self.without_mapping();
        self.await_mapping(now);
        self.settle();
    }

    /// No router gives us a port.
    pub fn unmapped(&mut self) {
        self.without_mapping();
        self.map = Asked::Done(None);
        self.mapped_by = None;
        self.settle();
    }

    pub(super) fn without_mapping(&mut self) {
        let had = self.map.get().flatten();
        self.mapped = Asked::Not;
        self.clear_doubt();
        (self.before.mapped, self.verified) = (None, None);
        self.verify_at = None;
        // Our own port may have been open only thanks to the mapping.
        if had.is_some_and(|g| self.explains(&g)) {
            self.before.own = None;
            if self.own.get() == Some(Knock::Open) {
                self.own = Asked::Not;
                self.knock_on_own();
            }
        }
    }

    /// Our own port is open, and routers have been asked for it and not answered: it may be open by a mapping that we have
    /// not heard of yet.
    pub(super) fn may_be_mapped(&self) -> bool {
        self.map.is_waiting() && self.knock(Door::Own) == Some(Knock::Open) && !self.before.by_hand
    }

    /// Whether what a router has given is a way to our outside address. Without a NAT it is not, if the router has an
    /// address of its own; else it is a firewall.
    pub(super) fn leads_here(&self, granted: &Granted) -> bool {
        let wan_ip = self.seen().and_then(|p| p.wan_ip);
        let elsewhere = |ip: IpAddr| wan_ip.is_some_and(|w| w != ip && w.is_ipv4() == ip.is_ipv4());
        self.nat() != NatType::None || !granted.external_ip.is_some_and(elsewhere)
    }

    /// Whether what a router has given opens our own port: then that is what it is open by.
    pub(super) fn explains(&self, granted: &Granted) -> bool {
        granted.external_port == self.port && self.leads_here(granted)
    }

    pub(super) fn double_nat(&self) -> Option<bool> {
        let outside = self.map.get().flatten().and_then(|g| g.external_ip)?;
        let seen = self.seen().and_then(|p| p.wan_ip).filter(|ip| ip.is_ipv4() == outside.is_ipv4());
        match seen {
            Some(seen) => Some(seen != outside),
            None => Scope::of(outside).is_behind_nat().then_some(true),
        }
    }
}
