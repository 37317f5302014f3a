//! What the standard library does not offer: namespaces, mounts, TUN devices, signals. The only `unsafe` of the lab.

#![allow(unsafe_code, reason = "the calls into the C library that the rest of the lab is built on")]

use std::ffi::{CString, c_int, c_ulong};
use std::fs::{File, OpenOptions};
use std::io::{self, Error};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

fn check(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| Error::other(format!("a zero byte in {text:?}")))
}

pub(crate) fn is_root() -> bool {
    // SAFETY: takes nothing, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Gives the calling thread a network namespace of its own, empty but for a loopback device that is down.
pub(crate) fn new_net_namespace() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

/// Gives the calling thread a mount namespace of its own, a copy of the one it had, that still learns of new mounts.
pub(crate) fn new_mount_namespace() -> io::Result<()> {
    // SAFETY: no pointers.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    mount("none", "/", "", libc::MS_SLAVE | libc::MS_REC)
}

/// Moves the calling thread into these namespaces. Threads and processes that it starts from now on are there as well.
pub(crate) fn enter(net: &File, mounts: &File) -> io::Result<()> {
    let here = std::env::current_dir();
    // SAFETY: no pointers. A thread that shares its root and working directory with others cannot change its mounts.
    check(unsafe { libc::unshare(libc::CLONE_FS) })?;
    // SAFETY: the descriptors are open as long as the files are borrowed.
    check(unsafe { libc::setns(mounts.as_raw_fd(), libc::CLONE_NEWNS) })?;
    // SAFETY: as above.
    check(unsafe { libc::setns(net.as_raw_fd(), libc::CLONE_NEWNET) })?;
    // Entering a mount namespace leads to its root. The working directory belongs to this thread alone by now.
    here.and_then(std::env::set_current_dir)
}

fn mount(source: &str, target: &str, kind: &str, flags: c_ulong) -> io::Result<()> {
    let (source, target, kind) = (c_string(source)?, c_string(target)?, c_string(kind)?);
    // SAFETY: zero-terminated strings that live through the call; no data.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) })
}

/// Mounts a new file system of this kind (`tmpfs`, `sysfs`).
pub(crate) fn mount_new(kind: &str, target: &str) -> io::Result<()> {
    mount(kind, target, kind, 0)
}

/// Makes one file or directory appear in the place of another.
pub(crate) fn bind_mount(source: &str, target: &str) -> io::Result<()> {
    mount(source, target, "", libc::MS_BIND)
}

/// Lets mount namespaces that are copied from now on see what is mounted below `target` later.
pub(crate) fn share_mounts(target: &str) -> io::Result<()> {
    mount("none", target, "", libc::MS_SHARED)
}

/// Takes a mount away; what still uses it keeps it until it is done.
pub(crate) fn unmount(target: &str) -> io::Result<()> {
    let target = c_string(target)?;
    // SAFETY: a zero-terminated string that lives through the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })
}

/// Creates a TUN device in the calling thread's network namespace. Each read and write of the file, which never
/// block, is one IP packet; the device is gone when the file is closed.
pub(crate) fn tun(name: &str) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    // SAFETY: plain integers and arrays, for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(Error::other(format!("{name} is too long for the name of an interface")));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: TUNSETIFF takes a pointer to an ifreq, which lives through the call.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    Ok(file)
}

/// Waits until one of the files can be read, at most this long, and tells which can (an error or its other end being
/// closed counts).
pub(crate) fn wait_readable<const N: usize>(
    files: [BorrowedFd<'_>; N],
    timeout: Option<Duration>,
) -> io::Result<[bool; N]> {
    let mut polled = files.map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 });
    let timeout = timeout
        .map(|t| libc::timespec { tv_sec: t.as_secs().cast_signed(), tv_nsec: t.subsec_nanos().into() });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: as many elements as said, a timespec or null, no signal mask.
    let ready = unsafe { libc::ppoll(polled.as_mut_ptr(), N as libc::nfds_t, timeout, std::ptr::null()) };
    match ready {
        -1 => match Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok([false; N]),
            e => Err(e),
        },
        _ => Ok(polled.map(|file| file.revents != 0)),
    }
}

/// Asks a child to end (SIGTERM).
pub(crate) fn terminate(child: &std::process::Child) -> io::Result<()> {
    // SAFETY: no pointers; the child has not been waited for, so its number is still its own.
    check(unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) })
}

/// Kills a process group, if it still has members.
pub(crate) fn kill_group(id: u32) {
    // SAFETY: no pointers.
    unsafe { libc::kill(-id.cast_signed(), libc::SIGKILL) };
}

extern "C" fn exit_now(signal: c_int) {
    // SAFETY: may be called in a signal handler; ends the process.
    unsafe { libc::_exit(128 + signal) }
}

/// Lets the usual signals end this process. The first process of a PID namespace ignores those without a handler.
pub(crate) fn end_on_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler does nothing but end the process.
        unsafe { libc::signal(signal, exit_now as *const () as libc::sighandler_t) };
    }
}
