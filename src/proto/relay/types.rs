//! What goes into a relay and what comes out of it.

use std::time::{Duration, Instant};

use crate::proto::rdv_msg::RelayReason;
use crate::proto::rdv_server::ConnId;

/// Two connections between which bytes are passed; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// What becomes of a connection that has said RELAY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is the first; say `RELAY WAIT`.
    Wait,
    /// The other one is here; say `RELAY GO` to both and pass on what they send.
    Go {
        /// What this is called from now on.
        session: SessionId,
        /// The one that has waited.
        other: ConnId,
    },
}

/// What to do when bytes have been passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Go,
    /// Read nothing of this session until then.
    Pause(Instant),
    /// It is over: [`Output::Over`] follows.
    Over,
}

/// What is to be done, as time has passed or as a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The other one has not come; say so and close.
    Late {
        /// Who has waited.
        conn: ConnId,
    },
    /// Cut both connections. [`super::Relay::ended`] is to follow.
    Over {
        /// Which session.
        session: SessionId,
        /// Why.
        why: End,
    },
}

/// Why a connection is not relayed, in the word of the line and in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The word.
    pub reason: RelayReason,
    /// What was expected instead.
    pub expected: String,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Both have said all.
    Closed,
    /// One of them broke off.
    Reset,
    /// Nothing got through for too long.
    Idle,
    /// It has had all the bytes it may have.
    Bytes,
}

impl End {
    /// All, in the order of the enumeration.
    pub const ALL: [End; 4] = [End::Closed, End::Reset, End::Idle, End::Bytes];

    /// One word for logs and counters.
    pub fn word(self) -> &'static str {
        match self {
            End::Closed => "closed",
            End::Reset => "reset",
            End::Idle => "idle",
            End::Bytes => "bytes",
        }
    }
}

/// What a session was, when it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How it ended.
    pub end: End,
    /// Bytes passed on, both ways together.
    pub bytes: u64,
    /// How long it lasted.
    pub lasted: Duration,
}

/// How often each thing happened since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sessions begun.
    pub sessions: u64,
    /// Bytes passed on.
    pub bytes: u64,
    /// Connections refused, in the order of [`RelayReason::ALL`].
    pub refused: [u64; RelayReason::ALL.len()],
    /// Sessions ended, in the order of [`End::ALL`].
    pub ended: [u64; End::ALL.len()],
}
