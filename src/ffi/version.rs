//! The library itself: its version and its words.

use std::ffi::c_char;

use super::types::ResultArg;
use crate::error::Code;

const fn number(text: &str) -> u32 {
    let (mut n, mut i) = (0, 0);
    while i < text.len() {
        n = n * 10 + (text.as_bytes()[i] - b'0') as u32;
        i += 1;
    }
    n
}

const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
    | number(env!("CARGO_PKG_VERSION_PATCH"));

/// The version of the library that is loaded, as P2P_VERSION_NUMBER writes it: major << 16 | minor << 8 | patch. Compare
/// it with P2P_VERSION_NUMBER, the version of the header you were compiled with. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn p2p_version() -> u32 {
    VERSION
}

/// What a result means, a few English words. Static text, never NULL, also for numbers that mean nothing. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn p2p_strerror(code: ResultArg) -> *const c_char {
    let text = match Code::ALL.iter().find(|c| **c as i32 == code.0) {
        Some(known) => known.c_text(),
        None if code.0 == 0 => c"success",
        None => c"unknown result",
    };
    text.as_ptr()
}

/// What this build of the library can do: the P2P_FWD_* bits of the port mapping protocols that are built in, and 1 << 16
/// if it speaks HTTP: can ask servers whether its port is open (P2P_SERVER_REACHABILITY) and use mailboxes (P2P_SERVER_DHT); 1 << 17
/// if it can take part in BitTorrent's DHT (P2P_SERVER_MAINLINE); 1 << 18 if it can relay for its network
/// (P2P_OPT_RELAY_SESSIONS). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn p2p_features() -> u64 {
    u64::from(crate::node::PROTOCOLS)
        | if cfg!(feature = "reach") { 1 << 16 } else { 0 }
        | if cfg!(feature = "mainline") { 1 << 17 } else { 0 }
        | if cfg!(feature = "relay") { 1 << 18 } else { 0 }
}
