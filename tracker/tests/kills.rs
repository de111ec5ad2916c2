//! The real tracker on an embedded store, killed with -9 at random moments
//! while clients send, judged by a ledger of what was acknowledged to them.
//! `LABKIT_ROUNDS` says how often.

mod support;

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex};

use labkit::wire::{CheckpointId, CorrelationId, Timestamp};
use serde_json::{Value, json};
use support::{BINARY, PATIENCE, Server, definitions, figure, free_address, try_post};

const ROUNDS: usize = 5;
const CLIENTS: u128 = 3;
/// Experiences that a batch starts; it ends as many of the batch before.
const STARTS: u128 = 10;

/// Where the clients and whoever kills the tracker meet.
struct Stage {
    address: String,
    gate: Mutex<Gate>,
    opened: Condvar,
    over: AtomicBool,
}

/// Open while the clients may send. It closes just before a kill, so that what
/// is under way dies with the tracker, and nothing new is acknowledged while
/// the ledger is checked: that would make each round longer than the last.
#[derive(Default)]
struct Gate {
    open: bool,
    /// How often it was opened.
    times: usize,
}

impl Stage {
    fn open(&self) {
        let mut gate = self.gate.lock().unwrap();
        (gate.open, gate.times) = (true, gate.times + 1);
        self.opened.notify_all();
    }

    fn close(&self) {
        self.gate.lock().unwrap().open = false;
    }

    /// Waits until it is open, for more than the `seen`th time; which time it is.
    fn enter(&self, seen: usize) -> usize {
        let shut = |gate: &mut Gate| !gate.open || gate.times <= seen;
        let gate = self.gate.lock().unwrap();
        let (gate, waited) = self.opened.wait_timeout_while(gate, PATIENCE, shut).unwrap();
        assert!(!waited.timed_out(), "a request failed while the tracker ran");
        gate.times
    }
}

/// A batch that was answered with 200.
struct Acknowledged {
    body: String,
    checkpoints: u64,
    ends: u64,
}

fn checkpoint(client: u128, batch: u128, number: u128, kind: &str, at: &str) -> Value {
    let run = (client << 96) | (batch << 32) | number;
    let id = CheckpointId((run << 1) | u128::from(kind == "end"));
    let mut checkpoint = json!({
        "id": id.to_string(), "correlation_id": CorrelationId::from_ulid(run).to_string(),
        "user_experience_id": "create_merge_request", "checkpoint": kind, "type": "web",
        "feature_category": "code_review_workflow", "urgency": "custom", "client_timestamp": at
    });
    if kind == "end" {
        checkpoint["elapsed_ms"] = 100.into();
    }
    checkpoint
}

/// The batch that ends what the one before started, and starts more but for the last one.
fn batch(client: u128, batch: u128, last: bool) -> Acknowledged {
    let at = Timestamp::from_millis(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64);
    let at = at.to_string();
    let mut checkpoints = Vec::new();
    if let Some(before) = batch.checked_sub(1) {
        checkpoints.extend((0..STARTS).map(|n| checkpoint(client, before, n, "end", &at)));
    }
    let ends = checkpoints.len() as u64;
    if !last {
        checkpoints.extend((0..STARTS).map(|n| checkpoint(client, batch, n, "start", &at)));
    }
    let count = checkpoints.len() as u64;
    let body = json!({"sent_at": at, "checkpoints": checkpoints}).to_string();
    Acknowledged { body, checkpoints: count, ends }
}

/// Sends each batch until it is acknowledged, as the library does.
fn client(stage: &Stage, client: u128, ledger: &Sender<Acknowledged>) {
    for number in 0.. {
        let last = stage.over.load(Ordering::SeqCst);
        let batch = batch(client, number, last);
        let mut time = stage.enter(0);
        loop {
            if let Some((status, answer)) = try_post(&stage.address, &batch.body) {
                assert_eq!(status, 200, "{answer}");
                break;
            }
            time = stage.enter(time);
        }
        ledger.send(batch).unwrap();
        if last {
            return;
        }
    }
}

fn start(stage: &Stage, store: &str, logs: &mut Vec<PathBuf>) -> Server {
    let dir = Path::new(store.strip_prefix("embedded:").unwrap()).parent().unwrap();
    logs.push(dir.join(format!("log-{}", logs.len())));
    let log = Stdio::from(File::create(logs.last().unwrap()).unwrap());
    Server::start_logging(&stage.address, &["--store", store], log)
}

/// Whatever was acknowledged has had its effect, if sending it again has none;
/// how many checkpoints had none.
fn lost(stage: &Stage, acknowledged: &[Acknowledged]) -> u64 {
    let lost = |batch: &Acknowledged| {
        let (status, answer) = try_post(&stage.address, &batch.body).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["rejected"]), (200, &json!([])));
        batch.checkpoints - answer["duplicate"].as_u64().unwrap()
    };
    acknowledged.iter().map(lost).sum()
}

fn successes(server: &Server) -> u64 {
    let page = server.curl("/metrics/sli", &[]).2;
    figure(&page, "labkit_user_experience_outcome_total", &["create_merge", "\"success\""])
}

/// What came of all rounds.
struct Played {
    ends: u64,
    /// Acknowledged checkpoints without an effect.
    lost: u64,
    logs: Vec<PathBuf>,
}

/// A number of acknowledgements to wait for: the moment of the kill.
fn some() -> u64 {
    1 + RandomState::new().hash_one(()) % 30
}

fn kill_again_and_again(
    stage: &Stage,
    store: &str,
    ledger: &Receiver<Acknowledged>,
    rounds: usize,
) -> Played {
    let (mut logs, mut ends, mut counted, mut missing) = (Vec::new(), 0, 0, 0);
    let mut server = start(stage, store, &mut logs);
    for round in 0..=rounds {
        stage.open();
        let mut acknowledged: Vec<_> = match round < rounds {
            true => (0..some()).map(|_| ledger.recv_timeout(PATIENCE).unwrap()).collect(),
            false => {
                // The last time everybody comes to an end before it is killed.
                stage.over.store(true, Ordering::SeqCst);
                ledger.iter().collect()
            }
        };
        stage.close();
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        acknowledged.extend(ledger.try_iter());
        ends += acknowledged.iter().map(|batch| batch.ends).sum::<u64>();

        server = start(stage, store, &mut logs);
        let now = successes(&server);
        assert!(now >= ends && now >= counted, "counted {now}, then {counted}, of {ends}");
        counted = now;
        missing += lost(stage, &acknowledged);
    }
    let page = server.curl("/metrics/sli", &[]).2;
    assert_eq!(successes(&server), ends, "each end counts once");
    for (metric, labels, expected) in [
        ("gitlab_user_experience_checkpoint_total", &["checkpoint=\"start\""][..], ends),
        ("gitlab_user_experience_checkpoint_total", &["checkpoint=\"end\""], ends),
        ("gitlab_user_experience_apdex_total", &["success=\"true\""], ends),
        ("labkit_user_experience_opened_total", &[], ends),
        ("labkit_user_experience_open", &[], 0),
        ("labkit_user_experience_anomaly_total", &[], 0),
    ] {
        assert_eq!(figure(&page, metric, labels), expected, "{metric} {labels:?}");
    }
    assert_eq!(server.stop("-TERM").0, Some(0));
    Played { ends, lost: missing, logs }
}

/// Events by id: a second delivery says the same again.
fn events(logs: &[PathBuf]) -> HashMap<String, Value> {
    let mut events: HashMap<String, Value> = HashMap::new();
    for log in logs {
        let text = fs::read_to_string(log).unwrap();
        for line in text.split_inclusive('\n') {
            if !line.ends_with('\n') {
                continue; // cut off by a kill; it comes again
            }
            let event: Value = serde_json::from_str(line).unwrap();
            let id = event["event_id"].as_str().unwrap().to_owned();
            let first = events.entry(id).or_insert_with(|| event.clone());
            assert_eq!(*first, event);
        }
    }
    events
}

#[test]
fn what_was_acknowledged_survives_kill_9_and_counts_once() {
    let rounds = std::env::var("LABKIT_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}", dir.path().join("store").display());
    let stage = Stage {
        address: free_address(),
        gate: Mutex::default(),
        opened: Condvar::new(),
        over: AtomicBool::new(false),
    };
    let (acknowledge, ledger) = channel();
    let Played { ends, lost, logs } = std::thread::scope(|scope| {
        let stage = &stage;
        for number in 1..=CLIENTS {
            let acknowledge = acknowledge.clone();
            scope.spawn(move || client(stage, number, &acknowledge));
        }
        drop(acknowledge);
        kill_again_and_again(stage, &store, &ledger, rounds)
    });
    let mut told: HashMap<(String, String), u64> = HashMap::new();
    for event in events(&logs).values() {
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        *told.entry((text("correlation_id"), text("event"))).or_default() += 1;
    }
    let doubled: u64 = told.values().map(|count| count - 1).sum();
    println!(
        r#"{{"name":"tracker kills","rounds":{rounds},"ended":{ends},"lost":{lost},"doubled":{doubled}}}"#
    );
    assert_eq!((lost, doubled), (0, 0));
    for kind in ["start", "success"] {
        let count = told.keys().filter(|(_, event)| event == kind).count() as u64;
        assert_eq!(count, ends, "{kind}");
    }
}

#[test]
fn a_second_tracker_on_the_same_file_does_not_start_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}", dir.path().join("store").display());
    let first = Server::start(&["--store", &store]);
    let second = Command::new(BINARY)
        .args(["serve", "--listen", "127.0.0.1:0", "--insecure-no-auth", "--store", &store])
        .arg("--definitions")
        .arg(definitions())
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(said.contains("another process has the file open"), "{said}");
    assert_eq!(first.stop("-TERM").0, Some(0));
}
