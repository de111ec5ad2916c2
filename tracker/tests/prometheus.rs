//! The counters as a real Prometheus sees them, while trackers come and go.

#[path = "support/redis_server.rs"]
mod redis_server;
mod support;

use std::process::Stdio;

use labkit::wire::Timestamp;
use redis_server::RedisServer;
use serde_json::json;
use support::prometheus::{OneAddress, Prometheus};
use support::{Server, until};

/// All series that may only rise.
const RISING: [&str; 11] = [
    "gitlab_user_experience_checkpoint_total",
    "gitlab_user_experience_total",
    "gitlab_user_experience_apdex_total",
    "labkit_user_experience_outcome_total",
    "labkit_user_experience_duration_seconds_bucket",
    "labkit_user_experience_duration_seconds_sum",
    "labkit_user_experience_duration_seconds_count",
    "labkit_user_experience_opened_total",
    "labkit_user_experience_timeout_recanted_total",
    "labkit_user_experience_anomaly_total",
    "labkit_user_experience_definition_mismatch_total",
];
const ENDED: &str = r#"sum(gitlab_user_experience_total{type="web",error="false",env="gprd",stage="main",user_experience_id="create_merge_request"})"#;

fn address(server: &Server) -> &str {
    server.url.strip_prefix("http://").unwrap()
}

/// Starts and ends so many experiences, the first of them with this number.
fn run(server: &Server, first: u32, count: u32) {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    let now = Timestamp::from_millis(now).to_string();
    let item = |number: u32, kind: &str| {
        json!({
            "correlation_id": format!("{number:032x}"), "checkpoint": kind, "type": "web",
            "user_experience_id": "create_merge_request", "urgency": "custom",
            "feature_category": "code_review_workflow", "client_timestamp": now
        })
    };
    let runs = first..first + count;
    let items: Vec<_> = runs.flat_map(|n| [item(n, "start"), item(n, "end")]).collect();
    let body = json!({"sent_at": now, "checkpoints": items}).to_string();
    // Twice, as after a lost answer: it counts once.
    for _ in 0..2 {
        let (status, _, answer) = server.post(body.as_bytes(), &[]);
        assert!(status == 200 && answer.contains("\"rejected\":[]"), "{answer}");
    }
}

/// What holds of `expected` experiences, once Prometheus has seen them all.
fn check(prometheus: &Prometheus, expected: u32) {
    let seen = || prometheus.query(ENDED) == [f64::from(expected)];
    until(&format!("{expected} ends are seen, each once"), seen);
    for series in RISING {
        let resets = prometheus.query(&format!("max(resets({series}[1h]))"));
        assert_eq!(resets, [0.0], "{series} never falls");
    }
}

fn check_zeros(prometheus: &Prometheus) {
    // Nineteen definitions, one type.
    for (series, count) in [
        ("gitlab_user_experience_checkpoint_total", 19.0 * 3.0),
        ("gitlab_user_experience_total", 19.0 * 2.0),
        ("gitlab_user_experience_apdex_total", 19.0 * 2.0),
        ("labkit_user_experience_outcome_total", 19.0 * 5.0),
        ("labkit_user_experience_duration_seconds_count", 19.0),
    ] {
        let expression = format!("count({series} == 0)");
        until(&expression, || prometheus.query(&expression) == [count]);
    }
}

#[test]
fn no_counter_falls_or_counts_twice_while_a_tracker_is_stopped_killed_and_started() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}", dir.path().join("store").display());
    let flags = ["--store", &store, "--types", "web"];
    let front = OneAddress::new();
    let begin = || Server::start_logging("127.0.0.1:0", &flags, Stdio::null());
    let mut server = begin();
    front.lead_to(&[address(&server)]);
    let prometheus = Prometheus::start(dir.path(), &front.address);
    check_zeros(&prometheus);
    run(&server, 0, 50);
    check(&prometheus, 50);
    for (round, signal) in [(1, "-TERM"), (2, "-KILL"), (3, "-TERM")] {
        run(&server, round * 50, 25);
        server.signal(signal);
        server.child.wait().unwrap();
        server = begin();
        front.lead_to(&[address(&server)]);
        run(&server, round * 50 + 25, 25);
        check(&prometheus, (round + 1) * 50);
    }
    let rate = prometheus.query(&format!("increase({}[1h]) > 0", &ENDED[4..ENDED.len() - 1]));
    assert_eq!(rate.len(), 1, "the first end shows in a rate, as it rose from 0");
}

#[test]
fn two_trackers_on_one_redis_behind_one_address_are_one_target() {
    let (dir, redis) = (tempfile::tempdir().unwrap(), RedisServer::start());
    let store = redis.url();
    let flags = ["--store", &store, "--types", "web"];
    let begin = || Server::start_logging("127.0.0.1:0", &flags, Stdio::null());
    let front = OneAddress::new();
    let (one, mut other) = (begin(), begin());
    front.lead_to(&[address(&one), address(&other)]);
    let prometheus = Prometheus::start(dir.path(), &front.address);
    check_zeros(&prometheus);
    let half = |server: &Server, round: u32, part: u32| run(server, round * 50 + part * 25, 25);
    for (round, signal) in [(0, "-KILL"), (1, "-TERM"), (2, "-KILL")] {
        half(&one, round, 0);
        half(&other, round, 1);
        check(&prometheus, (round + 1) * 50);
        other.signal(signal);
        other.child.wait().unwrap();
        other = begin();
        front.lead_to(&[address(&one), address(&other)]);
    }
    half(&other, 3, 0);
    half(&one, 3, 1);
    check(&prometheus, 200);
    let targets = prometheus.query(ENDED.strip_prefix("sum").unwrap());
    assert_eq!(targets.len(), 1, "one series, whichever tracker answered");
}
