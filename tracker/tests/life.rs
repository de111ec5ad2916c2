//! The real tracker from its first request to its last, while what it depends
//! on fails.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use labkit::wire::Timestamp;
use serde_json::{Value, json};
use support::{Server, figure, until};

fn now() -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    Timestamp::from_millis(now).to_string()
}

fn start(number: u32) -> Value {
    json!({
        "correlation_id": format!("{number:032x}"), "user_experience_id": "create_merge_request",
        "checkpoint": "start", "type": "web", "feature_category": "code_review_workflow",
        "urgency": "custom", "client_timestamp": now()
    })
}

/// The batch of this number, 500 starts.
fn batch(number: u32) -> String {
    let items: Vec<Value> = (number * 500..(number + 1) * 500).map(start).collect();
    json!({"sent_at": now(), "checkpoints": items}).to_string()
}

fn status(server: &Server, path: &str) -> u16 {
    server.curl(path, &[]).0
}

/// Sends batches until one is refused: how many were taken.
fn fill(server: &Server, most: u32) -> u32 {
    for number in 0..most {
        let (status, head, body) = server.post(batch(number).as_bytes(), &[]);
        if status != 200 {
            assert_eq!(status, 503, "{body}");
            assert!(head.contains("retry-after: ") && head.contains("application/problem+json"));
            return number;
        }
    }
    panic!("{most} batches were taken, and none refused");
}

fn config(limits: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tracker.toml");
    std::fs::write(&file, format!("[limits]\n{limits}\n")).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (dir, file)
}

#[test]
fn an_event_log_that_nobody_reads_is_answered_503_until_somebody_does() {
    for kept in ["memory", "embedded"] {
        let (dir, config) = config("outbox_lines = 3000");
        let path = dir.path().join("store");
        let store = match kept {
            "memory" => kept.to_owned(),
            _ => format!("embedded:{}", path.display()),
        };
        let mut server = Server::start(&["--config", &config, "--store", &store]);
        let taken = fill(&server, 100);
        let page = server.curl("/metrics", &[]).2;
        let waiting = format!("\n{page}");
        let waiting = waiting.split("\nlabkit_tracker_outbox_lines ").nth(1).unwrap();
        let waiting: u32 = waiting.lines().next().unwrap().parse().unwrap();
        assert!((3_000..3_500).contains(&waiting), "{kept}: bounded, and {waiting} wait");
        assert_eq!(status(&server, "/-/liveness"), 200);
        until("it is not ready", || status(&server, "/-/readiness") == 503);

        // The pipe is read: everything comes, each line once, and ingest goes on.
        let mut log = server.child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            log.read_to_string(&mut text).unwrap();
            text
        });
        let refused = batch(taken);
        until("it takes the batch", || server.post(refused.as_bytes(), &[]).0 == 200);
        until("it is ready", || status(&server, "/-/readiness") == 200);
        assert_eq!(server.stop("-TERM").0, Some(0));
        let text = reader.join().unwrap();
        let mut ids: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["event_id"].take())
            .collect();
        let lines = ids.len() as u32;
        ids.sort_by_key(Value::to_string);
        ids.dedup();
        assert_eq!((lines, ids.len() as u32), ((taken + 1) * 500, (taken + 1) * 500), "{kept}");
    }
}

#[test]
fn a_full_disk_is_503_and_not_ready_and_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}", dir.path().join("store").display());
    // No file may grow beyond this; without the signal that would be an error's stead.
    let limited = ["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=6000000:"];
    let log = std::fs::File::create("/dev/null").unwrap();
    let server = Server::start_under(&limited, "127.0.0.1:0", &["--store", &store], log.into());
    assert_eq!(status(&server, "/-/readiness"), 200);
    let taken = fill(&server, 200);
    until("it is not ready", || status(&server, "/-/readiness") == 503);
    assert_eq!(status(&server, "/-/liveness"), 200);

    let pid = format!("--pid={}", server.child.id());
    let lifted = std::process::Command::new("prlimit").args([&pid, "--fsize=unlimited:"]).status();
    assert!(lifted.unwrap().success());
    let refused = batch(taken);
    until("it takes the batch", || server.post(refused.as_bytes(), &[]).0 == 200);
    until("it is ready", || status(&server, "/-/readiness") == 200);
    let page = server.curl("/metrics/sli", &[]).2;
    let opened = figure(&page, "labkit_user_experience_opened_total", &["create_merge_request"]);
    assert_eq!(opened, u64::from(taken + 1) * 500);
    let (code, _, said) = server.stop_and_hear("-TERM");
    assert_eq!(code, Some(0));
    let about = said.lines().filter(|line| line.contains("the store's file cannot be used"));
    assert_eq!(about.count(), 1, "said once: {said}");
}

/// All of a request but for its last byte.
fn unfinished_request(server: &Server) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let mut body = start(1).to_string();
    let head = "POST /v1/checkpoints HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len()).unwrap();
    let last = body.split_off(body.len() - 1);
    stream.write_all(body.as_bytes()).unwrap();
    let in_flight = "labkit_tracker_http_requests_in_flight 2\n";
    until("it is under way", || server.curl("/metrics", &[]).2.contains(in_flight));
    (stream, last)
}

#[test]
fn a_request_under_way_at_sigterm_is_answered_and_told_before_the_exit() {
    let server = Server::start(&[]);
    let (mut stream, last) = unfinished_request(&server);
    server.signal("-TERM");
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    until("no new connection is taken", || TcpStream::connect(&address).is_err());
    stream.write_all(last.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (code, log) = server.stop("-TERM");
    assert_eq!(code, Some(0));
    assert!(log.contains("\"event\":\"start\""), "{log}");
}

#[test]
fn a_request_that_never_ends_holds_up_the_exit_no_longer_than_its_budget() {
    let (_dir, config) = config("shutdown_grace_ms = 300");
    let mut server = Server::start_logging("127.0.0.1:0", &["--config", &config], Stdio::null());
    let (_stream, _) = unfinished_request(&server);
    server.signal("-TERM");
    let asked = Instant::now();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
    // Once for requests, once for the log, and half a second for threads.
    let budget = Duration::from_millis(2 * 300 + 500);
    assert!(asked.elapsed() < budget + Duration::from_secs(2), "{:?}", asked.elapsed());
}
