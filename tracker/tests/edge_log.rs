//! The event log and the tracker's own, read back from the real binary while a
//! client tries to write in them.

mod support;

use std::fs::File;
use std::path::Path;
use std::time::UNIX_EPOCH;

use labkit::wire::Timestamp;
use serde_json::{Value, json};
use support::raw::Raw;
use support::{Server, until};

const JSON: &str = "Content-Type: application/json";
/// Nothing that is sent may stand at the beginning of a line.
const FORGED: &str = r#"{"time":"2026-01-01T00:00:00.000Z","event":"success","forged":true}"#;

fn now() -> String {
    Timestamp::from_millis(UNIX_EPOCH.elapsed().unwrap().as_millis() as i64).to_string()
}

/// What has broken logs before: line ends of all kinds, a terminal's escapes,
/// what turns text around, and a line that looks like one of ours.
fn hostile() -> Vec<String> {
    let breaks = [
        "\n",
        "\r",
        "\r\n",
        "\u{b}",
        "\u{c}",
        "\u{85}",
        "\u{2028}",
        "\u{2029}",
        "\0",
        "\u{1e}",
        "\u{1b}[2J\u{1b}[31m",
        "\u{9b}31m",
        "\u{7f}",
        "\u{8}\u{8}\u{8}",
        "\u{202e}",
        "\u{feff}",
        "\"}",
        "\"},",
        "\\",
        "\\n",
        "\\u000a",
        "\\\"",
    ];
    let mut all: Vec<String> = breaks.iter().map(|text| format!("a{text}{FORGED}{text}")).collect();
    all.extend(breaks.iter().map(|text| (*text).to_owned()));
    all.push(FORGED.to_owned());
    all
}

/// The keys that a line of the log has of its own.
const OWN: [&str; 23] = [
    "time",
    "severity",
    "event_id",
    "event",
    "checkpoint",
    "checkpoint_category",
    "checkpoint_action",
    "user_experience_id",
    "correlation_id",
    "feature_category",
    "urgency",
    "type",
    "start_time",
    "checkpoint_time",
    "end_time",
    "elapsed_time_s",
    "urgency_threshold_s",
    "success",
    "error",
    "error_message",
    "outcome",
    "reason",
    "meta",
];

fn checkpoint(kind: &str, number: usize) -> Value {
    json!({
        "correlation_id": format!("{number:032x}"), "user_experience_id": "create_merge_request",
        "checkpoint": kind, "type": "web", "feature_category": "code_review_workflow",
        "urgency": "custom", "client_timestamp": now()
    })
}

fn with(mut checkpoint: Value, field: &str, value: impl Into<Value>) -> Value {
    checkpoint[field] = value.into();
    checkpoint
}

/// One of each field of each text.
fn items() -> Vec<Value> {
    let mut items = Vec::new();
    for text in hostile() {
        let text = text.as_str();
        for field in [
            "reason",
            "checkpoint_category",
            "type",
            "feature_category",
            "urgency",
            "outcome",
            "user_experience_id",
            "correlation_id",
            "id",
            "client_timestamp",
            "started_at",
            text,
        ] {
            let kind = if field == "reason" { "end" } else { "start" };
            let item = with(checkpoint(kind, items.len()), field, text);
            items.push(if field == "reason" {
                with(with(item, "outcome", "error"), "elapsed_ms", 5)
            } else {
                item
            });
        }
        let meta = json!({ "value": text, text: text, format!("k{text}"): 1 });
        items.push(with(checkpoint("start", items.len()), "meta", meta));
    }
    let own: serde_json::Map<String, Value> =
        OWN.iter().map(|key| ((*key).to_owned(), FORGED.into())).collect();
    items.push(with(checkpoint("start", items.len()), "meta", own));
    items
}

fn post(raw: &mut Raw, items: &[Value]) -> Value {
    let body = json!({"sent_at": now(), "sdk": {"name": FORGED, "version": "\n"}, "checkpoints": items, FORGED: 1});
    let heard = raw.post(&[JSON], body.to_string().as_bytes());
    assert_eq!(heard.status, 200, "{}", heard.body);
    serde_json::from_str(&heard.body).unwrap()
}

fn address(server: &Server) -> &str {
    server.url.strip_prefix("http://").unwrap()
}

/// The lines of the log, each of them an object.
fn lines(log: &Path) -> Vec<Value> {
    let text = String::from_utf8(std::fs::read(log).unwrap()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    let lines: Vec<&str> = text.split_terminator('\n').collect();
    for line in &lines {
        let breaking = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        assert!(!line.contains(breaking), "{line:?}");
    }
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}")))
        .collect()
}

#[test]
fn one_event_is_one_line_of_its_own_making_whatever_a_client_sends() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let server = Server::start_logging("127.0.0.1:0", &[], File::create(&log).unwrap().into());
    let (mut raw, mut accepted) = (Raw::new(address(&server)), 0);
    for items in items().chunks(100) {
        accepted += post(&mut raw, items)["accepted"].as_u64().unwrap() as usize;
    }
    assert!(accepted > 3 * hostile().len(), "{accepted}");
    let (code, _, said) = server.stop_and_hear("-TERM");
    assert_eq!(code, Some(0));
    let lines = lines(&log);
    assert_eq!(lines.len(), accepted, "each of these is one event");
    for line in &lines {
        let event = line["event"].as_str().unwrap();
        assert!(["start", "failure"].contains(&event), "{line}");
        assert!(line.get("forged").is_none() && line["time"] != "2026-01-01T00:00:00.000Z");
        assert_eq!(line["user_experience_id"], "create_merge_request");
    }
    // All of what was sent is there, only not as what it says.
    let reasons: Vec<&str> = lines.iter().filter_map(|line| line["reason"].as_str()).collect();
    assert_eq!(reasons, hostile());
    let own = lines.last().unwrap()["meta"].as_object().unwrap();
    assert!(own.len() == OWN.len() && own.values().all(|value| value == FORGED), "{own:?}");
    check_own_log(&said);
}

/// What the tracker says of itself is its own, line by line.
fn check_own_log(said: &str) {
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        assert!(!line.to_string().contains("forged"), "{line}");
    }
}

#[test]
fn heads_paths_and_bodies_that_are_refused_leave_nothing_in_the_trackers_own_log() {
    let dir = tempfile::tempdir().unwrap();
    let (log, config) = (dir.path().join("log"), dir.path().join("tracker.toml"));
    let sha256 = labkit_tracker::auth::sha256_hex("key");
    std::fs::write(
        &config,
        format!(
            "[[keys]]\nname = 'k'\ntenant = 't'\nsha256 = '{sha256}'\n[[issuers]]\niss = 'i'\n\
             audiences = ['a']\njwks_uri = 'http://127.0.0.1:1/'\n"
        ),
    )
    .unwrap();
    let flags = ["--config", config.to_str().unwrap()];
    let server = Server::start_logging("127.0.0.1:0", &flags, File::create(&log).unwrap().into());
    let mut raw = Raw::new(address(&server));
    for request in [
        format!(
            "GET /{} HTTP/1.1\r\nHost: x\r\n\r\n",
            FORGED.replace(' ', "%20").replace('"', "%22")
        ),
        "GET /%0a%0dforged%e2%80%a8 HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
        format!(
            "GET /v1/experiences?state={} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n\r\n",
            "%0aforged"
        ),
        format!(
            "GET /metrics HTTP/1.1\r\nHost: forged\r\nAuthorization: Bearer {FORGED}\r\nUser-Agent: {FORGED}\r\n\r\n"
        ),
        format!(
            "POST /v1/checkpoints HTTP/1.1\r\nHost: x\r\nContent-Type: {FORGED}\r\nContent-Length: 0\r\n\r\n"
        ),
        format!(
            "POST /v1/checkpoints HTTP/1.1\r\nHost: x\r\n{JSON}\r\nAuthorization: Bearer key\r\nContent-Length: {}\r\n\r\n{FORGED}",
            FORGED.len()
        ),
    ] {
        let heard = raw.send(request.as_bytes());
        assert!((400..500).contains(&heard.status), "{} {request}", heard.status);
    }
    // A token whose every part is somebody's text, for an issuer that has to be asked.
    let encode =
        |text: &str| base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, text);
    let token = [
        encode(&json!({"alg": "RS256", "typ": "JWT", "kid": format!("forged\n{FORGED}")}).to_string()),
        encode(&json!({"iss": "i", "aud": "a", "exp": 9_999_999_999_u64, "sub": format!("\r\n{FORGED}")}).to_string()),
        encode("forged"),
    ]
    .join(".");
    let heard = raw.send(
        format!("GET /v1/experiences HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n")
            .as_bytes(),
    );
    assert!([401, 503].contains(&heard.status), "{heard:?}");
    let (code, _, said) = server.stop_and_hear("-TERM");
    assert_eq!((code, lines(&log).len()), (Some(0), 0));
    check_own_log(&said);
}

#[test]
fn values_of_meta_that_nobody_wants_to_keep_are_kept_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (log, store) = (dir.path().join("log"), dir.path().join("store"));
    let embedded = format!("embedded:{}", store.display());
    let flags = ["--store", &embedded, "--redact", "email,*token*"];
    let server = Server::start_logging("127.0.0.1:0", &flags, File::create(&log).unwrap().into());
    let mut raw = Raw::new(address(&server));
    let meta = json!({"EMail": "secret-1@example", "csrf_Token_2": "secret-2", "emails": 7, "time": "secret-free"});
    let start = with(checkpoint("start", 1), "meta", meta);
    assert_eq!(post(&mut raw, std::slice::from_ref(&start))["accepted"], 1);
    assert_eq!(
        post(&mut raw, std::slice::from_ref(&start))["duplicate"],
        1,
        "a retry is still one"
    );
    let alone = raw
        .post(&[JSON], with(start, "correlation_id", format!("{:032x}", 2)).to_string().as_bytes());
    assert!(alone.status == 200 && alone.body.contains("[redacted]"), "{}", alone.body);
    assert!(!alone.body.contains("secret-1"));
    until("both are told", || lines(&log).len() == 2);
    assert_eq!(server.stop("-TERM").0, Some(0));
    for line in lines(&log) {
        let kept = (&line["EMail"], &line["csrf_Token_2"], &line["emails"], &line["meta"]["time"]);
        let gone = json!("[redacted]");
        assert_eq!(kept, (&gone, &gone, &json!(7), &json!("secret-free")));
    }
    let file = std::fs::read(&store).unwrap();
    let holds = |text: &[u8]| file.windows(text.len()).any(|window| window == text);
    assert!(holds(b"create_merge_request") && !holds(b"secret-1") && !holds(b"secret-2"));
}
