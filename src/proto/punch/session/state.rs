//! What a session remembers of its parts.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use super::SlotId;
use crate::proto::punch::aim::Aim;
use crate::proto::punch::target::Refusal;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The target may not be aimed at; ends before it has begun.
    Refused(Refusal),
    /// The ports of the round are being bound and asked for.
    Preparing,
    /// They are known; the peer has the word.
    Ready,
    /// The attempts of the round are under way.
    Fired,
    /// Ended.
    Over,
}

/// The round under way.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// From 1; 0 before the first.
    pub(super) number: u8,
    pub(super) begun: Option<Instant>,
    /// Its local ports.
    pub(super) slots: Vec<SlotId>,
    /// Outside ports we expect, as told to the peer.
    pub(super) our_ports: Vec<u16>,
    /// Outside ports the peer expects.
    pub(super) their_ports: Vec<u16>,
    /// Whether the peer is ready (initiator).
    pub(super) answered: bool,
    /// When its attempts leave.
    pub(super) fired: Option<Instant>,
    /// Attempts that wait for the budget, with the time they were due.
    pub(super) backlog: VecDeque<(Instant, Aim)>,
    /// Attempts that were repeated.
    pub(super) repeated: usize,
    /// Whether the peer was told that nothing is left (responder).
    pub(super) said_again: bool,
}

/// How far a local port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Binding,
    Asking,
    Usable,
    Failed,
}

/// A local port.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) step: Step,
    /// Whether a server is to be asked.
    pub(super) ask: bool,
    pub(super) local: Option<u16>,
    /// What a server has told.
    pub(super) outside: Option<u16>,
}

/// An attempt.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) slot: SlotId,
    pub(super) to: SocketAddr,
    pub(super) round: u8,
    /// When it leaves, or left last.
    pub(super) at: Instant,
    pub(super) tries: u32,
    /// One of many guesses: not repeated.
    pub(super) guess: bool,
    /// Its SYN was not meant to arrive.
    pub(super) short: bool,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) slot: SlotId,
    pub(super) since: Instant,
    /// Whether the peer has said hello on it.
    pub(super) greeted: bool,
    /// Whether the initiator has selected it (responder).
    pub(super) selected: bool,
}
