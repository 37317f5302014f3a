//! What was sent and is not acknowledged: kept as it was, to be sent again on the next link. And what is yet to be sent.
//!
//! ```text
//!            acked          next         reached         end
//!   ──────────┼──────────────┼──────────────┼─────────────┼─▶ units of the stream
//!    forgotten  sent on this link   to be sent     to be sent
//!                                   again          for the first time
//! ```
//!
//! Nothing is to be sent again as a rule, and of what is new nothing waits unless more comes than the link takes.
//!
//! Large pieces are moved in and not copied; small ones are joined, so that single lines cost no memory of their own.
//! What is acknowledged gives its memory to what is sent next. An empty window holds none once it has been tidied.

use std::collections::VecDeque;

use super::Violation;
use super::piece::Piece;

/// Pieces are joined up to this size.
const JOINED: usize = 16 << 10;
/// A piece of up to this size is copied to the last one if that has room, a larger one moved.
const SMALL: usize = 4 << 10;
/// Memory kept for what is sent next: of pieces of this size at most, so much in all. One look at the socket may bring
/// the acknowledgement of all that is in the window, and what is sent next needs as much again.
const SPARE_SIZE: usize = 256 << 10;
const SPARE: usize = 8 << 20;

/// See the module.
#[derive(Debug, Default)]
pub struct Window {
    pieces: VecDeque<Piece>,
    /// Where the first piece begins.
    begin: u64,
    acked: u64,
    next: u64,
    /// So far it has been sent on any link.
    reached: u64,
    end: u64,
    spare: Vec<Piece>,
    /// How much memory they have.
    spare_room: usize,
}

/// What has not been acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Lines and messages.
    pub lines: u64,
    /// Units of the stream.
    pub bytes: u64,
}

impl Window {
    /// Units that are not acknowledged.
    pub fn len(&self) -> u64 {
        self.end - self.acked
    }

    /// Whether everything is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.end == self.acked
    }

    /// Units taken over since the session's begin.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Units that are to be sent, again or for the first time.
    pub fn behind(&self) -> u64 {
        self.end - self.next
    }

    /// Units that were sent, and are to be sent again.
    pub fn repeated(&self) -> u64 {
        self.reached - self.next
    }

    /// Units that are to be sent for the first time.
    pub fn unsent(&self) -> u64 {
        self.end - self.reached
    }

    /// Takes over what is being sent. `piece` is empty afterwards, and has memory for the next.
    pub fn push(&mut self, piece: &mut Piece) {
        debug_assert!(self.next == self.end, "what is new comes behind what is sent again");
        self.put(piece);
        (self.next, self.reached) = (self.end, self.end);
    }

    /// The same of what is to be sent.
    pub fn put(&mut self, piece: &mut Piece) {
        let len = piece.len();
        self.end += len as u64;
        if len > SMALL {
            // As large as this one has become, or it would grow there step by step.
            let fresh =
                self.take_spare(0).unwrap_or_else(|| Piece::with_capacity(piece.capacity().min(SPARE_SIZE)));
            self.pieces.push_back(std::mem::replace(piece, fresh));
            return;
        }
        match self.pieces.back_mut() {
            Some(last) if last.len() + len <= JOINED.min(last.capacity()) => last.push_piece(piece),
            _ => {
                let room = if self.pieces.is_empty() { len } else { JOINED };
                let mut fresh = match self.take_spare(room) {
                    Some(spare) => spare,
                    // A single small piece gets as much as it needs, the next one room for many.
                    None if self.pieces.is_empty() => Piece::with_capacity(len.max(256)),
                    None => Piece::with_capacity(JOINED),
                };
                fresh.push_piece(piece);
                self.pieces.push_back(fresh);
            }
        }
        piece.clear();
    }

    /// The peer has everything before `to`.
    ///
    /// # Errors
    /// [`Violation::Acknowledged`] if that cannot be.
    pub fn ack(&mut self, to: u64) -> Result<(), Violation> {
        self.ack_up_to(to, self.next)
    }

    /// A new link: the peer has everything before `to`, and gets the rest again.
    ///
    /// # Errors
    /// As [`Window::ack`].
    pub fn resume(&mut self, to: u64) -> Result<(), Violation> {
        self.ack_up_to(to, self.reached)?;
        self.next = to;
        Ok(())
    }

    fn ack_up_to(&mut self, to: u64, most: u64) -> Result<(), Violation> {
        if !(self.acked..=most).contains(&to) {
            return Err(Violation::Acknowledged { found: to, least: self.acked, most });
        }
        self.acked = to;
        while let Some(first) = self.pieces.front() {
            let behind = self.begin + first.len() as u64;
            if behind > to {
                break;
            }
            self.begin = behind;
            let mut piece = self.pieces.pop_front().unwrap_or_default();
            if piece.capacity() <= SPARE_SIZE && self.spare_room + piece.capacity() <= SPARE {
                piece.clear();
                self.spare_room += piece.capacity();
                self.spare.push(piece);
            }
        }
        Ok(())
    }

    /// Memory of at least that size, if the last that was put aside is.
    fn take_spare(&mut self, room: usize) -> Option<Piece> {
        let spare = self.spare.pop_if(|spare| spare.capacity() >= room)?;
        self.spare_room -= spare.capacity();
        Some(spare)
    }

    /// Bytes of memory that wait to be needed again.
    pub fn spare(&self) -> usize {
        self.spare_room
    }

    /// Gives back what memory nothing is in, if nothing is in the window.
    pub fn tidy(&mut self) {
        if self.pieces.is_empty() {
            (self.pieces, self.spare, self.spare_room) = (VecDeque::new(), Vec::new(), 0);
        }
    }

    /// What is to be sent next, at most `most` units: the piece, and from where to where in it. They count as sent. Of what is new
    /// nothing, if `window` units are not acknowledged.
    pub fn again(&mut self, most: usize, window: u64) -> Option<(&Piece, usize, usize)> {
        let is_new = self.next == self.reached;
        if self.next >= self.end || is_new && self.next - self.acked >= window {
            return None;
        }
        let (piece, begin) = if is_new { self.find_from_behind() } else { self.find() }?;
        let (piece, from) = (self.pieces.get(piece)?, (self.next - begin) as usize);
        let most = if is_new { most } else { most.min((self.reached - self.next) as usize) };
        let to = piece.len().min(from.saturating_add(most));
        self.next += (to - from) as u64;
        self.reached = self.reached.max(self.next);
        Some((piece, from, to))
    }

    /// The piece from which to send next, and where it begins.
    fn find(&self) -> Option<(usize, u64)> {
        let mut begin = self.begin;
        for (n, piece) in self.pieces.iter().enumerate() {
            let end = begin + piece.len() as u64;
            if self.next < end {
                return Some((n, begin));
            }
            begin = end;
        }
        None
    }

    /// The same where it is one of the last.
    fn find_from_behind(&self) -> Option<(usize, u64)> {
        let mut begin = self.end;
        for (n, piece) in self.pieces.iter().enumerate().rev() {
            begin -= piece.len() as u64;
            if begin <= self.next {
                return Some((n, begin));
            }
        }
        None
    }

    /// What is not acknowledged. Looks at all of it.
    pub fn unsettled(&self) -> Unsettled {
        let (mut begin, mut lines) = (self.begin, 0);
        for piece in &self.pieces {
            lines += piece.ends_behind(self.acked.saturating_sub(begin) as usize);
            begin += piece.len() as u64;
        }
        Unsettled { lines, bytes: self.len() }
    }
}
