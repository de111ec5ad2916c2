//! The real binary, spoken to by the real curl, judged by the real promtool.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use labkit::wire::Timestamp;
use serde_json::{Value, json};
use support::{BINARY, Server, definitions};

const PROMTOOL: &str = "/usr/bin/promtool";
const ID: &str = "01HZZZZZZZZZZZZZZZZZZZZZZA";

fn original(kind: &str) -> String {
    let millis = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    json!({
        "correlation_id": ID, "user_experience_id": "create_merge_request", "checkpoint": kind,
        "checkpoint_category": "create", "type": "web",
        "feature_category": "code_review_workflow", "urgency": "custom",
        "client_timestamp": Timestamp::from_millis(millis).to_string(), "server_timestamp": null,
        "meta": {"project_id": 7}
    })
    .to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output.stdout
}

fn promtool(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(PROMTOOL)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{PROMTOOL} is needed (Debian: prometheus): {e}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_original_payload_is_tracked_from_start_to_end() {
    let server = Server::start(&[]);
    for kind in ["start", "intermediate", "end"] {
        let (status, _, body) = server.post(original(kind).as_bytes(), &[]);
        assert_eq!(status, 200, "{body}");
        assert!(body.contains("\"server_timestamp\":\"2"), "{body}");
    }
    let path = format!("/v1/experiences/create_merge_request/{ID}");
    let (status, _, body) = server.curl(&path, &[]);
    let view: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &view["state"], &view["checkpoints"]), (200, &json!("success"), &json!(3)));
    for page in ["/metrics", "/metrics/sli"] {
        let (status, head, text) = server.curl(page, &[]);
        assert_eq!(status, 200);
        assert!(head.contains("content-type: text/plain; version=0.0.4"));
        let judged = promtool(&["check", "metrics"], &text);
        let complaints = String::from_utf8_lossy(&judged.stderr).into_owned();
        assert!(judged.status.success() && complaints.is_empty(), "{page}: {complaints}");
    }
    let (code, log) = server.stop("-TERM");
    assert_eq!(code, Some(0));
    let events: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"].to_string())
        .collect();
    assert_eq!(events, ["\"start\"", "\"intermediate\"", "\"success\""]);
}

#[test]
fn interrupting_it_is_a_clean_exit_too() {
    assert_eq!(Server::start(&[]).stop("-INT"), (Some(0), String::new()));
}

#[test]
fn what_is_open_is_listed_and_the_page_shows_it() {
    let server = Server::start(&[]);
    server.post(original("start").as_bytes(), &[]);
    for (query, count) in [
        ("", 1),
        ("?state=open&user_experience_id=create_merge_request&limit=5", 1),
        ("?state=stale", 0),
        ("?user_experience_id=run_pipeline", 0),
    ] {
        let (status, _, body) = server.curl(&format!("/v1/experiences{query}"), &[]);
        let listed: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, listed["experiences"].as_array().unwrap().len()), (200, count));
    }
    for query in ["?state=closed", "?limit=0", "?limit=x", "?stat=open"] {
        let (status, head, _) = server.curl(&format!("/v1/experiences{query}"), &[]);
        assert_eq!(status, 400, "{query}");
        assert!(head.contains("application/problem+json"));
    }
    let (status, head, page) = server.curl("/", &[]);
    assert_eq!(status, 200);
    assert!(
        head.contains("text/html") && page.contains("<td>create_<wbr>merge_<wbr>request<td>1<td>")
    );
    assert!(!page.contains("http://") && !page.contains("https://"), "no assets from elsewhere");
    assert!(page.contains("name=\"viewport\""), "a phone shows it at its own width");
}

#[test]
fn paths_that_lead_nowhere_are_problems_too() {
    let server = Server::start(&[]);
    for (path, args, status) in [
        ("/v1/experiences/create_merge_request/01HZZZZZZZZZZZZZZZZZZZZZZB", &[][..], 404),
        ("/v1/experiences/create_merge_request/what", &[], 404),
        ("/v1/experiences/%ff/%ff", &[], 404),
        ("/v1/nothing", &[], 404),
        ("/v1/checkpoints", &[], 405),
        ("/-/liveness", &["-X", "POST"], 405),
    ] {
        let (got, head, body) = server.curl(path, args);
        assert_eq!(got, status, "{path}");
        assert!(head.contains("application/problem+json"), "{path}: {head}");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["status"], status);
        assert_eq!(head.contains("\r\nallow: "), status == 405, "{path}: {head}");
    }
    for path in ["/-/liveness", "/-/readiness"] {
        assert_eq!(server.curl(path, &[]).0, 200);
    }
}

#[test]
fn hostile_bodies_are_refused_and_the_next_good_one_is_taken() {
    let server = Server::start(&[]);
    let good = original("start").into_bytes();
    let spaces = |count: usize| {
        let mut body = good.clone();
        body.resize(count, b' ');
        body
    };
    let gz = ["-H", "Content-Encoding: gzip"];
    let typed = |value| ["-H", value];
    let invalid_utf8 = [b"{\"a\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
    let mut truncated = gzip(&good);
    truncated.truncate(40);
    let cases: Vec<(Vec<u8>, Vec<&str>, u16)> = vec![
        (Vec::new(), vec![], 400),
        (invalid_utf8, vec![], 400),
        (spaces(1024 * 1024 + 1), vec![], 413),
        (spaces(1024 * 1024 + 1), vec!["-H", "Transfer-Encoding: chunked"], 413),
        (gzip(&spaces(900_000)), gz.to_vec(), 413),
        (gzip(&spaces(50_000_000)), gz.to_vec(), 413),
        (truncated, gz.to_vec(), 400),
        (good.clone(), gz.to_vec(), 400),
        (good.clone(), typed("Content-Encoding: br").to_vec(), 415),
        (good.clone(), typed("Content-Encoding: gzip, gzip").to_vec(), 415),
        (good.clone(), typed("Content-Type: text/plain").to_vec(), 415),
        (good.clone(), typed("Content-Type:").to_vec(), 415),
        (good.clone(), typed("Content-Type: application/json; charset=latin1").to_vec(), 415),
    ];
    for (body, args, status) in cases {
        // The last of two `Content-Type` headers of curl's wins.
        let (got, head, text) = match args.get(1) {
            Some(header) if header.starts_with("Content-Type") => {
                let data = String::from_utf8(body.clone()).unwrap();
                server.curl("/v1/checkpoints", &["-d", &data, "-H", header])
            }
            _ => server.post(&body, &args),
        };
        assert_eq!(got, status, "{args:?}: {text}");
        assert!(head.contains("application/problem+json"));
    }
    assert_eq!(server.post(&gzip(&good), &gz).0, 200);
    let (_, _, metrics) = server.curl("/metrics", &[]);
    assert!(!metrics.contains("status=\"5"), "{metrics}");
}

#[test]
fn the_edge_keeps_to_the_limits_that_are_configured() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("tracker.toml");
    let limits = "[limits]\nbody_bytes = 2048\ncompression_ratio = 3\nlisted_most = 1\n";
    std::fs::write(&config, limits).unwrap();
    let server = Server::start(&["--config", config.to_str().unwrap()]);
    let padded = |bytes: usize| {
        let mut body = original("start").into_bytes();
        body.resize(bytes, b' ');
        body
    };
    assert_eq!(server.post(&padded(2_048), &[]).0, 200);
    let (status, _, body) = server.post(&padded(2_049), &[]);
    assert!(status == 413 && body.contains("larger than 2048 bytes"), "{body}");
    let gz = ["-H", "Content-Encoding: gzip"];
    let (status, _, body) = server.post(&gzip(&padded(2_048)), &gz);
    assert!(status == 413 && body.contains("more than 3 to 1"), "{body}");
    assert_eq!(server.curl("/v1/experiences", &[]).0, 200);
    let (status, _, body) = server.curl("/v1/experiences?limit=2", &[]);
    assert!(status == 400 && body.contains("from 1 to 1"), "{body}");
}

/// Everything is written before the answer is read, as simple clients do.
fn upload(server: &Server, headers: &str, bytes: usize) -> String {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /v1/checkpoints HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; bytes]).expect("the upload is not cut off");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("the answer arrives");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_client_that_sends_all_before_it_reads_gets_to_read_the_refusal() {
    let server = Server::start(&[]);
    let json = "Content-Type: application/json\r\n";
    assert_eq!(upload(&server, json, 8_000_000), "HTTP/1.1 413");
    assert_eq!(upload(&server, "Content-Type: text/plain\r\n", 8_000_000), "HTTP/1.1 415");
}

#[test]
fn a_request_cut_off_in_its_head_harms_nobody() {
    let server = Server::start(&[]);
    let mut half = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    half.write_all(b"POST /v1/checkpoints HTTP/1.1\r\nHost: x\r\nContent-").unwrap();
    assert_eq!(server.post(original("start").as_bytes(), &[]).0, 200);
    assert_eq!(server.stop("-TERM").0, Some(0), "nor does it hold up the exit");
}

#[test]
fn a_connection_that_falls_silent_gives_its_place_back() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("tracker.toml");
    let limits = "[limits]\nhead_timeout_ms = 250\nbody_timeout_ms = 250\nidle_timeout_ms = 250\n\
                  connections = 1\n";
    std::fs::write(&config, limits).unwrap();
    let server = Server::start(&["--config", config.to_str().unwrap()]);
    let connect = || TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /v1/checkpoints HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    for (said, answer) in [
        (String::new(), ""),
        ("GET /-/live".to_owned(), ""),
        ("GET /-/liveness HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "HTTP/1.1 200"),
        (format!("{head}Content-Length: 9\r\n\r\n{{"), "HTTP/1.1 408"),
    ] {
        let mut stream = connect();
        stream.write_all(said.as_bytes()).unwrap();
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.starts_with(answer), "{said:?}: {heard:?}");
    }
    assert_eq!(server.curl("/-/liveness", &[]).0, 200);
}

#[test]
fn with_keys_only_their_owners_come_in_and_each_sees_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (config, port) = (dir.path().join("tracker.toml"), dir.path().join("port"));
    let key = |name: &str| {
        let hash = labkit_tracker::auth::sha256_hex(&format!("secret-{name}"));
        format!("{{name = '{name}', tenant = '{name}', sha256 = '{hash}'}}")
    };
    std::fs::write(&config, format!("keys = [{}, {}]\n", key("one"), key("two"))).unwrap();
    let flags = ["--config", config.to_str().unwrap(), "--port-file", port.to_str().unwrap()];
    let server = Server::start(&flags);
    let written = std::fs::read_to_string(&port).unwrap();
    assert_eq!(format!("http://{}", written.trim()), server.url);

    let body = original("start");
    for denied in [&[][..], &["-H", "Authorization: Bearer wrong"]] {
        let (status, head, _) = server.post(body.as_bytes(), denied);
        assert_eq!(status, 401);
        assert!(head.contains("www-authenticate: bearer"));
    }
    let one = ["-H", "Authorization: Bearer secret-one"];
    let two = ["-H", "Authorization: Bearer secret-two"];
    assert_eq!(server.post(body.as_bytes(), &one).0, 200);
    let path = format!("/v1/experiences/create_merge_request/{ID}");
    assert_eq!(server.curl(&path, &one).0, 200);
    assert_eq!(server.curl(&path, &two).0, 404);
    assert_eq!(server.curl("/v1/experiences", &[]).0, 401);
    assert_eq!(server.curl("/v1/experiences", &two).2, "{\"experiences\":[]}");
}

#[test]
fn a_log_that_nobody_reads_does_not_hold_up_the_exit() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("tracker.toml");
    std::fs::write(&config, "[limits]\nshutdown_grace_ms = 100\n").unwrap();
    let mut server = Server::start(&["--config", config.to_str().unwrap()]);
    let item = |i: u32| original("start").replace(ID, &format!("{i:032x}"));
    let items: Vec<String> = (0..500).map(item).collect();
    let now = Timestamp::from_millis(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64);
    let batch = format!(r#"{{"sent_at":"{now}","checkpoints":[{}]}}"#, items.join(","));
    assert!(server.post(batch.as_bytes(), &[]).2.contains("\"accepted\":500"));
    // More than a pipe holds, and its other end is open but idle.
    server.signal("-TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(BINARY).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn check_says_what_is_wrong_and_exits_by_it() {
    let good = definitions();
    let (code, out, _) = run(&["check", good.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(out.contains("19 usable definitions, 0 errors, 0 warnings"), "{out}");

    let dir = tempfile::tempdir().unwrap();
    let bad = dir.path().join("bad_one.yml");
    std::fs::write(&bad, "description: x\nfeature_category: y\nurgency: slow\n").unwrap();
    let (code, out, _) = run(&["check", dir.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(out.contains("bad_one.yml:3: error: urgency: expected"), "{out}");
    assert!(out.contains("0 usable definitions, 1 errors, 0 warnings"), "{out}");

    let (code, _, err) = run(&["check", "/does/not/exist"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("/does/not/exist"), "{err}");
}

#[test]
fn the_recording_rules_please_promtool_and_bear_gitlabs_names() {
    let (code, out, _) = run(&["rules", definitions().to_str().unwrap()]);
    assert_eq!(code, Some(0));
    for window in ["5m", "30m", "1h", "6h"] {
        for name in ["apdex:ratio", "error:ratio", "ops:rate", "apdex:success:rate"] {
            assert!(out.contains(&format!("gitlab:user_experience_sli:{name}_{window}\n")));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules.yml");
    std::fs::write(&file, out).unwrap();
    let judged = promtool(&["check", "rules", file.to_str().unwrap()], "");
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
}

#[test]
fn a_tracker_that_cannot_start_says_why_and_exits_2() {
    let good = definitions();
    let (good, open) = (good.to_str().unwrap(), "--insecure-no-auth");
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().to_str().unwrap();
    for (args, reason) in [
        (vec!["serve"], "--definitions"),
        (vec!["serve", "--definitions", good], "labkit-tracker keys new"),
        (vec!["serve", open, "--definitions", "/does/not/exist"], "/does/not/exist"),
        (vec!["serve", open, "--listen", "127.0.0.1:0", "--definitions", empty], "no usable"),
        (vec!["serve", open, "--definitions", good, "--listen", "0.0.0.0:0"], "--insecure-no-auth"),
        (vec!["serve", "--definitions", good, "--store", "http://x"], "`embedded:PATH`"),
        (
            vec![
                "serve",
                open,
                "--listen",
                "127.0.0.1:0",
                "--definitions",
                good,
                "--store",
                "redis://127.0.0.1:1",
            ],
            "--store redis://127.0.0.1:1: Connection refused",
        ),
        (
            vec![
                "serve",
                open,
                "--listen",
                "127.0.0.1:0",
                "--definitions",
                good,
                "--store",
                "embedded:/no/x",
            ],
            "--store embedded:/no/x: the directory /no does not exist",
        ),
        (vec!["serve", "--definitions", good, "--config", "/no/such.toml"], "/no/such.toml"),
        (vec!["serve", "--definitions", good, "--listen", "here"], "--listen"),
    ] {
        let (code, out, err) = run(&args);
        assert_eq!((code, &*out), (Some(2), ""), "{args:?}");
        assert!(err.contains(reason), "{args:?}: {err}");
    }
}

#[test]
fn the_environment_configures_what_flags_do_not() {
    let child = Command::new(BINARY)
        .arg("serve")
        .env("LABKIT_TRACKER_DEFINITIONS", definitions())
        .env("LABKIT_TRACKER_LISTEN", "0.0.0.0:0")
        .env("LABKIT_TRACKER_INSECURE_NO_AUTH", "true")
        .output()
        .unwrap();
    assert_eq!(child.status.code(), Some(2));
    assert!(String::from_utf8(child.stderr).unwrap().contains("--listen 0.0.0.0:0"));
}
