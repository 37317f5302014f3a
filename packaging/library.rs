//! What `make lib` links into libp2pnet.so and libp2pnet.a: the library, which has all of it.
//!
//! Optimisation at the link (lto) follows the settings of the crate that is linked. Those of the library are for size, and with them loops
//! of the crates that are compiled for speed are not unrolled: the ciphers lose a third of their speed. This crate has the settings for speed,
//! and no code that they could make larger. Cargo has no name for that which would not have it build everything twice; library.sh does it.

pub use library::ffi::*;
