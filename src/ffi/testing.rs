//! For tests: a fixed clock, fixed ids, and what would have been sent.

use std::ffi::c_char;

use super::client::LabkitClient;
use super::handle;
use super::panic::barrier;
use super::ptr;
use super::status::Status;
use crate::wire::Timestamp;

/// Stops the client's clock at `wall_ms`, milliseconds since the Unix epoch.
/// It moves only by further calls; elapsed times follow it. Any thread.
///
/// Fails with LABKIT_STATUS_TEST_ONLY unless the configuration says
/// `"transport": "memory"`, or with LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn labkit_test_set_clock(client: LabkitClient, wall_ms: i64) -> Status {
    barrier(|| {
        handle::with(client, |client| {
            client.testing()?.set_clock(Timestamp::from_millis(wall_ms));
            Ok(Status::Ok)
        })
    })
}

/// Makes ids predictable: number n from now on, counted from 0, is the ULID
/// of the clock's time with the random part `seed + n`. Checkpoints and fresh
/// correlation ids share the numbers; a start takes its correlation id first.
/// Any thread.
///
/// Fails as labkit_test_set_clock().
#[unsafe(no_mangle)]
pub extern "C" fn labkit_test_seed_ids(client: LabkitClient, seed: u64) -> Status {
    barrier(|| {
        handle::with(client, |client| {
            client.testing()?.seed_ids(seed);
            Ok(Status::Ok)
        })
    })
}

/// Takes what would have been sent since the last call: the JSON of one
/// checkpoint per line, in order, byte for byte as it would have travelled.
///
/// `buf`, `cap`: where the text goes; not NUL-terminated; NULL and 0 ask for
/// the length alone. `len`: may be NULL; gets the text's length, also when the
/// buffer is too small: then nothing is taken. Any thread; waits for the
/// background thread, for 10 s at most.
///
/// Fails with LABKIT_STATUS_BUFFER_TOO_SMALL, LABKIT_STATUS_DEADLINE_EXCEEDED,
/// and as labkit_test_set_clock().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_test_take(
    client: LabkitClient,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> Status {
    barrier(|| {
        let cap = ptr::room(buf, cap)?;
        let mut size = 0;
        let taken = handle::with(client, |client| {
            let fits = |bytes| {
                size = bytes;
                bytes <= cap
            };
            Ok(client.testing()?.take_if(fits)?)
        })?;
        match taken {
            // SAFETY: obligation Out.
            Some(text) => unsafe { ptr::copy_out(&text, buf, cap, len) },
            None => {
                // SAFETY: obligation Out.
                unsafe { ptr::tell_length(size, len) };
                Err(Status::BufferTooSmall)
            }
        }
    })
}
