//! The tracker's verdict on the scenario corpus: the bytes that the libraries
//! send are taken in one by one, each when it was recorded.

use std::fs;
use std::path::{Path, PathBuf};

use labkit::definition;
use labkit::wire::Timestamp;
use labkit_tracker::Settings;
use labkit_tracker::rehearsal::Rehearsal;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Scenario {
    name: String,
    clock: String,
    wire: Vec<Box<RawValue>>,
    tracker: Option<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    after_ms: i64,
    #[serde(default)]
    experiences: Vec<(String, String, Option<bool>)>,
    events: Vec<String>,
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios")
}

fn scenarios() -> Vec<Scenario> {
    let mut files: Vec<PathBuf> = fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| serde_json::from_str(&fs::read_to_string(path).unwrap());
    files.iter().map(|path| read(path).unwrap_or_else(|e| panic!("{path:?}: {e}"))).collect()
}

/// Takes in `checkpoint` when it was recorded, or now if that is past.
fn take_in(tracker: &Rehearsal, checkpoint: &str) {
    let fields: Value = serde_json::from_str(checkpoint).unwrap();
    let recorded: Timestamp = fields["client_timestamp"].as_str().unwrap().parse().unwrap();
    tracker.advance((recorded.as_millis() - tracker.now_ms()).max(0));
    let sent_at = Timestamp::from_millis(tracker.now_ms());
    let batch = format!(r#"{{"sent_at":"{sent_at}","checkpoints":[{checkpoint}]}}"#);
    let answer = tracker.ingest("default", &batch);
    assert_eq!((answer.status, &answer.body["accepted"]), (200, &Value::from(1)), "{answer:?}");
}

fn judge(scenario: &Scenario, verdict: &Verdict) {
    let (registry, findings) = definition::load(&corpus().join("definitions")).unwrap();
    assert_eq!(findings, []);
    let clock: Timestamp = scenario.clock.parse().unwrap();
    let tracker = Rehearsal::new(registry, Settings::default(), clock.as_millis());
    scenario.wire.iter().for_each(|checkpoint| take_in(&tracker, checkpoint.get()));
    tracker.advance(verdict.after_ms);

    for (correlation_id, state, in_time) in &verdict.experiences {
        let of = |wire: &RawValue| {
            let fields: Value = serde_json::from_str(wire.get()).unwrap();
            (fields["correlation_id"] == correlation_id.as_str())
                .then(|| fields["user_experience_id"].as_str().unwrap().to_owned())
        };
        let id = scenario.wire.iter().find_map(|wire| of(wire)).expect("the wire has it");
        let view = tracker.experience("default", &id, correlation_id).expect("it is known");
        let seen = (view.state, view.success);
        assert_eq!(seen, (state.as_str(), *in_time), "{}: {correlation_id}", scenario.name);
    }
    let events: Vec<String> = tracker
        .drain_events()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().into())
        .collect();
    assert_eq!(events, verdict.events, "{}", scenario.name);
}

#[test]
fn every_scenario_ends_as_it_should() {
    let mut judged = 0;
    for scenario in scenarios() {
        if let Some(verdict) = &scenario.tracker {
            judge(&scenario, verdict);
            judged += 1;
        }
    }
    assert!(judged >= 20, "only {judged} scenarios have a verdict");
}
