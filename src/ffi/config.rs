//! Options and servers, by key.

use std::ffi::c_char;

use super::dht;
use super::guard::{guard, report, store, text};
use super::structs::p2p_error;
use super::types::{OptArg, ServerArg, p2p_result};
use crate::config::{Config, ServerKind};
use crate::error::{Code, Error};

/// Options for p2p_net_new(). Not for several threads at once. Copied by p2p_net_new(): free or reuse it right after.
pub struct p2p_config {
    pub(crate) config: Config,
    /// How the program's own DHT is given messages, if not by events.
    pub(crate) dht: Option<dht::Sender>,
}

/// New options, all at their defaults. Free them with p2p_config_free(). NULL only if memory ran out.
#[unsafe(no_mangle)]
pub extern "C" fn p2p_config_new() -> *mut p2p_config {
    Box::into_raw(Box::new(p2p_config { config: Config::default(), dht: None }))
}

/// Frees options. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_config_free(cfg: *mut p2p_config) {
    if !cfg.is_null() {
        // SAFETY: it came from p2p_config_new and is freed once, by contract.
        drop(unsafe { Box::from_raw(cfg) });
    }
}

/// # Safety
/// `cfg` must be null or live, and used by one thread.
pub(super) unsafe fn options<'a>(cfg: *mut p2p_config) -> Result<&'a mut p2p_config, Error> {
    // SAFETY: null or live by the caller's duty.
    let cfg = unsafe { cfg.as_mut() };
    cfg.ok_or_else(|| Error::new(Code::Invalid, "cfg is NULL; expected a p2p_config"))
}

/// Sets an option that is a number. P2P_ERR_UNSUPPORTED: no such option, or it is a text. P2P_ERR_RANGE: err says what
/// was expected. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_config_set_int(
    cfg: *mut p2p_config,
    key: OptArg,
    value: i64,
    err: *mut p2p_error,
) -> p2p_result {
    // SAFETY: the caller's duties, passed on.
    guard(|| unsafe { report(err, options(cfg).and_then(|c| c.config.set_int(key.0, value))) })
}

/// Reads an option that is a number into *value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_config_get_int(
    cfg: *const p2p_config,
    key: OptArg,
    value: *mut i64,
    err: *mut p2p_error,
) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duties, passed on; nothing is changed through the pointer.
        unsafe {
            let got = options(cfg.cast_mut()).and_then(|c| match value.is_null() {
                true => Err(Error::new(Code::Invalid, "value is NULL; expected where to store the number")),
                false => c.config.get_int(key.0),
            });
            report(err, got.map(|v| store(value, v)))
        }
    })
}

/// Sets an option that is a text. P2P_ERR_UNSUPPORTED: no such option, or it is a number. P2P_ERR_INVALID: value is not
/// what the option takes; err says what was expected. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_config_set_str(
    cfg: *mut p2p_config,
    key: OptArg,
    value: *const c_char,
    err: *mut p2p_error,
) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duties, passed on.
        unsafe { report(err, options(cfg).and_then(|c| c.config.set_str(key.0, text(value, "value")?))) }
    })
}

/// Adds a server, "host:port" (an IPv6 address in brackets) or what else P2P_SERVER_* says. Servers are used in the order
/// they were added: bootstrap asks one after the other, advertise tells all, the others are asked at once. The name is
/// looked up when it is used. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_config_add_server(
    cfg: *mut p2p_config,
    kind: ServerArg,
    address: *const c_char,
    err: *mut p2p_error,
) -> p2p_result {
    let add = || {
        // SAFETY: the caller's duties, passed on.
        let (options, address) = unsafe { (options(cfg)?, text(address, "address")?) };
        use ServerKind::{Dht, Mainline, Ntp, Reachability, Relay, Rendezvous};
        let kinds = [Rendezvous, Reachability, Ntp, Dht, Mainline, Relay];
        let known = kinds.into_iter().find(|k| *k as i32 == kind.0);
        let kind = known.ok_or_else(|| {
            let message = format!("kind is {}; expected one of P2P_SERVER_*", kind.0);
            Error::new(Code::Unsupported, message)
        })?;
        options.config.add_server(kind, address)
    };
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { report(err, add()) })
}

/// Lets a node in and be connected to (secure dialect): its key (id in p2p_unl_info, 43 letters) or a locator of it. Once one
/// has been named, all others are turned away. At most 65536. P2P_ERR_INVALID: it is neither. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_config_allow_peer(
    cfg: *mut p2p_config,
    who: *const c_char,
    err: *mut p2p_error,
) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duties, passed on.
        unsafe { report(err, options(cfg).and_then(|c| c.config.allow_peer(text(who, "who")?))) }
    })
}
