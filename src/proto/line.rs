//! The line layer: a stream of bytes is a stream of lines, each ended by the pair CR LF.
//!
//! ```text
//! stream = *( line CRLF )
//! line   = *OCTET without the pair CR LF      ; a lone CR and a lone LF are ordinary characters
//! ```
//!
//! Nothing is trimmed or escaped, and empty lines are skipped: `"\r\r\n\r\n"` is the one line `"\r"`.
//!
//! A receiver needs two things, and this module keeps them apart because they happen on different threads:
//! [`LineScan`] says how much of what arrived is complete lines (on the thread that reads the socket), and
//! [`LineFinder`] takes such a run of complete lines to pieces (while the program polls). The one looks from the back, at
//! what is unfinished, the other from the front, so that each byte is looked at about once; neither allocates or copies.
//! [`next_line`] and [`split`] do the same as the finder, for those who have no place to keep one, and not as fast.

mod finder;

use std::fmt;
use std::ops::Range;

pub use finder::LineFinder;

use memchr::{memchr, memrchr};

use crate::os::simd;

/// What ends a line.
pub const CRLF: &[u8; 2] = b"\r\n";

/// The longest line PyP2P 0.8.3 can send, in bytes without the CRLF (it writes at most 4096 in one go, and
/// closes the connection of anybody who asks for more). It receives longer ones.
pub const MAX_CLASSIC_LINE: usize = 4094;

/// A line of up to so many bytes is looked at in place.
const SHORT: usize = 256;

/// Whether there is an LF, at the price of looking at all bytes: many at a time, those at the end perhaps twice.
#[inline]
fn has_lf(line: &[u8]) -> bool {
    if let Some(last) = line.last_chunk::<{ simd::BLOCK }>() {
        let (blocks, rest) = line.as_chunks::<{ simd::BLOCK }>();
        let at_end = if rest.is_empty() { 0 } else { simd::line_feeds(last) };
        return blocks.iter().fold(at_end, |found, block| found | simd::line_feeds(block)) != 0;
    }
    let in_block = |block: &[u8; 16]| block.iter().fold(false, |found, byte| found | (*byte == b'\n'));
    match line.last_chunk::<16>() {
        Some(last) => {
            line.as_chunks::<16>().0.iter().fold(in_block(last), |found, block| found | in_block(block))
        }
        None => line.contains(&b'\n'),
    }
}

/// Remembers how far an unfinished line has been looked at, so that a line arriving in many pieces is scanned
/// once.
#[derive(Debug, Clone, Default)]
pub struct LineScan {
    /// So many bytes at the start of the next buffer have been seen and hold no CRLF.
    seen: usize,
}

impl LineScan {
    /// A scanner at the start of a stream.
    pub const fn new() -> Self {
        Self { seen: 0 }
    }

    /// Looks at a buffer and answers where its last complete line ends (just behind the CRLF), if one does.
    ///
    /// `buf` is what was left over last time followed by what arrived since: after `Some(end)` the caller
    /// takes away `buf[..end]` and keeps `buf[end..]`; after `None` it keeps everything. Only the new bytes
    /// are looked at, from the back, so the cost of a call is at most the number of bytes that arrived.
    #[inline]
    pub fn feed(&mut self, buf: &[u8]) -> Option<usize> {
        let old = self.seen.min(buf.len());
        let mut to = buf.len();
        while let Some(lf) = buf.get(old..to).and_then(|new| memrchr(b'\n', new)).map(|i| old + i) {
            // The CR may be the last byte of the old part: that is why `lf` is an index into the whole
            // buffer.
            if lf > 0 && buf.get(lf - 1) == Some(&b'\r') {
                self.seen = buf.len() - (lf + 1);
                return Some(lf + 1);
            }
            to = lf;
        }
        self.seen = buf.len();
        None
    }

    /// How many bytes of an unfinished line are waiting for their end. Callers hold this against their limit.
    pub const fn unfinished(&self) -> usize {
        self.seen
    }

    /// Forgets the unfinished line, as after taking the 64-byte nonce off the front of a stream.
    pub const fn reset(&mut self) {
        self.seen = 0;
    }
}

/// The first line of `run` that is not empty: where it stands (without its CRLF) and where the rest begins.
///
/// `None` when no complete, non-empty line is left. The byte at `range.end` is the line's CR, so a consumer
/// with `&mut [u8]` may overwrite it by NUL and hand the line out as a C string without copying it.
#[inline]
pub fn next_line(run: &[u8]) -> Option<(Range<usize>, usize)> {
    let mut start = 0;
    let mut from = 0;
    loop {
        let lf = from + memchr(b'\n', run.get(from..)?)?;
        from = lf + 1;
        if lf > start && run.get(lf - 1) == Some(&b'\r') {
            if lf - 1 > start {
                return Some((start..lf - 1, from));
            }
            start = from; // nothing before the CRLF
        }
    }
}

/// The lines of a run, in order, without their CRLFs; an unfinished end is left alone.
#[inline]
pub const fn split(run: &[u8]) -> Lines<'_> {
    Lines { rest: run }
}

/// Iterator made by [`split`].
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// What has not been handed out yet; when the iterator has ended, the unfinished line.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let Some((line, next)) = next_line(self.rest) else {
            // Empty lines before an unfinished one belong to nobody.
            while let Some(rest) = self.rest.strip_prefix(CRLF) {
                self.rest = rest;
            }
            return None;
        };
        let found = self.rest.get(line);
        self.rest = self.rest.get(next..).unwrap_or_default();
        found
    }
}

impl std::iter::FusedIterator for Lines<'_> {}

/// Why a line cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineError {
    /// The receiver drops empty lines, so sending one could only mean a mistake.
    Empty,
    /// A CRLF inside would arrive as two lines. `at` is its offset.
    HoldsCrlf {
        /// Offset of the CR, in bytes.
        at: usize,
    },
    /// More bytes than may be sent.
    TooLong {
        /// Length of the line, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the line is empty; expected at least one byte"),
            Self::HoldsCrlf { at } => {
                write!(f, "the line holds a CR LF pair at byte {at}; expected one line without its end")
            }
            Self::TooLong { len, max } => write!(f, "the line has {len} bytes; expected at most {max}"),
        }
    }
}

impl std::error::Error for LineError {}

/// Whether `line` plus CRLF arrives as exactly this one line.
///
/// A lone CR or LF is fine wherever it stands, at the end too: `"x\r"` goes out as `"x\r\r\n"` and the
/// receiver, who ends a line at the pair, gets `"x\r"` back.
///
/// # Errors
/// The first of: [`LineError::Empty`], [`LineError::TooLong`] (over `max` bytes), [`LineError::HoldsCrlf`].
#[inline(always)]
pub fn check_outgoing(line: &[u8], max: usize) -> Result<(), LineError> {
    // Most lines are short and have no LF at all: that is found out faster without a call.
    if (1..=SHORT.min(max)).contains(&line.len()) && !has_lf(line) {
        return Ok(());
    }
    check_thoroughly(line, max)
}

#[inline(never)]
fn check_thoroughly(line: &[u8], max: usize) -> Result<(), LineError> {
    if line.is_empty() {
        return Err(LineError::Empty);
    }
    if line.len() > max {
        return Err(LineError::TooLong { len: line.len(), max });
    }
    let mut from = 0;
    while let Some(lf) = line.get(from..).and_then(|rest| memchr(b'\n', rest)).map(|i| from + i) {
        if lf > 0 && line.get(lf - 1) == Some(&b'\r') {
            return Err(LineError::HoldsCrlf { at: lf - 1 });
        }
        from = lf + 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule byte by byte: the lines that are not empty, and what is left.
    fn naive(stream: &[u8]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut lines, mut line, mut i) = (Vec::new(), Vec::new(), 0);
        while i < stream.len() {
            if stream[i..].starts_with(b"\r\n") {
                if !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                }
                i += 2;
            } else {
                line.push(stream[i]);
                i += 1;
            }
        }
        (lines, line)
    }

    /// Few symbols, so that CR and LF meet in every way.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"\r\r\n\n\0ab\xff".to_vec()), 0..200)
    }

    #[test]
    fn lone_characters_stay() {
        let lines: Vec<_> = split(b"\r\n\r\na\nb\r\n\r\r\n\n\r\n \rx \r\nrest\r").collect();
        assert_eq!(lines, [&b"a\nb"[..], b"\r", b"\n", b" \rx "]);
    }

    #[test]
    fn overwriting_in_place() {
        let mut buf = *b"\r\nab\r\n\r\nc\r\n";
        let mut pos = 0;
        while let Some((line, next)) = next_line(&buf[pos..]) {
            buf[pos + line.end] = 0;
            pos += next;
        }
        assert_eq!(&buf, b"\r\nab\0\n\r\nc\0\n");
        assert_eq!(pos, buf.len());
    }

    #[test]
    fn an_lf_is_found_wherever_it_is() {
        for len in 1..=SHORT + 5 {
            assert!(!has_lf(&vec![b'x'; len]), "{len}");
            for at in 0..len {
                let mut line = vec![b'x'; len];
                line[at] = b'\n';
                assert!(has_lf(&line), "at {at} of {len}");
            }
        }
    }

    #[test]
    fn outgoing() {
        assert_eq!(check_outgoing(b"", 9), Err(LineError::Empty));
        assert_eq!(check_outgoing(b"123", 2), Err(LineError::TooLong { len: 3, max: 2 }));
        assert_eq!(check_outgoing(b"\na\n\r\n", 9), Err(LineError::HoldsCrlf { at: 3 }));
        assert_eq!(check_outgoing(b"\r\n", 9), Err(LineError::HoldsCrlf { at: 0 }));
        for fine in [&b"x\r"[..], b"\r", b"\n", b"\n\r", b"a\n\rb", b"\0"] {
            assert_eq!(check_outgoing(fine, 9), Ok(()), "{fine:?}");
        }
    }

    /// A line in single bytes, full of line feeds: the scanner looks at each byte once and remembers it.
    #[test]
    fn unfinished_is_counted() {
        let mut scan = LineScan::new();
        let line = b"\n\n\r\r\nx";
        for n in 1..=4 {
            assert_eq!(scan.feed(&line[..n]), None);
            assert_eq!(scan.unfinished(), n);
        }
        assert_eq!(scan.feed(&line[..5]), Some(5));
        assert_eq!(scan.unfinished(), 0);
        assert_eq!(scan.feed(&line[5..]), None);
        assert_eq!(scan.unfinished(), 1);
        scan.reset();
        assert_eq!(scan.unfinished(), 0);
    }

    proptest! {
        #[test]
        fn splits_as_the_grammar_says(s in stream()) {
            let (lines, rest) = naive(&s);
            let mut it = split(&s);
            prop_assert_eq!(it.by_ref().map(<[u8]>::to_vec).collect::<Vec<_>>(), lines);
            prop_assert_eq!(it.rest(), &rest[..]);
        }

        #[test]
        fn chunks_do_not_matter(s in stream(), cuts in prop::collection::vec(1..9usize, 0..200)) {
            let (want, want_rest) = naive(&s);
            let (mut got, mut buf, mut scan) = (Vec::new(), Vec::new(), LineScan::new());
            let (mut rest, mut cuts) = (&s[..], cuts.into_iter());
            while !rest.is_empty() {
                let (now, later) = rest.split_at(cuts.next().unwrap_or(rest.len()).min(rest.len()));
                rest = later;
                buf.extend_from_slice(now);
                if let Some(end) = scan.feed(&buf) {
                    prop_assert!(buf[..end].ends_with(CRLF));
                    got.extend(split(&buf[..end]).map(<[u8]>::to_vec));
                    buf.drain(..end);
                }
                prop_assert!(!buf.windows(2).any(|w| w == CRLF));
                prop_assert_eq!(scan.unfinished(), buf.len());
            }
            prop_assert_eq!(got, want);
            prop_assert_eq!(buf, want_rest);
        }

        /// `check_outgoing` is exactly "arrives as this one line".
        #[test]
        fn what_may_go_out_comes_in(line in stream()) {
            let mut wire = line.clone();
            wire.extend_from_slice(CRLF);
            let arrives = naive(&wire) == (vec![line.clone()], vec![]);
            prop_assert_eq!(check_outgoing(&line, usize::MAX).is_ok(), arrives);
        }
    }
}
