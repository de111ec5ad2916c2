//! The spine: text in, validated, through the transition, committed, answered.
//! A bad checkpoint never harms a good one, and nothing a client sends is our
//! error.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use labkit::wire::limits::JSON_DEPTH;
use labkit::wire::{
    Answer, Body, BodyError, Checkpoint, CheckpointId, Code, Rejected, Rejection, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::admission::{Envelope, depth, derived_time, is_deep_item, too_deep};
use crate::clock::Now;
use crate::limits::{CONFLICT_ROUNDS, REORDER_MS};
use crate::store::{Commit, StoreError};
use crate::tracker::Tracker;
use crate::transition::{Arrival, Disposition, Effects, Identity, Input, transition};

/// The answer to a request that was understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Ingested {
    /// To a batch.
    Batch(Answer),
    /// To a single checkpoint: itself, with `server_timestamp`, as JSON.
    Single(String),
}

/// Why a request was refused as a whole. Nothing of it had an effect, but for
/// `Unavailable`, where sending it again is safe.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// No JSON, or no envelope.
    Malformed(BodyError),
    /// Nested too deeply.
    TooDeep,
    /// Too many checkpoints at once.
    TooMany(BodyError),
    /// The single checkpoint is invalid.
    Invalid(Rejection),
    /// The store cannot commit now.
    Unavailable(StoreError),
}

type Outcome = Result<Disposition, Rejection>;

impl Tracker {
    /// Takes in one request body that arrived at `received` (wall clock, ms).
    pub async fn ingest(
        &self,
        tenant: &Arc<str>,
        body: &str,
        received: i64,
    ) -> Result<Ingested, Refusal> {
        match Body::parse(body).map_err(refuse_body)? {
            Body::Single { text, sent_at } => {
                if depth(text) > JSON_DEPTH {
                    return Err(Refusal::TooDeep);
                }
                let envelope = Envelope { received, sent_at, instance: None };
                self.ingest_single(tenant, text, envelope).await
            }
            Body::Batch(batch) => {
                let envelope = Envelope {
                    received,
                    sent_at: Some(batch.sent_at),
                    instance: batch.instance_id,
                };
                // Nearly always false, so that each byte is looked at once.
                let deep = depth(body) > JSON_DEPTH;
                if deep && !batch.checkpoints.iter().any(|item| is_deep_item(item.get())) {
                    return Err(Refusal::TooDeep);
                }
                let texts = batch.checkpoints.iter().map(|item| item.get());
                let parse = |text| match deep && is_deep_item(text) {
                    true => Err(Rejection::new(Code::InvalidField, None, too_deep())),
                    false => Checkpoint::parse(text),
                };
                let parsed: Vec<_> = texts.map(parse).collect();
                self.ingest_batch(tenant, &batch.checkpoints, &parsed, envelope).await
            }
        }
    }

    async fn ingest_single(
        &self,
        tenant: &Arc<str>,
        text: &str,
        envelope: Envelope,
    ) -> Result<Ingested, Refusal> {
        let parsed = [Checkpoint::parse(text)];
        let outcome = self.apply(tenant, &parsed, envelope).await?.pop();
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
        parsed: &[Result<Checkpoint<'_>, Rejection>],
        envelope: Envelope,
    ) -> Result<Ingested, Refusal> {
        let outcomes = self.apply(tenant, parsed, envelope).await?;
        let mut answer = Answer {
            server_timestamp: Timestamp::from_millis(envelope.received).to_string(),
            ..Answer::default()
        };
        for (index, outcome) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(Disposition::Duplicate) => answer.duplicate += 1,
                Ok(_) => answer.accepted += 1,
                Err(rejection) => {
                    answer.rejected.push(rejected(index, items[index].get(), rejection));
                }
            }
        }
        Ok(Ingested::Batch(answer))
    }

    /// Validates, applies and commits; the outcomes stand in the items' order.
    async fn apply(
        &self,
        tenant: &Arc<str>,
        parsed: &[Result<Checkpoint<'_>, Rejection>],
        envelope: Envelope,
    ) -> Result<Vec<Outcome>, Refusal> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(parsed.len());
        let mut arrivals: Vec<Option<Arrival<'_>>> = Vec::with_capacity(parsed.len());
        let mut groups: Groups = Groups::default();
        for (index, item) in parsed.iter().enumerate() {
            let admitted = item.as_ref().map_err(Rejection::clone);
            match admitted.and_then(|checkpoint| self.admit(checkpoint, envelope)) {
                Ok(arrival) => {
                    groups.add(tenant, item, &arrival, index);
                    arrivals.push(Some(arrival));
                    outcomes.push(Ok(Disposition::Duplicate)); // until it is known
                }
                Err(rejection) => {
                    arrivals.push(None);
                    outcomes.push(Err(rejection));
                }
            }
        }
        self.commit(groups, &arrivals, envelope.received, &mut outcomes)
            .await
            .map_err(Refusal::Unavailable)?;
        self.account(&outcomes);
        Ok(outcomes)
    }

    /// What only the tracker can check: definition, type, age.
    fn admit<'a>(
        &'a self,
        checkpoint: &'a Checkpoint<'_>,
        envelope: Envelope,
    ) -> Result<Arrival<'a>, Rejection> {
        let Some(definition) = self.definition(&checkpoint.user_experience_id) else {
            let detail = "no definition of this id is loaded here";
            let field = Some("user_experience_id");
            return Err(Rejection::new(Code::UnknownExperience, field, detail));
        };
        if !self.types.allows(&checkpoint.service) {
            let detail = format!("expected one of: {}", self.types.all().join(", "));
            return Err(Rejection::new(Code::TypeNotAllowed, Some("type"), detail));
        }
        let derived = derived_time(checkpoint.client_timestamp, envelope)?;
        let arrival = Arrival {
            id: checkpoint.idempotency_key(),
            kind: checkpoint.checkpoint,
            definition,
            service: self.types.share(&checkpoint.service),
            derived,
            received: envelope.received,
            outcome: checkpoint.outcome.unwrap_or(labkit::wire::Outcome::Success),
            reason: checkpoint.reason.as_deref(),
            category: checkpoint.checkpoint_category.as_deref(),
            meta: checkpoint.meta.as_ref().map(|meta| meta.as_str()),
            started_at: checkpoint.started_at.map(Timestamp::as_millis),
            // Saturates; nobody waits for 292,000 years.
            elapsed_us: checkpoint.elapsed_ms.map(|millis| (millis * 1e3).round() as i64),
            instance: envelope.instance,
            mismatch: checkpoint.feature_category != *definition.feature_category
                || checkpoint.urgency != *definition.urgency,
        };
        if arrival.age() > REORDER_MS {
            self.late_arrivals.fetch_add(1, Ordering::Relaxed);
        }
        Ok(arrival)
    }

    /// All checkpoints of one experience make one change. Whoever loses the
    /// race for a version computes again from what the winner left.
    async fn commit(
        &self,
        groups: Groups,
        arrivals: &[Option<Arrival<'_>>],
        received: i64,
        outcomes: &mut [Outcome],
    ) -> Result<(), StoreError> {
        let (mut identities, mut members) = (groups.identities, groups.members);
        for _ in 0..CONFLICT_ROUNDS {
            if identities.is_empty() {
                return Ok(());
            }
            let loaded = self.store.load(&identities).await?;
            let (mut changes, mut changed) = (Vec::new(), Vec::new());
            for ((identity, members), mut loaded) in identities.into_iter().zip(members).zip(loaded)
            {
                let mut effects = Effects::default();
                let mut stored = loaded.stored.take();
                let now = Now { v: loaded.v, real: received };
                for &index in &members {
                    let Some(arrival) = &arrivals[index] else { continue };
                    let input = Input::Checkpoint(arrival);
                    let (next, disposition) = transition(stored, input, now, &mut effects);
                    stored = next;
                    outcomes[index] = match disposition {
                        Disposition::TooMany => Err(too_many()),
                        disposition => Ok(disposition),
                    };
                }
                // Pure duplicates move nothing; whatever time moved, the sweep will find.
                if !effects.counts.is_empty() {
                    changes.push(self.change(identity.clone(), &loaded, stored, effects, received));
                    changed.push((identity, members));
                }
            }
            if changes.is_empty() {
                return Ok(());
            }
            let commits = self.store.commit(changes).await?;
            self.told.notify_one();
            let conflicts = changed.into_iter().zip(commits);
            let lost = conflicts.filter(|(_, commit)| *commit == Commit::Conflict);
            (identities, members) = lost.map(|(group, _)| group).unzip();
            identities.iter().for_each(|_| self.stats.conflict());
        }
        match identities.is_empty() {
            true => Ok(()),
            false => Err(StoreError::Contended),
        }
    }

    fn account(&self, outcomes: &[Outcome]) {
        let (mut accepted, mut duplicate) = (0, 0);
        for outcome in outcomes {
            match outcome {
                Ok(Disposition::Duplicate) => duplicate += 1,
                Ok(_) => accepted += 1,
                Err(rejection) => self.stats.rejected(rejection.code),
            }
        }
        self.stats.ingested(accepted, duplicate);
    }
}

/// The checkpoints of a request by experience, in the order of arrival.
#[derive(Default)]
struct Groups {
    places: HashMap<Identity, usize>,
    identities: Vec<Identity>,
    members: Vec<Vec<usize>>,
}

impl Groups {
    fn add(
        &mut self,
        tenant: &Arc<str>,
        item: &Result<Checkpoint<'_>, Rejection>,
        arrival: &Arrival<'_>,
        index: usize,
    ) {
        let Ok(checkpoint) = item else { return };
        let identity = Identity {
            tenant: tenant.clone(),
            user_experience_id: arrival.definition.id.clone(),
            correlation_id: checkpoint.correlation_id,
        };
        match self.places.get(&identity) {
            Some(place) => self.members[*place].push(index),
            None => {
                self.places.insert(identity.clone(), self.identities.len());
                self.identities.push(identity);
                self.members.push(vec![index]);
            }
        }
    }
}

fn too_many() -> Rejection {
    let detail = "this experience has had as many checkpoints as one may have";
    Rejection::new(Code::TooManyCheckpoints, None, detail)
}

fn refuse_body(error: BodyError) -> Refusal {
    match error {
        BodyError::TooMany(_) => Refusal::TooMany(error),
        BodyError::NotJson(_) | BodyError::Envelope { .. } => Refusal::Malformed(error),
    }
}

fn rejected(index: usize, text: &str, rejection: Rejection) -> Rejected {
    /// Enough for every sentence of ours; a detail can quote a client's key.
    const DETAIL_BYTES: usize = 240;
    #[derive(Deserialize)]
    struct Named {
        id: Option<String>,
    }
    let named = serde_json::from_str::<Named>(text).ok().and_then(|named| named.id);
    let id = named.and_then(|id| id.parse::<CheckpointId>().ok());
    let mut detail = rejection.detail;
    if let Some((cut, _)) = detail.char_indices().find(|(at, _)| *at >= DETAIL_BYTES) {
        detail.truncate(cut);
    }
    Rejected {
        index,
        id: id.map(|id| id.to_string()),
        code: rejection.code.as_str().to_owned(),
        field: rejection.field.map(Into::into),
        detail,
    }
}

/// A checkpoint with the time at which it was taken in.
#[derive(Serialize)]
struct Stamped<'a> {
    #[serde(flatten)]
    checkpoint: &'a Checkpoint<'a>,
    server_timestamp: Timestamp,
}
