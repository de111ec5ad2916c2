//! What the ledger's tests play on: a transport that answers by a script, a
//! clock that stands still, and the worker's own code on the test's thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use crate::config::{Config, TransportKind};
use crate::definition;
use crate::experience::Experience;
use crate::process::{Command, Shared};
use crate::queue::{Mark, Record, Texts};
use crate::quiet;
use crate::stats::Stats;
use crate::sync::channel::{Receiver, bounded};
use crate::transport::{Interrupt, Reply, Transport};
use crate::wire::{Answer, Body, Checkpoint, CheckpointId, CorrelationId, Rejected};

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// All accepted but for so many rejected and so many duplicates.
    Accept {
        rejected: usize,
        duplicate: u64,
    },
    /// A 200 whose sum is off by that much.
    Miscount(i8),
    Garbage,
    Status(u16, Option<u64>),
    Unreachable,
    Panic,
}

/// Answers by the script, then accepts; keeps what it was honest about.
#[derive(Clone, Default)]
pub(super) struct Tracker(pub(super) Arc<Mutex<Book>>);

#[derive(Default)]
pub(super) struct Book {
    pub(super) script: VecDeque<Step>,
    pub(super) acknowledged: u64,
    pub(super) rejected: u64,
    /// Ids of what was acknowledged, and under whose name it came.
    pub(super) ids: Vec<CheckpointId>,
    pub(super) instances: Vec<CheckpointId>,
    /// Of each request, how many came and how many were said to wait.
    pub(super) requests: Vec<(usize, Option<u64>)>,
}

impl Tracker {
    /// Also after a panic that the script asked for.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Tracker {
    fn send(&mut self, body: &[u8], _token: Option<&str>) -> Reply {
        let text = std::str::from_utf8(body).unwrap();
        let Ok(Body::Batch(batch)) = Body::parse(text) else { panic!("{text}") };
        let count = batch.checkpoints.len();
        let mut book = self.book();
        book.requests.push((count, batch.sender.queued));
        let all = Step::Accept { rejected: 0, duplicate: 0 };
        let id = |raw: &RawValue| Checkpoint::parse(raw.get()).unwrap().id.unwrap();
        let ids: Vec<_> = batch.checkpoints.iter().map(|raw| id(raw)).collect();
        match book.script.pop_front().unwrap_or(all) {
            Step::Accept { rejected, duplicate } => {
                let rejected = rejected.min(count);
                let accepted = (count - rejected) as u64;
                let duplicate = duplicate.min(accepted);
                book.rejected += rejected as u64;
                book.acknowledged += accepted;
                book.ids.extend(ids);
                book.instances.extend(batch.instance_id);
                answer(accepted - duplicate, duplicate, rejected)
            }
            Step::Miscount(by) => answer((count as u64).saturating_add_signed(by.into()), 0, 0),
            Step::Garbage => reply(200, None, b"<html>log in, please</html>".to_vec()),
            Step::Status(status, retry_after) => reply(status, retry_after, Vec::new()),
            Step::Unreachable => Reply::Failed("reset\nby \u{1b}peer".into()),
            Step::Panic => panic!("a poisoned batch"),
        }
    }

    fn interrupt(&self) -> Interrupt {
        Box::new(|| {})
    }

    fn renew(&mut self) {}
}

pub(super) fn reply(status: u16, retry_after: Option<u64>, body: Vec<u8>) -> Reply {
    Reply::Answer { status, retry_after: retry_after.map(Duration::from_secs), body }
}

pub(super) fn answer(accepted: u64, duplicate: u64, rejected: usize) -> Reply {
    let rejected = vec![Rejected { code: "too_old".into(), ..Rejected::default() }; rejected];
    let answer = Answer { server_timestamp: String::new(), accepted, duplicate, rejected };
    reply(200, None, serde_json::to_vec(&answer).unwrap())
}

pub(super) const NOON: i64 = 1_767_607_200_000;

pub(super) fn shared(change: impl FnOnce(&mut Config)) -> Shared {
    let mut config = Config {
        definitions: "tests/scenarios/definitions".into(),
        service: "web".into(),
        transport: TransportKind::Memory,
        batch_items: 5,
        queue_items: 32,
        ..Config::default()
    };
    change(&mut config);
    let (registry, _) = definition::load(&config.definitions).unwrap();
    let shared = Shared::new(config, registry).unwrap();
    shared.clock.set(NOON);
    quiet::install();
    shared
}

pub(super) fn record(shared: &Shared, category: &str) {
    let now = shared.clock.now();
    let (experience, moment) = Experience::start(0, CorrelationId::from_ulid(1), now, 1);
    let mark = Mark {
        id: shared.process().ids.next(now.wall_ms),
        correlation_id: experience.correlation_id(),
        wall_ms: now.wall_ms,
        moment,
        definition: 0,
        texts: Texts::new(category, "", ""),
    };
    let _ = shared.push(shared.process(), Record::Mark(mark));
}

pub(super) fn balanced(shared: &Shared) -> Stats {
    let stats = shared.process().stats();
    assert!(stats.balances() && stats.spooled <= stats.queued, "{stats:?}");
    stats
}

pub(super) fn flush(shared: &Shared) -> Receiver<()> {
    let (done, wait) = bounded(1);
    shared.process().command(Command::Flush { until: far(), done });
    wait
}

pub(super) fn shut_down(shared: &Shared, until: Instant) -> Receiver<()> {
    let (done, wait) = bounded(1);
    shared.close();
    shared.process().command(Command::ShutDown { until, done });
    wait
}

pub(super) fn far() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
