//! A tracker on stage with one definition, and the payloads it is given.

use std::path::Path;

use labkit::definition::{self, Registry};
use labkit::wire::Timestamp;
use labkit_tracker::Settings;
use labkit_tracker::rehearsal::{Answered, Rehearsal};
use serde_json::{Value, json};

pub const T0: i64 = 1_790_000_000_000;
pub const ID: &str = "01HZZZZZZZZZZZZZZZZZZZZZZ";

pub fn registry() -> Registry {
    let yaml = "description: Making it\nfeature_category: making\nurgency: sync_slow\n";
    let (made, findings) = definition::read(Path::new("create_it.yml"), yaml);
    assert!(findings.is_empty());
    Registry::new(made.into_iter().collect())
}

pub fn tracker() -> Rehearsal {
    Rehearsal::new(registry(), Settings::default(), T0)
}

pub fn time(offset: i64) -> String {
    Timestamp::from_millis(T0 + offset).to_string()
}

/// The ten fields of the original payload, and nothing else.
pub fn original(kind: &str) -> Value {
    json!({
        "correlation_id": format!("{ID}A"), "user_experience_id": "create_it", "checkpoint": kind,
        "checkpoint_category": "create", "type": "web", "feature_category": "making",
        "urgency": "sync_slow", "client_timestamp": time(0), "server_timestamp": null,
        "meta": {"project_id": 7}
    })
}

pub fn with(mut value: Value, field: &str, new: Value) -> Value {
    value[field] = new;
    value
}

pub fn batch(items: &[Value]) -> String {
    json!({"sent_at": time(0), "checkpoints": items}).to_string()
}

pub fn state(tracker: &Rehearsal, last: char) -> Option<&'static str> {
    tracker.experience("default", "create_it", &format!("{ID}{last}")).map(|view| view.state)
}

pub fn code_and_field(answered: &Answered) -> (u16, Option<&str>, Option<&str>) {
    (answered.status, answered.body["code"].as_str(), answered.body["field"].as_str())
}
