//! The one background thread of a client: what it is asked, how it is started,
//! and what happens should it panic.

mod sender;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use nix::sys::signal::{SigSet, SigmaskHow};

use crate::clock::Now;
use crate::config::TransportKind;
use crate::error::Error;
use crate::process::{Process, Shared};
use crate::stats::DropReason;
use crate::transport::{Http, Memory, Transport};
use sender::Sender;

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

/// Makes the transport that the configuration asks for.
pub(crate) fn transport(shared: &Shared, process: &Process) -> Result<Box<dyn Transport>, Error> {
    Ok(match shared.config.transport {
        TransportKind::Http => Box::new(Http::new(&shared.config)?),
        TransportKind::Memory => Box::new(Memory::new(process.outbox.clone())),
    })
}

/// A panic costs what the worker held, is counted, and starts it anew.
fn supervise(shared: &Shared) {
    let process = shared.process();
    loop {
        let run = || match transport(shared, process) {
            Ok(transport) => Sender::new(shared, process, transport).run(),
            Err(e) => process.log(format!("no transport: {e}")),
        };
        if catch_unwind(AssertUnwindSafe(run)).is_ok() {
            return;
        }
        process.counters.worker_restarts.fetch_add(1, Relaxed);
        let lost = process.counters.in_hand.swap(0, Relaxed);
        process.counters.drop(DropReason::WorkerLost, lost);
        process.log(format!("the worker panicked and was restarted; {lost} checkpoints lost"));
    }
}
