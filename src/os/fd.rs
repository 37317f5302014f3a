//! Writing to a descriptor that belongs to the program (the log).

use std::fs::File;
use std::io::Write;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd;

/// Writes `text` to `fd` as far as it takes it now; a full pipe or a closed descriptor loses the rest.
pub(crate) fn write_all(fd: i32, text: &[u8]) -> bool {
    if fd < 0 {
        return false;
    }
    // SAFETY: the descriptor is the program's and stays open by contract; ManuallyDrop keeps us from closing it, and a
    // number that is not open gives EBADF, not undefined behaviour.
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    file.write_all(text).is_ok()
}
