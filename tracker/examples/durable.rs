//! What a durable checkpoint costs, and an open after kill -9.
//!
//! `fill FILE N [SENDERS]` opens N experiences in batches of 100, with the
//! event log on, and dies without a goodbye; `open FILE` opens what that left;
//! `redb FILE OTHER [SENDERS]` writes the rows of that into another file with
//! nothing but redb, as many to a transaction as the senders had under way;
//! `compare DIR N` does both, each in a process of its own, and tells the ratio.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use labkit::definition::{self, Registry};
use labkit::wire::{CheckpointId, Timestamp};
use labkit_tracker::clock::{Clock, SystemClock};
use labkit_tracker::limits::OUTBOX_LINES;
use labkit_tracker::store::{Embedded, Store};
use labkit_tracker::{Settings, Tracker};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};

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

type Row<Bytes> = (u64, i64, Option<i64>, Bytes);
type Rows = Vec<(Vec<u8>, Row<Vec<u8>>)>;
const RECORDS: TableDefinition<&[u8], Row<&[u8]>> = TableDefinition::new("records");
const DUE: TableDefinition<(i64, &[u8]), ()> = TableDefinition::new("due");
const UNFINISHED: TableDefinition<(&str, i64, &[u8]), ()> = TableDefinition::new("unfinished");
const OUTBOX: TableDefinition<u64, &str> = TableDefinition::new("outbox");
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// As long as the line of a start is.
const LINE: [u8; 500] = [b'x'; 500];

/// The rows of a store that was filled, in the order in which they came.
fn rows(path: &Path) -> Rows {
    let database = redb::Database::open(path).unwrap();
    let transaction = database.begin_read().unwrap();
    let records = transaction.open_table(RECORDS).unwrap();
    let mut rows: Rows = records
        .iter()
        .unwrap()
        .map(|entry| {
            let (key, row) = entry.unwrap();
            let (version, due, began, row) = row.value();
            (key.value().to_vec(), (version, due, began, row.to_vec()))
        })
        .collect();
    rows.sort_by_key(|(_, (version, ..))| *version);
    rows
}

/// The tracker's tables and bytes, and nothing else of the tracker.
fn redb_alone(rows: &Rows, path: &Path, group: usize) {
    let database = redb::Database::create(path).unwrap();
    let (line, began, mut number) = (std::str::from_utf8(&LINE).unwrap(), Instant::now(), 0);
    for rows in rows.chunks(group) {
        let mut transaction = database.begin_write().unwrap();
        transaction.set_quick_repair(true);
        {
            let mut records = transaction.open_table(RECORDS).unwrap();
            let mut due = transaction.open_table(DUE).unwrap();
            let mut unfinished = transaction.open_table(UNFINISHED).unwrap();
            let mut outbox = transaction.open_table(OUTBOX).unwrap();
            let mut meta = transaction.open_table(META).unwrap();
            outbox.retain_in(..=number, |_, _| false).unwrap();
            for (key, (version, at, began, row)) in rows {
                let key = key.as_slice();
                records.insert(key, (*version, *at, *began, row.as_slice())).unwrap();
                due.insert((*at, key), ()).unwrap();
                unfinished.insert(("make_it", began.unwrap_or_default(), key), ()).unwrap();
                number += 1;
                outbox.insert(number, line).unwrap();
            }
            meta.insert("last", &[0; 24][..]).unwrap();
        }
        transaction.commit().unwrap();
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{:.0} rows/s by redb alone", rows.len() as f64 / seconds);
}

/// The figure that a child of this program prints before the word "durable" or "rows".
fn figure(arguments: &[&str]) -> f64 {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("/s")).expect("a rate");
    line.split(' ').next().unwrap().parse().unwrap()
}

fn compare(dir: &Path, checkpoints: &str) {
    let (ours, alone) = (dir.join("durable.redb"), dir.join("alone.redb"));
    let (ours, alone) = (ours.to_str().unwrap(), alone.to_str().unwrap());
    let tracker = figure(&["fill", ours, checkpoints]);
    let redb = figure(&["redb", ours, alone]);
    let ratio = (tracker / redb * 100.0).round() / 100.0;
    eprintln!("durable {tracker:8.0}/s   redb alone {redb:8.0}/s   {ratio}   goal 0.7");
    println!(
        r#"{{"name":"durable checkpoints","value":{tracker},"unit":"per second","peer":"redb alone","peer_value":{redb},"ratio":{ratio},"goal":0.7}}"#
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = Path::new(&arguments[1]);
    if arguments[0] == "compare" {
        return compare(path, &arguments[2]);
    }
    if arguments[0] == "redb" {
        let senders: usize = arguments.get(3).map_or(SENDERS, String::as_str).parse().unwrap();
        return redb_alone(&rows(path), Path::new(&arguments[2]), senders * BATCH);
    }
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
