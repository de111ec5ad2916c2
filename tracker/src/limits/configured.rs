//! The table `[limits]` of the configuration file: what an operator may set.
//!
//! The rest of this folder is no operator's choice. What the specification
//! fixes (the reorder window, settling, what is remembered and for how long)
//! decides outcomes, and every tracker on one store must decide the same.

use std::time::Duration;

use labkit::wire::limits::{
    ACCEPTANCE_AGE_MS, BATCH_ITEMS, BODY_BYTES, CHECKPOINT_BYTES, FUTURE_MS, JSON_DEPTH, SENT_AT_MS,
};
use serde::Deserialize;

use super::{
    BODIES_BYTES, BODY_TIMEOUT, COMPRESSION_RATIO, CONNECTIONS, CONNECTIONS_PER_PEER,
    CREDENTIAL_BURST, CREDENTIAL_RATE, HEAD_BYTES, HEAD_TIMEOUT, IDLE_TIMEOUT, LEARNED_TYPES,
    LISTED_MOST, OUTBOX_LINES, REQUESTS, SHUTDOWN_GRACE, TOMBSTONE_MS, TOTAL_TIMEOUT, WHOLE_MS,
};

const HOUR_MS: i64 = 3_600_000;
const LONGEST_TIMEOUT_MS: u64 = 600_000;

/// Writes each limit once: its name, its default and what it may be set to.
macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr, $range:expr;)+) => {
        /// The limits in force.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($(#[$doc])* pub $name: $type,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Limits { $($name: $default,)+ }
            }
        }

        impl Limits {
            fn check_ranges(&self) -> Result<(), String> {
                $(
                    let (name, value, range) = (stringify!($name), self.$name, $range);
                    if !range.contains(&value) {
                        let (least, most) = (range.start(), range.end());
                        return Err(format!("{name} = {value}: expected {least} to {most}"));
                    }
                )+
                Ok(())
            }
        }
    };
}

limits! {
    /// Bytes of a body, after decompression.
    body_bytes: usize = BODY_BYTES, 1_024..=64 * 1024 * 1024;
    /// Checkpoints in a batch; the parser, which the library shares, goes no further.
    batch_items: usize = BATCH_ITEMS, 1..=BATCH_ITEMS;
    /// Bytes of a checkpoint; the parser goes no further here, either.
    checkpoint_bytes: usize = CHECKPOINT_BYTES, 512..=CHECKPOINT_BYTES;
    /// Nesting of a body; less than four holds no batch with meta.
    json_depth: usize = JSON_DEPTH, 4..=64;
    /// How old a checkpoint may be.
    acceptance_age_ms: i64 = ACCEPTANCE_AGE_MS, 60_000..=TOMBSTONE_MS;
    /// How far into the future it may lie.
    future_ms: i64 = FUTURE_MS, 0..=24 * HOUR_MS;
    /// How far `sent_at` may be from the tracker's clock.
    sent_at_ms: i64 = SENT_AT_MS, 60_000..=TOMBSTONE_MS;
    /// Decompressed to compressed size of a body.
    compression_ratio: usize = COMPRESSION_RATIO, 1..=1_000;
    /// Bytes of a request's head.
    head_bytes: usize = HEAD_BYTES, 8 * 1_024..=1_024 * 1_024;
    /// Time for a request's head.
    head_timeout_ms: u64 = HEAD_TIMEOUT.as_millis() as u64, 1..=LONGEST_TIMEOUT_MS;
    /// Time for a request's body.
    body_timeout_ms: u64 = BODY_TIMEOUT.as_millis() as u64, 1..=LONGEST_TIMEOUT_MS;
    /// Time for a kept connection's next request, and for the client to read.
    idle_timeout_ms: u64 = IDLE_TIMEOUT.as_millis() as u64, 1..=LONGEST_TIMEOUT_MS;
    /// Time from a request's head to its answer.
    total_timeout_ms: u64 = TOTAL_TIMEOUT.as_millis() as u64, 1..=LONGEST_TIMEOUT_MS;
    /// Connections at once.
    connections: usize = CONNECTIONS, 1..=1_000_000;
    /// Connections of one address (of IPv6: one /64). Where a proxy on another
    /// machine leads everybody here, that is all of them: set it to `connections`.
    /// This machine's own address is not counted.
    connections_per_peer: usize = CONNECTIONS_PER_PEER, 1..=1_000_000;
    /// Requests in work at once; the next one is answered 503.
    requests: usize = REQUESTS, 1..=100_000;
    /// Bytes of all bodies under way; above it the next one is answered 503.
    bodies_bytes: usize = BODIES_BYTES, 64 * 1_024..=1 << 32;
    /// Time for requests, and then for the event log, to finish at shutdown.
    shutdown_grace_ms: u64 = SHUTDOWN_GRACE.as_millis() as u64, 1..=LONGEST_TIMEOUT_MS;
    /// Log lines that may wait.
    outbox_lines: usize = OUTBOX_LINES, 1..=100_000_000;
    /// Values of `type` that are learned.
    learned_types: usize = LEARNED_TYPES, 1..=10_000;
    /// Checkpoints a second that one credential may send in the long run.
    credential_rate: u32 = CREDENTIAL_RATE, 1..=100_000_000;
    /// Checkpoints that it may send at once, after having been quiet.
    credential_burst: u32 = CREDENTIAL_BURST, 1..=1_000_000_000;
    /// Experiences of one answer of the query path.
    listed_most: usize = LISTED_MOST, 1..=100_000;
}

impl Limits {
    /// Names the first limit that cannot be, and what could.
    pub fn check(&self) -> Result<(), String> {
        self.check_ranges()?;
        if self.bodies_bytes < self.body_bytes {
            return Err(format!(
                "bodies_bytes = {}: expected at least body_bytes = {}, or a body of that size \
                 would be put off for ever",
                self.bodies_bytes, self.body_bytes
            ));
        }
        let (age, sent_at) = (self.acceptance_age_ms, self.sent_at_ms);
        // What is forgotten sooner than it can be sent again would be counted twice.
        let most = TOMBSTONE_MS - WHOLE_MS;
        if age + sent_at > most {
            return Err(format!(
                "acceptance_age_ms = {age} and sent_at_ms = {sent_at}: expected at most {most} \
                 together, as an experience is forgotten that long after it shrank"
            ));
        }
        Ok(())
    }

    /// Time for a request's head.
    pub fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout_ms)
    }

    /// Time for a request's body.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    /// Time for a kept connection's next request, and for the client to read.
    pub fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    /// Time from a request's head to its answer.
    pub fn total_timeout(&self) -> Duration {
        Duration::from_millis(self.total_timeout_ms)
    }

    /// Time for what is under way at shutdown.
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_check() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn a_limit_out_of_its_range_is_named_with_what_could_be() {
        let limits = Limits { batch_items: 501, ..Limits::default() };
        assert_eq!(limits.check().unwrap_err(), "batch_items = 501: expected 1 to 500");
    }

    #[test]
    fn there_is_room_for_one_body_at_least() {
        let limits = Limits { bodies_bytes: 512 * 1024, ..Limits::default() };
        assert!(limits.check().unwrap_err().starts_with("bodies_bytes = 524288: expected"));
    }

    #[test]
    fn nothing_can_be_accepted_after_its_experience_is_forgotten() {
        let limits = Limits { acceptance_age_ms: 24 * HOUR_MS + 1, ..Limits::default() };
        assert!(limits.check().unwrap_err().contains("together"));
        let shifted = Limits { sent_at_ms: 11 * HOUR_MS, ..limits };
        assert_eq!(shifted.check(), Ok(()));
    }
}
