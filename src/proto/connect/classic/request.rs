//! One request: a program's, or what a peer has asked us for.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::decide::{self, Meeting, Way};
use super::matching::{Wanted, is_zero};
use super::types::{AttemptId, Options, Us};
use crate::error::Code;
use crate::proto::conn_id::Nonce;
use crate::proto::connect::report::{Choice, End, Place, Result as Ended, Story};
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::unl::{CandidateKind, UnlV2};

/// An attempt under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) attempt: AttemptId,
    pub(super) way: Way,
    /// Its place in the story.
    pub(super) entry: Option<usize>,
}

/// That we wait for the peer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// The message that asked for the connection, if one did.
    pub(super) asked: Option<u64>,
    pub(super) entry: Option<usize>,
}

/// What a request has met: the kind of failure, the system's error number, the words.
pub(super) type Met = (Code, i32, String);

#[derive(Debug)]
pub(super) struct Request {
    /// The program's name for it; 0 if a peer has asked.
    pub(super) number: u64,
    pub(super) unl: UnlV2,
    pub(super) meeting: Meeting,
    pub(super) nonce: Nonce,
    pub(super) options: Options,
    pub(super) wanted: Wanted,
    /// What is still to be tried, in turn.
    pub(super) ways: VecDeque<Way>,
    began: Instant,
    /// When it has to end; `None` while it waits for others of the same UNL.
    pub(super) until: Option<Instant>,
    /// The next way waits until then.
    pub(super) not_before: Option<Instant>,
    pub(super) running: Option<Running>,
    pub(super) waits: Option<Waits>,
    pub(super) punches: u32,
    pub(super) met: Vec<Met>,
    pub(super) story: Story,
}

impl Request {
    pub(super) fn new(
        now: Instant,
        us: &Us,
        number: u64,
        (text, unl): (&str, UnlV2),
        options: Options,
        nonce: Nonce,
    ) -> Request {
        let meeting = decide::meeting(&us.unl, &unl, options.hairpin);
        let master =
            options.force_master || us.text.as_deref().is_some_and(|ours| decide::is_master(ours, text));
        let wanted = match options.nonce {
            None => Wanted::Secret(nonce),
            Some(zero) if is_zero(&zero) => Wanted::Nothing,
            Some(nonce) => Wanted::Id { nonce, our_ip: meeting.our_ip, their_ip: meeting.their_ip },
        };
        let locator = text.to_owned();
        let story = Story {
            request: number,
            locator,
            ours: place(&us.unl),
            theirs: place(&unl),
            choices: choices(&unl, &meeting),
            ..Story::default()
        };
        let mut request = Request {
            number,
            unl,
            meeting,
            nonce,
            options,
            wanted,
            ways: decide::ways(meeting.ours, meeting.theirs, master).into(),
            began: now,
            until: None,
            not_before: None,
            running: None,
            waits: None,
            punches: 0,
            met: Vec::new(),
            story,
        };
        if meeting.inside {
            request.note(now, "both nodes have one address outside: their addresses inside count");
        }
        request
    }

    /// Whether a peer has asked for it, not our program.
    pub(super) fn by_peer(&self) -> bool {
        self.number == 0
    }

    pub(super) fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    pub(super) fn note(&mut self, now: Instant, text: impl Into<String>) {
        let at = self.at(now);
        self.story.note(at, text);
    }

    /// Where the peer is dialled.
    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(self.meeting.their_ip), self.unl.listen_port)
    }

    /// The attempt has ended.
    pub(super) fn stopped(
        &mut self,
        now: Instant,
        result: Ended,
        os_error: i32,
        text: &str,
    ) -> Option<Running> {
        let running = self.running.take()?;
        let at = self.at(now);
        self.story.ended(running.entry, at, result, os_error, text);
        Some(running)
    }

    /// Nothing is waited for any more.
    pub(super) fn waits_no_more(&mut self, now: Instant, result: Ended, text: &str) {
        if let Some(waits) = self.waits.take() {
            let at = self.at(now);
            self.story.ended(waits.entry, at, result, 0, text);
        }
    }

    pub(super) fn over(&mut self, now: Instant, end: End) {
        let at = self.at(now);
        self.story.over(at, end);
    }

    /// Why it has failed, in the end.
    pub(super) fn reason(&self) -> Met {
        match self.met.as_slice() {
            [] => (Code::NoPath, 0, "nothing could be tried".into()),
            [one] => one.clone(),
            [.., last] => {
                let texts: Vec<&str> = self.met.iter().map(|(_, _, text)| text.as_str()).collect();
                (Code::NoPath, last.1, texts.join("; "))
            }
        }
    }
}

fn place(unl: &UnlV2) -> Place {
    let id = if unl.node_id == [0; 20] {
        String::new()
    } else {
        unl.node_id.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    Place {
        id,
        node_type: Some(unl.node_type),
        nat: unl.nat_type,
        mapping: Mapping::Unknown,
        allocation: Allocation::Unknown,
        outside: Some(IpAddr::V4(unl.wan_ip)).filter(|ip| !ip.is_unspecified()),
    }
}

fn choices(unl: &UnlV2, meeting: &Meeting) -> Vec<Choice> {
    let choice = |kind, ip, counts: bool, why: &str| Choice {
        kind,
        at: SocketAddr::new(IpAddr::V4(ip), unl.listen_port),
        left_out: (!counts).then(|| why.to_owned()),
    };
    vec![
        choice(CandidateKind::Wan, unl.wan_ip, !meeting.inside, "both nodes have this address outside"),
        choice(CandidateKind::Lan, unl.lan_ip, meeting.inside, "the peer is in another network"),
    ]
}
