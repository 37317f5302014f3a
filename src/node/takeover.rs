//! A program takes the socket of a classic connection over, to go on with a protocol of its own.
//!
//! ```text
//!   program ── Net::take_fd ─▶ sends no more, wakes the task, waits
//!   task ── writes what is queued, reads no more ─▶ hands over the socket and the bytes of an unfinished line, CLOSED
//!        └─ cannot in time, or there is more than the program has room for: the connection goes on as it was
//! ```

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::error::Code;

/// What was taken over.
#[derive(Debug)]
pub struct Taken {
    /// The socket, non-blocking, as the library had it.
    pub fd: OwnedFd,
    /// What was read of a line that was not finished.
    pub rest: Vec<u8>,
}

/// Why it was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// The kind of failure.
    pub code: Code,
    /// For [`Code::TooSmall`]: how many bytes there are.
    pub needed: usize,
}

impl From<Code> for NotTaken {
    fn from(code: Code) -> NotTaken {
        NotTaken { code, needed: 0 }
    }
}

/// Where the program's thread and the connection's task meet.
#[derive(Default)]
pub(crate) struct Takeover {
    answer: Mutex<Option<Result<Taken, NotTaken>>>,
    there: Condvar,
}

impl Takeover {
    /// The task's answer.
    pub(crate) fn answer(&self, answer: Result<Taken, NotTaken>) {
        *self.answer.lock() = Some(answer);
        self.there.notify_all();
    }

    /// Waits for it; `None`: there is none in time.
    pub(crate) fn wait(&self, limit: Duration) -> Option<Result<Taken, NotTaken>> {
        let until = Instant::now() + limit;
        let mut answer = self.answer.lock();
        while answer.is_none() && !self.there.wait_until(&mut answer, until).timed_out() {}
        answer.take()
    }
}
