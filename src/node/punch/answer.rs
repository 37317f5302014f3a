//! What the operating system's errors mean for an attempt.

use std::io;

/// What came of an attempt that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// RST.
    Refused,
    /// An ICMP error, or no way there.
    Unreachable,
    /// There is a connection of these two ends already.
    Taken,
    /// Silence, or something on our side: no descriptors left, a firewall's refusal.
    Other,
}

/// Reads an error of connect(2), or one that came later by `SO_ERROR`.
pub(super) fn answer(e: &io::Error) -> Answer {
    use io::ErrorKind as E;
    match e.kind() {
        E::ConnectionRefused | E::ConnectionReset | E::ConnectionAborted | E::BrokenPipe => Answer::Refused,
        E::HostUnreachable | E::NetworkUnreachable | E::NetworkDown => Answer::Unreachable,
        E::AddrNotAvailable => Answer::Taken,
        _ => match e.raw_os_error() {
            // "Protocol unreachable" and "host unknown", as ICMP says it, have no kind of their own.
            #[cfg(unix)]
            Some(libc::ENOPROTOOPT | libc::EHOSTDOWN) => Answer::Unreachable,
            _ => Answer::Other,
        },
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn errors_of_connect() {
        for (errno, expected) in [
            (libc::ECONNREFUSED, Answer::Refused),
            (libc::ECONNRESET, Answer::Refused),
            (libc::EHOSTUNREACH, Answer::Unreachable),
            (libc::ENETUNREACH, Answer::Unreachable),
            (libc::ENOPROTOOPT, Answer::Unreachable),
            (libc::EADDRNOTAVAIL, Answer::Taken),
            (libc::ETIMEDOUT, Answer::Other),
            (libc::EMFILE, Answer::Other),
            (libc::EPERM, Answer::Other),
        ] {
            assert_eq!(answer(&io::Error::from_raw_os_error(errno)), expected, "{errno}");
        }
    }
}
