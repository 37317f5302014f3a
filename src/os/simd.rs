//! Where the line feeds of 64 bytes are, as the bits of a number: the first byte is the lowest bit.
//!
//! By the instructions that every processor of its kind has, so that nothing need be asked at run time; elsewhere eight
//! bytes at a time in ordinary numbers. All say the same.

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use std::arch::x86_64::{
    __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm_storeu_si128,
};

/// How many bytes are looked at together.
pub(crate) const BLOCK: usize = 64;

/// Bit n is set if `block[n]` is a line feed.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
pub(crate) fn line_feeds(block: &[u8; BLOCK]) -> u64 {
    let (sixteens, _) = block.as_chunks::<16>();
    let hits = |n: usize| {
        let at = sixteens.get(n).map_or(block.as_ptr(), |sixteen| sixteen.as_ptr());
        // SAFETY: SSE2 is there, or this would not be compiled; 16 bytes of the block are read, which may lie anywhere.
        let hits = unsafe {
            _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(at.cast()), _mm_set1_epi8(b'\n' as i8)))
        };
        u64::from(hits as u16)
    };
    // One after the other: settings for size would make a loop of it.
    hits(0) | hits(1) << 16 | hits(2) << 32 | hits(3) << 48
}

/// Bit n is set if `block[n]` is a line feed.
#[cfg(all(target_arch = "aarch64", target_feature = "neon", target_endian = "little"))]
#[inline(always)]
pub(crate) fn line_feeds(block: &[u8; BLOCK]) -> u64 {
    use std::arch::aarch64::{
        vandq_u8, vceqq_u8, vcombine_u8, vcreate_u8, vdupq_n_u8, vgetq_lane_u64, vld1q_u8, vpaddq_u8,
        vreinterpretq_u64_u8,
    };
    let (sixteens, _) = block.as_chunks::<16>();
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| sixteens.get(n).map_or(block.as_ptr(), |s| s.as_ptr()));
    // SAFETY: NEON is there, or this would not be compiled; 16 bytes are read at each of the four places in the block.
    unsafe {
        // Each byte of eight keeps a bit of its own, so that adding them up loses none.
        let weights = vcombine_u8(vcreate_u8(0x8040_2010_0804_0201), vcreate_u8(0x8040_2010_0804_0201));
        let hits = |at| vandq_u8(vceqq_u8(vld1q_u8(at), vdupq_n_u8(b'\n')), weights);
        let sums = vpaddq_u8(vpaddq_u8(hits(a), hits(b)), vpaddq_u8(hits(c), hits(d)));
        vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)))
    }
}

/// Bit n is set if `block[n]` is a line feed.
#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
)))]
#[inline(always)]
pub(crate) fn line_feeds(block: &[u8; BLOCK]) -> u64 {
    in_numbers(block)
}

/// Whether [`push_line`] ever does something.
pub(crate) const PUSHES: bool = cfg!(all(target_arch = "x86_64", target_feature = "sse2"));

/// Shorter lines [`push_line`] leaves alone.
pub(crate) const PUSHED_FROM: usize = 16;

/// Appends `line` and CR LF to `to`, looking and copying in one go, if `line` holds no line feed and `to` has room for it. Else
/// nothing: false. Only for lines of [`PUSHED_FROM`] bytes or more; elsewhere always false.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
pub(crate) fn push_line(to: &mut Vec<u8>, line: &[u8]) -> bool {
    let (len, before) = (line.len(), to.len());
    if len < PUSHED_FROM || to.capacity() - before < len + 2 {
        return false;
    }
    // SAFETY: written are as many bytes as `line` has behind what `to` holds, and two more, for which it has room; that they
    // count is said when all are written. It is not borrowed twice, so the two do not overlap.
    unsafe {
        let into = to.as_mut_ptr().add(before);
        if !copy_without_lf(line.as_ptr(), into, len) {
            return false;
        }
        into.add(len).cast::<[u8; 2]>().write_unaligned(*b"\r\n");
        to.set_len(before + len + 2);
    }
    true
}

/// Copies `len` bytes, at least 16. False: there is a line feed in them, and not all may have been copied.
///
/// # Safety
/// So many can be read at `from` and written at `to`.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
unsafe fn copy_without_lf(from: *const u8, to: *mut u8, len: usize) -> bool {
    let mut at = 0;
    // What is left in the end is done together with some of what was done.
    // SAFETY: `at` and what is copied from there on are within `len`; the rest is the caller's duty.
    unsafe {
        if len >= 64 {
            while at < len - 64 {
                if is_in(copy_64(from.add(at), to.add(at))) {
                    return false;
                }
                at += 64;
            }
            return !is_in(copy_64(from.add(len - 64), to.add(len - 64)));
        }
        while at < len - 16 {
            if is_in(copy_16(from.add(at), to.add(at))) {
                return false;
            }
            at += 16;
        }
        !is_in(copy_16(from.add(len - 16), to.add(len - 16)))
    }
}

/// Copies 16 bytes, and tells where a line feed is.
///
/// # Safety
/// So many can be read at `from` and written at `to`.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
unsafe fn copy_16(from: *const u8, to: *mut u8) -> __m128i {
    // SAFETY: the caller's duty; SSE2 is there, or this would not be compiled.
    unsafe {
        let bytes = _mm_loadu_si128(from.cast());
        _mm_storeu_si128(to.cast(), bytes);
        _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\n' as i8))
    }
}

/// Copies 64 bytes, and tells where in any 16 of them a line feed is.
///
/// # Safety
/// So many can be read at `from` and written at `to`.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
unsafe fn copy_64(from: *const u8, to: *mut u8) -> __m128i {
    // One after the other: settings for size would make a loop of it.
    // SAFETY: the caller's duty; SSE2 as above.
    unsafe {
        let (a, b) = (copy_16(from, to), copy_16(from.add(16), to.add(16)));
        let (c, d) = (copy_16(from.add(32), to.add(32)), copy_16(from.add(48), to.add(48)));
        _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))
    }
}

/// Whether any byte is one that was looked for.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
fn is_in(hits: __m128i) -> bool {
    // SAFETY: SSE2 as above.
    unsafe { _mm_movemask_epi8(hits) != 0 }
}

/// See the other. Here the ordinary way is as good.
#[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
#[inline(always)]
pub(crate) fn push_line(_to: &mut Vec<u8>, _line: &[u8]) -> bool {
    false
}

/// The same in ordinary numbers.
#[cfg(any(
    test,
    not(any(
        all(target_arch = "x86_64", target_feature = "sse2"),
        all(target_arch = "aarch64", target_feature = "neon", target_endian = "little")
    ))
))]
#[inline]
fn in_numbers(block: &[u8; BLOCK]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let (eights, _) = block.as_chunks::<8>();
    let mut bits = 0;
    for (n, eight) in eights.iter().enumerate() {
        // Zero where a line feed is.
        let differs = u64::from_le_bytes(*eight) ^ 0x0a0a_0a0a_0a0a_0a0a;
        // The top bit of each byte that is zero; nothing is carried from one byte to the next.
        let zero = !(((differs & LOW) + LOW) | differs | LOW);
        // One bit of each byte, moved together in the top byte: no two partial products meet.
        bits |= ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * n);
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn byte_by_byte(block: &[u8; BLOCK]) -> u64 {
        (0..BLOCK).filter(|n| block[*n] == b'\n').map(|n| 1 << n).sum()
    }

    #[test]
    fn every_byte_value_in_every_place() {
        for around in [0, b'\n', 0x0b, 0x8a, 0xff] {
            for at in 0..BLOCK {
                for value in 0..=255 {
                    let mut block = [around; BLOCK];
                    block[at] = value;
                    assert_eq!(line_feeds(&block), byte_by_byte(&block), "{value} at {at} among {around}");
                    assert_eq!(in_numbers(&block), byte_by_byte(&block), "{value} at {at} among {around}");
                }
            }
        }
    }

    /// Lines of all lengths, with a line feed at each place or none, into less and more room than they need.
    #[test]
    fn a_line_is_pushed_whole_or_not_at_all() {
        for len in 0..200 {
            for feed in (0..len).step_by(1 + len / 40).map(Some).chain([None]) {
                let mut line: Vec<u8> = (0..len).map(|n| b'a' + (n % 26) as u8).collect();
                if let Some(feed) = feed {
                    line[feed] = b'\n';
                }
                for room in [0, len, len + 1, len + 2, len + 40] {
                    let mut to = Vec::with_capacity(3 + room);
                    to.extend(b"abc");
                    let room = to.capacity() - 3;
                    let pushed = push_line(&mut to, &line);
                    let fits = cfg!(target_arch = "x86_64") && len >= 16 && room >= len + 2;
                    assert_eq!(pushed, fits && feed.is_none(), "{len} {feed:?} {room}");
                    let whole = [b"abc", &line[..], b"\r\n"].concat();
                    assert_eq!(to, if pushed { &whole[..] } else { b"abc" });
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_block(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), 8..13u8, any::<u8>()], BLOCK)) {
            let block: [u8; BLOCK] = bytes.try_into().unwrap();
            prop_assert_eq!(line_feeds(&block), byte_by_byte(&block));
            prop_assert_eq!(in_numbers(&block), byte_by_byte(&block));
        }
    }
}
