//! Where two atomics have to agree, under loom: every order of the steps of two
//! threads, and what the memory orderings in the code allow a load to see, as far
//! as sync/weak.rs can tell.

use std::sync::Arc;

use loom::thread;

use crate::clock::Now;
use crate::config::{Config, TransportKind};
use crate::fork::{ForkLocal, fork_in_a_model, generation};
use crate::process::Process;
use crate::queue::{Pushed, Queue, Record};
use crate::stats::DropReason;
use crate::sync::atomic::{AtomicU64, Ordering};

const NOW: Now = Now { wall_ms: 0, mono_ns: 0 };

/// Loom's authors have found two or three to be enough.
const PREEMPTIONS: usize = 3;

fn explore(body: fn()) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    model.check(body);
}

fn record() -> Record {
    Record::Payload { json: "".into(), wall_ms: 0 }
}

#[test]
fn a_crowd_that_did_not_call_is_seen_by_who_drains() {
    explore(|| {
        // Somebody has called, was heard, and has been drained.
        let queue = Arc::new(Queue::new(2, 0));
        assert_eq!(queue.push(record()), Ok(Pushed::WakeWorker));
        queue.pop().expect("it is there");
        let caller = Arc::clone(&queue);
        let caller = thread::spawn(move || caller.push(record()));
        while queue.pop().is_some() {}
        let pushed = caller.join().unwrap();
        assert!(pushed == Ok(Pushed::WakeWorker) || queue.len() == 0, "nobody looks after it");
    });
}

#[test]
fn a_record_that_did_not_call_is_seen_by_who_was_to_be_called_always() {
    explore(|| {
        let queue = Arc::new(Queue::new(4, 0));
        let caller = Arc::clone(&queue);
        let caller = thread::spawn(move || caller.push(record()));
        queue.call_always();
        while queue.pop().is_some() {}
        let pushed = caller.join().unwrap();
        assert!(pushed == Ok(Pushed::WakeWorker) || queue.len() == 0, "nobody looks after it");
    });
}

fn process() -> Arc<Process> {
    let config = Config { transport: TransportKind::Memory, queue_items: 2, ..Config::default() };
    Arc::new(Process::new(&config, NOW))
}

/// Records as a caller does, and is left with the record if there is no worker.
fn push(process: &Process) {
    assert!(process.queue.push(record()).is_ok());
    if !process.has_worker() {
        process.start_worker(NOW, || Ok(()));
    }
}

#[test]
fn a_record_beside_a_worker_that_leaves_is_seen_by_one_of_the_two() {
    explore(|| {
        let process = process();
        process.start_worker(NOW, || Ok(()));
        let caller = Arc::clone(&process);
        let caller = thread::spawn(move || push(&caller));
        process.stop_worker();
        caller.join().unwrap();
        assert_eq!(process.queue.len(), 0, "nobody looks after it");
        assert_eq!(process.counters.dropped(DropReason::ShutDown), 1);
    });
}

#[test]
fn a_record_beside_a_shutdown_that_finds_no_worker_is_seen_by_one_of_the_two() {
    explore(|| {
        let process = process();
        let caller = Arc::clone(&process);
        let caller = thread::spawn(move || push(&caller));
        let is_stopped = process.stop_without_worker();
        caller.join().unwrap();
        assert!(process.queue.len() == 0 || !is_stopped, "nobody looks after it");
    });
}

#[test]
fn threads_of_a_child_see_all_of_the_value_that_one_of_them_made() {
    explore(|| {
        let cell = Arc::new(ForkLocal::new(AtomicU64::new(1)));
        fork_in_a_model();
        let ask = |cell: Arc<ForkLocal<AtomicU64>>| {
            let value = cell.get(|_| {
                let value = AtomicU64::new(1);
                value.store(2, Ordering::Relaxed);
                value
            });
            (value.load(Ordering::Relaxed), generation())
        };
        let other = Arc::clone(&cell);
        let other = thread::spawn(move || ask(other));
        let (value, generation) = ask(cell);
        assert_eq!(value, 2, "the maker's last word");
        assert_eq!(other.join().unwrap(), (value, generation));
    });
}
