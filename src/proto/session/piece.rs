//! A stretch of a stream: bytes of lines, and messages between them.
//!
//! A message has one unit more than bytes, for its end: so also an empty one has a place in the stream, and how much has
//! arrived says whether it has. In the buffer that unit is a byte that is not sent.

use crate::os::simd;
use crate::proto::handshake::transport::{FrameError, Frames, MAX_DATA, MAX_PART, Sealer};
use crate::proto::line;

/// See the module.
#[derive(Debug, Default)]
pub struct Piece {
    bytes: Vec<u8>,
    messages: Messages,
}

/// The messages: where each begins, and where it ends with its end. Most pieces have none, and there is one in each idle
/// connection: boxed.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "a third of the size where there are none")]
struct Messages(Option<Box<Vec<(usize, usize)>>>);

impl Messages {
    #[inline]
    fn all(&self) -> &[(usize, usize)] {
        self.0.as_ref().map_or(&[], |messages| messages.as_slice())
    }

    fn all_mut(&mut self) -> &mut Vec<(usize, usize)> {
        self.0.get_or_insert_default()
    }

    #[inline]
    fn clear(&mut self) {
        if let Some(messages) = &mut self.0 {
            messages.clear();
        }
    }
}

/// What one frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Bytes of lines.
    Lines(&'a [u8]),
    /// Bytes of a message.
    Message {
        /// The bytes.
        part: &'a [u8],
        /// Whether they are its last.
        last: bool,
    },
}

impl Part<'_> {
    /// How many units of the stream it is.
    pub fn units(&self) -> usize {
        match self {
            Part::Lines(bytes) => bytes.len(),
            Part::Message { part, last } => part.len() + usize::from(*last),
        }
    }
}

impl Piece {
    /// Room for `capacity` units.
    pub fn with_capacity(capacity: usize) -> Piece {
        Piece { bytes: Vec::with_capacity(capacity), messages: Messages::default() }
    }

    /// Units.
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Units it has memory for.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets what it holds, and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.messages.clear();
    }

    /// All units, where there are no messages.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Exchanges the bytes, where there are no messages.
    #[inline]
    pub fn swap_lines(&mut self, bytes: &mut Vec<u8>) {
        std::mem::swap(&mut self.bytes, bytes);
    }

    /// Takes units off the front, where there are no messages.
    pub fn drop_front(&mut self, units: usize) {
        self.bytes.drain(..units.min(self.bytes.len()));
    }

    /// Gives the memory of an empty piece back if it is more than `most`.
    pub fn give_back_beyond(&mut self, most: usize) {
        if self.bytes.is_empty() && self.bytes.capacity() > most {
            *self = Piece::default();
        }
    }

    /// Appends bytes of lines.
    #[inline]
    pub fn push_lines(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a line with its end.
    #[inline]
    pub fn push_line<const N: usize>(&mut self, text: &[u8], end: &[u8; N]) {
        self.bytes.reserve(text.len() + N);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(end);
    }

    /// As [`Piece::push_line`] with CR LF, if there is room for it, the line is not very short, and it holds no LF; else nothing.
    #[inline(always)]
    pub(crate) fn push_checked(&mut self, line: &[u8]) -> bool {
        simd::push_line(&mut self.bytes, line)
    }

    /// Appends a message.
    pub fn push_message(&mut self, message: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.reserve(message.len() + 1);
        self.bytes.extend_from_slice(message);
        self.bytes.push(0);
        self.messages.all_mut().push((begin, self.bytes.len()));
    }

    /// Appends a copy of another one.
    pub fn push_piece(&mut self, other: &Piece) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        if !other.messages.all().is_empty() {
            let moved = other.messages.all().iter().map(|(from, to)| (begin + from, begin + to));
            self.messages.all_mut().extend(moved);
        }
    }

    /// What is to be sent of the units from `from` to `to`, in parts that fit into a frame each.
    pub fn parts(&self, from: usize, to: usize) -> Parts<'_> {
        let to = to.min(self.bytes.len());
        // The first message that is not over before `from`.
        let next = self.messages.all().partition_point(|(_, end)| *end <= from);
        Parts { piece: self, at: from, to, next }
    }

    /// Appends frames with the units from `from` to `to` to `out`.
    ///
    /// # Errors
    /// [`FrameError::Exhausted`].
    pub fn seal(
        &self,
        from: usize,
        to: usize,
        sealer: &mut Sealer,
        out: &mut impl Frames,
    ) -> Result<(), FrameError> {
        if self.messages.all().is_empty() {
            let to = to.min(self.bytes.len());
            return sealer.seal(self.bytes.get(from..to).unwrap_or_default(), out);
        }
        self.parts(from, to).try_for_each(|part| match part {
            Part::Lines(bytes) => sealer.seal(bytes, out),
            Part::Message { part, last } => sealer.seal_part(part, last, out),
        })
    }

    /// Lines and messages that end behind the unit `from`.
    pub fn ends_behind(&self, from: usize) -> u64 {
        let (mut at, mut count) = (0, 0);
        let lines_in = |from_to: std::ops::Range<usize>| -> u64 {
            let run = self.bytes.get(from_to.clone()).unwrap_or_default();
            let (mut at, mut count) = (0, 0);
            while let Some((_, next)) = run.get(at..).and_then(line::next_line) {
                at += next;
                count += u64::from(from_to.start + at > from);
            }
            count
        };
        for (begin, end) in self.messages.all() {
            count += lines_in(at..*begin) + u64::from(*end > from);
            at = *end;
        }
        count + lines_in(at..self.bytes.len())
    }
}

/// Iterator made by [`Piece::parts`].
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    piece: &'a Piece,
    at: usize,
    to: usize,
    /// The first message that is not behind us.
    next: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if self.at >= self.to {
            return None;
        }
        let (begin, end) = self.piece.messages.all().get(self.next).copied().unwrap_or((self.to, self.to));
        let at = self.at;
        if at < begin {
            self.at = begin.min(self.to).min(at + MAX_DATA);
            return Some(Part::Lines(self.piece.bytes.get(at..self.at)?));
        }
        let text_end = end - 1;
        let stop = text_end.min(self.to).min(at + MAX_PART);
        let last = stop == text_end && self.to >= end;
        self.at = stop;
        if last {
            self.at = end;
            self.next += 1;
        }
        Some(Part::Message { part: self.piece.bytes.get(at..stop)?, last })
    }
}
