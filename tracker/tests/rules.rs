//! Recording rules over what the tracker exposes, judged by promtool: from
//! checkpoints to the ratios that dashboards and alerts read.

#[path = "rules/pages.rs"]
mod pages;
#[path = "rules/promtool.rs"]
mod promtool;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use labkit::definition::{self, Registry};
use labkit::wire::Timestamp;
use labkit_tracker::Settings;
use labkit_tracker::rehearsal::Rehearsal;
use labkit_tracker::rules::Rules;
use pages::{Selector, Shown};
use serde_json::{Value, json};
use support::stage::T0;

const MINUTE_MS: i64 = 60_000;
/// The longest window, and some.
const MINUTES: usize = 400;
/// The minutes in which half of what ends, ends badly.
const INCIDENT: std::ops::Range<usize> = 380..MINUTES;
const WINDOWS: [(&str, usize); 4] = [("5m", 5), ("30m", 30), ("1h", 60), ("6h", 360)];
/// What is recorded besides, and takes too long to live through here.
const LONG: [&str; 3] = ["2h", "1d", "3d"];
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
    std::fs::write(&ours, Rules::new(&registry()).to_string()).unwrap();
    let gitlabs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gitlab/rules.yml");
    assert_ne!(share(5, Minute::apdex), share(360, Minute::apdex), "the windows differ");
    for rules in [ours, gitlabs] {
        let test = dir.path().join("test.yml");
        std::fs::write(&test, unit_test(&rules, &series)).unwrap();
        promtool::judge(&["test", "rules"], &test)
            .unwrap_or_else(|said| panic!("{}: {said}", rules.display()));
    }
}

#[test]
fn each_window_of_a_burn_rate_has_its_ratios_made_the_same_way() {
    let rules = Rules::new(&registry());
    let expr = |name: &str| {
        let mut found = rules.records().filter(|record| record.name == name);
        let (Some(record), None) = (found.next(), found.next()) else { panic!("{name}: not once") };
        record.expr.clone()
    };
    for sli in ["ops:rate", "error:rate", "apdex:success:rate", "error:ratio", "apdex:ratio"] {
        let of = |window: &str| expr(&format!("gitlab:user_experience_sli:{sli}_{window}"));
        for window in LONG {
            let named = |text: String, window: &str| {
                let ending = format!("_{window}");
                text.replace(&format!("[{window}]"), "[w]").replace(&ending, "_w")
            };
            assert_eq!(named(of(window), window), named(of("5m"), "5m"), "{sli}");
        }
    }
}

#[test]
fn all_that_rules_name_stands_on_the_pages_of_a_real_tracker() {
    let rules = Rules::new(&registry());
    let families = Shown::start().families();
    let recorded: BTreeSet<String> = rules.records().map(|record| record.name.clone()).collect();
    let records = rules.records().map(|record| (record.name.as_str(), &record.expr));
    let alerts = rules.alerts().map(|alert| (alert.name, &alert.expr));
    for (name, expr) in records.chain(alerts) {
        let selectors = Selector::all(expr);
        assert_eq!(selectors.is_empty(), expr.starts_with("vector("), "{name}: {expr}");
        for selector in selectors {
            assert_eq!(selector.missing(&families, &recorded), None, "{name}: {expr}");
        }
    }
    let drifted = Selector::all("rate(labkit_user_experience_outcome_total{outcome=\"lost\"}[5m])");
    assert!(drifted[0].missing(&families, &recorded).unwrap().contains("lost"), "it can fail");
}
