//! All stores are ways to keep the same thing: whatever happens, the trackers
//! on them say the same.
//!
//! Histories are played several at a time on one set of trackers, each under a
//! tenant of its own, through the same pauses and restarts: to pass time costs
//! more than to take in a batch. `LABKIT_ROUNDS` says how many histories.

#[path = "support/redis_server.rs"]
mod redis_server;

use std::path::Path;
use std::sync::Arc;

use labkit::definition::{self, Registry};
use labkit::wire::Timestamp;
use labkit_tracker::Settings;
use labkit_tracker::limits::OUTBOX_LINES;
use labkit_tracker::rehearsal::Rehearsal;
use labkit_tracker::store::{Embedded, Memory, Redis, RedisSettings, Store};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use redis_server::{Cluster, RedisServer};
use serde_json::{Value, json};

const T0: i64 = 1_790_000_000_000;
/// Histories that are played together.
const TOGETHER: usize = 25;
/// Of one history.
const EXPERIENCES: usize = 7;
/// Each experience has one of these definitions.
const DEFINITIONS: [&str; 3] = ["make_it", "break_it", "fix_it"];

#[derive(Clone, Debug)]
enum Happening {
    /// One request of each history's.
    Batches(Vec<Batch>),
    /// Time passes, or the tracker was away so long.
    Advance(i64),
    Pause(i64),
    /// Both trackers end and start again on what their stores hold.
    Restart,
    /// The log's reader takes what there is.
    Read,
}

/// What a process sends, and says of itself.
#[derive(Clone, Debug)]
struct Batch {
    instance: u128,
    recorded: Option<u64>,
    queued: u64,
    adopted: bool,
    checkpoints: Vec<Checkpoint>,
}

impl Batch {
    fn json(&self, history: usize, now: i64) -> String {
        let items: Vec<Value> = self.checkpoints.iter().map(|c| c.json(history, now)).collect();
        json!({
            "sent_at": Timestamp::from_millis(now).to_string(),
            "instance_id": labkit::wire::CheckpointId(self.instance).to_string(),
            "sdk": {"name": "labkit-go", "version": "1"}, "recorded": self.recorded,
            "dropped": {"queue_full": self.queued / 2}, "queued": self.queued,
            "adopted": self.adopted, "checkpoints": items
        })
        .to_string()
    }
}

#[derive(Clone, Debug)]
struct Checkpoint {
    experience: usize,
    kind: &'static str,
    id: u128,
    service: &'static str,
    age: i64,
    outcome: &'static str,
    elapsed_ms: Option<i64>,
    started_ago: Option<i64>,
}

impl Checkpoint {
    fn json(&self, history: usize, now: i64) -> Value {
        let time = |at: i64| Timestamp::from_millis(at).to_string();
        let mut json = json!({
            "id": labkit::wire::CheckpointId(self.id).to_string(),
            "correlation_id": correlation_id(history, self.experience),
            "user_experience_id": DEFINITIONS[self.experience % DEFINITIONS.len()],
            "checkpoint": self.kind, "checkpoint_category": "step", "type": self.service,
            "feature_category": "making", "urgency": "sync_fast",
            "client_timestamp": time(now - self.age), "meta": {"age": self.age}
        });
        if self.kind == "end" {
            json["outcome"] = self.outcome.into();
            json["reason"] = "because".into();
            if let Some(elapsed) = self.elapsed_ms {
                json["elapsed_ms"] = elapsed.into();
            }
        }
        if let Some(ago) = self.started_ago {
            json["started_at"] = time(now - ago).into();
        }
        json
    }
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let kind = prop::sample::select(vec!["start", "intermediate", "end"]);
    let service = prop::sample::select(vec!["web", "sidekiq", "go"]);
    let outcome = prop::sample::select(vec!["success", "error", "handled", "discarded"]);
    let elapsed = prop::option::of(0..9_000_i64);
    let started = prop::option::of(0..90_000_i64);
    (0..EXPERIENCES, kind, 0..60_u128, service, 0..70_000_i64, outcome, elapsed, started).prop_map(
        |(experience, kind, id, service, age, outcome, elapsed_ms, started_ago)| Checkpoint {
            experience,
            kind,
            id,
            service,
            age,
            outcome,
            elapsed_ms,
            started_ago,
        },
    )
}

fn batch() -> impl Strategy<Value = Batch> {
    let checkpoints = prop::collection::vec(checkpoint(), 0..6);
    let recorded = prop::option::weighted(0.8, 0..50_u64);
    (0..3_u128, recorded, 0..9_u64, prop::bool::weighted(0.2), checkpoints).prop_map(
        |(instance, recorded, queued, adopted, checkpoints)| Batch {
            instance,
            recorded,
            queued,
            adopted,
            checkpoints,
        },
    )
}

fn happening(pause: impl Strategy<Value = i64>) -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => prop::collection::vec(batch(), TOGETHER).prop_map(Happening::Batches),
        3 => (1..40_000_i64).prop_map(Happening::Advance),
        1 => pause.prop_map(Happening::Pause),
        1 => Just(Happening::Restart),
        2 => Just(Happening::Read),
    ]
}

fn registry() -> Registry {
    let yaml = "description: x\nfeature_category: making\nurgency: sync_fast\n";
    let read = |id: &&str| definition::read(format!("{id}.yml").as_ref(), yaml).0.unwrap();
    Registry::new(DEFINITIONS.iter().map(read).collect())
}

fn rehearse(store: Arc<dyn Store>, now: i64) -> Rehearsal {
    Rehearsal::on(store, registry(), Settings::default(), now)
}

fn embedded(path: &Path) -> Arc<dyn Store> {
    Arc::new(Embedded::open(path, T0, OUTBOX_LINES).unwrap())
}

fn sorted(page: &str) -> Vec<String> {
    let mut lines: Vec<String> = page.lines().map(Into::into).collect();
    lines.sort();
    lines
}

/// No two alike, as what is due at the same time comes in their order.
fn correlation_id(history: usize, experience: usize) -> String {
    format!("{history:016x}{experience:016x}")
}

fn tenant(history: usize) -> String {
    format!("history {history}")
}

/// The experiences of one history, as a tracker shows them.
fn views(tracker: &Rehearsal, history: usize) -> Vec<Value> {
    let view = |experience: usize| {
        let id = DEFINITIONS[experience % DEFINITIONS.len()];
        let view = tracker.experience(&tenant(history), id, &correlation_id(history, experience));
        serde_json::to_value(view).unwrap()
    };
    (0..EXPERIENCES).map(view).collect()
}

/// A tracker, and how it gets its store back when it starts again.
struct Player<'a> {
    open: Box<dyn Fn() -> Arc<dyn Store> + 'a>,
    tracker: Option<Rehearsal>,
}

impl<'a> Player<'a> {
    fn new(open: impl Fn() -> Arc<dyn Store> + 'a) -> Self {
        let tracker = Some(rehearse(open(), T0));
        Player { open: Box::new(open), tracker }
    }

    fn memory() -> Self {
        let kept: Arc<dyn Store> = Arc::new(Memory::new(T0));
        Player::new(move || kept.clone())
    }

    fn tracker(&self) -> &Rehearsal {
        self.tracker.as_ref().unwrap()
    }

    fn restart(&mut self) {
        let now = self.tracker().now_ms();
        self.tracker = None; // a file is one tracker's at a time
        self.tracker = Some(rehearse((self.open)(), now));
    }
}

/// Compares what each says with what the first one says.
fn agree<T: PartialEq + std::fmt::Debug>(
    players: &[Player<'_>],
    say: impl Fn(&Rehearsal) -> T,
) -> Result<T, TestCaseError> {
    let first = say(players[0].tracker());
    for player in &players[1..] {
        prop_assert_eq!(&first, &say(player.tracker()));
    }
    Ok(first)
}

/// Plays to all players. `order` is what the order of the log may depend on.
fn play(
    happenings: Vec<Happening>,
    mut players: Vec<Player<'_>>,
    order: fn(&mut [String]),
) -> Result<(), TestCaseError> {
    for happening in happenings.into_iter().chain([Happening::Read]) {
        match &happening {
            Happening::Batches(batches) => {
                for (history, batch) in batches.iter().enumerate() {
                    send(&players, history, batch)?;
                }
            }
            Happening::Advance(millis) => players.iter().for_each(|p| p.tracker().advance(*millis)),
            Happening::Pause(millis) => players.iter().for_each(|p| p.tracker().pause(*millis)),
            Happening::Restart => players.iter_mut().for_each(Player::restart),
            Happening::Read => {
                agree(&players, |tracker| {
                    let mut lines = tracker.drain_events();
                    order(&mut lines);
                    lines
                })?;
                for history in 0..TOGETHER {
                    agree(&players, |tracker| views(tracker, history))?;
                }
            }
        }
        agree(&players, |tracker| (tracker.virtual_ms(), sorted(&tracker.sli())))?;
    }
    Ok(())
}

fn send(players: &[Player<'_>], history: usize, batch: &Batch) -> Result<(), TestCaseError> {
    let body = batch.json(history, players[0].tracker().now_ms());
    let answer = agree(players, |tracker| tracker.ingest(&tenant(history), &body))?;
    prop_assert_eq!(answer.status, 200);
    agree(players, |tracker| views(tracker, history))?;
    Ok(())
}

/// Plays as many histories as somebody asks for, or `default`.
fn rehearse_all(
    name: &str,
    default: u32,
    pause: impl Strategy<Value = i64>,
    play: impl Fn(Vec<Happening>) -> Result<(), TestCaseError>,
) {
    let asked = std::env::var("LABKIT_ROUNDS").ok().map(|number| number.parse().unwrap());
    let cases = asked.map_or(default, |rounds: u32| rounds.div_ceil(TOGETHER as u32));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let happenings = prop::collection::vec(happening(pause), 1..25);
    TestRunner::new(config).run(&happenings, play).unwrap();
    let histories = cases * TOGETHER as u32;
    println!("{}", json!({"name": name, "histories": histories, "differences": 0}));
}

#[test]
fn both_stores_give_the_same_answers_counters_and_events() {
    rehearse_all("differential", 8, -5_000..20_000_i64, |happenings| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let players = vec![Player::memory(), Player::new(|| embedded(&path))];
        play(happenings, players, |_| {})
    });
}

/// Shards of Redis know no order among experiences, only within each: an event's
/// id is its experience's, and a number that rises.
fn by_experience(lines: &mut [String]) {
    lines.sort_by_cached_key(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let id = line["event_id"].as_str().unwrap();
        let (experience, _) = id.rsplit_once('-').unwrap();
        experience.to_owned()
    });
}

fn redis(url: &str) -> Arc<dyn Store> {
    let settings = RedisSettings::new(url, &Default::default()).unwrap().reading_as("the test");
    let open = Redis::open(settings, T0, OUTBOX_LINES);
    Arc::new(tokio::runtime::Handle::current().block_on(open).unwrap())
}

#[test]
fn redis_and_a_cluster_say_what_memory_and_a_file_say() {
    // Connections live on the runtime that they were made on.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let (server, cluster) = (RedisServer::start(), Cluster::start());
    // A clock that is behind by two seconds at most is another tracker's, where
    // a store is shared: the store's own tests have that.
    let pause = prop_oneof![-5_000..-2_000_i64, 0..20_000_i64];
    rehearse_all("differential_redis", 4, pause, |happenings| {
        server.cli(&["FLUSHALL"]);
        cluster.flush();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let players = vec![
            Player::memory(),
            Player::new(|| embedded(&path)),
            Player::new(|| redis(&server.url())),
            Player::new(|| redis(&cluster.url())),
        ];
        play(happenings, players, by_experience)
    });
}
