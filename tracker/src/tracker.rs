//! The tracker itself: definitions, store, clock and counters around the
//! transition. Routes and tasks are thin faces of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use labkit::definition::{Finding, Registry};
use labkit::wire::CorrelationId;
use tokio::sync::Notify;

use crate::clock::{Clock, VirtualTime};
use crate::definitions::Definitions;
use crate::emit::exposition::{self, Totals};
use crate::emit::sdk;
use crate::instances::Instances;
use crate::limits::Limits;
use crate::stats::Stats;
use crate::store::{Pending, Row, Store, StoreError};
use crate::transition::Identity;
use crate::types::Types;
use crate::view::View;

/// What a tracker is made of besides its definitions, store and clock.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The `type`s that are accepted; empty: any, and the first ones are learned.
    pub types: Vec<String>,
    /// What may come in.
    pub limits: Limits,
}

/// One tracker. Cheap to share: everything behind it is.
pub struct Tracker {
    /// Behind a lock that is held to take a reference, and no longer.
    definitions: RwLock<Arc<Definitions>>,
    pub(crate) types: Types,
    pub(crate) limits: Limits,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stats: Stats,
    pub(crate) instances: Instances,
    /// Wakes the event log's writer.
    pub(crate) told: Notify,
    /// Old checkpoints since the last tick: a backlog is still coming in.
    pub(crate) late_arrivals: AtomicU64,
    /// The last tick's result, for the metrics.
    time: RwLock<VirtualTime>,
}

impl Tracker {
    /// A tracker on `store`, whose past it takes up.
    pub async fn new(
        registry: Registry,
        settings: Settings,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let types = Types::new(&settings.types, settings.limits.learned_types);
        let time = store.tick(clock.now_ms(), 0).await?;
        let counted = store.counters().await?.into_iter().map(|(series, _)| series);
        let counted: Vec<_> = counted.filter(|series| !series.is_of_instances()).collect();
        types.learn(counted.iter().map(|series| series.service.clone()));
        let counted = counted.into_iter().map(|series| series.definition);
        let definitions = Definitions::new(&registry, counted);
        let stats = Stats::default();
        stats.definitions_read(definitions.len(), &[], clock.now_ms());
        Ok(Tracker {
            definitions: RwLock::new(Arc::new(definitions)),
            types,
            limits: settings.limits,
            store,
            clock,
            stats,
            instances: Instances::default(),
            told: Notify::new(),
            late_arrivals: AtomicU64::new(0),
            time: RwLock::new(time),
        })
    }

    /// The definitions in force now.
    pub(crate) fn definitions(&self) -> Arc<Definitions> {
        self.definitions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts what was read anew in force, for experiences that open from now on:
    /// those that are open end as what they were opened under says. The error
    /// is for the operator, and then nothing changes.
    pub fn redefine(&self, registry: &Registry, findings: &[Finding]) -> Result<(), String> {
        let mut definitions = self.definitions.write().unwrap_or_else(PoisonError::into_inner);
        let next = definitions.succeeded_by(registry, findings);
        if next.is_empty() {
            return Err("no usable definition is left".to_owned());
        }
        self.stats.definitions_read(next.len(), findings, self.clock.now_ms());
        *definitions = Arc::new(next);
        Ok(())
    }

    /// Advances virtual time to the clock's present.
    pub async fn tick(&self) -> Result<VirtualTime, StoreError> {
        let late = self.late_arrivals.swap(0, Ordering::Relaxed);
        match self.store.tick(self.clock.now_ms(), late).await {
            Ok(time) => {
                *self.time.write().unwrap_or_else(PoisonError::into_inner) = time;
                Ok(time)
            }
            Err(error) => {
                self.late_arrivals.fetch_add(late, Ordering::Relaxed);
                self.stats.tick_failed();
                Err(error)
            }
        }
    }

    /// How long ago the last tick was, in ms; negative after the clock was set back.
    pub(crate) fn tick_age(&self) -> i64 {
        self.clock.now_ms() - self.time().last_tick
    }

    /// Virtual time at the last tick.
    pub(crate) fn time(&self) -> VirtualTime {
        *self.time.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// One experience as it stands, for people.
    pub async fn experience(
        &self,
        tenant: &Arc<str>,
        user_experience_id: &str,
        correlation_id: CorrelationId,
    ) -> Result<Option<View>, StoreError> {
        let identity = Identity {
            tenant: tenant.clone(),
            user_experience_id: user_experience_id.into(),
            correlation_id,
        };
        let loaded = self.store.load(std::slice::from_ref(&identity)).await?;
        let found = loaded.into_iter().next();
        let found = found.and_then(|loaded| Some((loaded.stored?.experience()?, loaded.v)));
        Ok(found.map(|(stored, v)| View::new(&identity, &stored, v)))
    }

    /// The store's counters, and the ages of the oldest, in seconds.
    pub(crate) async fn totals(&self) -> Result<(Vec<Row>, BTreeMap<Arc<str>, f64>), StoreError> {
        let now = self.clock.now_ms();
        let rows = self.store.counters().await?;
        let counted = rows.iter().filter(|(series, _)| !series.is_of_instances());
        self.types.learn(counted.map(|(series, _)| series.service.clone()));
        let age = |began: i64| (now - began).max(0) as f64 / 1e3;
        let oldest = self.store.oldest().await?.into_iter().map(|(id, began)| (id, age(began)));
        Ok((rows, oldest.collect()))
    }

    /// The page `/metrics/sli`.
    pub async fn sli(&self) -> Result<String, StoreError> {
        let (rows, oldest) = self.totals().await?;
        let (definitions, types) = (self.definitions(), self.types.all());
        let mut page = exposition::render(&Totals::new(&rows, &definitions, &types), &oldest);
        sdk::render(&rows, &mut page);
        Ok(page.finish())
    }

    /// The page `/metrics`.
    pub async fn metrics(&self) -> String {
        self.stats.render(self.time(), self.store.backlog().await.ok())
    }

    /// Lines for the event log, to be [settled](Tracker::settle) once written.
    pub async fn outbox(&self, limit: usize) -> Result<Vec<Pending>, StoreError> {
        self.store.outbox(limit).await
    }

    /// The lines are written.
    pub async fn settle(&self, written: &[Pending]) -> Result<(), StoreError> {
        self.store.settle(written).await?;
        self.stats.logged(written.len() as u64);
        Ok(())
    }
}
