//! p2pnet: find other copies of your program on the internet, connect to one of them by its locator through the NATs
//! between you, and exchange lines of text with them.
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
//! * [`node`] is the doing: the runtime thread, its actor, the connections, handshakes, signalling and hole punching.
//! * `portmap` opens our port on the router; `reach` asks outside whether it is open; [`report`] tells the story of that.
//! * `dht` carries messages to nodes that no connection leads to, by mailboxes or by the program's own DHT.
//! * `http` is the client that `reach` and the mailboxes share; `json` writes [`report`] and the stories of requests.
//! * `queue` carries events from that thread to yours, bounded and lock-free.
//! * [`config`], [`event`] and [`error`] are what goes in and comes out, in Rust's terms.
//! * [`ffi`] is the C surface, thin; with `os` the only place with `unsafe`.
//! * `relay` passes bytes between two nodes that cannot reach each other: the server's, and that of nodes that volunteer.
//! * `server` (feature) is the rendezvous server around [`proto::rdv_server`].
//! * `testing` (feature) is a server and nodes on loopback, for programs' own tests.
//!
//! A net speaks one of two dialects ([`config::Dialect`]): PyP2P's, in clear text, or the secure one, in which nodes
//! are known by keys and links are encrypted. `docs/architecture.md` follows a request through the code in either.
//!
//! Data flows one way: a command goes in, an event comes out. Nothing of yours ever runs on our thread.

mod boxed;
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
mod reach;
#[cfg(any(feature = "relay", feature = "server"))]
mod relay;
pub mod report;
#[cfg(feature = "server")]
pub mod server;
mod small;
#[cfg(all(feature = "server", feature = "testing"))]
pub mod testing;
#[cfg(any(feature = "relay", feature = "server"))]
mod wait;

pub use config::Config;
pub use error::{Code, Error};
pub use node::Net;
