//! How many descriptors the process may have.

/// Raises the soft limit of open files to the hard one, which needs no privilege, and tells what it is then.
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_limit_is_told_and_the_second_time_it_is_the_same() {
        let first = super::raise_open_files().unwrap();
        assert!(first >= 64);
        assert_eq!(super::raise_open_files(), Some(first));
    }
}
