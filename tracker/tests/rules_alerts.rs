//! Each alert, by promtool's own clock: when it fires, and when nobody is told.

#[path = "rules/cases.rs"]
mod cases;
#[path = "rules/promtool.rs"]
mod promtool;
#[path = "rules/series.rs"]
mod series;
#[path = "rules/tracker_cases.rs"]
mod tracker_cases;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cases::Case;
use labkit::definition::{self, Registry};
use labkit_tracker::rules::Rules;
use series::{SELDOM, Series};

fn registry() -> Registry {
    let yaml = "description: x\nfeature_category: making\nurgency: sync_slow\n";
    let loose = format!("{yaml}slo: {{apdex_pct: 80, error_pct: 20}}\n");
    let read = |id: &str, yaml: &str| definition::read(format!("{id}.yml").as_ref(), yaml).0;
    Registry::new(
        [read("create_it", yaml), read("loose_it", &loose)].into_iter().flatten().collect(),
    )
}

/// A tracker that is scraped for as long as the story lasts, unless that is
/// what the story is about.
fn alive(case: &Case) -> Vec<Series> {
    if case.about == "LabkitTrackerAbsent" {
        return Vec::new();
    }
    let looks = case.looks.iter().map(|(minute, _)| minute + 1);
    let minutes = looks.chain(case.series.iter().map(Series::minutes)).max();
    series::scraped(minutes.unwrap())
}

/// What promtool reads. Groups that build on others are evaluated after them,
/// as else it would be chance whether they are a step behind.
fn unit_test(path: &Path, rules: &Rules, every: u32) -> String {
    let order: Vec<&str> = rules.groups.iter().map(|group| group.name.as_str()).collect();
    format!(
        "rule_files: [{}]\nevaluation_interval: {every}m\ngroup_eval_order: {order:?}\ntests:\n  \
         - interval: 1m\n",
        path.display()
    )
}

/// What fires of the series that `selector` narrows down to, at each look.
fn looks(case: &Case, selector: &str) -> String {
    let mut yaml = String::new();
    for (minute, firing) in &case.looks {
        let _ = writeln!(
            yaml,
            "      - expr: 'count by (alertname, severity, window) \
             (ALERTS{{alertstate=\"firing\"{selector}}})'\n        \
             eval_time: {minute}m\n        exp_samples: [{}]",
            firing.iter().map(expected).collect::<Vec<_>>().join(", ")
        );
    }
    yaml
}

fn expected((alert, severity, window): &cases::Firing) -> String {
    let window = if window.is_empty() { String::new() } else { format!(",window=\"{window}\"") };
    let labels = format!("alertname=\"{alert}\",severity=\"{severity}\"{window}");
    format!("{{labels: '{{{labels}}}', value: 1}}")
}

/// The rules whose groups are of a kind, in a file: others do not read what
/// happens in a story, and take their time.
fn rules(dir: &Path, kind: &str) -> (PathBuf, Rules) {
    let path = dir.join("rules.yml");
    let mut rules = Rules::new(&registry());
    rules.groups.retain(|group| group.name.starts_with(kind));
    std::fs::write(&path, rules.to_string()).unwrap();
    (path, rules)
}

/// Plays each story by itself.
fn play(cases: &[Case], kind: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (path, rules) = rules(dir.path(), kind);
    let mut wrong = Vec::new();
    for case in cases {
        let series = alive(case).iter().chain(&case.series).map(Series::yaml).collect::<String>();
        let (head, looks) = (unit_test(&path, &rules, 1), looks(case, ""));
        let yaml = format!("{head}    input_series:\n{series}    promql_expr_test:\n{looks}");
        let test = dir.path().join("test.yml");
        std::fs::write(&test, yaml).unwrap();
        if let Err(said) = promtool::judge(&["test", "rules"], &test) {
            wrong.push(format!("{}: {}: {said}", case.about, case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Plays all stories at once, each in an environment of its own: days of
/// evaluations take a while, however much there is to evaluate.
fn play_together(cases: &[Case]) {
    let dir = tempfile::tempdir().unwrap();
    let (path, rules) = rules(dir.path(), "user_experience_sli_");
    let (mut series, mut seen) = (String::new(), String::new());
    for (index, case) in cases.iter().enumerate() {
        let env = format!("env=\"{index}\"");
        series.extend(case.series.iter().map(|s| s.yaml().replace(cases::ENV, &env)));
        seen += &looks(case, &format!(",{env}"));
    }
    let head = unit_test(&path, &rules, SELDOM);
    let test = dir.path().join("test.yml");
    let yaml = format!("{head}    input_series:\n{series}    promql_expr_test:\n{seen}");
    std::fs::write(&test, yaml).unwrap();
    let names = || cases.iter().enumerate().map(|(i, c)| format!("{i}: {}: {}\n", c.about, c.name));
    promtool::judge(&["test", "rules"], &test)
        .unwrap_or_else(|said| panic!("{}{said}", names().collect::<String>()));
}

#[test]
fn a_budget_that_burns_alerts_as_soon_as_it_has_to_and_a_blip_wakes_nobody() {
    play_together(&cases::burns());
}

#[test]
fn what_gets_lost_on_its_way_is_told_and_single_losses_are_not() {
    play(&cases::losses(), "labkit_lost_");
}

#[test]
fn a_tracker_that_does_not_see_take_or_tell_is_told_of_and_hiccups_are_not() {
    play(&tracker_cases::all(), "labkit_tracker_");
}

#[test]
fn each_alert_has_a_story_in_which_it_fires_and_one_in_which_it_does_not() {
    let cases: Vec<Case> =
        [cases::burns(), cases::losses(), tracker_cases::all()].into_iter().flatten().collect();
    for alert in Rules::new(&registry()).alerts() {
        let (severity, window) = (alert.severity.as_str(), alert.window.as_deref().unwrap_or(""));
        let about = || cases.iter().filter(|case| case.about == alert.name);
        let fires = |case: &&Case| {
            case.looks.iter().any(|(_, f)| f.contains(&(alert.name, severity, window)))
        };
        assert!(about().any(|case| fires(&case)), "{} {severity} {window}", alert.name);
        assert!(about().any(|case| !fires(&case)), "{} {severity} {window}", alert.name);
    }
}

#[test]
fn each_alert_says_what_to_do_and_leads_to_its_part_of_the_guide() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let rules = Rules::new(&registry());
    let mut names = BTreeSet::new();
    for alert in rules.alerts() {
        let heading = format!("\n### {}\n", alert.name);
        assert!(guide.contains(&heading), "docs/operations.md has no {heading:?}");
        let anchor = format!("docs/operations.md#{}", alert.name.to_lowercase());
        assert_eq!(alert.runbook(), anchor);
        assert!(!alert.summary.ends_with('.') && alert.summary.len() < 100, "{}", alert.summary);
        assert!(alert.description.contains(". Look ") || alert.description.len() > 80);
        names.insert(alert.name);
    }
    let (_, runbook) = guide.split_once("\n## Runbook\n").expect("the guide has a runbook");
    let runbook = runbook.split("\n## ").next().unwrap();
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    assert_eq!(headings.collect::<BTreeSet<_>>(), names, "no heading without its alert");
}
