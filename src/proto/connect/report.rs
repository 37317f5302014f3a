//! The story of one request to connect by locator: what was tried, when, what it met, and why it ended as it did.
//!
//! Both dialects fill it in while they go on, so it can be asked for at any time. Times count from the request's begin.
//! As JSON it is what `p2p_explain` returns.

use std::net::SocketAddr;
use std::time::Duration;

use crate::event::Via;
use crate::proto::nat::NatType;
use crate::proto::nat::behaviour::{Allocation, Mapping};
use crate::proto::unl::{CandidateKind, NodeType};

/// Most attempts, and most notes, that one story keeps; what comes later is counted only.
pub const MAX_ATTEMPTS: usize = 64;
/// See [`MAX_ATTEMPTS`].
pub const MAX_NOTES: usize = 64;

/// What is known of one side's place in the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The node's id: its key in the secure dialect, its DHT id or nothing in classic.
    pub id: String,
    /// How it can be reached; `None` = not known.
    pub node_type: Option<NodeType>,
    /// The NAT in front of it, in PyP2P's words.
    pub nat: NatType,
    /// How long that keeps an outside port.
    pub mapping: Mapping,
    /// How it chooses one.
    pub allocation: Allocation,
    /// Its address from outside.
    pub outside: Option<std::net::IpAddr>,
}

/// One address of the peer, and what was thought of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What kind of address the locator says it is.
    pub kind: CandidateKind,
    /// The address.
    pub at: SocketAddr,
    /// Why it is not tried; `None` = it is, when its turn comes.
    pub left_out: Option<String>,
}

/// How one attempt tries to get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Technique {
    /// A plain connection within one's own network.
    Lan,
    /// A plain connection.
    Direct,
    /// The peer is asked to connect to us.
    Reverse,
    /// Both connect at the same moment.
    Punch,
    /// Both connect to a server that passes on what they send.
    Relay,
}

impl Technique {
    /// Its name, lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Technique::Lan => "lan",
            Technique::Direct => "direct",
            Technique::Reverse => "reverse",
            Technique::Punch => "punch",
            Technique::Relay => "relay",
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// It still goes on.
    Running,
    /// The connection is this one.
    Won,
    /// A connection came of it, but another one was chosen, or came first.
    Beaten,
    /// It failed.
    Failed,
    /// It was given up before it had ended.
    GivenUp,
}

impl Result {
    /// Its name, lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Result::Running => "running",
            Result::Won => "won",
            Result::Beaten => "beaten",
            Result::Failed => "failed",
            Result::GivenUp => "given-up",
        }
    }
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// How.
    pub technique: Technique,
    /// Where to; `None` where that is many places, or the peer comes to us.
    pub to: Option<SocketAddr>,
    /// When it began.
    pub start: Duration,
    /// When it ended.
    pub end: Option<Duration>,
    /// How it ended.
    pub result: Result,
    /// The operating system's error number, 0 if none was involved.
    pub os_error: i32,
    /// What it met, for people; for a punch its technique, rounds and ports.
    pub text: String,
}

/// Something that happened and is no attempt: a message sent or heard, a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: Duration,
    /// What, for people.
    pub text: String,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum End {
    /// It has not.
    #[default]
    Running,
    /// With a connection.
    Connected {
        /// How that came to be.
        via: Via,
        /// The peer's end of it.
        peer: SocketAddr,
    },
    /// Without one.
    Failed {
        /// The kind of failure.
        code: crate::error::Code,
        /// The true reason, for people.
        reason: String,
    },
}

/// The story.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Story {
    /// The request's number in the net, 0 if it is not the program's.
    pub request: u64,
    /// The locator that was asked for.
    pub locator: String,
    /// Our own place when it began.
    pub ours: Place,
    /// The peer's, from its locator and from what it told.
    pub theirs: Place,
    /// The peer's addresses.
    pub choices: Vec<Choice>,
    /// What was tried, in the order of beginning.
    pub attempts: Vec<Attempt>,
    /// What else happened, in order.
    pub notes: Vec<Note>,
    /// Attempts and notes there was no room for.
    pub left_out: u32,
    /// How it ended.
    pub end: End,
    /// When it ended.
    pub took: Option<Duration>,
}

impl Story {
    /// Enters an attempt that begins. Its index, for [`Story::ended`]; `None` if there is no room.
    pub fn began(&mut self, at: Duration, technique: Technique, to: Option<SocketAddr>) -> Option<usize> {
        if self.attempts.len() >= MAX_ATTEMPTS {
            self.left_out += 1;
            return None;
        }
        let text = String::new();
        let attempt =
            Attempt { technique, to, start: at, end: None, result: Result::Running, os_error: 0, text };
        self.attempts.push(attempt);
        Some(self.attempts.len() - 1)
    }

    /// An attempt has ended. The first end counts.
    pub fn ended(
        &mut self,
        attempt: Option<usize>,
        at: Duration,
        result: Result,
        os_error: i32,
        text: impl Into<String>,
    ) {
        let Some(attempt) = attempt.and_then(|i| self.attempts.get_mut(i)) else { return };
        if attempt.end.is_none() {
            (attempt.end, attempt.result, attempt.os_error) = (Some(at), result, os_error);
            attempt.text = text.into();
        }
    }

    /// Notes what has happened.
    pub fn note(&mut self, at: Duration, text: impl Into<String>) {
        if self.notes.len() >= MAX_NOTES {
            self.left_out += 1;
            return;
        }
        self.notes.push(Note { at, text: text.into() });
    }

    /// The request has ended. What still goes on is given up by that. The first end counts.
    pub fn over(&mut self, at: Duration, end: End) {
        if self.took.is_some() {
            return;
        }
        for i in 0..self.attempts.len() {
            self.ended(Some(i), at, Result::GivenUp, 0, "not needed any more");
        }
        (self.took, self.end) = (Some(at), end);
    }
}
