//! The middle of the spine, from checkpoints to what became of them: admitted,
//! gathered by experience, through the transition, committed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use labkit::wire::{Checkpoint, Code, CorrelationId, Rejection, Timestamp};

use crate::admission::{Envelope, derived_time};
use crate::clock::Now;
use crate::definitions::Definitions;
use crate::drafts::Drafts;
use crate::limits::{CONFLICT_ROUNDS, ELAPSED_MOST_US, REORDER_MS};
use crate::store::{Commit, StoreError};
use crate::tracker::Tracker;
use crate::transition::{Arrival, Definition, Disposition, Identity, Input, transition};

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
        let mut groups = Groups::of(parsed.len());
        let mut admission = Admission::new(self, &definitions, envelope);
        for (index, item) in parsed.iter().enumerate() {
            let admitted = item.as_ref().map_err(Rejection::clone);
            let admitted = admitted.and_then(|checkpoint| {
                let arrival = admission.admit(checkpoint)?;
                groups.add(checkpoint.correlation_id, arrival.definition, index);
                Ok(arrival)
            });
            // Until it is known: a duplicate.
            outcomes.push(admitted.as_ref().map(|_| Disposition::Duplicate).map_err(Clone::clone));
            arrivals.push(admitted.ok());
        }
        if admission.late > 0 {
            self.late_arrivals.fetch_add(admission.late, Ordering::Relaxed);
        }
        let arrivals = Arrivals { tenant, items: &arrivals, definitions: &definitions };
        self.commit(groups, arrivals, envelope.received, &mut outcomes).await?;
        self.account(&outcomes);
        Ok(outcomes)
    }

    /// All checkpoints of one experience make one change. Whoever loses the
    /// race for a version computes again from what the winner left.
    async fn commit(
        &self,
        mut groups: Groups,
        arrivals: Arrivals<'_>,
        received: i64,
        outcomes: &mut [Outcome],
    ) -> Result<(), StoreError> {
        for _ in 0..CONFLICT_ROUNDS {
            if groups.all.is_empty() {
                return Ok(());
            }
            let identities: Vec<Identity> =
                groups.all.iter().map(|group| arrivals.identity(group)).collect();
            let loaded = self.store.load(&identities).await?;
            let owners = self.owners(&identities, &loaded).await?;
            let mut drafts = Drafts::new(self, groups.all.len(), outcomes.len(), received);
            let mut changed = Vec::with_capacity(groups.all.len());
            let all = std::mem::take(&mut groups.all).into_iter().zip(identities).zip(loaded);
            for (place, ((group, identity), mut loaded)) in all.enumerate() {
                let mut stored = loaded.stored.take();
                let now = Now { v: loaded.v, real: received, owner: owners.of(place) };
                let id = &identity.user_experience_id;
                if stored.is_none() && arrivals.definitions.is_retired(id) {
                    groups.members(&group).for_each(|index| outcomes[index] = Err(unknown()));
                    continue;
                }
                for index in groups.members(&group) {
                    let Some(arrival) = &arrivals.items[index] else { continue };
                    let input = Input::Checkpoint(arrival);
                    let (next, disposition) = transition(stored, input, now, &mut drafts.effects);
                    stored = next;
                    outcomes[index] = match disposition {
                        Disposition::TooMany => Err(too_many()),
                        disposition => Ok(disposition),
                    };
                }
                // Pure duplicates move nothing; whatever time moved, the sweep will find.
                if drafts.effects.counts.is_empty() {
                    drafts.effects.events.clear();
                } else {
                    drafts.add(identity, loaded.version, stored);
                    changed.push(group);
                }
            }
            if changed.is_empty() {
                return Ok(());
            }
            let commits = self.store.commit(drafts.finish()).await?;
            self.told.notify_one();
            let conflicts = changed.into_iter().zip(commits);
            let lost = conflicts.filter(|(_, commit)| *commit == Commit::Conflict);
            groups.all = lost.map(|(group, _)| group).collect();
            groups.all.iter().for_each(|_| self.stats.conflict());
        }
        match groups.all.is_empty() {
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

/// What only the tracker can check: definition, type, age. The checkpoints of
/// a request are mostly of one kind, so that what was found is kept.
struct Admission<'a> {
    tracker: &'a Tracker,
    definitions: &'a Definitions,
    envelope: Envelope,
    definition: Option<&'a Arc<Definition>>,
    service: Option<Arc<str>>,
    /// How many were old.
    late: u64,
}

impl<'a> Admission<'a> {
    fn new(tracker: &'a Tracker, definitions: &'a Definitions, envelope: Envelope) -> Self {
        Admission { tracker, definitions, envelope, definition: None, service: None, late: 0 }
    }

    fn admit(&mut self, checkpoint: &'a Checkpoint<'_>) -> Result<Arrival<'a>, Rejection> {
        let (definition, envelope) = (self.definition(checkpoint)?, self.envelope);
        let service = self.service(checkpoint)?;
        let derived = derived_time(checkpoint.client_timestamp, envelope, &self.tracker.limits)?;
        let arrival = Arrival {
            id: checkpoint.idempotency_key(),
            kind: checkpoint.checkpoint,
            definition,
            service,
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
        self.late += u64::from(arrival.age() > REORDER_MS);
        Ok(arrival)
    }

    fn definition(
        &mut self,
        checkpoint: &Checkpoint<'_>,
    ) -> Result<&'a Arc<Definition>, Rejection> {
        let id = &*checkpoint.user_experience_id;
        if let Some(last) = self.definition.filter(|last| &*last.id == id) {
            return Ok(last);
        }
        let definition = self.definitions.known(id).ok_or_else(unknown)?;
        self.definition = Some(definition);
        Ok(definition)
    }

    fn service(&mut self, checkpoint: &Checkpoint<'_>) -> Result<Arc<str>, Rejection> {
        let name = &*checkpoint.service;
        if let Some(last) = self.service.as_ref().filter(|last| &***last == name) {
            return Ok(last.clone());
        }
        let types = &self.tracker.types;
        if !types.allows(name) {
            let detail = format!("expected one of: {}", types.all().join(", "));
            return Err(Rejection::new(Code::TypeNotAllowed, Some("type"), detail));
        }
        // Of this request alone: threads that count their references to one text
        // wait for each other.
        Ok(self.service.insert(name.into()).clone())
    }
}

/// What passed validation, and what it was validated by.
#[derive(Clone, Copy)]
struct Arrivals<'a> {
    tenant: &'a Arc<str>,
    /// In the order of the request; `None` where an item was refused.
    items: &'a [Option<Arrival<'a>>],
    definitions: &'a Definitions,
}

impl Arrivals<'_> {
    fn identity(&self, group: &Group) -> Identity {
        Identity {
            correlation_id: group.correlation_id,
            user_experience_id: group.id.clone(),
            tenant: self.tenant.clone(),
        }
    }
}

/// The checkpoints of a request by experience, in the order of arrival.
struct Groups {
    /// Places in `all`, by correlation id.
    places: HashTable<usize>,
    all: Vec<Group>,
    /// By item: the next one of its group.
    next: Vec<Option<usize>>,
}

struct Group {
    correlation_id: CorrelationId,
    id: Arc<str>,
    first: usize,
    last: usize,
}

impl Groups {
    fn of(items: usize) -> Self {
        Groups {
            places: HashTable::with_capacity(items),
            all: Vec::with_capacity(items),
            next: vec![None; items],
        }
    }

    fn add(&mut self, correlation_id: CorrelationId, definition: &Arc<Definition>, index: usize) {
        let Groups { places, all, next } = self;
        let same = |place: &usize| {
            let group = &all[*place];
            group.correlation_id == correlation_id && Arc::ptr_eq(&group.id, &definition.id)
        };
        let rehash = |place: &usize| spread(all[*place].correlation_id);
        match places.entry(spread(correlation_id), same, rehash) {
            Entry::Occupied(place) => {
                let group = &mut all[*place.get()];
                next[group.last] = Some(index);
                group.last = index;
            }
            Entry::Vacant(place) => {
                place.insert(all.len());
                let id = definition.id.clone();
                all.push(Group { correlation_id, id, first: index, last: index });
            }
        }
    }

    fn members(&self, group: &Group) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(group.first), |index| self.next[*index])
    }
}

/// Enough of a hash for a few hundred items: were all of them to collide, it
/// would cost a fraction of reading them.
fn spread(id: CorrelationId) -> u64 {
    let (bits, _) = id.to_parts();
    ((bits >> 64) as u64 ^ bits as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn unknown() -> Rejection {
    let detail = "no definition of this id is loaded here";
    Rejection::new(Code::UnknownExperience, Some("user_experience_id"), detail)
}

fn too_many() -> Rejection {
    let detail = "this experience has had as many checkpoints as one may have";
    Rejection::new(Code::TooManyCheckpoints, None, detail)
}
