//! Four trackers on one Redis, all of them sweeping and two taking in, killed
//! with -9 at random moments, and Redis with them. `LABKIT_ROUNDS` says how often.
//!
//! They acknowledge what is on the disk: with `ack = "local"` and `everysec`,
//! Redis takes with it what it holds back while its disk is slow to sync.

mod support;

#[path = "support/redis_server.rs"]
mod redis_server;
#[path = "support/redis_stage.rs"]
mod stage;

use redis_server::{LASTING, RedisServer, until};
use stage::{Stage, some};
use support::figure;

const ROUNDS: usize = 6;
const TRACKERS: usize = 4;
const INGESTING: usize = 2;
const CLIENTS: u128 = 3;

/// Every third time it is Redis.
fn fault(stage: &Stage, server: &mut RedisServer, round: usize) {
    if round % 3 == 2 {
        server.kill();
        server.start_again();
        return;
    }
    let tracker = some(TRACKERS as u64) - 1;
    stage.kill(tracker);
    stage.await_acknowledgements(1); // the others go on
    stage.start(tracker);
}

/// Lets the clients come to an end, also where something fails.
struct Finish<'a>(&'a Stage);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn waiting(server: &RedisServer) -> usize {
    let keys = server.cli(&["--scan", "--pattern", "*:outbox"]);
    let length = |key: &str| server.cli(&["XLEN", key]).trim().parse::<usize>().unwrap();
    keys.lines().map(length).sum()
}

#[test]
fn what_several_trackers_acknowledged_survives_their_kills_and_those_of_redis() {
    let rounds = std::env::var("LABKIT_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut server = RedisServer::start_with(&LASTING);
    let config = dir.path().join("tracker.toml");
    std::fs::write(&config, "[redis]\nack = \"aof\"\n").unwrap();
    let flags = ["--store", &server.url(), "--config", config.to_str().unwrap()];
    let stage = Stage::new(dir.path(), TRACKERS, &flags);
    let mut counted = (0, 0);
    std::thread::scope(|scope| {
        let stage = &stage;
        let _finish = Finish(stage);
        for number in 1..=CLIENTS {
            scope.spawn(move || stage.client(number, INGESTING));
        }
        for round in 0..rounds {
            stage.await_acknowledgements(some(20));
            fault(stage, &mut server, round);
            let page = stage.page();
            let now =
                (stage.ended(&page, "kept", "success"), stage.ended(&page, "left", "timeout"));
            assert!(now.0 >= counted.0 && now.1 >= counted.1, "{counted:?}, then {now:?}");
            counted = now;
        }
    });
    let ledger = stage.ledger.lock().unwrap();
    let ends: u64 = ledger.iter().map(|batch| batch.ends).sum();
    let left: u64 = ledger.iter().map(|batch| batch.left).sum();
    drop(ledger);
    until("what nobody ends times out", || {
        figure(&stage.page(), "labkit_user_experience_open", &[]) == 0
    });
    let lost = stage.lost();
    let page = stage.page();
    assert_eq!(stage.ended(&page, "kept", "success"), ends, "each end counts once");
    assert_eq!(stage.ended(&page, "left", "timeout"), left, "each lost end is noticed once");
    for (metric, labels, expected) in [
        ("gitlab_user_experience_checkpoint_total", &["checkpoint=\"start\""][..], ends + left),
        ("gitlab_user_experience_checkpoint_total", &["checkpoint=\"end\""], ends),
        ("gitlab_user_experience_apdex_total", &["success=\"true\""], ends),
        ("gitlab_user_experience_total", &["error=\"true\""], left),
        ("labkit_user_experience_opened_total", &[], ends + left),
        ("labkit_user_experience_anomaly_total", &[], 0),
    ] {
        assert_eq!(figure(&page, metric, labels), expected, "{metric} {labels:?}");
    }
    until("the log is delivered", || waiting(&server) == 0);
    stage.stop_all();
    let told = stage.told();
    let doubled: u64 = told.values().map(|count| count - 1).sum();
    println!(
        r#"{{"name":"redis kills","rounds":{rounds},"ended":{ends},"timed_out":{left},"lost":{lost},"doubled":{doubled}}}"#
    );
    assert_eq!((lost, doubled), (0, 0));
    for (kind, expected) in [("start", ends + left), ("success", ends), ("failure", left)] {
        let count = told.keys().filter(|(_, event)| event == kind).count() as u64;
        assert_eq!(count, expected, "{kind}");
    }
}
