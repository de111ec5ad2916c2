//! Definitions: looked up once by name, then known by a number.

use std::ffi::c_char;

use super::client::LabkitClient;
use super::handle;
use super::panic::barrier;
use super::ptr;
use super::status::Status;
use crate::wire::limits::EXPERIENCE_ID_BYTES;

/// Finds the definition whose file is called `id` (without `.yml`). Do it
/// once and keep the number: it stays good as long as the client.
///
/// `id`, `len`: UTF-8, copied. `out`: not NULL; written on success only.
/// Any thread.
///
/// Fails with LABKIT_STATUS_UNKNOWN_EXPERIENCE, or
/// LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_definition_lookup(
    client: LabkitClient,
    id: *const c_char,
    len: usize,
    out: *mut u32,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Text.
        let id = unsafe { ptr::lenient(id, len, EXPERIENCE_ID_BYTES) }?;
        let id = id.ok_or(Status::NullPointer)?;
        let index = handle::with(client, |client| Ok(client.definition(&id)?))?;
        // SAFETY: obligation Out.
        unsafe { ptr::write(out, index) }?;
        Ok(Status::Ok)
    })
}

/// Describes a definition as a JSON object: `id`, `description`,
/// `feature_category`, `urgency`, `apdex_threshold_s`, `ttl_s` (numbers, in
/// seconds). Later versions may add keys.
///
/// `buf`, `cap`: where the text goes; not NUL-terminated; NULL and 0 ask for
/// the length alone. `len`: may be NULL; gets the text's length, also when the
/// buffer is too small for it.
/// Any thread; not for hot paths.
///
/// Fails with LABKIT_STATUS_UNKNOWN_EXPERIENCE,
/// LABKIT_STATUS_BUFFER_TOO_SMALL or LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_definition_info(
    client: LabkitClient,
    definition: u32,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> Status {
    barrier(|| {
        let text = handle::with(client, |client| {
            let definition = client.definition_info(definition)?;
            Ok(serde_json::json!({
                "id": definition.id,
                "description": definition.description,
                "feature_category": definition.feature_category,
                "urgency": definition.urgency.as_str(),
                "apdex_threshold_s": definition.threshold_s(),
                "ttl_s": definition.ttl_s,
            })
            .to_string())
        })?;
        // SAFETY: obligation Out.
        unsafe { ptr::copy_out(&text, buf, cap, len) }
    })
}
