//! Whatever Redis answers instead of doing what it was asked: clients are told
//! to come back, nothing is half done, and time stands still meanwhile.

#[path = "support/redis_server.rs"]
mod redis_server;

use std::process::{Command, Stdio};
use std::sync::Arc;

use labkit::definition::{self, Registry};
use labkit::wire::{CheckpointId, Timestamp};
use labkit_tracker::Settings;
use labkit_tracker::limits::{OUTBOX_LINES, SETTLING_MS};
use labkit_tracker::rehearsal::Rehearsal;
use labkit_tracker::store::{Redis, RedisOptions, RedisSettings};
use redis_server::{Cluster, LASTING, RedisServer, until};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const T0: i64 = 1_790_000_000_000;
const BATCH: u128 = 50;

/// A tracker on a Redis, and the runtime that its connections live on.
struct Stage {
    tracker: Rehearsal,
    /// Experiences whose start was acknowledged.
    started: u128,
    _runtime: Runtime,
}

impl Stage {
    fn on(url: &str) -> Self {
        Stage::acknowledging(url, "local")
    }

    fn acknowledging(url: &str, ack: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = RedisOptions {
            ack: Some(ack.to_owned()),
            connect_timeout_ms: Some(200),
            response_timeout_ms: Some(400),
            ack_timeout_ms: Some(200),
            ..RedisOptions::default()
        };
        let settings = RedisSettings::new(url, &options).unwrap();
        let store = runtime.block_on(Redis::open(settings, T0, OUTBOX_LINES)).unwrap();
        let yaml = "description: x\nfeature_category: making\nurgency: async_slow\n";
        let made = definition::read("make_it.yml".as_ref(), yaml).0.unwrap();
        let registry = Registry::new(vec![made]);
        let tracker = Rehearsal::on(Arc::new(store), registry, Settings::default(), T0);
        Stage { tracker, started: 0, _runtime: runtime }
    }

    /// Sends the next starts, with so much beside each: the status.
    fn send(&mut self, bytes: usize) -> u16 {
        let at = Timestamp::from_millis(self.tracker.now_ms()).to_string();
        let items = (self.started..self.started + BATCH).map(|number| {
            let id = CheckpointId(number + 1).to_string();
            json!({
                "id": id, "correlation_id": id, "user_experience_id": "make_it",
                "checkpoint": "start", "type": "web", "feature_category": "making",
                "urgency": "async_slow", "client_timestamp": at, "meta": {"x": "x".repeat(bytes)}
            })
        });
        let items: Vec<Value> = items.collect();
        let body = json!({"sent_at": at, "checkpoints": items}).to_string();
        let answered = self.tracker.ingest("default", &body);
        match answered.status {
            200 => self.started += BATCH,
            status => assert_eq!(status, 503, "{}", answered.body),
        }
        answered.status
    }

    fn passes(&self) -> i64 {
        let before = self.tracker.virtual_ms();
        self.tracker.advance(2_000);
        self.tracker.virtual_ms() - before
    }

    /// While the fault lasts.
    fn check_refused(&mut self) {
        for _ in 0..2 {
            assert_eq!(self.send(10), 503);
            assert_eq!(self.passes(), 0, "time stands still while ingest is refused");
        }
    }

    /// After it.
    fn check_recovered(&mut self) {
        until("it takes checkpoints again", || self.send(10) == 200);
        self.tracker.advance(SETTLING_MS + 10_000);
        assert!(self.passes() > 0);
        let page = self.tracker.sli();
        let figure = |metric: &str| {
            let line = page.lines().find(|line| line.starts_with(metric)).unwrap();
            line.rsplit(' ').next().unwrap().parse::<u128>().unwrap()
        };
        for metric in ["gitlab_user_experience_checkpoint_total{", "labkit_user_experience_opened"]
        {
            let (counted, started) = (figure(metric), self.started);
            assert_eq!(counted, started, "{metric}: each start counts once, whatever was refused");
        }
        let mut lines = self.tracker.drain_events();
        lines.retain(|line| line.contains(r#""event":"start""#));
        assert_eq!(lines.len() as u128, self.started);
    }
}

#[test]
fn out_of_memory_nothing_is_taken_and_time_stands_still() {
    let server = RedisServer::start();
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    let used: usize = server.info("used_memory").parse().unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", &(used + 500_000).to_string()]);
    while stage.send(1_000) == 200 {}
    // At the edge a small step may still fit; none does below it.
    server.cli(&["CONFIG", "SET", "maxmemory", &used.to_string()]);
    stage.check_refused();
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    stage.check_recovered();
}

#[test]
fn out_of_memory_the_log_is_still_delivered() {
    let server = RedisServer::start();
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(stage.send(10), 503);
    assert_eq!(stage.tracker.drain_events().len() as u128, BATCH);
    assert!(stage.tracker.drain_events().is_empty(), "what is settled is gone");
}

#[test]
fn a_master_that_became_a_replica_takes_nothing_and_stops_time() {
    let server = RedisServer::start();
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    stage.check_refused();
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    stage.check_recovered();
}

#[test]
fn too_few_replicas_for_min_replicas_to_write_stop_time() {
    let server = RedisServer::start();
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    stage.check_refused();
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    stage.check_recovered();
}

#[test]
fn replicas_that_do_not_confirm_stop_time() {
    let server = RedisServer::start();
    let mut replica = server.replica();
    until("the replica confirms", || server.is_confirmed());
    let mut stage = Stage::acknowledging(&server.url(), "replica(1)");
    assert_eq!(stage.send(10), 200);
    replica.kill();
    stage.check_refused();
    replica.start_again();
    until("the replica confirms again", || server.is_confirmed());
    stage.check_recovered();
}

#[test]
fn a_script_that_runs_for_ever_stops_time() {
    let server = RedisServer::start_with(&["--busy-reply-threshold", "50"]);
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    let port = server.port.to_string();
    let mut endless = Command::new("redis-cli")
        .args(["-p", &port, "EVAL", "while true do end", "0"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("it is busy", || server.ping().is_some_and(|answer| answer.starts_with("-BUSY")));
    stage.check_refused();
    server.cli(&["SCRIPT", "KILL"]);
    endless.wait().unwrap();
    stage.check_recovered();
}

#[test]
fn a_disk_that_cannot_be_saved_to_stops_time() {
    let server = RedisServer::start_with(&["--save", "3600 1"]);
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    // A directory stands where the file should go.
    let place = server.dir().join("dump.rdb");
    std::fs::create_dir(&place).unwrap();
    server.cli(&["BGSAVE"]);
    until("it cannot save", || server.info("rdb_last_bgsave_status") == "err");
    stage.check_refused();
    std::fs::remove_dir(&place).unwrap();
    server.cli(&["BGSAVE"]);
    stage.check_recovered();
}

#[test]
fn a_start_that_takes_long_stops_time() {
    let mut server = RedisServer::start_with(&["--enable-debug-command", "local"]);
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    server.cli(&["DEBUG", "POPULATE", "20000"]);
    server.cli(&["SAVE"]);
    server.kill();
    server.flags(&["--key-load-delay", "200", "--loading-process-events-interval-bytes", "1024"]);
    server.spawn_again();
    until("it loads", || server.ping().is_some_and(|answer| answer.starts_with("-LOADING")));
    stage.check_refused();
    assert!(server.ping().unwrap().starts_with("-LOADING"), "it was over too soon to tell");
    server.cli(&["CONFIG", "SET", "key-load-delay", "0"]);
    server.await_up();
    stage.check_recovered();
}

#[test]
fn a_machine_that_hangs_stops_time() {
    let server = RedisServer::start();
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    server.signal("-STOP");
    stage.check_refused();
    server.signal("-CONT");
    stage.check_recovered();
}

#[test]
fn a_server_that_is_gone_stops_time_and_what_was_taken_is_there_after_it() {
    let mut server = RedisServer::start_with(&LASTING);
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    server.kill();
    stage.check_refused();
    server.start_again();
    stage.check_recovered();
}

#[test]
fn a_policy_that_turned_to_evicting_is_noticed_when_redis_comes_back() {
    let mut server = RedisServer::start_with(&LASTING);
    let mut stage = Stage::on(&server.url());
    assert_eq!(stage.send(10), 200);
    server.kill();
    server.flags(&["--maxmemory-policy", "allkeys-lru"]);
    server.start_again();
    stage.check_refused();
    server.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    stage.check_recovered();
}

#[test]
fn a_part_of_the_cluster_without_a_master_stops_all_of_it() {
    let mut cluster = Cluster::start();
    let mut stage = Stage::on(&cluster.url());
    assert_eq!(stage.send(10), 200);
    let (dead, replica) = (0, cluster.replica_of(0));
    for node in [dead, replica] {
        cluster.nodes[node].kill();
    }
    stage.check_refused();
}

#[test]
fn a_cluster_goes_on_with_a_replica_for_a_master_that_died() {
    let mut cluster = Cluster::start();
    let mut stage = Stage::on(&cluster.url());
    assert_eq!(stage.send(10), 200);
    let replica = cluster.replica_of(0);
    until("the replica has all of it", || {
        let offset = |node: &RedisServer| node.info("master_repl_offset");
        offset(&cluster.nodes[0]) == offset(&cluster.nodes[replica])
    });
    cluster.nodes[0].kill();
    until("the replica is promoted", || cluster.nodes[replica].info("role") == "master");
    stage.check_recovered();
}
