//! The files under examples/deploy, each with the real program that reads it.

#[path = "operations/front.rs"]
mod front;
#[path = "rules/pages.rs"]
mod pages;
#[path = "rules/promtool.rs"]
mod promtool;
#[path = "support/redis_server.rs"]
mod redis_server;
mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use front::{Front, HAPROXY, NGINX, Proxy, replace};
use labkit::wire::Timestamp;
use labkit_tracker::auth::{generate, sha256_hex};
use labkit_tracker::cli::Serve;
use labkit_tracker::config::{Config, StoreChoice};
use pages::Shown;
use redis_server::{Cluster, LASTING, RedisServer};
use serde_json::json;
use support::{BINARY, Server, definitions, free_address};

const SAMPLES: &str = "../examples/deploy";

fn sample(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The sample with keys that are known here: one for each of its placeholders.
fn with_keys(text: &str, dir: &Path) -> (PathBuf, Vec<String>) {
    let (mut text, mut keys) = (text.to_owned(), Vec::new());
    for number in 1..=2 {
        let key = generate().unwrap();
        let placeholder = format!("{number:064}");
        text = text.replace(&placeholder, &sha256_hex(&key));
        keys.push(key);
    }
    let path = dir.join("tracker.toml");
    std::fs::write(&path, text).unwrap();
    (path, keys)
}

fn start() -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    json!({
        "correlation_id": "01HZZZZZZZZZZZZZZZZZZZZZZA", "user_experience_id": "create_merge_request",
        "checkpoint": "start", "type": "web", "feature_category": "code_review_workflow",
        "urgency": "custom", "client_timestamp": Timestamp::from_millis(now).to_string()
    })
    .to_string()
}

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}")
}

/// Starts a tracker with a sample and a store of ours, and sends to it.
fn takes_checkpoints_with(text: &str, store: &str) -> (Server, Vec<String>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (config, keys) = with_keys(text, dir.path());
    let server = Server::start(&["--config", config.to_str().unwrap(), "--store", store]);
    (server, keys, dir)
}

#[test]
fn the_settings_for_one_machine_let_senders_write_and_prometheus_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}", dir.path().join("store.redb").display());
    let (server, keys, _dir) = takes_checkpoints_with(&sample("tracker.toml"), &store);
    let (writes, reads) = (bearer(&keys[0]), bearer(&keys[1]));
    let body = start();
    for (key, status) in [(&writes, 200), (&reads, 403)] {
        assert_eq!(server.post(body.as_bytes(), &["-H", key]).0, status);
    }
    for (key, status) in [(&writes, 403), (&reads, 200)] {
        assert_eq!(server.curl("/v1/experiences", &["-H", key]).0, status);
    }
}

#[test]
fn the_settings_for_a_redis_are_good_for_a_redis_as_the_guide_wants_it() {
    let redis = RedisServer::start_with(&LASTING);
    let (server, keys, _dir) = takes_checkpoints_with(&sample("tracker-redis.toml"), &redis.url());
    assert_eq!(server.post(start().as_bytes(), &["-H", &bearer(&keys[0])]).0, 200);
    let forgetful = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let (config, _) = with_keys(&sample("tracker-redis.toml"), dir.path());
    let refused = Command::new(BINARY)
        .args(["serve", "--listen", "127.0.0.1:0", "--store", &forgetful.url(), "--definitions"])
        .arg(definitions())
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("appendonly yes"), "{said}");
}

#[test]
fn the_settings_for_a_cluster_are_good_for_a_cluster_with_replicas() {
    let (cluster, dir) = (Cluster::start(), tempfile::tempdir().unwrap());
    let keys = dir.path().join("jwks.json");
    std::fs::write(&keys, "{\"keys\":[]}").unwrap();
    // Nobody is asked over the network by a test.
    let file = format!("file = '{}'", keys.display());
    let text = replace(&sample("tracker-cluster.toml"), "discovery = true", &file);
    let (server, keys, _dir) = takes_checkpoints_with(&text, &cluster.url());
    let reads = bearer(&keys[1]);
    assert_eq!(server.curl("/metrics/sli", &["-H", &reads]).0, 200);
    let (status, _, body) = server.curl("/metrics", &["-H", &reads]);
    assert!(status == 200 && body.contains("issuer=\"https://id.example.com\""), "{body}");
}

#[test]
fn each_sample_of_the_settings_stands_as_it_is() {
    let redis = |config: &Config| matches!(config.store, StoreChoice::Redis(_));
    for (name, shared) in
        [("tracker.toml", false), ("tracker-redis.toml", true), ("tracker-cluster.toml", true)]
    {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SAMPLES).join(name);
        let config = Config::resolve(Serve { config: Some(path), ..Serve::default() });
        let config = config.unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((redis(&config), config.keys.is_empty()), (shared, false), "{name}");
        assert_eq!(config.listen.ip().is_loopback(), !shared, "{name}");
    }
}

/// The environment that the container recipe sets.
fn container_environment() -> Vec<(String, String)> {
    let recipe = sample("Containerfile");
    let (_, rest) = recipe.split_once("\nENV ").expect("an ENV");
    let joined = rest.replace("\\\n", " ");
    let line = joined.lines().next().unwrap();
    let pair = |word: &str| word.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
    line.split_whitespace().filter_map(pair).collect()
}

#[test]
fn the_environment_of_the_container_serves_its_port_on_every_address_and_keeps_state() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    // As the recipe's comment says, `listen` must not stand in the file.
    let text = replace(&sample("tracker.toml"), "listen = \"127.0.0.1:8480\"\n", "");
    let text = replace(&text, "definitions = \"/etc/labkit-tracker/definitions\"\n", "");
    let (_, keys) = with_keys(&text, dir.path());
    std::os::unix::fs::symlink(definitions(), dir.path().join("definitions")).unwrap();
    let port = free_address().rsplit(':').next().unwrap().to_owned();
    let environment = container_environment().into_iter().map(|(name, value)| {
        let value =
            value.replace("/etc/labkit-tracker", place).replace("/var/lib/labkit-tracker", place);
        let value = if name == "PORT" { port.clone() } else { value };
        (name, value)
    });
    let mut child = Command::new(BINARY)
        .arg("serve")
        .envs(environment)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let listens = line.contains(&format!("listening on http://0.0.0.0:{port}"));
    let status = listens.then(|| {
        let url = format!("http://127.0.0.1:{port}/v1/experiences");
        let key = bearer(&keys[1]);
        let curl = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", &key, &url];
        String::from_utf8(Command::new("curl").args(curl).output().unwrap().stdout).unwrap()
    });
    let _ = child.kill();
    child.wait().unwrap();
    assert_eq!(status.as_deref(), Some("200"), "{line}");
    assert!(dir.path().join("labkit-tracker.redb").exists());
}

#[test]
fn the_container_runs_as_nobody_and_names_variables_that_exist() {
    let recipe = sample("Containerfile");
    assert!(recipe.contains("\nUSER 65532:65532\n") && recipe.contains("cargo build --locked"));
    let help = Command::new(BINARY).args(["serve", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let environment = container_environment();
    assert_eq!(environment.len(), 4);
    for (name, _) in environment {
        let known = help.contains(&format!("[env: {name}=")) || help.contains(&format!("${name}"));
        assert!(known, "{name} is in no help");
    }
}

#[test]
fn the_unit_is_one_that_systemd_understands_and_exposes_little() {
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("labkit-tracker.service");
    let text = replace(&sample("labkit-tracker.service"), "/usr/local/bin/labkit-tracker", BINARY);
    std::fs::write(&unit, text).unwrap();
    let analyze = |args: &[&str]| {
        let output = Command::new("systemd-analyze").args(args).arg(&unit).output();
        let output = output.expect("systemd-analyze is needed (Debian: systemd)");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (good, said) = analyze(&["verify"]);
    // It also tells of other units that it meets on its way.
    let of_ours = said.lines().find(|line| line.contains("labkit-tracker"));
    assert!(good && of_ours.is_none(), "{said}");
    let (good, said) = analyze(&["security", "--offline=true", "--threshold=15"]);
    assert!(good, "1.5 of 10 at most: {said}");
}

#[test]
fn prometheus_takes_the_scrape_configuration_with_the_rules() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().to_str().unwrap();
    let text = replace(&sample("prometheus.yml"), "/etc/prometheus", place);
    std::fs::write(dir.path().join("labkit.key"), "secret").unwrap();
    let rules = Command::new(BINARY).arg("rules").arg(definitions()).output().unwrap();
    assert!(rules.status.success());
    std::fs::write(dir.path().join("labkit.rules.yml"), rules.stdout).unwrap();
    let config = dir.path().join("prometheus.yml");
    std::fs::write(&config, &text).unwrap();
    promtool::judge(&["check", "config"], &config).unwrap_or_else(|said| panic!("{said}"));
    let shown = Shown::start();
    let paths = text.lines().filter_map(|line| line.trim().strip_prefix("metrics_path: "));
    let paths: Vec<&str> = paths.collect();
    assert_eq!(paths, ["/metrics/sli", "/metrics"]);
    for path in paths {
        assert!(shown.page(path).starts_with("# HELP "), "{path}");
    }
}

fn leads_through_tls(proxy: &Proxy) {
    let (shown, dir) = (Shown::start(), tempfile::tempdir().unwrap());
    let tracker = shown.server.url.strip_prefix("http://").unwrap().to_owned();
    let front = Front::start(dir.path(), proxy, &tracker);
    let (key, body) = (shown.bearer(), start());
    let send = ["-H", "Content-Type: application/json", "--data-binary", &body, "-H", &key];
    let (status, answer) = front.get("/v1/checkpoints", &send);
    assert!(status == "200" && answer.contains("server_timestamp"), "{status} {answer}");
    assert_eq!(front.get("/v1/checkpoints", &send[..4]).0, "401", "the credential is the sender's");
    let (status, page) = front.get("/metrics/sli", &["-H", &key]);
    assert!(status == "200" && page.contains("gitlab_user_experience_total"), "{status}");
    assert_eq!(front.get("/metrics", &["-H", &key]).0, "404", "each process has its own");
}

#[test]
fn nginx_leads_through_tls_to_the_tracker() {
    leads_through_tls(&NGINX);
}

#[test]
fn haproxy_leads_through_tls_to_the_tracker() {
    leads_through_tls(&HAPROXY);
}
