//! Connections: send, close, look.

use std::ffi::{c_char, c_void};
use std::sync::atomic::Ordering::SeqCst;

use super::guard::{bytes, copy_out, fill, guard, store};
use super::net::{inner, p2p_net};
use super::structs::*;
use super::types::*;
use crate::error::Code;
use crate::node::{QUICK, send_quickly};

/// Sends one line on a connection; CR LF is added. len in bytes, or P2P_AUTO_LEN. All or nothing: P2P_ERR_WOULD_BLOCK
/// means that nothing was taken and WRITABLE will follow. P2P_ERR_INVALID: empty, or CR LF inside (a CR or LF alone is
/// an ordinary character). P2P_ERR_TOO_LARGE: longer than P2P_OPT_MAX_LINE. PyP2P nodes take long lines too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_send_line(
    net: *mut p2p_net,
    conn: p2p_conn,
    line: *const c_char,
    len: usize,
) -> p2p_result {
    // Nearly all lines go by the short way, which cannot panic; whatever may, and every check, is in the long one.
    if !net.is_null() && !line.is_null() && QUICK.contains(&len) {
        // SAFETY: not null, so live; and len bytes at line, by contract, no more than a slice may have.
        let (number, line) = unsafe { ((*net).number, std::slice::from_raw_parts(line.cast(), len)) };
        if send_quickly(number, conn, line) {
            return p2p_result::P2P_OK;
        }
    }
    // SAFETY: the caller's duties, passed on.
    unsafe { send_line(net, conn, line, len) }
}

/// The long way of [`p2p_send_line`], whose duties its caller has.
#[inline(never)]
unsafe extern "C" fn send_line(
    net: *const p2p_net,
    conn: p2p_conn,
    line: *const c_char,
    len: usize,
) -> p2p_result {
    // SAFETY: the caller's duties, passed on.
    guard(|| unsafe { inner(net).and_then(|i| i.net.send_line_by_long_way(conn, bytes(line, len)?)) }.into())
}

/// Sends count lines on a connection in their order, each as p2p_send_line() does, for less than as many calls cost. Stores in
/// *sent how many were taken, whatever the result is; sent may be NULL. P2P_OK: all. Else why the one behind these was
/// not: P2P_ERR_WOULD_BLOCK (WRITABLE follows: go on with that line then), P2P_ERR_INVALID, P2P_ERR_TOO_LARGE, ... Those before
/// it were taken, of those behind it none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_send_lines(
    net: *mut p2p_net,
    conn: p2p_conn,
    lines: *const p2p_line,
    count: usize,
    sent: *mut usize,
) -> p2p_result {
    guard(|| {
        let send = || {
            // SAFETY: the caller's duty, passed on.
            let inner = unsafe { inner(net) }?;
            let lines: &[p2p_line] = match count {
                0 => &[],
                _ if lines.is_null() || count > isize::MAX as usize / size_of::<p2p_line>() => {
                    return Err(Code::Invalid);
                }
                // SAFETY: not null, and count lines by contract, no more than a slice may have.
                _ => unsafe { std::slice::from_raw_parts(lines, count) },
            };
            // SAFETY: len bytes at data, or a text that ends with NUL, by contract; for as long as the call.
            let each = || lines.iter().map(|line| unsafe { bytes(line.data, line.len) });
            let (taken, outcome) = inner.net.send_each(conn, each);
            // SAFETY: the caller's duty, passed on.
            unsafe { store(sent, taken) };
            outcome
        };
        send().into()
    })
}

/// Secure dialect: sends a message on a connection, whole, of 0 to P2P_OPT_MAX_MESSAGE bytes (P2P_ERR_TOO_LARGE); it comes out
/// as one P2P_EVENT_MESSAGE, in order with lines. data may be NULL with len 0. With P2P_FRAMING_RAW, in either dialect: sends
/// bytes as they are. All or nothing: P2P_ERR_WOULD_BLOCK as p2p_send_line(). P2P_ERR_UNSUPPORTED: the net is a classic one,
/// and its framing is lines.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_send(
    net: *mut p2p_net,
    conn: p2p_conn,
    data: *const c_void,
    len: usize,
) -> p2p_result {
    guard(|| {
        let send = || {
            if len == usize::MAX {
                return Err(Code::Invalid);
            }
            if data.is_null() && len == 0 {
                // SAFETY: the caller's duty, passed on.
                return unsafe { inner(net) }?.net.send(conn, &[]);
            }
            // SAFETY: the caller's duties, passed on.
            unsafe { inner(net)?.net.send(conn, bytes(data.cast(), len)?) }
        };
        send().into()
    })
}

/// Sends one line to every open connection but except (0 = to all), and stores in *sent how many took it. sent may be
/// NULL. P2P_ERR_WOULD_BLOCK: some had no room and did not get it; each tells WRITABLE. With P2P_OPT_DEDUP the line
/// counts as seen, so that it is not delivered when the network brings it back.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_broadcast_line(
    net: *mut p2p_net,
    line: *const c_char,
    len: usize,
    except: p2p_conn,
    sent: *mut u32,
) -> p2p_result {
    guard(|| {
        let send = || {
            // SAFETY: the caller's duties, passed on.
            let (count, outcome) = unsafe { inner(net)?.net.broadcast_line(bytes(line, len)?, except) };
            // SAFETY: the caller's duty, passed on.
            unsafe { store(sent, u32::try_from(count).unwrap_or(u32::MAX)) };
            outcome
        };
        send().into()
    })
}

/// Closes a connection once what is queued is sent (at most P2P_OPT_CLOSE_TIMEOUT_MS), in the secure dialect once the peer's
/// library has acknowledged it. Lines that had arrived are still delivered; P2P_EVENT_CLOSED is its last event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_conn_close(net: *mut p2p_net, conn: p2p_conn) -> p2p_result {
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { inner(net) }.and_then(|i| i.net.close(conn)).into())
}

/// Stops reading from a connection (on = 1), or goes on (on = 0); for programs that keep what they have taken in queues of
/// their own, one per connection. TCP then slows that peer, and nobody else. What had been read still comes as events, at
/// most P2P_OPT_RECV_BUFFER of it. That the peer has left is noticed when reading goes on. p2p_conn_close() works as ever.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_conn_pause(net: *mut p2p_net, conn: p2p_conn, on: i32) -> p2p_result {
    // SAFETY: the caller's duty, passed on.
    guard(|| unsafe { inner(net) }.and_then(|i| i.net.pause(conn, on != 0)).into())
}

/// Classic dialect: takes the socket of a connection over, to go on with a protocol of your own, once what you sent is
/// written. *fd is yours then, to be closed by you, and non-blocking; CLOSED is the connection's last event. What had been
/// read comes as events before CLOSED, but for the bytes of an unfinished line: they are stored in buf, *len tells how many.
/// With P2P_FRAMING_RAW there are none, and every byte of the peer is either in such an event or comes from *fd.
/// P2P_ERR_TOO_SMALL: *len is larger than cap; P2P_ERR_TIMEOUT: the peer does not take what you sent (waits for it at most
/// P2P_OPT_CLOSE_TIMEOUT_MS). The connection goes on then as it was. P2P_ERR_UNSUPPORTED: a net of the secure dialect, whose
/// socket would be of no use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_conn_take_fd(
    net: *mut p2p_net,
    conn: p2p_conn,
    fd: *mut i32,
    buf: *mut c_void,
    cap: usize,
    len: *mut usize,
) -> p2p_result {
    guard(|| {
        let take = || {
            if fd.is_null() || len.is_null() || (buf.is_null() && cap > 0) {
                return Err(Code::Invalid);
            }
            // SAFETY: the caller's duty, passed on.
            let inner = unsafe { inner(net) }?;
            match inner.net.take_fd(conn, cap) {
                Ok(taken) => {
                    let rest = &taken.rest;
                    if !rest.is_empty() {
                        // SAFETY: what was read is at most cap bytes, which buf has by contract.
                        unsafe { std::ptr::copy_nonoverlapping(rest.as_ptr(), buf.cast(), rest.len()) };
                    }
                    // SAFETY: not null and writable by contract.
                    unsafe {
                        store(len, taken.rest.len());
                        store(fd, std::os::fd::IntoRawFd::into_raw_fd(taken.fd));
                    }
                    Ok(())
                }
                Err(e) => {
                    // SAFETY: not null and writable by contract.
                    unsafe { store(len, e.needed) };
                    Err(e.code)
                }
            }
        };
        take().into()
    })
}

/// Stores the ids of the open connections, oldest first, up to cap of them in ids, and in *count how many there are.
/// P2P_ERR_TOO_SMALL: there are more than cap; the first cap were stored. ids may be NULL with cap 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_conn_list(
    net: *mut p2p_net,
    ids: *mut p2p_conn,
    cap: usize,
    count: *mut usize,
) -> p2p_result {
    guard(|| {
        let list = || {
            if (ids.is_null() && cap > 0) || count.is_null() {
                return Err(Code::Invalid);
            }
            // SAFETY: the caller's duty, passed on.
            let open = unsafe { inner(net) }?.net.conns();
            for (i, id) in open.iter().take(cap).enumerate() {
                // SAFETY: i < cap, and ids has room for cap numbers by contract.
                unsafe { ids.add(i).write(*id) };
            }
            // SAFETY: the caller's duty, passed on.
            unsafe { store(count, open.len()) };
            if open.len() > cap { Err(Code::TooSmall) } else { Ok(()) }
        };
        list().into()
    })
}

/// Stores a connection's situation in *info. It works until you have taken its CLOSED event.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_conn_get_info(
    net: *mut p2p_net,
    conn: p2p_conn,
    info: *mut p2p_conn_info,
) -> p2p_result {
    guard(|| {
        let get = || {
            // SAFETY: the caller's duty, passed on.
            let now = unsafe { inner(net) }?.net.conn_info(conn)?;
            let mut out = p2p_conn_info {
                struct_size: 0,
                via: now.via.into(),
                inbound: i32::from(now.inbound),
                reserved: 0,
                queued_bytes: now.queued_bytes,
                unread_bytes: now.unread_bytes,
                bytes_in: now.bytes_in,
                bytes_out: now.bytes_out,
                age_ms: now.age_ms,
                peer: [0; P2P_ADDR_LEN],
                con_id: [0; P2P_CON_ID_LEN],
                peer_id: [0; P2P_ADDR_LEN],
                rtt_us: now.rtt_us,
                unacked_bytes: now.unacked_bytes,
                resends: now.resends,
                resumptions: now.resumptions,
                path: now.path.into(),
                reserved2: 0,
                relay: [0; P2P_HOST_LEN],
            };
            fill(&mut out.peer, &now.peer);
            fill(&mut out.con_id, &now.con_id.map_or_else(String::new, |id| id.to_string()));
            fill(&mut out.peer_id, &now.peer_key.map_or_else(String::new, |key| key.to_string()));
            fill(&mut out.relay, &now.relay);
            // SAFETY: the caller's duty, passed on.
            unsafe { copy_out(info, &out) }
        };
        get().into()
    })
}

/// Stores a pointer of yours for a connection. Events of it carry it from then on (conn_user), the CLOSED event included:
/// free what it points at there, and take all events up to STOPPED before p2p_net_free(), which drops those you have not
/// taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_conn_set_user(
    net: *mut p2p_net,
    conn: p2p_conn,
    user: *mut c_void,
) -> p2p_result {
    guard(|| {
        let set = || {
            // SAFETY: the caller's duty, passed on.
            let found = unsafe { inner(net) }?.net.shared.conn(conn).ok_or(Code::NotFound)?;
            found.user.store(user, SeqCst);
            Ok(())
        };
        set().into()
    })
}

/// The pointer that p2p_conn_set_user() stored; NULL if none was, or there is no such connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn p2p_conn_get_user(net: *mut p2p_net, conn: p2p_conn) -> *mut c_void {
    struct User(*mut c_void);
    impl From<p2p_result> for User {
        fn from(_: p2p_result) -> User {
            User(std::ptr::null_mut())
        }
    }
    guard(|| {
        // SAFETY: the caller's duty, passed on.
        let found = unsafe { inner(net) }.ok().and_then(|i| i.net.shared.conn(conn));
        User(found.map_or(std::ptr::null_mut(), |c| c.user.load(SeqCst)))
    })
    .0
}
