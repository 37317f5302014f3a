//! The life of a net: new, start, bootstrap and advertise, stop, free.

use std::collections::HashMap;
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use parking_lot::Mutex;

use super::config::p2p_config;
use super::dht;
use super::guard::{guard, report, store, text};
use super::structs::*;
use super::types::*;
use crate::error::{Code, Error};
use crate::node::Net;

/// One node and its runtime thread.
pub struct p2p_net {
    pub(crate) inner: Arc<Inner>,
    /// The node's own, here for who sends many short lines.
    pub(crate) number: u64,
}

/// What a call that runs callbacks holds on to, so that a callback may free the net.
pub(crate) struct Inner {
    pub(crate) net: Net,
    pub(crate) handler: Mutex<Option<Callback>>,
    /// Goes up with each change of `handler`, and when the net is freed, so that a poll looks at this one number for each
    /// event and takes the lock once.
    pub(crate) handler_changes: AtomicU32,
    /// The callbacks given with requests.
    pub(crate) waiting: Mutex<HashMap<u64, Callback>>,
    pub(crate) freed: AtomicBool,
    /// What carries messages over the program's own DHT, if not events.
    pub(crate) dht: Option<dht::Sender>,
}

/// A function of the program with its pointer.
#[derive(Clone, Copy)]
pub(crate) struct Callback {
    pub(crate) function: unsafe extern "C" fn(*mut p2p_net, *const p2p_event, *mut c_void),
    pub(crate) user: *mut c_void,
}

// SAFETY: the pointer is never looked into here; it goes back to the program, on the thread that polls, as documented.
unsafe impl Send for Callback {}

/// # Safety
/// `net` must be null or live.
pub(crate) unsafe fn inner<'a>(net: *const p2p_net) -> Result<&'a Inner, Code> {
    // SAFETY: null or live by the caller's duty.
    unsafe { net.as_ref() }.map(|n| &*n.inner).ok_or(Code::Invalid)
}

/// # Safety
/// `net` must be null or live.
pub(crate) unsafe fn inner_or_story<'a>(net: *const p2p_net) -> Result<&'a Inner, Error> {
    // SAFETY: the caller's duty, passed on.
    unsafe { inner(net) }.map_err(|code| Error::new(code, "net is NULL; expected a net of p2p_net_new"))
}

/// Makes a net from options (NULL = all defaults) and stores it in *out. Opens no socket, starts no thread, sends
/// nothing. Free it with p2p_net_free(). err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_net_new(
    cfg: *const p2p_config,
    out: *mut *mut p2p_net,
    err: *mut p2p_error,
) -> p2p_result {
    let make = || {
        if out.is_null() {
            return Err(Error::new(Code::Invalid, "out is NULL; expected where to store the net"));
        }
        // SAFETY: null or live options, by contract.
        let config = unsafe { cfg.as_ref() }.map(|c| c.config.clone()).unwrap_or_default();
        let inner = Inner {
            net: Net::new(config)?,
            handler: Mutex::default(),
            handler_changes: AtomicU32::new(0),
            waiting: Mutex::default(),
            freed: AtomicBool::new(false),
            // SAFETY: null or live options, by contract.
            dht: unsafe { cfg.as_ref() }.and_then(|c| c.dht),
        };
        let number = inner.net.shared.number;
        let net = Box::new(p2p_net { inner: Arc::new(inner), number });
        // SAFETY: not null, and writable by contract.
        unsafe { out.write(Box::into_raw(net)) };
        Ok(())
    };
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { report(err, make()) })
}

/// Opens the listening sockets, now, and starts the runtime thread; P2P_EVENT_READY follows. P2P_ERR_IO: err names the
/// address and what to do. P2P_ERR_STATE: started before. After another failure it may be called again. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_net_start(net: *mut p2p_net, err: *mut p2p_error) -> p2p_result {
    // SAFETY: the caller's duties, passed on.
    guard(|| unsafe { report(err, inner_or_story(net).and_then(|i| i.net.start())) })
}

/// Asks the rendezvous servers for nodes and connects to them (OPENED for each), now and from then on whenever
/// connections are wanted, after a failure as well. P2P_EVENT_DONE tells how many nodes were named, in code: 0 if the
/// server knows none yet, P2P_ERR_NO_SERVER if no server answered. out may be NULL. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_net_bootstrap(
    net: *mut p2p_net,
    out: *mut p2p_request,
    err: *mut p2p_error,
) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duties, passed on.
        unsafe { report(err, inner_or_story(net).and_then(|i| i.net.bootstrap()).map(|id| store(out, id))) }
    })
}

/// Has this node listed at the rendezvous servers, now and again when needed; taken off the list when inbound is full,
/// when others cannot reach it any more, and at p2p_net_stop(). Only a passive node can be listed: if the type is to be
/// found out, P2P_EVENT_DONE waits for that. DONE tells that a server has done it, P2P_ERR_STATE: the node is not passive,
/// or P2P_ERR_NO_SERVER; the net then tries again by itself. out may be NULL. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_net_advertise(
    net: *mut p2p_net,
    out: *mut p2p_request,
    err: *mut p2p_error,
) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duties, passed on.
        unsafe { report(err, inner_or_story(net).and_then(|i| i.net.advertise()).map(|id| store(out, id))) }
    })
}

/// Connects to "host:port" (an IPv6 address in brackets). P2P_EVENT_OPENED and then P2P_EVENT_DONE with the connection,
/// or DONE with what went wrong; DONE goes to cb with user, or with cb NULL to the function of p2p_on_event(). out may
/// be NULL. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_connect(
    net: *mut p2p_net,
    host_port: *const c_char,
    cb: p2p_event_fn,
    user: *mut c_void,
    out: *mut p2p_request,
    err: *mut p2p_error,
) -> p2p_result {
    let connect = || {
        // SAFETY: the caller's duties, passed on.
        let (inner, to) = unsafe { (inner_or_story(net)?, text(host_port, "host_port")?) };
        // Held across the request: its DONE may be polled by another thread before we are back here.
        let mut waiting = inner.waiting.lock();
        let id = inner.net.connect(to)?;
        if let Some(function) = cb {
            waiting.insert(id, Callback { function, user });
        }
        // SAFETY: the caller's duty, passed on.
        unsafe { store(out, id) };
        Ok(())
    };
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { report(err, connect()) })
}

/// Gives a request up: it completes with P2P_ERR_CANCELED, unless it had completed before. P2P_ERR_NOT_FOUND: its DONE
/// was taken already, or it never was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_cancel(net: *mut p2p_net, req: p2p_request) -> p2p_result {
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { inner(net) }.and_then(|i| i.net.cancel(req)).into())
}

/// Says that the machine's network is another one now (Wi-Fi changed, VPN up, back from sleep): NAT, port mapping and
/// reachability are found out anew, P2P_EVENT_INFO tells of each change. On Linux the net notices most of this by itself
/// (P2P_OPT_NETWORK_MONITOR); programs on phones know it from their system. Connections are left alone. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_network_changed(net: *mut p2p_net, err: *mut p2p_error) -> p2p_result {
    // SAFETY: the caller's duties, passed on.
    guard(|| unsafe { report(err, inner_or_story(net).and_then(|i| i.net.network_changed())) })
}

/// Begins to stop, and returns at once: requests are cancelled, connections send what is queued (at most
/// P2P_OPT_CLOSE_TIMEOUT_MS) and close, servers take us off their lists, routers close our port. P2P_EVENT_STOPPED is the last event. Calling it
/// again is fine. A stopped net cannot be started again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_net_stop(net: *mut p2p_net) -> p2p_result {
    guard(|| {
        // SAFETY: the caller's duty, passed on.
        let stopped = unsafe { inner(net) }.map(|i| i.net.stop());
        stopped.into()
    })
}

/// Stops the net if that has not been done, waits for its thread and frees it. The wait is bounded: twice
/// P2P_OPT_CLOSE_TIMEOUT_MS and a second, whatever hangs; then the thread is left to itself, holding nothing of yours
/// (P2P_ERR_TIMEOUT; the net is freed all the same). Events you have not taken are gone; those from p2p_next_event() stay
/// yours. NULL is fine. From inside a callback it is legal: p2p_poll() ends when that callback returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_net_free(net: *mut p2p_net) -> p2p_result {
    if net.is_null() {
        return p2p_result::P2P_OK;
    }
    guard(|| {
        // SAFETY: it came from p2p_net_new and is freed once and last, by contract.
        let handle = unsafe { Box::from_raw(net) };
        handle.inner.freed.store(true, SeqCst);
        handle.inner.handler_changes.fetch_add(1, SeqCst);
        if handle.inner.net.join() { p2p_result::P2P_OK } else { p2p_result::P2P_ERR_TIMEOUT }
    })
}
