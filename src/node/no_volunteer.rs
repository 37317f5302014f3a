//! In the place of [`super::volunteer`] in a build that relays for nobody.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::shared::Shared;
use crate::error::Error;

/// What came in by the listener.
#[allow(dead_code, reason = "only with the feature there is anybody who says so")]
pub(crate) enum Came {
    Peer(TcpStream),
    Relay(Box<Guest>),
    Nobody(Error),
}

/// There are none.
pub(crate) enum Guest {}

/// There is none.
pub(crate) enum Volunteer {}

impl Volunteer {
    pub(crate) fn new(_: &Arc<Shared>) -> Option<Arc<Volunteer>> {
        None
    }

    pub(crate) async fn sort(&self, _: TcpStream, _: SocketAddr) -> Came {
        match *self {}
    }

    pub(crate) async fn attend(&self, guest: Guest) {
        match guest {}
    }

    pub(crate) async fn run_timer(&self) {
        match *self {}
    }

    pub(crate) fn stop(&self) {
        match *self {}
    }
}
