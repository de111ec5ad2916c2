//! Figures of the engine itself, without HTTP and with the in-memory store.

use std::sync::Arc;
use std::time::Duration;

use labkit::definition::{self, Registry};
use labkit_tracker::clock::{Clock, ManualClock, SystemClock};
use labkit_tracker::store::Memory;
use labkit_tracker::{Settings, Tracker};
use tokio::runtime::Runtime;

use super::body::{Bodies, EXPERIENCE};

const OPEN: usize = 1_000_000;
const DUE: usize = 100_000;
const BATCHES: usize = 5_000;
const BATCH: usize = 100;
/// A tick a second passes for time that passed.
const TICK_MS: i64 = 1_000;

struct Engine {
    runtime: Runtime,
    tracker: Arc<Tracker>,
    clock: Arc<ManualClock>,
    tenant: Arc<str>,
}

impl Engine {
    fn new() -> Self {
        let yaml = "description: x\nfeature_category: code_review_workflow\nurgency: custom\n\
                    apdex_threshold_s: 10\n";
        let read = definition::read(format!("{EXPERIENCE}.yml").as_ref(), yaml).0;
        let registry = Registry::new(read.into_iter().collect());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let clock = Arc::new(ManualClock::new(SystemClock.now_ms()));
        let store = Arc::new(Memory::new(clock.now_ms()));
        let tracker = Tracker::new(registry, Settings::default(), store, clock.clone());
        let tracker = Arc::new(runtime.block_on(tracker).unwrap());
        Engine { runtime, tracker, clock, tenant: "default".into() }
    }

    fn take_in(&self, body: &str) {
        let now = self.clock.now_ms();
        self.runtime.block_on(async {
            self.tracker.ingest(&self.tenant, body, now).await.unwrap();
            let lines = self.tracker.outbox(usize::MAX).await.unwrap();
            self.tracker.settle(&lines).await.unwrap();
        });
    }

    fn open(&self, count: usize) {
        let (mut bodies, mut body) = (Bodies::new(1, BATCH), String::new());
        for _ in 0..count / BATCH {
            bodies.next_starts(&mut body);
            self.take_in(&body);
        }
    }
}

/// Of this process, which has one thread, by the kernel's count: what others do
/// on this machine is in nobody's figures.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// Of this process, by the kernel's count.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

fn tell(name: &str, value: f64, unit: &str, goal: f64) {
    eprintln!("{name:44} {value:10.1} {unit:28} goal {goal}");
    let value = (value * 10.0).round() / 10.0;
    println!(r#"{{"name":"{name}","value":{value},"unit":"{unit}","goal":{goal}}}"#);
}

pub(crate) fn memory() {
    let engine = Engine::new();
    engine.open(BATCH); // what there is only once
    let before = resident_bytes();
    engine.open(OPEN);
    let each = (resident_bytes() - before) / OPEN as f64;
    tell("memory of an open experience", each, "B", 200.0);
}

pub(crate) fn sweep() {
    let engine = Engine::new();
    engine.open(DUE);
    let ttl_ms = 120_000;
    for _ in 0..ttl_ms / TICK_MS - 1 {
        engine.clock.step(TICK_MS);
        engine.runtime.block_on(engine.tracker.sweep()).unwrap();
    }
    engine.clock.step(TICK_MS);
    let begun = cpu_time();
    let swept = engine.runtime.block_on(engine.tracker.sweep()).unwrap();
    let took = (cpu_time() - begun).as_secs_f64() * 1e3;
    assert_eq!(swept, DUE as u64);
    tell("sweep of 100,000 due", took, "ms", 50.0);
}

pub(crate) fn ingest() {
    let engine = Engine::new();
    let (mut bodies, mut body) = (Bodies::new(1, BATCH), String::new());
    let mut took = Duration::ZERO;
    for _ in 0..BATCHES {
        bodies.next(&mut body);
        let begun = cpu_time();
        engine.take_in(&body);
        took += cpu_time() - begun;
    }
    let rate = (BATCHES * BATCH) as f64 / took.as_secs_f64();
    tell("engine, batches of 100", rate, "checkpoints per CPU second", 500_000.0);
}
