//! The pages as the real server writes them: what a browser gets, for whom, and
//! what becomes of hostile data on the way. How it looks and moves is for
//! page_test.py to say, in a real browser.

#[path = "support/redis_server.rs"]
mod redis_server;
mod support;

use std::process::Command;
use std::time::UNIX_EPOCH;

use labkit::wire::Timestamp;
use labkit_tracker::auth::sha256_hex;
use redis_server::RedisServer;
use serde_json::{Value, json};
use support::{Server, until};

const ID: &str = "01HZZZZZZZZZZZZZZZZZZZZZZA";
const TIMELINE: &str = "/experiences/create_merge_request/01HZZZZZZZZZZZZZZZZZZZZZZA";
/// What every text of a client's says here.
const HOSTILE: &str = "</q><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u{2028}";

fn now_ms() -> i64 {
    UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

fn checkpoint(kind: &str, at: i64, change: impl FnOnce(&mut Value)) -> String {
    let mut checkpoint = json!({
        "correlation_id": ID, "user_experience_id": "create_merge_request", "checkpoint": kind,
        "type": "web", "feature_category": "code_review_workflow", "urgency": "custom",
        "client_timestamp": Timestamp::from_millis(at).to_string()
    });
    change(&mut checkpoint);
    checkpoint.to_string()
}

fn send(server: &Server, body: &str, args: &[&str]) {
    let (status, _, answer) = server.post(body.as_bytes(), args);
    assert_eq!(status, 200, "{answer}");
}

/// A tracker with a key for each of these tenants; what a key says is its name.
fn keyed(tenants: &[(&str, &str)]) -> (Server, tempfile::TempDir) {
    let key = |(tenant, scopes): &(&str, &str)| {
        let sha256 = sha256_hex(&format!("secret-{tenant}"));
        format!(
            "[[keys]]\nname = '{tenant}'\ntenant = '{tenant}'\nsha256 = '{sha256}'\nscopes = {scopes}\n"
        )
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tracker.toml");
    std::fs::write(&path, tenants.iter().map(key).collect::<String>()).unwrap();
    (Server::start(&["--config", path.to_str().unwrap()]), dir)
}

fn bearer(tenant: &str) -> String {
    format!("Authorization: Bearer secret-{tenant}")
}

#[test]
fn nothing_that_a_client_sends_becomes_markup() {
    let server = Server::start(&[]);
    send(&server, &checkpoint("start", now_ms(), |c| c["meta"] = json!({"a": HOSTILE})), &[]);
    let end = checkpoint("end", now_ms(), |c| {
        c["outcome"] = "error".into();
        c["reason"] = HOSTILE.into();
    });
    send(&server, &end, &[]);
    let (status, _, page) = server.curl(TIMELINE, &[]);
    assert_eq!(status, 200);
    assert!(
        page.contains("&lt;/q&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x"),
        "{page}"
    );
    assert_eq!(page.matches("<script>").count(), 1, "ours, and no other");
    assert!(!page.contains("<img") && !page.contains("alert(2)>\""));
    for path in [
        "/experiences/%3Cscript%3Ealert(1)%3C%2Fscript%3E/01HZZZZZZZZZZZZZZZZZZZZZZA",
        "/experiences/create_merge_request/%3Cscript%3Ealert(1)",
        "/experiences/%ff/%ff",
    ] {
        let (status, head, page) = server.curl(path, &[]);
        assert_eq!(status, 404, "{path}");
        assert!(head.contains("text/html") && !page.contains("alert(1)"), "{path}");
    }
}

#[test]
fn the_policy_of_each_page_lets_in_nothing_but_its_own_style_and_script() {
    let server = Server::start(&[]);
    send(&server, &checkpoint("start", now_ms(), |_| {}), &[]);
    for path in ["/", TIMELINE, "/experiences/no/such"] {
        let (_, head, page) = server.curl(path, &[]);
        let policy =
            head.lines().find_map(|l| l.strip_prefix("content-security-policy: ")).unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(head.contains("cache-control: no-store") && head.contains("nosniff"), "{head}");
        assert!(!page.contains("style=") && !page.contains("onclick="), "{path}");
        assert!(!page.contains("http://") && !page.contains("https://"), "{path}");
    }
}

#[test]
fn a_timeline_shows_when_checkpoints_were_recorded_and_where_threshold_and_deadline_lie() {
    let server = Server::start(&[]);
    // The time in this id is that of the checkpoint; that in the other means nothing.
    let at = now_ms() - 20_000;
    let id = labkit::wire::CheckpointId((at as u128) << 80 | 7).to_string();
    send(&server, &checkpoint("start", at, |c| c["id"] = (&*id).into()), &[]);
    let stray = "01HZZZZZZZZZZZZZZZZZZZZZZB";
    send(&server, &checkpoint("intermediate", at, |c| c["id"] = stray.into()), &[]);
    let (_, _, page) = server.curl(TIMELINE, &[]);
    let recorded = Timestamp::from_millis(at).to_string();
    assert!(page.contains(&format!("<time datetime=\"{recorded}\">")), "{page}");
    assert!(page.contains(&format!("<code>{id}</code>")) && page.contains(stray));
    assert_eq!(page.matches("class=\"seen\"").count(), 1, "one of them says when");
    for told in ["threshold 10 s", "deadline 2 min", "<b>open</b>"] {
        assert!(page.contains(told), "{told}: {page}");
    }
    // It is over its threshold, so the other page lists it, and leads here.
    let (_, _, list) = server.curl("/", &[]);
    assert!(list.contains(&format!("href=\"{TIMELINE}\"")), "{list}");
    send(&server, &checkpoint("end", now_ms(), |_| {}), &[]);
    let (_, _, page) = server.curl(TIMELINE, &[]);
    assert!(page.contains("<b>success</b>") && page.contains("not good: over the threshold"));
}

#[test]
fn lists_and_timelines_are_of_the_readers_own_tenant_and_figures_of_all() {
    let both = "['user_experience:write', 'user_experience:read']";
    let (server, _dir) =
        keyed(&[("one", both), ("two", both), ("writer", "['user_experience:write']")]);
    let (one, two, writer) = (bearer("one"), bearer("two"), bearer("writer"));
    let late = checkpoint("start", now_ms() - 20_000, |_| {});
    send(&server, &late, &["-H", &one]);
    let read = |path: &str, who: &str| server.curl(path, &["-H", who]);
    assert!(read("/", &one).2.contains(TIMELINE));
    let (status, _, page) = read("/", &two);
    assert_eq!((status, page.contains(ID)), (200, false));
    assert!(page.contains("<span>1 open now</span>") && page.contains("none stale"), "{page}");
    assert_eq!((read(TIMELINE, &one).0, read(TIMELINE, &two).0), (200, 404));
    for path in ["/", TIMELINE] {
        assert_eq!((server.curl(path, &[]).0, read(path, &writer).0), (401, 403), "{path}");
    }
}

#[test]
fn where_nothing_was_started_yet_the_page_says_how_to_and_what_it_says_works() {
    let server = Server::start(&[]);
    let (_, _, page) = server.curl("/", &[]);
    assert!(page.contains("Nothing was started yet"));
    let (_, rest) = page.split_once("<pre tabindex=\"0\"><code>").unwrap();
    let (command, _) = rest.split_once("</code>").unwrap();
    let mut shell = Command::new("bash");
    let output = shell.args(["-c", command]).env("TRACKER", &server.url).output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.contains("\"server_timestamp\""), "{command}: {answer}");
    until("it has been", || server.curl("/", &[]).2.contains("<span>1 open now</span>"));
}

#[test]
fn a_definition_that_comes_later_is_shown_with_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let yaml = |description: &str| {
        format!(
            "description: {description}\nfeature_category: making\nurgency: sync_fast\n\
             slo: {{apdex_pct: 42.5, error_pct: 7}}\n"
        )
    };
    std::fs::write(dir.path().join("first.yml"), yaml("The first")).unwrap();
    let definitions = dir.path().to_str().unwrap();
    let server = Server::start(&["--definitions", definitions, "--reload-s", "1"]);
    assert!(server.curl("/", &[]).2.contains("The first"));
    std::fs::write(dir.path().join("second.yml"), yaml("Bread & <b>butter</b>")).unwrap();
    until("it is shown", || {
        server.curl("/", &[]).2.contains("Bread &amp; &lt;b&gt;butter&lt;/b&gt;")
    });
    send(
        &server,
        &checkpoint("start", now_ms(), |c| c["user_experience_id"] = "second".into()),
        &[],
    );
    until("its objective is, too", || server.curl("/", &[]).2.contains("at least 42.5 %"));
}

#[test]
fn while_the_store_is_away_the_pages_say_so_and_then_they_are_back() {
    let mut redis = RedisServer::start();
    let server = Server::start(&["--store", &redis.url()]);
    send(&server, &checkpoint("start", now_ms(), |_| {}), &[]);
    assert!(server.curl("/", &[]).2.contains("store <b>ok</b>"));
    redis.kill();
    until("the page cannot be written", || server.curl("/", &[]).0 == 503);
    for path in ["/", TIMELINE] {
        let (status, head, page) = server.curl(path, &[]);
        assert_eq!(status, 503, "{path}");
        assert!(head.contains("text/html") && head.contains("retry-after: "), "{head}");
        assert!(page.contains("store <b>cannot be read</b>"), "{page}");
    }
    redis.start_again();
    until("it is back", || server.curl("/", &[]).0 == 200);
}
