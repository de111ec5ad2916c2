//! The ledger under whatever a tracker may answer.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arbtest::arbitrary::{Result, Unstructured};
use arbtest::arbtest;

use super::hand::Hand;
use super::sender::Sender;
use super::stage::*;
use super::{keep_going, mourn};
use crate::inject;
use crate::process::Shared;
use crate::quiet;
use crate::scratch::Scratch;
use crate::stats::DropReason;
use crate::sync::channel::Receiver;
use crate::transport::{Interrupt, Reply, Transport};

#[derive(Clone, Debug)]
enum Op {
    Record(u8),
    Poison,
    Flush,
    Wait(u32),
    Turn,
}

fn op(u: &mut Unstructured<'_>) -> Result<Op> {
    Ok(match u.int_in_range(0..=14)? {
        0..=5 => Op::Turn,
        6..=9 => Op::Record(u.int_in_range(0..=11)?),
        10 | 11 => Op::Flush,
        12 => Op::Wait(u.int_in_range(0..=2_000)?),
        // Up to a day and a half: the oldest expire.
        13 => Op::Wait(u.int_in_range(0..=130_000_000)?),
        _ => Op::Poison,
    })
}

fn step(u: &mut Unstructured<'_>) -> Result<Step> {
    const STATUSES: [u16; 11] = [400, 401, 403, 404, 413, 413, 413, 422, 429, 500, 503];
    Ok(match u.int_in_range(0..=11)? {
        0..=3 => {
            Step::Accept { rejected: u.int_in_range(0..=5)?, duplicate: u.int_in_range(0..=5)? }
        }
        4 => Step::Miscount(*u.choose(&[-1, 1, 9])?),
        5 => Step::Garbage,
        6 | 7 => Step::Status(*u.choose(&STATUSES)?, None),
        8 | 9 => Step::Status(*u.choose(&STATUSES)?, Some(u.int_in_range(0..=4_000)?)),
        10 => Step::Unreachable,
        _ => Step::Panic,
    })
}

fn several<T>(
    u: &mut Unstructured<'_>,
    most: usize,
    one: fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| one(u)).collect()
}

#[test]
fn the_ledger_balances_after_every_step_of_any_history() {
    arbtest(|u| {
        let spool = u.arbitrary::<bool>()?.then(Scratch::new);
        history(several(u, 60, op)?, several(u, 30, step)?, spool.as_ref().map(Scratch::path));
        Ok(())
    })
    .budget_ms(2_000);
}

fn history(ops: Vec<Op>, script: Vec<Step>, spool: Option<&Path>) {
    let shared = shared(|config| config.spool_dir = spool.map(Into::into));
    let process = shared.process();
    let tracker = Tracker::default();
    tracker.book().script = script.into();
    let (mut hand, mut waiting, mut panics) = (Hand::new(&shared, process), Vec::new(), 0);
    // In the end all is well again, and somebody waits for what is left.
    let recovery = [Op::Wait(4_000_000), Op::Flush, Op::Turn, Op::Wait(4_000_000), Op::Turn];
    let mut ops = ops.into_iter().chain(recovery.into_iter().cycle().take(400));
    loop {
        let mut sender = Sender::new(&shared, process, Box::new(tracker.clone()), &mut hand);
        let lived = quiet::catch(|| {
            for op in ops.by_ref() {
                match op {
                    Op::Record(count) => (0..count).for_each(|_| record(&shared, "")),
                    Op::Poison => record(&shared, inject::WORKER),
                    Op::Flush => waiting.push(flush(&shared)),
                    Op::Wait(ms) => shared.clock.set(shared.clock.now().wall_ms + i64::from(ms)),
                    Op::Turn => sender.turn(),
                }
                balanced(&shared);
            }
        });
        let Err(message) = lived else { break };
        assert!(message.contains("asked for"), "{message}");
        mourn(process, &mut hand, &message);
        panics += 1;
        balanced(&shared);
    }
    let stats = balanced(&shared);
    let book = tracker.book();
    assert_eq!((stats.queued, stats.spooled), (0, 0));
    assert_eq!((stats.acknowledged, stats.rejected), (book.acknowledged, book.rejected));
    assert_eq!(stats.worker_restarts, panics);
    assert!(waiting.iter().all(|wait| wait.try_recv().is_ok()), "a flush hangs");
}

#[test]
fn whatever_shutdown_finds_is_sent_spooled_or_dropped() {
    arbtest(|u| {
        let (records, spool) = (u.int_in_range(0..=39)?, u.int_in_range(0..=2)?);
        shutdown(records, spool, several(u, 6, step)?);
        Ok(())
    })
    .budget_ms(1_000);
}

fn shutdown(records: u8, spool: u8, script: Vec<Step>) {
    let dir = Scratch::new();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let spool_dir = match spool {
        0 => None,
        1 => Some(dir.path().join("spool")),
        _ => Some(dir.path().join("file")),
    };
    let shared = shared(|config| config.spool_dir = spool_dir);
    let tracker = Tracker::default();
    tracker.book().script = script.into();
    (0..records).for_each(|_| record(&shared, ""));
    let wait = shut_down(&shared, Instant::now());
    keep_going(&shared, shared.process(), || Box::new(tracker.clone()));
    assert!(wait.try_recv().is_ok());
    record(&shared, "");
    let stats = balanced(&shared);
    let spooled = shared.process().counters.spooled.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(stats.queued, spooled);
    assert!(spool == 1 || spooled == 0);
}

#[test]
fn a_shutdown_and_a_flush_outlive_a_panic() {
    let shared = shared(|_| {});
    let tracker = Tracker::default();
    (0..4).for_each(|_| record(&shared, ""));
    record(&shared, inject::WORKER);
    (0..2).for_each(|_| record(&shared, ""));
    let (flushed, stopped) = (flush(&shared), shut_down(&shared, far()));
    keep_going(&shared, shared.process(), || Box::new(tracker.clone()));
    assert_eq!((flushed.try_recv(), stopped.try_recv()), (Ok(()), Ok(())));
    let stats = balanced(&shared);
    assert_eq!((stats.acknowledged, stats.worker_restarts), (6, 1));
    assert_eq!(stats.dropped[DropReason::WorkerLost as usize], 1);
    let log = shared.process().drain_log(|_| true).unwrap();
    assert!(log.contains("1 checkpoints are lost: asked for by panic_in_worker at src"), "{log}");
}

#[test]
fn a_panic_of_the_transport_costs_nothing() {
    let shared = shared(|config| config.backoff_cap_ms = 1);
    let tracker = Tracker::default();
    tracker.book().script.push_back(Step::Panic);
    (0..7).for_each(|_| record(&shared, ""));
    let mut hand = Hand::new(&shared, shared.process());
    let flushed = flush(&shared);
    let mut sender = Sender::new(&shared, shared.process(), Box::new(tracker), &mut hand);
    sender.turn();
    assert_eq!(balanced(&shared).queued, 7);
    shared.clock.set(NOON + 1);
    sender.turn();
    assert_eq!(flushed.try_recv(), Ok(()));
    let stats = balanced(&shared);
    assert_eq!((stats.acknowledged, stats.retries, stats.worker_restarts), (7, 1, 0));
    let log = shared.process().drain_log(|_| true).unwrap();
    assert!(log.contains("panicked: a poisoned batch at src"), "{log}");
}

#[test]
fn a_record_that_comes_while_the_worker_leaves_is_dropped_and_counted() {
    let shared = shared(|_| {});
    let process = shared.process();
    process.start_worker(shared.clock.now(), || Ok(()));
    process.stop_worker();
    record(&shared, ""); // it saw that the client was open, a moment before
    process.start_worker(shared.clock.now(), || panic!("nothing is started after a shutdown"));
    let stats = balanced(&shared);
    assert_eq!((stats.queued, stats.dropped[DropReason::ShutDown as usize]), (0, 1));
}

#[test]
fn while_the_tracker_is_away_a_crowded_queue_calls_once() {
    let shared = shared(|_| {});
    let tracker = Tracker::default();
    tracker.book().script.push_back(Step::Status(503, Some(3600)));
    let mut hand = Hand::new(&shared, shared.process());
    let mut sender = Sender::new(&shared, shared.process(), Box::new(tracker), &mut hand);
    let mut calls = 0;
    for _ in 0..30 {
        record(&shared, "");
        calls += shared.process().commands().len();
        sender.turn();
    }
    assert_eq!(calls, 1);
    // The tracker is back; what piled up goes batch by batch, at a pace.
    for hour in 4..20 {
        shared.clock.set(NOON + hour * 3_600_000);
        sender.turn();
    }
    assert_eq!(shared.process().stats().queued, 0);
    (0..30).for_each(|_| record(&shared, ""));
    assert_eq!(shared.process().commands().len(), 1, "the next crowd calls again");
}

/// Accepts everything, and with each request come more records than it took.
struct Endless {
    shared: Arc<Shared>,
    flushed: Option<Receiver<()>>,
    requests: u32,
}

impl Transport for Endless {
    fn send(&mut self, _body: &[u8], _token: Option<&str>) -> Reply {
        self.requests += 1;
        let flushed = self.flushed.get_or_insert_with(|| flush(&self.shared));
        if self.requests < 100 && flushed.try_recv().is_err() {
            (0..5).for_each(|_| record(&self.shared, ""));
        }
        assert!(self.requests < 20, "the flush is not heard");
        answer(5, 0, 0)
    }

    fn interrupt(&self) -> Interrupt {
        Box::new(|| {})
    }

    fn renew(&mut self) {}
}

#[test]
fn callers_who_never_pause_do_not_shut_out_one_who_waits() {
    let shared = Arc::new(shared(|_| {}));
    (0..5).for_each(|_| record(&shared, ""));
    let endless = Endless { shared: Arc::clone(&shared), flushed: None, requests: 0 };
    let mut hand = Hand::new(&shared, shared.process());
    Sender::new(&shared, shared.process(), Box::new(endless), &mut hand).turn();
    assert_eq!(balanced(&shared).queued, 0);
}

#[test]
fn what_a_tracker_says_is_logged_as_one_short_line() {
    let shared = shared(|_| {});
    shared.process().log(format!("a\nb\u{1b}{}", "x".repeat(1_000_000)));
    let log = shared.process().drain_log(|_| true).unwrap();
    assert!(log.starts_with("a b x") && log.len() < 600 && log.lines().count() == 1);
}

#[test]
fn somebody_elses_200_deletes_no_spooled_segment() {
    let dir = Scratch::new();
    let dead = shared(|config| config.spool_dir = Some(dir.path().into()));
    (0..4).for_each(|_| record(&dead, ""));
    shut_down(&dead, Instant::now());
    keep_going(&dead, dead.process(), || Box::new(Tracker::default()));
    assert_eq!(balanced(&dead).queued, 4);

    let heir = shared(|config| config.spool_dir = Some(dir.path().into()));
    let tracker = Tracker::default();
    let halve = Step::Status(413, None);
    tracker.book().script = [Step::Garbage, Step::Miscount(-1), halve].into();
    let mut hand = Hand::new(&heir, heir.process());
    let mut sender = Sender::new(&heir, heir.process(), Box::new(tracker.clone()), &mut hand);
    for _ in 0..6 {
        let settled = tracker.book().acknowledged == 4;
        assert_eq!(segments(dir.path()), if settled { 0 } else { 1 });
        sender.turn();
        heir.clock.set(heir.clock.now().wall_ms + 3_600_000);
    }
    assert_eq!(tracker.book().acknowledged, 4);
    assert_eq!(segments(dir.path()), 0);
}

/// Segments under `dir`.
fn segments(dir: &Path) -> usize {
    let files = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let inner = files(dir).flat_map(|folder| files(&folder.path()).collect::<Vec<_>>());
    inner.filter(|file| file.path().extension().is_some_and(|e| e == "seg")).count()
}
