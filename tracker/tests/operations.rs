//! The guide names what is there and nothing else: every metric, label, log
//! key, setting and route of a running tracker.

#[path = "operations/guide.rs"]
mod guide;
#[path = "rules/pages.rs"]
mod pages;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use guide::Guide;
use labkit::wire::Timestamp;
use pages::{Families, Shown};
use serde_json::{Value, json};
use support::{BINARY, Server, definitions};

/// Labels whose values are the tracker's own words, all of them known beforehand.
const CLOSED: [&str; 10] = [
    "checkpoint",
    "outcome",
    "state",
    "kind",
    "reason",
    "limit",
    "disposition",
    "code",
    "severity",
    "success",
];

fn shown() -> Families {
    Shown::start().families()
}

#[test]
fn the_guide_names_each_metric_with_its_type_and_labels_and_none_besides() {
    let described: BTreeMap<String, (String, BTreeSet<String>)> =
        ["### `/metrics/sli`", "### `/metrics`"]
            .iter()
            .flat_map(|heading| Guide::read().section(heading).table())
            .map(|row| (row.name(), (row.cells[1].clone(), row.words(2))))
            .collect();
    let families = shown().into_iter().map(|(name, family)| {
        let labels = family.labels.into_keys().filter(|label| label != "le").collect();
        (name, (family.kind, labels))
    });
    let families: BTreeMap<_, _> = families.collect();
    for (name, family) in &families {
        assert_eq!(described.get(name), Some(family), "{name}: as the guide has it, as it is");
    }
    let besides: Vec<_> = described.keys().filter(|name| !families.contains_key(*name)).collect();
    assert!(besides.is_empty(), "they are on no page: {besides:?}");
}

#[test]
fn the_guide_names_each_value_of_a_label_that_is_the_trackers_own_word() {
    let guide = Guide::read();
    for row in guide.section("## Metrics").table() {
        let Some(family) = shown_once().get(&row.name()) else { continue };
        for label in CLOSED {
            let named = row.words(3);
            for value in family.labels.get(label).into_iter().flatten() {
                let plain = ["true", "false"].contains(&value.as_str());
                assert!(plain || named.contains(value), "{}: {label}=\"{value}\"", row.name());
            }
        }
    }
}

fn shown_once() -> &'static Families {
    static SHOWN: std::sync::OnceLock<Families> = std::sync::OnceLock::new();
    SHOWN.get_or_init(shown)
}

/// Checkpoints that bring about every event there is but a timeout.
fn history() -> Vec<Value> {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let at = |ago: i64| Timestamp::from_millis(now - ago).to_string();
    let item = |run: u32, kind: &str, ago: i64, more: Value| {
        let mut item = json!({
            "correlation_id": format!("{run:032x}"), "user_experience_id": "create_merge_request",
            "checkpoint": kind, "checkpoint_category": "made", "type": "web",
            "feature_category": "code_review_workflow", "urgency": "custom",
            "client_timestamp": at(ago)
        });
        item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        item
    };
    let mut items =
        vec![item(1, "intermediate", 50, json!({"meta": {"time": "noon", "project": 7}}))];
    for (run, outcome) in (1..).zip(["success", "error", "handled", "discarded"]) {
        items.push(item(run, "start", 100, json!({})));
        items.push(item(run, "end", 10, json!({"outcome": outcome, "reason": "because"})));
    }
    items.push(item(1, "end", 5, json!({"outcome": "error", "reason": "again"})));
    items
}

#[test]
fn the_guide_names_each_key_and_word_of_the_event_log_and_none_besides() {
    let server = Server::start(&[]);
    let sent_at =
        Timestamp::from_millis(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64);
    let body = json!({"sent_at": sent_at.to_string(), "checkpoints": history()}).to_string();
    let (status, _, answer) = server.post(body.as_bytes(), &[]);
    assert!(status == 200 && answer.contains("\"rejected\":[]"), "{answer}");
    let (_, log) = server.stop("-TERM");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (mut keys, mut words) = (BTreeSet::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for line in lines {
        for (key, value) in line.as_object().unwrap() {
            keys.insert(key.clone());
            if ["event", "outcome", "severity", "checkpoint"].contains(&key.as_str()) {
                words.entry(key.clone()).or_default().insert(value.as_str().unwrap().to_owned());
            }
        }
    }
    assert!(keys.remove("project"), "extras stand beside the keys");
    let guide = Guide::read();
    let rows = guide.section("## The event log").table();
    assert_eq!(rows.iter().map(guide::Row::name).collect::<BTreeSet<_>>(), keys);
    for row in rows {
        let named = row.words(1);
        for word in words.get(&row.name()).into_iter().flatten() {
            assert!(named.contains(word), "{}: {word}", row.name());
        }
    }
    assert_eq!(words["event"].len(), 6, "all but late_end, which takes a timeout: {words:?}");
}

#[test]
fn the_guide_names_the_keys_of_the_trackers_own_log() {
    let server = Server::start(&[]);
    server.signal("-HUP");
    let (_, _, said) = server.stop_and_hear("-TERM");
    let text = Guide::read().section("## The tracker's own log").text;
    let line: Value =
        serde_json::from_str(said.lines().next().expect("it tells of SIGHUP")).unwrap();
    for key in line.as_object().unwrap().keys() {
        assert!(text.contains(&format!("`{key}`")), "{key}: {line}");
    }
    assert!(line["fields"]["message"].is_string());
}

/// What the real binary says it knows where `toml` has a key that it does not.
fn known_keys(toml: &str) -> BTreeSet<String> {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("tracker.toml");
    std::fs::write(&config, toml).unwrap();
    let output = Command::new(BINARY)
        .args(["serve", "--definitions"])
        .arg(definitions())
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let (_, names) = said.split_once("expected one of ").expect(&said);
    names
        .lines()
        .next()
        .unwrap()
        .split(", ")
        .map(|name| name.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn the_guide_names_each_setting_and_none_besides() {
    let guide = Guide::read();
    for (heading, toml) in [
        ("## Settings", "nope = 1\n"),
        ("### `[redis]`", "[redis]\nnope = 1\n"),
        ("### `[[keys]]`", "[[keys]]\nnope = 1\n"),
        ("### `[[issuers]]`", "[[issuers]]\nnope = 1\n"),
        ("### `[limits]`", "[limits]\nnope = 1\n"),
    ] {
        let own = guide.section(heading).before_any_heading();
        let named: BTreeSet<String> = own.table().iter().map(guide::Row::name).collect();
        assert_eq!(named, known_keys(toml), "{heading}");
    }
}

#[test]
fn the_defaults_in_the_guide_are_those_of_the_tracker() {
    let defaults = format!("{:?}", labkit_tracker::limits::Limits::default());
    for row in Guide::read().section("### `[limits]`").before_any_heading().table() {
        let says = format!("{}: {}", row.name(), row.cells[1]);
        let whole = |end: Option<char>| end.is_some_and(|c| c == ',' || c == ' ');
        let (_, rest) = defaults.split_once(&says).unwrap_or_else(|| panic!("{says}: {defaults}"));
        assert!(whole(rest.chars().next()), "{says}: {defaults}");
    }
}

#[test]
fn without_a_key_only_that_is_open_which_the_guide_says() {
    let shown = Shown::start();
    let told = Guide::read().section("## Keys and tokens").text;
    let (_, told) = told.split_once("every path asks but ").unwrap();
    let open: BTreeSet<&str> =
        told.split(':').next().unwrap().split('`').skip(1).step_by(2).collect();
    let described: Value = serde_json::from_str(&shown.page("/openapi.json")).unwrap();
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.len() >= 10 && open.iter().all(|path| paths.contains_key(*path)), "{open:?}");
    for (path, methods) in paths {
        let method = methods.as_object().unwrap().keys().next().unwrap().to_uppercase();
        let path = path.replace("{user_experience_id}", "x").replace("{correlation_id}", "y");
        let status = shown.server.curl(&path, &["-X", &method]).0;
        assert_eq!(status, if open.contains(path.as_str()) { 200 } else { 401 }, "{method} {path}");
    }
}

#[test]
fn each_link_of_the_guide_leads_somewhere() {
    let guide = Guide::read();
    let headings: BTreeSet<String> = guide.headings().map(guide::anchor).collect();
    for link in guide.links() {
        match link.split_once('#') {
            Some(("", anchor)) => assert!(headings.contains(anchor), "#{anchor}: {headings:?}"),
            _ => assert!(Guide::path().parent().unwrap().join(&link).exists(), "{link}"),
        }
    }
}
