//! Everything clever, without I/O: functions and state machines of `(now, input) -> outputs`.
//!
//! Nothing here opens a socket, reads a clock, starts a thread or logs. Time comes in as a [`std::time::Instant`] or as
//! a number, randomness as a seeded generator, so each rule runs in unit tests, property tests, the fuzzer and the
//! simulator exactly as it runs in the node.
//!
//! What PyP2P does on the wire (the *classic* dialect) is described in `docs/classic.md` (node to node) and
//! `docs/protocol-rendezvous.md`.

pub mod admit;
mod base64url;
pub mod clock;
pub mod clock_sync;
pub mod conn_id;
pub mod connect;
pub mod dedup;
pub mod dht_id;
pub mod dht_msg;
pub mod handshake;
pub mod identity;
pub mod line;
pub mod link;
#[cfg(feature = "mainline")]
pub mod mainline;
pub mod nat;
pub mod network;
pub mod ntp;
pub mod portmap;
pub mod punch;
pub mod rdv_client;
pub mod rdv_msg;
pub mod rdv_server;
pub mod reach;
pub mod settle;
pub mod signal;
pub mod situation;
pub mod unl;
pub mod upkeep;
