//! What travels after the handshake: frames.
//!
//! ```text
//! frame = head(2) ciphertext(1..=16384) tag(16)
//! head  = big-endian; 15 bits: bytes that follow; the top bit: 0 data, 1 control
//! ```
//!
//! Each direction has a key of its own and counts its frames, so a frame that is missing, repeated, moved, reflected or
//! changed does not decrypt, and the connection ends there. Control frames are authenticated as such. After every 65,536
//! frames of a direction (at most 1 GiB) both ends go on with a new key made from the old one (`REKEY` of the Noise
//! specification): who learns a key can read what follows, but little of what was before. The cipher is the one that both
//! have agreed on in the handshake, [`Cipher`].

mod frames;

use std::fmt;

use zeroize::Zeroizing;

use super::control::{Control, LAST_PART, PART};
use super::noise::{Cipher, CipherError, CipherState, KEY, TAG};
pub use frames::{Frames, Wire};

/// Bytes before each frame that say its length.
pub const HEAD: usize = 2;
/// The most bytes of data in one frame.
pub const MAX_DATA: usize = 16 << 10;
/// Bytes that a frame adds to its data.
pub const FRAME_OVERHEAD: usize = HEAD + TAG;
/// The most bytes of a message in one frame: its first byte says that it is one.
pub const MAX_PART: usize = MAX_DATA - 1;
/// The most bytes that may follow a head.
pub const MAX_BODY: usize = MAX_DATA + TAG;

/// A direction's key is replaced after so many frames.
const REKEY_AFTER: u64 = 1 << 16;
/// The bit of the head that marks a control frame, and what authenticates it.
const CONTROL: u16 = 0x8000;
const CONTROL_AD: &[u8] = b"control";

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The program's bytes.
    Data,
    /// A message between the two libraries, [`Control`], or a part of a message of the program.
    Control,
}

/// What a frame that was opened holds, at the front of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// So many bytes of the program's stream.
    Data(usize),
    /// A part of a message: the bytes from 1 to here.
    Part {
        /// Where they end.
        end: usize,
        /// Whether the message ends with it.
        last: bool,
    },
    /// A message between the two libraries.
    Control(Control),
}

/// Why what arrived is no frame. The connection has to end: nothing after it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The head says a length that no frame has.
    Length {
        /// The length it says.
        found: usize,
    },
    /// It was not written by the peer, or not as the next one.
    Forged,
    /// It is the peer's, but says nothing that we understand.
    Unknown,
    /// More frames than a key can number. Nobody gets there.
    Exhausted,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { found } => {
                write!(f, "the length of a frame is {found}; expected {} to {MAX_BODY}", TAG + 1)
            }
            Self::Forged => write!(f, "a frame was forged, damaged, lost or repeated: it does not decrypt"),
            Self::Unknown => write!(f, "a control frame holds no message of this version"),
            Self::Exhausted => write!(f, "the frame numbers are used up"),
        }
    }
}

impl std::error::Error for FrameError {}

impl From<CipherError> for FrameError {
    fn from(e: CipherError) -> FrameError {
        match e {
            CipherError::Forged => FrameError::Forged,
            CipherError::Exhausted => FrameError::Exhausted,
        }
    }
}

/// A frame's head, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What the frame holds, by its own word: [`Opener::open`] finds out whether it is true.
    pub kind: Kind,
    /// Bytes that follow the head.
    pub body: usize,
}

impl Head {
    /// Reads a head.
    ///
    /// # Errors
    /// [`FrameError::Length`] if no frame has that length.
    pub fn parse(head: [u8; HEAD]) -> Result<Head, FrameError> {
        let head = u16::from_be_bytes(head);
        let body = usize::from(head & !CONTROL);
        let kind = if head & CONTROL == 0 { Kind::Data } else { Kind::Control };
        if (TAG + 1..=MAX_BODY).contains(&body) {
            Ok(Head { kind, body })
        } else {
            Err(FrameError::Length { found: body })
        }
    }
}

/// The sending half of a link.
pub struct Sealer(CipherState);

impl Sealer {
    /// Appends the frames for `plain` to `out`: one for each [`MAX_DATA`] bytes, none for nothing.
    ///
    /// # Errors
    /// [`FrameError::Exhausted`]. What was appended until then is good.
    pub fn seal(&mut self, plain: &[u8], out: &mut impl Frames) -> Result<(), FrameError> {
        plain.chunks(MAX_DATA).try_for_each(|part| self.frame(Kind::Data, part, out))
    }

    /// Appends the frame for `control` to `out`.
    ///
    /// # Errors
    /// [`FrameError::Exhausted`].
    pub fn seal_control(&mut self, control: Control, out: &mut impl Frames) -> Result<(), FrameError> {
        self.frame(Kind::Control, &control.encode(), out)
    }

    /// Appends the frame for a part of a message, of at most [`MAX_PART`] bytes, to `out`.
    ///
    /// # Errors
    /// [`FrameError::Exhausted`]; [`FrameError::Length`] for a longer part.
    pub fn seal_part(&mut self, part: &[u8], last: bool, out: &mut impl Frames) -> Result<(), FrameError> {
        if part.len() > MAX_PART {
            return Err(FrameError::Length { found: part.len() });
        }
        let mark = if last { LAST_PART } else { PART };
        self.frame_by(Kind::Control, 1 + part.len(), out, |state, text| {
            if let Some((first, rest)) = text.split_first_mut() {
                *first = mark;
                rest.copy_from_slice(part);
            }
            state.encrypt_here(CONTROL_AD, text)
        })
    }

    fn frame(&mut self, kind: Kind, plain: &[u8], out: &mut impl Frames) -> Result<(), FrameError> {
        let ad = if kind == Kind::Control { CONTROL_AD } else { &[] };
        self.frame_by(kind, plain.len(), out, |state, text| state.encrypt(ad, plain, text))
    }

    /// Appends a frame for `len` bytes, which `encrypt` puts in their place.
    fn frame_by(
        &mut self,
        kind: Kind,
        len: usize,
        out: &mut impl Frames,
        encrypt: impl FnOnce(&mut CipherState, &mut [u8]) -> Result<[u8; TAG], CipherError>,
    ) -> Result<(), FrameError> {
        let start = out.held();
        let mark = if kind == Kind::Control { CONTROL } else { 0 };
        if let Some((head, rest)) = out.grow(HEAD + len + TAG).split_first_chunk_mut()
            && let Some((text, tag)) = rest.split_last_chunk_mut()
        {
            *head = ((len + TAG) as u16 | mark).to_be_bytes();
            match encrypt(&mut self.0, text) {
                Ok(found) => *tag = found,
                Err(e) => {
                    out.cut(start);
                    return Err(e.into());
                }
            }
        }
        rekey_if_due(&mut self.0);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn state(&mut self) -> &mut CipherState {
        &mut self.0
    }
}

/// Bytes that `plain` bytes of data take on the wire.
pub const fn sealed_len(plain: usize) -> usize {
    plain + plain.div_ceil(MAX_DATA) * FRAME_OVERHEAD
}

/// The receiving half of a link.
pub struct Opener(CipherState);

impl Opener {
    /// Decrypts what followed `head` where it lies, and says how many bytes at its front are now the plain text.
    ///
    /// # Errors
    /// [`FrameError::Forged`] and the others; nothing in `body` may be believed then.
    pub fn open(&mut self, head: Head, body: &mut [u8]) -> Result<usize, FrameError> {
        let ad = if head.kind == Kind::Control { CONTROL_AD } else { &[] };
        let wrong = FrameError::Length { found: body.len() };
        let (text, tag) = body.split_last_chunk_mut().filter(|(text, _)| !text.is_empty()).ok_or(wrong)?;
        self.0.decrypt(ad, text, tag)?;
        rekey_if_due(&mut self.0);
        Ok(text.len())
    }

    /// Decrypts a frame of any kind where it lies, and says what it holds.
    ///
    /// # Errors
    /// As [`Opener::open`], and [`FrameError::Unknown`].
    pub fn open_any(&mut self, head: Head, body: &mut [u8]) -> Result<Opened, FrameError> {
        let len = self.open(head, body)?;
        if head.kind == Kind::Data {
            return Ok(Opened::Data(len));
        }
        match body.first() {
            Some(&PART) if len > 1 => Ok(Opened::Part { end: len, last: false }),
            Some(&LAST_PART) => Ok(Opened::Part { end: len, last: true }),
            _ => Control::decode(body.get(..len).unwrap_or_default())
                .map(Opened::Control)
                .ok_or(FrameError::Unknown),
        }
    }

    /// Decrypts a control frame and reads it.
    ///
    /// # Errors
    /// As [`Opener::open`], and [`FrameError::Unknown`].
    pub fn open_control(&mut self, head: Head, body: &mut [u8]) -> Result<Control, FrameError> {
        let len = self.open(head, body)?;
        Control::decode(body.get(..len).unwrap_or_default()).ok_or(FrameError::Unknown)
    }

    #[cfg(test)]
    pub(super) fn state(&mut self) -> &mut CipherState {
        &mut self.0
    }
}

fn rekey_if_due(state: &mut CipherState) {
    if state.count().is_multiple_of(REKEY_AFTER) {
        state.rekey();
    }
}

/// Both halves of a link, which may go to different threads.
pub struct Transport {
    /// Encrypts what we send.
    pub sealer: Sealer,
    /// Decrypts what arrives.
    pub opener: Opener,
    /// What both do it with.
    pub cipher: Cipher,
    /// The hash of the handshake: the same at both ends, and different for every connection. No secret.
    pub binding: [u8; 32],
}

impl Transport {
    pub(super) fn new(
        cipher: Cipher,
        send: &Zeroizing<[u8; KEY]>,
        receive: &Zeroizing<[u8; KEY]>,
        binding: [u8; 32],
    ) -> Transport {
        Transport {
            sealer: Sealer(CipherState::new(cipher, send)),
            opener: Opener(CipherState::new(cipher, receive)),
            cipher,
            binding,
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transport({}, keys not shown)", self.cipher)
    }
}
