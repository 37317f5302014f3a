//! System calls that the standard library does not offer, each in a small file; with `ffi` the only place with `unsafe`.
#![allow(unsafe_code)]

pub(crate) mod fd;
#[cfg(feature = "server")]
pub(crate) mod icmp;
pub(crate) mod iface;
#[cfg(feature = "server")]
pub(crate) mod limits;
pub(crate) mod netlink;
#[cfg(all(test, target_os = "linux"))]
mod netns;
pub(crate) mod route;
pub(crate) mod sock;
pub(crate) mod thread;
pub(crate) mod wake;
