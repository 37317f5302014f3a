//! Finds the lines of a run one after the other, fast for short ones.
//!
//! A search of its own for each line costs more than the search: a call, and a start at a new place. So 64 bytes are looked
//! at together, and the places of their line feeds kept as bits of a number, of which each line takes one. Where lines are
//! long, `memchr` is faster: it takes over when two such blocks in a row hold no line feed, and until a line is short.

use std::ops::Range;

use memchr::memchr;

use crate::os::simd::{BLOCK, line_feeds};

/// After so many bytes without a line feed, the next one is searched by `memchr`.
const LONG: usize = 2 * BLOCK;

/// A place in a run of lines. The run is given to each call, and has to be the same one, but for the CR behind a line that
/// was found: who takes the line may overwrite that.
#[derive(Debug, Clone)]
pub struct LineFinder {
    /// Where the next line begins.
    start: usize,
    /// What has been looked at ends here.
    seen: usize,
    /// Line feeds that have been seen and not used, from here on.
    base: usize,
    feeds: u64,
    /// The last lines were long.
    long: bool,
}

impl LineFinder {
    /// At the beginning of a run, of whose first `seen` bytes is known that they hold no CR LF.
    pub const fn new(seen: usize) -> Self {
        Self { start: 0, seen, base: 0, feeds: 0, long: false }
    }

    /// At `start` in a run.
    pub const fn starting(start: usize) -> Self {
        Self { start, seen: start, base: 0, feeds: 0, long: false }
    }

    /// What is left begins here.
    pub const fn position(&self) -> usize {
        self.start
    }

    /// The next line that is not empty: where it stands, without its CR LF. The byte at the end of that is its CR.
    #[inline(always)]
    pub fn next(&mut self, run: &[u8]) -> Option<Range<usize>> {
        loop {
            while self.feeds == 0 {
                if !self.look_on(run) {
                    return None;
                }
            }
            let lf = self.base + self.feeds.trailing_zeros() as usize;
            self.feeds &= self.feeds - 1;
            if lf > self.start && run.get(lf - 1) == Some(&b'\r') {
                let start = std::mem::replace(&mut self.start, lf + 1);
                if lf - 1 > start {
                    return Some(start..lf - 1);
                }
            }
        }
    }

    /// Goes on to the next line feed; false if there is none.
    #[inline(always)]
    fn look_on(&mut self, run: &[u8]) -> bool {
        if !self.long {
            for _ in 0..LONG / BLOCK {
                let Some(block) = run.get(self.seen..).and_then(<[u8]>::first_chunk) else { break };
                (self.base, self.seen) = (self.seen, self.seen + BLOCK);
                self.feeds = line_feeds(block);
                if self.feeds != 0 {
                    return true;
                }
            }
        }
        self.look_far(run)
    }

    /// The same where lines are long, or the run ends.
    #[inline(never)]
    fn look_far(&mut self, run: &[u8]) -> bool {
        let rest = run.get(self.seen..).unwrap_or_default();
        let Some(at) = memchr(b'\n', rest) else {
            self.seen = self.seen.max(run.len());
            return false;
        };
        (self.base, self.feeds) = (self.seen + at, 1);
        self.seen = self.base + 1;
        self.long = self.base.saturating_sub(self.start) >= LONG;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::{next_line, split};
    use super::*;
    use proptest::prelude::*;

    /// Lines of every length about the sizes of blocks, and of few symbols, so that CR and LF meet in every way and at every
    /// border.
    fn runs() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => prop::collection::vec(prop::sample::select(b"\r\r\n\n\0ab\xff".to_vec()), 0..150),
            2 => (0..3 * LONG).prop_map(|len| [vec![b'x'; len], b"\r\n".to_vec()].concat()),
            1 => (60..70usize).prop_map(|len| [vec![b'y'; len], b"\r\n".to_vec()].concat()),
            1 => (0..200usize).prop_map(|len| vec![b'\n'; len]),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn all(run: &[u8], mut finder: LineFinder) -> Vec<Range<usize>> {
        std::iter::from_fn(|| finder.next(run)).collect()
    }

    /// By the simple function, which the tests of the line layer hold against the rule itself.
    fn simple(run: &[u8]) -> Vec<Range<usize>> {
        let mut at = 0;
        std::iter::from_fn(|| {
            let (line, next) = next_line(&run[at..])?;
            let found = at + line.start..at + line.end;
            at += next;
            Some(found)
        })
        .collect()
    }

    #[test]
    fn a_line_at_every_place_of_a_block() {
        for before in 0..200 {
            for len in [1, 2, 61, 62, 63, 64, 65, 127, 128, 129, 130, 300] {
                let mut run = vec![b'a'; before];
                run.extend_from_slice(b"\r\n");
                run.extend(vec![b'b'; len]);
                run.extend_from_slice(b"\r\nc\r\nunfinished");
                assert_eq!(all(&run, LineFinder::new(0)), simple(&run), "{before} {len}");
            }
        }
    }

    #[test]
    fn long_lines_and_short_ones_in_turn() {
        let mut run = Vec::new();
        for n in 0..500 {
            run.extend(vec![b'l'; [1000, 3, 200, 64, 0, 129, 5000][n % 7]]);
            run.extend_from_slice(b"\r\n");
        }
        assert_eq!(all(&run, LineFinder::new(0)), simple(&run));
    }

    #[test]
    fn an_end_is_an_end_however_often_it_is_asked_for() {
        let run = b"one\r\ntwo";
        let mut finder = LineFinder::new(0);
        assert_eq!(finder.next(run), Some(0..3));
        for _ in 0..3 {
            assert_eq!(finder.next(run), None);
            assert_eq!(finder.position(), 5);
        }
    }

    proptest! {
        #[test]
        fn finds_what_the_simple_function_finds(run in runs()) {
            prop_assert_eq!(all(&run, LineFinder::new(0)), simple(&run));
        }

        /// As programs do it: the CR of each line becomes a NUL before the next one is asked for.
        #[test]
        fn lines_may_be_ended_by_a_nul(mut run in runs()) {
            let lines: Vec<Vec<u8>> = split(&run).map(<[u8]>::to_vec).collect();
            let (mut finder, mut found) = (LineFinder::new(0), Vec::new());
            while let Some(line) = finder.next(&run) {
                run[line.end] = 0;
                found.push(run[line].to_vec());
            }
            prop_assert_eq!(found, lines);
        }

        /// From the middle, and with a beginning that was looked at before.
        #[test]
        fn begins_anywhere(run in runs(), from in any::<prop::sample::Index>()) {
            let from = from.index(run.len() + 1);
            let shifted: Vec<_> = simple(&run[from..]).iter().map(|r| from + r.start..from + r.end).collect();
            prop_assert_eq!(all(&run, LineFinder::starting(from)), shifted);
            let end = run.windows(2).position(|two| two == b"\r\n").map_or(run.len(), |cr| cr + 1);
            prop_assert_eq!(all(&run, LineFinder::new(from.min(end))), simple(&run));
        }

        /// A run that comes to its end and goes on behind it, as one with messages between its lines does.
        #[test]
        fn the_rest_of_a_run_may_be_looked_at_later(run in runs(), cut in any::<prop::sample::Index>()) {
            let cut = cut.index(run.len() + 1);
            let mut finder = LineFinder::new(0);
            let mut found: Vec<_> = std::iter::from_fn(|| finder.next(&run[..cut])).collect();
            found.extend(std::iter::from_fn(|| finder.next(&run)));
            prop_assert_eq!(found, simple(&run));
        }
    }
}
