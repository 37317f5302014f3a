//! TCP hole punching: two nodes behind NATs connect to each other at the same moment, so that each NAT takes
//! the other side's first packet for an answer to its own.
//!
//! ```text
//!   side ──▶ technique   what can be foreseen, and what that allows
//!                │
//!   message ──▶ session ◀── what became of the sockets         hello: who is there, which connection is kept
//!                │  aim: who connects to what · budget: how much of it · target: to whom at all
//!                ▼
//!      bind, ask, send, connect at an instant, close, winner or a reason
//! ```
//!
//! [`Session`] is our own way: timed by the round trip of the signalling. [`fight`] is PyP2P 0.8.3's: timed
//! by NTP, and [`classic`] its prediction. Everything here is `(now, input) -> outputs`; `docs/punch.md`
//! draws the timing and tells where the rules come from.

mod aim;
mod budget;
pub mod classic;
pub mod fight;
mod hello;
mod message;
mod options;
mod reason;
mod session;
mod side;
pub mod target;
mod technique;

pub use budget::Budget;
pub use hello::{FRAME_LEN, Frame};
pub use message::{Body, MAX_LEN, MAX_PORTS, Message, MessageError, Token};
pub use options::Options;
pub use reason::{Failure, Reason};
pub use session::{ConnId, Input, Output, Role, RoundReport, Session, Setup, SlotId, Socket};
pub use side::{Foresight, LOWEST_PORT, Side};
pub use technique::{Hopeless, Technique};
