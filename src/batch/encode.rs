//! From inline records to JSON, on the worker's thread. What is wrong with a
//! checkpoint's extras is left out here and counted; the checkpoint goes on.

use std::borrow::Cow;

use crate::definition::Registry;
use crate::inject;
use crate::queue::{Mark, Record};
use crate::wire::{Checkpoint, CheckpointId, Meta, Timestamp};

pub(crate) struct Encoder<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) service: &'a str,
}

impl Encoder<'_> {
    /// Appends the record's JSON; returns how many parts had to be left out.
    pub(crate) fn encode(&self, record: &Record, out: &mut Vec<u8>) -> u64 {
        match record {
            Record::Payload { json, .. } => {
                out.extend_from_slice(json.as_bytes());
                0
            }
            Record::Mark(mark) => self.encode_mark(mark, out),
        }
    }

    fn encode_mark(&self, mark: &Mark, out: &mut Vec<u8>) -> u64 {
        inject::point(mark.texts.category(), inject::WORKER);
        let Some(definition) = self.registry.get(mark.definition) else {
            // The caller's index was checked. Should it be wrong all the same,
            // the tracker rejects this one, and not the whole batch.
            out.extend_from_slice(b"{}");
            return 1;
        };
        let (meta, trimmed) = mark.texts.meta().map_or((None, 0), Meta::salvage);
        let checkpoint = Checkpoint {
            correlation_id: mark.correlation_id,
            user_experience_id: Cow::Borrowed(&definition.id),
            checkpoint: mark.moment.kind,
            checkpoint_category: mark.texts.category().map(Cow::Borrowed),
            service: Cow::Borrowed(self.service),
            feature_category: Cow::Borrowed(&definition.feature_category),
            urgency: Cow::Borrowed(definition.urgency.as_str()),
            client_timestamp: Timestamp::from_millis(mark.wall_ms),
            meta,
            id: Some(CheckpointId(mark.id)),
            outcome: mark.moment.outcome,
            reason: mark.texts.reason().map(Cow::Borrowed),
            started_at: mark.moment.started_ms.map(Timestamp::from_millis),
            elapsed_ms: mark.moment.elapsed_ns.map(|ns| (ns / 1_000) as f64 / 1_000.0),
        };
        // Writing to a Vec cannot fail, and no field's Serialize does.
        let _ = serde_json::to_writer(out, &checkpoint);
        trimmed
    }
}
