//! Writing to a descriptor that belongs to the program (the log).

use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

/// Writes `text` to `fd` if it takes it now; a full pipe, which would hold our thread up for as long as nobody reads it,
/// and a closed descriptor lose it.
pub(crate) fn write_all(fd: i32, text: &[u8]) -> bool {
    let mut writable = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd is given and its count is 1; a time-out of 0 only looks.
    let looked = unsafe { libc::poll(&mut writable, 1, 0) };
    if fd < 0 || looked != 1 || writable.revents & libc::POLLOUT == 0 {
        return false;
    }
    // POSIX: a pipe that is writable takes PIPE_BUF bytes without blocking.
    let text = &text[..text.len().min(libc::PIPE_BUF)];
    // SAFETY: the descriptor is the program's and stays open by contract; ManuallyDrop keeps us from closing it, and a
    // number that is not open gives EBADF, not undefined behaviour.
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    file.write_all(text).is_ok()
}
