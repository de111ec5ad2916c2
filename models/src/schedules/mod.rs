//! The whole client, its worker included, under shuttle, which decides at every
//! atomic, lock and channel which thread goes on. Each model runs under some
//! thousand schedules; one that fails is printed, and `LABKIT_REPLAY=<schedule>`
//! with the model's name runs it again.
//!
//! Shuttle takes every access for a sequentially consistent one: it finds what
//! goes wrong between two steps, and leaves weak orderings to `orderings`.

mod flush;
mod fork;
mod ledger;
mod shutdown;
mod wake;

use std::panic;
use std::sync::{Arc, Once};
use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{MaxSteps, Runner};

use crate::client::{Client, Delivery};
use crate::clock::Now;
use crate::config::{Config, TransportKind};
use crate::definition;
use crate::experience::Experience;
use crate::process::Shared;
use crate::quiet;
use crate::stats::Stats;
use crate::sync::world::{self, Threads, Time};
use crate::wire::{Checkpoint, CorrelationId};

/// Per model and scheduler, unless `LABKIT_SCHEDULES` says otherwise.
const SCHEDULES: usize = 5_000;
/// How many preemptions have to meet for a bug to show, at most.
const DEPTH: usize = 4;
/// Far above what any schedule takes: one that gets here waits for something
/// that does not come.
const STEPS: usize = 200_000;
/// The worker writes JSON and builds a message on a checker's small stack.
const STACK_BYTES: usize = 256 * 1024;

/// A timeout that only ends a wait if the model's time passes.
const LONG: Duration = Duration::from_secs(60);

/// Runs `body` under random schedules, and under those that need few, but exact,
/// preemptions.
fn explore(time: Time, threads: Threads, body: fn()) {
    let schedules = std::env::var("LABKIT_SCHEDULES").ok();
    let schedules = schedules.and_then(|n| n.parse().ok()).unwrap_or(SCHEDULES);
    show_panics();
    let run = move || {
        world::begin(time, threads);
        body();
    };
    if let Ok(schedule) = std::env::var("LABKIT_REPLAY") {
        return explore_by(ReplayScheduler::new_from_encoded(&schedule), run);
    }
    explore_by(RandomScheduler::new(schedules), run);
    explore_by(PctScheduler::new(DEPTH, schedules), run);
    let (model, rounds) = (std::thread::current(), 2 * schedules);
    let name = model.name().unwrap_or_default();
    println!(r#"{{"name":"{name}","rounds":{rounds},"lost":0,"doubled":0,"hung":0}}"#);
}

/// The library keeps quiet about panics on a thread that is inside it, and here
/// all threads are one.
fn show_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        quiet::install();
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            eprintln!("{info}");
            hook(info);
        }));
    });
}

fn explore_by(scheduler: impl Scheduler + 'static, run: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    config.stack_size = STACK_BYTES;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    config.silence_warnings = true; // on orderings, and on statics made anew
    Runner::new(scheduler, config).run(run);
}

/// Small enough to be full, crowded and halved within a few records.
fn config() -> Config {
    Config {
        definitions: "../tests/scenarios/definitions".into(),
        service: "web".into(),
        transport: TransportKind::Memory,
        queue_items: 4,
        batch_items: 2,
        ..Config::default()
    }
}

fn client() -> Client {
    Client::new(config()).expect("the configuration is right")
}

fn shared() -> Arc<Shared> {
    let (registry, _) = definition::load(&config().definitions).expect("there are definitions");
    Arc::new(Shared::new(config(), registry).expect("the configuration is right"))
}

/// Records one checkpoint that can be told from all others.
fn record(client: &Client, name: &str) -> Delivery {
    let now = Now { wall_ms: 0, mono_ns: 0 };
    let (experience, _) = Experience::start(0, CorrelationId::from_ulid(1), now, 1);
    client.checkpoint(&experience, Some(name), None).expect("the arguments are right")
}

/// What has reached the tracker, by name.
fn arrived(client: &Client) -> Vec<String> {
    let outbox = &client.shared_in_a_model().process().outbox;
    let lines = outbox.take_if(|_| true).unwrap_or_default();
    let checkpoints = lines.lines().map(Checkpoint::parse);
    let names = checkpoints.map(|it| it.expect("it was written so").checkpoint_category);
    names.map(|name| name.expect("each has one").into_owned()).collect()
}

/// Nothing moves any more: the ledger is exact.
fn balanced(client: &Client) -> Stats {
    let stats = client.stats();
    assert!(stats.balances(), "{stats:?}");
    stats
}
