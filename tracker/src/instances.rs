//! What SDK instances say of themselves, gathered as it comes in and written
//! down once a second: a request must not cost a second write for it. Should
//! the tracker be killed in between, the next word of an instance that lives on
//! makes up for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use labkit::DropReason;
use labkit::wire::{CheckpointId, CorrelationId, Sender, Timestamp};

use crate::admission::Envelope;
use crate::clock::Now;
use crate::drafts::Drafts;
use crate::limits::{
    INSTANCE_BEAT_MOST_MS, INSTANCE_BEAT_MS, INSTANCE_BEATS, INSTANCE_FIGURE_MOST,
    INSTANCE_KEPT_MS, INSTANCE_OWING_MS, INSTANCE_REQUEST_MS, INSTANCES_HEARD, SWEEP_STEP,
};
use crate::store::{Commit, Loaded, StoreError};
use crate::tracker::Tracker;
use crate::transition::{
    DROP_REASONS, Heard, INSTANCES, Identity, Owner, Report, State, Stored, hear,
};
use crate::types::OTHER;

/// The names that become labels; every other library is `other`.
pub(crate) const SDKS: [&str; 5] = ["labkit", "labkit-go", "labkit-python", "labkit-ruby", OTHER];

/// What was heard since it was last written down.
#[derive(Default)]
pub(crate) struct Instances {
    heard: Mutex<HashMap<Identity, Heard>>,
    /// When it was last written down, by the wall clock.
    written: AtomicI64,
}

impl Instances {
    /// What the sender of a batch says, of whose checkpoints so many are news.
    pub(crate) fn note(
        &self,
        tenant: &Arc<str>,
        envelope: Envelope,
        sender: &Sender,
        accepted: u64,
    ) {
        let (Some(instance), Some(sent_at)) = (envelope.instance, envelope.sent_at) else { return };
        let heard = match sender.adopted {
            true => Heard { report: None, recovered: accepted },
            // Who does not say how much it recorded says nothing of itself.
            false => {
                Heard { report: report(instance, sender, sent_at, envelope.received), recovered: 0 }
            }
        };
        if heard != Heard::default() {
            self.gather(identity(tenant, instance), heard);
        }
    }

    fn gather(&self, identity: Identity, heard: Heard) {
        let mut all = self.lock();
        if let Some(known) = all.get_mut(&identity) {
            known.merge(heard);
        } else if all.len() < INSTANCES_HEARD {
            all.insert(identity, heard);
        }
    }

    fn take(&self) -> HashMap<Identity, Heard> {
        std::mem::take(&mut *self.lock())
    }

    /// Whether it is time, which is then as good as used.
    fn is_due(&self, now: i64) -> bool {
        let written = self.written.load(Ordering::Relaxed);
        let is_due = !(0..INSTANCE_BEAT_MS).contains(&(now - written));
        if is_due {
            self.written.store(now, Ordering::Relaxed);
        }
        is_due
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What it says of itself, if that can be.
fn report(
    instance: CheckpointId,
    sender: &Sender,
    sent_at: Timestamp,
    received: i64,
) -> Option<Report> {
    let name = sender.sdk.as_ref().map_or(OTHER, |sdk| sdk.name.as_str());
    let sdk = SDKS.into_iter().find(|known| *known == name).unwrap_or(OTHER);
    let (recorded, queued) = (sender.recorded?, sender.queued.unwrap_or(0));
    let figures = sender.dropped.values().chain([&recorded, &queued]);
    if figures.into_iter().any(|figure| *figure > INSTANCE_FIGURE_MOST) {
        return None;
    }
    let mut dropped = [0_u64; DROP_REASONS];
    for (reason, count) in &sender.dropped {
        let place = DropReason::ALL.iter().position(|known| known.as_str() == reason);
        dropped[place.map_or(0, |place| place + 1)] += count;
    }
    let age = received.saturating_sub(instance.millis());
    Some(Report {
        sdk: sdk.into(),
        sent_at: sent_at.as_millis(),
        recorded,
        dropped,
        queued,
        patience: patience(sender.heartbeat_ms),
        old: age > INSTANCE_KEPT_MS,
    })
}

/// Whoever does not say how often it is heard of when idle may be so for long.
fn patience(heartbeat_ms: Option<u64>) -> i64 {
    match heartbeat_ms.and_then(|millis| i64::try_from(millis).ok()) {
        None | Some(0) => INSTANCE_OWING_MS,
        Some(millis) => INSTANCE_BEATS * millis.min(INSTANCE_BEAT_MOST_MS) + INSTANCE_REQUEST_MS,
    }
}

fn identity(tenant: &Arc<str>, instance: CheckpointId) -> Identity {
    Identity {
        tenant: tenant.clone(),
        user_experience_id: INSTANCES.into(),
        correlation_id: CorrelationId::from_ulid(instance.0),
    }
}

impl Tracker {
    /// Writes down what was heard, if it is time. What the store refuses waits
    /// for the next time.
    pub(crate) async fn write_down_instances(&self) -> Result<(), StoreError> {
        if !self.instances.is_due(self.clock.now_ms()) {
            return Ok(());
        }
        self.write_down_all_instances().await
    }

    /// The same at any time.
    pub(crate) async fn write_down_all_instances(&self) -> Result<(), StoreError> {
        let mut heard: Vec<(Identity, Heard)> = self.instances.take().into_iter().collect();
        while !heard.is_empty() {
            let rest = heard.split_off(heard.len().min(SWEEP_STEP));
            let step = self.hear_all(&heard).await;
            // Where somebody else was faster, or the store refuses, it waits.
            let done = step.as_ref().map_or(&[][..], Vec::as_slice);
            let late = heard.into_iter().enumerate().filter(|(at, _)| done.get(*at) != Some(&true));
            late.for_each(|(_, (who, what))| self.instances.gather(who, what));
            heard = rest;
            if let Err(error) = step {
                heard.into_iter().for_each(|(who, what)| self.instances.gather(who, what));
                return Err(error);
            }
        }
        Ok(())
    }

    /// For each whether it is done.
    async fn hear_all(&self, heard: &[(Identity, Heard)]) -> Result<Vec<bool>, StoreError> {
        let identities: Vec<Identity> = heard.iter().map(|(who, _)| who.clone()).collect();
        let loaded = self.store.load(&identities).await?;
        let real = self.clock.now_ms();
        let mut drafts = Drafts::new(self, identities.len(), 0, real);
        for ((identity, (_, heard)), mut loaded) in identities.into_iter().zip(heard).zip(loaded) {
            let now = Now { v: loaded.v, real, owner: Owner::Unknown };
            let next = hear(loaded.stored.take(), heard, now, &mut drafts.effects);
            drafts.add(identity, loaded.version, next);
        }
        let commits = self.store.commit(drafts.finish()).await?;
        Ok(commits.into_iter().map(|commit| commit == Commit::Done).collect())
    }

    /// For each of these, if it is overdue, whether the process that started it
    /// is still there.
    pub(crate) async fn owners(
        &self,
        identities: &[Identity],
        loaded: &[Loaded],
    ) -> Result<Owners, StoreError> {
        // Nearly always none is, and then nothing is asked for.
        let mut owned: Vec<(usize, Identity)> = Vec::new();
        for (index, (identity, loaded)) in identities.iter().zip(loaded).enumerate() {
            if let Some(instance) = overdue_owner(loaded) {
                owned.push((index, self::identity(&identity.tenant, instance)));
            }
        }
        let mut wanted: Vec<Identity> = owned.iter().map(|(_, owner)| owner.clone()).collect();
        if wanted.is_empty() {
            return Ok(Owners::default());
        }
        wanted.sort_unstable();
        wanted.dedup();
        let found = self.store.load(&wanted).await?;
        let judged: HashMap<Identity, Owner> =
            wanted.into_iter().zip(found.iter().map(judge)).collect();
        let judged = owned.into_iter().filter_map(|(at, owner)| Some((at, *judged.get(&owner)?)));
        Ok(Owners(judged.collect()))
    }
}

/// What is known of the owners of some experiences, by their places.
#[derive(Default)]
pub(crate) struct Owners(HashMap<usize, Owner>);

impl Owners {
    pub(crate) fn of(&self, place: usize) -> Owner {
        self.0.get(&place).copied().unwrap_or_default()
    }
}

fn overdue_owner(loaded: &Loaded) -> Option<CheckpointId> {
    let Some(Stored::Whole(record)) = &loaded.stored else { return None };
    let is_overdue = record.due <= loaded.v && record.state == State::Open;
    record.owner_instance.filter(|_| is_overdue)
}

fn judge(found: &Loaded) -> Owner {
    match &found.stored {
        Some(Stored::Instance(instance)) if !instance.is_gone(found.v) => Owner::Alive,
        Some(Stored::Instance(_)) => Owner::Gone,
        // It never said anything of itself, or that was forgotten.
        _ => Owner::Unknown,
    }
}
