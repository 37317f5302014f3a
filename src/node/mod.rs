//! A node: its runtime thread, and [`Net`], the handle by which programs hold it.
//!
//! ```text
//!   Net (any thread) ── Command ─▶ actor ── spawns ─▶ dial, link, rendezvous (tasks)
//!     │    │                         ▲ └───────────────── Msg ◀────┘
//!     │    └── outlet ───────────────┼──▶ sendbuf ──▶ socket
//!     └── inbox ◀── queue ◀──────────┴── link (reads), actor (notices)
//! ```
//!
//! Read on in `actor` for the decisions, `link` for a connection's life, `shared` for what threads have in common.

mod actor;
pub(crate) mod conn;
pub(crate) mod counters;
mod dial;

pub(crate) mod key;
mod link;
mod listen;
pub(crate) mod locator;
mod log;
mod measure;
pub(crate) mod nat_probe;
mod net;
pub(crate) mod ntp;
mod outlet;
#[allow(dead_code, reason = "used by the actor once wired")]
pub(crate) mod punch;
mod receive;
pub(crate) mod rendezvous;
pub(crate) mod resolve;
mod sendbuf;
pub(crate) mod shared;
#[allow(dead_code, reason = "used by the actor once wired")]
mod signal;
#[allow(dead_code, reason = "filled once connecting by locator is wired")]
pub(crate) mod stories;
mod table;

pub(crate) use measure::PROTOCOLS;
pub use net::Net;
