//! A descriptor that one side makes readable and the other waits for: an eventfd on Linux, a pipe elsewhere.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

pub(crate) struct WakeFd {
    read: File,
    write: File,
}

impl WakeFd {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn new() -> io::Result<WakeFd> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        let read = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let write = read.try_clone()?;
        Ok(WakeFd { read, write })
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn new() -> io::Result<WakeFd> {
        let mut fds = [0; 2];
        // SAFETY: pipe fills the two numbers of the array it is given.
        if unsafe { libc::pipe(fds.as_mut_ptr()) } < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptors were just made and belong to nobody else; fcntl takes no pointers here.
        let [read, write] = fds.map(|fd| unsafe {
            libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK);
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            File::from(OwnedFd::from_raw_fd(fd))
        });
        Ok(WakeFd { read, write })
    }

    pub(crate) fn readable(&self) -> i32 {
        self.read.as_raw_fd()
    }

    pub(crate) fn raise(&self) {
        // It fails only when it is raised already (EAGAIN), which is what was wanted.
        let _ = (&self.write).write(&1u64.to_ne_bytes());
    }

    pub(crate) fn lower(&self) {
        let mut sink = [0; 64];
        let _ = (&self.read).read(&mut sink);
    }
}

/// Whether a read on `fd` would find something, at once.
#[cfg(test)]
pub(crate) fn is_readable(fd: i32) -> bool {
    let mut p = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd is given and its count is 1.
    unsafe { libc::poll(&mut p, 1, 0) == 1 }
}
