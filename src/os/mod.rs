//! System calls and instructions that the standard library does not offer, each in a small file; with `ffi` the only place
//! with `unsafe`.
#![allow(unsafe_code)]

mod barrier;
pub(crate) mod biased;
#[cfg(test)]
mod biased_tests;
pub(crate) mod cache;
pub(crate) mod fd;
#[cfg(feature = "server")]
pub(crate) mod icmp;
pub(crate) mod iface;
pub(crate) mod limits;
pub(crate) mod netlink;
#[cfg(all(test, target_os = "linux"))]
mod netns;
pub(crate) mod route;
pub(crate) mod simd;
pub(crate) mod sock;
mod sync;
pub(crate) mod thread;
pub(crate) mod wake;
