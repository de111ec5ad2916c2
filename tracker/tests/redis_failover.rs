//! A replica takes over after its link was cut: what was acknowledged with
//! `replica(1)` is there, and what was acknowledged without is not all.
//! `LABKIT_ROUNDS` says how often.

#[path = "support/redis_proxy.rs"]
mod redis_proxy;
#[path = "support/redis_server.rs"]
mod redis_server;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use labkit::definition::{self, Registry};
use labkit::wire::{CheckpointId, CorrelationId, Timestamp};
use labkit_tracker::clock::{Clock, SystemClock};
use labkit_tracker::limits::OUTBOX_LINES;
use labkit_tracker::store::{Redis, RedisOptions, RedisSettings};
use labkit_tracker::{Settings, Tracker};
use redis_proxy::Proxy;
use redis_server::{RedisServer, until};
use serde_json::json;
use tokio::runtime::Runtime;

const ROUNDS: usize = 1;
const SENDERS: usize = 4;
const BATCH: usize = 20;
/// Batches before the cut, and after it.
const BATCHES: usize = 40;

/// Starts of experiences that no other batch has.
fn body(batch: usize) -> String {
    let at = Timestamp::from_millis(SystemClock.now_ms()).to_string();
    let item = |number: usize| {
        let id = CheckpointId(number as u128 + 1).to_string();
        json!({
            "id": id, "correlation_id": id, "user_experience_id": "make_it",
            "checkpoint": "start", "type": "web", "feature_category": "making",
            "urgency": "async_slow", "client_timestamp": at
        })
    };
    let items: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(item).collect();
    json!({"sent_at": at, "checkpoints": items}).to_string()
}

async fn tracker(url: &str, ack: &str) -> Arc<Tracker> {
    let options = RedisOptions {
        ack: Some(ack.into()),
        response_timeout_ms: Some(1_000),
        ack_timeout_ms: Some(100),
        ..RedisOptions::default()
    };
    let settings = RedisSettings::new(url, &options).unwrap();
    let store = Redis::open(settings, SystemClock.now_ms(), OUTBOX_LINES).await.unwrap();
    let yaml = "description: x\nfeature_category: making\nurgency: async_slow\n";
    let made = definition::read("make_it.yml".as_ref(), yaml).0.unwrap();
    let registry = Registry::new(vec![made]);
    let tracker =
        Tracker::new(registry, Settings::default(), Arc::new(store), Arc::new(SystemClock)).await;
    Arc::new(tracker.unwrap())
}

/// What the senders did so far.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<Vec<usize>>,
    refused: AtomicUsize,
    next: AtomicUsize,
    over: AtomicBool,
}

impl Ledger {
    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }
}

/// Sends a batch until it is acknowledged, and then the next one.
async fn send(tracker: Arc<Tracker>, ledger: Arc<Ledger>) {
    loop {
        let batch = ledger.next.fetch_add(1, Ordering::SeqCst);
        loop {
            if ledger.over.load(Ordering::SeqCst) {
                return;
            }
            if ingest(&tracker, batch).await {
                break;
            }
            ledger.refused.fetch_add(1, Ordering::SeqCst);
        }
        ledger.acknowledged.lock().unwrap().push(batch);
    }
}

async fn ingest(tracker: &Tracker, batch: usize) -> bool {
    tracker.ingest(&"default".into(), &body(batch), SystemClock.now_ms()).await.is_ok()
}

/// How many experiences of the batch are not there, if the store can say.
async fn missing(tracker: &Tracker, batch: usize) -> Option<usize> {
    let mut missing = 0;
    for number in batch * BATCH..(batch + 1) * BATCH {
        let id = CorrelationId::from_ulid(number as u128 + 1);
        let view = tracker.experience(&"default".into(), "make_it", id).await;
        missing += usize::from(view.ok()?.is_none());
    }
    Some(missing)
}

/// Cuts the link, goes on, promotes: acknowledged checkpoints, and lost ones.
fn fail_over(ack: &str) -> (usize, usize) {
    let runtime = Runtime::new().unwrap();
    let mut master = RedisServer::start();
    let (link, name) = (Proxy::to(master.port), Proxy::to(master.port));
    let replica = RedisServer::following(link.port);
    let url = format!("redis://127.0.0.1:{}", name.port);
    let tracker = runtime.block_on(tracker(&url, ack));
    let ledger = Arc::new(Ledger::default());
    let senders: Vec<_> =
        (0..SENDERS).map(|_| runtime.spawn(send(tracker.clone(), ledger.clone()))).collect();
    until("some are acknowledged", || ledger.count() >= BATCHES);
    link.lead(None);
    let then = (ledger.count(), ledger.refused.load(Ordering::SeqCst));
    until("senders get on or are refused", || {
        ledger.count() >= then.0 + BATCHES || ledger.refused.load(Ordering::SeqCst) >= then.1 + 8
    });
    master.kill();
    replica.cli(&["REPLICAOF", "NO", "ONE"]);
    // Nobody replicates the new master, so there is nothing more to wait for.
    ledger.over.store(true, Ordering::SeqCst);
    name.lead(Some(replica.port));
    runtime.block_on(async {
        for sender in senders {
            sender.await.unwrap();
        }
    });
    let second = RedisServer::following(replica.port);
    let acknowledged = ledger.acknowledged.lock().unwrap().clone();
    let lost = acknowledged.iter().map(|batch| {
        let mut found = None;
        until("it answers again", || {
            found = runtime.block_on(missing(&tracker, *batch));
            found.is_some()
        });
        found.unwrap()
    });
    let lost = lost.sum();
    drop(second);
    (acknowledged.len() * BATCH, lost)
}

#[test]
fn what_a_replica_confirmed_survives_its_promotion() {
    let rounds = std::env::var("LABKIT_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    for (ack, may_lose) in [("replica(1)", false), ("local", true)] {
        let (mut acknowledged, mut lost) = (0, 0);
        for _ in 0..rounds {
            let (of_round, lost_of_round) = fail_over(ack);
            (acknowledged, lost) = (acknowledged + of_round, lost + lost_of_round);
        }
        println!(
            r#"{{"name":"redis failover","ack":"{ack}","rounds":{rounds},"acknowledged":{acknowledged},"lost":{lost}}}"#
        );
        // That the other level loses some shows that this one could.
        assert_eq!(lost > 0, may_lose, "{ack}: {lost} of {acknowledged}");
    }
}
