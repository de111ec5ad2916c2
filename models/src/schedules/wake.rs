//! The queue and the worker: who fills it to the half has called, and is heard.

use shuttle::thread;

use super::*;
use crate::process::Command;
use crate::queue::Record;
use crate::worker;

/// Half of what `config` lets wait.
const CROWD: usize = 2;

fn push(shared: &Arc<Shared>, count: usize) {
    let process = shared.process();
    for _ in 0..count {
        let record = Record::Payload { json: "{}".into(), wall_ms: shared.clock.now().wall_ms };
        let _ = shared.push(process, record);
        worker::ensure(shared, process, shared.clock.now());
    }
}

#[test]
fn a_crowded_queue_is_drained_without_waiting_for_a_beat() {
    explore(Time::Stands, Threads::Start, || {
        let shared = shared();
        let callers = [0, 1].map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || push(&shared, CROWD + 1))
        });
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        // A call that was lost leaves the worker asleep, and this for ever.
        while shared.process().queue.len() >= CROWD {
            thread::yield_now();
        }
        shared.process().command(Command::Stop);
        world::join_workers();
    });
}
