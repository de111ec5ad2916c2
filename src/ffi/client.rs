//! Clients: made from one JSON document, known by a number.

use std::ffi::c_char;
use std::time::Duration;

use super::handle;
use super::panic::barrier;
use super::ptr;
use super::status::Status;
use crate::client::Client;
use crate::stats::{DropReason, Stats};

/// Version of this interface: it grows, but nothing in it ever changes. A
/// program may refuse a library whose number is smaller than its header's.
pub const LABKIT_ABI_VERSION: u32 = 2;

/// A client's handle: a number, the same in a fork child. 0 is never one. A
/// closed, stale or invented one is answered with
/// LABKIT_STATUS_INVALID_HANDLE, never with a crash.
pub type LabkitClient = u64;

/// What became of everything that was recorded in this process. Whenever
/// nothing is in progress, recorded = acknowledged + rejected + queued + dropped,
/// and `dropped` is the sum of all fields whose names begin with `dropped_`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LabkitStats {
    /// In: sizeof(labkit_stats) as the caller knows it. Fields beyond are not
    /// written, so later versions can add some.
    pub size: usize,
    /// Checkpoints recorded, whatever became of them.
    pub recorded: u64,
    /// Checkpoints that the tracker has.
    pub acknowledged: u64,
    /// Checkpoints that the tracker refused, one by one.
    pub rejected: u64,
    /// Checkpoints that wait, are in flight, or lie in the spool.
    pub queued: u64,
    /// Checkpoints lost, for any reason.
    pub dropped: u64,
    /// As many checkpoints as the queue holds were waiting.
    pub dropped_queue_full: u64,
    /// As many bytes of long texts as the queue may hold were waiting.
    pub dropped_queue_bytes: u64,
    /// The client was shut down.
    pub dropped_shut_down: u64,
    /// Too old for the tracker to accept.
    pub dropped_expired: u64,
    /// The tracker refused the request as a whole, for good.
    pub dropped_refused: u64,
    /// Alone too large for the tracker.
    pub dropped_too_large: u64,
    /// The background thread panicked while it held the checkpoint.
    pub dropped_worker_lost: u64,
    /// Keys of meta and other parts that were wrong and were left out; their
    /// checkpoints went on.
    pub trimmed: u64,
    /// Requests sent.
    pub requests: u64,
    /// Requests that had to be repeated.
    pub retries: u64,
    /// Times the background thread panicked and was started again.
    pub worker_restarts: u64,
    /// The spool was full, and they were the oldest in it.
    pub dropped_spool_full: u64,
    /// They were in the spool and could not be read again.
    pub dropped_spool_lost: u64,
    /// Of those queued, the ones that are on disk: they survive a kill.
    pub spooled: u64,
    /// Checkpoints of dead processes that were found in the spool and sent.
    /// They are in none of the counts above.
    pub adopted: u64,
    /// Checkpoints of dead processes that were lost: damaged, too old, refused,
    /// or beyond the quota; a segment that cannot be read counts as one.
    pub adopted_lost: u64,
}

impl LabkitStats {
    fn new(size: usize, stats: &Stats) -> Self {
        let dropped = |reason: DropReason| stats.dropped[reason as usize];
        LabkitStats {
            size,
            recorded: stats.recorded,
            acknowledged: stats.acknowledged,
            rejected: stats.rejected,
            queued: stats.queued,
            dropped: stats.dropped_total(),
            dropped_queue_full: dropped(DropReason::QueueFull),
            dropped_queue_bytes: dropped(DropReason::QueueBytes),
            dropped_shut_down: dropped(DropReason::ShutDown),
            dropped_expired: dropped(DropReason::Expired),
            dropped_refused: dropped(DropReason::Refused),
            dropped_too_large: dropped(DropReason::TooLarge),
            dropped_worker_lost: dropped(DropReason::WorkerLost),
            trimmed: stats.trimmed,
            requests: stats.requests,
            retries: stats.retries,
            worker_restarts: stats.worker_restarts,
            dropped_spool_full: dropped(DropReason::SpoolFull),
            dropped_spool_lost: dropped(DropReason::SpoolLost),
            spooled: stats.spooled,
            adopted: stats.adopted,
            adopted_lost: stats.adopted_lost,
        }
    }
}

/// The library's LABKIT_ABI_VERSION, to be compared with the header's. Any
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn labkit_abi_version() -> u32 {
    LABKIT_ABI_VERSION
}

/// The library's version, such as "0.1.0": static, NUL-terminated. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn labkit_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Makes a client from a JSON document. Required keys: `definitions` (the
/// directory of definition files), `type` (this service, such as "web"), and
/// `endpoint` ("http://host:port" of the tracker) unless `transport` is
/// "memory". Every other key has a default:
///
/// - `strict` (false): true in development and test, where mistakes are errors;
///   otherwise they are counted, and the checkpoint goes out without what was
///   wrong
/// - `transport` ("http"): "memory" sends nothing, see labkit_test_take()
/// - `token` (null): bearer token
/// - `token_file` (null): a file with the bearer token instead, read again
///   whenever it changes, and when the tracker refuses the token
/// - `sdk` ({"name": "labkit", "version": ...}): the wrapper's own
/// - `non_local_exit` ("handled"): or "error", see labkit_experience_leave()
/// - `queue_items` (8192): checkpoints that wait at most
/// - `queue_bytes` (1048576): bytes of long texts that wait at most
/// - `batch_items` (200), `batch_bytes` (262144): one request at most
/// - `batch_age_ms` (1000): how long a checkpoint waits for company
/// - `request_timeout_ms` (10000): the whole of one request
/// - `connect_timeout_ms` (3000): the connection's part of it
/// - `backoff_base_ms` (500): the first retry waits up to this long
/// - `backoff_cap_ms` (60000): no retry waits longer
/// - `heartbeat_ms` (20000): a process that has sent something, and has nothing
///   to send for this long, shows that it lives; 0: never
/// - `ca_file` (null): certificates (PEM) to trust instead of the built-in ones
/// - `spool_dir` (null): a directory where what waits is kept, so that it
///   outlasts long outages and the process itself, also if that is killed; what
///   a dead process left is sent by the next one. Processes of one user may
///   share it
/// - `spool_bytes` (67108864): bytes of it that one process uses at most; the
///   oldest go first
///
/// A key that is not known is refused by name. Definitions are read here, and
/// only here; no thread is started and no connection made before the first
/// record.
///
/// `config`, `len`: UTF-8, copied. `errbuf`, `errcap`: may be NULL and 0; on
/// failure gets a NUL-terminated sentence, cut to fit. `out`: not NULL;
/// written on success only. The client is the caller's until
/// labkit_client_free(). Any thread.
///
/// Fails with LABKIT_STATUS_INVALID_CONFIG, LABKIT_STATUS_INVALID_DEFINITION
/// (only with `strict`; otherwise bad files are reported by
/// labkit_client_drain_log() and the good ones used), LABKIT_STATUS_IO,
/// LABKIT_STATUS_INVALID_UTF8, LABKIT_STATUS_TOO_LONG (above 1 MiB) or
/// LABKIT_STATUS_TOO_MANY_CLIENTS (256).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_client_new(
    config: *const c_char,
    len: usize,
    errbuf: *mut c_char,
    errcap: usize,
    out: *mut LabkitClient,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Text.
        let config = unsafe { ptr::text(config, len) }?;
        if out.is_null() {
            return Err(Status::NullPointer);
        }
        let client = Client::from_json(config).map_err(|e| {
            // SAFETY: `errcap` writable bytes.
            unsafe { ptr::copy_c_string(&e.to_string(), errbuf, errcap) };
            Status::from(e)
        })?;
        let handle = handle::open(client)?;
        // SAFETY: obligation Out.
        unsafe { ptr::write(out, handle) }?;
        Ok(Status::Ok)
    })
}

/// From now on requests carry this bearer token. `token`: visible ASCII,
/// copied; NULL with length 0: none. Any thread.
///
/// Fails with LABKIT_STATUS_INVALID_UTF8, LABKIT_STATUS_INVALID_ARGUMENT (what
/// no HTTP header can hold) or LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_client_set_token(
    client: LabkitClient,
    token: *const c_char,
    len: usize,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Text.
        let token = unsafe { ptr::text(token, len) }?;
        handle::with(client, |client| {
            client.set_token((!token.is_empty()).then_some(token))?;
            Ok(Status::Ok)
        })
    })
}

/// Waits until all that was recorded before is settled: acknowledged,
/// rejected, or dropped and counted. Blocks for `timeout_ms` at most, also
/// against a server that never answers; for longer than an hour never. Any
/// thread.
///
/// Fails with LABKIT_STATUS_DEADLINE_EXCEEDED: some of it still waits and
/// will be tried again; or LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn labkit_client_flush(client: LabkitClient, timeout_ms: u64) -> Status {
    barrier(|| {
        handle::with(client, |client| {
            client.flush(Duration::from_millis(timeout_ms))?;
            Ok(Status::Ok)
        })
    })
}

/// Stops recording, sends what is there, and stops the background thread.
/// Blocks for `timeout_ms` and some 50 ms at most, also against a server that
/// never answers. What could not be sent lies in the spool, if there is one,
/// or is dropped and counted. A second call does nothing. Any thread.
///
/// Fails with LABKIT_STATUS_DEADLINE_EXCEEDED: something had to be dropped;
/// or LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn labkit_client_shutdown(client: LabkitClient, timeout_ms: u64) -> Status {
    barrier(|| {
        handle::with(client, |client| {
            client.shutdown(Duration::from_millis(timeout_ms))?;
            Ok(Status::Ok)
        })
    })
}

/// Gives the handle back. Does not wait: what still waits to be sent is lost,
/// so call labkit_client_shutdown() before. Calls in progress in other threads
/// end as usual. Any thread, in any order, also twice.
///
/// Fails with LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub extern "C" fn labkit_client_free(client: LabkitClient) -> Status {
    barrier(|| handle::close(client).map(|()| Status::Ok))
}

/// Reads the statistics. `out`: not NULL; its `size` must say
/// sizeof(labkit_stats). Any thread; takes no lock.
///
/// Fails with LABKIT_STATUS_INVALID_SIZE or LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_client_stats(
    client: LabkitClient,
    out: *mut LabkitStats,
) -> Status {
    barrier(|| {
        // SAFETY: obligation Out, for the first field: how much lies behind it
        // is what it says.
        let size = unsafe { ptr::read(out.cast::<usize>()) }?;
        // This is the first version: nobody can know a smaller one.
        if size < size_of::<LabkitStats>() {
            return Err(Status::InvalidSize);
        }
        let stats = handle::with(client, |client| Ok(LabkitStats::new(size, &client.stats())))?;
        // SAFETY: obligation Out, and the size is right.
        unsafe { ptr::write(out, stats) }?;
        Ok(Status::Ok)
    })
}

/// Takes the library's own messages since the last call, one per line: bad
/// definitions, a tracker that went away and came back, rejections. It keeps
/// the latest 64 and never prints by itself.
///
/// `buf`, `cap`: where the text goes; not NUL-terminated; NULL and 0 ask for
/// the length alone. `len`: may be NULL; gets the text's length, also when the
/// buffer is too small: then nothing is taken. Any thread.
///
/// Fails with LABKIT_STATUS_BUFFER_TOO_SMALL or LABKIT_STATUS_INVALID_HANDLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn labkit_client_drain_log(
    client: LabkitClient,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> Status {
    barrier(|| {
        let cap = ptr::room(buf, cap)?;
        match handle::with(client, |client| Ok(client.drain_log_within(cap)))? {
            // SAFETY: obligation Out.
            Ok(text) => unsafe { ptr::copy_out(&text, buf, cap, len) },
            Err(size) => {
                // SAFETY: obligation Out.
                unsafe { ptr::tell_length(size, len) };
                Err(Status::BufferTooSmall)
            }
        }
    })
}
