//! The relay without I/O: what a server grants to two nodes that cannot reach each other, and what these say to it.
//!
//! ```text
//!   one of the two                     server                     the other
//!   RELAY token ─────────────────────▶  waits                        │
//!                   RELAY WAIT ◀───────                              │
//!                                       a session ◀──────── RELAY token
//!                     RELAY GO ◀──────────────────────────▶ RELAY GO
//!   bytes ◀════════════════ paced, counted, never looked at ════════▶ bytes
//! ```
//!
//! A server knows addresses and volumes. What passes is encrypted from end to end by the handshake (`proto/handshake`), which
//! also shows that the other one is who it should be; so whoever guesses or steals a token gains nothing but a
//! connection that comes to nothing.
//!
//! A node may volunteer to relay for its network ([`Membership`]); then it is the server here.
//!
//! The lines are in [`crate::proto::rdv_msg`]; the I/O is in `relay`, of one who goes there in `node/relay`.

mod client;
mod limits;
mod member;
mod pace;
mod server;
mod types;

#[cfg(test)]
mod tests;

pub use client::{Client, Unwilling, request};
pub use limits::RelayLimits;
pub use member::{Membership, Seen};
pub use server::Relay;
pub use types::{Asked, Counters, End, Next, Output, Refusal, SessionId, Summary};
