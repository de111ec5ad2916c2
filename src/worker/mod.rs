//! The one background thread of a client: what it is asked, how it is started,
//! and what happens should it panic.

mod hand;
mod heartbeat;
#[cfg(test)]
mod idle;
#[cfg(test)]
mod ledger;
mod orders;
mod parcel;
mod sender;
#[cfg(test)]
mod spooling;
#[cfg(test)]
mod stage;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};

use crate::clock::Now;
use crate::process::{Process, Shared};
use crate::quiet;
use crate::stats::DropReason;
use crate::sync::thread;
use crate::transport::Transport;
use hand::Hand;
use sender::Sender;

/// Should the worker panic at once, every time, it must not eat a processor.
const RESTART_PAUSE: Duration = Duration::from_millis(20);

/// Sees to it that this process has its worker.
#[inline]
pub(crate) fn ensure(shared: &Arc<Shared>, process: &Process, now: Now) {
    if !process.has_worker() {
        process.start_worker(now, || spawn(shared));
    }
}

/// All signals are blocked before the thread exists, so that the host's
/// handlers never run on it.
fn spawn(shared: &Arc<Shared>) -> io::Result<()> {
    let shared = Arc::clone(shared);
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK).ok();
    let spawned =
        thread::Builder::new().name("labkit-worker".into()).spawn(move || supervise(&shared));
    if let Some(mask) = mask {
        let _ = mask.thread_set_mask();
    }
    spawned.map(drop)
}

fn supervise(shared: &Shared) {
    let process = shared.process();
    keep_going(shared, process, || shared.route.open(&process.outbox));
}

/// A panic costs what was just being encoded or sent, is counted, and starts the
/// worker anew; what it was asked to do still stands.
fn keep_going(shared: &Shared, process: &Process, open: impl Fn() -> Box<dyn Transport>) {
    let mut hand = Hand::new(shared, process);
    while let Err(message) = quiet::catch(|| Sender::new(shared, process, open(), &mut hand).run())
    {
        mourn(process, &mut hand, &message);
        thread::park_timeout(RESTART_PAUSE);
    }
}

fn mourn(process: &Process, hand: &mut Hand<'_>, message: &str) {
    let lost = hand.take_stock();
    process.counters.drop(DropReason::WorkerLost, lost);
    process.counters.worker_restarts.fetch_add(1, Relaxed);
    process.log(format!("the worker panicked, {lost} checkpoints are lost: {message}"));
}
