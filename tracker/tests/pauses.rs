//! The real tracker, stopped by the kernel for up to a minute at a time, on
//! real clocks. Minutes long, so `scripts/soak` runs it and `cargo test` does
//! not; `tests/clock.rs` has the same with injected time.

mod support;

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use labkit::wire::Timestamp;
use serde_json::json;
use support::{Server, figure};

/// As long as virtual machines are moved, and disks hang.
const PAUSES_S: [u64; 6] = [1, 2, 3, 10, 30, 60];
/// Shorter than nearly all of them.
const TTL_S: u64 = 4;
/// Settling, the last TTL, and some.
const LONG_AFTER: Duration = Duration::from_secs(200);

fn now_ms() -> i64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

fn send(server: &Server, run: u64, kind: &str, at: i64) {
    let item = json!({
        "correlation_id": format!("{run:032x}"), "user_experience_id": "make_it",
        "checkpoint": kind, "type": "web", "feature_category": "making", "urgency": "custom",
        "client_timestamp": Timestamp::from_millis(at).to_string()
    });
    let sent_at = Timestamp::from_millis(now_ms()).to_string();
    let body = json!({"sent_at": sent_at, "checkpoints": [item]}).to_string();
    let (status, _, answer) = server.post(body.as_bytes(), &[]);
    assert!(status == 200 && answer.contains("\"accepted\":1"), "{answer}");
}

fn count(server: &Server, outcome: &str) -> u64 {
    let page = server.curl("/metrics/sli", &[]).2;
    let outcome = format!("outcome=\"{outcome}\"");
    figure(&page, "labkit_user_experience_outcome_total", &["make_it", &outcome])
}

#[test]
#[ignore = "stops a process for minutes; scripts/soak runs it"]
fn a_tracker_that_was_stopped_times_out_nobody_who_ended_and_all_who_never_do() {
    let dir = tempfile::tempdir().unwrap();
    let (definitions, store) = (dir.path().join("definitions"), dir.path().join("store"));
    std::fs::create_dir(&definitions).unwrap();
    let yaml = format!(
        "description: x\nfeature_category: making\nurgency: custom\napdex_threshold_s: 1\n\
         ttl_s: {TTL_S}\n"
    );
    std::fs::write(definitions.join("make_it.yml"), yaml).unwrap();
    let store = format!("embedded:{}", store.display());
    let flags = ["--definitions", definitions.to_str().unwrap(), "--store", &store];
    let server = Server::start_logging("127.0.0.1:0", &flags, Stdio::null());
    for (round, pause) in (0..).zip(PAUSES_S) {
        let (ends, lost, begun) = (2 * round, 2 * round + 1, now_ms());
        send(&server, ends, "start", begun);
        send(&server, lost, "start", begun);
        server.signal("-STOP");
        sleep(Duration::from_secs(pause));
        server.signal("-CONT");
        send(&server, ends, "end", begun + 500);
    }
    let rounds = PAUSES_S.len() as u64;
    let deadline = Instant::now() + LONG_AFTER;
    while count(&server, "timeout") < rounds && Instant::now() < deadline {
        sleep(Duration::from_millis(200)); // between two looks
    }
    let falsely = rounds - count(&server, "success");
    let missing = rounds.saturating_sub(count(&server, "timeout"));
    println!(
        r#"{{"name":"pauses of the tracker","rounds":{rounds},"false_timeouts":{falsely},"missing_timeouts":{missing}}}"#
    );
    assert_eq!((falsely, missing), (0, 0));
    assert_eq!(server.stop("-TERM").0, Some(0));
}
