//! The middle of the spine, from checkpoints to what became of them: admitted,
//! gathered by experience, through the transition, committed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use labkit::wire::{Checkpoint, Code, Rejection, Timestamp};

use crate::admission::{Envelope, derived_time};
use crate::clock::Now;
use crate::definitions::Definitions;
use crate::limits::{CONFLICT_ROUNDS, ELAPSED_MOST_US, REORDER_MS};
use crate::store::{Commit, StoreError};
use crate::tracker::Tracker;
use crate::transition::{Arrival, Disposition, Effects, Identity, Input, transition};

/// What became of one checkpoint.
pub(crate) type Outcome = Result<Disposition, Rejection>;

impl Tracker {
    /// Validates, applies and commits; the outcomes stand in the items' order.
    pub(crate) async fn apply(
        &self,
        tenant: &Arc<str>,
        parsed: &[Result<Checkpoint<'_>, Rejection>],
        envelope: Envelope,
    ) -> Result<Vec<Outcome>, StoreError> {
        let definitions = self.definitions();
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(parsed.len());
        let mut arrivals: Vec<Option<Arrival<'_>>> = Vec::with_capacity(parsed.len());
        let mut groups: Groups = Groups::default();
        for (index, item) in parsed.iter().enumerate() {
            let admitted = item.as_ref().map_err(Rejection::clone);
            match admitted.and_then(|checkpoint| self.admit(checkpoint, &definitions, envelope)) {
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
        let arrivals = Arrivals { items: &arrivals, definitions: &definitions };
        self.commit(groups, arrivals, envelope.received, &mut outcomes).await?;
        self.account(&outcomes);
        Ok(outcomes)
    }

    /// What only the tracker can check: definition, type, age.
    fn admit<'a>(
        &self,
        checkpoint: &'a Checkpoint<'_>,
        definitions: &'a Definitions,
        envelope: Envelope,
    ) -> Result<Arrival<'a>, Rejection> {
        let id = &checkpoint.user_experience_id;
        let definition = definitions.known(id).ok_or_else(unknown)?;
        if !self.types.allows(&checkpoint.service) {
            let detail = format!("expected one of: {}", self.types.all().join(", "));
            return Err(Rejection::new(Code::TypeNotAllowed, Some("type"), detail));
        }
        let derived = derived_time(checkpoint.client_timestamp, envelope, &self.limits)?;
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
            elapsed_us: checkpoint
                .elapsed_ms
                .map(|millis| ((millis * 1e3).round() as i64).min(ELAPSED_MOST_US)),
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
        arrivals: Arrivals<'_>,
        received: i64,
        outcomes: &mut [Outcome],
    ) -> Result<(), StoreError> {
        let (mut identities, mut members) = (groups.identities, groups.members);
        for _ in 0..CONFLICT_ROUNDS {
            if identities.is_empty() {
                return Ok(());
            }
            let loaded = self.store.load(&identities).await?;
            let mut changes = Vec::with_capacity(identities.len());
            let mut changed = Vec::with_capacity(identities.len());
            for ((identity, members), mut loaded) in identities.into_iter().zip(members).zip(loaded)
            {
                let mut effects = Effects::of(members.len());
                let mut stored = loaded.stored.take();
                let now = Now { v: loaded.v, real: received };
                let id = &identity.user_experience_id;
                if stored.is_none() && arrivals.definitions.is_retired(id) {
                    members.iter().for_each(|&index| outcomes[index] = Err(unknown()));
                    continue;
                }
                for &index in &members {
                    let Some(arrival) = &arrivals.items[index] else { continue };
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

/// What passed validation, and the definitions it was validated by.
#[derive(Clone, Copy)]
struct Arrivals<'a> {
    /// In the order of the request; `None` where an item was refused.
    items: &'a [Option<Arrival<'a>>],
    definitions: &'a Definitions,
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
        match self.places.entry(identity) {
            Entry::Occupied(place) => self.members[*place.get()].push(index),
            Entry::Vacant(place) => {
                self.identities.push(place.key().clone());
                self.members.push(vec![index]);
                place.insert(self.members.len() - 1);
            }
        }
    }
}

fn unknown() -> Rejection {
    let detail = "no definition of this id is loaded here";
    Rejection::new(Code::UnknownExperience, Some("user_experience_id"), detail)
}

fn too_many() -> Rejection {
    let detail = "this experience has had as many checkpoints as one may have";
    Rejection::new(Code::TooManyCheckpoints, None, detail)
}
