//! What the I/O around the server has to do.

use super::event::Event;
use crate::proto::rdv_msg::{RelayToken, Reply};

/// A connection of this server; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// What the I/O has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a line.
    Send {
        /// On which connection.
        conn: ConnId,
        /// What.
        reply: Reply,
    },
    /// End a connection after what was sent on it. The server has forgotten it already.
    Close {
        /// Which connection.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Leave this connection to [`crate::proto::relay`] and read no more lines of it; it counts here until it has ended.
    Relay {
        /// Which connection: the one whose line has just come. Nothing was sent on it.
        conn: ConnId,
        /// What it named.
        token: RelayToken,
    },
    /// Write to the log.
    Log(Event),
}

/// Why the server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client said QUIT.
    Quit,
    /// No request for too long.
    Idle,
    /// No request since it connected.
    NoRequest,
    /// A line longer than [`crate::proto::rdv_msg::MAX_LINE`].
    LongLine,
    /// More requests than its address may make.
    Rate,
    /// It does not read what it is sent.
    SlowReader,
    /// It wanted to enter and did not prove who it is in time.
    Unproved,
    /// It wanted to enter and may not.
    TurnedAway,
    /// Its node has entered on another connection.
    Replaced,
    /// It does not confirm the messages it is sent.
    Unheard,
}

impl CloseReason {
    /// One word for logs.
    pub fn word(self) -> &'static str {
        match self {
            CloseReason::Quit => "quit",
            CloseReason::Idle => "idle",
            CloseReason::NoRequest => "no-request",
            CloseReason::LongLine => "long-line",
            CloseReason::Rate => "rate",
            CloseReason::SlowReader => "slow-reader",
            CloseReason::Unproved => "unproved",
            CloseReason::TurnedAway => "turned-away",
            CloseReason::Replaced => "replaced",
            CloseReason::Unheard => "unheard",
        }
    }
}
