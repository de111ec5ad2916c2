//! What the reader of the dashboard chooses.

use labkit::definition::Registry;
use serde_json::{Value, json};

use super::query::DATASOURCE;

pub(super) fn all(registry: &Registry) -> Vec<Value> {
    let source = json!({
        "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
        "refresh": 1, "hide": 0, "includeAll": false, "multi": false
    });
    let ids: Vec<&str> = registry.iter().map(|definition| definition.id.as_str()).collect();
    vec![source, labelled("env"), labelled("type"), experiences(&ids)]
}

/// The values that Prometheus has of a label.
fn labelled(label: &str) -> Value {
    let query = format!("label_values(gitlab_user_experience_total, {label})");
    json!({
        "name": label, "label": label, "type": "query", "datasource": DATASOURCE.to_json(),
        "query": {"query": query, "refId": "values"},
        "refresh": 2, "sort": 1, "hide": 0, "multi": true, "includeAll": true,
        // Also series that lack the label: not everybody has several environments.
        "allValue": ".*", "current": everything()
    })
}

/// The definitions: one that nobody has run yet can be chosen, too.
fn experiences(ids: &[&str]) -> Value {
    let option = |id: &&str| json!({"text": id, "value": id, "selected": false});
    let options: Vec<Value> = ids.iter().map(option).collect();
    json!({
        "name": "user_experience_id", "label": "experience", "type": "custom",
        "query": ids.join(","), "options": options, "hide": 0, "multi": true,
        "includeAll": true, "allValue": ".*", "current": everything()
    })
}

fn everything() -> Value {
    json!({"text": ["All"], "value": ["$__all"], "selected": true})
}
