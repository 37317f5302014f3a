//! The other's stream as it arrives: what may come when, and how much has come.

use super::Violation;
use crate::proto::handshake::Control;

/// See the module. What it counts is what the reader has taken over, so that a link may end after any frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct Incoming {
    received: u64,
    /// Whether the peer has named the session on this link.
    announced: bool,
    /// Whether a message has begun and not ended.
    in_message: bool,
    closed: bool,
    /// Nobody wants the rest: it is not counted as arrived.
    discarding: bool,
}

impl Incoming {
    /// Units that have arrived since the session's begin.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Whether a message has begun and not ended.
    pub fn is_in_message(&self) -> bool {
        self.in_message
    }

    /// Whether what comes is thrown away.
    pub fn is_discarding(&self) -> bool {
        self.discarding
    }

    /// Nobody wants the rest.
    pub fn discard(&mut self) {
        self.discarding = true;
    }

    /// What comes now, comes on another link. `announced`: the session was named on it already.
    pub fn new_link(&mut self, announced: bool) {
        (self.announced, self.closed) = (announced, false);
    }

    /// So many bytes of lines.
    ///
    /// # Errors
    /// [`Violation`] if they may not come now.
    pub fn lines(&mut self, len: usize) -> Result<(), Violation> {
        self.check()?;
        if self.discarding {
            return Ok(());
        }
        if self.in_message {
            return Err(Violation::Mixed);
        }
        self.received += len as u64;
        Ok(())
    }

    /// So many bytes of a message.
    ///
    /// # Errors
    /// As [`Incoming::lines`].
    pub fn part(&mut self, len: usize, last: bool) -> Result<(), Violation> {
        self.check()?;
        // What is thrown away may come again from where it was not, and then from its middle.
        if !self.discarding {
            self.in_message = !last;
            self.received += len as u64 + u64::from(last);
        }
        Ok(())
    }

    /// A word of the peer's library.
    ///
    /// # Errors
    /// As [`Incoming::lines`].
    pub fn control(&mut self, control: &Control) -> Result<(), Violation> {
        match control {
            // They belong to what was before.
            Control::Verdict { .. } | Control::Choose | Control::Unwelcome(_) => return Ok(()),
            Control::Session { .. } if self.announced => return Err(Violation::Twice),
            Control::Session { .. } => self.announced = true,
            _ => self.check()?,
        }
        if let Control::Close { sent } = control {
            if *sent < self.received {
                return Err(Violation::Sent { found: *sent, least: self.received });
            }
            self.closed = true;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Violation> {
        match (self.announced, self.closed) {
            (false, _) => Err(Violation::Unannounced),
            (true, true) => Err(Violation::AfterClose),
            (true, false) => Ok(()),
        }
    }
}
