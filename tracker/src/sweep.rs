//! Time's own input: ticks, and whatever they make due.

use std::future::Future;
use std::sync::Arc;

use labkit::wire::CorrelationId;
use tokio::time::MissedTickBehavior;

use crate::clock::Now;
use crate::drafts::Drafts;
use crate::limits::{SWEEP_STEP, TICK};
use crate::store::{Commit, StoreError};
use crate::tracker::Tracker;
use crate::transition::{Input, Stored, transition};

impl Tracker {
    /// One tick and all that became due by it, in bounded steps. The clock's
    /// own write comes first: if the store refuses it, no time passes.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        self.tick().await?;
        self.write_down_instances().await?;
        let (mut swept, mut lateness) = (0, 0);
        loop {
            let step = self.sweep_step().await?;
            swept += step.moved;
            lateness = lateness.max(step.lateness);
            // A step in which others were faster each time comes again with the next tick.
            if step.found < SWEEP_STEP || step.moved == 0 {
                self.stats.late(lateness);
                return Ok(swept);
            }
            tokio::task::yield_now().await;
        }
    }

    async fn sweep_step(&self) -> Result<Step, StoreError> {
        let due = self.store.due(SWEEP_STEP).await?;
        if due.is_empty() {
            return Ok(Step { found: 0, moved: 0, lateness: 0 });
        }
        let real = self.clock.now_ms();
        let loaded = self.store.load(&due).await?;
        let owners = self.owners(&due, &loaded).await?;
        let (found, mut late) = (due.len(), Vec::with_capacity(due.len()));
        let mut drafts = Drafts::new(self, due.len(), due.len(), real);
        let mut losses = Vec::with_capacity(due.len());
        for (place, (identity, mut loaded)) in due.into_iter().zip(loaded).enumerate() {
            let stored = loaded.stored.take();
            let before = stored.as_ref().and_then(Stored::loss);
            let due = stored.as_ref().map_or(loaded.v, Stored::due);
            let waited = stored.as_ref().and_then(Stored::unfinished_since).is_some();
            late.push(Late { by: loaded.v - due, waited });
            let now = Now { v: loaded.v, real, owner: owners.of(place) };
            let (next, _) = transition(stored, Input::Deadline, now, &mut drafts.effects);
            let lost = next.as_ref().and_then(Stored::loss).filter(|_| before.is_none());
            losses.push(lost.map(|lost| (identity.correlation_id, lost)));
            drafts.add(identity, loaded.version, next);
        }
        let commits = self.store.commit(drafts.finish()).await?;
        let done = commits.iter().map(|commit| *commit == Commit::Done);
        report_losses(
            losses.into_iter().zip(done).filter_map(|(lost, done)| lost.filter(|_| done)),
        );
        // Virtual time stood at the tick, but these had to wait on.
        let since_tick = self.tick_age().max(0);
        let moved = commits.iter().zip(&late).filter(|(commit, _)| **commit == Commit::Done);
        let moved: Vec<&Late> = moved.map(|(_, late)| late).collect();
        for late in moved.iter().filter(|late| late.waited) {
            self.stats.ended_late(late.by + since_tick);
        }
        self.stats.swept(moved.len() as u64);
        self.told.notify_one();
        let lateness = moved.iter().map(|late| late.by + since_tick).max().unwrap_or_default();
        Ok(Step { found, moved: moved.len() as u64, lateness })
    }
}

/// For whoever asks which processes they were: one of them, and how many, as
/// thousands may be cut off at once.
fn report_losses(losses: impl Iterator<Item = (CorrelationId, u64)>) {
    let (mut instances, mut queued, mut one) = (0_u64, 0_u64, None);
    for (instance, of_it) in losses {
        (instances, queued) = (instances + 1, queued.saturating_add(of_it));
        one = one.or(Some(instance.to_string()));
    }
    if let Some(one) = one {
        let said = "instances fell silent with checkpoints in hand";
        tracing::warn!(instances, queued, one_of_them = one, "{said}");
    }
}

struct Step {
    found: usize,
    moved: u64,
    /// How far past its deadline the latest of them was, in ms.
    lateness: i64,
}

/// How far past its deadline one is, in ms of virtual time.
struct Late {
    by: i64,
    /// It had not ended, so somebody waited for this.
    waited: bool,
}

/// Ticks until `shutdown` resolves. One sweep at a time: what a slow one
/// misses is a gap in the ticks, which virtual time knows how to treat.
pub(crate) async fn run(tracker: Arc<Tracker>, shutdown: impl Future<Output = ()>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = &mut shutdown => break,
        }
        match tracker.sweep().await {
            Ok(_) => failing = false,
            // Said once per outage, not ten times a second.
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, "the sweep is refused: deadlines stand still");
            }
            Err(_) => {}
        }
    }
    // Those who said their last word just now will not say it again.
    let _ = tracker.write_down_all_instances().await;
}
