//! A session: what a program calls a connection in the secure dialect. It outlives the links that carry it, so that nothing
//! is lost, repeated or reordered when one breaks and the next one is made, or when it moves to a better one.
//!
//! ```text
//!   program ── lines, messages ─▶ Piece ── parts ─▶ frames of the link ─▶ Incoming ─▶ program
//!                                   │ moved                                  │ so much has arrived
//!                                 Window ◀───────────── ACK ─────────────────┘
//!                                   └─ again, from there on, when the next link is there
//! ```
//!
//! Each direction is one *stream*: the bytes of lines as they are, messages with one unit more for their end. Both sides
//! count its units from the session's begin, so a place in it needs no number on the wire. What was sent stays in the
//! [`Window`] until the other side says that it has it.
//!
//! **On each link that is kept** the first word of either side is `SESSION`: the session that it holds with the other, by its
//! name, and how much of the other's stream it has. The same name on both sides: the session goes on over this link, and
//! either sends again what the other has not. Anything else: the old one is over, at whichever side held one, and a new one
//! begins, which is named by the first bytes of the link's handshake hash. Who holds a session waits for the other's word
//! before it sends; who holds none does not have to.
//!
//! **Moving** is the same while the old link lives: from the moment on in which a side has said on the new link how much it
//! has, it takes nothing more from the old one.
//!
//! **The end** is told (`CLOSE`), so a link that was cut is never taken for an end. Who closes waits until everything
//! is acknowledged.
//!
//! | file | for |
//! |---|---|
//! | [`piece`] | stretches of a stream: which bytes are lines, which are messages, how they become frames |
//! | [`window`] | what was sent and is not acknowledged |
//! | [`incoming`] | the other's stream: what may come when, how much has come |
//! | [`live`] | whether the other side is still there; how far away it is |
//! | [`machine`] | [`Session`]: what is to be said, when; when a link is given up |
//!
//! `docs/session.md` draws it, and says what costs what.

pub mod incoming;
pub mod live;
pub mod machine;
pub mod piece;
pub mod window;

use std::fmt;

pub use incoming::Incoming;
pub use machine::{Due, Epitaph, Heard, Session, Settings};
pub use piece::{Part, Piece};
pub use window::{Unsettled, Window};

/// A session's name.
pub type SessionId = [u8; 16];

/// The name of no session.
pub const NONE: SessionId = [0; 16];

/// What a session is called that begins with the link of this handshake hash.
pub fn name(binding: &[u8; 32]) -> SessionId {
    let mut id = NONE;
    id.iter_mut().zip(binding).for_each(|(to, from)| *to = *from);
    if id == NONE { [1; 16] } else { id }
}

/// What the peer must not do. The session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Something else than SESSION came first on a link.
    Unannounced,
    /// SESSION came a second time.
    Twice,
    /// A line in the middle of a message, or a message in the middle of a line.
    Mixed,
    /// Something came behind CLOSE.
    AfterClose,
    /// It says that it has what was not sent, or has no more what it had.
    Acknowledged {
        /// What it says.
        found: u64,
        /// What it had.
        least: u64,
        /// What it may have.
        most: u64,
    },
    /// It says that it has sent less than has come.
    Sent {
        /// What it says.
        found: u64,
        /// What has come.
        least: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unannounced => write!(f, "the first word on a link has to be that of the session"),
            Self::Twice => write!(f, "the session was named twice on one link"),
            Self::Mixed => write!(f, "a line and a message were mixed"),
            Self::AfterClose => write!(f, "something came behind the end"),
            Self::Acknowledged { found, least, most } => {
                write!(f, "{found} bytes are said to have arrived; expected {least} to {most}")
            }
            Self::Sent { found, least } => {
                write!(f, "{found} bytes are said to have been sent; {least} have arrived")
            }
        }
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
