//! A classic connection's socket for the program: whether it can have it, and what goes with it.

use std::os::fd::AsFd;

use super::Life;
use crate::error::Code;
use crate::node::takeover::{NotTaken, Taken};

impl Life {
    /// Whether the program can have the socket: it has room for what was read.
    pub(super) fn may_hand_over(&mut self) -> bool {
        let (room, needed) = (self.conn.out.lock().handing_over().unwrap_or(0), self.receiver.unfinished());
        if needed <= room {
            return true;
        }
        self.go_on(NotTaken { code: Code::TooSmall, needed });
        false
    }

    /// The program does not get the socket; all goes on as before.
    pub(super) fn go_on(&mut self, why: NotTaken) {
        self.rare = None;
        self.conn.out.lock().go_on();
        if let Some(takeover) = self.conn.takeover() {
            takeover.answer(Err(why));
        }
    }

    /// Gives the program the socket, or tells it that it has ended.
    pub(super) fn hand_over(&mut self, ended: Option<Code>) -> bool {
        if self.conn.out.lock().handing_over().is_none() {
            return false;
        }
        let Some(takeover) = self.conn.takeover() else { return false };
        let taken = match ended {
            Some(code) => Err(code),
            // A descriptor of its own: the runtime's knows of the runtime.
            None => self.stream.as_fd().try_clone_to_owned().map_err(|_| Code::Io),
        };
        let handed = taken.is_ok();
        if handed {
            self.conn.out.detach();
        }
        let rest = self.receiver.take_rest();
        takeover.answer(taken.map(|fd| Taken { fd, rest }).map_err(NotTaken::from));
        handed
    }
}
