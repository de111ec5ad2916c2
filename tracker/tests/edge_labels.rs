//! A flood of ids, types and categories that somebody made up: the series stay
//! those of the definitions. `LABKIT_HOSTILE=1000000` for all of them.

mod support;

use std::process::Stdio;
use std::time::UNIX_EPOCH;

use labkit::wire::Timestamp;
use serde_json::Value;
use support::Server;
use support::raw::{Raw, memory_kib};

const JSON: &str = "Content-Type: application/json";
const BATCH: usize = 500;
/// What is accepted is remembered, 1,088 ids for each of these: it is in the
/// first half that they get there.
const EXPERIENCES: usize = 2;
const FLAT_KIB: u64 = 4 * 1_024;

fn hostile() -> usize {
    std::env::var("LABKIT_HOSTILE").map_or(20_000, |number| number.parse().expect("a number"))
}

/// Each with names that nobody has used before.
fn item(n: usize, now: &str) -> String {
    let (id, service, category, urgency) = match n % 5 {
        0 => (format!("evil_{n}"), "web".to_owned(), "c".to_owned(), "u".to_owned()),
        1 => ("create_merge_request".to_owned(), format!("t{n}"), "c".to_owned(), "u".to_owned()),
        2 => (
            "create_merge_request".to_owned(),
            format!("T\\n\\\"{n}"),
            "c".to_owned(),
            "u".to_owned(),
        ),
        3 => (
            "create_merge_request".to_owned(),
            "web".to_owned(),
            format!("evil{n}"),
            format!("evil{n}"),
        ),
        _ => {
            (format!("x\\\",evil=\\\"{n}\\n"), format!("t{n}"), format!("evil{n}"), "u".to_owned())
        }
    };
    format!(
        r#"{{"correlation_id":"{:032x}","user_experience_id":"{id}","checkpoint":"intermediate","checkpoint_category":"evil_{n}","type":"{service}","feature_category":"{category}","urgency":"{urgency}","client_timestamp":"{now}"}}"#,
        n % EXPERIENCES
    )
}

fn send(raw: &mut Raw, from: usize) -> u64 {
    let now = Timestamp::from_millis(UNIX_EPOCH.elapsed().unwrap().as_millis() as i64).to_string();
    let items: Vec<String> = (from..from + BATCH).map(|n| item(n, &now)).collect();
    let body = format!(r#"{{"sent_at":"{now}","checkpoints":[{}]}}"#, items.join(","));
    let heard = raw.post(&[JSON], body.as_bytes());
    assert_eq!(heard.status, 200, "{}", heard.body);
    serde_json::from_str::<Value>(&heard.body).unwrap()["accepted"].as_u64().unwrap()
}

/// The series of both pages, without their values.
fn series(raw: &mut Raw) -> Vec<String> {
    let pages = [raw.get("/metrics").body, raw.get("/metrics/sli").body].concat();
    let samples = pages.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[test]
fn whatever_is_made_up_the_series_stay_those_of_the_definitions() {
    for types in [&["--types", "web"][..], &[]] {
        let server = Server::start_logging("127.0.0.1:0", types, Stdio::null());
        let pid = server.child.id();
        let mut raw = Raw::new(server.url.strip_prefix("http://").unwrap());
        // Types are learned, and each route and status is counted from its first time on.
        let mut accepted: u64 = (0..4).map(|n| send(&mut raw, n * BATCH)).sum();
        drop(series(&mut raw));
        let (before, mut held) = (series(&mut raw), Vec::new());
        for from in (4 * BATCH..hostile()).step_by(BATCH) {
            if from * 10 / hostile() >= held.len() {
                held.push(memory_kib(pid, "VmRSS"));
            }
            accepted += send(&mut raw, from);
        }
        held.push(memory_kib(pid, "VmRSS"));
        let grown = held[held.len() - 1].saturating_sub(held[held.len() / 2]);
        let after = series(&mut raw);
        println!(
            "{} made up, types {types:?}: {accepted} accepted, {} series; KiB by tenths: {held:?}",
            hostile(),
            after.len()
        );
        assert!(accepted > 0 && before == after);
        assert!(!after.iter().any(|series| series.contains("evil")));
        let learned = after.iter().filter(|s| {
            s.starts_with("gitlab_user_experience_total{")
                && s.contains("\"create_merge_request\"")
                && s.contains("error=\"true\"")
        });
        assert_eq!(learned.count(), if types.is_empty() { 65 } else { 1 });
        assert!(grown <= FLAT_KIB, "memory grows: {grown} KiB");
    }
}
