//! What was sent and is not acknowledged: kept as it was, to be sent again on the next link.
//!
//! ```text
//!            acked          next                end
//!   ──────────┼──────────────┼───────────────────┼─▶ units of the stream
//!    forgotten  sent on this link   to be sent again (none, as a rule)
//! ```
//!
//! Large pieces are moved in and not copied; small ones are joined, so that single lines cost no memory of their own.
//! What is acknowledged gives its memory to what is sent next, and an empty window holds none.

use std::collections::VecDeque;

use super::Violation;
use super::piece::Piece;

/// Pieces are joined up to this size.
const JOINED: usize = 16 << 10;
/// A piece of up to this size is copied to the last one if that has room, a larger one moved.
const SMALL: usize = 4 << 10;
/// Memory kept for what is sent next: so many pieces, of this size at most.
const SPARE: usize = 8;
const SPARE_SIZE: usize = 128 << 10;

/// See the module.
#[derive(Debug, Default)]
pub struct Window {
    pieces: VecDeque<Piece>,
    /// Where the first piece begins.
    begin: u64,
    acked: u64,
    next: u64,
    end: u64,
    spare: Vec<Piece>,
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

    /// Units sent since the session's begin.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Units that are to be sent again before anything new.
    pub fn behind(&self) -> u64 {
        self.end - self.next
    }

    /// Takes over what is being sent. `piece` is empty afterwards, and has memory for the next.
    pub fn push(&mut self, piece: &mut Piece) {
        debug_assert!(self.next == self.end, "what is new comes behind what is sent again");
        let len = piece.len();
        self.end += len as u64;
        self.next = self.end;
        if len > SMALL {
            let fresh = self.spare.pop().unwrap_or_default();
            self.pieces.push_back(std::mem::replace(piece, fresh));
            return;
        }
        match self.pieces.back_mut() {
            Some(last) if last.len() + len <= JOINED.min(last.capacity()) => last.push_piece(piece),
            _ => {
                let fits = |spare: &Piece| spare.capacity() >= JOINED;
                let mut fresh = match self.spare.pop_if(|spare| fits(spare)) {
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
        self.ack_up_to(to, self.end)?;
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
            if self.spare.len() < SPARE && piece.capacity() <= SPARE_SIZE {
                piece.clear();
                self.spare.push(piece);
            }
        }
        if self.pieces.is_empty() {
            (self.pieces, self.spare) = (VecDeque::new(), Vec::new());
        }
        Ok(())
    }

    /// What is to be sent again next, at most `most` units: the piece, and from where to where in it. They count as sent.
    pub fn again(&mut self, most: usize) -> Option<(&Piece, usize, usize)> {
        if self.next >= self.end {
            return None;
        }
        let mut begin = self.begin;
        for piece in &self.pieces {
            let end = begin + piece.len() as u64;
            if self.next < end {
                let from = (self.next - begin) as usize;
                let to = piece.len().min(from.saturating_add(most));
                self.next += (to - from) as u64;
                return Some((piece, from, to));
            }
            begin = end;
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
