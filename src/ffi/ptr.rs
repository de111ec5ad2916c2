//! Every dereference of a caller's pointer. The names in SAFETY lines are the
//! obligations in this folder's documentation.

use std::borrow::Cow;
use std::ffi::c_char;

use super::status::Status;

/// The longest text that is taken as a whole: a configuration.
const LONGEST_TEXT: usize = 1024 * 1024;

/// A text that must be UTF-8; NULL with length 0 is empty.
///
/// # Safety
/// The caller keeps obligation Text.
pub(super) unsafe fn text<'a>(data: *const c_char, len: usize) -> Result<&'a str, Status> {
    if len > LONGEST_TEXT {
        return Err(Status::TooLong);
    }
    // SAFETY: passed on.
    let bytes = unsafe { bytes(data, len) }?;
    std::str::from_utf8(bytes).map_err(|_| Status::InvalidUtf8)
}

/// A text of which no more than `max` bytes and a little are of interest: the
/// rest is not looked at, and bytes that are no UTF-8 become U+FFFD, as
/// nothing good beside them may be lost. NULL with length 0 is absent.
///
/// # Safety
/// The caller keeps obligation Text.
pub(super) unsafe fn lenient<'a>(
    data: *const c_char,
    len: usize,
    max: usize,
) -> Result<Option<Cow<'a, str>>, Status> {
    /// Enough to see that the text is too long, and where a character ends.
    const BEYOND: usize = 4;
    if data.is_null() && len == 0 {
        return Ok(None);
    }
    // SAFETY: a beginning of what obligation Text covers.
    let head = unsafe { bytes(data, len.min(max + BEYOND)) }?;
    Ok(Some(String::from_utf8_lossy(head)))
}

unsafe fn bytes<'a>(data: *const c_char, len: usize) -> Result<&'a [u8], Status> {
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Status::NullPointer),
        // SAFETY: obligation Text; `len` is far below isize::MAX in all callers.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data.cast::<u8>(), len) }),
    }
}

/// Writes a result.
///
/// # Safety
/// The caller keeps obligation Out.
pub(super) unsafe fn write<T>(out: *mut T, value: T) -> Result<(), Status> {
    if out.is_null() {
        return Err(Status::NullPointer);
    }
    // SAFETY: obligation Out.
    unsafe { out.write_unaligned(value) };
    Ok(())
}

/// Reads a value, of whose surroundings nothing is known yet.
///
/// # Safety
/// The caller keeps obligation Out.
pub(super) unsafe fn read<T: Copy>(value: *const T) -> Result<T, Status> {
    if value.is_null() {
        return Err(Status::NullPointer);
    }
    // SAFETY: obligation Out.
    Ok(unsafe { value.read_unaligned() })
}

/// A value to be read and changed in place.
///
/// # Safety
/// The caller keeps obligation Out, or Experience; any bytes at all are a
/// valid `T`.
pub(super) unsafe fn inout<'a, T>(value: *mut T) -> Result<&'a mut T, Status> {
    aligned(value)?;
    // SAFETY: passed on, and alignment was checked.
    unsafe { value.as_mut() }.ok_or(Status::NullPointer)
}

/// A value to be read in place.
///
/// # Safety
/// As for `inout`.
pub(super) unsafe fn shared<'a, T>(value: *const T) -> Result<&'a T, Status> {
    aligned(value)?;
    // SAFETY: passed on, and alignment was checked.
    unsafe { value.as_ref() }.ok_or(Status::NullPointer)
}

/// A foreign language's byte buffer need not be; NULL is.
#[inline]
fn aligned<T>(value: *const T) -> Result<(), Status> {
    match value.is_aligned() {
        true => Ok(()),
        false => Err(Status::InvalidArgument),
    }
}

/// How much fits where a text is to go; NULL asks for the length alone, and a
/// NULL that claims room is refused before anything is taken.
pub(super) fn room(buf: *mut c_char, cap: usize) -> Result<usize, Status> {
    match buf.is_null() && cap > 0 {
        true => Err(Status::NullPointer),
        false => Ok(cap),
    }
}

/// Copies `text` to a buffer of `cap` bytes and its length to `len`; if it
/// does not fit, only the length is written.
///
/// # Safety
/// Out for `len`, if it is not NULL; `cap` writable bytes at `buf`.
pub(super) unsafe fn copy_out(
    text: &str,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> Result<Status, Status> {
    let cap = room(buf, cap)?;
    // SAFETY: obligation Out.
    unsafe { tell_length(text.len(), len) };
    if text.len() > cap {
        return Err(Status::BufferTooSmall);
    }
    if !text.is_empty() {
        // SAFETY: `cap` writable bytes, and the text is no longer than that.
        unsafe { buf.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len()) };
    }
    Ok(Status::Ok)
}

/// Writes a length where it is wanted.
///
/// # Safety
/// Out for `len`, if it is not NULL.
pub(super) unsafe fn tell_length(length: usize, len: *mut usize) {
    if !len.is_null() {
        // SAFETY: obligation Out.
        unsafe { len.write_unaligned(length) };
    }
}

/// Copies what fits of `text`, cut between characters, and a NUL.
///
/// # Safety
/// `cap` writable bytes at `buf`, unless that is NULL.
pub(super) unsafe fn copy_c_string(text: &str, buf: *mut c_char, cap: usize) {
    if buf.is_null() || cap == 0 {
        return;
    }
    let text = crate::experience::cut(text, cap - 1);
    // SAFETY: `cap` writable bytes; the text and its NUL fit.
    unsafe {
        buf.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), text.len());
        buf.add(text.len()).write(0);
    }
}
