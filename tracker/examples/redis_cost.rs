//! What the Redis store costs: memory an experience, and commits a second
//! beside what the same Redis does for the same commands written as raw bytes.
//!
//! `redis_cost PORT [N]`, on an empty Redis of this machine that nobody else
//! uses: it is emptied several times.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use labkit::wire::{CheckpointId, CorrelationId};
use labkit_tracker::clock::{Clock, SystemClock};
use labkit_tracker::store::{Change, Commit, Redis, RedisSettings, Store};
use labkit_tracker::transition::{
    Cell, Counts, Definition, Final, Identity, Record, Seen, Series, State, Stored, Tombstone,
};
use tokio::runtime::Runtime;

const BATCH: usize = 100;
/// Batches under way at once: enough that Redis never waits for the next one,
/// as it does not when raw bytes are written.
const SENDERS: usize = 32;
const TOMBSTONE_MS: i64 = 36 * 3_600_000;

/// A start as it comes from the library: category, counters and a log line.
fn opening(number: usize, definition: &Arc<Definition>, now: i64) -> Change {
    let random = (number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let id = (now as u128) << 80 | random >> 48;
    let mut seen = Seen::default();
    seen.insert(CheckpointId(id ^ 1));
    let record = Record {
        definition: definition.clone(),
        state: State::Open,
        due: now + 3_600_000 + number as i64,
        opened_at: now,
        started: Some(now - 20),
        service: "sidekiq".into(),
        owner_instance: Some(CheckpointId(random)),
        seen,
        events: 1,
    };
    let series = Series { definition: definition.clone(), service: "sidekiq".into() };
    let moves = vec![
        (Cell::Opened, 1),
        (Cell::InOpen, 1),
        (Cell::Checkpoint(labkit::wire::Kind::Start), 1),
    ];
    Change {
        identity: Identity {
            correlation_id: CorrelationId::from_ulid(id),
            user_experience_id: definition.id.clone(),
            tenant: "gitlab.example.com".into(),
        },
        expected: 0,
        next: Some(Stored::Whole(record)),
        counts: vec![Counts { series, moves }],
        lines: vec![format!(
            r#"{{"time":"2026-11-22T04:05:06.789Z","severity":"INFO","event_id":"{id:032x}-1","event":"start","checkpoint":"start","user_experience_id":"{}","correlation_id":"{id:032x}","feature_category":"code_review_workflow","urgency":"async_slow","type":"sidekiq","start_time":"2026-11-22T04:05:06.789Z"}}"#,
            definition.id
        ).into()],
    }
}

fn batches(count: usize) -> Vec<Vec<Change>> {
    let definition = Arc::new(Definition {
        id: "create_merge_request".into(),
        feature_category: "code_review_workflow".into(),
        urgency: "async_slow".into(),
        threshold_us: 300_000_000,
        ttl_ms: 3_600_000,
    });
    let now = SystemClock.now_ms();
    let of = |batch: usize| {
        let numbers = batch * BATCH..(batch + 1) * BATCH;
        numbers.map(|number| opening(number, &definition, now)).collect()
    };
    (0..count / BATCH).map(of).collect()
}

fn open(runtime: &Runtime, port: u16) -> Arc<Redis> {
    let settings = RedisSettings::new(&format!("redis://127.0.0.1:{port}"), &Default::default());
    let open = Redis::open(settings.unwrap(), SystemClock.now_ms(), usize::MAX);
    Arc::new(runtime.block_on(open).unwrap())
}

/// Commits all of it, many batches at a time; commits a second.
fn commit(runtime: &Runtime, store: &Arc<Redis>, batches: Vec<Vec<Change>>) -> f64 {
    let count = batches.iter().map(Vec::len).sum::<usize>() as f64;
    let batches = Arc::new(Mutex::new(batches));
    let began = Instant::now();
    let senders = (0..SENDERS).map(|_| {
        let (store, batches) = (store.clone(), batches.clone());
        runtime.spawn(async move {
            loop {
                let batch = batches.lock().unwrap().pop();
                let Some(batch) = batch else { return };
                let commits = store.commit(batch).await.unwrap();
                assert!(commits.iter().all(|commit| *commit == Commit::Done));
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    senders.into_iter().for_each(|sender| runtime.block_on(sender).unwrap());
    count / began.elapsed().as_secs_f64()
}

/// Asks for one thing, on a connection of its own.
fn ask(port: u16, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn used(port: u16) -> f64 {
    let info = ask(port, "INFO memory");
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    used.trim().parse().unwrap()
}

/// What clients wrote, one for each of their connections.
type Written = Arc<Mutex<Vec<Vec<u8>>>>;

/// Passes everything on to `to`, and keeps what is written: the port, and that.
fn record(to: u16) -> (u16, Written) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let written = Written::default();
    let kept = written.clone();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut server = TcpStream::connect(("127.0.0.1", to)).unwrap();
            let (mut answers, mut back) =
                (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let place = kept.lock().unwrap().len();
            kept.lock().unwrap().push(Vec::new());
            let kept = kept.clone();
            thread::spawn(move || {
                let mut bytes = vec![0; 1 << 16];
                while let Ok(length @ 1..) = client.read(&mut bytes) {
                    kept.lock().unwrap()[place].extend(&bytes[..length]);
                    server.write_all(&bytes[..length]).unwrap();
                }
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    (port, written)
}

/// Writes the same bytes as fast as the server takes them, and reads all answers.
fn replay(port: u16, written: Vec<Vec<u8>>) {
    let replay = |bytes: Vec<u8>| {
        thread::spawn(move || {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let mut write = stream.try_clone().unwrap();
            let writer = thread::spawn(move || {
                write.write_all(&bytes).unwrap();
                write.write_all(b"QUIT\r\n").unwrap();
            });
            std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
            writer.join().unwrap();
        })
    };
    let replays: Vec<_> = written.into_iter().map(replay).collect();
    replays.into_iter().for_each(|replay| replay.join().unwrap());
}

fn commits(runtime: &Runtime, port: u16, count: usize) {
    ask(port, "FLUSHALL");
    let through = commit(runtime, &open(runtime, port), batches(count));
    ask(port, "FLUSHALL");
    let (recording, written) = record(port);
    commit(runtime, &open(runtime, recording), batches(count));
    let written = written.lock().unwrap().clone();
    ask(port, "FLUSHALL");
    // Told the scripts and its time, as the store had it.
    open(runtime, port);
    let began = Instant::now();
    replay(port, written);
    let raw = count as f64 / began.elapsed().as_secs_f64();
    let ratio = (through / raw * 100.0).round() / 100.0;
    eprintln!("{:44} {through:10.0}/s, raw {raw:.0}/s {ratio:9} goal 0.7", "redis commits");
    println!(
        r#"{{"name":"redis commits","value":{through:.0},"unit":"per second","peer":"the same bytes by themselves","peer_value":{raw:.0},"ratio":{ratio},"goal":0.7}}"#
    );
}

fn memory(runtime: &Runtime, port: u16, count: usize) {
    ask(port, "FLUSHALL");
    let store = open(runtime, port);
    let empty = used(port);
    let batches = batches(count);
    let identities: Vec<_> =
        batches.iter().flatten().map(|change| change.identity.clone()).collect();
    commit(runtime, &store, batches);
    runtime.block_on(async {
        let lines = store.outbox(count).await.unwrap();
        store.settle(&lines).await.unwrap();
    });
    let open = used(port);
    let due = SystemClock.now_ms() + TOMBSTONE_MS;
    for identities in identities.chunks(BATCH) {
        let loaded = runtime.block_on(store.load(identities)).unwrap();
        let changes = identities.iter().zip(loaded).map(|(identity, loaded)| {
            let next = Some(Stored::Tombstone(Tombstone { outcome: Final::Success, due }));
            let expected = loaded.version;
            Change { identity: identity.clone(), expected, next, counts: vec![], lines: vec![] }
        });
        runtime.block_on(store.commit(changes.collect())).unwrap();
    }
    let tombstones = used(port);
    let tell = |name: &str, bytes: f64, goal: f64| {
        let each = ((bytes - empty) / count as f64 * 10.0).round() / 10.0;
        eprintln!("{name:44} {each:10} B   goal {goal}");
        println!(r#"{{"name":"{name}","value":{each},"unit":"B","goal":{goal}}}"#);
    };
    tell("redis memory of an open experience", open, 400.0);
    tell("redis memory of a tombstone", tombstones, 32.0);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = arguments[0].parse().unwrap();
    let count = arguments.get(1).map_or(100_000, |count| count.parse().unwrap());
    let runtime = Runtime::new().unwrap();
    memory(&runtime, port, count);
    commits(&runtime, port, count);
}
