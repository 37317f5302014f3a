//! ICMP errors that ended a connection attempt. TCP turns most of them into the error a RST gives; on Linux
//! the message itself is kept for whoever asks (ip(7), IP_RECVERR).

use std::io;

use socket2::Socket;

/// Keeps ICMP errors for [`has_error`]. To be called before connecting.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn keep_errors(socket: &Socket, v6: bool) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let (level, name) =
        if v6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int; its address and size are given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether an ICMP error has been kept.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn has_error(socket: &Socket) -> bool {
    use std::os::fd::AsRawFd;
    // The queue of a TCP socket holds nothing else, unless time stamps are asked for: that there is a message
    // is enough. SAFETY: an all-zero msghdr is valid: it has room for nothing, and the kernel writes nothing
    // but its flags.
    unsafe {
        let mut message = std::mem::zeroed::<libc::msghdr>();
        libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) >= 0
    }
}

/// Elsewhere nothing is kept.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn keep_errors(_: &Socket, _: bool) -> io::Result<()> {
    Ok(())
}

/// Elsewhere nothing is kept.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn has_error(_: &Socket) -> bool {
    false
}
