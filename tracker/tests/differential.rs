//! The in-memory store and the embedded one are two ways to keep the same
//! thing: whatever happens, both trackers say the same.

use std::path::Path;
use std::sync::Arc;

use labkit::definition::{self, Registry};
use labkit::wire::Timestamp;
use labkit_tracker::Settings;
use labkit_tracker::limits::OUTBOX_LINES;
use labkit_tracker::rehearsal::Rehearsal;
use labkit_tracker::store::{Embedded, Memory, Store};
use proptest::prelude::*;
use serde_json::{Value, json};

const T0: i64 = 1_790_000_000_000;
/// Each experience has one of these definitions.
const DEFINITIONS: [&str; 3] = ["make_it", "break_it", "fix_it"];

#[derive(Clone, Debug)]
enum Happening {
    /// Checkpoints of one request.
    Batch(Vec<Checkpoint>),
    /// Time passes, or the tracker was away so long.
    Advance(i64),
    Pause(i64),
    /// Both trackers end and start again on what their stores hold.
    Restart,
    /// The log's reader takes what there is.
    Read,
}

#[derive(Clone, Debug)]
struct Checkpoint {
    experience: usize,
    kind: &'static str,
    id: u128,
    service: &'static str,
    age: i64,
    outcome: &'static str,
    elapsed_ms: Option<i64>,
    started_ago: Option<i64>,
}

impl Checkpoint {
    fn json(&self, now: i64) -> Value {
        let time = |at: i64| Timestamp::from_millis(at).to_string();
        let mut json = json!({
            "id": labkit::wire::CheckpointId(self.id).to_string(),
            "correlation_id": format!("{:032x}", self.experience),
            "user_experience_id": DEFINITIONS[self.experience % DEFINITIONS.len()],
            "checkpoint": self.kind, "checkpoint_category": "step", "type": self.service,
            "feature_category": "making", "urgency": "sync_fast",
            "client_timestamp": time(now - self.age), "meta": {"age": self.age}
        });
        if self.kind == "end" {
            json["outcome"] = self.outcome.into();
            json["reason"] = "because".into();
            if let Some(elapsed) = self.elapsed_ms {
                json["elapsed_ms"] = elapsed.into();
            }
        }
        if let Some(ago) = self.started_ago {
            json["started_at"] = time(now - ago).into();
        }
        json
    }
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let kind = prop::sample::select(vec!["start", "intermediate", "end"]);
    let service = prop::sample::select(vec!["web", "sidekiq", "go"]);
    let outcome = prop::sample::select(vec!["success", "error", "handled", "discarded"]);
    let elapsed = prop::option::of(0..9_000_i64);
    let started = prop::option::of(0..90_000_i64);
    (0..7_usize, kind, 0..60_u128, service, 0..70_000_i64, outcome, elapsed, started).prop_map(
        |(experience, kind, id, service, age, outcome, elapsed_ms, started_ago)| Checkpoint {
            experience,
            kind,
            id,
            service,
            age,
            outcome,
            elapsed_ms,
            started_ago,
        },
    )
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => prop::collection::vec(checkpoint(), 1..6).prop_map(Happening::Batch),
        3 => (1..40_000_i64).prop_map(Happening::Advance),
        1 => (-5_000..20_000_i64).prop_map(Happening::Pause),
        1 => Just(Happening::Restart),
        2 => Just(Happening::Read),
    ]
}

fn registry() -> Registry {
    let yaml = "description: x\nfeature_category: making\nurgency: sync_fast\n";
    let read = |id: &&str| definition::read(format!("{id}.yml").as_ref(), yaml).0.unwrap();
    Registry::new(DEFINITIONS.iter().map(read).collect())
}

fn rehearse(store: Arc<dyn Store>, now: i64) -> Rehearsal {
    Rehearsal::on(store, registry(), Settings::default(), now)
}

fn embedded(path: &Path) -> Arc<dyn Store> {
    Arc::new(Embedded::open(path, T0, OUTBOX_LINES).unwrap())
}

fn sorted(page: &str) -> Vec<String> {
    let mut lines: Vec<String> = page.lines().map(Into::into).collect();
    lines.sort();
    lines
}

/// All that can be seen of a tracker from outside.
fn seen(tracker: &Rehearsal) -> (i64, Vec<String>, Vec<Value>) {
    let view = |experience: usize| {
        let id = DEFINITIONS[experience % DEFINITIONS.len()];
        let view = tracker.experience("default", id, &format!("{experience:032x}"));
        serde_json::to_value(view).unwrap()
    };
    (tracker.virtual_ms(), sorted(&tracker.sli()), (0..7).map(view).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_stores_give_the_same_answers_counters_and_events(
        history in prop::collection::vec(happening(), 1..25)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let kept: Arc<dyn Store> = Arc::new(Memory::new(T0));
        let mut memory = rehearse(kept.clone(), T0);
        let mut file = rehearse(embedded(&path), T0);
        for happening in history {
            match happening {
                Happening::Batch(checkpoints) => {
                    let now = memory.now_ms();
                    let sent_at = Timestamp::from_millis(now).to_string();
                    let items: Vec<Value> = checkpoints.iter().map(|c| c.json(now)).collect();
                    let body = json!({"sent_at": sent_at, "checkpoints": items}).to_string();
                    let answer = memory.ingest("default", &body);
                    prop_assert_eq!(answer.status, 200);
                    prop_assert_eq!(answer, file.ingest("default", &body));
                }
                Happening::Advance(millis) => {
                    memory.advance(millis);
                    file.advance(millis);
                }
                Happening::Pause(millis) => {
                    memory.pause(millis);
                    file.pause(millis);
                }
                Happening::Restart => {
                    let now = memory.now_ms();
                    memory = rehearse(kept.clone(), now);
                    drop(file); // the file is one tracker's at a time
                    file = rehearse(embedded(&path), now);
                }
                Happening::Read => prop_assert_eq!(memory.drain_events(), file.drain_events()),
            }
            prop_assert_eq!(seen(&memory), seen(&file));
        }
        prop_assert_eq!(memory.drain_events(), file.drain_events());
    }
}
