//! Recording rules over what the tracker exposes, judged by promtool: from
//! checkpoints to the ratios that dashboards and alerts read.

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use labkit::definition::{self, Registry};
use labkit::wire::Timestamp;
use labkit_tracker::rehearsal::Rehearsal;
use labkit_tracker::{Settings, rules};
use serde_json::{Value, json};
use support::stage::T0;

const PROMTOOL: &str = "/usr/bin/promtool";
const MINUTE_MS: i64 = 60_000;
/// The longest window, and some.
const MINUTES: usize = 400;
/// The minutes in which half of what ends, ends badly.
const INCIDENT: std::ops::Range<usize> = 380..MINUTES;
const WINDOWS: [(&str, usize); 4] = [("5m", 5), ("30m", 30), ("1h", 60), ("6h", 360)];
const ID: &str = "create_it";

/// Ends of one minute, by the type of the service in which they come about.
#[derive(Clone, Copy)]
struct Minute {
    good: usize,
    slow: usize,
    error: usize,
    handled: usize,
    /// Never ends; its TTL is a minute.
    lost: usize,
}

fn minute(number: usize) -> Minute {
    match INCIDENT.contains(&number) {
        true => Minute { good: 3, slow: 2, error: 4, handled: 1, lost: 2 },
        false => Minute { good: 7, slow: 1, error: 1, handled: 1, lost: 0 },
    }
}

impl Minute {
    fn apdex(self) -> (usize, usize) {
        (self.good + self.handled, self.good + self.handled + self.slow)
    }

    fn errors(self) -> (usize, usize) {
        let bad = self.error + self.lost;
        (bad, bad + self.good + self.slow + self.handled)
    }
}

fn registry() -> Registry {
    let yaml = "description: x\nfeature_category: making\nurgency: sync_slow\n";
    Registry::new(definition::read(format!("{ID}.yml").as_ref(), yaml).0.into_iter().collect())
}

/// The checkpoints of a minute: starts in `web`, ends there or in `sidekiq`.
fn checkpoints(number: usize, now: i64) -> Vec<Value> {
    let plan = minute(number);
    let kinds = [
        (plan.good, Some(("success", 100))),
        (plan.slow, Some(("success", 9_000))),
        (plan.error, Some(("error", 100))),
        (plan.handled, Some(("handled", 100))),
        (plan.lost, None),
    ];
    let ends = kinds.iter().flat_map(|(count, end)| std::iter::repeat_n(end, *count));
    let mut items = Vec::new();
    for (service, prefix) in [("web", 0), ("sidekiq", 1)] {
        for (index, end) in ends.clone().enumerate() {
            let run = format!("{prefix:08x}{number:012x}{index:012x}");
            let of = |kind: &str| {
                json!({
                    "correlation_id": run, "user_experience_id": ID, "checkpoint": kind,
                    "type": service, "feature_category": "making", "urgency": "sync_slow",
                    "client_timestamp": Timestamp::from_millis(now).to_string()
                })
            };
            items.push(of("start"));
            if let Some((outcome, elapsed_ms)) = end {
                let mut end = of("end");
                end["outcome"] = json!(outcome);
                end["elapsed_ms"] = json!(elapsed_ms);
                items.push(end);
            }
        }
    }
    items
}

/// Each series of the page, and its value each minute.
fn rehearse() -> BTreeMap<String, Vec<String>> {
    let settings = Settings { types: vec!["web".into(), "sidekiq".into()], ..Settings::default() };
    let tracker = Rehearsal::new(registry(), settings, T0);
    let mut series: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for number in 0..=MINUTES {
        for line in tracker.sli().lines().filter(|line| line.starts_with("gitlab_")) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            series.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        let now = tracker.now_ms();
        let sent_at = Timestamp::from_millis(now).to_string();
        let items = checkpoints(number, now);
        let body = json!({"sent_at": sent_at, "checkpoints": items}).to_string();
        assert_eq!(tracker.ingest("default", &body).body["accepted"], items.len());
        tracker.advance(MINUTE_MS);
        tracker.drain_events();
    }
    assert!(series.values().all(|values| values.len() == MINUTES + 1), "there from the start");
    series
}

/// What share it was over the last `window` minutes, to four places.
fn share(window: usize, of: impl Fn(Minute) -> (usize, usize)) -> f64 {
    let (part, all) = (MINUTES - window..MINUTES)
        .map(|number| of(minute(number)))
        .fold((0, 0), |(part, all), (p, a)| (part + p, all + a));
    (part as f64 / all as f64 * 1e4).round() / 1e4
}

/// A unit test in promtool's own format.
fn unit_test(rules: &Path, series: &BTreeMap<String, Vec<String>>) -> String {
    let mut yaml = format!("rule_files: [{}]\nevaluation_interval: 1m\ntests:\n", rules.display());
    yaml.push_str("  - interval: 1m\n    input_series:\n");
    for (name, values) in series {
        // What a scrape adds: the target's own labels.
        let name = name.replace('}', ",env=\"gprd\",stage=\"main\"}");
        let _ = writeln!(yaml, "      - series: '{name}'\n        values: '{}'", values.join(" "));
    }
    yaml.push_str("    promql_expr_test:\n");
    for (window, minutes) in WINDOWS {
        let ratios =
            [("apdex", share(minutes, Minute::apdex)), ("error", share(minutes, Minute::errors))];
        for (sli, value) in ratios {
            let record = format!("gitlab:user_experience_sli:{sli}:ratio_{window}");
            let _ = writeln!(
                yaml,
                "      - expr: 'round({record}, 0.0001)'\n        eval_time: {MINUTES}m\n        \
                 exp_samples:"
            );
            for service in ["sidekiq", "web"] {
                let _ = writeln!(
                    yaml,
                    "          - labels: '{{env=\"gprd\",feature_category=\"making\",\
                     stage=\"main\",type=\"{service}\",urgency=\"sync_slow\",\
                     user_experience_id=\"{ID}\"}}'\n            value: {value}"
                );
            }
        }
    }
    yaml
}

#[test]
fn gitlabs_ratios_over_our_exposition_are_what_happened() {
    let series = rehearse();
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours.yml");
    std::fs::write(&ours, rules::recording_rules(&registry())).unwrap();
    let gitlabs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gitlab/rules.yml");
    assert_ne!(share(5, Minute::apdex), share(360, Minute::apdex), "the windows differ");
    for rules in [ours, gitlabs] {
        let test = dir.path().join("test.yml");
        std::fs::write(&test, unit_test(&rules, &series)).unwrap();
        let judged = Command::new(PROMTOOL)
            .args(["test", "rules"])
            .arg(&test)
            .output()
            .unwrap_or_else(|e| panic!("{PROMTOOL} is needed (Debian: prometheus): {e}"));
        let said = [judged.stdout, judged.stderr].concat();
        assert!(judged.status.success(), "{}: {}", rules.display(), String::from_utf8_lossy(&said));
    }
}
