//! What only a store in Redis has to do; the rest is in `store/contract.rs`.

use labkit::wire::CheckpointId;

use super::*;
use crate::limits::{OUTBOX_LINES, TICK_GAP_MS};
use crate::store::redis_server::{Cluster, LASTING, RedisServer, free_port};
use crate::store::sample::{self, T0};
use crate::transition::{Cell, Final, Seen, Stored, Tombstone};

async fn try_open(url: &str, ack: &str) -> Result<Redis, String> {
    let options = Options { ack: Some(ack.into()), ..Options::default() };
    let settings = Settings::new(url, &options).unwrap();
    Redis::open(settings, T0, OUTBOX_LINES).await.map_err(|error| error.to_string())
}

async fn open(url: &str) -> Redis {
    try_open(url, "local").await.unwrap()
}

fn identity(number: u128) -> Identity {
    sample::identity("make_it", number)
}

/// Opens an experience, counts that, and tells it.
fn opening(number: u128, expected: u64) -> Change {
    let mut seen = Seen::default();
    seen.insert(CheckpointId(number));
    let lines = vec![format!("line {number}").into()];
    Change { lines, ..sample::opening("make_it", number, seen, expected) }
}

fn shrunk(number: u128, expected: u64, due: i64) -> Change {
    let next = Some(Stored::Tombstone(Tombstone { outcome: Final::Handled, due }));
    Change { next, counts: vec![], lines: vec![], ..opening(number, expected) }
}

async fn commit(store: &Redis, change: Change) -> Commit {
    Store::commit(store, vec![change]).await.unwrap()[0]
}

async fn load(store: &Redis, number: u128) -> Loaded {
    Store::load(store, &[identity(number)]).await.unwrap().remove(0)
}

async fn opened(store: &Redis) -> i64 {
    let rows = Store::counters(store).await.unwrap();
    rows.iter().map(|(_, cells)| cells[Cell::Opened.index()]).sum()
}

#[tokio::test]
async fn what_one_tracker_wrote_another_one_reads() {
    let server = RedisServer::start();
    let (one, other) = (open(&server.url()).await, open(&server.url()).await);
    for number in 1..=50 {
        assert_eq!(commit(&one, opening(number, 0)).await, Commit::Done);
    }
    let ids: Vec<_> = (1..=50).map(identity).collect();
    let (here, there) = (Store::load(&one, &ids).await, Store::load(&other, &ids).await);
    assert_eq!(here, there);
    assert_eq!(opened(&other).await, 50);
    assert_eq!(Store::oldest(&other).await.unwrap(), [("make_it".into(), T0 - 50)]);
    Store::tick(&one, T0 + 1_000, 0).await.unwrap();
    assert_eq!(Store::due(&other, 100).await.unwrap().len(), 50);
    let listed = Store::list(&other, Box::new(|_, _| true), 3).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|(identity, _)| identity).collect();
    assert_eq!(listed, [identity(50), identity(49), identity(48)]);
}

#[tokio::test]
async fn a_tombstone_answers_until_its_time_is_over_and_then_is_nothing() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    commit(&store, opening(1, 0)).await;
    let whole = load(&store, 1).await;
    assert_eq!(commit(&store, shrunk(1, whole.version, T0 + 1_000)).await, Commit::Done);
    let small = load(&store, 1).await;
    let tombstone = Tombstone { outcome: Final::Handled, due: T0 + 1_000 };
    assert_eq!(small.stored, Some(Stored::Tombstone(tombstone)));
    assert_eq!(commit(&store, opening(1, 0)).await, Commit::Conflict, "it is still known");
    assert_eq!(commit(&store, opening(1, whole.version)).await, Commit::Conflict);

    Store::tick(&store, T0 + 999, 0).await.unwrap();
    assert_eq!(load(&store, 1).await.version, small.version);
    Store::tick(&store, T0 + 1_000, 0).await.unwrap();
    assert_eq!((load(&store, 1).await.version, load(&store, 1).await.stored), (0, None));
    assert_eq!(commit(&store, opening(1, small.version)).await, Commit::Conflict);
    assert_eq!(commit(&store, opening(1, 0)).await, Commit::Done);
    assert!(load(&store, 1).await.stored.is_some());
}

#[tokio::test]
async fn tombstones_share_pages_and_are_gone_when_each_page_was_looked_at() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    let due = |number: u128| if number <= 1_000 { T0 + 1 } else { T0 + 1_000 };
    let changes = (1..=2_000).map(|number| shrunk(number, 0, due(number)));
    Store::commit(&store, changes.collect()).await.unwrap();
    assert_eq!(entries(&server), 2_000);
    for _ in 0..shards::PAGES {
        Store::tick(&store, T0 + 500, 0).await.unwrap();
    }
    assert_eq!(entries(&server), 1_000);
    let all: Vec<_> = (1..=2_000).map(identity).collect();
    for (number, loaded) in (1..).zip(Store::load(&store, &all).await.unwrap()) {
        assert_eq!(loaded.stored.is_some(), number > 1_000, "{number}");
    }
}

/// Tombstones in all shards, those included whose time is over.
fn entries(server: &RedisServer) -> usize {
    let script = "local bytes = 0
        for _, page in ipairs(redis.call('HVALS', KEYS[1])) do bytes = bytes + #page end
        return bytes";
    let bytes = |shard: &Shard| server.cli(&["EVAL", script, "1", &shard.tombstones]);
    let bytes =
        Shard::all().iter().map(|s| bytes(s).trim().parse::<usize>().unwrap()).sum::<usize>();
    bytes / 13
}

#[tokio::test]
async fn scripts_and_names_that_redis_lost_are_told_again() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    commit(&store, opening(1, 0)).await;
    server.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(commit(&store, opening(2, 0)).await, Commit::Done);
    server.cli(&["FLUSHALL"]);
    assert_eq!(Store::load(&store, &[identity(1)]).await, Err(StoreError::Unavailable));
    Store::tick(&store, T0 + 100, 0).await.unwrap();
    assert_eq!(load(&store, 1).await.version, 0);
    assert_eq!(commit(&store, opening(3, 0)).await, Commit::Done);
    let reader = open(&server.url()).await;
    assert!(load(&reader, 3).await.stored.is_some(), "its definition is there, too");
}

/// Redis cuts off what it wrote of a step when it died, but only back to the
/// last whole command, and does that part when it loads the file once more.
#[tokio::test]
async fn a_step_that_redis_wrote_by_half_counts_once_when_it_is_done_again() {
    let mut server = RedisServer::start_with(&LASTING);
    let store = open(&server.url()).await;
    commit(&store, opening(1, 0)).await;
    let whole = load(&store, 1).await;
    let file = incremental(&server);
    let before = std::fs::read(&file).unwrap().len();
    // The same shard's, so that its counters move up and down.
    let end = || shrunk(1, whole.version, T0 + 1_000_000);
    let counts = || opening(1, 0).counts;
    let end = || Change { counts: counts(), lines: vec!["end".into()], ..end() };
    assert_eq!(commit(&store, end()).await, Commit::Done);
    let (counters, written) = (Store::counters(&store).await.unwrap(), std::fs::read(&file));
    let written = written.unwrap();
    let commands = (before..written.len() - 1).filter(|at| written[*at..].starts_with(b"\r\n*"));
    let commands: Vec<usize> = commands.collect();
    assert!(commands.len() > 6, "a step is several commands: {commands:?}");
    for command in commands {
        server.kill();
        std::fs::write(&file, &written[..command + 4]).unwrap();
        server.start_again();
        let store = open(&server.url()).await;
        assert_eq!(commit(&store, end()).await, Commit::Done, "cut at {command}");
        server.kill();
        server.start_again();
        let store = open(&server.url()).await;
        assert_eq!(Store::counters(&store).await.unwrap(), counters, "cut at {command}");
        let ended = load(&store, 1).await.stored;
        assert!(matches!(ended, Some(Stored::Tombstone(_))), "cut at {command}: {ended:?}");
    }
}

#[tokio::test]
async fn a_deadline_without_a_record_is_forgotten_and_keeps_no_other_one() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    commit(&store, opening(1, 0)).await;
    commit(&store, opening(2, 0)).await;
    for shard in Shard::all() {
        let only = "for _, key in ipairs(redis.call('HKEYS', KEYS[1])) do
            redis.call('ZADD', KEYS[2], 0, string.rep('x', #key)) end";
        server.cli(&["EVAL", only, "2", &shard.records, &shard.due]);
    }
    Store::tick(&store, T0 + 1_000, 0).await.unwrap();
    for _ in 0..2 {
        let mut due = Store::due(&store, 100).await.unwrap();
        due.sort_unstable();
        assert_eq!(due, [identity(1), identity(2)]);
    }
    let waiting = |shard: &Shard| server.cli(&["ZCARD", &shard.due]).trim().parse::<u32>().unwrap();
    assert_eq!(Shard::all().iter().map(waiting).sum::<u32>(), 2);
}

/// The file that a server appends to.
fn incremental(server: &RedisServer) -> std::path::PathBuf {
    let files = std::fs::read_dir(server.dir().join("appendonlydir")).unwrap();
    let mut files = files.map(|file| file.unwrap().path());
    files.find(|file| file.to_string_lossy().contains(".incr.")).unwrap()
}

#[tokio::test]
async fn trackers_whose_clocks_differ_a_little_pass_time_together() {
    let server = RedisServer::start();
    let (ahead, behind) = (open(&server.url()).await, open(&server.url()).await);
    let mut time = VirtualTime::new(T0);
    for tick in 1..=20 {
        let now = T0 + tick * 100;
        time = Store::tick(&ahead, now, 0).await.unwrap();
        assert_eq!(Store::tick(&behind, now - TICK_GAP_MS, 0).await.unwrap(), time);
    }
    assert_eq!((time.v, time.blind), (T0 + 2_000, 0));
    let set_back = Store::tick(&ahead, T0 - 1_000, 0).await.unwrap();
    assert_eq!((set_back.v, set_back.settling > 0), (T0 + 2_000, true));
}

#[tokio::test]
async fn lines_go_to_one_tracker_until_it_goes_away() {
    let server = RedisServer::start();
    let (one, other) = (open(&server.url()).await, open(&server.url()).await);
    commit(&one, opening(1, 0)).await;
    assert_eq!(Store::outbox(&one, 10).await.unwrap().len(), 1);
    assert!(Store::outbox(&other, 10).await.unwrap().is_empty());
    assert_eq!(Store::backlog(&other).await.unwrap(), 1);
    drop(one);
    let since = std::time::Instant::now();
    while Store::outbox(&other, 10).await.unwrap().is_empty() {
        assert!(since.elapsed().as_secs() < 30, "nobody takes over");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_sum_that_would_overflow_stays_at_its_end_and_the_change_is_whole() {
    let server = RedisServer::start();
    let store = open(&server.url()).await;
    for number in 1..=3 {
        let mut change = opening(number, 0);
        change.counts[0].moves = vec![(Cell::Opened, 1), (Cell::DurationUs, i64::MAX / 2)];
        // All of them in one shard, as each shard has its own sum.
        change.identity = identity(1);
        change.expected = load(&store, 1).await.version;
        assert_eq!(commit(&store, change).await, Commit::Done);
    }
    let rows = Store::counters(&store).await.unwrap();
    assert_eq!(rows[0].1[Cell::DurationUs.index()], i64::MAX);
    assert_eq!((opened(&store).await, Store::backlog(&store).await.unwrap()), (3, 3));
}

/// The client of a cluster follows a shard to another node by itself.
#[tokio::test]
async fn a_cluster_that_would_lose_something_is_noticed_while_it_serves() {
    let cluster = Cluster::start();
    let store = open(&cluster.url()).await;
    assert_eq!(commit(&store, opening(1, 0)).await, Commit::Done);
    for node in &cluster.nodes {
        node.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    }
    let since = std::time::Instant::now();
    while Store::commit(&store, vec![opening(1, 0)]).await.is_ok() {
        assert!(since.elapsed().as_secs() < 30, "nobody asks again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await; // between two looks
    }
}

#[tokio::test]
async fn a_user_with_the_rights_that_the_guide_names_can_do_everything() {
    let server = RedisServer::start();
    let guide = include_str!("../../../../docs/operations.md");
    let line = guide.lines().find_map(|line| line.strip_prefix("    ACL SETUSER tracker "));
    let rights = line.unwrap().replace("PASSWORD", "secret");
    let set: Vec<&str> =
        ["ACL", "SETUSER", "tracker"].into_iter().chain(rights.split(' ')).collect();
    assert_eq!(server.cli(&set).trim(), "OK");
    let store = open(&server.url().replace("//", "//tracker:secret@")).await;
    assert_eq!(commit(&store, opening(1, 0)).await, Commit::Done);
    Store::tick(&store, T0 + 1_000, 0).await.unwrap();
    let listed = Store::list(&store, Box::new(|_, _| true), 10).await.unwrap();
    assert_eq!((listed.len(), opened(&store).await), (1, 1));
    assert_eq!(Store::due(&store, 10).await.unwrap(), [identity(1)]);
    assert_eq!(Store::oldest(&store).await.unwrap().len(), 1);
    let lines = Store::outbox(&store, 10).await.unwrap();
    Store::settle(&store, &lines).await.unwrap();
    assert_eq!((lines.len(), Store::backlog(&store).await.unwrap()), (1, 0));
}

#[tokio::test]
async fn a_redis_that_would_lose_something_is_refused_at_the_start() {
    for (flags, ack, expected) in [
        (&["--maxmemory-policy", "allkeys-lru"][..], "local", "maxmemory-policy noeviction"),
        (&["--maxmemory-policy", "volatile-lru"], "local", "\"volatile-lru\""),
        (&[], "aof", "set appendonly yes"),
        (&["--replicaof", "127.0.0.1", "1"], "local", "replica"),
    ] {
        let server = RedisServer::start_with(flags);
        let error = try_open(&server.url(), ack).await.err().unwrap_or_default();
        assert!(error.contains(expected) && error.contains(&server.url()), "{flags:?}: {error}");
    }
    let nobody = RedisServer::start().url();
    let error = try_open(&nobody, "local").await.err().unwrap();
    assert!(error.contains("Is Redis running?"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_synced_each_time_needs_a_server_that_can_be_asked_to() {
    for (flags, expected) in [
        (&["--appendonly", "yes", "--appendfsync", "everysec"][..], "appendfsync always"),
        (&["--appendonly", "yes", "--rename-command", "CONFIG", ""], "CONFIG is forbidden"),
    ] {
        let server = RedisServer::start_with(flags);
        let opened = try_open(&server.url(), "aof").await;
        if server.cli(&["COMMAND", "INFO", "WAITAOF"]).contains("waitaof") {
            assert_eq!(commit(&opened.unwrap(), opening(1, 0)).await, Commit::Done, "{flags:?}");
        } else {
            let error = opened.err().unwrap_or_default();
            assert!(error.contains(expected) && error.contains(&server.url()), "{error}");
        }
    }
}

#[tokio::test]
async fn levels_that_the_server_can_keep_are_taken() {
    let server = RedisServer::start_with(&LASTING);
    let store = try_open(&server.url(), "aof").await.unwrap();
    assert_eq!(commit(&store, opening(1, 0)).await, Commit::Done);

    let store = try_open(&server.url(), "replica(1)").await.unwrap();
    let refused = Store::commit(&store, vec![opening(2, 0)]).await;
    assert_eq!(refused, Err(StoreError::Unavailable), "there is no replica");
    let again = Store::load(&store, &[identity(2)]).await;
    assert_eq!(again, Err(StoreError::Unavailable), "nor may a duplicate be acknowledged");
    let _replica = server.replica();
    assert!(load(&store, 2).await.stored.is_some());
    assert_eq!(commit(&store, opening(3, 0)).await, Commit::Done);
}

#[tokio::test]
async fn tls_is_spoken_to_whom_the_named_authority_vouches_for() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(place("cert"), made.cert.pem()).unwrap();
    std::fs::write(place("key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(place("other"), other.cert.pem()).unwrap();
    let port = free_port();
    let _server = RedisServer::start_with(
        &[
            &["--tls-port", &port.to_string(), "--tls-auth-clients", "no"][..],
            &["--tls-cert-file", &place("cert"), "--tls-key-file", &place("key")],
            &["--tls-ca-cert-file", &place("cert")],
        ]
        .concat(),
    );
    let open = async |ca_file: &str| {
        let options = Options { ca_file: Some(place(ca_file).into()), ..Options::default() };
        let settings = Settings::new(&format!("rediss://127.0.0.1:{port}"), &options).unwrap();
        Redis::open(settings, T0, OUTBOX_LINES).await
    };
    let store = open("cert").await.unwrap();
    assert_eq!(commit(&store, opening(1, 0)).await, Commit::Done);
    let refused = open("other").await.err().unwrap().to_string();
    assert!(refused.contains("certificate"), "{refused}");
    assert!(open("missing").await.err().unwrap().to_string().contains("ca_file"));
}

#[tokio::test]
async fn keys_of_another_layout_are_left_alone() {
    let server = RedisServer::start();
    let shard = &Shard::all()[7];
    server.cli(&["HSET", &shard.meta, "layout", "2"]);
    let error = try_open(&server.url(), "local").await.err().unwrap();
    assert!(error.contains("layout 2"), "{error}");
}

#[tokio::test]
async fn a_cluster_does_what_one_server_does() {
    let cluster = Cluster::start();
    let store = try_open(&cluster.url(), "replica(1)").await.unwrap();
    let changes = (1..=100).map(|number| opening(number, 0)).collect();
    let commits = Store::commit(&store, changes).await.unwrap();
    assert!(commits.iter().all(|commit| *commit == Commit::Done));
    let other = open(&cluster.url()).await;
    assert_eq!(opened(&other).await, 100);
    let all: Vec<_> = (1..=100).map(identity).collect();
    let loaded = Store::load(&other, &all).await.unwrap();
    assert!(loaded.iter().all(|loaded| loaded.stored.is_some()));
    Store::tick(&other, T0 + 1_000, 0).await.unwrap();
    assert_eq!(Store::due(&other, 60).await.unwrap().len(), 60);
    let lines = Store::outbox(&other, 1_000).await.unwrap();
    Store::settle(&other, &lines).await.unwrap();
    assert_eq!((lines.len(), Store::backlog(&store).await.unwrap()), (100, 0));
}
