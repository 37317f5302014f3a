//! Receive buffers: what one socket read filled travels to the program in its buffer, and the buffer comes back.
//!
//! Buffers are handed out last-in first-out, so that a busy connection works in memory the CPU still has in its cache.
//! An idle connection holds none.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::Mutex;

/// Buffer sizes, each twice the one before; a longer line gets a buffer of its own, which is not kept.
const SIZES: [usize; 8] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10];
/// How many bytes of unused buffers are kept per size: as many as one connection fills while its program is busy with
/// something else (the default of its receive buffer), and the one it reads into.
const KEEP: usize = 5 << 18;

/// The smallest buffer: what a connection reads into when little is expected.
pub(crate) const SMALLEST: usize = SIZES[0];
/// What a connection under load reads at once. One that has half of a long line before that takes the next larger buffer, so
/// that it need not read, and copy, each line for itself.
pub(crate) const LARGEST: usize = SIZES[SIZES.len() - 2];

/// The buffers of one net that nobody uses at the moment.
#[derive(Default)]
pub(crate) struct Pool {
    free: [Mutex<Vec<Box<[u8]>>>; SIZES.len()],
}

impl Pool {
    /// A buffer of at least `size` bytes.
    pub(crate) fn take(self: &Arc<Pool>, size: usize) -> Chunk {
        let class = SIZES.iter().position(|s| *s >= size);
        let recycled = class.and_then(|c| self.free[c].lock().pop());
        let buf = recycled.unwrap_or_else(|| vec![0; class.map_or(size, |c| SIZES[c])].into());
        Chunk { buf, pool: Arc::clone(self) }
    }

    fn give_back(&self, buf: Box<[u8]>) {
        if let Some(class) = SIZES.iter().position(|s| *s == buf.len()) {
            let mut free = self.free[class].lock();
            if free.len() < KEEP / SIZES[class] {
                free.push(buf);
            }
        }
    }
}

/// One buffer on loan from a [`Pool`]; dropping it gives it back.
pub(crate) struct Chunk {
    buf: Box<[u8]>,
    pool: Arc<Pool>,
}

impl Chunk {
    /// A buffer twice as large, or of `needed` bytes if that is more, that starts with the same `used` bytes.
    pub(crate) fn grown(self, used: usize, needed: usize) -> Chunk {
        let mut larger = self.pool.take((self.buf.len() * 2).max(needed));
        larger[..used].copy_from_slice(&self.buf[..used]);
        larger
    }
}

impl Deref for Chunk {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.buf
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buf
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buf));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_buffer_given_back_is_the_first_handed_out() {
        let pool = Arc::new(Pool::default());
        let (a, b) = (pool.take(1), pool.take(1));
        let at = (a.as_ptr(), b.as_ptr());
        drop(a);
        drop(b);
        assert_eq!(pool.take(1).as_ptr(), at.1);
    }

    #[test]
    fn a_buffer_for_an_uncommon_line_is_not_kept_and_the_pool_is_bounded() {
        let pool = Arc::new(Pool::default());
        let largest = SIZES[SIZES.len() - 1];
        let mut big = pool.take(largest);
        big[7] = 42;
        let bigger = big.grown(8, 0);
        assert_eq!((bigger.len(), bigger[7]), (2 * largest, 42));
        drop(bigger);
        for size in SIZES {
            let many: Vec<_> = (0..1000).map(|_| pool.take(size)).collect();
            drop(many);
        }
        for (free, size) in pool.free.iter().zip(SIZES) {
            assert!(free.lock().len() * size <= KEEP && !free.lock().is_empty());
        }
    }
}
