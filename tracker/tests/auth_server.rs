//! The real binary behind its door: keys and tokens over HTTP, spoken by the
//! real curl, on the real clock.

#[path = "support/issuer.rs"]
mod issuer;
mod support;
#[path = "support/tokens.rs"]
mod tokens;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use issuer::{Issuer, Says, SigningKey, key_set};
use labkit::wire::Timestamp;
use labkit_tracker::auth::sha256_hex;
use serde_json::{Value, json};
use support::{BINARY, Server, figure, until};
use tokens::{AUDIENCE, ISS, claims_at};

const ID: &str = "01HZZZZZZZZZZZZZZZZZZZZZZA";
const PATH: &str = "/v1/experiences/create_merge_request/01HZZZZZZZZZZZZZZZZZZZZZZA";

fn now_ms() -> i64 {
    UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

fn checkpoint(kind: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut checkpoint = json!({
        "correlation_id": ID, "user_experience_id": "create_merge_request", "checkpoint": kind,
        "type": "web", "feature_category": "code_review_workflow", "urgency": "custom",
        "client_timestamp": Timestamp::from_millis(now_ms()).to_string()
    });
    change(&mut checkpoint);
    checkpoint
}

fn batch(checkpoints: &[Value]) -> String {
    let sent_at = Timestamp::from_millis(now_ms()).to_string();
    json!({ "sent_at": sent_at, "checkpoints": checkpoints }).to_string()
}

/// A tracker that starts with this configuration, whose counters anybody may
/// see: what is looked at here is who may do what else.
fn serve(config: &str) -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tracker.toml");
    std::fs::write(&path, format!("metrics_without_credential = true\n{config}")).unwrap();
    (Server::start(&["--config", path.to_str().unwrap()]), dir)
}

fn key(name: &str, extra: &str) -> String {
    let sha256 = sha256_hex(&format!("secret-{name}"));
    format!("[[keys]]\nname = '{name}'\ntenant = '{name}'\nsha256 = '{sha256}'\n{extra}\n")
}

fn issuers(issuer: &Issuer) -> String {
    format!(
        "[[issuers]]\niss = '{ISS}'\njwks_uri = '{}'\naudiences = ['{AUDIENCE}']\n\
         algs = ['ES256']\nnamespace = 'gitlab'\n",
        issuer.uri()
    )
}

fn token(key: &SigningKey, kid: &str, change: impl FnOnce(&mut Value)) -> String {
    let claims = claims_at(now_ms() / 1_000, change);
    key.token(&format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), &claims)
}

fn bearer(credential: &str) -> String {
    format!("Authorization: Bearer {credential}")
}

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"))
}

#[test]
fn a_refusal_says_with_status_code_and_field_what_is_wrong_with_a_credential() {
    let (signer, stranger) = (SigningKey::ec(), SigningKey::ec());
    let issuer = Issuer::start(Says::Body(key_set(&[signer.jwk("k")])));
    let (server, _dir) = serve(&issuers(&issuer));
    let body = checkpoint("start", |_| {}).to_string();
    let good = bearer(&token(&signer, "k", |_| {}));
    let expired = bearer(&token(&signer, "k", |c| c["exp"] = json!(1)));
    let forged = bearer(&token(&stranger, "k", |_| {}));
    let reader = bearer(&token(&signer, "k", |c| c["scopes"] = json!(["user_experience:read"])));
    let (ours, theirs) = ("X-Gitlab-Instance-Id: instance-1", "X-Gitlab-Instance-Id: instance-2");
    let realm = "X-Gitlab-Realm: self-managed";
    let invalid = "www-authenticate: bearer realm=\"labkit-tracker\", error=\"invalid_token\"";
    for (headers, status, code, field, challenge) in [
        (&[][..], 401, "missing", "Authorization", "www-authenticate: bearer realm"),
        (&[&*expired], 401, "expired", "exp", invalid),
        (&[&*forged], 401, "bad_signature", "signature", invalid),
        (&["Authorization: Bearer x"], 401, "unknown_credential", "Authorization", invalid),
        (&[&*reader], 403, "out_of_scope", "scopes", "error=\"insufficient_scope\""),
        (&[&*good, theirs], 403, "header_mismatch", "X-Gitlab-Instance-Id", ""),
        (&[&*good, realm], 403, "header_mismatch", "X-Gitlab-Realm", ""),
    ] {
        let args: Vec<&str> = headers.iter().flat_map(|header| ["-H", header]).collect();
        let (got, head, body) = server.post(body.as_bytes(), &args);
        let problem = parse(&body);
        assert_eq!(
            (got, &problem["code"], &problem["field"]),
            (status, &json!(code), &json!(field))
        );
        assert!(head.contains("content-type: application/problem+json"), "{head}");
        assert!(head.contains(challenge), "{code}: {head}");
    }
    assert_eq!(server.post(body.as_bytes(), &["-H", &good, "-H", ours]).0, 200);

    // All of that is counted, and nothing of a credential is written anywhere.
    let (_, _, page) = server.curl("/metrics", &[]);
    for (outcome, count) in
        [("admitted", 1), ("bad_signature", 1), ("header_mismatch", 2), ("too_long", 0)]
    {
        let label = format!("outcome=\"{outcome}\"");
        assert_eq!(figure(&page, "labkit_tracker_authentications_total", &[&label]), count);
    }
    check_metrics(&page);
    let (code, log, said) = server.stop_and_hear("-TERM");
    assert_eq!(code, Some(0));
    for credential in [&good, &expired, &forged, &reader] {
        let signature = credential.rsplit('.').next().unwrap();
        assert!(!log.contains(signature) && !said.contains(signature));
    }
}

fn check_metrics(page: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed (Debian: prometheus)");
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let judged = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success() && complaints.is_empty(), "{complaints}");
}

#[test]
fn a_credential_of_one_tenant_cannot_end_the_experience_of_another() {
    let signer = SigningKey::ec();
    let issuer = Issuer::start(Says::Body(key_set(&[signer.jwk("k")])));
    let (server, _dir) = serve(&format!("{}{}", key("static", ""), issuers(&issuer)));
    let first = bearer(&token(&signer, "k", |_| {}));
    let second = bearer(&token(&signer, "k", |c| c["gitlab_instance_id"] = json!("instance-2")));
    let third = bearer("secret-static");
    let start = checkpoint("start", |_| {});
    assert_eq!(server.post(batch(&[start]).as_bytes(), &["-H", &first]).0, 200);
    for other in [&second, &third] {
        // The same ids to the letter, and an end that would count.
        let end = checkpoint("end", |c| c["elapsed_ms"] = json!(5));
        let (status, _, answer) = server.post(batch(&[end]).as_bytes(), &["-H", other]);
        assert_eq!(
            (status, &parse(&answer)["accepted"]),
            (200, &json!(1)),
            "it is an end of theirs"
        );
        let (_, _, view) = server.curl(PATH, &["-H", other]);
        assert_eq!(parse(&view)["state"], "success");
        let (_, _, view) = server.curl(PATH, &["-H", &first]);
        assert_eq!(
            (&parse(&view)["state"], &parse(&view)["checkpoints"]),
            (&json!("open"), &json!(1))
        );
    }
    let end = checkpoint("end", |c| c["outcome"] = json!("error"));
    assert_eq!(server.post(batch(&[end]).as_bytes(), &["-H", &first]).0, 200);
    let (_, _, view) = server.curl(PATH, &["-H", &first]);
    assert_eq!(parse(&view)["state"], "error");
    let (_, _, view) = server.curl(PATH, &["-H", &third]);
    assert_eq!(parse(&view)["state"], "success");
}

#[test]
fn a_captured_batch_that_is_sent_again_has_no_effect() {
    let signer = SigningKey::ec();
    let issuer = Issuer::start(Says::Body(key_set(&[signer.jwk("k")])));
    let (server, _dir) = serve(&issuers(&issuer));
    let (auth, own) = (bearer(&token(&signer, "k", |_| {})), ["start", "intermediate", "end"]);
    let captured = batch(&own.map(|kind| checkpoint(kind, |_| {})));
    let (_, _, answer) = server.post(captured.as_bytes(), &["-H", &auth]);
    assert_eq!(parse(&answer)["accepted"], 3);
    let counted = || server.curl("/metrics/sli", &[]).2;
    let before = counted();
    for _ in 0..20 {
        let (status, _, answer) = server.post(captured.as_bytes(), &["-H", &auth]);
        let answer = parse(&answer);
        let became = (&answer["accepted"], &answer["duplicate"]);
        assert_eq!((status, became), (200, (&json!(0), &json!(3))));
    }
    assert_eq!(counted(), before);
    // Whoever captured the body and not the credential does not even get that far.
    assert_eq!(server.post(captured.as_bytes(), &[]).0, 401);
}

#[test]
fn a_credential_sends_what_it_may_and_hears_which_field_was_too_much() {
    let narrow = "types = ['web', 'api-*']\nexperiences = ['create_*']";
    let writer = "scopes = ['user_experience:write']";
    let (server, _dir) = serve(&(key("narrow", narrow) + &key("writer", writer)));
    let narrow = bearer("secret-narrow");
    let items = [
        checkpoint("start", |_| {}),
        checkpoint("intermediate", |c| c["type"] = json!("api-v4")),
        checkpoint("intermediate", |c| c["type"] = json!("sidekiq")),
        checkpoint("start", |c| c["user_experience_id"] = json!("load_comments")),
    ];
    let (status, _, answer) = server.post(batch(&items).as_bytes(), &["-H", &narrow]);
    let answer = parse(&answer);
    assert_eq!((status, &answer["accepted"]), (200, &json!(2)));
    let refused: Vec<(u64, &str, &str)> = answer["rejected"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            (
                r["index"].as_u64().unwrap(),
                r["code"].as_str().unwrap(),
                r["field"].as_str().unwrap(),
            )
        })
        .collect();
    let expected =
        [(2, "type_not_allowed", "type"), (3, "experience_not_allowed", "user_experience_id")];
    assert_eq!(refused, expected);
    let single = items[3].to_string();
    let (status, _, answer) = server.post(single.as_bytes(), &["-H", &narrow]);
    assert_eq!((status, &parse(&answer)["code"]), (422, &json!("experience_not_allowed")));

    let writer = bearer("secret-writer");
    assert_eq!(server.post(items[0].to_string().as_bytes(), &["-H", &writer]).0, 200);
    assert_eq!(server.curl(PATH, &["-H", &writer]).0, 403);
    assert_eq!(server.curl("/v1/experiences", &["-H", &writer]).0, 403);
}

#[test]
fn whoever_sends_too_much_is_told_when_to_come_again_and_others_are_not_held_up() {
    let limits = "[limits]\ncredential_rate = 1\ncredential_burst = 3\n";
    let (server, _dir) = serve(&(key("one", "") + &key("two", "") + limits));
    let (one, two) = (bearer("secret-one"), bearer("secret-two"));
    let body = |from: u32| {
        let with =
            |id: u32| checkpoint("start", |c| c["correlation_id"] = json!(format!("{id:032x}")));
        batch(&(from..from + 10).map(with).collect::<Vec<_>>())
    };
    // More than is left is let in whole, and waited for afterwards.
    let (status, _, answer) = server.post(body(0).as_bytes(), &["-H", &one]);
    assert_eq!((status, &parse(&answer)["accepted"]), (200, &json!(10)));
    let (status, head, answer) = server.post(body(10).as_bytes(), &["-H", &one]);
    assert_eq!(status, 429, "{answer}");
    let wait = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    let wait: u64 = wait.parse().unwrap();
    assert!((1..=8).contains(&wait), "3 - 10, and one to go on with, at one a second: {wait}");
    assert!(head.contains("content-type: application/problem+json"));
    assert_eq!(server.post(body(20).as_bytes(), &["-H", &two]).0, 200);
    let (_, _, listed) = server.curl("/v1/experiences?limit=100", &["-H", &one]);
    let listed = parse(&listed)["experiences"].as_array().unwrap().len();
    assert_eq!(listed, 10, "nothing of what was refused was taken in; questions are not counted");
    let came_again = Instant::now();
    until("it is let in again", || server.post(body(10).as_bytes(), &["-H", &one]).0 == 200);
    assert!(came_again.elapsed() < Duration::from_secs(wait + 2));
}

/// What becomes of a start with this credential.
fn start(server: &Server, credential: &str) -> u16 {
    let body = checkpoint("start", |_| {}).to_string();
    server.post(body.as_bytes(), &["-H", &bearer(credential)]).0
}

fn metric(server: &Server, name: &str) -> u64 {
    figure(&server.curl("/metrics", &[]).2, name, &[])
}

#[test]
fn a_rotation_is_picked_up_in_less_than_five_seconds() {
    let (old, new) = (SigningKey::ec(), SigningKey::ec());
    let issuer = Issuer::start(Says::Body(key_set(&[old.jwk("old")])));
    let (server, _dir) = serve(&issuers(&issuer));
    until("the keys are there", || metric(&server, "labkit_tracker_issuer_keys") == 1);
    assert_eq!(start(&server, &token(&old, "old", |_| {})), 200);
    issuer.say(Says::Body(key_set(&[old.jwk("old"), new.jwk("new")])));
    let rotated = Instant::now();
    assert_eq!(start(&server, &token(&new, "new", |_| {})), 200);
    assert!(rotated.elapsed() < Duration::from_secs(5), "{:?}", rotated.elapsed());
    assert_eq!(start(&server, &token(&old, "old", |_| {})), 200);
    assert_eq!(issuer.requests(), 2);
}

#[test]
fn a_tracker_starts_without_its_issuer_and_asks_it_when_the_first_token_comes() {
    let signer = SigningKey::ec();
    // An address at which nobody listens, for now.
    let issuer = Issuer::start(Says::Nothing);
    let (address, config) = (issuer.address.clone(), issuers(&issuer));
    drop(issuer);
    let (server, _dir) = serve(&(key("static", "") + &config));
    assert_eq!(start(&server, "secret-static"), 200, "keys do not need the issuer");
    let failures = "labkit_tracker_issuer_fetch_failures_total";
    until("the first attempt has failed", || metric(&server, failures) == 1);
    let issuer = Issuer::start_on(&address, Says::Body(key_set(&[signer.jwk("k")])));
    assert_eq!(start(&server, &token(&signer, "k", |_| {})), 200);
    assert_eq!(issuer.requests(), 1);
    let (_, _, said) = server.stop_and_hear("-TERM");
    assert!(said.contains("could not be fetched") && said.contains("could be fetched again"));
}

#[test]
fn a_token_that_waits_for_its_issuer_in_vain_is_to_be_sent_again() {
    let signer = SigningKey::ec();
    let issuer = Issuer::start(Says::Body("<html>maintenance</html>".into()));
    let (server, _dir) = serve(&issuers(&issuer));
    let body = checkpoint("start", |_| {}).to_string();
    let auth = bearer(&token(&signer, "k", |_| {}));
    let (status, head, answer) = server.post(body.as_bytes(), &["-H", &auth]);
    assert_eq!((status, &parse(&answer)["code"]), (503, &json!("keys_unavailable")));
    assert!(head.contains("retry-after: "), "{head}");
}

#[test]
fn a_proxy_of_the_environment_is_not_asked_for_keys_that_come_without_tls() {
    let (signer, stranger) = (SigningKey::ec(), SigningKey::ec());
    let issuer = Issuer::start(Says::Body(key_set(&[signer.jwk("k")])));
    let proxy = Issuer::start(Says::Body(key_set(&[stranger.jwk("k")])));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tracker.toml");
    std::fs::write(&path, issuers(&issuer)).unwrap();
    let set = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .map(|name| format!("{name}=http://{}", proxy.address));
    let command: Vec<&str> = ["env"].into_iter().chain(set.iter().map(String::as_str)).collect();
    let flags = ["--config", path.to_str().unwrap()];
    let server = Server::start_under(&command, "127.0.0.1:0", &flags, Stdio::piped());
    assert_eq!(start(&server, &token(&signer, "k", |_| {})), 200);
    assert_eq!((issuer.requests(), proxy.requests()), (1, 0));
}

#[test]
fn a_new_key_is_shown_once_and_opens_the_door_with_the_lines_that_come_with_it() {
    let made = Command::new(BINARY)
        .args(["keys", "new", "--name", "web", "--tenant", "prod"])
        .output()
        .unwrap();
    assert!(made.status.success());
    let text = String::from_utf8(made.stdout).unwrap();
    let (before, toml) = text.split_once("[[keys]]").unwrap();
    let key = before.lines().find(|line| line.starts_with("labkit_")).unwrap();
    let (server, _dir) = serve(&format!("[[keys]]{toml}"));
    let body = checkpoint("start", |_| {}).to_string();
    assert_eq!(server.post(body.as_bytes(), &["-H", &bearer(key)]).0, 200);
    assert_eq!(server.post(body.as_bytes(), &["-H", &bearer(&key[..70])]).0, 401);

    let made = Command::new(BINARY).args(["keys", "new", "--name", "a\"b"]).output().unwrap();
    assert_eq!((made.status.code(), made.stdout.is_empty()), (Some(2), true));
}

#[test]
fn a_header_of_two_megabytes_is_refused_and_harms_nobody() {
    let (server, _dir) = serve(&key("one", ""));
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    let token = "A".repeat(2 << 20);
    let request = format!("GET /v1/experiences HTTP/1.1\r\nHost: x\r\n{}\r\n\r\n", bearer(&token));
    // It is cut off while it still writes.
    let _ = stream.write_all(request.as_bytes());
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 431"), "{heard:.40}");
    assert_eq!(server.curl("/v1/experiences", &["-H", &bearer("secret-one")]).0, 200);
}
