//! What a `labkit_experience` really holds, and how a call gets at it.

use std::borrow::Cow;
use std::ffi::c_char;

use super::client::LabkitClient;
use super::handle;
use super::ptr;
use super::status::Status;
use crate::client::{Client, Delivery};
use crate::error::Error;
use crate::experience::Experience;
use crate::wire::limits::REASON_BYTES;

/// One run of a user experience: a plain value, owned by the caller, who
/// declares it wherever it suits. It holds no pointers, and the library keeps
/// no address of it: copy it, move it, forget it; there is nothing to free.
/// It means the same in a fork child. One thread at a time may use it.
///
/// Start with `labkit_experience xp = {0};`. A zeroed one never started, and
/// calls on it return LABKIT_STATUS_NOT_STARTED and do nothing; so do calls
/// on bytes that the library did not write. It must lie on an address that is
/// a multiple of 8, as C sees to by itself; elsewhere calls return
/// LABKIT_STATUS_INVALID_ARGUMENT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LabkitExperience {
    /// The library's own.
    pub opaque: [u64; 64],
}

/// What lies in the opaque words. Every field is an integer or made of such,
/// so any bytes at all are a valid value.
#[repr(C)]
pub(super) struct Image {
    pub(super) magic: u64,
    pub(super) client: LabkitClient,
    pub(super) experience: Experience,
}

/// "labkitxp": bytes that do not begin so are not ours.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"labkitxp");

const _: () = assert!(size_of::<Image>() <= size_of::<LabkitExperience>());
const _: () = assert!(align_of::<Image>() <= align_of::<LabkitExperience>());

/// # Safety
/// Obligation Text.
pub(super) unsafe fn reason_text<'a>(
    reason: *const c_char,
    len: usize,
) -> Result<Cow<'a, str>, Status> {
    // SAFETY: passed on.
    Ok(unsafe { ptr::lenient(reason, len, REASON_BYTES) }?.unwrap_or_default())
}

/// # Safety
/// Obligation Experience.
pub(super) unsafe fn image<'a>(experience: *mut LabkitExperience) -> Result<&'a mut Image, Status> {
    // SAFETY: passed on; an Image is smaller than the value, no more aligned,
    // and valid whatever its bytes are.
    unsafe { ptr::inout(experience.cast::<Image>()) }
}

/// An experience of ours, to be read.
///
/// # Safety
/// Obligation Experience.
pub(super) unsafe fn ours<'a>(experience: *const LabkitExperience) -> Result<&'a Image, Status> {
    // SAFETY: as for `image`, and nothing is written.
    let image = unsafe { ptr::shared(experience.cast::<Image>()) }?;
    match image.magic {
        MAGIC => Ok(image),
        _ => Err(Status::NotStarted),
    }
}

pub(super) fn fill(
    image: &mut Image,
    client: LabkitClient,
    begun: (Experience, Delivery),
) -> Status {
    let (experience, delivery) = begun;
    *image = Image { magic: MAGIC, client, experience };
    delivery.into()
}

/// Runs a call on an experience with the client that made it.
///
/// # Safety
/// Obligation Experience.
pub(super) unsafe fn on(
    experience: *mut LabkitExperience,
    call: impl FnOnce(&Client, &mut Experience) -> Result<Delivery, Error>,
) -> Result<Status, Status> {
    // SAFETY: passed on.
    let image = unsafe { image(experience) }?;
    if image.magic != MAGIC {
        return Err(Status::NotStarted);
    }
    handle::with(image.client, |client| Ok(call(client, &mut image.experience)?.into()))
}
