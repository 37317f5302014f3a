//! Everything clever, without I/O: functions and state machines of `(now, input) -> outputs`.
//!
//! Nothing here opens a socket, reads a clock, starts a thread or logs. Time comes in as a [`std::time::Instant`] or as
//! a number, randomness as a seeded generator, so each rule runs in unit tests, property tests, the fuzzer and the
//! simulator exactly as it runs in the node.
//!
//! | for | modules |
//! |---|---|
//! | a link | [`line`](mod@line) (framing), [`link`] (classic: what comes before the first line), [`handshake`] (secure: the same, and frames), [`dedup`] |
//! | who is who | [`identity`] (keys), [`network`] (names of networks), [`unl`] (locators), [`dht_id`], [`conn_id`] (classic) |
//! | connecting by locator | [`connect`] (the ladder; `connect::classic` is PyP2P's), [`punch`], [`signal`] (calling peers by key) |
//! | a connection that outlives its links | [`session`] |
//! | messages without a connection | [`dht_msg`] (their form), [`mailbox`] (by servers) |
//! | rendezvous servers | [`rdv_msg`] (what is said), [`rdv_client`], [`rdv_server`], [`relay`] |
//! | how the node stands in its network | [`situation`] (who is asked what), [`nat`], [`portmap`], [`reach`], [`ntp`], [`clock_sync`], [`clock`] (PyP2P's filter), [`settle`] |
//! | keeping a p2p net | [`admit`] (who may connect), [`upkeep`] (when to bootstrap and advertise) |
//! | spelling | `base64url`, `hex`, `json` |
//!
//! What PyP2P does on the wire (the *classic* dialect) is described in `docs/classic.md` (node to node) and
//! `docs/protocol-rendezvous.md`; the secure dialect in `docs/security.md`, `docs/unl.md`, `docs/connect.md` and
//! `docs/punch.md`.

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
pub(crate) mod hex;
pub mod identity;
mod json;
pub mod line;
pub mod link;
pub mod mailbox;
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
pub mod relay;
pub mod session;
pub mod settle;
pub mod signal;
pub mod situation;
pub mod unl;
pub mod upkeep;
