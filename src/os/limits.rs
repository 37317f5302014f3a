//! How many descriptors the process may have, and has room for.

use std::os::fd::{AsFd, AsRawFd};

/// Raises the soft limit of open files to the hard one, which needs no privilege, and tells what it is then.
#[cfg(feature = "server")]
pub(crate) fn raise_open_files() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit fills and setrlimit reads the struct they are given.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return None;
        }
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raised) == 0 {
            limit = raised;
        }
    }
    Some(limit.rlim_cur)
}

/// So many descriptors more are nothing to prepare for.
const FEW: usize = 64;

/// And so many are room enough at first: what comes beyond doubles the table seldom.
const MOST: usize = 16 << 10;

/// Has the system make room for so many more descriptors at once, of which `any` is one. Linux doubles the table of a process when it is
/// full, and where there is more than one thread each time waits until no CPU can be looking at the old one: 5 to 15 ms, in which
/// whoever opens the descriptor stands still.
pub(crate) fn make_room_for_files(any: &impl AsFd, more: usize) {
    if cfg!(not(any(target_os = "linux", target_os = "android"))) || more < FEW {
        return;
    }
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit fills the struct it is given.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return;
    }
    let least = limit.rlim_cur.saturating_sub(1).min((more.min(MOST) + FEW) as libc::rlim_t);
    // A descriptor of that number or a greater one, and closed again: the table stays. If there is none, it was a try.
    let any = any.as_fd().as_raw_fd();
    // SAFETY: fcntl looks at the descriptor, and gives one that is nobody else's.
    unsafe {
        let high = libc::fcntl(any, libc::F_DUPFD_CLOEXEC, least as libc::c_int);
        if high >= 0 {
            libc::close(high);
        }
    }
}

/// Lowers the soft limit so that only so many more files can be opened, until the guard is dropped. For tests in
/// processes of their own.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn leave_open_files(count: usize) -> impl Drop {
    struct Guard(libc::rlimit);
    impl Drop for Guard {
        fn drop(&mut self) {
            // SAFETY: setrlimit reads the struct it is given.
            unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &self.0) };
        }
    }
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |list| list.count().saturating_sub(1));
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit fills and setrlimit reads the struct they are given.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        let lower = libc::rlimit { rlim_cur: (open + count) as libc::rlim_t, ..limit };
        libc::setrlimit(libc::RLIMIT_NOFILE, &lower);
    }
    Guard(limit)
}

#[cfg(all(test, feature = "server"))]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn there_is_room_for_as_many_files_as_said() {
        let limit = super::raise_open_files().unwrap() as usize;
        let size = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            status.lines().find_map(|l| l.strip_prefix("FDSize:")?.trim().parse::<usize>().ok()).unwrap()
        };
        let more = (size() * 2).min(limit - 1).min(super::MOST);
        super::make_room_for_files(&std::io::stdout(), more);
        assert!(size() >= more, "{}, not {more}", size());
    }

    #[test]
    fn the_limit_is_told_and_the_second_time_it_is_the_same() {
        let first = super::raise_open_files().unwrap();
        assert!(first >= 64);
        assert_eq!(super::raise_open_files(), Some(first));
    }
}
