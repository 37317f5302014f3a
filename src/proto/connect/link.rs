//! A connection with one peer as the race sees it, from the dial on.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::report::Technique;
use super::types::Token;
use crate::event::Via;
use crate::proto::nat::scope::Scope;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// We dial.
    Dialling,
    /// It was punched, and the peer is to greet us; or it is on its way by a relay.
    Awaited,
    /// We have greeted.
    Greeted,
    /// The peer has greeted, we have answered; what it said may be a recording.
    Answered,
    /// The peer is there and is who it should be.
    Proved,
    /// It is the one.
    Open,
}

/// A connection, from the dial on.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// The peer's end.
    pub(super) at: SocketAddr,
    pub(super) step: Step,
    /// Whether we have opened it.
    pub(super) ours: bool,
    pub(super) technique: Technique,
    /// The punch, or the meeting at a relay, that it came of.
    pub(super) punch: Option<Token>,
    /// The relay that it goes by.
    pub(super) relay: Option<String>,
    /// Whether the peer has opened it because we had asked it to.
    pub(super) asked: bool,
    /// Whether the peer has opened it to take up the session that we hold.
    pub(super) resumes: bool,
    /// Follower: whether the chooser has turned to it while another one is open.
    pub(super) chosen: bool,
    /// When it was dialled; then, when the first word of the handshake was said.
    pub(super) greeted: Instant,
    /// How long it takes there and back, as far as this connection has shown.
    pub(super) trip: Option<Duration>,
    /// When the peer was proved to be there.
    pub(super) proved: Option<Instant>,
    /// When it is given up.
    pub(super) until: Option<Instant>,
    /// Its place in the story.
    pub(super) entry: Option<usize>,
    /// What there is to tell of how it came about, for people; "" = nothing.
    pub(super) story: String,
}

impl Link {
    /// What all have in common that have just begun. Whoever begins one says how far it is, whose, and till when it is waited for.
    pub(super) fn new(now: Instant, at: SocketAddr, technique: Technique) -> Link {
        Link {
            at,
            step: Step::Awaited,
            ours: false,
            technique,
            punch: None,
            relay: None,
            asked: false,
            resumes: false,
            chosen: false,
            greeted: now,
            proved: None,
            trip: None,
            until: None,
            entry: None,
            story: String::new(),
        }
    }

    /// How it came to be.
    pub(super) fn via(&self) -> Via {
        match (self.technique, self.ours) {
            _ if self.relay.is_some() => Via::Relay,
            _ if self.punch.is_some() => Via::Punch,
            (Technique::Lan, true) => Via::Lan,
            (_, true) => Via::Direct,
            _ if self.asked => Via::Reverse,
            (Technique::Lan, _) => Via::Lan,
            _ => Via::Accept,
        }
    }
}

/// Whether an address is one of a local network.
pub(super) fn inside(ip: IpAddr) -> bool {
    matches!(Scope::of(ip), Scope::Loopback | Scope::Link | Scope::Private | Scope::Shared)
}
