//! From one process to the next.

use std::ffi::c_char;

use super::client::LabkitClient;
use super::handle;
use super::image::{LabkitExperience, fill, image, ours};
use super::panic::barrier;
use super::ptr;
use super::status::Status;
use crate::wire::limits::{META_BYTES, NAME_BYTES};

/// Writes the carrier that takes the experience to another process:
/// `{"<user_experience_id>": {"start_time": ..., "correlation_id": ...}}`.
/// It is at most 256 bytes; carriers of several experiences are one object
/// with all their keys.
///
/// `experience`: not NULL. `buf`, `cap`, `len`: as for
/// labkit_definition_info(). One thread at a time per experience.
///
/// Fails with LABKIT_STATUS_NOT_STARTED, LABKIT_STATUS_OVER,
/// LABKIT_STATUS_BUFFER_TOO_SMALL or LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_carrier(
    experience: *const LabkitExperience,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Experience.
        let image = unsafe { ours(experience) }?;
        let carrier = handle::with(image.client, |client| {
            client.carrier(&image.experience).ok_or(Status::Over)
        })?;
        // SAFETY: obligation Out.
        unsafe { ptr::copy_out(&carrier, buf, cap, len) }
    })
}

/// Continues what a carrier brought: records an `intermediate`.
///
/// `carrier`: not NULL, at most 4 KiB; may hold other experiences, too.
/// `job`: NULL with length 0, or the job's own correlation id or jid, from
/// which the correlation id is derived if the carrier has none (GitLab's Ruby
/// library writes such). `category`: NULL with length 0 for "resume". `meta`
/// and `out`: as for labkit_experience_start(). Any thread.
///
/// Fails with LABKIT_STATUS_NOT_IN_CARRIER, LABKIT_STATUS_INVALID_CARRIER,
/// LABKIT_STATUS_TOO_LONG, LABKIT_STATUS_INVALID_UTF8, and as
/// labkit_experience_start().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_resume(
    client: LabkitClient,
    definition: u32,
    carrier: *const c_char,
    carrier_len: usize,
    job: *const c_char,
    job_len: usize,
    category: *const c_char,
    category_len: usize,
    meta: *const c_char,
    meta_len: usize,
    out: *mut LabkitExperience,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Text, here and in the next three.
        let carrier = unsafe { ptr::text(carrier, carrier_len) }?;
        // SAFETY: as above.
        let job = unsafe { ptr::text(job, job_len) }?;
        // SAFETY: as above.
        let category = unsafe { ptr::lenient(category, category_len, NAME_BYTES) }?;
        // SAFETY: as above.
        let meta = unsafe { ptr::lenient(meta, meta_len, META_BYTES) }?;
        // SAFETY: obligation Experience.
        let image = unsafe { image(out) }?;
        let resumed = handle::with(client, |client| {
            let (category, meta) = (category.as_deref(), meta.as_deref());
            Ok(client.take_up(definition, carrier, job, category, meta)?)
        })?;
        Ok(fill(image, client, resumed))
    })
}
