//! One request body: a single checkpoint, or a batch in its envelope; and the
//! answer to it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::checkpoint::CheckpointId;
use super::fields::{self, Members};
use super::limits::BATCH_ITEMS;
use super::sender::{Dropped, Sender};
use super::time::Timestamp;

/// What a request body turned out to be.
#[derive(Debug)]
pub enum Body<'a> {
    /// One checkpoint object, still to be validated.
    Single {
        /// The object's JSON text.
        text: &'a str,
        /// When the request was written, if it says so.
        sent_at: Option<Timestamp>,
    },
    /// A batch: the key `checkpoints` marks it.
    Batch(Batch<'a>),
}

/// A batch and what its sender says of itself.
#[derive(Debug)]
#[allow(missing_docs)] // the wire's own names
pub struct Batch<'a> {
    pub sent_at: Timestamp,
    pub instance_id: Option<CheckpointId>,
    pub sender: Sender,
    /// One JSON text each, still to be validated.
    pub checkpoints: Vec<&'a RawValue>,
    /// Fields of the envelope that were ignored: this version does not know them.
    pub unknown_fields: usize,
}

/// Why a body was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// No JSON object at all.
    NotJson(String),
    /// The envelope's field that is wrong, and what was expected.
    Envelope {
        /// Its name.
        field: Cow<'static, str>,
        /// What was expected.
        detail: String,
    },
    /// More checkpoints than one batch may hold.
    TooMany(usize),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::NotJson(detail) => write!(f, "the body must be a JSON object: {detail}"),
            BodyError::Envelope { field, detail } => write!(f, "`{field}`: {detail}"),
            BodyError::TooMany(count) => {
                write!(f, "{count} checkpoints in one batch, at most {BATCH_ITEMS}")
            }
        }
    }
}

impl<'a> Body<'a> {
    /// Reads the envelope; checkpoints are left for [`super::Checkpoint::parse`].
    pub fn parse(text: &'a str) -> Result<Self, BodyError> {
        let members = Members::parse(text).map_err(|e| BodyError::NotJson(e.to_string()))?;
        let sent_at = fields::parsed(&members, "sent_at").map_err(envelope)?;
        let Some(list) = members.raw("checkpoints") else {
            return Ok(Body::Single { text, sent_at });
        };
        let sent_at = sent_at.ok_or_else(|| expected("sent_at", "required in a batch"))?;
        let Items { checkpoints, count } = serde_json::from_str(list.get())
            .map_err(|_| expected("checkpoints", "expected an array of checkpoint objects"))?;
        if count > BATCH_ITEMS {
            return Err(BodyError::TooMany(count));
        }
        Ok(Body::Batch(Batch {
            sent_at,
            instance_id: fields::parsed(&members, "instance_id").map_err(envelope)?,
            sender: Sender {
                sdk: typed(&members, "sdk", "expected {\"name\", \"version\"}")?,
                recorded: typed(&members, "recorded", "expected a whole number >= 0")?,
                heartbeat_ms: typed(&members, "heartbeat_ms", "expected milliseconds >= 0")?,
                queued: typed(&members, "queued", "expected a whole number >= 0")?,
                dropped: typed::<Dropped>(&members, "dropped", Dropped::EXPECTED)?
                    .unwrap_or_default()
                    .0,
                adopted: typed(&members, "adopted", "expected true or false")?.unwrap_or(false),
            },
            checkpoints,
            unknown_fields: members.unknown(is_field),
        }))
    }
}

/// The checkpoints of a batch. Those above the limit are counted and not kept:
/// a body of nothing but commas has half a million.
struct Items<'a> {
    checkpoints: Vec<&'a RawValue>,
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

struct ItemsVisitor;

impl<'a> Visitor<'a> for ItemsVisitor {
    type Value = Items<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut all: A) -> Result<Items<'a>, A::Error> {
        let mut items = Items { checkpoints: Vec::new(), count: 0 };
        while let Some(item) = all.next_element()? {
            if items.count < BATCH_ITEMS {
                items.checkpoints.push(item);
            }
            items.count += 1;
        }
        Ok(items)
    }
}

fn is_field(name: &str) -> bool {
    matches!(
        name,
        "sent_at"
            | "instance_id"
            | "sdk"
            | "recorded"
            | "heartbeat_ms"
            | "queued"
            | "dropped"
            | "adopted"
            | "checkpoints"
    )
}

fn typed<T: serde::de::DeserializeOwned>(
    members: &Members<'_>,
    field: &'static str,
    detail: &str,
) -> Result<Option<T>, BodyError> {
    let Some(raw) = members.get(field) else { return Ok(None) };
    serde_json::from_str(raw.get()).map(Some).map_err(|_| expected(field, detail))
}

fn expected(field: &'static str, detail: &str) -> BodyError {
    BodyError::Envelope { field: Cow::Borrowed(field), detail: detail.to_owned() }
}

fn envelope(rejection: super::Rejection) -> BodyError {
    let field = rejection.field.unwrap_or(Cow::Borrowed("body"));
    BodyError::Envelope { field, detail: rejection.detail }
}

/// The answer to a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The tracker's clock, ISO-8601.
    pub server_timestamp: String,
    /// Checkpoints that took effect.
    pub accepted: u64,
    /// Checkpoints that were seen before.
    pub duplicate: u64,
    /// Checkpoints that were refused, one entry each.
    pub rejected: Vec<Rejected>,
}

/// One refused checkpoint of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Its `id`, where it had a readable one.
    pub id: Option<String>,
    /// See [`super::Code`].
    pub code: String,
    /// The field at fault, if it is one field.
    pub field: Option<String>,
    /// What was expected.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_checkpoints_marks_a_batch_whatever_its_value() {
        for list in ["null", "7", "{}", "\"x\""] {
            let text = format!(r#"{{"sent_at":"2026-01-05T10:00:00Z","checkpoints":{list}}}"#);
            let error = Body::parse(&text).unwrap_err().to_string();
            assert_eq!(error, "`checkpoints`: expected an array of checkpoint objects", "{list}");
        }
    }
}
