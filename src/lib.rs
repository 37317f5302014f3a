//! p2pnet: find other copies of your program on the internet, get through the NATs between them, and exchange
//! lines of text with them.
//!
//! # The map
//!
//! ```text
//!   your program ── C ABI (ffi) ── commands ─▶ ┌───────── runtime thread (tokio, current_thread) ─────────┐
//!        ▲                                     │ node: one actor that owns all state, one task per socket │
//!        └──────── events ◀── queue ◀──────────│ asks proto what to do, does the I/O, feeds back what came │
//!                                              └──────────────────────────────────────────────────────────┘
//! ```
//!
//! * [`proto`] is the thinking: no sockets, no clock, no threads. State machines of `(now, input) -> output`.
//! * [`node`] is the doing: the runtime thread, its actor, the connections.
//! * `portmap` opens our port on the router; `reach` asks outside whether it is open (over `http`); [`report`] tells the story.
//! * `dht` carries messages to nodes that no connection leads to.
//! * `queue` carries events from that thread to yours, bounded and lock-free.
//! * [`ffi`] is the C surface, thin; with `os` the only place with `unsafe`.
//! * `server` (feature) is the rendezvous server around [`proto::rdv_server`].
//!
//! Data flows one way: a command goes in, an event comes out. Nothing of yours ever runs on our thread.

pub mod config;
mod dht;
pub mod error;
pub mod event;
pub mod ffi;
#[cfg(feature = "reach")]
mod http;
mod json;
pub mod node;
mod os;
mod portmap;
pub mod proto;
mod queue;
#[cfg(feature = "reach")]
#[allow(dead_code, reason = "used by the actor once wired")]
mod reach;
pub mod report;
#[cfg(feature = "server")]
pub mod server;
#[cfg(all(feature = "server", feature = "testing"))]
pub mod testing;

pub use config::Config;
pub use error::{Code, Error};
pub use node::Net;
