//! What a durable checkpoint costs, and an open after kill -9.
//!
//! `fill FILE N [SENDERS]` opens N experiences in batches of 100, with the
//! event log on, and dies without a goodbye; `open FILE` opens what that left.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use labkit::definition::{self, Registry};
use labkit::wire::{CheckpointId, Timestamp};
use labkit_tracker::clock::{Clock, SystemClock};
use labkit_tracker::limits::OUTBOX_LINES;
use labkit_tracker::store::{Embedded, Store};
use labkit_tracker::{Settings, Tracker};

const SENDERS: &str = "8";
const BATCH: usize = 100;

fn body(batch: usize) -> String {
    let at = Timestamp::from_millis(SystemClock.now_ms());
    let item = |number: usize| {
        let id = CheckpointId((SystemClock.now_ms() as u128) << 80 | number as u128);
        format!(
            r#"{{"id":"{id}","correlation_id":"{id}","user_experience_id":"make_it","checkpoint":"start","type":"web","feature_category":"making","urgency":"async_slow","client_timestamp":"{at}","meta":{{"project_id":{number},"path":"group/project"}}}}"#
        )
    };
    let items: Vec<String> = (batch * BATCH..(batch + 1) * BATCH).map(item).collect();
    format!(r#"{{"sent_at":"{at}","checkpoints":[{}]}}"#, items.join(","))
}

async fn fill(tracker: Arc<Tracker>, checkpoints: usize, senders: usize) {
    let (next, began) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let send = |tracker: Arc<Tracker>, next: Arc<AtomicUsize>| async move {
        loop {
            let batch = next.fetch_add(1, Ordering::Relaxed);
            if batch * BATCH >= checkpoints {
                return;
            }
            let (body, now) = (body(batch), SystemClock.now_ms());
            while tracker.ingest(&"default".into(), &body, now).await.is_err() {
                tokio::task::yield_now().await;
            }
        }
    };
    let senders: Vec<_> =
        (0..senders).map(|_| tokio::spawn(send(tracker.clone(), next.clone()))).collect();
    let log = tokio::spawn({
        let tracker = tracker.clone();
        async move {
            loop {
                let lines = tracker.outbox(2_000).await.unwrap();
                tracker.settle(&lines).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    for sender in senders {
        sender.await.unwrap();
    }
    log.abort();
    let seconds = began.elapsed().as_secs_f64();
    println!("{:.0} durable checkpoints/s", checkpoints as f64 / seconds);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = Path::new(&arguments[1]);
    let began = Instant::now();
    let store = Embedded::open(path, SystemClock.now_ms(), OUTBOX_LINES).unwrap();
    println!("opened in {:.2} ms", began.elapsed().as_secs_f64() * 1e3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if arguments[0] == "open" {
        let oldest = runtime.block_on(store.oldest()).unwrap();
        println!("first answer after {:.2} ms: {oldest:?}", began.elapsed().as_secs_f64() * 1e3);
        return;
    }
    let yaml = "description: x\nfeature_category: making\nurgency: async_slow\n";
    let made = definition::read("make_it.yml".as_ref(), yaml).0.unwrap();
    let registry = Registry::new(vec![made]);
    let tracker =
        Tracker::new(registry, Settings::default(), Arc::new(store), Arc::new(SystemClock));
    let tracker = Arc::new(runtime.block_on(tracker).unwrap());
    let senders = arguments.get(3).map_or(SENDERS, String::as_str).parse().unwrap();
    runtime.block_on(fill(tracker, arguments[2].parse().unwrap(), senders));
    std::process::abort();
}
