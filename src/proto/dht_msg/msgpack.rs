//! The part of MessagePack that DHT messages use: everything but extension types.
//!
//! Values are written in their shortest form, floats always in eight bytes: byte for byte what the original's
//! library writes. Reading is bounded by the input: a length that claims more than there is allocates
//! nothing.

use super::{DhtError, MAX_DEPTH, MAX_PACKED, Value};

/// Writes a value.
///
/// # Errors
/// Larger than [`MAX_PACKED`], nested deeper than [`MAX_DEPTH`], or a whole number beyond 64 bits.
pub fn pack(value: &Value) -> Result<Vec<u8>, DhtError> {
    let mut out = Vec::new();
    put(&mut out, value, MAX_DEPTH)?;
    Ok(out)
}

/// Writes a string.
///
/// # Errors
/// Larger than [`MAX_PACKED`].
pub fn pack_text(text: &str) -> Result<Vec<u8>, DhtError> {
    let mut out = Vec::new();
    put_text(&mut out, text)?;
    Ok(out)
}

/// Reads the value at the start of `bytes`; what follows it is ignored.
///
/// # Errors
/// The first thing wrong.
pub fn unpack(bytes: &[u8]) -> Result<Value, DhtError> {
    unpack_first(bytes).map(|(value, _)| value)
}

/// Reads the value at the start of `bytes`, and gives what follows it.
///
/// # Errors
/// The first thing wrong.
pub fn unpack_first(bytes: &[u8]) -> Result<(Value, &[u8]), DhtError> {
    if bytes.len() > MAX_PACKED {
        return Err(DhtError::TooLarge);
    }
    let mut rest = bytes;
    let value = get(&mut rest, MAX_DEPTH)?;
    Ok((value, rest))
}

/// How lengths of a family of forms are written: up to `fix.1` in the byte `fix.0` itself, else behind one of
/// `wide`, in one (if there is such a form), two or four bytes.
struct Lengths {
    fix: Option<(u8, usize)>,
    wide: [Option<u8>; 3],
}

const STR: Lengths = Lengths { fix: Some((0xa0, 31)), wide: [Some(0xd9), Some(0xda), Some(0xdb)] };
const BIN: Lengths = Lengths { fix: None, wide: [Some(0xc4), Some(0xc5), Some(0xc6)] };
const ARRAY: Lengths = Lengths { fix: Some((0x90, 15)), wide: [None, Some(0xdc), Some(0xdd)] };
const MAP: Lengths = Lengths { fix: Some((0x80, 15)), wide: [None, Some(0xde), Some(0xdf)] };

fn put_len(out: &mut Vec<u8>, forms: &Lengths, len: usize) -> Result<(), DhtError> {
    if len > MAX_PACKED.saturating_sub(out.len()) {
        return Err(DhtError::TooLarge);
    }
    match (forms.fix, forms.wide) {
        (Some((byte, max)), _) if len <= max => out.push(byte | len as u8),
        (_, [Some(byte), ..]) if len <= 0xff => out.extend([byte, len as u8]),
        (_, [_, Some(byte), _]) if len <= 0xffff => {
            out.push(byte);
            out.extend((len as u16).to_be_bytes());
        }
        (_, [_, _, byte]) => {
            out.extend(byte);
            out.extend((len as u32).to_be_bytes());
        }
    }
    Ok(())
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), DhtError> {
    put_len(out, &STR, text.len())?;
    out.extend(text.as_bytes());
    check_size(out)
}

fn check_size(out: &[u8]) -> Result<(), DhtError> {
    if out.len() > MAX_PACKED { Err(DhtError::TooLarge) } else { Ok(()) }
}

fn put(out: &mut Vec<u8>, value: &Value, depth: usize) -> Result<(), DhtError> {
    let inner = || depth.checked_sub(1).ok_or(DhtError::TooDeep);
    match value {
        Value::Nil => out.push(0xc0),
        Value::Bool(truth) => out.push(0xc2 | u8::from(*truth)),
        Value::Int(number) => put_int(out, *number)?,
        Value::Float(number) => {
            out.push(0xcb);
            out.extend(number.to_be_bytes());
        }
        Value::Str(text) => put_text(out, text)?,
        Value::Bytes(bytes) => {
            put_len(out, &BIN, bytes.len())?;
            out.extend(bytes);
        }
        Value::List(items) => {
            let depth = inner()?;
            put_len(out, &ARRAY, items.len())?;
            items.iter().try_for_each(|item| put(out, item, depth))?;
        }
        Value::Map(pairs) => {
            let depth = inner()?;
            put_len(out, &MAP, pairs.len())?;
            for (key, item) in pairs {
                put(out, key, depth)?;
                put(out, item, depth)?;
            }
        }
    }
    check_size(out)
}

/// Small numbers are one byte; others have a kind byte and 1, 2, 4 or 8 bytes.
fn put_int(out: &mut Vec<u8>, number: i128) -> Result<(), DhtError> {
    let (kind, width) = match number {
        -32..=127 => {
            out.push(number as u8);
            return Ok(());
        }
        128..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000..=0xffff_ffff_ffff_ffff => (0xcf, 8),
        -0x80..=-33 => (0xd0, 1),
        -0x8000..=-0x81 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        -0x8000_0000_0000_0000..=-0x8000_0001 => (0xd3, 8),
        _ => return Err(DhtError::IntTooLarge),
    };
    out.push(kind);
    out.extend(number.to_be_bytes().iter().skip(16 - width));
    Ok(())
}

fn get(rest: &mut &[u8], depth: usize) -> Result<Value, DhtError> {
    let [kind] = take(rest)?;
    Ok(match kind {
        0x00..=0x7f => Value::Int(kind.into()),
        0xe0..=0xff => Value::Int((kind as i8).into()),
        0xc0 => Value::Nil,
        0xc2 | 0xc3 => Value::Bool(kind == 0xc3),
        0xca => Value::Float(f32::from_be_bytes(take(rest)?).into()),
        0xcb => Value::Float(f64::from_be_bytes(take(rest)?)),
        0xcc => Value::Int(u8::from_be_bytes(take(rest)?).into()),
        0xcd => Value::Int(u16::from_be_bytes(take(rest)?).into()),
        0xce => Value::Int(u32::from_be_bytes(take(rest)?).into()),
        0xcf => Value::Int(u64::from_be_bytes(take(rest)?).into()),
        0xd0 => Value::Int(i8::from_be_bytes(take(rest)?).into()),
        0xd1 => Value::Int(i16::from_be_bytes(take(rest)?).into()),
        0xd2 => Value::Int(i32::from_be_bytes(take(rest)?).into()),
        0xd3 => Value::Int(i64::from_be_bytes(take(rest)?).into()),
        0xa0..=0xbf => text(rest, (kind & 31).into())?,
        0xd9..=0xdb => {
            let len = take_len(rest, kind - 0xd9)?;
            text(rest, len)?
        }
        0xc4..=0xc6 => {
            let len = take_len(rest, kind - 0xc4)?;
            Value::Bytes(take_slice(rest, len)?.to_vec())
        }
        0x90..=0x9f => list(rest, (kind & 15).into(), depth)?,
        0xdc | 0xdd => {
            let len = take_len(rest, kind - 0xdc + 1)?;
            list(rest, len, depth)?
        }
        0x80..=0x8f => map(rest, (kind & 15).into(), depth)?,
        0xde | 0xdf => {
            let len = take_len(rest, kind - 0xde + 1)?;
            map(rest, len, depth)?
        }
        0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(DhtError::Unsupported { byte: kind }),
    })
}

fn list(rest: &mut &[u8], len: usize, depth: usize) -> Result<Value, DhtError> {
    let depth = depth.checked_sub(1).ok_or(DhtError::TooDeep)?;
    // Each item takes at least a byte, so a list that claims more is found out before anything is allocated
    // for it.
    if len > rest.len() {
        return Err(DhtError::Truncated);
    }
    (0..len).map(|_| get(rest, depth)).collect::<Result<_, _>>().map(Value::List)
}

fn map(rest: &mut &[u8], len: usize, depth: usize) -> Result<Value, DhtError> {
    let depth = depth.checked_sub(1).ok_or(DhtError::TooDeep)?;
    if len > rest.len() / 2 {
        return Err(DhtError::Truncated);
    }
    (0..len).map(|_| Ok((get(rest, depth)?, get(rest, depth)?))).collect::<Result<_, _>>().map(Value::Map)
}

fn text(rest: &mut &[u8], len: usize) -> Result<Value, DhtError> {
    let bytes = take_slice(rest, len)?;
    std::str::from_utf8(bytes).map(|text| Value::Str(text.to_owned())).map_err(|_| DhtError::NotUtf8)
}

/// A length in 1 << `log_width` bytes.
fn take_len(rest: &mut &[u8], log_width: u8) -> Result<usize, DhtError> {
    Ok(match log_width {
        0 => u8::from_be_bytes(take(rest)?).into(),
        1 => u16::from_be_bytes(take(rest)?).into(),
        _ => usize::try_from(u32::from_be_bytes(take(rest)?)).map_err(|_| DhtError::Truncated)?,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], DhtError> {
    let (first, tail) = rest.split_first_chunk().ok_or(DhtError::Truncated)?;
    *rest = tail;
    Ok(*first)
}

fn take_slice<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], DhtError> {
    let (first, tail) = rest.split_at_checked(len).ok_or(DhtError::Truncated)?;
    *rest = tail;
    Ok(first)
}

#[cfg(test)]
mod tests;
