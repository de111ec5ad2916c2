//! All stores are ways to keep the same thing: whatever happens, the trackers
//! on them say the same. `LABKIT_ROUNDS` or `PROPTEST_CASES` says how many
//! histories are played on Redis.

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
/// Histories on Redis, where nobody asks for more.
const HISTORIES: u32 = 6;
/// Each experience has one of these definitions.
const DEFINITIONS: [&str; 3] = ["make_it", "break_it", "fix_it"];

#[derive(Clone, Debug)]
enum Happening {
    /// Checkpoints of one request.
    Batch(Vec<Checkpoint>),
    /// Time passes, or the tracker was away so long.
    Advance(i64),
    Pause(i64),
    /// Both trackers end and start again on what their stores hold.
    Restart,
    /// The log's reader takes what there is.
    Read,
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
    fn json(&self, now: i64) -> Value {
        let time = |at: i64| Timestamp::from_millis(at).to_string();
        let mut json = json!({
            "id": labkit::wire::CheckpointId(self.id).to_string(),
            "correlation_id": format!("{:032x}", self.experience),
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
    (0..7_usize, kind, 0..60_u128, service, 0..70_000_i64, outcome, elapsed, started).prop_map(
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

fn happening(pause: impl Strategy<Value = i64>) -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => prop::collection::vec(checkpoint(), 1..6).prop_map(Happening::Batch),
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

/// All that can be seen of a tracker from outside.
fn seen(tracker: &Rehearsal) -> (i64, Vec<String>, Vec<Value>) {
    let view = |experience: usize| {
        let id = DEFINITIONS[experience % DEFINITIONS.len()];
        let view = tracker.experience("default", id, &format!("{experience:032x}"));
        serde_json::to_value(view).unwrap()
    };
    (tracker.virtual_ms(), sorted(&tracker.sli()), (0..7).map(view).collect())
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

/// Plays a history to all players, and compares what each says with the first.
/// `order` is what the order of the log may depend on.
fn play(
    history: Vec<Happening>,
    mut players: Vec<Player<'_>>,
    order: fn(&mut [String]),
) -> Result<(), TestCaseError> {
    let told = |player: &Player<'_>| {
        let mut lines = player.tracker().drain_events();
        order(&mut lines);
        lines
    };
    for happening in history.into_iter().chain([Happening::Read]) {
        match &happening {
            Happening::Batch(checkpoints) => {
                let now = players[0].tracker().now_ms();
                let sent_at = Timestamp::from_millis(now).to_string();
                let items: Vec<Value> = checkpoints.iter().map(|c| c.json(now)).collect();
                let body = json!({"sent_at": sent_at, "checkpoints": items}).to_string();
                let answer = players[0].tracker().ingest("default", &body);
                prop_assert_eq!(answer.status, 200);
                for player in &players[1..] {
                    prop_assert_eq!(&answer, &player.tracker().ingest("default", &body));
                }
            }
            Happening::Advance(millis) => players.iter().for_each(|p| p.tracker().advance(*millis)),
            Happening::Pause(millis) => players.iter().for_each(|p| p.tracker().pause(*millis)),
            Happening::Restart => players.iter_mut().for_each(Player::restart),
            Happening::Read => {
                let first = told(&players[0]);
                for player in &players[1..] {
                    prop_assert_eq!(&first, &told(player));
                }
            }
        }
        let first = seen(players[0].tracker());
        for player in &players[1..] {
            prop_assert_eq!(&first, &seen(player.tracker()));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_stores_give_the_same_answers_counters_and_events(
        history in prop::collection::vec(happening(-5_000..20_000_i64), 1..25)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let players = vec![Player::memory(), Player::new(|| embedded(&path))];
        play(history, players, |_| {})?;
    }
}

/// Shards of Redis know no order among experiences, only within each.
fn by_experience(lines: &mut [String]) {
    lines.sort_by_key(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["correlation_id"].as_str().unwrap().to_owned()
    });
}

fn redis(url: &str) -> Arc<dyn Store> {
    let settings = RedisSettings::new(url, &Default::default()).unwrap().reading_as("the test");
    let open = Redis::open(settings, T0, OUTBOX_LINES);
    Arc::new(tokio::runtime::Handle::current().block_on(open).unwrap())
}

/// How many histories somebody asks for.
fn histories() -> u32 {
    let asked =
        ["LABKIT_ROUNDS", "PROPTEST_CASES"].iter().find_map(|name| std::env::var(name).ok());
    asked.map_or(HISTORIES, |number| number.parse().unwrap())
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
    let history = prop::collection::vec(happening(pause), 1..25);
    let config =
        ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(histories()) };
    let played = TestRunner::new(config).run(&history, |history| {
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
        play(history, players, by_experience)
    });
    played.unwrap();
}
