//! The border: what must hold before anything of ours touches what C has given us.

use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::structs::p2p_error;
use super::types::p2p_result;
use crate::error::{Code, Error};

/// Runs `f`; a panic in it becomes `P2P_ERR_PANIC` instead of unwinding into C, where it would abort the program.
pub(crate) fn guard<T: From<p2p_result>>(f: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| T::from(p2p_result::P2P_ERR_PANIC))
}

/// A count or a negative code.
pub(crate) struct Count(pub(crate) i32);

impl From<p2p_result> for Count {
    fn from(result: p2p_result) -> Count {
        Count(result as i32)
    }
}

/// A struct whose first field is its size as the caller knows it.
///
/// # Safety
/// Only for `#[repr(C)]` structs that begin with `struct_size: u32` and hold plain data.
pub(crate) unsafe trait Sized32 {}

// SAFETY: all of them are repr(C), begin with struct_size: u32 and hold numbers, enums and character arrays.
unsafe impl Sized32 for p2p_error {}
// SAFETY: as above.
unsafe impl Sized32 for super::structs::p2p_net_info {}
// SAFETY: as above.
unsafe impl Sized32 for super::structs::p2p_conn_info {}
// SAFETY: as above.
unsafe impl Sized32 for super::structs::p2p_stats {}
// SAFETY: as above; its candidates are such structs as well.
unsafe impl Sized32 for super::unl::p2p_unl_info {}

/// Copies `value` to the caller's struct as far as the caller knows it; what only the caller knows becomes zero.
/// `struct_size` keeps the caller's number.
///
/// # Safety
/// `out` must be null or point at `struct_size` writable bytes, aligned as the struct.
pub(crate) unsafe fn copy_out<T: Sized32>(out: *mut T, value: &T) -> Result<(), Code> {
    const HEAD: usize = size_of::<u32>();
    if out.is_null() {
        return Err(Code::Invalid);
    }
    // SAFETY: the struct begins with its size, which the caller has set.
    let size = unsafe { out.cast::<u32>().read() } as usize;
    // More than any version will ever have means that nobody set it.
    if !(HEAD..=1 << 16).contains(&size) {
        return Err(Code::Invalid);
    }
    let known = size.min(size_of::<T>());
    // SAFETY: `size` bytes at `out` are the caller's, by contract; value has size_of::<T>() bytes and known is at most
    // that; the two do not overlap because value is ours.
    unsafe {
        let to = out.cast::<u8>();
        let from = std::ptr::from_ref(value).cast::<u8>();
        std::ptr::copy_nonoverlapping(from.add(HEAD), to.add(HEAD), known - HEAD);
        std::ptr::write_bytes(to.add(known), 0, size - known);
    }
    Ok(())
}

/// Tells the caller's p2p_error the story, if there is one, and returns the code.
///
/// # Safety
/// `err` must be null or a p2p_error with its size set.
pub(crate) unsafe fn report<T>(err: *mut p2p_error, done: Result<T, Error>) -> p2p_result {
    let Err(e) = done else { return p2p_result::P2P_OK };
    let code = p2p_result::from(e.code);
    if !err.is_null() {
        let mut story = p2p_error { struct_size: 0, code, os_error: e.os_error, message: [0; 244] };
        fill(&mut story.message, &e.message);
        // A p2p_error without its size is not written to; the code says enough.
        // SAFETY: the caller's duty, passed on.
        let _ = unsafe { copy_out(err, &story) };
    }
    code
}

/// Writes `text` with its NUL into a fixed array, cut at a character if it is too long.
pub(crate) fn fill(to: &mut [c_char], text: &str) {
    let mut len = text.len().min(to.len() - 1);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    for (to, from) in to.iter_mut().zip(text.as_bytes()[..len].iter().chain(&[0])) {
        *to = *from as c_char;
    }
}

/// A C string as text; `what` names the argument in the error.
///
/// # Safety
/// `text` must be null or a NUL-terminated string that lives for the call.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str, Error> {
    if text.is_null() {
        return Err(Error::new(Code::Invalid, format!("{what} is NULL; expected a text")));
    }
    // SAFETY: not null, and a NUL-terminated string by the caller's duty.
    let bytes = unsafe { CStr::from_ptr(text) };
    bytes.to_str().map_err(|_| Error::new(Code::Invalid, format!("{what} is not UTF-8")))
}

/// A pointer and a length as bytes; `P2P_AUTO_LEN` means "up to the NUL".
///
/// # Safety
/// `data` must be null or point at `len` readable bytes (at a string, with `P2P_AUTO_LEN`) that live for the call.
pub(crate) unsafe fn bytes<'a>(data: *const c_char, len: usize) -> Result<&'a [u8], Code> {
    if data.is_null() || (len > isize::MAX as usize && len != usize::MAX) {
        return Err(Code::Invalid);
    }
    if len == usize::MAX {
        // SAFETY: a NUL-terminated string by the caller's duty.
        return Ok(unsafe { CStr::from_ptr(data) }.to_bytes());
    }
    // SAFETY: `len` readable bytes by the caller's duty, and not more than a slice may have.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// Stores `value` where the caller wants it, if it wants it.
///
/// # Safety
/// `out` must be null or writable.
pub(crate) unsafe fn store<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not null, and writable by the caller's duty.
        unsafe { out.write(value) };
    }
}

/// Hands text out by the rule of all such functions: *need is its size with its NUL, nothing is written if cap is less.
///
/// # Safety
/// `buf` must be null or have `cap` writable bytes, `need` be null or writable.
pub(crate) unsafe fn hand_out(
    text: &str,
    buf: *mut c_char,
    cap: usize,
    need: *mut usize,
) -> Result<(), Code> {
    if (buf.is_null() && cap > 0) || need.is_null() {
        return Err(Code::Invalid);
    }
    // SAFETY: not null, and writable by the caller's duty.
    unsafe { store(need, text.len() + 1) };
    if text.len() >= cap {
        return Err(Code::TooSmall);
    }
    // SAFETY: cap bytes are writable by the caller's duty, and the text with its NUL is no longer.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr().cast(), buf, text.len());
        buf.add(text.len()).write(0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::structs::p2p_stats;

    fn stats(size: u32) -> p2p_stats {
        // SAFETY: p2p_stats holds only numbers, for which zero is a value.
        p2p_stats { struct_size: size, lines_in: 7, events_queued: 9, ..unsafe { std::mem::zeroed() } }
    }

    #[test]
    fn a_caller_of_an_older_version_gets_what_it_knows_and_no_byte_more() {
        let (mut mine, theirs) = (stats(16), stats(0));
        mine.events_queued = 1234;
        // SAFETY: a whole struct of ours.
        unsafe { copy_out(&mut mine, &theirs) }.unwrap();
        assert_eq!((mine.struct_size, mine.lines_in, mine.events_queued), (16, 7, 1234));
    }

    #[test]
    fn a_caller_of_a_newer_version_gets_zeros_for_what_we_do_not_know() {
        #[repr(C)]
        struct Newer {
            known: p2p_stats,
            more: u64,
        }
        let mut newer = Newer { known: stats(size_of::<Newer>() as u32), more: u64::MAX };
        // SAFETY: the struct is as large as it says.
        unsafe { copy_out(&mut newer.known, &stats(0)) }.unwrap();
        assert_eq!((newer.known.events_queued, newer.more), (9, 0));
    }

    #[test]
    fn a_size_nobody_set_is_refused() {
        for size in [0, 3, u32::MAX] {
            // SAFETY: a whole struct of ours; a size that is wrong is refused before anything is written.
            assert_eq!(unsafe { copy_out(&mut stats(size), &stats(0)) }, Err(Code::Invalid));
        }
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { copy_out(std::ptr::null_mut(), &stats(0)) }, Err(Code::Invalid));
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let mut room = [1; 6];
        fill(&mut room, "aé€€");
        assert_eq!(room.map(|c| c as u8), [b'a', 0xC3, 0xA9, 0, 1, 1]);
        fill(&mut room, "ab");
        assert_eq!(&room.map(|c| c as u8)[..3], b"ab\0");
    }

    #[test]
    fn a_panic_becomes_a_code() {
        let result: p2p_result = guard(|| panic!("on purpose"));
        assert_eq!(result, p2p_result::P2P_ERR_PANIC);
    }
}
