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
    story: Story,
}

impl Tale {
    pub(super) fn begin(now: Instant) -> Tale {
        Tale { since: now, story: Story::default() }
    }

    fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    pub(super) fn note(&mut self, now: Instant, text: impl Into<String>) {
        self.story.note(self.at(now), text);
    }

    pub(super) fn began(
        &mut self,
        now: Instant,
        technique: Technique,
        to: Option<SocketAddr>,
    ) -> Option<usize> {
        self.story.began(self.at(now), technique, to)
    }

    pub(super) fn ended(
        &mut self,
        entry: Option<usize>,
        now: Instant,
        result: Result,
        os_error: i32,
        text: impl Into<String>,
    ) {
        self.story.ended(entry, self.at(now), result, os_error, text);
    }

    pub(super) fn over(&mut self, now: Instant, end: End) {
        self.story.over(self.at(now), end);
    }

    /// Who takes part, as far as that is known now.
    pub(super) fn introduce(&mut self, own: &Own, identity: &PublicKey, peer: &UnlV3) {
        self.story.locator = peer.text().to_owned();
        self.story.ours = Place {
            id: identity.to_string(),
            node_type: own.node_type,
            nat: own.nat,
            mapping: own.side.mapping,
            allocation: own.side.allocation,
            outside: own.side.outside_ip,
        };
        let record = peer.record();
        let outside = record.candidates.iter().find(|c| c.kind != CandidateKind::Lan).map(|c| c.ip);
        self.story.theirs = Place {
            id: peer.identity().to_string(),
            node_type: record.node_type,
            nat: record.nat.nat_type,
            mapping: record.nat.mapping,
            allocation: record.nat.allocation,
            outside,
        };
    }

    pub(super) fn story_mut(&mut self) -> &mut Story {
        &mut self.story
    }

    /// The story as it stands, for a request.
    pub(super) fn of(&self, request: u64) -> Story {
        Story { request, ..self.story.clone() }
    }
}
