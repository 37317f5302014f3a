//! Messages to nodes that no connection leads to: by a mailbox, or by a DHT of the program's own.

use std::ffi::{c_char, c_void};

use super::config::{options, p2p_config};
use super::guard::{bytes, guard, report, store, text};
use super::net::{Inner, inner, inner_or_story, p2p_net};
use super::structs::p2p_error;
use super::types::{ResultArg, p2p_request, p2p_result};
use crate::error::{Code, Error};
use crate::proto::dht_id::NodeId;
use crate::queue::view::View;

/// Carries msg (len bytes, a NUL behind them) to the node to over your DHT. Called inside p2p_poll() only, on its thread; must
/// not block. 0 if it was taken, else what went wrong: it becomes the result of the p2p_dht_put().
pub type p2p_dht_send_fn = Option<
    unsafe extern "C" fn(user: *mut c_void, to: *const c_char, msg: *const c_char, len: usize) -> ResultArg,
>;

/// A DHT of yours, for p2p_config_set_dht().
#[repr(C)]
pub struct p2p_dht {
    /// sizeof(p2p_dht), set by you.
    pub struct_size: u32,
    /// This node's name in it, 40 hexadecimal digits. NULL = a random one (p2p_dht_get_id()).
    pub node_id: *const c_char,
    /// Carries messages. NULL = each becomes a P2P_EVENT_DHT_SEND instead.
    pub send: p2p_dht_send_fn,
    /// What send gets as user.
    pub user: *mut c_void,
}

/// The program's function with its pointer.
#[derive(Clone, Copy)]
pub(crate) struct Sender {
    send: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, usize) -> ResultArg,
    user: *mut c_void,
}

// SAFETY: the pointer is never looked into here; it goes back to the program, on the thread that polls, as documented.
unsafe impl Send for Sender {}
// SAFETY: as above; it is only copied.
unsafe impl Sync for Sender {}

/// Says that you carry messages between nodes yourself: what the net has to send is given to dht->send, or comes as
/// P2P_EVENT_DHT_SEND; what arrives for this node you hand to p2p_dht_deliver(). NULL takes that back. Everything is
/// copied. p2p_net_new() then refuses mailboxes (P2P_SERVER_DHT). With p2p_next_event() messages always come as events.
/// err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_config_set_dht(
    cfg: *mut p2p_config,
    dht: *const p2p_dht,
    err: *mut p2p_error,
) -> p2p_result {
    let set = || {
        // SAFETY: the caller's duties, passed on.
        let own = unsafe { own_dht(dht) }?;
        // SAFETY: as above.
        let options = unsafe { options(cfg) }?;
        options.config.own_dht = own.as_ref().map(|(id, _)| *id);
        options.dht = own.and_then(|(_, sender)| sender);
        Ok(())
    };
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { report(err, set()) })
}

/// # Safety
/// `dht` must be null or point at as many bytes as it says, with a node_id that is null or a string.
unsafe fn own_dht(dht: *const p2p_dht) -> Result<Option<(NodeId, Option<Sender>)>, Error> {
    if dht.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, and it begins with its size.
    let size = unsafe { dht.cast::<u32>().read() } as usize;
    if !(size_of::<p2p_dht>()..=1 << 16).contains(&size) {
        let message = format!("dht->struct_size is {size}; expected sizeof(p2p_dht)");
        return Err(Error::new(Code::Invalid, message));
    }
    // SAFETY: as large as we know it, as just looked at.
    let p2p_dht { node_id, send, user, .. } = unsafe { dht.read() };
    let id = if node_id.is_null() {
        NodeId::random(&mut crate::dht::generator())
    } else {
        // SAFETY: a string by the caller's duty.
        let digits = unsafe { text(node_id, "dht->node_id") }?;
        digits.parse().map_err(|e| Error::new(Code::Invalid, format!("dht->node_id is {e}")))?
    };
    Ok(Some((id, send.map(|send| Sender { send, user }))))
}

/// Stores this node's name for messages, 40 hexadecimal digits and a NUL, in buf. need (may be NULL) gets the bytes it
/// takes, also with P2P_ERR_TOO_SMALL. P2P_ERR_UNSUPPORTED: the net has no DHT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_dht_get_id(
    net: *mut p2p_net,
    buf: *mut c_char,
    cap: usize,
    need: *mut usize,
) -> p2p_result {
    let get = || {
        // SAFETY: the caller's duty, passed on.
        let id = unsafe { inner(net) }?.net.dht_id().ok_or(Code::Unsupported)?.to_string();
        // SAFETY: as above.
        unsafe { store(need, id.len() + 1) };
        if cap <= id.len() {
            return Err(Code::TooSmall);
        }
        if buf.is_null() {
            return Err(Code::Invalid);
        }
        // SAFETY: `cap` writable bytes by the caller's duty, more than there are digits; the two do not overlap.
        unsafe {
            std::ptr::copy_nonoverlapping(id.as_ptr().cast(), buf, id.len());
            buf.add(id.len()).write(0);
        }
        Ok(())
    };
    guard(|| get().into())
}

/// Sends msg (1 to 8000 bytes of UTF-8; P2P_AUTO_LEN) to the node to, 40 hexadecimal digits: there it is a
/// P2P_EVENT_DHT_MESSAGE. P2P_EVENT_DONE tells that it is with the mailbox or with your DHT, not that it has arrived: that only an
/// answer tells. P2P_ERR_TIMEOUT: no mailbox took it in half a minute; it may arrive all the same. P2P_ERR_UNSUPPORTED:
/// the net has no DHT. A mailbox shows messages to its owner and to nobody else, but in the clear on the way, and anybody may
/// send one. out may be NULL. err may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_dht_put(
    net: *mut p2p_net,
    to: *const c_char,
    msg: *const c_char,
    len: usize,
    out: *mut p2p_request,
    err: *mut p2p_error,
) -> p2p_result {
    let put = || {
        // SAFETY: the caller's duties, passed on.
        let (inner, to) = unsafe { (inner_or_story(net)?, text(to, "to")?) };
        let to = to.parse().map_err(|e| Error::new(Code::Invalid, format!("to is {e}")))?;
        // SAFETY: as above.
        let msg = unsafe { bytes(msg, len) }
            .map_err(|code| Error::new(code, "msg is NULL or longer than memory"))?;
        let msg = std::str::from_utf8(msg).map_err(|_| Error::new(Code::Invalid, "msg is not UTF-8"))?;
        let id = inner.net.dht_put(to, msg)?;
        // SAFETY: as above.
        unsafe { store(out, id) };
        Ok(())
    };
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { report(err, put()) })
}

/// Hands in a message for this node that came over your DHT (p2p_config_set_dht()): what send or P2P_EVENT_DHT_SEND gave to
/// the other side, once, in any order. from is its sender's name there, at most 128 bytes; "" or NULL if not known. Any
/// thread; never blocks. P2P_ERR_WOULD_BLOCK: 256 messages wait; poll, then try again. P2P_ERR_TOO_LARGE: more than 64 KiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_dht_deliver(
    net: *mut p2p_net,
    from: *const c_char,
    msg: *const c_char,
    len: usize,
) -> p2p_result {
    let deliver = || {
        // SAFETY: the caller's duties, passed on.
        let (inner, msg) = unsafe { (inner(net)?, bytes(msg, len)?) };
        let from = match from.is_null() {
            true => "",
            // SAFETY: as above.
            false => unsafe { text(from, "from") }.map_err(|e| e.code)?,
        };
        inner.net.dht_deliver(from, std::str::from_utf8(msg).map_err(|_| Code::Invalid)?)
    };
    guard(|| deliver().into())
}

/// Gives a message to the program's function, if it has one; else the event is for its handler.
pub(super) fn carry(inner: &Inner, view: &View<'_>) -> bool {
    let Some(Sender { send, user }) = inner.dht else {
        inner.net.dht_sent(view.request, Ok(()));
        return false;
    };
    let (msg, len) = (view.data_nul.as_ptr().cast(), view.data_nul.len() - 1);
    // SAFETY: a function of the program with the pointer it gave for it, as documented; no lock is held.
    let result = unsafe { send(user, view.peer().as_ptr(), msg, len) };
    let failed = |code: i32| Code::ALL.into_iter().find(|known| *known as i32 == code).unwrap_or(Code::Io);
    inner.net.dht_sent(view.request, if result.0 >= 0 { Ok(()) } else { Err(failed(result.0)) });
    true
}
