//! Where frames are put that are to be sent.
//!
//! What is encrypted goes straight from where the program's bytes are kept to where the system takes it from. That has to be
//! memory with something in it: [`Wire`] keeps what was there before for it, where a `Vec` would have to be filled first.

use std::ops::Deref;

/// See the module.
pub trait Frames {
    /// Bytes that it holds.
    fn held(&self) -> usize;

    /// Appends `len` bytes, in which anything may stand.
    fn grow(&mut self, len: usize) -> &mut [u8];

    /// Forgets what is behind the first `len` bytes.
    fn cut(&mut self, len: usize);
}

impl Frames for Vec<u8> {
    fn held(&self) -> usize {
        self.len()
    }

    fn grow(&mut self, len: usize) -> &mut [u8] {
        let before = self.len();
        self.resize(before + len, 0);
        self.get_mut(before..).unwrap_or_default()
    }

    fn cut(&mut self, len: usize) {
        self.truncate(len);
    }
}

/// Frames of a connection that sends much: its memory is filled once.
#[derive(Debug, Default)]
pub struct Wire {
    room: Vec<u8>,
    used: usize,
}

impl Deref for Wire {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.room.get(..self.used).unwrap_or_default()
    }
}

impl Frames for Wire {
    fn held(&self) -> usize {
        self.used
    }

    fn grow(&mut self, len: usize) -> &mut [u8] {
        let (before, needed) = (self.used, self.used + len);
        if self.room.len() < needed {
            // New memory is zero already; what fills a vector with zeros is a loop where the compiler is told to save bytes.
            let mut larger = vec![0; needed.max(2 * self.room.len())];
            larger.iter_mut().zip(&**self).for_each(|(to, from)| *to = *from);
            self.room = larger;
        }
        self.used = needed;
        self.room.get_mut(before..needed).unwrap_or_default()
    }

    fn cut(&mut self, len: usize) {
        self.used = self.used.min(len);
    }
}

impl Wire {
    /// Forgets what it holds, and keeps the memory.
    pub fn clear(&mut self) {
        self.used = 0;
    }

    /// Bytes of memory.
    pub fn capacity(&self) -> usize {
        self.room.len()
    }

    /// Takes bytes off the front, of which it holds as many.
    pub fn drop_front(&mut self, len: usize) {
        if len < self.used {
            self.room.copy_within(len..self.used, 0);
        }
        self.used = self.used.saturating_sub(len);
    }

    /// Appends what another one holds, which is empty then.
    pub fn append(&mut self, other: &mut Wire) {
        self.grow(other.used).copy_from_slice(other);
        other.used = 0;
    }

    /// What it holds behind the first `from` bytes, alone.
    pub fn into_rest(self, from: usize) -> Vec<u8> {
        self.get(from..).unwrap_or_default().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_wire_is_what_was_put_there() {
        let (mut wire, mut want) = (Wire::default(), Vec::new());
        for round in 0..200_usize {
            let piece: Vec<u8> = (0..round * 37 % 300).map(|n| (n + round) as u8).collect();
            let before = wire.held();
            let room = wire.grow(piece.len());
            assert_eq!(room.len(), piece.len());
            room.copy_from_slice(&piece);
            want.extend(&piece);
            match round % 5 {
                0 => (wire.cut(before), want.truncate(before)).0,
                1 => {
                    let n = want.len() / 3;
                    wire.drop_front(n);
                    want.drain(..n);
                }
                2 => {
                    let mut all = Wire::default();
                    all.grow(2).copy_from_slice(b"ab");
                    all.append(&mut wire);
                    assert!(wire.is_empty());
                    std::mem::swap(&mut all, &mut wire);
                    want.splice(..0, *b"ab");
                }
                _ => {}
            }
            assert_eq!(&*wire, &want[..]);
        }
        let room = wire.capacity();
        assert_eq!(Wire { ..wire }.into_rest(1), &want[1..]);
        assert!(room >= want.len());
        let mut wire = Wire::default();
        wire.grow(5);
        wire.clear();
        assert_eq!((wire.is_empty(), wire.capacity()), (true, 5));
        wire.drop_front(1);
        assert!(wire.is_empty());
    }
}
