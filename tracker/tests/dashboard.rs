//! The dashboard: what Grafana needs of it to show it, and what Prometheus and
//! the tracker's pages say to each of its queries.

#[path = "rules/pages.rs"]
mod pages;
#[path = "rules/promtool.rs"]
mod promtool;
mod support;

use std::collections::BTreeSet;
use std::process::Command;

use labkit::definition::{self, Registry};
use labkit_tracker::dashboard;
use labkit_tracker::rules::Rules;
use pages::{Selector, Shown};
use serde_json::{Value, json};
use support::{BINARY, definitions};

const COLUMNS: u64 = 24;

fn registry() -> Registry {
    definition::load(&definitions()).unwrap().0
}

fn dashboard() -> Value {
    serde_json::from_str(&dashboard::render(&registry())).unwrap()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().collect()
}

/// Every query, with the panel that makes it.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = panel["title"].as_str().unwrap().to_owned();
            all.push((title, target["expr"].as_str().unwrap().to_owned()));
        }
    }
    all
}

fn variables(dashboard: &Value) -> Vec<&Value> {
    dashboard["templating"]["list"].as_array().unwrap().iter().collect()
}

#[test]
fn the_command_prints_a_dashboard_of_a_known_model() {
    let dir = definitions();
    let output = Command::new(BINARY).arg("dashboard").arg(&dir).output().unwrap();
    assert!(output.status.success());
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed, dashboard());
    assert_eq!((&printed["schemaVersion"], &printed["id"]), (&json!(38), &Value::Null));
    let uid = printed["uid"].as_str().unwrap();
    assert!(uid.len() <= 40 && uid.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    let broken = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY).arg("dashboard").arg(broken.path()).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}

#[test]
fn panels_have_ids_of_their_own_and_none_lies_on_another() {
    let dashboard = dashboard();
    let panels = panels(&dashboard);
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let place = |panel: &Value| {
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        (side("x"), side("y"), side("w"), side("h"))
    };
    for (index, one) in panels.iter().enumerate() {
        let (x, y, w, h) = place(one);
        assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{one}");
        for other in &panels[index + 1..] {
            let (x2, y2, w2, h2) = place(other);
            let apart = x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y;
            assert!(apart, "{} and {}", one["title"], other["title"]);
        }
    }
    let rows: Vec<&Value> = panels.iter().filter(|p| p["type"] == "row").copied().collect();
    assert!(rows.len() >= 8 && rows.iter().all(|row| place(row).2 == COLUMNS));
}

#[test]
fn each_panel_of_data_has_queries_with_names_of_their_own_to_the_chosen_source() {
    let dashboard = dashboard();
    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    for panel in panels(&dashboard) {
        let targets = panel["targets"].as_array().map_or(&[][..], Vec::as_slice);
        let shows_data = !["row", "text"].contains(&panel["type"].as_str().unwrap());
        assert_eq!(targets.is_empty(), !shows_data, "{panel}");
        let names: BTreeSet<&str> = targets.iter().map(|t| t["refId"].as_str().unwrap()).collect();
        assert_eq!(names.len(), targets.len());
        assert!(targets.iter().all(|target| target["datasource"] == source), "{panel}");
    }
}

#[test]
fn the_reader_chooses_among_what_the_queries_ask_for() {
    let dashboard = dashboard();
    let variables = variables(&dashboard);
    let names: Vec<&str> = variables.iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "env", "type", "user_experience_id"]);
    let offered = variables[3]["options"].as_array().unwrap().iter();
    let offered: Vec<&str> = offered.map(|option| option["value"].as_str().unwrap()).collect();
    let registry = registry();
    let ids: Vec<&str> = registry.iter().map(|definition| definition.id.as_str()).collect();
    assert_eq!(offered, ids);
    let all: String = queries(&dashboard).into_iter().map(|(_, expr)| expr).collect();
    for name in &names[1..] {
        assert!(all.contains(&format!("=~\"${name}\"")), "{name} is asked for");
    }
}

#[test]
fn prometheus_understands_each_query() {
    let mut file = String::from("groups:\n  - name: queries\n    rules:\n");
    for (index, (_, expr)) in queries(&dashboard()).iter().enumerate() {
        let expr = expr.replace("$__rate_interval", "5m").replace("$__interval", "1m");
        file += &format!("      - record: query_{index}\n        expr: '{expr}'\n");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("queries.yml");
    std::fs::write(&path, file).unwrap();
    promtool::judge(&["check", "rules"], &path).unwrap_or_else(|said| panic!("{said}"));
}

#[test]
fn all_that_queries_name_stands_on_the_pages_of_a_real_tracker_or_is_recorded() {
    let dashboard = dashboard();
    let families = Shown::start().families();
    let rules = Rules::new(&registry());
    let recorded: BTreeSet<String> = rules.records().map(|record| record.name.clone()).collect();
    for (title, expr) in queries(&dashboard) {
        let selectors = Selector::all(&expr);
        assert!(!selectors.is_empty(), "{title}: {expr}");
        for selector in selectors {
            assert_eq!(selector.missing(&families, &recorded), None, "{title}: {expr}");
        }
    }
    for variable in variables(&dashboard) {
        for selector in Selector::all(&variable["query"].to_string()) {
            assert_eq!(selector.missing(&families, &recorded), None, "{variable}");
        }
    }
}
