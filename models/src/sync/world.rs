//! What the checker does not know: whether time passes, and whether the system
//! gives a thread to whoever asks. Set once per model, on the thread that runs
//! it; all threads of the model are that one thread.

use std::cell::{Cell, RefCell};

use super::checker::thread::JoinHandle;

/// When a wait with a timeout ends by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    /// Never: who relies on a timeout, the worker on its beat or a caller on his
    /// deadline, hangs, and the checker tells.
    Stands,
    /// At any moment, or never, as the checker pleases.
    Passes,
}

/// What becomes of a thread that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    Start,
    Refused,
    /// One or the other, as the checker pleases.
    Uncertain,
}

thread_local! {
    static TIME: Cell<Time> = const { Cell::new(Time::Stands) };
    static THREADS: Cell<Threads> = const { Cell::new(Threads::Start) };
    static WORKERS: RefCell<Vec<JoinHandle<()>>> = const { RefCell::new(Vec::new()) };
}

/// Makes the world anew, for one schedule.
pub(crate) fn begin(time: Time, threads: Threads) {
    TIME.set(time);
    THREADS.set(threads);
    // Of a schedule that failed; its threads are gone.
    WORKERS.take().into_iter().for_each(std::mem::forget);
}

pub(super) fn time_passes() -> bool {
    TIME.get() == Time::Passes && either()
}

pub(super) fn refuses_a_thread() -> bool {
    match THREADS.get() {
        Threads::Start => false,
        Threads::Refused => true,
        Threads::Uncertain => either(),
    }
}

/// Drawn by the checker, so that a schedule that is run again draws it again.
#[cfg(not(feature = "weak"))]
fn either() -> bool {
    use shuttle::rand::{Rng, thread_rng};
    thread_rng().r#gen()
}

#[cfg(feature = "weak")]
fn either() -> bool {
    unreachable!("loom does not draw: a world without chance was asked for")
}

pub(super) fn started(worker: JoinHandle<()>) {
    WORKERS.with_borrow_mut(|workers| workers.push(worker));
}

/// Waits until every worker that was started has left.
pub(crate) fn join_workers() {
    while let Some(worker) = WORKERS.with_borrow_mut(Vec::pop) {
        worker.join().expect("no worker panics past its supervisor");
    }
}
