//! In the place of `mainline` in a build without BitTorrent's DHT: there is nothing to be asked, and nobody asks, as
//! [`crate::config::Config::uses_mainline`] says no.

use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use super::super::Actor;
use crate::proto::identity::PublicKey;
use crate::proto::unl::UnlV3;

/// Nothing happens.
pub(in super::super) enum Happening {}

/// Nobody sits there.
#[derive(Default)]
pub(super) struct Desk {}

impl Desk {
    pub(super) fn poll(&mut self, _: &mut Context<'_>) -> Poll<Happening> {
        Poll::Pending
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        None
    }

    pub(super) fn set_locator(&mut self, _: Option<&UnlV3>) {}
}

impl Actor {
    pub(super) fn begin_mainline(&mut self) {}

    pub(in super::super) fn mainline_due(&mut self, _: Instant) {}

    pub(in super::super) fn mainline_network_changed(&mut self) {}

    pub(in super::super) fn mainline_outside(&self) -> Option<IpAddr> {
        None
    }

    pub(super) fn look_up(&mut self, _: u64, _: PublicKey) {}

    pub(super) fn leave_letter(&mut self, _: u64, _: PublicKey, _: Vec<u8>) {}

    pub(in super::super) fn find_nodes(&mut self, _: u64) {}

    pub(in super::super) fn announce_for(&mut self, _: u64) {}

    pub(in super::super) fn mainline_happened(&mut self, happening: Happening) {
        match happening {}
    }
}
