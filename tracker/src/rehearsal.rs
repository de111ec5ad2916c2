//! A whole tracker without sockets, threads or a clock of its own: time passes
//! when it is told to. For tests that replay what happened.

use std::sync::Arc;

use labkit::definition::Registry;
use labkit::wire::CorrelationId;
use tokio::runtime::Runtime;

use crate::clock::{Clock, ManualClock};
use crate::http::Problem;
use crate::ingest::Ingested;
use crate::store::{Memory, Store};
use crate::tracker::{Settings, Tracker};
use crate::view::View;

/// The longest step between two ticks; above two seconds they would be a pause.
const STEP_MS: i64 = 1_000;

/// A tracker on stage: the real one, on an in-memory store and a manual clock.
pub struct Rehearsal {
    /// The tracker itself, for whatever has no shorthand here.
    pub tracker: Arc<Tracker>,
    clock: Arc<ManualClock>,
    runtime: Runtime,
}

/// What a client would have received.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The body: an answer, a checkpoint, or a problem.
    pub body: serde_json::Value,
}

impl Rehearsal {
    /// A tracker whose clock shows `now_ms`, on an empty in-memory store.
    pub fn new(registry: Registry, settings: Settings, now_ms: i64) -> Self {
        Self::on(Arc::new(Memory::new(now_ms)), registry, settings, now_ms)
    }

    /// A tracker on a store of the caller's.
    pub fn on(store: Arc<dyn Store>, registry: Registry, settings: Settings, now_ms: i64) -> Self {
        let clock = Arc::new(ManualClock::new(now_ms));
        let runtime = unwrap(tokio::runtime::Builder::new_current_thread().enable_all().build());
        let tracker = runtime.block_on(Tracker::new(registry, settings, store, clock.clone()));
        Rehearsal { tracker: Arc::new(unwrap(tracker)), clock, runtime }
    }

    /// The clock's present.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Virtual time at the last tick.
    pub fn virtual_ms(&self) -> i64 {
        self.tracker.time().v
    }

    /// Takes in a body that arrives now.
    pub fn ingest(&self, tenant: &str, body: &str) -> Answered {
        self.ingest_at(tenant, body, self.now_ms())
    }

    /// Takes in a body that arrives at `received_at_ms`; the clock stays.
    pub fn ingest_at(&self, tenant: &str, body: &str, received_at_ms: i64) -> Answered {
        let tenant: Arc<str> = tenant.into();
        match self.runtime.block_on(self.tracker.ingest(&tenant, body, received_at_ms)) {
            Ok(Ingested::Batch(answer)) => {
                Answered { status: 200, body: unwrap(serde_json::to_value(answer)) }
            }
            Ok(Ingested::Single(json)) => {
                Answered { status: 200, body: unwrap(serde_json::from_str(&json)) }
            }
            Err(refusal) => {
                let problem = Problem::from(refusal);
                let body = unwrap(serde_json::to_value(&problem));
                Answered { status: problem.status, body }
            }
        }
    }

    /// Lets `millis` pass, with a tick and a sweep each second and at the end.
    /// A sweep that the store refuses is tried again with the next tick, as in
    /// a running tracker.
    pub fn advance(&self, millis: i64) {
        let end = self.now_ms() + millis;
        while self.now_ms() < end {
            self.clock.step(STEP_MS.min(end - self.now_ms()));
            let _ = self.runtime.block_on(self.tracker.sweep());
        }
    }

    /// Lets `millis` pass without a tick, or backwards if negative, and then
    /// ticks once: a pause of the tracker, or a step of its clock.
    pub fn pause(&self, millis: i64) {
        self.clock.step(millis);
        let _ = self.runtime.block_on(self.tracker.sweep());
    }

    /// Moves the clock and does nothing more: what comes of it is the caller's
    /// to bring about.
    pub fn step_clock(&self, millis: i64) {
        self.clock.step(millis);
    }

    /// One experience, if it is remembered.
    pub fn experience(
        &self,
        tenant: &str,
        user_experience_id: &str,
        correlation_id: &str,
    ) -> Option<View> {
        let correlation_id: CorrelationId = correlation_id.parse().ok()?;
        let tenant = tenant.into();
        let view = self.tracker.experience(&tenant, user_experience_id, correlation_id);
        unwrap(self.runtime.block_on(view))
    }

    /// The lines that would have gone to the event log since the last call,
    /// in the order in which they came about.
    pub fn drain_events(&self) -> Vec<String> {
        self.runtime.block_on(async {
            let mut pending = unwrap(self.tracker.outbox(usize::MAX).await);
            unwrap(self.tracker.settle(&pending).await);
            pending.sort_by_key(|pending| pending.position.number);
            pending.into_iter().map(|pending| pending.line.to_string()).collect()
        })
    }

    /// The page `/metrics/sli`.
    pub fn sli(&self) -> String {
        unwrap(self.runtime.block_on(self.tracker.sli()))
    }

    /// The page `/metrics`.
    pub fn metrics(&self) -> String {
        self.runtime.block_on(self.tracker.metrics())
    }
}

/// A rehearsal has nobody to report to: whatever fails ends it.
fn unwrap<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the rehearsal broke off: {error:?}"))
}
