//! A node: its runtime thread, and [`Net`], the handle by which programs hold it.
//!
//! ```text
//!   Net (any thread) ── Command ─▶ actor ── spawns ─▶ dial, usher, link, punch, signal, rendezvous, measure (tasks)
//!     │    │                         ▲ └───────────────── Msg ◀────┘
//!     │    └── outlet ───────────────┼──▶ sendbuf ──▶ socket
//!     └── inbox ◀── queue ◀──────────┴── link (reads), actor (notices)
//! ```
//!
//! | file | for |
//! |---|---|
//! | `actor` | every decision; start there |
//! | `net`, `shared`, `table`, `counters`, `stories` | the handle; what threads have in common; the connections; figures; stories of requests |
//! | `listen`, `dial`, `opening`, `conn`, `link`, `receive`, `sendbuf`, `outlet` | a connection's life, lines in and out |
//! | `stream`, `bell`, `room` | what several tasks do with a socket; what wakes them; waiting for room in the event queue |
//! | `moment`, `peer_text` | points in time and addresses, small |
//! | `lease`, `executor` | who drives the runtime; the connections' tasks, which whoever drives polls |
//! | `takeover` | a classic connection's socket for the program |
//! | `session`, `frames` | the same in the secure dialect: a connection that outlives its links; frames in |
//! | `mismatch` | peers that speak the other dialect |
//! | `usher`, `greet`, `key` | the secure dialect: a connection before it is the program's; its handshake; the node's key |
//! | `locator` | what this node's locator says |
//! | `signal`, `simultaneous` | connections to servers over which peers call us: secure, classic |
//! | `relay`, `volunteer` | going to a relay; being one for the network |
//! | `punch` | hole punching's sockets, of both dialects |
//! | `rendezvous`, `resolve` | exchanges with rendezvous servers; names |
//! | `measure`, `nat_probe`, `ntp` | how the node stands in its network |
//! | `log` | what becomes of log lines |

mod actor;
mod bell;
pub(crate) mod conn;
pub(crate) mod counters;
mod dial;
mod executor;
mod frames;
mod greet;
pub(crate) mod key;
pub(crate) mod lease;
mod link;
mod listen;
pub(crate) mod locator;
pub(crate) mod log;
mod measure;
mod mismatch;
mod moment;
pub(crate) mod nat_probe;
mod net;
pub(crate) mod ntp;
mod opening;
mod outlet;
mod peer_text;
pub(crate) mod punch;
mod receive;
mod relay;
pub(crate) mod rendezvous;
pub(crate) mod resolve;
mod room;
mod sendbuf;
mod session;
pub(crate) mod shared;
mod signal;
mod simultaneous;
pub(crate) mod stories;
mod stream;
mod table;
mod takeover;
mod usher;
#[cfg_attr(not(feature = "relay"), path = "no_volunteer.rs")]
mod volunteer;

pub(crate) use measure::PROTOCOLS;
pub use net::Net;
pub(crate) use outlet::{QUICK, send_quickly};
pub use takeover::{NotTaken, Taken};
