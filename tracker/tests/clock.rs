//! Whatever befalls the tracker's own time, nobody is timed out who ended in
//! time, and everybody is who never ended. `LABKIT_HISTORIES` says how many
//! histories are tried.

mod support;

use std::sync::Arc;

use labkit_tracker::Settings;
use labkit_tracker::limits::TICK_GAP_MS;
use labkit_tracker::rehearsal::Rehearsal;
use labkit_tracker::store::Memory;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use support::refusing::Refusing;
use support::stage::*;

const HISTORIES: u32 = 48;
/// `sync_slow`: twelve thresholds.
const TTL_MS: i64 = 60_000;
/// An end is on its way for as long as two ticks may lie apart without being a
/// pause, and for as long as a client then waits.
const DELIVERY_MS: i64 = 6_000;
/// What a client waits after a refusal that was over at once: `Retry-After`,
/// and some jitter.
const SHORT_WAIT_MS: i64 = 3_000;
/// How long clients back off at most.
const LONG_WAIT_MS: i64 = 60_000;
/// By then settling is over, however often it was extended.
const LONG_AFTER_MS: i64 = 40 * 60_000;

/// Something happens so long after what happened before, and then clients
/// wait this share of what they wait at most, in percent.
type Blow = (i64, Mishap, i64);

#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// The tracker's clock is set, forwards or backwards.
    Step(i64),
    /// The tracker's process stands still.
    Pause(i64),
    /// The store takes nothing.
    Blackout(i64),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    prop_oneof![
        (-3_600_000..=3_600_000_i64).prop_map(Mishap::Step),
        prop::sample::select(vec![-3_600_000, 3_600_000]).prop_map(Mishap::Step),
        (1_000..=60_000_i64).prop_map(Mishap::Pause),
        (1_000..=200_000_i64).prop_map(Mishap::Blackout),
    ]
}

/// One experience: when it starts, and how long it takes, if it ever ends.
type Run = (i64, Option<i64>);

/// The world outside, whose time nothing befalls, and the tracker in it.
struct World {
    tracker: Rehearsal,
    store: Arc<Refusing>,
    now: i64,
    /// What clients have to send: when it happened, and what.
    queue: Vec<(i64, serde_json::Value)>,
    /// Until when the clients back off.
    quiet_until: i64,
}

impl World {
    fn new(runs: &[Run]) -> Self {
        let store = Arc::new(Refusing::new(Memory::new(T0)));
        let tracker = Rehearsal::on(store.clone(), registry(), Settings::default(), T0);
        let mut queue = Vec::new();
        for (number, (start, took)) in runs.iter().enumerate() {
            let of = |kind, at: i64| {
                let checkpoint = with(original(kind), "correlation_id", json!(run_id(number)));
                (at, with(checkpoint, "client_timestamp", json!(time(at))))
            };
            queue.push(of("start", *start));
            queue.extend(took.map(|took| of("end", start + took)));
        }
        queue.sort_by_key(|(at, _)| *at);
        World { tracker, store, now: 0, queue, quiet_until: 0 }
    }

    /// Clients send what has happened, and keep what is not acknowledged.
    fn deliver(&mut self) {
        if self.now < self.quiet_until {
            return;
        }
        let happened = self.queue.partition_point(|(at, _)| *at <= self.now);
        for some in self.queue[..happened].chunks(100) {
            let items: Vec<_> = some.iter().map(|(_, item)| item.clone()).collect();
            let body = json!({"sent_at": time(self.now), "checkpoints": items}).to_string();
            let answer = self.tracker.ingest("default", &body);
            if answer.status == 503 {
                return; // all of it comes again
            }
            assert_eq!(answer.body["rejected"], json!([]));
        }
        self.queue.drain(..happened);
    }

    fn live(&mut self, millis: i64) {
        let end = self.now + millis;
        while self.now < end {
            let step = 500.min(end - self.now);
            self.now += step;
            self.tracker.advance(step);
            self.deliver();
        }
    }

    fn suffer(&mut self, (after, mishap, wait): Blow) {
        self.live(after);
        let away = match mishap {
            Mishap::Step(by) => {
                self.tracker.pause(by);
                return; // which no client notices
            }
            Mishap::Pause(millis) => {
                self.now += millis;
                self.tracker.pause(millis);
                millis
            }
            Mishap::Blackout(millis) => {
                self.store.refuse(true);
                self.live(millis);
                self.store.refuse(false);
                millis
            }
        };
        let longest = if away <= TICK_GAP_MS { SHORT_WAIT_MS } else { LONG_WAIT_MS };
        self.quiet_until = self.now + longest * wait / 100;
    }
}

fn run_id(number: usize) -> String {
    format!("{number:032x}")
}

/// Checkpoints are never lost and each end comes in time.
fn nobody_who_ended_is_timed_out(runs: &[Run], blows: &[Blow]) {
    let mut world = World::new(runs);
    blows.iter().for_each(|blow| world.suffer(*blow));
    world.live(LONG_AFTER_MS);
    assert!(world.queue.is_empty(), "everything is delivered in the end");
    for (number, (_, took)) in runs.iter().enumerate() {
        let view = world.tracker.experience("default", "create_it", &run_id(number)).unwrap();
        let expected = if took.is_some() { "success" } else { "timeout" };
        assert_eq!(view.state, expected, "run {number}: {:?} of {blows:?}", runs[number]);
    }
    let never = runs.iter().filter(|(_, took)| took.is_none()).count();
    let sli = world.tracker.sli();
    assert!(sli.contains(&format!("outcome=\"timeout\"}} {never}\n")), "{sli}");
    assert!(sli.contains("timeout_recanted_total{user_experience_id=\"create_it\"} 0\n"));
    let late = format!("labkit_tracker_deadline_lateness_seconds_count {never}\n");
    assert!(world.tracker.metrics().contains(&late), "each is told with its lateness");
}

#[test]
fn steps_pauses_and_blackouts_time_out_nobody_who_ended_and_all_who_never_do() {
    let took = prop::option::weighted(0.7, 0..=TTL_MS - DELIVERY_MS);
    let runs = prop::collection::vec((0..240_000_i64, took), 1..30);
    let blows = prop::collection::vec((0..90_000_i64, mishap(), 0..=100_i64), 1..6);
    let histories = std::env::var("LABKIT_HISTORIES").map_or(HISTORIES, |n| n.parse().unwrap());
    let mut runner = TestRunner::new(Config::with_cases(histories));
    let tried = std::cell::Cell::new(0);
    let result = runner.run(&(runs, blows), |(runs, blows)| {
        nobody_who_ended_is_timed_out(&runs, &blows);
        tried.set(tried.get() + runs.len());
        Ok(())
    });
    let falsely = usize::from(result.is_err());
    println!(
        r#"{{"name":"clock mishaps","rounds":{histories},"experiences":{},"false_timeouts":{falsely}}}"#,
        tried.get()
    );
    result.unwrap();
}

#[test]
fn a_mass_of_timeouts_leaves_ingest_its_turn_between_the_steps_of_the_sweep() {
    const DUE: usize = 10_000;
    let tracker = tracker();
    for first in (0..DUE).step_by(500) {
        let starts: Vec<_> = (first..first + 500)
            .map(|number| with(original("start"), "correlation_id", json!(run_id(number))))
            .collect();
        assert_eq!(tracker.ingest("default", &batch(&starts)).status, 200);
        tracker.drain_events();
    }
    tracker.advance(TTL_MS - 1_000);
    tracker.step_clock(1_000);
    // One thread, so that the sweep has to give way if anything else is to run.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let engine = tracker.tracker.clone();
    let (answered, swept) = runtime.block_on(async {
        let sweep = tokio::spawn({
            let engine = engine.clone();
            async move { engine.sweep().await.unwrap() }
        });
        let mut answered = 0;
        while !sweep.is_finished() {
            let id = json!(run_id(DUE + answered));
            let body = with(original("start"), "correlation_id", id).to_string();
            engine.ingest(&"default".into(), &body, T0 + TTL_MS).await.unwrap();
            answered += 1;
            tokio::task::yield_now().await;
        }
        (answered, sweep.await.unwrap())
    });
    assert_eq!(swept, DUE as u64);
    assert!(answered >= DUE / 500, "{answered} requests were answered while {swept} timed out");
}
