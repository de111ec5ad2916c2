//! Experiences: plain values that the caller owns.

use std::ffi::c_char;

use super::client::LabkitClient;
use super::handle;
use super::image::{LabkitExperience, fill, image, on, ours, reason_text};
use super::panic::barrier;
use super::ptr;
use super::status::Status;
use crate::client::Client;
use crate::experience::Exit;
use crate::wire::limits::{META_BYTES, NAME_BYTES};

/// Left by reaching the block's end.
pub const LABKIT_EXIT_NORMAL: u32 = 0;
/// Left by an exception or a panic.
pub const LABKIT_EXIT_ERROR: u32 = 1;
/// Left by a jump past the block's end: throw, break, return.
pub const LABKIT_EXIT_NON_LOCAL: u32 = 2;
/// Left because the task that ran the block was cancelled.
pub const LABKIT_EXIT_CANCELLED: u32 = 3;
/// Left with the process, or with the thread of control: nobody can say how
/// it ended, so nothing is sent, and the tracker sees a lost end.
pub const LABKIT_EXIT_ABANDONED: u32 = 4;
/// Displaced by another start of the same definition in the same context: it is
/// discarded, reason "restarted".
pub const LABKIT_EXIT_RESTARTED: u32 = 5;

/// Starts an experience: notes the time and records a `start`.
///
/// `definition`: from labkit_definition_lookup(). `correlation_id`: NULL with
/// length 0 for a fresh one, else a ULID or 32 hex digits. `meta`: NULL with
/// length 0, or extra fields as a flat JSON object of scalars, at most 32
/// keys and 4 KiB. `out`: not NULL; written on success, and also with
/// LABKIT_STATUS_QUEUE_FULL and LABKIT_STATUS_SHUT_DOWN, as only the
/// checkpoint was dropped. All text is UTF-8 and copied. Any thread.
///
/// Fails with LABKIT_STATUS_UNKNOWN_EXPERIENCE or LABKIT_STATUS_INVALID_HANDLE;
/// with `strict` also LABKIT_STATUS_INVALID_ARGUMENT,
/// LABKIT_STATUS_INVALID_CHECKPOINT (meta) or LABKIT_STATUS_RESERVED_KEY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_start(
    client: LabkitClient,
    definition: u32,
    correlation_id: *const c_char,
    correlation_id_len: usize,
    meta: *const c_char,
    meta_len: usize,
    out: *mut LabkitExperience,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Text.
        let correlation = unsafe { ptr::lenient(correlation_id, correlation_id_len, NAME_BYTES) }?;
        // SAFETY: obligation Text.
        let meta = unsafe { ptr::lenient(meta, meta_len, META_BYTES) }?;
        // SAFETY: obligation Experience.
        let image = unsafe { image(out) }?;
        let begin = |client: &Client| {
            Ok(client.begin(definition, correlation.as_deref(), meta.as_deref())?)
        };
        Ok(fill(image, client, handle::with(client, begin)?))
    })
}

/// Records an `intermediate`.
///
/// `experience`: not NULL. `category`: NULL with length 0, or what happened,
/// ^[a-z0-9_]{1,64}$. `meta`: as for labkit_experience_start(). Any thread,
/// one at a time per experience.
///
/// Returns LABKIT_STATUS_NOT_STARTED or LABKIT_STATUS_OVER if there is nothing
/// to record, LABKIT_STATUS_QUEUE_FULL if it was dropped; with `strict` also
/// LABKIT_STATUS_INVALID_ARGUMENT (category),
/// LABKIT_STATUS_INVALID_CHECKPOINT (meta) or LABKIT_STATUS_RESERVED_KEY.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_checkpoint(
    experience: *mut LabkitExperience,
    category: *const c_char,
    category_len: usize,
    meta: *const c_char,
    meta_len: usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Text.
        let category = unsafe { ptr::lenient(category, category_len, NAME_BYTES) }?;
        // SAFETY: obligation Text.
        let meta = unsafe { ptr::lenient(meta, meta_len, META_BYTES) }?;
        // SAFETY: obligation Experience.
        unsafe {
            on(experience, |client, experience| {
                client.checkpoint(experience, category.as_deref(), meta.as_deref())
            })
        }
    })
}

/// Marks the experience as failed: its end will carry `error` and the reason.
/// Records nothing by itself.
///
/// `experience`: not NULL. `reason`: may be NULL with length 0; cut after 256
/// bytes. One thread at a time per experience.
///
/// Returns LABKIT_STATUS_NOT_STARTED or LABKIT_STATUS_OVER if it had no effect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_error(
    experience: *mut LabkitExperience,
    reason: *const c_char,
    reason_len: usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligations Text and Experience.
        let reason = unsafe { reason_text(reason, reason_len) }?;
        // SAFETY: as above.
        unsafe { on(experience, |client, xp| Ok(client.error(xp, &reason))) }
    })
}

/// Marks the end to come as expected, no failure of ours: a merge conflict,
/// say. It ends as not-error, with the reason. An error marked before stands.
/// Records nothing by itself. Arguments and result as for
/// labkit_experience_error().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_handled(
    experience: *mut LabkitExperience,
    reason: *const c_char,
    reason_len: usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligations Text and Experience.
        let reason = unsafe { reason_text(reason, reason_len) }?;
        // SAFETY: as above.
        unsafe { on(experience, |client, xp| Ok(client.handled(xp, &reason))) }
    })
}

/// Records the `end`, with the outcome that was marked, or success.
///
/// `experience`: not NULL; over afterwards. `meta`: as for
/// labkit_experience_start(). One thread at a time per experience.
///
/// Returns LABKIT_STATUS_OVER for a second end, which has no effect, and
/// otherwise as labkit_experience_checkpoint().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_complete(
    experience: *mut LabkitExperience,
    meta: *const c_char,
    meta_len: usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Text.
        let meta = unsafe { ptr::lenient(meta, meta_len, META_BYTES) }?;
        // SAFETY: obligation Experience.
        unsafe { on(experience, |client, xp| client.complete(xp, meta.as_deref())) }
    })
}

/// Ends the experience as one that turned out not to be one: it counts
/// nowhere. Arguments and result as for labkit_experience_complete(), with a
/// reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_discard(
    experience: *mut LabkitExperience,
    reason: *const c_char,
    reason_len: usize,
    meta: *const c_char,
    meta_len: usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligations Text and Experience.
        let reason = unsafe { reason_text(reason, reason_len) }?;
        // SAFETY: obligation Text.
        let meta = unsafe { ptr::lenient(meta, meta_len, META_BYTES) }?;
        // SAFETY: obligation Experience.
        unsafe { on(experience, |client, xp| client.discard(xp, &reason, meta.as_deref())) }
    })
}

/// Ends the experience as the block of code that held it was left, for
/// wrappers with a block form. Records the `end` that belongs to `exit`, one
/// of LABKIT_EXIT_*; nothing for LABKIT_EXIT_ABANDONED, nothing in a fork
/// child whose parent entered the block, nothing if it is over already. A
/// non-local exit is `handled`, reason "non_local_exit", unless the
/// configuration says "error".
///
/// `experience`: not NULL. `reason`: for LABKIT_EXIT_ERROR; may be NULL with
/// length 0. One thread at a time per experience.
///
/// Fails with LABKIT_STATUS_INVALID_ARGUMENT if `exit` is none of them;
/// otherwise as labkit_experience_complete().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_leave(
    experience: *mut LabkitExperience,
    exit: u32,
    reason: *const c_char,
    reason_len: usize,
) -> Status {
    // SAFETY: passed on; no meta.
    unsafe { leave(experience, exit, (reason, reason_len), (std::ptr::null(), 0)) }
}

/// As labkit_experience_leave(), with extra fields for the `end`: those that
/// the block was given when it was entered, so that both of its checkpoints
/// carry them. Since LABKIT_ABI_VERSION 2.
///
/// `experience`, `exit`, `reason`: as there. `meta`: as for
/// labkit_experience_start(). One thread at a time per experience.
///
/// Fails as labkit_experience_leave().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_leave_with(
    experience: *mut LabkitExperience,
    exit: u32,
    reason: *const c_char,
    reason_len: usize,
    meta: *const c_char,
    meta_len: usize,
) -> Status {
    // SAFETY: passed on.
    unsafe { leave(experience, exit, (reason, reason_len), (meta, meta_len)) }
}

/// # Safety
/// Obligations Text, for both texts, and Experience.
unsafe fn leave(
    experience: *mut LabkitExperience,
    exit: u32,
    reason: (*const c_char, usize),
    meta: (*const c_char, usize),
) -> Status {
    barrier(|| {
        // SAFETY: passed on.
        let reason = unsafe { reason_text(reason.0, reason.1) }?;
        // SAFETY: passed on.
        let meta = unsafe { ptr::lenient(meta.0, meta.1, META_BYTES) }?;
        let exit = match exit {
            LABKIT_EXIT_NORMAL => Exit::Normal,
            LABKIT_EXIT_ERROR => Exit::Error,
            LABKIT_EXIT_NON_LOCAL => Exit::NonLocal,
            LABKIT_EXIT_CANCELLED => Exit::Cancelled,
            LABKIT_EXIT_ABANDONED => Exit::Abandoned,
            LABKIT_EXIT_RESTARTED => Exit::Restarted,
            _ => return Err(Status::InvalidArgument),
        };
        // SAFETY: passed on.
        unsafe { on(experience, |client, xp| client.leave(xp, exit, &reason, meta.as_deref())) }
    })
}

/// Whether the experience has started and not ended. NULL: false. One thread
/// at a time per experience.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_is_active(experience: *const LabkitExperience) -> bool {
    // SAFETY: obligation Experience.
    unsafe { ours(experience) }.is_ok_and(|image| image.experience.is_active())
}

/// Describes an experience as a JSON object: `user_experience_id`,
/// `correlation_id`, `start_time` (absent if not known here), `active`,
/// `outcome` as marked, `reason`. Later versions may add keys.
///
/// `experience`: not NULL. `buf`, `cap`, `len`: as for
/// labkit_definition_info(). One thread at a time per experience; not for hot
/// paths.
///
/// Fails with LABKIT_STATUS_NOT_STARTED, LABKIT_STATUS_BUFFER_TOO_SMALL or
/// LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_experience_info(
    experience: *const LabkitExperience,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Experience.
        let image = unsafe { ours(experience) }?;
        let xp = &image.experience;
        let text = handle::with(image.client, |client| {
            let mut info = serde_json::json!({
                "user_experience_id": client.definition_info(xp.definition())?.id,
                "correlation_id": xp.correlation_id(),
                "active": xp.is_active(),
                "outcome": xp.outcome(),
            });
            if let Some(time) = xp.started_at() {
                info["start_time"] = time.to_string().into();
            }
            if !xp.reason().is_empty() {
                info["reason"] = xp.reason().into();
            }
            Ok(info.to_string())
        })?;
        // SAFETY: obligation Out.
        unsafe { ptr::copy_out(&text, buf, cap, len) }
    })
}
