//! The C ABI: thin, and with `os` the only place with `unsafe`.
//!
//! `include/p2pnet.h` is generated from these files (`cbindgen.toml`; `tests/header.rs` holds the committed header against
//! them), so their documentation is the C documentation. The contract stands at the header's top. How the parts fit:
//!
//! * [`types`], [`situation`], [`opts`] and [`structs`] are what crosses the border; [`guard`] is the border: panics, NULLs, sizes, strings.
//! * [`version`], [`config`], [`net`], [`look`], [`poll`], [`event`], [`conn`], [`unl`], [`dht`] are the functions, by what they are
//!   about.
//!
//! Enumerations come in as plain `i32` ([`types::OptArg`] and the like) because a number outside a Rust enum is undefined
//! behaviour; they go out as enums.
#![allow(unsafe_code, non_camel_case_types, clippy::missing_safety_doc)]
// Each function's documentation is its C contract; the duties of callers stand once, at the header's top.

pub mod config;
pub mod conn;
pub mod dht;
pub mod event;
pub mod guard;
pub mod look;
pub mod net;
pub mod opts;
pub mod poll;
pub mod situation;
pub mod structs;
pub mod types;
pub mod unl;
pub mod version;
