//! The request around a batch. It is written anew for each attempt, as
//! `sent_at` is the time just before the write.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Batch;
use crate::config::Config;
use crate::stats::Stats;
use crate::wire::{CheckpointId, Sdk, Timestamp};

/// More than the envelope's own keys and the commas between 500 checkpoints.
const HEAD_BYTES: usize = 1024;

#[derive(Serialize)]
pub(crate) struct Envelope<'a> {
    pub(crate) sent_at: Timestamp,
    pub(crate) instance_id: CheckpointId,
    pub(crate) sdk: &'a Sdk,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded: Option<u64>,
    /// How often it shows that it lives, in milliseconds; 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_ms: Option<u64>,
    /// What this process still holds, the batch aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    queued: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<BTreeMap<&'static str, u64>>,
    #[serde(skip_serializing_if = "is_false")]
    adopted: bool,
}

impl<'a> Envelope<'a> {
    /// Around `count` of this process's own checkpoints, with its ledger.
    pub(crate) fn own(
        sent_at: Timestamp,
        instance_id: CheckpointId,
        config: &'a Config,
        stats: &Stats,
        count: usize,
    ) -> Self {
        Envelope {
            sent_at,
            instance_id,
            sdk: &config.sdk,
            recorded: Some(stats.recorded),
            heartbeat_ms: Some(config.heartbeat_ms),
            queued: Some(stats.queued.saturating_sub(count as u64)),
            dropped: Some(stats.dropped_by_name()),
            adopted: false,
        }
    }

    /// Around what a dead process left behind.
    pub(crate) fn adopted(sent_at: Timestamp, instance_id: CheckpointId, sdk: &'a Sdk) -> Self {
        let (recorded, heartbeat_ms, queued, dropped) = (None, None, None, None);
        let adopted = true;
        Envelope { sent_at, instance_id, sdk, recorded, heartbeat_ms, queued, dropped, adopted }
    }

    /// Replaces `out` with the whole request body.
    pub(crate) fn write(&self, batch: &Batch, out: &mut Vec<u8>) {
        out.clear();
        out.reserve_exact(batch.bytes() + HEAD_BYTES);
        // Writing to a Vec cannot fail, and no field's Serialize does.
        let _ = serde_json::to_writer(&mut *out, self);
        out.pop(); // the closing brace: one more key follows
        out.extend_from_slice(b",\"checkpoints\":[");
        for (index, json) in batch.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(json);
        }
        out.extend_from_slice(b"]}");
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Body;

    #[test]
    fn the_tracker_can_read_what_is_written() {
        let config = Config::default();
        let mut stats = Stats { recorded: 9, queued: 5, ..Stats::default() };
        stats.dropped[0] = 2;
        let mut batch = Batch::default();
        batch.add(0, |out| out.extend_from_slice(b"{\"a\":1}"));
        batch.add(0, |out| out.extend_from_slice(b"{\"b\":2}"));
        let mut out = b"left over".to_vec();
        let time = Timestamp::from_millis(0);
        Envelope::own(time, CheckpointId(5), &config, &stats, 2).write(&batch, &mut out);
        let text = String::from_utf8(out).unwrap();
        let Body::Batch(read) = Body::parse(&text).unwrap() else { panic!("{text}") };
        assert_eq!(
            (read.sent_at, read.sender.recorded, read.sender.queued),
            (time, Some(9), Some(3))
        );
        assert_eq!(read.sender.heartbeat_ms, Some(20_000));
        assert_eq!(read.sender.dropped["queue_full"], 2);
        assert_eq!(read.checkpoints.len(), 2);
        assert!(!read.sender.adopted);
    }
}
