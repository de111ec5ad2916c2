//! The limits of the edge, reached from outside: how many at once, how slow,
//! and what whoever comes too many hears.

#[path = "support/issuer.rs"]
mod issuer;
mod support;
#[path = "support/tokens.rs"]
mod tokens;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Stdio;
use std::time::{Duration, Instant, UNIX_EPOCH};

use issuer::SigningKey;
use labkit::wire::Timestamp;
use labkit_tracker::auth::sha256_hex;
use serde_json::{Value, json};
use support::raw::{Raw, connect};
use support::{Server, figure, until};
use tokens::{AUDIENCE, ISS, claims_at};

const JSON: &str = "Content-Type: application/json";

fn now_ms() -> i64 {
    UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

fn start(id: u32) -> String {
    json!({
        "correlation_id": format!("{id:032x}"), "user_experience_id": "create_merge_request",
        "checkpoint": "start", "type": "web", "feature_category": "code_review_workflow",
        "urgency": "custom", "client_timestamp": Timestamp::from_millis(now_ms()).to_string()
    })
    .to_string()
}

fn serve_on(listen: &str, config: &str) -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tracker.toml");
    std::fs::write(&file, config).unwrap();
    let flags = ["--config", file.to_str().unwrap()];
    (Server::start_logging(listen, &flags, Stdio::null()), dir)
}

fn serve(limits: &str) -> (Server, tempfile::TempDir) {
    serve_on("127.0.0.1:0", &format!("[limits]\n{limits}"))
}

fn address(server: &Server) -> &str {
    server.url.strip_prefix("http://").unwrap()
}

fn shed(server: &Server, limit: &str) -> u64 {
    let page = server.curl("/metrics", &[]).2;
    figure(&page, "labkit_tracker_http_shed_total", &[&format!("\"{limit}\"")])
}

/// What a request is answered before its body is sent, up to its problem's end.
fn ask_first(address: &str, length: usize) -> String {
    let mut stream = connect(address);
    let head = Raw::head(&[JSON, "Expect: 100-continue"], length);
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    BufReader::new(stream).read_until(b'}', &mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// A tracker whose issuer takes a question and never answers, and a request
/// that waits for it.
fn waiting(limits: &str) -> (Server, tempfile::TempDir, TcpListener, TcpStream) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "metrics_without_credential = true\n[[issuers]]\niss = '{ISS}'\naudiences = ['{AUDIENCE}']\n\
         jwks_uri = 'http://{}/'\nalgs = ['ES256']\n[limits]\n{limits}\n",
        silent.local_addr().unwrap()
    );
    let (server, dir) = serve_on("127.0.0.1:0", &config);
    let claims = claims_at(now_ms() / 1_000, |_| {});
    let token = SigningKey::ec().token(r#"{"alg":"ES256","kid":"k"}"#, &claims);
    let mut stream = connect(address(&server));
    let head = "GET /v1/experiences HTTP/1.1\r\nHost: tracker\r\nAuthorization: Bearer";
    write!(stream, "{head} {token}\r\n\r\n").unwrap();
    (server, dir, silent, stream)
}

#[test]
fn above_the_requests_in_work_the_next_is_sent_away_before_its_body_is_read() {
    let (server, _dir, _silent, mut waits) = waiting("requests = 1");
    let in_flight = "labkit_tracker_http_requests_in_flight 2\n";
    until("it is in work", || server.curl("/metrics", &[]).2.contains(in_flight));
    let began = Instant::now();
    let answer = ask_first(address(&server), 1_000_000);
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for it");
    for part in ["retry-after: ", "application/problem+json", "`requests`"] {
        assert!(answer.contains(part), "{answer}");
    }
    // Those who restart, route and measure see it, and are not part of it.
    for path in ["/-/liveness", "/-/readiness", "/metrics/sli"] {
        assert_eq!(server.curl(path, &[]).0, 200, "{path}");
    }
    assert_eq!(shed(&server, "requests"), 1);
    // The issuer is given up after three seconds: there is a place again.
    let mut answer = [0; 12];
    waits.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
    until("the next one is looked at", || server.post(start(1).as_bytes(), &[]).0 == 401);
}

#[test]
fn a_request_that_takes_too_long_is_given_up_and_says_so() {
    let (server, _dir, _silent, mut waits) = waiting("total_timeout_ms = 250");
    let began = Instant::now();
    let mut answer = vec![0; 4_096];
    let length = waits.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 503") && answer.contains("retry-after: "), "{answer}");
    assert!(answer.contains("`total_timeout_ms`"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(shed(&server, "total_timeout_ms"), 1);
}

#[test]
fn all_bodies_share_their_memory_and_whoever_finds_none_comes_again() {
    let (server, _dir) = serve("body_bytes = 32768\nbodies_bytes = 65536\n");
    let padded = |id| {
        let sent_at = Timestamp::from_millis(now_ms());
        let body = format!(r#"{{"sent_at":"{sent_at}","checkpoints":[{}]}}"#, start(id));
        let mut body = body.into_bytes();
        body.resize(32_768, b' ');
        body
    };
    let mut unfinished: Vec<TcpStream> = (0..2)
        .map(|id| {
            let mut stream = connect(address(&server));
            stream.write_all(Raw::head(&[JSON], 32_768).as_bytes()).unwrap();
            stream.write_all(&padded(id)[..32_767]).unwrap();
            stream
        })
        .collect();
    let held = "labkit_tracker_http_bodies_bytes 65534\n";
    until("the memory is taken", || server.curl("/metrics", &[]).2.contains(held));
    let (status, head, body) = server.post(start(2).as_bytes(), &[]);
    assert_eq!(status, 503);
    assert!(head.contains("retry-after: ") && body.contains("`bodies_bytes`"), "{head} {body}");
    let answer = ask_first(address(&server), 32_768);
    assert!(answer.starts_with("HTTP/1.1 503"), "and before it is sent: {answer}");
    assert!(shed(&server, "bodies_bytes") >= 2);
    for stream in &mut unfinished {
        stream.write_all(b" ").unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
    assert_eq!(server.post(&padded(3), &[]).0, 200);
}

/// Sends a piece every now and then, until the connection is closed or this
/// long has passed: what was heard, and when it ended.
fn dribble(address: &str, head: &str, most: Duration) -> (String, Duration) {
    let mut stream = connect(address);
    stream.set_read_timeout(Some(Duration::from_millis(25))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let (began, mut heard, mut piece) = (Instant::now(), String::new(), [0; 4_096]);
    while began.elapsed() < most {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => heard.push_str(&String::from_utf8_lossy(&piece[..length])),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        if stream.write_all(b" ").is_err() {
            break;
        }
    }
    (heard, began.elapsed())
}

#[test]
fn a_head_or_a_body_that_dribbles_in_has_its_time_and_no_more() {
    let (server, _dir) = serve("head_timeout_ms = 400\nbody_timeout_ms = 400\n");
    let far = Duration::from_secs(20);
    let head = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
    let (heard, took) = dribble(address(&server), head, far);
    assert!(heard.is_empty() && took < far / 2, "{took:?}: {heard}");
    assert_eq!(shed(&server, "head_timeout_ms"), 1);
    let (heard, took) = dribble(address(&server), &Raw::head(&[JSON], 1_000_000), far);
    assert!(heard.starts_with("HTTP/1.1 408") && heard.contains("`body_timeout_ms`"), "{heard}");
    assert!(took < far / 2, "{took:?}");
    assert_eq!(shed(&server, "body_timeout_ms"), 1);
}

#[test]
fn a_kept_connection_may_be_silent_for_longer_than_a_head_may_take() {
    let (server, _dir) = serve("head_timeout_ms = 100\nidle_timeout_ms = 1500\n");
    let mut stream = connect(address(&server));
    let mut answer = [0; 4_096];
    let ask = b"GET /-/liveness HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(ask).unwrap();
    assert!(stream.read(&mut answer).unwrap() > 0);
    let silent = Instant::now();
    assert_eq!(stream.read(&mut answer).unwrap(), 0, "it is closed in the end");
    let silent = silent.elapsed();
    assert!(silent >= Duration::from_millis(1_400), "{silent:?}");
    assert!(silent < Duration::from_secs(20), "{silent:?}");
    assert_eq!(shed(&server, "head_timeout_ms"), 0, "that is how connections end");
}

#[test]
fn a_client_that_does_not_read_its_answers_loses_its_connection() {
    let (server, _dir) = serve("idle_timeout_ms = 300\n");
    let stream = connect(address(&server));
    stream.set_nonblocking(true).unwrap();
    let ask = b"GET /metrics/sli HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let mut sink = &stream;
    until("the server stops reading, and then closes", || match sink.write(&ask) {
        Ok(_) => false,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    });
    let gauge = "labkit_tracker_http_connections 1\n";
    until("its place is free", || server.curl("/metrics", &[]).2.contains(gauge));
}

#[test]
fn one_address_has_so_many_connections_and_the_next_hears_why_it_has_none() {
    // Where a packet to elsewhere would leave from: an address that is not loopback.
    let probe = UdpSocket::bind("0.0.0.0:0").unwrap();
    probe.connect("192.0.2.1:9").expect("the machine has an address besides loopback");
    let own = probe.local_addr().unwrap().ip();
    let key = format!("[[keys]]\nname = 'k'\ntenant = 't'\nsha256 = '{}'\n", sha256_hex("k"));
    let config =
        format!("metrics_without_credential = true\n{key}[limits]\nconnections_per_peer = 2\n");
    let (server, _dir) = serve_on(&format!("{own}:0"), &config);
    let held: Vec<Raw> = (0..2)
        .map(|_| {
            let mut raw = Raw::new(address(&server));
            assert_eq!(raw.get("/-/liveness").status, 200);
            raw
        })
        .collect();
    for _ in 0..20 {
        let heard = Raw::new(address(&server)).get("/-/liveness");
        assert_eq!(heard.status, 429);
        assert!(heard.head.contains("retry-after: ") && heard.head.contains("connection: close"));
        let problem: Value = serde_json::from_str(&heard.body).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains("`connections_per_peer`"));
    }
    drop(held);
    until("there is a place again", || Raw::new(address(&server)).get("/-/liveness").status == 200);
    assert!(shed(&server, "connections_per_peer") >= 20);
}
