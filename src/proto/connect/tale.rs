//! A story while it is being told: with the time at which it began.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::report::{End, Place, Result, Story, Technique};
use super::settings::Own;
use crate::proto::identity::PublicKey;
use crate::proto::unl::{CandidateKind, UnlV3};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Tale {
    since: Instant,
    /// Boxed, and there once there is something to tell.
    story: Option<Box<Story>>,
}

impl Tale {
    pub(super) fn begin(now: Instant) -> Tale {
        Tale { since: now, story: None }
    }

    fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    pub(super) fn note(&mut self, now: Instant, text: impl Into<String>) {
        let at = self.at(now);
        self.story_mut().note(at, text);
    }

    pub(super) fn began(
        &mut self,
        now: Instant,
        technique: Technique,
        to: Option<SocketAddr>,
    ) -> Option<usize> {
        let at = self.at(now);
        self.story_mut().began(at, technique, to)
    }

    pub(super) fn ended(
        &mut self,
        entry: Option<usize>,
        now: Instant,
        result: Result,
        os_error: i32,
        text: impl Into<String>,
    ) {
        let at = self.at(now);
        if let Some(story) = &mut self.story {
            story.ended(entry, at, result, os_error, text);
        }
    }

    pub(super) fn over(&mut self, now: Instant, end: End) {
        let at = self.at(now);
        self.story_mut().over(at, end);
    }

    /// Who takes part, as far as that is known now.
    pub(super) fn introduce(&mut self, own: &Own, identity: &PublicKey, peer: &UnlV3) {
        let story = self.story_mut();
        story.locator = peer.text().to_owned();
        story.ours = Place {
            id: identity.to_string(),
            node_type: own.node_type,
            nat: own.nat,
            mapping: own.side.mapping,
            allocation: own.side.allocation,
            outside: own.side.outside_ip,
        };
        let record = peer.record();
        let outside = record.candidates.iter().find(|c| c.kind != CandidateKind::Lan).map(|c| c.ip);
        story.theirs = Place {
            id: peer.identity().to_string(),
            node_type: record.node_type,
            nat: record.nat.nat_type,
            mapping: record.nat.mapping,
            allocation: record.nat.allocation,
            outside,
        };
    }

    pub(super) fn story_mut(&mut self) -> &mut Story {
        self.story.get_or_insert_default()
    }

    /// Nobody asks for it any more.
    pub(super) fn forget(&mut self) {
        self.story = None;
    }

    /// The story as it stands, for a request.
    pub(super) fn of(&self, request: u64) -> Story {
        Story { request, ..self.story.as_deref().cloned().unwrap_or_default() }
    }
}
