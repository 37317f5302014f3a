//! The secure dialect's way in: decrypts frames where they lie in the receive buffer, closes up what they hold, and gives
//! what the peer's library says to the session.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use super::outlet::Outlet;
use super::receive::End;
use crate::config::{Config, Framing};
use crate::proto::handshake::transport::Head;
use crate::proto::handshake::{Control, FrameError, HandshakeError, Opened, Opener, welcome};
use crate::proto::line::CRLF;
use crate::proto::session::{Heard, Incoming, Violation};
use crate::queue::Messages;

/// What the receiving half of a link begins with.
pub(crate) struct Opening {
    pub(crate) opener: Opener,
    /// The beginning of a frame that was read already.
    pub(crate) rest: Vec<u8>,
    /// Whether the peer has said already which session it holds.
    pub(crate) announced: bool,
}

/// See the module.
pub(crate) struct Frames {
    opener: Option<Opener>,
    pub(crate) incoming: Incoming,
    framing: Framing,
    max_message: usize,
    /// Where the peer relays, if it has just said so, and how often it may say so yet.
    relays: Option<SocketAddr>,
    patience: u8,
}

/// How often a peer is heard in one session that says where it relays.
const RELAYS_HEARD: u8 = 8;

/// What one read has come to.
pub(crate) struct Read {
    /// So much of the buffer is readable now.
    pub(crate) text: usize,
    /// Where a message stands in it that has begun, and not ended.
    pub(crate) begun: Option<usize>,
    /// Where those stand that have ended; a byte is free behind each.
    pub(crate) messages: Messages,
    /// A frame that is not whole.
    pub(crate) rest: Range<usize>,
    /// What ends the link, or the session, behind that.
    pub(crate) end: Result<(), End>,
}

impl From<Violation> for End {
    fn from(violation: Violation) -> End {
        End::Violation(violation)
    }
}

impl From<FrameError> for End {
    fn from(e: FrameError) -> End {
        End::Frame(e)
    }
}

/// The buffer while frames are opened.
struct Text<'a> {
    chunk: &'a mut [u8],
    /// So much is readable.
    len: usize,
    begun: Option<usize>,
    messages: Messages,
}

impl Frames {
    pub(crate) fn new(config: &Config) -> Frames {
        Frames {
            opener: None,
            incoming: Incoming::default(),
            framing: config.framing,
            max_message: config.max_message,
            relays: None,
            patience: RELAYS_HEARD,
        }
    }

    /// Where the peer relays, if it has said so since the last time.
    pub(crate) fn take_relays(&mut self) -> Option<SocketAddr> {
        self.relays.take()
    }

    pub(crate) fn next_link(&mut self, opener: Opener, announced: bool) {
        self.opener = Some(opener);
        self.incoming.new_link(announced);
    }

    /// Opens the whole frames of `chunk[line..filled]` and closes up what they hold behind the unfinished line (or message).
    pub(crate) fn open(&mut self, chunk: &mut [u8], line: usize, filled: usize, out: &Outlet) -> Read {
        let begun = (self.incoming.is_in_message() && self.framing == Framing::Lines).then_some(0);
        let mut text = Text { chunk, len: line, begun, messages: Vec::new() };
        let mut at = line;
        let end = loop {
            match self.frame(&mut text, at, filled, out) {
                Ok(Some(next)) => at = next,
                Ok(None) => break Ok(()),
                Err(end) => break Err(end),
            }
        };
        if self.incoming.received() > 0
            && let Some(mut seal) = out.session()
        {
            seal.session.received(Instant::now(), self.incoming.received());
        }
        let Text { len, begun, messages, .. } = text;
        Read { text: len, begun, messages, rest: at..filled, end }
    }

    /// The frame at `at`, if it is whole; where the next one begins.
    fn frame(
        &mut self,
        text: &mut Text<'_>,
        at: usize,
        filled: usize,
        out: &Outlet,
    ) -> Result<Option<usize>, End> {
        let Some((head, frames)) = text.chunk[at..filled].split_first_chunk_mut() else { return Ok(None) };
        let head = Head::parse(*head)?;
        let Some(body) = frames.get_mut(..head.body) else { return Ok(None) };
        let Some(opener) = &mut self.opener else { return Ok(None) };
        let from = at + crate::proto::handshake::transport::HEAD;
        match opener.open_any(head, body)? {
            Opened::Data(len) => {
                self.incoming.lines(len)?;
                if !self.incoming.is_discarding() {
                    text.take(from, len);
                }
            }
            Opened::Part { end, last } => self.part(text, from + 1, end - 1, last)?,
            Opened::Control(control) => self.control(&control, out)?,
        }
        Ok(Some(from + head.body))
    }

    fn part(&mut self, text: &mut Text<'_>, from: usize, len: usize, last: bool) -> Result<(), End> {
        let fresh = !self.incoming.is_in_message();
        let raw = self.framing == Framing::Raw;
        if self.incoming.is_discarding() {
            return Ok(self.incoming.part(len, last)?);
        }
        if fresh && !raw && !text.ends_a_line() {
            return Err(Violation::Mixed.into());
        }
        self.incoming.part(len, last)?;
        if raw {
            text.take(from, len);
            return Ok(());
        }
        let begun = *text.begun.get_or_insert(text.len);
        if text.len + len - begun > self.max_message {
            return Err(End::MessageTooLong);
        }
        text.take(from, len);
        if last {
            text.messages.push((begun, text.len));
            text.begun = None;
            // The frame was longer than what it held.
            text.chunk[text.len] = 0;
            text.len += 1;
        }
        Ok(())
    }

    fn control(&mut self, control: &Control, out: &Outlet) -> Result<(), End> {
        self.incoming.control(control)?;
        if let Control::Unwelcome(why) = control {
            return Err(End::Unwelcome(welcome(*why).err().unwrap_or(HandshakeError::TurnedAway)));
        }
        let Some(mut seal) = out.session() else { return Ok(()) };
        let now = Instant::now();
        seal.session.received(now, self.incoming.received());
        match seal.session.heard(now, control)? {
            Heard::Closed { missing } => Err(End::Closed { missing }),
            Heard::Relays(at) => {
                if let Some(left) = self.patience.checked_sub(1) {
                    (self.relays, self.patience) = (Some(at), left);
                }
                Ok(())
            }
            Heard::Nothing | Heard::Room => Ok(()),
        }
    }
}

impl Text<'_> {
    /// What stands there belongs to the text.
    fn take(&mut self, from: usize, len: usize) {
        self.chunk.copy_within(from..from + len, self.len);
        self.len += len;
    }

    /// Whether a message may begin here.
    fn ends_a_line(&self) -> bool {
        let behind = self.messages.last().map_or(0, |(_, end)| end + 1);
        self.len == behind || self.chunk[behind..self.len].ends_with(CRLF)
    }
}
