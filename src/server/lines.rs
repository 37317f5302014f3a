//! Cuts the bytes of a rendezvous connection into lines at CRLF, with a limit on their length.

use crate::proto::rdv_msg::MAX_LINE;
use memchr::memmem;

/// A line got longer than [`MAX_LINE`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// The unfinished line of a connection.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    /// Takes what was read and calls `line` for each complete line, without its CRLF, until it says that what follows is
    /// no line; the rest is then to be had by [`Lines::into_rest`].
    pub(super) fn push(&mut self, data: &[u8], mut line: impl FnMut(&[u8]) -> bool) -> Result<(), TooLong> {
        if self.partial.is_empty() {
            let rest = split(data, 0, &mut line)?;
            self.partial.extend_from_slice(data.get(rest..).unwrap_or_default());
            return Ok(());
        }
        // What was looked at before holds no CRLF; only its last byte may be the CR of one.
        let known = self.partial.len() - 1;
        self.partial.extend_from_slice(data);
        let rest = split(&self.partial, known, &mut line)?;
        if rest == self.partial.len() {
            // An idle connection should cost nothing.
            self.partial = Vec::new();
        } else if rest > 0 {
            self.partial.drain(..rest);
        }
        Ok(())
    }

    /// What has come behind the last line.
    pub(super) fn into_rest(self) -> Vec<u8> {
        self.partial
    }
}

/// Calls `line` for each complete line in `data`, whose first `known` bytes hold no CRLF, as long as it says so; returns
/// where the unfinished rest begins.
fn split(data: &[u8], known: usize, line: &mut impl FnMut(&[u8]) -> bool) -> Result<usize, TooLong> {
    let mut start = 0;
    for end in memmem::find_iter(data.get(known..).unwrap_or_default(), b"\r\n").map(|at| at + known) {
        let complete = data.get(start..end).unwrap_or_default();
        if complete.len() > MAX_LINE {
            return Err(TooLong);
        }
        start = end + 2;
        if !line(complete) {
            return Ok(start);
        }
    }
    // One byte more may be the CR.
    if data.len().saturating_sub(start) > MAX_LINE + 1 { Err(TooLong) } else { Ok(start) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(lines: &mut Lines, data: &[u8]) -> Result<Vec<Vec<u8>>, TooLong> {
        let mut got = Vec::new();
        let mut keep = |line: &[u8]| {
            got.push(line.to_vec());
            line != b"stop"
        };
        lines.push(data, &mut keep).map(|()| got)
    }

    #[test]
    fn lone_cr_and_lf_belong_to_the_line() {
        let mut lines = Lines::default();
        assert_eq!(feed(&mut lines, b"a\rb\nc\r\r\n\r\nd"), Ok(vec![b"a\rb\nc\r".to_vec(), b"".to_vec()]));
        assert_eq!(feed(&mut lines, b"\r"), Ok(vec![]));
        assert_eq!(feed(&mut lines, b"\n"), Ok(vec![b"d".to_vec()]));
    }

    #[test]
    fn what_follows_the_last_line_is_kept_as_it_is() {
        for cut in 0..9 {
            let mut lines = Lines::default();
            let (a, b) = b"x\r\nstop\r\n\r\nrest\r\n".split_at(cut);
            // Whoever reads lines stops reading when it was told to.
            let got = [feed(&mut lines, a).unwrap(), feed(&mut lines, b).unwrap()].concat();
            assert_eq!(got, [b"x".to_vec(), b"stop".to_vec()], "{cut}");
            assert_eq!(lines.into_rest(), b"\r\nrest\r\n");
        }
    }

    #[test]
    fn the_longest_line_passes_and_a_longer_one_does_not() {
        for (n, fits) in [(MAX_LINE, true), (MAX_LINE + 1, false)] {
            let line = [vec![b'x'; n], b"\r\n".to_vec()].concat();
            assert_eq!(feed(&mut Lines::default(), &line).is_ok(), fits, "at once");
            let mut lines = Lines::default();
            let pieces = line.chunks(4096).try_for_each(|piece| feed(&mut lines, piece).map(|_| ()));
            assert_eq!(pieces.is_ok(), fits, "in pieces");
        }
        let mut lines = Lines::default();
        assert_eq!(feed(&mut lines, &vec![b'x'; MAX_LINE + 2]), Err(TooLong), "no need to wait for the end");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            data in prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 0..200),
            cuts in prop::collection::vec(1..10usize, 0..50),
        ) {
            let mut whole = Lines::default();
            let expected = feed(&mut whole, &data).unwrap();
            let mut lines = Lines::default();
            let (mut got, mut rest) = (Vec::new(), &data[..]);
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                got.extend(feed(&mut lines, piece).unwrap());
                rest = after;
            }
            got.extend(feed(&mut lines, rest).unwrap());
            prop_assert_eq!(got, expected);
            prop_assert_eq!(lines.partial, whole.partial);
        }
    }
}
