//! Trackers that come and go on one store, the clients that send to whichever
//! answers, and a ledger of what was acknowledged to them.
#![allow(dead_code, missing_docs, unreachable_pub)] // each test binary uses its own part

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use labkit::wire::{CheckpointId, CorrelationId, Timestamp};
use serde_json::{Value, json};

use crate::redis_server::until;
use crate::support::{Server, figure, free_address, try_post};

/// Experiences that a batch starts; it ends as many of the batch before.
const KEPT: u128 = 10;
/// Experiences that a batch starts and nobody ever ends.
const LEFT: u128 = 3;
/// Above the two minutes that time may stand still after an outage.
const PATIENCE: Duration = Duration::from_secs(240);

/// Definitions: one whose experiences end, and one that times out soon.
pub fn definitions(dir: &Path) -> String {
    let dir = dir.join("definitions");
    fs::create_dir_all(&dir).unwrap();
    let common = "description: x\nfeature_category: making\nurgency: custom\n";
    let kept = format!("{common}apdex_threshold_s: 10\nttl_s: 900\n");
    let left = format!("{common}apdex_threshold_s: 0.5\nttl_s: 2\n");
    fs::write(dir.join("kept.yml"), kept).unwrap();
    fs::write(dir.join("left.yml"), left).unwrap();
    dir.to_str().unwrap().to_owned()
}

/// A batch, and what it counts for.
pub struct Batch {
    pub body: String,
    pub checkpoints: u64,
    pub ends: u64,
    pub left: u64,
}

fn checkpoint(client: u128, batch: u128, number: u128, what: (&str, &str), at: &str) -> Value {
    let run = (client << 96) | (batch << 32) | number;
    let (id, kind) = what;
    let mut checkpoint = json!({
        "id": CheckpointId((run << 1) | u128::from(kind == "end")).to_string(),
        "correlation_id": CorrelationId::from_ulid(run).to_string(),
        "user_experience_id": id, "checkpoint": kind, "type": "web",
        "feature_category": "making", "urgency": "custom", "client_timestamp": at
    });
    if kind == "end" {
        checkpoint["elapsed_ms"] = 100.into();
    }
    checkpoint
}

/// Ends what the batch before kept, and starts more unless it is the last one.
fn batch(client: u128, number: u128, last: bool) -> Batch {
    let at = Timestamp::from_millis(UNIX_EPOCH.elapsed().unwrap().as_millis() as i64).to_string();
    let mut checkpoints = Vec::new();
    if let Some(before) = number.checked_sub(1) {
        let end = |n| checkpoint(client, before, n, ("kept", "end"), &at);
        checkpoints.extend((0..KEPT).map(end));
    }
    let ends = checkpoints.len() as u64;
    if !last {
        let start = |n| checkpoint(client, number, n, ("kept", "start"), &at);
        checkpoints.extend((0..KEPT).map(start));
        let left = |n| checkpoint(client, number, KEPT + n, ("left", "start"), &at);
        checkpoints.extend((0..LEFT).map(left));
    }
    let count = checkpoints.len() as u64;
    let body = json!({"sent_at": at, "checkpoints": checkpoints}).to_string();
    Batch { body, checkpoints: count, ends, left: if last { 0 } else { LEFT as u64 } }
}

/// Where all of them meet.
pub struct Stage {
    pub addresses: Vec<String>,
    flags: Vec<String>,
    dir: PathBuf,
    trackers: Mutex<Vec<Option<Server>>>,
    logs: Mutex<Vec<PathBuf>>,
    pub ledger: Mutex<Vec<Batch>>,
    acknowledged: Condvar,
    over: AtomicBool,
}

impl Stage {
    pub fn new(dir: &Path, trackers: usize, flags: &[&str]) -> Self {
        let mut all = vec!["--definitions".to_owned(), definitions(dir)];
        all.extend(flags.iter().map(|flag| flag.to_string()));
        let stage = Stage {
            addresses: (0..trackers).map(|_| free_address()).collect(),
            flags: all,
            dir: dir.to_owned(),
            trackers: Mutex::new((0..trackers).map(|_| None).collect()),
            logs: Mutex::default(),
            ledger: Mutex::default(),
            acknowledged: Condvar::new(),
            over: AtomicBool::new(false),
        };
        (0..trackers).for_each(|tracker| stage.start(tracker));
        stage
    }

    pub fn start(&self, tracker: usize) {
        let log = {
            let mut logs = self.logs.lock().unwrap();
            let log = self.dir.join(format!("log-{}", logs.len()));
            logs.push(log.clone());
            log
        };
        let log = Stdio::from(File::create(log).unwrap());
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        let server = Server::start_logging(&self.addresses[tracker], &flags, log);
        self.trackers.lock().unwrap()[tracker] = Some(server);
    }

    /// With -9.
    pub fn kill(&self, tracker: usize) {
        let mut server = self.trackers.lock().unwrap()[tracker].take().unwrap();
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    }

    pub fn stop_all(&self) {
        for server in self.trackers.lock().unwrap().iter_mut() {
            assert_eq!(server.take().unwrap().stop("-TERM").0, Some(0));
        }
    }

    /// Sends each batch until one of the first `ingesting` trackers acknowledges it.
    pub fn client(&self, client: u128, ingesting: usize) {
        for number in 0.. {
            let last = self.over.load(Ordering::SeqCst);
            let batch = batch(client, number, last);
            let (since, mut tracker) = (Instant::now(), client as usize);
            loop {
                match try_post(&self.addresses[tracker % ingesting], &batch.body) {
                    Some((200, _)) => break,
                    Some((503, _)) | None => tracker += 1,
                    Some((status, answer)) => panic!("{status}: {answer}"),
                }
                assert!(since.elapsed() < PATIENCE, "nobody acknowledges a batch");
            }
            self.ledger.lock().unwrap().push(batch);
            self.acknowledged.notify_all();
            if last {
                return;
            }
        }
    }

    /// Waits for so many more acknowledgements.
    pub fn await_acknowledgements(&self, more: usize) {
        let ledger = self.ledger.lock().unwrap();
        let enough = ledger.len() + more;
        let few = |ledger: &mut Vec<Batch>| ledger.len() < enough;
        let waited = self.acknowledged.wait_timeout_while(ledger, PATIENCE, few).unwrap();
        assert!(!waited.1.timed_out(), "no client gets on");
    }

    pub fn finish(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// The metrics of the first tracker that runs, once it can read them.
    pub fn page(&self) -> String {
        let trackers = self.trackers.lock().unwrap();
        let server = trackers.iter().flatten().next().unwrap();
        let mut page = String::new();
        until("a tracker has its store again", || {
            let (status, _, body) = server.curl("/metrics/sli", &[]);
            page = body;
            status == 200
        });
        page
    }

    /// How many experiences of `id` ended so.
    pub fn ended(&self, page: &str, id: &str, outcome: &str) -> u64 {
        let labels = [format!("\"{id}\""), format!("outcome=\"{outcome}\"")];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        figure(page, "labkit_user_experience_outcome_total", &labels)
    }

    /// Checkpoints that were acknowledged and had no effect: sent again, they have one.
    pub fn lost(&self) -> u64 {
        let lost = |batch: &Batch| {
            let (status, answer) = try_post(&self.addresses[0], &batch.body).unwrap();
            assert_eq!(status, 200, "{answer}");
            let answer: Value = serde_json::from_str(&answer).unwrap();
            batch.checkpoints - answer["duplicate"].as_u64().unwrap()
        };
        self.ledger.lock().unwrap().iter().map(lost).sum()
    }

    /// What was told, by experience: how often each event, deliveries of the
    /// same one counted once.
    pub fn told(&self) -> HashMap<(String, String), u64> {
        let mut events: HashMap<String, Value> = HashMap::new();
        for log in self.logs.lock().unwrap().iter() {
            let text = fs::read_to_string(log).unwrap();
            for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                let event: Value = serde_json::from_str(line).unwrap();
                let id = event["event_id"].as_str().unwrap().to_owned();
                let first = events.entry(id).or_insert_with(|| event.clone());
                assert_eq!(*first, event, "a second delivery says the same again");
            }
        }
        let mut told = HashMap::new();
        for event in events.values() {
            let text = |key: &str| event[key].as_str().unwrap().to_owned();
            *told.entry((text("correlation_id"), text("event"))).or_default() += 1;
        }
        told
    }
}

/// A number of acknowledgements to wait for: the moment of a fault.
pub fn some(most: u64) -> usize {
    1 + (RandomState::new().hash_one(()) % most) as usize
}
