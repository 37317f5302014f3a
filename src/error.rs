//! What went wrong: one code for programs, one sentence for people.
//!
//! The codes are the C ABI's numbers (`P2P_ERR_*` in `include/p2pnet.h`), so that nothing is translated on the way out.

use std::borrow::Cow;
use std::ffi::CStr;
use std::fmt;
use std::io;

/// Why a call or a request failed. The numbers are fixed for ever; gaps are left by group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Code {
    /// An argument is not what the function takes (a NULL, a malformed address, a line with CR LF inside).
    Invalid = -1,
    /// The library failed internally; the net is stopped, the program lives.
    Panic = -2,
    /// The connection or the net is closed.
    Closed = -3,
    /// Not possible in the net's present state (not started, started twice, stopped).
    State = -4,
    /// Another thread is in this call already.
    Busy = -5,
    /// Called from inside a callback, where it cannot work.
    Reentrant = -6,
    /// An unknown option, or something this net or build does not do.
    Unsupported = -7,
    /// No such connection or request (any more).
    NotFound = -8,
    /// A number outside the option's range.
    Range = -9,
    /// The send buffer is full: wait for WRITABLE.
    WouldBlock = -10,
    /// Longer than the limit allows, and it will never fit.
    TooLarge = -11,
    /// The caller's buffer is too small.
    TooSmall = -12,
    /// A limit of this net is reached (connections, requests).
    Limit = -13,
    /// The address is this node itself.
    SelfConnect = -14,
    /// That peer is connected already.
    Duplicate = -15,
    /// It took too long.
    Timeout = -20,
    /// The program cancelled it, or stopped the net.
    Canceled = -21,
    /// The other side refused the connection.
    Refused = -22,
    /// The other side broke the connection.
    Reset = -23,
    /// The other side broke the protocol.
    Protocol = -24,
    /// Every way to the peer failed.
    NoPath = -25,
    /// No rendezvous server is configured, or none answered.
    NoServer = -26,
    /// The operating system said no; its error number is with it.
    Io = -27,
}

impl Code {
    /// Every code, for tables and tests.
    pub const ALL: [Code; 23] = [
        Code::Invalid,
        Code::Panic,
        Code::Closed,
        Code::State,
        Code::Busy,
        Code::Reentrant,
        Code::Unsupported,
        Code::NotFound,
        Code::Range,
        Code::WouldBlock,
        Code::TooLarge,
        Code::TooSmall,
        Code::Limit,
        Code::SelfConnect,
        Code::Duplicate,
        Code::Timeout,
        Code::Canceled,
        Code::Refused,
        Code::Reset,
        Code::Protocol,
        Code::NoPath,
        Code::NoServer,
        Code::Io,
    ];

    /// A short English text as C reads it: what `p2p_strerror` returns.
    pub fn c_text(self) -> &'static CStr {
        match self {
            Code::Invalid => c"invalid argument",
            Code::Panic => c"internal failure, the net is stopped",
            Code::Closed => c"closed",
            Code::State => c"not possible in the net's present state",
            Code::Busy => c"another thread is in this call",
            Code::Reentrant => c"not possible from inside a callback",
            Code::Unsupported => c"not supported",
            Code::NotFound => c"no such connection or request",
            Code::Range => c"value out of range",
            Code::WouldBlock => c"send buffer full, wait for WRITABLE",
            Code::TooLarge => c"too large",
            Code::TooSmall => c"buffer too small",
            Code::Limit => c"limit reached",
            Code::SelfConnect => c"that is this node itself",
            Code::Duplicate => c"already connected to that peer",
            Code::Timeout => c"timed out",
            Code::Canceled => c"cancelled",
            Code::Refused => c"connection refused",
            Code::Reset => c"connection broken by the other side",
            Code::Protocol => c"the other side broke the protocol",
            Code::NoPath => c"no way to the peer worked",
            Code::NoServer => c"no rendezvous server answered",
            Code::Io => c"operating system error",
        }
    }

    /// A short English text.
    pub fn text(self) -> &'static str {
        self.c_text().to_str().unwrap_or_default()
    }
}

/// A failure with its story: what failed, on what, why, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure.
    pub code: Code,
    /// The operating system's error number (`errno`), 0 if none was involved.
    pub os_error: i32,
    /// One sentence for people.
    pub message: Cow<'static, str>,
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure of ours, no operating system involved.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Error {
        Error { code, os_error: 0, message: message.into() }
    }

    /// A failure of the operating system, `doing` says what was tried and on what.
    pub fn io(doing: impl fmt::Display, cause: &io::Error) -> Error {
        let code = match cause.kind() {
            io::ErrorKind::ConnectionRefused => Code::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Code::Reset
            }
            io::ErrorKind::TimedOut => Code::Timeout,
            _ => Code::Io,
        };
        let os_error = cause.raw_os_error().unwrap_or(0);
        Error { code, os_error, message: format!("{doing}: {cause}").into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_negative_and_unique() {
        let mut seen: Vec<i32> = Code::ALL.iter().map(|c| *c as i32).collect();
        assert!(seen.iter().all(|n| *n < 0));
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), Code::ALL.len());
    }

    #[test]
    fn io_errors_keep_their_number_and_say_what_was_tried() {
        let cause = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let e = Error::io("connecting to 127.0.0.1:1", &cause);
        assert_eq!((e.code, e.os_error), (Code::Refused, libc::ECONNREFUSED));
        assert!(e.message.starts_with("connecting to 127.0.0.1:1: "));
    }
}
