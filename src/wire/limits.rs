//! Every bound on what travels, in one place, with its reason.

/// Bytes of one request body after decompression. A full batch of ordinary
/// checkpoints is about 250 KiB; four times that leaves room for meta.
pub const BODY_BYTES: usize = 1024 * 1024;
/// Checkpoints in one batch: bounds the work behind a single answer.
pub const BATCH_ITEMS: usize = 500;
/// Reasons in a batch's `dropped`: no library has a tenth of these.
pub const DROP_REASONS: usize = 64;
/// Bytes of one checkpoint's JSON.
pub const CHECKPOINT_BYTES: usize = 16 * 1024;
/// Nesting of a request: batch, array, checkpoint and meta make four.
pub const JSON_DEPTH: usize = 8;
/// Keys of `meta`: it is a log line's context, not a document.
pub const META_KEYS: usize = 32;
/// Bytes of `meta` as JSON text.
pub const META_BYTES: usize = 4 * 1024;
/// Bytes of `reason`.
pub const REASON_BYTES: usize = 256;
/// Bytes of `checkpoint_category` and `type`.
pub const NAME_BYTES: usize = 64;
/// Bytes of `user_experience_id`.
pub const EXPERIENCE_ID_BYTES: usize = 64;
/// Bytes of a carrier in an HTTP header, encoded.
pub const CARRIER_BYTES: usize = 4 * 1024;
/// How old a checkpoint may be when it is accepted: a spool outlives a day's outage.
pub const ACCEPTANCE_AGE_MS: i64 = 24 * 3600 * 1000;
/// How far into the future a checkpoint may lie after skew correction.
pub const FUTURE_MS: i64 = 10 * 60 * 1000;
/// How far `sent_at` may be from the tracker's clock: beyond it is a replay or a broken clock.
pub const SENT_AT_MS: i64 = 12 * 3600 * 1000;
