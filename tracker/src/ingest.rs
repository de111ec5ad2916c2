//! The spine, from text to answer: a request is read, its checkpoints are
//! applied, and each is answered for. A bad one never harms a good one, and
//! nothing a client sends is our error.

use std::sync::Arc;

use labkit::wire::limits::BATCH_ITEMS;
use labkit::wire::{
    Answer, Batch, Body, BodyError, Checkpoint, CheckpointId, Code, Plain, Rejected, Rejection,
    Sender, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::admission::{Envelope, depth, is_deep_item, too_deep};
use crate::auth::Reach;
use crate::limits::DETAIL_BYTES;
use crate::store::StoreError;
use crate::tracker::Tracker;
use crate::transition::Disposition;

/// A checkpoint that was read, or why it was refused.
type Parsed<'a> = Result<Checkpoint<'a>, Rejection>;

/// The answer to a request that was understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Ingested {
    /// To a batch.
    Batch(Answer),
    /// To a single checkpoint: itself, with `server_timestamp`, as JSON.
    Single(String),
}

impl Ingested {
    /// How many checkpoints were answered for.
    pub(crate) fn checkpoints(&self) -> u64 {
        match self {
            Ingested::Single(_) => 1,
            // Also an empty one is work.
            Ingested::Batch(answer) => {
                (answer.accepted + answer.duplicate + answer.rejected.len() as u64).max(1)
            }
        }
    }
}

/// Why a request was refused as a whole. Nothing of it had an effect, but for
/// `Unavailable`, where sending it again is safe.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// No JSON, or no envelope.
    Malformed(BodyError),
    /// Nested in more levels than these.
    TooDeep(usize),
    /// Too many checkpoints at once.
    TooMany {
        /// How many they are.
        count: usize,
        /// How many they may be.
        most: usize,
    },
    /// The single checkpoint is invalid.
    Invalid(Rejection),
    /// The store cannot commit now.
    Unavailable(StoreError),
}

impl Tracker {
    /// Takes in one request body that arrived at `received` (wall clock, ms).
    pub async fn ingest(
        &self,
        tenant: &Arc<str>,
        body: &str,
        received: i64,
    ) -> Result<Ingested, Refusal> {
        self.ingest_within(tenant, &Reach::default(), body, received).await
    }

    /// The same, from a credential that may send only some checkpoints.
    pub async fn ingest_within(
        &self,
        tenant: &Arc<str>,
        reach: &Reach,
        body: &str,
        received: i64,
    ) -> Result<Ingested, Refusal> {
        if let Some((parsed, envelope, sender)) = self.parse_plain(reach, body, received) {
            return self.ingest_batch(tenant, &[], &parsed, envelope, &sender).await;
        }
        match Body::parse(body).map_err(refuse_body)? {
            Body::Single { text, sent_at } => {
                if depth(text) > self.limits.json_depth {
                    return Err(Refusal::TooDeep(self.limits.json_depth));
                }
                let envelope = Envelope { received, sent_at, instance: None };
                self.ingest_single(tenant, reach, text, envelope).await
            }
            Body::Batch(batch) => {
                let envelope = Envelope {
                    received,
                    sent_at: Some(batch.sent_at),
                    instance: batch.instance_id,
                };
                let parsed = self.parse_items(&batch, reach, body)?;
                let Batch { checkpoints, sender, .. } = &batch;
                self.ingest_batch(tenant, checkpoints, &parsed, envelope, sender).await
            }
        }
    }

    /// A batch in which nothing is to be refused before it is applied; nearly
    /// every one. Such a body nests in four levels, which is always allowed.
    fn parse_plain<'a>(
        &self,
        reach: &Reach,
        body: &'a str,
        received: i64,
    ) -> Option<(Vec<Parsed<'a>>, Envelope, Sender)> {
        let plain = Plain::parse(body)?;
        let Plain { sent_at, instance_id, sender, checkpoints, longest } = plain;
        let (limits, count) = (&self.limits, checkpoints.len());
        let refused = |checkpoint: &Checkpoint<'_>| reach.check(checkpoint).is_err();
        if longest > limits.checkpoint_bytes
            || count > limits.batch_items
            || checkpoints.iter().any(refused)
        {
            return None;
        }
        let envelope = Envelope { received, sent_at: Some(sent_at), instance: instance_id };
        Some((checkpoints.into_iter().map(Ok).collect(), envelope, sender))
    }

    /// The items of a batch, each read or refused by itself.
    fn parse_items<'a>(
        &self,
        batch: &Batch<'a>,
        reach: &Reach,
        body: &str,
    ) -> Result<Vec<Parsed<'a>>, Refusal> {
        let (items, limits) = (&batch.checkpoints, &self.limits);
        if items.len() > limits.batch_items {
            return Err(Refusal::TooMany { count: items.len(), most: limits.batch_items });
        }
        // Nearly always false, so that each byte is looked at once.
        let deep = depth(body) > limits.json_depth;
        if deep && !items.iter().any(|item| is_deep_item(item.get(), limits)) {
            return Err(Refusal::TooDeep(limits.json_depth));
        }
        self.stats.ignored(batch.unknown_fields);
        let parse = |text| match deep && is_deep_item(text, limits) {
            true => Err(Rejection::new(Code::InvalidField, None, too_deep(limits.json_depth))),
            false => self.parse(reach, text),
        };
        Ok(items.iter().map(|item| parse(item.get())).collect())
    }

    fn parse<'a>(&self, reach: &Reach, text: &'a str) -> Result<Checkpoint<'a>, Rejection> {
        let (bytes, most) = (text.len(), self.limits.checkpoint_bytes);
        if bytes > most {
            let detail = format!("{bytes} bytes, at most {most}");
            return Err(Rejection::new(Code::InvalidField, None, detail));
        }
        let (checkpoint, ignored) = Checkpoint::parse_counting(text)?;
        self.stats.ignored(ignored);
        reach.check(&checkpoint)?;
        Ok(checkpoint)
    }

    async fn ingest_single(
        &self,
        tenant: &Arc<str>,
        reach: &Reach,
        text: &str,
        envelope: Envelope,
    ) -> Result<Ingested, Refusal> {
        let parsed = [self.parse(reach, text)];
        let outcome =
            self.apply(tenant, &parsed, envelope).await.map_err(Refusal::Unavailable)?.pop();
        let [parsed] = parsed;
        match (parsed, outcome) {
            (Ok(checkpoint), Some(Ok(_))) => {
                let server_timestamp = Timestamp::from_millis(envelope.received);
                let stamped = Stamped { checkpoint: &checkpoint, server_timestamp };
                // Cannot fail: every field was validated.
                Ok(Ingested::Single(serde_json::to_string(&stamped).unwrap_or_default()))
            }
            (Err(rejection), _) | (_, Some(Err(rejection))) => Err(Refusal::Invalid(rejection)),
            (Ok(_), None) => Err(Refusal::Unavailable(StoreError::Contended)), // one in, one out
        }
    }

    async fn ingest_batch(
        &self,
        tenant: &Arc<str>,
        items: &[&RawValue],
        parsed: &[Parsed<'_>],
        envelope: Envelope,
        sender: &Sender,
    ) -> Result<Ingested, Refusal> {
        let outcomes = self.apply(tenant, parsed, envelope).await.map_err(Refusal::Unavailable)?;
        let mut answer = Answer {
            server_timestamp: Timestamp::from_millis(envelope.received).to_string(),
            ..Answer::default()
        };
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(Disposition::Duplicate) => answer.duplicate += 1,
                Ok(_) => answer.accepted += 1,
                Err(rejection) => {
                    let id = match &parsed[index] {
                        Ok(checkpoint) => checkpoint.id,
                        Err(_) => items.get(index).and_then(|item| id_in(item.get())),
                    };
                    answer.rejected.push(rejected(index, id, rejection));
                }
            }
        }
        self.instances.note(tenant, envelope, sender, answer.accepted);
        Ok(Ingested::Batch(answer))
    }
}

fn refuse_body(error: BodyError) -> Refusal {
    match error {
        BodyError::TooMany(count) => Refusal::TooMany { count, most: BATCH_ITEMS },
        BodyError::NotJson(_) | BodyError::Envelope { .. } => Refusal::Malformed(error),
    }
}

/// The id of a checkpoint that is not valid, if that much can be read.
fn id_in(text: &str) -> Option<CheckpointId> {
    #[derive(Deserialize)]
    struct Named {
        id: Option<String>,
    }
    serde_json::from_str::<Named>(text).ok()?.id?.parse().ok()
}

fn rejected(index: usize, id: Option<CheckpointId>, rejection: Rejection) -> Rejected {
    Rejected {
        index,
        id: id.map(|id| id.to_string()),
        code: rejection.code.as_str().to_owned(),
        field: rejection.field.map(Into::into),
        detail: short(rejection.detail),
    }
}

/// What was expected, but for the end of a very long quotation.
pub(crate) fn short(mut detail: String) -> String {
    if let Some((cut, _)) = detail.char_indices().find(|(at, _)| *at >= DETAIL_BYTES) {
        detail.truncate(cut);
    }
    detail
}

/// A checkpoint with the time at which it was taken in.
#[derive(Serialize)]
struct Stamped<'a> {
    #[serde(flatten)]
    checkpoint: &'a Checkpoint<'a>,
    server_timestamp: Timestamp,
}
