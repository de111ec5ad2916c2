//! What has no life cycle of ours: something already over, and payloads of
//! callers that keep their own.

use std::ffi::c_char;

use super::client::LabkitClient;
use super::handle;
use super::image::reason_text;
use super::panic::barrier;
use super::ptr;
use super::status::Status;
use crate::client::Observed;
use crate::wire::limits::{META_BYTES, NAME_BYTES};
use crate::wire::{Outcome, Timestamp};

/// It ended well.
pub const LABKIT_OUTCOME_SUCCESS: u32 = 0;
/// It failed.
pub const LABKIT_OUTCOME_ERROR: u32 = 1;
/// It ended as expected, though not as hoped: no failure of ours.
pub const LABKIT_OUTCOME_HANDLED: u32 = 2;
/// It turned out not to be an experience.
pub const LABKIT_OUTCOME_DISCARDED: u32 = 3;

/// Records start and end of something that is already over.
///
/// `correlation_id`, `meta`: as for labkit_experience_start().
/// `start_time_ms`: milliseconds since the Unix epoch; later than now counts
/// as now. `outcome`: one of LABKIT_OUTCOME_*. `reason`: may be NULL with
/// length 0; cut after 256 bytes. Any thread.
///
/// Fails with LABKIT_STATUS_INVALID_ARGUMENT if `outcome` is none of them, and
/// as labkit_experience_start().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_observed(
    client: LabkitClient,
    definition: u32,
    correlation_id: *const c_char,
    correlation_id_len: usize,
    start_time_ms: i64,
    outcome: u32,
    reason: *const c_char,
    reason_len: usize,
    meta: *const c_char,
    meta_len: usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Text, here and in the next two.
        let correlation = unsafe { ptr::lenient(correlation_id, correlation_id_len, NAME_BYTES) }?;
        // SAFETY: as above.
        let reason = unsafe { reason_text(reason, reason_len) }?;
        // SAFETY: as above.
        let meta = unsafe { ptr::lenient(meta, meta_len, META_BYTES) }?;
        let outcome = match outcome {
            LABKIT_OUTCOME_SUCCESS => Outcome::Success,
            LABKIT_OUTCOME_ERROR => Outcome::Error,
            LABKIT_OUTCOME_HANDLED => Outcome::Handled,
            LABKIT_OUTCOME_DISCARDED => Outcome::Discarded,
            _ => return Err(Status::InvalidArgument),
        };
        let observed = Observed {
            correlation_id: correlation.as_deref(),
            start_time: Timestamp::from_millis(start_time_ms),
            outcome,
            reason: Some(&reason),
            meta: meta.as_deref(),
        };
        handle::with(client, |client| Ok(client.observed(definition, observed)?.into()))
    })
}

/// Records a whole payload of the wire format, for callers that keep the life
/// cycle themselves. An `id` is minted if it has none.
///
/// `payload`: a JSON object, at most 16 KiB, copied. Any thread.
///
/// Fails with LABKIT_STATUS_INVALID_CHECKPOINT, LABKIT_STATUS_INVALID_UTF8,
/// LABKIT_STATUS_TOO_LONG (above 1 MiB; from 16 KiB on it is invalid),
/// LABKIT_STATUS_QUEUE_FULL, LABKIT_STATUS_SHUT_DOWN or
/// LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_checkpoint_record(
    client: LabkitClient,
    payload: *const c_char,
    len: usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Text.
        let payload = unsafe { ptr::text(payload, len) }?;
        handle::with(client, |client| Ok(client.record(payload)?.into()))
    })
}
